"""
Lists, dicts and structs as JSON text in a column, and back.

What is written is read once before it is stored: whatever a column accepts, it can give
back. msgspec would write NaN as null and a number of any length, and the row could then not
be read any more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import inspect

from freehold.errors import InvalidArgument, SchemaError, StatementError
from freehold.scalars import INT_MAX, Int64, dec_hook, enc_hook
from freehold.schema.structs import with_safe_ints

#: Only text with one of these can hide a NaN or a number past 2^53.
_DOUBTFUL: Final = re.compile(r"null|\d{16}")

_UNION_HINT: Final = "In a union only one struct, and one kind of list or text, can be told apart."


class Document:
    """
    One JSON column.

    Args:
        where: `Idea.sources`, for the message.
        hint: The type of its values.

    Raises:
        SchemaError: A part of the type cannot be JSON, or would be a secret in the clear.
    """

    __slots__ = ("_decode", "_encode", "hint")

    def __init__(self, where: str, hint: Any) -> None:
        self.hint = hint
        safe = with_safe_ints(hint)
        _check_parts(where, safe)
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=enc_hook).encode
        self._decode = msgspec.json.Decoder(safe, dec_hook=dec_hook).decode

    def write(self, value: Any) -> str:
        """
        The value as JSON text.

        Raises:
            InvalidArgument: It would not come back as it is; says where in it.
            StatementError: It holds an object that is no JSON at all.
        """
        try:
            text = self._encode(value).decode()
            if _DOUBTFUL.search(text):
                _refuse_numbers(value)
            self._decode(text)
        except UnicodeEncodeError:
            raise InvalidArgument(
                "a text in it holds a lone surrogate, which is no character.",
                hint="Send well-formed Unicode.",
            ) from None
        except RecursionError:
            raise InvalidArgument("it is nested too deep.", hint="Send flatter values.") from None
        except msgspec.ValidationError as error:
            raise InvalidArgument(
                f"it does not fit its type: {_sentence(error)}",
                hint="Send a value of the declared shape.",
            ) from None
        except (TypeError, NotImplementedError) as error:
            raise StatementError(
                f"it cannot be JSON: {_sentence(error)}",
                hint="Use lists, dicts, Structs and the plain types inside them.",
            ) from None
        return text

    def read(self, text: str) -> Any:
        """
        The value of a stored text.

        Raises:
            msgspec.DecodeError: Another hand has written something else into the column.
        """
        return self._decode(text)


def _refuse_numbers(value: Any) -> None:
    """
    Refuse NaN, infinity, and whole numbers past 2^53.

    Raises:
        InvalidArgument: There is one.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(
                f"it holds {value}, which JSON cannot say.", hint="Use None for a missing value."
            )
    elif isinstance(value, int):
        if not isinstance(value, Int64) and abs(value) > INT_MAX:
            raise InvalidArgument(
                "it holds a number past ±(2^53-1), what every client can represent.",
                hint="Declare that field Int64.",
            )
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _refuse_numbers(getattr(value, name))
    elif isinstance(value, dict):
        for key, part in value.items():
            _refuse_numbers(key)
            _refuse_numbers(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            _refuse_numbers(part)


def _check_parts(where: str, hint: Any) -> None:
    try:
        root = inspect.type_info(hint)
    except (TypeError, NameError) as error:
        raise SchemaError(
            f"{where}: its JSON cannot be read back: {_sentence(error)}",
            hint=_UNION_HINT,
        ) from None
    seen: set[type] = set()
    waiting: list[Any] = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, inspect.CustomType):
            _check_custom(where, part.cls)
        elif isinstance(part, inspect.StructType):
            if part.cls not in seen:
                seen.add(part.cls)
                waiting.extend(field.type for field in part.fields)
        else:
            waiting.extend(_inner(part))


def _inner(part: Any) -> list[Any]:
    """The types directly inside one of msgspec's type descriptions."""
    found: list[Any] = []
    for name in ("item_type", "key_type", "value_type", "type"):
        inner = getattr(part, name, None)
        if isinstance(inner, inspect.Type):
            found.append(inner)
    found.extend(getattr(part, "types", ()))
    item_types = getattr(part, "item_types", ())
    return [*found, *item_types]


def _check_custom(where: str, kind: Any) -> None:
    name = getattr(kind, "__name__", str(kind))
    if name in ("Sealed", "Hashed"):
        raise SchemaError(
            f"{where}: {name} inside JSON would be kept in the clear.",
            hint="Give the secret a column of its own.",
        )
    if kind is not Int64:
        raise SchemaError(
            f"{where}: {name} inside JSON cannot be read back.",
            hint="Use lists, dicts, Structs and the plain types inside them.",
        )


def _sentence(error: BaseException) -> str:
    """The error's first line, ending with a full stop."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."
