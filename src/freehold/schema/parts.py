"""
What the class line of a record says, each part of the sort that belongs there.

What an author writes there names fields or columns, whichever is nearer at hand; what is
kept names columns. Conditions are SQL and are left to the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from freehold.errors import SchemaError
from freehold.schema.fields import Field
from freehold.schema.marks import Check, ForeignKey, Index, Trigger, Unique

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class TableParts:
    """What the class line of a record said."""

    primary_key: tuple[str, ...]
    indexes: tuple[Index, ...]
    uniques: tuple[Unique, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]
    triggers: tuple[Trigger, ...]
    was: str | None


def parts_of(
    record: str,
    fields: tuple[Field, ...],
    *,
    primary_key: Sequence[str],
    was: str | None,
    triggers: Sequence[Trigger],
    **lists: Sequence[Any],
) -> TableParts:
    """
    What the class line says, each part of the sort that belongs there.

    Raises:
        SchemaError: A part is of another sort, or a trigger cannot be.
    """
    sorts: dict[str, type] = {
        "indexes": Index, "uniques": Unique, "foreign_keys": ForeignKey, "checks": Check
    }  # fmt: skip
    for name, sort in (*sorts.items(), ("triggers", Trigger)):
        said = triggers if name == "triggers" else lists[name]
        if not isinstance(said, (list, tuple)) or not all(isinstance(s, sort) for s in said):
            raise SchemaError(f"{record}: {name} is a list of {sort.__name__}(…).",
                              hint=f"Write {name}=[{sort.__name__}(…)].")  # fmt: skip
    if isinstance(primary_key, str):
        raise SchemaError(f"{record}: primary_key is a tuple of fields.",
                          hint=f"Write primary_key=({primary_key!r},).")  # fmt: skip
    if was is not None and not isinstance(was, str):
        raise SchemaError(f"{record}: was is the table's name before.", hint='was="old_name"')
    columns = columns_of(fields)
    return TableParts(
        primary_key=tuple(primary_key),
        indexes=tuple(lists["indexes"]),
        uniques=tuple(lists["uniques"]),
        foreign_keys=tuple(lists["foreign_keys"]),
        checks=tuple(lists["checks"]),
        triggers=tuple(checked_trigger(record, trigger, columns) for trigger in triggers),
        was=was,
    )


def columns_of(fields: tuple[Field, ...]) -> dict[str, str]:
    """The column behind each name that an author may use: a field's, or the column's own."""
    return {f.column: f.column for f in fields} | {f.name: f.column for f in fields}


def named(record: str, names: Iterable[str], *, columns: dict[str, str], where: str) -> list[str]:
    """
    The columns behind these names.

    Raises:
        SchemaError: A name is no field, or stands there twice, or there is none.
    """
    found: list[str] = []
    for name in names:
        if name not in columns:
            raise SchemaError(
                f"{record}: {where} names {name!r}, which is no field.",
                hint=f"Its fields are {', '.join(dict.fromkeys(columns))}.",
            )
        if columns[name] in found:
            raise SchemaError(f"{record}: an entry of {where} names {name!r} twice.",
                              hint="Name each field once.")  # fmt: skip
        found.append(columns[name])
    if not found:
        raise SchemaError(f"{record}: an entry of {where} names no column.",
                          hint=f"Its fields are {', '.join(dict.fromkeys(columns))}.")  # fmt: skip
    return found


def check_name(record: str, name: Any, *, what: str) -> None:
    """
    Refuse what cannot be a name on both engines.

    Raises:
        SchemaError: It is so.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(
            f"{record}: {name!r} cannot be the name of {what}.",
            hint='Say name="…": letters, digits and underscores, 63 characters at most.',
        )


def checked_trigger(record: str, trigger: Trigger, columns: dict[str, str]) -> Trigger:
    """
    The trigger with the columns' own names.

    Raises:
        SchemaError: It does nothing, or two things, or names what is not there.
    """
    where = f"{record}: the trigger {trigger.name!r}"
    check_name(record, trigger.name, what="a trigger")
    if (trigger.refuse is None) == (trigger.run is None):
        raise SchemaError(f"{where} must refuse or run, one of the two.",
                          hint='refuse="users.name is required", or run="UPDATE …".')  # fmt: skip
    if trigger.when not in ("before", "after"):
        raise SchemaError(f"{where} has when={trigger.when!r}.", hint='Use "before" or "after".')
    if trigger.event not in ("insert", "update", "delete"):
        raise SchemaError(f"{where} has event={trigger.event!r}.",
                          hint='Use "insert", "update" or "delete".')  # fmt: skip
    of: Any = trigger.of
    if of and (trigger.event != "update" or isinstance(of, str)):
        raise SchemaError(f"{where}: of=(…) is a tuple of fields, for updates only.",
                          hint='event="update", of=("name",)')  # fmt: skip
    if trigger.run is not None and (not trigger.run.strip() or trigger.run.rstrip()[-1] == ";"):
        raise SchemaError(f"{where} runs one statement, without a semicolon.",
                          hint="Write a second trigger for a second statement.")  # fmt: skip
    if trigger.refuse is not None and not trigger.refuse.strip():
        raise SchemaError(f"{where} refuses without a word.", hint='refuse="… is required"')
    if not trigger.of:
        return trigger
    return replace(trigger, of=tuple(named(record, trigger.of, columns=columns, where="triggers")))
