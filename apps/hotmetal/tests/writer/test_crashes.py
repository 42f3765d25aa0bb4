"""
The writer killed in the middle of publishing and of a turn, and started again.

A real process and `kill -9`. Whatever the moment, there is one post, the session knows it, and
each attempt has one audit row.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hotmetal.clients.hotmetal import DataLayerSync
from hotmetal.services.writer.agent.store import Store
from hotmetal.stand_ins.cms import cms_app
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import Caller, until
from tests.writer.processes import WriterProcess
from tests.writer.test_publish import CMS_KEY, Press

from tests.e2e.processes import ServerProcess, serving


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A data layer of this module's own, because it is killed here too."""
    with serving(tmp_path_factory.mktemp("layer"), command="dev") as server:
        yield server


@pytest.fixture(scope="module")
def cms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cms")
    with served(lambda url: cms_app(folder, key=CMS_KEY, url=url)) as address:
        yield address


@pytest.fixture
def writer(layer: ServerProcess, cms: str, tmp_path: Path) -> Iterator[WriterProcess]:
    httpx.post(f"{cms}/_stand_in/forget", json={})
    process = WriterProcess(
        tmp_path / "writer", FREEHOLD_DAL=layer.address, CMS_URL=cms, CMS_API_KEY=CMS_KEY,
        HOTMETAL_CMS_TIMEOUT_S="5",
    )  # fmt: skip
    yield process
    process.kill()


def publish_unheard(ask: Caller, id: str) -> threading.Thread:
    """Somebody publishes and will not get an answer."""

    def publish() -> None:
        with contextlib.suppress(httpx.TransportError):
            ask("POST", f"/api/sessions/{id}/publish", {"slug": "kites"})

    thread = threading.Thread(target=publish)
    thread.start()
    return thread


@pytest.mark.parametrize("plan", [{"hold_s": 2.0}, {"slow_s": 2.0}], ids=["after", "before"])
def test_a_writer_killed_while_the_cms_has_the_word(
    writer: WriterProcess, layer: ServerProcess, cms: str, plan: dict[str, float]
) -> None:
    """After the CMS stored the post, or before: restarted, it asks first and ends with one."""
    ask = writer.start()
    id = ask.written()
    with DataLayerSync.connect(layer.address) as dal:
        press = Press(ask, cms, dal)
        press.fail(path="/api/posts", method="POST", **plan)
        thread = publish_unheard(ask, id)
        if "hold_s" in plan:
            until(lambda: press.posts(id))
        else:
            until(lambda: "POST" in [c["method"] for c in calls(press)])
        writer.kill()
        thread.join()
        # In its store the post is sent and nothing more is known.
        assert ask_store(writer, id) == ["sent"]

        before = len(calls(press))
        again = Press(writer.start(), cms, dal)
        until(lambda: again.ask.get(f"/api/sessions/{id}")["status"] == "completed")
        # By now the CMS has also dealt with what it was asked before the crash.
        time.sleep(2.0 if "slow_s" in plan else 0.0)
        assert calls(again)[before]["method"] == "GET", "it asks before it sends again"
        [post] = again.posts(id)
        assert again.ask.get(f"/api/sessions/{id}")["cmsPostId"] == post["id"]
        assert again.audited(id, post["id"]) == ["success"]
        assert again.publish(id)[0] == 409
        drafts = again.ask.get(f"/api/sessions/{id}/drafts")
        assert (drafts["phase"], drafts["data"][-1]["isFinal"]) == ("published", True)
        again.cms.close()
        press.cms.close()
        again.ask.close()
    ask.close()


def test_a_writer_killed_before_the_data_layer_knows(
    writer: WriterProcess, layer: ServerProcess, cms: str
) -> None:
    """The data layer is away when the post is out: it is told after both came back, once."""
    ask = writer.start()
    id = ask.written()
    with DataLayerSync.connect(layer.address) as dal:
        press = Press(ask, cms, dal)
        press.fail(path="/api/posts", method="POST", hold_s=1.0)
        thread = publish_unheard(ask, id)
        until(lambda: press.posts(id))
        layer.kill()
        until(lambda: ask_store(writer, id) == ["landed"])
        writer.kill()
        thread.join()
        again = writer.start()
        assert again.error("GET", f"/api/sessions/{id}")[0] == 503
        layer.start()

        until(lambda: again("GET", f"/api/sessions/{id}")[1].get("status") == "completed")
        until(lambda: ask_store(writer, id) == ["saved"])
        [post] = press.posts(id)
        assert press.audited(id, post["id"]) == ["success"]
        press.cms.close()
        again.close()
    ask.close()


def test_it_starts_before_its_data_layer_and_ends_when_told(
    tmp_path: Path, layer: ServerProcess
) -> None:
    """It says what it waits for, serves 503 meanwhile, and goes in time and without a trace."""
    place = tmp_path / "later.sock"
    writer = WriterProcess(tmp_path / "writer", FREEHOLD_DAL=f"unix:{place}")
    try:
        ask = writer.start()
        assert ask.get("/health")["status"] == "ok"
        assert ask.error("GET", "/api/sessions")[0] == 503
        until(lambda: "waiting for the data layer" in writer.said)
        assert "freehold dev" in writer.said
        place.symlink_to(layer.socket)
        until(lambda: ask("GET", "/api/sessions")[0] == 200)
        ask.close()
        began = time.monotonic()
        # uvicorn ends by the signal that it was told to end by, when all is closed.
        assert writer.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 5
        assert "Traceback" not in writer.said
    finally:
        writer.kill()


def calls(press: Press) -> list[dict[str, str]]:
    listed = press.cms.get("/_stand_in/calls").json()["data"]
    return [call for call in listed if call["path"] == "/api/posts"]


def ask_store(writer: WriterProcess, session_id: str) -> list[str]:
    """The states of the session's attempts, as they are on disk."""
    store = Store(writer.folder / "writer.db")
    try:
        return [attempt.state for attempt in store.attempts(session_id)]
    finally:
        store.close()
