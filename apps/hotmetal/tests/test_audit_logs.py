"""The audit log: written with an id and a time of its own, listed newest first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.audit_logs import (
    AuditLogInput,
    ListAuditLogsFilters,
    list_audit_logs,
    write_audit_log,
)
from hotmetal.schema import AuditLog
from hotmetal.testing import START_S, World, empty_world

from freehold import Reader, Writer
from freehold.errors import RuleBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        yield world


def all_entries(db: Reader) -> list[AuditLog]:
    return db.all(AuditLog)


def test_an_entry_is_written_with_an_id_and_a_time(world: World) -> None:
    """The caller gives neither, and is answered nothing."""
    entry = AuditLogInput(
        post_id="post-1",
        outlet="linkedin",
        action="publish",
        status="success",
        result_data='{"externalUrl":"https://linkedin.example/1"}',
    )

    world.call(write_audit_log, entry)

    [written] = world.call(all_entries)
    assert len(written.id) == 36
    assert (written.post_id, written.outlet, written.action) == ("post-1", "linkedin", "publish")
    assert (written.status, written.error_message) == ("success", None)
    assert written.result_data == '{"externalUrl":"https://linkedin.example/1"}'
    assert written.created_at == START_S


def test_every_attempt_has_an_entry_of_its_own(world: World) -> None:
    """The same attempt twice is two rows."""
    entry = AuditLogInput(
        post_id="post-1", outlet="blog", action="create", status="failed", error_message="503"
    )

    world.call(write_audit_log, entry)
    world.call(write_audit_log, entry)

    written = world.call(all_entries)
    assert len({each.id for each in written}) == 2
    assert {(each.status, each.error_message) for each in written} == {("failed", "503")}


def test_an_outlet_and_an_action_are_not_looked_up(world: World) -> None:
    """New outlets come without a migration."""
    entry = AuditLogInput(post_id="p", outlet="carrier-pigeon", action="release", status="success")

    world.call(write_audit_log, entry)

    assert [each.outlet for each in world.call(all_entries)] == ["carrier-pigeon"]


def test_an_attempt_that_nobody_can_tell_about_needs_a_check(world: World) -> None:
    """It neither succeeded nor failed until a person has looked."""
    entry = AuditLogInput(post_id="p", outlet="linkedin", action="publish", status="needs_check")

    world.call(write_audit_log, entry)

    assert [each.status for each in world.call(list_audit_logs)] == ["needs_check"]


def test_entries_are_listed_newest_first(world: World) -> None:
    """Of all posts or of one, as many as were asked for; ties are settled by the id."""
    for post_id in ("p-1", "p-2", "p-1"):
        entry = AuditLogInput(post_id=post_id, outlet="blog", action="publish", status="success")
        world.call(write_audit_log, entry)
        world.call(write_audit_log, entry)
        world.wait(seconds=1)

    listed = world.call(list_audit_logs)
    of_one = world.call(list_audit_logs, ListAuditLogsFilters(post_id="p-2"))

    assert listed == sorted(listed, key=lambda each: (each.created_at, each.id), reverse=True)
    assert [each.post_id for each in listed] == ["p-1", "p-1", "p-2", "p-2", "p-1", "p-1"]
    assert of_one == [each for each in listed if each.post_id == "p-2"]
    assert world.call(list_audit_logs, ListAuditLogsFilters(limit=2)) == listed[:2]
    assert world.call(list_audit_logs, ListAuditLogsFilters(post_id="p-x")) == []


@pytest.mark.parametrize(("limit", "many"), [(-(2**63), 1), (0, 1), (100, 100), (2**53, 1000)])
def test_a_list_of_entries_has_a_bound(world: World, *, limit: int, many: int) -> None:
    """At least one and at most a thousand; a hundred when nothing is said."""
    entry = AuditLogInput(post_id="p", outlet="blog", action="publish", status="success")

    def fill(db: Writer) -> None:
        for _ in range(1001):
            write_audit_log(db, entry)

    world.call(fill)

    assert len(world.call(list_audit_logs, ListAuditLogsFilters(limit=limit))) == many
    assert len(world.call(list_audit_logs)) == 100


def test_an_attempt_succeeded_or_failed(world: World) -> None:
    """The table refuses any other word."""
    entry = AuditLogInput(
        post_id="p",
        outlet="blog",
        action="publish",
        status="pending",  # type: ignore[arg-type]
    )

    with pytest.raises(RuleBroken):
        world.call(write_audit_log, entry)
