"""
Routes for posts: list, create, read, change, delete.

A post's status is changed by the routes of `scheduling`, each of which knows from where it may;
a status in a PATCH is only accepted where it is the one the post has.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.client import UNSET, Maybe
from freehold.errors import CallError
from linkie_claw.clients.linkie_claw import NewPost, Post, PostPatch, PostStatusConflict
from linkie_claw.services.web.answers import Refused, answer, not_valid
from linkie_claw.services.web.images import is_stored
from linkie_claw.services.web.log import say
from linkie_claw.services.web.outbound import AddressRefused, check_url
from linkie_claw.services.web.reading import Body, read_json
from linkie_claw.services.web.signed_in import signed_in
from linkie_claw.services.web.state import Web, web_of
from linkie_claw.services.web.times import Moment, epoch, iso

PostStatus = Literal["draft", "scheduled", "publishing", "published", "failed"]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
#: LinkedIn's limit.
Content = Annotated[str, msgspec.Meta(min_length=1, max_length=3000)]
ImageUrl = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class CreateBody(Body):
    """A new post."""

    title: Title
    content: Content
    image_url: ImageUrl | None = None
    status: PostStatus = "draft"
    scheduled_at: Moment | None = None


class PatchBody(Body):
    """What changes; what is left out stays, null clears."""

    title: Maybe[Title] = UNSET
    content: Maybe[Content] = UNSET
    image_url: Maybe[ImageUrl | None] = UNSET
    status: Maybe[PostStatus] = UNSET
    scheduled_at: Maybe[Moment | None] = UNSET


class _Filter(msgspec.Struct, kw_only=True):
    status: PostStatus | None = None
    month: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])\Z")] | None = None


def post_json(post: Post) -> dict[str, Any]:
    """The post as the browser gets it: times as text, and nothing that it does not have."""
    found = msgspec.to_builtins(post)
    for name in ("scheduledAt", "publishedAt", "createdAt", "updatedAt"):
        if found.get(name) is not None:
            found[name] = iso(found[name])
    return dict(found)


def missing() -> Refused:
    """The refusal of a post that is not there or somebody else's; which one is not told."""
    return Refused(404, "Post not found")


async def list_posts(request: Request) -> Response:
    """`GET /api/posts?status=&month=`: the user's posts."""
    user = await signed_in(request)
    given = {name: value for name, value in request.query_params.items() if value}
    try:
        wanted = msgspec.convert(given, _Filter)
    except msgspec.ValidationError as error:
        raise Refused(400, "Invalid query parameters", details=str(error)) from None
    dal = web_of(request).dal
    if wanted.status == "scheduled":
        posts = await dal.get_scheduled_posts(user_id=user.id, month=wanted.month)
    elif wanted.month is not None:
        posts = await dal.get_posts_by_month(month=wanted.month, user_id=user.id)
    else:
        posts = await dal.get_all_posts(user_id=user.id)
    if wanted.status is not None:
        posts = [post for post in posts if post.status == wanted.status]
    return answer([post_json(post) for post in posts])


async def create_post(request: Request) -> Response:
    """`POST /api/posts`: a new post, 201."""
    user = await signed_in(request)
    body = await read_json(request, CreateBody)
    if body.image_url is not None:
        check_image_url(body.image_url)
    if body.status == "scheduled" and body.scheduled_at is None:
        raise not_valid("A scheduled post needs a time", path="scheduledAt")
    post = await web_of(request).dal.create_post(
        data=NewPost(
            user_id=user.id,
            title=body.title,
            content=body.content,
            image_url=body.image_url,
            status=body.status,
            scheduled_at=None if body.scheduled_at is None else epoch(body.scheduled_at),
        )
    )
    return answer(post_json(post), 201)


async def get_post(request: Request) -> Response:
    """`GET /api/posts/{id}`."""
    user = await signed_in(request)
    post = await web_of(request).dal.get_post_by_id(id=request.path_params["id"], user_id=user.id)
    if post is None:
        raise missing()
    return answer(post_json(post))


async def patch_post(request: Request) -> Response:
    """`PATCH /api/posts/{id}`: the post with its changes."""
    user = await signed_in(request)
    body = await read_json(request, PatchBody)
    id, dal = request.path_params["id"], web_of(request).dal
    changes = PostPatch()
    if body.title is not UNSET:
        changes.title = body.title
    if body.content is not UNSET:
        changes.content = body.content
    if body.image_url is not UNSET:
        if body.image_url is not None:
            check_image_url(body.image_url)
        changes.image_url = body.image_url
    if body.scheduled_at is not UNSET:
        changes.scheduled_at = None if body.scheduled_at is None else epoch(body.scheduled_at)
    if body.status is not UNSET:
        present = await dal.get_post_by_id(id=id, user_id=user.id)
        if present is None:
            raise missing()
        if present.status != body.status:
            raise wrong_status(present.status)
    try:
        post = await dal.update_post(id=id, data=changes, user_id=user.id)
    except PostStatusConflict as error:
        raise wrong_status(error.current_status) from None
    if post is None:
        raise missing()
    return answer(post_json(post))


async def delete_post(request: Request) -> Response:
    """`DELETE /api/posts/{id}`: the post and, when no other post shows it, its image."""
    user = await signed_in(request)
    web = web_of(request)
    post = await web.dal.delete_post(id=request.path_params["id"], user_id=user.id)
    if post is None:
        raise missing()
    if post.image_url is not None and is_stored(post.image_url):
        await _remove_image(web, user.id, post.image_url)
    return answer({"success": True, "id": post.id})


async def _remove_image(web: Web, user_id: str, url: str) -> None:
    try:
        others = await web.dal.get_all_posts(user_id=user_id)
        if all(each.image_url != url for each in others):
            await asyncio.to_thread(web.images.remove, user_id, url)
    except (CallError, OSError) as error:
        # The post is gone, which is what was asked for.
        say("an image could not be removed", level=logging.ERROR, url=url, reason=str(error))


def wrong_status(current: str) -> Refused:
    """The refusal of a change that the post's status does not allow: 409, with the status."""
    return Refused(409, "Invalid state transition", more={"currentStatus": current})


def check_image_url(url: str) -> None:
    """
    Let the address of an image pass: one of ours, or one of the web.

    Raises:
        Refused: It is another scheme, or no address.
    """
    if is_stored(url):
        return
    try:
        # The address is shown and handed on, never called from here.
        check_url(url, allow_private=True)
    except AddressRefused as error:
        raise not_valid(str(error), path="imageUrl") from None
