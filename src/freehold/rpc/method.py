"""
One method of an entrypoint, read from a domain function's signature.

`read_method` makes it, at import, and refuses what clients could not be made for. What a
body must look like is in `arguments`; who gathers methods is `entrypoint`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any, Final, Literal, TypeAlias, TypeVar

from msgspec import NODEFAULT, UNSET

from freehold.db import Reader, Writer
from freehold.errors import CallError, ContractError, call_errors
from freehold.rpc.shapes import (
    FieldShape,
    Shape,
    document_of,
    fields_of,
    refuse_collisions,
    role_of,
    shape_of,
)
from freehold.schema import wire_name

MethodKind: TypeAlias = Literal["query", "mutation"]
F = TypeVar("F", bound=Callable[..., Any])

_RAISES: Final = "__freehold_raises__"
#: Types that mean the same to every caller and to every field, so a default of None is fine.
_TAKES_NONE: Final = ("optional", "none", "any")


@dataclass(frozen=True)
class Param(FieldShape):
    """One parameter: its names and shape, and what calling needs."""

    hint: Any = None
    is_keyword: bool = False
    #: The default itself, UNSET included; NODEFAULT when the parameter must be given.
    value: Any = NODEFAULT


@dataclass(frozen=True, eq=False)
class Method:
    """A domain function under the name that callers use."""

    entrypoint: str
    #: As the entrypoint's class spells it, `get_user_by_id`.
    name: str
    #: As the wire spells it, `getUserById`.
    wire: str
    function: Callable[..., Any]
    kind: MethodKind
    params: tuple[Param, ...]
    returns: Shape
    errors: tuple[type[CallError], ...]
    scope: str | None
    doc: str
    #: Names that parameters had before, each with the wire name of today.
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: The answer holds a secret that is shown once.
    reveals: bool = False
    #: Why it works on the rows of more users than one; None when it does not say so.
    crosses_users: str | None = None
    #: Every call of it is written into the audit log.
    audited: bool = False

    @property
    def full_name(self) -> str:
        """`DataLayer.getUserById`."""
        return f"{self.entrypoint}.{self.wire}"

    @cached_property
    def answer_type(self) -> Any:
        """The type that its answers are of."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        return hints.get("return", Any)


@dataclass(frozen=True)
class Declaration:
    """What `method(…)` says beyond the function itself."""

    function: Callable[..., Any]
    name: str | None = None
    scope: str | None = None
    aliases: Mapping[str, str] | None = None
    reveals: bool = False
    audited: bool = False
    crosses_users: str | None = None


def method(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    scope: str | None = None,
    aliases: Mapping[str, str] | None = None,
    reveals: bool = False,
    audited: bool = False,
    crosses_users: str | None = None,
) -> Any:
    """
    A method that is more than its function.

        class DataLayer(Entrypoint):
            open_connection = method(connections.open_connection, scope="connection_tokens")

    Args:
        fn: The domain function.
        name: What callers call it when that is not the attribute's name.
        scope: A word that a key must have among its scopes; no wildcard gives it.
        aliases: Names that parameters had before, `{"user": "user_id"}`; still accepted.
        reveals: The answer holds a secret that is shown once, a new token say. What is kept of
            it for a repeated call is sealed, and for ten minutes only.
        audited: A mutation whose every call is written into the audit log, in its own
            transaction; `Database(…, audit="mutations")` says so of all of them.
        crosses_users: Why it works on the rows of more users than one. Where records have an
            `Owner()`, a method that takes no owner must say so, and have a `scope`; see
            `Entrypoint.crosses_users` for many at once.
    """
    return Declaration(fn, name, scope, aliases, reveals, audited, crosses_users)


def raises(*errors: type[CallError]) -> Callable[[F], F]:
    """
    Say which errors a domain function can end with, so that clients get them typed.

        @raises(IdeaAlreadyPromoted, NotFound)
        def promote_idea(db: Writer, id: str, writer_id: str) -> Idea: ...

    An error of the application extends one of `freehold.errors` and annotates the parts that
    travel; they are read from the instance:

        class IdeaAlreadyPromoted(Conflict):
            taken_by: str

            def __init__(self, taken_by: str) -> None:
                super().__init__(f"{taken_by!r} has it.")
                self.taken_by = taken_by

    Raises:
        ContractError: One of them is not a CallError.
    """
    for error in errors:
        said: Any = error
        if not (isinstance(said, type) and issubclass(said, CallError)):
            raise ContractError(
                f"raises({getattr(error, '__name__', error)}): only a CallError travels.",
                hint="Extend one of freehold.errors: NotFound, Conflict, InvalidArgument, ….",
            )
        known = call_errors().get(error.__name__)
        if known not in (None, error):
            raise ContractError(
                f"raises({error.__name__}): Freehold has an error of that name.",
                hint="Give yours a name of its own; clients tell errors apart by it.",
            )

    def mark(function: F) -> F:
        earlier: tuple[type[CallError], ...] = getattr(function, _RAISES, ())
        setattr(function, _RAISES, (*errors, *earlier))
        return function

    return mark


def read_method(entrypoint: str, attribute: str, *, declared: Declaration) -> Method:
    """
    The method that a function makes.

    Raises:
        ContractError: Names the entrypoint, the method, the parameter, and what to write.
    """
    name = declared.name or attribute
    where = f"{entrypoint}.{attribute}"
    function = _plain_function(where, declared.function)
    if not (name.isascii() and name.isidentifier()) or name.startswith("_"):
        raise ContractError(
            f"{where}: {name!r} is not a method's name.",
            hint="Use ASCII letters, digits and underscores, a letter first.",
        )
    hints = _hints(where, function)
    handle, *rest = _parameters(where, function)
    kind = _kind(where, function, hints.get(handle.name))
    params = tuple(_param(where, each, hints) for each in rest)
    refuse_collisions(where, [(param.name, param.wire) for param in params], kind="parameter")
    if "return" not in hints:
        raise ContractError(
            f"{where}: {function.__qualname__} does not say what it returns.",
            hint="Add `-> …`; `-> None` when it returns nothing.",
        )
    return Method(
        entrypoint=entrypoint,
        # A name of its own is the wire's; Python keeps the attribute's.
        name=attribute,
        wire=wire_name(name),
        function=function,
        kind=kind,
        params=params,
        returns=shape_of(hints["return"], f"{where} -> return"),
        errors=getattr(function, _RAISES, ()),
        scope=_scope(where, declared.scope),
        doc=document_of(function),
        aliases=_aliases(where, params, declared.aliases or {}),
        reveals=declared.reveals,
        crosses_users=declared.crosses_users,
        audited=_audited(where, kind, declared),
    )


def _audited(where: str, kind: MethodKind, declared: Declaration) -> bool:
    if declared.audited and kind == "query":
        raise ContractError(
            f"{where}: a query changes nothing, and the audit log is of changes.",
            hint="Take audited=True away, or let the function take a Writer.",
        )
    return declared.audited


def _plain_function(where: str, function: Any) -> FunctionType:
    if not isinstance(function, FunctionType):
        raise ContractError(
            f"{where}: {function!r} is not a plain function.",
            hint="Assign a domain function: `get_user = users.get_user`.",
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ContractError(
            f"{where}: {function.__qualname__} is `async def`.",
            hint="Write a plain `def`: it runs where the database is and waits for nothing else.",
        )
    if inspect.isgeneratorfunction(function):
        raise ContractError(
            f"{where}: {function.__qualname__} yields.",
            hint="Return a list: an answer is complete before the snapshot is gone.",
        )
    return function


def _hints(where: str, function: FunctionType) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ContractError(
            f"{where}: an annotation of {function.__qualname__} names {error.name!r}, "
            "which its module does not have at run time.",
            hint="Import it outside `if TYPE_CHECKING:`.",
        ) from None
    except TypeError as error:
        raise ContractError(f"{where}: an annotation is not a type: {error}.") from None


def _parameters(where: str, function: FunctionType) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise ContractError(
            f"{where}: {function.__qualname__} has no parameter.",
            hint="The first one is the handle: `db: Reader` or `db: Writer`.",
        )
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            stars = "*" if each.kind is each.VAR_POSITIONAL else "**"
            raise ContractError(
                f"{where}({stars}{each.name}): callers cannot see what that takes.",
                hint="Name each parameter, or take one list or one Input.",
            )
    return parameters


def _kind(where: str, function: FunctionType, handle: Any) -> MethodKind:
    if isinstance(handle, type) and issubclass(handle, Writer):
        return "mutation"
    if isinstance(handle, type) and issubclass(handle, Reader):
        return "query"
    raise ContractError(
        f"{where}: the first parameter of {function.__qualname__} is not a handle.",
        hint="Write `db: Reader` for a query and `db: Writer` for a mutation.",
    )


def _param(where: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Param:
    name, place = parameter.name, f"{where}({parameter.name})"
    if name not in hints:
        raise ContractError(f"{place} has no type.", hint=f"Write `{name}: str`, or what it is.")
    if name.startswith("_"):
        raise ContractError(f"{place} begins with an underscore.", hint="Rename it.")
    shape = shape_of(hints[name], place)
    _refuse_open_structs(shape, place, set())
    value = NODEFAULT if parameter.default is parameter.empty else parameter.default
    plain = shape.item if shape.kind == "maybe" else shape
    if value is None and plain.kind not in _TAKES_NONE:
        raise ContractError(f"{place} = None, but its type has no None.", hint="Add `| None`.")
    return Param(
        name=name,
        wire=wire_name(name),
        shape=shape,
        required=value is NODEFAULT,
        default=NODEFAULT if value is UNSET else value,
        hint=hints[name],
        is_keyword=parameter.kind is parameter.KEYWORD_ONLY,
        value=value,
    )


def _refuse_open_structs(shape: Shape, place: str, seen: set[Any]) -> None:
    """An argument says what a caller may set; a record, or a struct that ignores fields, cannot."""
    if shape.kind == "page":
        raise ContractError(f"{place}: a Page is an answer.", hint="Take a list.")
    for part in shape.of:
        _refuse_open_structs(part, place, seen)
    struct = shape.struct
    if struct is None or struct in seen:
        return
    seen.add(struct)
    if role_of(struct) == "record":
        raise ContractError(
            f"{place}: {struct.__name__} is a record, so a caller could set every column.",
            hint=f"Write `class New{struct.__name__}(Input)` with the fields a caller may set.",
        )
    if not struct.__struct_config__.forbid_unknown_fields:
        raise ContractError(
            f"{place}: {struct.__name__} ignores fields that it does not know.",
            hint=f"Write `class {struct.__name__}(Input)`, or `(Struct)` for a value.",
        )
    for each in fields_of(struct):
        _refuse_open_structs(each.shape, f"{place}.{each.name}", seen)


def _scope(where: str, scope: str | None) -> str | None:
    if scope is not None and not scope.replace("_", "").isalnum():
        raise ContractError(
            f"{where}: the scope {scope!r} is not a word.",
            hint='Use letters, digits and underscores: scope="connection_tokens".',
        )
    return scope


def _aliases(where: str, params: tuple[Param, ...], said: Mapping[str, str]) -> dict[str, str]:
    wires = {spelling: each.wire for each in params for spelling in (each.name, each.wire)}
    found: dict[str, str] = {}
    for old, new in said.items():
        if new not in wires:
            raise ContractError(
                f"{where}: the alias {old!r} stands for {new!r}, which is no parameter.",
                hint=f"Its parameters are {', '.join(each.name for each in params) or 'none'}.",
            )
        if old in wires or wire_name(old) in wires:
            raise ContractError(
                f"{where}: the alias {old!r} is a parameter itself.", hint="Leave it out."
            )
        found |= {old: wires[new], wire_name(old): wires[new]}
    return found
