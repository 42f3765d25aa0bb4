"""
What a person sees when the writer goes away and comes back, in the middle of whatever it is.

A model's provider that can be slow stands in for the language model here: an answer takes long
enough to be reloaded in its middle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.model import model_app
from playwright.sync_api import Route, expect
from tests.browser.conftest import PATIENCE_MS, Opens
from tests.browser.house import House

pytestmark = pytest.mark.xdist_group("browser")

LOST = ("Failed to load resource", "net::ERR")


@pytest.fixture
def provider(home: House) -> Iterator[str]:
    """The writer writes with a model, until the test is over."""
    with served(lambda _address: model_app()) as address:
        told = {
            "HOTMETAL_MODEL": "openai-chat:gpt-5-mini",
            "OPENAI_BASE_URL": f"{address}/v1",
            "OPENAI_API_KEY": "a-key-for-tests",
        }
        home.writer.restart(told)
        yield address
        home.writer.restart({})


def calls(provider: str) -> int:
    """How often the model was asked."""
    told = httpx.get(f"{provider}/_stand_in/calls").json()
    return len(told["data"] if isinstance(told, dict) else told)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, with a deadline."""
    end = time.monotonic() + PATIENCE_MS / 1_000
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_an_answer_outlives_a_reload_and_a_lost_writer_comes_back(
    opens: Opens, home: House, provider: str
) -> None:
    page = opens("#/sessions/ses-notes", allow=LOST)
    message = page.get_by_label("Message to the writer")
    log = page.get_by_role("log")

    # Reloaded in the middle of an answer: what was said stands there, and the answer comes.
    httpx.post(f"{provider}/_stand_in/fail", json={"times": 1, "slow_s": 1.5, "path": "/v1"})
    message.fill("Say something about sleepers.")
    message.press("Enter")
    expect(log.get_by_text("Thinking…")).to_be_visible()
    page.reload()
    expect(log.get_by_text("Say something about sleepers.").first).to_be_visible()
    expect(log.get_by_text("The writer is at it…")).to_be_visible()
    expect(log.get_by_text("I heard")).to_be_visible()

    # Gone in the middle of an answer: a banner, and what is typed stays.
    httpx.post(f"{provider}/_stand_in/fail", json={"times": 1, "slow_s": 20, "path": "/v1"})
    asked = calls(provider)
    message.fill("And about couchettes.")
    message.press("Enter")
    expect(log.get_by_text("Thinking…")).to_be_visible()
    # The page says so before the writer has heard anything; the model is asked by the writer.
    until(lambda: calls(provider) > asked)
    message.fill("Typed meanwhile")
    home.writer.kill()
    httpx.post(f"{provider}/_stand_in/forget", json={})
    banner = page.get_by_role("alert").filter(has_text="The writer does not answer.")
    expect(banner).to_be_visible()
    home.writer.start()
    expect(banner).to_be_hidden()
    expect(page.get_by_text("The writer is back.")).to_be_visible()
    expect(message).to_have_value("Typed meanwhile")
    # What was cut off is said, and can be asked for again.
    expect(log.get_by_text("stopped in the middle")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(log.get_by_text("I heard")).to_have_count(2)
    expect(log.get_by_text("And about couchettes.", exact=True)).to_have_count(1)


def test_a_promotion_whose_answer_is_lost_is_one_promotion(opens: Opens) -> None:
    """The same key goes out again after the answer was lost, and leads to the same session."""
    page = opens("#/ideas", allow=LOST)
    keys: list[str] = []

    def lose_the_first(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/promote", lose_the_first)
    page.route("**/health", lambda route: route.abort())
    write = page.get_by_role("button", name="Write it: A starter older than the house")
    write.click()
    expect(page.get_by_role("alert").filter(has_text="The writer does not answer.")).to_have_count(
        2
    )
    write.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("A starter older than the house")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    page.unroute("**/health")
    expect(page.get_by_text("The writer is back.")).to_be_visible()
    page.get_by_role("link", name="Sessions").first.click()
    expect(page.get_by_role("link", name="A starter older than the house")).to_have_count(1)
