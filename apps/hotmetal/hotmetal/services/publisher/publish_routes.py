"""
The routes that publish, and those with which a person settles what nobody could tell.

Each validates, sees that the post is not there already, and has one attempt carried through.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotmetal.clients.hotmetal import ListAuditLogsFilters
from hotmetal.services.cms import CmsFailed, Post
from hotmetal.services.publisher.commentary import commentary
from hotmetal.services.publisher.desk import Desk, let_in
from hotmetal.services.publisher.outcomes import Published
from hotmetal.services.publisher.store import Action, Attempt, Busy
from hotmetal.services.publisher.tokens import NotConnected
from hotmetal.services.web import ApiError, answer, body_of

_IN_PROGRESS: Final = "The post is being published right now"
_ON_BLOG: Final = "Post is already published"
_ON_LINKEDIN: Final = "Post is already published to LinkedIn"
_TEXT_MAX: Final = 500
#: What a publisher without a data layer waits before it says so.
_REACH_S: Final = 5.0

#: Raises what speaks against the attempt that has just been noted.
Again = Callable[[], Awaitable[object]]


class PublishBody(msgspec.Struct, rename="camel"):
    """What is published."""

    post_id: str = ""


class LinkedInBody(PublishBody):
    """And how it is shared."""

    share_type: Literal["text", "article"] = "article"


class CreateBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """A post that is made and published."""

    title: str = ""
    slug: str = ""
    content: str = ""
    markdown: str | None = None
    publication_id: str | None = None
    author: str | None = None
    excerpt: str | None = None
    featured_image_url: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    hook: str | None = None
    external_id: str | None = None


class ResolveBody(msgspec.Struct, rename="camel"):
    """What a person saw."""

    outcome: Literal["published", "not_published"]
    external_url: str | None = None
    external_id: str | None = None


def routes() -> list[Route]:
    """All of them, each behind the API key."""
    attempts = "/publish/attempts"
    return [
        Route("/publish/blog", to_blog, methods=["POST"]),
        Route("/publish/blog/create", create_on_blog, methods=["POST"]),
        Route("/publish/linkedin", to_linkedin, methods=["POST"]),
        Route(attempts, unsure_attempts, methods=["GET"]),
        Route(f"{attempts}/{{id}}", one_attempt, methods=["GET"]),
        Route(f"{attempts}/{{id}}/resolve", resolve, methods=["POST"]),
        Route("/publish/{rest:path}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


async def to_blog(request: Request) -> Response:
    """`POST /publish/blog`: a post of the CMS becomes published."""
    desk = let_in(request)
    post_id = _required("postId", (await body_of(request, PublishBody)).post_id)
    await _audited(desk, post_id, "blog")
    if (ended := await _standing(desk, post_id, "blog")) is not None:
        return ended

    async def unpublished() -> Post:
        post = await _post(desk, post_id)
        if post.status == "published":
            raise ApiError(409, _ON_BLOG)
        return post

    post = await unpublished()
    if not post.content.strip():
        raise ApiError(422, "Validation failed", details=["Post content is empty"])
    plan = {"cmsPostId": post.id, "previous": post.status}
    return await _attempt(desk, post_id, "blog", plan=plan, again=unpublished)


async def create_on_blog(request: Request) -> Response:
    """`POST /publish/blog/create`: a draft is made, then published."""
    desk = let_in(request)
    said = await body_of(request, CreateBody)
    for name, text in (("title", said.title), ("slug", said.slug), ("content", said.content)):
        _required(name, text)
    if not said.content.strip():
        raise ApiError(422, "Validation failed", details=["Post content is empty"])
    named = said.external_id or request.headers.get("idempotency-key")
    subject = f"new:{named or uuid.uuid4()}"
    await _audited(desk, subject, "blog")
    if (ended := await _standing(desk, subject, "blog")) is not None:
        return ended
    plan: dict[str, Any] = {"post": msgspec.to_builtins(said)}

    async def not_there() -> None:
        if (before := desk.publishing.store.succeeded(subject, "blog")) is not None:
            raise ApiError(409, _ON_BLOG, postId=before.plan["cmsPostId"])
        post = await _post_for(desk, said.external_id)
        if post is not None and post.status == "published":
            raise ApiError(409, _ON_BLOG, postId=post.id)
        if post is not None:
            plan.update(cmsPostId=post.id, previous=post.status)

    await not_there()
    return await _attempt(desk, subject, "blog", plan=plan, again=not_there, action="create")


async def to_linkedin(request: Request) -> Response:
    """`POST /publish/linkedin`: a post of the CMS is shared by the connected account."""
    desk = let_in(request)
    said = await body_of(request, LinkedInBody)
    post_id = _required("postId", said.post_id)
    if await _audited(desk, post_id, "linkedin"):
        raise ApiError(409, _ON_LINKEDIN)
    if (ended := await _standing(desk, post_id, "linkedin")) is not None:
        return ended
    try:
        await desk.tokens.valid()
    except NotConnected as error:
        raise ApiError(401, str(error)) from None

    async def not_shared() -> None:
        is_there = desk.publishing.store.succeeded(post_id, "linkedin") is not None
        if is_there or await _has_rendition(desk, post_id):
            raise ApiError(409, _ON_LINKEDIN)

    post = await _post(desk, post_id)
    await not_shared()
    where = post.url or f"{desk.cms.url}/posts/{post.slug}"
    text = commentary(post.title, post.hook, post.content, url=where)
    if text is None:
        raise ApiError(422, "Validation failed", details=["LinkedIn content is empty"])
    article = None
    if said.share_type == "article":
        article = {"source": where, "title": post.title[:_TEXT_MAX]}
        if about := (post.excerpt or post.hook):
            article["description"] = about[:_TEXT_MAX]
    plan = {"text": text, "article": article}
    return await _attempt(desk, post_id, "linkedin", plan=plan, again=not_shared)


async def unsure_attempts(request: Request) -> Response:
    """`GET /publish/attempts`: those that a person has to look after."""
    desk = let_in(request)
    return answer({"data": [_shown(each) for each in desk.publishing.store.unsure()]})


async def one_attempt(request: Request) -> Response:
    """`GET /publish/attempts/:id`."""
    return answer(_shown(_found(let_in(request), request)))


async def resolve(request: Request) -> Response:
    """`POST /publish/attempts/:id/resolve`: what a person saw settles the attempt."""
    desk = let_in(request)
    attempt = _found(desk, request)
    said = await body_of(request, ResolveBody)
    found = None
    if said.outcome == "published":
        url = _required("externalUrl", said.external_url or "")
        found = Published(external_url=url, external_id=said.external_id)
    if not await desk.publishing.resolve(attempt, found=found):
        raise ApiError(409, f"the attempt needs no check: it is {attempt.state}")
    return answer(_shown(attempt))


async def _nothing(request: Request) -> Response:
    """Whatever else is below /publish is behind the key too."""
    let_in(request)
    raise ApiError(404, "not found")


async def _attempt(
    desk: Desk,
    post_id: str,
    outlet: str,
    *,
    plan: dict[str, Any],
    again: Again,
    action: Action = "publish",
) -> Response:
    """
    Note the attempt, see once more that nothing speaks against it, and carry it through.

    The second look is for another request that was at it between the first look and the note.
    """
    store = desk.publishing.store
    try:
        attempt = store.begin(post_id, outlet, action=action, plan=plan, now_s=int(time.time()))
    except Busy:
        raise ApiError(429, _IN_PROGRESS) from None
    try:
        await again()
    except BaseException:
        store.drop(attempt)
        raise
    await desk.publishing.run(attempt)
    return _answered(attempt)


async def _standing(desk: Desk, post_id: str, outlet: str) -> Response | None:
    """
    What an earlier attempt answers in place of a new one; None when a new one may begin.

    Raises:
        ApiError: 429 while one is under way.
    """
    attempt = desk.publishing.store.standing(post_id, outlet)
    if attempt is None:
        return None
    if attempt.state == "unsure":
        await desk.publishing.look_again(attempt)
    if attempt.state == "open":
        raise ApiError(429, _IN_PROGRESS)
    return None if attempt.state == "failed" else _answered(attempt)


async def _audited(desk: Desk, post_id: str, outlet: str) -> bool:
    """
    Whether the audit log has the post as published there.

    The local store can be lost, the log is not. A data layer that is not there ends it here,
    before anything is sent: as `CallError`, which becomes a 503.
    """
    dal = desk.dal.with_options(timeout_s=_REACH_S)
    rows = await dal.list_audit_logs(ListAuditLogsFilters(post_id=post_id, limit=1000))
    return any(row.outlet == outlet and row.status == "success" for row in rows)


async def _post(desk: Desk, post_id: str) -> Post:
    try:
        post = await desk.cms.post(post_id)
    except CmsFailed as error:
        raise ApiError(502, str(error)) from None
    if post is None:
        raise ApiError(404, f"there is no post {post_id!r}")
    return post


async def _post_for(desk: Desk, external_id: str | None) -> Post | None:
    if external_id is None:
        return None
    try:
        return await desk.cms.find_post(external_id)
    except CmsFailed as error:
        raise ApiError(502, str(error)) from None


async def _has_rendition(desk: Desk, post_id: str) -> bool:
    try:
        renditions = await desk.cms.renditions(post_id)
    except CmsFailed as error:
        raise ApiError(502, str(error)) from None
    return any(each.outlet == "linkedin" and each.status == "published" for each in renditions)


def _answered(attempt: Attempt) -> Response:
    """How the attempt ended, for the caller."""
    told = {"attemptId": attempt.id, "outlet": attempt.outlet}
    if attempt.state == "unsure":
        how = f"POST /publish/attempts/{attempt.id}/resolve"
        to_do = (
            f"Nobody can tell whether the post is on {attempt.outlet}. Look there, then say what"
            f' you saw: {how} {{"outcome": "published", "externalUrl": "…"}} or'
            ' {"outcome": "not_published"}. Publishing it again asks again first.'
        )
        return answer(told | {"status": "needs_check", "error": attempt.error, "toDo": to_do}, 202)
    if attempt.state != "success":
        return answer({"error": attempt.error, "renditionStatus": "failed"} | told, 502)
    result = told | {"success": True, "renditionStatus": "published"} | (attempt.result or {})
    if attempt.action == "create":
        post = attempt.plan["post"] | {"id": attempt.plan["cmsPostId"], "status": "published"}
        return answer({"post": post, "result": result}, 201)
    return answer(result)


def _found(desk: Desk, request: Request) -> Attempt:
    id = request.path_params["id"]
    if (attempt := desk.publishing.store.find(id)) is None:
        raise ApiError(404, f"there is no attempt {id!r}")
    return attempt


def _shown(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "postId": attempt.plan.get("cmsPostId") or attempt.post_id,
        "outlet": attempt.outlet,
        "action": attempt.action,
        "status": "needs_check" if attempt.state == "unsure" else attempt.state,
        "begunAt": attempt.begun_s,
        "result": attempt.result,
        "error": attempt.error,
    }


def _required(name: str, text: str) -> str:
    if not text:
        raise ApiError(400, f"{name} is required")
    return text
