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
#: References of one transaction.
_REFERENCES_MAX: Final = 1_000
_SHOWN_MAX: Final = 80
_FIELDS: Final = frozenset(("method", "args"))


@dataclass(frozen=True)
class Step:
    """One call of the list; its references are not resolved yet."""

    target: Target
    args: Any
    has_references: bool
    body: bytes


class _Pseudo:
    """What exactly-once asks of a method, for the whole list."""

    full_name = TOGETHER

    def __init__(self, methods: Sequence[Method]) -> None:
        self._methods = methods
        self.reveals = any(each.reveals for each in methods)

    @property
    def answer_type(self) -> Any:
        """Only asked for when a kept answer is wanted in the other codec."""
        types = tuple(each.answer_type for each in self._methods)
        return tuple[types]  # type: ignore[valid-type]


class Together:
    """
    One list of calls as a target: what `Request` runs, instead of a single method.

    Args:
        steps: The calls, in order.
        failures: Makes errors of exceptions.
        limits: How long all results together may be.
        pepper: What fingerprints of arguments are made with.
    """

    __slots__ = (
        "_bytes_max",
        "answer_bytes_max",
        "codec",
        "failures",
        "full_name",
        "live",
        "method",
        "pepper",
        "steps",
    )

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
        #: Of the first mutation among them; None when they only read.
        self.live = next((step.target.live for step in steps if step.target.live), None)
        self.failures = failures
        self.answer_bytes_max = limits.answer_bytes_max
        self._bytes_max = limits.body_bytes_max
        self.full_name = TOGETHER
        self.method = _Pseudo([step.target.method for step in steps])

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
        results = _Results(bodies, self.codec, bytes_max=self._bytes_max)
        for number, step in enumerate(self.steps):
            try:
                bodies.append(self._run(db, step, results))
            except CallError as error:
                _tell_place(error, number, step.target.method)
                raise
        return [msgspec.Raw(body) for body in bodies]

    def _run(self, db: Reader, step: Step, results: _Results) -> bytes:
        codec, body = self.codec, step.body
        if step.has_references:
            body = codec.encode(results.resolved(step.args))
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
    body = b"" if args is None else _written(args, number, codec)
    if not references:
        try:
            # Refused before anything runs, as a lone call would be.
            target.decode(body, codec)
        except CallError as error:
            _tell_place(error, number, target.method)
            raise
    return Step(target, args, references, body)


def _written(args: Any, number: int, codec: Codec) -> bytes:
    """The arguments as a lone call would bring them."""
    try:
        return codec.encode(args)
    except (TypeError, ValueError, OverflowError):
        # MessagePack can say objects whose names are numbers or lists; nobody takes them.
        raise InvalidArgument(
            f"[{number}].args holds an object whose names are no texts.",
            hint="Name arguments and fields by texts, as in JSON.",
            path=f"[{number}].args",
        ) from None


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


class _Results:
    """
    What earlier calls answered, for those who refer to it.

    A reference is a few bytes and may stand for many, so what they all stand for together is
    counted, and held to what a request may bring.
    """

    def __init__(self, bodies: Sequence[bytes], codec: Codec, *, bytes_max: int) -> None:
        self._bodies = bodies
        self._codec = codec
        self._bytes_max = bytes_max
        self._bytes = 0
        self._count = 0
        self._decoded: dict[int, Any] = {}
        self._found: dict[tuple[Any, ...], tuple[Any, int]] = {}

    def resolved(self, value: Any) -> Any:
        """
        The value with its references replaced.

        Raises:
            InvalidArgument: A result has no such part.
            TooLarge: They stand for more than a request may hold.
        """
        if isinstance(value, dict):
            if REFERENCE in value:
                return self._looked_up(tuple(value[REFERENCE]))
            return {name: self.resolved(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.resolved(part) for part in value]
        return value

    def _looked_up(self, way: tuple[Any, ...]) -> Any:
        if way not in self._found:
            found = self._part(way)
            self._found[way] = found, len(self._codec.encode(found))
        found, size = self._found[way]
        self._bytes += size
        self._count += 1
        if self._count > _REFERENCES_MAX:
            raise TooLarge(
                f"a transaction with more than {_REFERENCES_MAX} references.",
                hint="Let one function do what needs so many.",
            )
        if self._bytes > self._bytes_max:
            raise TooLarge(
                f"the references of the transaction stand for more than {self._bytes_max} bytes.",
                hint="The limit is body_bytes_max; let one function read what it needs.",
            )
        return found

    def _part(self, way: tuple[Any, ...]) -> Any:
        number = way[0]
        if number not in self._decoded:
            self._decoded[number] = self._codec.decode(self._bodies[number])
        found = self._decoded[number]
        for step in way[1:]:
            try:
                found = _part_of(found, step)
            except LookupError:
                shown = ".".join(str(part) for part in way)
                raise InvalidArgument(
                    f"the result has no {shown[:_SHOWN_MAX]!r}.",
                    hint="Look at what the earlier call answers.",
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
