"""
The operator's way to a database: through its running owner, or by being the owner itself.

Whoever owns the file is asked over the Unix socket that only the same user can open. When
nobody does, the command opens the database for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from freehold.app import App
from freehold.app.upkeep import upkeep_name
from freehold.client import Mutation, SyncBinding
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.app.opening import OpenApp


class AnyBinding(SyncBinding):
    """A binding without generated methods: any method, by name."""

    def ask(self, method: str, args: dict[str, Any]) -> Any:
        """Call `Entrypoint.method` with named arguments; raises a `CallError`."""
        return self._call(Mutation[Any](method), args)


class Operator(Protocol):
    """What the operator's commands ask for; answers are plain JSON values."""

    def create_key(self, data: dict[str, Any]) -> dict[str, Any]:
        """Make a service key."""

    def list_keys(self) -> list[dict[str, Any]]:
        """Every key."""

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        """End a key."""

    def rotate_key(self, key_id: str, overlap_s: int) -> dict[str, Any]:
        """Make a key that replaces another one."""

    def sql(self, text: str, limit: int) -> dict[str, Any]:
        """The rows of a SELECT."""

    def of_database(self, database: str, method: str, args: dict[str, Any]) -> Any:
        """Call a method over one database."""


class _Owner:
    """The operator's methods by their names, over whichever way `ask` goes."""

    def create_key(self, data: dict[str, Any]) -> dict[str, Any]:
        """Make a service key."""
        return self._first("createKey", data=data)  # type: ignore[no-any-return]

    def list_keys(self) -> list[dict[str, Any]]:
        """Every key."""
        return self._first("listKeys")  # type: ignore[no-any-return]

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        """End a key."""
        return self._first("revokeKey", id=key_id)  # type: ignore[no-any-return]

    def rotate_key(self, key_id: str, overlap_s: int) -> dict[str, Any]:
        """Make a key that replaces another one."""
        return self._first("rotateKey", id=key_id, overlapS=overlap_s)  # type: ignore[no-any-return]

    def sql(self, text: str, limit: int) -> dict[str, Any]:
        """The rows of a SELECT."""
        return self._first("sql", text=text, limit=limit)  # type: ignore[no-any-return]

    def of_database(self, database: str, method: str, args: dict[str, Any]) -> Any:
        """Call a method over one database."""
        return self.ask(f"{upkeep_name(database)}.{method}", args)

    def ask(self, method: str, args: dict[str, Any]) -> Any:
        """Call a method by name; raises a `CallError`."""
        raise NotImplementedError

    def _first(self, method: str, **args: Any) -> Any:
        return self.ask(f"Freehold.{method}", args)


class RunningOwner(_Owner):
    """Asks the process that owns the database."""

    def __init__(self, binding: AnyBinding) -> None:
        self._binding = binding

    def ask(self, method: str, args: dict[str, Any]) -> Any:
        """Call a method by name; raises a `CallError`."""
        return self._binding.ask(method, args)


class OwnerForAMoment(_Owner):
    """Owns the database itself while the command runs."""

    def __init__(self, running: OpenApp) -> None:
        self._running = running

    def ask(self, method: str, args: dict[str, Any]) -> Any:
        """Call a method by name; raises a `CallError`."""
        return self._running.ask(method, args)


@contextmanager
def operator(app: App, folder: Path, database: str | None) -> Iterator[Operator]:
    """
    The way to the application's first database.

    Raises:
        StartError: It is owned by a process that does not listen, or cannot be opened.
    """
    from freehold.app.opening import open_app

    options = options_for(folder, database)
    socket = owner_socket(app, folder, database)
    if socket is not None:
        with AnyBinding.connect(socket) as binding:
            yield RunningOwner(binding)
        return
    running = open_app(app, options)
    try:
        yield OwnerForAMoment(running)
    finally:
        running.close()


def options_for(folder: Path, database: str | None) -> Any:
    """How a command opens the application: as it is, changing nothing."""
    from freehold.app.opening import Options

    return Options(folder=folder.resolve(), database=database)


def owner_socket(app: App, folder: Path, database: str | None) -> str | None:
    """
    Where the database's owner listens; None when nobody owns it, or on a server.

    Raises:
        StartError: Somebody owns it and does not listen.
    """
    from freehold.app.places import places
    from freehold.drivers.sqlite import owner_of

    path = next(iter(places(app, folder.resolve(), database).values()))
    if not isinstance(path, Path):
        # Several processes may serve a server's database; the command is one of them.
        return None
    owner = owner_of(path)
    if owner is None:
        return None
    if owner.socket is None:
        raise StartError(
            f"process {owner.pid} owns {path} and does not listen yet.",
            hint="Try again when it is up, or stop it.",
        )
    return owner.socket
