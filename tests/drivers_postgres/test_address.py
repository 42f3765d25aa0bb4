"""
Addresses: what is connected to, which schema, and what people are shown.
"""

from __future__ import annotations

import pytest

from freehold.drivers.postgres import Address, is_address
from freehold.errors import StartError


def test_an_address_without_a_schema_is_of_public() -> None:
    """The schema is PostgreSQL's own default, and the address says so to the server."""
    address = Address.parse("postgresql://ada@db.example.com/notes")

    assert address.schema == "public"
    assert address.url == "postgresql://ada@db.example.com/notes?search_path=public"


def test_the_first_schema_of_the_search_path_holds_the_tables() -> None:
    """Tables are made in the first one, and no other is looked into."""
    address = Address.parse("postgres://ada@db/notes?search_path=notes,public&sslmode=require")

    assert address.schema == "notes"
    assert "sslmode=require" in address.url
    assert "search_path=notes" in address.url


def test_who_opens_several_databases_chooses_the_schema() -> None:
    """The name that is given goes before the address's own."""
    assert Address.parse("postgresql://db/x?search_path=a", schema="ops").schema == "ops"


def test_a_password_is_never_shown() -> None:
    """Neither in the text for people nor in a traceback."""
    address = Address.parse("postgresql://ada:tops%23cret@db.example.com:6432/notes")

    assert "cret" not in address.shown
    assert "cret" not in repr(address)
    assert address.shown == "postgresql://ada@db.example.com:6432/notes"
    assert "tops%23cret" in address.url


@pytest.mark.parametrize("said", ["mysql://db/x", "redis://x", "sqlite:///x.db"])
def test_another_engine_is_refused_by_name(said: str) -> None:
    """The sentence names the engine that is not there, and not the address."""
    with pytest.raises(StartError, match=f"{said.split(':')[0]}:// is no engine"):
        Address.parse(said)


@pytest.mark.parametrize("name", ["a-b", "1a", 'x"; DROP', "ü", "a" * 64])
def test_a_schema_that_would_need_quotes_is_refused(name: str) -> None:
    """The name goes into the server's settings, where nothing may be quoted."""
    with pytest.raises(StartError, match="no name of a schema"):
        Address.parse("postgresql://db/x", schema=name)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("postgresql://x", True), ("postgres://x", True), ("notes.db", False), ("pg:x", False)],
)
def test_a_file_is_no_address(said: str, expected: bool) -> None:
    """Only the two schemes of PostgreSQL make an address."""
    assert is_address(said) is expected


@pytest.mark.parametrize("port", ["abc", "70000", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    """As a sentence, and without the password."""
    with pytest.raises(StartError, match="port of the address") as caught:
        Address.parse(f"postgresql://u:hidden@h:{port}/x")

    assert "hidden" not in str(caught.value)
