"""The audit log: written with an id and a time of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.audit_logs import AuditLogInput, write_audit_log
from hotmetal.schema import AuditLog
from hotmetal.testing import START_S, World, empty_world

from freehold import Reader
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


def test_an_attempt_succeeded_or_failed(world: World) -> None:
    """The table refuses anything in between."""
    entry = AuditLogInput(
        post_id="p",
        outlet="blog",
        action="publish",
        status="pending",  # type: ignore[arg-type]
    )

    with pytest.raises(RuleBroken):
        world.call(write_audit_log, entry)
