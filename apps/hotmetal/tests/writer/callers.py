"""Somebody who calls the writer over HTTP, with the API key or without."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

KEY: Final = "a-key-for-tests"
_PATIENCE_S: Final = 20.0


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

    def made(self, path: str, body: Any = None) -> Any:
        """What a POST made."""
        status, value = self("POST", path, body)
        assert status == 201, value
        return value

    def error(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and message of a refusal."""
        status, value = self(method, path, body)
        return status, value["error"]

    def says(self, session_id: str, message: str) -> Any:
        """The agent's answer to a message."""
        status, value = self("POST", f"/api/sessions/{session_id}/chat", {"message": message})
        assert status == 200, value
        return value

    def streams(self, session_id: str, message: str) -> list[tuple[str, Any]]:
        """The events of a turn."""
        lines = []
        with self.http.stream(
            "POST",
            f"/api/sessions/{session_id}/chat",
            json={"message": message},
            headers={"Accept": "text/event-stream"},
        ) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = [*answer.iter_lines()]
        kinds = [line[7:] for line in lines if line.startswith("event: ")]
        fields = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        return list(zip(kinds, fields, strict=True))

    def session(self, **fields: Any) -> str:
        """The id of a new session."""
        id: str = self.made("/api/sessions", {"userId": "default"} | fields)["id"]
        return id

    def written(self, **fields: Any) -> str:
        """The id of a new session with a draft."""
        id = self.session(**({"title": "Kites", "seedContext": SEED} | fields))
        self.says(id, "Write the draft now.")
        return id

    def close(self) -> None:
        """Close its connections."""
        self.http.close()


#: An assignment as the scout and the promoting of an idea write it.
SEED: Final = """## Writing Assignment

**Publication:** Harbour Light
**Title:** The kite that pulls a ship
**Angle:** Wind is free again

**Brief:**
A freighter crossed with a kite. It burned a fifth less.

**Writing Tone:** Calm.

## Source Material

### Kites at sea
URL: https://kites.example/sea
The kite flew at 200 metres for nine days.
"""


def until(is_so: Callable[[], Any]) -> Any:
    """What the function gives, once it gives something; polls with a deadline."""
    end = time.monotonic() + _PATIENCE_S
    while not (value := is_so()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
    return value
