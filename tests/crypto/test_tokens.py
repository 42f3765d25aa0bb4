"""One-way tokens: what is stored of them, and what opens."""

from __future__ import annotations

import ast
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import freehold.crypto
from freehold.crypto import Secret, hash_token, new_token, token_matches
from freehold.ids import IdStream, SeededIds

PEPPER = Secret(bytes(range(32)))
OTHER = Secret(bytes(range(1, 33)))

any_text = st.text(st.characters())  # with surrogates


def stream() -> IdStream:
    return IdStream(SeededIds(3).seed(), now_ms=0)


def test_a_digest_without_a_pepper_is_plain_sha_256() -> None:
    """The digests of an existing database stay valid; the standard's own example shows it."""
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_with_a_pepper_is_hmac_sha_256() -> None:
    """Test case 6 of RFC 4231, whose key is longer than 32 bytes."""
    digest = hash_token(
        "Test Using Larger Than Block-Size Key - Hash Key First", pepper=Secret(b"\xaa" * 131)
    )

    assert digest == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"


@given(any_text)
def test_digests_are_what_the_standard_library_says(raw: str) -> None:
    """A model beside it, for every text, also one that is no well-formed Unicode."""
    data = raw.encode("utf-8", "surrogatepass")

    assert hash_token(raw) == hashlib.sha256(data).hexdigest()
    assert hash_token(raw, pepper=PEPPER) == hmac.new(PEPPER.reveal(), data, "sha256").hexdigest()


@given(any_text, any_text)
def test_a_token_matches_its_own_digest_only(raw: str, other: str) -> None:
    """With and without a pepper."""
    for pepper in (None, PEPPER):
        digest = hash_token(raw, pepper=pepper)

        assert token_matches(raw, digest, pepper=pepper)
        assert token_matches(other, digest, pepper=pepper) is (other == raw)


def test_the_digest_does_not_open() -> None:
    """Whoever reads the database holds nothing that can be shown to the service."""
    digest = hash_token("hm_secret", pepper=PEPPER)

    assert not token_matches(digest, digest, pepper=PEPPER)
    assert not token_matches(digest, digest)


def test_another_pepper_or_none_does_not_match() -> None:
    """A digest is worth nothing without the pepper it was made with."""
    digest = hash_token("hm_secret", pepper=PEPPER)

    assert not token_matches("hm_secret", digest, pepper=OTHER)
    assert not token_matches("hm_secret", digest)
    assert not token_matches("hm_secret", hash_token("hm_secret"), pepper=PEPPER)


@pytest.mark.parametrize("digest", ["", "é", "\ud800", "00", "0" * 64, "0" * 1000])
def test_a_digest_of_another_shape_matches_nothing(digest: str) -> None:
    """A broken row is a plain no, and no exception."""
    assert not token_matches("hm_secret", digest)
    assert not token_matches("hm_secret", digest, pepper=PEPPER)


def test_a_digest_is_lower_case() -> None:
    """One spelling, so that an index on the column finds it."""
    digest = hash_token("hm_secret")

    assert digest == digest.lower()
    assert not token_matches("hm_secret", digest.upper())


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_short_pepper_is_a_defect(length: int) -> None:
    """An empty pepper would be none, and nobody would notice."""
    with pytest.raises(AssertionError, match="a pepper has at least 32 bytes"):
        hash_token("hm_secret", pepper=Secret(bytes(length)))


def test_a_new_token_says_whose_it_is_and_is_random() -> None:
    """`hm_` and 32 hexadecimal characters; the next one is another."""
    draws = stream()
    one, two = new_token("hm_", draws.random_bytes), new_token("hm_", draws.random_bytes)

    assert one.startswith("hm_")
    assert len(one) == 35
    assert len(bytes.fromhex(one[3:])) == 16
    assert one != two


def test_a_call_that_is_run_again_makes_the_same_token() -> None:
    """All randomness is the call's own."""
    assert new_token("hm_", stream().random_bytes) == new_token("hm_", stream().random_bytes)


def test_a_token_may_be_longer_but_not_guessable() -> None:
    """128 bits is the least."""
    assert len(new_token("", stream().random_bytes, token_bytes=32)) == 64
    with pytest.raises(AssertionError, match="at least 128 random bits"):
        new_token("hm_", stream().random_bytes, token_bytes=15)


def test_a_source_that_gives_too_little_is_noticed() -> None:
    """A broken source of randomness must not make short tokens."""
    with pytest.raises(AssertionError, match="another length"):
        new_token("hm_", lambda count: b"\x00" * (count - 1))


@pytest.mark.promise("P9")
@pytest.mark.attack("A13")
def test_digests_are_compared_in_constant_time_only() -> None:
    """The functions that answer yes or no hold no `==`, no `in`, and one `compare_digest`."""
    room = Path(freehold.crypto.__file__).parent
    functions = {
        node.name: node
        for name in ("tokens.py", "service_keys.py")
        for node in ast.parse((room / name).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }

    assert ast.unparse(functions["token_matches"]).count("hmac.compare_digest(") == 1
    assert ast.unparse(functions["matches"]).count("token_matches(") == 1
    for name in ("token_matches", "matches"):
        compared = [node for node in ast.walk(functions[name]) if isinstance(node, ast.Compare)]
        assert all(
            isinstance(node.ops[0], ast.Is | ast.IsNot)
            and ast.unparse(node.comparators[0]) == "None"
            for node in compared
        ), name
