"""
A small application for the tests of this folder, and a desk to call it at.

The database is a real one, in memory, with its writer's and readers' threads; what they
tell the event loop is run by the desk while it waits.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import UNSET

from freehold.clock import Clock
from freehold.db import IN_PROCESS, Caller, Page, Reader, Writer, select
from freehold.drivers.sqlite.database import SqliteDatabase
from freehold.errors import Conflict, NotFound
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.method import method, raises
from freehold.scalars import Hashed, Int64
from freehold.schema import (
    AUTO,
    CreatedAt,
    EpochSeconds,
    Input,
    Maybe,
    Patch,
    PrimaryKey,
    Record,
    Schema,
    Struct,
)
from freehold.wire.codec import JSON, Codec
from freehold.wire.limits import Limits


class Part(Struct):
    """Something that a product is made of."""

    part_name: str
    weight: float = 1.0


class Product(Record, table="products"):
    """Something that the shop sells."""

    id: Annotated[str, PrimaryKey()]
    product_name: str
    price_cents: int = 0
    rating: float | None = None
    serial: Int64 = Int64(0)
    status: Literal["new", "sold"] = "new"
    parts: list[Part] | None = None
    is_open: bool = True
    created_at: CreatedAt = AUTO


class NewProduct(Input):
    """A product to be sold."""

    product_name: str
    price_cents: int = 0
    rating: float | None = None
    serial: Int64 = Int64(0)
    status: Literal["new", "sold"] = "new"
    main_part: Part | None = None
    parts: list[Part] | None = None


class ProductPatch(Patch):
    """What may change of a product."""

    product_name: Maybe[str] = UNSET
    rating: Maybe[float | None] = UNSET


class AlreadySold(Conflict):
    """Somebody else was faster."""

    product_id: str
    sold_to: str | None

    def __init__(self, product_id: str, *, sold_to: str | None) -> None:
        super().__init__(f"product {product_id!r} is sold.", hint="Choose another one.")
        self.product_id = product_id
        self.sold_to = sold_to


_NOUGHT = Int64(0)
_ALL = select(Product).order_by(Product.c.id)


def get_product_by_id(db: Reader, id: str) -> Product:
    """The product with that id."""
    return db.get(Product, id)


def find_product(db: Reader, product_id: str) -> Product | None:
    """The product, or nothing."""
    return db.find(Product, product_id)


def page_products(db: Reader, limit: int = 2, cursor: str | None = None) -> Page[Product]:
    """One page of all products."""
    return db.page(_ALL, limit=limit, cursor=cursor)


@raises(AlreadySold)
def create_product(db: Writer, data: NewProduct, *, note_text: str = "") -> Product:
    """Put a product on the shelf."""
    product = Product(
        id=db.new_id(),
        product_name=data.product_name + note_text,
        price_cents=data.price_cents,
        rating=data.rating,
        serial=data.serial,
        status=data.status,
        parts=data.parts,
    )
    return db.insert(product)


@raises(AlreadySold, NotFound)
def sell_product(db: Writer, id: str, buyer: str | None = None) -> None:
    """Sell it once."""
    product = db.get(Product, id)
    if product.status == "sold":
        raise AlreadySold(id, sold_to=buyer)
    db.update(Product, id, {"status": "sold"})


def update_product(db: Writer, id: str, changes: ProductPatch) -> Product | None:
    """Change what was given."""
    return db.update(Product, id, changes)


def count_products(db: Reader) -> int:
    """How many there are."""
    return len(db.all(_ALL))


def echo(
    db: Reader,
    text: str = "",
    whole_number: int = 0,
    ratio: float = 0.0,
    *,
    big: Int64 = _NOUGHT,
    flag: bool = False,
    raw: bytes = b"",
    when: EpochSeconds | None = None,
    kind: Literal["a", "b"] = "a",
    names: list[str] | None = None,
    counts: dict[str, int] | None = None,
    anything: Any = None,
    left_out: Maybe[str | None] = UNSET,
) -> list[Any]:
    """Everything that came, as it came."""
    said = "left out" if left_out is UNSET else left_out
    return [text, whole_number, ratio, big, flag, raw, when, kind, names, counts, anything, said]


def open_safe(db: Reader, token: Hashed) -> bool:
    """Whether the raw token is the one."""
    return token == Hashed.of("sesame")


def break_inside(db: Reader, secret: str) -> str:
    """A defect."""
    raise RuntimeError(f"the\nsecret is {secret}\x1b[31m")


def break_the_promise(db: Writer) -> Product:
    """Write, then return what the contract does not promise."""
    db.insert(Product(id="broken", product_name="x"))
    return Part(part_name="x")  # type: ignore[return-value]


def return_nan(db: Writer) -> Part:
    """Write, then return what no codec has."""
    db.insert(Product(id="nan", product_name="x"))
    return Part(part_name="x", weight=float("nan"))


def spoil_arguments(db: Reader, names: list[str]) -> int:
    """Change what was handed over, then read twice, which makes the driver run it again."""
    names.append("spoiled")
    db.all(_ALL)
    db.all(_ALL)
    return len(names)


class Shop(Entrypoint):
    """Everything that may be asked of the shop."""

    get_product_by_id = get_product_by_id
    find_product = find_product
    page_products = page_products
    create_product = create_product
    sell_product = method(sell_product, aliases={"customer": "buyer"})
    update_product = update_product
    count_products = count_products
    echo = echo
    open_safe = method(open_safe, scope="safe_opening")
    break_inside = break_inside
    break_the_promise = break_the_promise
    return_nan = return_nan
    spoil_arguments = spoil_arguments


class Desk:
    """Asks the shop, and waits for the one answer."""

    def __init__(self, clock: Clock | None = None, limits: Limits | None = None) -> None:
        self._loop: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.database = SqliteDatabase(None, Schema([Product]), clock=clock, limits=limits)
        self.database.open()
        self.database.start(self._loop.put)
        self.contract = contract_of("shop", [Shop])
        self.dispatcher = Dispatcher(
            [Shop],
            {"main": self.database},
            contract=self.contract,
            contracts_known=["0123456789abcdef"],
            limits=limits,
            clock=clock,
            ids=SeededIds(),
        )

    def ask(
        self,
        name: str,
        body: bytes = b"",
        *,
        codec: Codec = JSON,
        caller: Caller = IN_PROCESS,
        min_seq: int = 0,
        timeout_ms: int | None = None,
        contract: str | None = None,
    ) -> Answer:
        """The only answer to one call."""
        answers: list[Answer] = []
        request = Request(
            name if "." in name else f"Shop.{name}",
            body,
            codec,
            caller,
            answers.append,
            min_seq=min_seq,
            timeout_ms=timeout_ms,
            contract=contract,
        )
        self.dispatcher.call(request)
        while not answers:
            self.turn()
        assert len(answers) == 1
        return answers[0]

    def value(self, name: str, arguments: Any = None, *, codec: Codec = JSON) -> Any:
        """The decoded result of a call that must not fail."""
        body = b"" if arguments is None else codec.encode(arguments)
        answer = self.ask(name, body, codec=codec)
        assert answer.error is None, answer.error
        return codec.decode(answer.body)

    def turn(self) -> None:
        """Run one thing that the threads told the event loop."""
        self._loop.get(timeout=10)()

    def close(self) -> None:
        """Stop the threads."""
        self.database.close()
