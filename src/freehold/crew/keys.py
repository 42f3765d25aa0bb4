"""
The keys of services: each its own, with exactly the scopes it was declared with.

A key is kept in a file beside the data, for its owner alone. It is made anew when the scopes
were changed, when it was revoked or has expired, or when the database does not know it; the
old one is revoked then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

from freehold.app import Service
from freehold.client import AsyncBinding, Mutation
from freehold.clock import SystemClock
from freehold.crew.private import write_private
from freehold.crypto import service_keys

_ENVIRONMENT: Final = "test"


class Desk(Protocol):
    """Who makes keys; answers are those of the operator's methods."""

    async def list_keys(self) -> list[dict[str, Any]]:
        """Every key, the revoked ones too."""

    async def create_key(self, name: str, scopes: list[str]) -> str:
        """A new test key, as text."""

    async def revoke_key(self, key_id: str) -> None:
        """End a key."""


class RunningDesk(AsyncBinding):
    """The data layer that runs, over the Unix socket that only its owner can open."""

    async def list_keys(self) -> list[dict[str, Any]]:
        """Every key, the revoked ones too."""
        found: list[dict[str, Any]] = await self._ask("listKeys")
        return found

    async def create_key(self, name: str, scopes: list[str]) -> str:
        """A new test key, as text."""
        data = {"name": name, "scopes": scopes, "environment": _ENVIRONMENT}
        made = await self._ask("createKey", data=data)
        key: str = made["key"]
        return key

    async def revoke_key(self, key_id: str) -> None:
        """End a key."""
        await self._ask("revokeKey", id=key_id)

    async def _ask(self, method: str, **args: Any) -> Any:
        return await self._call(Mutation[Any](f"Freehold.{method}"), args)


def key_file(folder: Path, service: str) -> Path:
    """Where the service's key is kept."""
    return folder / "services" / f"{service}.key"


async def ensure_key(service: Service, desk: Desk, folder: Path) -> Path:
    """
    The file with a living key of exactly the service's scopes.

    Raises:
        CallError: The data layer refuses, or is not there.
    """
    path = key_file(folder, service.name)
    name = f"{service.name} (dev)"
    wanted = sorted(set(service.scopes))
    kept = _kept_id(path)
    mine = [key for key in await desk.list_keys() if key["name"] == name]
    living = [key for key in mine if key["revokedAt"] is None]
    good = [key for key in living if key["id"] == kept and _is_good(key, wanted)]
    if not good:
        write_private(path, await desk.create_key(name, wanted) + "\n")
    for key in living:
        if key not in good:
            await desk.revoke_key(key["id"])
    return path


def _is_good(key: dict[str, Any], scopes: list[str]) -> bool:
    now_s = SystemClock().wall_ns() // 1_000_000_000
    lives = key["expiresAt"] is None or key["expiresAt"] > now_s
    is_plain = key["environment"] == _ENVIRONMENT and key["user"] is None
    return lives and is_plain and sorted(key["scopes"]) == scopes


def _kept_id(path: Path) -> str | None:
    try:
        kept = service_keys.parse(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None
    # A file that others can read is not kept: who has read it, has the key.
    if kept is None or path.stat().st_mode & 0o077:
        return None
    return kept.id
