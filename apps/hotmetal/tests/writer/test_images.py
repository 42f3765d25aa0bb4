"""
Images without any provider, and the public route that serves them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import KEY, Caller

from tests.e2e.processes import ServerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def ask(data_layer: ServerProcess, folder: Path) -> Iterator[Caller]:
    settings = WriterSettings(api_key=KEY, data_dir=folder)
    with served(lambda _: writer_app(settings, DataLayer.connect(data_layer.address))) as address:
        caller = Caller(address)
        yield caller
        caller.close()


def images(ask: Caller, id: str, prompt: str = "A kite & a <ship>") -> list[str]:
    status, made = ask("POST", f"/api/sessions/{id}/generate-images", {"prompt": prompt})
    assert status == 200, made
    assert made["madeBy"] == "offline"
    assert "HOTMETAL_IMAGES_MODEL" in made["note"]
    return [each["url"] for each in made["images"]]


def test_four_different_drawings_that_say_what_they_are(ask: Caller) -> None:
    """SVG that is well-formed whatever the prompt says, public, and of no other type."""
    drawings = set()
    for url in images(ask, ask.session()):
        answer = httpx.get(url)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        ElementTree.fromstring(answer.text)
        assert "composed offline" in answer.text
        drawings.add(answer.text)

    assert len(drawings) == 4


def test_the_chosen_image_goes_with_the_session(ask: Caller) -> None:
    """One of this session's, by its whole address or its path; nobody else's."""
    id, other = ask.session(), ask.session()
    url, path = images(ask, id)[0], f"/api/sessions/{id}/select-image"
    short = "/" + url.partition("//")[2].partition("/")[2]

    assert ask("POST", path, {"imageUrl": short}) == (200, {"featuredImageUrl": short})
    assert ask("POST", path, {"imageUrl": url}) == (200, {"featuredImageUrl": url})
    assert ask.get(f"/api/sessions/{id}")["featuredImageUrl"] == url
    refused = (400, "imageUrl must reference an image from this session")
    for foreign in (
        images(ask, other)[0],
        url.replace("http://127.0.0.1", "http://evil.example"),
        f"javascript:{short}",
        url + "?x=1",
        url[:-5] + ("1.svg" if url[-5] == "0" else "0.svg"),
        short.replace("/sessions/", "/sessions/../sessions/"),
        "http://[",
    ):
        assert ask.error("POST", path, {"imageUrl": foreign}) == refused, foreign
    assert ask.error("POST", path, {}) == (400, "imageUrl is required")
    gone = ask.error("POST", "/api/sessions/none/select-image", {"imageUrl": url})
    assert gone == (404, "Session not found")


def test_no_way_leads_out_of_the_folder(ask: Caller, folder: Path) -> None:
    """Only names that the writer gave are read, however the way is written."""
    id = ask.session()
    images(ask, id)
    (folder / "images" / "sessions.txt").write_text("secret")
    for way in (
        "../writer.db", "..%2fwriter.db", "sessions/../../writer.db", "%2e%2e/writer.db",
        f"sessions/{id}/../../../writer.db", f"sessions/{id}/..%2f..%2f..%2fwriter.db",
        "sessions.txt", f"sessions/{id}", f"sessions/{id}/", "", "/etc/passwd", "//etc/passwd",
        f"sessions/{id}/%00.svg",
    ):  # fmt: skip
        answer = ask.http.get(f"/api/images/{way}")
        assert answer.status_code == 404, way
        assert b"secret" not in answer.content


@pytest.mark.parametrize(
    ("what", "body", "status", "said"),
    [
        ("generate-images", {}, 400, "prompt is required"),
        ("generate-images", {"prompt": "x" * 1001}, 400, "prompt must be 1000 characters or less"),
        ("generate-seo", None, 400, "No draft exists."),
        ("generate-image-prompt", None, 400, "No draft found"),
    ],
)
def test_what_is_wrong_is_said(
    ask: Caller, what: str, body: dict[str, str] | None, status: int, said: str
) -> None:
    """The status and the words of each rule; and of a session that is not there."""
    id = ask.session()
    assert ask.error("POST", f"/api/sessions/{id}/{what}", body) == (status, said)
    missing = ask.error("POST", f"/api/sessions/none/{what}", {"prompt": "x"})
    assert missing == (404, "Session not found")


def test_without_a_model_all_comes_out_of_the_draft(ask: Caller) -> None:
    """Title, description, excerpt, hook and slug; and a prompt for the image."""
    id = ask.written()
    status, seo = ask("POST", f"/api/sessions/{id}/generate-seo")

    assert (status, seo) == (200, {
        "title": "The kite that pulls a ship",
        "description": "A freighter crossed with a kite.",
        "excerpt": "A freighter crossed with a kite.",
        "hook": "A freighter crossed with a kite.",
        "slug": "the-kite-that-pulls-a-ship",
    })  # fmt: skip
    status, said = ask("POST", f"/api/sessions/{id}/generate-image-prompt")
    assert (status, "The kite that pulls a ship" in said["prompt"]) == (200, True)
    assert len(said["prompt"]) <= 1000
