"""Publication tokens: shown once, validated by the raw token, revoked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest
from hotmetal.domains.publication_tokens import (
    create_publication_token,
    list_publication_tokens,
    revoke_publication_token,
    validate_publication_token,
)
from hotmetal.testing import START_S, World, empty_world

from freehold.errors import ReferenceBroken


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        world.user()
        world.publication("pub-1")
        yield world


def test_a_token_is_shown_once_and_kept_as_its_digest(world: World) -> None:
    """`hm_` and 32 hexadecimal characters; SHA-256 of the whole text is stored."""
    created = world.call(create_publication_token, "pub-1", "Front end")

    digest = hashlib.sha256(created.raw_token.encode()).hexdigest()
    assert re.fullmatch(r"hm_[0-9a-f]{32}", created.raw_token)
    assert created.token.token_hash.digest == digest
    assert (created.token.publication_id, created.token.label) == ("pub-1", "Front end")
    assert (created.token.is_active, created.token.revoked_at) == (True, None)
    assert created.token.created_at == START_S
    assert world.call(list_publication_tokens, "pub-1") == [created.token]


def test_a_label_is_not_needed(world: World) -> None:
    """A token without one has none."""
    assert world.call(create_publication_token, "pub-1").token.label is None


def test_no_two_tokens_are_the_same(world: World) -> None:
    """Each is drawn anew."""
    raw = {world.call(create_publication_token, "pub-1").raw_token for _ in range(20)}

    assert len(raw) == 20


def test_a_token_needs_its_publication(world: World) -> None:
    """An unknown one is refused, and the error does not show the token."""
    with pytest.raises(ReferenceBroken) as refusal:
        world.call(create_publication_token, "pub-x")

    assert "hm_" not in str(refusal.value)


def test_the_raw_token_opens_its_publication(world: World) -> None:
    """And no other one."""
    world.publication("pub-2")
    first = world.call(create_publication_token, "pub-1").raw_token
    second = world.call(create_publication_token, "pub-2").raw_token

    assert world.call(validate_publication_token, first) == "pub-1"
    assert world.call(validate_publication_token, second) == "pub-2"


def test_a_digest_opens_nothing(world: World) -> None:
    """Whoever reads the table, or a listing of the tokens, cannot use what is in it."""
    created = world.call(create_publication_token, "pub-1")

    for wrong in (
        created.token.token_hash.digest,
        created.raw_token.upper(),
        created.raw_token.removeprefix("hm_"),
        created.raw_token + " ",
        "hm_" + "0" * 32,
        "",
    ):
        assert world.call(validate_publication_token, wrong) is None


def test_a_revoked_token_opens_nothing(world: World) -> None:
    """The others go on."""
    gone = world.call(create_publication_token, "pub-1")
    kept = world.call(create_publication_token, "pub-1")
    world.wait(seconds=5)

    world.call(revoke_publication_token, gone.token.id)

    assert world.call(validate_publication_token, gone.raw_token) is None
    assert world.call(validate_publication_token, kept.raw_token) == "pub-1"
    listed = {each.id: each for each in world.call(list_publication_tokens, "pub-1")}
    assert listed[gone.token.id].is_active is False
    assert listed[gone.token.id].revoked_at == START_S + 5
    assert listed[kept.token.id] == kept.token


def test_revoking_again_moves_the_time(world: World) -> None:
    """As the document's code does; a token that is not there is no error."""
    token = world.call(create_publication_token, "pub-1").token
    world.call(revoke_publication_token, token.id)
    world.wait(seconds=5)

    world.call(revoke_publication_token, token.id)
    world.call(revoke_publication_token, "token-x")

    [listed] = world.call(list_publication_tokens, "pub-1")
    assert (listed.is_active, listed.revoked_at) == (False, START_S + 5)


def test_tokens_are_listed_newest_first_revoked_ones_too(world: World) -> None:
    """Only the publication's own."""
    world.publication("pub-2")
    first = world.call(create_publication_token, "pub-1").token
    world.call(revoke_publication_token, first.id)
    world.wait(seconds=1)
    second = world.call(create_publication_token, "pub-1").token
    world.call(create_publication_token, "pub-2")

    listed = world.call(list_publication_tokens, "pub-1")

    assert [each.id for each in listed] == [second.id, first.id]
    assert world.call(list_publication_tokens, "pub-x") == []
