"""Generations: kept whole, found by their user, with what was chosen of them."""

from __future__ import annotations

import msgspec
import pytest
from linkie_claw.domains import generations
from linkie_claw.schema import GeneratedImage, Generation, TextVariation
from linkie_claw.testing import World

from freehold.errors import ReferenceBroken


def test_a_generation_keeps_texts_and_images(world: World) -> None:
    """As they were given, with all that an item may have."""
    user = world.user()
    texts = [
        TextVariation(id="t1", style="storytelling", content="“Ünï” 🚢", title="T", tone="calm"),
        TextVariation(id="t2", style="provocative", content=""),
    ]
    images = [GeneratedImage(id="i1", url="u", prompt="p", style_id="abstract", style_name="A")]

    made = world.generation(user, text_variations=texts, images=images, selected_text_id="t1")

    assert world.call(generations.get_generation_by_id, made.id, user.id) == made
    assert (made.text_variations, made.images) == (texts, images)
    assert (made.selected_text_id, made.selected_image_id) == ("t1", None)
    assert made.created_at == world.now


def test_a_generation_may_be_empty(world: World) -> None:
    """The studio failed, or is not done."""
    made = world.generation(world.user(), text_variations=[], images=[])

    assert (made.text_variations, made.images) == ([], [])


def test_a_generation_of_nobody_is_refused(world: World) -> None:
    """Its user must exist."""
    nobody = msgspec.structs.replace(world.user(), id="nobody")

    with pytest.raises(ReferenceBroken):
        world.generation(nobody)


def test_a_choice_changes_what_it_names(world: World) -> None:
    """Left out stays, null clears; without a generation it is null."""
    user = world.user()
    id = world.generation(user).id

    def choose(**chosen: str | None) -> Generation | None:
        return world.call(generations.update_generation_selections, id, user.id, **chosen)

    def chosen() -> tuple[str | None, str | None]:
        found = world.call(generations.get_generation_by_id, id, user.id)
        assert found is not None
        return found.selected_text_id, found.selected_image_id

    both = choose(selected_text_id="t1", selected_image_id="i1")
    assert chosen() == ("t1", "i1")
    assert choose() == both
    choose(selected_text_id="t2")
    assert chosen() == ("t2", "i1")
    choose(selected_image_id=None)
    assert chosen() == ("t2", None)
    assert world.call(generations.update_generation_selections, "nothing", user.id, "t1") is None


def test_recent_generations_are_the_users_newest_first(world: World) -> None:
    """Ten unless told."""
    user, bo = world.user(), world.user("bo")
    made = []
    for _ in range(12):
        made.append(world.generation(user).id)
        world.generation(bo)
        world.wait(seconds=1)

    recent = world.call(generations.get_recent_generations, user_id=user.id)

    assert [each.id for each in recent] == made[:1:-1]
    assert len(world.call(generations.get_recent_generations, 100, user_id=user.id)) == 12
