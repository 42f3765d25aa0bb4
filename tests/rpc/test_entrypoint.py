"""Mistakes in an entrypoint are told when its module is imported, with what to write instead."""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from freehold.db import Page, Reader, Writer
from freehold.errors import Conflict, ContractError
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.method import method, raises
from freehold.schema import Input, Maybe, PrimaryKey, Record, Struct

if TYPE_CHECKING:
    from collections import OrderedDict

UserId = NewType("UserId", str)


class Row(Record, table="rows"):
    """A table."""

    id: Annotated[str, PrimaryKey()]


class Loose(msgspec.Struct):
    """Ignores fields that it does not know."""

    id: str


class Clashing(Input):
    """Two fields of which one spelling is the same."""

    user_id: str
    other: str = msgspec.field(name="user_id", default="")


class Tagged(msgspec.Struct, tag=True, forbid_unknown_fields=True):
    """What the contract has no word for."""

    id: str


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


def serve(**functions: Any) -> type[Entrypoint]:
    """An entrypoint with these attributes."""
    return type("Desk", (Entrypoint,), functions)


def refusal(**functions: Any) -> ContractError:
    """How an entrypoint with these attributes is refused."""
    with pytest.raises(ContractError) as caught:
        serve(**functions)
    return caught.value


def no_type(db: Reader, id) -> str: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def no_return(db: Reader, id: str): ...  # type: ignore[no-untyped-def]  # noqa: ANN201
def stars(db: Reader, *ids: str) -> str: ...
def double_stars(db: Reader, **ids: str) -> str: ...
def no_handle(id: str) -> str: ...
def nothing_at_all() -> str: ...
def a_time(db: Reader, at: datetime.datetime) -> str: ...
def a_decimal(db: Reader) -> Decimal: ...
def an_enum(db: Reader, colour: Colour) -> str: ...
def a_tuple(db: Reader) -> tuple[str, int]: ...
def a_set(db: Reader, ids: set[str]) -> str: ...
def a_sequence(db: Reader, ids: Sequence[str]) -> str: ...
def a_callable(db: Reader, call: Callable[[], str]) -> str: ...
def an_object(db: Reader, thing: object) -> str: ...
def int_keys(db: Reader, counts: dict[int, str]) -> str: ...
def a_record(db: Writer, row: Row) -> str: ...
def records(db: Writer, rows: list[Row]) -> str: ...
def a_loose(db: Writer, data: Loose) -> str: ...
def a_page(db: Reader, page: Page[Row]) -> str: ...
def a_bare_page(db: Reader) -> Page: ...  # type: ignore[type-arg]
def a_clash(db: Writer, data: Clashing) -> str: ...
def a_tagged(db: Writer, data: Tagged) -> str: ...
def none_default(db: Reader, id: str = None) -> str: ...  # type: ignore[assignment]  # noqa: RUF013
def mixed_literal(db: Reader, kind: Literal["a", 1]) -> str: ...
def two_structs(db: Reader, data: Loose | Clashing) -> str: ...
def same_parameter(db: Reader, user_id: str, userId: str) -> str: ...  # noqa: N803
def underscore(db: Reader, _id: str) -> str: ...
def only_typing(db: Reader, data: OrderedDict[str, str]) -> str: ...
async def waits(db: Reader) -> str: ...
def yields(db: Reader) -> Generator[str]:
    yield ""


def fine(db: Reader, id: str) -> str:
    """A method without a fault."""
    return id


@pytest.mark.parametrize(
    ("function", "what", "instead"),
    [
        (no_type, r"Desk\.m\(id\) has no type", "Write `id: str`"),
        (no_return, "does not say what it returns", "`-> None`"),
        (stars, r"Desk\.m\(\*ids\)", "take one list"),
        (double_stars, r"Desk\.m\(\*\*ids\)", "one Input"),
        (no_handle, "first parameter of no_handle is not a handle", "db: Reader"),
        (nothing_at_all, "has no parameter", "db: Writer"),
        (a_time, r"Desk\.m\(at\): datetime cannot travel", "EpochSeconds or EpochMillis"),
        (a_decimal, r"Desk\.m -> return: Decimal cannot travel", "smallest unit"),
        (an_enum, r"Desk\.m\(colour\): Colour cannot travel", "a Literal"),
        (a_tuple, "tuple", "a Struct with names"),
        (a_set, "set", r"list\[…\]"),
        (a_sequence, "Sequence", r"list\[…\]"),
        (a_callable, "cannot travel", "str, int"),
        (an_object, "object cannot travel", "Any"),
        (int_keys, "keys of a dict are texts", r"dict\[str, …\]"),
        (a_record, "Row is a record", r"class NewRow\(Input\)"),
        (records, "Row is a record", r"class NewRow\(Input\)"),
        (a_loose, "Loose ignores fields", r"class Loose\(Input\)"),
        (a_page, "a Page is an answer", "list"),
        (a_bare_page, "Page needs the type of its rows", r"Page\[Idea\]"),
        (a_clash, "Clashing: the fields 'user_id' and 'other' are both called 'user_id'", "rename"),
        (a_tagged, "Tagged has a tag", "plain Struct"),
        (none_default, "its type has no None", r"Add `\| None`"),
        (mixed_literal, "only texts or only whole numbers", "bool"),
        (same_parameter, "parameters 'user_id' and 'userId' are both called 'userId'", "rename"),
        (underscore, r"Desk\.m\(_id\) begins with an underscore", "Rename"),
        (only_typing, "names 'OrderedDict'", "outside `if TYPE_CHECKING:`"),
        (waits, "is `async def`", "plain `def`"),
        (yields, "yields", "Return a list"),
        (str, "is not a domain function", "plain function"),
        (7, "int is not a domain function", "plain function"),
    ],
)
def test_what_clients_could_not_be_made_for_is_refused(
    function: Any, what: str, instead: str
) -> None:
    """Each rule: the sentence names entrypoint, method and parameter; the hint what to write."""
    error = refusal(m=function)

    assert re.search(what, error.detail), error.detail
    assert re.search(instead, error.hint), error.hint


def test_what_a_method_returns_is_read_at_import_too() -> None:
    """A mistake inside a result, or a part of an error, does not wait for the first call."""

    def get_clashing(db: Reader) -> list[Clashing | None]: ...
    def get_nothing(db: Reader) -> None: ...

    class Odd(Conflict):
        """Has a part that cannot travel."""

        at: complex

    assert "Clashing: the fields" in refusal(m=get_clashing).detail
    assert "Odd.at: complex cannot travel" in refusal(m=raises(Odd)(get_nothing)).detail


def test_two_spellings_of_one_method_are_refused() -> None:
    """`get_x` and `getX` would be the same name on the wire."""
    error = refusal(get_x=fine, getX=fine)

    assert error.detail == "Desk: the methods 'get_x' and 'getX' are both called 'getX'."


def test_two_attributes_may_not_give_one_name() -> None:
    """Also when `method(name=…)` makes it so."""
    error = refusal(a=method(fine, name="same"), b=method(fine, name="same"))

    assert "both called 'same'" in error.detail


@pytest.mark.parametrize("name", ["_hidden", "__class__", "gét", "a b", "1st", ""])
def test_a_method_is_called_by_an_ascii_name(name: str) -> None:
    """Nothing that looks private, and no letters that look like others."""
    with pytest.raises(ContractError, match=r"underscore|not a method's name"):
        serve(**{name: fine}) if name.startswith("_h") else serve(m=method(fine, name=name or "_"))


def test_a_union_of_two_structs_cannot_be_told_apart() -> None:
    """The decoder's own refusal is told as the entrypoint's."""

    class One(Struct):
        a: str

    class Two(Struct):
        b: str

    def either(db: Reader, data: One | Two) -> str: ...

    either.__annotations__ = {"db": Reader, "data": One | Two, "return": str}
    assert "cannot be read from a body" in refusal(m=either).detail


def test_an_alias_stands_for_a_parameter_that_is_there() -> None:
    """And is none itself."""
    assert "is no parameter" in refusal(m=method(fine, aliases={"old": "nope"})).detail
    assert "is a parameter itself" in refusal(m=method(fine, aliases={"id": "id"})).detail


def test_a_scope_is_one_word() -> None:
    """A pattern would be given by a wildcard."""
    assert "is not a word" in refusal(m=method(fine, scope="a*")).detail


def test_raises_takes_errors_that_travel() -> None:
    """A plain exception does not, and a name of Freehold's own would be mistaken for it."""
    with pytest.raises(ContractError, match="only a CallError travels"):
        raises(ValueError)  # type: ignore[arg-type]

    with pytest.raises(ContractError, match="Freehold has an error of that name"):
        raises(type("NotFound", (Conflict,), {}))


def test_an_entrypoint_is_read_not_made() -> None:
    """It has no instances."""
    with pytest.raises(ContractError, match="has no instances"):
        serve(m=fine)()


def test_what_is_right_becomes_methods() -> None:
    """Kind, names, scope, and NewTypes; an entrypoint that extends another has its methods too."""

    def write(db: Writer, user_id: UserId, *, left: Maybe[str] = UNSET) -> None:
        """Write something."""

    write.__annotations__ |= {
        "db": Writer,
        "user_id": UserId,
        "left": str | UnsetType,
        "return": None,
    }

    class First(Entrypoint):
        """One."""

        read_it = fine

    class Second(First):
        """Two."""

        database = "other"
        write_it = method(write, scope="special", aliases={"user": "user_id"})

    assert list(Second.__methods__) == ["readIt", "writeIt"]
    made = Second.__methods__["writeIt"]
    assert (made.full_name, made.kind, made.scope) == ("Second.writeIt", "mutation", "special")
    assert (made.doc, made.aliases) == ("Write something.", {"user": "userId"})
    assert [each.wire for each in made.params] == ["userId", "left"]
    assert [each.shape.kind for each in made.params] == ["str", "maybe"]
    assert Second.__methods__["readIt"].full_name == "Second.readIt"
