"""Rules about the pages themselves: links, words, what must not be named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of, prose_of, steps_of
from tests.docs.reference import SRC, leaf_commands

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
#: Paths of somebody's machine. A page says `…`, or a path that every reader may have.
MACHINE = re.compile(r"/(?:home|root|Users|work|tmp|mnt)/|\bC:\\|file://")
#: Hosts that a reader needs; a mirror or a registry of somebody's workplace is none.
HOSTS = {
    "127.0.0.1", "localhost", "keepachangelog.com", "semver.org", "notes.example",
}  # fmt: skip
COMMAND = re.compile(r"(?<![\w./-])freehold ((?:[a-z]+)(?: [a-z]+)?)")
#: Not written yet when the pages were: benchmarks put it there.
LATER: set[str] = set()


def anchors_of(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and a heading in it."""
    broken = []
    for target in LINK.findall(prose_of(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if path in LATER:
            continue
        if not found.exists() or (anchor and anchor not in anchors_of(found)):
            broken.append(target)

    assert broken == []


def test_the_map_has_every_page() -> None:
    """A page that nobody links is not found."""
    folder = ROOT / "docs"
    linked = {
        (folder / target.partition("#")[0]).resolve()
        for target in LINK.findall((folder / "README.md").read_text())
    }

    assert [name_of(p) for p in folder.rglob("*.md") if p.name != "README.md"
            and p not in linked] == []  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_machine_and_no_workplace_is_named(page: Path) -> None:
    """A page is for every reader."""
    text = page.read_text()
    hosts = {host.partition(":")[0] for host in re.findall(r"https?://([\w.:-]+)", text)}

    assert MACHINE.findall(text) == []
    assert hosts - HOSTS == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_named_exist(page: Path) -> None:
    """`freehold backup` would be a promise that nobody keeps."""
    known = {name.removeprefix("freehold ") for name, _ in leaf_commands()}
    known |= {name.split()[0] for name in known}
    code = [step.text for step in steps_of(page) if step.language == "sh"]
    code += re.findall(r"`([^`\n]+)`", prose_of(page))
    named = {match for text in code for match in COMMAND.findall(text)}

    assert [name for name in named if name not in known and name.split()[0] not in known] == []


def test_hints_of_the_library_name_commands_that_exist() -> None:
    """A refusal's next step must be one that can be taken."""
    known = {name.removeprefix("freehold ") for name, _ in leaf_commands()}
    groups = {name.split()[0] for name in known if " " in name}
    named = {
        match
        for path in SRC.rglob("*.py")
        for match in re.findall(r"`freehold ([a-z]+(?: [a-z]+)?)[ `]", path.read_text())
    }
    wrong = [
        name
        for name in named
        if name not in known | groups
        and (name.split()[0] not in known or name.split()[0] in groups)
    ]

    assert wrong == []


def test_every_block_says_whether_it_runs() -> None:
    """A command that is neither run nor excused could be wrong without anybody noticing."""
    silent = [
        step.where
        for page in PAGES
        for step in steps_of(page)
        if step.language == "sh" and not step.mark
    ]

    assert silent == []


def test_the_drawing_of_the_storeys_is_the_contract() -> None:
    """ARCHITECTURE.md draws what `.importlinter` holds."""
    contract = (ROOT / ".importlinter").read_text()
    layers = contract.partition("layers =\n")[2].partition("exhaustive")[0].split("\n")
    held = [layer.strip() for layer in layers if layer.strip()]
    drawing = (ROOT / "ARCHITECTURE.md").read_text().partition("```text\n")[2].partition("```")[0]
    drawn = [re.split(r"\s{2,}", line)[0] for line in drawing.splitlines()]

    assert drawn == held


def test_files_that_the_architecture_follows_exist() -> None:
    """A walk through the files needs the files."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", text))

    assert named
    assert [name for name in sorted(named) if not (SRC / name).is_file()] == []
