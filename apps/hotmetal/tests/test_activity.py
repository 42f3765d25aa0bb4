"""Activity: what was worked on lately."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.activity import ActivityEntry, get_recent_activity
from hotmetal.domains.publications import delete_publication
from hotmetal.domains.sessions import UpdateSessionInput, update_session
from hotmetal.schema import SessionStatus
from hotmetal.testing import START_S, World, empty_world

DAY_S = 86_400


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        world.publication("pub-1", name="The Paper")
        yield world


def recent(world: World, *days: int) -> list[str]:
    return [entry.id for entry in world.call(get_recent_activity, *days)]


def set_status(world: World, id: str, status: SessionStatus) -> None:
    world.call(update_session, id, UpdateSessionInput(status=status))


def test_an_entry_is_a_session_with_its_publications_name(world: World) -> None:
    """A session without a publication has none to name."""
    world.session("a", title="Alone")
    world.session("b", title="Placed", publication_id="pub-1")
    world.call(update_session, "b", UpdateSessionInput(status="completed", cms_post_id="post-1"))

    entries = world.call(get_recent_activity)

    assert entries == [
        ActivityEntry(
            id="b",
            title="Placed",
            status="completed",
            publication_id="pub-1",
            publication_name="The Paper",
            cms_post_id="post-1",
            created_at=START_S,
            updated_at=START_S,
        ),
        ActivityEntry(
            id="a",
            title="Alone",
            status="active",
            publication_id=None,
            publication_name=None,
            cms_post_id=None,
            created_at=START_S,
            updated_at=START_S,
        ),
    ]


def test_archived_sessions_are_no_activity(world: World) -> None:
    """Active and completed ones are."""
    world.session("active")
    world.session("completed")
    world.session("archived")
    set_status(world, "completed", "completed")
    set_status(world, "archived", "archived")

    assert recent(world) == ["completed", "active"]


def test_the_last_changed_comes_first(world: World) -> None:
    """Those of the same second go by id."""
    for id in ("a", "b", "c"):
        world.session(id)
    world.wait(seconds=1)
    set_status(world, "a", "completed")

    assert recent(world) == ["a", "c", "b"]


def test_thirty_days_are_looked_at_when_none_are_given(world: World) -> None:
    """The edge is included."""
    world.session("too-old")
    world.wait(seconds=1)
    world.session("just")
    world.wait(seconds=30 * DAY_S)

    assert recent(world) == recent(world, 30) == ["just"]
    assert recent(world, 31) == ["just", "too-old"]
    assert recent(world, 29) == []


@pytest.mark.parametrize(
    ("asked", "looked_at"), [(0, 1), (-5, 1), (-(2**53), 1), (1, 1), (91, 90), (2**53 - 1, 90)]
)
def test_the_days_are_held_between_one_and_ninety(world: World, asked: int, looked_at: int) -> None:
    """What is asked beyond is answered as the nearest of the two."""
    world.session("outside")
    world.wait(seconds=1)
    world.session("inside")
    world.wait(seconds=looked_at * DAY_S)

    assert recent(world, asked) == ["inside"]


def test_at_most_a_hundred_entries_are_answered(world: World) -> None:
    """The newest hundred."""
    for number in range(103):
        world.session(f"ses-{number:03}")

    assert recent(world) == [f"ses-{number:03}" for number in range(102, 2, -1)]


def test_removing_a_publication_does_not_bring_its_sessions_up(world: World) -> None:
    """They stay where they were in time, and lose the name."""
    world.session("old", publication_id="pub-1")
    world.wait(seconds=10)
    world.session("new")
    world.wait(seconds=10)

    world.call(delete_publication, "pub-1")

    entries = world.call(get_recent_activity)
    assert [entry.id for entry in entries] == ["new", "old"]
    assert entries[1].publication_name is None
