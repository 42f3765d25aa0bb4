"""
What the page is like for everybody: with a keyboard, a screen reader, a phone, by night.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Opens
from tests.browser.house import KEYS, House
from tests.browser.looks import CONTRAST, UNLABELLED

pytestmark = pytest.mark.xdist_group("browser")

VIEWS = [
    "#/",
    "#/publications/new",
    "#/publications/pub-harbour-light",
    "#/publications/pub-harbour-light/topics",
    "#/publications/pub-harbour-light/settings",
    "#/ideas",
    "#/ideas?status=dismissed",
    "#/sessions",
    "#/sessions/ses-ferry-price",
    "#/sessions/ses-ferry-price/images",
    "#/sessions/ses-ferry-price/publish",
    "#/sessions/ses-ferry-ice/publish",
    "#/activity",
    "#/connections",
    "#/nowhere",
]


def goes(page: Page, address: str) -> None:
    """Follow an address as a link does, and wait until its view stands."""
    page.evaluate("address => { location.hash = address; }", address)
    expect(page.locator("main h1, main .failure").first).to_be_visible()
    expect(page.locator("main .loading")).to_have_count(0)


def test_every_view_fits_a_phone_and_has_its_names(opens: Opens) -> None:
    """Nothing scrolls sideways, every control has a name, and text can be read by day."""
    page = opens(width=360, height=740)

    for address in VIEWS:
        goes(page, address)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, address
        assert page.evaluate(UNLABELLED) == [], address
        assert page.evaluate(CONTRAST) == [], address
        assert page.locator("h1").count() <= 1, address


def test_text_can_be_read_by_night(opens: Opens) -> None:
    page = opens(scheme="dark")

    for address in VIEWS:
        goes(page, address)
        assert page.evaluate(CONTRAST) == [], address


def test_the_checks_of_looks_find_what_they_look_for(opens: Opens) -> None:
    """Negative control: a pale text, and a field without a name."""
    page = opens()
    expect(page.locator("main .card").first).to_be_visible()
    page.evaluate(
        """() => {
          const pale = document.createElement("p");
          pale.textContent = "pale";
          pale.style.color = "rgb(200, 200, 200)";
          document.querySelector("main").append(pale, document.createElement("input"));
        }"""
    )

    assert len(page.evaluate(CONTRAST)) == 1
    assert len(page.evaluate(UNLABELLED)) == 1


def test_a_keyboard_is_enough(opens: Opens) -> None:
    """From the first Tab to a dismissed idea and back, and the focus is always to be seen."""
    page = opens("#/ideas")
    page.reload()
    expect(page.locator(".idea").first).to_be_visible()

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = [tab(page) for _ in range(12)]
    assert all(outlined for _, outlined in seen), seen
    to = page.get_by_role("button", name="Dismiss: Koji without a lab")
    to.focus()
    page.keyboard.press("Enter")
    expect(to).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="Dismissed")).to_be_visible()
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Space")
    expect(to).to_have_count(1)


def tab(page: Page) -> tuple[str, bool]:
    """What has the focus after Tab, and whether that is to be seen."""
    page.keyboard.press("Tab")
    name, outlined = page.evaluate(
        """() => {
          const node = document.activeElement;
          const styles = [getComputedStyle(node), getComputedStyle(node, "::after")];
          const seen = styles.some((s) => s.outlineStyle !== "none" && s.outlineWidth !== "0px");
          return [node.outerHTML.slice(0, 80), seen];
        }"""
    )
    return name, outlined


def test_addresses_lead_to_views_and_back_leads_back(opens: Opens) -> None:
    page = opens("#/publications/pub-harbour-light/topics")
    expect(page.get_by_role("heading", name="Port electrification")).to_be_visible()

    page.get_by_role("link", name="Sessions").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
    assert page.title() == "Sessions · HotMetal"
    # The focus goes where the person went.
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.get_by_role("link", name="Published").click()
    expect(page.get_by_role("link", name="Batteries in ice water")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", name="Port electrification")).to_be_visible()
    assert page.url.endswith("#/publications/pub-harbour-light/topics")
    page.reload()
    expect(page.get_by_role("heading", name="Port electrification")).to_be_visible()


def test_what_is_not_there_is_said(opens: Opens) -> None:
    page = opens("#/sessions/nobody", allow=("404",))

    expect(page.get_by_role("alert").filter(has_text="Session not found")).to_be_visible()
    goes(page, "#/publications/none")
    expect(page.get_by_role("alert").filter(has_text="Publication not found")).to_be_visible()
    goes(page, "#/no/such/place")
    expect(page.get_by_text("This address leads nowhere")).to_be_visible()


def test_a_key_signs_in_and_out(opens: Opens, home: House) -> None:
    page = opens("#/activity", is_signed_in=False, allow=("401",))
    key = page.get_by_label("Key")

    expect(key).to_be_focused()
    key.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is not the key of this writer.")).to_be_visible()
    key.fill(KEYS["WRITER_API_KEY"])
    page.get_by_role("button", name="Sign in").click()
    # It is where the address wanted to go.
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity")
    cookies = page.context.cookies()
    assert [c["httpOnly"] and c["sameSite"] == "Strict" for c in cookies] == [True]
    assert KEYS["WRITER_API_KEY"] not in str(cookies)
    assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert page.context.cookies() == []


def test_the_link_of_the_terminal_leaves_no_key(opens: Opens, home: House) -> None:
    page = opens()

    page.goto(home.sign_in)
    assert page.url == f"{home.writer.url}/"
    expect(page.get_by_role("heading", level=1)).to_have_text("Publications")


def test_a_publication_is_made_changed_and_deleted(opens: Opens) -> None:
    page = opens()
    page.get_by_role("link", name="New publication").click()
    page.get_by_label("Name").fill("Night Trains & Écluses")
    assert page.get_by_label("Address").input_value() == "night-trains-ecluses"

    page.get_by_label("Tone").fill("Quiet.")
    page.get_by_label("Fully automatic").check()
    page.get_by_label("The scout looks").select_option("Every few days")
    page.get_by_label("Every … days").fill("3")
    page.get_by_label("At hour").fill("6")
    page.get_by_label("Time zone").fill("Europe/Paris")
    page.get_by_role("button", name="Make it").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text("Night Trains & Écluses")
    expect(page.get_by_text("Scout every 3 days at 06:00, Europe/Paris")).to_be_visible()

    page.get_by_label("Name").fill("Sleepers")
    page.get_by_label("Priority").last.select_option("High")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Sleepers")).to_be_visible()
    page.get_by_role("button", name="Pause Sleepers").click()
    expect(page.get_by_role("button", name="Resume Sleepers")).to_be_focused()

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("spinbutton", name="Posts per week").fill("5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Publications$")).first.click()
    # Clicked twice, made once.
    expect(page.get_by_role("link", name="Night Trains & Écluses")).to_have_count(1)
    page.get_by_role("link", name="Night Trains & Écluses").click()
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("spinbutton", name="Posts per week")).to_have_value("5")
    page.get_by_role("button", name="Delete…").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Publications")
    expect(page.get_by_role("link", name="Night Trains & Écluses")).to_have_count(0)
