"""The text for LinkedIn: its parts, its limit, its reserved characters."""

from __future__ import annotations

import pytest
from hotmetal.services.publisher.commentary import (
    commentary,
    cut,
    escaped,
    length,
    plain_text,
    same_text,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAGS = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"


def test_the_parts_stand_in_their_order() -> None:
    """Title, hook, text, and where it was published first."""
    text = commentary("Title", "Hook", "<p>One</p><p>Two</p>", url="https://b.example/1")

    assert text == "Title\n\nHook\n\nOne\n\nTwo\n\nOriginally published at https://b.example/1"
    assert commentary("Title", None, "<p>One</p>", url=None) == "Title\n\nOne"


def test_a_post_that_says_nothing_has_no_text() -> None:
    """A title alone is none."""
    assert commentary("Title", " ", "<p></p><style>p {}</style>", url="u") is None
    assert commentary("Title", "Hook", "", url=None) == "Title\n\nHook"


def test_html_becomes_text() -> None:
    """Paragraphs stay apart, entities are read, scripts are not."""
    html = "<h2>A &amp; B</h2><p>one\n two<br>three</p><ul><li>x</li><li>y&lt;</li></ul>"
    html += "<script>z</script>"

    assert plain_text(html) == "A & B\n\none two\nthree\n\n• x\n\n• y<"


def test_what_is_too_long_keeps_its_footer() -> None:
    """Exactly at the limit nothing is lost; one more, and the end of the text goes."""
    footer = "\n\nOriginally published at https://b.example/1"
    room = 3000 - len(footer) - len("T\n\n")

    fits = commentary("T", None, "x" * room, url="https://b.example/1")
    over = commentary("T", None, "word " * 700, url="https://b.example/1")

    assert fits is not None
    assert (len(fits), fits.endswith(footer)) == (3000, True)
    assert over is not None
    assert len(over) <= 3000
    assert over.endswith(f" word…{footer}")


@pytest.mark.parametrize(
    ("text", "length_max", "expected"),
    [
        ("a" * 100, 100, "a" * 100),
        ("a" * 101, 100, "a" * 99 + "…"),
        # Two units each: nine fit before the ellipsis, not nine and a half.
        ("\U0001f600" * 20, 20, "\U0001f600" * 9 + "…"),
        ("x" + FAMILY * 2, 8, "x…"),
        ("x" + FLAGS * 3, 8, "x" + FLAGS[:2] + "…"),
        ("xe\u0301e\u0301e\u0301", 5, "xe\u0301…"),
        ("\U0001f44d\U0001f3fd\U0001f44d\U0001f3fd", 6, "\U0001f44d\U0001f3fd…"),
    ],
)
def test_no_character_is_halved(text: str, length_max: int, expected: str) -> None:
    """Neither a pair of units nor what a reader sees as one."""
    assert cut(text, length_max) == expected
    assert length(cut(text, length_max)) <= length_max


def test_reserved_characters_are_escaped() -> None:
    """All of the format's, so that a text mentions and tags nobody."""
    assert escaped("@[A](u) #x {y|z} <b> *_~ \\") == (
        "\\@\\[A\\]\\(u\\) \\#x \\{y\\|z\\} \\<b\\> \\*\\_\\~ \\\\"
    )


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(1, 60))
def test_any_text_is_escaped_cut_and_known_again(text: str, length_max: int) -> None:
    """Whatever it is made of."""
    assert same_text(escaped(text), text)
    assert length(cut(text, length_max)) <= length_max
