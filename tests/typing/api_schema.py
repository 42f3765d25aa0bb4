"""
What a type checker understands of records, inputs and handles. Checked, never run.

`assert_type` says what an expression is. Each `type: ignore` is a mistake that the checker must
find: were it to miss one, it would complain of a comment that is not needed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_type

import sqlalchemy as sa

from freehold import (
    AUTO,
    UNSET,
    CreatedAt,
    EpochMillis,
    EpochSeconds,
    Hashed,
    Index,
    Input,
    Int64,
    Maybe,
    Page,
    Patch,
    PrimaryKey,
    Reader,
    Record,
    References,
    Sealed,
    Struct,
    UpdatedAt,
    Writer,
    any_of,
    delete,
    param,
    select,
    statement,
    update,
)
from freehold.db import Change, Select, Statement


class Source(Struct):
    """A value inside a column."""

    url: str
    title: str | None = None


class Idea(Record, table="ideas", indexes=[Index("status")]):
    """A record with a default before a field that must be given."""

    id: Annotated[str, PrimaryKey()]
    topic_id: Annotated[str | None, References("topics.id", on_delete="set null")] = None
    title: str
    status: Literal["new", "old"] = "new"
    sources: list[Source] | None = None
    big: Int64 = Int64(0)
    seen_at: EpochSeconds | None = None
    sent_ms: EpochMillis | None = None
    access_token: Sealed[str] | None = None
    token_hash: Hashed
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class NewIdea(Input):
    """What it takes to make one."""

    title: str
    topic_id: str | None = None


class IdeaChange(Patch):
    """What may change in one."""

    title: Maybe[str] = UNSET
    topic_id: Maybe[str | None] = UNSET


class IdeaCount(Struct):
    """A row of a report."""

    status: str
    ideas: int


def records() -> None:
    """Fields are keywords, in any order, with their types."""
    token = Hashed.of("raw")
    idea = Idea(token_hash=token, title="A", id="i1")
    assert_type(idea.title, str)
    assert_type(idea.topic_id, str | None)
    assert_type(idea.status, Literal["new", "old"])
    assert_type(idea.sources, list[Source] | None)
    assert_type(idea.big, Int64)
    assert_type(idea.seen_at, int | None)
    assert_type(idea.access_token, Sealed[str] | None)
    assert_type(idea.created_at, int)
    assert_type(idea.token_hash, Hashed)

    Idea(id="i1", token_hash=token)  # type: ignore[call-arg]
    Idea("i1", title="A", token_hash=token)  # type: ignore[call-arg]
    Idea(id=1, title="A", token_hash=token)  # type: ignore[arg-type]
    Idea(id="i1", title=None, token_hash=token)  # type: ignore[arg-type]
    Idea(id="i1", title="A", token_hash="raw")  # type: ignore[arg-type]
    Idea(id="i1", title="A", token_hash=token, status="odl")  # type: ignore[arg-type]
    Idea(id="i1", title="A", token_hash=token, titel="A")  # type: ignore[call-arg]
    Idea(id="i1", title="A", token_hash=token, big=5)  # type: ignore[arg-type]
    Idea(id="i1", title="A", token_hash=token, access_token="x")  # type: ignore[arg-type]
    _ = idea.titel  # type: ignore[attr-defined]


def inputs() -> None:
    """Inputs and patches are understood as records are."""
    assert_type(NewIdea(title="A").topic_id, str | None)
    change = IdeaChange(topic_id=None)
    if change.title is not UNSET:
        assert_type(change.title, str)

    NewIdea()  # type: ignore[call-arg]
    NewIdea("A")  # type: ignore[call-arg]
    NewIdea(title="A", topic="t")  # type: ignore[call-arg]
    IdeaChange(title=None)  # type: ignore[arg-type]
    IdeaChange(topic_id=5)  # type: ignore[arg-type]


def reads(db: Reader) -> None:
    """A record's class decides what a read gives."""
    by_title = select(Idea).where(Idea.c.title == param("title"))
    titles = statement(sa.select(Idea.c.title), into=str)
    counts = statement(sa.select(Idea.c.status, sa.func.count().label("ideas")), into=IdeaCount)

    assert_type(db.get(Idea, "i1"), Idea)
    assert_type(db.find(Idea, "i1"), Idea | None)
    assert_type(db.find(Idea, title="A"), Idea | None)
    assert_type(db.all(Idea), list[Idea])
    assert_type(db.all(by_title, title="A"), list[Idea])
    assert_type(db.first(by_title, title="A"), Idea | None)
    assert_type(db.page(by_title, limit=5, title="A"), Page[Idea])
    assert_type(db.page(by_title, title="A").items, list[Idea])
    assert_type(db.scalar(titles), str | None)
    assert_type(db.all(counts), list[IdeaCount])
    assert_type(db.first(counts), IdeaCount | None)
    assert_type(db.now, int)
    assert_type(db.caller.user, str | None)

    secret = db.get(Idea, "i1").access_token
    if secret is not None:
        assert_type(db.open(secret), str)

    db.get(NewIdea, "i1")  # type: ignore[type-var]
    db.all(Idea, title="A")  # type: ignore[call-overload]
    db.all("ideas")  # type: ignore[call-overload]
    db.first(Idea)  # type: ignore[arg-type]
    db.page(titles, limit="5")  # type: ignore[arg-type]
    db.insert(Idea)  # type: ignore[attr-defined]


def statements() -> None:
    """Each method gives a statement of the same sort."""
    base = select(Idea)
    assert_type(base, Select[Idea])
    assert_type(base.where(any_of(Idea.c.id, param("ids"))).limit(5), Select[Idea])
    assert_type(base.where_given(Idea.c.title == param("t")).order_by(Idea.c.id), Select[Idea])
    assert_type(base.orders(newest=(Idea.c.created_at.desc(),)), Select[Idea])
    assert_type(statement(sa.select(Idea.c.id), into=str), Select[str])
    assert_type(statement(sa.delete(Idea.__table__), into=int), Statement[int])
    assert_type(update(Idea).values(title="x").where(Idea.c.id == "i"), Change)
    assert_type(delete(Idea).returning(Idea.c.id, into=str), Statement[str])

    select(NewIdea)  # type: ignore[type-var]
    update("ideas")  # type: ignore[arg-type]


def writes(db: Writer, patch: IdeaChange, data: dict[str, Any]) -> None:
    """What goes in is what comes out."""
    idea = Idea(id=db.new_id(), title="A", token_hash=Hashed.of("raw"))
    assert_type(db.insert(idea), Idea)
    assert_type(db.insert_many([idea], on_conflict="ignore"), int)
    assert_type(db.put(idea, at=("id",)), Idea)
    assert_type(db.update(Idea, "i1", patch), Idea | None)
    assert_type(db.update(Idea, "i1", data), Idea | None)
    assert_type(db.delete(Idea, "i1"), bool)
    assert_type(db.execute(delete(Idea)), int)
    assert_type(db.new_id(), str)
    assert_type(db.random_bytes(5), bytes)

    db.insert(NewIdea(title="A"))  # type: ignore[type-var]
    db.insert_many([idea], on_conflict="skip")  # type: ignore[arg-type]
    db.put(idea, at="id")  # type: ignore[arg-type]
    db.update(Idea, "i1", "A")  # type: ignore[arg-type]
    db.update(NewIdea, "i1", patch)  # type: ignore[type-var]
    db.execute(Idea)  # type: ignore[arg-type]
