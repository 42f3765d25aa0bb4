"""An application behind a real socket, in a thread of a test, for the time of a block."""

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
def served(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """
    The address at which an application is served.

    Args:
        make: Makes the application, given that address.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Head and body of an answer are two writes; without this the second one waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = uvicorn.Config(
            make(address), ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(settings)

        def serve() -> None:
            asyncio.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=serve, name=f"serves {address}", daemon=True)
        thread.start()
        until = time.monotonic() + _START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > until:
                raise RuntimeError(f"{address} did not start")
            time.sleep(0.005)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(_START_S)
