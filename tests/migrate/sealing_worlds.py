"""
Accounts whose tokens stood in clear, and the same ones sealed; canaries that are searched for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from freehold.crypto import KeyRing
from freehold.migrate.sealing import Sealer
from freehold.scalars import Sealed
from freehold.schema import Index, PrimaryKey, Record, Schema, Trigger, Was

RING = KeyRing.from_hex("ab" * 32)
SEALER = Sealer("main", RING)
#: No text of the engine or of Freehold looks like it.
CANARY = "CANARY-7f3a9d"


def in_clear() -> Schema:
    """Tokens as text; an index that holds them a second time; a trigger that counts changes."""

    class Account(
        Record,
        table="accounts",
        primary_key=("provider", "number"),
        triggers=[
            Trigger(
                name="accounts_count",
                when="after",
                event="update",
                of=("token",),
                run="UPDATE changes SET count = count + 1",
            )
        ],
    ):
        provider: str
        number: int
        token: Annotated[str, Index()]
        note: str | None = None

    class Change(Record, table="changes"):
        id: Annotated[int, PrimaryKey()]
        count: int

    return Schema([Account, Change])


def sealed() -> Schema:
    """The same with sealed tokens."""

    class Account(Record, table="accounts", primary_key=("provider", "number")):
        provider: str
        number: int
        token: Sealed[str]
        note: str | None = None

    class Change(Record, table="changes"):
        id: Annotated[int, PrimaryKey()]
        count: int

    return Schema([Account, Change])


def renamed() -> Schema:
    """The table and the sealed column have other names."""

    class Login(Record, table="logins", primary_key=("provider", "number"), was="accounts"):
        provider: str
        number: int
        secret: Annotated[Sealed[str], Was("token")]
        note: str | None = None

    class Change(Record, table="changes"):
        id: Annotated[int, PrimaryKey()]
        count: int

    return Schema([Login, Change])


def rows(count: int) -> list[tuple[str, int, str, str | None]]:
    """So many accounts."""
    return [(f"p{n % 3}", n, f"{CANARY}-{n:05}", "noted" if n % 2 else None) for n in range(count)]


def canaries(folder: Path, *, besides: tuple[str, ...] = ()) -> dict[str, int]:
    """How often a canary stands in each file below a folder, byte for byte."""
    found = {}
    for path in sorted(folder.rglob("*")):
        is_besides = any(part in besides for part in path.relative_to(folder).parts)
        if path.is_file() and not is_besides:
            count = path.read_bytes().count(CANARY.encode())
            if count:
                found[str(path.relative_to(folder))] = count
    return found
