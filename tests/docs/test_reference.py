"""The reference has everything that the code has, in the code's own words."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import freehold
from freehold import errors
from freehold.errors import call_errors
from freehold.server import headers
from freehold.wire.limits import Limits
from tests.docs.pages import PAGES, ROOT, name_of
from tests.docs.reference import GENERATED, SRC, generated_names, leaf_commands, with_generated

REFERENCE = {page.stem: page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_generated_stretches_are_up_to_date(page: Path) -> None:
    """`python -m tests.docs.regenerate` renews them."""
    text = page.read_text()

    assert with_generated(text) == text


def test_everything_that_can_be_generated_stands_somewhere() -> None:
    """Each once."""
    found = [name for page in PAGES for name in generated_names(page.read_text())]

    assert sorted(found) == sorted(GENERATED)


def test_every_command_and_option_is_in_the_reference() -> None:
    """With all its spellings."""
    text = REFERENCE["command-line"]
    for name, command in leaf_commands():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        words = [w for p in command.params for w in (*p.opts, *p.secondary_opts)]
        missing = [word for word in words if word.startswith("-") and f"`{word}`" not in section]

        assert section, name
        assert missing == [], name


def test_every_error_is_in_the_reference() -> None:
    """Each class of `errors.py`, and each code."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.FreeholdError)
        and kind not in (errors.FreeholdError, errors.CallError)
    ]
    codes = {kind.code for kind in call_errors().values()}

    assert [
        kind.__name__ for kind in kinds if f"`{kind.__name__}`" not in REFERENCE["errors"]
    ] == []
    assert [code for code in codes if f"`{code}`" not in REFERENCE["errors"]] == []


def test_every_code_has_an_advice() -> None:
    """Who catches an error finds what to do about it."""
    advice = (ROOT / "docs" / "how-to" / "handle-errors.md").read_text()
    codes = {kind.code for kind in call_errors().values()}

    assert [code for code in sorted(codes) if f"`{code}`" not in advice] == []


def test_every_limit_is_in_the_reference_with_its_default() -> None:
    """Name and number in one row."""
    for field in dataclasses.fields(Limits):
        [row] = re.findall(rf"^\| `{field.name}` \| (\S+)", REFERENCE["limits"], re.MULTILINE)

        assert float(row) == field.default


def test_every_public_name_is_in_the_reference() -> None:
    """What `from freehold import …` gives."""
    missing = [n for n in freehold.__all__ if f"| `{n}` |" not in REFERENCE["schema-types"]]

    assert missing == []


def test_every_environment_variable_is_in_the_reference() -> None:
    """Whatever the source names."""
    named = {
        name
        for path in SRC.rglob("*.py")
        for name in re.findall(r"\bFREEHOLD_[A-Z_]*[A-Z]\b", path.read_text())
    }

    assert named
    assert [name for name in sorted(named) if f"`{name}`" not in REFERENCE["settings"]] == []


def test_every_header_that_means_something_is_in_the_reference() -> None:
    """Those that the server looks at, but for what every HTTP message has."""
    everywhere = {"content-length", "transfer-encoding", "connection", "upgrade"}
    text = REFERENCE["http"].lower()
    wanted = {name.decode() for name in headers.WANTED} - everywhere

    assert [name for name in sorted(wanted) if f"`{name}`" not in text] == []


def test_every_metric_is_in_the_reference() -> None:
    """Counters and histograms of the meter, gauges of the command line."""
    meter = (SRC / "server" / "meter.py").read_text()
    serving = (SRC / "cli" / "serving.py").read_text()
    counters = re.findall(r'CounterMetricFamily\(\s*"(\w+)"', meter)
    names = [
        *(f"{name}_total" for name in counters),
        *re.findall(r'HistogramMetricFamily\(\s*"(\w+)"', meter),
        *(f"freehold_{name}" for name in re.findall(r'gauge\("(\w+)"', serving)),
    ]

    assert len(names) > len(counters) > 0
    assert [name for name in names if f"`{name}`" not in REFERENCE["http"]] == []


def test_every_gauge_that_is_shown_exists() -> None:
    """A gauge without a figure behind it would break `/metrics`."""
    database = (SRC / "drivers" / "sqlite" / "database.py").read_text()
    serving = (SRC / "cli" / "serving.py").read_text()
    shown = re.findall(r'gauge\("(\w+)"', serving)

    assert [name for name in shown if f'"{name}":' not in database] == []
