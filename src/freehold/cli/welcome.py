"""
What `freehold dev` says when everything is up: where it is, and how to make the first call.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.text import Text

from freehold.app import App
from freehold.cli.console import TALK


def show_welcome(
    app: App,
    rows: Sequence[tuple[str, str]],
    *,
    seq: int,
    key: str,
    address: str,
    after: Sequence[tuple[str, str]] = (),
) -> None:
    """
    What to do first; nothing is wrapped, so that it can be copied.

    Args:
        app: The application.
        rows: Where it is, by name.
        seq: Its last commit.
        key: The developer's key.
        address: Where the first call goes.
        after: Further rows, behind those that every application has.
    """
    variable = f"FREEHOLD_{app.binding}"
    entrypoint = next(iter(app.entrypoints))
    title = f"{app.service} · {app.name} {app.version} · commit {seq}"
    TALK.print(Text(f"\n{title}", style="bold green"))
    own = [
        ("key", key),
        ("in Python", f"{entrypoint}.connect(), with {variable} and {variable}_KEY set to these"),
    ]
    width = max(10, *(len(name) for name, _ in after)) if after else 10
    for name, value in (*rows, *own, *after):
        TALK.print(Text.assemble((f"  {name:<{width}} ", "bold"), value))
    TALK.print(Text("\na first call", style="bold green"))
    TALK.print(Text(first_call(app, address, key) + "\n"))


def first_call(app: App, address: str, key: str) -> str:
    """A curl command of a query that needs no arguments, or of the first method there is."""
    name, entrypoint = next(iter(app.entrypoints.items()))
    methods = list(entrypoint.__methods__.values())
    easy = [m for m in methods if m.kind == "query" and not any(p.required for p in m.params)]
    method = (easy or methods)[0]
    body: dict[str, Any] = {p.wire: "…" for p in method.params if p.required}
    return (
        f"curl -X POST {address}/rpc/{name}/{method.wire} \\\n"
        f"  -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(msgspec.json.encode(body).decode())}"
    )
