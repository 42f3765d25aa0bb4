"""
The order of a run: six steps, what each may cost, and what happens when one fails.

This is the part that is run again from its start after a crash: each finished step gives its
recorded answer, and the first unfinished one is done. So nothing here may look at a clock, at
the network or at anything else that could be different the second time; that is what steps are
for. Recorded runs outlive the code: a step keeps its name and its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

import msgspec

from hotmetal.services.scout.ideas import Proposal
from hotmetal.services.scout.stories import Story

T = TypeVar("T")

TriggeredBy = Literal["cron", "manual"]

#: A run that failed is delivered again this often; then it is a dead letter.
DELIVERY_RETRIES: Final = 3
DELIVERY_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A step's name and its patience.

    Args:
        name: As it is recorded.
        retries: How often it is tried again.
        wait_s: How long before the first time.
        growth: By what the wait grows each time.
        limit_s: How long one try may take.
    """

    name: str
    retries: int
    wait_s: float
    limit_s: float
    growth: float = 1.0


# The document gives no numbers for the first and the fifth; these are the data layer's pace.
LOAD_CONTEXT: Final = Policy("load-context", 3, 2, 60, growth=2)
SEARCH_CONTENT: Final = Policy("search-content", 2, 10, 120, growth=2)
DEDUPE_STORIES: Final = Policy("dedupe-stories", 2, 5, 60)
GENERATE_IDEAS: Final = Policy("generate-ideas", 2, 5, 120)
STORE_IDEAS: Final = Policy("store-ideas", 3, 2, 60, growth=2)


class StepFailed(Exception):
    """A step was tried as often as it may be."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step


class RunImpossible(Exception):
    """Trying again would change nothing."""


class Order(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is asked for: a run for a publication."""

    run_id: str
    publication_id: str
    triggered_by: TriggeredBy


class Publication(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run needs to know of its publication."""

    id: str
    user_id: str
    name: str
    description: str | None
    writing_tone: str | None
    default_author: str | None
    auto_publish_mode: str
    cadence_posts_per_week: int | None
    timezone: str


class TopicFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A topic that is looked for."""

    id: str
    name: str
    description: str | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the first step read; without a publication there is none."""

    publication: Publication | None
    topics: list[TopicFacts]
    #: Recent ideas as a model is shown them.
    recent: list[dict[str, Any]]


class Outcome(msgspec.Struct, kw_only=True, rename="camel"):
    """How a run went: what came out of each step, and why it ended where it did."""

    topics: int = 0
    stories: int = 0
    fresh: int = 0
    ideas: int = 0
    stored: int = 0
    written: int = 0
    reason: str | None = None


class Steps(Protocol):
    """What remembers."""

    async def step(self, policy: Policy, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """
        Do the work, or give what it answered before the crash.

        Raises:
            StepFailed: It was tried as often as it may be.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait; over a crash it waits for the rest."""


class Progress:
    """The steps that this run has finished: a second delivery does none of them again."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._done: dict[str, Any] = {}

    async def step(self, policy: Policy, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """As `Steps.step`, once for each name."""
        if policy.name not in self._done:
            self._done[policy.name] = await self._steps.step(policy, work, kind)
        done: T = self._done[policy.name]
        return done

    async def each_time(self, policy: Policy, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """A step that each delivery does for itself."""
        return await self._steps.step(policy, work, kind)


class Jobs(Protocol):
    """What the steps do."""

    async def load_context(self, order: Order) -> Context:
        """The publication, its active topics, its recent ideas."""

    async def search_content(self, topics: list[TopicFacts]) -> list[Story]:
        """What is told about the topics."""

    async def dedupe_stories(self, context: Context, stories: list[Story]) -> list[Story]:
        """Those that no recent idea covers."""

    async def generate_ideas(self, context: Context, stories: list[Story]) -> list[Proposal]:
        """What could be written about."""

    async def store_ideas(self, order: Order, context: Context, ideas: list[Proposal]) -> int:
        """Keep them; how many are new."""

    async def auto_write(
        self, progress: Progress, order: Order, publication: Publication, ideas: list[Proposal]
    ) -> tuple[int, str | None]:
        """Write the best one, where the publication wants that: 1 or 0, and why not."""


async def run(steps: Steps, jobs: Jobs, order: Order) -> Outcome:
    """
    The run, delivered again when a step has failed for good.

    Raises:
        StepFailed: The last delivery failed too: a dead letter.
        RunImpossible: There is no such publication: a dead letter at once.
    """
    progress = Progress(steps)
    for _ in range(DELIVERY_RETRIES):
        try:
            return await _deliver(progress, jobs, order)
        except StepFailed:
            await steps.sleep(DELIVERY_WAIT_S)
    return await _deliver(progress, jobs, order)


async def _deliver(progress: Progress, jobs: Jobs, order: Order) -> Outcome:
    outcome = Outcome()
    context = await progress.step(LOAD_CONTEXT, lambda: jobs.load_context(order), Context)
    if context.publication is None:
        raise RunImpossible(f"there is no publication {order.publication_id!r}")
    outcome.topics = len(context.topics)
    if not context.topics:
        return _ended(outcome, "no active topics")
    stories = await progress.step(
        SEARCH_CONTENT, lambda: jobs.search_content(context.topics), list[Story]
    )
    outcome.stories = len(stories)
    if not stories:
        return _ended(outcome, "no stories found")
    fresh = await progress.step(
        DEDUPE_STORIES, lambda: jobs.dedupe_stories(context, stories), list[Story]
    )
    outcome.fresh = len(fresh)
    if not fresh:
        return _ended(outcome, "no new stories")
    ideas = await progress.step(
        GENERATE_IDEAS, lambda: jobs.generate_ideas(context, fresh), list[Proposal]
    )
    outcome.ideas = len(ideas)
    if not ideas:
        return _ended(outcome, "no ideas generated")
    outcome.stored = await progress.step(
        STORE_IDEAS, lambda: jobs.store_ideas(order, context, ideas), int
    )
    if context.publication.auto_publish_mode != "draft":
        outcome.written, outcome.reason = await jobs.auto_write(
            progress, order, context.publication, ideas
        )
    return outcome


def _ended(outcome: Outcome, reason: str) -> Outcome:
    outcome.reason = reason
    return outcome
