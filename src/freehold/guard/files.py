"""
The files of a repository: as git lists them, or by a walk where there is no git.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from freehold.guard.findings import NotRead

#: Never somebody's own source. git needs no such list: it knows what is ignored.
SKIPPED_FOLDERS: Final = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".next", ".wrangler", ".turbo", ".cache",
})  # fmt: skip
#: No program that the repository's own settings name is started.
_GIT: Final = (
    "git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others",
    "--exclude-standard",
)  # fmt: skip
_GIT_WAIT_S: Final = 60
_BINARY_LOOK: Final = 8_192


@dataclass
class Listing:
    """
    The files of a repository.

    Args:
        paths: From the root, with slashes, sorted.
        by: `git` or `walk`.
        not_read: Folders and links that lead out of it, or nowhere.
        links: How many are links to others of them.
    """

    paths: list[str] = field(default_factory=list)
    by: str = "git"
    not_read: list[NotRead] = field(default_factory=list)
    links: int = 0


def list_files(root: Path) -> Listing:
    """Every file that belongs to the repository; what git ignores does not."""
    listing = Listing()
    named = _by_git(root)
    if named is None:
        listing.by = "walk"
        named = list(_by_walk(root, listing))
    for name in sorted(set(named)):
        _take(root, name, listing)
    listing.paths = sorted(set(listing.paths))
    return listing


def _by_git(root: Path) -> list[str] | None:
    try:
        done = subprocess.run(  # noqa: S603 - git itself, with words of our own
            _GIT, cwd=root, capture_output=True, check=False, timeout=_GIT_WAIT_S,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    # Nothing at all: a folder that a repository above it ignores.
    return names or None


def _by_walk(root: Path, listing: Listing) -> Iterator[str]:
    def fail(error: OSError) -> None:
        path = os.path.relpath(error.filename or root, root)
        listing.not_read.append(
            NotRead(
                path, f"the folder cannot be opened: {error.strerror}", "Let this user read it."
            )
        )

    for folder, inner, files in os.walk(root, onerror=fail):
        inner[:] = sorted(each for each in inner if each not in SKIPPED_FOLDERS)
        links = [each for each in inner if os.path.islink(os.path.join(folder, each))]
        for name in (*files, *links):
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def _take(root: Path, name: str, listing: Listing) -> None:
    path = root / name
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return  # In git's index, and removed since.
    except OSError as error:
        listing.not_read.append(NotRead(name, f"{error.strerror}", "Let this user read it."))
        return
    if stat.S_ISLNK(facts.st_mode):
        _follow(root, name, listing)
    elif stat.S_ISDIR(facts.st_mode):
        # A repository inside the repository: git names only its folder.
        inner = list_files(path)
        listing.paths += [f"{name.rstrip('/')}/{each}" for each in inner.paths]
        listing.not_read += [
            NotRead(f"{name.rstrip('/')}/{each.path}", each.reason, each.next_step)
            for each in inner.not_read
        ]
    elif stat.S_ISREG(facts.st_mode):
        listing.paths.append(name)


def _follow(root: Path, name: str, listing: Listing) -> None:
    if name.rsplit("/", 1)[-1] in SKIPPED_FOLDERS:
        return
    path = root / name
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        listing.not_read.append(
            NotRead(name, "the link leads nowhere, or in a circle", "Remove the link.")
        )
        return
    if target.is_relative_to(root.resolve()):
        listing.links += 1
    elif target.is_dir():
        step = "Look at that folder too, or exclude the link with a reason."
        listing.not_read.append(NotRead(name, "the link leads to a folder outside", step))
    else:
        listing.paths.append(name)


def content_of(path: Path, *, bytes_max: int) -> bytes | str:
    """The content, or why it is not read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > bytes_max:
                return f"it has {size:,} bytes, and {bytes_max:,} are read at most"
            content = file.read(bytes_max + 1)
    except OSError as error:
        return f"it cannot be opened: {error.strerror}"
    if b"\0" in content[:_BINARY_LOOK]:
        return "it is binary, or in UTF-16"
    return content
