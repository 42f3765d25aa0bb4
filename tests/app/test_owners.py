"""A method that does not say whose rows it works on does not load."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from freehold import (
    App,
    Database,
    Entrypoint,
    Input,
    Owner,
    PrimaryKey,
    Reader,
    Record,
    Struct,
    Writer,
    method,
)
from freehold.errors import ContractError
from freehold.rpc.contract import contract_of

pytestmark = [pytest.mark.promise("P6"), pytest.mark.attack("A3")]


class Note(Record, table="notes"):
    """A user's."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Owner()]


class Fact(Record, table="facts"):
    """Nobody's."""

    id: Annotated[str, PrimaryKey()]


class NewNote(Input):
    """Names its user."""

    user_id: str
    text: str


class Many(Struct):
    """Holds some."""

    count: int


def get_note(db: Reader, user_id: str, id: str) -> Note | None:
    """One user's."""
    return db.owned_by(user_id).find(Note, id)


def add_note(db: Writer, data: NewNote) -> None:
    """One user's, named inside of the input."""


def add_notes(db: Writer, notes: list[NewNote] | None = None) -> None:
    """Several, each with its user."""


def get_any(db: Reader, id: str) -> Note | None:
    """Says nothing of users."""
    return db.find(Note, id)


def count(db: Reader, many: Many) -> int:
    """Neither does this."""
    return len(db.all(Note))


def app_of(records: list[Any], **body: Any) -> App:
    """An application of these records and methods."""
    face = type("Face", (Entrypoint,), body)
    return App("notes", databases=[Database("main", records)], entrypoints=[face])


@pytest.mark.parametrize("function", [get_note, add_note, add_notes])
def test_a_method_that_takes_the_owner_loads(function: Any) -> None:
    """As an argument, or in an input."""
    assert app_of([Note], fine=function).name


@pytest.mark.parametrize("function", [get_any, count])
def test_a_method_that_says_nothing_does_not_load(function: Any) -> None:
    """The message names the method, the rule, and what to write."""
    with pytest.raises(ContractError) as refusal:
        app_of([Note, Fact], first=get_note, forgetful=function)

    assert "Face.forgetful does not say whose rows it works on" in str(refusal.value)
    assert "takes no 'user_id'" in str(refusal.value)
    assert 'method(forgetful, scope="…", crosses_users="why")' in refusal.value.hint
    # Where nobody owns anything there is nothing to say.
    assert app_of([Fact], forgetful=function).name


def test_what_crosses_users_is_declared_and_has_its_own_word() -> None:
    """One by one, or all with a word at once; a key with a wildcard alone cannot call it."""
    one = method(get_any, scope="admin", crosses_users="The operator looks.")
    assert app_of([Note], get_any=one).name
    many = method(get_any, scope="admin")
    said = {"admin": "The operator looks."}
    app = app_of([Note], get_any=many, mine=get_note, crosses_users=said)
    face = app.entrypoints["Face"]
    assert {name: each.crosses_users for name, each in face.__methods__.items()} == {
        "getAny": "The operator looks.", "mine": None,
    }  # fmt: skip
    methods = contract_of("notes", [face]).document["entrypoints"]["Face"]["methods"]
    assert methods["getAny"]["crossesUsers"] == "The operator looks."
    assert "crossesUsers" not in methods["mine"]

    with pytest.raises(ContractError, match="any key whose scopes match its name could call it"):
        app_of([Note], get_any=method(get_any, crosses_users="It just does."))
    with pytest.raises(ContractError, match="any key whose scopes match its name could call it"):
        app_of([Note], get_any=get_any, crosses_users="They all do.")
