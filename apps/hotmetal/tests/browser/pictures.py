"""
The pictures of the README, taken while the test of the whole way goes it.

`HOTMETAL_PICTURES=docs/images pytest apps/hotmetal/tests/browser/test_the_whole_way.py` writes
them; without the variable nothing is written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

_FOLDER: Final = os.environ.get("HOTMETAL_PICTURES")
_SETTLED_MS: Final = 400


def picture(page: Page, name: str) -> None:
    """Take one, of what is to be seen in the window, without the passing message."""
    if _FOLDER is None:
        return
    folder = Path(_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    page.evaluate("document.getElementById('status').replaceChildren()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(_SETTLED_MS)
    page.screenshot(path=folder / f"hotmetal-{name}.png")
