"""A migration on PostgreSQL whose connection is cut at every statement: old or new."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.migrate.files import Migration
from freehold.migrate.postgres.apply import apply
from freehold.migrate.postgres.connection import namespace
from freehold.testing.cluster import Cluster
from tests.migrate import sealing_worlds
from tests.migrate.postgres_worlds import (
    Blocking,
    built_for_postgres,
    by_hand,
    connected,
    content,
    fill_shop,
)
from tests.migrate.sealing_worlds import SEALER
from tests.migrate.test_apply import shop_later
from tests.migrate.worlds import shop

pytestmark = pytest.mark.promise("P19")


class Cut:
    """A connection that is gone at its n-th call: before it is sent, or when it was answered."""

    def __init__(self, inner: Blocking, *, at: int, answered: bool) -> None:
        self.inner = inner
        self.at = at
        self.answered = answered
        self.calls = 0

    def rows(self, sql: str, *values: Any) -> list[Any]:
        self._before()
        found = self.inner.rows(sql, *values)
        self._after()
        return found

    def run(self, sql: str) -> None:
        self._before()
        self.inner.run(sql)
        self._after()

    def _before(self) -> None:
        self.calls += 1
        if self.calls == self.at and not self.answered:
            self.inner.cut()

    def _after(self) -> None:
        if self.calls == self.at and self.answered:
            self.inner.cut()
            raise ConnectionResetError("cut")


def shop_fill(connection: Blocking) -> None:
    fill_shop(connection)


def account_fill(connection: Blocking) -> None:
    connection.run("INSERT INTO changes VALUES (1, 0)")
    for row in sealing_worlds.rows(20):
        connection.rows("INSERT INTO accounts VALUES ($1, $2, $3, $4)", *row)


SHOP = built_for_postgres(shop(), shop_later())
FILLS = by_hand(
    3,
    "UPDATE notes SET score = 7 WHERE score IS NULL",
    "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'",
    "CREATE INDEX by_colour ON notes (colour)",
)
SEALS = built_for_postgres(sealing_worlds.in_clear(), sealing_worlds.sealed())
WORLDS = {
    "shop": (SHOP[:1], [*SHOP, FILLS], shop_fill),
    "seal": (SEALS[:1], SEALS, account_fill),
}


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("name", WORLDS)
def test_a_cut_at_every_statement_leaves_the_old_or_the_new(
    postgres: Cluster, name: str, *, answered: bool
) -> None:
    """And whoever comes next arrives; nobody is waited for."""
    had, every, fill = WORLDS[name]
    url = postgres.new_schema()
    with connected(url) as looking:
        apply(looking, had, clock=ManualClock())
        fill(looking)
        before = content(looking)
        cuts = 0
        while before == content(looking):
            cuts += 1
            with connected(url) as inner:
                cut = Cut(inner, at=cuts, answered=answered)
                with suppress(Exception):
                    apply(cut, every, clock=ManualClock(), sealer=SEALER)
            assert cuts < 200, "it never arrives"
        assert_new(looking, every)
        assert cut.at > 20


def assert_new(connection: Blocking, every: list[Migration]) -> None:
    """All of it is there, and there is nothing left to do."""
    assert apply(connection, every, clock=ManualClock(), sealer=SEALER).migrations == ()
    assert namespace(connection)
