"""
HTTP, as an asyncio protocol on httptools: calls are answered right here.

    bytes ──httptools──> CallExchange ──> dispatcher          POST /rpc/…
                     └─> PreflightExchange                    OPTIONS, of a page that may call
                     └─> PageExchange ──> the pages' ASGI     everything else
                     └─> FramesConnection                     Upgrade: freehold

Between the socket and the dispatcher a call makes two objects and no task. What httptools lets
pass is refused here: a second Host, headers and addresses without end, trailers, upgrades that
nobody speaks. What it refuses itself: bare LF, folded headers, Content-Length beside
Transfer-Encoding, two Content-Lengths.

A request that is well-formed and wrong gets its problem and the connection lives on. One that
is malformed, or over a limit, gets its problem and the connection ends, since where the next
request would begin cannot be trusted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import httptools

from freehold.errors import CallError, TooLarge
from freehold.server import headers
from freehold.server.asgi import PageExchange
from freehold.server.browsers import PreflightExchange, may_read
from freehold.server.connection import BODY, HEAD, IDLE, LINGER, Connection
from freehold.server.exchange import CallExchange, frames_over_http, is_call, refused
from freehold.server.frames import FramesConnection
from freehold.server.hub import NEVER, Hub
from freehold.server.known_heads import KnownHead
from freehold.server.refusals import (
    HeadersTooLarge,
    MalformedRequest,
    RequestTooSlow,
    TooManyConnections,
    UrlTooLong,
    VersionRefused,
    http_problem,
    too_much_held,
)

Exchange = CallExchange | PageExchange | PreflightExchange

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: freehold\r\n\r\n"
)
#: Of what comes at once, so much is parsed before others have their turn.
_SLICE_BYTES: Final = 8_192
#: What a header costs beside its name and value: colon, space, CR, LF.
_HEADER_EXTRA: Final = 4


class HttpConnection(Connection):
    """A connection that speaks HTTP/1.1."""

    __slots__ = (
        "_begun",
        "_body_bytes",
        "_deaf",
        "_drains",
        "_exchange",
        "_fed",
        "_frames",
        "_head_bytes",
        "_header_count",
        "_page_headers",
        "_parser",
        "_parts",
        "_queue",
        "_seen",
        "_upgrading",
        "_url",
        "cors",
    )

    def __init__(self, hub: Hub, *, trusted: bool = False) -> None:
        super().__init__(hub, trusted=trusted)
        # The parser holds this object's methods, so the two are let go of by hand at the end.
        self._parser: Any = httptools.HttpRequestParser(self)
        #: Exchanges that were begun and are not written yet, oldest first.
        self._queue: deque[Exchange] = deque()
        #: Whatever comes is not parsed any more.
        self._deaf = False
        self._upgrading = False
        #: Who has taken over, after an upgrade.
        self._frames: FramesConnection | None = None
        self._drains: list[asyncio.Future[None]] = []
        # The request that is being read.
        self._exchange: Exchange
        self._begun = 0
        self._url = b""
        #: Header lines by which a web page may read the answer; of an allowed origin only.
        self.cors = b""
        self._seen: list[bytes | None] = []
        self._header_count = 0
        self._head_bytes = 0
        self._fed = 0
        self._page_headers: list[tuple[bytes, bytes]] | None = None
        self._parts: list[bytes] = []
        self._body_bytes = 0

    # -- bytes come ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.phase >= LINGER:
            return
        if len(data) > _SLICE_BYTES:
            self._hear_in_slices(data)
            return
        self.now_ns = self.hub.clock.monotonic_ns()
        self.turn_calls = 0
        phase, begun = self.phase, self._begun
        if phase == IDLE and (head := self.hub.known_heads.find(data)) is not None:
            self._answer_known(head, data)
            return
        self.feeding = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.feeding = False
            self._switch_to_frames(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._stumbled(error)
        if self.phase != IDLE:
            self._count_unfinished(len(data), phase, begun)
        elif phase == IDLE and begun + 1 == self._begun and not self._deaf:
            self._remember(data)
        self.feeding = False
        self.flush()
        self._mind_deadline(phase, begun)
        self.pump_soon()

    def _hear_in_slices(self, data: bytes) -> None:
        """
        Look at no more of what came than there is room for its calls.

        The system hands over a quarter of a megabyte at once, and that can be thousands of
        requests: all others would wait while they are parsed.
        """
        for start in range(0, len(data), _SLICE_BYTES):
            if self.waiting:
                self.unread = data[start:]
                self.hub.held.keep(self, len(self.unread))
                return
            self.data_received(data[start : start + _SLICE_BYTES])
            if self._frames is not None:
                if rest := data[start + _SLICE_BYTES :]:
                    self._frames.data_received(rest)
                return

    def _answer_known(self, head: KnownHead, data: bytes) -> None:
        """A whole call whose head was parsed before: straight to the dispatcher."""
        self.cors = b""
        exchange = CallExchange(self, closes=False, headless=False)
        exchange.begin_known(head, data[-head.body_bytes :])
        self.feeding = True
        self.take(exchange)
        self.feeding = False
        self.flush()
        if not self._held_for:
            busy = self.in_flight or self.waiting
            self.due_ns = NEVER if busy else self.now_ns + self.hub.idle_ns
        if self.waiting:
            self.pump_soon()

    def _remember(self, data: bytes) -> None:
        """One call came alone and in one piece: keep its head if it can come again."""
        exchange, seen = self._exchange, self._seen
        if type(exchange) is not CallExchange or exchange.refusal is not None:
            return
        if exchange.closes or not self._body_bytes:
            return
        if any(seen[place] is not None for place in headers.NEVER_KEPT):
            return
        head = exchange.known_head(headers.key_of(seen[headers.AUTHORIZATION]), self._body_bytes)
        if head is not None:
            self.hub.known_heads.keep(data, head)

    def _stumbled(self, error: httptools.HttpParserError) -> None:
        """The parser stopped, by itself or by a refusal that was raised in a callback."""
        if self._deaf:  # bytes after a request that said `Connection: close`
            return
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            self._refuse(cause if isinstance(cause, CallError) else self.hub.broke(cause))
        else:
            self._refuse(
                MalformedRequest(
                    f"This is not well-formed HTTP/1.1: {headers.readable(str(error).encode())}.",
                    hint="Lines end in CR LF, and a body has one length.",
                )
            )

    def _refuse(self, error: CallError) -> None:
        """Answer what is being read with an error, after what came before it, and end."""
        self._deaf = True
        headless = self.phase != IDLE and self._parser.get_method() == b"HEAD"
        self.phase = IDLE
        self.take(refused(self, error, headless=headless))

    def _count_unfinished(self, size: int, phase: int, begun: int) -> None:
        """
        Headers and chunks are counted when they are whole; those that never end, here.

        Loosely, so that what one piece may bring is never refused in two: where in its
        first piece a request began is known only if nothing else was in that piece.
        """
        limits = self.hub.limits
        if begun == self._begun and phase == self.phase:
            self._fed += size
        else:
            self._fed = size if phase == IDLE and begun + 1 == self._begun else 0
        if self.phase == BODY and self._parts:
            self.hub.held.keep(self, size)
        if self.phase == HEAD:
            if self._fed > limits.header_bytes_max + limits.url_bytes_max:
                self._refuse(self._headers_too_large())
        elif self._fed > self._body_bytes + limits.body_bytes_max + limits.header_bytes_max:
            self._refuse(TooLarge("The chunks of the body are more around it than in it."))

    def _mind_deadline(self, phase: int, begun: int) -> None:
        """Set the deadline of the phase that the last bytes led to; they prolong none."""
        anew = begun != self._begun
        if self.held:
            return
        if self.phase == HEAD:
            if anew:
                self.due_ns = self.now_ns + self.hub.header_ns
        elif self.phase == BODY:
            if anew or phase != BODY:
                self.begin_body(received=self._body_bytes)
        elif self.phase == IDLE and (anew or phase != IDLE):
            busy = self.in_flight or self.waiting
            self.due_ns = NEVER if busy else self.now_ns + self.idle_ns

    # -- httptools calls these -----------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._deaf:
            raise MalformedRequest("Nothing is heard behind the last request.")
        self.phase = HEAD
        self._begun += 1
        self._url = b""
        self.cors = b""
        self._seen = headers.NOTHING.copy()
        self._header_count = 0
        self._head_bytes = 0
        self._page_headers = None

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.hub.limits.url_bytes_max:
            raise UrlTooLong(
                f"The address is longer than {self.hub.limits.url_bytes_max} bytes.",
                hint="The limit is url_bytes_max; arguments go into the body.",
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._head_bytes += len(name) + len(value) + _HEADER_EXTRA
        limits = self.hub.limits
        if (
            self._header_count > limits.header_count_max
            or self._head_bytes > limits.header_bytes_max
        ):
            raise self._headers_too_large()
        if self.phase != HEAD:
            raise MalformedRequest("A chunked body has trailers, which are not read here.")
        if self._header_count == 1:
            self._page_headers = None if is_call(self._url) else []
        name = name.lower()
        place = headers.WANTED.get(name)
        if place is not None:
            if self._seen[place] is not None and place != headers.CONNECTION:
                raise MalformedRequest(
                    f"The header {name.decode('ascii')} is there twice.",
                    hint="Send it once: two readers could each believe another one.",
                )
            self._seen[place] = value
        if self._page_headers is not None:
            self._page_headers.append((name, value))

    def on_headers_complete(self) -> None:
        seen = self._seen
        parser = self._parser
        verb = parser.get_method()
        closes = False
        if seen[headers.CONNECTION] is not None or not parser.should_keep_alive():
            closes = self._closes_after()
        host = seen[headers.HOST]
        gate = self.hub.gate
        if host not in gate.passed_hosts:
            gate.check_host(host)
        if (origin := seen[headers.ORIGIN]) is not None:
            gate.check_origin(origin)
            self.cors = may_read(origin)
        elif (site := seen[headers.FETCH_SITE]) is not None:
            gate.check_site(site)
        self._check_length(seen)
        if parser.should_upgrade():
            self._check_upgrade(verb)
            return
        self._exchange = self._exchange_for(verb, closes=closes)
        self._parts = []
        self._body_bytes = 0
        self.body_began_ns = self.now_ns
        self.phase = BODY
        if (expected := seen[headers.EXPECT]) is not None:
            self._answer_expectation(expected)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self.body_received += len(body)
        if self._body_bytes > self.hub.limits.body_bytes_max:
            raise self._body_too_large()
        if self._exchange.refusal is None:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        self.phase = IDLE
        if self._deaf or self._upgrading:
            return
        exchange = self._exchange
        parts = self._parts
        if parts:
            exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
        if exchange.closes:
            self._deaf = True
        self.take(exchange)

    # -- what the headers say ------------------------------------------------------------

    def _exchange_for(self, verb: bytes, *, closes: bool) -> Exchange:
        url = self._url
        headless = verb == b"HEAD"
        if self.cors and verb == b"OPTIONS":
            return PreflightExchange(self, closes=closes)
        if is_call(url):
            exchange = CallExchange(self, closes=closes, headless=headless)
            try:
                exchange.read_head(verb, url, self._seen)
            except CallError as refusal:
                exchange.refusal = refusal
            return exchange
        if url == b"/frames":
            return frames_over_http(CallExchange(self, closes=closes, headless=headless))
        if not url.startswith(b"/"):
            raise MalformedRequest(
                f"The address {headers.readable(url)!r} is not a path.",
                hint="This is no proxy: send the path alone, and the host in Host.",
            )
        return PageExchange(
            self, verb, url, headers=self._page_headers or [], closes=closes, headless=headless
        )

    def _closes_after(self) -> bool:
        """Whether the connection ends after this request; HTTP/1.0 always does."""
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise VersionRefused(
                f"HTTP/{version} is not spoken here.", hint="Speak HTTP/1.1 (curl: --http1.1)."
            )
        if version == "1.0" and self._seen[headers.TRANSFER_ENCODING] is not None:
            raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding.")
        return version == "1.0" or not self._parser.should_keep_alive()

    def _check_length(self, seen: list[bytes | None]) -> None:
        """Refuse a body that will be too long before any of it is kept."""
        length = seen[headers.CONTENT_LENGTH]
        if length is not None:
            if int(length) > self.hub.limits.body_bytes_max:
                raise self._body_too_large()
        elif (
            coding := seen[headers.TRANSFER_ENCODING]
        ) is not None and coding.lower() != b"chunked":
            raise MalformedRequest("The only Transfer-Encoding that is read here is chunked.")

    def _answer_expectation(self, expected: bytes) -> None:
        if expected.lower() != b"100-continue":
            raise MalformedRequest(
                f"Nobody here knows how to expect {headers.readable(expected)!r}."
            )
        if self._exchange.refusal is not None:
            # The body is not on its way yet: refuse now, and it never needs to be.
            raise self._exchange.refusal
        if not self._queue and not self.waiting:
            self.put(_CONTINUE)

    def _headers_too_large(self) -> HeadersTooLarge:
        limits = self.hub.limits
        return HeadersTooLarge(
            f"There are more than {limits.header_count_max} headers, or more than "
            f"{limits.header_bytes_max} bytes of them.",
            hint="The limits are header_count_max and header_bytes_max.",
        )

    def _body_too_large(self) -> TooLarge:
        return TooLarge(
            f"The body is longer than {self.hub.limits.body_bytes_max} bytes.",
            hint="The limit is body_bytes_max; send fewer items in a call.",
        )

    # -- exchanges -----------------------------------------------------------------------

    def begin(self, call: Exchange) -> None:
        self._queue.append(call)
        self.in_flight += 1
        call.run()

    def settle(self, exchange: Exchange, answer: bytes) -> None:
        """The exchange's answer is there (its rest, for a page); write all whose turn it is."""
        exchange.answer = answer
        queue = self._queue
        if len(queue) > 1 and queue[0] is not exchange:
            self._keep_early(len(answer))
        while queue and (ready := queue[0].answer) is not None:
            done = queue.popleft()
            if done is not exchange:
                self.early_bytes -= len(ready)
            self.in_flight -= 1
            self.put(ready)
            if done.closes:
                self.ending = self._deaf = True
                queue.clear()
        if queue:
            queue[0].your_turn()
        if not self.feeding:
            self.flush()
            if self.waiting:
                self.pump_soon()
            elif not queue and self.phase == IDLE and not self.held:
                self.due_ns = self.now_ns + self.idle_ns

    def _keep_early(self, size: int) -> None:
        self.early_bytes += size
        self.hub.held.keep(self, size)

    def is_last(self, exchange: Exchange) -> bool:
        """Whether nothing stands behind this exchange, read or half read."""
        queue = self._queue
        return bool(queue) and queue[-1] is exchange and self.phase == IDLE and not self.waiting

    def is_first(self, exchange: Exchange) -> bool:
        """Whether this exchange may write."""
        return bool(self._queue) and self._queue[0] is exchange

    async def drained(self) -> None:
        """Until the peer has taken what was written, more or less; or is gone."""
        if self.write_due_ns != NEVER and self.phase < LINGER:
            drain: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drains.append(drain)
            await drain

    def resume_writing(self) -> None:
        super().resume_writing()
        self._tell_drains()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._parser = None
        self._frames = None
        self._tell_drains()
        exchanges = [*self._queue]
        self._queue.clear()
        for exchange in exchanges:
            exchange.hung_up()

    def _tell_drains(self) -> None:
        for drain in self._drains:
            if not drain.done():
                drain.set_result(None)
        self._drains.clear()

    # -- upgrades and ends ---------------------------------------------------------------

    def _check_upgrade(self, verb: bytes) -> None:
        wanted = (self._seen[headers.UPGRADE] or b"").lower()
        if verb != b"GET" or self._url != b"/frames" or wanted != b"freehold":
            raise MalformedRequest(
                f"The upgrade to {headers.readable(wanted)!r} is not spoken at this address.",
                hint="Leave out the Upgrade header (curl: --http1.1).",
            )
        if self._queue or self.waiting:
            raise MalformedRequest("An upgrade cannot stand behind calls without answers.")
        self._upgrading = True

    def _switch_to_frames(self, rest: bytes) -> None:
        """From here on the bytes are frames, these first."""
        frames = FramesConnection(self.hub, trusted=self.trusted)
        transport = self.transport
        self.flush()
        transport.write(_SWITCHING)
        self.hub.replace(self, frames)
        self._deaf = True
        self._parser = None
        self._frames = frames
        frames.adopt(transport)
        transport.set_protocol(frames)
        if rest:
            frames.data_received(rest)

    def overdue(self, now_ns: int) -> None:
        if self.phase == HEAD:
            self._refuse_late("headers", self.hub.limits.header_time_s)
        elif self.phase == BODY:
            if self.body_is_slow(now_ns):
                self._refuse_late("body", self.hub.limits.body_time_s)
        else:
            super().overdue(now_ns)

    def _refuse_late(self, part: str, limit_s: float) -> None:
        self.due_ns = NEVER
        self._refuse(
            RequestTooSlow(
                f"The request's {part} came too slowly.",
                hint=f"The whole {part} must be there within {limit_s:g} s.",
            )
        )

    def arrived_bytes(self) -> int:
        return self._body_bytes if self.phase == BODY and self._parts else 0

    def make_way(self) -> None:
        if self.phase != BODY or self.transport.get_write_buffer_size():
            super().make_way()
            return
        self._parts = []
        self.due_ns = NEVER
        self._refuse(too_much_held())

    def turn_away(self) -> None:
        limit = self.hub.limits.connections_max
        error = TooManyConnections(
            f"All {limit} connections are taken.",
            hint="The limit is connections_max; use one connection for many calls.",
        )
        self._deaf = True
        self.put(http_problem(error, closes=True))
        self.end()
