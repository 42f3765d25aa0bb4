"""The face: every method of the document and the facts, under their names, with its scope."""

from __future__ import annotations

from pathlib import Path

import pytest
from linkie_claw.app import app
from linkie_claw.entrypoints import DataLayer

from freehold.rpc.contract import contract_of

#: Each method with its parameters as they travel, in their order; `=` can be left out. What
#: stands behind the bar is Freehold's addition.
NAMED = """
getAllPosts(userId)
getPostById(id, userId)
createPost(data)
updatePost(id, data, userId)
deletePost(id, userId)
getScheduledPosts(userId, month=)
getPostsByMonth(month, userId)
getRecentDrafts(limit=, userId)
getPostsReadyToPublish()
getStalePublishingPosts()
incrementPostRetryCount(postId)
markPostAsPublishing(id)
markPostAsPublished(id, linkedinPostUrn | fence=)
markPostAsFailed(id, errorMessage= | fence=)
reschedulePostForRetry(id, time | fence=)
resetStalePost(id)
createGeneration(data)
getGenerationById(id, userId)
updateGenerationSelections(id, userId, selectedTextId=, selectedImageId=)
getRecentGenerations(limit=, userId)
getUserSettings(userId)
upsertUserSettings(userId, data)
getUserVoiceTones(userId)
saveUserVoiceTones(userId, tones)
getUserImageStyles(userId)
saveUserImageStyles(userId, styles)
getLinkedInAccessToken(userId)
createLinkedinOauthState(state, userId, expiresAt | boundTo=)
getLinkedinOauthState(state | boundTo=)
deleteLinkedinOauthState(state)
cleanupExpiredLinkedinOauthStates()
getDashboardStats(userId)
getPublishingSuccessRate(userId)
getPostsOverTime(userId, days=)
getRecentPosts(userId, limit=)
getGenerationCount(userId)
getPostsByStatus(userId, days=)
getPublishingTrend(userId, days=)
getTopPosts(userId, limit=)
getContentGenerationStats(userId, days=)
getSchedulingPatterns(userId, days=)
"""

ADDED = {
    # the states of a post, which the routes of the original set by hand
    "schedulePost", "unschedulePost", "getStuckPosts", "recoverPost",
    "getPostForPublishing", "claimReadyPosts", "markDispatchFailed", "recoverStalePosts",
    "consumeLinkedinOauthState",
    # the tables of the auth library, which its adapter wrote
    "getUserById", "getUserByEmail", "getUserByAccount", "createUser", "updateUser", "deleteUser",
    "linkAccount", "unlinkAccount", "signInWithAccount", "getAccountsByUser",
    "createSession", "getSessionAndUser", "updateSession", "deleteSession",
    "deleteExpiredSessions", "createVerificationToken", "useVerificationToken",
}  # fmt: skip


def named() -> dict[str, list[str]]:
    methods = {}
    for line in NAMED.split("\n"):
        name, _, rest = line.partition("(")
        if name:
            params = rest.rstrip(")").replace("|", ",").split(",")
            methods[name] = [param.strip() for param in params if param.strip()]
    return methods


def test_every_named_method_is_there_and_no_unknown_one() -> None:
    """No method is missing, misspelt or made up."""
    assert set(DataLayer.__methods__) == {*named(), *ADDED}


@pytest.mark.parametrize(("name", "params"), named().items())
def test_a_method_takes_the_named_parameters(name: str, params: list[str]) -> None:
    """The same names in the same order, and what can be left out there can be left out here."""
    method = DataLayer.__methods__[name]

    assert [p.wire + ("" if p.required else "=") for p in method.params] == params


def test_what_reads_is_a_query_and_what_writes_a_mutation() -> None:
    """The name says it."""
    wrong = [
        name
        for name, method in DataLayer.__methods__.items()
        if (method.kind == "query") != name.startswith("get")
    ]

    assert wrong == []


def test_a_word_is_asked_for_across_users_and_for_the_token() -> None:
    """Which methods those are is held against what they do in `test_isolation`."""
    scopes = {method.scope for method in DataLayer.__methods__.values()}

    assert scopes == {None, "scheduler", "sign_in", "linkedin_tokens"}
    assert DataLayer.__methods__["getLinkedInAccessToken"].scope == "linkedin_tokens"


def test_every_method_says_what_it_promises() -> None:
    """A docstring each: clients and the OpenAPI page show it."""
    assert [name for name, method in DataLayer.__methods__.items() if not method.doc] == []


def test_rows_and_secrets_never_travel() -> None:
    """No answer has a row's type, a sealed or a hashed field."""
    document = contract_of(app.name, [DataLayer]).document
    methods = document["entrypoints"]["DataLayer"]["methods"].values()
    taken = {name for method in methods for name in types_in(document, method["params"])}
    given = {name for method in methods for name in types_in(document, [method["returns"]])}

    assert [name for name in taken | given if name.endswith("Row")] == []
    told = str([document["types"][name] for name in sorted(given)])
    assert "'sealed'" not in told
    assert "'hashed'" not in told
    assert "claim" not in str(document["types"]["Post"]).replace("the claim", "")


def types_in(document: dict[str, object], part: object) -> set[str]:
    """The names of all types that a part of the contract mentions."""
    found: set[str] = set()
    stack = [part]
    types = document["types"]
    assert isinstance(types, dict)
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            stack.extend(each.values())
            name = each.get("name")
            if each.get("t") == "ref" and isinstance(name, str) and name not in found:
                found.add(name)
                stack.append(types[name])
        elif isinstance(each, list):
            stack.extend(each)
    return found


def test_the_contract_tells_clients_of_the_errors() -> None:
    """With the parts that a page needs."""
    document = contract_of(app.name, [DataLayer]).document

    fields = {name: [f["wire"] for f in e["fields"]] for name, e in document["errors"].items()}
    assert fields == {
        "ClaimLost": ["postId", "fence"],
        "EmailNotVerified": [],
        "PostStatusConflict": ["postId", "currentStatus"],
    }


def test_no_engine_is_named_in_the_application() -> None:
    """What runs on one runs on the other; which it is stands in the address alone."""
    words = ("sqlite", "postgres", "func.strftime", "date_trunc", "unixepoch", "dialect")
    folder = Path(__file__).parents[1] / "linkie_claw"
    found = [
        f"{path.name}: {word}"
        for path in folder.rglob("*.py")
        for word in words
        if word in path.read_text(encoding="utf-8").lower()
    ]

    assert found == []


def test_the_readme_has_an_entry_for_every_method() -> None:
    """Whoever adds a method says there what it does."""
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")

    assert [name for name in DataLayer.__methods__ if f"`{name}(" not in readme] == []
