"""
A rotation of the column keys: nothing is lost, wherever it is cut off, on both engines.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Sealed, Writer
from freehold.app.opening import OpenApp, Options, open_app
from freehold.app.rotation import CannotRotate, add_key, retire, rotate, standing
from freehold.app.secrets import COLUMN_KEYS_ENV
from freehold.app.upkeep import upkeep_name
from freehold.crypto import KeyRing, KeysInvalid, SecretsFile
from freehold.errors import KeysInvalidHere, StartError
from freehold.rpc.idempotency import KeptAnswer
from freehold.testing import shared_cluster

pytestmark = pytest.mark.promise("P8")

ROWS = 12


class Account(Record, table="accounts", primary_key=("site", "number")):
    """A key of two columns."""

    site: str
    number: int
    token: Sealed[str] | None = None


class Note(Record, table="notes"):
    """Two sealed columns."""

    id: Annotated[str, PrimaryKey()]
    first: Sealed[str]
    second: Sealed[str] | None = None


class Visit(Record, table="visits"):
    """In another database."""

    id: Annotated[int, PrimaryKey()]
    who: Sealed[str]


def read_note(db: Reader, id: str) -> str:
    """In clear."""
    return db.open(db.get(Note, id).first)


class Notes(Entrypoint):
    """The notes."""

    read_note = read_note


def an_app() -> App:
    """Sealed columns in two databases."""
    return App(
        "notes",
        databases=[Database("main", [Note, Account]), Database("log", [Visit])],
        entrypoints=[Notes],
    )


DATABASES = ["main", "log"]


class Asking:
    """An open application as who owns the databases; `before` is called before each call."""

    def __init__(self, running: OpenApp, before: Callable[[str], None] = lambda _: None) -> None:
        self._running = running
        self._before = before

    def of_database(self, database: str, method: str, args: dict[str, Any]) -> Any:
        """Call one of the operator's methods; small stretches, so that there are many."""
        rows = {"reseal": {"rows": 5}, "countSealed": {"rows": 50}}.get(method, {})
        self._before(method)
        return self._running.ask(f"{upkeep_name(database)}.{method}", {**args, **rows})


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest) -> str | None:
    """Nowhere said, which is files; or a new database on a server."""
    if request.param == "file":
        return None
    server = shared_cluster()
    return server.url(server.new_database())


@contextmanager
def opened(place: str | None, folder: Path) -> Iterator[OpenApp]:
    """The application."""
    with closing(open_app(an_app(), Options(folder=folder, database=place, upgrade="sync"))) as it:
        yield it


def fill(running: OpenApp) -> None:
    """Values in every sealed column, Freehold's own too."""

    def main(db: Writer) -> None:
        for number in range(ROWS):
            second = Sealed.of(f"s{number}") if number % 3 else None
            db.insert(Note(id=f"n{number:03}", first=Sealed.of(f"f{number}"), second=second))
            db.insert(
                Account(site="a" * (number % 3), number=number, token=Sealed.of(f"t{number}"))
            )
        db.insert(KeptAnswer(
            principal="p", user="", method="m", key="k", arguments="", outcome="ok", codec="json",
            secret=Sealed.of("kept"), is_secret=True, secret_until=db.now + 600,
            expires_at=db.now + 600,
        ))  # fmt: skip

    running.databases["main"].write(main)
    running.databases["log"].write(
        lambda db: [db.insert(Visit(id=n, who=Sealed.of(f"w{n}"))) for n in range(ROWS)]
    )


def everything(running: OpenApp) -> list[str]:
    """Every sealed value in clear; whatever does not open is raised."""

    def main(db: Reader) -> list[str]:
        values = [each for note in db.all(Note) for each in (note.first, note.second)]
        values += [account.token for account in db.all(Account)]
        values += [kept.secret for kept in db.all(KeptAnswer)]
        return [db.open(value) for value in values if value is not None]

    first: list[str] = running.databases["main"].read(main)
    second = running.databases["log"].read(lambda db: [db.open(v.who) for v in db.all(Visit)])
    return first + second


def secrets_in(folder: Path) -> Path:
    return folder / "secrets.json"


def test_all_values_are_sealed_anew_and_the_old_key_goes(place: str | None, tmp_path: Path) -> None:
    """Every column of every database, kept answers too; then nothing needs the old key."""
    with opened(place, tmp_path) as running:
        fill(running)
        before = everything(running)
        with pytest.raises(CannotRotate, match="is the key that seals"):
            retire(Asking(running), DATABASES, "k1", path=secrets_in(tmp_path))

        now, broken = rotate(Asking(running), DATABASES, path=secrets_in(tmp_path))

        assert broken == 0
        assert now.primary == "k2"
        assert now.values == {"k2": len(before), "k1": 0}
        assert everything(running) == before
        retire(Asking(running), DATABASES, "k1", path=secrets_in(tmp_path))
        assert everything(running) == before
    assert SecretsFile.load(secrets_in(tmp_path)).ring.ids == ("k2",)
    with opened(place, tmp_path) as running:
        assert everything(running) == before
        methods = {row["method"] for row in running.ask("Freehold_main.listAudit", {"rows": 100})}
        assert methods == {"Freehold_main.takeSecrets", "Freehold_main.forgetKey"}


def test_it_goes_on_wherever_it_was_cut_off(place: str | None, tmp_path: Path) -> None:
    """
    Cut before and after each of its steps: every value opens with the file that is there, and
    the rotation that is begun again ends as one that was never cut.
    """

    class Cut(BaseException):
        pass

    with opened(place, tmp_path) as running:
        fill(running)
        before = everything(running)
    first, states = "k1", 0
    for step in itertools.count(1):
        calls = itertools.count(1)

        def cut(_: str, step: int = step, calls: Iterator[int] = calls) -> None:
            if next(calls) == step:
                raise Cut

        try:
            with opened(place, tmp_path) as running:
                now, _ = rotate(Asking(running, cut), DATABASES, path=secrets_in(tmp_path))
        except Cut:
            states += 1
            with opened(place, tmp_path) as running:
                assert everything(running) == before
                assert standing(Asking(running), DATABASES).lost == 0
            continue
        break
    assert states > 10
    assert now.primary != first
    assert now.stale == now.lost == 0


def test_a_retirement_that_was_cut_off_loses_nothing(place: str | None, tmp_path: Path) -> None:
    """At each step the file has every key that a value needs, and the next start takes place."""

    class Cut(BaseException):
        pass

    with opened(place, tmp_path) as running:
        fill(running)
        before = everything(running)
        rotate(Asking(running), DATABASES, path=secrets_in(tmp_path))
    for step in itertools.count(1):
        calls = itertools.count(1)

        def cut(_: str, step: int = step, calls: Iterator[int] = calls) -> None:
            if next(calls) == step:
                raise Cut

        with opened(place, tmp_path) as running:
            assert everything(running) == before
            try:
                if "k1" in running.secrets.ring.ids:
                    retire(Asking(running, cut), DATABASES, "k1", path=secrets_in(tmp_path))
                break
            except Cut:
                continue
    with opened(place, tmp_path) as running:
        assert everything(running) == before


def test_a_concurrent_change_is_not_overwritten(place: str | None, tmp_path: Path) -> None:
    """Between two stretches callers write what they like; what they wrote last is there."""
    turn = itertools.count()
    with opened(place, tmp_path) as running:
        fill(running)

        def change(method: str) -> None:
            number = next(turn)
            if method == "reseal" and number < 100:
                changes = {"first": Sealed.of(f"changed {number}")}
                running.first.write(lambda db: db.update(Note, f"n{number % ROWS:03}", changes))

        now, _ = rotate(Asking(running, change), DATABASES, path=secrets_in(tmp_path))

        assert now.stale == 0
        seen = [text for text in everything(running) if text.startswith("changed")]
        assert len(seen) > 3


def test_a_value_is_put_back_only_where_the_old_one_stands(
    place: str | None, tmp_path: Path
) -> None:
    """Compare and set, for programs that write beside us: theirs stays."""
    from freehold.db.resealing import _put, sealed_columns

    column = sealed_columns([Note])[0]
    with opened(place, tmp_path) as running:
        fill(running)

        def put(db: Writer, old: str | None) -> bool:
            text = str(db.get(Note, "n000").first.ciphertext)
            return _put(db, column, key=["n000"], old=old or text, new=text)

        assert running.first.write(lambda db: put(db, None))
        assert not running.first.write(lambda db: put(db, "fh1.k1.another"))


def test_what_does_not_open_stays_and_is_told(place: str | None, tmp_path: Path) -> None:
    """A rotation destroys nothing, and ends all the same."""
    with opened(place, tmp_path) as running:
        fill(running)
        raw = "UPDATE notes SET first = (SELECT first FROM notes WHERE id = 'n001') "
        running.first.write(lambda db: db._link.change(f"{raw} WHERE id = 'n000'", ()))

        now, broken = rotate(Asking(running), DATABASES, path=secrets_in(tmp_path))

        assert broken == 1
        assert now.values["k1"] == 1
        with pytest.raises(
            CannotRotate, match=r"1 values need the key 'k1': 1 in main:notes\.first"
        ):
            retire(Asking(running), DATABASES, "k1", path=secrets_in(tmp_path))


def test_another_process_takes_the_new_key_up(tmp_path: Path) -> None:
    """It meets a value that names a key it has not, and looks into the file."""
    server = shared_cluster()
    place = server.url(server.new_database())
    with opened(place, tmp_path) as one, opened(place, tmp_path) as other:
        fill(one)
        before = everything(other)

        rotate(Asking(one), DATABASES, path=secrets_in(tmp_path))

        assert everything(other) == before
        assert other.secrets.ring.primary.id == "k2"


def test_a_key_can_be_handed_out_before_it_seals(place: str | None, tmp_path: Path) -> None:
    """For several machines: behind the others first, in front when every process has it."""
    with opened(place, tmp_path) as running:
        fill(running)
        before = everything(running)
        assert add_key(secrets_in(tmp_path)) == "k2"
        running.ask("Freehold_main.takeSecrets", {})
        assert running.secrets.ring.ids == ("k1", "k2")

        now, _ = rotate(Asking(running), DATABASES, path=secrets_in(tmp_path), to="k2")

        assert now.values == {"k2": len(before), "k1": 0}
        with pytest.raises(CannotRotate, match="holds no key 'k9'"):
            rotate(Asking(running), DATABASES, path=secrets_in(tmp_path), to="k9")


def test_keys_of_the_environment_are_the_operator_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can change them: it says how; and then seals everything anew."""
    monkeypatch.setenv(COLUMN_KEYS_ENV, "k1:" + "11" * 32)
    with opened(None, tmp_path) as running:
        fill(running)
        before = everything(running)
        with pytest.raises(CannotRotate, match="come from FREEHOLD_COLUMN_KEYS"):
            rotate(Asking(running), DATABASES, path=secrets_in(tmp_path))
    monkeypatch.setenv(COLUMN_KEYS_ENV, f"k2:{'22' * 32},k1:{'11' * 32}")
    with opened(None, tmp_path) as running:
        now, _ = rotate(Asking(running), DATABASES, path=secrets_in(tmp_path), to="k2")
        assert now.values == {"k2": len(before), "k1": 0}
        with pytest.raises(CannotRotate, match="no value needs 'k1'"):
            retire(Asking(running), DATABASES, "k1", path=secrets_in(tmp_path))
    monkeypatch.setenv(COLUMN_KEYS_ENV, f"k2:{'22' * 32}")
    with opened(None, tmp_path) as running:
        assert everything(running) == before


def test_each_key_of_the_ring_is_proved_before_serving(place: str | None, tmp_path: Path) -> None:
    """The one that seals, and one that only opens: another key under its id, or none."""
    with opened(place, tmp_path) as running:
        fill(running)
        rotate(Asking(running), DATABASES, path=secrets_in(tmp_path))
    file = SecretsFile.load(secrets_in(tmp_path))
    good = secrets_in(tmp_path).read_text()
    for key_id in ("k1", "k2"):
        right = file.ring.key(key_id).secret.reveal().hex()
        secrets_in(tmp_path).write_text(good.replace(right, "ab" * 32))
        with pytest.raises(KeysInvalidHere, match=f"column key {key_id} is another one"):
            opened(place, tmp_path).__enter__()
    alone = KeyRing("k2", [file.ring.key("k2")])
    secrets_in(tmp_path).write_text(good)
    file.with_keys(alone)
    with pytest.raises(KeysInvalidHere, match="it lacks column key k1"):
        opened(place, tmp_path).__enter__()
    secrets_in(tmp_path).write_text(good)
    with opened(place, tmp_path) as running:
        assert everything(running)


def test_a_running_ring_takes_no_other_key_under_a_known_id() -> None:
    """What it sealed would not open any more."""
    ring = KeyRing.parse("k1:" + "11" * 32)
    with pytest.raises(KeysInvalid, match="is not the one that it was"):
        ring.become(KeyRing.parse("k1:" + "22" * 32))
    assert ring.primary.secret.reveal() == b"\x11" * 32


def test_the_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Its rights stay, nothing is left beside it, and of two who change it one begins again."""
    with opened(None, tmp_path):
        pass
    path = secrets_in(tmp_path)
    stale = SecretsFile.load(path)
    add_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.glob(".secrets-*")] == []
    with pytest.raises(StartError, match="changed by somebody else"):
        stale.with_keys(stale.ring)
    assert SecretsFile.load(path).ring.ids == ("k1", "k2")
