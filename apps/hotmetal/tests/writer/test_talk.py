"""
The talk with the offline writer: from the first word to a draft and its revisions.

The whole way over HTTP; the model is the one that works without any key.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.writer.agent.store import AgentRow, Store
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import KEY, SEED, Caller

from tests.e2e.processes import ServerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("writer")


@pytest.fixture(scope="module")
def ask(data_layer: ServerProcess, folder: Path) -> Iterator[Caller]:
    settings = WriterSettings(api_key=KEY, data_dir=folder)
    with served(lambda _: writer_app(settings, DataLayer.connect(data_layer.address))) as address:
        caller = Caller(address)
        yield caller
        caller.close()


def test_it_asks_then_drafts_then_revises(ask: Caller) -> None:
    """Phases, versions and the title that the data layer shows."""
    id = ask.session(title="Kites", seedContext=SEED)
    assert ask.get(f"/api/sessions/{id}/drafts") == {
        "data": [], "phase": "idle", "isGenerating": False,
    }  # fmt: skip

    first = ask.says(id, "Hello there")
    assert first["phase"] == "interviewing"
    assert first["text"].count("?") == 2
    assert "HOTMETAL_MODEL" in first["text"], "it says what it is, and how to have another"

    second = ask.says(id, "1. That wind pays.\n2. Captain Ada Brandt flew it herself in 2025.")
    assert (second["phase"], second["draftVersion"]) == ("revising", 1)
    assert "HOTMETAL_MODEL" not in second["text"], "once is enough"
    draft = ask.get(f"/api/sessions/{id}/drafts/1")
    assert draft["title"] == "The kite that pulls a ship"
    for given in ("A freighter crossed with a kite.", "## Wind is free again", "That wind pays.",
                  "Captain Ada Brandt flew it herself in 2025.", "nine days",
                  "(https://kites.example/sea)"):  # fmt: skip
        assert given in draft["content"]
    assert draft["citations"] == [{"url": "https://kites.example/sea", "title": "Kites at sea"}]
    assert draft["wordCount"] == len(draft["content"].split())

    ask.says(id, "Add that the crew called it Matilda.")
    ask.says(id, "Call it “A kite named Matilda”")
    latest = ask.get(f"/api/sessions/{id}/drafts/3")
    assert latest["title"] == "A kite named Matilda"
    assert "The crew called it Matilda." in latest["content"]
    assert latest["citations"] == draft["citations"]
    shorter = ask.says(id, "Make it shorter please")
    assert ask.get(f"/api/sessions/{id}/drafts/4")["wordCount"] < latest["wordCount"]
    assert shorter["draftVersion"] == 4
    assert ask.says(id, "thanks")["draftVersion"] == 4, "thanks are no feedback"

    session = ask.get(f"/api/sessions/{id}")
    assert (session["title"], session["currentDraftVersion"]) == ("A kite named Matilda", 4)
    listed = ask.get(f"/api/sessions/{id}/drafts")
    assert [each["version"] for each in listed["data"]] == [1, 2, 3, 4]
    assert {each["isReady"] for each in listed["data"]} == {True}
    assert {each["isFinal"] for each in listed["data"]} == {False}


def test_without_an_assignment_it_asks_what_it_is_about(ask: Caller) -> None:
    """Everything in the draft was said by the person."""
    id = ask.session()
    ask.says(id, "A piece about the night ferry")
    ask.says(id, "The night ferry stops in May. Nobody told the 300 people who use it.")
    draft = ask.get(f"/api/sessions/{id}/drafts/1")

    assert "The night ferry stops in May." in draft["content"]
    assert ask.get(f"/api/sessions/{id}")["title"] == draft["title"]


def test_out_of_nothing_comes_no_draft(ask: Caller) -> None:
    """Told to write before it was told anything, it asks again."""
    id = ask.session()
    ask.says(id, "Hello")
    answer = ask.says(id, "Write it.")

    assert answer["draftVersion"] is None
    assert "?" in answer["text"]


def test_told_to_write_it_writes_at_once(ask: Caller) -> None:
    """As the scout tells it; the order to write is not in the post."""
    id = ask.session(seedContext=SEED)
    order = "Write the full post now from the assignment, without asking anything. Use the sources."
    assert ask.says(id, order)["draftVersion"] == 1
    draft = ask.get(f"/api/sessions/{id}/drafts/1")

    assert "A freighter crossed with a kite." in draft["content"]
    assert "Write the full post" not in draft["content"]
    assert "Use the sources" not in draft["content"]
    assert ask.says(id, order)["draftVersion"] == 1, "told again, it has nothing to add"


def test_an_answer_streams_as_it_comes(ask: Caller) -> None:
    """Tools, drafts, phases and words, then the whole once more; the store has it too."""
    id = ask.session(seedContext=SEED)
    events = ask.streams(id, "Write it now.")
    kinds = [kind for kind, _ in events]
    text = "".join(fields["text"] for kind, fields in events if kind == "text")
    done = events[-1][1]

    assert kinds[0] == "phase"
    assert kinds[-1] == "done"
    assert kinds.count("text") > 3
    assert ("tool", {"name": "save_draft"}) in events
    [draft] = [fields for kind, fields in events if kind == "draft"]
    assert draft["version"] == 1
    assert text == done["text"]
    [turn] = ask.get(f"/api/sessions/{id}/chat")["data"]
    assert (turn["state"], turn["answer"], turn["model"]) == ("done", text, "offline-writer")


@pytest.mark.parametrize(
    ("id", "body", "status", "said"),
    [
        ("none", {"message": "Hello"}, 404, "Session not found"),
        ("ses-notes", {}, 400, "message is required"),
        ("ses-notes", {"message": " "}, 400, "message is required"),
        ("ses-notes", {"message": "x" * 20_001}, 400, "message must be 20000 characters or less"),
        ("ses-notes", {"retry": "none"}, 404, "Turn not found"),
    ],
)
def test_what_is_wrong_is_said(
    ask: Caller, id: str, body: dict[str, str], status: int, said: str
) -> None:
    """The status and the words of each rule."""
    assert ask.error("POST", f"/api/sessions/{id}/chat", body) == (status, said)


def test_unknown_sessions_and_versions_are_404(ask: Caller) -> None:
    """Also versions that no number of the store can hold."""
    id = ask.session()
    assert ask.error("GET", "/api/sessions/none/drafts") == (404, "Session not found")
    assert ask.error("GET", "/api/sessions/none/chat") == (404, "Session not found")
    for version in ("1", "0", "9" * 30):
        path = f"/api/sessions/{id}/drafts/{version}"
        assert ask.error("GET", path) == (404, "Draft not found")


def test_a_repeated_message_is_one_turn(ask: Caller) -> None:
    """The same idempotency key gives the answer again and runs nothing twice."""
    id, body = ask.session(seedContext=SEED), {"message": "Write it now."}
    first = ask("POST", f"/api/sessions/{id}/chat", body, key="k1")
    again = ask("POST", f"/api/sessions/{id}/chat", body, key="k1")

    assert again == first
    assert len(ask.get(f"/api/sessions/{id}/chat")["data"]) == 1
    assert len(ask.get(f"/api/sessions/{id}/drafts")["data"]) == 1


def test_sessions_talk_at_once_and_do_not_mix(ask: Caller) -> None:
    """Each agent has its own talk and its own drafts."""
    ids = [ask.session(seedContext=SEED.replace("Wind is free", f"Angle {i}")) for i in range(6)]
    threads = [threading.Thread(target=ask.says, args=(id, "Write it now.")) for id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for i, id in enumerate(ids):
        draft = ask.get(f"/api/sessions/{id}/drafts/1")
        assert f"## Angle {i} again" in draft["content"]


def test_the_talk_survives_a_restart_and_what_broke_off_is_marked(
    data_layer: ServerProcess, tmp_path: Path
) -> None:
    """Drafts and turns are there; a turn in the middle is interrupted and can run again."""
    settings = WriterSettings(api_key=KEY, data_dir=tmp_path)

    def start() -> DataLayer:
        return DataLayer.connect(data_layer.address)

    with served(lambda _: writer_app(settings, start())) as address:
        ask = Caller(address)
        id = ask.session(title="Kites", seedContext=SEED)
        ask.says(id, "Hello there")
        ask.close()
    # As a process leaves it that was killed in the middle of a turn.
    store = Store(tmp_path / "writer.db")
    store.start_agent(AgentRow(id, "interviewing", "Kites", None, 0))
    store.begin_turn(id, "broken-off", "That wind pays, and that nobody believed it.")
    store.close()

    with served(lambda _: writer_app(settings, start())) as address:
        ask = Caller(address)
        turns = ask.get(f"/api/sessions/{id}/chat")["data"]
        assert [turn["state"] for turn in turns] == ["done", "interrupted"]
        status, answer = ask("POST", f"/api/sessions/{id}/chat", {"retry": "broken-off"}, key="k")
        assert (status, answer["draftVersion"]) == (200, 1)
        assert [t["state"] for t in ask.get(f"/api/sessions/{id}/chat")["data"]] == ["done"] * 2
        assert "nobody believed it" in ask.get(f"/api/sessions/{id}/drafts/1")["content"]
        ask.close()
