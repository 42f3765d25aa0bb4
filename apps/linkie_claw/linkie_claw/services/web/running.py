"""
Running the web service: settings from the environment, a log on standard error, a clean end.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Final

import uvicorn

from freehold.errors import CallError
from linkie_claw.services.web.app import create_app
from linkie_claw.services.web.log import say
from linkie_claw.services.web.settings import BadSetting, Settings, settings_from

#: As sysexits has it: something is wrong with the configuration.
_CONFIG: Final = 78
_HEADER_BYTES_MAX: Final = 16_384
_CONNECTIONS_MAX: Final = 500
_GRACE_S: Final = 15


def main() -> int:
    """Serve until a signal; the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    # httpx tells every call at this level, with addresses that users chose.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = settings_from(os.environ)
        server = _server(settings)
    except (BadSetting, CallError) as error:
        sys.stderr.write(f"linkie_claw: {error}\n")
        return _CONFIG
    # The server passes a signal on once it has stopped; it has done its work by then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    say("starting", address=f"http://{settings.host}:{settings.port}", public=settings.public_url)
    server.run()
    say("stopped")
    return 0 if server.started else 1


def _server(settings: Settings) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ws="none",
            limit_concurrency=_CONNECTIONS_MAX,
            h11_max_incomplete_event_size=_HEADER_BYTES_MAX,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
