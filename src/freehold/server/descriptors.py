"""
Descriptors of the process: enough for the database, whoever else asks for one.

A connection that is accepted takes a descriptor. When none is left, the database cannot open
its files either, so connections may never take the last ones: as many of them are served as
leave some over, and those that come after are told that all are taken.
"""

from __future__ import annotations

import dataclasses
import logging
import resource
from typing import Final

from freehold.wire.limits import Limits

_LOG = logging.getLogger("freehold.server")
#: For databases, sockets, logs and what an application opens itself.
RESERVED: Final = 96


def leave_some(limits: Limits) -> Limits:
    """
    The limits with no more connections than the process has descriptors for.

    The process's own soft limit is raised first, as far as the system lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections_max + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most >= wanted:
        return limits
    fewer = max(1, most - RESERVED)
    _LOG.warning(
        "%d descriptors are too few for connections_max = %d; %d connections are served",
        most, limits.connections_max, fewer,
    )  # fmt: skip
    return dataclasses.replace(limits, connections_max=fewer)
