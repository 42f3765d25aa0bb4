"""
What a test of HotMetal begins with: an empty data layer, and things to put in it.

Each call of a domain function is a transaction of its own on the real engine, as it is when
it comes over the wire. Time stands still until a test moves it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from freehold import Writer
from freehold.testing import ENGINES, TestDatabase, engine_database
from hotmetal.domains import ideas, publications, sessions, social_connections, topics, users
from hotmetal.schema import Session, SocialConnection, Topic, User, schema

P = ParamSpec("P")
T = TypeVar("T")

#: A Friday morning, 15 January 2027, 08:00 UTC.
START_S: Final = 1_800_000_000


class World:
    """
    One empty data layer, and short ways to what most tests need to be there.

    Ids have defaults, so a test names only what it looks at. What a thing refers to must have
    been made before, as in life.
    """

    def __init__(self, database: TestDatabase) -> None:
        self.database = database

    def call(
        self, function: Callable[Concatenate[Writer, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a domain function in a transaction of its own; a query gets a handle that reads."""
        if typing.get_type_hints(function)["db"] is Writer:
            with self.database.write() as db:
                return function(db, *args, **kwargs)
        with self.database.read() as reader:
            query: Callable[..., T] = function
            return query(reader, *args, **kwargs)

    @property
    def now(self) -> int:
        """The world's time in epoch seconds."""
        return self.database.clock.wall_ns() // 1_000_000_000

    def wait(self, *, seconds: int) -> None:
        """Let time pass."""
        self.database.clock.advance(seconds=seconds)

    def user(self, id: str = "user-1", **fields: Any) -> User:
        """A user."""
        given = {"email": f"{id}@people.example", "name": "Ada"} | fields
        return self.call(users.create_user, users.CreateUserInput(id=id, **given))

    def publication(self, id: str = "pub-1", **fields: Any) -> publications.Publication:
        """A publication of `user-1`."""
        given = {"user_id": "user-1", "name": "The Paper", "slug": "the-paper"} | fields
        data = publications.CreatePublicationInput(id=id, **given)
        return self.call(publications.create_publication, data)

    def topic(self, id: str = "topic-1", **fields: Any) -> Topic:
        """A topic of `pub-1`."""
        given = {"publication_id": "pub-1", "name": "Ferries"} | fields
        return self.call(topics.create_topic, topics.CreateTopicInput(id=id, **given))

    def idea(self, id: str = "idea-1", **fields: Any) -> ideas.Idea:
        """A new idea of `pub-1`."""
        return self.call(ideas.create_idea, new_idea(id, **fields))

    def session(self, id: str = "ses-1", **fields: Any) -> Session:
        """An active session of `user-1`, without publication or idea."""
        given = {"user_id": "user-1"} | fields
        return self.call(sessions.create_session, sessions.CreateSessionInput(id=id, **given))

    def connection(self, **fields: Any) -> SocialConnection:
        """A connection of `user-1`."""
        given = {"user_id": "user-1", "provider": "linkedin"} | fields
        data = social_connections.CreateSocialConnectionInput(**given)
        return self.call(social_connections.create_social_connection, data)


def new_idea(id: str = "idea-1", **fields: Any) -> ideas.CreateIdeaInput:
    """What creates an idea of `pub-1`."""
    given = {
        "publication_id": "pub-1",
        "title": "The plug",
        "angle": "One berth",
        "summary": "A port, wired.",
    }
    return ideas.CreateIdeaInput(id=id, **(given | fields))


@contextmanager
def empty_world(engine: str = ENGINES[0]) -> Iterator[World]:
    """A data layer with its tables and nothing in them, on one of the engines."""
    with engine_database(engine, schema) as database:
        yield World(database)
