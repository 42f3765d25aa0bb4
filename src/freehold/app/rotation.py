"""
A rotation of the column keys, from the first new key to the last old value.

    the secrets file gets a new key in front ── every process takes it up ── values are sealed
    anew, a stretch at a time ── counted ── the old key is let go when nothing needs it

Each step is done whole or not at all, and asks what is there before it does anything: a rotation
that was cut off anywhere goes on where it was when it is begun again. At every moment the file
holds a key for every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

from freehold.clock import SystemClock
from freehold.crypto import KeyRing, SecretsFile, new_column_key
from freehold.db.resealing import NO_KEY
from freehold.errors import StartError, invariant
from freehold.ids import IdStream, SystemIds

#: Random nonces are good for 2^31 values of one key; this is where to rotate.
ALARM_AT: Final = 1 << 30
#: How often all columns are gone through: what a call that was under way has sealed with the
#: old key is found by the next round.
_ROUNDS: Final = 5


class Owner(Protocol):
    """Whoever owns the databases, this process or another one."""

    def of_database(self, database: str, method: str, args: dict[str, Any]) -> Any:
        """Call one of the operator's methods over one database."""


class CannotRotate(StartError):
    """The rotation cannot go on; everything is as it was said before."""

    exit_code = 78


@dataclass
class Standing:
    """
    How many values name which key, in each column.

    Args:
        primary: The key that seals.
        ids: The keys at hand, the primary first.
        source: The file or the variable that they come from.
        is_file: It is the file.
        columns: By `database:table.column`, by the id of the key.
    """

    primary: str
    ids: list[str]
    source: str
    is_file: bool
    columns: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, int]:
        """Values by the id of their key; also of keys that nobody has, and of none."""
        found = dict.fromkeys(self.ids, 0)
        for keys in self.columns.values():
            for key_id, count in keys.items():
                found[key_id] = found.get(key_id, 0) + count
        return found

    @property
    def stale(self) -> int:
        """Values that an older key sealed which is at hand."""
        return sum(self.values[key_id] for key_id in self.ids[1:])

    @property
    def lost(self) -> int:
        """Values that no key at hand opens."""
        return sum(count for key_id, count in self.values.items() if key_id not in self.ids)


@dataclass
class Progress:
    """How far a rotation is: values sealed anew, of so many."""

    column: str
    done: int
    of: int


OnProgress = Callable[[Progress], None]


def standing(owner: Owner, databases: Sequence[str], *, take: bool = False) -> Standing:
    """
    Count all values by the key that sealed them.

    Args:
        owner: Who owns the databases.
        databases: Their names.
        take: The owner takes up the keys of the secrets file before.
    """
    found: Standing | None = None
    for database in databases:
        taken = owner.of_database(database, "takeSecrets" if take else "heldSecrets", {})
        if found is None:
            found = Standing(taken["primary"], taken["ids"], taken["source"], taken["isFile"])
        for column in owner.of_database(database, "listSealed", {}):
            found.columns[f"{database}:{column}"] = _counted(owner, database, column)
    invariant(found is not None, "an application has a database")
    return cast("Standing", found)


def rotate(
    owner: Owner,
    databases: Sequence[str],
    *,
    path: Path,
    to: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> tuple[Standing, int]:
    """
    Put a key in front, and seal every value with it that another one has sealed.

    Args:
        owner: Who owns the databases.
        databases: Their names.
        path: The secrets file.
        to: A key that is in the file already. Left out, a rotation that was begun goes on;
            else there is a new key.
        on_progress: Told before each stretch.

    Returns:
        How it stands afterwards, and how many values do not open and stay as they are.

    Raises:
        CannotRotate: The keys come from the environment, or the owner has not taken them up.
        StartError: The file cannot be read or written.
    """
    before = standing(owner, databases, take=True)
    primary = to or (before.primary if before.stale else None)
    if primary != before.primary:
        if not before.is_file:
            raise _by_hand(before)
        primary = _in_front(path, primary)
        before = standing(owner, databases, take=True)
    if before.primary != primary:
        raise CannotRotate(
            f"the owner of the database seals with {before.primary!r}, not with {primary!r}: "
            f"it reads another copy than {path}.",
            hint="Give it that file and restart it; then run "
            f"`freehold secrets rotate --to {primary}`.",
        )
    broken = 0
    for _ in range(_ROUNDS):
        broken = _round(owner, before, on_progress)
        after = standing(owner, databases)
        if after.stale <= broken:
            break
    return after, broken


def add_key(path: Path) -> str:
    """
    Make a new key and put it behind all others: it opens, and does not seal yet.

    Raises:
        StartError: The file cannot be read or written.
    """
    file = SecretsFile.load(path)
    new = new_column_key(file.ring, _random)
    file.with_keys(KeyRing(file.ring.primary.id, [*_keys(file.ring), new]))
    return new.id


def retire(owner: Owner, databases: Sequence[str], key_id: str, *, path: Path) -> None:
    """
    Let a key go that no value needs, in the databases and in the file.

    Raises:
        CannotRotate: A value needs it, or it is the one that seals, or the keys are not a file's.
    """
    now = standing(owner, databases, take=True)
    if key_id == now.primary:
        raise CannotRotate(f"{key_id!r} is the key that seals.", hint="Rotate first.")
    if key_id not in now.ids:
        raise CannotRotate(f"there is no key {key_id!r}.", hint=f"There are {', '.join(now.ids)}.")
    needed = {name: keys[key_id] for name, keys in now.columns.items() if keys.get(key_id)}
    if needed:
        listed = ", ".join(f"{count:,} in {name}" for name, count in needed.items())
        raise CannotRotate(
            f"{sum(needed.values()):,} values need the key {key_id!r}: {listed}.",
            hint="Run `freehold secrets rotate` first.",
        )
    for database in databases:
        owner.of_database(database, "forgetKey", {"id": key_id})
    if not now.is_file:
        raise CannotRotate(
            f"no value needs {key_id!r}; the keys come from {now.source}.",
            hint=f"Take {key_id} out of that variable and restart.",
        )
    file = SecretsFile.load(path)
    left = [key for key in _keys(file.ring) if key.id != key_id]
    file.with_keys(KeyRing(file.ring.primary.id, left))
    for database in databases:
        owner.of_database(database, "takeSecrets", {})


def _round(owner: Owner, before: Standing, on_progress: OnProgress) -> int:
    """Once through every column that has stale values; how many do not open."""
    broken = done = 0
    for name, keys in before.columns.items():
        if not any(keys.get(key_id) for key_id in before.ids[1:]):
            continue
        database, _, column = name.partition(":")
        for found in _stretches(owner, database, "reseal", column):
            done += found["done"]
            broken += found["broken"]
            on_progress(Progress(name, done, before.stale))
    return broken


def _counted(owner: Owner, database: str, column: str) -> dict[str, int]:
    keys: dict[str, int] = {}
    for found in _stretches(owner, database, "countSealed", column):
        for key_id, count in found["keys"].items():
            keys[key_id] = keys.get(key_id, 0) + count
    return keys


def _stretches(owner: Owner, database: str, method: str, column: str) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        found = owner.of_database(database, method, {"column": column, "after": after})
        yield found
        after = found["after"]
        if after is None:
            return


def _in_front(path: Path, key_id: str | None) -> str:
    """The key of that id, or a new one, in front of the file's others."""
    file = SecretsFile.load(path)
    keys = _keys(file.ring)
    if key_id is None:
        new = new_column_key(file.ring, _random)
        file.with_keys(KeyRing(new.id, [new, *keys]))
        return new.id
    if key_id not in file.ring.ids:
        raise CannotRotate(
            f"{path} holds no key {key_id!r}.", hint=f"It holds {', '.join(file.ring.ids)}."
        )
    if key_id != file.ring.primary.id:
        file.with_keys(KeyRing(key_id, keys))
    return key_id


def _keys(ring: KeyRing) -> list[Any]:
    return [ring.key(key_id) for key_id in ring.ids]


def _random(count: int) -> bytes:
    return IdStream(SystemIds().seed(), SystemClock().wall_ns() // 1_000_000).random_bytes(count)


def _by_hand(now: Standing) -> CannotRotate:
    return CannotRotate(
        f"the column keys come from {now.source}, which nobody but you can change.",
        hint=f"Put a new key (`openssl rand -hex 32`) in front, {now.source}=<id>:<new>,"
        f"{now.primary}:<the one now>, restart every process, and run this again with --to <id>.",
    )


__all__ = [
    "ALARM_AT",
    "NO_KEY",
    "CannotRotate",
    "Progress",
    "Standing",
    "add_key",
    "retire",
    "rotate",
    "standing",
]
