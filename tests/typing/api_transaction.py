"""
What a type checker understands of transactions in a generated client. Checked, never run.

As in `api_schema`: `assert_type` says what an expression is, and each `type: ignore` is a mistake
that the checker must find.
"""

from __future__ import annotations

from typing import Literal, assert_type

from freehold.client import Int64, Step
from tests.golden.library.client import (
    Book,
    BookPatch,
    Library,
    LibrarySync,
    LibraryTransaction,
    Mark,
    NewBook,
)


async def waiting(dal: Library) -> None:
    """Steps have the types of what they stand for; so have their parts."""
    async with dal.transaction(idempotency_key="order-7") as t:
        assert_type(t, LibraryTransaction)
        lent = t.lend_book("b1", reader_id="r1")
        assert_type(lent, Step[Book])
        assert_type(lent.ref, Book)
        assert_type(lent.ref.id, str)
        assert_type(lent.ref.marks[0], Mark)
        assert_type(lent.ref.status, Literal["in", "lent", "lost"])
        t.get_book(lent.ref.id)
        t.list_books(lent.ref.status)
        t.update_book(lent.ref.id, BookPatch(title=lent.ref.title))
        t.add_books([NewBook(id=lent.ref.id, title=lent.ref.title)])
        # Of a result that may be None, the reference is to the other one.
        found = t.get_book("b2")
        assert_type(found, Step[Book | None])
        t.forget_book(found.ref.id)
        kinds = t.list(["a"])
        t.list([kinds.ref[0]])
        printed = t.count_everything_that_has_ever_been_lent_to_anybody(1, 2)
        assert_type(printed.ref["a"], Int64)
        page = t.list_books()
        t.get_book(page.ref.items[0].id)
        gone = t.forget_book("b3")

        t.get_book(lent.ref)  # type: ignore[arg-type]
        t.get_book(lent)  # type: ignore[arg-type]
        t.get_book(lent.ref.pages)  # type: ignore[arg-type]
        t.get_book(lent.ref.shelf_mark)  # type: ignore[arg-type]
        t.get_book()  # type: ignore[call-arg]
        t.get_book(id="b1", title="t")  # type: ignore[call-arg]
        t.lend_book("b1", "r1")  # type: ignore[call-arg]
        t.add_books([lent.ref])  # type: ignore[list-item]
        _ = lent.ref.titel  # type: ignore[attr-defined]
        _ = lent.id  # type: ignore[attr-defined]
        t.borrow("b1")  # type: ignore[attr-defined]
        dal.transaction("order-7")  # type: ignore[call-arg]

    assert_type(lent.value, Book)
    assert_type(found.value, Book | None)
    assert_type(gone.value, None)
    assert_type(page.value.items, list[Book])
    _ = found.value.id  # type: ignore[union-attr]
    with dal.transaction() as t:  # type: ignore[attr-defined]
        pass


def blocking(dal: LibrarySync) -> None:
    """The same, without waiting."""
    with dal.transaction() as t:
        assert_type(t, LibraryTransaction)
        lent = t.lend_book("b1", reader_id="r1")
        t.get_book(lent.ref.id)
        t.get_book(lent.ref.created_at)  # type: ignore[arg-type]
    assert_type(lent.value.marks, list[Mark])
