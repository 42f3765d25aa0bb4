"""
What others wrote is text: a title from a feed, a message, a draft of a model, a topic's name.

Each has a canary that would change the page if it ran. Nothing in the page turns text into
markup, and its policy would stop it if something did.
"""

from __future__ import annotations

import json
from typing import Final

import pytest
from hotmetal.clients.hotmetal import (
    CreateIdeaInput,
    CreateTopicInput,
    DataLayerSync,
)
from playwright.sync_api import Page, expect
from tests.browser.conftest import Opens
from tests.browser.house import House

pytestmark = pytest.mark.xdist_group("browser")

CANARY: Final = (
    "<img src=x onerror=\"window.canary='image'\"><script>window.canary='script'</script>"
    "<svg onload=\"window.canary='svg'\"></svg>"
)
LINKS: Final = (
    "[one](javascript:window.canary='link') [two](JaVaScRiPt:window.canary='link') "
    "[three](data:text/html,<script>1</script>) [four](vbscript:x) [five](//evil.example/x) "
    "![six](javascript:window.canary='image') <javascript:alert(1)> [good](https://a.example/)"
)


@pytest.fixture(scope="module")
def poisoned(home: House) -> None:
    """The sample publication has a topic and an idea with canaries in every field."""
    with DataLayerSync.connect(home.data_layer) as dal:
        dal.create_topic(
            CreateTopicInput(
                id="topic-canary",
                publication_id="pub-slow-kitchen",
                name=CANARY,
                description=CANARY,
            )
        )
        dal.create_idea(
            CreateIdeaInput(
                id="idea-canary",
                publication_id="pub-slow-kitchen",
                topic_id="topic-canary",
                title=f"{CANARY} the canary",
                angle=CANARY,
                summary=f"{CANARY} {LINKS}",
                sources=json.dumps(
                    [
                        {"url": "javascript:canary()", "title": CANARY, "snippet": CANARY},
                        {"url": 'https://a.example/?"><script>', "title": "a good one"},
                    ]
                ),
            )
        )


def sings(page: Page) -> object:
    """What ran of a canary; None when nothing did."""
    return page.evaluate("window.canary ?? null")


def leads_nowhere_bad(page: Page) -> None:
    """Every link of the view is one of ours, of the web, or of mail."""
    bad = page.evaluate(
        """() => [...document.querySelectorAll("main [href], main [src]")]
          .map((node) => node.getAttribute("href") ?? node.getAttribute("src"))
          .filter((address) => !/^(https?:|mailto:|#|\\/(?!\\/))/.test(address))"""
    )
    assert bad == []
    assert page.locator("main script, main iframe, main object, main [onerror]").count() == 0


@pytest.mark.usefixtures("poisoned")
def test_ideas_and_topics_are_shown_as_they_were_written(opens: Opens) -> None:
    page = opens("#/publications/pub-slow-kitchen")

    idea = page.locator("[data-idea=idea-canary]")
    expect(idea.get_by_role("heading")).to_have_text(f"{CANARY} the canary")
    expect(idea.get_by_role("link", name="a good one")).to_have_attribute(
        "rel", "noopener noreferrer nofollow"
    )
    assert idea.locator(".sources a").count() == 1
    leads_nowhere_bad(page)
    page.get_by_role("link", name="Topics").click()
    expect(page.get_by_role("heading", name=CANARY)).to_be_visible()
    leads_nowhere_bad(page)
    assert sings(page) is None


@pytest.mark.usefixtures("poisoned")
def test_a_message_and_a_draft_are_too(opens: Opens) -> None:
    """The writer arranges what it is told, so the canaries come back in the draft."""
    page = opens("#/publications/pub-slow-kitchen")
    page.locator("[data-idea=idea-canary]").get_by_role("button", name="Write it").click()
    message = page.get_by_label("Message to the writer")
    message.fill(f"What matters here is this: {CANARY} {LINKS}")
    message.press("Enter")
    expect(page.get_by_text("Two questions first")).to_be_visible()
    page.get_by_role("button", name="Write the draft now").click()

    draft = page.locator("article.draft")
    expect(draft).to_contain_text("onerror=")
    expect(draft.get_by_role("link", name="good").first).to_have_attribute(
        "href", "https://a.example/"
    )
    leads_nowhere_bad(page)
    assert sings(page) is None
    assert page.title().startswith(CANARY[:20])


def test_the_policy_stops_what_the_page_would_let_through(opens: Opens) -> None:
    """Negative control: markup from text, a script in the markup and a stranger's script."""
    page = opens(allow=("Content Security Policy", "requires 'Trusted"))
    expect(page.locator(".card").first).to_be_visible()

    told = page.evaluate(
        """async (canary) => {
          const stopped = [];
          try { document.querySelector("main").innerHTML = canary; }
          catch (error) { stopped.push(error.name); }
          try { document.body.setAttribute("onclick", canary); }
          catch (error) { stopped.push(error.name); }
          const waited = new Promise((resolve) => {
            const script = document.createElement("img");
            script.onerror = () => resolve("no image");
            script.src = "http://127.0.0.1:9/x.png";
            document.body.append(script);
          });
          stopped.push(await waited);
          try { await fetch("http://127.0.0.1:9/"); }
          catch (error) { stopped.push(error.name); }
          return stopped;
        }""",
        CANARY,
    )

    assert told == ["TypeError", "TypeError", "no image", "TypeError"]
    assert sings(page) is None
