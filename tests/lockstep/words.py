"""
The values that calls are made of: everyday ones that meet often, and edges.

Few everyday words, so that two calls often say the same one; among them texts that differ in
case, accent or normal form only, which an engine with its own idea of order would mix up.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

#: Of January 2027, as the worlds of the applications' own tests.
START_S: Final = 1_800_000_000
DAY_S: Final = 86_400

WORDS: Final = (
    "ada", "Ada", "ADA", "äda", "a\u0308da", "zoe", "Zoe", "a", "B", "b", "_", "%", "a%", "a_a",
    "10", "9", "1e3", "été", "ete", "日本", "🦀", "o'neil", 'say "hi"', "back\\slash", "ada ",
    " ada", "new\nline", "tab\t", "null", "true", "ß", "SS", "İ", "i", "-", "a-b", "ab", "a b",
)  # fmt: skip
TEXT_EDGES: Final = (
    "", " ", "\u00a0", "\x01", "\x7f", "\u2028", "\ufeff", "\uffff", "\U0010ffff", "e\u0301" * 40,
    "👩\u200d👩\u200d👧", "a\0b", "\0", "\ud800", "x\udfffy", "x" * 300, "ü" * 3_000, "🦀" * 2_000,
    "z" * 70_000, "$1", "?1", ":name", "';--", "\\x41", "{}", "[]", "NaN", "Infinity", "\r\n",
    "\u202eabc", "fh1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
)  # fmt: skip
INT_EDGES: Final = (
    0, -1, 1, 2**31 - 1, 2**31, -(2**31), 2**53 - 1, -(2**53) + 1, 2**53, -(2**53), 2**63 - 1,
    2**63, -(2**63), -(2**63) - 1, 2**64, 106_751_991_168_300, 999_999_999_999,
)  # fmt: skip
INT64_EDGES: Final = (
    "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "-9223372036854775809", "007", "1.0", "", "x",
)  # fmt: skip
FLOAT_EDGES: Final = (
    0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, 1e15, 1e16, 1e308, -1e308, 5e-324, 2.0**53, 2.0**63, 1e22,
    123_456_789.123_456_79, float("nan"), float("inf"), float("-inf"), 7, 2**53,
)  # fmt: skip
TIME_EDGES: Final = (
    0, -1, 1, 946_684_800, 4_102_444_799, 4_102_444_800, 2**31, 2**31 - 1, 253_402_300_799,
    253_402_300_800, -62_135_596_800, 2**53 - 1, 2**53, START_S, 1_800_000_000_000,
)  # fmt: skip
#: In place of a value of another type.
WRONG: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, 1.5, "1", "", [], {}, [1], {"a": 1}, [[]], [None],
)  # fmt: skip


def word(random: Random) -> str:
    """A text that other calls are likely to say too; sometimes an edge."""
    if random.random() < 0.06:
        return random.choice(TEXT_EDGES)
    return random.choice(WORDS)


def whole(random: Random) -> int:
    """A whole number, mostly small."""
    if random.random() < 0.06:
        return random.choice(INT_EDGES)
    return random.randint(0, 12)


def moment(random: Random, now_s: int) -> int:
    """Epoch seconds, mostly about now and often on the very second."""
    chance = random.random()
    if chance < 0.06:
        return random.choice(TIME_EDGES)
    if chance < 0.25:
        return now_s + random.randint(-2, 2)
    if chance < 0.7:
        return now_s + random.randint(1, 3_000)
    return now_s + random.randint(-40, 40) * DAY_S


def fraction(random: Random) -> float | int:
    """A number with a point."""
    if random.random() < 0.1:
        return random.choice(FLOAT_EDGES)
    return random.choice((0.5, 0.25, 0.75, 0.5, 1.0, 2, 0.1))
