"""
One HTTP call between its request and its answer.

A connection keeps its exchanges in the order in which they came, because that is the order
in which HTTP wants their answers; a mutation is answered later than the query behind it.
How bytes become a request is in `front`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from freehold.errors import CallError, InvalidArgument, Unauthenticated, UnknownMethod
from freehold.rpc.dispatch import Answer, Request
from freehold.server import headers
from freehold.server.connection import STRANGER_CALLS
from freehold.server.known_heads import KnownHead
from freehold.server.meter import UNKNOWN_METHOD
from freehold.server.refusals import (
    SAFE_LINES,
    MalformedRequest,
    MediaTypeRefused,
    UpgradeNeeded,
    WrongVerb,
    http_problem,
)
from freehold.server.strangers import LATE_MAX
from freehold.wire.codec import JSON, MSGPACK, Codec

if TYPE_CHECKING:
    from freehold.server.front import HttpConnection

_OK: Final = tuple(
    b"HTTP/1.1 200 OK\r\ncontent-type: "
    + codec.content_type.encode()
    + b"\r\ncontent-length: %d\r\nfreehold-seq: %d\r\n"
    for codec in (JSON, MSGPACK)
)
_NO_OPTIONS: Final = headers.NOTHING[headers.FIRST_OPTION :]
_END: Final = b"\r\n"
_CLOSE_END: Final = b"connection: close\r\n\r\n"

# The only shape of a call's path. Nothing is decoded: a percent sign, a dot or a second slash
# is another name, and there is none like it.
#: Several calls in one transaction.
TOGETHER_PATH: Final = b"/rpc"
_PATH: Final = re.compile(rb"/rpc/([A-Za-z][A-Za-z0-9_]*)/([A-Za-z][A-Za-z0-9_]*)")


class CallExchange:
    """A call by `POST /rpc/…`, from its headers on."""

    __slots__ = (
        "act_as",
        "answer",
        "body",
        "closes",
        "codec",
        "connection",
        "cors",
        "headless",
        "refusal",
        "request",
        "started_ns",
    )

    def __init__(self, connection: HttpConnection, *, closes: bool, headless: bool) -> None:
        self.connection = connection
        #: The connection ends after its answer.
        self.closes = closes
        #: The answer goes out without its body.
        self.headless = headless
        self.codec: Codec = JSON
        self.cors = connection.cors
        self.request: Request | None = None
        self.body = b""
        #: It will be answered with this and not be called.
        self.refusal: CallError | None = None
        #: The answer as bytes, kept while an earlier one is not there yet.
        self.answer: bytes | None = None
        self.started_ns = connection.now_ns

    def read_head(self, verb: bytes, url: bytes, seen: list[bytes | None]) -> None:
        """
        Make sense of the request line and the headers.

        Raises:
            CallError: The call is refused; the request itself is well-formed.
        """
        connection = self.connection
        hub = connection.hub
        if verb != b"POST":
            raise WrongVerb(
                f"A call is a POST, not a {verb.decode('ascii')}.",
                allow="POST",
                hint="Send the arguments as the body of a POST.",
            )
        length = seen[headers.CONTENT_LENGTH]
        has_body = seen[headers.TRANSFER_ENCODING] is not None or length not in (None, b"0")
        self.codec = headers.codec_of(seen[headers.CONTENT_TYPE], has_body=has_body)
        # First who, then what: a stranger learns of no method whether it is there.
        key = headers.key_of(seen[headers.AUTHORIZATION])
        caller = hub.authenticator.caller(key, trusted=connection.trusted)
        method = hub.methods.get(url) or _method_at(url)
        self.request = Request(method, b"", self.codec, caller, self.reply)
        self.act_as: str | None = None
        if seen[headers.FIRST_OPTION :] != _NO_OPTIONS:
            self._read_options(self.request, seen)

    def _read_options(self, request: Request, seen: list[bytes | None]) -> None:
        connection = self.connection
        limits = connection.hub.limits
        if (value := seen[headers.ACT_AS]) is not None:
            self.act_as = user = headers.act_as(value.decode("latin-1"))
            request.caller = connection.hub.authenticator.acting_as(request.caller, user)
        if (value := seen[headers.IDEMPOTENCY_KEY]) is not None:
            request.idempotency_key = headers.idempotency_key(value.decode("latin-1"), limits)
        if (value := seen[headers.MIN_SEQ]) is not None:
            request.min_seq = headers.min_seq(value.decode("latin-1"))
        if (value := seen[headers.TIMEOUT_MS]) is not None:
            request.timeout_ms = headers.timeout_ms(value.decode("latin-1"), limits)
        if (value := seen[headers.CONTRACT]) is not None:
            request.contract = headers.contract_hash(value.decode("latin-1"))
        if (value := seen[headers.CONTENT_ENCODING]) is not None and value.lower() != b"identity":
            raise MediaTypeRefused(
                "The body is compressed, and no compression is read here.",
                hint="Send it as it is: a few compressed bytes can become any number.",
            )

    def begin_known(self, head: KnownHead, body: bytes) -> None:
        """The same as `read_head` for a head that was read before."""
        connection = self.connection
        self.codec = head.codec
        self.body = body
        try:
            caller = connection.hub.authenticator.caller(head.key, trusted=connection.trusted)
            if head.act_as is not None:
                caller = connection.hub.authenticator.acting_as(caller, head.act_as)
        except CallError as refusal:
            self.refusal = refusal
            return
        self.request = Request(
            head.method, b"", head.codec, caller, self.reply, head.min_seq, head.timeout_ms,
            None, head.contract,
        )  # fmt: skip

    def known_head(self, key: str | None, body_bytes: int) -> KnownHead | None:
        """What `begin_known` will need of this call's head; None when it was refused."""
        request = self.request
        if request is None or self.refusal is not None:
            return None
        return KnownHead(
            body_bytes, request.method, self.codec, key, request.min_seq, request.timeout_ms,
            request.contract, self.act_as,
        )  # fmt: skip

    def run(self) -> None:
        """Call, or refuse; the answer comes to `reply`, at once or later."""
        request = self.request
        if self.refusal is not None or request is None:
            refusal = self.refusal or MalformedRequest("There is no request.")
            if not (isinstance(refusal, Unauthenticated) and self._refuses_late(refusal)):
                self.refuse(refusal)
            return
        request.body = self.body
        try:
            self.connection.hub.dispatcher.call(request)
        except Exception as error:
            self.refuse(self.connection.hub.broke(error))

    def _refuses_late(self, refusal: Unauthenticated) -> bool:
        """Whether this stranger has shown so many wrong keys that his answer has to wait."""
        connection = self.connection
        strangers = connection.hub.strangers
        wait_s = strangers.wait_s(connection.source, connection.now_ns)
        if not wait_s:
            return False
        if strangers.late >= LATE_MAX:
            self.closes = connection.is_last(self)
            return False

        def refuse() -> None:
            strangers.late -= 1
            self.closes = connection.is_last(self)
            self.refuse(refusal)

        strangers.late += 1
        asyncio.get_running_loop().call_later(wait_s, refuse)
        return True

    def reply(self, answer: Answer) -> None:
        """The call ended; hand its answer to the connection, as bytes."""
        connection = self.connection
        hub = connection.hub
        now_ns = connection.now_ns = hub.clock.monotonic_ns()
        if answer.error is not None:
            self.refuse(answer.error, seq=answer.seq)
            return
        request = self.request
        hub.meter.ok(
            UNKNOWN_METHOD if request is None else request.method, now_ns - self.started_ns
        )
        if connection.strangers:
            connection.strangers = 0
        body = answer.body
        head = _OK[self.codec.index] % (len(body), answer.seq)
        if self.cors:
            head += self.cors + SAFE_LINES
        if self.closes or hub.stopping:
            self.closes = self.closes or connection.is_last(self)
        connection.settle(self, head + (_CLOSE_END if self.closes else _END) + body)

    def refuse(self, error: CallError, *, seq: int | None = None) -> None:
        """Answer with an error."""
        connection = self.connection
        hub = connection.hub
        now_ns = connection.now_ns = hub.clock.monotonic_ns()
        hub.meter.error(self._label(), now_ns - self.started_ns, error)
        self.closes = self.closes or (hub.stopping and connection.is_last(self))
        if isinstance(error, Unauthenticated):
            connection.strangers += 1
            self.closes = self.closes or connection.strangers >= STRANGER_CALLS
        else:
            connection.strangers = 0
        connection.settle(
            self,
            http_problem(
                error,
                codec=self.codec,
                seq=seq,
                closes=self.closes,
                headless=self.headless,
                cors=self.cors,
            ),
        )

    def _label(self) -> str:
        """The method as metrics may name it: only what is in the contract."""
        method = "" if self.request is None else self.request.method
        return method if method in self.connection.hub.method_names else UNKNOWN_METHOD

    def your_turn(self) -> None:
        """Nothing stands before it any more; its answer comes when it comes."""

    def hung_up(self) -> None:
        """The peer is gone: what is not begun need not begin."""
        if self.request is not None:
            self.request.withdraw()


def refused(connection: HttpConnection, error: CallError, *, headless: bool) -> CallExchange:
    """An exchange that only refuses, and ends the connection."""
    exchange = CallExchange(connection, closes=True, headless=headless)
    exchange.refusal = error
    return exchange


def frames_over_http(exchange: CallExchange) -> CallExchange:
    """The answer to somebody who asks for `/frames` without the upgrade."""
    exchange.refusal = UpgradeNeeded(
        "/frames speaks frames, after an upgrade.",
        hint="Send `Connection: Upgrade` and `Upgrade: freehold` with a GET, or POST to /rpc.",
    )
    return exchange


def is_call(url: bytes) -> bool:
    """Whether a request to this path is a call, or several in one transaction."""
    return url.startswith(b"/rpc/") or url == TOGETHER_PATH


def _method_at(url: bytes) -> str:
    """The name at a path that is not one of the known ones, for dispatch to refuse or know."""
    path, mark, _ = url.partition(b"?")
    match = _PATH.fullmatch(path)
    if match is None:
        raise UnknownMethod(
            f"There is no method at {headers.readable(url)!r}.",
            hint="A call's path is /rpc/Entrypoint/method, without escapes or extra slashes.",
        )
    if mark:
        raise InvalidArgument(
            "A call's address takes no query string.",
            hint="Arguments go into the body, the key into the Authorization header.",
        )
    return f"{match[1].decode()}.{match[2].decode()}"
