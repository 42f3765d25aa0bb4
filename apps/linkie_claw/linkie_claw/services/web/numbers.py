"""
Routes that count: the dashboard and the analytics page.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linkie_claw.clients.linkie_claw import TopPost
from linkie_claw.services.web.answers import Refused, answer
from linkie_claw.services.web.posts import post_json
from linkie_claw.services.web.signed_in import signed_in
from linkie_claw.services.web.state import web_of
from linkie_claw.services.web.times import iso

_RANGES: Final = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}


async def dashboard(request: Request) -> Response:
    """`GET /api/dashboard`: where the user's posts stand."""
    user = await signed_in(request)
    dal, id = web_of(request).dal, user.id
    stats, rate, over_time, recent, generations = await asyncio.gather(
        dal.get_dashboard_stats(user_id=id),
        dal.get_publishing_success_rate(user_id=id),
        dal.get_posts_over_time(user_id=id, days=30),
        dal.get_recent_posts(user_id=id, limit=5),
        dal.get_generation_count(user_id=id),
    )
    return answer(
        {
            "stats": stats,
            "successRate": rate,
            "postsOverTime": over_time,
            "recentPosts": [post_json(post) for post in recent],
            "generationCount": generations,
        }
    )


async def analytics(request: Request) -> Response:
    """`GET /api/analytics?range=7d|30d|90d|365d`: the user's last days in numbers."""
    user = await signed_in(request)
    said = request.query_params.get("range") or "30d"
    days = _RANGES.get(said)
    if days is None:
        raise Refused(
            400, "Invalid query parameters", details=f"range is one of {', '.join(_RANGES)}"
        )
    dal, id = web_of(request).dal, user.id
    stats, rate = await asyncio.gather(
        dal.get_dashboard_stats(user_id=id), dal.get_publishing_success_rate(user_id=id)
    )
    by_status, trend, top, content, patterns = await asyncio.gather(
        dal.get_posts_by_status(user_id=id, days=days),
        dal.get_publishing_trend(user_id=id, days=days),
        dal.get_top_posts(user_id=id, limit=10),
        dal.get_content_generation_stats(user_id=id, days=days),
        dal.get_scheduling_patterns(user_id=id, days=days),
    )
    return answer(
        {
            "summary": {
                "totalPosts": stats.total_posts,
                "published": stats.published,
                "successRate": rate,
                "aiGenerations": content.total_generations,
            },
            "postsByStatus": by_status,
            "publishingTrend": trend,
            "topPosts": [_top_json(post) for post in top],
            "schedulingPatterns": patterns,
            "contentStats": content,
        }
    )


def _top_json(post: TopPost) -> dict[str, Any]:
    found = dict(msgspec.to_builtins(post))
    if post.published_at is not None:
        found["publishedAt"] = iso(post.published_at)
    return found
