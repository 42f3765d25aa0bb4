"""
Attempts, from their first note to their row in the audit log.

An attempt ends as published, not published, or unsure. Ending it is one write to the local store,
together with what is still to be done about it (`chores`); each chore is done under a key, so that
one that was interrupted is simply done again: one row in the audit log for each attempt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from typing import Final, Literal, Protocol

import msgspec

from freehold.errors import CallError
from hotmetal.clients.hotmetal import AuditLogInput, DataLayer
from hotmetal.services.cms import Cms, CmsFailed, CmsRefused
from hotmetal.services.publisher.outcomes import NotKnown, NotPublished, NotYetKnown, Published
from hotmetal.services.publisher.store import Attempt, Chore, State, Store

LOG: Final = logging.getLogger("hotmetal.publisher")

_TEND_S: Final = 1.0
_STATUS: Final[Mapping[State, Literal["success", "failed", "needs_check"]]] = {
    "success": "success", "failed": "failed", "unsure": "needs_check",
}  # fmt: skip


class Outlet(Protocol):
    """Where posts go."""

    async def publish(self, attempt: Attempt) -> Published:
        """Put the post there; `NotPublished` or `NotKnown` when that did not work out."""

    async def resume(self, attempt: Attempt, *, now_s: int) -> Published:
        """Find out about an interrupted attempt, or carry it on where that is safe."""


class Publishing:
    """
    Carries attempts through.

    Args:
        store: Where they are noted.
        dal: Whose audit log gets a row for each.
        cms: Where renditions on other outlets than the blog are written down.
        outlets: Where posts go, by name.
    """

    def __init__(
        self, store: Store, dal: DataLayer, *, cms: Cms, outlets: Mapping[str, Outlet]
    ) -> None:
        self.store = store
        self._dal = dal
        self._cms = cms
        self._outlets = outlets
        self._running: set[str] = set()

    async def run(self, attempt: Attempt) -> None:
        """Carry an attempt that has just begun to its end."""
        await self._carry(attempt, self._outlets[attempt.outlet].publish(attempt))

    async def look_again(self, attempt: Attempt) -> None:
        """Ask about an unsure attempt once more; it may end, or stay unsure."""
        if self.store.take_unsure(attempt):
            attempt.state, attempt.owner = "open", self.store.owner
            now_s = int(time.time())
            outlet = self._outlets[attempt.outlet]
            await self._carry(attempt, outlet.resume(attempt, now_s=now_s), was_unsure=True)

    async def resolve(self, attempt: Attempt, *, found: Published | None) -> bool:
        """
        Settle an unsure attempt by what a person saw: False when it is not unsure any more.

        Args:
            attempt: Which.
            found: Where the post is; None when it is not there.
        """
        if not self.store.take_unsure(attempt):
            return False
        if found is None:
            self._end(attempt, "failed", error="a person looked: not published", was_unsure=True)
        else:
            self._end(attempt, "success", result=found, was_unsure=True)
        await self.do_chores(attempt)
        return True

    async def tend(self) -> None:
        """
        For as long as the publisher runs: take up what others left behind, and do what is due.

        Raises:
            asyncio.CancelledError: The publisher ends.
        """
        while True:
            try:
                await self._dal.wait_until_ready()
                await self._tend_once()
            except CallError as error:
                LOG.error("attempts are not tended: %s", error)
            except Exception:
                LOG.exception("attempts are not tended")
            await asyncio.sleep(_TEND_S)

    async def _tend_once(self) -> None:
        for attempt in self.store.left_behind():
            LOG.warning("attempt %s was left behind by a publisher that is gone", attempt.id)
        for attempt in self.store.own_open():
            if attempt.id not in self._running:
                outlet = self._outlets[attempt.outlet]
                await self._carry(attempt, outlet.resume(attempt, now_s=int(time.time())))
        for attempt in self.store.with_chores():
            if attempt.id not in self._running:
                await self.do_chores(attempt)

    async def _carry(
        self, attempt: Attempt, work: Awaitable[Published], *, was_unsure: bool = False
    ) -> None:
        self._running.add(attempt.id)
        try:
            try:
                published = await work
            except NotPublished as error:
                self._end(attempt, "failed", error=str(error), was_unsure=was_unsure)
            except NotYetKnown as error:
                if not was_unsure:
                    return
                self._end(attempt, "unsure", error=str(error), was_unsure=True)
            except NotKnown as error:
                self._end(attempt, "unsure", error=str(error), was_unsure=was_unsure)
            except Exception as error:
                LOG.exception("attempt %s broke", attempt.id)
                said = str(error) if isinstance(error, CallError) else "internal error"
                is_harmless = attempt.outlet != "blog" and attempt.sent_s is None
                state: State = "failed" if is_harmless else "unsure"
                self._end(attempt, state, error=said, was_unsure=was_unsure)
            else:
                self._end(attempt, "success", result=published, was_unsure=was_unsure)
            await self.do_chores(attempt)
        finally:
            self._running.discard(attempt.id)

    def _end(
        self,
        attempt: Attempt,
        state: State,
        *,
        result: Published | None = None,
        error: str | None = None,
        was_unsure: bool = False,
    ) -> None:
        attempt.state, attempt.error = state, error
        attempt.result = None if result is None else msgspec.to_builtins(result)
        if not was_unsure:
            attempt.chores = ["audit"]
        elif state != "unsure" and "audit" not in attempt.chores:
            # The attempt has its row, which said that somebody has to look; this is what was seen.
            attempt.chores = [*attempt.chores, "resolution"]
        if attempt.outlet != "blog" and state != "unsure":
            attempt.chores = [*attempt.chores, "rendition"]
        self.store.keep(attempt)

    async def do_chores(self, attempt: Attempt) -> None:
        """Write down what there is to write down; what cannot be done now is done later."""
        for chore in tuple(attempt.chores):
            try:
                if chore == "rendition":
                    await self._write_rendition(attempt)
                else:
                    await self._write_audit(attempt, chore)
            except CallError as error:
                if error.status in (401, 403, 429) or not 400 <= error.status < 500:
                    LOG.warning("the audit row of attempt %s waits: %s", attempt.id, error)
                    continue
                # Its row is there already, and says what was known then.
                LOG.warning("the audit row of attempt %s: %s", attempt.id, error)
                self.store.chore_done(
                    attempt, chore, then="resolution" if chore == "audit" else None
                )
                continue
            except CmsFailed as error:
                LOG.warning("the rendition of attempt %s: %s", attempt.id, error)
                is_final = isinstance(error, CmsRefused) and error.status in (400, 404, 409, 422)
                if not is_final:
                    continue
            self.store.chore_done(attempt, chore)

    async def _write_audit(self, attempt: Attempt, chore: Chore) -> None:
        result = attempt.result
        entry = AuditLogInput(
            post_id=attempt.plan.get("cmsPostId") or attempt.post_id,
            outlet=attempt.outlet,
            action=attempt.action if chore == "audit" else "resolve",
            status=_STATUS[attempt.state],
            result_data=None if result is None else msgspec.json.encode(result).decode(),
            error_message=attempt.error,
        )
        key = f"publisher/{attempt.id}/{chore}"
        await self._dal.with_options(idempotency_key=key).write_audit_log(entry)

    async def _write_rendition(self, attempt: Attempt) -> None:
        result = attempt.result or {}
        said = {
            "outlet": attempt.outlet,
            "status": "published" if attempt.state == "success" else "failed",
            "content": attempt.plan["text"],
            "externalUrl": result.get("externalUrl"),
            "externalId": result.get("externalId"),
            "error": attempt.error,
        }
        await self._cms.create_rendition(attempt.post_id, said, key=f"{attempt.key}/rendition")
