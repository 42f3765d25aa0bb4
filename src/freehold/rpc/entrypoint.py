"""
`Entrypoint`: the class whose attributes are the methods that other services may call.

An entrypoint has no code and is never made an instance of. It is read when its class body
ends, so a mistake is told at import, with the entrypoint, the method and what to write.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import FunctionType
from typing import Any, ClassVar, Final

from freehold.errors import ContractError
from freehold.rpc.arguments import argument_structs
from freehold.rpc.checks import result_check
from freehold.rpc.failures import error_fields
from freehold.rpc.method import Declaration, Method, read_method
from freehold.rpc.shapes import refuse_collisions

#: What a class body may hold besides methods.
_NO_METHODS: Final = ("database", "crosses_users")


class Entrypoint:
    """
    Methods under one name.

        class DataLayer(Entrypoint):
            '''Everything that the writer and the scout may ask of the data.'''

            get_idea_by_id = ideas.get_idea_by_id
            promote_idea = ideas.promote_idea

    Every attribute is a domain function, or `method(…)` around one. The docstring goes into
    the contract. A method is called by either spelling, `getIdeaById` being the one on the wire.

    A key may call a method when one of its scopes matches `DataLayer.getIdeaById` as a
    pattern (`DataLayer.get*`, `*`), or has the very word that the method asks for.
    """

    #: Which of the application's databases the methods work on.
    database: ClassVar[str] = "main"
    #: Why methods work on the rows of more users than one: of all of them, or by the word that
    #: they ask for, `{"scheduler": "It publishes for everybody."}`.
    crosses_users: ClassVar[str | Mapping[str, str]] = {}
    #: The methods by the name they have on the wire.
    __methods__: ClassVar[dict[str, Method]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not (cls.__name__.isascii() and cls.__name__.isidentifier()):
            raise ContractError(
                f"{cls.__name__}: not an entrypoint's name.", hint="Use ASCII letters and digits."
            )
        declared: dict[str, Declaration] = {}
        for parent in reversed(cls.__mro__[:-1]):
            if parent is not Entrypoint and issubclass(parent, Entrypoint):
                declared |= _declarations(cls.__name__, vars(parent))
        methods = [
            read_method(cls.__name__, name, declared=_with_users(each, cls.crosses_users))
            for name, each in declared.items()
        ]
        refuse_collisions(cls.__name__, [(each.name, each.wire) for each in methods], kind="method")
        for each in methods:
            _prove(each)
        cls.__methods__ = {each.wire: each for each in methods}

    def __init__(self) -> None:
        raise ContractError(
            f"{type(self).__name__} is an entrypoint and has no instances.",
            hint="Hand the class to App(entrypoints=[…]).",
        )


def _prove(method: Method) -> None:
    """Read every type that the method mentions, so that none fails at the first call."""
    argument_structs(method)
    result_check(method.returns)
    for error in method.errors:
        error_fields(error)


def _with_users(declared: Declaration, said: str | Mapping[str, str]) -> Declaration:
    """The declaration with what its class says of users, unless it says so itself."""
    why = said if isinstance(said, str) else said.get(declared.scope or "")
    if declared.crosses_users is not None or why is None:
        return declared
    return dataclasses.replace(declared, crosses_users=why)


def _declarations(entrypoint: str, body: Any) -> dict[str, Declaration]:
    """The class body's attributes as declarations; anything else in it is a mistake."""
    found: dict[str, Declaration] = {}
    for name, value in body.items():
        if name in _NO_METHODS or (name.startswith("__") and name.endswith("__")):
            continue
        if name.startswith("_"):
            raise ContractError(
                f"{entrypoint}.{name}: what begins with an underscore is not called.",
                hint="Keep it in a domain module.",
            )
        if isinstance(value, Declaration):
            found[name] = value
        elif isinstance(value, FunctionType):
            found[name] = Declaration(value)
        else:
            raise ContractError(
                f"{entrypoint}.{name}: {type(value).__name__} is not a domain function.",
                hint="Assign a plain function, or `method(…)` around one.",
            )
    return found
