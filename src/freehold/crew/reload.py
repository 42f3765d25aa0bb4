"""
Reloading: what was changed is started again, and what cannot be is told.

A file that is not Python, or an application that cannot be imported, stops nothing: the old
processes go on, and the next save tries again with all that was changed since.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from freehold.crew import declared
from freehold.crew.changes import Meaning, Sorter, mistake_in
from freehold.crew.crew import Crew
from freehold.crew.log import Log
from freehold.errors import FreeholdError

#: An editor writes in several steps, and a checkout many files.
_DEBOUNCE_MS: Final = 200
_STEP_MS: Final = 50
#: A fresh process imports the application and writes the clients.
_DESCRIBE_S: Final = 60.0


class Reloader:
    """
    Args:
        crew: Runs.
        log: Where it is said.
        describe: The command that writes the clients and says what the application declares.
    """

    def __init__(self, crew: Crew, log: Log, describe: list[str]) -> None:
        self._crew = crew
        self._log = log
        self._describe = describe
        #: What was changed and is not running yet.
        self._due = Meaning()
        self._broken: set[Path] = set()
        self._sorter = self._make_sorter()

    def _make_sorter(self) -> Sorter:
        plan = self._crew.plan
        return Sorter(
            folder=plan.declared.file.parent,
            root=plan.root,
            services=plan.services,
            data=plan.folder,
        )

    async def watch(self, started: asyncio.Event) -> None:
        """
        Reload for as long as it is awaited.

        Args:
            started: Set once all runs; what is changed before is reloaded then.
        """
        while True:
            sorter = self._sorter

            def is_source(_: Change, path: str, sorter: Sorter = sorter) -> bool:
                return sorter.is_source(Path(path))

            async for changes in awatch(
                *sorter.watched, watch_filter=is_source, debounce=_DEBOUNCE_MS, step=_STEP_MS
            ):
                await started.wait()
                await self.reload({Path(path) for _, path in changes})
                if self._sorter is not sorter:
                    # There are other services now, in other folders perhaps.
                    break

    async def reload(self, paths: set[Path]) -> None:
        """
        Start again what these changes are about.

        Args:
            paths: The files that were changed.
        """
        self._due.add(self._sorter.meaning(paths))
        self._broken |= paths
        mistake = await asyncio.to_thread(mistake_in, self._broken)
        if mistake is not None:
            self._log.say(f"{mistake}. What runs goes on; the next save tries again")
            return
        self._broken.clear()
        names = ", ".join(sorted({path.name for path in paths}))
        if self._due.everything and self._crew.data_layer is not None:
            self._log.say(f"{names} changed: all of it is started again")
            if not await self._reload_all():
                return
        else:
            services = self._crew.names if self._due.everything else self._due.services
            self._log.say(f"{names} changed: {', '.join(sorted(services))} starts again")
            await self._crew.restart(services)
        self._due = Meaning()

    async def _reload_all(self) -> bool:
        """Whether the new application runs."""
        found = await self._declared()
        if found is None:
            return False
        if await self._crew.replace(found):
            self._sorter = self._make_sorter()
            self._log.say("all of it runs again")
            return True
        self._log.say("the data layer could not be started, see above; the next save tries again")
        return False

    async def _declared(self) -> declared.Declared | None:
        """What the application declares now; None when it cannot be imported."""
        process = await asyncio.create_subprocess_exec(
            *self._describe,
            env=dict(self._crew.plan.given),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_DESCRIBE_S):
                out, talk = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        for line in talk.decode(errors="replace").splitlines():
            self._log.say(line)
        if process.returncode != 0:
            self._log.say("what runs goes on; the next save tries again")
            return None
        try:
            return declared.read(out.decode(errors="replace"))
        except FreeholdError as error:
            self._log.say(f"{error}")
            return None
