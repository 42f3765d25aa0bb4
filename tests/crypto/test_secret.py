"""What a secret shows: nothing, wherever Python turns a value into text or bytes."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from freehold.crypto import ColumnKey, KeyRing, Secret, SecretsFile, service_keys
from freehold.ids import IdStream, SeededIds

CANARY = "canary-7f3d-in-the-clear-and-32-b"


RANDOM = IdStream(SeededIds(7).seed(), now_ms=0)


def holders(folder: Path) -> Iterator[tuple[object, list[bytes]]]:
    """One of everything that holds a secret, with the bytes that must not show."""
    yield Secret(CANARY), [CANARY.encode()]
    yield Secret(b"\x00\x01\x02\x03 bytes"), [b"\x00\x01\x02\x03 bytes"]
    key = ColumnKey("k1", bytes(range(32)))
    yield key, [bytes(range(32))]
    yield KeyRing("k1", [key]), [bytes(range(32))]
    raw, parts = service_keys.mint("live", RANDOM.random_bytes)
    yield parts, [parts.secret.reveal(), raw.rpartition("_")[2].encode()]
    file = SecretsFile.create(folder / "secrets.json", RANDOM.random_bytes)
    yield file, [file.pepper.reveal(), file.ring.primary.secret.reveal()]


def shows(text: str, secret: bytes) -> bool:
    """Whether a text gives the secret away, in any of the ways that bytes get printed."""
    forms = {secret.hex(), repr(secret)[2:-1], secret.decode("latin-1")}
    return any(form in text or form.upper() in text for form in forms)


WAYS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "f-string": lambda held: f"{held} {held!s} {held!r} {held:}",
    "percent": lambda held: "%s %r" % (held, held),  # noqa: UP031 - one of the ways
    "format": lambda held: "{0} {0!r}".format(held),  # noqa: UP032 - one of the ways
    "in a list": lambda held: str([held, {"a": held}]),
    "pprint": pprint.pformat,
    "json default": lambda held: json.dumps({"held": held}, default=str),
    "log record": lambda held: logging.LogRecord(
        "n", 20, "p", 1, "%s %r", (held, held), None
    ).getMessage(),
    "copy": lambda held: f"{copy.copy(held)!r} {copy.deepcopy([held])!r}",
    "exception": lambda held: "".join(traceback.format_exception_only(ValueError(held))),
}


@pytest.mark.attack("A18")
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_holds_a_secret_shows_it(way: str, tmp_path: Path) -> None:
    """A secret never reaches a text unless somebody wrote `reveal()`."""
    for held, secrets in holders(tmp_path):
        text = WAYS[way](held)

        assert not any(shows(text, secret) for secret in secrets), type(held)


def test_the_search_for_leaks_finds_one_when_there_is_one() -> None:
    """The test above would see bytes, hexadecimal and text."""
    assert shows(f"key={bytes(range(32))!r}", bytes(range(32)))
    assert shows(f"key={bytes(range(32)).hex()}", bytes(range(32)))
    assert shows(f"token={CANARY}", CANARY.encode())


@pytest.mark.attack("A18")
def test_a_format_spec_does_not_open_a_secret() -> None:
    """Width and alignment are ignored, they are no way in."""
    assert f"{Secret(CANARY):>60}" == "Secret(…)"
    assert format(Secret(CANARY), "s") == "Secret(…)"


@pytest.mark.attack("A18")
def test_what_holds_a_secret_is_never_pickled(tmp_path: Path) -> None:
    """A secret does not cross to another process, or into a cache, by accident."""
    for held, _ in holders(tmp_path):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="holds a secret and is never pickled"):
                pickle.dumps(held, protocol=protocol)


@pytest.mark.attack("A18")
def test_what_holds_a_secret_has_no_dict_to_dump(tmp_path: Path) -> None:
    """`vars()`, which serializers fall back to, finds nothing."""
    for held, _ in holders(tmp_path):
        assert not hasattr(held, "__dict__"), type(held)

    with pytest.raises(TypeError, match="gives no state away"):
        Secret(CANARY).__getstate__()


@pytest.mark.attack("A18")
def test_encoders_refuse_a_secret_or_show_its_mask(tmp_path: Path) -> None:
    """JSON and MessagePack have no form for a secret."""
    for held, _ in holders(tmp_path):
        with pytest.raises(TypeError):
            json.dumps(held)
        with pytest.raises(TypeError):
            msgspec.json.encode(held)
        with pytest.raises(TypeError):
            msgspec.msgpack.encode(held)
    file = SecretsFile.load(tmp_path / "secrets.json")
    assert not shows(repr(asdict(file)), file.pepper.reveal())


def test_a_copy_of_a_secret_is_the_secret(tmp_path: Path) -> None:
    """Settings that hold a secret can be copied, and the copy still works."""
    for held, _ in holders(tmp_path):
        assert copy.copy(held) is held
        assert copy.deepcopy({"a": [held]})["a"][0] is held


def test_a_secret_gives_back_what_it_was_made_of() -> None:
    """Bytes, or a text as UTF-8; an ill-formed one too, since a refusal would carry it along."""
    assert Secret(b"\x00\xff").reveal() == b"\x00\xff"
    assert Secret("schlüssel").reveal() == "schlüssel".encode()
    assert Secret("schlüssel").reveal_text() == "schlüssel"
    assert Secret("\ud800").reveal_text() == "\ud800"


def test_a_number_is_not_a_secret() -> None:
    """`Secret(32)` is a mistake, and not 32 zero bytes."""
    with pytest.raises(TypeError):
        Secret(32)  # type: ignore[arg-type]


def test_secrets_are_equal_by_content_and_are_no_dict_keys() -> None:
    """Equality is asked in constant time; hashing, which is not, is refused."""
    assert Secret("abc") == Secret(b"abc")
    assert Secret("abc") != Secret("abd")
    assert Secret("abc") != "abc"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret("abc"))


@pytest.mark.attack("A18")
def test_a_traceback_with_locals_shows_no_key(tmp_path: Path) -> None:
    """Tools that print the locals of each frame print nothing of a key that was refused."""
    good, bad = RANDOM.random_bytes(32).hex(), RANDOM.random_bytes(31).hex()
    path = tmp_path / "secrets.json"
    content = {"version": 1, "pepper": good, "created": ""}
    path.write_text(json.dumps(content | {"column_keys": [{"id": "k1", "secret": bad}]}))
    path.chmod(0o600)
    attempts: list[Callable[[], object]] = [
        lambda: KeyRing.parse(f"k1:{bad}"),
        lambda: KeyRing.parse(Secret(f"k1:{bad}")),
        lambda: KeyRing.parse(f"k1:{good},k1:{bad}"),
        lambda: KeyRing.parse(f"k1:{good},k2:{good}"),
        lambda: KeyRing.parse(f"{good}:k1"),
        lambda: KeyRing.from_hex(bad),
        lambda: KeyRing.from_hex(Secret(bad)),
        lambda: ColumnKey("k1", bytes.fromhex(bad)),
        lambda: SecretsFile.load(path),
    ]
    # The frames of this test hold the texts, of course; those of the library must not.
    for attempt in attempts:
        with pytest.raises(Exception) as refusal:
            attempt()
        trace = refusal.value.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        assert trace is not None
        report = "".join(
            traceback.TracebackException(
                type(refusal.value), refusal.value, trace, capture_locals=True
            ).format()
        )

        assert "freehold/crypto" in report
        assert not shows(report, bytes.fromhex(good))
        assert not shows(report, bytes.fromhex(bad))


def test_importing_the_room_loads_no_database_and_no_server() -> None:
    """The room is pure: it knows nothing above itself."""
    script = (
        "import sys, freehold.crypto\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('freehold.')}\n"
        "print(sorted(rooms - {'crypto', 'errors', 'clock', 'ids'}))\n"
        "print(sorted({'sqlite3', 'apsw', 'sqlalchemy', 'uvicorn', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["[]", "[]"]
