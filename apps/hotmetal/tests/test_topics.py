"""Topics: made, listed by urgency, changed, removed without their ideas."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.ideas import get_idea_by_id
from hotmetal.domains.topics import (
    CreateTopicInput,
    UpdateTopicInput,
    create_topic,
    delete_topic,
    get_topic_by_id,
    list_topics_by_publication,
    update_topic,
)
from hotmetal.schema import Topic
from hotmetal.testing import START_S, World, empty_world

from freehold import Writer
from freehold.errors import AlreadyExists, ReferenceBroken, RuleBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        world.publication()
        yield world


def test_a_topic_begins_active_and_normal(world: World) -> None:
    """Priority 1 when none is given."""
    data = CreateTopicInput(id="topic-1", publication_id="pub-1", name="Ferries")

    topic = world.call(create_topic, data)

    assert (topic.priority, topic.is_active, topic.description) == (1, True, None)
    assert topic.created_at == topic.updated_at == START_S
    assert world.call(get_topic_by_id, "topic-1") == topic


def test_a_topic_needs_its_publication_and_an_id_of_its_own(world: World) -> None:
    """An unknown publication and a taken id are refused."""
    world.topic("topic-1")

    with pytest.raises(ReferenceBroken):
        world.topic("topic-2", publication_id="pub-x")
    with pytest.raises(AlreadyExists):
        world.topic("topic-1")

    assert world.call(get_topic_by_id, "topic-2") is None


def test_topics_are_listed_most_urgent_first_then_oldest(world: World) -> None:
    """Inactive ones too; topics of the same second go by id, one without priority comes last."""
    world.topic("normal", priority=1)
    world.topic("urgent-b", priority=3)
    world.topic("urgent-a", priority=3)
    world.wait(seconds=1)
    world.topic("urgent-late", priority=3)
    world.topic("high", priority=2)
    world.topic("none", priority=1)
    world.call(update_topic, "high", UpdateTopicInput(is_active=False))
    _forget_priority(world, "none")
    world.publication("pub-2")
    world.topic("elsewhere", publication_id="pub-2")

    listed = [topic.id for topic in world.call(list_topics_by_publication, "pub-1")]

    assert listed == ["urgent-a", "urgent-b", "urgent-late", "high", "normal", "none"]


def _forget_priority(world: World, id: str) -> None:
    def forget(db: Writer) -> None:
        db.update(Topic, id, {"priority": None})

    world.call(forget)


def test_an_update_changes_what_is_given_and_null_clears(world: World) -> None:
    """Left out stays, null becomes NULL, the time moves."""
    world.topic(description="Batteries")
    world.wait(seconds=5)

    changed = world.call(
        update_topic, "topic-1", UpdateTopicInput(description=None, priority=3, is_active=False)
    )

    assert changed is not None
    assert (changed.name, changed.description) == ("Ferries", None)
    assert (changed.priority, changed.is_active) == (3, False)
    assert changed.updated_at == START_S + 5


def test_an_update_without_fields_or_topic_changes_nothing(world: World) -> None:
    """Without fields it is a read; without a topic it answers null."""
    topic = world.topic()
    world.wait(seconds=5)

    assert world.call(update_topic, "topic-1", UpdateTopicInput()) == topic
    assert world.call(update_topic, "topic-x", UpdateTopicInput(name="X")) is None


def test_the_table_refuses_a_priority_that_is_none_of_the_three(world: World) -> None:
    """Also from a hand that knows no types."""
    with pytest.raises(RuleBroken):
        world.topic(priority=4)


def test_the_ideas_of_a_removed_topic_stay_without_a_topic(world: World) -> None:
    """A story does not go away because nobody looks for its topic any more."""
    world.topic()
    world.idea(topic_id="topic-1")

    world.call(delete_topic, "topic-1")

    assert world.call(get_topic_by_id, "topic-1") is None
    idea = world.call(get_idea_by_id, "idea-1")
    assert idea is not None
    assert idea.topic_id is None


def test_removing_a_topic_that_is_not_there_does_nothing(world: World) -> None:
    """No error: it is gone, as was wanted."""
    world.call(delete_topic, "topic-x")
