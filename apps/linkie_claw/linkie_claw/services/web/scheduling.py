"""
Routes that change a post's status by its user's wish: schedule, take back, recover by hand.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.errors import InvalidArgument
from linkie_claw.clients.linkie_claw import PostStatusConflict
from linkie_claw.services.web.answers import Refused, answer
from linkie_claw.services.web.posts import missing, post_json
from linkie_claw.services.web.reading import Body, read_json
from linkie_claw.services.web.signed_in import signed_in
from linkie_claw.services.web.state import web_of
from linkie_claw.services.web.times import Moment, epoch

_NOT_SCHEDULED = {
    "published": "Cannot schedule a published post",
    "publishing": "Cannot reschedule a post that is currently publishing",
}


class ScheduleBody(Body):
    """When to publish."""

    scheduled_at: Moment


class RecoverBody(Body):
    """What to do with a post that hangs."""

    post_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    action: Literal["retry", "fail"]


async def schedule(request: Request) -> Response:
    """`POST /api/posts/{id}/schedule`: a draft, scheduled or failed post gets its time."""
    user = await signed_in(request)
    body = await read_json(request, ScheduleBody)
    try:
        post = await web_of(request).dal.schedule_post(
            id=request.path_params["id"],
            user_id=user.id,
            scheduled_at=epoch(body.scheduled_at),
        )
    except InvalidArgument as error:
        if error.path not in ("scheduledAt", "scheduled_at"):
            raise
        raise Refused(400, "Scheduled time must be in the future") from None
    except PostStatusConflict as error:
        raise Refused(400, _NOT_SCHEDULED.get(error.current_status, error.detail)) from None
    if post is None:
        raise missing()
    return answer(post_json(post))


async def unschedule(request: Request) -> Response:
    """`POST /api/posts/{id}/unschedule`: a scheduled post is a draft again."""
    user = await signed_in(request)
    try:
        post = await web_of(request).dal.unschedule_post(
            id=request.path_params["id"], user_id=user.id
        )
    except PostStatusConflict as error:
        raise Refused(
            400,
            f'Cannot unschedule a post with status "{error.current_status}". '
            "Only scheduled posts can be unscheduled.",
        ) from None
    if post is None:
        raise missing()
    return answer(post_json(post))


async def list_stuck(request: Request) -> Response:
    """`GET /api/posts/recover`: the user's posts that are publishing for more than an hour."""
    user = await signed_in(request)
    posts = await web_of(request).dal.get_stuck_posts(user_id=user.id)
    return answer({"posts": [post_json(post) for post in posts], "count": len(posts)})


async def recover(request: Request) -> Response:
    """`POST /api/posts/recover`: try a hanging post again, or give it up."""
    user = await signed_in(request)
    body = await read_json(request, RecoverBody)
    try:
        post = await web_of(request).dal.recover_post(
            id=body.post_id, user_id=user.id, action=body.action
        )
    except PostStatusConflict as error:
        raise Refused(
            409,
            f'Cannot recover a post with status "{error.current_status}". '
            'Only posts with "publishing" status can be recovered.',
        ) from None
    if post is None:
        raise missing()
    return answer(post_json(post))
