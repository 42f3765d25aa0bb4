"""
An application that tells who calls, served on a port from a thread of its own, on either engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import uvloop

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Struct, Writer, method
from freehold.access import MintedKey, NewKey, create_key, revoke_key
from freehold.app.opening import OpenApp, Options, open_app
from freehold.clock import Clock, SystemClock
from freehold.server import Listen, Pages, Server
from freehold.testing import shared_cluster
from freehold.wire.limits import Limits
from tests.server.toy import Client, HttpAnswer, dial_frames, post

T = TypeVar("T")
PLACES = ("sqlite", "postgresql")
SOON_S = 20.0


class Visit(Record, table="visits"):
    """Somebody came by."""

    id: Annotated[str, PrimaryKey()]
    key_id: str
    user: str | None = None


class Seen(Struct):
    """Who calls, as a function sees it."""

    key_id: str
    user: str | None
    acts_for: bool


def who(db: Reader) -> Seen:
    """The caller."""
    return Seen(key_id=db.caller.key_id, user=db.caller.user, acts_for=db.caller.acts_for)


def visit(db: Writer) -> Visit:
    """Write down who came by."""
    return db.insert(Visit(id=db.new_id(), key_id=db.caller.key_id, user=db.caller.user))


def visits(db: Reader) -> list[Visit]:
    """Everybody who came by."""
    return db.all(Visit)


def secret_word(db: Reader) -> str:
    """Asks for a word that no wildcard gives."""
    return "opened"


class Door(Entrypoint):
    """Tells who calls."""

    who = who
    visit = visit
    visits = visits
    secret_word = method(secret_word, scope="back_door")


APP = App("door", databases=[Database("main", [Visit])], entrypoints=[Door])


@dataclass
class World:
    """A served application: its parts, and where it is."""

    running: OpenApp
    server: Server
    loop: asyncio.AbstractEventLoop
    clients: list[Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int((self.server.addresses.http or "").rpartition(":")[2])

    def mint(self, *scopes: str, **said: Any) -> MintedKey:
        """A new key, as the operator makes it while the server runs."""
        data = NewKey(name="test", scopes=[*(scopes or ("*",))], **said)
        pepper = self.running.secrets.pepper

        def make(db: Writer) -> MintedKey:
            # Inside, as the operator's methods do it: other commits may come before this one.
            self.running.authenticator.changing()
            return create_key(db, data, pepper=pepper)

        return self.running.first.write(make)

    def key(self, *scopes: str, **said: Any) -> str:
        """The text of a new key."""
        return self.mint(*scopes, **said).key

    def revoke(self, key_id: str) -> None:
        """End a key."""

        def end(db: Writer) -> None:
            self.running.authenticator.changing()
            revoke_key(db, key_id)

        self.running.first.write(end)

    def client(self) -> Client:
        """A new TCP connection."""
        client = Client(socket.create_connection(("127.0.0.1", self.port), timeout=SOON_S))
        self.clients.append(client)
        return client

    def frames(self, key: str) -> Client:
        """A connection that speaks frames, greeted."""
        client = dial_frames(self.port, key)
        self.clients.append(client)
        return client

    def call(self, name: str, *, key: str | None, extra: str = "", body: Any = None) -> HttpAnswer:
        """One call over a connection of its own."""
        client = self.client()
        client.send(post(name, json.dumps(body or {}).encode(), key=key, extra=extra))
        answer = client.answer()
        client.close()
        return answer

    def on_loop(self, work: Callable[[], T]) -> T:
        """Run something on the server's thread."""

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(SOON_S)


@contextlib.contextmanager
def served(
    folder: Path,
    place: str = "sqlite",
    *,
    app: App = APP,
    limits: Limits | None = None,
    clock: Clock | None = None,
    **said: Any,
) -> Iterator[World]:
    """The application, served on a free port."""
    if place == "postgresql" and "database" not in said:
        said["database"] = shared_cluster().new_schema()
    running = open_app(
        app,
        Options(
            folder=folder / "data",
            limits=limits or Limits(),
            clock=clock or SystemClock(),
            **said,
        ),
    )
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Server(
        running.dispatcher,
        running.authenticator,
        pages=Pages("door", "1", running, b"{}", running.contract.hash),
        listen=Listen(port=0),
        limits=running.options.limits,
        clock=running.options.clock,
    )
    world = World(running, server, loop)
    try:
        world.on_loop(lambda: running.start(lambda run: _on(loop, run)))
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(SOON_S)
        yield world
    finally:
        for client in world.clients:
            client.close()
        asyncio.run_coroutine_threadsafe(server.stop(grace_s=0), loop).result(SOON_S)
        asyncio.run_coroutine_threadsafe(running.finish(), loop).result(SOON_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        running.close()
        loop.close()


def _on(loop: asyncio.AbstractEventLoop, run: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(run)


def packed(value: Any) -> bytes:
    """As MessagePack."""
    return msgspec.msgpack.encode(value)
