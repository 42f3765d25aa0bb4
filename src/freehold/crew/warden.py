"""
Ends what `freehold dev` leaves behind when it is killed. Run as a program, with nothing imported.

Its standard input is a pipe from `dev`. Each process that is started writes `+pid` into it before
it becomes the program it is to be, so there is no moment in which it is not known; `dev` writes
`-pid` when it is gone. At the end of the pipe, whatever ended `dev`, the process groups that are
still known are asked to stop, and after a grace killed. That works with any program that stays
in its group, and asks nothing of it.
"""

from __future__ import annotations

import os
import select
import signal

_GRACE_S = 5.0
_LOOK_S = 0.05


def _read_to_the_end() -> set[int]:
    """The groups that are there when the pipe ends."""
    known: set[int] = set()
    rest = b""
    while chunk := os.read(0, 4096):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number = int(line[1:])
            (known.add if line[:1] == b"+" else known.discard)(number)
    return known


def _signal(groups: set[int], number: int) -> set[int]:
    """The groups that are still there."""
    found = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            # On some systems: nothing but zombies is left of it.
            continue
        found.add(group)
    return found


def main() -> None:
    """Watch, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = _signal(_read_to_the_end(), signal.SIGTERM)
    for _ in range(int(_GRACE_S / _LOOK_S)):
        if not left:
            return
        select.select([], [], [], _LOOK_S)
        left = _signal(left, 0)
    _signal(left, signal.SIGKILL)


if __name__ == "__main__":
    main()
