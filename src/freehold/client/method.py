"""
What a generated client says of one method, and how its answer is read.

    _GET = Query[Idea | None]("DataLayer.getIdeaById")

The type stands once, in the brackets: type checkers take it from there, and so does the
decoder, which is made at the first answer. Importing a client of 300 methods makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from freehold.errors import ContractMismatch, InvalidArgument, Outcome
from freehold.wire.codec import JSON, MSGPACK, Codec

T = TypeVar("T")

#: By name; or the calls of a transaction, see there.
Arguments: TypeAlias = "dict[str, Any] | list[dict[str, Any]]"


class AnswerUnreadable(ContractMismatch):
    """The server answered, so a mutation has happened; this client cannot read the answer."""

    outcome: ClassVar[Outcome] = "ok"


class Method(Generic[T]):
    """A method by its full name, `DataLayer.getIdeaById`; T is what it answers."""

    #: It only reads; asking twice does no harm.
    is_query: bool

    def __init__(self, name: str) -> None:
        self.name = name
        self.entrypoint, _, self.wire = name.partition(".")
        #: What the data layer is asked for.
        self.asked = name
        #: The same as it stands in a frame.
        self.packed = MSGPACK.encode(name)
        #: Where it is posted to over HTTP.
        self.path = f"/rpc/{self.entrypoint}/{self.wire}"

    @cached_property
    def result(self) -> Any:
        """The type in the brackets."""
        # `Query[Idea]("…")` leaves the brackets here; see `typing.Generic`.
        alias = getattr(self, "__orig_class__", None)
        return Any if alias is None else alias.__args__[0]

    @cached_property
    def unpack(self) -> Callable[[Any], T]:
        """Reads a MessagePack answer."""
        return MSGPACK.decoder(self.result).decode

    @cached_property
    def from_json(self) -> Callable[[Any], T]:
        """Reads a JSON answer."""
        return JSON.decoder(self.result).decode

    def unreadable(self, error: Exception) -> AnswerUnreadable:
        """What the caller gets when the answer is not of the type in the brackets."""
        return AnswerUnreadable(
            f"the answer of {self.name} is not what this client was generated for: {error}.",
            hint="Run `freehold generate` against the data layer's contract.",
        )


class Query(Method[T]):
    """A method that only reads; asking twice does no harm."""

    is_query = True


class Mutation(Method[T]):
    """A method that writes."""

    is_query = False


def encode_args(method: Method[Any], args: Arguments, codec: Codec) -> bytes:
    """
    The named arguments as bytes; what is UNSET inside of them is left out.

    Raises:
        InvalidArgument: A value has no form on the wire (a wrong type, a lone surrogate).
    """
    try:
        return codec.encode(args)
    except (TypeError, ValueError, OverflowError, NotImplementedError, RecursionError) as error:
        raise InvalidArgument(
            f"an argument of {method.name} cannot travel: {error}.",
            hint="Give it the type that the client's signature names.",
        ) from error
