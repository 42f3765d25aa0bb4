"""An application that has every type there is, and an error with parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from freehold import (
    AUTO,
    UNSET,
    App,
    Conflict,
    CreatedAt,
    Database,
    Entrypoint,
    EpochMillis,
    EpochSeconds,
    Hashed,
    Int64,
    Maybe,
    NotFound,
    Page,
    Patch,
    PrimaryKey,
    Reader,
    Record,
    Sealed,
    Struct,
    Writer,
    param,
    raises,
    select,
)  # fmt: skip


class Mark(Struct):
    """What somebody wrote beside something."""

    page: int
    text: str = ""


class Everything(Struct):
    """One field of each type."""

    text: str
    whole: int
    big: Int64
    real: float
    flag: bool
    raw: bytes
    kind: Literal["a", 'b"', "c\\"]
    level: Literal[1, 2] | None
    tags: list[str]
    amounts: dict[str, Int64]
    mark: Mark | None
    marks: list[Mark]
    anything: Any
    where: int | str | list[int] | None
    at: EpochSeconds
    at_ms: EpochMillis
    left_out: Maybe[str | None] = UNSET
    with_default: int = 7


class Item(Record, table="items"):
    """Something in the kiosk."""

    id: Annotated[str, PrimaryKey()]
    name: str
    amount: int = 0
    first_id: str | None = None
    secret: Sealed[str] | None = None
    token: Hashed | None = None
    created_at: CreatedAt = AUTO


class ItemChanges(Patch):
    """What may be changed of an item."""

    name: Maybe[str] = UNSET
    first_id: Maybe[str | None] = UNSET


class OutOfStock(Conflict):
    """There are not that many."""

    name: str
    left: int
    ever_made: Int64
    first: Mark | None

    def __init__(self, name: str, left: int) -> None:
        super().__init__(f"there are only {left} of {name!r}.", hint="Take fewer.")
        self.name = name
        self.left = left
        self.ever_made = Int64(2**60)
        self.first = Mark(page=1, text="soon") if left else None


_BY_NAME = select(Item).order_by(Item.c.name, Item.c.id)
_NAMED = select(Item).where(Item.c.name == param("name"))


def echo(db: Reader, value: Everything) -> Everything:
    """The same."""
    return value


def echo_any(db: Reader, value: Any) -> Any:
    """The same, whatever it is."""
    return value


def defaults(
    db: Reader, first: str, delete: int = 3, kind: Literal["x", "y"] | None = None,
    given: Maybe[str | None] = UNSET,
) -> list[str]:  # fmt: skip
    """What arrives when arguments are left out."""
    return [first, str(delete), repr(kind), repr(given)]


def add_item(
    db: Writer, name: str, amount: int = 0, first_id: str | None = None,
    secret: str | None = None, token: str | None = None,
) -> Item:  # fmt: skip
    """Put something on the shelf."""
    sealed = None if secret is None else Sealed.of(secret)
    hashed = None if token is None else Hashed.of(token)
    return db.insert(
        Item(
            id=db.new_id(), name=name, amount=amount, first_id=first_id, secret=sealed,
            token=hashed,
        )
    )  # fmt: skip


def change_item(db: Writer, id: str, changes: ItemChanges) -> Item | None:
    """Change what is given."""
    return db.update(Item, id, changes)


@raises(OutOfStock, NotFound)
def take(db: Writer, id: str, count: int) -> None:
    """Take some away."""
    item = db.get(Item, id)
    if item.amount < count:
        raise OutOfStock(item.name, item.amount)
    db.update(Item, id, {"amount": item.amount - count})


def get_item(db: Reader, id: str) -> Item | None:
    """The item, or null."""
    return db.find(Item, id)


def list_items(db: Reader, limit: int = 2, cursor: str | None = None) -> Page[Item]:
    """By name."""
    return db.page(_BY_NAME, limit=limit, cursor=cursor)


def count_named(db: Reader, name: str) -> int:
    """How many have the name."""
    return len(db.all(_NAMED, name=name))


def broken(db: Reader) -> str:
    """A defect."""
    raise RuntimeError("the text of a defect stays on the server")


class Kiosk(Entrypoint):
    """What the tests call."""

    echo = echo
    echo_any = echo_any
    defaults = defaults
    add_item = add_item
    change_item = change_item
    take = take
    get_item = get_item
    list_items = list_items
    count_named = count_named
    broken = broken


app = App("kiosk", databases=[Database("main", [Item])], entrypoints=[Kiosk])
