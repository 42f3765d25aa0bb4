"""
The bases of generated types: tolerant readers, exact writers.
"""

from __future__ import annotations

import asyncio

import msgspec

from freehold.client import UNSET, Input, Int64, Maybe, Page, Patch, Query, Record, field
from freehold.client.method import encode_args
from freehold.wire.codec import JSON, MSGPACK


class Book(Record):
    """A row, with a default before a field that has none."""

    shelf_mark: str | None = None
    id: str
    copies: Int64 = Int64(0)
    cover: bytes | None = None


class NewBook(Input):
    """An input with a name of its own on the wire."""

    id: str
    book_mark: Maybe[str] = field(name="Mark", default=UNSET)


class BookPatch(Patch):
    """Changes."""

    shelf_mark: Maybe[str | None] = UNSET
    copies: Maybe[Int64] = UNSET


GET = Query[Book | None]("Library.getBook")
LIST = Query[Page[Book]]("Library.listBooks")


def test_an_answer_is_read_in_both_codecs() -> None:
    """camelCase on the wire, int64 as text, bytes as each codec has them."""
    told = {"id": "b1", "shelfMark": "A 7", "copies": "9007199254740993", "later": 1}
    book = Book(id="b1", shelf_mark="A 7", copies=Int64(9007199254740993), cover=b"\x00\x01")

    assert GET.unpack(msgspec.msgpack.encode({**told, "cover": b"\x00\x01"})) == book
    assert GET.from_json(msgspec.json.encode({**told, "cover": "AAE="})) == book
    assert GET.unpack(b"\xc0") is None


def test_a_page_has_items_and_a_cursor() -> None:
    """No cursor after the last page."""
    page = LIST.from_json(b'{"items":[{"id":"b1"}],"nextCursor":null}')

    assert page == Page(items=[Book(id="b1")], next_cursor=None)


def test_what_is_unset_is_left_out_and_none_is_null() -> None:
    """The difference between leaving alone and emptying."""
    args = {"data": BookPatch(shelf_mark=None)}
    whole = {"data": BookPatch(copies=Int64(2**60))}

    assert encode_args(GET, args, JSON) == b'{"data":{"shelfMark":null}}'
    assert encode_args(GET, whole, JSON) == b'{"data":{"copies":"1152921504606846976"}}'
    assert msgspec.msgpack.decode(encode_args(GET, args, MSGPACK)) == {"data": {"shelfMark": None}}


def test_a_name_of_its_own_is_used_on_the_wire() -> None:
    """Columns may have any name."""
    item = NewBook(id="b1", book_mark="x")

    assert encode_args(GET, {"item": item}, JSON) == b'{"item":{"id":"b1","Mark":"x"}}'


def test_a_method_without_brackets_answers_anything() -> None:
    """Its results are plain values."""
    assert Query("Toy.anything").from_json(b'{"a":1}') == {"a": 1}


def test_decoders_are_made_at_the_first_answer_and_kept() -> None:
    """Importing a client of many methods makes none."""
    method = Query[Book]("Library.getBook")
    assert "unpack" not in vars(method)

    assert method.unpack is method.unpack
    asyncio.run(asyncio.sleep(0))
