"""
The guard at run time: who has the live database open, and who could open it on a server.
"""

from __future__ import annotations

from freehold.errors import StartError


def running_database(app: object, folder: object, database: object, *, as_json: bool) -> int:
    """Not there yet."""
    raise StartError("not yet")


def postgres_owner(
    app: object, database: object, *, role: str, admin_url: str | None, apply: bool
) -> int:
    """Not there yet."""
    raise StartError("not yet")
