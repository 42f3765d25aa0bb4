"""
What an application declares, as far as its processes need to know.

`dev` reads it from the application that it has imported; after a change from a fresh process,
for what was imported once stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from freehold.app import App, Service
from freehold.errors import StartError


class Declared(msgspec.Struct, frozen=True):
    """
    Args:
        data_layer: The name of the data layer among the services.
        file: The file that makes the application.
        secret: A variable that is the data layer's alone, if there is one.
        services: All services.
    """

    data_layer: str
    file: Path
    secret: str | None
    services: Sequence[Service]

    @classmethod
    def of(cls, app: App) -> Declared:
        """What the application declares."""
        return cls(app.service, app.made_in, app.column_keys_env, app.services)


def written(app: App) -> str:
    """What the application declares, as one line of JSON."""
    services = [
        {
            **{name: getattr(each, name) for name in each.__dataclass_fields__},
            "addresses": dict(each.addresses),
            "neighbours": dict(each.neighbours),
            "environ": dict(each.environ),
        }
        for each in app.services
    ]
    said = {"data_layer": app.service, "file": str(app.made_in), "secret": app.column_keys_env}
    return msgspec.json.encode({**said, "services": services}).decode()


def read(line: str) -> Declared:
    """
    What `written` has written.

    Raises:
        StartError: It is something else.
    """
    try:
        said: dict[str, Any] = msgspec.json.decode(line)
        services = [Service(**each) for each in said["services"]]
        return Declared(said["data_layer"], Path(said["file"]), said["secret"], services)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise StartError(
            "the application did not say what services it has.",
            hint="Does something in it print while it is imported?",
        ) from error
