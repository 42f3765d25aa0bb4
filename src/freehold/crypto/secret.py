"""
A value that hides itself wherever it is shown.

A secret leaks by being printed: in a log line, an f-string, the locals of a traceback, a
pickle that crosses a process. `Secret` has one way out, `reveal()`, which can be searched
for. What this does not do: wipe the memory, which Python cannot promise, or hide from
a debugger.
"""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, Self, SupportsIndex, final

MASK = "Secret(…)"


class Guarded:
    """What holds a secret: it is never pickled, and a copy of it is itself."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is never pickled.")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and gives no state away.")


@final
class Secret(Guarded):
    """
    Bytes, or a text as its UTF-8 bytes, that show themselves only to who asks.

    Two secrets are compared in constant time. A secret is not hashable, so it cannot
    become the key of a dict that somebody prints.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes | str) -> None:
        if isinstance(content, str):
            # `surrogatepass`: a refusal would be an exception that carries the text.
            content = content.encode("utf-8", "surrogatepass")
        # Not `bytes(content)`: of a number that would be so many zeros.
        self._content = bytes(memoryview(content))

    def reveal(self) -> bytes:
        """The content. Every use of this is a place to read twice."""
        return self._content

    def reveal_text(self) -> str:
        """The content of a secret that was made from a text."""
        return self._content.decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._content, other._content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK
