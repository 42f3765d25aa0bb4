"""Column keys and the ring: which texts become one, and what a refusal says and does not say."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freehold.crypto import ColumnKey, ColumnKeyMissing, KeyRing, KeysInvalid, Secret
from freehold.errors import KeysMissing, StartError

ONE = "0123456789abcdef" * 4
TWO = "fedcba9876543210" * 4

key_ids = st.from_regex(r"[a-z0-9_-]{1,16}", fullmatch=True)
secrets = st.integers(0, 2**256 - 1).map(lambda number: number.to_bytes(32, "big"))


def test_a_bare_key_becomes_a_ring_of_one() -> None:
    """64 hexadecimal characters, as an existing deployment has them in its environment."""
    ring = KeyRing.from_hex(ONE)

    assert ring.ids == ("k1",)
    assert ring.primary is ring.key("k1")
    assert ring.primary.secret.reveal() == bytes.fromhex(ONE)


def test_a_bare_key_may_be_given_another_id() -> None:
    """The id is what sealed values will name."""
    assert KeyRing.from_hex(ONE, id="2026-01").ids == ("2026-01",)
    assert KeyRing.from_hex(ONE, "old").primary.id == "old"


def test_the_first_of_several_keys_is_the_primary() -> None:
    """`k2:…,k1:…`: k2 seals, k1 still opens."""
    ring = KeyRing.parse(f"k2:{TWO},k1:{ONE}")

    assert ring.primary.id == "k2"
    assert ring.ids == ("k2", "k1")
    assert ring.key("k1").secret.reveal() == bytes.fromhex(ONE)
    assert ring.key("k2").secret.reveal() == bytes.fromhex(TWO)


def test_the_ids_begin_with_the_primary_wherever_it_was_given() -> None:
    """The order of the others stays."""
    keys = [ColumnKey(name, bytes([number]) * 32) for number, name in enumerate("abc")]

    assert KeyRing("b", keys).ids == ("b", "a", "c")


@pytest.mark.parametrize(
    "text", [ONE, ONE.upper(), f"  {ONE}\n", f"k1:{ONE}", f" k1 : {ONE} \n", Secret(f"{ONE}\n")]
)
def test_a_ring_is_read_from_what_files_and_variables_hold(text: str | Secret) -> None:
    """Upper case, and blanks or a newline around a part, change nothing."""
    ring = KeyRing.parse(text)

    assert ring.ids == ("k1",)
    assert ring.primary.secret.reveal() == bytes.fromhex(ONE)


@given(st.dictionaries(key_ids, secrets, min_size=1, max_size=4))
def test_every_ring_of_distinct_keys_can_be_written_as_a_text(keys: dict[str, bytes]) -> None:
    """What is written is what is read, in the same order."""
    assume(len(set(keys.values())) == len(keys))
    ring = KeyRing.parse(",".join(f"{name}:{secret.hex()}" for name, secret in keys.items()))

    assert ring.ids == tuple(keys)
    assert {name: ring.key(name).secret.reveal() for name in ring.ids} == keys


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_no_key_at_all_is_its_own_error(text: str) -> None:
    """An empty variable is a key that was not given, and the text says how to make one."""
    for read in (KeyRing.parse, KeyRing.from_hex):
        with pytest.raises(KeysMissing, match="no column key is given") as refusal:
            read(text)
        assert "openssl rand -hex 32" in str(refusal.value)
        assert isinstance(refusal.value, StartError)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ONE[:-1], "entry 1 of 1 has 63 characters"),
        (ONE + "0", "entry 1 of 1 has 65 characters"),
        (ONE[:-1] + "g", "not hexadecimal"),
        (ONE[:-1] + "٣", "not hexadecimal"),
        (ONE[:32] + " " + ONE[33:], "not hexadecimal"),
        (f"k2:{TWO},k1:{ONE[:-2]}", "entry 2 of 2 has 62 characters"),
        (f"k2:{TWO},{ONE}", "entry 2 of 2 has no usable id"),
        (f"{TWO},{ONE}", "entry 1 of 2 has no usable id"),
        (f"{ONE}:k1", "entry 1 of 1 has no usable id"),
        (f":{ONE}", "entry 1 of 1 has no usable id"),
        (f"K1:{ONE}", "entry 1 of 1 has no usable id"),
        (f"{'k' * 17}:{ONE}", "entry 1 of 1 has no usable id"),
        (f"k1.:{ONE}", "entry 1 of 1 has no usable id"),
        (f"ключ:{ONE}", "entry 1 of 1 has no usable id"),
        (f"k1:{ONE},", "entry 2 of 2 has no usable id"),
        (f"k1:{ONE}:{TWO}", "entry 1 of 1 has 129 characters"),
        (f"k1:{ONE},k1:{TWO}", "two column keys have the id 'k1'"),
        (f"k2:{ONE},k1:{ONE}", "'k2' and 'k1' are the same key"),
    ],
)
def test_a_text_that_breaks_a_rule_is_refused_without_being_shown(text: str, rule: str) -> None:
    """The refusal names the rule, where it was broken and the next step; never a part of a key."""
    with pytest.raises(KeysInvalid, match=rule) as refusal:
        KeyRing.parse(text)

    said = f"{refusal.value} {refusal.value!r} {refusal.value.args}"
    assert refusal.value.hint
    assert refusal.value.exit_code == 78
    assert refusal.value.__context__ is None
    for start in range(56):
        assert ONE[start : start + 8] not in said
        assert TWO[start : start + 8] not in said


@pytest.mark.parametrize("text", [ONE[:-1], ONE + "00", ONE[:-1] + "x", f"k1:{ONE}"])
def test_a_bare_key_is_64_hexadecimal_characters(text: str) -> None:
    """`from_hex` reads one key and nothing else."""
    with pytest.raises(KeysInvalid) as refusal:
        KeyRing.from_hex(text)

    assert ONE[:8] not in str(refusal.value)


@given(st.text())
def test_any_other_text_is_refused_by_a_typed_error(text: str) -> None:
    """Whatever stands in the variable, the process ends with an error that can be understood."""
    with pytest.raises((KeysMissing, KeysInvalid)) as refusal:
        KeyRing.parse(text)

    assert refusal.value.hint


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33, 64])
def test_a_column_key_has_32_bytes(length: int) -> None:
    """AES-128 and AES-192 are not offered: there is one strength."""
    with pytest.raises(KeysInvalid, match=f"has {length} bytes; a key has 32"):
        ColumnKey("k1", bytes(length))


@pytest.mark.parametrize("name", ["", "K1", "a.b", "a b", "k" * 17, "k1\n", "é"])
def test_an_id_has_a_small_alphabet(name: str) -> None:
    """It stands between two dots in every sealed value."""
    with pytest.raises(KeysInvalid, match="no usable id"):
        ColumnKey(name, bytes(32))


def test_the_primary_is_one_of_the_keys() -> None:
    """A ring that could not seal is refused when it is made."""
    with pytest.raises(KeysInvalid, match="the primary column key is not among the keys"):
        KeyRing("k9", [ColumnKey("k1", bytes(32))])
    with pytest.raises(KeysInvalid, match="the primary column key is not among the keys"):
        KeyRing("k1", [])


def test_a_key_that_is_not_there_is_named() -> None:
    """The id is what the operator has to look for."""
    ring = KeyRing.from_hex(ONE)

    with pytest.raises(KeysMissing, match="no column key 'k7'") as refusal:
        ring.key("k7")
    assert isinstance(refusal.value, ColumnKeyMissing)
    assert refusal.value.key_id == "k7"

    with pytest.raises(ColumnKeyMissing) as misplaced:
        ring.key(TWO)
    assert TWO not in str(misplaced.value)


def test_a_ring_and_a_key_say_which_they_are() -> None:
    """Ids are no secret, and a log needs them."""
    ring = KeyRing.parse(f"k2:{TWO},k1:{ONE}")

    assert repr(ring) == "KeyRing(ids=('k2', 'k1'))"
    assert repr(ring.primary) == "ColumnKey('k2', Secret(…))"
