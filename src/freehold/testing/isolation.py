"""
No user learns or changes anything of another: shown for every method, from the application.

    isolation = Isolation(app, fill, samples={"month": "2027-01"})

    assert isolation.matrix() == []              another's id is like one that is not there
    assert isolation.two_worlds(2_000) == []     what happens to another changes no answer
    assert isolation.smuggled_columns() == []    no input takes a column that is not its own

Each gives a list of findings, each a sentence; an empty one is the proof. A new method takes part
by itself. Methods that are declared to cross users are left out of the first two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from freehold.app import App
from freehold.app.owners import owners_of
from freehold.db import Writer
from freehold.errors import CallError, ContractError, InvalidArgument
from freehold.rpc.arguments import Arguments
from freehold.rpc.method import Method
from freehold.rpc.shapes import fields_of
from freehold.schema import Owner, Record, References, wire_name
from freehold.testing.databases import ENGINES, TestDatabase, engine_database
from freehold.testing.other_worlds import Chance, change_something, key_of
from freehold.testing.samples import Samples, Slot, struct_of
from freehold.wire.codec import JSON

#: Makes a user with one of everything, by domain functions; the user's id.
Fill = Callable[[TestDatabase, str], Any]
_SEED: Final = bytes(range(32))
_NOTHING: Final = "nothing"
_VIEWS: Final = 4
_FOUND_MAX: Final = 20


class _Undone(Exception):
    """Ends a transaction that is not to stay."""


class Isolation:
    """
    Args:
        app: The application; its first database that has records with an `Owner()` is looked at.
        fill: Makes a user with one of everything in the database, and returns the user's id.
        samples: Arguments that cannot be guessed from their types; see `samples`.
    """

    def __init__(
        self, app: App, fill: Fill | None = None, *, samples: Mapping[str, Any] | None = None
    ) -> None:
        declared = [*app.databases.values()]
        owned = [each for each in declared if owners_of(each.schema)] or declared
        self._schema = owned[0].schema
        self._given_fill = fill
        self._samples = Samples(samples or {}, owners_of(self._schema))
        self._methods = [
            method
            for face in app.entrypoints.values()
            if face.database == owned[0].name
            for method in face.__methods__.values()
        ]
        #: Cases of the last `two_worlds` in which the other world did differ.
        self.worlds_that_differed = 0

    @property
    def methods(self) -> list[Method]:
        """Those of one user."""
        return [each for each in self._methods if each.crosses_users is None]

    def _fill(self, database: TestDatabase, name: str) -> Any:
        if self._given_fill is None or not owners_of(self._schema):
            raise ContractError(
                "there are no users to be told apart.",
                hint="Mark the column that says whose a row is with Owner(), and give `fill`.",
            )
        return self._given_fill(database, name)

    # -- the matrix ---------------------------------------------------------------------------

    def matrix(self, engine: str = ENGINES[0]) -> list[str]:
        """
        Every method, every id it takes: another user's, a deleted one and one that never was
        have the same answer and leave the same rows; one of the user's own does not.

        Raises:
            ContractError: No row has an owner, or there is no `fill`.
        """
        found: list[str] = []
        with engine_database(engine, self._schema) as database:
            users = {name: self._fill(database, name) for name in ("ada", "bo", "cy")}
            ids = {name: self._ids_of(database, user) for name, user in users.items()}
            self._forget(database, users["cy"])
            for method in self.methods:
                for slot in self._samples.slots(method):
                    found += self._row(database, method, slot, users=users, ids=ids)
        return found[:_FOUND_MAX]

    def _row(
        self, database: TestDatabase, method: Method, slot: Slot, *,
        users: dict[str, Any], ids: dict[str, list[Any]],
    ) -> Iterator[str]:  # fmt: skip
        def tried(id: Any, by: str = "ada") -> tuple[str, bytes]:
            return self._tried(database, method, users[by], slot=slot, id=id)

        missing, where = tried(_NOTHING), f"{method.full_name}({slot})"
        if all(tried(id) == missing for id in ids["ada"]):
            yield f"{where}: no id of the user's own is found; give a sample for what is missing."
        for whose in ("bo", "cy"):
            for id in (*ids[whose], users[whose]):
                answer, rows = tried(id)
                if answer != missing[0]:
                    yield f"{where}: {whose}'s {id!r} is answered {answer}, not {missing[0]}."
                if rows != missing[1]:
                    yield f"{where}: {whose}'s {id!r} leaves other rows than none."
        for id in ids["ada"]:
            if tried(id, by="bo") != tried(_NOTHING, by="bo"):
                yield f"{where}: bo reaches ada's {id!r}."

    def _tried(
        self, database: TestDatabase, method: Method, owner: Any, *, slot: Slot, id: Any
    ) -> tuple[str, bytes]:
        """What it answers and what all rows are then; it is undone."""
        result: list[Any] = []
        try:
            with database.write() as db:
                result.append(self._answer(db, method, owner, id=id, slot=slot))
                result.append(_dump(db, self._schema.records))
                raise _Undone
        except (_Undone, CallError):
            # A broken statement ends a transaction on some engines: then nothing stays of it.
            return (result[0], result[1] if len(result) > 1 else b"")

    def _answer(
        self, db: Writer, method: Method, owner: Any, *, id: Any, slot: Slot | None = None
    ) -> str:
        """The answer or the refusal, without what the caller said itself."""
        # The same ids are drawn whatever was drawn before, so answers can be compared.
        fresh = Writer(db._link, db._context, db.caller, db._now_ns, _SEED)
        arguments = self._samples.arguments(method, owner, id=id, slot=slot)
        try:
            said = JSON.encode(method.function(fresh, **arguments)).decode()
        except CallError as error:
            said = f"{type(error).__name__}: {error} {error.path} {error.data}"
        for own in (id, owner):
            said = said.replace(str(own), "…") if own not in (None, "") else said
        return said

    def _ids_of(self, database: TestDatabase, user: Any) -> list[Any]:
        """The keys of the user's rows; those that a caller could say."""
        found = []
        with database.read() as db:
            for record, owner in _owned(self._schema.records):
                rows = [row for row in db.all(record) if getattr(row, owner) == user]
                found += [key_of(row) for row in rows]
        return [key for key in dict.fromkeys(found) if type(key) in (str, int)]

    def _forget(self, database: TestDatabase, user: Any) -> None:
        with database.write() as db:
            users = _users(self._schema.records)
            if users is not None:
                db.delete(users, user)
                return
            for record, owner in _owned(self._schema.records):
                for row in db.all(record):
                    if getattr(row, owner) == user:
                        db.delete(record, key_of(row))

    # -- two worlds ---------------------------------------------------------------------------

    def two_worlds(self, cases: int, *, seed: int = 1) -> list[str]:
        """
        Change only another user's rows, at random: each answer of the user stays the same, byte
        for byte, refusals, counts and cursors too.

        Args:
            cases: Worlds; in each, a quarter of all calls is made.
            seed: The same one gives the same worlds.

        Raises:
            ContractError: No row has an owner, or there is no `fill`.
        """
        found: list[str] = []
        self.worlds_that_differed = 0
        chance = Chance(seed)
        records = _owned_and_user(self._schema.records)
        with engine_database(ENGINES[0], self._schema) as database:
            ada, bo = (self._fill(database, name) for name in ("ada", "bo"))
            views = self._views(chance, self._ids_of(database, ada), self._ids_of(database, bo))
            known = [self._seen(database, view, ada, None)[0] for view in views]
            for case in range(cases):
                at = case % len(views)
                number = chance.below(2**32)

                def change(db: Writer, number: int = number) -> None:
                    worlds = Chance(number)
                    for _ in range(1 + worlds.below(3)):
                        change_something(db, worlds, user=bo, records=records)

                answers, differed = self._seen(database, views[at], ada, change)
                self.worlds_that_differed += differed
                for (method, _, id), now, was in zip(views[at], answers, known[at], strict=True):
                    if now != was:
                        found.append(
                            f"{method.full_name}({id!r}) tells of another user: {now}, not {was} "
                            f"(seed {seed}, case {case})."
                        )
                        break
                if len(found) >= _FOUND_MAX:
                    break
        return found

    def _views(
        self, chance: Chance, own: list[Any], others: list[Any]
    ) -> list[list[tuple[Method, Slot | None, Any]]]:
        """Every call that there is, in a few lists; what only reads comes first in each."""
        calls: list[tuple[Method, Slot | None, Any]] = []
        for method in self.methods:
            slots = self._samples.slots(method)
            calls += [(method, None, None)] if not slots else []
            calls += [(method, slot, id) for slot in slots for id in (*own, *others, _NOTHING)]
        chance.shuffle(calls)
        views = [calls[at::_VIEWS] for at in range(_VIEWS)]
        return [sorted(view, key=lambda call: call[0].kind != "query") for view in views]

    def _seen(
        self, database: TestDatabase, view: Sequence[tuple[Method, Slot | None, Any]], user: Any,
        change: Callable[[Writer], None] | None,
    ) -> tuple[list[str], bool]:  # fmt: skip
        answers: list[str] = []
        differed = False
        try:
            with database.write() as db:
                if change is not None:
                    before = _dump(db, self._schema.records)
                    change(db)
                    differed = _dump(db, self._schema.records) != before
                for method, slot, id in view:
                    answers.append(self._answer(db, method, user, id=id, slot=slot))
                raise _Undone
        except _Undone:
            return answers, differed

    # -- inputs -------------------------------------------------------------------------------

    def smuggled_columns(self) -> list[str]:
        """Every column of every table, added to every input: each is refused."""
        columns = sorted(
            {
                spelling
                for record in self._schema.records
                for each in record.__fields__
                for spelling in (each.name, each.column, wire_name(each.name))
            }
        )
        found: list[str] = []
        for method in self._methods:
            found += _smuggled(method, self._samples, columns)
        return found[:_FOUND_MAX]


def _smuggled(method: Method, samples: Samples, columns: Sequence[str]) -> Iterator[str]:
    decode = Arguments(method, depth_max=32).decode
    said = samples.arguments(method, _NOTHING, id=_NOTHING)
    wires = {each.name: each.wire for each in method.params}
    body = JSON.decode(JSON.encode({wires[name]: value for name, value in said.items()}))
    try:
        decode(JSON.encode(body), JSON)
    except InvalidArgument as error:
        yield f"{method.full_name}: its sample is refused, give another: {error}"
        return
    for place, inside, known in _maps(method, body):
        for column in columns:
            if column in known:
                continue
            inside[column] = _NOTHING
            try:
                decode(JSON.encode(body), JSON)
            except InvalidArgument:
                continue
            finally:
                del inside[column]
            yield f"{method.full_name}: {place} takes {column!r}, which it does not know."


def _maps(
    method: Method, body: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
    """The arguments and each input among them, with the names that they may have."""
    names = {spelling for each in method.params for spelling in (each.name, each.wire)}
    yield "it", body, frozenset(names | set(method.aliases))
    for each in method.params:
        given = body.get(each.wire)
        inner = given[0] if isinstance(given, list) and given else given
        if isinstance(inner, dict):
            yield each.name, inner, _field_names(each)


def _field_names(each: Any) -> frozenset[str]:
    struct = struct_of(each.shape)
    fields = () if struct is None else fields_of(struct)
    return frozenset(spelling for one in fields for spelling in (one.name, one.wire))


def _owned(records: Sequence[type[Record]]) -> list[tuple[type[Record], str]]:
    """The records with an owner, and the field that says it."""
    return [
        (record, each.name)
        for record in records
        for each in record.__fields__
        if each.mark(Owner) is not None
    ]


def _users(records: Sequence[type[Record]]) -> type[Record] | None:
    """The record that owners refer to."""
    for record, owner in _owned(records):
        field = next(each for each in record.__fields__ if each.name == owner)
        refers = field.mark(References)
        if refers is not None:
            table = refers.target.partition(".")[0]
            return next((each for each in records if each.__table__.name == table), None)
    return None


def _owned_and_user(records: Sequence[type[Record]]) -> list[tuple[type[Record], str]]:
    users = _users(records)
    return _owned(records) if users is None else [*_owned(records), (users, "id")]


def _dump(db: Writer, records: Sequence[type[Record]]) -> bytes:
    return JSON.encode([db.all(record) for record in records])
