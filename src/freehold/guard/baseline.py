"""
The baseline: places that were there when the guard came. It shrinks; it never grows by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from freehold.errors import StartError
from freehold.guard.findings import Finding, Report

VERSION: Final = 1


class Known(msgspec.Struct, frozen=True):
    """One place: its fingerprint counts, the rest is for people."""

    fingerprint: str
    rule: str
    path: str
    text: str


class Baseline(msgspec.Struct, frozen=True):
    """The file."""

    version: int
    places: list[Known]


def read_baseline(path: Path) -> Baseline:
    """
    The baseline of a file.

    Raises:
        StartError: There is none, or it is not one.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise StartError(
            f"{path} cannot be read: {error.strerror}.",
            hint=f"`freehold guard --write-baseline {path}` makes it.",
        ) from None
    except msgspec.DecodeError as error:
        raise StartError(f"{path} is no baseline: {error}.") from None
    if found.version != VERSION:
        raise StartError(f"{path} has version {found.version}; this build knows {VERSION}.")
    return found


def apply_baseline(report: Report, baseline: Baseline) -> None:
    """Take the known places out of those that count."""
    known = {each.fingerprint for each in baseline.places}
    report.known = [each for each in report.errors if each.fingerprint in known]
    report.findings = [
        each for each in report.findings
        if each.level != "error" or each.fingerprint not in known
    ]  # fmt: skip
    report.fixed = len(baseline.places) - len(_still_there(report, baseline))


def write_baseline(path: Path, report: Report) -> int:
    """
    Write the baseline, for the first time or smaller than it was; how many places are in it.

    A file that is there only loses places: what is new stays a finding. A place whose file could
    not be read now is kept, for it may still be there.

    Raises:
        StartError: The file cannot be written.
    """
    if path.exists():
        baseline = read_baseline(path)
        apply_baseline(report, baseline)
        places = _still_there(report, baseline)
    else:
        places = [_known(each) for each in report.errors]
        apply_baseline(report, Baseline(VERSION, places))
    report.fixed = 0
    text = msgspec.json.format(msgspec.json.encode(Baseline(VERSION, places)), indent=2)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror}.") from None
    return len(places)


def _still_there(report: Report, baseline: Baseline) -> list[Known]:
    found = {each.fingerprint for each in report.known}
    unread = {each.path for each in report.not_read}
    return [each for each in baseline.places if each.fingerprint in found or each.path in unread]


def _known(found: Finding) -> Known:
    return Known(found.fingerprint, found.rule, found.path, found.text)
