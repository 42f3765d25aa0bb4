"""
The dashboard and the analytics page count what their user has, and nobody else's.
"""

from __future__ import annotations

import pytest
from tests.web.worlds import World


def test_a_new_user_has_nothing(world: World) -> None:
    """Zeros and empty lists."""
    ada = world.person()
    world.person().a_post()

    assert ada.get("/api/dashboard").json() == {
        "stats": {"totalPosts": 0, "drafts": 0, "scheduled": 0, "published": 0, "failed": 0},
        "successRate": 0,
        "postsOverTime": [],
        "recentPosts": [],
        "generationCount": 0,
    }


def test_the_numbers_follow_the_posts(world: World) -> None:
    """Two published, one failed, one draft, one generation."""
    ada = world.person()
    for _ in range(3):
        world.due(ada)
    world.cron()
    sent = [each.body["postId"] for each in world.outside.heard]
    for number, post_id in enumerate(sent[:2]):
        urn = f"urn:li:share:{number}"
        world.callback({"postId": post_id, "status": "published", "linkedinPostUrn": urn})
    world.callback({"postId": sent[2], "status": "failed"})
    draft = ada.a_post(title="The newest")
    ada.post("/api/generate/text", {"idea": "An idea of ten letters"})

    seen = ada.get("/api/dashboard").json()
    numbers = ada.get("/api/analytics?range=7d").json()

    assert seen["stats"] == {
        "totalPosts": 4, "drafts": 1, "scheduled": 0, "published": 2, "failed": 1,
    }  # fmt: skip
    assert seen["successRate"] == 67
    assert sum(day["count"] for day in seen["postsOverTime"]) == 4
    assert seen["recentPosts"][0] == draft
    assert numbers["summary"] == {
        "totalPosts": 4, "published": 2, "successRate": 67, "aiGenerations": 1,
    }  # fmt: skip
    assert sum(day["count"] for day in numbers["publishingTrend"]) == 2
    assert {post["id"] for post in numbers["topPosts"]} == set(sent[:2])
    assert numbers["topPosts"][0]["publishedAt"].endswith("Z")
    assert sum(day["count"] for day in numbers["schedulingPatterns"]) == 3
    assert numbers["contentStats"]["totalGenerations"] == 1
    assert {each["status"] for each in numbers["postsByStatus"]} == {
        "draft", "published", "failed",
    }  # fmt: skip


@pytest.mark.parametrize("query", ["", "?range=7d", "?range=30d", "?range=90d", "?range=365d"])
def test_each_range_is_answered(world: World, query: str) -> None:
    """Thirty days when nothing is said."""
    assert world.person().get(f"/api/analytics{query}").status_code == 200


def test_another_range_is_refused(world: World) -> None:
    """400 with the ranges there are."""
    refused = world.person().get("/api/analytics?range=1y")

    assert refused.status_code == 400
    assert refused.json()["details"] == "range is one of 7d, 30d, 90d, 365d"
