"""Publication outlets: made, listed, removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.publication_outlets import (
    CreatePublicationOutletInput,
    create_publication_outlet,
    delete_publication_outlet,
    list_outlets_by_publication,
)
from hotmetal.domains.social_connections import get_social_connection_by_id
from hotmetal.schema import PublicationOutlet
from hotmetal.testing import START_S, World, empty_world

from freehold.errors import ReferenceBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        world.publication("pub-1")
        yield world


def outlet(world: World, connection_id: str, publication_id: str = "pub-1") -> PublicationOutlet:
    data = CreatePublicationOutletInput(publication_id=publication_id, connection_id=connection_id)
    return world.call(create_publication_outlet, data)


def test_an_outlet_does_not_publish_by_itself_unless_told(world: World) -> None:
    """The id and the times are the data layer's."""
    connection = world.connection()

    quiet = outlet(world, connection.id)
    loud = world.call(
        create_publication_outlet,
        CreatePublicationOutletInput(
            publication_id="pub-1",
            connection_id=connection.id,
            auto_publish=True,
            settings='{"shareType":"article"}',
        ),
    )

    assert (quiet.auto_publish, quiet.settings) == (False, None)
    assert (loud.auto_publish, loud.settings) == (True, '{"shareType":"article"}')
    assert len({quiet.id, loud.id}) == 2
    assert quiet.created_at == quiet.updated_at == START_S


def test_an_outlet_needs_its_publication_and_its_connection(world: World) -> None:
    """Either one unknown is refused."""
    connection = world.connection()

    with pytest.raises(ReferenceBroken):
        outlet(world, connection.id, publication_id="pub-x")
    with pytest.raises(ReferenceBroken):
        outlet(world, "conn-x")

    assert world.call(list_outlets_by_publication, "pub-1") == []


def test_outlets_are_listed_oldest_first(world: World) -> None:
    """Only the publication's own."""
    world.publication("pub-2")
    connection = world.connection()
    first = outlet(world, connection.id)
    world.wait(seconds=1)
    second = outlet(world, connection.id)
    outlet(world, connection.id, publication_id="pub-2")

    assert world.call(list_outlets_by_publication, "pub-1") == [first, second]
    assert world.call(list_outlets_by_publication, "pub-x") == []


def test_removing_an_outlet_keeps_the_connection(world: World) -> None:
    """A second time does nothing."""
    connection = world.connection()
    made = outlet(world, connection.id)

    world.call(delete_publication_outlet, made.id)
    world.call(delete_publication_outlet, made.id)

    assert world.call(list_outlets_by_publication, "pub-1") == []
    assert world.call(get_social_connection_by_id, connection.id) == connection
