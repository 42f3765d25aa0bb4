"""
The life of posts against a naive model: random calls, and after each one every post compared.

The model is the document's table of states, with claims: plain ifs over a dictionary, no SQL.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from linkie_claw.domains import posts, scheduler
from linkie_claw.domains.posts import PostStatusConflict
from linkie_claw.domains.scheduler import NO_RESULT, ClaimLost
from linkie_claw.schema import PostRow
from linkie_claw.testing import START_S, World, empty_world

from freehold import Reader
from freehold.errors import InvalidArgument
from freehold.testing import ENGINES

WAITS_S = st.sampled_from([0, 1, 119, 120, 240, 299, 300, 301, 4_000])
#: A result brings the fence of a claim, or none.
FENCES = st.sampled_from([None, 1, 2, 3])


@dataclass
class Model:
    """What a post must be."""

    status: str
    scheduled_at: int | None
    changed_at: int
    retries: int = 0
    fence: int = 0
    lease: int | None = None
    error: str | None = None
    urn: str | None = None

    def retry(self, now: int, *, message: str, at: int | None) -> None:
        """One of three is used up."""
        self.retries += 1
        self.lease, self.changed_at = None, now
        if self.retries >= 3:
            self.status, self.error = "failed", message
        else:
            self.status, self.scheduled_at = "scheduled", at

    def is_due(self, now: int) -> bool:
        """It may be claimed by a run."""
        return (
            self.status == "scheduled"
            and self.scheduled_at is not None
            and self.scheduled_at <= now
            and self.retries < 3
        )

    def is_stale(self, now: int) -> bool:
        """Its claim ended without a result."""
        until = self.changed_at + 300 if self.lease is None else self.lease
        return self.status == "publishing" and until < now


class PostLife(RuleBasedStateMachine):
    """Each rule is a call, to the data layer and to the model."""

    engine = ENGINES[0]
    made = Bundle("made")

    @initialize()
    def begin(self) -> None:
        """One user, no posts."""
        self.stack = ExitStack()
        self.world: World = self.stack.enter_context(empty_world(self.engine))
        self.user = self.world.user()
        self.model: dict[str, Model] = {}

    def teardown(self) -> None:
        """The database goes."""
        if hasattr(self, "stack"):
            self.stack.close()

    @property
    def now(self) -> int:
        """The world's time."""
        return self.world.now

    @rule(target=made, status=st.sampled_from(["draft", "scheduled", "publishing"]))
    def create(self, status: str) -> str:
        """A scheduled one is due at once."""
        at = self.now if status == "scheduled" else None
        id = self.world.post(self.user, status=status, scheduled_at=at).id
        self.model[id] = Model(status, at, self.now)
        return id

    @rule(seconds=WAITS_S)
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.world.wait(seconds=seconds)

    @rule(id=made, ahead=st.sampled_from([-1, 0, 1, 200]))
    def schedule(self, id: str, ahead: int) -> None:
        """For a time to come, from what nobody publishes."""
        post, at = self.model[id], self.now + ahead
        if ahead <= 0:
            with pytest.raises(InvalidArgument):
                self.world.call(posts.schedule_post, id, self.user.id, at)
            return
        self.try_to(
            post.status in ("draft", "scheduled", "failed"),
            posts.schedule_post, id, self.user.id, at,
            becomes={"status": "scheduled", "scheduled_at": at, "retries": 0},
        )  # fmt: skip

    @rule(id=made)
    def unschedule(self, id: str) -> None:
        """From scheduled."""
        self.try_to(
            self.model[id].status == "scheduled",
            posts.unschedule_post, id, self.user.id,
            becomes={"status": "draft", "scheduled_at": None, "retries": 0},
        )  # fmt: skip

    @rule(id=made, again=st.booleans())
    def recover_by_hand(self, id: str, again: bool) -> None:
        """From publishing."""
        failed = {"status": "failed", "error": "Manual recovery: publishing timed out"}
        scheduled = {"status": "scheduled", "scheduled_at": self.now, "retries": 0}
        self.try_to(
            self.model[id].status == "publishing",
            posts.recover_post, id, self.user.id, "retry" if again else "fail",
            becomes={"lease": None} | (scheduled if again else failed),
        )  # fmt: skip

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        """Exactly the due ones, the longest waiting first."""
        due = sorted(
            (post.scheduled_at or 0, id) for id, post in self.model.items() if post.is_due(self.now)
        )
        won = self.world.call(scheduler.claim_ready_posts, limit)
        assert [each.id for each in won] == [id for _, id in due[:limit]]
        for each in won:
            self.claimed(each.id)
            assert each.fence == self.model[each.id].fence

    @rule(id=made)
    def claim_one(self, id: str) -> None:
        """Any that is scheduled."""
        won = self.world.call(scheduler.mark_post_as_publishing, id)
        assert (won is not None) == (self.model[id].status == "scheduled")
        if won is not None:
            self.claimed(id)

    def claimed(self, id: str) -> None:
        post = self.model[id]
        post.status, post.lease, post.changed_at = "publishing", self.now + 300, self.now
        post.fence += 1

    @rule(id=made, fence=FENCES, urn=st.sampled_from(["urn:1", "urn:2"]))
    def published(self, id: str, fence: int | None, urn: str) -> None:
        """By the claim that is open; the same again is content."""
        post = self.model[id]
        if (post.status, post.urn) == ("published", urn):
            assert not self.world.call(scheduler.mark_post_as_published, id, urn, fence).changed
            return
        self.result(
            id, fence, scheduler.mark_post_as_published, urn, fence,
            becomes={"status": "published", "urn": urn, "retries": 0, "lease": None},
        )  # fmt: skip

    @rule(id=made, fence=FENCES)
    def failed(self, id: str, fence: int | None) -> None:
        """The same for a failure."""
        if self.model[id].status == "failed":
            assert not self.world.call(scheduler.mark_post_as_failed, id, "no", fence).changed
            return
        self.result(
            id, fence, scheduler.mark_post_as_failed, "no", fence,
            becomes={"status": "failed", "error": "no", "lease": None},
        )  # fmt: skip

    @rule(id=made, fence=FENCES)
    def dispatch_failed(self, id: str, fence: int | None) -> None:
        """Later again, or never."""
        post = self.model[id]
        at = self.now + 120 * 2**post.retries
        if self.result(id, fence, scheduler.mark_dispatch_failed, "503", fence, becomes={}):
            post.retry(self.now, message="503", at=at)

    @rule(id=made)
    def count(self, id: str) -> None:
        """Whatever its status; the time of change stays."""
        self.world.call(scheduler.increment_post_retry_count, id)
        self.model[id].retries += 1

    @rule()
    def recover(self) -> None:
        """Exactly the stale ones."""
        stale = sorted(id for id, post in self.model.items() if post.is_stale(self.now))
        found = self.world.call(scheduler.get_stale_publishing_posts)
        assert sorted(post.id for post in found) == stale
        recovered = self.world.call(scheduler.recover_stale_posts)
        assert [post.id for post in recovered] == stale
        for id in stale:
            post = self.model[id]
            post.retry(self.now, message=NO_RESULT, at=post.scheduled_at)

    def result(self, id: str, fence: int | None, ask: Any, *args: Any, becomes: Any) -> bool:
        """A result, which an old fence does not bring."""
        post = self.model[id]
        if post.status == "publishing" and fence not in (None, post.fence):
            with pytest.raises(ClaimLost):
                self.world.call(ask, id, *args)
            return False
        return self.try_to(post.status == "publishing", ask, id, *args, becomes=becomes)

    def try_to(self, allowed: bool, ask: Any, id: str, *args: Any, becomes: Any) -> bool:
        """A change, refused with the status that the post has when it is not allowed."""
        post = self.model[id]
        if not allowed:
            with pytest.raises(PostStatusConflict) as refused:
                self.world.call(ask, id, *args)
            assert refused.value.current_status == post.status
            return False
        self.world.call(ask, id, *args)
        for field, value in ({"changed_at": self.now} | becomes).items():
            setattr(post, field, value)
        return True

    @invariant()
    def every_post_is_as_the_model_says(self) -> None:
        """Row by row."""
        if not hasattr(self, "model"):
            return

        def read(db: Reader) -> list[PostRow]:
            return db.all(PostRow)

        found = {
            row.id: Model(
                row.status, row.scheduled_at, row.updated_at, retries=row.retry_count,
                fence=row.fence, lease=row.lease_until, error=row.error_message,
                urn=row.linkedin_post_urn,
            )
            for row in self.world.call(read)
        }  # fmt: skip
        assert found == self.model
        assert self.now >= START_S


@pytest.mark.parametrize("engine", ENGINES)
def test_posts_live_as_the_model_says(engine: str) -> None:
    """Many short lives in memory, some on the others; a failure prints its steps."""
    machine = type("Life", (PostLife,), {"engine": engine})
    examples = 60 if engine == ENGINES[0] else 8
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None)
    )
