"""`Int64`, `Sealed` and `Hashed`: how they travel, what they show, what they refuse."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.scalars import INT64_MAX, INT_MAX, Hashed, Int64, Sealed, dec_hook, enc_hook

any_text = st.text(st.characters())  # with lone surrogates
int64s = st.integers(-INT64_MAX - 1, INT64_MAX)


def to_json(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=enc_hook)


def from_json(text: bytes, kind: Any) -> Any:
    return msgspec.json.decode(text, type=kind, dec_hook=dec_hook)


# -- Int64 --------------------------------------------------------------------------------


@given(int64s)
def test_an_int64_travels_as_a_decimal_string_in_both_codecs(number: int) -> None:
    """JavaScript would round a number past 2^53; a text it leaves alone."""
    packed = msgspec.msgpack.encode(Int64(number), enc_hook=enc_hook)

    assert to_json(Int64(number)) == f'"{number}"'.encode()
    assert msgspec.msgpack.decode(packed) == str(number)


@given(int64s)
def test_an_int64_comes_back_as_one(number: int) -> None:
    """Equal, and still an Int64, so that it travels well again."""
    back = from_json(to_json(Int64(number)), Int64)

    assert back == number
    assert type(back) is Int64


@pytest.mark.parametrize("number", [INT64_MAX + 1, -INT64_MAX - 2, 10**30])
def test_a_number_past_64_bits_is_no_int64(number: int) -> None:
    """No engine could hold it."""
    with pytest.raises(ValueError, match=r"2\^63"):
        Int64(number)


@pytest.mark.parametrize(
    "sent",
    [
        '""', '"-"', '"1.0"', '"1e3"', '" 1"', '"1_000"', '"0x10"', '"+1"', '"--1"', '"NaN"',
        "true", "1.5", "null", "[]", '"١٢"', '"9223372036854775808"', '"12345678901234567890"',
    ],
)  # fmt: skip
def test_what_is_no_decimal_string_is_refused(sent: str) -> None:
    """What `int()` would be lenient about is not: one number has one spelling per client."""
    with pytest.raises(msgspec.ValidationError):
        from_json(sent.encode(), Int64)


def test_a_plain_number_is_taken_as_far_as_every_client_can_say_it() -> None:
    """Up to 2^53-1 nothing is lost on the way; past it, the sender must have lost something."""
    assert from_json(str(INT_MAX).encode(), Int64) == INT_MAX

    with pytest.raises(msgspec.ValidationError, match="decimal string"):
        from_json(str(INT_MAX + 1).encode(), Int64)


# -- Sealed -------------------------------------------------------------------------------


@given(any_text)
def test_a_sealed_value_never_shows_its_text(text: str) -> None:
    """Not in repr, str or a format, neither before nor after it is stored."""
    fresh = Sealed.of(f"<{text}>")
    stored: Sealed[str] = Sealed.stored(f"<{text}>", ("t", "c", ("1",)))

    for value in (fresh, stored):
        assert f"<{text}>" not in f"{value} {value!r} {value!s} {[value]}"


def test_a_fresh_value_has_a_text_and_no_ciphertext() -> None:
    """And a stored one the other way round, with the place it was read from."""
    fresh = Sealed.of("token")
    stored: Sealed[str] = Sealed.stored("fh1.k1.abc", ("t", "c", ("1",)))

    assert (fresh.plain(), fresh.ciphertext, fresh.place) == ("token", None, None)
    assert (stored.plain(), stored.ciphertext) == (None, "fh1.k1.abc")
    assert stored.place == ("t", "c", ("1",))


def test_a_stored_value_leaves_as_ciphertext() -> None:
    """Opening takes the key ring, which no codec has."""
    assert to_json(Sealed.stored("fh1.k1.abc", ("t", "c", ("1",)))) == b'"fh1.k1.abc"'


def test_a_fresh_value_never_leaves() -> None:
    """A function that answers with what it was about to store has a mistake in it."""
    with pytest.raises(TypeError, match="must be stored") as refusal:
        to_json([Sealed.of("token")])

    assert "'token'" not in str(refusal.value)


def test_a_sealed_argument_arrives_as_a_fresh_value() -> None:
    """What a caller sends is plain text, to be sealed when it is written."""
    value = from_json(b'"token"', Sealed[str])

    assert value.plain() == "token"


@pytest.mark.parametrize("sent", [b"1", b"null", b"[]", b"{}"])
@pytest.mark.parametrize("kind", [Sealed[str], Hashed])
def test_only_a_text_is_a_secret(sent: bytes, kind: Any) -> None:
    """Anything else is refused by type."""
    with pytest.raises(msgspec.ValidationError):
        from_json(sent, kind)


def test_sealed_values_compare_by_what_they_hold() -> None:
    """Fresh ones by text, stored ones by ciphertext; and never as equal to a text."""
    assert Sealed.of("a") == Sealed.of("a")
    assert Sealed.of("a") != Sealed.of("b")
    assert Sealed.of("a") != "a"
    assert Sealed.stored("a", ("t",)) == Sealed.stored("a", ("u",))
    assert Sealed.stored("a", ("t",)) != Sealed.of("a")


def test_a_sealed_value_is_no_key_of_a_dict() -> None:
    """A hash would be one more way to ask what is in it."""
    with pytest.raises(TypeError):
        hash(Sealed.of("a"))


def test_a_sealed_value_is_neither_pickled_nor_deeply_copied() -> None:
    """A pickle would hold the text in the clear."""
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            copied(Sealed.of("a"))


# -- Hashed -------------------------------------------------------------------------------


@given(any_text)
def test_a_token_s_hash_is_its_sha_256(raw: str) -> None:
    """Any text has one, a lone surrogate included, and it is what `sha256sum` says."""
    digest = hashlib.sha256(raw.encode(errors="surrogatepass")).hexdigest()

    assert Hashed.of(raw).digest == digest
    assert Hashed.of(raw) == Hashed(digest)
    assert hash(Hashed.of(raw)) == hash(Hashed(digest))
    assert Hashed.of(raw) != digest


@given(any_text, any_text)
def test_a_hash_matches_its_own_token_alone(one: str, other: str) -> None:
    """The raw token is compared, never a digest with a digest."""
    assert Hashed.of(one).matches(one)
    assert Hashed.of(one).matches(other) == (one == other)
    assert not Hashed.of(one).matches(Hashed.of(one).digest)


def test_a_digest_is_not_accepted_for_a_token() -> None:
    """Whoever has read the table still cannot come in with what it holds."""
    digest = Hashed.of("token").digest

    assert from_json(f'"{digest}"'.encode(), Hashed) != Hashed.of("token")


@pytest.mark.parametrize(
    "text", ["", "token", "A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n"]
)
def test_a_raw_token_is_not_taken_for_a_digest(text: str) -> None:
    """`Hashed("token")` would store the token itself; and the message does not repeat it."""
    with pytest.raises(ValueError, match=r"Hashed\.of") as refusal:
        Hashed(text)

    assert str(refusal.value) == "that is no digest; the hash of a raw token is Hashed.of(raw)"


def test_a_hash_shows_six_of_its_characters() -> None:
    """Enough to tell two rows apart in a log."""
    digest = Hashed.of("token").digest

    assert repr(Hashed.of("token")) == f"Hashed({digest[:6]}…)"
    assert to_json(Hashed.of("token")) == f'"{digest}"'.encode()


# -- both ---------------------------------------------------------------------------------


def test_other_types_are_refused_by_name() -> None:
    """msgspec asks these hooks for everything that it does not know."""
    with pytest.raises(NotImplementedError, match="object cannot travel"):
        enc_hook(object())
    with pytest.raises(NotImplementedError, match="cannot travel"):
        dec_hook(complex, "1")
