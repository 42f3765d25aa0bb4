"""
`App`: what a user's application is: its databases and its entrypoints.

Making one opens nothing. It is read by the opener, by `generate`, and by the command line.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, get_args

from freehold.app.owners import owners_of, require_owner
from freehold.app.services import Service, check_services
from freehold.db import Writer
from freehold.errors import ContractError
from freehold.rpc import Entrypoint
from freehold.rpc.audit import AuditMode
from freehold.schema import Record, Schema

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
Seed = Callable[[Writer], None]


@dataclass(frozen=True)
class Database:
    """
    One database of an application.

    Args:
        name: What entrypoints call it; part of every sealed value, so it stays.
        schema: Its records: a `Schema`, a module that defines them, or a list.
        migrations: The folder of its migrations; without it the schema is compared and
            brought up to date directly, which `dev` does and `serve` refuses.
        seed: Loads sample data; must do nothing when it has been loaded.
        audit: What is written into its audit log: `operator`, what its operator does, what is
            done under a key that acts for users, and methods that are `audited`; or
            `mutations`, every mutation.
    """

    name: str
    schema: Schema
    migrations: Path | None
    seed: Seed | None
    audit: AuditMode

    def __init__(
        self,
        name: str,
        schema: Schema | ModuleType | Sequence[type[Record]],
        *,
        migrations: Path | None = None,
        seed: Seed | None = None,
        audit: AuditMode = "operator",
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ContractError(
                f"{name!r} is no name of a database.",
                hint="Use lower-case letters, digits, - and _, a letter first.",
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "schema", _schema(schema))
        object.__setattr__(self, "migrations", migrations)
        object.__setattr__(self, "seed", seed)
        if audit not in get_args(AuditMode):
            raise ContractError(
                f"audit={audit!r} is no way to keep an audit log.",
                hint='Say audit="operator" or audit="mutations".',
            )
        object.__setattr__(self, "audit", audit)


class App:
    """
    An application.

        app = App("notes", databases=[Database("main", [Note])], entrypoints=[Notes])

    Args:
        name: Lower-case; `notes`.
        databases: At least one; an entrypoint works on the one it names.
        entrypoints: What other services may call.
        version: The application's own; shown by `/health`.
        service: What `/health` calls it; the application's name when left out.
        column_keys_env: An environment variable that holds the column keys, when the
            application's document has a name of its own for it.
        binding: What consumers call it; `DAL` gives them `FREEHOLD_DAL`.
        services: What `freehold dev` starts beside the data layer.

    Raises:
        ContractError: Two entrypoints or databases share a name, one names a database that is
            not there, a method does not say whose rows it works on, or the services cannot
            run beside each other.
    """

    def __init__(
        self,
        name: str,
        *,
        databases: Sequence[Database],
        entrypoints: Sequence[type[Entrypoint]],
        version: str = "0.1.0",
        service: str | None = None,
        column_keys_env: str | None = None,
        binding: str = "DAL",
        services: Sequence[Service] = (),
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ContractError(
                f"{name!r} is no name of an application.",
                hint="Use lower-case letters, digits, - and _, a letter first.",
            )
        self.name = name
        self.version = version
        self.service = service or name
        self.column_keys_env = column_keys_env
        self.binding = binding
        self.databases = {database.name: database for database in databases}
        self.entrypoints = {entrypoint.__name__: entrypoint for entrypoint in entrypoints}
        self.services = tuple(services)
        #: Where the application was made; its folder is where clients are generated to.
        self.made_in = Path(inspect.stack()[1].filename).resolve()
        self._check(len(databases), len(entrypoints))

    def _check(self, databases: int, entrypoints: int) -> None:
        if not databases or len(self.databases) != databases:
            raise ContractError(f"{self.name}: databases need names, each its own.")
        if not entrypoints or len(self.entrypoints) != entrypoints:
            raise ContractError(f"{self.name}: entrypoints need names, each its own.")
        for entrypoint in self.entrypoints.values():
            if entrypoint.database not in self.databases:
                raise ContractError(
                    f"{entrypoint.__name__} works on {entrypoint.database!r}, which is no "
                    f"database of {self.name}.",
                    hint=f"It has {', '.join(self.databases)}.",
                )
            owners = owners_of(self.databases[entrypoint.database].schema)
            for method in entrypoint.__methods__.values():
                require_owner(method, owners)
        check_services(self.services, self.entrypoints.values(), data_layer=self.service)

    def __repr__(self) -> str:
        return f"App({self.name!r})"


def _schema(said: Schema | ModuleType | Sequence[type[Record]]) -> Schema:
    if isinstance(said, Schema):
        return said
    if isinstance(said, ModuleType):
        return Schema.of_module(said)
    return Schema(said)
