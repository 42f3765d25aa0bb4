"""Generations: what the studio made of a user's ideas."""

from __future__ import annotations

from freehold import UNSET, Input, Maybe, Reader, Writer, param, select
from linkie_claw.ranges import Rows
from linkie_claw.schema import GeneratedImage, Generation, TextVariation


class NewGeneration(Input):
    """A new generation; its id is made here."""

    user_id: str
    idea: str
    text_variations: list[TextVariation]
    images: list[GeneratedImage]
    selected_text_id: str | None = None
    selected_image_id: str | None = None


_RECENT = (
    select(Generation)
    .order_by(Generation.c.created_at.desc(), Generation.c.id.desc())
    .limit(param("limit"))
)


def create_generation(db: Writer, data: NewGeneration) -> Generation:
    """
    Keep what the studio made.

    Raises:
        ReferenceBroken: There is no such user.
    """
    return db.owned_by(data.user_id).insert(
        Generation(
            id=db.new_id(),
            user_id=data.user_id,
            idea=data.idea,
            text_variations=data.text_variations,
            images=data.images,
            selected_text_id=data.selected_text_id,
            selected_image_id=data.selected_image_id,
        )
    )


def get_generation_by_id(db: Reader, id: str, user_id: str) -> Generation | None:
    """The user's generation, or null."""
    return db.owned_by(user_id).find(Generation, id)


def update_generation_selections(
    db: Writer,
    id: str,
    user_id: str,
    selected_text_id: Maybe[str | None] = UNSET,
    selected_image_id: Maybe[str | None] = UNSET,
) -> Generation | None:
    """Note what was chosen; left out stays, null clears. The generation as it is now, or null."""
    changes = {"selected_text_id": selected_text_id, "selected_image_id": selected_image_id}
    return db.owned_by(user_id).update(Generation, id, changes)


def get_recent_generations(db: Reader, limit: Rows = 10, *, user_id: str) -> list[Generation]:
    """The user's generations, the newest first."""
    return db.owned_by(user_id).all(_RECENT, limit=limit)
