"""
A CMS over HTTP: publications, posts and renditions, and pages on which a person reads the posts.

It stands in for the CMS that a HotMetal without one has not got. The wire is that of the CMS's API:
a bearer key, JSON, `{"error": ...}`. A POST under an `Idempotency-Key` is done once: the same key
answers the first answer again, and is refused with 409 for anything else that was asked.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hotmetal.services.settings import HOST, SettingMissing, number, optional, required
from hotmetal.services.web import ApiError, answer, is_key, raw_body, serve, with_errors
from hotmetal.stand_ins import cms_pages
from hotmetal.stand_ins.on_demand import OnDemand
from hotmetal.stand_ins.store import Store

PORT: Final = 8795

PostStatus = Literal["idea", "draft", "review", "scheduled", "published", "archived"]
Outlet = Literal["blog", "linkedin", "medium", "substack"]
RenditionStatus = Literal["draft", "ready", "scheduled", "published", "failed"]
_FILTERS: Final = {"externalId", "publicationId", "status"}


class NewPublication(msgspec.Struct, forbid_unknown_fields=True):
    """What makes a publication."""

    name: str
    slug: str


class _Rest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a post may say besides."""

    markdown: str | UnsetType | None = UNSET
    status: PostStatus | UnsetType = UNSET
    publication_id: str | UnsetType | None = UNSET
    author: str | UnsetType | None = UNSET
    excerpt: str | UnsetType | None = UNSET
    featured_image_url: str | UnsetType | None = UNSET
    seo_title: str | UnsetType | None = UNSET
    seo_description: str | UnsetType | None = UNSET
    hook: str | UnsetType | None = UNSET
    external_id: str | UnsetType | None = UNSET


class NewPost(_Rest):
    """What makes a post; without a status it is a draft."""

    title: str
    slug: str
    content: str


class PostChange(_Rest):
    """What of a post becomes different; what is not said stays."""

    title: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class NewRendition(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A post as it stands on an outlet."""

    outlet: Outlet
    status: RenditionStatus
    content: str | None = None
    external_url: str | None = None
    external_id: str | None = None
    error: str | None = None


class Cms:
    """
    The CMS on its file.

    Args:
        store: Its things.
        key: What callers of the API show.
        url: Where a person reads it, without a slash at the end.
    """

    def __init__(self, store: Store, *, key: str, url: str) -> None:
        self.store = store
        self._key = key
        self._url = url

    def routes(self) -> list[Route]:
        """The API behind its key, and the pages without one."""
        posts, post = "/api/posts", "/api/posts/{id}"
        return [
            Route("/health", self._health),
            Route("/api/publications", self._once(self._new_publication), methods=["POST"]),
            Route("/api/publications", self._behind_key(self._publications), methods=["GET"]),
            Route(posts, self._once(self._new_post), methods=["POST"]),
            Route(posts, self._behind_key(self._posts), methods=["GET"]),
            Route(post, self._behind_key(self._post), methods=["GET"]),
            Route(post, self._behind_key(self._change_post), methods=["PATCH"]),
            Route(f"{post}/renditions", self._once(self._new_rendition), methods=["POST"]),
            Route(f"{post}/renditions", self._behind_key(self._renditions), methods=["GET"]),
            Route("/", self._index),
            Route("/posts/{page}", self._page),
            Route(cms_pages.STYLE_PATH, cms_pages.style),
        ]

    def _behind_key(self, handler: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            kind, _, shown = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not is_key(shown.strip(), self._key):
                raise ApiError(401, "the CMS wants its API key: Authorization: Bearer <key>")
            return await handler(request)

        return checked

    def _once(self, make: Maker) -> Handler:
        """A route that makes something, once for each key, behind the API key."""

        async def made(request: Request) -> Response:
            raw = await raw_body(request)
            key = request.headers.get("idempotency-key")
            asked = hashlib.sha256(request.url.path.encode() + b"\n" + raw).hexdigest()
            with self.store.together():
                if key is not None and (before := self.store.answered(key)) is not None:
                    if before[0] != asked:
                        raise ApiError(409, f"something else was asked under the key {key!r}")
                    return Response(before[2], before[1], media_type="application/json")
                body = msgspec.json.encode(make(request, raw)).decode()
                if key is not None:
                    self.store.remember(key, asked=asked, status=201, body=body)
            return Response(body, 201, media_type="application/json")

        return self._behind_key(made)

    async def _health(self, _request: Request) -> Response:
        return answer({"status": "ok", "service": "cms"})

    def _new_publication(self, _request: Request, raw: bytes) -> Any:
        said = _of(raw, NewPublication)
        _not_empty(name=said.name, slug=said.slug)
        made = {"id": _new_id(), "name": said.name, "slug": said.slug, "createdAt": _now_s()}
        self.store.put("publication", made)
        return made

    async def _publications(self, _request: Request) -> Response:
        return answer({"data": self.store.all("publication")})

    def _new_post(self, _request: Request, raw: bytes) -> Any:
        said = _of(raw, NewPost)
        _not_empty(title=said.title, slug=said.slug)
        nothing = dict.fromkeys(name for name in _Rest.__struct_encode_fields__)
        page = self._free_page(said.slug)
        now_s = _now_s()
        made = {"id": _new_id(), "page": page, "url": f"{self._url}/posts/{page}"} | nothing
        made |= {"status": "draft", "createdAt": now_s, "updatedAt": now_s, "publishedAt": None}
        made |= msgspec.to_builtins(said)
        self._keep(made)
        return _shown(made)

    async def _posts(self, request: Request) -> Response:
        if unknown := set(request.query_params) - _FILTERS:
            raise ApiError(400, f"posts are not listed by {', '.join(sorted(unknown))}")
        found = self.store.all("post", **dict(request.query_params))
        return answer({"data": [_shown(post) for post in found]})

    async def _post(self, request: Request) -> Response:
        return answer(_shown(self._existing(request)))

    async def _change_post(self, request: Request) -> Response:
        said = _of(await raw_body(request), PostChange)
        change = msgspec.to_builtins(said)
        _not_empty(**{name: change[name] for name in ("title", "slug") if name in change})
        with self.store.together():
            post = self._existing(request) | change | {"updatedAt": _now_s()}
            self._keep(post)
        return answer(_shown(post))

    def _new_rendition(self, request: Request, raw: bytes) -> Any:
        said = _of(raw, NewRendition)
        post_id = self._existing(request)["id"]
        made = {"id": _new_id(), "postId": post_id, "createdAt": _now_s()}
        made |= msgspec.to_builtins(said)
        self.store.put("rendition", made)
        return made

    async def _renditions(self, request: Request) -> Response:
        post_id = self._existing(request)["id"]
        return answer({"data": self.store.all("rendition", postId=post_id)})

    async def _index(self, _request: Request) -> Response:
        return cms_pages.index(self.store.all("post", status="published"))

    async def _page(self, request: Request) -> Response:
        found = self.store.all("post", status="published", page=request.path_params["page"])
        return cms_pages.post(found[0]) if found else cms_pages.nothing()

    def _existing(self, request: Request) -> dict[str, Any]:
        id = request.path_params["id"]
        if (post := self.store.get("post", id)) is None:
            raise ApiError(404, f"there is no post {id!r}")
        return post

    def _free_page(self, slug: str) -> str:
        """The slug, with a number behind it when a post has that page already."""
        page, n = slug, 1
        while self.store.all("post", page=page):
            n += 1
            page = f"{slug}-{n}"
        return page

    def _keep(self, post: dict[str, Any]) -> None:
        """A post is published from the first time that its status says so."""
        if post["status"] == "published" and post["publishedAt"] is None:
            post["publishedAt"] = post["updatedAt"]
        if post["status"] != "published":
            post["publishedAt"] = None
        self.store.put("post", post)


Handler = Callable[[Request], Awaitable[Response]]
Maker = Callable[[Request, bytes], Any]


def _of(raw: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ApiError(400, str(error)) from None


def _not_empty(**texts: str) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise ApiError(400, f"{name} is empty")
        if name == "slug" and not all(c.isalnum() or c in "-_" for c in text):
            raise ApiError(400, f"slug is {text!r}; it takes letters, digits, - and _")


def _shown(post: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in post.items() if name != "page"}


def _new_id() -> str:
    return str(uuid.uuid4())


def _now_s() -> int:
    return int(time.time())


def cms_app(folder: Path, *, key: str, url: str) -> ASGIApp:
    """
    The CMS as an application, which fails on demand.

    Args:
        folder: Where its file is, or will be.
        key: What callers of the API show.
        url: Where a person reads it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cms = Cms(Store(folder / "cms.db"), key=key, url=url.rstrip("/"))
    return OnDemand(with_errors(Starlette(routes=cms.routes())))


def main() -> None:
    """Serve on `PORT` until told to stop; `DATA_DIR`, `CMS_API_KEY` and `CMS_URL` are settings."""
    try:
        port = number("PORT", PORT)
        folder = Path(optional("DATA_DIR") or os.path.join(".freehold", "hotmetal", "cms"))
        key = required("CMS_API_KEY", "what callers of the CMS show")
    except SettingMissing as missing:
        sys.exit(f"cms: {missing}")
    url = optional("CMS_URL") or f"http://{HOST}:{port}"
    serve(cms_app(folder, key=key, url=url), host=HOST, port=port)


if __name__ == "__main__":
    main()
