"""
The transports over plain HTTP, in both colours and both codecs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from freehold.client import AnswerUnreadable
from freehold.client.repeat import TRIES
from freehold.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from tests.client.tiny_server import tiny_thread
from tests.client.toy_client import Taken, Toy, ToySync

Calling = Callable[..., Any]


class Caller:
    """One binding in the colour that the test is run with; its calls block."""

    def __init__(self, colour: str, place: str, **options: Any) -> None:
        self._runner = asyncio.Runner() if colour == "async" else None
        kind = Toy if colour == "async" else ToySync
        self.binding: Any = kind.connect(place, **options)

    def __call__(self, name: str, /, **args: Any) -> Any:
        answer = self.binding.call(name, **args)
        return self._runner.run(answer) if self._runner else answer

    def close(self) -> None:
        if self._runner:
            self._runner.run(self.binding.close())
            self._runner.close()
        else:
            self.binding.close()


@pytest.fixture(params=["async", "sync"])
def colour(request: pytest.FixtureRequest) -> str:
    """Both classes of a generated client."""
    return str(request.param)


@pytest.fixture(params=["http", "http+msgpack"])
def transport(request: pytest.FixtureRequest) -> str:
    """Both codecs."""
    return str(request.param)


@pytest.fixture
def connect(colour: str, request: pytest.FixtureRequest) -> Calling:
    """Makes a caller that is closed after the test."""

    def make(place: str, transport: str = "http", **options: Any) -> Caller:
        caller = Caller(colour, place, transport=transport, **options)
        request.addfinalizer(caller.close)
        return caller

    return make


def listening(where: Literal["unix", "tcp"], folder: Path) -> Any:
    """A server in a thread."""
    return tiny_thread(f"unix:{folder}/s" if where == "unix" else "http://127.0.0.1:0")


@pytest.mark.parametrize("where", ["unix", "tcp"])
def test_a_call_is_answered(
    where: Literal["unix", "tcp"], tmp_path: Path, transport: str, connect: Calling
) -> None:
    """A POST with key, contract and time; the bare result in the same codec."""
    with listening(where, tmp_path) as (server, place, _):
        call = connect(place, transport, key="fh_test_1")

        assert call("echo", value={"a": [1, "ü"]}) == {"a": [1, "ü"]}

        (headers,) = server.requests
        assert server.calls[0][:2] == ("Toy.echo", {"value": {"a": [1, "ü"]}})
        assert headers["authorization"] == "Bearer fh_test_1"
        assert headers["freehold-contract"] == "c0ffee00c0ffee00"
        assert headers["freehold-timeout-ms"] == "30000"
        assert headers["content-type"].endswith("msgpack" if "+" in transport else "json")


def test_queries_ask_to_see_what_the_binding_has_written(
    tmp_path: Path, transport: str, connect: Calling
) -> None:
    """Freehold-Seq of an answer becomes Freehold-Min-Seq of the next query."""
    with listening("unix", tmp_path) as (server, place, _):
        call = connect(place, transport)
        call("add", value=1)
        call("echo", value=1)

        assert [headers.get("freehold-min-seq") for headers in server.requests] == [None, "1"]
        assert call.binding.seq == 1


def test_errors_come_back_typed(tmp_path: Path, transport: str, connect: Calling) -> None:
    """As over frames, and with the seconds of Retry-After."""
    with listening("unix", tmp_path) as (_, place, _):
        call = connect(place, transport)
        with pytest.raises(NotFound, match="no such thing"):
            call("fail", name="NotFound")
        with pytest.raises(Taken) as taken:
            call("fail", name="Taken")
        hurried = connect(place, transport, timeout_s=0.05)
        with pytest.raises(Overloaded) as overloaded:
            hurried("fail", name="Overloaded")
        with pytest.raises(AnswerUnreadable, match=r"Toy\.wrongType"):
            call("wrong_query")

        assert (taken.value.taken_by, taken.value.try_again_in) == ("ses_1", 5)
        assert overloaded.value.retry_after_s == 7


def test_nobody_there_is_told(unused_port: int, connect: Calling) -> None:
    """The same sentence as over frames."""
    # Not on a Unix socket: httpcore leaves a socket that was refused to the collector.
    place = f"http://127.0.0.1:{unused_port}"
    call = connect(place)

    with pytest.raises(Unavailable) as refusal:
        call("add", value=1)

    assert str(refusal.value).startswith(f"no data layer at {place} (binding DAL). Start it")


def test_a_lost_connection_ends_each_call_by_what_it_is(tmp_path: Path, connect: Calling) -> None:
    """Both are sent again, a mutation under its key; after that it is unknown."""
    with listening("unix", tmp_path) as (server, place, _):
        call = connect(place)
        assert call("drop_once_mutation") == "second time"
        with pytest.raises(Unavailable, match="was lost"):
            call("drop_query")
        with pytest.raises(OutcomeUnknown, match="was sent"):
            call("drop_mutation")

        assert server.dropped == 1 + 2 * (1 + TRIES)
        keys = [headers.get("idempotency-key") for headers in server.requests]
        assert len(set(keys[:2])) == 1
        assert set(keys[2 : 3 + TRIES]) == {None}
        assert len(set(keys[3 + TRIES :])) == 1
        assert keys[0] != keys[-1]


def test_a_key_of_the_caller_s_own_names_the_call(tmp_path: Path, connect: Calling) -> None:
    """It survives the process that made it."""
    with listening("unix", tmp_path) as (server, place, _):
        call: Any = connect(place)
        call.binding = call.binding.with_options(idempotency_key="order-7")
        call("add", value=1)

        assert server.requests[0]["idempotency-key"] == "order-7"


def test_a_call_has_until_its_time_is_up(tmp_path: Path, connect: Calling) -> None:
    """A query is over, a mutation unknown."""
    with listening("unix", tmp_path) as (_, place, _):
        call = connect(place, timeout_s=0.02)
        with pytest.raises(DeadlineExceeded):
            call("hold_query", value=1)
        with pytest.raises(OutcomeUnknown):
            call("hold_mutation", value=1)


async def stop(server: asyncio.Server) -> None:
    """Stop listening, on the server's own loop."""
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("status", "query", "mutation"),
    [("502 Bad", Unavailable, OutcomeUnknown), ("418 Teapot", Internal, Internal)],
)
def test_what_stands_between_may_answer_in_its_own_words(
    status: str, query: type, mutation: type, connect: Calling
) -> None:
    """A gateway's refusal leaves a mutation unknown; anything else is no data layer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        close = "Content-Length: 4\r\nConnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{close}\r\n\r\noops".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    with tiny_thread("http://127.0.0.1:0") as (_, _, loop):

        def on_loop(work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(5)

        server = on_loop(asyncio.start_server(answer, "127.0.0.1", 0))
        call = connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(query):
            call("echo", value=1)
        with pytest.raises(mutation):
            call("add", value=1)
        on_loop(stop(server))


def test_a_closed_binding_says_so(tmp_path: Path, connect: Calling) -> None:
    """Later calls are refused; closing twice is harmless."""
    with listening("unix", tmp_path) as (_, place, _):
        call = connect(place)
        call("echo", value=1)
        first = call.binding.close()
        if first is not None:
            call._runner.run(first)

        with pytest.raises(Unavailable, match="is closed"):
            call("echo", value=1)


def test_transports_have_names(connect: Calling) -> None:
    """An unknown one is refused, and so is frames:// where HTTP was asked for."""
    with pytest.raises(InvalidArgument, match="there is no transport 'grpc'"):
        Toy.connect("http://x:1", transport="grpc")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="speaks frames"):
        ToySync.connect("frames://x:1", transport="http")
