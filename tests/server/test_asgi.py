"""Handing over to an ASGI application: streams, defects, readers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.server.toy import Toy, get, post, served


class Stages:
    """Pages that a test looks into."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.left = 0

    async def echo(self, request: Request) -> Response:
        body = await request.body()
        return Response(b"%s %s " % (request.method.encode(), request.url.query.encode()) + body)

    async def stream(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first,"
            await self.go_on.wait()
            yield b"second,"
            yield b""
            yield b"third"

        return StreamingResponse(pieces(), media_type="text/plain")

    async def endless(self, _: Request) -> Response:
        return Endless(self)

    async def breaks(self, _: Request) -> Response:
        raise RuntimeError("secret text of a defect")

    async def breaks_late(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("secret text of a defect")

        return StreamingResponse(pieces())

    async def bare(self, _: Request) -> Response:
        return Response(status_code=204)


class Endless(Response):
    """An answer that never ends by itself."""

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self._stages = stages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                piece = {"type": "http.response.body", "body": b"x" * 100_000, "more_body": True}
                await send(piece)
                await asyncio.sleep(0)
        finally:
            self._stages.left += 1


@pytest.fixture
def stages() -> Stages:
    return Stages()


@pytest.fixture
def toy(stages: Stages) -> Iterator[Toy]:
    """The toy with these pages beside its own."""
    names = ("echo", "stream", "endless", "breaks", "breaks_late", "bare")
    routes = [Route(f"/{n}", getattr(stages, n), methods=["GET", "POST"]) for n in names]
    with served(routes=routes, limits={"send_buffer_bytes_max": 200_000}) as toy:
        yield toy


def test_a_page_gets_the_whole_request(toy: Toy) -> None:
    """Verb, query and body, however the body came."""
    client = toy.client()
    client.send(get("/echo?a=1", verb="POST", extra="Content-Length: 4\r\n") + b"body")

    assert client.answer().body == b"POST a=1 body"


def test_a_stream_arrives_piece_by_piece(toy: Toy, stages: Stages) -> None:
    """The first piece does not wait for the last one."""
    client = toy.client()
    client.send(get("/stream"))
    assert b"transfer-encoding: chunked" in client.until(b"first,\r\n")

    toy.on_loop(stages.go_on.set)

    assert client.until(b"0\r\n\r\n") == b"7\r\nsecond,\r\n5\r\nthird\r\n0\r\n\r\n"


def test_a_stream_on_a_connection_that_ends_is_marked_by_the_end(toy: Toy, stages: Stages) -> None:
    """HTTP/1.0 knows no chunks."""
    toy.on_loop(stages.go_on.set)
    client = toy.client()
    client.send(get("/stream").replace(b"HTTP/1.1", b"HTTP/1.0"))
    received = b""
    while piece := client.raw.recv(65536):
        received += piece

    assert b"connection: close" in received
    assert received.endswith(b"\r\n\r\nfirst,second,third")


def test_a_stream_waits_for_its_turn(toy: Toy, stages: Stages) -> None:
    """It may not write between the head and the body of an earlier answer."""
    toy.on_loop(stages.go_on.set)
    client = toy.client()
    client.send(post("Notes.hold") + get("/stream") + post("Notes.echo", b"3"))
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.answer().json == "released"
    received = client.until(b"content-length: 1\r\nfreehold-seq: 0\r\n\r\n3")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.index(b"third") < received.index(b"freehold-seq")


def test_a_reader_that_leaves_ends_the_stream(toy: Toy, stages: Stages) -> None:
    """Nobody goes on writing for nobody."""
    client = toy.client()
    client.send(get("/endless"))
    client.raw.recv(1000)

    client.reset()

    toy.wait_until(lambda: stages.left)
    toy.wait_until(lambda: toy.server.connections == 0)


def test_a_page_that_breaks_is_a_problem(toy: Toy) -> None:
    """500 without the defect's text."""
    client = toy.client()
    client.send(get("/breaks"))

    answer = client.answer()

    assert answer.status == 500
    assert answer.json["code"] == "internal"
    assert b"secret" not in answer.body


def test_a_page_that_breaks_halfway_is_cut(toy: Toy) -> None:
    """A whole-looking half would be a lie."""
    client = toy.client()
    client.send(get("/breaks_late"))
    received = b""
    try:
        while piece := client.raw.recv(65536):
            received += piece
    except ConnectionResetError:
        pass

    assert not received.endswith(b"0\r\n\r\n")


def test_an_answer_without_a_body_has_none(toy: Toy) -> None:
    """204, and the connection goes on."""
    client = toy.client()
    client.send(get("/bare") + post("Notes.echo", b"1"))

    bare, called = client.answer(), client.answer()

    assert (bare.status, called.status, called.body) == (204, 200, b"1")
    assert "content-length" not in bare.headers
    assert "transfer-encoding" not in bare.headers


def test_a_stop_ends_a_stream_that_never_ends(toy: Toy, stages: Stages) -> None:
    """After the grace."""
    client = toy.client()
    client.send(get("/endless"))
    client.raw.recv(1000)

    toy.stopping(grace_s=0.05).result(5)

    assert stages.left == 1
