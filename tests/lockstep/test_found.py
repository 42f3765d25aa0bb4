"""
Differences that the machine has found, each as its shortest replay: they stay gone.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.calls import Call, Step, json_body
from tests.lockstep.comparing import judge, judge_tables
from tests.lockstep.engines import both_engines
from tests.lockstep.habits import Habits
from tests.lockstep.words import START_S


def call(method: str, *, key: str | None = None, **arguments: Any) -> Call:
    """A call of the data layer."""
    return Call(f"DataLayer.{method}", json_body(arguments), key=key)


def user(id: str, email: str) -> Call:
    """A call that makes a user of HotMetal."""
    return call("createUser", data={"id": id, "email": email, "name": "Ada"})


PUBLICATION = {"id": "p", "userId": "u", "name": "n", "slug": "s"}
IDEA = {"id": "i", "publicationId": "p", "title": "t", "angle": "a", "summary": "s"}
REFUSED = call("createSocialConnection", key="k", data={"userId": "x", "provider": "p"})
LATE = call("schedulePost", key="k", id="x", userId="x", scheduledAt=START_S + 100)

REPLAYS = [
    pytest.param(
        HOTMETAL,
        [user("a", "1"), user("b", "2"), user("b", "1")],
        id="a row breaks two unique rules, and one of them is told",
    ),
    pytest.param(
        HOTMETAL,
        [
            user("u", "1"),
            call("createPublication", data=PUBLICATION),
            call("createIdea", data={**IDEA, "relevanceScore": -0.0}),
            call("getIdeaById", id="i"),
        ],
        id="zero has no sign",
    ),
    pytest.param(
        LINKIE_CLAW,
        [call("getTopPosts", userId="x", limit=-1), call("getRecentPosts", userId="x", limit=-1)],
        id="a limit is not negative",
    ),
    pytest.param(
        LINKIE_CLAW,
        [LATE, LATE],
        id="a repeated call gets the first answer, though it would be refused by now",
    ),
    pytest.param(
        HOTMETAL,
        [REFUSED, *[call("listUsers")] * 1_010, REFUSED],
        id="a refusal is kept over one that has expired",
    ),
]


@pytest.mark.parametrize(("habits", "calls"), REPLAYS)
def test_what_was_found_stays_gone(habits: Habits, calls: list[Call]) -> None:
    """The same calls end the same; between two of them lie ten minutes."""
    with both_engines(habits) as pair:
        for number, each in enumerate(calls):
            judge(pair, Step(number, START_S + 600 * number, (each,)))

        judge_tables(pair)
