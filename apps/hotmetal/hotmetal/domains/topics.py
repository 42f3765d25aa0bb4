"""Topics: what the scout looks for on behalf of a publication."""

from __future__ import annotations

from freehold import UNSET, Input, Maybe, Patch, Reader, Writer, param, select
from hotmetal.schema import Priority, Topic


class CreateTopicInput(Input):
    """A new topic, active; the caller chooses the id. Priority: 1 normal, 2 high, 3 urgent."""

    id: str
    publication_id: str
    name: str
    description: str | None = None
    priority: Priority | None = None


class UpdateTopicInput(Patch):
    """What may change in a topic; what is left out stays, null clears."""

    name: Maybe[str] = UNSET
    description: Maybe[str | None] = UNSET
    priority: Maybe[Priority] = UNSET
    is_active: Maybe[bool] = UNSET


_OF_PUBLICATION = (
    select(Topic)
    .where(Topic.c.publication_id == param("pub_id"))
    .order_by(Topic.c.priority.desc().nulls_last(), Topic.c.created_at, Topic.c.id)
)


def create_topic(db: Writer, data: CreateTopicInput) -> Topic:
    """
    Add a topic to a publication.

    Raises:
        AlreadyExists: The id is taken.
        ReferenceBroken: There is no such publication.
    """
    return db.insert(
        Topic(
            id=data.id,
            publication_id=data.publication_id,
            name=data.name,
            description=data.description,
            priority=data.priority or 1,
        )
    )


def get_topic_by_id(db: Reader, id: str) -> Topic | None:
    """The topic, or null."""
    return db.find(Topic, id)


def list_topics_by_publication(db: Reader, pub_id: str) -> list[Topic]:
    """The publication's topics, inactive ones too: the most urgent first, then the oldest."""
    return db.all(_OF_PUBLICATION, pub_id=pub_id)


def update_topic(db: Writer, id: str, data: UpdateTopicInput) -> Topic | None:
    """Change the given fields and answer the topic as it is now, or null when there is none."""
    return db.update(Topic, id, data)


def delete_topic(db: Writer, id: str) -> None:
    """Remove a topic; its ideas stay, without a topic. Nothing happens when there is none."""
    db.delete(Topic, id)
