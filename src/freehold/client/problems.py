"""
From a problem on the wire back to a typed error.

The library's own errors are known by name; an application's are registered by its generated
client, with the attributes that their `data` carries. A name that nobody knows becomes the
class of its `code`, so that a newer server's errors still mean something to an older client.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import msgspec

from freehold.errors import CallError, Overloaded, call_errors
from freehold.scalars import dec_hook

#: Name of the attribute → name on the wire.
Parts = Mapping[str, str]


def _by_code() -> dict[str, type[CallError]]:
    kinds = call_errors().values()
    return {kind.code: kind for kind in kinds if "code" in vars(kind) and kind is not CallError}


_LIBRARY: Final = call_errors()
_CODES: Final = _by_code()


class ErrorTypes:
    """The errors that a client knows; made once by the generated module."""

    def __init__(self, kinds: Mapping[type[CallError], Parts] | None = None) -> None:
        self._parts = dict(kinds or {})
        self._named = _LIBRARY | {kind.__name__: kind for kind in self._parts}

    def from_problem(self, problem: Any) -> CallError:
        """
        The error that the map describes; never fails, whatever the map holds.

        An unknown code keeps its code, `retryable` and `outcome`, on a plain `CallError`.
        """
        if not isinstance(problem, dict):
            return CallError(f"the server refused in words that cannot be read: {problem!r:.200}.")
        name, code = _text(problem, "error"), _text(problem, "code")
        kind = self._named.get(name) or _CODES.get(code, CallError)
        path, data = problem.get("path"), problem.get("data")
        error = kind(
            _text(problem, "detail") or _text(problem, "title") or name or code or "It failed.",
            hint=_text(problem, "hint"),
            path=path if isinstance(path, str) else None,
            data=data if isinstance(data, dict) else None,
        )
        after = problem.get("retryAfterS")
        if isinstance(error, Overloaded) and isinstance(after, int) and 0 <= after < 2**31:
            error.retry_after_s = after
        if kind is CallError:
            kept = {key: problem[key] for key in ("code", "retryable", "outcome") if key in problem}
            vars(error).update(kept)
        for attribute, wire in self._parts.get(kind, {}).items():
            setattr(error, attribute, self._part(kind, attribute, error.data.get(wire)))
        return error

    @cached_property
    def _hints(self) -> dict[type[CallError], dict[str, Any]]:
        return {kind: typing.get_type_hints(kind) for kind in self._parts}

    def _part(self, kind: type[CallError], attribute: str, value: Any) -> Any:
        if value is None:
            return None
        try:
            return msgspec.convert(value, self._hints[kind][attribute], dec_hook=dec_hook)
        except (msgspec.ValidationError, KeyError):
            # An error that cannot be told in full is still told.
            return value


def with_retry_after(error: CallError, header: str | None) -> CallError:
    """The same error, with the seconds that an HTTP `Retry-After` names."""
    if isinstance(error, Overloaded) and header is not None and header.isdecimal():
        error.retry_after_s = int(header)
    return error


def _text(problem: dict[Any, Any], key: str) -> str:
    value = problem.get(key)
    return value if isinstance(value, str) else ""
