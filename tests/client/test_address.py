"""
Addresses, the environment of a binding, and the sentence for who finds nobody there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.client.address import Address, find_target, parse_address
from freehold.errors import InvalidArgument, Unavailable


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8791", Address("http://127.0.0.1:8791", "127.0.0.1", 8791)),
        ("http://127.0.0.1:8791/", Address("http://127.0.0.1:8791", "127.0.0.1", 8791)),
        ("frames://db.local:1", Address("frames://db.local:1", "db.local", 1)),
        ("https://db.example", Address("https://db.example:443", "db.example", 443, tls=True)),
        ("http://[::1]:80", Address("http://[::1]:80", "::1", 80)),
        ("unix:/run/x.sock", Address("unix:/run/x.sock", path="/run/x.sock")),
        ("unix:///run/x.sock", Address("unix:/run/x.sock", path="/run/x.sock")),
        ("unix:x.sock", Address("unix:x.sock", path="x.sock")),
        (" unix:/x \n", Address("unix:/x", path="/x")),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    """Each form means one place, and is shown again in one spelling."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "localhost:8791",
        "8791",
        "",
        "unix:",
        "unix:/",
        "ftp://x:1",
        "frames://x",
        "http://",
        "http://x:99999",
        "http://x:1/path",
        "http://x:1/?q=1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The refusal shows the forms that there are."""
    with pytest.raises(InvalidArgument, match=r"unix:/path/to\.sock"):
        parse_address(text)


def test_a_key_in_the_address_is_refused_and_not_repeated() -> None:
    """Addresses are printed in messages, so a secret in one would be printed too."""
    with pytest.raises(InvalidArgument) as refusal:
        parse_address("http://user:fh_live_secret@x:1")

    assert "fh_live_secret" not in str(refusal.value)


def test_the_environment_says_where_and_with_which_key(tmp_path: Path) -> None:
    """The binding's name is in the variables; a file may hold the key."""
    file = tmp_path / "key"
    file.write_text("fh_test_2\n")
    environ = {
        "FREEHOLD_DAL": "unix:/a.sock",
        "FREEHOLD_DAL_KEY": "fh_test_1",
        "FREEHOLD_SCOUT": "http://x:1",
        "FREEHOLD_SCOUT_KEY_FILE": str(file),
    }

    dal = find_target(None, key=None, binding="DAL", environ=environ)
    scout = find_target(None, key=None, binding="scout", environ=environ)

    assert (dal.address.path, dal.key) == ("/a.sock", "fh_test_1")
    assert (scout.binding, scout.address.port, scout.key) == ("SCOUT", 1, "fh_test_2")


def test_what_the_call_says_comes_before_the_environment() -> None:
    """An explicit address and key win."""
    environ = {"FREEHOLD_DAL": "unix:/a.sock", "FREEHOLD_DAL_KEY": "fh_test_1"}

    target = find_target("unix:/b.sock", key="fh_test_2", binding="DAL", environ=environ)

    assert (target.address.path, target.key) == ("/b.sock", "fh_test_2")


def test_no_address_is_told_by_the_variables_name() -> None:
    """The message names the variable to set."""
    with pytest.raises(Unavailable, match="FREEHOLD_DAL is not set"):
        find_target(None, key=None, binding="DAL", environ={})


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The refusal names the file and the variable."""
    environ = {"FREEHOLD_DAL": "unix:/a", "FREEHOLD_DAL_KEY_FILE": str(tmp_path / "gone")}

    with pytest.raises(InvalidArgument, match=r"gone.*FREEHOLD_DAL_KEY_FILE"):
        find_target(None, key=None, binding="DAL", environ=environ)


def test_a_binding_has_a_name_that_can_stand_in_a_variable() -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidArgument, match="cannot name a binding"):
        find_target("unix:/a", key=None, binding="my-dal", environ={})


def test_nobody_there_says_which_where_and_what_to_do() -> None:
    """Binding, address, and the two ways out."""
    target = find_target("unix:/run/x.sock", key=None, binding="DAL", environ={})

    said = str(target.nobody_there(FileNotFoundError()))

    assert said.startswith("no data layer at unix:/run/x.sock (binding DAL).")
    assert "Start it with `freehold dev`" in said
    assert "set FREEHOLD_DAL to where it listens" in said


def test_other_reasons_are_told() -> None:
    """A refusal of the socket, and a failure that is no plain absence, say so."""
    target = find_target("unix:/run/x.sock", key=None, binding="DAL", environ={})

    assert "may not be opened by this user" in str(target.nobody_there(PermissionError()))
    assert "certificate" in str(target.nobody_there(OSError("bad certificate")))


def test_the_key_is_not_shown() -> None:
    """The repr of a target leaves it out."""
    target = find_target("unix:/a", key="fh_live_secret", binding="DAL", environ={})

    assert "fh_live_secret" not in repr(target)
