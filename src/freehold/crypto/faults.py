"""
The errors of the crypto room.

    StartError
    ├── KeysMissing
    │   └── ColumnKeyMissing        a sealed value names a key that the ring does not hold
    ├── KeysInvalid                 keys were given, and break a rule
    └── SecretsFileRefused          the secrets file cannot be trusted or understood
        └── SecretsFileExists       there is one already; it is never written over
    FreeholdError
    └── SealError                   a sealed value cannot be opened
        ├── SealedFormatInvalid     it has not the shape of a sealed value
        └── SealBroken              it is of another place, or was altered

None of them is a CallError: a caller can do nothing about them, so they become `internal`
on the wire and their text stays in the log. No text here ever holds a key, a plaintext
or a ciphertext.
"""

from __future__ import annotations

from pathlib import Path

from freehold.errors import FreeholdError, KeysMissing, StartError


class ColumnKeyMissing(KeysMissing):
    """A sealed value names a key that the ring does not hold; `key_id` is its name."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"the key ring holds no column key {key_id!r}.",
            hint="Add that key behind the primary one; a key may leave the ring only when "
            "no value and no kept backup is sealed with it.",
        )
        self.key_id = key_id


class KeysInvalid(StartError):
    """Keys were given, and break a rule; the text names the rule and never the key."""

    exit_code = 78


class SecretsFileRefused(StartError):
    """The secrets file cannot be trusted or understood."""

    exit_code = 78

    def __init__(self, path: Path, fault: str, *, hint: str) -> None:
        super().__init__(f"the secrets file {str(path)!r} {fault}.", hint=hint)
        self.path = path


class SecretsFileExists(SecretsFileRefused):
    """There is a file at that path already; it is as it was."""


class SealError(FreeholdError):
    """A sealed value cannot be opened."""


class SealedFormatInvalid(SealError):
    """The text has not the shape of a sealed value."""

    def __init__(self) -> None:
        super().__init__(
            "invalid sealed value format.",
            hint="A sealed value is `fh1.<key id>.<base64url>`; a value from before the column "
            "was sealed has to be sealed by a migration.",
        )


class SealBroken(SealError):
    """
    The value was sealed for another place, or was altered, or its key is another one.

    The three cannot be told apart, and must not be. The row's key is left out of the text,
    since a key may itself be personal.
    """

    def __init__(self, *, database: str, table: str, column: str) -> None:
        super().__init__(
            f"a sealed value in {database}.{table}.{column} does not belong to this place, "
            "or was altered.",
            hint="Look who wrote to the table beside the data layer, and whether the key of "
            "that id is still the one that sealed it.",
        )
        self.database, self.table, self.column = database, table, column
