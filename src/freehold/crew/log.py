"""
One log of many processes: each line with the name of who said it, and nobody else's.

What a process writes is cut into lines here. A control character is written out, so that no
process can begin a line of another's, colour one or move the cursor; a line that never ends is
cut, and one that is not ended is shown after a while. Lines are written whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from freehold.rpc.failures import CONTROLS

#: Longer lines are continued on the next one.
LINE_BYTES_MAX: Final = 4096
#: How long a line may wait for its end.
PARTIAL_S: Final = 0.5
_CONTINUED: Final = "… "
_COLOURS: Final = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_OWN_COLOUR: Final = 1
#: Colours and the like, which are of no use in a log that has its own.
_STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")
#: Characters that turn the direction of what follows them.
_TURNING: Final = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_HARMLESS: Final = CONTROLS | {number: f"\\u{number:04x}" for number in _TURNING} | {0x09: "    "}


def harmless(raw: bytes) -> str:
    """The line as text that cannot be taken for anything else."""
    text = raw.removesuffix(b"\r").decode(errors="backslashreplace")
    return _STYLE.sub("", text).translate(_HARMLESS)


class Log:
    """
    Args:
        names: Who will write; the first is `dev` itself.
        write: Takes whole lines.
        coloured: Whether each name has its colour.
    """

    def __init__(
        self, names: Sequence[str], write: Callable[[bytes], None], *, coloured: bool
    ) -> None:
        self._write = write
        self._coloured = coloured
        self._width = max(map(len, names))
        self._own = names[0]
        self._colours = {names[0]: _OWN_COLOUR}
        self.welcome(names[1:])

    def welcome(self, names: Sequence[str]) -> None:
        """These write too from now on; who is known keeps the colour."""
        for name in names:
            colour = _COLOURS[(len(self._colours) - 1) % len(_COLOURS)]
            self._colours.setdefault(name, colour)
            self._width = max(self._width, len(name))

    def say(self, text: str, *, of: str | None = None) -> None:
        """A line of `dev` itself, about one of the others or none."""
        about = f"{of}: " if of is not None else ""
        self.lines(self._own, [harmless(f"{about}{text}".encode(errors="replace"))])

    def lines(self, name: str, lines: Sequence[str]) -> None:
        """Lines that are harmless, under the name."""
        start = f"{name:<{self._width}} │"
        if self._coloured:
            start = f"\x1b[{self._colours.get(name, 0)}m{start}\x1b[0m"
        self._write("".join(f"{start} {line}\n" for line in lines).encode())


class Pen:
    """
    What one process writes, cut into lines.

    Args:
        log: Where to.
        name: Whose it is.
    """

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._name = name
        self._rest = b""
        self._is_continued = False

    @property
    def has_partial(self) -> bool:
        """Whether there is a line without its end."""
        return bool(self._rest)

    def feed(self, data: bytes) -> None:
        """Bytes as they come."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = []
        for line in whole:
            lines.extend(self._pieces(line))
            self._is_continued = False
        while len(self._rest) > LINE_BYTES_MAX:
            piece, self._rest = self._rest[:LINE_BYTES_MAX], self._rest[LINE_BYTES_MAX:]
            lines.append(self._piece(piece))
        if lines:
            self._log.lines(self._name, lines)

    def flush(self) -> None:
        """Show what has no end yet."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._log.lines(self._name, [self._piece(rest)])

    def _pieces(self, line: bytes) -> list[str]:
        if self._is_continued and not line:
            # The end of what was shown already.
            return []
        starts = range(0, max(len(line), 1), LINE_BYTES_MAX)
        return [self._piece(line[start : start + LINE_BYTES_MAX]) for start in starts]

    def _piece(self, piece: bytes) -> str:
        before = _CONTINUED if self._is_continued else ""
        self._is_continued = True
        return before + harmless(piece)
