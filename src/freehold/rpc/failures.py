"""
What a caller hears of an exception, and what only the log hears.

A `CallError` travels as it is, with the parts that its class annotates. Everything else is a
defect: it becomes `Internal` with an incident's number, and its text goes to the log under
that number, in one line, with control characters escaped, so that nothing a caller sent
can write a line of its own.
"""

from __future__ import annotations

import logging
import traceback
import typing
from functools import cache
from typing import Any, Final, get_origin

from freehold.errors import CallError, ContractError, Internal, call_errors, problem
from freehold.ids import Ids
from freehold.rpc.names import camel_case
from freehold.rpc.shapes import FieldShape, shape_of
from freehold.wire.codec import JSON

LOG: Final = logging.getLogger("freehold.rpc")
_TEXT_LENGTH_MAX: Final = 20_000
_CONTROLS: Final = {
    number: f"\\x{number:02x}"
    for number in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
    if number != 0x0A
} | {0x0A: "\\n"}


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
        LOG.error("%s: %s", what.translate(_CONTROLS), text.translate(_CONTROLS))
    except Exception:
        LOG.error("%s: an error that cannot be shown", what.translate(_CONTROLS))


def _with_parts(error: CallError) -> CallError:
    """The error with the parts its class annotates; what cannot be encoded raises here."""
    parts = error_fields(type(error))
    if parts:
        read = {each.wire: getattr(error, each.name) for each in parts}
        error.data = {**read, **error.data}
    JSON.encode(problem(error))
    return error


@cache
def error_fields(kind: type[CallError]) -> tuple[FieldShape, ...]:
    """
    The parts of an application's error: what it annotates, and what its parents do.

    Raises:
        ContractError: A part's type cannot travel.
    """
    own = set(call_errors().values())
    names = [
        name
        for parent in reversed(kind.__mro__)
        if issubclass(parent, CallError) and parent not in own
        for name in parent.__dict__.get("__annotations__", {})
    ]
    if not names:
        return ()
    try:
        hints: dict[str, Any] = typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError) as error:
        raise ContractError(f"{kind.__name__}: its annotations cannot be read: {error}.") from None
    return tuple(
        FieldShape(name, camel_case(name), shape_of(hints[name], f"{kind.__name__}.{name}"), True)
        for name in dict.fromkeys(names)
        if get_origin(hints[name]) is not typing.ClassVar and hints[name] is not typing.ClassVar
    )
