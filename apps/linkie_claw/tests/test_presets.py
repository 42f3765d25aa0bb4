"""The studio's presets: which six are good, and what unreadable ones count as."""

from __future__ import annotations

import msgspec
import pytest
from linkie_claw.presets import (
    IMAGE_STYLES,
    VOICE_TONES,
    ImageStyleId,
    VoiceTone,
    VoiceToneId,
    check_presets,
    read_presets,
    write_presets,
)

from freehold.errors import InvalidArgument

SIX = list(VOICE_TONES)


def with_first(**changes: str) -> list[VoiceTone]:
    return [msgspec.structs.replace(SIX[0], **changes), *SIX[1:]]


def test_the_defaults_are_six_of_each_and_good() -> None:
    """One for each id of the document, in its order."""
    for defaults, ids in ((VOICE_TONES, VoiceToneId), (IMAGE_STYLES, ImageStyleId)):
        assert tuple(each.id for each in defaults) == ids.__args__  # type: ignore[attr-defined]
    check_presets(VOICE_TONES, VOICE_TONES)
    check_presets(IMAGE_STYLES, IMAGE_STYLES)


@pytest.mark.parametrize(
    "presets",
    [[], SIX[1:], [*SIX, SIX[0]], [SIX[1], *SIX[1:]]],
    ids=["none", "five", "seven", "one twice"],
)
def test_six_are_needed_each_id_once(presets: list[VoiceTone]) -> None:
    """The refusal names what there is, and what is needed."""
    with pytest.raises(InvalidArgument, match="6 are needed") as refused:
        check_presets(presets, VOICE_TONES, path="tones")

    assert refused.value.path == "tones"


@pytest.mark.parametrize("field", ["name", "prompt"])
@pytest.mark.parametrize("at_the_limit", [True, False])
def test_texts_have_a_length(field: str, at_the_limit: bool) -> None:
    """50 for a name and 700 for a prompt; at the limit and one past it."""
    longest = {"name": 50, "prompt": 700}[field]
    presets = with_first(**{field: "x" * (longest + (0 if at_the_limit else 1))})

    if at_the_limit:
        check_presets(presets, VOICE_TONES)
        return
    with pytest.raises(InvalidArgument) as refused:
        check_presets(presets, VOICE_TONES, path="tones")
    assert refused.value.path == f"tones[0].{field}"


@pytest.mark.parametrize("field", ["name", "prompt"])
@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_blank_text_is_refused(field: str, text: str) -> None:
    """Nothing to show, nothing to ask the model."""
    with pytest.raises(InvalidArgument, match="blank"):
        check_presets(with_first(**{field: text}), VOICE_TONES)


def test_what_is_written_is_read_again() -> None:
    """With whatever characters."""
    presets = with_first(name="Größe 🚢", prompt='"quoted"\n')

    assert read_presets(write_presets(presets), VoiceTone, VOICE_TONES) == presets


@pytest.mark.parametrize(
    "stored",
    [
        None, "", "{", "null", "[]", "5", '"x"', "[1]", '[{"id":"x","name":"n","prompt":"p"}]',
        "[" * 100_000, write_presets(with_first(name="")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_counts_as_the_defaults(stored: str | None) -> None:
    """Also what no save would have written."""
    assert read_presets(stored, VoiceTone, VOICE_TONES) == list(VOICE_TONES)
