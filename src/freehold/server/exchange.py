"""
One HTTP call between its request and its answer.

A connection keeps its exchanges in the order in which they came, because that is the order
in which HTTP wants their answers; a mutation is answered later than the query behind it.
How bytes become a request is in `front`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from freehold.db.caller import Caller
from freehold.errors import CallError, InvalidArgument, UnknownMethod
from freehold.rpc.dispatch import Answer, Request
from freehold.server import headers
from freehold.server.meter import UNKNOWN_METHOD
from freehold.server.refusals import MediaTypeRefused, UpgradeNeeded, WrongVerb, http_problem
from freehold.wire.codec import JSON, MSGPACK, Codec

if TYPE_CHECKING:
    from freehold.server.front import HttpConnection

_OK: Final = tuple(
    b"HTTP/1.1 200 OK\r\ncontent-type: "
    + codec.content_type.encode()
    + b"\r\ncontent-length: %d\r\nfreehold-seq: %d\r\n"
    for codec in (JSON, MSGPACK)
)
_END: Final = b"\r\n"
_CLOSE_END: Final = b"connection: close\r\n\r\n"

# The only shape of a call's path. Nothing is decoded: a percent sign, a dot or a second slash
# is another name, and there is none like it.
_PATH: Final = re.compile(rb"/rpc/([A-Za-z][A-Za-z0-9_]*)/([A-Za-z][A-Za-z0-9_]*)")


class CallExchange:
    """A call by `POST /rpc/…`, from its headers on."""

    __slots__ = (
        "answer",
        "body",
        "caller",
        "closes",
        "codec",
        "connection",
        "contract",
        "headless",
        "idempotency_key",
        "label",
        "method",
        "min_seq",
        "refusal",
        "started_ns",
        "timeout_ms",
    )

    def __init__(self, connection: HttpConnection, *, closes: bool, headless: bool) -> None:
        self.connection = connection
        #: The connection ends after its answer.
        self.closes = closes
        #: The answer goes out without its body.
        self.headless = headless
        self.codec: Codec = JSON
        self.method = ""
        self.label = UNKNOWN_METHOD
        self.caller: Caller
        self.body = b""
        self.min_seq = 0
        self.timeout_ms: int | None = None
        self.idempotency_key: str | None = None
        self.contract: str | None = None
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
        method = hub.methods.get(url)
        if method is not None:
            self.method = self.label = method
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
        self.caller = hub.authenticator.caller(key, trusted=connection.trusted)
        if method is None:
            self.method = _method_at(url)
        self._read_options(seen)

    def _read_options(self, seen: list[bytes | None]) -> None:
        limits = self.connection.hub.limits
        if (value := seen[headers.IDEMPOTENCY_KEY]) is not None:
            self.idempotency_key = headers.idempotency_key(value.decode("latin-1"), limits)
        if (value := seen[headers.MIN_SEQ]) is not None:
            self.min_seq = headers.min_seq(value.decode("latin-1"))
        if (value := seen[headers.TIMEOUT_MS]) is not None:
            self.timeout_ms = headers.timeout_ms(value.decode("latin-1"), limits)
        if (value := seen[headers.CONTRACT]) is not None:
            self.contract = headers.contract_hash(value.decode("latin-1"))
        if (value := seen[headers.CONTENT_ENCODING]) is not None and value.lower() != b"identity":
            raise MediaTypeRefused(
                "The body is compressed, and no compression is read here.",
                hint="Send it as it is: a few compressed bytes can become any number.",
            )

    def run(self) -> None:
        """Call, or refuse; the answer comes to `reply`, at once or later."""
        if self.refusal is not None:
            self.refuse(self.refusal)
            return
        hub = self.connection.hub
        try:
            hub.dispatcher.call(
                Request(
                    method=self.method,
                    body=self.body,
                    codec=self.codec,
                    caller=self.caller,
                    reply=self.reply,
                    min_seq=self.min_seq,
                    timeout_ms=self.timeout_ms,
                    idempotency_key=self.idempotency_key,
                    contract=self.contract,
                )
            )
        except Exception as error:  # noqa: BLE001 - dispatch answers; what it raises is a defect
            self.refuse(hub.broke(error))

    def reply(self, answer: Answer) -> None:
        """The call ended; hand its answer to the connection, as bytes."""
        connection = self.connection
        hub = connection.hub
        now_ns = connection.now_ns = hub.clock.monotonic_ns()
        if answer.error is not None:
            self.refuse(answer.error, seq=answer.seq)
            return
        hub.meter.ok(self.label, now_ns - self.started_ns)
        body = answer.body
        head = _OK[self.codec.index] % (len(body), answer.seq)
        if self.closes or hub.stopping:
            self.closes = self.closes or connection.is_last(self)
        connection.settle(self, head + (_CLOSE_END if self.closes else _END) + body)

    def refuse(self, error: CallError, *, seq: int | None = None) -> None:
        """Answer with an error."""
        connection = self.connection
        hub = connection.hub
        hub.meter.error(self.label, hub.clock.monotonic_ns() - self.started_ns, error)
        self.closes = self.closes or (hub.stopping and connection.is_last(self))
        connection.settle(
            self,
            http_problem(
                error, codec=self.codec, seq=seq, closes=self.closes, headless=self.headless
            ),
        )

    def your_turn(self) -> None:
        """Nothing stands before it any more; its answer comes when it comes."""

    def hung_up(self) -> None:
        """The peer is gone; a mutation that was handed over cannot be taken back."""


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
