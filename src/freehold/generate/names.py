"""
Which words of a contract may become names in generated code, and that none means two things.

The list of what is allowed is short on purpose: letters, digits and underscores, a letter
first. So no name can close a string, open a comment or reach `__proto__`; and names of the
generated code's own begin with an underscore, which no name of a contract does.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Final

from freehold.errors import ContractError, call_errors
from freehold.generate.model import AROUND_ONE, PLAIN, Contract, Entrypoint, Field, Shape, shapes_of

_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_APP: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}", re.ASCII)

#: What every binding has itself, or is about to have.
_BINDING_NAMES: Final = frozenset(
    {
        "acting_as",
        "actingAs",
        "close",
        "connect",
        "in_process",
        "inProcess",
        "seq",
        "transaction",
        "wait_until_ready",
        "waitUntilReady",
        "watch",
        "with_options",
        "withOptions",
    }
)
#: What JavaScript would take for something else on an object with methods.
_OBJECT_NAMES: Final = frozenset(
    {
        "constructor",
        "hasOwnProperty",
        "prototype",
        "then",
        "toJSON",
        "toString",
        "valueOf",
    }
)


def check_names(contract: Contract) -> None:
    """
    Refuse a contract of which no harmless code can be made.

    Raises:
        ContractError: A word is not an identifier, is reserved, or is there twice; it is named,
            with its place.
    """
    if not _APP.fullmatch(contract.app):
        raise _refusal("the application's name", contract.app)
    if not _HASH.fullmatch(contract.hash):
        raise ContractError(f"the contract's hash {contract.hash!r} is not hexadecimal.")
    for name, entrypoint in contract.entrypoints.items():
        _check_identifier("the entrypoint", name)
        _check_methods(name, entrypoint)
    for name, kind in contract.types.items():
        _check_identifier("the type", name)
        _check_fields(name, kind.fields)
    for name, error in contract.errors.items():
        _check_identifier("the error", name)
        _check_fields(name, error.fields)
    _check_module_names(contract)
    for place, shape in shapes_of(contract):
        _check_shape(place, shape, contract)
    _check_error_trees(contract)


def _check_methods(name: str, entrypoint: Entrypoint) -> None:
    for wire, method in entrypoint.methods.items():
        place = f"{name}.{wire}"
        for word in (wire, method.name):
            _check_identifier(f"the method {place}", word)
            if word in _BINDING_NAMES or word in _OBJECT_NAMES:
                raise ContractError(
                    f"the method {place} cannot be called {word!r}: a binding's own {word!r} "
                    "would be hidden.",
                    hint='Serve it under another name: method(function, name="…").',
                )
        _check_fields(place, method.params)
        if any(param.name == "self" for param in method.params):
            raise _refusal(f"a parameter of {place}", "self")
    _check_unique(name, [method.name for method in entrypoint.methods.values()])


def _check_fields(place: str, fields: list[Field]) -> None:
    for each in fields:
        _check_identifier(f"a name in {place}", each.name)
        _check_identifier(f"a name in {place}", each.wire)
    _check_unique(place, [each.name for each in fields])
    _check_unique(place, [each.wire for each in fields])


def _check_identifier(place: str, word: str) -> None:
    if not _IDENTIFIER.fullmatch(word) or keyword.iskeyword(word):
        raise _refusal(place, word)


def _check_unique(place: str, words: Iterable[str]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise ContractError(f"{place} has {word!r} twice.")
        seen.add(word)


def _check_module_names(contract: Contract) -> None:
    """Types, errors and entrypoints share the generated module."""
    entrypoints = [n for name in contract.entrypoints for n in (name, f"{name}Sync")]
    modules = [*entrypoints, *contract.types, *contract.errors]
    _check_unique("the generated module", modules)
    inside = members(contract)
    for name in modules:
        if name in inside:
            raise ContractError(
                f"{name!r} is the name of a class, and of a field or method too.",
                hint="Write classes in CamelCase, and fields and methods in snake_case.",
            )
    for name in contract.errors:
        if name in call_errors():
            raise ContractError(
                f"the error {name!r} has the name of one of the library's.",
                hint="Raise the library's, or give yours a name that says what happened.",
            )


def members(contract: Contract) -> set[str]:
    """Names that stand inside classes and functions of the generated module."""
    found = {each.name for kind in contract.types.values() for each in kind.fields}
    found |= {each.name for error in contract.errors.values() for each in error.fields}
    for entrypoint in contract.entrypoints.values():
        for method in entrypoint.methods.values():
            found.add(method.name)
            found |= {param.name for param in method.params}
    return found


def _check_shape(place: str, shape: Shape, contract: Contract) -> None:
    if shape.t in PLAIN:
        return
    if shape.t in AROUND_ONE:
        _check_shape(place, shape.inner, contract)
    elif shape.t == "union":
        for member in shape.members:
            _check_shape(place, member, contract)
        _check_union(place, shape)
    elif shape.t == "ref":
        if shape.name not in contract.types:
            raise ContractError(f"{place} is of the type {shape.name!r}, which is not there.")
    elif shape.t == "literal":
        _check_unique(place, [repr(value) for value in shape.literals])
    else:
        raise ContractError(
            f"{place} is of a type {shape.t!r} that this version does not know.",
            hint="Generate with the version that made the contract, or a newer one.",
        )


#: What looks the same on the wire; a union may have one of each sort.
_LOOKS: Final = {
    "ref": "object",
    "dict": "object",
    "page": "object",
    "list": "list",
    "str": "text",
    "sealed": "text",
    "hashed": "text",
    "bytes": "text",
    "int64": "text",
}


def _check_union(place: str, union: Shape) -> None:
    """Refuse a union of which a reader could not tell which member it has before it."""
    seen: dict[str, set[str]] = {}
    flat = [shape for shape in _flat(union) if shape.t != "none"]
    for shape in flat:
        look = "text" if isinstance((shape.values or [0])[0], str) else _LOOKS.get(shape.t, "")
        # Several texts that are `str` in Python are one and the same to a reader.
        kind = shape.t if shape.t in ("bytes", "int64") or look != "text" else "str"
        kinds = seen.setdefault(look, set())
        is_twice = look in ("object", "list") and len(kinds) > 0
        kinds.add(kind)
        if is_twice or (look == "text" and len(kinds) > 1):
            raise ContractError(
                f"{place} is a union of which two members look alike ({look}s).",
                hint="Use one type with a Literal field that says which kind it is.",
            )
    if any(shape.t == "int64" for shape in flat) and len(flat) > 1:
        raise ContractError(
            f"{place} is a union of int64 and something else, which no decoder takes.",
            hint="Use int, or a type with a field for each.",
        )


def _flat(shape: Shape) -> list[Shape]:
    """The members of a union, those of unions inside it among them."""
    if shape.t == "union":
        return [one for member in shape.members for one in _flat(member)]
    if shape.t in ("optional", "maybe"):
        return _flat(shape.inner)
    return [shape]


def _check_error_trees(contract: Contract) -> None:
    library = call_errors()
    for name in contract.errors:
        seen = [name]
        while seen[-1] not in library:
            parent = contract.errors.get(seen[-1])
            if parent is None:
                raise ContractError(f"the error {name!r} extends {seen[-1]!r}, which is not there.")
            if parent.extends in seen:
                raise ContractError(f"the error {name!r} extends itself.")
            seen.append(parent.extends)


def _refusal(place: str, word: str) -> ContractError:
    return ContractError(
        f"{place} cannot be called {word!r}.",
        hint=(
            "Use letters, digits and underscores, a letter first, 63 characters at most, "
            "and no word of Python's own."
        ),
    )
