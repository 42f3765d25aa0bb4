"""Writing sessions: made, found, filtered, changed, counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.sessions import (
    CreateSessionInput,
    ListSessionsFilters,
    UpdateSessionInput,
    count_completed_sessions_for_week,
    create_session,
    get_session_by_id,
    list_sessions,
    update_session,
)
from hotmetal.testing import START_S, World, empty_world

from freehold.errors import AlreadyExists, ReferenceBroken, RuleBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        yield world


def test_a_session_begins_active_and_without_a_draft(world: World) -> None:
    """Everything that was not given is empty."""
    session = world.call(create_session, CreateSessionInput(id="ses-1", user_id="default"))

    assert (session.status, session.current_draft_version) == ("active", 0)
    assert (session.title, session.publication_id, session.idea_id) == (None, None, None)
    assert (session.cms_post_id, session.featured_image_url, session.seed_context) == (None,) * 3
    assert session.created_at == session.updated_at == START_S
    assert world.call(get_session_by_id, "ses-1") == session


def test_a_session_keeps_what_it_was_given(world: World) -> None:
    """Publication, idea and seed context are stored as they come."""
    world.user()
    world.publication()
    world.idea()

    session = world.session(publication_id="pub-1", idea_id="idea-1", seed_context=" as it is ")

    assert (session.publication_id, session.idea_id) == ("pub-1", "idea-1")
    assert session.seed_context == " as it is "


@pytest.mark.parametrize(
    ("given", "stored"),
    [("  The plug \n", "The plug"), ("", None), ("   \t\n", None), (None, None)],
)
def test_a_title_is_trimmed_and_a_blank_one_is_none(
    world: World, given: str | None, stored: str | None
) -> None:
    """So that nobody has to ask twice whether there is a title."""
    assert world.session(title=given).title == stored


def test_a_session_needs_no_known_user(world: World) -> None:
    """The document has no reference there: the value may be 'default'."""
    assert world.session(user_id="default").user_id == "default"


@pytest.mark.parametrize("unknown", [{"publication_id": "pub-x"}, {"idea_id": "idea-x"}])
def test_an_unknown_publication_or_idea_is_refused(world: World, unknown: dict[str, str]) -> None:
    """And nothing is stored."""
    with pytest.raises(ReferenceBroken):
        world.session("ses-1", **unknown)

    assert world.call(get_session_by_id, "ses-1") is None


def test_a_taken_id_is_refused(world: World) -> None:
    """The first session stays as it is."""
    first = world.session("ses-1", title="First")

    with pytest.raises(AlreadyExists):
        world.session("ses-1", title="Second")

    assert world.call(get_session_by_id, "ses-1") == first


def test_no_session_is_found_as_null(world: World) -> None:
    """A missing session is no error for a reader."""
    assert world.call(get_session_by_id, "ses-x") is None


def test_sessions_are_filtered_by_user_and_status_together(world: World) -> None:
    """Filters that are given must all hold; none gives all."""
    for user_id in ("ada", "bob"):
        for status in ("active", "completed"):
            world.session(f"{user_id}-{status}", user_id=user_id)
            world.call(update_session, f"{user_id}-{status}", UpdateSessionInput(status=status))

    def found(**filters: str) -> set[str]:
        wanted = ListSessionsFilters(**filters)  # type: ignore[arg-type]
        return {session.id for session in world.call(list_sessions, wanted)}

    assert found(user_id="ada", status="active") == {"ada-active"}
    assert found(user_id="bob") == {"bob-active", "bob-completed"}
    assert found(status="completed") == {"ada-completed", "bob-completed"}
    assert found(status="archived") == set()
    assert len(found()) == len(world.call(list_sessions)) == 4


def test_sessions_are_listed_last_changed_first(world: World) -> None:
    """A change brings a session to the top; those of the same second go by id."""
    world.session("a")
    world.session("b")
    world.session("c")
    world.wait(seconds=1)
    world.call(update_session, "b", UpdateSessionInput(title="New"))

    assert [session.id for session in world.call(list_sessions)] == ["b", "c", "a"]


def test_an_update_changes_what_is_given_and_null_clears(world: World) -> None:
    """Left out stays, null becomes NULL, the time moves."""
    world.session("ses-1", title="Old", seed_context="Seed")
    world.wait(seconds=5)

    changed = world.call(
        update_session,
        "ses-1",
        UpdateSessionInput(
            title=None,
            status="completed",
            current_draft_version=3,
            cms_post_id="post-1",
            featured_image_url="https://images.example/1.png",
        ),
    )

    assert changed is not None
    assert (changed.title, changed.seed_context) == (None, "Seed")
    assert (changed.status, changed.current_draft_version) == ("completed", 3)
    assert (changed.cms_post_id, changed.featured_image_url) == (
        "post-1",
        "https://images.example/1.png",
    )
    assert changed.updated_at == START_S + 5
    assert world.call(get_session_by_id, "ses-1") == changed


def test_an_update_may_attach_and_detach_a_publication(world: World) -> None:
    """The reference is checked, and null takes it away."""
    world.user()
    world.publication()
    world.session()

    attached = world.call(update_session, "ses-1", UpdateSessionInput(publication_id="pub-1"))
    with pytest.raises(ReferenceBroken):
        world.call(update_session, "ses-1", UpdateSessionInput(publication_id="pub-x"))
    detached = world.call(update_session, "ses-1", UpdateSessionInput(publication_id=None))

    assert attached is not None
    assert attached.publication_id == "pub-1"
    assert detached is not None
    assert detached.publication_id is None


def test_any_status_may_follow_any_other(world: World) -> None:
    """The order of work is the writer's business."""
    world.session()

    for status in ("archived", "active", "completed", "archived", "completed", "active"):
        changed = world.call(update_session, "ses-1", UpdateSessionInput(status=status))
        assert changed is not None
        assert changed.status == status


def test_the_table_refuses_a_status_that_is_none(world: World) -> None:
    """Also from a hand that knows no types."""
    world.session()

    paused = UpdateSessionInput(status="paused")  # type: ignore[arg-type]
    with pytest.raises(RuleBroken):
        world.call(update_session, "ses-1", paused)


def test_an_update_without_fields_or_session_changes_nothing(world: World) -> None:
    """Without fields it is a read; without a session it answers null."""
    session = world.session()
    world.wait(seconds=5)

    assert world.call(update_session, "ses-1", UpdateSessionInput()) == session
    assert world.call(update_session, "ses-x", UpdateSessionInput(title="X")) is None


def test_the_weeks_completed_sessions_of_a_publication_are_counted(world: World) -> None:
    """Only that publication's, only completed ones, only changed since then, the start included."""
    world.user()
    world.publication("pub-1")
    world.publication("pub-2")

    def finish(id: str, publication_id: str) -> None:
        world.session(id, publication_id=publication_id)
        world.call(update_session, id, UpdateSessionInput(status="completed"))

    finish("before", "pub-1")
    world.wait(seconds=10)
    week_start = world.now
    finish("at-the-start", "pub-1")
    world.wait(seconds=10)
    finish("later", "pub-1")
    finish("elsewhere", "pub-2")
    world.session("open", publication_id="pub-1")

    assert world.call(count_completed_sessions_for_week, "pub-1", week_start) == 2
    assert world.call(count_completed_sessions_for_week, "pub-2", week_start) == 1
    assert world.call(count_completed_sessions_for_week, "pub-x", week_start) == 0
