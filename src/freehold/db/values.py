"""
One value on its way to the driver, with the name that a refusal gives it.

Also what it means when the driver cannot take a value at all, or cannot read one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from freehold.crypto import Place, open_sealed, seal
from freehold.db.link import Context
from freehold.errors import InvalidArgument, KeysMissing, StatementError, StoredValueBroken
from freehold.scalars import INT64_MAX, Sealed
from freehold.schema import Field, wire_name

#: What a driver raises for a value that it cannot take, or cannot give.
UNBINDABLE: Final = (ValueError, OverflowError, TypeError)


def stored_value(context: Context, field: Field, value: Any, *, place: Callable[[], Place]) -> Any:
    """
    A field's value as the driver takes it.

    Raises:
        InvalidArgument: The value is outside what its type allows; `path` names the field.
        StatementError: It is of another type.
    """
    if value is None:
        return None
    kind = field.kind
    try:
        if kind.is_sealed:
            return sealed_value(context, value, place())
        return value if kind.write is None else kind.write(value)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{field.name}: {error.detail}", hint=error.hint, path=wire_name(field.name)
        ) from None
    except StatementError as error:
        raise StatementError(f"{field.name}: {error.detail}", hint=error.hint) from None
    except (TypeError, AttributeError):
        raise StatementError(
            f"{field.name}: {type(value).__name__} is no {kind.name}.",
            hint="Make the value of the field's type.",
        ) from None


def sealed_value(context: Context, value: Any, place: Place) -> str:
    """
    A sealed field's value, as ciphertext for its place.

    One that was read from this very place stays as it is; one of another place is opened
    and sealed anew.
    """
    if isinstance(value, str):
        value = Sealed.of(value)
    if not isinstance(value, Sealed):
        raise TypeError("a sealed value is made with Sealed.of(text)")
    if value.ciphertext is not None:
        here = (place.table, place.column, place.key)
        if value.place == here:
            return str(value.ciphertext)
        value = Sealed.of(opened(context, value))
    return seal(_ring(context), value.plain(), place)


def opened(context: Context, value: Sealed[Any]) -> Any:
    """The plain text of a sealed value."""
    if value.ciphertext is None or value.place is None:
        return value.plain()
    table, column, key = value.place
    return open_sealed(
        _ring(context), value.ciphertext, Place(context.database, table, column, key)
    )


def _ring(context: Context) -> Any:
    if context.ring is None:
        raise KeysMissing(
            f"the database {context.database!r} has sealed columns and no column key was given.",
            hint="Name the secrets file with FREEHOLD_SECRETS_FILE, or set FREEHOLD_COLUMN_KEYS.",
        )
    return context.ring


def unbindable(error: Exception, named: Iterable[tuple[str, Any]], *, table: str) -> Exception:
    """
    What it means that the driver could not take a value, or not give one.

    Args:
        error: What the driver raised.
        named: The values with the names of their fields or parameters.
        table: What was read or written, for the message.
    """
    if isinstance(error, UnicodeDecodeError):
        return StoredValueBroken(f"a text in {table} is not UTF-8.", table=table, column=None)
    for name, value in named:
        if isinstance(value, str):
            if _is_broken(value):
                return InvalidArgument(
                    f"{name}: the text holds a lone surrogate, which is no character.",
                    hint="Send well-formed Unicode.",
                    path=wire_name(name),
                )
            if "\0" in value:
                return InvalidArgument(
                    f"{name}: a text with a NUL character is in no database.",
                    hint="Take it out: no text in a database may hold U+0000.",
                    path=wire_name(name),
                )
        elif isinstance(value, int):
            if not -INT64_MAX - 1 <= value <= INT64_MAX:
                return InvalidArgument(
                    f"{name}: the number is past 64 bits, what a column can hold.",
                    path=wire_name(name),
                )
        elif not isinstance(value, (float, bytes, type(None))):
            return StatementError(
                f"{name}: a database takes no {type(value).__name__}.",
                hint="Give a value of the column's type.",
            )
    return error


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
