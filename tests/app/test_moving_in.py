"""Moving in: rows of other systems' files, all of them or none, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hotmetal.app import app as hotmetal
from hotmetal.schema import AuditLog, IdeaRow, OauthState, Session, SocialConnection, User

from freehold.app.moving import (
    Imported,
    ImportRefused,
    Moved,
    SourceUnreadable,
    Wishes,
    import_file,
    old_key,
)
from freehold.app.opening import Options, open_app
from freehold.clock import ManualClock
from freehold.errors import OwnerLocked
from freehold.testing import shared_cluster
from tests.app.copy_worlds import dump

#: As `wrangler d1 export --table audit_logs` writes it, and as `sqlite3 .dump` does the texts.
AUDIT = r"""PRAGMA defer_foreign_keys=TRUE;
CREATE TABLE d1_migrations(
		id         INTEGER PRIMARY KEY AUTOINCREMENT,
		name       TEXT UNIQUE,
		applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO "d1_migrations" ("id","name","applied_at") VALUES(1,'0001.sql','2025-01-01 00:00:00');
CREATE TABLE IF NOT EXISTS audit_logs (
  id TEXT PRIMARY KEY, -- it's a uuid; always
  post_id TEXT NOT NULL,
  outlet TEXT NOT NULL,
  action TEXT NOT NULL,
  status TEXT NOT NULL CHECK (length(status) > 2),
  result_data TEXT,
  error_message TEXT,
  created_at INTEGER NOT NULL DEFAULT (unixepoch())
);
INSERT INTO "audit_logs" ("id","post_id","outlet","action","status","result_data","error_message",
"created_at") VALUES('a1','p1','blog','publish','success','{"url":"https://x"}',NULL,1735689600);
INSERT INTO "audit_logs" VALUES('a2','p1','linkedin','publish','failed',NULL,
  replace('one\nit''s "two"; three','\n',char(10)),1735689601);
INSERT INTO audit_logs VALUES('a3','p2','blog','publish','success',NULL,'over
two lines; -- no comment
',1735689602),('a4','p2','blog','publish','success',NULL,unistr('caf\u00e9'),1735689603);
DELETE FROM sqlite_sequence;
INSERT INTO "sqlite_sequence" VALUES('d1_migrations',1);
CREATE INDEX idx_audit_post ON audit_logs(post_id);
CREATE TRIGGER t AFTER INSERT ON audit_logs BEGIN SELECT 1; DELETE FROM audit_logs; END;
"""
KEY = "ab" * 32
Write = Callable[[str], Path]


class House:
    """A HotMetal on one engine, and what is in it."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder = folder
        self.options = Options(
            folder=folder, database=database, upgrade="apply", clock=ManualClock()
        )
        open_app(hotmetal, self.options).close()

    def take(self, source: Path, **wishes: Any) -> Imported:
        return import_file(hotmetal, source, options=self.options, wishes=Wishes(**wishes))

    def rows(self, record: Any) -> list[Any]:
        running = open_app(hotmetal, self.options)
        with closing(running), running.first.reading() as db:
            return db.all(record)

    def put(self, *rows: Any) -> None:
        running = open_app(hotmetal, self.options)
        with closing(running), running.first.writing() as db:
            for row in rows:
                db.insert(row)

    def everything(self) -> Any:
        running = open_app(hotmetal, self.options)
        with closing(running), running.first.reading() as db:
            return [db.all(record) for record in hotmetal.databases["main"].schema.records]

    @property
    def seq(self) -> int:
        running = open_app(hotmetal, self.options)
        with closing(running):
            return running.seq


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    url = shared_cluster().new_schema() if request.param == "postgresql" else None
    return House(tmp_path / "house", url)


@pytest.fixture
def on_file(tmp_path: Path) -> House:
    return House(tmp_path / "house", None)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "old.sql"
        path.write_text(text)
        return path

    return write


def old_file(tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "old.db"
    with closing(apsw.Connection(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def counts(moved: Moved) -> tuple[int, int, int, int]:
    return moved.read, moved.inserted, moved.same, moved.refused


def test_the_publishers_audit_rows_move_in(house: House, write: Write) -> None:
    """The document's 6.4: every row with its text as it was, and a second time nothing to do."""
    source = write(AUDIT)

    rehearsed = house.take(source, is_rehearsal=True, tables=("audit_logs",))
    assert (counts(rehearsed.tables[0]), rehearsed.seq, house.rows(AuditLog)) == (
        (4, 4, 0, 0),
        0,
        [],
    )
    first = house.take(source, tables=("audit_logs",), expected={"audit_logs": 4})
    rows = {row.id: row for row in house.rows(AuditLog)}
    seq = house.seq
    again = house.take(source)

    assert (counts(first.tables[0]), first.seq, seq) == ((4, 4, 0, 0), 1, 1)
    assert rows["a1"].result_data == '{"url":"https://x"}'
    assert rows["a2"].error_message == 'one\nit\'s "two"; three'
    assert rows["a3"].error_message == "over\ntwo lines; -- no comment\n"
    assert (rows["a4"].error_message, rows["a4"].created_at) == ("café", 1735689603)
    assert (counts(again.tables[0]), again.seq, house.seq) == ((4, 0, 4, 0), 0, 1)
    assert [each.name for each in again.left] == []


def test_a_row_that_does_not_fit_leaves_everything_as_it_was(house: House, write: Write) -> None:
    """It is named by line, key, column, value and rule; all such rows are counted."""
    source = write(AUDIT.replace("'failed',NULL,\n", "'broken',NULL,\n"))
    house.put(AuditLog(id="kept", post_id="p", outlet="o", action="a", status="failed"))
    before, seq = house.everything(), house.seq

    with pytest.raises(ImportRefused) as refused:
        house.take(source)

    said = str(refused.value)
    for part in ("1 of 4", "audit_logs, line 20", "id='a2'", "status: 'broken'",
                 "not one of 'success', 'failed'", "Change it in the source",
                 "Nothing was imported."):  # fmt: skip
        assert part in said
    assert counts(refused.value.report.tables[0]) == (4, 3, 0, 1)
    assert (house.everything(), house.seq) == (before, seq)
    assert not list(house.folder.glob("*before-import*"))


def test_what_the_engine_refuses_is_told_by_its_row(house: House, write: Write) -> None:
    """A reference and a unique value: only the guilty rows are refused, the others counted."""
    source = write(
        "CREATE TABLE users (id TEXT, email TEXT, name TEXT, created_at INT, updated_at INT);"
        + "".join(
            f"\nINSERT INTO users VALUES('u{n}','{'same' if n in (7, 9) else n}@x','N',1e9,1e9);"
            for n in range(130)
        )
        + "\nCREATE TABLE publications (id TEXT, user_id TEXT, name TEXT, slug TEXT);"
        "\nINSERT INTO publications VALUES('p1','u1','A','a');"
        "\nINSERT INTO publications VALUES('p2','nobody','B','b');"
    )

    with pytest.raises(ImportRefused) as refused:
        house.take(source)

    users, publications = refused.value.report.tables
    assert (counts(users), counts(publications)) == ((130, 129, 0, 1), (2, 1, 0, 1))
    [email] = users.refusals.values()
    [nobody] = publications.refusals.values()
    assert email.examples == ["line 11, id='u9'"]
    assert "same@x" in email.reason
    assert nobody.examples == ["line 134, id='p2'"]
    assert "nobody" in nobody.reason
    assert house.rows(User) == []


def test_a_conflict_is_refused_kept_or_replaced(on_file: House, write: Write) -> None:
    """The same key with other values is never overwritten unasked."""
    source = write(AUDIT)
    on_file.put(
        AuditLog(id="a1", post_id="mine", outlet="o", action="a", status="failed", created_at=7)
    )

    with pytest.raises(ImportRefused, match="a row of that key is there with another post_id"):
        on_file.take(source)
    kept = on_file.take(source, on_conflict="keep")
    mine = {row.id: row.post_id for row in on_file.rows(AuditLog)}
    replaced = on_file.take(source, on_conflict="replace")

    assert (kept.tables[0].kept, kept.tables[0].inserted, mine["a1"]) == (1, 3, "mine")
    assert (replaced.tables[0].replaced, replaced.tables[0].same) == (1, 3)
    assert {row.id: row.post_id for row in on_file.rows(AuditLog)}["a1"] == "p1"


def test_sessions_and_ideas_point_at_each_other(house: House, write: Write) -> None:
    """A ring of references has no order; it is put together at the end, and checked."""
    ring = """
CREATE TABLE users (id TEXT, email TEXT, name TEXT, created_at INT, updated_at INT);
INSERT INTO users VALUES('u','e','n',1000000000,1000000000);
CREATE TABLE publications (id TEXT, user_id TEXT, name TEXT, slug TEXT);
INSERT INTO publications VALUES('p','u','P','p');
CREATE TABLE ideas (id TEXT, publication_id TEXT, title TEXT, angle TEXT, summary TEXT,
  session_id TEXT, created_at INT, updated_at INT);
INSERT INTO ideas VALUES('i1','p','T','A','S','s1',1000000001,1000000002);
INSERT INTO ideas VALUES('i2','p','T','A','S',NULL,1000000001,1000000002);
CREATE TABLE sessions (id TEXT, user_id TEXT, idea_id TEXT, created_at INT, updated_at INT);
INSERT INTO sessions VALUES('s1','u','i1',1000000003,1000000004);
"""
    source = write(ring)

    found = house.take(source)
    again = house.take(source)

    assert [counts(each)[1] for each in found.tables] == [1, 1, 1, 2]
    assert [counts(each)[2] for each in again.tables] == [1, 1, 1, 2]
    ideas = {row.id: row for row in house.rows(IdeaRow)}
    assert (ideas["i1"].session_id, ideas["i2"].session_id) == ("s1", None)
    assert ideas["i1"].updated_at == 1000000002
    assert [(row.idea_id, row.updated_at) for row in house.rows(Session)] == [("i1", 1000000004)]
    lost = write(ring.replace("'T','A','S','s1'", "'T','A','S','s9'"))
    with pytest.raises(ImportRefused, match=r"2 of 5 .* ideas, line 8.* 's9' points at no row"):
        House(house.folder.with_name("new"), None).take(lost)


def connections(*tokens: str) -> str:
    rows = "".join(
        f"INSERT INTO social_connections VALUES('c{n}','u','linkedin','{token}');\n"
        for n, token in enumerate(tokens)
    )
    return (
        "CREATE TABLE users (id TEXT, email TEXT, name TEXT);\n"
        "INSERT INTO users VALUES('u','e','n');\n"
        "CREATE TABLE social_connections (id TEXT, user_id TEXT, provider TEXT, "
        f"access_token TEXT);\n{rows}"
    )


def foreign(plain: str, key: str = KEY) -> str:
    """As the document's system encrypts a token."""
    nonce = bytes(range(12))
    return f"{nonce.hex()}:{AESGCM(bytes.fromhex(key)).encrypt(nonce, plain.encode(), None).hex()}"


def test_tokens_are_sealed_anew_and_never_kept_as_they_were(house: House, write: Write) -> None:
    """What another program encrypted is opened with its key; a clear text is sealed too."""
    source = write(connections(foreign("secret one"), "secret two"))

    with pytest.raises(ImportRefused, match="another program has encrypted it") as refused:
        house.take(source)
    with pytest.raises(ImportRefused, match="the old key does not open it"):
        house.take(source, old_key=old_key("cd" * 32))
    found = house.take(source, old_key=old_key(KEY))
    again = house.take(source, old_key=old_key(KEY))

    assert foreign("secret one") not in str(refused.value)
    opened = found.sealed["social_connections.access_token"]
    assert (opened.foreign, opened.plain) == (1, 1)
    assert counts(again.tables[1]) == (2, 0, 2, 0)
    running = open_app(hotmetal, house.options)
    with closing(running), running.first.reading() as db:
        rows = db.all(SocialConnection)
        assert all(row.access_token is not None for row in rows)
        tokens = [row.access_token for row in rows if row.access_token is not None]
        assert [db.open(token) for token in tokens] == ["secret one", "secret two"]
        assert all(str(token.ciphertext).startswith("fh1.") for token in tokens)


def test_a_digest_stays_and_a_raw_token_is_refused(on_file: House, write: Write) -> None:
    """A raw token must not be kept in the place of its digest."""
    table = "CREATE TABLE oauth_state (state TEXT, provider TEXT, expires_at INT);\n"
    digest = "0123456789abcdef" * 4

    on_file.take(write(f"{table}INSERT INTO oauth_state VALUES('{digest}','x',1735689600);"))
    with pytest.raises(ImportRefused, match="A raw token is never taken for a digest") as refused:
        on_file.take(write(f"{table}INSERT INTO oauth_state VALUES('raw-token','x',1735689600);"))

    assert [row.state.digest for row in on_file.rows(OauthState)] == [digest]
    assert "raw-token" not in str(refused.value)


def test_units_of_time_are_not_guessed(on_file: House, write: Write) -> None:
    """Milliseconds in a column of seconds are refused, and doubtful times told."""
    with pytest.raises(ImportRefused, match=r"line 20.*created_at: 1735689601000.*epoch seconds"):
        on_file.take(write(AUDIT.replace("1735689601", "1735689601000")))
    found = on_file.take(write(AUDIT.replace("1735689601", "1735689")))

    [doubt] = found.tables[0].warnings.values()
    assert (doubt.rows, doubt.examples) == (1, ["line 20"])


def test_what_has_no_place_is_listed_and_can_be_left_or_renamed(
    on_file: House, write: Write
) -> None:
    """Unknown tables and columns, and those that are needed: all told at once, with the option."""
    source = write(
        "CREATE TABLE logs (id TEXT, post TEXT, outlet TEXT, action TEXT, status TEXT, x INT);\n"
        "INSERT INTO logs VALUES('a','p','o','a','failed',1);\n"
        "CREATE TABLE extra (id TEXT);\nINSERT INTO extra VALUES('1');\n"
    )

    with pytest.raises(ImportRefused) as refused:
        on_file.take(source, names={"logs": "audit_logs"})
    said = str(refused.value)
    for part in ("--ignore-table extra", "logs.post: audit_logs has no column post",
                 "--ignore-column logs.x", "no column post_id, which"):  # fmt: skip
        assert part in said
    with pytest.raises(ImportRefused, match="nowhere: the source has no such table"):
        on_file.take(source, ignore_tables=frozenset(("extra", "logs", "nowhere")))
    with pytest.raises(ImportRefused, match="has 1 rows in the file, and 2 were expected"):
        on_file.take(source, tables=("logs",), names={"logs": "audit_logs", "logs.post": "post_id"},
                     ignore_columns=frozenset(("logs.x",)), expected={"logs": 2})  # fmt: skip
    found = on_file.take(
        source, names={"logs": "audit_logs", "logs.post": "post_id"},
        ignore_tables=frozenset(("extra",)), ignore_columns=frozenset(("logs.x",)),
    )  # fmt: skip

    assert (found.tables[0].source, found.tables[0].inserted) == ("logs", 1)
    assert [each.name for each in found.left] == ["extra"]


def test_nulls_are_refused_or_filled(on_file: House, write: Write) -> None:
    """The old tables let a time be NULL, ours do not; what is filled in does not count again."""
    source = write(AUDIT.replace("1735689601", "NULL"))

    with pytest.raises(ImportRefused, match=r"--fill-null audit_logs.created_at"):
        on_file.take(source)
    found = on_file.take(source, fill_null=frozenset(("audit_logs.created_at",)))
    again = on_file.take(source, fill_null=frozenset(("audit_logs.created_at",)))

    assert (found.tables[0].inserted, again.tables[0].same) == (4, 4)


def test_the_mutation_is_audited_and_a_copy_is_kept(on_file: House, write: Write) -> None:
    """One row of the audit log for one import, and the database as it was beside it."""
    on_file.put(User(id="u", email="e", name="n"))
    before = dump(on_file.folder / "main.db")["users"]

    found = on_file.take(write(AUDIT))

    assert found.snapshot == on_file.folder / "main.before-import.db"
    assert dump(found.snapshot)["users"] == before
    assert dump(found.snapshot)["audit_logs"] == []
    [row] = dump(on_file.folder / "main.db")["_freehold_audit"]
    assert "Freehold_main.import" in row


CUT_OFF = {
    "in a statement": (
        AUDIT[: AUDIT.index("it''s")],
        "ends in the middle of a statement .* line 20",
    ),
    "in a transaction": ("BEGIN TRANSACTION;\n" + AUDIT, "no COMMIT for the BEGIN of line 1"),
    "by the exporter": (AUDIT + "ROLLBACK; -- due to errors", "line 29: the export broke off"),
    "empty": ("", "is empty"),
    "no SQL": ("hello, world", "ends in the middle"),
    "another engine's": ("SET client_encoding = 'UTF8';", "is no statement of an export"),
    "NUL": (AUDIT.replace("linkedin", "linked\0in"), "line 20: there is a NUL"),
    "no table": ("INSERT INTO t VALUES(1);", "no CREATE TABLE for t"),
}


@pytest.mark.parametrize("how", CUT_OFF)
def test_a_file_that_is_not_whole_is_refused(on_file: House, write: Write, how: str) -> None:
    """Before a row of it is taken in."""
    text, said = CUT_OFF[how]
    source = write(text)

    with pytest.raises(SourceUnreadable, match=said):
        on_file.take(source)

    assert on_file.rows(AuditLog) == []


@pytest.mark.parametrize(("encoding", "said"), [("latin-1", "line 21: the byte 0xe9 is no UTF-8"),
                                                ("utf-16", "is UTF-16")])  # fmt: skip
def test_another_encoding_is_told(on_file: House, tmp_path: Path, encoding: str, said: str) -> None:
    """With the line of the first wrong byte."""
    path = tmp_path / "old.sql"
    path.write_bytes(AUDIT.replace("one\\n", "né\\n").encode(encoding))

    with pytest.raises(SourceUnreadable, match=said):
        on_file.take(path)


BOMB = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
ROW = "'a','p','o','a','failed',NULL,{},1735689600"
HOSTILE = [
    "ATTACH DATABASE '/tmp/moving-stolen.db' AS x;",
    "SELECT load_extension('/tmp/x.so');",
    "PRAGMA writable_schema = ON;",
    "PRAGMA journal_mode(delete);",
    "VACUUM INTO '/tmp/moving-stolen.db';",
    "CREATE VIRTUAL TABLE v USING fts5(a);",
    f"CREATE TABLE bomb AS {BOMB};",
    f"INSERT INTO audit_logs {BOMB};",
    f"INSERT INTO audit_logs VALUES({ROW.format(f'(SELECT count(*) FROM ({BOMB}))')});",
    f"INSERT INTO audit_logs VALUES({ROW.format('load_extension(1)')});",
    f"INSERT INTO audit_logs VALUES({ROW.format('zeroblob(900000000)')});",
    f"INSERT INTO audit_logs VALUES({ROW.format('(SELECT sql FROM sqlite_schema)')});",
    "INSERT INTO sqlite_schema VALUES('table','x','x',0,'CREATE TABLE x(a)');",
    "UPDATE audit_logs SET status = 'success';",
    "DROP TABLE audit_logs;",
]


@pytest.mark.attack("A41")
@pytest.mark.parametrize("statement", HOSTILE)
def test_a_hostile_file_runs_nothing(on_file: House, write: Write, statement: str) -> None:
    """What no export says ends the import with its line, at once; or it is passed over."""
    source = write(f"{AUDIT}\n{statement}\n")
    before = dump(on_file.folder / "main.db")

    if statement.startswith("INSERT INTO sqlite_schema"):
        assert on_file.take(source).tables[0].inserted == 4
        return
    with pytest.raises(SourceUnreadable, match="line 30"):
        on_file.take(source)

    assert dump(on_file.folder / "main.db") == before
    assert not Path("/tmp/moving-stolen.db").exists()


def test_texts_that_swell_are_stopped(on_file: House, write: Write) -> None:
    """A short text that becomes gigabytes fills no disk."""
    swollen = "'a'"
    for _ in range(8):
        swollen = f"replace({swollen},'a','aaaaaaaaaaaaaaaa')"
    source = write(f"{AUDIT}\nINSERT INTO audit_logs VALUES({ROW.format(swollen)});")

    with pytest.raises(SourceUnreadable, match=r"line 30.*time or room"):
        on_file.take(source)


def test_a_sqlite_file_moves_in_with_its_log(on_file: House, tmp_path: Path) -> None:
    """What stands in the log beside it is read; the file is not touched, its triggers rest."""
    path = old_file(
        tmp_path, "PRAGMA journal_mode = WAL",
        "CREATE TABLE audit_logs (id TEXT PRIMARY KEY, post_id, outlet, action, status, "
        "result_data, error_message, created_at) WITHOUT ROWID",
        "CREATE VIEW v AS SELECT load_extension('/tmp/x')",
        "CREATE TABLE t (x)", "CREATE TRIGGER tt AFTER INSERT ON t BEGIN SELECT 1; END",
    )  # fmt: skip
    writer = apsw.Connection(str(path))
    writer.execute(
        "INSERT INTO audit_logs VALUES ('a', 'p', 'o', 'x', 'failed', NULL, NULL, 1735689600)"
    )
    before = path.read_bytes()

    found = on_file.take(path, ignore_tables=frozenset(("t",)))

    assert (found.kind, counts(found.tables[0])) == ("SQLite", (1, 1, 0, 0))
    assert path.read_bytes() == before
    writer.close()


def test_files_that_cannot_be_sources(on_file: House, tmp_path: Path) -> None:
    """The database itself, one that is served, a damaged one, none."""
    with pytest.raises(SourceUnreadable, match="is the database itself"):
        on_file.take(on_file.folder / "main.db")
    with pytest.raises(SourceUnreadable, match="there is no file"):
        on_file.take(tmp_path / "nowhere.sql")
    other = House(tmp_path / "other", None)
    with (
        closing(open_app(hotmetal, other.options)),
        pytest.raises(SourceUnreadable, match="serves"),
    ):
        on_file.take(other.folder / "main.db")
    damaged = old_file(tmp_path, "CREATE TABLE t (a)", "INSERT INTO t VALUES (zeroblob(9000))")
    raw = damaged.read_bytes()
    damaged.write_bytes(raw[:4096] + b"\xff" * 4096 + raw[8192:])
    with pytest.raises(SourceUnreadable, match="is damaged"):
        on_file.take(damaged)


def test_a_served_database_takes_nothing_in(on_file: House, write: Write) -> None:
    """Its owner is named, and goes on."""
    source = write(AUDIT)

    with (
        closing(open_app(hotmetal, on_file.options)),
        pytest.raises(OwnerLocked, match="is owned by process"),
    ):
        on_file.take(source)
