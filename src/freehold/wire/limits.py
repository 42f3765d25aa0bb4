"""
Every limit of the wire and of what stands behind it, each with its reason.

One dataclass, so that a limit has one name, one place and one test at the limit and one
past it. Nothing is enforced here: the room that owns the thing enforces its limit.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping

from freehold.errors import StartError

_KIB = 1024
_MIB = 1024 * 1024


class BadLimit(StartError):
    """A limit was given that does not exist, or a value that cannot be one."""

    exit_code = 78


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a stranger may ask for; a name ends in its unit or in `_max`."""

    # -- one request ---------------------------------------------------------------------

    #: A call carries arguments, not files; refused by Content-Length before a byte is kept.
    body_bytes_max: int = 1 * _MIB
    #: A longer answer holds the event loop while it is made and sent, and with it everybody.
    answer_bytes_max: int = 32 * 1024 * 1024
    #: Names and values of all headers and the request line; the parser itself has no bound.
    header_bytes_max: int = 16 * _KIB
    #: Each header costs a few objects, however short it is.
    header_count_max: int = 64
    #: `/rpc/{Entrypoint}/{method}` is short; a long one is a mistake or an attack.
    url_bytes_max: int = 2048
    #: Decoders recurse; 100,000 brackets would end in RecursionError, which is no refusal.
    depth_max: int = 32
    #: Idempotency keys are stored and indexed; a UUID has 36.
    key_length_max: int = 255

    # -- one connection ------------------------------------------------------------------

    #: From the first byte of a request to the end of its headers; a hostile client drips.
    header_time_s: float = 5.0
    #: From the end of the headers to the end of the body, however steadily it comes.
    body_time_s: float = 30.0
    #: A body slower than this once `header_time_s` has gone by is a drip, not a slow line.
    body_rate_min_bytes_s: int = 1 * _KIB
    #: Longer than the 60 s after which common proxies drop theirs, so that they close first.
    idle_time_s: float = 75.0
    #: Bindings are few, and opening one costs a handshake; they may rest for longer.
    frames_idle_time_s: float = 300.0
    #: After a refusal, how long what still comes is thrown away so that the refusal is read.
    linger_time_s: float = 1.0
    #: How long answers may wait for a reader that does not read, before it is dropped.
    write_time_s: float = 10.0
    #: Answers not yet taken by the reader; beyond it, no more of its calls are read.
    send_buffer_bytes_max: int = 4 * _MIB
    #: Calls read from one connection and not yet answered; beyond it, reading pauses.
    calls_in_flight_max: int = 256

    # -- the whole process ---------------------------------------------------------------

    #: What all connections together hold: answers not yet taken, calls that wait for room, bodies
    #: that arrive. A thousand of them at their own limits are gigabytes. From half of it on, no
    #: further call of those who hold begins; beyond it, those that do not move go, the longest
    #: first. Twice the largest answer, so that one is never too much.
    held_bytes_max: int = 64 * _MIB
    #: Each one is a file descriptor; the database needs some that nobody can take. One in 32 is
    #: for the Unix socket, so that strangers at the port do not shut the owner out.
    connections_max: int = 1000
    #: Mutations waiting for the writer; beyond it `overloaded` is kinder than a long wait.
    queue_length_max: int = 4096
    #: Those of one key; below the line above, so that no key can fill it alone.
    key_queue_length_max: int = 2048
    #: Calls of one key that are begun and not answered yet, unless the key has its own bound.
    key_calls_in_flight_max: int = 1024
    #: Calls of one key in a second, unless it has its own rate. More than a process can serve: who
    #: shares one with others is given less with its key.
    key_rate_max: int = 100_000
    #: How many of them may come at once, ahead of that rate.
    key_burst_max: int = 10_000
    #: Calls with a wrong key from one address in a minute; what comes beyond is answered late.
    bad_keys_per_min_max: int = 60
    #: How late: a guess a second is none, and a typing mistake is still told.
    bad_key_wait_s: float = 1.0
    #: Calls of one transaction: they hold the writer for as long as all of them take.
    batch_calls_max: int = 100
    #: Of one service key, remembered for seven days: 16 mutations a second, and some gigabytes.
    idempotency_keys_max: int = 10_000_000
    #: One commit's share: the wait of the last one in a batch is the batch's whole time.
    batch_size_max: int = 256
    #: A page is decoded and encoded at once, on the thread that answers everybody.
    page_rows_max: int = 1000
    #: A reader's statement that runs longer is interrupted; it holds the WAL's growth.
    statement_time_ms_max: int = 5000
    #: A mutation whose statements run longer is ended; everybody else waits behind it.
    mutation_time_ms_max: int = 10_000
    #: Below it mutations are refused and queries go on; a sixteenth of a small disk.
    disk_free_min_bytes: int = 32 * _MIB
    #: Given up when the disk is full all the same, so that the log can still be moved; as above.
    ballast_bytes: int = 64 * _MIB
    #: Connections that a process holds to PostgreSQL for its queries; each is a server process.
    reader_connections_max: int = 8
    #: A read on the event loop's thread beyond this is run again on a reader's thread.
    inline_budget_ms: int = 2
    #: The longest that a caller may ask to be waited for.
    timeout_ms_max: int = 60_000
    #: What a caller gets who names no time.
    timeout_ms_default: int = 30_000
    #: From the signal to the last socket closed, for the calls in flight; then they are cut.
    shutdown_grace_s: float = 10.0

    @property
    def frame_bytes_max(self) -> int:
        """A frame holds one call: its arguments and what HTTP would say in headers."""
        return self.body_bytes_max + self.header_bytes_max

    def with_overrides(self, values: Mapping[str, object]) -> Limits:
        """
        These limits with some of them replaced; values may be text, as on a command line.

        Raises:
            BadLimit: There is no limit of that name, or the value is not a positive number
                of the limit's kind.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changes: dict[str, int | float] = {}
        for name, value in values.items():
            if name not in defaults:
                raise BadLimit(f"There is no limit {name!r}.", hint=_nearest(name, list(defaults)))
            changes[name] = _number(name, value, whole=isinstance(defaults[name], int))
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(sorted(known))}."


def _number(name: str, value: object, *, whole: bool) -> int | float:
    """The value as a positive number; whole numbers only where the limit counts things."""
    kind = "a whole number" if whole else "a number"
    refusal = BadLimit(
        f"The limit {name!r} cannot be {value!r}.", hint=f"Give {kind} greater than zero."
    )
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refusal
    if whole and isinstance(value, float):
        raise refusal
    try:
        number: int | float = int(value) if whole else float(value)
    except (ValueError, OverflowError):
        raise refusal from None
    # `not >` instead of `<=`: a NaN is refused too. No limit is useful beyond int64.
    if not number > 0 or number > 2**63 - 1:
        raise refusal
    return number
