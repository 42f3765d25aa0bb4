"""
A language model over the wire: a provider's stand-in that answers, and fails in every way.

What goes over the socket is what OpenAI's chat completions and images are asked; the model's
name is an ordinary one of pydantic-ai.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.settings import SettingMissing
from hotmetal.services.writer.agent.model import make_model
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.model import model_app
from hotmetal.stand_ins.search import search_app
from tests.writer.callers import KEY, SEED, Caller, until

from tests.e2e.processes import ServerProcess

MODEL_KEY = "the-key-of-the-model"


class Studio:
    """The writer and its model's provider."""

    def __init__(self, ask: Caller, provider: str) -> None:
        self.ask = ask
        self.provider = httpx.Client(base_url=provider)

    def replies(self, *replies: dict[str, Any]) -> None:
        """What the model answers next."""
        self.provider.post("/_stand_in/script", json={"replies": replies}).raise_for_status()

    def fail(self, **plan: Any) -> None:
        """What the provider does next."""
        self.provider.post("/_stand_in/fail", json=plan).raise_for_status()

    def asked(self) -> list[Any]:
        """The bodies of the requests so far."""
        calls = self.provider.get("/_stand_in/calls").json()["data"]
        return [call["body"] for call in calls if call["method"] == "POST"]


@pytest.fixture(scope="module")
def studio(data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with (
        pytest.MonkeyPatch.context() as environ,
        served(lambda _: model_app(MODEL_KEY)) as provider,
        served(lambda _: search_app("search-key")) as search,
    ):
        environ.setenv("OPENAI_API_KEY", MODEL_KEY)
        environ.setenv("OPENAI_BASE_URL", f"{provider}/v1")
        settings = WriterSettings(
            api_key=KEY,
            data_dir=tmp_path_factory.mktemp("studio"),
            model="openai-chat:stand-in",
            model_timeout_s=2,
            images_model="drawing",
            images_url=f"{provider}/v1",
            images_key=MODEL_KEY,
            search_url=search,
            search_key="search-key",
        )
        dal = DataLayer.connect(data_layer.address)
        with served(lambda _: writer_app(settings, dal)) as address:
            studio = Studio(Caller(address), provider)
            yield studio
            studio.ask.close()
            studio.provider.close()


@pytest.fixture(autouse=True)
def quiet_model(studio: Studio) -> None:
    """Nothing of an earlier test is left."""
    studio.provider.post("/_stand_in/forget", json={})
    studio.replies()


def test_a_model_works_with_the_tools(studio: Studio) -> None:
    """Phases, notes, a search and a draft; the talk goes with every request."""
    ask, id = studio.ask, studio.ask.session(title="Kites", seedContext=SEED)
    studio.replies(
        {"calls": [{"name": "set_phase", "arguments": {"phase": "researching"}},
                   {"name": "search_web", "arguments": {"query": "ship kites"}}]},
        {"calls": [{"name": "save_note", "arguments": {"text": "Nine.", "source": "https://k"}}]},
        {"calls": [{"name": "save_draft", "arguments": {
            "title": "Nine days of wind", "content": "It flew.",
            "citations": [{"url": "https://k", "title": "K"}]}}]},
        {"text": "The draft is there."},
    )  # fmt: skip
    events = ask.streams(id, "Please write it.")
    tools = [fields["name"] for kind, fields in events if kind == "tool"]
    phases = [fields["phase"] for kind, fields in events if kind == "phase"]

    assert tools == ["set_phase", "search_web", "save_note", "save_draft"]
    assert phases == ["interviewing", "researching", "revising"]
    assert "".join(f["text"] for kind, f in events if kind == "text") == "The draft is there."
    assert ask.get(f"/api/sessions/{id}/drafts/1")["content"] == "It flew."
    assert ask.get(f"/api/sessions/{id}")["title"] == "Nine days of wind"
    first, second, *_ = studio.asked()
    system = next(m["content"] for m in first["messages"] if m["role"] in ("system", "developer"))
    assert "A freighter crossed with a kite." in system
    assert "https://" in str(second["messages"][-1]["content"]), "what the search found"

    ask.says(id, "And now?")
    last = studio.asked()[-1]["messages"]
    said = [m["content"] for m in last if m["role"] == "user"]
    assert said == ["Please write it.", "And now?"]
    assert "It flew." in str(last[0]["content"]), "the draft is in the instructions"
    assert ask.get(f"/api/sessions/{id}/chat")["data"][0]["model"] == "stand-in"


@pytest.mark.parametrize(
    ("plan", "reply", "code"),
    [
        ({"status": 429, "times": 9}, None, "model_rate_limited"),
        ({"status": 500, "times": 9}, None, "model_unavailable"),
        ({"status": 401, "times": 9}, None, "model_refused"),
        ({"status": "drop_before", "times": 9}, None, "model_unavailable"),
        ({"slow_s": 3, "times": 9}, None, "model_timeout"),
        (None, {"broken": "garbage"}, "model_garbage"),
        (None, {"broken": "mid_stream", "text": "Once upon a time there was a kite " * 5},
         "model_unavailable"),
        (None, {"calls": [{"name": "no_such_tool"}]}, "model_garbage"),
        (None, {"calls": [{"name": "save_draft", "arguments": {"title": 7}}]}, "model_garbage"),
    ],
    ids=str,
)  # fmt: skip
def test_a_model_that_fails_is_a_502_and_the_talk_goes_on(
    studio: Studio, plan: dict[str, Any] | None, reply: dict[str, Any] | None, code: str
) -> None:
    """A typed error without anything of the inside; the same turn can run again."""
    ask, id = studio.ask, studio.ask.session(title="Kites")
    if plan is not None:
        studio.fail(path="/v1/chat", **plan)
    if reply is not None:
        studio.replies(*[reply] * 9)
    status, said = ask("POST", f"/api/sessions/{id}/chat", {"message": "Hello there"})

    assert (status, said["code"]) == (502, code), said
    assert "Traceback" not in said["error"]
    assert "127.0.0.1" not in said["error"]
    [turn] = ask.get(f"/api/sessions/{id}/chat")["data"]
    assert (turn["state"], turn["error"]) == ("failed", said["error"])

    studio.provider.post("/_stand_in/forget", json={})
    studio.replies({"text": "Hello yourself."})
    again = ask("POST", f"/api/sessions/{id}/chat", {"retry": turn["id"]})
    assert (again[0], again[1]["text"]) == (200, "Hello yourself.")
    assert [t["state"] for t in ask.get(f"/api/sessions/{id}/chat")["data"]] == ["done"]


def test_an_error_in_a_stream_is_its_last_event(studio: Studio) -> None:
    """The words so far were told; then the error, typed."""
    id = studio.ask.session(title="Kites")
    studio.replies(*[{"broken": "mid_stream", "text": "Once upon a time " * 20}] * 3)
    events = studio.ask.streams(id, "Hello there")

    assert "text" in [kind for kind, _ in events]
    kind, fields = events[-1]
    assert (kind, fields["code"], fields["status"]) == ("error", "model_unavailable", 502)


def test_a_reader_that_goes_away_does_not_lose_the_turn(studio: Studio) -> None:
    """It is finished and stored; meanwhile a second message is refused with 429."""
    ask, id = studio.ask, studio.ask.session(title="Kites")
    studio.fail(path="/v1/chat", slow_s=0.7)
    studio.replies({"calls": [{"name": "save_draft", "arguments": {"title": "T", "content": "C"}}]},
                   {"text": "There it is."})  # fmt: skip
    path = f"/api/sessions/{id}/chat"
    with ask.http.stream(
        "POST", path, json={"message": "Write"}, headers={"Accept": "text/event-stream"}
    ) as answer:
        next(answer.iter_lines())
    status, said = ask("POST", path, {"message": "Are you there?"})
    assert (status, said["code"]) == (429, "turn_under_way")
    assert ask.get(f"/api/sessions/{id}/drafts")["isGenerating"] is True

    until(lambda: not ask.get(path)["isGenerating"])
    [turn] = ask.get(path)["data"]
    assert (turn["state"], turn["answer"]) == ("done", "There it is.")
    [draft] = ask.get(f"/api/sessions/{id}/drafts")["data"]
    assert draft["isReady"] is True


def test_a_draft_is_not_ready_while_its_turn_runs(studio: Studio) -> None:
    """The scout waits for a draft that nobody is still at."""
    ask, id = studio.ask, studio.ask.session(title="Kites")
    draft = {"name": "save_draft", "arguments": {"title": "T", "content": "C"}}
    studio.replies({"calls": [draft]}, {"text": "There it is."})
    studio.fail(path="/v1/chat", hold_s=0.3, times=2)
    writing = threading.Thread(target=ask.says, args=(id, "Write"))
    writing.start()
    [listed] = until(lambda: ask.get(f"/api/sessions/{id}/drafts")["data"])
    writing.join()

    assert listed["isReady"] is False
    assert ask.get(f"/api/sessions/{id}/drafts")["data"][0]["isReady"] is True


def test_what_a_post_needs_besides_comes_in_a_fixed_form(studio: Studio) -> None:
    """Cut to what fits; a slug is a slug, whatever the model says."""
    ask = studio.ask
    id = ask.session(title="Kites")
    ask.says(id, "Please write it.")
    seo = {"title": "T" * 80, "description": "word " * 60, "excerpt": "E.", "hook": "H!",
           "slug": "Ünder the  Sea!"}  # fmt: skip
    studio.replies({"calls": [{"name": "final_result", "arguments": seo}]},
                   {"text": "A kite over a grey sea."})  # fmt: skip
    status, said = ask("POST", f"/api/sessions/{id}/generate-seo")

    assert status == 200
    assert said["slug"] == "under-the-sea"
    assert len(said["title"]) <= 60
    assert len(said["description"]) <= 155
    prompt = ask("POST", f"/api/sessions/{id}/generate-image-prompt")
    assert prompt == (200, {"prompt": "A kite over a grey sea."})
    studio.fail(path="/v1/chat", status=500, times=9)
    failed = ask("POST", f"/api/sessions/{id}/generate-seo")
    assert (failed[0], failed[1]["code"]) == (502, "model_unavailable")


def test_images_of_a_model_are_kept(studio: Studio) -> None:
    """Four, of the type that their bytes say; a provider that fails is 502 and keeps none."""
    ask, id = studio.ask, studio.ask.session(title="Kites")
    status, made = ask("POST", f"/api/sessions/{id}/generate-images", {"prompt": "A kite"})

    assert (status, made["madeBy"], len(made["images"])) == (200, "model", 4)
    for each in made["images"]:
        image = httpx.get(each["url"])
        assert image.headers["content-type"] == "image/png"
        assert image.content.startswith(b"\x89PNG")
    studio.fail(path="/v1/images", status=500)
    refused = ask("POST", f"/api/sessions/{id}/generate-images", {"prompt": "A kite"})
    assert refused == (502, {"error": "the images API did not make the images"})
    studio.fail(path="/v1/images", status=200, body={"data": [{"b64_json": "PHN2Zz4="}]}, times=4)
    refused = ask("POST", f"/api/sessions/{id}/generate-images", {"prompt": "A kite"})
    assert refused == (502, {"error": "the images API answered something that is no image"})


def test_a_model_that_cannot_be_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the setting, before anything is served."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name in ("nobody:nothing", "openai-chat:gpt-5-mini"):
        with pytest.raises(SettingMissing, match="HOTMETAL_MODEL"):
            make_model(WriterSettings(model=name))
