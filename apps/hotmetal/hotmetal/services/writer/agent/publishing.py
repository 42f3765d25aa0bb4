"""
Publishing: a draft becomes a post of the CMS, once, whatever breaks in between.

    open → sent → landed → saved        the CMS has it, then the data layer knows
             └→ failed | needs_check    it has not, or nobody can tell

Each step is in the local store before the next one is taken, so a restart goes on where the
process ended. What may have been sent is asked for (`externalId`, the session's id) before it is
sent again, and always under the same idempotency key. The data layer gets the session's end and
the audit row in one transaction under a key of the attempt, as often as it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final, Literal

import msgspec

from freehold.errors import CallError
from hotmetal.clients.hotmetal import AuditLogInput, Publication, Session, UpdateSessionInput
from hotmetal.services.cms import CmsAbsent, CmsFailed, CmsRefused, CmsSilent, Post
from hotmetal.services.web import ApiError
from hotmetal.services.writer.agent.store import Attempt, Draft, Store, new_attempt
from hotmetal.services.writer.cms_publications import with_cms_publication
from hotmetal.services.writer.desk import Desk
from hotmetal.services.writer.html import as_html

LOG: Final = logging.getLogger("hotmetal.writer")
_SENDS_MAX: Final = 2
_FIRST_PAUSE_S: Final = 0.2
_PAUSE_MAX_S: Final = 15.0
#: How long a request waits for the data layer once the post is out.
_SAVE_PATIENCE_S: Final = 3.0
_AUTHOR: Final = "Shahar"


class Wish(msgspec.Struct, rename="camel"):
    """What a person says about the post besides its text."""

    slug: str | None = None
    author: str | None = None
    excerpt: str | None = None
    hook: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None


class Publishing:
    """
    Publishes, one attempt at a time for each session.

    Args:
        desk: The service's.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _store(self) -> Store:
        return self._desk.agents.store

    def resume(self) -> None:
        """Go on with what was under way when the process ended."""
        for attempt in self._store.unfinished_attempts():
            LOG.info("going on with attempt %s of session %s", attempt.id, attempt.session_id)
            self._run(attempt)

    def check(self, session: Session) -> Draft:
        """
        The draft that can be published now.

        Raises:
            ApiError: 400 without a draft, 409 when it was published, 429 while it is.
        """
        draft = self._store.current_draft(session.id)
        if draft is None:
            raise ApiError(400, "No draft exists to publish.")
        row = self._store.agent(session.id)
        post_id = session.cms_post_id if row is None else row.cms_post_id or session.cms_post_id
        if post_id is not None or (row is not None and row.phase == "published"):
            raise ApiError(409, "This session has already been published.", postId=post_id)
        if row is not None and row.phase == "publishing":
            raise ApiError(429, "A publish operation is already in progress.")
        return draft

    async def publish(self, session: Session, wish: Wish, *, slug: str) -> dict[str, Any]:
        """
        What the CMS made of it.

        Raises:
            ApiError: As `check` says; 502 when the CMS does not take it.
        """
        # The post is put together first: from the check on nothing waits until it is noted.
        publication = await self._publication(session)
        draft = self.check(session)
        post = _post(session, draft, wish, slug=slug)
        post["author"] = wish.author or (publication and publication.default_author) or _AUTHOR
        attempt = new_attempt(
            session.id, draft_version=draft.version, post=msgspec.json.encode(_told(post))
        )
        self._store.begin_attempt(attempt)
        landed = asyncio.Event()
        task = self._run(attempt, publication, landed=landed)
        patience_s = 3.0 * self._desk.settings.cms_timeout_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(landed.wait(), patience_s)
            # It is out. The data layer is told now, or as soon as it is there.
            await asyncio.wait([task], timeout=_SAVE_PATIENCE_S)
        return self._outcome(attempt.id)

    def _outcome(self, attempt_id: str) -> dict[str, Any]:
        attempt = self._store.attempt(attempt_id)
        if attempt.state in ("open", "sent", "needs_check"):
            raise ApiError(
                502,
                "Failed to publish: the CMS has not said whether it has the post; "
                "it is asked again until it does",
                code="outcome_unknown",
            )
        if attempt.state == "failed":
            raise ApiError(502, f"Failed to publish: {attempt.error}")
        post = msgspec.json.decode(attempt.post)
        return {
            "success": True,
            "postId": attempt.post_id,
            "slug": post["slug"],
            "title": post["title"],
            "url": attempt.post_url,
        }

    def _run(
        self,
        attempt: Attempt,
        publication: Publication | None = None,
        *,
        landed: asyncio.Event | None = None,
    ) -> asyncio.Task[None]:
        return self._desk.agents.spawn(
            self._carry_out(attempt, publication, landed or asyncio.Event())
        )

    async def _carry_out(
        self, attempt: Attempt, publication: Publication | None, landed: asyncio.Event
    ) -> None:
        """Take the attempt from where it is to its end; the CMS's side is settled at `landed`."""
        try:
            if attempt.state == "open":
                attempt = await self._resolve(attempt, publication)
            if attempt.state in ("open", "sent"):
                attempt = await self._land(attempt)
            landed.set()
            await self._save(attempt)
        except Exception:
            LOG.exception("attempt %s is left where it is until the next start", attempt.id)
            landed.set()

    # The CMS's side

    async def _resolve(self, attempt: Attempt, publication: Publication | None) -> Attempt:
        """The attempt with the CMS publication in its post, as well as that goes."""
        post = msgspec.json.decode(attempt.post)
        if publication is None or "publicationId" in post:
            return attempt
        try:
            publication = await with_cms_publication(self._desk, publication)
        except (CmsFailed, CallError) as error:
            LOG.warning("publication %s has none in the CMS: %s", publication.id, error)
        if publication.cms_publication_id is None:
            return attempt
        post["publicationId"] = publication.cms_publication_id
        return self._store.change_attempt(attempt, "open", post=msgspec.json.encode(post))

    async def _land(self, attempt: Attempt) -> Attempt:
        """Until the CMS has the post, has it not, or cannot say so for too long."""
        others = self._store.attempts(attempt.session_id)
        # There is one at a time, so the others are earlier ones.
        is_old_possible = any(a.state == "needs_check" for a in others if a.id != attempt.id)
        is_in_doubt = attempt.state == "sent" or is_old_possible
        sends, error = 0, "the CMS did not take it"
        while True:
            if is_in_doubt:
                found = await self._find(attempt)
                if found == "unknown":
                    return self._give_up(attempt)
                if isinstance(found, Post):
                    return await self._agreed(attempt, found, is_old_possible=is_old_possible)
            if sends == _SENDS_MAX:
                return self._store.change_attempt(attempt, "failed", error=error)
            attempt = self._store.change_attempt(attempt, "sent")
            sends += 1
            try:
                return self._landed(attempt, await self._send(attempt))
            except CmsAbsent as absent:
                if not is_in_doubt:
                    return self._store.change_attempt(attempt, "failed", error=str(absent))
                error = str(absent)
            except CmsRefused as refused:
                # 409: the key stands for another body, so an earlier attempt's post is there.
                if refused.status != 409:
                    return self._store.change_attempt(attempt, "failed", error=str(refused))
                is_old_possible, error = True, str(refused)
            except CmsSilent as silent:
                error = str(silent)
            is_in_doubt = True

    async def _send(self, attempt: Attempt) -> Post:
        post = msgspec.json.decode(attempt.post)
        return await self._desk.cms.create_post(post, key=f"publish:{attempt.session_id}")

    async def _find(self, attempt: Attempt) -> Post | Literal["unknown"] | None:
        """The session's post in the CMS, asked for as long as that may take."""
        loop = asyncio.get_running_loop()
        pause_s, until = _FIRST_PAUSE_S, loop.time() + self._desk.settings.check_for_s
        while True:
            try:
                return await self._desk.cms.find_post(attempt.session_id)
            except CmsFailed as error:
                LOG.warning("session %s: is it published? %s", attempt.session_id, error)
            if loop.time() + pause_s > until:
                return "unknown"
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)

    async def _agreed(self, attempt: Attempt, found: Post, *, is_old_possible: bool) -> Attempt:
        """The post that is there; one of an earlier attempt gets what this one says."""
        if is_old_possible:
            try:
                found = await self._desk.cms.change_post(
                    found.id, msgspec.json.decode(attempt.post)
                )
            except CmsFailed as error:
                LOG.warning("the post %s keeps its older text: %s", found.id, error)
        return self._landed(attempt, found)

    def _landed(self, attempt: Attempt, post: Post) -> Attempt:
        return self._store.land_attempt(attempt, post_id=post.id, post_url=post.url)

    def _give_up(self, attempt: Attempt) -> Attempt:
        error = "the CMS did not say whether it has the post; look there before publishing again"
        return self._store.change_attempt(attempt, "needs_check", error=error)

    # The data layer's side

    async def _save(self, attempt: Attempt) -> None:
        """Tell the data layer, again and again until it knows."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._tell(attempt)
                break
            except CallError as error:
                LOG.warning("attempt %s is not in the data layer yet: %s", attempt.id, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)
        state = "saved" if attempt.state == "landed" else attempt.state
        self._store.audited(attempt, state)

    async def _tell(self, attempt: Attempt) -> None:
        """The end of the session and the audit row, both or neither, once for each attempt."""
        async with self._desk.dal.transaction(idempotency_key=f"publish:{attempt.id}") as t:
            if attempt.state == "landed":
                change = UpdateSessionInput(status="completed", cms_post_id=attempt.post_id)
                t.update_session(attempt.session_id, change)
            t.write_audit_log(_audit(attempt))

    async def _publication(self, session: Session) -> Publication | None:
        if session.publication_id is None:
            return None
        return await self._desk.dal.get_publication_by_id(session.publication_id)


def _post(session: Session, draft: Draft, wish: Wish, *, slug: str) -> dict[str, Any]:
    return {
        "title": draft.title or "Untitled",
        "slug": slug,
        "content": as_html(draft.content),
        "markdown": draft.content,
        "status": "published",
        "externalId": session.id,
        "featuredImageUrl": session.featured_image_url,
        "excerpt": wish.excerpt,
        "hook": wish.hook,
        "seoTitle": wish.seo_title,
        "seoDescription": wish.seo_description,
    }


def _told(post: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody said."""
    kept = {name: x.strip() if isinstance(x, str) else x for name, x in post.items()}
    return {name: x for name, x in kept.items() if x not in (None, "")}


def _audit(attempt: Attempt) -> AuditLogInput:
    """The attempt's row; a post that the CMS has not got is named by its session."""
    ends: dict[str, Literal["success", "failed", "needs_check"]] = {
        "landed": "success", "failed": "failed", "needs_check": "needs_check",
    }  # fmt: skip
    result = {"externalUrl": attempt.post_url, "externalId": attempt.post_id}
    return AuditLogInput(
        post_id=attempt.post_id or attempt.session_id,
        outlet="blog",
        action="publish",
        status=ends[attempt.state],
        result_data=msgspec.json.encode(result).decode() if attempt.post_id else None,
        error_message=attempt.error,
    )
