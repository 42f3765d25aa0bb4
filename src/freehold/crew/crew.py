"""
The crew: the data layer and the services, started in order and taken down in reverse order.

    start   the data layer, stand-ins, then each service after those whose addresses it needs
    run     what crashes is started again; what was changed is reloaded, see `reload`
    stop    services first, in reverse order, and the data layer last

Services that need the same are started together.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from freehold.app import Service
from freehold.app.services import start_order
from freehold.crew import looking
from freehold.crew.declared import Declared
from freehold.crew.environment import Words, own_environ
from freehold.crew.keys import RunningDesk, ensure_key, key_file
from freehold.crew.log import Log
from freehold.crew.member import GRACE_S, Member, Orders
from freehold.crew.process import Warden
from freehold.errors import StartError, Unavailable

#: How often a service without a key asks whether the data layer is there now.
_ASK_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    What is to run.

    Args:
        declared: What the application declares.
        services: Those that are started.
        folder: The data folder.
        host: Where the data layer listens.
        port: And on which port; the services' ports are moved with it.
        socket: Its Unix socket.
        data_layer: The command that starts the data layer; None when it runs by itself.
        given: The developer's environment, the `.env` file included.
        root: What services are started in, and what their modules are found from.
        chosen: Those of the declared services that are started.
        moved: By how much the services' ports are moved; None for free ones.
    """

    declared: Declared
    services: Sequence[Service]
    folder: Path
    host: str
    port: int
    socket: Path
    data_layer: Sequence[str] | None
    given: Mapping[str, str]
    root: Path
    chosen: Callable[[Declared, Mapping[str, str]], Sequence[Service]]
    moved: int | None = 0


class Crew:
    """
    All processes of one `freehold dev`.

    Args:
        plan: What is to run.
        log: Where it is all written.
    """

    def __init__(self, plan: Plan, log: Log) -> None:
        self.plan = plan
        self._log = log
        self._warden = Warden()
        self._words = Words(plan.folder / "services" / "secrets.json")
        self._ports: dict[str, int] = {}
        self._settle_ports()
        self.data_layer = self._make_data_layer()
        #: In the order in which they are started.
        self.waves: list[list[Member]] = []
        self._make_waves()

    # -- what there is -------------------------------------------------------------------------

    def _settle_ports(self) -> None:
        """Every service's port, whether it is started here or not."""
        for service in self.plan.declared.services:
            if service.name in self._ports:
                continue
            moved = self.plan.moved
            port = looking.free_port() if moved is None else service.port + moved
            if not 0 < port <= 65_535:
                raise StartError(
                    f"with --port {self.plan.port}, {service.name} would listen on {port}.",
                    hint="The services' ports move with it; choose another.",
                )
            self._ports[service.name] = port

    def _make_data_layer(self) -> Member | None:
        plan = self.plan
        if plan.data_layer is None:
            return None

        async def environ() -> Mapping[str, str]:
            return plan.given

        orders = Orders(
            name=plan.declared.data_layer,
            command=plan.data_layer,
            folder=Path.cwd(),
            host=plan.host,
            port=plan.port,
            environ=environ,
        )
        return Member(orders, self._log, self._warden)

    def _make_waves(self) -> None:
        self.waves = [
            [self._member(service) for service in wave] for wave in start_order(self.plan.services)
        ]

    def _member(self, service: Service) -> Member:
        async def environ() -> Mapping[str, str]:
            return await self._environ(service)

        orders = Orders(
            name=service.name,
            command=[sys.executable, "-m", service.module],
            folder=self.plan.root,
            host=looking.LOOPBACK,
            port=self._ports[service.name],
            environ=environ,
        )
        return Member(orders, self._log, self._warden)

    @property
    def services(self) -> list[tuple[Member, Service]]:
        """Those that are started, in the order in which they are."""
        known = {service.name: service for service in self.plan.services}
        return [(member, known[member.name]) for wave in self.waves for member in wave]

    @property
    def members(self) -> list[Member]:
        """All of them, in the order in which they are started."""
        first = [] if self.data_layer is None else [self.data_layer]
        return [*first, *(member for wave in self.waves for member in wave)]

    def address(self, name: str) -> str:
        """Where a service listens."""
        return f"http://{looking.LOOPBACK}:{self._ports[name]}"

    def page(self, service: Service) -> str:
        """Where a person finds a service, with the secrets that its page is entered with."""
        plan = self.plan
        environ = own_environ(
            service, plan.declared, given=plan.given, folder=plan.folder, words=self._words
        )
        page = service.page or ""
        for name in service.secrets:
            page = page.replace(f"{{{name}}}", quote(environ.get(name, ""), safe=""))
        return self.address(service.name) + page

    @property
    def data_layer_address(self) -> str:
        """Where the data layer listens."""
        host = f"[{self.plan.host}]" if ":" in self.plan.host else self.plan.host
        return f"http://{host}:{self.plan.port}"

    # -- what a service is told ----------------------------------------------------------------

    async def _environ(self, service: Service) -> dict[str, str]:
        plan = self.plan
        environ = own_environ(
            service, plan.declared, given=plan.given, folder=plan.folder, words=self._words
        )
        environ["PORT"] = str(self._ports[service.name])
        environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(plan.root), environ.get("PYTHONPATH", "")))
        )
        environ |= {
            variable: self._address_for(variable, name)
            for variable, name in {**service.addresses, **service.neighbours}.items()
        }
        return environ | await self._binding(service)

    def _address_for(self, variable: str, name: str) -> str:
        """The service's own, unless it is not started here and the developer names another."""
        given = self.plan.given.get(variable, "").strip()
        is_here = any(service.name == name for service in self.plan.services)
        return given if given and not is_here else self.address(name)

    async def _binding(self, service: Service) -> dict[str, str]:
        if service.binding is None:
            return {}
        name = f"FREEHOLD_{service.binding}"
        given = self.plan.given
        if self.data_layer is None and given.get(name, "").strip():
            # Another data layer than the one of this folder: address and key are the developer's.
            wanted = (name, f"{name}_KEY", f"{name}_KEY_FILE")
            return {each: given[each] for each in wanted if each in given}
        path = await self._key(service)
        return {name: self.data_layer_address, f"{name}_KEY_FILE": str(path)}

    async def _key(self, service: Service) -> Path:
        """Its key's file; waits for the data layer when there is no key yet."""
        is_said = False
        plan = self.plan
        path = key_file(plan.folder, service.name)
        while True:
            try:
                async with RunningDesk.connect(f"unix:{plan.socket}") as desk:
                    return await ensure_key(service, desk, plan.folder)
            except Unavailable:
                if path.exists():
                    # Its client waits, and says for whom.
                    return path
                if not is_said:
                    is_said = True
                    whole = plan.declared.data_layer
                    self._log.say(
                        f"waiting for its first key: no data layer at {self.data_layer_address} "
                        f"(binding {service.binding}). Start it with `freehold dev`, or alone "
                        f"with `freehold dev --only {whole}`",
                        of=service.name,
                    )
            await asyncio.sleep(_ASK_S)

    # -- start and stop ------------------------------------------------------------------------

    def require_ports(self) -> None:
        """
        Refuse to begin where a port is taken.

        Raises:
            AddressInUse: It names the port and the service.
        """
        if self.data_layer is not None:
            looking.require_free(
                self.plan.port,
                who=self.plan.declared.data_layer,
                hint="Stop what listens there, or start with --port N: the services' ports move "
                "with it; --port 0 takes free ones for all.",
            )
        for service in self.plan.services:
            looking.require_free(
                self._ports[service.name],
                who=service.name,
                hint=f"Stop what listens there, change port={service.port} of {service.name} in "
                f"{self.plan.declared.file.name}, or start with --port N, which moves all ports "
                "(0: free ones).",
            )

    async def start(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """
        Start all, each after those it needs; who does not come is not waited for for ever.

        Args:
            meanwhile: What must be done before the first service, while the data layer starts.

        Raises:
            StartError: The data layer cannot be started; its own lines say why.
        """
        await self._warden.start()
        if self.data_layer is not None:
            self.data_layer.start()
            await asyncio.to_thread(meanwhile)
            if not await self.data_layer.settled(until_crash=True):
                code = self.data_layer.code
                if code is not None:
                    raise DataLayerFailed(code)
        await self.start_services()

    async def start_services(self) -> None:
        """Start the services, wave by wave."""
        await self._start(self.waves)

    async def _start(self, waves: Sequence[Sequence[Member]]) -> None:
        for wave in waves:
            for member in wave:
                member.start()
            await asyncio.gather(*(member.settled() for member in wave))

    @property
    def names(self) -> set[str]:
        """Of the services that are started."""
        return {service.name for service in self.plan.services}

    async def restart(self, names: set[str]) -> None:
        """Stop these services and start them again, in their order."""
        waves = [[each for each in wave if each.name in names] for wave in self.waves]
        for wave in reversed(waves):
            await asyncio.gather(*(member.stop() for member in wave))
        await self._start(waves)

    async def replace(self, found: Declared) -> bool:
        """
        Stop all, and start what the application declares now.

        Returns:
            Whether the data layer came up; the services are started only then.
        """
        await self.stop_services()
        if self.data_layer is not None:
            await self.data_layer.stop()
        plan = self.plan
        self.plan = dataclasses.replace(
            plan, declared=found, services=plan.chosen(found, plan.given)
        )
        self._log.welcome([service.name for service in found.services])
        self._settle_ports()
        self._make_waves()
        if self.data_layer is not None:
            self.data_layer.start()
            if not await self.data_layer.settled(until_crash=True):
                await self.data_layer.stop()
                return False
        await self.start_services()
        return True

    async def stop_services(self, *, grace_s: float = GRACE_S) -> None:
        """Stop the services, those first that were started last."""
        for wave in reversed(self.waves):
            await asyncio.gather(*(member.stop(grace_s=grace_s) for member in wave))

    async def stop(self, *, grace_s: float = GRACE_S) -> None:
        """Stop all; the data layer last, so that what is under way can still be written."""
        await self.stop_services(grace_s=grace_s)
        if self.data_layer is not None:
            await self.data_layer.stop(grace_s=grace_s)
        await self._warden.stop()

    def kill(self) -> None:
        """Do not wait any longer."""
        for member in self.members:
            member.kill()


class DataLayerFailed(StartError):
    """The data layer ended before it served; its own lines say why."""

    def __init__(self, code: int) -> None:
        super().__init__(
            "the data layer could not be started.", hint="Its own lines above say why."
        )
        #: The exit code that it ended with.
        self.code = code
