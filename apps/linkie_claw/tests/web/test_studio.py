"""
The studio: an idea becomes texts and images, by each of the generators, and is kept.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from starlette.datastructures import Secret
from tests.web.stand_ins import API_KEY, PNG, VOICES, WEBP
from tests.web.worlds import Browser, World, web_served

IDEA = "Why ferries should run on time"
LOOKS = [
    "photography", "illustration", "minimalist",
    "abstract", "infographic", "three-dimensional",
]  # fmt: skip


def test_an_idea_becomes_six_texts(world: World) -> None:
    """One in each voice, the same each time, and kept with the idea."""
    ada = world.person()

    made = ada.post("/api/generate/text", {"idea": IDEA})

    assert made.status_code == 200
    variations = made.json()["variations"]
    assert [each["tone"] for each in variations] == list(VOICES)
    assert [each["id"] for each in variations] == [f"var-{number}" for number in range(1, 7)]
    assert variations[0]["style"] == "Storytelling"
    assert all(IDEA in each["content"] and len(each["content"]) <= 3000 for each in variations)
    assert len({each["content"] for each in variations}) == 6
    assert made.json()["provider"] == "offline"
    kept = ada.get(f"/api/generations/{made.json()['generationId']}").json()
    assert (kept["idea"], kept["textVariations"], kept["images"]) == (IDEA, variations, [])
    assert ada.post("/api/generate/text", {"idea": IDEA}).json()["variations"] == variations


def test_an_idea_becomes_images_that_are_served(world: World) -> None:
    """One in each look, as many as asked for; an image is looked at and can do nothing."""
    ada = world.person()

    made = ada.post("/api/generate/image", {"idea": IDEA, "count": 4}).json()
    six = ada.post("/api/generate/image", {"idea": IDEA}).json()

    assert (made["count"], six["count"]) == (4, 6)
    assert [each["styleId"] for each in six["images"]] == LOOKS
    image = world.browser().get(made["images"][0]["url"])
    assert image.headers["content-type"] == "image/svg+xml"
    assert image.text.startswith("<svg")
    assert image.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert image.headers["x-content-type-options"] == "nosniff"


def test_texts_and_images_are_kept_together_and_chosen(world: World) -> None:
    """201 with both; the choice is noted, in part and again, and can be taken back."""
    ada, eve = world.person(), world.person()

    made = ada.post("/api/generate", {"idea": IDEA, "count": 2})

    assert made.status_code == 201
    path = f"/api/generations/{made.json()['id']}"
    assert (len(made.json()["textVariations"]), len(made.json()["images"])) == (6, 2)
    chosen = ada.patch(path, {"selectedTextId": "var-2"}).json()
    assert (chosen["selectedTextId"], chosen["selectedImageId"]) == ("var-2", None)
    chosen = ada.patch(path, {"selectedImageId": "img-1"}).json()
    assert (chosen["selectedTextId"], chosen["selectedImageId"]) == ("var-2", "img-1")
    assert ada.patch(path, {"selectedTextId": None}).json()["selectedTextId"] is None
    assert ada.patch(path, {"selectedTextId": 7}).status_code == 400
    assert [each["id"] for each in ada.get("/api/generations").json()] == [made.json()["id"]]

    assert eve.get("/api/generations").json() == []
    for response in (eve.get(path), eve.patch(path, {"selectedTextId": "var-1"})):
        assert (response.status_code, response.json()) == (404, {"error": "Generation not found"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"idea": "too short"},
        {"idea": "i" * 2001},
        {"idea": IDEA, "count": 0},
        {"idea": IDEA, "count": 7},
        {"idea": IDEA, "count": 1.5},
        {"idea": IDEA, "provider": "palm-reader"},
        {"idea": IDEA, "model": "mine"},
    ],
)
def test_what_is_no_idea_is_refused(world: World, body: Any) -> None:
    """400 with details; nobody is asked and nothing is kept."""
    ada = world.person()

    for path in ("/api/generate", "/api/generate/image"):
        assert ada.post(path, body).status_code == 400
    if set(body) <= {"idea"}:
        assert ada.post("/api/generate/text", body).status_code == 400
    assert ada.get("/api/generations").json() == []
    assert world.outside.heard == []


def test_a_users_own_voices_are_used(world: World) -> None:
    """Names in the answer, prompts in the question."""
    ada = world.person()
    tones = ada.get("/api/settings/voice-tones").json()["voiceTones"]
    tones[2] |= {"name": "Haiku", "prompt": "Seventeen syllables"}
    ada.put("/api/settings/voice-tones", {"voiceTones": tones})

    made = ada.post("/api/generate/text", {"idea": IDEA, "provider": "gemini"})

    assert made.json()["variations"][2]["style"] == "Haiku"
    assert "Seventeen syllables" in str(world.outside.heard[-1].body["systemInstruction"])


# -- the providers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "kind", "data"),
    [("replicate", "image/webp", WEBP), ("gemini", "image/png", PNG)],
    ids=["replicate", "gemini"],
)
def test_a_provider_writes_and_draws(world: World, provider: str, kind: str, data: bytes) -> None:
    """Over its own protocol; the images are fetched and served from here."""
    ada = world.person()
    world.outside.looks = 1

    made = ada.post("/api/generate", {"idea": IDEA, "count": 2, "provider": provider})

    assert made.status_code == 201, made.text
    assert made.json()["provider"] == provider
    texts = [each["content"] for each in made.json()["textVariations"]]
    assert texts == [f"As {voice}." for voice in VOICES]
    for image in made.json()["images"]:
        served = ada.get(image["url"])
        assert (served.headers["content-type"], served.content) == (kind, data)
    questions = [each for each in world.outside.heard if each.body is not None]
    assert len(questions) == 3
    assert all(IDEA in str(each.body) for each in questions)


@pytest.mark.parametrize("provider", ["replicate", "gemini"])
@pytest.mark.parametrize(
    ("order", "status"),
    [(401, 502), (422, 502), (429, 503), (500, 502), ("nonsense", 502), ("hang", 504)],
)
def test_a_provider_that_fails_is_told_apart(
    world: World, provider: str, order: int | str, status: int
) -> None:
    """Late is 504, busy 503, all else 502; the answer holds nothing of the provider's."""
    ada = world.person()
    world.outside.orders[provider].append(order)

    refused = ada.post("/api/generate/text", {"idea": IDEA, "provider": provider})

    assert refused.status_code == status, refused.text
    assert refused.json()["error"].startswith("Text generation")
    assert API_KEY not in refused.text
    assert ada.get("/api/generations").json() == []


@pytest.mark.parametrize(
    "text", ["", "Sure! Here they are:", "[]", '[{"id": "storytelling", "content": "x"}]', "{}"]
)
def test_a_model_that_does_not_do_as_told_fails(world: World, text: str) -> None:
    """502; a text for each voice or none."""
    ada = world.person()
    world.outside.text = text

    refused = ada.post("/api/generate/text", {"idea": IDEA, "provider": "gemini"})

    assert (refused.status_code, refused.json()) == (502, {"error": "Text generation failed"})


def test_a_model_may_fence_its_answer(world: World) -> None:
    """Models do, whatever they are told; and a text that is too long is cut."""
    ada = world.person()
    texts = ", ".join(f'{{"id": "{voice}", "content": "{"x" * 3100}"}}' for voice in VOICES)
    world.outside.text = f"```json\n[{texts}]\n```"

    made = ada.post("/api/generate/text", {"idea": IDEA, "provider": "replicate"})

    assert [len(each["content"]) for each in made.json()["variations"]] == [3000] * 6


def test_some_images_are_better_than_none(world: World) -> None:
    """Those that came are kept; when none came it failed."""
    ada = world.person()
    world.outside.orders["gemini"] += [500, 500]

    made = ada.post("/api/generate/image", {"idea": IDEA, "count": 3, "provider": "gemini"})
    world.outside.orders["gemini"] += [500, 500, 500]
    none = ada.post("/api/generate/image", {"idea": IDEA, "count": 3, "provider": "gemini"})

    assert (made.status_code, made.json()["count"]) == (200, 1)
    assert (none.status_code, none.json()) == (502, {"error": "Image generation failed"})


def test_an_image_that_is_none_is_not_kept(world: World) -> None:
    """What a file is, its bytes say; HTML with an image's name is refused."""
    ada = world.person()
    world.outside.orders["replicate/file"].append("nonsense")
    body = {"idea": IDEA, "count": 1, "provider": "replicate"}

    assert ada.post("/api/generate/image", body).status_code == 502


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/x.webp", "http://127.0.0.1:1/x.webp", "file:///etc/passwd", "", "x"],
)
def test_an_image_is_fetched_from_the_provider_or_the_open_internet(world: World, url: str) -> None:
    """Where else the provider may point, nobody is called: 502."""
    ada = world.person()
    world.outside.image_url = url or "http://"
    body = {"idea": IDEA, "count": 1, "provider": "replicate"}

    assert ada.post("/api/generate/image", body).status_code == 502


@pytest.mark.parametrize(
    ("provider", "variable"),
    [("replicate", "REPLICATE_API_TOKEN"), ("gemini", "GEMINI_API_KEY")],
)
def test_a_provider_without_a_key_says_so(world: World, provider: str, variable: str) -> None:
    """503 with the setting that is missing; nobody is asked."""
    ada = world.person()
    generators = tuple(
        dataclasses.replace(each, key=Secret("")) for each in world.settings.generators
    )
    settings = dataclasses.replace(world.settings, generators=generators, generator=provider)
    with web_served(settings, world.layer) as other:
        browser = Browser(other.public_url)
        with browser.http:
            browser.http.cookies.update(ada.http.cookies)
            refused = browser.post("/api/generate/text", {"idea": IDEA})

    assert refused.status_code == 503
    assert refused.json()["details"] == f"{variable} is not set"
    assert world.outside.heard == []


# -- images ---------------------------------------------------------------------------------


def test_an_image_goes_with_its_last_post(world: World) -> None:
    """Not while another post shows it; its address as others can call it goes to the webhook."""
    ada = world.person()
    url = ada.post("/api/generate/image", {"idea": IDEA, "count": 1}).json()["images"][0]["url"]
    first, second = world.due(ada, imageUrl=url), ada.a_post(imageUrl=url)

    world.cron()
    assert world.outside.heard[-1].body["imageUrl"] == f"{world.address}{url}"
    ada.delete(f"/api/posts/{first['id']}")
    assert ada.get(url).status_code == 200
    ada.delete(f"/api/posts/{second['id']}")
    assert ada.get(url).status_code == 404


def test_nobody_removes_another_users_image(world: World) -> None:
    """Whatever image a post shows."""
    ada, eve = world.person(), world.person()
    url = ada.post("/api/generate/image", {"idea": IDEA, "count": 1}).json()["images"][0]["url"]
    post = eve.a_post(imageUrl=url)

    assert eve.delete(f"/api/posts/{post['id']}").status_code == 200
    assert ada.get(url).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2ffreehold.toml",
        "%2e%2e/secrets",
        "0123456789abcdef-0123456789abcdef0123456789abcdef.svg",
        "0123456789abcdef-0123456789abcdef0123456789abcdef.exe",
        "x",
        "%00",
    ],
)
def test_there_are_only_images(world: World, name: str) -> None:
    """404 for each other name, and for paths that lead out."""
    assert world.browser().get(f"/images/{name}").status_code == 404
