"""
The transport of blocking bindings: calls over frames, from any number of threads.

A call takes a resting connection, or opens one, and has it alone until its answer is there;
so there are as many connections as threads that call at the same time. A call that loses
its connection ends as in `async_frames`: it is sent again a few times, a mutation under its key;
a mutation that was sent and has no answer after that is `OutcomeUnknown`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
from collections import deque
from typing import Final, TypeVar

import msgspec

from freehold.client import backoff, failures, frames, repeat
from freehold.client.address import Target
from freehold.client.circuit import Circuit
from freehold.client.method import Arguments, Method, encode_args
from freehold.client.options import CallOptions
from freehold.client.problems import ErrorTypes
from freehold.client.seen import Seen
from freehold.clock import SystemClock
from freehold.errors import CallError, OutcomeUnknown, Unavailable
from freehold.ids import SystemIds
from freehold.wire.codec import MSGPACK
from freehold.wire.frames import FrameSplitter

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 5.0
#: Connections that rest; a burst of threads may use more, for as long as it lasts.
RESTING_MAX: Final = 16
_READ_BYTES: Final = 64 * 1024


class Line:
    """One connection, for one call at a time."""

    def __init__(self, link: socket.socket) -> None:
        self._socket = link
        self._timeout_s: float | None = None
        self._splitter = FrameSplitter(frames.ANSWER_BYTES_MAX)
        self._arrived: deque[bytes] = deque()
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)
        self._number = 0
        #: What the server takes; it says so in its welcome.
        self.tail_bytes_max = frames.tail_bytes_max({})
        self.is_welcome = False
        #: No more calls: the server said goaway, or the stream is out of step.
        self.is_over = False
        #: When the last call ended, in monotonic nanoseconds.
        self.used_ns = 0

    def can_be_used(self, now_ns: int) -> bool:
        """
        Whether it is worth sending on.

        Nothing comes on a resting line but goaway and the end; either is a reason to leave it.
        """
        return (
            not self.is_over
            and now_ns - self.used_ns < frames.IDLE_S * 1e9
            and not self._poll.poll(0)
        )

    def send(self, data: bytes, timeout_s: float) -> None:
        """Write it all."""
        self._allow(timeout_s)
        self._socket.sendall(data)

    def send_call(self, tail: bytes, timeout_s: float) -> int:
        """Write a call; its number."""
        self._number = self._number + 1 if self._number < frames.ID_MAX else 1
        self.send(frames.pack_call(self._number, tail), timeout_s)
        return self._number

    def read(self, timeout_s: float) -> bytes:
        """The next bytes as they come; ConnectionError at the end of the stream."""
        self._allow(timeout_s)
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the data layer closed the connection")
        return data

    def next_payload(self, timeout_s: float) -> bytes | None:
        """The next message, None when only a part of one has come so far."""
        if not self._arrived:
            self.take(self.read(timeout_s))
        return self._arrived.popleft() if self._arrived else None

    def take(self, data: bytes) -> None:
        """Bytes that were read already."""
        self._arrived.extend(self._splitter.split(data))
        if self._splitter.broken is not None:
            raise frames.broken(self._splitter.broken)

    def _allow(self, timeout_s: float) -> None:
        # Setting it is a system call, and it is nearly always the same.
        if timeout_s != self._timeout_s:
            self._socket.settimeout(timeout_s)
            self._timeout_s = timeout_s

    def close(self) -> None:
        """Close the socket."""
        self.is_over = True
        self._socket.close()


class NotSent(ConnectionError):
    """The connection was closed before the call was in it."""


class SyncFrames:
    """
    Calls of one binding.

    Args:
        target: Where to go, with which key.
        contract: The hash that the client was generated from.
        errors: The errors that the client knows.
    """

    #: What arguments are written in.
    codec: Final = MSGPACK

    def __init__(self, target: Target, *, contract: str | None, errors: ErrorTypes) -> None:
        self._seen = Seen()
        self._target = target
        self._errors = errors
        self._hello = frames.pack_hello(target.key, contract)
        self._now_ns = SystemClock().monotonic_ns
        self._ids = SystemIds()
        self._resting: deque[Line] = deque()
        self._pause = threading.Event()
        self._circuit = Circuit(self._now_ns)
        self._was_connected = False
        self._is_closed = False
        self._budget = repeat.Budget()
        self._process = os.getpid()

    def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> T:
        """
        Send a call and wait for its answer.

        Raises:
            CallError: Whatever the call ends with.
        """
        key = None
        if not method.is_query:
            key = options.idempotency_key or repeat.new_key(self._ids)
        tail = (
            method.packed
            + encode_args(method, args, MSGPACK)
            + frames.pack_options(
                options.timeout_ms, 0 if key else self._seen.seq, key, act_as=options.act_as
            )
        )
        deadline_ns = self._now_ns() + int(options.patience_s * 1e9)
        self._budget.earn()
        attempt, was_sent = 0, False
        line = self._resting_line()
        while True:
            try:
                line = line or self._open_line(deadline_ns)
                return self._ask(line, tail, method, options=options, deadline_ns=deadline_ns)
            except NotSent as error:
                lost: Exception = error
            except (OSError, frames.ProtocolBroken) as error:
                lost, was_sent = error, True
            except CallError as error:
                # A data layer that is stopping says so to calls that cross its goaway.
                goes = type(error) is Unavailable and line is not None and line.is_over
                if not (goes and line is not None and line.is_welcome and attempt < repeat.TRIES):
                    wait_s = self._wait_s(error, attempt, deadline_ns) if line else None
                    if wait_s is None:
                        raise repeat.honest(error, method, was_sent=was_sent) from error.__cause__
                    was_sent = was_sent or isinstance(error, OutcomeUnknown)
                    self._pause.wait(wait_s)
                lost = error
            attempt += 1
            if attempt > repeat.TRIES:
                raise failures.line_is_lost(method, self._place, sent=was_sent) from lost
            line = None

    def reach(self, timeout_s: float) -> None:
        """
        Look once whether a data layer is there that takes this binding's hello.

        Raises:
            CallError: It refuses it, or there is none.
        """
        line = self._resting_line()
        if line is None:
            try:
                line = self._dial(timeout_s)
            except (OSError, UnicodeError) as error:
                raise self._target.nobody_there(error) from error
        try:
            deadline_ns = self._now_ns() + int(timeout_s * 1e9)
            while not line.is_welcome:
                left_s = (deadline_ns - self._now_ns()) / 1e9
                if left_s <= 0:
                    raise TimeoutError
                payload = line.next_payload(left_s)
                if payload is not None:
                    self._notice(line, payload)
        except OSError as error:
            line.close()
            raise self._target.nobody_there(error) from error
        except BaseException:
            line.close()
            raise
        self._rest(line)

    def _wait_s(self, error: CallError, attempt: int, deadline_ns: int) -> float | None:
        """How long to wait before the call is sent again; None when it is not."""
        wait_s = repeat.wait_s(error, attempt, self._ids)
        if wait_s is None or self._is_closed:
            return None
        if self._now_ns() + int(wait_s * 1e9) >= deadline_ns or not self._budget.spend():
            return None
        return wait_s

    def _ask(
        self,
        line: Line,
        tail: bytes,
        method: Method[T],
        *,
        options: CallOptions,
        deadline_ns: int,
    ) -> T:
        """One attempt, after which the line rests or is closed."""
        if len(tail) > line.tail_bytes_max:
            self._rest(line)
            raise failures.too_large(method, len(tail), line.tail_bytes_max)
        try:
            timeout_s = self._left_s(options, deadline_ns)
            number = self._send(line, tail, timeout_s)
            payload = self._await_answer(line, timeout_s, deadline_ns)
            answered, status, seq, result = frames.read_answer(payload)
            if answered != number:
                raise frames.broken(f"call {answered} is answered, and {number} was made")
        except TimeoutError as error:
            line.close()
            raise failures.time_is_up(method, options.timeout_s, sent=True) from error
        except msgspec.DecodeError as error:
            line.close()
            raise frames.broken(str(error)) from error
        except BaseException:
            # An answer may still come on it, and would be taken for the next call's.
            line.close()
            if not line.is_welcome:
                self._circuit.was_vain()
            raise
        self._rest(line)
        self._seen.saw(seq)
        if status:
            raise self._errors.from_problem(frames.read_result(result))
        try:
            return method.unpack(result)
        except msgspec.DecodeError as error:
            raise method.unreadable(error) from error

    def _send(self, line: Line, tail: bytes, timeout_s: float) -> int:
        """
        Write the call; its number.

        Raises:
            NotSent: The system did not take all of it, so no server has a whole frame to run.
            CallError: The server has closed the connection, and said why before it did.
        """
        try:
            return line.send_call(tail, timeout_s)
        except ConnectionError as error:
            with contextlib.suppress(OSError, frames.ProtocolBroken):
                while True:
                    payload = line.next_payload(timeout_s)
                    if payload is not None:
                        self._notice(line, payload)
            raise NotSent from error

    def _left_s(self, options: CallOptions, deadline_ns: int) -> float:
        """The time left; the whole time while hardly any is gone, see `Line._allow`."""
        left_s = (deadline_ns - self._now_ns()) / 1e9
        if left_s <= 0:
            raise TimeoutError
        return options.patience_s if left_s > 0.99 * options.patience_s else left_s

    def _await_answer(self, line: Line, timeout_s: float, deadline_ns: int) -> bytes:
        while True:
            payload = line.next_payload(timeout_s)
            if payload is not None:
                if frames.is_answer(payload):
                    return payload
                self._notice(line, payload)
            timeout_s = (deadline_ns - self._now_ns()) / 1e9
            if timeout_s <= 0:
                raise TimeoutError

    def _notice(self, line: Line, payload: bytes) -> None:
        word, said = frames.read_notice(payload)
        if word == "welcome":
            line.is_welcome = True
            line.tail_bytes_max = frames.tail_bytes_max(said)
            self._circuit.is_well()
            self._was_connected = True
        elif word == "refused":
            raise self._errors.from_problem(said)
        elif word == "goaway":
            line.is_over = True
        # Any other word is of a newer protocol and asks nothing of this client.

    # -- lines ------------------------------------------------------------------------------

    def _resting_line(self) -> Line | None:
        if self._is_closed:
            raise failures.binding_is_closed(self._place)
        if os.getpid() != self._process:
            # After a fork the parent goes on using these; here they are only let go.
            self._process = os.getpid()
            self._drop_resting()
        while self._resting:
            try:
                line = self._resting.pop()
            except IndexError:
                return None  # Another thread was faster.
            if line.can_be_used(self._now_ns()):
                return line
            line.close()
        return None

    def _rest(self, line: Line) -> None:
        line.used_ns = self._now_ns()
        if line.is_over or self._is_closed or len(self._resting) >= RESTING_MAX:
            line.close()
        else:
            self._resting.append(line)

    def _drop_resting(self) -> None:
        while self._resting:
            try:
                self._resting.pop().close()
            except IndexError:
                return

    def _open_line(self, deadline_ns: int) -> Line:
        """
        A new connection that has said hello.

        Raises:
            Unavailable: There is no data layer, or none that speaks frames.
        """
        attempts = backoff.ATTEMPTS_MAX if self._was_connected else 1
        if (refusal := self._circuit.refusal()) is not None:
            raise refusal
        while True:
            # Who finds out for the others, tries once and at once.
            is_probe = self._circuit.is_shut
            attempts = 0 if is_probe else attempts - 1
            failed = 0 if is_probe else self._circuit.failures
            self._pause.wait(backoff.wait_s(failed, self._ids))
            if self._is_closed:
                raise failures.binding_is_closed(self._place)
            left_s = min((deadline_ns - self._now_ns()) / 1e9, CONNECT_TIMEOUT_S)
            try:
                return self._dial(max(left_s, 0.001))
            except (OSError, CallError) as error:
                nobody = self._nobody(error)
                self._circuit.was_vain(nobody)
                if attempts <= 0 or left_s <= 0:
                    raise nobody from error

    def _nobody(self, error: OSError | CallError) -> CallError:
        return error if isinstance(error, CallError) else self._target.nobody_there(error)

    def _dial(self, timeout_s: float) -> Line:
        address = self._target.address
        link = _connect(self._target, timeout_s)
        try:
            line = Line(link)
            if not address.path:
                line.send(frames.upgrade_request(address.authority), timeout_s)
                head, rest = b"", None
                while rest is None:
                    head += line.read(timeout_s)
                    rest = frames.upgrade_rest(head, self._place)
                line.take(rest)
            line.send(self._hello, timeout_s)
        except BaseException:
            link.close()
            raise
        return line

    @property
    def seq(self) -> int:
        """The highest commit that an answer told of; each query asks to see it."""
        return self._seen.seq

    @property
    def _place(self) -> str:
        return self._target.address.text

    def close(self) -> None:
        """Close what rests, and each other connection when its call has its answer."""
        self._is_closed = True
        self._pause.set()
        self._drop_resting()


def _connect(target: Target, timeout_s: float) -> socket.socket:
    address = target.address
    if address.path:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(timeout_s)
            link.connect(address.path)
        except BaseException:
            link.close()
            raise
        return link
    link = socket.create_connection((address.host, address.port), timeout_s)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.tls:
            return link
        return ssl.create_default_context().wrap_socket(link, server_hostname=address.host)
    except BaseException:
        link.close()
        raise
