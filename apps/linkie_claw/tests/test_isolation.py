"""
No user learns or changes anything of another: generated from the entrypoint, for every method.

Each method of a user is called with each of its ids replaced by another user's, an unknown and
a deleted one: the three must be alike, and every table must be as it was. A new method takes
part by itself; one without a user must be named in `GLOBAL`, and must ask for a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkie_claw.domains import generations, oauth_states, posts, scheduler, sessions, users
from linkie_claw.domains import settings as user_settings
from linkie_claw.entrypoints import DataLayer
from linkie_claw.presets import IMAGE_STYLES, VOICE_TONES
from linkie_claw.schema import Generation, PostRow, SessionRow, User, UserSettingsRow, schema
from linkie_claw.testing import START_S, World, empty_world

from freehold import Caller, Reader, Sealed, Writer, any_of, delete, param, update
from freehold.errors import CallError, PermissionDenied
from freehold.rpc.method import Method
from freehold.testing import ENGINES

#: Methods that are of no user: they run for all of them, or before there is one.
GLOBAL: Final = {
    "getPostsReadyToPublish", "getStalePublishingPosts", "getPostForPublishing", "claimReadyPosts",
    "markPostAsPublishing", "markPostAsPublished", "markPostAsFailed", "markDispatchFailed",
    "reschedulePostForRetry", "incrementPostRetryCount", "resetStalePost", "recoverStalePosts",
    "getLinkedinOauthState", "consumeLinkedinOauthState", "deleteLinkedinOauthState",
    "cleanupExpiredLinkedinOauthStates",
    "getUserById", "getUserByEmail", "getUserByAccount", "createUser", "updateUser", "deleteUser",
    "linkAccount", "unlinkAccount", "signInWithAccount",
    "createSession", "getSessionAndUser", "updateSession", "deleteSession",
    "deleteExpiredSessions", "createVerificationToken", "useVerificationToken",
}  # fmt: skip
#: Ids of items inside a user's own row.
INNER: Final = {"selected_text_id", "selected_image_id"}

OF_A_USER: Final = {
    name: method for name, method in DataLayer.__methods__.items() if name not in GLOBAL
}
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
    "upsertUserSettings": user_settings.UserSettingsPatch(linkedin_headline="New"),
}


class _Undone(Exception):
    """Ends a transaction that is not to stay."""


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
        patch = user_settings.UserSettingsPatch(linkedin_access_token=token, linkedin_headline=name)
        world.call(user_settings.upsert_user_settings, self.user.id, patch)
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


class Town:
    """Ada and Bo, who have everything, and Cy, who was deleted; and what Ada deleted herself."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ada, self.bo, self.cy = (Owned(world, name) for name in ("ada", "bo", "cy"))
        world.call(users.delete_user, self.cy.user.id)
        self.gone = {
            "posts": world.post(self.ada.user).id,
            "generations": world.generation(self.ada.user).id,
        }
        world.call(posts.delete_post, self.gone["posts"], self.ada.user.id)

        def forget(db: Writer) -> None:
            db.delete(Generation, self.gone["generations"])

        world.call(forget)

    def call(self, method: Method, *, user_id: str, id: str | None, undo: bool = False) -> Any:
        """
        The answer, or the error without what the caller said itself.

        Args:
            method: What is called.
            user_id: In whose name.
            id: Of which row, where the method asks for one.
            undo: Leave everything as it was.
        """
        arguments: dict[str, Any] = {}
        for each in method.params:
            if each.name == "user_id":
                arguments["user_id"] = user_id
            elif each.name == "id":
                arguments["id"] = id
            elif each.name == "data":
                data = DATA[method.wire]
                if hasattr(data, "user_id"):
                    data = msgspec.structs.replace(data, user_id=user_id)
                arguments["data"] = data
            else:
                arguments[each.name] = USUAL[each.name]
        try:
            if undo:
                return msgspec.to_builtins(self._try(method, arguments))
            return msgspec.to_builtins(self.world.call(method.function, **arguments))
        except CallError as error:
            said = f"{type(error).__name__}: {error} {error.data}"
            return said.replace(user_id, "…").replace(id or user_id, "…")

    def _try(self, method: Method, arguments: dict[str, Any]) -> Any:
        answers = []
        try:
            with self.world.database.write() as db:
                answers.append(method.function(db, **arguments))
                raise _Undone
        except _Undone:
            return answers[0]

    def dump(self) -> list[Any]:
        def read(db: Reader) -> list[Any]:
            return [db.all(record) for record in schema.records]

        return self.world.call(read)


@pytest.fixture(scope="module", params=ENGINES)
def town(request: pytest.FixtureRequest) -> Iterator[Town]:
    """One for all cases: none of them changes anything."""
    with empty_world(request.param) as world:
        yield Town(world)


def kind_of(method: Method) -> str:
    """What the method's `id` is the id of."""
    return "generations" if "generation" in method.name else "posts"


WITH_ID: Final = sorted(
    name for name, method in OF_A_USER.items() if any(p.name == "id" for p in method.params)
)


# -- the list -----------------------------------------------------------------------------


def test_every_method_is_of_a_user_or_named_as_global() -> None:
    """Whoever adds a method says whose it is."""
    without = [name for name, method in OF_A_USER.items() if not names_a_user(method)]

    assert without == []
    assert sorted(GLOBAL - set(DataLayer.__methods__)) == []


def names_a_user(method: Method) -> bool:
    names = {each.name for each in method.params}
    return "user_id" in names or hasattr(DATA.get(method.wire), "user_id")


def test_a_global_method_asks_for_a_word() -> None:
    """No wildcard gives it, least of all to a key that is bound to a user."""
    bound = Caller("k1", frozenset({"*", "DataLayer.*"}), user="ada")

    allowed = {
        name
        for name, method in DataLayer.__methods__.items()
        if bound.allows(method.full_name, method.scope)
    }

    assert allowed & GLOBAL == set()
    assert set(OF_A_USER) - allowed == {"getLinkedInAccessToken"}


def test_every_id_is_tried() -> None:
    """An argument that ends like an id is a user, the row itself, or an item inside of it."""
    found = set()
    for name, method in OF_A_USER.items():
        found |= {each.name for each in method.params}
        found |= set(getattr(DATA.get(name), "__struct_fields__", ()))

    ids = {name for name in found if name == "id" or name.endswith("_id")}
    assert ids == {"id", "user_id", *INNER}


# -- the matrix ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_ID)
def test_anothers_row_is_like_one_that_is_not_there(town: Town, name: str) -> None:
    """Another's, an unknown and a deleted id have the same answer, and change nothing."""
    method, kind = OF_A_USER[name], kind_of(OF_A_USER[name])
    ada = town.ada.user.id
    before = town.dump()

    missing = town.call(method, user_id=ada, id="nothing")
    alike = [
        town.call(method, user_id=ada, id=id)
        for id in (town.gone[kind], *town.bo.ids[kind], *town.cy.ids[kind], "", town.bo.user.id)
    ]
    own_by_another = [
        town.call(method, user_id=user_id, id=id)
        for user_id in (town.bo.user.id, town.cy.user.id, "nobody", "")
        for id in town.ada.ids[kind]
    ]

    assert missing is None
    assert alike == [missing] * len(alike)
    assert own_by_another == [missing] * len(own_by_another)
    assert town.dump() == before


@pytest.mark.parametrize("name", WITH_ID)
def test_the_row_itself_is_there(town: Town, name: str) -> None:
    """The same call with the owner's id finds it: the case above does not pass by itself."""
    method = OF_A_USER[name]
    before = town.dump()

    found = [
        town.call(method, user_id=town.ada.user.id, id=id, undo=True)
        for id in town.ada.ids[kind_of(method)]
    ]

    assert any(found)
    assert town.dump() == before


@pytest.mark.parametrize("name", sorted(set(OF_A_USER) - set(WITH_ID)))
def test_a_user_who_is_not_there_has_and_gets_nothing(town: Town, name: str) -> None:
    """Unknown and deleted are alike: empty to read, refused to write; nothing is changed."""
    method = OF_A_USER[name]
    before = town.dump()

    unknown = town.call(method, user_id="nobody", id=None)
    deleted = town.call(method, user_id=town.cy.user.id, id=None)

    assert unknown == deleted
    if method.kind == "mutation":
        assert str(unknown).startswith("ReferenceBroken")
    assert town.dump() == before
    assert not re.search(r"\b(ada|bo|cy)\b", str(unknown))


@pytest.mark.parametrize("name", sorted(OF_A_USER))
def test_a_key_of_another_user_is_refused(town: Town, name: str) -> None:
    """Its user comes from the key and from no argument."""
    method = OF_A_USER[name]
    id = town.ada.ids[kind_of(method)][0]
    before = town.dump()
    town.world.caller = Caller("k1", frozenset({"DataLayer.*"}), user=town.bo.user.id)
    try:
        refused = town.call(method, user_id=town.ada.user.id, id=id)
    finally:
        town.world.caller = Caller("in process", trusted=True)

    assert str(refused).startswith(f"{PermissionDenied.__name__}: the key is bound to a user")
    assert town.dump() == before


# -- two worlds ---------------------------------------------------------------------------

_OF = param("user_id")
_POSTS_OF = update(PostRow).where(PostRow.c.user_id == _OF)
Change = Callable[[Writer, str], Any]


def more_posts(db: Writer, user_id: str) -> None:
    if db.find(User, user_id) is None:
        return
    many = [
        PostRow(id=f"more-{n}", user_id=user_id, title="More", content="", scheduled_at=db.now + n)
        for n in range(7)
    ]
    db.insert_many(many, on_conflict="ignore")


#: What can happen to Bo's rows.
CHANGES: Final[dict[str, Change]] = {
    "nothing": lambda db, user_id: None,
    "more posts": more_posts,
    "all published": lambda db, user_id: db.execute(
        _POSTS_OF.values(status="published", published_at=param("now")),
        user_id=user_id, now=db.now,
    ),
    "all failed": lambda db, user_id: db.execute(
        _POSTS_OF.values(status="failed", error_message="no"), user_id=user_id
    ),
    "all due": lambda db, user_id: db.execute(
        _POSTS_OF.values(status="scheduled", scheduled_at=param("now")),
        user_id=user_id, now=db.now,
    ),
    "no posts": lambda db, user_id: db.execute(
        delete(PostRow).where(PostRow.c.user_id == _OF), user_id=user_id
    ),
    "no settings": lambda db, user_id: db.delete(UserSettingsRow, user_id),
    "other settings": lambda db, user_id: db.update(
        UserSettingsRow, user_id, {"n8n_webhook_url": "https://b.example", "linkedin_headline": "B"}
    ),
    "nobody": lambda db, user_id: db.delete(User, user_id),
    "signed out": lambda db, user_id: db.execute(
        delete(SessionRow).where(any_of(SessionRow.c.user_id, param("users"))), users=[user_id]
    ),
}  # fmt: skip


def what_ada_sees(engine: str, changes: list[str]) -> bytes:
    """Every answer that Ada can get, after these changes of Bo's rows alone."""
    with empty_world(engine) as world:
        ada, bo = Owned(world, "ada"), Owned(world, "bo")
        town = Town.__new__(Town)
        town.world, town.ada, town.bo = world, ada, bo
        # One transaction whatever happens: the ids that follow are drawn alike.
        with world.database.write() as db:
            for name in changes:
                CHANGES[name](db, bo.user.id)
        answers = [
            town.call(method, user_id=ada.user.id, id=id, undo=method.kind == "mutation")
            for method in OF_A_USER.values()
            for id in (*ada.ids[kind_of(method)], bo.ids[kind_of(method)][0])
        ]
        return msgspec.json.encode(answers)


SEEN: Final[dict[str, bytes]] = {}
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def as_ever(engine: str) -> bytes:
    """What Ada sees when Bo's rows are as they were."""
    if engine not in SEEN:
        SEEN[engine] = what_ada_sees(engine, [])
    return SEEN[engine]


@settings(max_examples=25, deadline=None)
@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4))
def test_what_happens_to_another_changes_no_answer(changes: list[str]) -> None:
    """Two worlds that differ in Bo's rows: Ada's answers are the same, byte for byte."""
    assert what_ada_sees(ENGINES[0], changes) == as_ever(ENGINES[0])


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize("change", ["more posts", "all published", "nobody"])
def test_so_it_is_on_every_engine(engine: str, change: str) -> None:
    """A few of the worlds there."""
    assert what_ada_sees(engine, [change]) == as_ever(engine)


def test_every_engine_gives_the_same_answers() -> None:
    """Times, order and all; ids are called by the order in which they come up."""
    assert len({without_ids(as_ever(engine)) for engine in ENGINES}) == 1


def without_ids(answers: bytes) -> str:
    """The same with each id replaced by its number."""
    text = answers.decode()
    numbers = {id: n for n, id in enumerate(dict.fromkeys(_ID.findall(text)))}
    return _ID.sub(lambda match: f"#{numbers[match[0]]}", text)


def test_the_scheduler_sees_what_another_does() -> None:
    """The worlds do differ: what runs for all users tells them apart."""
    ready = []
    for change in ("nothing", "all due"):
        with empty_world() as world:
            bo = Owned(world, "bo")
            with world.database.write() as db:
                CHANGES[change](db, bo.user.id)
            ready.append(len(world.call(scheduler.get_posts_ready_to_publish)))

    assert ready == [0, 5]
