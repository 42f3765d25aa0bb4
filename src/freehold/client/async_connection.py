"""
One connection that speaks frames, as an asyncio Protocol: many calls in flight on it.

    opening   connected; on a port, the upgrade is asked for
    open      hello is written; calls may follow, welcome need not have come
    retiring  no new calls (goaway, or it did not answer); closes after its last call
    gone      lost or closed; what it still held is given back to its owner

Answers come in any order and are given to the futures of their calls here, without a task
per call. When to connect, and what becomes of calls without an answer, is the owner's
business, see `async_frames`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import msgspec

from freehold.client import failures, frames
from freehold.client.method import Method
from freehold.client.problems import ErrorTypes
from freehold.errors import CallError
from freehold.wire.frames import FrameSplitter


class Call:
    """One call under way."""

    __slots__ = (
        "attempt", "deadline", "future", "method", "sent", "tail", "timeout_s", "was_sent",
    )  # fmt: skip

    def __init__(
        self, future: asyncio.Future[Any], method: Method[Any], tail: bytes, *,
        timeout_s: float, deadline: float,
    ) -> None:  # fmt: skip
        self.future = future
        self.method = method
        #: Its frame without the id, which differs from connection to connection.
        self.tail = tail
        self.timeout_s = timeout_s
        self.deadline = deadline
        #: Whether a byte of it may have reached the server.
        self.sent = False
        #: Whether an earlier attempt may have, whose answer was lost.
        self.was_sent = False
        #: 0 at first.
        self.attempt = 0

    @property
    def may_have_happened(self) -> bool:
        """Whether the server may have got it, in this attempt or before."""
        return self.sent or self.was_sent

    def lose(self) -> None:
        """Its connection is gone, and no answer came."""
        if self.sent:
            self.attempt += 1
            self.was_sent = True
            self.sent = False

    def fail(self, error: CallError) -> None:
        """End it, unless its caller has gone away."""
        if not self.future.done():
            self.future.set_exception(error)


class Owner(Protocol):
    """Who opened the connection."""

    seq: int
    errors: ErrorTypes
    place: str

    def is_welcome(self) -> None:
        """The server took the hello."""

    def is_going(self, connection: Connection) -> None:
        """It takes no new calls any more."""

    def is_refused(self, connection: Connection, call: Call, error: CallError) -> None:
        """It was answered with an error: end it, or send it again."""

    def has_room(self, connection: Connection) -> None:
        """Answers have come; waiting calls may be sent."""

    def is_gone(self, connection: Connection, error: CallError | None) -> None:
        """It is closed. `error` is the server's refusal, if it refused."""


class Connection(asyncio.Protocol):
    """
    Calls out, answers in.

    Args:
        owner: Is told what happens.
        hello: The first frame.
        upgrade: What to ask an HTTP port first; None on a socket that speaks frames.
    """

    def __init__(self, owner: Owner, hello: bytes, upgrade: bytes | None) -> None:
        self._owner = owner
        self._hello = hello
        self._upgrade = upgrade
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._splitter = FrameSplitter(frames.ANSWER_BYTES_MAX)
        self._head = b""
        self._number = 0
        self._unsent: list[tuple[int, Call]] = []
        self._is_paused = False
        self._refusal: CallError | None = None
        self._tail_bytes_max = frames.tail_bytes_max({})
        #: Calls by id, until their answer came.
        self.pending: dict[int, Call] = {}
        self.is_retiring = False
        self.is_gone = False
        #: Whether the server took the hello.
        self.is_welcome = False
        #: Loop time of the last call.
        self.used_at = 0.0
        #: Done when calls may be sent, or with the reason why they never will.
        self.opened: asyncio.Future[None] = self._loop.create_future()
        #: Done when the server has taken the hello, or with its refusal.
        self.greeted: asyncio.Future[None] | None = None
        #: Done when the socket is closed.
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # -- out --------------------------------------------------------------------------------

    def send(self, call: Call) -> None:
        """
        Write a call, at once when it is alone, else with the others of this turn of the loop.

        The connection must be open and neither retiring nor full.
        """
        if len(call.tail) > self._tail_bytes_max:
            call.fail(failures.too_large(call.method, len(call.tail), self._tail_bytes_max))
            return
        number = self._number + 1 if self._number < frames.ID_MAX else 1
        pending = self.pending
        while number in pending:
            number = number + 1 if number < frames.ID_MAX else 1
        self._number = number
        pending[number] = call
        if len(pending) == 1 and not self._is_paused and self._transport is not None:
            call.sent = True
            self._transport.write(frames.pack_call(number, call.tail))
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append((number, call))

    def _flush(self) -> None:
        if self._is_paused or self.is_gone or self._transport is None:
            return
        written = []
        for number, call in self._unsent:
            if call.future.done():
                # Its caller went away before a byte was written: it never happened.
                del self.pending[number]
                continue
            call.sent = True
            written.append(frames.pack_call(number, call.tail))
        self._unsent.clear()
        if written:
            self._transport.write(b"".join(written))

    def pause_writing(self) -> None:
        """The server reads slower than we write."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_paused = False
        self._flush()

    # -- in ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there: ask for frames, or say hello at once."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        if self._upgrade is not None:
            self._transport.write(self._upgrade)
        else:
            self._open()

    def _open(self) -> None:
        if self._transport is not None:
            self._transport.write(self._hello)
        self._upgrade = None
        if not self.opened.done():
            self.opened.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of any number of messages."""
        try:
            if self._upgrade is not None:
                self._head += data
                rest = frames.upgrade_rest(self._head, self._owner.place)
                if rest is None:
                    return
                self._head, data = b"", rest
                self._open()
            for payload in self._splitter.split(data):
                if frames.is_answer(payload):
                    self._answer(payload)
                else:
                    self._notice(payload)
            if self._splitter.broken is not None:
                raise frames.broken(self._splitter.broken)
        except (CallError, msgspec.DecodeError) as error:
            self._break(error if isinstance(error, CallError) else frames.broken(str(error)))
            return
        if self.is_retiring:
            self._close_when_empty()
        else:
            self._owner.has_room(self)

    def _answer(self, payload: bytes) -> None:
        number, status, seq, result = frames.read_answer(payload)
        call = self.pending.pop(number, None)
        if call is None:
            raise frames.broken(f"there is an answer to call {number}, which was not made")
        owner = self._owner
        if seq > owner.seq:
            owner.seq = seq
        future = call.future
        if future.done():
            return
        if status:
            owner.is_refused(self, call, owner.errors.from_problem(frames.read_result(result)))
            return
        try:
            value = call.method.unpack(result)
        except Exception as error:
            # Whatever is wrong with the answer or its type, the caller waits for an end.
            future.set_exception(call.method.unreadable(error))
        else:
            future.set_result(value)

    def _notice(self, payload: bytes) -> None:
        word, said = frames.read_notice(payload)
        if word == "welcome":
            self._tail_bytes_max = frames.tail_bytes_max(said)
            self.is_welcome = True
            self._owner.is_welcome()
            if self.greeted is not None and not self.greeted.done():
                self.greeted.set_result(None)
        elif word == "refused":
            raise self._owner.errors.from_problem(said)
        elif word == "goaway":
            self.retire()
        # Any other word is of a newer protocol and asks nothing of this client.

    async def greeting(self) -> None:
        """Wait until the server has taken the hello; raises its refusal."""
        if self.is_welcome:
            return
        if self.is_gone:
            raise self._refusal or ConnectionResetError("it hung up before its welcome")
        self.greeted = self.greeted or self._loop.create_future()
        await self.greeted

    # -- the end ----------------------------------------------------------------------------

    def retire(self) -> None:
        """Take no new calls; close after the last answer."""
        self.is_retiring = True
        self._owner.is_going(self)
        self._close_when_empty()

    def _close_when_empty(self) -> None:
        if all(call.future.done() for call in self.pending.values()):
            self.close()

    def _break(self, error: CallError) -> None:
        self._refusal = error
        self.is_retiring = True
        self._owner.is_going(self)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close it now, after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close it now, whatever was written."""
        if self._transport is not None:
            self._transport.abort()
        # Nobody waits for the opening any more; an error in it would be reported as unseen.
        if not self.opened.cancel() and not self.opened.cancelled():
            self.opened.exception()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whichever side."""
        self.is_gone = True
        self._transport = None
        if not self.opened.done():
            reason = self._refusal or exc or ConnectionResetError("it hung up during the upgrade")
            self.opened.set_exception(reason)
        if self.greeted is not None and not self.greeted.done():
            hung_up = exc or ConnectionResetError("it hung up before its welcome")
            self.greeted.set_exception(self._refusal or hung_up)
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.is_gone(self, self._refusal)
        self.pending.clear()
        self._unsent.clear()
