"""
The contract's types in Python, and the names that a generated module imports for them.

An application may well have a type called `Page` or a field called `list`. Whatever the
module takes from elsewhere is then imported under a name with an underscore, so a word of the
contract always means what the contract says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UnsetType

from freehold.generate.layout import WIDTH, Group, string
from freehold.generate.model import Field, Shape

#: Longer ones get a name of their own, so that every line that mentions them stays short.
_INLINE_MAX: Final = 48

_SCALARS: Final = {
    "str": "str",
    "sealed": "str",
    "hashed": "str",
    "int": "int",
    "epoch_seconds": "int",
    "epoch_millis": "int",
    "float": "float",
    "bool": "bool",
    "bytes": "bytes",
}
_CLIENT: Final = "freehold.client"
_ERRORS: Final = "freehold.errors"


class Imports:
    """
    What a module takes from elsewhere, each under a name that the contract leaves free.

    Args:
        taken: Names that the generated module itself gives.
    """

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._used: dict[str, set[str]] = {}

    def builtin(self, name: str) -> str:
        """The name under which a built-in is reached."""
        return self._take("builtins", name) if name in self._taken else name

    def typing(self, name: str) -> str:
        """The same for a name of `typing`."""
        return self._take("typing", name)

    def client(self, name: str) -> str:
        """The same for a name of `freehold.client`."""
        return self._take(_CLIENT, name)

    def error(self, name: str) -> str:
        """The same for a library error."""
        return self._take(_ERRORS, name)

    def _take(self, module: str, name: str) -> str:
        self._used.setdefault(module, set()).add(name)
        return f"_{name}" if name in self._taken else name

    def lines(self) -> list[str]:
        """The import statements; the standard library first, then Freehold."""
        blocks = []
        for modules in (("builtins", "typing"), (_CLIENT, _ERRORS)):
            block = [line for module in modules for line in self._import(module)]
            if block:
                blocks.append(block)
        return [line for block in blocks for line in (*block, "")]

    def _import(self, module: str) -> list[str]:
        """One statement for what keeps its name, and one for each that does not."""
        names = sorted(self._used.get(module, ()), key=_order)
        plain = [name for name in names if name not in self._taken]
        found = {
            _order(name): [f"from {module} import {name} as _{name}"]
            for name in names
            if name in self._taken
        }
        if plain:
            lines = [f"from {module} import {', '.join(plain)}"]
            if len(lines[0]) > WIDTH:
                lines = [f"from {module} import (", *(f"    {name}," for name in plain), ")"]
            found[_order(plain[0])] = lines
        return [line for first in sorted(found) for line in found[first]]


def _order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then the rest, as import sorters have it."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


class Types:
    """
    Types as text; remembers the aliases that long ones need.

    Args:
        imports: Is told what the texts mention.
        taken: Names that an alias may not have.
    """

    def __init__(self, imports: Imports, taken: set[str]) -> None:
        self._imports = imports
        self._taken = set(taken)
        #: Name of the alias → its type, in the order in which they came up.
        self.aliases: dict[str, Group] = {}

    def text(self, shape: Shape, name: str) -> str:
        """
        The type as an annotation says it.

        Args:
            shape: What the contract says.
            name: What to call an alias for it, in CamelCase.
        """
        make = self._makers().get(shape.t)
        if make is not None:
            return make(shape, name)
        return self._imports.builtin(_SCALARS[shape.t])

    def _makers(self) -> dict[str, Callable[[Shape, str], str]]:
        take = self._imports
        return {
            "none": lambda shape, name: "None",
            "any": lambda shape, name: take.typing("Any"),
            "int64": lambda shape, name: take.client("Int64"),
            "ref": lambda shape, name: shape.name,
            "list": lambda shape, name: f"{take.builtin('list')}[{self.text(shape.inner, name)}]",
            "dict": lambda shape, name: (
                f"{take.builtin('dict')}[{take.builtin('str')}, {self.text(shape.inner, name)}]"
            ),
            "page": lambda shape, name: f"{take.client('Page')}[{self.text(shape.inner, name)}]",
            "maybe": lambda shape, name: f"{take.client('Maybe')}[{self.text(shape.inner, name)}]",
            "optional": self._optional,
            "literal": self._literal,
            "union": self._union,
        }

    def _optional(self, shape: Shape, name: str) -> str:
        inner = self.text(shape.inner, name)
        if can_be_none(shape.inner):
            return inner
        return f"{inner} | None"

    def _literal(self, shape: Shape, name: str) -> str:
        values = [literal(value) for value in shape.literals]
        group = Group(self._imports.typing("Literal"), values, opening="[")
        return self._short(group.flat(), group, name)

    def _union(self, shape: Shape, name: str) -> str:
        members = [self.text(each, f"{name}{at}") for at, each in enumerate(shape.members, 1)]
        unique = list(dict.fromkeys(members))
        if len(unique) == 1:
            return unique[0]
        text = " | ".join(unique)
        if len(text) <= _INLINE_MAX:
            return text
        return self._short(text, Group(self._imports.typing("Union"), unique, opening="["), name)

    def _short(self, text: str, group: Group, name: str) -> str:
        if len(text) <= _INLINE_MAX:
            return text
        while name in self._taken:
            name += "Value"
        self._taken.add(name)
        self.aliases[name] = group
        return name


def can_be_none(shape: Shape) -> bool:
    """Whether None is one of the type's values."""
    if shape.t in ("none", "any", "optional"):
        return True
    if shape.t == "literal":
        return None in shape.literals
    if shape.t == "union":
        return any(can_be_none(member) for member in shape.members)
    return shape.t == "maybe" and can_be_none(shape.inner)


def literal(value: str | int | float | bool | None) -> str:
    """A constant as Python writes it."""
    return string(value) if isinstance(value, str) else repr(value)


def default_text(each: Field, imports: Imports) -> str | None:
    """
    The field's default as Python writes it; None when it has none that can be written.

    A default that is not of the field's own type is none: it marks a value that the server sets.
    """
    shape, value = each.type, each.default
    if each.required or isinstance(value, UnsetType):
        return None
    if value is None:
        return "None" if can_be_none(shape) else None
    while shape.t in ("optional", "maybe"):
        shape = shape.inner
    if not _fits(shape, value):
        return None
    if shape.t == "int64":
        return f"{imports.client('Int64')}({int(value)})"
    return literal(value)


def factory_text(each: Field, imports: Imports) -> str | None:
    """What makes the field's default when that is an empty list or dict."""
    shape = each.type.inner if each.type.t == "optional" else each.type
    if each.required or each.default not in ([], {}):
        return None
    if shape.t == "list" and each.default == []:
        return imports.builtin("list")
    if shape.t == "dict" and each.default == {}:
        return imports.builtin("dict")
    return None


def _fits(shape: Shape, value: Any) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "sealed": (),
        "hashed": (),
        "int": (int,),
        "epoch_seconds": (int,),
        "epoch_millis": (int,),
        "float": (int, float),
        "bool": (bool,),
    }
    if shape.t == "int64":
        return not isinstance(value, bool) and str(value).removeprefix("-").isdecimal()
    if shape.t == "literal":
        return value in shape.literals
    if isinstance(value, bool):
        return shape.t == "bool"
    return isinstance(value, kinds.get(shape.t, ()))


def camel(name: str) -> str:
    """What msgspec's `rename="camel"` makes of a field's name."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def class_words(name: str) -> str:
    """A name as a part of a class's: `list_ideas` and `listIdeas` give `ListIdeas`."""
    whole = camel(name)
    return whole[:1].upper() + whole[1:]
