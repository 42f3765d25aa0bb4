"""What no error may hold, whatever it answers: how it is made inside, and what others own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from freehold.wire.codec import JSON

#: SQL, engines, paths, stacks, keys. Words of English that are SQL's too need their company.
INNER: Final = re.compile(
    r"""
      \b(SELECT|INSERT\ INTO|DELETE\ FROM|UPDATE\ \w+\ SET|ROLLBACK|SAVEPOINT|RETURNING)\b
    | \b(sqlite|apsw|asyncpg|psycopg|sqlalchemy|greenlet|postgres|libpq|httptools)\b
    | \bSQLSTATE\b | \b_freehold_\w+
    | Traceback | File\ " | \.py\b | \bline\ \d+,\ in | object\ at\ 0x | <class
    | site-packages | /(home|root|tmp|usr|var|work|etc|opt)/
    | fh_(live|test)_[0-9a-z]{12}_
    """,
    re.VERBOSE,
)


def inner_of(problem: dict[str, Any], *, said: str = "", stored: Iterable[str] = ()) -> str | None:
    """
    What the problem tells of the inside; None when it tells nothing.

    Args:
        problem: What was answered.
        said: What the caller sent: saying that back tells nothing new.
        stored: What callers gave to things before, as their ids and names.
    """
    answered = JSON.encode(problem).decode()
    for text in stored:
        answered = answered.replace(JSON.encode(text).decode()[1:-1], "")
    for match in INNER.finditer(answered):
        if match[0] not in said:
            return match[0]
    return None


def broken_rules(problem: Any, *, said: str = "", stored: Iterable[str] = ()) -> list[str]:
    """Which rules of P17 the answer to a failed call breaks."""
    if not isinstance(problem, dict):
        return [f"it is no problem: {problem!r:.100}"]
    broken = [
        f"{name} is missing"
        for name in ("code", "title", "status", "error", "detail", "retryable", "outcome")
        if name not in problem
    ]
    if problem.get("code") == "internal":
        broken.append("it is internal")
    inner = inner_of(problem, said=said, stored=stored)
    if inner is not None:
        broken.append(f"it tells of the inside: {inner!r}")
    return broken
