"""
The rule of owners: where rows have an `Owner()`, every method says whose rows it works on.

    takes the owner       `user_id`, as an argument or in an input: it works for that user
    is declared           `crosses_users="why"`, with a word of its own that a key must have
    neither               the application does not load

Whether a method that takes an owner also keeps to it, `freehold.testing.Isolation` finds out.
"""

from __future__ import annotations

from freehold.errors import ContractError
from freehold.rpc.method import Method
from freehold.rpc.shapes import Shape, fields_of
from freehold.schema import Owner, Schema


def owners_of(schema: Schema) -> frozenset[str]:
    """The names of the fields that say whose a row is."""
    return frozenset(
        each.name
        for record in schema.records
        for each in record.__fields__
        if each.mark(Owner) is not None
    )


def takes_owner(method: Method, owners: frozenset[str]) -> bool:
    """Whether an argument, or a field of one, names the owner."""
    return any(each.name in owners or _names(each.shape, owners) for each in method.params)


def _names(shape: Shape, owners: frozenset[str]) -> bool:
    if shape.struct is None:
        return any(_names(part, owners) for part in shape.of)
    return any(each.name in owners for each in fields_of(shape.struct))


def require_owner(method: Method, owners: frozenset[str]) -> None:
    """
    Refuse a method that does not say whose rows it works on.

    Args:
        method: The method.
        owners: The owners' fields of its database; nothing is asked when there are none.

    Raises:
        ContractError: It says nothing, or crosses users without a word of its own.
    """
    if not owners:
        return
    where = f"{method.entrypoint}.{method.name}"
    owner = sorted(owners)[0]
    if method.crosses_users is None:
        if not takes_owner(method, owners):
            raise ContractError(
                f"{where} does not say whose rows it works on: it takes no {owner!r}, and is not "
                "declared to cross users.",
                hint=f"Take `{owner}: str` and use db.owned_by({owner}); or declare it, "
                f'method({method.name}, scope="…", crosses_users="why").',
            )
    elif method.scope is None:
        raise ContractError(
            f"{where} crosses users, and any key whose scopes match its name could call it.",
            hint='Give it a word of its own: method(…, scope="scheduler", crosses_users="why").',
        )
