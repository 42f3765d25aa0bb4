"""`python -m tests.docs.regenerate`: renews the generated stretches of the reference."""

from __future__ import annotations

import sys

from tests.docs import engines
from tests.docs.pages import PAGES, name_of
from tests.docs.reference import with_generated


def main() -> None:
    """Write every page whose code has changed, and say which."""
    for page in PAGES:
        before = page.read_text()
        after = with_generated(before)
        if after != before:
            page.write_text(after)
            sys.stdout.write(f"{name_of(page)} written\n")
    engines.main()


if __name__ == "__main__":
    main()
