"""
The file for what must never be in the database: the pepper and the column keys.

    {"version": 1, "pepper": "<64 hex>", "created": "2026-01-31T09:00:00Z",
     "column_keys": [{"id": "k1", "secret": "<64 hex>"}]}

The first column key is the primary. Whoever loses this file loses every sealed value, and
whoever copies it beside a backup gives them away; so it belongs to one user, and lives and
is kept apart from the data. A file that others can read is refused, not repaired: nobody
knows who has read it. Its keys are changed by writing the whole file anew, which then takes
the old one's place in one step.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from freehold.clock import Clock, SystemClock
from freehold.crypto.faults import KeysInvalid, SecretsFileExists, SecretsFileRefused
from freehold.crypto.ring import KEY_BYTES, ColumnKey, KeyRing, read_key, read_secret
from freehold.crypto.secret import Guarded, Secret
from freehold.errors import KeysMissing, invariant

VERSION = 1

#: Room for hundreds of keys; a larger file is some other file.
FILE_BYTES_MAX = 65_536

_RESTORE = "Restore the file from where it is kept; without it, sealed values stay closed."


class _Version(msgspec.Struct):
    version: int


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    secret: str


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    pepper: str
    created: str
    column_keys: list[_Key]


@dataclass(frozen=True, slots=True, eq=False)
class SecretsFile(Guarded):
    """The secrets of one data layer, as they were read."""

    path: Path
    created: str
    pepper: Secret
    ring: KeyRing

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """
        Read the file, if it is one that only its owner can read.

        Raises:
            KeysMissing: There is no file.
            SecretsFileRefused: Others can read it, or its content breaks a rule; the text
                names the rule and shows nothing of the content.
        """
        place = Path(path)
        read = _understood(_content_of(place))
        if isinstance(read, str):
            raise SecretsFileRefused(place, read, hint=_RESTORE)
        created, pepper, keys = read
        try:
            ring = KeyRing(keys[0].id, keys)
        except KeysInvalid as fault:
            refusal = SecretsFileRefused(
                place, f"is not usable: {fault.detail.rstrip('.')}", hint=_RESTORE
            )
            raise refusal from fault
        return cls(path=place, created=created, pepper=pepper, ring=ring)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        random: Callable[[int], bytes],
        *,
        clock: Clock | None = None,
    ) -> Self:
        """
        Make a new pepper and a first column key `k1`, and write them where there is nothing yet.

        The file appears whole and durable, or not at all; of several that try at the same
        moment one succeeds. Missing directories are made for the owner alone.

        Raises:
            SecretsFileExists: There is a file at that path; it is as it was.
            SecretsFileRefused: The disk or the rights do not allow it.
        """
        place = Path(path)
        if os.path.lexists(place):
            raise _exists(place)
        written_ns = (clock or SystemClock()).wall_ns()
        created = datetime.fromtimestamp(written_ns // 1_000_000_000, tz=UTC)
        try:
            _publish(place, _new_content(random, created.strftime("%Y-%m-%dT%H:%M:%SZ")))
        except FileExistsError:
            raise _exists(place) from None
        except OSError as fault:
            raise _unusable(place, fault, doing="written") from fault
        return cls.load(place)

    def with_keys(self, ring: KeyRing) -> Self:
        """
        Write the file anew with the keys of that ring, its primary first.

        The old file is there until the new one is, whole and durable.

        Raises:
            SecretsFileRefused: The disk or the rights do not allow it, or somebody else has
                changed the file since it was read.
        """
        try:
            with _held(self.path.parent):
                now = type(self).load(self.path)
                if now.ring.ids != self.ring.ids or now.pepper != self.pepper:
                    raise SecretsFileRefused(
                        self.path, "was changed by somebody else meanwhile", hint="Begin again."
                    )
                _replace(self.path, _content_with(self, ring))
        except OSError as fault:
            raise _unusable(self.path, fault, doing="written") from fault
        return type(self).load(self.path)


def new_column_key(ring: KeyRing, random: Callable[[int], bytes]) -> ColumnKey:
    """A new key under the next free id: `k2` after `k1`."""
    number = 1 + max(
        (int(key_id[1:]) for key_id in ring.ids if re.fullmatch(r"k[0-9]{1,9}", key_id)), default=0
    )
    return ColumnKey(f"k{number}", random(KEY_BYTES))


def _content_with(file: SecretsFile, ring: KeyRing) -> Secret:
    keys = [_Key(id=key_id, secret=ring.key(key_id).secret.reveal().hex()) for key_id in ring.ids]
    content = _Content(
        version=VERSION, pepper=file.pepper.reveal().hex(), created=file.created, column_keys=keys
    )
    return Secret(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """One writer at a time."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _new_content(random: Callable[[int], bytes], created: str) -> Secret:
    pepper, key = random(KEY_BYTES), random(KEY_BYTES)
    invariant(
        len(pepper) == len(key) == KEY_BYTES and pepper != key,
        "the source of randomness gave another length, or repeats itself",
    )
    content = _Content(
        version=VERSION,
        pepper=pepper.hex(),
        created=created,
        column_keys=[_Key(id="k1", secret=key.hex())],
    )
    return Secret(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def _understood(content: bytes) -> tuple[str, Secret, list[ColumnKey]] | str:
    """What the file says; or the broken rule. It never raises: its locals are the secrets."""
    try:
        version = msgspec.json.decode(content, type=_Version).version
        if version != VERSION:
            return f"is of version {version}, and this program reads version {VERSION}"
        read = msgspec.json.decode(content, type=_Content)
    except msgspec.ValidationError:
        return (
            "has not the fields of version 1: version, pepper, created, and column_keys with id "
            "and secret"
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "is not JSON"
    pepper = read_secret(read.pepper)
    if isinstance(pepper, str):
        return f"has a pepper that {pepper}"
    if not read.column_keys:
        return "has no column key"
    keys: list[ColumnKey] = []
    for number, entry in enumerate(read.column_keys, start=1):
        key = read_key(entry.id, entry.secret)
        if isinstance(key, str):
            return f"has a column key, number {number}, that {key}"
        keys.append(key)
    return read.created, pepper, keys


def _content_of(path: Path) -> bytes:
    """The bytes of a regular file that belongs to its owner alone."""
    try:
        # Not blocking: a named pipe at this path must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeysMissing(
            f"there is no secrets file at {str(path)!r}.",
            hint="If this data layer is new, create one; if not, restore it from where it is "
            "kept: without it, sealed values stay closed.",
        ) from None
    except OSError as fault:
        raise _unusable(path, fault, doing="opened") from fault
    try:
        # The rights are asked of the open file, so it cannot be exchanged in between.
        _check_file(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(FILE_BYTES_MAX)
    finally:
        os.close(descriptor)


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretsFileRefused(path, "is not a regular file", hint=_RESTORE)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise SecretsFileRefused(
            path,
            f"can be used by others than its owner (mode {mode:04o})",
            hint=f"Run `chmod 600 {shlex.quote(str(path))}`; if somebody may have read it, "
            "rotate its keys.",
        )
    if found.st_size > FILE_BYTES_MAX:
        raise SecretsFileRefused(path, f"is larger than {FILE_BYTES_MAX:,} bytes", hint=_RESTORE)


def _publish(path: Path, content: Secret) -> None:
    """
    Put the whole file at its path, durably, if nothing is there.

    It is written under another name and then linked: a link, unlike a rename, refuses to
    replace. A crash in between leaves at most that other name behind, with the same rights.
    """
    _make_directory(path.parent)
    with _draft(path, content) as draft:
        os.link(draft, path)
    _sync_directory(path.parent)


def _replace(path: Path, content: Secret) -> None:
    """Put the whole file in the place of the one that is there, durably, in one step."""
    with _draft(path, content) as draft:
        os.replace(draft, path)
    _sync_directory(path.parent)


@contextmanager
def _draft(path: Path, content: Secret) -> Iterator[str]:
    """The content beside the path, durable, under a name of its own; gone after the block."""
    # O_EXCL and 0600 from the first moment; the mode is set again against an odd umask.
    descriptor, draft = tempfile.mkstemp(prefix=".secrets-", suffix=".new", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content.reveal())
            file.flush()
            os.fsync(descriptor)
        yield draft
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _make_directory(directory: Path) -> None:
    """Make the directory and its missing parents for the owner alone, durably."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not directory.is_dir():
            raise NotADirectoryError(20, os.strerror(20), str(directory)) from None
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> SecretsFileExists:
    return SecretsFileExists(
        path,
        "exists already, and was left as it is",
        hint="Use it; or move it away if no database was ever served with it.",
    )


def _unusable(path: Path, fault: OSError, *, doing: str) -> SecretsFileRefused:
    return SecretsFileRefused(
        path,
        f"cannot be {doing}: {fault.strerror}",
        hint="Look at the rights and the space of that directory.",
    )
