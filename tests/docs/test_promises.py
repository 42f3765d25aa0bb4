"""Every promise and every attack has its test, and the page says what is so."""

from __future__ import annotations

import json

from tests.docs.attacks import ATTACKS
from tests.docs.marked import marked, showing
from tests.docs.promises import PROMISES, is_negative
from tests.faults.figures import FIGURES


def test_no_promise_has_lost_its_test() -> None:
    """Each is shown by a marked test."""
    assert [each.number for each in PROMISES if not showing(each.number)] == []


def test_no_attack_has_lost_its_test() -> None:
    """Each is shown by a marked test, or says why there is nothing to attack."""
    lost = [a.number for a in ATTACKS if a.absent is None and not showing(a.number)]
    found = [a.number for a in ATTACKS if a.absent is not None and showing(a.number)]

    assert lost == []
    assert found == [], "has a test, and is said to have nothing to attack"


def test_all_attacks_and_promises_are_there_once() -> None:
    """46 attacks; the promises of what is built."""
    assert [each.number for each in ATTACKS] == [f"A{n}" for n in range(1, 47)]
    assert [each.number for each in PROMISES] == [
        f"P{n}" for n in range(1, 22) if n not in (11, 12, 13)
    ]


def test_every_mark_names_a_promise_or_an_attack() -> None:
    """A slip in a mark would stand for nothing."""
    known = {each.number for each in (*PROMISES, *ATTACKS)}

    assert [shown for shown in marked() if shown.number not in known] == []


def test_the_last_long_runs_found_nothing_and_their_controls_did() -> None:
    """What is written down of them is what the page promises."""
    figures = json.loads(FIGURES.read_text()).values()

    assert [f for f in figures if bool(f["bad"]) != is_negative(f)] == []
    wanted = (1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 17, 18, 19, 20)
    assert {f["promise"] for f in figures} >= {f"P{number}" for number in wanted}
