"""
The services of an application: what `freehold dev` starts beside its data layer.

A declaration only. It names a module, a port, and what the service is handed: its binding with
the least scopes, the addresses of others, secrets. What can be wrong with it is told where it
is written, before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from freehold.db.caller import ACT_AS
from freehold.errors import ContractError
from freehold.rpc import Entrypoint

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_PORT_MAX: Final = 65_535
#: What `dev` sets by itself.
_OWN_VARIABLES: Final = frozenset({"PORT", "DATA_DIR"})
_PREFIX: Final = "FREEHOLD_"


@dataclass(frozen=True)
class Service:
    """
    A service that runs beside the data layer, as `python -m module`.

    Args:
        name: Lower-case; before each line of its log, and what `--only` takes.
        module: What is run: a module, or a package with a `__main__`.
        port: Where it listens on this machine; it is told as `PORT`, and answers `GET /health`.
        binding: What it calls the data layer; `DAL` gives it `FREEHOLD_DAL` and its key. None for
            one that does not call it.
        scopes: All that its key may do: patterns over `Entrypoint.method`, or words that single
            methods ask for.
        addresses: Variables that tell it where other services listen, by the services' names.
            It is started after them.
        neighbours: The same of those that it may be started before.
        secrets: Variables with random words, the same in every service that lists them, made
            once and kept in the data folder. What the developer's environment says goes first.
        environ: Further variables, as they are.
        page: The path of a page for people; its address is printed. `{NAME}` in it is filled in
            with that secret of the service, for a page that is entered with a key.
        stands_in_for: A variable with the address of something outside, which this one plays: it
            is started only while the developer's environment does not set it.

    Raises:
        ContractError: A name, a port, a variable or a path is none, or is said twice.
    """

    name: str
    module: str
    port: int
    binding: str | None
    scopes: tuple[str, ...]
    addresses: Mapping[str, str]
    neighbours: Mapping[str, str]
    secrets: tuple[str, ...]
    environ: Mapping[str, str]
    page: str | None
    stands_in_for: str | None

    def __init__(
        self,
        name: str,
        module: str,
        *,
        port: int,
        binding: str | None = None,
        scopes: Sequence[str] = (),
        addresses: Mapping[str, str] | None = None,
        neighbours: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        page: str | None = None,
        stands_in_for: str | None = None,
    ) -> None:
        for field, value in (
            ("name", name),
            ("module", module),
            ("port", port),
            ("binding", binding),
            ("scopes", tuple(scopes)),
            ("addresses", MappingProxyType(dict(addresses or {}))),
            ("neighbours", MappingProxyType(dict(neighbours or {}))),
            ("secrets", tuple(secrets)),
            ("environ", MappingProxyType(dict(environ or {}))),
            ("page", page),
            ("stands_in_for", stands_in_for),
        ):
            object.__setattr__(self, field, value)
        self._check_itself()
        self._check_variables()

    def _check_itself(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ContractError(
                f"{self.name!r} is no name of a service.",
                hint="Use at most 32 lower-case letters, digits, - and _, a letter first.",
            )
        if not _MODULE.fullmatch(self.module):
            raise ContractError(
                f"{self.name}: {self.module!r} is no module.",
                hint='Write what `python -m` takes, such as "hotmetal.services.writer".',
            )
        if not 1 <= self.port <= _PORT_MAX:
            raise ContractError(f"{self.name}: {self.port} is no port between 1 and {_PORT_MAX}.")
        if self.page is not None and not re.fullmatch(r"/[!-~]*", self.page):
            raise ContractError(
                f"{self.name}: {self.page!r} is no path of a page.", hint='Write page="/".'
            )
        for name in re.findall(r"\{(.*?)\}", self.page or ""):
            if name not in self.secrets:
                raise ContractError(
                    f"{self.name}: its page names {name!r}, which is no secret of it.",
                    hint="List it in secrets, or leave it out of page.",
                )
        if isinstance(self.binding, str) != bool(self.scopes):
            has = "a binding and no scopes" if self.binding else "scopes and no binding"
            raise ContractError(
                f"{self.name} has {has}.",
                hint="Name both: the binding, and the methods that it calls there.",
            )

    def _check_variables(self) -> None:
        said = [*self.addresses, *self.neighbours, *self.secrets, *self.environ]
        for name in (*said, *filter(None, (self.binding, self.stands_in_for))):
            if not _VARIABLE.fullmatch(name):
                raise ContractError(
                    f"{self.name}: {name!r} is no variable of an environment.",
                    hint="Use upper-case letters, digits and underscores, a letter first.",
                )
        for name in said:
            if name in _OWN_VARIABLES or name.startswith(_PREFIX):
                raise ContractError(
                    f"{self.name}: `freehold dev` sets {name} by itself.",
                    hint="Leave it out, or give it another name.",
                )
            if said.count(name) > 1:
                raise ContractError(f"{self.name}: {name} is said twice.")


def check_services(
    services: Sequence[Service], entrypoints: Iterable[type[Entrypoint]], *, data_layer: str
) -> None:
    """
    Whether these services can run beside each other and this data layer.

    Args:
        services: All of the application's.
        entrypoints: What their scopes are about.
        data_layer: The data layer's own name among them.

    Raises:
        ContractError: A name or a port is there twice, an address names no service, the needs
            go round in a circle, or a scope matches no method.
    """
    names: dict[str, Service] = {}
    ports: dict[int, Service] = {}
    played: dict[str, Service] = {}
    for service in services:
        if service.name in names or service.name == data_layer:
            whose = "the data layer" if service.name == data_layer else "another service"
            raise ContractError(
                f"the name {service.name!r} is also that of {whose}.", hint="Give it another."
            )
        names[service.name] = service
        other = ports.setdefault(service.port, service)
        if other is not service:
            raise ContractError(
                f"{other.name} and {service.name} both listen on port {service.port}.",
                hint="Give one of them another port.",
            )
        if service.stands_in_for is not None:
            other = played.setdefault(service.stands_in_for, service)
            if other is not service:
                raise ContractError(
                    f"{other.name} and {service.name} both stand in for {service.stands_in_for}."
                )
        idle = idle_scopes(entrypoints, service.scopes)
        if idle:
            raise ContractError(
                f"{service.name}: the scope {idle[0]!r} matches no method.",
                hint="Write `Entrypoint.method` as the contract does, or a pattern with *.",
            )
    for service in services:
        for variable, target in {**service.addresses, **service.neighbours}.items():
            if target not in names:
                raise ContractError(
                    f"{service.name}: {variable} is the address of {target!r}, "
                    "which is no service.",
                    hint=f"There are {', '.join(names)}.",
                )
    start_order(services)


def idle_scopes(entrypoints: Iterable[type[Entrypoint]], scopes: Sequence[str]) -> list[str]:
    """The scopes that match no method and are no method's word."""
    methods = [method for each in entrypoints for method in each.__methods__.values()]
    words = {method.scope for method in methods} | {ACT_AS}
    return [
        scope
        for scope in scopes
        if scope not in words
        and not scope.startswith(f"{ACT_AS}:")
        and not any(fnmatchcase(method.full_name, scope) for method in methods)
    ]


def start_order(services: Sequence[Service]) -> list[list[Service]]:
    """
    Who is started together, and after whom: stand-ins first, then each after whom it needs.

    Raises:
        ContractError: They need each other in a circle.
    """
    left = {service.name: service for service in services}
    waves: list[list[Service]] = []
    while left:
        ready = [
            service
            for service in left.values()
            if not any(need in left and need != service.name for need in service.addresses.values())
        ]
        # Who plays something outside is there before the first who would ask it.
        wave = [service for service in ready if service.stands_in_for is not None] or ready
        if not wave:
            raise ContractError(
                f"{', '.join(left)} need each other's addresses in a circle.",
                hint="Give one of them the other's address by `neighbours`, which it need not find "
                "there at its start.",
            )
        waves.append(wave)
        for service in wave:
            del left[service.name]
    return waves
