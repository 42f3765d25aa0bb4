"""
An ASGI application behind a real socket, in a thread, for the time of a block.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_START_S: Final = 10.0


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that listens on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Head and body of an answer are two writes; without this the second one waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


@contextmanager
def served(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """
    The address at which an application is served.

    Args:
        make: Makes the application, given that address.
    """
    with listening() as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(make(address), ws="none", log_config=None, access_log=False)
        )

        def serve() -> None:
            asyncio.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=serve, name=f"serves {address}", daemon=True)
        thread.start()
        until = time.monotonic() + _START_S
        while not server.started:
            assert thread.is_alive(), "the server ended while it started"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.005)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(_START_S)
