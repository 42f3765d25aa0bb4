"""
The whole way offline, clicked: the scout looks, an idea is promoted, the writer talks and writes,
the post stands in the CMS, and every attempt is in the audit log.

The data layer, the three services and the stand-ins are processes of their own; no key of any
outside service is set.
"""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Opens
from tests.browser.house import House
from tests.browser.pictures import picture

pytestmark = pytest.mark.xdist_group("browser")

FACT = "One captain says that the heated pack lost four percent, not the twenty she had feared."


def test_from_the_news_to_a_published_post(opens: Opens, home: House) -> None:
    page = opens()
    expect(page.get_by_role("heading", level=1)).to_have_text("Publications")
    picture(page, "publications")
    page.get_by_role("link", name="Harbour Light").click()

    title = lets_the_scout_look(page)
    promotes(page, title)
    talks_until_there_is_a_draft(page)
    revises(page)
    takes_a_picture(page)
    address = publishes(page, home)
    sees_what_was_done(page, title, address)


def lets_the_scout_look(page: Page) -> str:
    """New ideas stand there at the end, and a second look stores none of them again."""
    look = page.get_by_role("button", name="Let the scout look")
    expect(page.get_by_text("The scout has not looked yet")).to_be_visible()
    before = page.locator(".idea").count()
    look.dblclick()
    found = page.get_by_text(re.compile(r"^\d+ new ideas? from \d+ stor(y|ies)\.$")).first
    expect(found).to_be_visible(timeout=30_000)
    new, stories = (int(word) for word in re.findall(r"\d+", found.inner_text()))
    expect(page.locator(".idea")).to_have_count(before + new)
    assert 0 < new <= stories
    picture(page, "ideas")
    fresh = page.locator(".idea", has_text="found just now").first.locator("h3").inner_text()

    # Until there is nothing new: the same feed, so no more ideas than it has stories.
    while "Nothing" not in page.locator(".scout strong").inner_text():
        look.click()
        expect(look).to_have_text("Let the scout look", timeout=30_000)
    titles = page.locator(".idea h3").all_text_contents()
    assert len(set(titles)) == len(titles) <= before + stories
    return fresh


def promotes(page: Page, title: str) -> None:
    """Clicked twice, promoted once."""
    page.get_by_role("button", name=f"Write it: {title}").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_text("No draft yet")).to_be_visible()
    here = page.url
    page.get_by_role("link", name="Sessions").first.click()
    expect(page.get_by_role("link", name=title)).to_have_count(1)
    page.goto(here)


def talks_until_there_is_a_draft(page: Page) -> None:
    message = page.get_by_label("Message to the writer")
    message.fill("It is for people who plan a winter timetable.")
    message.press("Enter")
    expect(page.get_by_role("log").get_by_text("Two questions first")).to_be_visible()
    expect(page.get_by_text("I am the offline writer")).to_be_visible()
    message.fill(FACT)
    message.press("Enter")
    expect(page.locator("article.draft")).to_contain_text(FACT)
    expect(page.get_by_label("Version")).to_have_value("1")


def revises(page: Page) -> None:
    """A second version; the first can still be read, at an address of its own."""
    page.get_by_label("Message to the writer").fill("call it What the ice did not stop")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Version")).to_have_value("2")
    expect(page.get_by_role("heading", level=1)).to_have_text("What the ice did not stop")
    expect(page.locator("article.draft h2").first).to_have_text("What the ice did not stop")
    picture(page, "session")
    here = page.url
    page.get_by_label("Version").select_option("1")
    expect(page.locator("article.draft")).to_have_attribute("data-version", "1")
    assert page.url == f"{here}/drafts/1"
    page.reload()
    expect(page.locator("article.draft")).to_have_attribute("data-version", "1")
    # The talk is still there after a reload, too.
    expect(page.get_by_role("log").get_by_text(FACT)).to_be_visible()
    page.goto(here)
    expect(page.locator("article.draft")).to_have_attribute("data-version", "2")


def takes_a_picture(page: Page) -> None:
    """Four are made of a description; the one that is taken is still there after a reload."""
    page.get_by_role("link", name="Picture").click()
    page.get_by_role("button", name="Suggest it").click()
    expect(page.get_by_label("What it shows")).not_to_have_value("")
    page.get_by_role("button", name="Make four pictures").click()
    expect(page.locator(".image img")).to_have_count(4)
    page.get_by_label("Picture 2").check()
    expect(page.get_by_text("This picture goes with the post.")).to_be_visible()
    page.reload()
    taken = page.get_by_role("img", name="The picture of this post")
    expect(taken).to_be_visible()
    assert taken.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")


def publishes(page: Page, home: House) -> str:
    """Clicked twice, published once; the post can be read where the link leads."""
    page.get_by_role("link", name="Publish").click()
    slug = page.get_by_label("Address")
    expect(slug).to_have_value("what-the-ice-did-not-stop")
    page.get_by_role("button", name="Suggest the texts").click()
    expect(page.get_by_label("Title for search engines")).not_to_have_value("")
    slug.fill("ice-on-the-charging-arm")
    picture(page, "publish")
    page.get_by_role("button", name="Publish").dblclick()
    read = page.get_by_role("link", name="Read the post")
    expect(read).to_be_visible()
    address = read.get_attribute("href") or ""
    assert address.startswith(home.rooms["cms"].url)
    with page.context.expect_page() as opened:
        read.click()
    expect(opened.value.get_by_role("heading", name="What the ice did not stop")).to_be_visible()
    assert FACT in opened.value.inner_text("body")
    assert opened.value.evaluate("window.opener") is None
    posts = httpx.get(f"{home.rooms['cms'].url}/").text
    assert posts.count("What the ice did not stop") == 1
    return address


def sees_what_was_done(page: Page, title: str, address: str) -> None:
    """The audit row, the activity, the session's state and the idea's."""
    row = page.locator("tr[data-audit=success]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Blog: publish")
    expect(row.get_by_role("link")).to_have_attribute("href", address)
    picture(page, "published")
    page.get_by_role("link", name="Activity").click()
    entry = page.locator(".item").first
    expect(entry.get_by_role("heading")).to_have_text("What the ice did not stop")
    expect(entry.get_by_text("published", exact=True)).to_be_visible()
    entry.get_by_text("Attempts to publish").click()
    expect(entry.locator("tr[data-audit=success]")).to_have_count(1)
    picture(page, "activity")
    page.get_by_role("link", name="Ideas").click()
    page.get_by_role("link", name="Promoted").click()
    idea = page.locator(".idea", has=page.get_by_role("heading", name=title))
    idea.get_by_role("link", name="Open the session").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the ice did not stop")
    # Narrow, as on a phone.
    page.set_viewport_size({"width": 390, "height": 780})
    page.get_by_role("link", name="Draft").click()
    expect(page.locator("article.draft")).to_be_visible()
    expect(page.get_by_role("log")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "phone")
