"""
The crew room: the processes of `freehold dev`, the data layer and the services beside it.

    Crew        starts all in order, keeps them running, takes them down in reverse order
    Plan        what is to run: the application's services, where, with which options
    Log         the one log of all of them
    reload      starts again what was changed; imported by itself, for it loads a watcher

Each process is one `Member`; nothing here opens a database.
"""

from freehold.crew.crew import Crew, DataLayerFailed, Plan
from freehold.crew.declared import Declared, written
from freehold.crew.environment import find_env_file, read_env_file
from freehold.crew.log import Log
from freehold.crew.looking import free_port

__all__ = [
    "Crew",
    "DataLayerFailed",
    "Declared",
    "Log",
    "Plan",
    "find_env_file",
    "free_port",
    "read_env_file",
    "written",
]
