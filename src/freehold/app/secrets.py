"""
Where an application's secrets come from: the pepper of its keys and the column keys.

Never from the database. The environment goes before the file, the application's own
variable before the library's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freehold.app.declaration import App
from freehold.clock import Clock
from freehold.crypto import KeyRing, Secret, SecretsFile
from freehold.errors import KeysMissing
from freehold.ids import Ids, IdStream

FILE_ENV: Final = "FREEHOLD_SECRETS_FILE"
COLUMN_KEYS_ENV: Final = "FREEHOLD_COLUMN_KEYS"


@dataclass(frozen=True)
class Secrets:
    """What must never be in the database."""

    pepper: Secret
    ring: KeyRing
    path: Path
    is_new: bool


def find_secrets(app: App, folder: Path, *, may_create: bool, clock: Clock, ids: Ids) -> Secrets:
    """
    The application's secrets.

    Args:
        app: May name a variable of its own for the column keys.
        folder: Where `secrets.json` is when FREEHOLD_SECRETS_FILE says nothing else.
        may_create: The database is new, so new secrets lose nothing.

    Raises:
        KeysMissing: There is a database but no secrets for it.
        StartError: The file or the variable is not usable.
    """
    path = Path(os.environ.get(FILE_ENV) or folder / "secrets.json")
    is_new = False
    try:
        found = SecretsFile.load(path)
    except KeysMissing:
        if not may_create:
            raise KeysMissing(
                f"{path} is not there, and the database was written with its secrets.",
                hint=f"Put the file back from where it is kept, or name it with {FILE_ENV}.",
            ) from None
        stream = IdStream(ids.seed(), 0)
        found, is_new = SecretsFile.create(path, stream.random_bytes, clock=clock), True
    for variable in (app.column_keys_env, COLUMN_KEYS_ENV):
        if variable and os.environ.get(variable):
            ring = KeyRing.parse(os.environ[variable])
            return Secrets(found.pepper, ring, path, is_new)
    return Secrets(found.pepper, found.ring, path, is_new)
