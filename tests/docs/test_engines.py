"""The three-engine table says what the contract suite has."""

from __future__ import annotations

import re

from freehold.testing import ENGINES
from tests.docs.engines import PAGE, SUITE, counted, promise, with_table


def test_the_table_is_up_to_date() -> None:
    """`python -m tests.docs.engines` renews it."""
    text = PAGE.read_text()

    assert "| cases together |" in text
    assert with_table(text) == text


def test_every_case_runs_on_every_engine() -> None:
    """One that is left out somewhere would promise what nobody has seen."""
    counts = counted()
    areas = {area for area, _ in counts}
    uneven = [area for area in areas if len({counts[area, engine] for engine in ENGINES}) != 1]

    assert areas == {path.stem for path in SUITE.glob("test_*.py")}
    assert uneven == []
    assert all(promise(area) for area in areas)


def test_no_case_knows_its_engine() -> None:
    """Expectations are written once; only the fixtures name engines."""
    named = re.compile(r"sqlite-memory|sqlite-file|\"postgresql\"|engine ==|\.dialect\b")
    known = [path.name for path in SUITE.glob("test_*.py") if named.search(path.read_text())]

    assert known == []
