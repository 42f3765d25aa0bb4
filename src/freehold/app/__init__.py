"""
The app room: what a user's application is, and how it is opened.

`App`, `Database` and `Service` are its declaration; the opener loads the drivers and is
imported from `freehold.app.opening`.
"""

from freehold.app.declaration import App, Database
from freehold.app.services import Service

__all__ = ["App", "Database", "Service"]
