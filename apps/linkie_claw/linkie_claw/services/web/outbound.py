"""
Calls to addresses that a user chose, which must not become calls into the operator's network.

The name is resolved once, every address it has must be a public one, and the connection goes to
the address that was checked, so a name that changes its answer changes nothing. No redirects,
no proxy from the environment, a time limit, and of the answer only its status is read.

Providers' addresses are the operator's choice and do not come here.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

URL_LENGTH_MAX: Final = 2048
#: IPv6 ranges that carry an IPv4 address in their last four bytes.
_NAT64: Final = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)
_COMPATIBLE: Final = ipaddress.ip_network("::/96")


@functools.cache
def tls() -> ssl.SSLContext:
    """The certificates that are trusted, loaded once for all clients."""
    return httpx.create_ssl_context()


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """The address may not be called; the text says why and shows no address that was found."""


def check_url(url: str, *, allow_private: bool) -> str:
    """
    The URL, when it has a form that could be called; what its name means is asked later.

    Raises:
        AddressRefused: It is not http or https, carries a password, or is a private address.
    """
    if len(url) > URL_LENGTH_MAX:
        raise AddressRefused(f"the address is longer than {URL_LENGTH_MAX} characters")
    if not url.isascii() or any(char <= " " or char in '\\"<>^`{|}\x7f' for char in url):
        raise AddressRefused("the address holds characters that an address does not have")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("the address cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefused("the address must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("the address must not hold a user name or a password")
    if port == 0:
        raise AddressRefused("the address has no such port")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return url
    if not allow_private and not is_public(literal):
        raise AddressRefused("the address is in a private network")
    return url


def is_public(address: _Address) -> bool:
    """Whether it is an address of the public internet, in whatever way it is written down."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
        if address in _COMPATIBLE:
            return False
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        # The client's address; the server's is a relay that the operator did not choose either.
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that were checked, and to no others."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        # A kept connection belongs to an address, and the next name at that address would take
        # it over without its certificate being looked at.
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Check, then send to the address that was checked."""
        host = request.url.host
        check_url(str(request.url), allow_private=self._allow_private)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = await self._resolve(host, port)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def _resolve(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("its name is not known") from error
        addresses = [str(each[4][0]).partition("%")[0] for each in found]
        if not self._allow_private:
            for address in addresses:
                if not is_public(ipaddress.ip_address(address)):
                    raise AddressRefused("the address leads into a private network")
        return addresses[0]

    async def aclose(self) -> None:
        """Give back what it holds."""
        await self._inner.aclose()


class Outbound:
    """
    Posts JSON to users' addresses.

    Args:
        allow_private: Private networks may be called; the operator's choice.
        timeout_s: For a whole call: name, connection, answer.
    """

    def __init__(self, *, allow_private: bool, timeout_s: float) -> None:
        self.allow_private = allow_private
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(allow_private=allow_private),
            verify=tls(),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """
        Post a JSON body; the status of the answer.

        Raises:
            AddressRefused: The address may not be called.
            TimeoutError: It took too long.
            httpx.HTTPError: There was no answer.
            httpx.InvalidURL: The address is none.
        """
        said = {"Content-Type": "application/json", **headers}
        async with (
            asyncio.timeout(self._timeout_s),
            self._client.stream("POST", url, content=body, headers=said) as response,
        ):
            return response.status_code

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
