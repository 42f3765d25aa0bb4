"""
Handing a claimed post to the automation, and what becomes of it when that fails.

The post goes out with a key made of its id and the claim's fence, so an automation that gets
the same dispatch twice can tell. Success changes nothing here: the post is publishing until
the callback says how it ended, or its lease does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import httpx
import msgspec

from freehold.errors import CallError, NotFound
from linkie_claw.clients.linkie_claw import ClaimedPost, ClaimLost, PostStatusConflict
from linkie_claw.services.web.images import is_stored
from linkie_claw.services.web.log import say, say_broken
from linkie_claw.services.web.outbound import AddressRefused
from linkie_claw.services.web.state import Web

KEY_HEADER: Final = "Idempotency-Key"


class DispatchFailed(Exception):
    """The automation did not take the post; the text may be shown to its user."""


def dispatch_key(post_id: str, fence: int) -> str:
    """The name of one dispatch of a post; the automation may bring it back as `callbackId`."""
    return f"{post_id}:{fence}"


def fence_of(callback_id: str | None, post_id: str) -> int | None:
    """The fence in a callback's id, when it is one that `dispatch_key` made for this post."""
    head, _, number = (callback_id or "").rpartition(":")
    is_ours = head == post_id and number.isascii() and number.isdigit() and len(number) < 16
    return int(number) if is_ours else None


async def dispatch_all(web: Web, posts: list[ClaimedPost]) -> int:
    """Hand the posts on, all at the same time; how many were taken."""
    ends = await asyncio.gather(*(dispatch(web, post) for post in posts), return_exceptions=True)
    for post, end in zip(posts, ends, strict=True):
        # One post that breaks something must not stop the others; its lease ends by itself.
        if isinstance(end, BaseException):
            say_broken("a dispatch broke", end, post_id=post.id, fence=post.fence)
    return sum(end is True for end in ends)


async def dispatch(web: Web, post: ClaimedPost) -> bool:
    """Hand one post on; whether it was taken. A failure is counted by the data layer."""
    try:
        await _send(web, post)
    except DispatchFailed as error:
        say(
            "a post could not be handed on",
            level=logging.WARNING,
            post_id=post.id,
            user_id=post.user_id,
            fence=post.fence,
            reason=str(error),
        )
        return await _count_failure(web, post, str(error))
    say("a post was handed on", post_id=post.id, user_id=post.user_id, fence=post.fence)
    return True


async def _send(web: Web, post: ClaimedPost) -> None:
    settings = web.settings
    url = post.webhook_url or settings.webhook_url
    if not url:
        raise DispatchFailed("There is no webhook address")
    # The default address is the operator's, who may well have the automation next door.
    outbound = web.outbound if post.webhook_url else web.own_outbound
    body = msgspec.json.encode(
        {
            "postId": post.id,
            "userId": post.user_id,
            "content": post.content,
            "imageUrl": absolute_image(web, post.image_url),
        }
    )
    headers = {KEY_HEADER: dispatch_key(post.id, post.fence)}
    try:
        status = await outbound.post(url, body, headers)
    except AddressRefused as error:
        raise DispatchFailed(f"The webhook's address may not be called: {error}") from error
    except (TimeoutError, httpx.TimeoutException) as error:
        seconds = f"{settings.webhook_timeout_s:g}"
        raise DispatchFailed(f"The webhook did not answer within {seconds} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DispatchFailed("The webhook cannot be reached") from error
    if not httpx.codes.is_success(status):
        raise DispatchFailed(f"The webhook answered {status}")


async def _count_failure(web: Web, post: ClaimedPost, reason: str) -> bool:
    """Count it, unless the callback came before the error; whether the post was published."""
    try:
        await web.dal.mark_dispatch_failed(id=post.id, error_message=reason, fence=post.fence)
    except PostStatusConflict as error:
        return error.current_status == "published"
    except (ClaimLost, NotFound):
        # Deleted, or claimed again since: whoever has it now decides.
        return False
    except CallError as error:
        # The lease ends by itself, and stale recovery counts the retry then.
        say(
            "a failure could not be counted",
            level=logging.ERROR,
            post_id=post.id,
            fence=post.fence,
            code=error.code,
            detail=error.detail,
        )
    return False


def absolute_image(web: Web, url: str | None) -> str | None:
    """The image's address as others can call it."""
    return f"{web.settings.public_url}{url}" if url is not None and is_stored(url) else url
