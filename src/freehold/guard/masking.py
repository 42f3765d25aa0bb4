"""
Text of other people's files, made fit to be shown: no passwords, one line, short, harmless.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
SHOWN_MAX: Final = 120
#: Nothing longer is looked at; nobody reads it either.
_LOOKED_AT_MAX: Final = 4_000

#: All between `//` and the last `@` of the line: what is in it may be quoted, split or spelt wrong.
_USER_INFO: Final = re.compile(r"(://)([\w.%+-]*)(?:[^\w.%+@/\s-].*)?@")
_NAMED: Final = re.compile(
    r"""(?P<name>[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api_?key|access_?key)[\w-]*
        ["']?\s*(?:[=:]|=>)\s*)(?P<value>"[^"]*"?|'[^']*'?|`[^`]*`?|[^\s,;&)}\]"'`]+)""",
    re.IGNORECASE | re.VERBOSE,
)
#: Letters behind a scheme without a user, that are no host: `postgres://:word@`.
_NO_USER: Final = re.compile(r"(://):.*@")


def masked(text: str) -> str:
    """The text without the passwords of addresses and of `password=…`."""
    text = _NO_USER.sub(rf"\1:{MASK}@", text)
    text = _USER_INFO.sub(_without_password, text)
    return _NAMED.sub(lambda m: m["name"] + _mask_of(m["value"]), text)


def shown(text: str) -> str:
    """The text on one line, masked, without control characters, at most 120 characters."""
    line = " ".join(masked(text[:_LOOKED_AT_MAX]).split())
    line = plain(line)
    return line if len(line) <= SHOWN_MAX else f"{line[: SHOWN_MAX - 1]}…"


def plain(text: str) -> str:
    """The text, with what a terminal would obey, or cannot show, written out: paths."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def _without_password(match: re.Match[str]) -> str:
    is_bare = match[0] == f"{match[1]}{match[2]}@"
    return match[0] if is_bare else f"{match[1]}{match[2]}:{MASK}@"


def _mask_of(value: str) -> str:
    quote = value[0] if value[0] in "\"'`" else ""
    if value.strip("\"'`") == "":
        return value
    return f"{quote}{MASK}{quote}"
