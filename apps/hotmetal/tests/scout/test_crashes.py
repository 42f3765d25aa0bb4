"""
kill -9 of a real scout in the middle of each step, while somebody holds its answer back.

After each kill the scout is started again on its folder. What it asked the others is counted at
the others: no finished step is done again, no idea is there twice, nothing is written twice.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hotmetal.clients.hotmetal import (
    CreateIdeaInput,
    CreatePublicationInput,
    CreateTopicInput,
    DataLayerSync,
)
from hotmetal.services.scout.auto_write import slug_of
from hotmetal.stand_ins.in_thread import served
from tests.scout.gates import Gates
from tests.scout.nursery import Nursery
from tests.scout.scouts import ScoutProcess, StandIn, wait_for
from tests.scout.small_model import SmallModel
from tests.scout.small_writer import SmallWriter

from tests.e2e.processes import ServerProcess

STEPS = ["load-context", "search-content", "dedupe-stories", "generate-ideas", "store-ideas"]
SUB_STEPS = ["begin", "decide", "open", "claim", "tell", "wait", "publish"]
HELD = {"times": 1, "hold_s": 5}


@pytest.fixture(scope="module")
def small_writer(data_layer: ServerProcess) -> SmallWriter:
    return SmallWriter(data_layer.address)


@pytest.fixture(scope="module")
def writer(small_writer: SmallWriter) -> Iterator[StandIn]:
    with served(small_writer.app) as address:
        yield StandIn(address)


@pytest.fixture(scope="module")
def small_model() -> SmallModel:
    return SmallModel()


@pytest.fixture(scope="module")
def model(small_model: SmallModel) -> Iterator[StandIn]:
    with served(small_model.app) as address:
        yield StandIn(address)


@pytest.fixture
def scout(
    data_layer: ServerProcess,
    news: StandIn,
    writer: StandIn,
    model: StandIn,
    small_writer: SmallWriter,
    small_model: SmallModel,
    nursery: Nursery,
    tmp_path: Path,
) -> Iterator[ScoutProcess]:
    news.forget()
    scout = ScoutProcess(
        tmp_path / "data",
        nursery=nursery,
        FREEHOLD_DAL=data_layer.address,
        NEWS_URL=news.address,
        WRITER_URL=writer.address,
        HOTMETAL_MODEL="openai-chat:small",
        OPENAI_BASE_URL=model.address,
        OPENAI_API_KEY="none",
    )
    scout.start()
    yield scout
    scout.close()
    small_writer.gates.open_all()
    small_model.gates.open_all()


def publication(dal: DataLayerSync, id: str, **fields: object) -> str:
    """One that writes by itself, with a topic and an idea of today."""
    data = {"user_id": "default", "name": "The Paper", "slug": id, "auto_publish_mode": "publish",
            "default_author": "The desk"} | fields  # fmt: skip
    dal.create_publication(CreatePublicationInput(id=id, **data))  # type: ignore[arg-type]
    dal.create_topic(CreateTopicInput(id=f"{id}-topic", publication_id=id, name="Sourdough"))
    known = CreateIdeaInput(
        id=f"{id}-known", publication_id=id, title="Known", angle="Old", summary="Told."
    )
    dal.create_idea(known)
    return id


def done(scout: ScoutProcess, run: str) -> list[str]:
    """The names of the steps that are finished."""
    return [each["name"] for each in scout.told(run)["steps"]]


class Killed:
    """A run whose scout is killed in each of its steps."""

    def __init__(self, scout: ScoutProcess, server: ServerProcess, run: str) -> None:
        self.scout = scout
        self.server = server
        self.run = run

    def while_stories_are_found(self, news: StandIn) -> None:
        """load-context, search-content."""
        with standing_still(self.server):
            wait_for(lambda: self.scout.told(self.run)["state"] == "running", "the run to begin")
            self.scout.kill()
        news.fail(**HELD)
        self.scout.start()
        wait_for(lambda: len(news.calls()) == 1, "the feed to be asked")
        self.scout.kill()

    def while_the_model_thinks(self, gates: Gates) -> None:
        """dedupe-stories, generate-ideas."""
        self.killed_at(gates, "dedupe")
        self.killed_at(gates, "generate")

    def while_ideas_are_stored(self, gates: Gates) -> None:
        """store-ideas: the call waits in the data layer's socket and is done without its caller."""
        self.killed_behind(gates, "generate", "generate-ideas")

    def while_it_writes(self, gates: Gates) -> None:
        """auto-write: what was asked for is done each time, and nobody was told."""
        self.killed_at(gates, "open")
        self.killed_behind(gates, "open", "auto-write.open")
        self.killed_at(gates, "tell")
        self.killed_at(gates, "publish")

    def killed_at(self, gates: Gates, gate: str) -> None:
        """Start it, and kill it while it is held."""
        gates.open(gate)
        gates.close(gate)
        self.scout.start()
        gates.wait(gate)
        self.scout.kill()

    def killed_behind(self, gates: Gates, gate: str, step: str) -> None:
        """Start it, and kill it in the step behind, which asks a data layer that stands still."""
        gates.open(gate)
        gates.close(gate)
        self.scout.start()
        gates.wait(gate)
        with standing_still(self.server):
            gates.open(gate)
            wait_for(lambda: step in done(self.scout, self.run), f"{step} to be done")
            self.scout.kill()


def test_a_run_outlives_a_kill_in_each_of_its_steps(
    scout: ScoutProcess,
    dal: DataLayerSync,
    data_layer: ServerProcess,
    small_writer: SmallWriter,
    small_model: SmallModel,
    news: StandIn,
) -> None:
    """One run, nine kills, one post."""
    id = publication(dal, "pub-nine")
    killed = Killed(scout, data_layer, scout.run(id))

    killed.while_stories_are_found(news)
    killed.while_the_model_thinks(small_model.gates)
    killed.while_ideas_are_stored(small_model.gates)
    killed.while_it_writes(small_writer.gates)
    scout.start()
    told = scout.ended(killed.run)

    ideas = dal.list_ideas_by_publication(id)
    [session] = [each for each in dal.list_sessions() if each.publication_id == id]
    assert (told["state"], told["result"]["written"]) == ("finished", 1), told
    assert len(ideas) == told["result"]["ideas"] + 1
    assert [each.session_id for each in ideas if each.status == "promoted"] == [session.id]
    assert {key: len(turns) for key, turns in small_writer.turns.items()} == {session.id: 1}
    post = {"slug": slug_of(session.title or ""), "author": "The desk"}
    assert list(small_writer.posts.values()) == [[post]]
    # Asked again was only what had no answer: the feed's first search, the questions held.
    assert len(news.calls()) == 3
    assert small_model.asked == ["dedupe"] * 2 + ["generate"] * 2
    assert done(scout, killed.run) == [*STEPS, *(f"auto-write.{each}" for each in SUB_STEPS)]


@contextmanager
def standing_still(server: ServerProcess) -> Iterator[None]:
    """The server takes no step for the time of the block; what is sent to it waits."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_dead_letter_is_delivered_again(
    scout: ScoutProcess,
    dal: DataLayerSync,
    small_writer: SmallWriter,
    small_model: SmallModel,
    writer: StandIn,
    news: StandIn,
) -> None:
    """After three more deliveries the run is dead; a fourth, asked for, goes on where it failed."""
    id = publication(dal, "pub-dead", auto_publish_mode="full-auto")
    small_model.asked.clear()
    writer.forget()
    writer.fail(times=8, status=500, path="/api/sessions")

    told = scout.ended(scout.run(id))
    tries = len(writer.calls())
    dead = scout.http.get("/api/scout/dead-letters").json()["data"]
    searches = len(news.calls())
    scout.restart()
    retried = scout.http.post(f"/api/scout/dead-letters/{told['id']}/retry")
    again = scout.ended(told["id"])

    # Two tries in each of four deliveries; the words are the writer's.
    assert (told["state"], tries) == ("dead", 8)
    assert "auto-write.open: the writer answered 500" in told["error"]
    assert [each["id"] for each in dead] == [told["id"]]
    assert retried.status_code == 202
    assert (again["state"], again["result"]["written"]) == ("finished", 1)
    assert scout.http.get("/api/scout/dead-letters").json()["data"] == []
    assert (len(news.calls()), small_model.asked) == (searches, ["dedupe", "generate"])
    [session] = [each for each in dal.list_sessions() if each.publication_id == id]
    assert len(small_writer.posts[session.id]) == 1


def test_a_scout_that_is_asked_to_stop_goes_on_at_its_next_start(
    scout: ScoutProcess, dal: DataLayerSync, small_writer: SmallWriter, small_model: SmallModel
) -> None:
    """In the middle of a step, within five seconds; the step has not failed by it."""
    id = publication(dal, "pub-asked")
    small_model.gates.close("generate")
    run = scout.run(id)
    small_model.gates.wait("generate")

    began = time.monotonic()
    scout.end(signal.SIGTERM)
    took = time.monotonic() - began
    scout.start()
    told = scout.ended(run)

    assert took < 5
    assert (told["state"], told["result"]["written"]) == ("finished", 1), told
    assert [each["state"] for each in told["steps"]] == ["finished"] * 12
    assert "Traceback" not in scout.log.read_text()
