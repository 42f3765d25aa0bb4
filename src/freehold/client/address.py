"""
Where a data layer is, and with which key: addresses and the environment of a binding.

    http://127.0.0.1:8791    frames by upgrade, or plain HTTP      https:// the same over TLS
    frames://127.0.0.1:8791  the same as http://                   unix:/run/app.sock

A binding named DAL reads `FREEHOLD_DAL`, `FREEHOLD_DAL_KEY` and `FREEHOLD_DAL_KEY_FILE`.
Nothing is opened here but the key's file.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

from freehold.errors import InvalidArgument, Unavailable

_BINDING: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_FORMS: Final = "http://host:port, https://host:port, frames://host:port or unix:/path/to.sock"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to: a Unix socket when `path` is set, else a host and a port."""

    text: str
    host: str = ""
    port: int = 0
    tls: bool = False
    path: str = ""

    @property
    def authority(self) -> str:
        """Host and port as a `Host` header says them."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A binding that knows where to go; the key does not show."""

    binding: str
    address: Address
    key: str | None = dataclasses.field(default=None, repr=False)

    def nobody_there(self, cause: BaseException | None = None) -> Unavailable:
        """What a caller reads when no data layer answers: which, where, and what to do."""
        place = f"{self.address.text} (binding {self.binding})"
        if isinstance(cause, PermissionError):
            return Unavailable(
                f"the data layer's socket at {place} may not be opened by this user.",
                hint="Run as the user who owns it, or use its port and a key.",
            )
        # Nobody listens, or there is no such socket: that is what the sentence says already.
        usual = cause is None or isinstance(cause, (ConnectionRefusedError, FileNotFoundError))
        return Unavailable(
            f"no data layer at {place}." if usual else f"no data layer at {place}: {cause!r}.",
            hint=(
                "Start it with `freehold dev` in the application's folder, "
                f"or set {variable(self.binding)} to where it listens."
            ),
        )


def variable(binding: str) -> str:
    """The environment variable that holds the binding's address."""
    return f"FREEHOLD_{binding}"


def parse_address(text: str) -> Address:
    """
    The address that the text writes down.

    Raises:
        InvalidArgument: It is none of the forms, or carries a path, a query or a password.
    """
    scheme, separator, rest = text.strip().partition(":")
    if scheme == "unix" and separator:
        path = "/" + rest.lstrip("/") if rest.startswith("//") else rest
        if not path.strip("/"):
            raise _bad_address(text, "it names no socket")
        return Address(text=f"unix:{path}", path=path)
    if scheme not in ("http", "https", "frames"):
        raise _bad_address(text, "it has no scheme that is known")
    return _parse_url(text)


def find_target(
    address: str | None,
    *,
    key: str | None,
    binding: str,
    environ: Mapping[str, str] | None = None,
) -> Target:
    """
    The binding's address and key: as given, else from the environment.

    Raises:
        Unavailable: Neither the call nor the environment says where the data layer is.
        InvalidArgument: The address, the binding's name or the key's file is not usable.
    """
    environ = os.environ if environ is None else environ
    name = binding.upper()
    if not _BINDING.fullmatch(name):
        raise InvalidArgument(
            f"{binding!r} cannot name a binding.",
            hint="Use letters, digits and underscores, a letter first.",
            path="binding",
        )
    found = address or environ.get(variable(name), "")
    if not found.strip():
        raise Unavailable(
            f"the binding {name} has no address: {variable(name)} is not set.",
            hint=(
                f"Set {variable(name)} to {_FORMS}; "
                "`freehold dev` prints where it listens when it starts."
            ),
        )
    return Target(name, parse_address(found), key or _key_of(name, environ))


def _key_of(binding: str, environ: Mapping[str, str]) -> str | None:
    name = f"{variable(binding)}_KEY"
    given = environ.get(name, "").strip()
    if given:
        return given
    file = environ.get(f"{name}_FILE", "").strip()
    if not file:
        return None
    try:
        return pathlib.Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"the key of binding {binding} cannot be read from {file!r}: {error}.",
            hint=f"Let {name}_FILE name a readable file that holds the key, or set {name}.",
        ) from error


def _parse_url(text: str) -> Address:
    try:
        parts = urllib.parse.urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise _bad_address(text, str(error)) from None
    if parts.username is not None or parts.password is not None:
        # The address is printed in messages; a key in it would be printed too.
        raise _bad_address(f"{parts.scheme}://…@…", "a key does not belong in it")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _bad_address(text, "it ends with the port")
    port = port if port is not None else _DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or not port:
        raise _bad_address(text, "it needs a host and a port")
    address = Address(text="", host=parts.hostname, port=port, tls=parts.scheme == "https")
    return dataclasses.replace(address, text=f"{parts.scheme}://{address.authority}")


def _bad_address(text: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"{text!r} is not the address of a data layer: {reason}.",
        hint=f"Write {_FORMS}.",
        path="address",
    )
