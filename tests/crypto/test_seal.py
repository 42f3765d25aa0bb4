"""Sealed values: what opens them, and that nothing else does."""

from __future__ import annotations

import ast
import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

import freehold.crypto
from freehold.crypto import (
    ColumnKey,
    ColumnKeyMissing,
    KeyRing,
    Place,
    SealBroken,
    SealedFormatInvalid,
    SealError,
    open_sealed,
    seal,
    sealed_key_id,
)
from freehold.crypto.seal import associated_data
from freehold.errors import CallError, InvalidArgument, KeysMissing

ONE = "0123456789abcdef" * 4
TWO = "fedcba9876543210" * 4
RING = KeyRing.from_hex(ONE)
HERE = Place("main", "social_connections", "access_token", ("0190f3a2",))

names = st.text(max_size=12)
parts = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=12),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(0, 3),
)
places = st.builds(Place, names, names, names, st.lists(parts, min_size=1, max_size=3).map(tuple))


def raw_of(sealed: str) -> bytes:
    body = sealed.rpartition(".")[2]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def with_raw(sealed: str, raw: bytes) -> str:
    body = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return f"{sealed.rpartition('.')[0]}.{body}"


# --- the primitive ------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "nonce", "plaintext", "beside", "sealed"),
    [
        pytest.param(
            "00" * 32, "00" * 12, "", "", "530f8afbc74536b9a963b4f1c4cb738b", id="case-13"
        ),
        pytest.param(
            "00" * 32,
            "00" * 12,
            "00" * 16,
            "",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
            id="case-14",
        ),
        pytest.param(
            "feffe9928665731c6d6a8f9467308308" * 2,
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b",
            id="case-16",
        ),
    ],
)
def test_the_cipher_is_aes_256_gcm(
    key: str, nonce: str, plaintext: str, beside: str, sealed: str
) -> None:
    """The test cases 13, 14 and 16 of the GCM specification, on the object that seals."""
    aead = ColumnKey("k1", bytes.fromhex(key)).aead
    given_nonce, given_beside = bytes.fromhex(nonce), bytes.fromhex(beside)

    assert aead.encrypt(given_nonce, bytes.fromhex(plaintext), given_beside).hex() == sealed
    assert aead.decrypt(given_nonce, bytes.fromhex(sealed), given_beside).hex() == plaintext


# --- the promise ---------------------------------------------------------------


@given(st.text(), places)
def test_every_text_opens_at_its_place(text: str, place: Place) -> None:
    """What was sealed for a place opens there, to the same text."""
    sealed = seal(RING, text, place)

    assert open_sealed(RING, sealed, place) == text


@pytest.mark.parametrize(
    "text", ["", "a", "\x00", "naïve 🔑 ключ", "e\u0301", "\r\n", "x" * 1_048_576]
)
def test_texts_of_every_kind_come_back(text: str) -> None:
    """Empty, NUL, every plane of Unicode, not normalized; and a mebibyte."""
    assert open_sealed(RING, seal(RING, text, HERE), HERE) == text


@given(st.text(), places)
def test_a_sealed_value_has_one_shape(text: str, place: Place) -> None:
    """`fh1.<key id>.<base64url>`: nonce of 12 bytes, the text's length, tag of 16; plain ASCII."""
    sealed = seal(RING, text, place)

    version, key_id, body = sealed.split(".")
    assert (version, key_id) == ("fh1", "k1")
    assert sealed.isascii()
    assert "=" not in body
    assert len(raw_of(sealed)) == 12 + len(text.encode()) + 16


def test_a_sealed_value_does_not_hold_its_text() -> None:
    """Neither in clear nor in base64, at any of its three alignments."""
    canary = "canary-in-the-clear-0123456789"
    sealed = seal(RING, canary, HERE)

    assert canary.encode() not in raw_of(sealed)
    for shift in range(3):
        inner = base64.urlsafe_b64encode(bytes(shift) + canary.encode()).decode()[4:36]
        assert inner not in sealed


def test_a_value_sealed_by_the_first_release_opens_for_ever() -> None:
    """The format on disk, held against the standard's parts put together by hand."""
    ring = KeyRing.parse("k2:" + "0f" * 32 + ",k1:" + "a1" * 32)
    place = Place("main", "social_connections", "access_token", ("0190f3a2", "é", 7, b"\x00\xff"))
    sealed = "fh1.k2.Nvlww6ItdvRWS1w_u6QRshEK8F1n03Ik-wAtEXTcMRaLNrhEqwZUmGfMlT9G5bq5VZg"
    beside = (
        b"\x96\x01\xa2k2\xa4main\xb2social_connections\xacaccess_token"
        b"\x94\xa80190f3a2\xa2\xc3\xa9\x07\xc4\x02\x00\xff"
    )

    assert open_sealed(ring, sealed, place) == "ya29.naïve-Tokén🔑"
    assert associated_data("k2", place) == beside
    raw = raw_of(sealed)
    opened = ring.key("k2").aead.decrypt(raw[:12], raw[12:], beside)
    assert opened.decode() == "ya29.naïve-Tokén🔑"


# --- what does not open ---------------------------------------------------------


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
@pytest.mark.parametrize("text", ["", "t", "ya29.a0AfH6SMBx-token"])
def test_every_single_bit_counts(text: str) -> None:
    """One flipped bit in nonce, ciphertext or tag, at any position, and it does not open."""
    sealed = seal(RING, text, HERE)
    raw = raw_of(sealed)
    refused = 0

    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(SealBroken):
            open_sealed(RING, with_raw(sealed, bytes(flipped)), HERE)
        refused += 1

    assert refused == (12 + len(text) + 16) * 8


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
def test_every_single_bit_of_the_place_counts() -> None:
    """The bytes that stand for version, key id and place are authenticated, all of them."""
    raw = raw_of(seal(RING, "token", HERE))
    beside = associated_data("k1", HERE)
    aead = RING.primary.aead
    assert aead.decrypt(raw[:12], raw[12:], beside) == b"token"

    for bit in range(len(beside) * 8):
        flipped = bytearray(beside)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(InvalidTag):
            aead.decrypt(raw[:12], raw[12:], bytes(flipped))


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
def test_every_single_character_of_the_text_counts() -> None:
    """Version, key id, dots and body: any other character anywhere, and it does not open."""
    ring = KeyRing.parse(f"k1:{ONE},k2:{TWO}")
    sealed = seal(ring, "token", HERE)

    for position, original in enumerate(sealed):
        for other in "AQgw_-.012kf\n é=+/":
            if other == original:
                continue
            changed = sealed[:position] + other + sealed[position + 1 :]
            with pytest.raises((SealError, KeysMissing)):
                open_sealed(ring, changed, HERE)


@pytest.mark.attack("A37")
def test_one_value_has_one_spelling() -> None:
    """The last character's spare bits must be zero, or two texts would open to one value."""
    sealed = seal(RING, "", HERE)  # 28 bytes leave four bits to spare
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = [sealed[:-1] + character for character in alphabet]

    opened = [text for text in spare if raw_of(text) == raw_of(sealed)]
    assert len(opened) == 16
    for text in opened:
        if text != sealed:
            with pytest.raises(SealedFormatInvalid):
                open_sealed(RING, text, HERE)


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("other", "social_connections", "access_token", ("0190f3a2",)),
        Place("main", "users", "access_token", ("0190f3a2",)),
        Place("main", "social_connections", "refresh_token", ("0190f3a2",)),
        Place("main", "social_connections", "access_token", ("0190f3a3",)),
        Place("main", "social_connections", "access_token", ("0190f3a2", "")),
        Place("main", "social_connections", "access_token", (b"0190f3a2",)),
    ],
    ids=["database", "table", "column", "row", "wider key", "kind of key"],
)
def test_a_value_that_was_moved_does_not_open(elsewhere: Place) -> None:
    """Another database, table, column or row: the value is not at home there."""
    sealed = seal(RING, "token", HERE)

    with pytest.raises(SealBroken, match="does not belong to this place, or was altered"):
        open_sealed(RING, sealed, elsewhere)


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
def test_no_two_cells_can_change_places() -> None:
    """Every pair of sealed cells of two databases of two tables of two columns of three rows."""
    cells = {
        place: seal(RING, f"secret of {place}", place)
        for database in ("main", "ops")
        for table in ("a", "b")
        for column in ("x", "y")
        for row in (1, 2, "1")
        for place in [Place(database, table, column, (row,))]
    }
    refused = 0

    for here, there in permutations(cells, 2):
        with pytest.raises(SealBroken):
            open_sealed(RING, cells[there], here)
        refused += 1

    assert refused == 24 * 23


@pytest.mark.promise("P7")
@pytest.mark.attack("A37")
@given(st.text(), places, places)
def test_a_value_opens_at_no_other_place(text: str, here: Place, there: Place) -> None:
    """Whatever the names and keys are, also when they share their characters."""
    sealed = seal(RING, text, here)

    if here == there:
        assert open_sealed(RING, sealed, there) == text
    else:
        assert associated_data("k1", here) != associated_data("k1", there)
        with pytest.raises(SealBroken):
            open_sealed(RING, sealed, there)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a,b",), ("a", "b")),
        ((1,), ("1",)),
        (("1",), (b"1",)),
        (("a", ""), ("a",)),
        ((1, 23), (12, 3)),
        ((-1,), (2**64 - 1,)),
    ],
)
def test_keys_that_look_alike_are_different_places(
    one: tuple[str | int | bytes, ...], other: tuple[str | int | bytes, ...]
) -> None:
    """Every part of a key counts with its type and its length."""
    here, there = Place("d", "t", "c", one), Place("d", "t", "c", other)

    assert associated_data("k1", here) != associated_data("k1", there)


def test_names_that_run_together_are_different_places() -> None:
    """Table `ab` with column `c` is not table `a` with column `bc`."""
    assert associated_data("k1", Place("d", "ab", "c", (1,))) != associated_data(
        "k1", Place("d", "a", "bc", (1,))
    )
    assert associated_data("k1", HERE) != associated_data("k2", HERE)


# --- keys -----------------------------------------------------------------------


@pytest.mark.promise("P8")
def test_the_primary_seals_and_the_older_keys_open() -> None:
    """The first half of a rotation: old values stay readable, new ones carry the new key's id."""
    old = seal(RING, "old", HERE)
    rotated = KeyRing.parse(f"k2:{TWO},k1:{ONE}")
    new = seal(rotated, "new", HERE)

    assert (sealed_key_id(old), sealed_key_id(new)) == ("k1", "k2")
    assert open_sealed(rotated, old, HERE) == "old"
    assert open_sealed(rotated, new, HERE) == "new"


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    """Which key is missing is what the operator needs to know."""
    sealed = seal(KeyRing.from_hex(TWO, id="2025-q4"), "token", HERE)

    with pytest.raises(KeysMissing, match="no column key '2025-q4'") as refusal:
        open_sealed(RING, sealed, HERE)

    assert isinstance(refusal.value, ColumnKeyMissing)
    assert refusal.value.key_id == "2025-q4"


@pytest.mark.attack("A37")
def test_keys_are_not_tried_one_after_another() -> None:
    """The id in front decides: the right key under another id does not open the value."""
    sealed = seal(KeyRing.from_hex(ONE, id="k1"), "token", HERE)
    renamed = sealed.replace("fh1.k1.", "fh1.k2.")
    ring = KeyRing.parse(f"k2:{TWO},k1:{ONE}")

    with pytest.raises(SealBroken):
        open_sealed(ring, renamed, HERE)
    with pytest.raises(SealBroken):  # the same key, but it was sealed under another name
        open_sealed(KeyRing.from_hex(ONE, id="k2"), renamed, HERE)
    with pytest.raises(SealBroken):  # the same name, but another key
        open_sealed(KeyRing.from_hex(TWO, id="k1"), sealed, HERE)


# --- shapes and errors ------------------------------------------------------------


@pytest.mark.attack("A37")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "token in the clear",
        "a1b2c3d4e5f60718293a4b5c:00112233445566778899aabbccddeeff",
        "fh1",
        "fh1.k1",
        "fh1.k1.",
        "fh1.k1." + "A" * 37,
        "fh1.k1." + "A" * 41,
        "fh1.." + "A" * 40,
        "fh2.k1." + "A" * 40,
        "FH1.k1." + "A" * 40,
        "fh1.K1." + "A" * 40,
        "fh1." + "k" * 17 + "." + "A" * 40,
        "fh1.k1." + "A" * 39 + "=",
        "fh1.k1." + "A" * 39 + "+",
        "fh1.k1." + "A" * 40 + "\n",
        " fh1.k1." + "A" * 40,
        "fh1.k1." + "A" * 40 + ".x",
        "fh1.k1." + "Α" * 40,  # noqa: RUF001 - Greek, as an attacker would
    ],
)
def test_a_text_of_another_shape_is_refused_as_such(text: str) -> None:
    """A value from before the column was sealed is told apart from one that was altered."""
    with pytest.raises(SealedFormatInvalid, match="invalid sealed value format") as refusal:
        open_sealed(RING, text, HERE)
    with pytest.raises(SealedFormatInvalid, match="invalid sealed value format"):
        sealed_key_id(text)

    assert refusal.value.hint
    if len(text) > 8:
        assert text not in str(refusal.value)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands in the column, the answer is one of the room's own errors."""
    with pytest.raises(SealError):
        open_sealed(RING, text, HERE)


@given(st.binary(min_size=28, max_size=80))
def test_random_bytes_in_the_right_shape_do_not_open(raw: bytes) -> None:
    """A forger without the key gets nowhere."""
    with pytest.raises(SealBroken):
        open_sealed(RING, with_raw("fh1.k1.x", raw), HERE)


@pytest.mark.attack("A18")
def test_a_refusal_shows_neither_text_nor_ciphertext_nor_row() -> None:
    """It names the column, for the log; it is no error that travels to a caller."""
    sealed = seal(RING, "canary-plaintext", HERE)
    there = Place("main", "users", "email_secret", ("ada@example.org",))

    with pytest.raises(SealBroken) as refusal:
        open_sealed(RING, sealed, there)

    said = f"{refusal.value} {refusal.value!r} {refusal.value.args} {vars(refusal.value)}"
    assert "main.users.email_secret" in said
    for hidden in ("canary", sealed[7:20], "ada@example.org"):
        assert hidden not in said
    assert refusal.value.__context__ is None
    assert not isinstance(refusal.value, CallError)


def test_a_text_that_is_no_unicode_is_refused_and_not_carried_along() -> None:
    """A codec's error holds the whole text; it is not what the caller gets, nor behind it."""
    with pytest.raises(InvalidArgument, match="lone surrogate") as refusal:
        seal(RING, "canary \ud800", HERE)

    assert refusal.value.__context__ is None
    assert refusal.value.__cause__ is None
    assert "canary" not in f"{refusal.value} {vars(refusal.value)}"


def test_an_authentic_value_that_is_no_text_is_refused_the_same_way() -> None:
    """Bytes that somebody else sealed with the key do not escape in a codec's error."""
    nonce = bytes(range(12))
    raw = nonce + RING.primary.aead.encrypt(nonce, b"canary \xff", associated_data("k1", HERE))

    with pytest.raises(SealBroken) as refusal:
        open_sealed(RING, with_raw("fh1.k1.x", raw), HERE)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("key", [("\ud800",), (2**64,), (-(2**63) - 1,)])
def test_a_key_that_no_database_stores_is_refused(key: tuple[str | int | bytes, ...]) -> None:
    """It cannot be the key of a row, so nothing is sealed for it."""
    with pytest.raises(InvalidArgument, match="'t' cannot be stored") as refusal:
        seal(RING, "token", Place("d", "t", "c", key))
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("key", [(True,), (None,), (1.5,), (("a",),)])
def test_a_key_of_another_type_is_a_defect(key: tuple[str, ...]) -> None:
    """True is not 1, and no other type stands for a row."""
    with pytest.raises(TypeError, match="a primary key is text, integer or bytes"):
        seal(RING, "token", Place("d", "t", "c", key))


def test_a_value_without_a_row_is_a_defect() -> None:
    """A place with no key would let all rows of a table exchange their values."""
    with pytest.raises(AssertionError, match="a row has a primary key"):
        seal(RING, "token", Place("d", "t", "c", ()))


def test_a_key_counts_by_its_value_and_not_by_its_class() -> None:
    """An enum or a subclass, as the author's code has it, is the plain value that is read back."""

    class Provider(str, Enum):  # noqa: UP042 - whose str() is not its value
        LINKEDIN = "linkedin"

        def __str__(self) -> str:
            return "something else"

    class RowId(int):
        pass

    class Digest(bytes):
        pass

    written = Place("d", "t", "c", (Provider.LINKEDIN, RowId(7), Digest(b"\x01")))
    read = Place("d", "t", "c", ("linkedin", 7, b"\x01"))

    assert open_sealed(RING, seal(RING, "token", written), read) == "token"


# --- nonces ------------------------------------------------------------------------


@pytest.mark.attack("A38")
def test_a_text_is_never_sealed_twice_the_same() -> None:
    """100,000 values of one text at one place: all nonces and all ciphertexts differ."""
    sealed = [seal(RING, "t", HERE) for _ in range(100_000)]

    assert len(set(sealed)) == 100_000
    assert len({raw_of(text)[:12] for text in sealed}) == 100_000


FORKING = """
import os, sys
from freehold.crypto import KeyRing, Place, seal

ring, here = KeyRing.from_hex("ab" * 32), Place("d", "t", "c", (1,))
seal(ring, "warm", here)
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        lines = "".join(seal(ring, "t", here) + "\\n" for _ in range(100))
        os.write(1, lines.encode())
        os._exit(0)
    children.append(child)
for _ in range(100):
    os.write(1, (seal(ring, "t", here) + "\\n").encode())
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.attack("A38")
def test_a_forked_process_does_not_repeat_nonces() -> None:
    """Five processes that began as one draw different nonces."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.split()

    assert len(lines) == 500
    assert len({raw_of(line)[:12] for line in lines}) == 500


def test_one_key_serves_many_threads() -> None:
    """The cipher is made once per key, and readers open with it at the same time."""

    def work(number: int) -> bool:
        place = Place("d", "t", "c", (number,))
        return all(
            open_sealed(RING, seal(RING, f"{number} {turn}", place), place) == f"{number} {turn}"
            for turn in range(200)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))


@pytest.mark.attack("A38")
def test_only_one_line_of_the_room_encrypts_and_its_nonce_is_fresh() -> None:
    """No fixed nonce and no counter can creep in: `encrypt` is called once, behind `urandom`."""
    room = Path(freehold.crypto.__file__).parent
    calls = [
        (path.name, ast.unparse(node.args[0]))
        for path in sorted(room.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "encrypt"
    ]

    assert calls == [("seal.py", "nonce")]
    assert (room / "seal.py").read_text().count("nonce = ") == 1
    assert "nonce = os.urandom(NONCE_BYTES)" in (room / "seal.py").read_text()
