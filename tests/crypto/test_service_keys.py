"""Service keys: their shape, their checksum, and what is stored of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.crypto import Secret, ServiceKey, service_keys
from freehold.ids import IdStream, SeededIds, SystemIds

PEPPER = Secret(bytes(range(32)))
OTHER = Secret(bytes(range(1, 33)))
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

seeds = st.integers(0, 2**32)
environments = st.sampled_from(["live", "test"])


def minted(environment: Literal["live", "test"] = "live", seed: int = 1) -> tuple[str, ServiceKey]:
    stream = IdStream(SeededIds(seed).seed(), now_ms=0)
    return service_keys.mint(environment, stream.random_bytes)


def signed(body: str) -> str:
    """The body with a right checksum, made by another road than the library's."""
    number, text = zlib.crc32(body.encode()), ""
    while number:
        text = BASE62[number % 62] + text
        number //= 62
    return body + text.rjust(6, "0")


def test_a_key_has_one_shape() -> None:
    """The environment, the id, 256 bits and a checksum: 70 characters that a scanner can find."""
    for environment in ("live", "test"):
        raw, key = minted(environment)

        shape = rf"fh_{environment}_[0-9a-z]{{12}}_[0-9A-Za-z]{{49}}"
        assert re.fullmatch(shape, raw)
        assert len(raw) == 70
        assert key.environment == environment
        assert raw.split("_")[2] == key.id
        assert len(key.secret.reveal()) == 32


@given(environments, seeds)
def test_what_is_minted_is_what_is_parsed(environment: Literal["live", "test"], seed: int) -> None:
    """Environment, id and secret come back."""
    raw, key = minted(environment, seed)

    assert service_keys.parse(raw) == key


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, b"\x00" * 31 + b"\x01"])
def test_every_secret_can_be_written(secret: bytes) -> None:
    """The smallest and the largest number keep their width."""
    raw, key = service_keys.mint("live", lambda count: secret[:count])

    assert len(raw) == 70
    assert service_keys.parse(raw) == key
    assert key.secret.reveal() == secret


def test_the_checksum_is_the_one_in_the_documentation() -> None:
    """CRC-32 of all before it, in base 62: a scanner may build its own check on that."""
    raw, _ = minted()

    assert raw == signed(raw[:-6])


def test_a_key_of_the_first_release_is_one_for_ever() -> None:
    """A golden key: changing alphabet or checksum would lock everybody out."""
    key = service_keys.parse("fh_test_0123456789ab_" + "0" * 42 + "z" + "07JzPx")

    assert key == ServiceKey("test", "0123456789ab", Secret(b"\x00" * 31 + b"\x3d"))


def test_two_keys_share_nothing() -> None:
    """From the operating system's randomness, ids and secrets are all different."""
    stream = IdStream(SystemIds().seed(), now_ms=0)
    keys = [service_keys.mint("live", stream.random_bytes) for _ in range(1000)]

    assert len({raw for raw, _ in keys}) == 1000
    assert len({key.id for _, key in keys}) == 1000
    assert len({key.secret.reveal() for _, key in keys}) == 1000


def test_a_call_that_is_run_again_mints_the_same_key() -> None:
    """All randomness is the call's own, and as much is drawn every time."""
    assert minted(seed=5)[0] == minted(seed=5)[0]

    drawn: list[int] = []

    def counted(count: int) -> bytes:
        drawn.append(count)
        return bytes(count)

    service_keys.mint("live", counted)
    assert drawn == [16, 32]


def test_every_wrong_character_is_noticed() -> None:
    """Any one character replaced by any other of its alphabet, at any position: no key."""
    raw, _ = minted()

    for position in range(len(raw)):
        for other in BASE62 + "_":
            if other != raw[position]:
                assert service_keys.parse(raw[:position] + other + raw[position + 1 :]) is None


def test_two_characters_that_changed_places_are_noticed() -> None:
    """The other common slip of the hand."""
    raw, _ = minted()

    for position in range(len(raw) - 1):
        left, right = raw[position], raw[position + 1]
        if left != right:
            swapped = raw[:position] + right + left + raw[position + 2 :]
            assert service_keys.parse(swapped) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + "0",
        lambda raw: raw + "\n",
        lambda raw: " " + raw,
        lambda raw: raw.upper(),
        lambda raw: raw.replace("fh_live_", "fh_prod_"),
        lambda raw: raw.replace("fh_live_", "fh_test_"),
        lambda raw: raw.replace("_", "-"),
        lambda raw: raw.replace("fh_", "\uff46h_"),
        lambda raw: signed(raw[:9] + "A" + raw[10:-6]),
        lambda raw: signed(raw[:-6].replace("live", "prod")),
        lambda raw: signed(raw[:21] + "z" * 43),
        lambda raw: "Bearer " + raw,
        lambda raw: "",
    ],
)
def test_nothing_else_is_a_key(change: object) -> None:
    """Strict in length, alphabet and environment; also with a right checksum."""
    assert callable(change)
    raw, _ = minted()

    assert service_keys.parse(change(raw)) is None


@given(st.text(st.characters()))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever a header holds, the answer is None and not an exception."""
    assert service_keys.parse(text) is None


def test_a_digest_is_the_hmac_of_the_whole_key() -> None:
    """The environment and the id are under it too."""
    raw, _ = minted()

    expected = hmac.new(PEPPER.reveal(), raw.encode(), hashlib.sha256).hexdigest()
    assert service_keys.digest(raw, PEPPER) == expected


def test_only_the_key_itself_matches() -> None:
    """Not its digest, not another key, not under another pepper."""
    raw, key = minted(seed=1)
    other, _ = minted(seed=2)
    digest = service_keys.digest(raw, PEPPER)

    assert service_keys.matches(raw, digest, pepper=PEPPER)
    assert not service_keys.matches(other, digest, pepper=PEPPER)
    assert not service_keys.matches(digest, digest, pepper=PEPPER)
    assert not service_keys.matches(key.secret.reveal().hex(), digest, pepper=PEPPER)
    assert not service_keys.matches(raw, digest, pepper=OTHER)
    assert not service_keys.matches(raw, "", pepper=PEPPER)


def test_a_key_that_is_not_in_the_database_costs_the_same_work() -> None:
    """Asking for an id that is not there takes the same road, and the answer is no."""
    raw, _ = minted()

    assert service_keys.matches(raw, None, pepper=PEPPER) is False
    assert service_keys.matches("\ud800", None, pepper=PEPPER) is False


def test_a_key_shows_its_id_and_not_its_secret() -> None:
    """The id is for logs."""
    raw, key = minted()

    assert repr(key) == f"ServiceKey(environment='live', id='{key.id}', secret=Secret(…))"
    assert raw.rpartition("_")[2] not in repr(key)


def test_a_source_that_gives_too_little_is_noticed() -> None:
    """A broken source of randomness must not mint weak keys."""
    with pytest.raises(AssertionError, match="another length"):
        service_keys.mint("live", lambda count: bytes(count - 1))
