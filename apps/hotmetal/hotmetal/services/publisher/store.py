"""
The publisher's own file: its attempts to publish, noted before anything is sent.

It answers two questions that the data layer cannot: what was under way when a publisher died, and
whether somebody is publishing this post to this outlet right now. Publishers that share the folder
share the file; whose attempt it is, and whether that one still lives, is told by a lock that the
kernel takes back from a process that is gone. No token is ever kept here.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
import uuid
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

#: `open`: under way, or left behind. `unsure`: a person has been asked to look.
State = Literal["open", "unsure", "success", "failed"]
Action = Literal["publish", "create"]
#: What is still to be written down about an attempt that has ended.
Chore = Literal["audit", "resolution", "rendition"]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS attempts (
    id TEXT PRIMARY KEY, post_id TEXT NOT NULL, outlet TEXT NOT NULL, action TEXT NOT NULL,
    state TEXT NOT NULL, round INTEGER NOT NULL, owner TEXT NOT NULL, begun_s INTEGER NOT NULL,
    sent_s INTEGER, plan TEXT NOT NULL, result TEXT, error TEXT, chores TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_at_a_time ON attempts (post_id, outlet)
    WHERE state IN ('open', 'unsure');
CREATE INDEX IF NOT EXISTS with_chores ON attempts (id) WHERE chores <> '[]';
"""
_COLUMNS: Final = (
    "id, post_id, outlet, action, state, round, owner, begun_s, sent_s, plan, result, error, chores"
)


class Attempt(msgspec.Struct, rename="camel", kw_only=True):
    """
    One attempt to put a post on an outlet.

    `round` counts the attempts for that post and outlet, and is part of the keys under which the
    provider is asked; `sent_s` is when the first request that publishes was about to go out.
    """

    id: str
    post_id: str
    outlet: str
    action: Action
    state: State
    round: int
    owner: str
    begun_s: int
    sent_s: int | None
    plan: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    chores: list[Chore]

    @property
    def key(self) -> str:
        """Under which the provider does what it is asked once."""
        return f"{self.post_id}/{self.outlet}/{self.round}"


class Busy(Exception):
    """The post is being published to the outlet already, or has to be looked after first."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(f"post {attempt.post_id!r} is being published to {attempt.outlet}")
        self.attempt = attempt


class Store:
    """
    The file, and this process's lock beside it.

    Args:
        folder: Where they are; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runs = folder / "runs"
        self._runs.mkdir(mode=0o700, exist_ok=True)
        self.owner = str(uuid.uuid4())
        self._lock = os.open(self._runs / self.owner, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._db = sqlite3.connect(folder / "attempts.db", isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)
        self.verifier_key = _verifier_key(folder / "verifier.key")

    def begin(
        self, post_id: str, outlet: str, *, action: Action, plan: dict[str, Any], now_s: int
    ) -> Attempt:
        """
        Note that an attempt begins.

        Raises:
            Busy: There is one that has not ended.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if (standing := self.standing(post_id, outlet)) is not None:
                raise Busy(standing)
            (before,) = self._db.execute(
                "SELECT count(*) FROM attempts WHERE post_id = ? AND outlet = ?", (post_id, outlet)
            ).fetchone()
            attempt = Attempt(
                id=str(uuid.uuid4()), post_id=post_id, outlet=outlet, action=action, state="open",
                round=before + 1, owner=self.owner, begun_s=now_s, sent_s=None, plan=plan,
                result=None, error=None, chores=[],
            )  # fmt: skip
            self._put(attempt)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return attempt

    def keep(self, attempt: Attempt) -> None:
        """Write down the attempt as it is now."""
        self._put(attempt)

    def find(self, id: str) -> Attempt | None:
        """The attempt."""
        return next(iter(self._where("id = ?", id)), None)

    def standing(self, post_id: str, outlet: str) -> Attempt | None:
        """The attempt for the post and outlet that has not ended, or about which nobody knows."""
        found = self._where(
            "post_id = ? AND outlet = ? AND state IN ('open', 'unsure')", post_id, outlet
        )
        return next(iter(found), None)

    def succeeded(self, post_id: str, outlet: str) -> Attempt | None:
        """The last attempt that put the post there."""
        found = self._where("post_id = ? AND outlet = ? AND state = 'success'", post_id, outlet)
        return next(iter(found), None)

    def unsure(self) -> list[Attempt]:
        """Those that wait for a person, the newest first."""
        return self._where("state = 'unsure'")

    def with_chores(self) -> list[Attempt]:
        """Those that have ended and about which something is still to be written down."""
        return self._where("chores <> '[]' AND state <> 'open'")

    def chore_done(self, attempt: Attempt, chore: Chore, *, then: Chore | None = None) -> None:
        """Take the chore from the attempt's, or put another in its place."""
        self._db.execute("BEGIN IMMEDIATE")
        found = self.find(attempt.id)
        if found is not None:
            left = [each for each in found.chores if each != chore]
            attempt.chores = [*left, then] if then is not None else left
            self._db.execute(
                "UPDATE attempts SET chores = ? WHERE id = ?",
                (json.dumps(attempt.chores), attempt.id),
            )
        self._db.execute("COMMIT")

    def drop(self, attempt: Attempt) -> None:
        """Forget an attempt that turned out not to be one."""
        self._db.execute("DELETE FROM attempts WHERE id = ?", (attempt.id,))

    def own_open(self) -> list[Attempt]:
        """Open attempts of this publisher."""
        return self._where("state = 'open' AND owner = ?", self.owner)

    def left_behind(self) -> list[Attempt]:
        """Open attempts of publishers that are gone; they are this one's from now on."""
        found = self._where("state = 'open' AND owner <> ?", self.owner)
        gone = {owner for owner in {each.owner for each in found} if self._is_gone(owner)}
        return [each for each in found if each.owner in gone and self._take(each)]

    def is_held(self, attempt: Attempt) -> bool:
        """Whether the publisher whose attempt it is lives."""
        return attempt.owner == self.owner or not self._is_gone(attempt.owner)

    def take_unsure(self, attempt: Attempt) -> bool:
        """Make an unsure attempt an open one of this publisher's; False when another was faster."""
        changed = self._db.execute(
            "UPDATE attempts SET state = 'open', owner = ? WHERE id = ? AND state = 'unsure'",
            (self.owner, attempt.id),
        )
        return changed.rowcount == 1

    def close(self) -> None:
        """Let file and lock go."""
        self._db.close()
        (self._runs / self.owner).unlink(missing_ok=True)
        os.close(self._lock)

    def _take(self, attempt: Attempt) -> bool:
        changed = self._db.execute(
            "UPDATE attempts SET owner = ? WHERE id = ? AND owner = ?",
            (self.owner, attempt.id, attempt.owner),
        )
        attempt.owner = self.owner
        return changed.rowcount == 1

    def _is_gone(self, owner: str) -> bool:
        try:
            lock = os.open(self._runs / owner, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def _put(self, attempt: Attempt) -> None:
        row = msgspec.structs.asdict(attempt)
        for name in ("plan", "result", "chores"):
            row[name] = None if row[name] is None else json.dumps(row[name])
        marks = ", ".join("?" for _ in row)
        self._db.execute(
            f"INSERT OR REPLACE INTO attempts ({_COLUMNS}) VALUES ({marks})",  # noqa: S608
            [row[name.strip()] for name in _COLUMNS.split(",")],
        )

    def _where(self, condition: str, *values: str) -> list[Attempt]:
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM attempts WHERE {condition} ORDER BY rowid DESC",  # noqa: S608
            values,
        )
        return [_attempt(row) for row in rows.fetchall()]


def _attempt(row: tuple[Any, ...]) -> Attempt:
    named = dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
    for name in ("plan", "result", "chores"):
        named[name] = None if named[name] is None else json.loads(cast("str", named[name]))
    return Attempt(**named)


def _verifier_key(path: Path) -> bytes:
    """The secret from which PKCE's verifiers are derived, made once for the folder."""
    fresh = path.with_name(f"{path.name}.{uuid.uuid4()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(secrets.token_bytes(32))
    try:
        # Whole or not at all, and only one of those that start together.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
