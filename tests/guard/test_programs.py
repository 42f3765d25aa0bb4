"""What programs and people are shown: JSON, SARIF 2.1.0, exit codes, the words of the verdict."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from freehold.guard import RULES, as_json, sarif
from tests.cli.commands import freehold
from tests.guard.planted import looked_at, write_repository

FILES = {
    "services/a b/ü.py": "import sqlite3\n# freehold: allow-database — old\nimport apsw\n",
    "services/broken.py": "def f(:\n",
    "services/c.ts": "const x = await import(name)\n",
}

#: What SARIF 2.1.0 asks of each object that is used here: its required and its known properties.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"results", "columnKind", "originalUriBaseIds", "invocations"}),
    "driver": ({"name"}, {"version", "rules"}),
    "rule": (
        {"id"}, {"shortDescription", "fullDescription", "help", "defaultConfiguration"},
    ),
    "result": (
        {"message"},
        {"ruleId", "ruleIndex", "level", "locations", "partialFingerprints", "baselineState",
         "suppressions"},
    ),
    "invocation": ({"executionSuccessful"}, {"exitCode", "toolExecutionNotifications"}),
    "notification": ({"message"}, {"level", "locations"}),
    "suppression": ({"kind"}, {"justification"}),
    "region": (set(), {"startLine", "startColumn", "snippet"}),
    "artifact": (set(), {"uri", "uriBaseId"}),
}  # fmt: skip
URI = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%]+")


def check(kind: str, value: dict[str, Any]) -> None:
    """The properties of an object are those that SARIF knows, and none is missing."""
    required, known = OBJECTS[kind]
    assert required <= set(value) <= required | known, kind


def check_location(location: dict[str, Any]) -> None:
    """A place: a relative URI, lines and columns from 1."""
    physical = location["physicalLocation"]
    check("artifact", physical["artifactLocation"])
    assert URI.fullmatch(physical["artifactLocation"]["uri"])
    region = physical.get("region", {"startLine": 1, "startColumn": 1})
    check("region", region)
    assert min(region["startLine"], region["startColumn"]) >= 1


def test_sarif_is_what_the_standard_asks(tmp_path: Path) -> None:
    """Required properties, no unknown ones, closed words; one result for each place."""
    report = looked_at(tmp_path, dict(FILES))

    log = sarif(report, version="1.2.3")

    check("log", log)
    (run,) = log["runs"]
    check("run", run)
    check("driver", run["tool"]["driver"])
    listed = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in listed] == list(RULES)
    for rule in listed:
        check("rule", rule)
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    for result in run["results"]:
        check("result", result)
        assert listed[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["baselineState"] in {"new", "unchanged", "updated", "absent"}
        assert len(result["locations"]) == 1
        check_location(result["locations"][0])
        for suppression in result.get("suppressions", []):
            check("suppression", suppression)
            assert suppression["kind"] in {"inSource", "external"}
    for invocation in run["invocations"]:
        check("invocation", invocation)
        for notification in invocation["toolExecutionNotifications"]:
            check("notification", notification)
            check_location(notification["locations"][0])
    assert len(run["results"]) == len(report.findings) + len(report.allowed) == 3
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for r in run["results"]}  # fmt: skip
    assert uris == {"services/a%20b/%C3%BC.py", "services/c.ts"}


def test_json_has_the_fields_of_its_page(tmp_path: Path) -> None:
    """Field by field as `docs/reference/guard-rules.md` lists them."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "guard-rules.md"
    section = page.read_text().split("## JSON")[1]
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    value = as_json(looked_at(tmp_path, dict(FILES)))

    assert set(value) == listed
    for name in ("findings", "notRead", "allowed", "files"):
        row = next(line for line in section.splitlines() if line.startswith(f"| `{name}`"))
        inner = value[name] if isinstance(value[name], dict) else value[name][0]
        said = set(re.findall(r"`(\w+)`", row)) - {name, "read"}
        assert said <= set(inner), name


def test_people_are_told_file_by_file(tmp_path: Path) -> None:
    """What, where, why and the next step; what was not read; a verdict in one line."""
    write_repository(tmp_path, {**FILES, "freehold-guard.toml": 'data_layer = ["dal"]\n',
                                "dal/a.py": ""})  # fmt: skip

    said = freehold("guard", cwd=tmp_path)

    assert said.code == 1
    assert "services/a b/ü.py\n  1:1 python-driver  sqlite3\n      import sqlite3\n" in said.out
    assert "Whoever has a driver can open the database. Call the data layer" in said.out
    assert "? services/broken.py was not read: line 1 is no Python" in said.out
    assert "· services/c.ts:1:17 js-unknown-import: import(…)" in said.out
    assert "allowed, with a reason: 1 places in 1 files" in said.out
    assert said.out.splitlines()[-1] == (
        "✗ 1 place in 1 file where the database is reached past the data layer; "
        "1 files were not read"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "--sarif"], "choose one"),
        (["nowhere"], "there is no folder nowhere"),
        (["--apply"], "--apply goes with"),
        (["--baseline", "none.json"], "none.json cannot be read"),
        (["--config", "none.toml"], "none.toml cannot be read"),
    ],
)
def test_a_command_that_is_said_wrongly_ends_with_2(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    """And never with the code of a proof."""
    ended = freehold("guard", *arguments, cwd=tmp_path)

    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert ended.out == ""


def test_names_that_are_made_to_deceive_stay_harmless(tmp_path: Path) -> None:
    """A file's name and its text go to a terminal and into JSON."""
    name = "services/\x1b[2K\nproof.py"
    no_utf8 = os.fsdecode(b"services/\xff.py")
    text = "import sqlite3 # \x1b[32m✓ proof\x1b[0m\n"
    write_repository(tmp_path, {name: text, no_utf8: "import apsw\n", "dal/a.py": ""})

    said = freehold("guard", cwd=tmp_path)
    for_programs = freehold("guard", "--json", cwd=tmp_path)

    assert "\x1b" not in said.out
    assert "\nproof.py" not in said.out
    assert len(for_programs.json()["findings"]) == 2
    assert for_programs.code == 1
