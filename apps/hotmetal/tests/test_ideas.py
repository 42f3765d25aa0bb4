"""Ideas: stored once, listed, counted, and promoted once."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hotmetal.domains.ideas import (
    IdeaAlreadyPromoted,
    IdeaDismissed,
    ListIdeasFilters,
    Source,
    count_ideas_by_publication,
    count_ideas_by_status,
    create_ideas,
    get_idea_by_id,
    get_recent_ideas_by_publication,
    list_ideas_by_publication,
    promote_idea,
    update_idea_status,
)
from hotmetal.schema import IdeaStatus
from hotmetal.testing import START_S, World, empty_world, new_idea

from freehold.errors import AlreadyExists, InvalidArgument, NotFound, ReferenceBroken, RuleBroken

DAY_S = 86_400


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        world.publication()
        yield world


def test_an_idea_begins_new_and_is_found_again(world: World) -> None:
    """It keeps what it was given and has no session."""
    world.topic()

    idea = world.idea("idea-1", topic_id="topic-1", relevance_score=0.5)

    assert (idea.status, idea.session_id, idea.sources) == ("new", None, None)
    assert (idea.topic_id, idea.relevance_score) == ("topic-1", 0.5)
    assert (idea.title, idea.angle, idea.summary) == ("The plug", "One berth", "A port, wired.")
    assert idea.created_at == idea.updated_at == START_S
    assert world.call(get_idea_by_id, "idea-1") == idea
    assert world.call(get_idea_by_id, "idea-x") is None


def test_an_idea_needs_an_id_of_its_own_a_publication_and_a_topic_that_is_there(
    world: World,
) -> None:
    """A taken id, an unknown publication and an unknown topic are refused."""
    world.idea("idea-1")

    with pytest.raises(AlreadyExists):
        world.idea("idea-1")
    with pytest.raises(ReferenceBroken):
        world.idea("idea-2", publication_id="pub-x")
    with pytest.raises(ReferenceBroken):
        world.idea("idea-2", topic_id="topic-x")

    assert world.call(count_ideas_by_publication, "pub-1") == 1


def test_sources_are_read_as_a_list(world: World) -> None:
    """What the scout stored as JSON text comes back typed; what it did not say is empty."""
    text = msgspec.json.encode(
        [
            {
                "url": "https://news.example/1",
                "title": "One",
                "snippet": "First.",
                "publishedAt": "2027-01-14",
            },
            {"url": "https://news.example/2", "rank": 2},
        ]
    ).decode()

    idea = world.idea(sources=text)

    assert idea.sources == [
        Source(
            url="https://news.example/1", title="One", snippet="First.", published_at="2027-01-14"
        ),
        Source(url="https://news.example/2"),
    ]


@pytest.mark.parametrize(
    "text", ["", "not JSON", "{}", '"text"', "[1]", '[{"title":"no address"}]', "null", "[" * 9_999]
)
def test_unreadable_sources_read_as_null(world: World, text: str) -> None:
    """A text that is no list of sources does not make the idea unreadable."""
    assert world.idea(sources=text).sources is None


def test_an_empty_list_of_sources_is_not_null(world: World) -> None:
    """Looked and found nothing is not the same as never said."""
    assert world.idea(sources="[]").sources == []


def test_storing_the_same_ideas_again_adds_none(world: World) -> None:
    """The scout repeats a step after a crash: the answer is how many were really added."""
    items = [new_idea(f"idea-{n}") for n in range(5)]

    first = world.call(create_ideas, items[:3])
    second = world.call(create_ideas, items)
    third = world.call(create_ideas, items)

    assert (first, second, third) == (3, 2, 0)
    assert world.call(count_ideas_by_publication, "pub-1") == 5


def test_an_id_twice_in_one_list_is_stored_once(world: World) -> None:
    """The first one wins, as it does over two calls."""
    items = [new_idea("idea-1", title="First"), new_idea("idea-1", title="Second")]

    assert world.call(create_ideas, items) == 1

    idea = world.call(get_idea_by_id, "idea-1")
    assert idea is not None
    assert idea.title == "First"


def test_storing_again_leaves_an_idea_as_it_has_become(world: World) -> None:
    """A promoted idea is not new again."""
    world.idea("idea-1")
    world.call(update_idea_status, "idea-1", "dismissed")

    assert world.call(create_ideas, [new_idea("idea-1", title="Other")]) == 0

    idea = world.call(get_idea_by_id, "idea-1")
    assert idea is not None
    assert (idea.title, idea.status) == ("The plug", "dismissed")


def test_no_ideas_are_stored_as_none(world: World) -> None:
    """An empty list is not an error."""
    assert world.call(create_ideas, []) == 0


def test_a_broken_reference_is_not_hidden_and_stores_none(world: World) -> None:
    """Ignoring what exists does not ignore what is wrong."""
    with pytest.raises(ReferenceBroken):
        world.call(create_ideas, [new_idea("good"), new_idea("bad", publication_id="pub-x")])

    assert world.call(get_idea_by_id, "good") is None


def test_many_ideas_are_stored_in_one_call(world: World) -> None:
    """More than one statement carries, and all are counted."""
    items = [new_idea(f"idea-{n:04}") for n in range(1_234)]

    assert world.call(create_ideas, items) == 1_234
    assert world.call(create_ideas, [*items, new_idea("one-more")]) == 1


def test_ideas_are_listed_most_relevant_first_then_newest(world: World) -> None:
    """Ideas without a score come last; those of the same second go by id."""
    world.idea("low", relevance_score=0.1)
    world.idea("none")
    world.idea("high-old", relevance_score=0.9)
    world.wait(seconds=1)
    world.idea("high-a", relevance_score=0.9)
    world.idea("high-b", relevance_score=0.9)
    world.idea("zero", relevance_score=0.0)
    world.publication("pub-2")
    world.idea("elsewhere", publication_id="pub-2")

    listed = [idea.id for idea in world.call(list_ideas_by_publication, "pub-1")]

    assert listed == ["high-b", "high-a", "high-old", "low", "zero", "none"]


def test_ideas_are_filtered_by_status(world: World) -> None:
    """Without a filter all are listed."""
    world.idea("a")
    world.idea("b")
    world.call(update_idea_status, "b", "reviewed")

    def listed(filters: ListIdeasFilters | None) -> list[str]:
        return [idea.id for idea in world.call(list_ideas_by_publication, "pub-1", filters)]

    assert listed(ListIdeasFilters(status="reviewed")) == ["b"]
    assert listed(ListIdeasFilters(status="promoted")) == []
    assert listed(ListIdeasFilters()) == listed(None) == ["b", "a"]


def test_any_listed_status_may_follow_any_other(world: World) -> None:
    """Only promoting has a guard; setting a status has none."""
    world.idea()
    statuses: tuple[IdeaStatus, ...] = ("promoted", "new", "dismissed", "reviewed", "new")

    for status in statuses:
        world.wait(seconds=1)
        idea = world.call(update_idea_status, "idea-1", status)
        assert idea is not None
        assert (idea.status, idea.updated_at) == (status, world.now)

    assert world.call(update_idea_status, "idea-x", "new") is None


def test_the_table_refuses_a_status_that_is_none(world: World) -> None:
    """Also from a hand that knows no types."""
    world.idea()

    with pytest.raises(RuleBroken):
        world.call(update_idea_status, "idea-1", "maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["new", "reviewed"])
def test_a_new_or_reviewed_idea_is_promoted_to_its_session(
    world: World, status: IdeaStatus
) -> None:
    """Status, session and time change together."""
    world.idea()
    world.session("ses-1")
    world.call(update_idea_status, "idea-1", status)
    world.wait(seconds=5)

    idea = world.call(promote_idea, "idea-1", "ses-1")

    assert (idea.status, idea.session_id) == ("promoted", "ses-1")
    assert idea.updated_at == START_S + 5
    assert world.call(get_idea_by_id, "idea-1") == idea


@pytest.mark.parametrize("session_id", ["ses-2", "ses-1"])
def test_an_idea_is_promoted_only_once(world: World, session_id: str) -> None:
    """The second call is refused, is told who has the idea, and changes nothing."""
    world.idea()
    world.session("ses-1")
    world.session("ses-2")
    promoted = world.call(promote_idea, "idea-1", "ses-1")
    world.wait(seconds=5)

    with pytest.raises(IdeaAlreadyPromoted, match="by session 'ses-1'") as refusal:
        world.call(promote_idea, "idea-1", session_id)

    assert (refusal.value.idea_id, refusal.value.session_id) == ("idea-1", "ses-1")
    assert (refusal.value.code, refusal.value.status) == ("conflict", 409)
    assert world.call(get_idea_by_id, "idea-1") == promoted


def test_an_idea_promoted_by_hand_has_no_holder_to_name(world: World) -> None:
    """The status was set without a session; the refusal says no name."""
    world.idea()
    world.session()
    world.call(update_idea_status, "idea-1", "promoted")

    with pytest.raises(IdeaAlreadyPromoted, match=r"was already promoted\.") as refusal:
        world.call(promote_idea, "idea-1", "ses-1")

    assert refusal.value.session_id is None


def test_a_dismissed_idea_is_not_promoted(world: World) -> None:
    """Somebody decided against it; setting it to reviewed opens it again."""
    world.idea()
    world.session()
    world.call(update_idea_status, "idea-1", "dismissed")

    with pytest.raises(IdeaDismissed, match="'idea-1' was dismissed") as refusal:
        world.call(promote_idea, "idea-1", "ses-1")
    world.call(update_idea_status, "idea-1", "reviewed")

    assert refusal.value.idea_id == "idea-1"
    assert world.call(promote_idea, "idea-1", "ses-1").status == "promoted"


def test_promoting_needs_an_idea_and_a_session_that_are_there(world: World) -> None:
    """Each refusal names the argument; nothing changes."""
    idea = world.idea()
    world.session()

    with pytest.raises(NotFound, match="no idea 'idea-x'") as no_idea:
        world.call(promote_idea, "idea-x", "ses-1")
    with pytest.raises(ReferenceBroken, match="no session 'ses-x'") as no_session:
        world.call(promote_idea, "idea-1", "ses-x")

    assert (no_idea.value.path, no_session.value.path) == ("id", "sessionId")
    assert world.call(get_idea_by_id, "idea-1") == idea


def test_ideas_are_counted_by_publication_and_by_status(world: World) -> None:
    """The first count is of one publication, the second one of all."""
    world.publication("pub-2")
    world.idea("a")
    world.idea("b")
    world.idea("c", publication_id="pub-2")
    world.call(update_idea_status, "a", "reviewed")

    assert world.call(count_ideas_by_publication, "pub-1") == 2
    assert world.call(count_ideas_by_publication, "pub-x") == 0
    assert world.call(count_ideas_by_status, "new") == 2
    assert world.call(count_ideas_by_status, "reviewed") == 1
    assert world.call(count_ideas_by_status, "dismissed") == 0


def test_recent_ideas_are_those_of_the_last_days_newest_first(world: World) -> None:
    """Seven days when none are given, the edge included."""
    world.idea("eight-days")
    world.wait(seconds=DAY_S)
    world.idea("seven-days")
    world.wait(seconds=4 * DAY_S)
    world.idea("three-days-a")
    world.idea("three-days-b")
    world.wait(seconds=3 * DAY_S)
    world.idea("today")

    def recent(*days: int) -> list[str]:
        return [i.id for i in world.call(get_recent_ideas_by_publication, "pub-1", *days)]

    week = ["today", "three-days-b", "three-days-a", "seven-days"]
    assert recent() == recent(7) == week
    assert recent(2) == ["today"]
    assert recent(0) == ["today"]
    assert recent(8) == recent(1_000_000) == [*week, "eight-days"]
    assert recent(-1) == []
    assert world.call(get_recent_ideas_by_publication, "pub-x") == []


def test_days_beyond_all_calendars_are_refused(world: World) -> None:
    """A number that is no time at all is the caller's mistake."""
    with pytest.raises(InvalidArgument):
        world.call(get_recent_ideas_by_publication, "pub-1", -(2**52))
