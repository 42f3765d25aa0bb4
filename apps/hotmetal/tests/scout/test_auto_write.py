"""Which idea the scout writes by itself and when, and the whole way with the real writer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hotmetal.clients.hotmetal import (
    CreateIdeaInput,
    CreatePublicationInput,
    CreateSessionInput,
    CreateTopicInput,
    CreateUserInput,
    DataLayerSync,
    UpdateSessionInput,
)
from hotmetal.services.scout.auto_write import AutoWriter, Decision
from hotmetal.services.scout.ideas import Proposal, idea_id
from hotmetal.services.scout.workflow import Order, Publication
from hotmetal.services.scout.writer import Writer, WriterFailed
from hotmetal.stand_ins.cms import cms_app
from hotmetal.stand_ins.in_thread import served
from tests.scout.nursery import Nursery
from tests.scout.scouts import ROOT, WRITER_KEY, ScoutProcess, StandIn, free_port, wait_for
from tests.scout.small_writer import SmallWriter
from tests.scout.still_world import StillWorld, still_world

from tests.e2e.processes import ServerProcess

ORDER = Order(run_id="run-1", publication_id="pub", triggered_by="cron")
IDEAS = [
    Proposal(title=title, angle="A", summary="S", score=score)
    for title, score in (("good", 0.5), ("best", 0.9), ("also best", 0.9))
]
BEST = idea_id("pub", "best", "A")
CMS_KEY = "a-cms-key-for-tests"


def facts(**fields: object) -> Publication:
    given = {"id": "pub", "user_id": "u", "name": "P", "description": None, "writing_tone": None,
             "default_author": None, "auto_publish_mode": "full-auto",
             "cadence_posts_per_week": 1, "timezone": "UTC"} | fields  # fmt: skip
    return Publication(**given)  # type: ignore[arg-type]


@asynccontextmanager
async def prepared() -> AsyncIterator[tuple[StillWorld, AutoWriter]]:
    """A publication with the three ideas, and one session that is completed just now."""
    async with still_world() as world, httpx.AsyncClient() as http:
        dal = world.dal
        await dal.create_user(CreateUserInput(id="u", email="u@people.example", name="U"))
        await dal.create_publication(
            CreatePublicationInput(id="pub", user_id="u", name="P", slug="p")
        )
        for each in IDEAS:
            await dal.create_idea(
                CreateIdeaInput(
                    id=idea_id("pub", each.title, each.angle), publication_id="pub",
                    title=each.title, angle=each.angle, summary=each.summary,
                )
            )  # fmt: skip
        for id in ("done", "other"):
            await dal.create_session(CreateSessionInput(id=id, user_id="u", publication_id="pub"))
        await dal.update_session("done", UpdateSessionInput(status="completed"))
        yield world, AutoWriter(dal, Writer(http, "http://127.0.0.1:9", "key"), world, 1)


def decided(publication: Publication, *, at: int | None = None) -> Decision:
    """What is decided at a moment."""

    async def ask() -> Decision:
        async with prepared() as (world, auto):
            if at is not None:
                world.go_to(at)
            return await auto.decide(publication, IDEAS)

    return asyncio.run(ask())


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_the_best_idea_is_taken_the_first_of_equals() -> None:
    assert decided(facts(auto_publish_mode="publish")).idea_id == BEST


@pytest.mark.parametrize(
    ("fields", "is_written"),
    [
        ({"cadence_posts_per_week": 1}, False),
        ({"cadence_posts_per_week": 2}, True),
        ({"cadence_posts_per_week": 0}, False),
        ({"cadence_posts_per_week": None}, True),
        # Who publishes but is not full-auto has no cadence.
        ({"auto_publish_mode": "publish", "cadence_posts_per_week": 0}, True),
    ],
)
def test_the_cadence_is_kept_where_nobody_looks(
    fields: dict[str, object], is_written: bool
) -> None:
    """One post of this week is completed; without a number three are wanted."""
    decision = decided(facts(**fields))

    assert (decision.idea is not None) == is_written
    assert is_written or decision.reason == "the week's cadence is reached"


@pytest.mark.parametrize(
    ("timezone", "at", "is_written"),
    [
        # The post was completed on Friday 15 January 2027 at 08:00 UTC.
        ("UTC", "2027-01-17 23:59:59", False),
        ("UTC", "2027-01-18 00:00:00", True),
        # Sunday 10:00 in UTC is Monday 00:00 in Kiritimati, and in Pago Pago Saturday night.
        ("Pacific/Kiritimati", "2027-01-17 09:59:59", False),
        ("Pacific/Kiritimati", "2027-01-17 10:00:00", True),
        ("Pacific/Pago_Pago", "2027-01-18 10:59:59", False),
        ("Pacific/Pago_Pago", "2027-01-18 11:00:00", True),
    ],
)
def test_the_week_is_the_publications_own(timezone: str, at: str, is_written: bool) -> None:
    """It begins on Monday at its midnight, not at London's."""
    assert (decided(facts(timezone=timezone), at=moment(at)).idea is not None) == is_written


def test_an_idea_that_is_not_free_is_not_written() -> None:
    """Promoted or dismissed by somebody: no session is opened for it."""

    async def check() -> None:
        async with prepared() as (world, auto):
            await world.dal.update_idea_status(BEST, "dismissed")
            decision = await auto.decide(facts(auto_publish_mode="publish"), IDEAS)
            assert (decision.idea, decision.reason) == (None, "the best idea is taken or dismissed")

    asyncio.run(check())


def test_a_claim_is_good_again_for_whom_it_was_good() -> None:
    """Also when the data layer has forgotten its key; another run's claim is not."""

    async def check() -> None:
        async with prepared() as (world, auto):
            assert await auto.claim(ORDER, BEST, "other")
            assert await auto.claim(ORDER, BEST, "other")
            forgotten = Order(run_id="run-2", publication_id="pub", triggered_by="cron")
            assert await auto.claim(forgotten, BEST, "other")
            stranger = Order(run_id="run-3", publication_id="pub", triggered_by="cron")
            # It loses, and would put its session away: nobody is there to be told.
            with pytest.raises(httpx.ConnectError):
                await auto.claim(stranger, BEST, "done")
            idea = await world.dal.get_idea_by_id(BEST)
            assert idea is not None
            assert idea.session_id == "other"

    asyncio.run(check())


def waiting(
    small: SmallWriter, looks: int, plan: dict[str, object] | None = None
) -> tuple[int, int]:
    """The version and how long it was waited for, of a writer that is ready after some looks."""

    async def ask(address: str) -> tuple[int, int]:
        async with still_world() as world, httpx.AsyncClient() as http:
            auto = AutoWriter(world.dal, Writer(http, address, "key"), world, 1)
            small.looks_before_ready = looks
            if plan is not None:
                StandIn(address).fail(**plan)
            before = world.now()
            return await auto.wait(ORDER, "ses"), world.now() - before

    with served(small.app) as address:
        return asyncio.run(ask(address))


def test_a_draft_is_waited_for_and_the_last_look_takes_the_latest(
    data_layer: ServerProcess,
) -> None:
    """Every 10 s, 30 times, no longer than needed; a turn that broke off is begun again."""
    small = SmallWriter(data_layer.address)
    small.turns["ses"] = {"told"}
    assert waiting(small, 0) == (2, 0)
    assert waiting(small, 3) == (2, 30)
    assert waiting(small, 100) == (2, 290)
    small.turns.clear()
    assert waiting(small, 0) == (2, 10)
    assert small.turns == {"ses": {"auto-write:run-1:tell"}}


def test_no_draft_at_all_is_a_failure(data_layer: ServerProcess) -> None:
    """The step says so, and its policy decides."""
    small = SmallWriter(data_layer.address)
    nothing = {"times": 100, "path": "/api/sessions/ses/drafts", "status": 200,
               "body": {"data": [], "isGenerating": True}}  # fmt: skip

    with pytest.raises(WriterFailed, match="no draft after 30 looks"):
        waiting(small, 0, nothing)


# The real writer


@pytest.fixture
def cms(tmp_path: Path) -> Iterator[str]:
    with served(lambda url: cms_app(tmp_path / "cms", key=CMS_KEY, url=url)) as address:
        yield address


@pytest.fixture
def writer(data_layer: ServerProcess, cms: str, tmp_path: Path) -> Iterator[str]:
    """`python -m hotmetal.services.writer`, offline."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "apps/hotmetal")])
    environment = {**os.environ, "PYTHONPATH": path, "PORT": str(port),
                   "DATA_DIR": str(tmp_path / "writer"), "FREEHOLD_DAL": data_layer.address,
                   "WRITER_API_KEY": WRITER_KEY, "CMS_URL": cms,
                   "CMS_API_KEY": CMS_KEY}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "hotmetal.services.writer"], env=environment, cwd=ROOT
    )

    def serves() -> bool:
        try:
            return httpx.get(f"{address}/health").status_code == 200
        except httpx.TransportError:
            return False

    wait_for(serves, "the writer to serve")
    yield address
    process.kill()
    process.wait(10)


def test_a_publication_goes_all_the_way_with_the_real_writer(
    data_layer: ServerProcess,
    dal: DataLayerSync,
    news: StandIn,
    nursery: Nursery,
    cms: str,
    writer: str,
    tmp_path: Path,
) -> None:
    """Found, written, published, once; the next run finds the week's cadence reached."""
    id = "pub-all-the-way"
    dal.create_publication(
        CreatePublicationInput(id=id, user_id="default", name="P", slug=id,
                               auto_publish_mode="full-auto", cadence_posts_per_week=1,
                               default_author="The desk")
    )  # fmt: skip
    dal.create_topic(CreateTopicInput(id=id, publication_id=id, name="Sourdough science"))
    scout = ScoutProcess(tmp_path / "data", nursery=nursery, FREEHOLD_DAL=data_layer.address,
                         NEWS_URL=news.address, WRITER_URL=writer)  # fmt: skip
    scout.start()

    told = scout.ended(scout.run(id))
    dal.create_topic(CreateTopicInput(id=f"{id}-2", publication_id=id, name="Koji and kraut"))
    again = scout.ended(scout.run(id))
    scout.close()

    posts = httpx.get(f"{cms}/api/posts", headers={"Authorization": f"Bearer {CMS_KEY}"}).json()
    [session] = [each for each in dal.list_sessions() if each.publication_id == id]
    assert told["result"]["written"] == 1, told
    assert session.status == "completed"
    assert [(each["author"], each["status"]) for each in posts["data"]] == [
        ("The desk", "published")
    ]
    assert (again["result"]["written"], again["result"]["reason"]) == (
        0,
        "the week's cadence is reached",
    )
