"""
The document's own flow, over the real server, through the generated client.

user → publication → topic → ideas stored twice → session → promotion, refused the second
time → audit row → OAuth state, consumed once → connection with sealed tokens → token.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hotmetal.clients.hotmetal import (
    AuditLogInput,
    CreateIdeaInput,
    CreatePublicationInput,
    CreateSessionInput,
    CreateSocialConnectionInput,
    CreateTopicInput,
    CreateUserInput,
    DataLayerSync,
    IdeaAlreadyPromoted,
    UpdatePublicationInput,
)

from freehold.errors import AlreadyExists, PermissionDenied, Unauthenticated
from tests.e2e.processes import ServerProcess, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("flow")) as running:
        yield running


@pytest.fixture
def dal(server: ServerProcess) -> Iterator[DataLayerSync]:
    with DataLayerSync.connect(server.address) as binding:
        yield binding


def an_idea(number: int) -> CreateIdeaInput:
    return CreateIdeaInput(
        id=f"flow-idea-{number}",
        publication_id="flow-pub",
        topic_id="flow-topic",
        title=f"Story {number}",
        angle="from below",
        summary="what happened",
        sources='[{"url":"https://example.com","title":"t","snippet":"s"}]',
        relevance_score=number / 10,
    )


def test_the_whole_flow(dal: DataLayerSync, server: ServerProcess) -> None:
    """Each step of the document works, and each rule holds, over the wire."""
    user = dal.create_user(
        data=CreateUserInput(id="flow-user", email="flow@example.com", name="Flow")
    )
    assert dal.get_user_by_email(email="flow@example.com") == user
    with pytest.raises(AlreadyExists):
        dal.create_user(
            data=CreateUserInput(id="flow-user-2", email="flow@example.com", name="Other")
        )

    publication = dal.create_publication(
        data=CreatePublicationInput(
            id="flow-pub", user_id="flow-user", name="Flow Weekly", slug="flow-weekly"
        )
    )
    assert publication.next_scout_at is not None
    assert publication.next_scout_at > time.time()
    dal.update_publication(id="flow-pub", data=UpdatePublicationInput(description="All of it"))
    dal.create_topic(
        data=CreateTopicInput(id="flow-topic", publication_id="flow-pub", name="Rivers")
    )

    ideas = [an_idea(number) for number in range(5)]
    assert dal.create_ideas(items=ideas) == 5
    assert dal.create_ideas(items=ideas) == 0
    assert dal.count_ideas_by_publication(pub_id="flow-pub") == 5

    for name in ("one", "two"):
        dal.create_session(
            data=CreateSessionInput(
                id=f"flow-{name}", user_id="flow-user", publication_id="flow-pub"
            )
        )
    promoted = dal.promote_idea(id="flow-idea-4", session_id="flow-one")
    assert promoted.status == "promoted"
    with pytest.raises(IdeaAlreadyPromoted) as refusal:
        dal.promote_idea(id="flow-idea-4", session_id="flow-two")
    assert refusal.value.session_id == "flow-one"
    assert "flow-one" in refusal.value.detail

    dal.write_audit_log(
        entry=AuditLogInput(post_id="post-1", outlet="blog", action="publish", status="success")
    )

    dal.store_oauth_state(state="flow-state", provider="linkedin")
    assert not dal.validate_and_consume_oauth_state(state="flow-state", provider="medium")
    assert dal.validate_and_consume_oauth_state(state="flow-state", provider="linkedin")
    assert not dal.validate_and_consume_oauth_state(state="flow-state", provider="linkedin")


def test_tokens_are_sealed_and_opened_only_with_their_own_scope(
    dal: DataLayerSync, server: ServerProcess
) -> None:
    """What is listed is ciphertext; the owner opens it, a key with `*` alone does not."""
    dal.create_user(data=CreateUserInput(id="seal-user", email="seal@example.com", name="Seal"))
    connection = dal.create_social_connection(
        data=CreateSocialConnectionInput(
            user_id="seal-user", provider="linkedin", access_token="canary-token-4711"
        )
    )
    assert connection.access_token is not None
    assert "canary" not in connection.access_token
    opened = dal.get_social_connection_with_decrypted_tokens(id=connection.id)
    assert opened is not None
    assert opened.access_token == "canary-token-4711"
    for path in server.folder.iterdir():
        if path.is_file():
            assert b"canary-token-4711" not in path.read_bytes()


def test_a_publication_token_lives_until_it_is_revoked(dal: DataLayerSync) -> None:
    """The raw token is shown once, names its publication, and ends with its revocation."""
    dal.create_user(data=CreateUserInput(id="tok-user", email="tok@example.com", name="Tok"))
    dal.create_publication(
        data=CreatePublicationInput(id="tok-pub", user_id="tok-user", name="Tok", slug="tok")
    )

    created = dal.create_publication_token(pub_id="tok-pub", label="front end")

    assert created.raw_token.startswith("hm_")
    assert dal.validate_publication_token(token=created.raw_token) == "tok-pub"
    assert dal.validate_publication_token(token=created.token.token_hash) is None
    dal.revoke_publication_token(id=created.token.id)
    assert dal.validate_publication_token(token=created.raw_token) is None


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """Stopped and started again on the same folder, the data is as it was."""
    with serving(tmp_path) as server:
        with DataLayerSync.connect(server.address) as dal:
            user = dal.create_user(data=CreateUserInput(id="u", email="e@example.com", name="N"))
        assert server.stop() == 0
        server.start()
        with DataLayerSync.connect(server.address) as dal:
            assert dal.get_user_by_id(id="u") == user


def test_the_port_asks_for_a_key_and_its_scopes(server: ServerProcess) -> None:
    """No key, a wrong key, and a key that lacks the scope are refused by name."""
    from freehold.cli.operator import AnyBinding

    address = next(word for line in server.said for word in line.split() if "http://" in word)
    with AnyBinding.connect(server.address) as owner:
        reader = owner.ask(
            "Freehold.createKey", {"data": {"name": "reader", "scopes": ["DataLayer.get*"]}}
        )
    with DataLayerSync.connect(address, key="") as stranger, pytest.raises(Unauthenticated):
        stranger.list_users()
    with DataLayerSync.connect(address, key=reader["key"]) as dal:
        assert dal.get_user_by_id(id="nobody") is None
        with pytest.raises(PermissionDenied, match="listUsers"):
            dal.list_users()
        with pytest.raises(PermissionDenied, match="connection_tokens"):
            dal.get_social_connection_with_decrypted_tokens(id="x")
    with AnyBinding.connect(server.address) as owner:
        owner.ask("Freehold.revokeKey", {"id": reader["info"]["id"]})
    with DataLayerSync.connect(address, key=reader["key"]) as dal, pytest.raises(Unauthenticated):
        dal.get_user_by_id(id="nobody")
