"""
A client process with one thing to do, under a key that whoever starts it has given.

It writes what it was answered into a file. When it was killed before that, it is started again
with the same key.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from freehold.errors import CallError
from tests.faults.ledger import LedgerClient


def run(address: str, name: str, key: str, *, answer: Path) -> None:
    """Add the name under the key, until it is answered."""
    place = asyncio.run(_add(address, name, key))
    part = answer.with_suffix(".part")
    part.write_text(str(place))
    os.replace(part, answer)


async def _add(address: str, name: str, key: str) -> int:
    async with LedgerClient.connect(address, timeout_s=5) as ledger:
        keyed = ledger.with_options(idempotency_key=key)
        while True:
            try:
                return await keyed.add(name)
            except CallError:
                await asyncio.sleep(0.02)
