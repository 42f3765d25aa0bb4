"""
No user learns or changes anything of another: generated from the application, for every method.

The matrix and the columns that nobody may smuggle in are the library's; so are its two worlds,
which are in `tests/faults` with the proof that a method which forgets its owner is found. Here is
also what only holds for this application. A new method takes part by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest
from linkie_claw.app import app
from linkie_claw.domains import posts, scheduler, users
from linkie_claw.entrypoints import DataLayer
from linkie_claw.schema import Generation, PostRow, SessionRow, User, UserSettingsRow, schema
from linkie_claw.testing import DATA, SAMPLES, USUAL, Owned, World, empty_world, one_of_everything

from freehold import Caller, Reader, Writer, any_of, delete, param, update
from freehold.errors import CallError, PermissionDenied
from freehold.rpc.method import Method
from freehold.testing import ENGINES, Isolation

#: Methods that say themselves that they cross users.
GLOBAL: Final = {
    name for name, method in DataLayer.__methods__.items() if method.crosses_users is not None
}
#: Ids of items inside a user's own row.
INNER: Final = {"selected_text_id", "selected_image_id"}

OF_A_USER: Final = {
    name: method for name, method in DataLayer.__methods__.items() if name not in GLOBAL
}


class _Undone(Exception):
    """Ends a transaction that is not to stay."""


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


# -- what the library shows ----------------------------------------------------------------


ISOLATION: Final = Isolation(app, one_of_everything, samples=SAMPLES)


@pytest.mark.promise("P6")
@pytest.mark.attack("A3")
@pytest.mark.parametrize("engine", ENGINES)
def test_anothers_row_is_like_one_that_is_not_there(engine: str) -> None:
    """Another's, an unknown and a deleted id: every method, every id that it takes."""
    assert {each.wire for each in ISOLATION.methods} == set(OF_A_USER)
    assert ISOLATION.matrix(engine) == []


@pytest.mark.attack("A4")
def test_no_column_can_be_smuggled_in() -> None:
    """Every column of every table, added to every input, of methods that cross users too."""
    assert ISOLATION.smuggled_columns() == []


# -- the matrix ---------------------------------------------------------------------------


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
