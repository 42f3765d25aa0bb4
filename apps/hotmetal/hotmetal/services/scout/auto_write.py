"""
The sixth step: from the best idea to a published post, without anybody.

It is a row of durable steps of its own, each of which may be done a second time without harm:

    decide    the cadence is looked at, and the best idea, which must be free
    open      a writing session, whose id is made of the run
    claim     the idea is promoted to it; from here on it is this run's, or this run ends
    tell      the agent is asked to write, once
    wait      until a draft is ready; an agent that was cut off is told again, under the same key
    publish   once: the writer refuses a second time, and that is as good

So whoever is killed in between, nothing is written twice and nothing is published twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from hotmetal.clients.hotmetal import DataLayer, IdeaAlreadyPromoted, IdeaDismissed
from hotmetal.schedule import week_start
from hotmetal.services.assignment import write_assignment
from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.ideas import Proposal, idea_id
from hotmetal.services.scout.workflow import Order, Policy, Progress, Publication
from hotmetal.services.scout.writer import Writer, WriterFailed

T = TypeVar("T")

#: What the whole step may take, in one delivery.
LIMIT_S: Final = 600
POLLS: Final = 30
POLL_S: Final = 10.0

_CADENCE: Final = 3
_RETRIES: Final = 1
_WAIT_S: Final = 10.0

_TELL: Final = (
    "Write the post now, from the writing assignment and its sources. Ask no questions: nobody"
    " reads along. Save one complete draft, then stop."
)

_SLUG_MOST: Final = 80
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")


class Decision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which idea is written, or why none is."""

    idea: Proposal | None = None
    idea_id: str | None = None
    reason: str | None = None


class AutoWriter:
    """
    Writes.

    Args:
        dal: The data layer.
        writer: The writer.
        clock: Says which week it is, and how long it has taken.
        hurry: Divides the waits.
    """

    def __init__(self, dal: DataLayer, writer: Writer, clock: Clock, hurry: int) -> None:
        self._dal = dal
        self._writer = writer
        self._clock = clock
        self._hurry = hurry

    async def run(
        self, progress: Progress, order: Order, publication: Publication, ideas: list[Proposal]
    ) -> tuple[int, str | None]:
        """1 when a post is published; 0 and why not."""
        began = await progress.each_time(_policy("begin"), self._now, int)

        async def step(name: str, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
            return await progress.step(_policy(name), lambda: self._in_time(began, work), kind)

        decision = await step("decide", lambda: self.decide(publication, ideas), Decision)
        idea, id = decision.idea, decision.idea_id
        if idea is None or id is None:
            return 0, decision.reason
        session = await step("open", lambda: self.open(order, publication, idea, id), str)
        claimed = await step("claim", lambda: self.claim(order, id, session), bool)
        if not claimed:
            return 0, "the idea was taken by another session"
        await step("tell", lambda: self.tell(order, session), bool)
        await step("wait", lambda: self.wait(order, session), int)
        await step("publish", lambda: self.publish(order, publication, idea, session), bool)
        return 1, None

    async def decide(self, publication: Publication, ideas: list[Proposal]) -> Decision:
        """The best idea, the first of equals; none when the week is full, or it is not free."""
        if publication.auto_publish_mode == "full-auto":
            since = week_start(publication.timezone, at=self._clock.now())
            done = await self._dal.count_completed_sessions_for_week(publication.id, since)
            cadence = publication.cadence_posts_per_week
            if done >= (_CADENCE if cadence is None else cadence):
                return Decision(reason="the week's cadence is reached")
        best = max(ideas, key=lambda each: each.score)
        id = idea_id(publication.id, best.title, best.angle)
        stored = await self._dal.get_idea_by_id(id)
        if stored is None or stored.status not in ("new", "reviewed"):
            return Decision(reason="the best idea is taken or dismissed")
        return Decision(idea=best, idea_id=id)

    async def open(self, order: Order, publication: Publication, idea: Proposal, id: str) -> str:
        """The writing session."""
        wanted = {
            "userId": publication.user_id,
            "title": idea.title,
            "publicationId": publication.id,
            "ideaId": id,
            "seedContext": seed_context(publication, idea),
        }
        return await self._writer.open(wanted, key=f"auto-write:{order.run_id}")

    async def claim(self, order: Order, id: str, session: str) -> bool:
        """Whether the idea is this run's; else its session is put away."""
        key = f"auto-write:{order.run_id}:claim"
        try:
            await self._dal.with_options(idempotency_key=key).promote_idea(id, session)
        except IdeaAlreadyPromoted as taken:
            if taken.session_id == session:
                return True
        except IdeaDismissed:
            pass
        else:
            return True
        await self._writer.archive(session)
        return False

    async def tell(self, order: Order, session: str) -> bool:
        """Ask for the text, once."""
        await self._writer.tell(session, _TELL, key=f"auto-write:{order.run_id}:tell")
        return True

    async def wait(self, order: Order, session: str) -> int:
        """
        The version of the draft that is ready; at the last look, of the latest.

        Raises:
            WriterFailed: There is no draft at all.
        """
        for look in range(1, POLLS + 1):
            found = await self._writer.drafts(session)
            ready = [each.version for each in found.data if each.is_ready]
            latest = [each.version for each in found.data] if look == POLLS else []
            if versions := ready or latest:
                return max(versions)
            if not found.data and not found.is_generating:
                # Nobody is at work: the turn broke off, with the writer or its model.
                await self.tell(order, session)
            await self._clock.sleep(POLL_S / self._hurry)
        raise WriterFailed(f"the writer has no draft after {POLLS} looks")

    async def publish(
        self, order: Order, publication: Publication, idea: Proposal, session: str
    ) -> bool:
        """
        Publish the text; that it was published already is as good.

        Raises:
            WriterFailed: The writer refuses, or is at it for too long.
        """
        wanted = {"slug": slug_of(idea.title)}
        if publication.default_author:
            wanted["author"] = publication.default_author
        for _ in range(POLLS):
            if await self._writer.publish(
                session, wanted, key=f"auto-write:{order.run_id}:publish"
            ):
                return True
            await self._clock.sleep(POLL_S / self._hurry)
        raise WriterFailed("publishing is under way for too long")

    async def _now(self) -> int:
        return self._clock.now()

    async def _in_time(self, began: int, work: Callable[[], Awaitable[T]]) -> T:
        """The work, as long as this delivery has time left; looked at inside of the step."""
        if self._clock.now() - began >= LIMIT_S:
            raise TimeoutError(f"auto-write took more than {LIMIT_S} s")
        return await work()


def _policy(name: str) -> Policy:
    return Policy(f"auto-write.{name}", _RETRIES, _WAIT_S, LIMIT_S)


def slug_of(title: str) -> str:
    """Lower-case letters, digits and single hyphens; `untitled` when nothing is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = _NOT_SLUG.sub("-", plain).strip("-")[:_SLUG_MOST].strip("-")
    return slug or "untitled"


def seed_context(publication: Publication, idea: Proposal) -> str:
    """What the agent is told about the post."""
    return write_assignment(
        publication=publication.name,
        tone=publication.writing_tone,
        title=idea.title,
        angle=idea.angle,
        summary=idea.summary,
        sources=[(each.get("title", ""), each["url"], each.get("snippet", ""))
                 for each in idea.sources],
    )  # fmt: skip
