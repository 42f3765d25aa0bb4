"""Publications: made with their first run, changed, scheduled, removed without their sessions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hotmetal.domains.ideas import get_idea_by_id, promote_idea
from hotmetal.domains.publication_outlets import (
    CreatePublicationOutletInput,
    create_publication_outlet,
    list_outlets_by_publication,
)
from hotmetal.domains.publication_tokens import (
    create_publication_token,
    list_publication_tokens,
    validate_publication_token,
)
from hotmetal.domains.publications import (
    UpdatePublicationInput,
    claim_scout_run,
    delete_publication,
    get_all_publication_ids,
    get_due_publications,
    get_publication_by_id,
    get_publications_with_null_schedule,
    list_all_publications,
    list_publications_by_user,
    update_publication,
    update_publication_next_scout_at,
)
from hotmetal.domains.sessions import UpdateSessionInput, get_session_by_id, update_session
from hotmetal.domains.topics import get_topic_by_id
from hotmetal.schedule import DEFAULT_SCHEDULE, daily, every_n_days, times_per_day
from hotmetal.schema import PublicationRow
from hotmetal.testing import START_S, World, empty_world

from freehold import Writer
from freehold.errors import AlreadyExists, InvalidArgument, ReferenceBroken, RuleBroken

HOUR_S = 3_600
DAY_S = 86_400


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        yield world


def overwrite(world: World, id: str, **columns: Any) -> None:
    """Write what another hand could have written: columns as they are, without our rules."""

    def write(db: Writer) -> None:
        db.update(PublicationRow, id, {"updated_at": START_S, **columns})

    world.call(write)


def test_a_publication_gets_the_documents_defaults(world: World) -> None:
    """Author, mode, cadence, schedule and zone; the first run is tomorrow, as it is just 08:00."""
    publication = world.publication("pub-1", name="The Paper", slug="the-paper")

    assert (publication.name, publication.slug) == ("The Paper", "the-paper")
    assert (publication.default_author, publication.auto_publish_mode) == ("Shahar", "draft")
    assert publication.cadence_posts_per_week == 3
    assert (publication.scout_schedule, publication.timezone) == (DEFAULT_SCHEDULE, "UTC")
    assert publication.next_scout_at == START_S + DAY_S
    assert (publication.description, publication.writing_tone) == (None, None)
    assert publication.cms_publication_id is None
    assert publication.created_at == publication.updated_at == START_S
    assert world.call(get_publication_by_id, "pub-1") == publication


def test_a_publication_keeps_what_it_was_given(world: World) -> None:
    """Values that look like nothing are values too."""
    publication = world.publication(
        description="",
        writing_tone="Dry.",
        default_author="",
        auto_publish_mode="full-auto",
        cadence_posts_per_week=0,
        scout_schedule=every_n_days(2, 6),
        timezone="Asia/Kathmandu",
    )

    assert (publication.description, publication.writing_tone) == ("", "Dry.")
    assert (publication.default_author, publication.cadence_posts_per_week) == ("", 0)
    assert publication.auto_publish_mode == "full-auto"
    assert (publication.scout_schedule, publication.timezone) == (
        every_n_days(2, 6),
        "Asia/Kathmandu",
    )


def test_the_first_run_is_computed_in_the_publications_zone(world: World) -> None:
    """It is 13:30 in Kolkata, so 16:00 there is 10:30 in UTC."""
    publication = world.publication(scout_schedule=times_per_day(3), timezone="Asia/Kolkata")

    assert publication.next_scout_at is not None
    assert datetime.fromtimestamp(publication.next_scout_at, UTC) == datetime(
        2027, 1, 15, 10, 30, tzinfo=UTC
    )


def test_an_unknown_time_zone_is_refused(world: World) -> None:
    """When it is made and when it is changed; the error names the argument."""
    with pytest.raises(InvalidArgument, match="'Mars/Olympus' is not a time zone") as refusal:
        world.publication("pub-1", timezone="Mars/Olympus")
    publication = world.publication("pub-2")
    with pytest.raises(InvalidArgument):
        world.call(update_publication, "pub-2", UpdatePublicationInput(timezone=""))

    assert refusal.value.path == "data.timezone"
    assert world.call(list_all_publications) == [publication]


def test_a_publication_needs_its_user_and_an_id_of_its_own(world: World) -> None:
    """An unknown user and a taken id are refused; a slug may be had twice."""
    world.publication("pub-1", slug="same")

    with pytest.raises(ReferenceBroken):
        world.publication("pub-2", user_id="nobody")
    with pytest.raises(AlreadyExists):
        world.publication("pub-1")

    assert world.publication("pub-3", slug="same").slug == "same"


def test_the_table_refuses_a_mode_that_is_none(world: World) -> None:
    """Also from a hand that knows no types."""
    with pytest.raises(RuleBroken):
        world.publication(auto_publish_mode="sometimes")


@pytest.mark.parametrize("text", [None, "", "not JSON", '{"type":"hourly"}', '{"type":"daily"}'])
def test_an_unreadable_schedule_reads_as_the_default(world: World, text: str | None) -> None:
    """And a missing zone as UTC: wherever a publication is read, it can be scheduled."""
    world.publication()
    overwrite(world, "pub-1", scout_schedule=text, timezone=None, next_scout_at=None)

    found = world.call(get_publication_by_id, "pub-1")
    unscheduled = world.call(get_publications_with_null_schedule)

    assert found is not None
    assert (found.scout_schedule, found.timezone) == (DEFAULT_SCHEDULE, "UTC")
    assert [(each.scout_schedule, each.timezone) for each in unscheduled] == [
        (DEFAULT_SCHEDULE, "UTC")
    ]


def test_no_publication_is_found_as_null(world: World) -> None:
    """A missing publication is no error for a reader."""
    assert world.call(get_publication_by_id, "pub-x") is None


def test_publications_are_listed_newest_first(world: World) -> None:
    """A user's and all; those of the same second go by id."""
    world.user("user-2")
    world.publication("a")
    world.publication("b")
    world.wait(seconds=1)
    world.publication("c", user_id="user-2")

    assert [each.id for each in world.call(list_all_publications)] == ["c", "b", "a"]
    assert [each.id for each in world.call(list_publications_by_user, "user-1")] == ["b", "a"]
    assert world.call(list_publications_by_user, "nobody") == []


def test_all_ids_are_listed_in_their_order(world: World) -> None:
    """What a run over all publications begins with."""
    assert world.call(get_all_publication_ids) == []
    for id in ("b", "c", "a"):
        world.publication(id)

    assert world.call(get_all_publication_ids) == ["a", "b", "c"]


def test_an_update_changes_what_is_given_and_null_clears(world: World) -> None:
    """Left out stays, null becomes NULL, the time moves."""
    world.publication(description="Old", writing_tone="Dry.")
    world.wait(seconds=5)

    changed = world.call(
        update_publication,
        "pub-1",
        UpdatePublicationInput(
            name="New", description=None, cms_publication_id="cms-1", cadence_posts_per_week=None
        ),
    )

    assert changed is not None
    assert (changed.name, changed.slug, changed.description) == ("New", "the-paper", None)
    assert (changed.writing_tone, changed.cms_publication_id) == ("Dry.", "cms-1")
    assert changed.cadence_posts_per_week is None
    assert changed.updated_at == START_S + 5
    assert world.call(get_publication_by_id, "pub-1") == changed


def test_an_update_of_the_schedule_leaves_the_next_run(world: World) -> None:
    """Whoever changes the schedule says what becomes of the run that is waiting."""
    before = world.publication()

    changed = world.call(
        update_publication,
        "pub-1",
        UpdatePublicationInput(scout_schedule=daily(20), timezone="Europe/Lisbon"),
    )
    moved = world.call(
        update_publication, "pub-1", UpdatePublicationInput(next_scout_at=START_S + 7)
    )
    cleared = world.call(
        update_publication,
        "pub-1",
        UpdatePublicationInput(next_scout_at=None, scout_schedule=None, timezone=None),
    )

    assert changed is not None
    assert (changed.scout_schedule, changed.timezone) == (daily(20), "Europe/Lisbon")
    assert changed.next_scout_at == before.next_scout_at
    assert moved is not None
    assert moved.next_scout_at == START_S + 7
    assert cleared is not None
    assert (cleared.next_scout_at, cleared.scout_schedule) == (None, DEFAULT_SCHEDULE)
    assert cleared.timezone == "UTC"


def test_an_update_without_fields_or_publication_changes_nothing(world: World) -> None:
    """Without fields it is a read; without a publication it answers null."""
    publication = world.publication()
    world.wait(seconds=5)

    assert world.call(update_publication, "pub-1", UpdatePublicationInput()) == publication
    assert world.call(update_publication, "pub-x", UpdatePublicationInput(name="X")) is None


def test_due_publications_are_those_whose_run_has_come(world: World) -> None:
    """The longest waiting first, the moment itself included, those without a run left out."""
    for id in ("later", "now-b", "now-a", "long-ago", "never"):
        world.publication(id, scout_schedule=every_n_days(3, 5), timezone="Asia/Tokyo")
    world.call(update_publication_next_scout_at, "long-ago", START_S - DAY_S)
    world.call(update_publication_next_scout_at, "now-a", START_S)
    world.call(update_publication_next_scout_at, "now-b", START_S)
    world.call(update_publication_next_scout_at, "later", START_S + 1)
    overwrite(world, "never", next_scout_at=None)

    due = world.call(get_due_publications, START_S)

    assert [each.id for each in due] == ["long-ago", "now-a", "now-b"]
    assert (due[0].scout_schedule, due[0].timezone) == (every_n_days(3, 5), "Asia/Tokyo")


def test_a_time_in_milliseconds_is_refused(world: World) -> None:
    """It would make everything due."""
    with pytest.raises(InvalidArgument, match="epoch seconds"):
        world.call(get_due_publications, START_S * 1_000)


def test_publications_without_a_run_are_listed_oldest_first(world: World) -> None:
    """Those that the scout must give one."""
    for id in ("b", "a"):
        world.publication(id)
        overwrite(world, id, next_scout_at=None)
    world.publication("has-one")

    assert [each.id for each in world.call(get_publications_with_null_schedule)] == ["a", "b"]


def test_a_next_run_is_set_without_counting_as_a_change(world: World) -> None:
    """Only that column; a publication that is not there is no error."""
    before = world.publication()
    world.wait(seconds=5)

    world.call(update_publication_next_scout_at, "pub-1", START_S + HOUR_S)
    world.call(update_publication_next_scout_at, "pub-x", START_S + HOUR_S)

    after = world.call(get_publication_by_id, "pub-1")
    assert after is not None
    assert after.next_scout_at == START_S + HOUR_S
    assert after.updated_at == before.updated_at


def test_a_run_is_claimed_once(world: World) -> None:
    """By whoever saw the run that is there; it does not count as a change of the publication."""
    before = world.publication()
    world.wait(seconds=5)
    seen, following = before.next_scout_at, START_S + 2 * DAY_S

    claims = [world.call(claim_scout_run, "pub-1", seen, following) for _ in range(2)]

    after = world.call(get_publication_by_id, "pub-1")
    assert claims == [True, False]
    assert after is not None
    assert (after.next_scout_at, after.updated_at) == (following, before.updated_at)


def test_a_run_that_moved_is_not_claimed(world: World) -> None:
    """Nor the run of a publication that is not there; nothing is written."""
    before = world.publication()

    assert not world.call(claim_scout_run, "pub-1", START_S, START_S + 1)
    assert not world.call(claim_scout_run, "pub-1", None, START_S + 1)
    assert not world.call(claim_scout_run, "pub-x", None, START_S + 1)
    assert world.call(get_publication_by_id, "pub-1") == before


def test_having_no_run_can_be_claimed_too(world: World) -> None:
    """Null is a state like any other: the first to give a run is the only one."""
    world.publication()
    overwrite(world, "pub-1", next_scout_at=None)

    first = world.call(claim_scout_run, "pub-1", None, START_S + 1)
    second = world.call(claim_scout_run, "pub-1", None, START_S + 2)

    publication = world.call(get_publication_by_id, "pub-1")
    assert (first, second) == (True, False)
    assert publication is not None
    assert publication.next_scout_at == START_S + 1


def test_removing_a_publication_takes_what_is_its_own(world: World) -> None:
    """Topics, ideas, outlets and tokens go; other publications keep theirs."""
    world.publication("pub-1")
    world.publication("pub-2")
    connection = world.connection()
    raw_tokens = []
    for publication_id in ("pub-1", "pub-2"):
        world.topic(f"topic-{publication_id}", publication_id=publication_id)
        world.idea(f"idea-{publication_id}", publication_id=publication_id)
        outlet = CreatePublicationOutletInput(
            publication_id=publication_id, connection_id=connection.id
        )
        world.call(create_publication_outlet, outlet)
        raw_tokens.append(world.call(create_publication_token, publication_id).raw_token)

    world.call(delete_publication, "pub-1")

    assert world.call(get_all_publication_ids) == ["pub-2"]
    assert world.call(get_topic_by_id, "topic-pub-1") is None
    assert world.call(get_idea_by_id, "idea-pub-1") is None
    assert world.call(list_outlets_by_publication, "pub-1") == []
    assert world.call(list_publication_tokens, "pub-1") == []
    assert world.call(validate_publication_token, raw_tokens[0]) is None
    assert world.call(get_topic_by_id, "topic-pub-2") is not None
    assert world.call(get_idea_by_id, "idea-pub-2") is not None
    assert len(world.call(list_outlets_by_publication, "pub-2")) == 1
    assert world.call(validate_publication_token, raw_tokens[1]) == "pub-2"


def test_the_sessions_of_a_removed_publication_stay(world: World) -> None:
    """They lose publication and idea, keep all else, and do not count as changed."""
    world.publication()
    world.idea()
    world.session("ses-1", publication_id="pub-1", idea_id="idea-1", title="Draft")
    world.call(promote_idea, "idea-1", "ses-1")
    world.call(update_session, "ses-1", UpdateSessionInput(status="completed"))
    world.wait(seconds=60)

    world.call(delete_publication, "pub-1")

    session = world.call(get_session_by_id, "ses-1")
    assert session is not None
    assert (session.publication_id, session.idea_id) == (None, None)
    assert (session.title, session.status) == ("Draft", "completed")
    assert session.updated_at == START_S


def test_a_session_elsewhere_loses_only_the_idea(world: World) -> None:
    """It keeps its own publication; sessions that have nothing to do with it stay as they are."""
    world.publication("pub-1")
    world.publication("pub-2")
    world.idea("idea-1", publication_id="pub-1")
    world.idea("idea-2", publication_id="pub-2")
    world.session("elsewhere", publication_id="pub-2", idea_id="idea-1")
    untouched = world.session("untouched", publication_id="pub-2", idea_id="idea-2")

    world.call(delete_publication, "pub-1")

    elsewhere = world.call(get_session_by_id, "elsewhere")
    assert elsewhere is not None
    assert (elsewhere.publication_id, elsewhere.idea_id) == ("pub-2", None)
    assert world.call(get_session_by_id, "untouched") == untouched


def test_removing_a_publication_that_is_not_there_does_nothing(world: World) -> None:
    """No error: it is gone, as was wanted."""
    world.call(delete_publication, "pub-x")


def test_removing_is_one_transaction(world: World) -> None:
    """When it fails at the end, the sessions are as they were."""
    world.publication()
    session = world.session(publication_id="pub-1")

    def remove_and_fail(db: Writer) -> None:
        delete_publication(db, "pub-1")
        raise RuleBroken("the disk said no.")

    with pytest.raises(RuleBroken):
        world.call(remove_and_fail)

    assert world.call(get_session_by_id, "ses-1") == session
    assert world.call(get_publication_by_id, "pub-1") is not None
