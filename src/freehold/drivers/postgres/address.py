"""
The address of a database on a server, taken apart and shown without its password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from freehold.errors import StartError

SCHEMES: Final = ("postgresql", "postgres")
_SCHEMA_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def is_address(said: str) -> bool:
    """Whether it is the address of a server and not the path of a file."""
    return said.split("://", 1)[0] in SCHEMES and "://" in said


@dataclass(frozen=True)
class Address:
    """
    Where a database is.

    Args:
        url: What the driver connects to; may hold a password.
        schema: The PostgreSQL schema that holds the tables.
    """

    url: str
    schema: str

    @classmethod
    def parse(cls, said: str, *, schema: str | None = None) -> Address:
        """
        Take an address apart: `postgresql://user@host:port/database?search_path=schema`.

        Args:
            said: The address.
            schema: The PostgreSQL schema, when the address is not to choose.

        Raises:
            StartError: It is no such address; the sentence never shows a password.
        """
        parts = urlsplit(said)
        if parts.scheme not in SCHEMES:
            raise StartError(
                f"{parts.scheme or said.split(':')[0]}:// is no engine of this build.",
                hint="Give the path of a file, or postgresql://user@host/database.",
            )
        try:
            _ = parts.port
        except ValueError:
            raise StartError(
                "the port of the address is no number from 0 to 65535.",
                hint="postgresql://user@host:5432/database",
            ) from None
        query = dict(parse_qsl(parts.query))
        chosen = schema or query.get("search_path", "public").split(",")[0].strip() or "public"
        if not _SCHEMA_NAME.fullmatch(chosen):
            raise StartError(
                f"{chosen!r} is no name of a schema.", hint="Letters, digits and _, 63 at most."
            )
        query["search_path"] = chosen
        url = urlunsplit(parts._replace(query=urlencode(query, quote_via=quote, safe="/")))
        return cls(url, chosen)

    @property
    def shown(self) -> str:
        """The address for people and logs, without the password."""
        parts = urlsplit(self.url)
        user = f"{unquote(parts.username)}@" if parts.username else ""
        query = dict(parse_qsl(parts.query))
        host = query.get("host") or parts.hostname or "localhost"
        port = f":{parts.port}" if parts.port else ""
        inside = "" if self.schema == "public" else f" ({self.schema})"
        return f"postgresql://{user}{host}{port}{parts.path}{inside}"

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"
