"""
Which addresses are called on a user's wish: those of the public internet, however written.
"""

from __future__ import annotations

import asyncio
import ipaddress

import httpx
import pytest
from linkie_claw.services.web.outbound import AddressRefused, Outbound, check_url, is_public

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "fec0::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "100::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known(address: str) -> None:
    """Loopback, private, link-local, metadata, test, multicast; and v4 inside v6."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_known(address: str) -> None:
    """The rest of the internet may be called."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd",
        "gopher://example.com", "javascript:alert(1)", "http://", "http:///path", "https://:443",
        "http://user@example.com", "http://user:pass@example.com", "http://example.com:0",
        "http://example.com:99999", "http://exa mple.com", "http://example.com\r\nHost: evil",
        "http://example.com\\@evil", "http://[::1", "http://ex\u00e4mple.com",
        "http://\uff11.1.1.1",
        "http://127.0.0.1", "https://127.0.0.1:8443/x", "http://[::1]/", "http://0.0.0.0",
        "http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/", "http://10.1.2.3", "HTTP://192.168.0.1",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_called_are_refused(url: str) -> None:
    """When they are set, before anybody resolves a name."""
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://example.com", "https://hooks.example:8443/a?b=c#d"])
def test_addresses_that_can_be_called_are_taken_as_they_are(url: str) -> None:
    """Whatever their name may mean is asked when they are called."""
    assert check_url(url, allow_private=False) == url


def posted(url: str, *, allow_private: bool = False) -> int:
    """Post to the address; the status."""

    async def post() -> int:
        outbound = Outbound(allow_private=allow_private, timeout_s=2)
        try:
            return await outbound.post(url, b"{}", {})
        finally:
            await outbound.close()

    return asyncio.run(post())


@pytest.mark.parametrize(
    "host",
    ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "[::1]"],
)
def test_a_name_that_leads_home_is_not_called(host: str) -> None:
    """What a host means is found out before it is called, in all its old spellings."""
    with pytest.raises((AddressRefused, httpx.ConnectError, httpx.InvalidURL)):
        posted(f"http://{host}:1/")


def test_a_name_that_nobody_has_is_an_error_of_the_call() -> None:
    """As if nobody had answered."""
    with pytest.raises(httpx.ConnectError):
        posted("http://no-such-name.invalid/")
