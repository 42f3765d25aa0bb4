"""
What machines ask: the scheduler's run, the automation's callback, and its look at a post.
"""

from __future__ import annotations

import logging
import re
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.errors import CallError, NotFound
from linkie_claw.clients.linkie_claw import ClaimLost, PostStatusConflict
from linkie_claw.services.web.answers import answer, not_valid
from linkie_claw.services.web.dispatch import absolute_image, dispatch_all, fence_of
from linkie_claw.services.web.log import say
from linkie_claw.services.web.posts import missing, post_json, wrong_status
from linkie_claw.services.web.reading import read_json
from linkie_claw.services.web.secret_header import check_callback, check_cron
from linkie_claw.services.web.state import Web, web_of

#: How many posts one run hands on.
BATCH_MAX: Final = 10
#: What is kept of an error that the automation tells.
ERROR_LENGTH_MAX: Final = 2_000
_UNKNOWN: Final = "Unknown publishing error"
#: What LinkedIn's text format reads as its own marks.
_RESERVED: Final = re.compile(r"[|{}@\[\]()<>#\\*_~]")


class StatusBody(msgspec.Struct, rename="camel", kw_only=True):
    """How publishing ended. The automation may add what it likes; it is not read."""

    post_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    status: Literal["published", "failed"]
    linkedin_post_urn: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    error: str | dict[str, Any] | None = None
    callback_id: str | None = None


async def publish_scheduled(request: Request) -> Response:
    """`GET|POST /api/cron/publish-scheduled`: recover what hangs, hand on what is due."""
    check_cron(request)
    web = web_of(request)
    recovered = await web.dal.recover_stale_posts()
    for post in recovered:
        say("a stale post was recovered", post_id=post.id, status=post.status)
    claimed = await web.dal.claim_ready_posts(limit=BATCH_MAX)
    processed = await dispatch_all(web, claimed)
    await _clean_up(web)
    return answer(
        {
            "processed": processed,
            "failed": len(claimed) - processed,
            "total": len(claimed),
            "recovered": len(recovered),
        }
    )


async def _clean_up(web: Web) -> None:
    """What has ended by time is refused already; this only keeps the tables small."""
    try:
        await web.dal.delete_expired_sessions()
        await web.dal.cleanup_expired_linkedin_oauth_states()
    except CallError as error:
        # The posts are out, and the answer is about them.
        say("the clean-up failed", level=logging.ERROR, code=error.code, detail=error.detail)


async def publish_status(request: Request) -> Response:
    """`POST /api/webhooks/publish-status`: how publishing a post ended."""
    check_callback(request)
    body = await read_json(request, StatusBody)
    if body.status == "published" and body.linkedin_post_urn is None:
        raise not_valid(
            "linkedinPostUrn is required when status is published", path="linkedinPostUrn"
        )
    dal, fence = web_of(request).dal, fence_of(body.callback_id, body.post_id)
    try:
        if body.status == "published":
            result = await dal.mark_post_as_published(
                id=body.post_id, linkedin_post_urn=body.linkedin_post_urn or "", fence=fence
            )
        else:
            result = await dal.mark_post_as_failed(
                id=body.post_id, error_message=_text(body.error), fence=fence
            )
    except NotFound:
        raise missing() from None
    except PostStatusConflict as error:
        raise wrong_status(error.current_status) from None
    except ClaimLost:
        raise wrong_status("publishing") from None
    say("a result came", post_id=body.post_id, status=body.status, changed=result.changed)
    return answer({"success": True})


async def internal_post(request: Request) -> Response:
    """`GET /api/internal/posts/{id}`: a post as LinkedIn's text format wants it."""
    check_cron(request)
    web = web_of(request)
    post = await web.dal.get_post_for_publishing(id=request.path_params["id"])
    if post is None:
        raise missing()
    found = post_json(post)
    found["content"] = escaped(post.content)
    found["imageUrl"] = absolute_image(web, post.image_url)
    return answer(found)


def escaped(text: str) -> str:
    """The text with a backslash before each of LinkedIn's marks."""
    return _RESERVED.sub(r"\\\g<0>", text)


def _text(error: str | dict[str, Any] | None) -> str:
    if isinstance(error, dict):
        error = msgspec.json.encode(error).decode()
    text = (error or "").replace("\x00", "").strip()
    return text[:ERROR_LENGTH_MAX] or _UNKNOWN
