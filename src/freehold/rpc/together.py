"""
Several calls, one transaction: all or nothing, one commit, one answer.

    [{"method": "Shop.createUser", "args": {"name": "Ada"}},
     {"method": "Shop.createOrder", "args": {"userId": {"$result": [0, "id"]}}}]

An argument, or any part of one, may stand for a part of an earlier result, as it would look on
the wire. No lock is held while anybody is on the network: the whole list is one request, and
runs at once. The first call that fails ends all of them, and says which one it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from freehold.crypto import Secret
from freehold.db import Caller, Reader
from freehold.errors import CallError, InvalidArgument, TooLarge
from freehold.rpc.failures import Failures
from freehold.rpc.method import Method
from freehold.rpc.refusals import place_of, unreadable
from freehold.wire.codec import Codec
from freehold.wire.inspect_body import inspect_json, inspect_msgpack
from freehold.wire.limits import Limits

if TYPE_CHECKING:
    from freehold.rpc.dispatch import Target

#: What a transport calls it; no method has such a name.
TOGETHER: Final = "$transaction"
REFERENCE: Final = "$result"
#: The list, the call and its arguments stand around what a lone call would send.
_DEPTH_AROUND: Final = 3
_FIELDS: Final = frozenset(("method", "args"))


@dataclass(frozen=True)
class Step:
    """One call of the list; its references are not resolved yet."""

    target: Target
    args: Any
    has_references: bool
    body: bytes


@dataclass(frozen=True)
class _Pseudo:
    """What exactly-once asks of a method, for the whole list."""

    full_name: str
    reveals: bool
    answer_type: Any


class Together:
    """
    One list of calls as a target: what `Request` runs, instead of a single method.

    Args:
        steps: The calls, in order.
        failures: Makes errors of exceptions.
        limits: How long all results together may be.
        pepper: What fingerprints of arguments are made with.
    """

    __slots__ = ("answer_bytes_max", "codec", "failures", "full_name", "method", "pepper", "steps")

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        failures: Failures,
        limits: Limits,
        pepper: Secret | None = None,
    ) -> None:
        self.steps = steps
        self.pepper = pepper
        self.failures = failures
        self.answer_bytes_max = limits.answer_bytes_max
        self.full_name = TOGETHER
        types = tuple(step.target.method.answer_type for step in steps)
        self.method = _Pseudo(
            TOGETHER,
            any(step.target.method.reveals for step in steps),
            tuple[types],  # type: ignore[valid-type]
        )

    def place(self, error: CallError) -> None:
        """The path was said when the call failed."""

    def decode(self, _body: bytes, codec: Codec) -> tuple[Any, ...]:
        """What the list asks for, for the fingerprint; the codec is remembered for results."""
        self.codec = codec
        return tuple((step.target.full_name, step.args) for step in self.steps)

    def invoke(self, db: Reader, _args: tuple[Any, ...]) -> list[msgspec.Raw]:
        """
        Run the calls on one handle.

        Raises:
            CallError: What one of them ended with; `data.call` is its place in the list.
        """
        bodies: list[bytes] = []
        for number, step in enumerate(self.steps):
            try:
                bodies.append(self._run(db, step, bodies))
            except CallError as error:
                _tell_place(error, number, step.target.method)
                raise
        return [msgspec.Raw(body) for body in bodies]

    def _run(self, db: Reader, step: Step, bodies: Sequence[bytes]) -> bytes:
        codec, body = self.codec, step.body
        if step.has_references:
            body = codec.encode(_resolved(step.args, bodies, codec))
        args = step.target.decode(body, codec)
        return codec.encode(step.target.invoke(db, args))


def read_steps(
    body: bytes, codec: Codec, *, find: Callable[[str], Target], caller: Caller, limits: Limits,
    may: Callable[[Caller, Target], None],
) -> list[Step]:  # fmt: skip
    """
    The calls of a list, each with its method and the caller's right to it.

    Args:
        body: The list.
        codec: What it is written in.
        find: The method of a name; raises UnknownMethod.
        caller: Who calls.
        limits: How many, how deep.
        may: Raises PermissionDenied.

    Raises:
        InvalidArgument, TooLarge: It is no such list; `path` says where.
    """
    inspect = inspect_json if codec.name == "json" else inspect_msgpack
    inspect(body, limits.depth_max + _DEPTH_AROUND)
    try:
        calls = codec.decode(body)
    except UnicodeDecodeError:
        raise unreadable("A text in the body is not valid UTF-8.") from None
    except Exception as error:
        raise unreadable(f"The body is not {codec.name}: {error}.") from None
    if not isinstance(calls, list) or not calls:
        raise InvalidArgument(
            "A transaction is a list of calls, one at least.",
            hint='Send [{"method": "Entrypoint.method", "args": {…}}, …].',
        )
    if len(calls) > limits.batch_calls_max:
        raise TooLarge(
            f"A transaction of {len(calls)} calls; {limits.batch_calls_max} are the most.",
            hint="The limit is batch_calls_max; make one call that takes a list.",
        )
    steps = [
        _step(call, number, codec, find=find, caller=caller, may=may)
        for number, call in enumerate(calls)
    ]
    databases = {step.target.database_name for step in steps}
    if len(databases) > 1:
        raise InvalidArgument(
            f"The calls work on several databases: {', '.join(sorted(databases))}.",
            hint="A transaction is of one database; make one for each.",
        )
    return steps


def _step(
    call: Any, number: int, codec: Codec, *, find: Callable[[str], Target], caller: Caller,
    may: Callable[[Caller, Target], None],
) -> Step:  # fmt: skip
    if (
        not isinstance(call, dict)
        or not isinstance(call.get("method"), str)
        or not call.keys() <= _FIELDS
    ):
        raise InvalidArgument(
            f"[{number}] is no call.",
            hint='A call is {"method": "Entrypoint.method", "args": {…}} and nothing else.',
            path=f"[{number}]",
        )
    try:
        target = find(call["method"])
        may(caller, target)
    except CallError as error:
        error.path = f"[{number}].method"
        error.data = {"call": number, **error.data}
        raise
    args = call.get("args")
    references = _references(args, number)
    body = b"" if args is None else codec.encode(args)
    if not references:
        try:
            # Refused before anything runs, as a lone call would be.
            target.decode(body, codec)
        except CallError as error:
            _tell_place(error, number, target.method)
            raise
    return Step(target, args, references, body)


def _references(value: Any, number: int) -> bool:
    """
    Whether there are references in it; each must point at an earlier result.

    Raises:
        InvalidArgument: One does not.
    """
    if isinstance(value, dict):
        if REFERENCE in value:
            _check_reference(value, number)
            return True
        return _among(value.values(), number)
    return _among(value, number) if isinstance(value, list) else False


def _among(parts: Iterable[Any], number: int) -> bool:
    found = False
    for part in parts:
        # Each is looked at: a later one may be wrong.
        found = _references(part, number) or found
    return found


def _check_reference(value: dict[str, Any], number: int) -> None:
    steps = value[REFERENCE]
    is_path = (
        len(value) == 1
        and isinstance(steps, list)
        and steps
        and all(type(step) in (int, str) for step in steps)
        and type(steps[0]) is int
    )
    if not is_path or not 0 <= steps[0] < number:
        raise InvalidArgument(
            f"[{number}] refers to a result that is not there before it.",
            hint=f'Write {{"{REFERENCE}": [0, "id"]}}: the place of an earlier call, and the way '
            "into its result.",
            path=f"[{number}].args",
        )


def _resolved(value: Any, bodies: Sequence[bytes], codec: Codec) -> Any:
    if isinstance(value, dict):
        if REFERENCE in value:
            return _looked_up(value[REFERENCE], bodies, codec)
        return {name: _resolved(part, bodies, codec) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, bodies, codec) for part in value]
    return value


def _looked_up(way: Sequence[Any], bodies: Sequence[bytes], codec: Codec) -> Any:
    found = codec.decode(bodies[way[0]])
    for step in way[1:]:
        try:
            found = _part_of(found, step)
        except LookupError:
            shown = ".".join(str(part) for part in way)
            raise InvalidArgument(
                f"the result has no {shown!r}.", hint="Look at what the earlier call answers."
            ) from None
    return found


def _part_of(found: Any, step: str | int) -> Any:
    if isinstance(found, dict) and isinstance(step, str):
        return found[step]
    if isinstance(found, list) and isinstance(step, int) and step >= 0:
        return found[step]
    raise LookupError


def _tell_place(error: CallError, number: int, method: Method) -> None:
    place_of(error, method)
    if error.path is None:
        error.path = f"[{number}]"
    elif not error.path[:1].isupper():
        error.path = f"[{number}].args.{error.path}"
    error.data = {"call": number, **error.data}
