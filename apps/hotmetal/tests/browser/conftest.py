"""A browser of this machine, the whole of HotMetal, and pages whose console must stay silent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)
from tests.browser.house import House, house

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 10_000

Opens = Callable[..., Page]


def chromium_path() -> str | None:
    """The machine's Chromium; `HOTMETAL_CHROMIUM` names another."""
    named = os.environ.get("HOTMETAL_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    return found or shutil.which("google-chrome")


#: The browser's library keeps an event loop running in the thread that it was started in, and
#: switches stacks there. In a thread of its own it is in no other test's way.
THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test with a browser runs in the browser's thread."""
    if "chromium" not in pyfuncitem.fixturenames:
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    given = {name: pyfuncitem.funcargs[name] for name in wanted}
    THREAD.submit(pyfuncitem.obj, **given).result()
    return True


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium on this machine: install one, or name it in HOTMETAL_CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    playwright = THREAD.submit(lambda: sync_playwright().start()).result()
    browser = THREAD.submit(
        lambda: playwright.chromium.launch(executable_path=path, args=FLAGS)
    ).result()
    yield browser
    THREAD.submit(browser.close).result()
    THREAD.submit(playwright.stop).result()


@pytest.fixture(scope="session")
def home(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Everything runs; asked for after the browser, so that without one nothing is started."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder) as made:
        yield made


@pytest.fixture
def opens(chromium: Browser, home: House) -> Iterator[Opens]:
    """
    Opens a page in a profile of its own, signed in, at an address of the page.

    At the end of the test the console of every page must have been silent, but for what the test
    allows: texts that a line may hold.
    """
    contexts: list[BrowserContext] = []
    heard: list[str] = []
    allowed: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(f"{message.text} {message.location.get('url', '')}")

    def open_page(
        address: str = "#/",
        *,
        width: int = 1280,
        height: int = 860,
        scheme: str = "light",
        allow: tuple[str, ...] = (),
        is_signed_in: bool = True,
    ) -> Page:
        allowed.extend(allow)
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-GB",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: heard.append(str(error)))
        if is_signed_in:
            page.goto(home.sign_in)
        page.goto(f"{home.writer.url}/{address}")
        return page

    yield open_page
    for context in contexts:
        THREAD.submit(context.close).result()
    assert [line for line in heard if not any(text in line for text in allowed)] == []
