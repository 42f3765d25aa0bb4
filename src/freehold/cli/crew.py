"""
`freehold dev` of an application with services: all of them under one roof, in one log.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from freehold.app import App, Service
from freehold.cli.console import TALK, say
from freehold.cli.generate import renew_clients
from freehold.cli.serving import DEFAULT_PORT, SOCKET_NAME, Serving
from freehold.cli.welcome import show_welcome
from freehold.clock import SystemClock

if TYPE_CHECKING:
    from freehold.crew import Crew, Log, Plan
    from freehold.crew.reload import Reloader

_OWN_NAME: Final = "dev"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_crew(
    app: App,
    how: Serving,
    wanted: Sequence[str],
    *,
    said: str | None,
    reload: bool,
    began_ns: int,
) -> None:
    """
    Start what is wanted, keep it running, and take it down at a signal.

    Args:
        app: The application.
        how: Where and how its data layer is served.
        wanted: The names of what is started.
        said: The application as the developer named it.
        reload: Whether what changes is started again.
        began_ns: When the command began, monotonic.

    Raises:
        AddressInUse: A port is taken.
        StartError: The data layer cannot be started.
    """
    from freehold.crew import Crew, DataLayerFailed, Log

    plan = make_plan(app, how, wanted, said=said)
    names = [_OWN_NAME, app.service, *(service.name for service in app.services)]
    coloured = TALK.is_terminal and not TALK.no_color
    log = Log(names, _write, coloured=coloured)
    crew = Crew(plan, log)
    crew.require_ports()
    for service in app.services:
        if service.name in wanted and service not in plan.services:
            log.say(f"not started: {service.stands_in_for} is set", of=service.name)
    describe = [sys.executable, "-m", "freehold", "dev", *([said] if said else []), "--describe"]
    reloader = changes_looker(crew, log, describe) if reload else None
    run = _Run(app, crew, reloader, began_ns=began_ns)
    try:
        asyncio.run(run.main())
    except DataLayerFailed as failed:
        sys.exit(failed.code if failed.code > 0 else 1)
    say("stopped; the data is kept")
    if run.is_hurried:
        sys.exit(130)


def changes_looker(crew: Crew, log: Log, describe: list[str]) -> Reloader | None:
    """What looks for changes; None where the library for it is not installed."""
    try:
        from freehold.crew.reload import Reloader
    except ModuleNotFoundError as missing:
        if missing.name != "watchfiles":
            raise
        log.say("changes are not looked for: pip install 'freehold[dev]'")
        return None
    return Reloader(crew, log, describe)


def make_plan(app: App, how: Serving, wanted: Sequence[str], *, said: str | None) -> Plan:
    """What is to run, by what the command was told."""
    from freehold.crew import Declared, Plan, find_env_file, free_port, read_env_file

    declared = Declared.of(app)
    gone = {each.name for each in app.services} - set(wanted)

    def chosen(declared: Declared, given: Mapping[str, str]) -> list[Service]:
        services = [each for each in declared.services if each.name not in gone]
        if app.service not in wanted:
            services = [each for each in services if each.name in wanted]
        return [each for each in services if _is_due(each, given)]

    root = app.made_in.parent
    env_file = find_env_file(root)
    while (root / "__init__.py").is_file():
        root = root.parent
    given = {**read_env_file(env_file), **os.environ}
    if how.database is not None:
        given["FREEHOLD_DATABASE"] = how.database
    folder = how.folder.resolve()
    port = how.port or free_port()
    socket = (how.socket or folder / SOCKET_NAME).resolve()
    host = how.host or "127.0.0.1"
    return Plan(
        declared=declared,
        services=chosen(declared, given),
        folder=folder,
        host=host,
        port=port,
        socket=socket,
        data_layer=[
            *(sys.executable, "-m", "freehold", "dev", *([said] if said else [])),
            *("--only", app.service, "--in-crew", "--data-dir", str(folder)),
            *("--host", host, "--port", str(port), "--socket", str(socket)),
            *(word for limit in how.limits for word in ("--limit", limit)),
        ]
        if app.service in wanted
        else None,
        given=given,
        root=root,
        chosen=chosen,
        moved=how.port - DEFAULT_PORT if how.port else None,
    )


def _is_due(service: Service, given: Mapping[str, str]) -> bool:
    """Whether what it plays is not there."""
    return service.stands_in_for is None or not given.get(service.stands_in_for, "").strip()


def _write(data: bytes) -> None:
    """Whole lines, to where the talk goes."""
    sys.stderr.flush()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(2, view) :]
        except OSError:
            return


class _Run:
    """From the first process to the last."""

    def __init__(self, app: App, crew: Crew, reloader: Reloader | None, *, began_ns: int) -> None:
        self._app = app
        self._crew = crew
        self._reloader = reloader
        self._began_ns = began_ns
        self._stopping = asyncio.Event()
        self._is_going_down = False
        #: A second signal came.
        self.is_hurried = False

    async def main(self) -> None:
        """Until a signal, or until the data layer cannot be started."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        work = asyncio.ensure_future(self._work())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (work, stop):
                each.cancel()
            await asyncio.wait([work, stop])
            await self._crew.stop()
        if not work.cancelled() and (error := work.exception()) is not None:
            # The group has wrapped it, and it is alone there.
            raise error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self.is_hurried = True
            self._crew.kill()
        self._stopping.set()

    async def _work(self) -> None:
        started = asyncio.Event()
        # It looks from the beginning, so that nothing is changed unseen.
        looking = self._stopping.wait() if self._reloader is None else self._reloader.watch(started)
        async with asyncio.TaskGroup() as group:
            group.create_task(looking)
            await self._crew.start(lambda: renew_clients(self._app))
            self._welcome()
            started.set()

    def _welcome(self) -> None:
        crew, plan = self._crew, self._crew.plan
        after = []
        for member, service in crew.services:
            is_up = member.state == "serving"
            where = crew.page(service)
            after.append((service.name, where if is_up else f"{where} (not there yet, see above)"))
        took_s = (SystemClock().monotonic_ns() - self._began_ns) / 1e9
        if crew.data_layer is None:
            for name, where in after:
                say(f"{name} listens on {where}, for the data layer at {crew.data_layer_address}")
            return
        show_welcome(
            self._app,
            [
                ("listens on", crew.data_layer_address),
                ("and on", f"unix:{plan.socket}"),
                ("data", _place(self._app, plan)),
            ],
            seq=crew.data_layer.health.get("seq", 0),
            key=(plan.folder / "dev.key").read_text().strip(),
            address=crew.data_layer_address,
            after=[*after, ("ready in", f"{took_s:.1f} s; Ctrl-C stops it all")],
        )


def _place(app: App, plan: Plan) -> str:
    """Where the first database is, for people."""
    from freehold.app.places import places

    place = next(iter(places(app, plan.folder, plan.given.get("FREEHOLD_DATABASE")).values()))
    return str(place) if isinstance(place, Path) else place.shown
