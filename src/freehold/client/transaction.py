"""
Several calls, one transaction: all or nothing, in one commit and one request.

    async with dal.transaction() as t:
        user = t.create_user(name="Ada")
        order = t.create_order(user_id=user.ref.id)
    print(order.value.id)

In the block nothing is sent: `t` only collects. `step.ref` stands for a result that is not
there yet, or a part of it; to a type checker it is the result itself, so wrong arguments are
found as everywhere. At the end of the block the one request goes out, under one idempotency
key; then `step.value` is the result. An error in the block sends nothing at all.

No lock is held while anybody is on the network: the data layer has the whole list before it
begins. TypeScript's `dal.transaction(t => …)` is the same.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Generic, Literal, NoReturn, Self, TypeVar, cast

import msgspec

from freehold.client.method import Method
from freehold.errors import FreeholdError, InvalidArgument
from freehold.scalars import enc_hook
from freehold.wire.codec import JSON, MSGPACK, Codec

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
S = TypeVar("S", bound="Steps")

#: What the data layer calls a list of calls; no method has such a name.
TOGETHER: Final = "$transaction"
REFERENCE: Final = "$result"
_MAKERS: Final[dict[str, Any]] = {
    JSON.name: msgspec.json.Encoder,
    MSGPACK.name: msgspec.msgpack.Encoder,
}


class Together(Method[list[Any]]):
    """All calls of a transaction as one method, whose answer is the list of theirs."""

    def __init__(self, methods: Sequence[Method[Any]]) -> None:
        names = ", ".join(each.name for each in methods)
        super().__init__(f"the transaction of {names}")
        self.asked = TOGETHER
        self.packed = MSGPACK.encode(TOGETHER)
        self.path = "/rpc"
        self.is_query = all(each.is_query for each in methods)
        self._methods = methods

    @cached_property
    def unpack(self) -> Callable[[Any], list[Any]]:
        """Reads a MessagePack answer."""
        return self._reader(MSGPACK, [each.unpack for each in self._methods])

    @cached_property
    def from_json(self) -> Callable[[Any], list[Any]]:
        """Reads a JSON answer."""
        return self._reader(JSON, [each.from_json for each in self._methods])

    def _reader(
        self, codec: Codec, parts: Sequence[Callable[[Any], Any]]
    ) -> Callable[[Any], list[Any]]:
        split = codec.decoder(list[msgspec.Raw]).decode

        def read(answer: Any) -> list[Any]:
            results = split(answer)
            if len(results) != len(parts):
                raise msgspec.ValidationError(f"{len(results)} results came for {len(parts)} calls")
            return [part(result) for part, result in zip(parts, results, strict=True)]

        return read


class Step(Generic[T_co]):
    """One call of a transaction, and what it answers."""

    __slots__ = ("_place", "_ref", "_steps", "_value")

    def __init__(self, steps: Steps, place: int, kind: Any) -> None:
        self._steps = steps
        self._place = place
        self._ref = Ref(steps, (place,), kind)
        self._value: Any = None

    @property
    def ref(self: Step[U | None]) -> U:
        """
        Stands for the result in the arguments of later calls: itself, `.ref.id`, `.ref[0]`.

        It has no value: comparing, printing or counting it is refused. Of a result that may be
        None it stands for the other one; a part of None is refused when it comes to that.
        """
        return cast("U", self._ref)

    @property
    def value(self) -> T_co:
        """
        The result, once the transaction has gone through.

        Raises:
            FreeholdError: It has not.
        """
        self._steps._require_done()
        return cast("T_co", self._value)

    def __repr__(self) -> str:
        return f"<call {self._place} of a transaction>"


def _no_value(*_: Any) -> NoReturn:
    raise FreeholdError(
        "a result of a transaction was used before the transaction was sent.",
        hint="Hand `step.ref` on to a later call, or read `step.value` after the block.",
    )


class Ref:
    """What `Step.ref` is at run time: the way to a part of a result, and the part's type."""

    __slots__ = ("_kind", "_steps", "_way")

    def __init__(self, steps: Steps, way: tuple[int | str, ...], kind: Any) -> None:
        self._steps = steps
        self._way = way
        self._kind = kind

    def __getattr__(self, name: str) -> Ref:
        for kind in _members(self._kind):
            if not _is_struct(kind):
                continue
            for each in msgspec.structs.fields(kind):
                if each.name == name:
                    return Ref(self._steps, (*self._way, each.encode_name), each.type)
        raise AttributeError(f"the result has no {name!r}.")

    def __getitem__(self, at: int | str) -> Ref:
        wanted = list if type(at) is int else dict
        for kind in _members(self._kind):
            if kind is Any:
                return Ref(self._steps, (*self._way, at), Any)
            if (typing.get_origin(kind) or kind) is wanted:
                of = typing.get_args(kind)
                return Ref(self._steps, (*self._way, at), of[-1] if of else Any)
        raise TypeError(f"the result has no [{at!r}].")

    def __repr__(self) -> str:
        return f"<{REFERENCE} {list(self._way)}>"

    __bool__ = __len__ = __iter__ = __str__ = __format__ = __int__ = __float__ = _no_value
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _no_value
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _no_value
    __hash__ = None  # type: ignore[assignment]


def _members(kind: Any) -> Sequence[Any]:
    """The types that a value may be of."""
    origin = typing.get_origin(kind)
    if origin is typing.Union or origin is types.UnionType:
        return typing.get_args(kind)
    if origin is typing.Annotated:
        return _members(typing.get_args(kind)[0])
    return (kind,)


def _is_struct(kind: Any) -> bool:
    plain = typing.get_origin(kind) or kind
    return isinstance(plain, type) and issubclass(plain, msgspec.Struct)


class Steps:
    """Collects the calls of a transaction; a generated class adds the methods."""

    def __init__(self, codec: Codec) -> None:
        self._calls: list[tuple[Method[Any], msgspec.Raw]] = []
        self._steps: list[Step[Any]] = []
        self._codec = codec
        self._references = 0
        self._state: Literal["open", "sent", "done", "failed"] = "open"
        make = _MAKERS[codec.name]
        self._encode = make(enc_hook=self._write, order="deterministic").encode

    def _step(self, method: Method[T], args: dict[str, Any]) -> Step[T]:
        """Take a call down, with its arguments as they are now."""
        if self._state != "open":
            raise FreeholdError(
                f"{method.name} was called on a transaction that is over.",
                hint="Make all calls inside of its block.",
            )
        self._references = 0
        try:
            body = self._encode(args)
        except InvalidArgument:
            raise
        except (TypeError, ValueError, OverflowError, NotImplementedError, RecursionError) as error:
            raise InvalidArgument(
                f"an argument of {method.name} cannot travel: {error}.",
                hint="Give it the type that the client's signature names.",
            ) from error
        if REFERENCE.encode() in body and _count(self._codec.decode(body)) != self._references:
            raise InvalidArgument(
                f"an argument of {method.name} has a key {REFERENCE!r}, which would be taken for "
                "a reference.",
                hint="Call it outside of a transaction.",
            )
        self._calls.append((method, msgspec.Raw(body)))
        step: Step[T] = Step(self, len(self._steps), method.result)
        self._steps.append(step)
        return step

    def _write(self, value: Any) -> Any:
        """What msgspec does not know: references, and what the codecs have a form for."""
        if type(value) is Ref:
            if value._steps is not self:
                raise InvalidArgument(
                    "an argument refers to a result of another transaction.",
                    hint="Hand over its `step.value`, once that transaction has gone through.",
                )
            self._references += 1
            return {REFERENCE: value._way}
        if type(value) is Step:
            raise InvalidArgument(
                "a step of a transaction is an argument.",
                hint="Its result is `step.ref`.",
            )
        if isinstance(value, str):
            return str.__str__(value)
        return enc_hook(value)

    def _send(self) -> tuple[Together, list[dict[str, Any]]]:
        """What goes over the wire; from here on nothing is added."""
        self._state = "sent"
        calls = [{"method": method.name, "args": args} for method, args in self._calls]
        return Together([method for method, _ in self._calls]), calls

    def _end(self, results: Sequence[Any] | None) -> None:
        """It has gone through, with these results; or it has not."""
        if results is None:
            self._state = "failed"
            return
        for step, value in zip(self._steps, results, strict=True):
            step._value = value
        self._state = "done"

    def _require_done(self) -> None:
        if self._state == "done":
            return
        if self._state == "failed":
            raise FreeholdError(
                "the transaction did not go through, so there is no result.",
                hint="See the error that its block ended with.",
            )
        raise FreeholdError(
            "the transaction was not sent yet, so there is no result.",
            hint="Read `value` after the block; inside of it hand on `ref`.",
        )


def _count(value: Any) -> int:
    """How many maps look like a reference."""
    if isinstance(value, dict):
        return (REFERENCE in value) + sum(_count(part) for part in value.values())
    return sum(_count(part) for part in value) if isinstance(value, list) else 0


class AsyncTransaction(Generic[S]):
    """What `async with dal.transaction()` enters."""

    def __init__(self, steps: S, call: Callable[[Together, Any], Awaitable[list[Any]]]) -> None:
        self._steps = steps
        self._call = call

    async def __aenter__(self) -> S:
        return _entered(self._steps)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _Ending(self._steps, error) as ending:
            if ending.is_wanted:
                ending.results = await self._call(*self._steps._send())


class SyncTransaction(Generic[S]):
    """What `with dal.transaction()` enters."""

    def __init__(self, steps: S, call: Callable[[Together, Any], list[Any]]) -> None:
        self._steps = steps
        self._call = call

    def __enter__(self) -> S:
        return _entered(self._steps)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _Ending(self._steps, error) as ending:
            if ending.is_wanted:
                ending.results = self._call(*self._steps._send())


def _entered(steps: S) -> S:
    if steps._state != "open" or steps._calls:
        raise FreeholdError(
            "a transaction was entered a second time.", hint="Make another: dal.transaction()."
        )
    return steps


class _Ending:
    """The end of a block: whether anything is sent, and what became of it."""

    def __init__(self, steps: Steps, error: BaseException | None) -> None:
        self._steps = steps
        #: Nothing went wrong in the block, and there is something to send.
        self.is_wanted = error is None and bool(steps._calls)
        self.results: list[Any] | None = [] if error is None and not steps._calls else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._steps._end(self.results)
