"""
The document's own flow, call by call as it comes over the wire: bytes in, bytes out.

Once with named arguments in JSON and once with positional ones in MessagePack; every method
is called, so what each one answers is held against what its contract promises.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotmetal.entrypoints import DataLayer
from hotmetal.schema import schema
from hotmetal.testing import START_S

from freehold import Caller
from freehold.clock import ManualClock
from freehold.crypto import KeyRing
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import CallError
from freehold.ids import SeededIds
from freehold.rpc.contract import contract_of
from freehold.rpc.dispatch import Answer, Dispatcher, Request
from freehold.wire.codec import JSON, MSGPACK, Codec

WRITER = Caller("writer", frozenset({"DataLayer.*"}))
PUBLISHER = Caller("publisher", frozenset({"DataLayer.*", "connection_tokens"}))

Call = Callable[..., Any]


class Wire:
    """A data layer behind its dispatcher, without sockets."""

    def __init__(self, codec: Codec, *, is_named: bool) -> None:
        self.codec = codec
        self.is_named = is_named
        self.called: set[str] = set()
        self._loop: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        clock = ManualClock(START_S)
        self.database = SqliteDatabase(
            None, schema, clock=clock, ids=SeededIds(), ring=KeyRing.from_hex("5a" * 32)
        )
        self.database.open()
        self.database.start(self._loop.put)
        self._dispatcher = Dispatcher(
            [DataLayer],
            {"main": self.database},
            contract=contract_of("hotmetal", [DataLayer]),
            clock=clock,
            ids=SeededIds(),
        )

    def __call__(self, name: str, /, *, caller: Caller = WRITER, **arguments: Any) -> Any:
        """The result of one call as plain values; raises the CallError that was answered."""
        self.called.add(name)
        body = self.codec.encode(arguments if self.is_named else list(arguments.values()))
        answers: list[Answer] = []
        request = Request(f"DataLayer.{name}", body, self.codec, caller, answers.append)
        self._dispatcher.call(request)
        while not answers:
            self._loop.get(timeout=10)()
        [answer] = answers
        if answer.error is not None:
            raise answer.error
        return self.codec.decode(answer.body)

    def refusal(self, name: str, /, *, caller: Caller = WRITER, **arguments: Any) -> CallError:
        """The error that one call is answered with."""
        with pytest.raises(CallError) as refused:
            self(name, caller=caller, **arguments)
        return refused.value


@pytest.fixture(params=["named in JSON", "by position in MessagePack"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    is_named = request.param.startswith("named")
    wire = Wire(JSON if is_named else MSGPACK, is_named=is_named)
    yield wire
    wire.database.close()


def a_publication(call: Call) -> None:
    user = {"id": "default", "email": "ada@people.example", "name": "Ada"}
    call("createUser", data=user)
    publication = {"id": "pub", "userId": "default", "name": "The Paper", "slug": "the-paper"}
    call("createPublication", data=publication)


def test_every_method_of_the_document_answers_over_the_wire(wire: Wire) -> None:
    """From the first user to the last token, in the order in which the services work."""
    users_and_publications(wire)
    topics_and_ideas(wire)
    sessions_and_promotion(wire)
    publishing(wire)
    tokens(wire)
    wire("deleteTopic", id="topic")
    wire("deletePublication", id="pub")

    assert wire.called == set(DataLayer.__methods__)
    assert wire("getSessionById", id="ses")["publicationId"] is None


def users_and_publications(call: Call) -> None:
    a_publication(call)
    user = call("updateUser", id="default", data={"name": "Ada L."})
    assert user["name"] == "Ada L."
    assert call("getUserById", id="default") == user == call("listUsers")[0]
    assert call("getUserByEmail", email="ada@people.example") == user
    changes = {"scoutSchedule": {"type": "every_n_days", "days": 2, "hour": 6}, "timezone": "UTC"}
    publication = call("updatePublication", id="pub", data=changes)
    assert publication["scoutSchedule"] == {"type": "every_n_days", "days": 2, "hour": 6}
    assert publication["nextScoutAt"] == START_S + 86_400
    assert call("getPublicationById", id="pub") == publication
    assert call("listPublicationsByUser", userId="default") == [publication]
    assert call("listAllPublications") == [publication]
    assert call("getAllPublicationIds") == ["pub"]
    claim = {"id": "pub", "seenNextRun": START_S + 86_400, "nextRun": START_S + 1}
    assert [call("claimScoutRun", **claim) for _ in range(2)] == [True, False]
    call("updatePublicationNextScoutAt", id="pub", nextRun=START_S)
    due = {key: publication[key] for key in ("id", "scoutSchedule", "timezone")}
    assert call("getDuePublications", now=START_S) == [due]
    assert call("getPublicationsWithNullSchedule") == []


def topics_and_ideas(call: Call) -> None:
    topic = call("createTopic", data={"id": "topic", "publicationId": "pub", "name": "Ferries"})
    assert call("getTopicById", id="topic") == topic
    assert call("listTopicsByPublication", pubId="pub") == [topic]
    assert call("updateTopic", id="topic", data={"isActive": False})["isActive"] is False
    idea = {"publicationId": "pub", "title": "T", "angle": "A", "summary": "S"}
    items = [
        {**idea, "id": "idea-1", "sources": '[{"url":"https://news.example"}]'},
        {**idea, "id": "idea-2", "topicId": "topic", "relevanceScore": 0.5},
    ]
    assert call("createIdeas", items=items) == 2
    assert call("createIdeas", items=items) == 0
    assert call("createIdea", data={**idea, "id": "idea-3"})["status"] == "new"
    assert call("getIdeaById", id="idea-1")["sources"][0]["url"] == "https://news.example"
    call("updateIdeaStatus", id="idea-3", status="dismissed")
    listed = call("listIdeasByPublication", pubId="pub", filters={"status": "new"})
    assert [each["id"] for each in listed] == ["idea-2", "idea-1"]
    assert call("countIdeasByPublication", pubId="pub") == 3
    assert call("countIdeasByStatus", status="new") == 2
    assert len(call("getRecentIdeasByPublication", pubId="pub")) == 3


def sessions_and_promotion(wire: Wire) -> None:
    data = {"id": "ses", "userId": "default", "publicationId": "pub", "ideaId": "idea-1"}
    assert wire("createSession", data=data)["status"] == "active"
    assert wire("promoteIdea", id="idea-1", sessionId="ses")["sessionId"] == "ses"
    second = wire.refusal("promoteIdea", id="idea-1", sessionId="ses")
    assert (type(second).__name__, second.code) == ("IdeaAlreadyPromoted", "conflict")
    assert second.data == {"ideaId": "idea-1", "sessionId": "ses"}
    session = wire("updateSession", id="ses", data={"status": "completed", "cmsPostId": "post"})
    assert wire("getSessionById", id="ses") == session
    assert wire("listSessions") == [session] == wire("listSessions", filters={"userId": "default"})
    assert wire("countCompletedSessionsForWeek", pubId="pub", weekStart=START_S) == 1
    assert wire("getRecentActivity", cutoffDays=7)[0]["publicationName"] == "The Paper"


def publishing(call: Call) -> None:
    entry = {"postId": "post", "outlet": "blog", "action": "publish", "status": "success"}
    assert call("writeAuditLog", entry=entry) is None
    [written] = call("listAuditLogs", filters={"postId": "post", "limit": 5})
    assert entry.items() <= written.items()
    assert call("listAuditLogs") == [written]
    assert call("storeOAuthState", state="s", provider="linkedin", ttlSeconds=60) is None
    assert call("validateAndConsumeOAuthState", state="s", provider="linkedin") is True
    assert call("validateAndConsumeOAuthState", state="s", provider="linkedin") is False
    connection = call(
        "createSocialConnection",
        data={"userId": "default", "provider": "linkedin", "accessToken": "plain-token"},
    )
    id = connection["id"]
    assert "plain-token" not in str(connection)
    assert call("getSocialConnectionById", id=id) == connection
    assert call("getSocialConnectionsByUser", userId="default") == [connection]
    assert call("hasValidSocialConnection", userId="default", provider="linkedin") is True
    claims = [call("claimTokenRefresh", id=id, leaseSeconds=30) for _ in range(2)]
    assert claims == [True, False]
    renewed = call("updateSocialConnectionTokens", id=id, tokens={"refreshToken": "plain-too"})
    assert renewed["accessToken"] == connection["accessToken"]
    opened = call("getSocialConnectionWithDecryptedTokens", caller=PUBLISHER, id=id)
    assert (opened["accessToken"], opened["refreshToken"]) == ("plain-token", "plain-too")
    outlet = call("createPublicationOutlet", data={"publicationId": "pub", "connectionId": id})
    assert call("listOutletsByPublication", pubId="pub") == [outlet]
    call("deletePublicationOutlet", id=outlet["id"])
    assert call("deleteSocialConnection", id=id) is None


def tokens(call: Call) -> None:
    created = call("createPublicationToken", pubId="pub", label="Front end")
    raw_token, token = created["rawToken"], created["token"]
    assert raw_token not in str(token)
    assert call("listPublicationTokens", pubId="pub") == [token]
    assert call("validatePublicationToken", token=raw_token) == "pub"
    assert call("validatePublicationToken", token=token["tokenHash"]) is None
    call("revokePublicationToken", id=token["id"])
    assert call("validatePublicationToken", token=raw_token) is None


def test_the_decrypted_tokens_need_their_scope(wire: Wire) -> None:
    """A key that may call everything else is refused."""
    refusal = wire.refusal("getSocialConnectionWithDecryptedTokens", id="any")

    assert (refusal.code, "connection_tokens" in refusal.hint) == ("permission_denied", True)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("updateIdeaStatus", {"id": "idea", "status": "maybe"}),
        ("countIdeasByStatus", {"status": "maybe"}),
        ("listSessions", {"filters": {"status": "paused"}}),
        ("updateSession", {"id": "ses", "data": {"status": "paused"}}),
        ("updateSession", {"id": "ses", "data": {"colour": "red"}}),
        ("updateUser", {"id": "default", "data": {"name": None}}),
        ("updatePublication", {"id": "pub", "data": {"autoPublishMode": "sometimes"}}),
        ("updatePublication", {"id": "pub", "data": {"timezone": "Mars/Olympus"}}),
        ("updatePublication", {"id": "pub", "data": {"scoutSchedule": {"type": "daily"}}}),
        (
            "updatePublication",
            {"id": "pub", "data": {"scoutSchedule": {"type": "daily", "hour": 24}}},
        ),
        (
            "updatePublication",
            {"id": "pub", "data": {"scoutSchedule": {"type": "daily", "hour": True}}},
        ),
        ("createTopic", {"data": {"id": "t", "publicationId": "pub", "name": "T", "priority": 4}}),
        ("getDuePublications", {"now": START_S * 1_000}),
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused(
    wire: Wire, name: str, arguments: dict[str, Any]
) -> None:
    """As the caller's mistake, before anything is written."""
    a_publication(wire)
    before = wire("getPublicationById", id="pub")

    refusal = wire.refusal(name, **arguments)

    assert (refusal.code, refusal.status) == ("invalid_argument", 400)
    assert wire("getPublicationById", id="pub") == before


def test_the_raw_token_may_come_under_the_documents_name() -> None:
    """`tokenHash` is taken for `token`, and means the raw token too."""
    wire = Wire(JSON, is_named=True)
    a_publication(wire)
    raw_token = wire("createPublicationToken", pubId="pub")["rawToken"]

    assert wire("validatePublicationToken", tokenHash=raw_token) == "pub"
    wire.database.close()


def test_a_refused_token_is_not_in_the_error(wire: Wire) -> None:
    """Neither in the sentence nor in its parts."""
    data = {"userId": "nobody", "provider": "linkedin", "accessToken": "plain-token"}

    refusal = wire.refusal("createSocialConnection", data=data)

    assert refusal.code == "conflict"
    assert "plain-token" not in f"{refusal} {refusal.data}"
