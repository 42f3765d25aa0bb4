"""
The whole face through the generated client and a real server; and many callers at once.

On the embedded file one process serves; on the server's database two do, so that callers who
race for the same row meet in the database and not in one process's queue.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
from linkie_claw.clients.linkie_claw import (
    ClaimLost,
    DataLayerSync,
    GeneratedImage,
    NewAccount,
    NewGeneration,
    NewPost,
    NewSession,
    NewUser,
    PostPatch,
    PostStatusConflict,
    SignIn,
    TextVariation,
    UserPatch,
    UserSettingsPatch,
)
from linkie_claw.entrypoints import DataLayer
from tests.web.data_layer import DataLayer as Server
from tests.web.data_layer import data_layer

from freehold.client import UNSET
from freehold.errors import CallError, InvalidArgument, NotFound
from freehold.testing import shared_cluster

T = TypeVar("T")
CALLERS = 64


@pytest.fixture(scope="module", params=["embedded", "server"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """The processes that serve one database."""
    with ExitStack() as stack:
        first = tmp_path_factory.mktemp("first")
        if request.param == "embedded":
            yield [stack.enter_context(data_layer(first, None))]
            return
        database = shared_cluster().new_schema()
        servers = [stack.enter_context(data_layer(first, database))]
        # Both open the same sealed columns, so both have the same secrets.
        second = tmp_path_factory.mktemp("second")
        shutil.copy2(first / "secrets.json", second)
        servers.append(stack.enter_context(data_layer(second, database)))
        yield servers


class Counting:
    """A binding that notes which methods were called."""

    def __init__(self, binding: DataLayerSync) -> None:
        self._binding = binding
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._binding, name)


def test_every_method_answers_through_the_generated_client(servers: list[Server]) -> None:
    """From the first sign-in to the last page, as the services work."""
    with DataLayerSync.connect(servers[0].address) as binding:
        dal = Counting(binding)
        user_id = signing_in(dal)
        writing(dal, user_id)
        publishing(dal, user_id)
        looking(dal, user_id)
        dal.delete_user(id=user_id)
        assert dal.get_all_posts(user_id=user_id) == []

    assert dal.called == {method.name for method in DataLayer.__methods__.values()}


def signing_in(dal: Any) -> str:
    soon = int(time.time()) + 3_600
    user = dal.create_user(data=NewUser(email="wire@example.com", name="Wire"))
    user = dal.update_user(id=user.id, data=UserPatch(email_verified=soon))
    assert dal.get_user_by_id(id=user.id) == dal.get_user_by_email(email=user.email) == user
    account: dict[str, Any] = {
        "type": "oauth",
        "provider": "linkedin",
        "provider_account_id": "wire",
    }
    dal.link_account(data=NewAccount(user_id=user.id, access_token="of-the-account", **account))
    back = SignIn(email=user.email, is_email_verified=True, **account)
    assert dal.sign_in_with_account(data=back) == user
    assert dal.get_user_by_account(provider="linkedin", provider_account_id="wire") == user
    assert dal.get_linkedin_access_token(user_id=user.id) == "of-the-account"
    [linked] = dal.get_accounts_by_user(user_id=user.id)
    assert linked.provider == "linkedin"
    dal.unlink_account(provider="linkedin", provider_account_id="wire")
    assert dal.get_accounts_by_user(user_id=user.id) == []

    made = dal.create_session(data=NewSession(session_token="wire", user_id=user.id, expires=soon))
    assert dal.get_session_and_user(session_token="wire").user == user
    assert dal.update_session(session_token="wire", expires=soon + 1).id == made.id
    dal.delete_session(session_token="wire")
    assert dal.get_session_and_user(session_token="wire") is None
    dal.create_verification_token(identifier=user.email, token="wire", expires=soon)
    assert dal.use_verification_token(identifier=user.email, token="wire").expires == soon
    assert dal.delete_expired_sessions() == 0

    for state in ("consumed", "ended"):
        dal.create_linkedin_oauth_state(
            state=state, user_id=user.id, expires_at=soon, bound_to="browser"
        )
    assert dal.get_linkedin_oauth_state(state="consumed") is None
    assert dal.consume_linkedin_oauth_state(state="consumed", bound_to="browser") == user.id
    dal.delete_linkedin_oauth_state(state="ended")
    assert dal.get_linkedin_oauth_state(state="ended", bound_to="browser") is None
    assert dal.cleanup_expired_linkedin_oauth_states() == 0
    return str(user.id)


def writing(dal: Any, user_id: str) -> None:
    generation = dal.create_generation(
        data=NewGeneration(
            user_id=user_id,
            idea="Ferries",
            text_variations=[TextVariation(id="t1", style="storytelling", content="Once")],
            images=[GeneratedImage(id="i1", url="https://i.example/1", prompt="A ferry")],
        )
    )
    chosen = dal.update_generation_selections(
        id=generation.id, user_id=user_id, selected_text_id="t1"
    )
    assert dal.get_generation_by_id(id=generation.id, user_id=user_id) == chosen
    assert dal.get_recent_generations(user_id=user_id) == [chosen]

    stored = dal.upsert_user_settings(
        user_id=user_id,
        data=UserSettingsPatch(linkedin_access_token="canary", linkedin_connected=True),
    )
    assert dal.get_user_settings(user_id=user_id) == stored
    assert not hasattr(stored, "linkedin_access_token")
    assert dal.get_linkedin_access_token(user_id=user_id) == "canary"
    tones = dal.get_user_voice_tones(user_id=user_id)
    assert dal.save_user_voice_tones(user_id=user_id, tones=tones) == tones
    styles = dal.get_user_image_styles(user_id=user_id)
    assert dal.save_user_image_styles(user_id=user_id, styles=styles) == styles

    draft = dal.create_post(data=NewPost(user_id=user_id, title="T", content="C"))
    assert draft.scheduled_at is UNSET
    assert draft.image_url is None
    draft = dal.update_post(id=draft.id, data=PostPatch(title="New"), user_id=user_id)
    assert dal.get_recent_drafts(user_id=user_id) == [draft]
    soon = int(time.time()) + 3_600
    scheduled = dal.schedule_post(id=draft.id, user_id=user_id, scheduled_at=soon)
    month = time.strftime("%Y-%m", time.gmtime(soon))
    assert dal.get_scheduled_posts(user_id=user_id) == [scheduled]
    assert dal.get_posts_by_month(month=month, user_id=user_id) == [scheduled]
    assert dal.unschedule_post(id=draft.id, user_id=user_id).status == "draft"
    with pytest.raises(PostStatusConflict) as refused:
        dal.unschedule_post(id=draft.id, user_id=user_id)
    assert refused.value.current_status == "draft"
    dal.delete_post(id=draft.id, user_id=user_id)
    assert dal.get_post_by_id(id=draft.id, user_id=user_id) is None


def publishing(dal: Any, user_id: str) -> None:
    def due() -> str:
        data = NewPost(
            user_id=user_id, title="T", content="C", status="scheduled",
            scheduled_at=int(time.time()) - 5,
        )  # fmt: skip
        return str(dal.create_post(data=data).id)

    first = due()
    assert first in [post.id for post in dal.get_posts_ready_to_publish()]
    [claimed] = [post for post in dal.claim_ready_posts(limit=100) if post.user_id == user_id]
    assert dal.get_post_for_publishing(id=first).status == "publishing"
    dal.increment_post_retry_count(post_id=first)
    back = dal.mark_dispatch_failed(id=first, error_message="503", fence=claimed.fence)
    assert (back.status, back.retry_count) == ("scheduled", 2)
    again = dal.mark_post_as_publishing(id=first)
    with pytest.raises(ClaimLost) as lost:
        dal.mark_post_as_published(id=first, linkedin_post_urn="urn:1", fence=claimed.fence)
    assert lost.value.fence == again.fence
    assert dal.mark_post_as_published(id=first, linkedin_post_urn="urn:1").changed
    assert not dal.mark_post_as_published(id=first, linkedin_post_urn="urn:1").changed
    with pytest.raises(NotFound):
        dal.mark_post_as_failed(id="nothing")

    second, third = due(), due()
    for id in (second, third):
        assert dal.mark_post_as_publishing(id=id) is not None
    assert dal.reschedule_post_for_retry(id=second, time=int(time.time())).status == "scheduled"
    assert dal.mark_post_as_failed(id=third).post.error_message == "Unknown publishing error"
    assert dal.get_stuck_posts(user_id=user_id) == []
    assert dal.get_stale_publishing_posts() == dal.recover_stale_posts() == []
    assert dal.reset_stale_post(id=second) is None
    assert dal.mark_post_as_publishing(id=second) is not None
    assert dal.recover_post(id=second, user_id=user_id, action="fail").status == "failed"


def looking(dal: Any, user_id: str) -> None:
    stats = dal.get_dashboard_stats(user_id=user_id)
    assert (stats.total_posts, stats.published, stats.failed) == (3, 1, 2)
    assert dal.get_publishing_success_rate(user_id=user_id) == 33
    assert dal.get_generation_count(user_id=user_id) == len(dal.get_all_posts(user_id=user_id)) == 3
    assert len(dal.get_recent_posts(user_id=user_id)) == 3
    assert sum(day.count for day in dal.get_posts_over_time(user_id=user_id)) == 3
    assert sum(day.count for day in dal.get_posts_by_status(user_id=user_id)) == 3
    assert sum(day.count for day in dal.get_publishing_trend(user_id=user_id)) == 1
    assert dal.get_top_posts(user_id=user_id)[0].linkedin_post_urn == "urn:1"
    assert dal.get_content_generation_stats(user_id=user_id).total_generations == 1
    assert sum(day.count for day in dal.get_scheduling_patterns(user_id=user_id)) == 3


@pytest.mark.parametrize(
    ("method", "name", "least", "most"),
    [
        ("get_recent_posts", "limit", 1, 1_000),
        ("get_recent_drafts", "limit", 1, 1_000),
        ("get_recent_generations", "limit", 1, 1_000),
        ("get_top_posts", "limit", 1, 1_000),
        ("get_posts_over_time", "days", 1, 3_660),
        ("get_posts_by_status", "days", 1, 3_660),
        ("get_publishing_trend", "days", 1, 3_660),
        ("get_content_generation_stats", "days", 1, 3_660),
        ("get_scheduling_patterns", "days", 1, 3_660),
    ],
)
def test_a_list_has_its_limits(
    servers: list[Server], method: str, name: str, least: int, most: int
) -> None:
    """At the limit it answers, one past it is refused by name."""
    with DataLayerSync.connect(servers[0].address) as dal:
        for good in (least, most):
            getattr(dal, method)(user_id="nobody", **{name: good})
        for wrong in (least - 1, most + 1):
            with pytest.raises(InvalidArgument) as refused:
                getattr(dal, method)(user_id="nobody", **{name: wrong})
            assert refused.value.path == name


# -- many at once -------------------------------------------------------------------------


def at_once(servers: list[Server], ask: Callable[[DataLayerSync, int], T]) -> list[T | str]:
    """What 64 callers get who all ask at the same moment, each on a connection of its own."""
    answers: list[T | str] = []
    start = threading.Barrier(CALLERS)

    def one(number: int) -> None:
        with DataLayerSync.connect(servers[number % len(servers)].address) as dal:
            dal.get_user_by_id(id="warm")
            start.wait(30)
            try:
                answers.append(ask(dal, number))
            except CallError as error:
                answers.append(type(error).__name__)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == CALLERS
    return answers


@pytest.fixture
def user_id(servers: list[Server]) -> Iterator[str]:
    with DataLayerSync.connect(servers[0].address) as dal:
        user = dal.create_user(data=NewUser(email="race@example.com"))
        yield user.id
        dal.delete_user(id=user.id)


def test_racing_runs_claim_each_post_once(servers: list[Server], user_id: str) -> None:
    """64 runs, 40 due posts: each post goes to one run, and none is left."""
    with DataLayerSync.connect(servers[0].address) as dal:
        due = {
            dal.create_post(
                data=NewPost(
                    user_id=user_id, title="T", content="C", status="scheduled",
                    scheduled_at=int(time.time()) - 5,
                )
            ).id
            for _ in range(40)
        }  # fmt: skip

    answers = at_once(servers, lambda dal, _: [(p.id, p.fence) for p in dal.claim_ready_posts(2)])

    claimed = [each for answer in answers for each in answer]
    assert sorted(claimed) == sorted((id, 1) for id in due)


def test_racing_consumers_of_a_state_have_one_winner(servers: list[Server], user_id: str) -> None:
    """63 hear that there is no such state."""
    with DataLayerSync.connect(servers[0].address) as dal:
        dal.create_linkedin_oauth_state(
            state="raced", user_id=user_id, expires_at=int(time.time()) + 60, bound_to="b"
        )

    answers = at_once(
        servers, lambda dal, _: dal.consume_linkedin_oauth_state(state="raced", bound_to="b")
    )

    assert Counter(answers) == {user_id: 1, None: CALLERS - 1}


def test_racing_results_end_a_post_once(servers: list[Server], user_id: str) -> None:
    """Half say published and half failed: one result counts, and who says the same is content."""
    with DataLayerSync.connect(servers[0].address) as dal:
        data = NewPost(user_id=user_id, title="T", content="C", status="publishing")
        post = dal.create_post(data=data)

    def report(dal: DataLayerSync, number: int) -> bool:
        if number // 2 % 2:
            return dal.mark_post_as_published(id=post.id, linkedin_post_urn="urn:1").changed
        return dal.mark_post_as_failed(id=post.id, error_message="no").changed

    answers = Counter(at_once(servers, report))

    assert answers == {True: 1, False: CALLERS // 2 - 1, "PostStatusConflict": CALLERS // 2}


def test_racing_stores_make_one_row(servers: list[Server], user_id: str) -> None:
    """Each caller sets another field or the same: nobody is refused, and nothing is lost."""
    fields = ["linkedin_headline", "linkedin_profile_url", "n8n_webhook_url", "linkedin_person_urn"]

    def store(dal: DataLayerSync, number: int) -> str:
        patch = UserSettingsPatch(**{fields[number // 2 % 4]: f"value {number}"})  # type: ignore[arg-type]
        return dal.upsert_user_settings(user_id=user_id, data=patch).id

    assert set(at_once(servers, store)) == {user_id}

    with DataLayerSync.connect(servers[0].address) as dal:
        stored = dal.get_user_settings(user_id=user_id)
    for field in fields:
        assert getattr(stored, field).startswith("value ")
