"""
What a service is told: the developer's environment without what is not its own, its port, its
folder, its binding, the addresses of others, and secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from freehold.app import Service
from freehold.crew.declared import Declared
from freehold.crew.private import make_private, write_private
from freehold.errors import StartError
from freehold.ids import SystemIds

_SECRET_LENGTH: Final = 40
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.ASCII)
_QUOTED: Final = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_ESCAPES: Final = {"n": "\n", "t": "\t"}


def find_env_file(folder: Path) -> Path:
    """The `.env` beside the pyproject.toml of this folder or one above; else in the folder."""
    for each in (folder, *folder.parents):
        if (each / "pyproject.toml").is_file():
            return each / ".env"
    return folder / ".env"


def read_env_file(path: Path) -> dict[str, str]:
    """
    The variables of a `.env` file; none when there is no such file.

    A line is `NAME=value`, an empty one, or a comment; values may be quoted, in double quotes
    with `\\n`, `\\t`, `\\"` and `\\\\`. Nothing is expanded.

    Raises:
        StartError: A line is none of these. It is named by its number; it may hold a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path} cannot be read: {type(error).__name__}.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        match = _LINE.fullmatch(said)
        value = None if match is None else _value(match[2])
        if match is None or value is None:
            raise StartError(
                f"line {number} of {path} is no NAME=value.",
                hint="Quote a value with spaces or #: NAME='a value'.",
            )
        found[match[1]] = value
    return found


def _value(said: str) -> str | None:
    """What stands behind the `=`; None when a quote has no end."""
    if said[:1] in ("'", '"'):
        quoted = _QUOTED.fullmatch(said)
        if quoted is None:
            return None
        if quoted[1] is not None:
            return quoted[1]
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[2])
    return re.split(r"\s+#", said, maxsplit=1)[0].strip()


class Words:
    """
    Secrets that services share: made once, kept in a file for its owner alone.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """
        The words of these names; those that there are not yet are made.

        Raises:
            StartError: The file holds something else.
        """
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            known = {}
        except (OSError, msgspec.DecodeError) as error:
            raise StartError(
                f"the services' secrets cannot be read from {self._path}.",
                hint="Remove the file; the words are made anew.",
            ) from error
        missing = sorted(set(names) - known.keys())
        for name in missing:
            known[name] = SystemIds().seed().hex()[:_SECRET_LENGTH]
        if missing:
            write_private(self._path, msgspec.json.encode(known).decode() + "\n")
        return {name: known[name] for name in names}


def own_environ(
    service: Service, declared: Declared, *, given: Mapping[str, str], folder: Path, words: Words
) -> dict[str, str]:
    """
    The environment of a service, but for addresses and its binding. Its folder is made.

    Args:
        service: Whose it is.
        declared: The application, whose own secrets and other services' are left out.
        given: The developer's environment, the `.env` file included.
        folder: The data folder.
        words: Where the shared secrets are.
    """
    not_its_own = {name for other in declared.services for name in other.secrets}
    not_its_own |= {declared.secret or ""}
    environ = {
        name: value
        for name, value in given.items()
        if name not in not_its_own and not name.startswith("FREEHOLD_")
    }
    said = {name: given[name] for name in service.secrets if given.get(name)}
    # Who plays something outside shares a word with those who ask it; the real one does not.
    real = {
        name
        for other in declared.services
        if other.stands_in_for is not None and given.get(other.stands_in_for, "").strip()
        for name in other.secrets
    }
    made = words.of([name for name in service.secrets if name not in said and name not in real])
    own_folder = folder / "services" / service.name
    make_private(own_folder)
    return {
        "PYTHONUNBUFFERED": "1",
        **environ,
        **service.environ,
        **said,
        **made,
        "DATA_DIR": str(own_folder),
    }
