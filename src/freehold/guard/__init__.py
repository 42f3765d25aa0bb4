"""
The guard: proof that nobody but the data layer opens the database, or the places where one does.

It reads a repository's files and runs none of them. What it cannot read it says, and then there
is no proof. `look` gives a `Report`; `sarif` and `as_json` are that for programs.
"""

from freehold.guard.baseline import Baseline, apply_baseline, read_baseline, write_baseline
from freehold.guard.findings import Finding, NotRead, Report
from freehold.guard.look import look
from freehold.guard.printed import as_json, sarif
from freehold.guard.rules import RULES, Rule
from freehold.guard.settings import Settings, find_root, load_settings

__all__ = [
    "RULES",
    "Baseline",
    "Finding",
    "NotRead",
    "Report",
    "Rule",
    "Settings",
    "apply_baseline",
    "as_json",
    "find_root",
    "load_settings",
    "look",
    "read_baseline",
    "sarif",
    "write_baseline",
]
