"""The sample data: loaded once, whole, and alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.activity import get_recent_activity
from hotmetal.domains.ideas import count_ideas_by_status, list_ideas_by_publication
from hotmetal.domains.publications import list_publications_by_user
from hotmetal.domains.sessions import list_sessions
from hotmetal.domains.social_connections import (
    get_social_connection_with_decrypted_tokens,
    has_valid_social_connection,
)
from hotmetal.domains.users import get_user_by_id
from hotmetal.schema import OauthState, schema
from hotmetal.seed import seed
from hotmetal.testing import World, empty_world

from freehold import Reader, Record


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        yield world


def everything(db: Reader) -> dict[str, list[Record]]:
    return {record.__table__.name: db.all(record) for record in schema.records}


def test_every_table_has_something_to_look_at(world: World) -> None:
    """But for OAuth states, which would have expired before anybody looks."""
    world.call(seed)

    empty = [name for name, rows in world.call(everything).items() if not rows]
    assert empty == [OauthState.__table__.name]


def test_loading_it_again_does_nothing(world: World) -> None:
    """A day later, and after somebody has worked with it."""
    world.call(seed)
    before = world.call(everything)
    world.wait(seconds=86_400)

    world.call(seed)

    assert world.call(everything) == before


def test_the_default_user_has_two_publications_with_a_next_run(world: World) -> None:
    """In different zones and rhythms, so that the scout has something to do."""
    world.call(seed)

    assert world.call(get_user_by_id, "default") is not None
    publications = world.call(list_publications_by_user, "default")
    assert len(publications) == 2
    assert len({each.timezone for each in publications}) == 2
    assert all(each.next_scout_at and each.next_scout_at > world.now for each in publications)


def test_ideas_are_there_in_every_status_with_their_sources(world: World) -> None:
    """Promoted ones name a session that names them."""
    world.call(seed)

    for status in ("new", "reviewed", "promoted", "dismissed"):
        assert world.call(count_ideas_by_status, status) > 0
    holders = {each.id: each.idea_id for each in world.call(list_sessions)}
    for publication in world.call(list_publications_by_user, "default"):
        for idea in world.call(list_ideas_by_publication, publication.id):
            assert idea.sources
            assert (idea.status == "promoted") == (idea.session_id is not None)
            if idea.session_id is not None:
                assert holders[idea.session_id] == idea.id


def test_there_is_recent_activity(world: World) -> None:
    """With and without a publication."""
    world.call(seed)

    names = {each.publication_name for each in world.call(get_recent_activity)}
    assert names == {None, "Harbour Light"}


def test_the_connection_is_valid_and_can_be_opened(world: World) -> None:
    """Its tokens are samples that open nothing anywhere."""
    world.call(seed)

    connection = world.call(get_social_connection_with_decrypted_tokens, "conn-linkedin")
    assert world.call(has_valid_social_connection, "default", "linkedin")
    assert connection is not None
    assert connection.access_token == "sample-access-token"
