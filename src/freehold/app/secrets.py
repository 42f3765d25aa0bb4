"""
Where an application's secrets come from: the pepper of its keys and the column keys.

Never from the database. The environment goes before the file, the application's own
variable before the library's.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from freehold.app.declaration import App
from freehold.clock import Clock
from freehold.crypto import KeyRing, Secret, SecretsFile, SecretsFileRefused
from freehold.errors import KeysMissing, StartError
from freehold.ids import Ids, IdStream

_LOG = logging.getLogger("freehold.app")
FILE_ENV: Final = "FREEHOLD_SECRETS_FILE"
COLUMN_KEYS_ENV: Final = "FREEHOLD_COLUMN_KEYS"


@dataclass(frozen=True)
class Secrets:
    """What must never be in the database."""

    pepper: Secret
    ring: KeyRing
    path: Path
    is_new: bool
    #: The environment variable that the column keys come from; None when it is the file.
    variable: str | None = None

    def read_again(self) -> KeyRing | None:
        """
        The ring of the file as it is now; None when the keys come from the environment.

        Raises:
            StartError: The file is not usable, or its pepper is another one.
        """
        if self.variable is not None:
            return None
        found = SecretsFile.load(self.path)
        if found.pepper != self.pepper:
            raise SecretsFileRefused(
                self.path, "has another pepper than it had", hint="Put the right one back."
            )
        return found.ring

    def take_up(self) -> None:
        """Hold the keys that the file has now; what is wrong with it is logged, and no more."""
        try:
            newer = self.read_again()
            if newer is not None:
                self.ring.become(newer)
        except (StartError, KeysMissing) as error:
            _LOG.warning("the secrets were not read again: %s", error.detail)


def secrets_path(folder: Path) -> Path:
    """The secrets file of an application whose files are in that folder."""
    return Path(os.environ.get(FILE_ENV) or folder / "secrets.json")


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
    path = secrets_path(folder)
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
            return Secrets(found.pepper, ring, path, is_new, variable)
    secrets = Secrets(found.pepper, found.ring, path, is_new)
    # A value may name a key that another process has been given since.
    secrets.ring.missing = partial(_newer, secrets)
    return secrets


def _newer(secrets: Secrets) -> KeyRing | None:
    try:
        return secrets.read_again()
    except StartError as error:
        _LOG.warning("the secrets were not read again: %s", error.detail)
        return None
