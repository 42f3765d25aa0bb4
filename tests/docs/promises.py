"""
What is promised, what that does not cover, and the page that shows it.

`docs/explanation/promises.md` is made of this, of the marks of the tests and of the figures that
the last long runs wrote down. P11 to P13 belong to rooms that are not built.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.docs.attacks import ATTACKS
from tests.docs.marked import Shown, showing
from tests.docs.pages import ROOT
from tests.faults.figures import FIGURES

_SHOWN_MAX: Final = 6
_WIDTH: Final = 100


@dataclass(frozen=True)
class Promise:
    """One of them."""

    number: str
    name: str
    sentence: str
    not_covered: str


PROMISES: Final = (
    Promise("P1", "Durable",
            "Once a mutation is answered `ok`, its effects, its kept answer and its audit row are "
            "there after any kill of the process, crash of the kernel or loss of power.",
            "a disk, controller or hypervisor that says it has synced and has not; the loss of "
            "the disk itself."),
    Promise("P2", "Atomic",
            "A mutation's effects are all there or all absent, whatever happens to the others in "
            "its batch.",
            "what a consumer does beside the database."),
    Promise("P3", "Honest outcome",
            "Every call ends in exactly one of `ok` (durable), `failed` (has had no effect and "
            "will have none) or `unknown` (ask again with the same key), and no later look "
            "contradicts it.",
            "a caller who does not ask again after `unknown`."),
    Promise("P4", "Exactly once",
            "A mutation repeated under its key within seven days gets the first answer and has no "
            "second effect, also when calls race, the process is killed between, or the answer "
            "was lost.",
            "effects outside the database; calls without a key; answers over 64 KiB, of which "
            "only the fact is kept."),
    Promise("P5", "One order",
            "All mutations appear in one order, that of `seq`, which agrees with real time; a "
            "read says which commit it saw, and one that asks for `min_seq` sees at least that.",
            "reads without `min_seq` on another process of the same PostgreSQL, which may be a "
            "moment behind."),
    Promise("P6", "Users are apart",
            "No method lets one user learn or change anything of another, unless it is declared "
            "to cross users.",
            "what an author declares to cross users, and statements over tables that have no "
            "owner."),
    Promise("P7", "Sealed at rest",
            "A sealed column is never in clear in the database, its log, answers, errors or logs, "
            "and a ciphertext that was moved or changed does not open.",
            "whoever has the file and the keys; an older value put back in the very same place; "
            "what your own backups of the time before held."),
    Promise("P8", "Rotation",
            "Column keys rotate while the data is served; a crash at any moment leaves every "
            "value readable, and a key is retired only when no value needs it.",
            "copies of the database that you keep elsewhere: they need the old key."),
    Promise("P9", "Keys and tokens",
            "Service keys and tokens are kept as hashes, compared in constant time, and a revoked "
            "key is refused at its next call, on open connections too.",
            "calls that were accepted before the revocation was answered."),
    Promise("P10", "OAuth state",
            "A state is accepted at most once, only for what it was made for, and before it "
            "expires.",
            "the provider's side of the exchange."),
    Promise("P14", "Bit rot",
            "A damaged page is refused, not served.",
            "files made before page checksums until they are rewritten; the memory of the "
            "machine. On PostgreSQL it is the server's own checksums."),
    Promise("P15", "Full disk, memory, descriptors",
            "When disk, memory or descriptors run out, writes are refused by name, reads go on "
            "where they can, nothing is lost, and the service recovers by itself.",
            "a kernel that ends the process for want of memory: that is a kill, see P1."),
    Promise("P16", "Overload",
            "Slow, huge, many or malformed requests are bounded in memory and time, and good "
            "callers go on.",
            "a flood that fills the network before it reaches the process; calls of many "
            "connections that began before there was too much: what they hold is beyond "
            "`held_bytes_max` by their answers, for some seconds."),
    Promise("P17", "No untyped error",
            "No input makes an `internal` error; each refusal has a code and carries nothing from "
            "inside.",
            "a defect in a function of the application: that is `internal`, with an incident "
            "number and nothing else."),
    Promise("P18", "Clock",
            "A jump of the clock loses, repeats and reorders no commit, and lets nothing that has "
            "expired through for longer than the jump.",
            "times that the application stores from elsewhere."),
    Promise("P19", "Migrations",
            "Opening an existing database reaches the new version whole or leaves it as it was; "
            "children are not cascaded away; a newer file is refused.",
            "what a migration written by hand means to delete."),
    Promise("P20", "Two engines",
            "SQLite and PostgreSQL give the same answers and the same error codes.",
            "what [two engines](two-engines.md) names."),
    Promise("P21", "Reproducible",
            "A run that goes red prints the seed that replays it.",
            "the moment at which the system's scheduler let a process go on."),
)  # fmt: skip


def promises() -> str:
    """Every promise with its tests and figures."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return "\n".join(_promise(each, list(figures.values())) for each in PROMISES)


def attacks() -> str:
    """The table of attacks."""
    lines = ["| | what is tried | what stands in its way | shown by |", "|---|---|---|---|"]
    for attack in ATTACKS:
        shown = showing(attack.number)
        by = _links(shown, 2) if attack.absent is None else "nothing to attack"
        way = attack.defence if attack.absent is None else attack.absent
        lines.append(f"| {attack.number} | {attack.tried} | {way} | {by} |")
    return "\n".join(lines)


def _promise(promise: Promise, figures: list[dict[str, Any]]) -> str:
    lines = [
        f"\n### {promise.number} · {promise.name}\n",
        textwrap.fill(promise.sentence, _WIDTH),
        "\n" + textwrap.fill(f"**Not covered:** {promise.not_covered}", _WIDTH) + "\n",
        f"**Shown by** {_links(showing(promise.number), _SHOWN_MAX)}.",
    ]
    own = [figure for figure in figures if figure["promise"] == promise.number]
    if own:
        lines += [
            "\n| last long run | done | bad | time | of the full run | day, seed |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_row(figure) for figure in own]
    return "\n".join(lines)


def _row(figure: dict[str, Any]) -> str:
    done = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in figure["counts"].items())
    is_control = is_negative(figure)
    bad = f"{figure['bad']:,}, as it must" if is_control else f"{figure['bad']:,}"
    share = "all" if figure["share"] == "full" else f"{figure['share']} %"
    when = f"{figure['day']}, {figure['seed']}"
    return f"| {figure['what']} | {done} | {bad} | {figure['seconds']:,} s | {share} | {when} |"


def is_negative(figure: dict[str, Any]) -> bool:
    """Whether it must have found something."""
    return "control" in figure["what"]


def _links(shown: list[Shown], most: int) -> str:
    files: dict[Path, int] = {}
    for each in shown:
        files[each.file] = files.get(each.file, 0) + 1
    # The file with most of them first: it is likely about this very promise.
    ordered = sorted(files.items(), key=lambda item: (-item[1], str(item[0])))
    named = [f"[{file.stem[5:]}](../../{file}) ({count})" for file, count in ordered[:most]]
    more = len(ordered) - most
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


PAGE: Final = ROOT / "docs" / "explanation" / "promises.md"
