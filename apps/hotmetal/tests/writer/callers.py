"""Somebody who calls the writer over HTTP, with the API key or without."""

from __future__ import annotations

from typing import Any, Final

import httpx

KEY: Final = "a-key-for-tests"


class Caller:
    """
    Asks and gets a status with a plain value.

    Args:
        address: Where the writer is.
        key: What it shows; None for nothing.
    """

    def __init__(self, address: str, key: str | None = KEY) -> None:
        headers = {} if key is None else {b"X-API-Key": key.encode()}
        self.http = httpx.Client(base_url=address, headers=headers, timeout=30)

    def __call__(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body; `key` is the idempotency key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.http.request(method, path, json=body, headers=headers)
        return answer.status_code, answer.json()

    def get(self, path: str) -> Any:
        """What a good GET answers."""
        status, value = self("GET", path)
        assert status == 200, value
        return value

    def made(self, path: str, body: Any) -> Any:
        """What a POST made."""
        status, value = self("POST", path, body)
        assert status == 201, value
        return value

    def error(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and message of a refusal."""
        status, value = self(method, path, body)
        return status, value["error"]

    def close(self) -> None:
        """Close its connections."""
        self.http.close()
