"""
`Entrypoint`: the class whose attributes are the methods that other services may call.

An entrypoint has no code and is never made an instance of. It is read when its class body
ends, so a mistake is told at import, with the entrypoint, the method and what to write.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, ClassVar

from freehold.errors import ContractError
from freehold.rpc.arguments import argument_structs
from freehold.rpc.checks import result_check
from freehold.rpc.failures import error_fields
from freehold.rpc.method import Declaration, Method, read_method
from freehold.rpc.shapes import refuse_collisions


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
            read_method(cls.__name__, name, declared=each) for name, each in declared.items()
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


def _declarations(entrypoint: str, body: Any) -> dict[str, Declaration]:
    """The class body's attributes as declarations; anything else in it is a mistake."""
    found: dict[str, Declaration] = {}
    for name, value in body.items():
        if name == "database" or (name.startswith("__") and name.endswith("__")):
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
