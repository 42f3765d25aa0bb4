"""
Contracts for tests: small ones that differ in one point, and a large one.
"""

from __future__ import annotations

from typing import Any

STR = {"t": "str"}


def param(name: str, shape: Any = None, **rest: Any) -> dict[str, Any]:
    """A parameter or field; its name on the wire is the same."""
    return {"name": name, "wire": name, "type": shape or STR, "required": True, **rest}


def method(name: str = "get", *params: Any, **rest: Any) -> dict[str, Any]:
    """A query without a result."""
    whole: dict[str, Any] = {"name": name, "kind": "query", "doc": "", "scope": None}
    return {**whole, "errors": [], "params": [*params], "returns": {"t": "none"}, **rest}


def contract(
    *, methods: Any = None, types: Any = None, errors: Any = None, **rest: Any
) -> dict[str, Any]:
    """A contract with one entrypoint, `Api`."""
    entrypoints = {"Api": {"doc": "", "methods": methods or {}}}
    whole = {"freehold": 1, "app": "toy", "hash": "0123abcd", "entrypoints": entrypoints}
    return {**whole, "types": types or {}, "errors": errors or {}, **rest}


def struct(*fields: Any, role: str = "value", doc: str = "") -> dict[str, Any]:
    """A type."""
    return {"doc": doc, "kind": "struct", "role": role, "fields": [*fields]}


def large(methods: int) -> dict[str, Any]:
    """An application with very many methods, on many types."""
    types = {
        f"Row{n}": struct(
            param("id"),
            param("kind_of_row", {"t": "literal", "values": ["a", "b"]}),
            param("amount", {"t": "int64"}),
            param("next", {"t": "optional", "of": {"t": "ref", "name": f"Row{n}"}}),
            role="record",
        )
        for n in range(methods // 10)
    }
    made = {
        f"getRowNumber{n}": method(
            f"get_row_number{n}",
            param("id"),
            param("limit", {"t": "int"}, required=False, default=10),
            doc=f"The row of the table {n}.",
            kind="query" if n % 3 else "mutation",
            returns={"t": "list", "of": {"t": "ref", "name": f"Row{n % len(types)}"}},
        )
        for n in range(methods)
    }
    return contract(methods=made, types=types)
