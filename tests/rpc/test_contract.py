"""The contract: what it says of methods, types and errors, and when its hash changes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET

from freehold.db import Page, Reader, Writer
from freehold.errors import Conflict, ContractError
from freehold.rpc.contract import Contract, contract_of
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.method import raises
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import (
    AUTO,
    CreatedAt,
    EpochMillis,
    Maybe,
    PrimaryKey,
    Record,
    Struct,
    UpdatedAtMs,
)
from tests.rpc.shop import Part, Product, Shop


class Every(Record, table="every"):
    """One field of each type."""

    id: Annotated[str, PrimaryKey()]
    number: int
    big: Int64 | None
    ratio: float
    is_on: bool
    raw: bytes
    status: Literal["a", "b"] | None
    tags: list[str]
    part: Part | None
    extra: dict[str, Any]
    access_token: Sealed[str] | None = None
    token_hash: Hashed | None = None
    seen_at: EpochMillis | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAtMs = AUTO


class Moved(Conflict):
    """It is somewhere else."""

    to_place: str


class MovedFar(Moved):
    """It is far away."""

    distance_m: int | None


@raises(MovedFar, Conflict)
def get_every(
    db: Reader, either: str | int, left: Maybe[list[Part] | None] = UNSET, count: int = 7
) -> Page[Every]:
    """
    All of it.

        Kept as it is written.
    """
    raise MovedFar("far")


def forget(db: Writer, parts: list[Part] = [Part(part_name="x")]) -> None:  # noqa: B006, B008
    """Nothing comes back."""


class Desk(Entrypoint):
    """Two methods."""

    get_every = get_every
    forget = forget


def document(contract: Contract) -> dict[str, Any]:
    """The contract as a reader of its bytes sees it."""
    found: dict[str, Any] = json.loads(contract.to_json())
    return found


def test_a_method_is_written_down_whole() -> None:
    """Names in both spellings, kind, docs, parameters, result, scope and errors."""
    found = document(contract_of("demo", [Desk]))

    assert (found["freehold"], found["app"]) == (1, "demo")
    assert found["entrypoints"]["Desk"]["doc"] == "Two methods."
    assert found["entrypoints"]["Desk"]["methods"]["getEvery"] == {
        "name": "get_every",
        "kind": "query",
        "doc": "All of it.\n\n    Kept as it is written.",
        "scope": None,
        "params": [
            {
                "name": "either",
                "wire": "either",
                "type": {"t": "union", "of": [{"t": "str"}, {"t": "int"}]},
                "required": True,
            },
            {
                "name": "left",
                "wire": "left",
                "type": {
                    "t": "maybe",
                    "of": {
                        "t": "optional",
                        "of": {"t": "list", "of": {"t": "ref", "name": "Part"}},
                    },
                },
                "required": False,
            },
            {
                "name": "count",
                "wire": "count",
                "type": {"t": "int"},
                "required": False,
                "default": 7,
            },
        ],
        "returns": {"t": "page", "of": {"t": "ref", "name": "Every"}},
        "errors": ["Conflict", "MovedFar"],
    }
    forgotten = found["entrypoints"]["Desk"]["methods"]["forget"]
    assert (forgotten["kind"], forgotten["returns"]) == ("mutation", {"t": "none"})
    assert forgotten["params"][0]["default"] == [{"partName": "x", "weight": 1.0}]


def test_a_record_is_written_down_field_by_field() -> None:
    """Every type has its word; automatic fields are always there in an answer."""
    found = document(contract_of("demo", [Desk]))["types"]["Every"]
    fields = {field["wire"]: field for field in found["fields"]}

    assert (found["kind"], found["role"], found["doc"]) == (
        "struct", "record", "One field of each type.",
    )  # fmt: skip
    assert {name: field["type"] for name, field in fields.items()} == {
        "id": {"t": "str"},
        "number": {"t": "int"},
        "big": {"t": "optional", "of": {"t": "int64"}},
        "ratio": {"t": "float"},
        "isOn": {"t": "bool"},
        "raw": {"t": "bytes"},
        "status": {"t": "optional", "of": {"t": "literal", "values": ["a", "b"]}},
        "tags": {"t": "list", "of": {"t": "str"}},
        "part": {"t": "optional", "of": {"t": "ref", "name": "Part"}},
        "extra": {"t": "dict", "of": {"t": "any"}},
        "accessToken": {"t": "optional", "of": {"t": "sealed"}},
        "tokenHash": {"t": "optional", "of": {"t": "hashed"}},
        "seenAt": {"t": "optional", "of": {"t": "epoch_millis"}},
        "createdAt": {"t": "epoch_seconds"},
        "updatedAt": {"t": "epoch_millis"},
    }
    assert fields["createdAt"] == {
        "name": "created_at", "wire": "createdAt", "type": {"t": "epoch_seconds"}, "required": True,
    }  # fmt: skip
    assert fields["accessToken"]["default"] is None


def test_roles_say_what_a_struct_is_for() -> None:
    """Records are rows, inputs create, patches change, the rest are values."""
    found = document(contract_of("shop", [Shop]))["types"]

    assert {name: described["role"] for name, described in found.items()} == {
        "Product": "record",
        "NewProduct": "input",
        "ProductPatch": "patch",
        "Part": "value",
    }


def test_an_error_is_written_down_with_the_parts_that_travel() -> None:
    """Its own and its parents'; clients know the library's errors, so one of those is named."""
    found = document(contract_of("demo", [Desk]))["errors"]

    assert found == {
        "MovedFar": {
            "extends": "Conflict",
            "doc": "It is far away.",
            "fields": [
                {"name": "to_place", "wire": "toPlace", "type": {"t": "str"}},
                {
                    "name": "distance_m",
                    "wire": "distanceM",
                    "type": {"t": "optional", "of": {"t": "int"}},
                },
            ],
        }
    }


def test_the_same_code_gives_the_same_bytes_in_every_process() -> None:
    """Whatever the hash seed of the interpreter."""
    script = (
        "from tests.rpc.shop import Shop; from freehold.rpc.contract import contract_of; "
        "import sys; sys.stdout.buffer.write(contract_of('shop', [Shop]).to_json())"
    )

    others = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".:src"},
        ).stdout
        for seed in ("1", "2")
    ]

    assert others == [contract_of("shop", [Shop]).to_json()] * 2


def serving(**methods: Any) -> Contract:
    """A contract of one entrypoint with these methods."""
    return contract_of("demo", [type("Desk", (Entrypoint,), methods)])


def test_the_hash_covers_what_clients_depend_on_and_not_the_docs() -> None:
    """A corrected sentence sends nobody to the generator; a new parameter does."""

    def before(db: Reader, doc: str) -> str:
        return doc

    def documented(db: Reader, doc: str) -> str:
        """Now with a sentence."""
        return doc

    def changed(db: Reader, doc: str, more: int = 0) -> str:
        return doc

    hashes = [serving(get=function).hash for function in (before, documented, changed)]

    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 16
    assert document(serving(get=before))["hash"] == hashes[0]


def test_two_types_of_one_name_are_refused() -> None:
    """Clients know types by their names; the modules of both are told."""

    class Part(Struct):
        """Another one."""

        id: str

    def get_other(db: Reader) -> Any: ...

    get_other.__annotations__["return"] = Part
    with pytest.raises(ContractError, match="two types are called 'Part'") as refusal:
        serving(one=Shop.__methods__["returnNan"].function, other=get_other)

    assert "tests.rpc.shop" in refusal.value.detail


def test_two_entrypoints_or_errors_of_one_name_are_refused() -> None:
    """The same for them."""
    other = type("Desk", (Entrypoint,), {"forget": forget})
    with pytest.raises(ContractError, match="two entrypoints are called 'Desk'"):
        contract_of("demo", [Desk, other])

    again = raises(type("MovedFar", (Conflict,), {}))(forget)
    try:
        with pytest.raises(ContractError, match="two errors are called 'MovedFar'"):
            contract_of("demo", [type("One", (Entrypoint,), {"a": get_every, "b": again})])
    finally:
        del forget.__freehold_raises__  # type: ignore[attr-defined]


def test_a_part_of_an_error_travels_or_is_refused() -> None:
    """Like any other type."""

    class Odd(Conflict):
        """Cannot say when."""

        at: complex

    def odd(db: Reader) -> None: ...

    with pytest.raises(ContractError, match=r"Odd\.at: complex cannot travel"):
        serving(odd=raises(Odd)(odd))


def test_the_shop_knows_its_product() -> None:
    """A type that several methods mention is there once."""
    found = document(contract_of("shop", [Shop]))

    assert list(found["types"]) == sorted(found["types"])
    assert Product.__name__ in found["types"]
