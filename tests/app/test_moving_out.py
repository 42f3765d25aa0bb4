"""Moving out: a database as a file, and back into an empty one, the same row for row."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import pytest
from hotmetal.app import app as hotmetal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linkie_claw.app import app as linkie_claw

from freehold import App
from freehold.app.moving import (
    Exported,
    ExportRefused,
    Given,
    ImportRefused,
    SourceUnreadable,
    Wishes,
    export_file,
    import_file,
)
from freehold.app.opening import Options, open_app
from freehold.scalars import Hashed, Int64, Sealed
from freehold.testing import shared_cluster
from tests.app.copy_worlds import EVERYTHING, Counted, Everything, app_of, at_the_edges

THINGS: Final = app_of(EVERYTHING)
#: The trigger of its ring would add rows of its own, which an import refuses.
WISHES: Final = Wishes(ignore_tables=frozenset(("left", "right")))
FORMATS: Final = ["jsonl", "sql"]
#: Each application both ways, and in both formats.
WAYS: Final = [
    (hotmetal, "sqlite", "postgresql", "jsonl"),
    (hotmetal, "postgresql", "sqlite", "sql"),
    (linkie_claw, "sqlite", "postgresql", "sql"),
    (linkie_claw, "postgresql", "sqlite", "jsonl"),
]


class Place:
    """An application on one engine, with the secrets that all places of a test share."""

    def __init__(self, app: App, folder: Path, engine: str, *, like: Place | None = None) -> None:
        folder.mkdir(mode=0o700)
        if like is not None:
            shutil.copy(like.options.folder / "secrets.json", folder)
        url = shared_cluster().new_schema() if engine == "postgresql" else None
        is_migrated = next(iter(app.databases.values())).migrations is not None
        upgrade: Any = "apply" if is_migrated else "sync"
        self.app = app
        self.options: Options = Options(folder=folder, database=url, upgrade=upgrade)
        open_app(app, self.options).close()

    def out(self, path: Path, **said: Any) -> Exported:
        declared = next(iter(self.app.databases.values()))
        return export_file(self.app, declared, path, given=Given(**said), options=self.options)

    def take(self, path: Path, wishes: Wishes = WISHES) -> Any:
        return import_file(self.app, path, options=self.options, wishes=wishes)

    def put(self, rows: list[Any]) -> None:
        running = open_app(self.app, self.options)
        with closing(running), running.first.writing() as db:
            for row in rows:
                db.insert(row)

    def rows(self) -> dict[str, list[Any]]:
        """Every row, its sealed values in clear."""
        found = {}
        running = open_app(self.app, self.options)
        with closing(running), running.first.reading() as db:
            for record in next(iter(self.app.databases.values())).schema.records:
                said = [
                    {f: getattr(row, f) for f in row.__struct_fields__} for row in db.all(record)
                ]
                for row in said:
                    opened = {k: db.open(v) for k, v in row.items() if isinstance(v, Sealed)}
                    row.update(opened)
                found[record.__name__] = said
        return found


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Every type at its edges, in a file."""
    place = Place(THINGS, tmp_path_factory.mktemp("edges") / "a", "sqlite")
    running = open_app(THINGS, place.options)
    with closing(running):
        at_the_edges(running)
    return place


@pytest.mark.parametrize(("app", "come_from", "go_to", "form"), WAYS)
def test_sample_data_goes_out_and_comes_back(
    tmp_path: Path, app: App, come_from: str, go_to: str, form: str
) -> None:
    """From one engine into another, empty one: the same rows, none twice."""
    here = Place(app, tmp_path / "here", come_from)
    running = open_app(app, here.options)
    with closing(running):
        running.seed()
    there = Place(app, tmp_path / "there", go_to, like=here)
    path = tmp_path / f"all.{form}"

    exported = here.out(path, format=form)
    there.take(path, Wishes())
    again = there.take(path, Wishes())

    assert there.rows() == here.rows()
    assert sum(exported.tables.values()) == sum(each.same for each in again.tables) > 5
    assert exported.seq == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_values_at_their_edges_come_back(
    edges: Place, tmp_path: Path, engine: str, form: str
) -> None:
    """int64, bytes, zero without its sign, the largest and the smallest float, every text."""
    path, back = tmp_path / "edges", tmp_path / "back"
    there = Place(THINGS, tmp_path / "there", engine, like=edges)

    edges.out(path, format=form)
    there.take(path)
    there.out(back, format=form)

    assert there.rows() == edges.rows()
    # A counted key goes on behind the last that was taken in.
    there.put([Counted(text="next")])
    assert [row["id"] for row in there.rows()["Counted"]] == [1, 2, 3, 4]
    assert len(back.read_bytes()) > 1_000


_TEXT: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_ROWS: Final = st.lists(
    st.builds(
        Everything,
        id=_TEXT,
        whole=st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
        large=st.none() | st.integers(-(2**63), 2**63 - 1).map(Int64),
        real=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        yes=st.none() | st.booleans(),
        raw=st.none() | st.binary(),
        text=st.none() | _TEXT,
        word=st.sampled_from([None, "a", "b"]),
        json=st.none() | st.dictionaries(_TEXT, _JSON, max_size=3),
        secret=st.none() | _TEXT.map(Sealed.of),
        token=st.none() | _TEXT.map(Hashed.of),
    ),
    unique_by=lambda row: row.id,
    min_size=20,
    max_size=60,
)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=_ROWS)
def test_any_rows_come_back(engine: str, rows: list[Any]) -> None:
    """Whatever the types allow, in both formats, one engine after the other."""
    folder = Path(tempfile.mkdtemp(prefix="moving-"))
    try:
        here = Place(THINGS, folder / "here", "sqlite")
        here.put(rows)
        first = Place(THINGS, folder / "first", engine, like=here)
        second = Place(THINGS, folder / "second", "sqlite", like=here)
        here.out(folder / "a", format="sql")
        first.take(folder / "a")
        first.out(folder / "b", format="jsonl")
        second.take(folder / "b")

        assert first.rows() == here.rows()
        assert second.rows() == here.rows()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_plain_clients_load_the_sql(tmp_path: Path, engine: str) -> None:
    """`sqlite3` and `psql` make the tables, references and all, and have the rows."""
    here = Place(hotmetal, tmp_path / "here", "sqlite")
    running = open_app(hotmetal, here.options)
    with closing(running):
        running.seed()
    path = tmp_path / "all.sql"
    here.out(path, format="sql", dialect=engine)
    count = "SELECT count(*) FROM ideas WHERE publication_id IN (SELECT id FROM publications)"

    if engine == "sqlite":
        with closing(apsw.Connection(str(tmp_path / "plain.db"))) as plain:
            plain.execute(path.read_text())
            assert plain.execute(count).get == 9
            assert not plain.execute("PRAGMA foreign_key_check").fetchall()
    else:
        cluster = shared_cluster()
        schema = cluster.new_schema().rsplit("search_path=", 1)[1]
        cluster.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        cluster.sql(f"SET search_path = {schema}; {path.read_text()}")
        assert cluster.sql(f"SET search_path = {schema}; {count}") == "9"
        there = tmp_path / "there"
        with pytest.raises(SourceUnreadable, match="is no statement of an export"):
            Place(hotmetal, there, "sqlite").take(path, Wishes())


def test_sealed_values_stay_sealed_unless_said(edges: Place, tmp_path: Path) -> None:
    """As ciphertext they open with the same secrets only; revealed they are sealed anew."""
    kept, revealed = tmp_path / "kept", tmp_path / "revealed"
    stranger = Place(THINGS, tmp_path / "stranger", "sqlite")

    edges.out(kept)
    edges.out(revealed, is_revealed=True)

    assert b"open me" not in kept.read_bytes()
    assert b"open me" in revealed.read_bytes()
    with pytest.raises(ImportRefused, match="does not open here with the column keys"):
        stranger.take(kept)
    stranger.take(revealed)
    assert stranger.rows() == edges.rows()
    raw = (stranger.options.folder / "main.db").read_bytes()
    assert b"open me" not in raw


BROKEN: Final[dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]]] = {
    "the end": (lambda lines: lines[:-1], "no last line that says it is whole"),
    "a line": (lambda lines: [*lines[:3], *lines[4:]], "holds 2 rows of counted and promises 3"),
    "half a line": (lambda lines: [*lines[:-2], lines[-2][:30]], "line 17: it is no JSON"),
    "the header": (lambda lines: lines[1:], "line 1: it is no header of an export"),
    "a column": (
        lambda lines: [line.replace(b'"whole":null,', b"") for line in lines],
        "line 5: the row of everything and the header differ in whole",
    ),
    "its format": (
        lambda lines: [lines[0].replace(b'"format":1', b'"format":9'), *lines[1:]],
        "the export has format 9, not 1",
    ),
    "a value": (
        lambda lines: [line.replace(b'"large":"0"', b'"large":"x"') for line in lines],
        "everything.large is no int64 as an export writes it",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_lines_that_lost_something_are_refused(edges: Place, tmp_path: Path, what: str) -> None:
    """Cut off, a line or a column gone, another format: told with its line."""
    path = tmp_path / "all.jsonl"
    edges.out(path)
    change, said = BROKEN[what]
    lines = change(path.read_bytes().splitlines())
    path.write_bytes(b"\n".join(lines))
    there = Place(THINGS, tmp_path / "there", "sqlite", like=edges)

    with pytest.raises(SourceUnreadable, match=said):
        there.take(path)

    assert there.rows()["Everything"] == []


def test_a_file_is_whole_or_not_there(edges: Place, tmp_path: Path) -> None:
    """What cannot be finished leaves nothing, and what is there is not written over."""
    path = tmp_path / "all.jsonl"
    path.write_text("mine")

    with pytest.raises(ExportRefused, match="is there already"):
        edges.out(path)
    with pytest.raises(ExportRefused, match="has no table 'nowhere'"):
        edges.out(tmp_path / "other", tables=("nowhere",))
    with pytest.raises(ExportRefused, match="cannot be written"):
        edges.out(tmp_path / "no" / "folder")
    edges.out(path, may_replace=True, tables=("counted",))

    assert path.read_bytes().startswith(b'{"freehold":"export"')
    assert sorted(each.name for each in tmp_path.iterdir()) == ["all.jsonl"]


def test_a_value_that_does_not_open_is_not_revealed(edges: Place, tmp_path: Path) -> None:
    """The export ends with the column's name, and no file is left."""
    stranger = Place(THINGS, tmp_path / "stranger", "sqlite")
    other = replace(edges.options, folder=stranger.options.folder,
                    database=str(tmp_path / "copy" / "main.db"))  # fmt: skip
    (tmp_path / "copy").mkdir(mode=0o700)
    shutil.copy(edges.options.folder / "main.db", tmp_path / "copy")
    shutil.copy(stranger.options.folder / "secrets.json", tmp_path / "copy")

    with pytest.raises(ExportRefused, match=r"a value of everything\.secret does not open"):
        export_file(THINGS, THINGS.databases["main"], tmp_path / "out",
                    given=Given(is_revealed=True), options=other)  # fmt: skip

    assert not [each for each in tmp_path.iterdir() if "out" in each.name]


def test_the_header_tells_what_a_reader_needs(edges: Place, tmp_path: Path) -> None:
    """The application, the commit, the engine and the kind of every column."""
    path = tmp_path / "all.jsonl"
    edges.out(path, tables=("everything",))

    header, first, *_ = map(msgspec.json.decode, path.read_bytes().splitlines())

    assert (header["app"], header["engine"], header["sealed"]) == ("things", "sqlite", "kept")
    assert header["seq"] == 1
    assert header["tables"]["everything"]["columns"]["large"] == "int64"
    assert set(first["row"]) == set(header["tables"]["everything"]["columns"])
