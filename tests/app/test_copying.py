"""Copying an application's data between engines: the same rows, or nothing at all."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from hotmetal.app import app as hotmetal
from hotmetal.schema import schema as hotmetal_schema

from freehold import App, Database, update
from freehold.app.copying import (
    Copied,
    CopyDiffers,
    CopyFailed,
    CopyRefused,
    Progress,
    TableCopied,
    TargetNotEmpty,
    copy,
)
from freehold.app.copying.fingerprint import Fingerprint
from freehold.app.opening import Options, open_app
from freehold.drivers.postgres import Address, blocking_connection
from freehold.drivers.sqlite import shim
from freehold.errors import MigrationNeeded, ReferenceBroken, RuleBroken, StartError
from freehold.testing import shared_cluster
from tests.app.copy_worlds import (
    EVERYTHING,
    Counted,
    Everything,
    Right,
    Things,
    app_of,
    at_the_edges,
    dump,
    opened,
    random_rows,
    ring,
    rows_on_server,
)
from tests.schema.applications import SCHEMAS, Publication

_NO_DIGIT = update(Everything).values(digit=3)


def hashes(copied: list[Copied]) -> dict[str, tuple[int, str]]:
    return {table.table: (table.rows, table.hash) for each in copied for table in each.tables}


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(folder=tmp_path)


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A file with every type at its edges, a ring, and counted keys."""
    with opened(app_of(EVERYTHING), tmp_path) as running:
        at_the_edges(running)
    ring(tmp_path / "main.db")
    return tmp_path / "main.db"


def test_hotmetal_goes_to_a_server_and_back(tmp_path: Path, options: Options) -> None:
    """Sample data there and back again: the same rows and the same hashes, byte for byte."""
    with opened(hotmetal, tmp_path) as running:
        running.seed()
    url = shared_cluster().new_schema()

    there = copy(hotmetal, str(tmp_path / "main.db"), url, options=options)
    back = copy(hotmetal, url, str(tmp_path / "back.db"), options=options)

    assert all(table.is_same for each in (*there, *back) for table in each.tables)
    assert hashes(there) == hashes(back)
    assert hashes(there)["ideas"][0] == 9
    assert {table.name for table in hotmetal_schema.tables} < set(hashes(there))
    assert dump(tmp_path / "main.db") == dump(tmp_path / "back.db")


def test_every_type_at_its_edges_arrives(edges: Path, options: Options) -> None:
    """Numbers at their limits, empty and missing, emoji, bytes, sealed text: on every way."""
    app, url, other = app_of(EVERYTHING), *(shared_cluster().new_schema() for _ in range(2))
    second = str(edges.with_name("second.db"))

    ways = [
        copy(app, str(edges), url, options=options),
        copy(app, url, other, options=options),
        copy(app, other, second, options=options),
        copy(app, second, str(edges.with_name("third.db")), options=options),
    ]

    assert len({str(hashes(way)) for way in ways}) == 1
    assert dump(edges) == dump(edges.with_name("third.db"))
    with opened(app, edges.parent, url) as running, running.first.reading() as db:
        sealed = db.get(Everything, "sealed").secret
        assert sealed is not None
        assert db.open(sealed) == "open me"
        assert [row.id for row in db.all(Right)] == ["r1", "r2"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_rows_of_the_applications_arrive(
    name: str, tmp_path: Path, options: Options
) -> None:
    """Whatever the schema: rings, keys of two parts, triggers that refuse, partial indexes."""
    app, path = app_of(SCHEMAS[name]), tmp_path / "main.db"
    with opened(app, tmp_path):
        pass
    random_rows(path, SCHEMAS[name], seed=7)
    url = shared_cluster().new_schema()

    there = copy(app, str(path), url, options=options)
    back = copy(app, url, str(tmp_path / "back.db"), options=options)

    assert hashes(there) == hashes(back)
    assert sum(rows for rows, _ in hashes(there).values()) > 30
    assert dump(path) == dump(tmp_path / "back.db")


def test_counted_keys_go_on_above_those_that_were_given(edges: Path, options: Options) -> None:
    """Also above the highest ones that were deleted: a number is never given twice."""
    app, url, second = app_of(EVERYTHING), shared_cluster().new_schema(), edges.with_name("2.db")
    copy(app, str(edges), url, options=options)
    copy(app, url, str(second), options=options)

    for database in (url, str(second)):
        with opened(app, edges.parent, database) as running, running.first.writing() as db:
            assert db.insert(Counted(text="next")).id == 6


def test_references_and_triggers_work_after_a_copy(edges: Path, options: Options) -> None:
    """They rested while rows were loaded: none ran, and all are back as they were."""
    app, url, second = app_of(EVERYTHING), shared_cluster().new_schema(), edges.with_name("2.db")
    copied = copy(app, str(edges), url, options=options)
    copy(app, url, str(second), options=options)

    assert hashes(copied)["counted"][0] == 4
    for database in (url, str(second)):
        # Opening compares every constraint and trigger with the schema.
        with opened(app, edges.parent, database) as running:
            with pytest.raises(ReferenceBroken), running.first.writing() as db:
                db.insert(Right(id="r3", left_id="nobody"))
            with pytest.raises(RuleBroken), running.first.writing() as db:
                db.execute(_NO_DIGIT)


def test_the_sequence_and_the_cursor_key_go_along(edges: Path, options: Options) -> None:
    """A client's `min_seq` and its page cursors mean the same on the other engine."""
    app, url = app_of(EVERYTHING), shared_cluster().new_schema()
    with opened(app, edges.parent) as running:
        before = running.seq, running.first.context.cursor_key

    [copied] = copy(app, str(edges), url, options=options)

    assert copied.seq == before[0] > 0
    with opened(app, edges.parent, url) as running:
        assert (running.seq, running.first.context.cursor_key) == before
        with running.first.writing() as db:
            db.insert(Counted(text="next"))
        assert running.seq == before[0] + 1


def test_several_databases_go_together(tmp_path: Path, options: Options) -> None:
    """The files of a folder become schemas of one server, and files again."""
    app = App(
        "two",
        databases=[Database("main", EVERYTHING), Database("word-log", SCHEMAS["hotmetal"])],
        entrypoints=[Things],
    )
    with opened(app, tmp_path / "data") as running:
        at_the_edges(running)
    random_rows(tmp_path / "data" / "word-log.db", SCHEMAS["hotmetal"], seed=3)
    name = shared_cluster().new_database()
    url = shared_cluster().url(name)

    there = copy(app, str(tmp_path / "data"), url, options=options)
    back = copy(app, url, str(tmp_path / "back"), options=options)

    assert [each.database for each in there] == ["main", "word-log"]
    assert hashes(there[1:])["ideas"][0] > 0
    for before, after in zip(there, back, strict=True):
        assert hashes([before]) == hashes([after])
    with pytest.raises(CopyRefused, match="has 2 databases"):
        copy(app, str(tmp_path / "data" / "main.db"), url, options=options)


def test_a_planted_difference_is_seen_and_taken_back(edges: Path, options: Options) -> None:
    """One row that changes on its way in: the table is named, and nothing of the copy stays."""
    app, url = app_of(EVERYTHING), shared_cluster().new_schema()
    with opened(app, edges.parent, url):
        pass
    schema = Address.parse(url).schema
    shared_cluster().sql(
        f"CREATE RULE lie AS ON INSERT TO {schema}.everything WHERE NEW.id = 'one' DO ALSO "
        f"UPDATE {schema}.everything SET real = 1.0000000000000002 WHERE id = NEW.id"
    )

    with pytest.raises(
        CopyDiffers, match=r"everything is not what it was: 13 rows .* 13 rows"
    ) as no:
        copy(app, str(edges), url, options=options)

    wrong = [table.table for each in no.value.copied for table in each.tables if not table.is_same]
    assert wrong == ["everything"]
    assert rows_on_server(url) == 0


@pytest.mark.parametrize("phase", ["copy", "compare"])
def test_an_interrupted_copy_leaves_nothing(phase: str, edges: Path, options: Options) -> None:
    """Ctrl-C in the middle: no row, no commit; and the next try succeeds."""
    app, url, second = app_of(EVERYTHING), shared_cluster().new_schema(), edges.with_name("2.db")

    def interrupt(told: Progress) -> None:
        if told.phase == phase and told.table == "everything" and told.rows:
            raise KeyboardInterrupt

    for target in (url, str(second)):
        with pytest.raises(KeyboardInterrupt):
            copy(app, str(edges), target, options=options, on_progress=interrupt)

    assert rows_on_server(url) == 0
    assert dump(second)["everything"] == []
    for target in (url, str(second)):
        assert copy(app, str(edges), target, options=options)[0].tables[0].rows > 0


def test_a_target_with_rows_is_refused_before_it_is_touched(edges: Path, options: Options) -> None:
    """The table is named; not even its migrations are applied."""
    app, old = app_of(EVERYTHING), app_of(SCHEMAS["hotmetal"])
    url, second = shared_cluster().new_schema(), edges.with_name("2.db")
    for database in (url, str(second)):
        with opened(old, edges.parent, database) as running, running.first.writing() as db:
            db.insert(Publication(id="p1", created_at=1))

    for target in (url, str(second)):
        with pytest.raises(TargetNotEmpty, match="has rows in publications"):
            copy(app, str(edges), target, options=options)

    assert "everything" not in dump(second)


def test_a_target_that_was_written_to_is_refused(edges: Path, options: Options) -> None:
    """Its clients know commits that would come a second time."""
    app = app_of(EVERYTHING)
    url, second = shared_cluster().new_schema(), edges.with_name("2.db")
    for database in (url, str(second)):
        with opened(app, edges.parent, database) as running:
            with running.first.writing() as db:
                db.insert(Counted(text="gone"))
            with running.first.writing() as db:
                db.delete(Counted, 1)

        with pytest.raises(TargetNotEmpty, match="has had commits"):
            copy(app, str(edges), database, options=options)


def test_what_is_no_source_is_refused(edges: Path, options: Options) -> None:
    """Nothing there; there, and never a data layer's; the target itself."""
    app, url = app_of(EVERYTHING), shared_cluster().new_schema()
    stray = edges.with_name("stray.db")
    with closing(apsw.Connection(str(stray))) as connection:
        connection.execute("CREATE TABLE t (x)")

    with pytest.raises(CopyRefused, match="there is no database"):
        copy(app, str(edges.with_name("none.db")), url, options=options)
    for source in (str(stray), shared_cluster().new_schema()):
        with pytest.raises(CopyRefused, match="was never served"):
            copy(app, source, url, options=options)
    with pytest.raises(CopyRefused, match="are the same"):
        copy(app, url, url, options=options)
    assert not edges.with_name("none.db").exists()


def test_a_source_of_another_version_is_refused(edges: Path, options: Options) -> None:
    """A copy is no migration: bring the source up to date first."""
    newer = app_of(SCHEMAS["hotmetal"])

    with pytest.raises(MigrationNeeded):
        copy(newer, str(edges), str(edges.with_name("2.db")), options=options)


def test_a_source_that_is_served_here_is_refused(edges: Path, options: Options) -> None:
    """Its owner is this very process: another handle on its file would drop its locks."""
    app = app_of(EVERYTHING)
    with opened(app, edges.parent), pytest.raises(CopyRefused, match="serves"):
        copy(app, str(edges), str(edges.with_name("2.db")), options=options, while_served=True)


def test_commits_that_slip_in_are_seen(edges: Path, options: Options) -> None:
    """A server's source may be written by anybody: the copy is refused, or says how many."""
    app, url = app_of(EVERYTHING), shared_cluster().new_schema()
    copy(app, str(edges), url, options=options)
    second, third = str(edges.with_name("2.db")), str(edges.with_name("3.db"))
    with opened(app, edges.parent, url) as running:

        def write(told: Progress) -> None:
            # Before any row is read, and after the snapshot was taken.
            if (told.phase, told.table, told.rows) == ("copy", EVERYTHING.tables[0].name, 0):
                with running.first.writing() as db:
                    db.insert(Counted(text="meanwhile"))

        with pytest.raises(CopyRefused, match="has had 1 commits while"):
            copy(app, url, second, options=options, on_progress=write)
        [copied] = copy(app, url, third, options=options, on_progress=write, while_served=True)

    assert copied.later == 1
    assert dump(Path(second))["counted"] == []
    # The first one that slipped in is in the second copy, and nothing of the second one.
    assert len(dump(Path(third))["counted"]) == 5


def test_rows_that_the_target_cannot_hold_are_named(edges: Path, options: Options) -> None:
    """Another hand wrote them, past the data layer; the sentence says in which table."""
    app = app_of(EVERYTHING)
    wrongs = {
        "INSERT INTO counted (text) VALUES ('nul ' || char(0))": r"counted refuses a row",
        "INSERT INTO counted (text) VALUES (CAST(x'ff' AS TEXT))": "not UTF-8",
        "INSERT INTO \"right\" VALUES ('r9', 'nobody')": r"right.*violates foreign key",
        "INSERT INTO everything (id, created_at) VALUES (hex(randomblob(9999)), 1)": "index row",
    }
    for number, (sql, sentence) in enumerate(wrongs.items()):
        path, url = edges.with_name(f"wrong{number}.db"), shared_cluster().new_schema()
        copy(app, str(edges), str(path), options=options)
        with closing(apsw.Connection(str(path), vfs=shim())) as connection:
            connection.execute(sql)

        with pytest.raises(CopyRefused, match=sentence):
            copy(app, str(path), url, options=options)

        assert rows_on_server(url) == 0
    broken, target = edges.with_name("wrong2.db"), edges.with_name("target.db")
    with pytest.raises(CopyRefused, match="1 references, one of them to left"):
        copy(app, str(broken), str(target), options=options)
    assert dump(target)["counted"] == []


def test_a_role_that_owns_its_database_is_enough(edges: Path, options: Options) -> None:
    """No superuser, no extension: what a managed server gives."""
    app, cluster = app_of(EVERYTHING), shared_cluster()
    name = f"own{Address.parse(cluster.new_schema()).schema}"
    cluster.sql(f"CREATE ROLE {name} LOGIN")
    cluster.sql(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
    url = cluster.url(name).replace("freehold@", f"{name}@")

    there = copy(app, str(edges), url, options=options)
    back = copy(app, url, str(edges.with_name("2.db")), options=options)

    assert hashes(there) == hashes(back)


def test_a_role_without_rights_is_told_which(edges: Path, options: Options) -> None:
    """One that may not make tables; one that may write them and does not own them."""
    app, cluster, name = app_of(EVERYTHING), shared_cluster(), shared_cluster().new_database()
    cluster.sql(f"CREATE ROLE guest_{name} LOGIN; GRANT CONNECT ON DATABASE {name} TO guest_{name}")
    guest = cluster.url(name, schema="public").replace("freehold@", f"guest_{name}@")

    with pytest.raises(StartError, match="permission denied"):
        copy(app, str(edges), guest, options=options)

    with opened(app, edges.parent, cluster.url(name, schema="public")):
        pass
    cluster.sql(
        f"GRANT ALL ON SCHEMA public TO guest_{name}; "
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO guest_{name}",
        database=name,
    )
    with pytest.raises((StartError, CopyFailed), match=r"owner|permission"):
        copy(app, str(edges), guest, options=options)
    with blocking_connection(cluster.url(name, schema="public")) as connection:
        assert connection.rows("SELECT count(*), 0 FROM everything") == [(0, 0)]


def test_a_server_that_hangs_up_is_a_sentence(edges: Path, options: Options) -> None:
    """In the middle of the rows, as target and as source: nothing was copied."""
    app, cluster, name = app_of(EVERYTHING), shared_cluster(), shared_cluster().new_database()
    url, second = cluster.url(name, schema="public"), str(edges.with_name("2.db"))

    def hang_up(told: Progress) -> None:
        if (told.phase, told.table, told.rows) == ("copy", "everything", 0):
            cluster.sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE datname = '{name}'"
            )

    with pytest.raises(CopyFailed, match="everything"):
        copy(app, str(edges), url, options=options, on_progress=hang_up)
    copy(app, str(edges), url, options=options)
    with pytest.raises(CopyFailed, match="everything"):
        copy(app, url, second, options=options, on_progress=hang_up)

    assert dump(Path(second))["everything"] == []


def test_the_history_of_migrations_goes_along(tmp_path: Path, options: Options) -> None:
    """When each was applied is the source's; the checksums are those of the engine's own files."""
    with opened(hotmetal, tmp_path):
        pass
    path, url = tmp_path / "main.db", shared_cluster().new_schema()
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        connection.execute("UPDATE _freehold_migrations SET applied_at = 1234567890 + number")

    copied = copy(hotmetal, str(path), url, options=options)

    assert "_freehold_migrations" in hashes(copied)
    with blocking_connection(url) as connection:
        rows = connection.rows("SELECT number, name, applied_at FROM _freehold_migrations")
    assert (1, "0001_initial", 1234567891) in rows
    running = open_app(hotmetal, Options(folder=tmp_path, database=url))
    running.close()


def test_fingerprints_tell_what_equality_does_not() -> None:
    """1, 1.0, "1", b"1" and None are five values; -0.0 is 0.0, as the engines have it."""

    def of(*rows: tuple[Any, ...], table: str = "t") -> str:
        found = Fingerprint(table, ["a", "b"])
        found.add(rows)
        return found.hash

    values: list[Any] = [0, 0.0, 1, 1.0, "1", b"1", None, "", b"", 2**63 - 1, -(2**63), 5e-324]

    assert len({of((value, None)) for value in values}) == len(values)
    assert of((0.0, None)) == of((-0.0, None))
    assert of(("a", "b")) != of(("b", "a"))
    assert of(("a", "b"), ("c", "d")) != of(("c", "d"), ("a", "b"))
    assert of(("a", "b")) != of(("a", "b"), table="u")
    assert of() != of((None, None))


def test_a_table_is_the_same_when_rows_hash_and_counter_are() -> None:
    """Each alone makes a difference."""
    same = TableCopied("t", 1, "a", 1, "a", 5, 5)

    assert same.is_same
    assert not replace(same, target_rows=2).is_same
    assert not replace(same, target_hash="b").is_same
    assert not replace(same, target_counter=4).is_same


def test_sealed_values_are_copied_sealed(edges: Path, options: Options) -> None:
    """No key is needed for a copy, and none is made."""
    folder = edges.parent / "elsewhere"
    (edges.parent / "secrets.json").rename(edges.parent / "kept.json")

    copy(app_of(EVERYTHING), str(edges), str(folder / "main.db"), options=options)

    assert not (folder / "secrets.json").exists()
    assert "open me" not in str(dump(folder / "main.db"))
