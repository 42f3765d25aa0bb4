"""An ASGI application behind a real socket, in a thread, for the time of a block."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import create_server
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_START_S: Final = 10.0


@contextmanager
def served(make: Callable[[], ASGIApp]) -> Iterator[str]:
    """The address of an application on a free port; it is made in the thread that serves it."""
    with create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server: list[uvicorn.Server] = []

        def serve() -> None:
            config = uvicorn.Config(make(), ws="none", log_config=None, access_log=False)
            server.append(uvicorn.Server(config))
            asyncio.run(server[0].serve(sockets=[listener]))

        thread = threading.Thread(target=serve, name=f"serves {address}", daemon=True)
        thread.start()
        until = time.monotonic() + _START_S
        while not (server and server[0].started):
            assert thread.is_alive(), "the server ended while it started"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.005)
        try:
            yield address
        finally:
            server[0].should_exit = True
            thread.join(_START_S)
