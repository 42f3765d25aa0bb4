"""The face: every method of the document, under its names, and one that needs a scope."""

from __future__ import annotations

from pathlib import Path

import pytest
from hotmetal.app import app
from hotmetal.entrypoints import DataLayer

from freehold.rpc.contract import contract_of

#: The document's `DataLayer`, section 2.3: each method with its parameters as they travel, in
#: their order. What stands behind the bar is Freehold's addition; `=` can be left out.
DOCUMENT = """
getUserById(id)
getUserByEmail(email)
createUser(data)
updateUser(id, data)
listUsers()
createSession(data)
getSessionById(id)
listSessions(filters=)
updateSession(id, data)
createPublication(data)
getPublicationById(id)
listPublicationsByUser(userId)
listAllPublications()
updatePublication(id, data)
deletePublication(id)
getDuePublications(now)
getPublicationsWithNullSchedule()
updatePublicationNextScoutAt(id, nextRun)
getAllPublicationIds()
createTopic(data)
getTopicById(id)
listTopicsByPublication(pubId)
updateTopic(id, data)
deleteTopic(id)
createIdea(data)
createIdeas(items)
getIdeaById(id)
listIdeasByPublication(pubId, filters=)
updateIdeaStatus(id, status)
promoteIdea(id, sessionId)
countIdeasByPublication(pubId)
countIdeasByStatus(status)
getRecentIdeasByPublication(pubId, sinceDays=)
getRecentActivity(cutoffDays=)
countCompletedSessionsForWeek(pubId, weekStart)
writeAuditLog(entry)
storeOAuthState(state, provider, ttlSeconds= | boundTo=)
validateAndConsumeOAuthState(state, provider | boundTo=)
createSocialConnection(data)
getSocialConnectionsByUser(userId)
getSocialConnectionById(id)
updateSocialConnectionTokens(id, tokens)
deleteSocialConnection(id)
hasValidSocialConnection(userId, provider)
createPublicationOutlet(data)
listOutletsByPublication(pubId)
deletePublicationOutlet(id)
createPublicationToken(pubId, label=)
validatePublicationToken(token)
revokePublicationToken(id)
listPublicationTokens(pubId)
"""

TOKENS = "getSocialConnectionWithDecryptedTokens"

#: What is ours beside the document; the README says why.
ADDED = {TOKENS, "claimScoutRun", "claimTokenRefresh", "listAuditLogs"}


def documented() -> dict[str, list[str]]:
    methods = {}
    for line in DOCUMENT.split("\n"):
        name, _, rest = line.partition("(")
        if name:
            params = rest.rstrip(")").replace("|", ",").split(",")
            methods[name] = [param.strip() for param in params if param.strip()]
    return methods


def test_the_documents_51_methods_are_there_and_what_was_added() -> None:
    """No method is missing, misspelt or made up."""
    assert len(documented()) == 51
    assert set(DataLayer.__methods__) == {*documented(), *ADDED}


@pytest.mark.parametrize(("name", "params"), documented().items())
def test_a_method_takes_the_documents_parameters(name: str, params: list[str]) -> None:
    """The same names in the same order, and what can be left out there can be left out here."""
    method = DataLayer.__methods__[name]

    assert [p.wire + ("" if p.required else "=") for p in method.params] == params


def test_what_reads_is_a_query_and_what_writes_a_mutation() -> None:
    """The name says it: these beginnings read, all others write."""
    reads = ("get", "list", "count", "has", "validatePublicationToken")

    wrong = [
        name
        for name, method in DataLayer.__methods__.items()
        if (method.kind == "query") != name.startswith(reads)
    ]

    assert wrong == []


def test_only_the_decrypted_tokens_need_a_scope_of_their_own() -> None:
    """A key for `DataLayer.get*` does not read secrets."""
    scopes = {name: method.scope for name, method in DataLayer.__methods__.items() if method.scope}

    assert scopes == {TOKENS: "connection_tokens"}


def test_the_documents_name_for_the_raw_token_is_still_taken() -> None:
    """It was called tokenHash, though the code hashed it itself."""
    aliases = DataLayer.__methods__["validatePublicationToken"].aliases

    assert aliases["tokenHash"] == "token"


def test_every_method_says_what_it_promises() -> None:
    """A docstring each: clients and the OpenAPI page show it."""
    assert [name for name, method in DataLayer.__methods__.items() if not method.doc] == []


def test_the_contract_tells_clients_of_the_promotions_errors() -> None:
    """Who asks second reads the holder from the error, typed."""
    document = contract_of(app.name, [DataLayer]).document

    promote = document["entrypoints"]["DataLayer"]["methods"]["promoteIdea"]
    fields = {name: [f["wire"] for f in e["fields"]] for name, e in document["errors"].items()}
    assert promote["errors"] == ["IdeaAlreadyPromoted", "IdeaDismissed"]
    assert fields == {
        "IdeaAlreadyPromoted": ["ideaId", "sessionId"],
        "IdeaDismissed": ["ideaId"],
    }


def test_a_schedule_travels_as_the_document_has_it() -> None:
    """One type with its kind and only whole numbers beside it."""
    document = contract_of(app.name, [DataLayer]).document

    fields = {each["wire"]: each["type"] for each in document["types"]["Schedule"]["fields"]}
    assert fields["type"] == {"t": "literal", "values": ["daily", "times_per_day", "every_n_days"]}
    assert {wire for wire in fields if wire != "type"} == {"hour", "count", "days"}


def test_rows_never_travel() -> None:
    """What a row means is decided before it leaves."""
    types = contract_of(app.name, [DataLayer]).document["types"]

    assert [name for name in types if name.endswith("Row")] == []


def test_the_application_has_the_documents_names() -> None:
    """`/health` says data-layer, the binding is DAL, the key comes from TOKEN_ENCRYPTION_KEY."""
    assert (app.name, app.service, app.binding) == ("hotmetal", "data-layer", "DAL")
    assert app.column_keys_env == "TOKEN_ENCRYPTION_KEY"


def test_the_readme_has_an_entry_for_every_method() -> None:
    """Whoever adds a method says there what it does."""
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")

    assert [name for name in DataLayer.__methods__ if f"| `{name}(" not in readme] == []
