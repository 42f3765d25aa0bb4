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

from freehold import Caller, Sealed, Writer
from freehold.testing import ENGINES, TestDatabase, engine_database
from linkie_claw.domains import generations, oauth_states, posts, sessions, settings, users
from linkie_claw.presets import IMAGE_STYLES, VOICE_TONES
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


class Owned:
    """A user with one of everything, and what of it has an id."""

    def __init__(self, world: World, name: str) -> None:
        self.user: User = world.user(name)
        self.ids: dict[str, list[str]] = {"posts": [], "generations": []}
        for status in ("draft", "scheduled", "publishing", "published", "failed"):
            fields = {"status": status, "scheduled_at": world.now + 60, "published_at": world.now}
            self.ids["posts"].append(world.post(self.user, title=name, **fields).id)
            # So that the time alone orders them, whatever their ids are.
            world.wait(seconds=1)
        self.ids["generations"].append(world.generation(self.user, idea=name).id)
        token: Sealed[str] = Sealed.of(f"token of {name}")
        patch = settings.UserSettingsPatch(linkedin_access_token=token, linkedin_headline=name)
        world.call(settings.upsert_user_settings, self.user.id, patch)
        world.call(
            users.link_account,
            users.NewAccount(
                user_id=self.user.id, type="oauth", provider="linkedin", provider_account_id=name
            ),
        )
        world.call(
            sessions.create_session,
            sessions.NewSession(
                session_token=name, user_id=self.user.id, expires=world.now + 3_600
            ),
        )
        world.call(oauth_states.create_linkedin_oauth_state, name, self.user.id, world.now + 3_600)


#: What an argument is when nothing else is asked of it; a new name needs an entry.
USUAL: Final[dict[str, Any]] = {
    "limit": 50,
    "days": 30,
    "month": "2027-01",
    "scheduled_at": START_S + 3_600,
    "action": "fail",
    "tones": list(VOICE_TONES),
    "styles": list(IMAGE_STYLES),
    "state": "another-state",
    "expires_at": START_S + 3_600,
    "bound_to": None,
    "selected_text_id": "t1",
    "selected_image_id": "i1",
}
DATA: Final[dict[str, Any]] = {
    "createPost": posts.NewPost(user_id="", title="New", content="New"),
    "updatePost": posts.PostPatch(title="New"),
    "createGeneration": generations.NewGeneration(
        user_id="", idea="New", text_variations=[], images=[]
    ),
    "upsertUserSettings": settings.UserSettingsPatch(linkedin_headline="New"),
}


def one_of_everything(database: TestDatabase, name: str) -> str:
    """A user with one of everything; for `freehold.testing.Isolation`."""
    return Owned(World(database), name).user.id


#: What cannot be guessed from its type.
SAMPLES: Final[dict[str, Any]] = USUAL | {f"{name}.data": data for name, data in DATA.items()}
