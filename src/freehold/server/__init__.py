"""
Serving: one dispatcher on a TCP port and a Unix socket, by HTTP and by frames.

    listen ──> door ──> front (HTTP) ──> exchange ──> the dispatcher of `rpc`
                  └──> frames ───────────────────────────┘
    lifecycle starts and stops them; hub holds what all connections share.

What a method does, who may call it and where the data is, is decided elsewhere and handed in.
"""

from freehold.server.lifecycle import Listen, Server, run, run_until_signal, serve_until_signal
from freehold.server.listen import Addresses
from freehold.server.pages import Pages
from freehold.server.seams import Authenticator, CallDispatcher, Gauge, HealthSource, WriterState

__all__ = [
    "Addresses",
    "Authenticator",
    "CallDispatcher",
    "Gauge",
    "HealthSource",
    "Listen",
    "Pages",
    "Server",
    "WriterState",
    "run",
    "run_until_signal",
    "serve_until_signal",
]
