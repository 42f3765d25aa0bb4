"""
What a test of Linkie Claw begins with: an empty data layer, and things to put in it.

Each call of a domain function is a transaction of its own on the real engine, as it is when
it comes over the wire. Time stands still until a test moves it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from freehold import Caller, Writer
from freehold.testing import ENGINES, TestDatabase, engine_database
from linkie_claw.domains import generations, posts, users
from linkie_claw.schema import GeneratedImage, Generation, TextVariation, User, schema

P = ParamSpec("P")
T = TypeVar("T")

#: A Friday morning, 15 January 2027, 08:00 UTC.
START_S: Final = 1_800_000_000
OWNER: Final = Caller("in process", trusted=True)


class World:
    """
    One empty data layer, and short ways to what most tests need to be there.

    What a thing refers to must have been made before, as in life.
    """

    def __init__(self, database: TestDatabase) -> None:
        self.database = database
        #: Who calls, in all calls to come.
        self.caller = OWNER

    def call(
        self, function: Callable[Concatenate[Writer, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a domain function in a transaction of its own; a query gets a handle that reads."""
        if typing.get_type_hints(function)["db"] is Writer:
            with self.database.write(caller=self.caller) as db:
                return function(db, *args, **kwargs)
        with self.database.read(caller=self.caller) as reader:
            query: Callable[..., T] = function
            return query(reader, *args, **kwargs)

    @property
    def now(self) -> int:
        """The world's time in epoch seconds."""
        return self.database.clock.wall_ns() // 1_000_000_000

    def wait(self, *, seconds: int) -> None:
        """Let time pass."""
        self.database.clock.advance(seconds=seconds)

    def user(self, name: str = "alex", **fields: Any) -> User:
        """A user."""
        given = {"email": f"{name}@people.example", "name": name.title()} | fields
        return self.call(users.create_user, users.NewUser(**given))

    def post(self, user: User, **fields: Any) -> posts.Post:
        """A post of the user, a draft unless told."""
        given = {"title": "A title", "content": "A text"} | fields
        return self.call(posts.create_post, posts.NewPost(user_id=user.id, **given))

    def due_post(self, user: User, **fields: Any) -> posts.Post:
        """A post of the user that is due now."""
        return self.post(user, **({"status": "scheduled", "scheduled_at": self.now} | fields))

    def generation(self, user: User, **fields: Any) -> Generation:
        """A generation of the user, with a text and an image."""
        given: dict[str, Any] = {
            "idea": "Ferries",
            "text_variations": [TextVariation(id="t1", style="storytelling", content="Once …")],
            "images": [GeneratedImage(id="i1", url="https://i.example/1", prompt="A ferry")],
        }
        data = generations.NewGeneration(user_id=user.id, **(given | fields))
        return self.call(generations.create_generation, data)


@contextmanager
def empty_world(engine: str = ENGINES[0]) -> Iterator[World]:
    """A data layer with its tables and nothing in them, on one of the engines."""
    with engine_database(engine, schema) as database:
        yield World(database)
