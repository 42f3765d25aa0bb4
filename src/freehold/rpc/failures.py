"""
What a caller hears of an exception, and what only the log hears.

A `CallError` travels as it is, with the parts that its class annotates. Everything else is a
defect: it becomes `Internal` with an incident's number, and its text goes to the log under
that number, in one line, with control characters escaped, so that nothing a caller sent
can write a line of its own.
"""

from __future__ import annotations

import inspect
import logging
import traceback
import typing
from typing import Any, Final, get_origin

from freehold.errors import CallError, ContractError, Internal, call_errors, problem
from freehold.ids import Ids
from freehold.rpc.shapes import FieldShape, shape_of
from freehold.schema import wire_name
from freehold.wire.codec import JSON

LOG: Final = logging.getLogger("freehold.rpc")
_TEXT_LENGTH_MAX: Final = 20_000
_DETAIL_LENGTH_MAX: Final = 600
#: What could begin a line of its own in a log, or colour one, and how it is written instead.
CONTROLS: Final = {
    number: f"\\x{number:02x}"
    for number in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
    if number != 0x0A
} | {0x0A: "\\n"}

_FIELDS: Final[dict[type[CallError], tuple[FieldShape, ...]]] = {}


class Failures:
    """
    Makes of any exception a CallError that may travel.

    Args:
        ids: Where incident numbers come from.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def told(self, error: BaseException, method: str) -> CallError:
        """
        The error as the caller hears it; never raises.

        Args:
            error: What happened.
            method: The full name of what was called, for the log.
        """
        if isinstance(error, CallError):
            try:
                return _with_parts(error)
            except Exception as second:
                second.__context__ = error
                error = second
        incident = self._ids.seed()[:8].hex()
        log(f"incident {incident}: {method} failed", error)
        return Internal(
            "Something broke inside; the call had no effect.",
            hint=f"The server's log tells what, under the incident {incident}.",
            data={"incident": incident},
        )


def log(what: str, error: BaseException) -> None:
    """Write an exception into the log as one line; never raises."""
    try:
        text = "".join(traceback.format_exception(error))[-_TEXT_LENGTH_MAX:]
        line = f"{what}: {text}".encode(errors="backslashreplace").decode()
        LOG.error("%s", line.translate(CONTROLS))
    except Exception:
        LOG.error("%s: an error that cannot be shown", what.translate(CONTROLS))


def _with_parts(error: CallError) -> CallError:
    """
    The error with the parts its class annotates.

    A part that cannot be encoded is left out: the caller still learns what happened. When
    the sentence itself cannot, this raises.
    """
    if len(error.detail) > _DETAIL_LENGTH_MAX:
        # A value that somebody sent is in it, and it is not sent back whole.
        error.detail = f"{error.detail[:_DETAIL_LENGTH_MAX]}…"
    for each in error_fields(type(error)):
        error.data = {each.wire: getattr(error, each.name), **error.data}
    try:
        JSON.encode(problem(error))
    except Exception as cause:
        log(f"parts of {type(error).__name__} were left out", cause)
        error.data = {name: part for name, part in error.data.items() if _can_travel(part)}
        JSON.encode(problem(error))
    return error


def _can_travel(part: Any) -> bool:
    try:
        JSON.encode(part)
    except Exception:
        return False
    return True


def error_fields(kind: type[CallError]) -> tuple[FieldShape, ...]:
    """
    The parts of an application's error: what it annotates, and what its parents do.

    Raises:
        ContractError: A part's type cannot travel.
    """
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = _read_fields(kind)
    return known


def _read_fields(kind: type[CallError]) -> tuple[FieldShape, ...]:
    own = set(call_errors().values())
    names = [
        name
        for parent in reversed(kind.__mro__)
        if issubclass(parent, CallError) and parent not in own
        for name in inspect.get_annotations(parent)
    ]
    if not names:
        return ()
    try:
        hints: dict[str, Any] = typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError) as error:
        raise ContractError(f"{kind.__name__}: its annotations cannot be read: {error}.") from None
    return tuple(
        FieldShape(name, wire_name(name), shape_of(hints[name], f"{kind.__name__}.{name}"), True)
        for name in dict.fromkeys(names)
        if get_origin(hints[name]) is not typing.ClassVar and hints[name] is not typing.ClassVar
    )
