"""
The writer's local store: drafts, research notes, the talk, and the attempts to publish.

These stay with the agent, as HotMetal's document has it; nothing of the data layer's is here.
One SQLite file for all sessions. Each method is one transaction, on disk when it returns.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from hotmetal.services.writer.agent.phases import Phase

T = TypeVar("T", bound=msgspec.Struct)
TurnState = Literal["running", "done", "failed", "interrupted"]
#: open: noted, nothing sent. sent: the CMS may have it. landed: it has it, the data layer does not
#: know. saved, failed, needs_check: over.
AttemptState = Literal["open", "sent", "landed", "saved", "failed", "needs_check"]

_UNDER_WAY: Final = ("open", "sent", "landed")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS agents (
    session_id TEXT PRIMARY KEY, phase TEXT NOT NULL, title TEXT, cms_post_id TEXT,
    created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS drafts (
    id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES agents, turn_id TEXT,
    version INTEGER NOT NULL, title TEXT, content TEXT NOT NULL, citations TEXT,
    word_count INTEGER NOT NULL, is_final INTEGER NOT NULL DEFAULT 0, feedback TEXT,
    created_at INTEGER NOT NULL, UNIQUE (session_id, version));
CREATE TABLE IF NOT EXISTS research_notes (
    n INTEGER PRIMARY KEY, session_id TEXT NOT NULL REFERENCES agents, text TEXT NOT NULL,
    source TEXT, created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS turns (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL REFERENCES agents,
    state TEXT NOT NULL, message TEXT NOT NULL, answer TEXT, error TEXT, model TEXT,
    history BLOB, created_at INTEGER NOT NULL, ended_at INTEGER);
CREATE INDEX IF NOT EXISTS turns_of_session ON turns (session_id, n);
CREATE TABLE IF NOT EXISTS attempts (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL REFERENCES agents,
    state TEXT NOT NULL, draft_version INTEGER NOT NULL, post BLOB NOT NULL, post_id TEXT,
    post_url TEXT, error TEXT, is_audited INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_of_session ON attempts (session_id, n);
"""


class AgentRow(msgspec.Struct):
    """Where a session's agent stands."""

    session_id: str
    phase: Phase
    title: str | None
    cms_post_id: str | None
    created_at: int


class Draft(msgspec.Struct):
    """One version of the text; `citations` is JSON text."""

    id: str
    session_id: str
    turn_id: str | None
    version: int
    title: str | None
    content: str
    citations: str | None
    word_count: int
    is_final: int
    feedback: str | None
    created_at: int


class Note(msgspec.Struct):
    """Something found out, and where."""

    n: int
    session_id: str
    text: str
    source: str | None
    created_at: int


class Turn(msgspec.Struct):
    """What somebody said, and what the agent made of it."""

    n: int
    id: str
    session_id: str
    state: TurnState
    message: str
    answer: str | None
    error: str | None
    model: str | None
    history: bytes | None
    created_at: int
    ended_at: int | None


class Attempt(msgspec.Struct):
    """One attempt to publish; `post` is what the CMS is sent, as JSON."""

    n: int
    id: str
    session_id: str
    state: AttemptState
    draft_version: int
    post: bytes
    post_id: str | None
    post_url: str | None
    error: str | None
    is_audited: int
    created_at: int


class Store:
    """
    The file, made when it is not there. For one thread: the service's event loop.

    Args:
        path: The file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Agents

    def agent(self, session_id: str) -> AgentRow | None:
        """Where the session's agent stands; None when it was never started."""
        return self._one(AgentRow, "SELECT * FROM agents WHERE session_id = ?", session_id)

    def start_agent(self, row: AgentRow) -> None:
        """Note a new agent; one that is there stays as it is."""
        self._db.execute(
            "INSERT INTO agents VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (row.session_id, row.phase, row.title, row.cms_post_id, row.created_at),
        )

    def set_phase(self, session_id: str, phase: Phase) -> None:
        """Move the agent to a phase."""
        self._db.execute("UPDATE agents SET phase = ? WHERE session_id = ?", (phase, session_id))

    # Drafts and notes

    def save_draft(self, draft: Draft) -> Draft:
        """Add the next version: the number is given here, and the phase is revising then."""
        with self._together():
            last = self.current_draft(draft.session_id)
            draft.version = 1 if last is None else last.version + 1
            self._insert("drafts", draft)
            self._db.execute(
                "UPDATE agents SET phase = 'revising', title = coalesce(?, title)"
                " WHERE session_id = ?",
                (draft.title, draft.session_id),
            )
        return draft

    def current_draft(self, session_id: str) -> Draft | None:
        """The last version."""
        sql = "SELECT * FROM drafts WHERE session_id = ? ORDER BY version DESC LIMIT 1"
        return self._one(Draft, sql, session_id)

    def draft(self, session_id: str, version: int) -> Draft | None:
        """That version."""
        sql = "SELECT * FROM drafts WHERE session_id = ? AND version = ?"
        return self._one(Draft, sql, session_id, version)

    def drafts(self, session_id: str) -> list[Draft]:
        """All versions, the first first."""
        sql = "SELECT * FROM drafts WHERE session_id = ? ORDER BY version"
        return self._all(Draft, sql, session_id)

    def save_note(self, session_id: str, text: str, source: str | None) -> None:
        """Keep what was found out."""
        self._db.execute(
            "INSERT INTO research_notes (session_id, text, source, created_at) VALUES (?, ?, ?, ?)",
            (session_id, text, source, now_s()),
        )

    def notes(self, session_id: str) -> list[Note]:
        """All notes, the first first."""
        return self._all(Note, "SELECT * FROM research_notes WHERE session_id = ?", session_id)

    # Turns of the talk

    def begin_turn(self, session_id: str, turn_id: str, message: str) -> None:
        """Note what was said before anything is done about it; one that failed runs again."""
        self._db.execute(
            "INSERT INTO turns (id, session_id, state, message, created_at)"
            " VALUES (?, ?, 'running', ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = 'running', error = NULL, ended_at = NULL",
            (turn_id, session_id, message, now_s()),
        )

    def end_turn(self, turn_id: str, state: TurnState, **fields: Any) -> None:
        """Note how it ended: `answer`, `model` and `history`, or `error`."""
        names = "".join(f", {name} = ?" for name in fields)
        self._db.execute(
            f"UPDATE turns SET state = ?, ended_at = ?{names} WHERE id = ?",  # noqa: S608
            (state, now_s(), *fields.values(), turn_id),
        )

    def interrupt_turns(self) -> int:
        """Mark what was running when the process ended; how many there were."""
        return self._db.execute(
            "UPDATE turns SET state = 'interrupted', ended_at = ?,"
            " error = 'the writer was stopped in the middle of this' WHERE state = 'running'",
            (now_s(),),
        ).rowcount

    def turn(self, turn_id: str) -> Turn | None:
        """That turn."""
        return self._one(Turn, "SELECT * FROM turns WHERE id = ?", turn_id)

    def turns(self, session_id: str) -> list[Turn]:
        """The talk, from its beginning."""
        return self._all(Turn, "SELECT * FROM turns WHERE session_id = ? ORDER BY n", session_id)

    # Attempts to publish

    def begin_attempt(self, attempt: Attempt) -> None:
        """Note the attempt before anything is sent; the phase is publishing then."""
        with self._together():
            self._insert("attempts", attempt, leave_out=("n",))
            self.set_phase(attempt.session_id, "publishing")

    def change_attempt(self, attempt: Attempt, state: AttemptState, **fields: Any) -> Attempt:
        """Note how far it is: the state, and what is known besides."""
        changed = msgspec.structs.replace(attempt, state=state, **fields)
        with self._together():
            self._write_attempt(changed)
            if state in ("failed", "needs_check"):
                self.set_phase(attempt.session_id, "revising")
        return changed

    def land_attempt(self, attempt: Attempt, *, post_id: str, post_url: str | None) -> Attempt:
        """The CMS has the post: its draft is final, those between the first and it go."""
        changed = msgspec.structs.replace(
            attempt, state="landed", post_id=post_id, post_url=post_url
        )
        key = (attempt.session_id, attempt.draft_version)
        with self._together():
            self._write_attempt(changed)
            self._db.execute(
                "UPDATE drafts SET is_final = 1 WHERE session_id = ? AND version = ?", key
            )
            self._db.execute(
                "DELETE FROM drafts WHERE session_id = ? AND version > 1 AND version < ?", key
            )
            self._db.execute(
                "UPDATE agents SET phase = 'published', cms_post_id = ? WHERE session_id = ?",
                (post_id, attempt.session_id),
            )
        return changed

    def audited(self, attempt: Attempt, state: AttemptState) -> None:
        """Note that the data layer knows how the attempt ended."""
        self._write_attempt(msgspec.structs.replace(attempt, state=state, is_audited=1))

    def attempt(self, attempt_id: str) -> Attempt:
        """That attempt, which was begun."""
        found = self._one(Attempt, "SELECT * FROM attempts WHERE id = ?", attempt_id)
        if found is None:
            raise LookupError(f"there is no attempt {attempt_id!r}")
        return found

    def attempts(self, session_id: str) -> list[Attempt]:
        """All attempts of the session, the first first."""
        sql = "SELECT * FROM attempts WHERE session_id = ? ORDER BY n"
        return self._all(Attempt, sql, session_id)

    def unfinished_attempts(self) -> list[Attempt]:
        """Those that are under way, or that the data layer was not told of."""
        marks = ", ".join("?" * len(_UNDER_WAY))
        sql = f"SELECT * FROM attempts WHERE state IN ({marks}) OR is_audited = 0"  # noqa: S608
        return self._all(Attempt, sql, *_UNDER_WAY)

    # How rows come and go

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _insert(self, table: str, row: msgspec.Struct, leave_out: Sequence[str] = ()) -> None:
        names = [name for name in row.__struct_fields__ if name not in leave_out]
        marks = ", ".join("?" * len(names))
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
            [getattr(row, name) for name in names],
        )

    def _write_attempt(self, attempt: Attempt) -> None:
        self._db.execute(
            "UPDATE attempts SET state = ?, post = ?, post_id = ?, post_url = ?, error = ?,"
            " is_audited = ? WHERE id = ?",
            (attempt.state, attempt.post, attempt.post_id, attempt.post_url, attempt.error,
             attempt.is_audited, attempt.id),
        )  # fmt: skip

    def _all(self, kind: type[T], sql: str, *values: Any) -> list[T]:
        return [kind(**dict(row)) for row in self._db.execute(sql, values)]

    def _one(self, kind: type[T], sql: str, *values: Any) -> T | None:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else kind(**dict(row))


def new_draft(session_id: str, *, content: str, **fields: Any) -> Draft:
    """A draft that waits for its version."""
    given: dict[str, Any] = {"title": None, "citations": None, "feedback": None, "turn_id": None}
    return Draft(
        id=str(uuid.uuid4()),
        session_id=session_id,
        version=0,
        content=content,
        word_count=len(content.split()),
        is_final=0,
        created_at=now_s(),
        **(given | fields),
    )


def new_attempt(session_id: str, *, draft_version: int, post: bytes) -> Attempt:
    """An attempt of which nothing is sent yet."""
    return Attempt(
        n=0,
        id=str(uuid.uuid4()),
        session_id=session_id,
        state="open",
        draft_version=draft_version,
        post=post,
        post_id=None,
        post_url=None,
        error=None,
        is_audited=0,
        created_at=now_s(),
    )


def now_s() -> int:
    """Epoch seconds."""
    return int(time.time())
