"""
A report for programs: JSON of our own, and SARIF 2.1.0 for those that show findings in code.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from freehold.guard.findings import Finding, Report
from freehold.guard.rules import RULES, Level

#: Of the JSON below; another number when a field changes its meaning or goes.
VERSION: Final = 1
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final[dict[Level, str]] = {"error": "error", "note": "note", "off": "none"}


def as_json(report: Report) -> dict[str, Any]:
    """The report as values of JSON; fields are only ever added."""
    return {
        "version": VERSION,
        "proof": report.is_proof,
        "exitCode": report.exit_code,
        "root": report.root,
        "listedBy": report.listed_by,
        "findings": [_finding(each) for each in report.findings],
        "known": [_finding(each) for each in report.known],
        "allowed": [{**_finding(each), "reason": reason} for each, reason in report.allowed],
        "notRead": [
            {"path": each.path, "reason": each.reason, "nextStep": each.next_step}
            for each in report.not_read
        ],
        "files": {
            "read": dict(sorted(report.read.items())),
            "dataLayer": report.data_layer,
            "notCode": report.not_code,
            "excluded": report.excluded,
            "links": report.links,
        },
        "fixed": report.fixed,
        "rulesOff": report.rules_off,
    }


def sarif(report: Report, *, version: str) -> dict[str, Any]:
    """
    The report as SARIF 2.1.0.

    Args:
        version: Of the tool.
    """
    ids = list(RULES)
    results = [_result(each, ids, state="new") for each in report.findings]
    results += [_result(each, ids, state="unchanged") for each in report.known]
    results += [
        {
            **_result(each, ids, state="new"),
            "suppressions": [{"kind": "inSource", "justification": reason}],
        }
        for each, reason in report.allowed
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "freehold guard", "version": version,
                                    "rules": [_rule(id) for id in ids]}},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"ROOT": {"description": {"text": "The repository."}}},
                "invocations": [
                    {
                        "executionSuccessful": not report.not_read,
                        "exitCode": report.exit_code,
                        "toolExecutionNotifications": [
                            {
                                "level": "error",
                                "message": {"text": f"not read: {each.reason}. {each.next_step}"},
                                "locations": [{"physicalLocation": _file(each.path)}],
                            }
                            for each in report.not_read
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }  # fmt: skip


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "level": found.level,
        "path": found.path,
        "line": found.line,
        "column": found.column,
        "what": found.what,
        "text": found.text,
        "why": found.why,
        "nextStep": found.next_step,
        "fingerprint": found.fingerprint,
    }


def _rule(id: str) -> dict[str, Any]:
    rule = RULES[id]
    return {
        "id": rule.id,
        "shortDescription": {"text": f"Finds {rule.finds}."},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.next_step},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
    }


def _result(found: Finding, ids: list[str], *, state: str) -> dict[str, Any]:
    region = {
        "startLine": found.line,
        "startColumn": found.column,
        "snippet": {"text": found.text},
    }
    return {
        "ruleId": found.rule,
        "ruleIndex": ids.index(found.rule),
        "level": _LEVELS[found.level],
        "message": {"text": f"{found.what}: {found.why} {found.next_step}"},
        "locations": [{"physicalLocation": {**_file(found.path), "region": region}}],
        "partialFingerprints": {"freeholdGuard/v1": found.fingerprint},
        "baselineState": state,
    }


def _file(path: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": quote(path), "uriBaseId": "ROOT"}}
