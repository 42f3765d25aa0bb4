"""
Clients that append to lists and read them, and write down every call, while there is trouble.

    operations = await Load(here, number=1).run(trouble, count=10_000)

One run is one history: its lists are its own, and at its end every list is looked at.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from tests.faults.line import Line, Lost, NotSent
from tests.faults.operations import Operation, Step
from tests.faults.world import CLIENT_S, World

CLIENTS: Final = 24
#: So many lists are in use at once, until they have about that many items.
_KEYS: Final = 16
_LENGTH: Final = 24
#: Lists in one look at the end.
_LOOK: Final = 30
_REST_S: Final = 0.01
_END_S: Final = 60.0
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode

#: Goes on until the event is set, and then leaves everything running.
Trouble = Callable[[World, "Load", asyncio.Event], Coroutine[Any, Any, None]]


class Load:
    """
    The clients of one history.

    Args:
        here: The world.
        number: Of the history, part of every key and every item.
        clients: How many there are.
    """

    def __init__(self, here: World, *, number: int, clients: int = CLIENTS) -> None:
        self.operations: list[Operation] = []
        #: The last commit before the first one of these.
        self.first_seq = 0
        self.lines: list[list[Line]] = []
        self._here = here
        self._number = number
        self._clients = clients
        self._items = number * 10_000_000
        self._appends = 0
        self._lengths: dict[str, int] = {}
        self._is_over = False
        self._is_file = here.engine == "sqlite"

    async def run(self, trouble: Trouble, *, count: int) -> list[Operation]:
        """
        So many calls at least, under trouble; then calm, and a look at every list.

        Raises:
            AssertionError: The data layer does not come back to life.
        """
        first = await self._until_answered(0, [Step(self._key("begin"))], "query")
        self.first_seq = first.seq
        over = asyncio.Event()
        troubled = asyncio.create_task(trouble(self._here, self, over))
        tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        try:
            while len(self.operations) < count:
                await asyncio.sleep(0.02)
                if troubled.done():
                    break
        finally:
            over.set()
            try:
                await troubled
            finally:
                self._is_over = True
                ends = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [end for end in ends if end is not None]
        assert not broken, f"seed {self._here.seed}: {broken[:3]}"
        await self._look_at_all()
        for lines in self.lines:
            for line in lines:
                line.cut()
        return self.operations

    @property
    def codes(self) -> dict[str, int]:
        """How many ended how."""
        return dict(Counter(each.code for each in self.operations))

    def count(self, outcome: str) -> int:
        """How many ended so."""
        return sum(each.outcome == outcome for each in self.operations)

    # -- one client -------------------------------------------------------------------------

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self._here.seed}.{self._number}.{number}")
        lines = self._new_lines()
        last_seq = 0
        while not self._is_over:
            line = lines[chance.randrange(len(lines))]
            if chance.random() < 0.4:
                operation = await self._query(line, chance, last_seq)
            else:
                operation = await self._mutation(line, chance)
            last_seq = max(last_seq, operation.seq)
            if operation.outcome == "unknown" or operation.code == "NotSent":
                await asyncio.sleep(_REST_S * chance.random())

    def _new_lines(self) -> list[Line]:
        lines = [Line(each.socket, timeout_s=CLIENT_S) for each in self._here.processes]
        self.lines.append(lines)
        return lines

    def _key(self, name: str) -> str:
        return f"{self._number}.{name}"

    def _keys(self, chance: random.Random, count: int) -> list[str]:
        generation = self._appends // (_KEYS * _LENGTH)
        return [
            f"{self._number}.{generation}.{each}" for each in chance.sample(range(_KEYS), count)
        ]

    def _item(self) -> int:
        self._items += 1
        self._appends += 1
        return self._items

    async def _query(self, line: Line, chance: random.Random, last_seq: int) -> Operation:
        keys = self._keys(chance, 1 if chance.random() < 0.6 else chance.randint(2, 4))
        min_seq = last_seq if chance.random() < 0.5 else 0
        return await self._ask(line, [Step(key) for key in keys], "query", min_seq=min_seq)

    async def _mutation(self, line: Line, chance: random.Random) -> Operation:
        count = chance.choice((1, 1, 2, 2, 3))
        steps = [
            Step(key, self._item() if not place or chance.random() < 0.6 else None)
            for place, key in enumerate(self._keys(chance, count))
        ]
        chance.shuffle(steps)
        expects = None
        if chance.random() < 0.25:
            # As often right as wrong: others append too. The last, so that a refusal has
            # something to take back.
            step = [step for step in steps if step.item is not None][-1]
            expects = step.key, self._lengths.get(step.key, 0)
        return await self._ask(line, steps, "mutation", expects=expects)

    # -- one call ---------------------------------------------------------------------------

    async def _ask(
        self, line: Line, steps: list[Step], kind: Any, *, min_seq: int = 0,
        expects: tuple[str, int] | None = None,
    ) -> Operation:  # fmt: skip
        # PostgreSQL answers one statement with at least that commit, several with exactly it.
        is_exact = self._is_file or len(steps) > 1
        calls = _calls(steps, kind, expects)
        headers = f"Freehold-Min-Seq: {min_seq}\r\n" if min_seq else ""
        if len(calls) == 1:
            path, body = "/rpc/" + calls[0]["method"].replace(".", "/"), _encode(calls[0]["args"])
        else:
            path, body = "/rpc", _encode(calls)
        operation = Operation(kind, steps, time.monotonic(), is_exact=is_exact, min_seq=min_seq)
        try:
            answer = await line.ask(path, body, headers)
        except NotSent:
            # Nothing left this process, so there is nothing to judge.
            operation.outcome, operation.code = "failed", "NotSent"
            return operation
        except Lost:
            operation.code = "Lost"
            self.operations.append(operation)
            return operation
        self.operations.append(operation)
        told = _decode(answer.body)
        operation.ended = time.monotonic()
        operation.seq = answer.seq
        if answer.status == 200:
            operation.outcome = "ok"
            self._learn(steps, kind, [told] if len(calls) == 1 else told)
        else:
            operation.outcome, operation.code = told["outcome"], told["error"]
            if told["error"] == "OtherLength":
                # A call has each list once, so nothing of the length is its own.
                operation.refused_at = told["data"]["key"], told["data"]["length"]
        return operation

    def _learn(self, steps: Sequence[Step], kind: str, told: list[Any]) -> None:
        seen = told[0] if kind == "query" and len(steps) > 1 else told
        for step, items in zip(steps, seen, strict=True):
            step.seen = items
            self._lengths[step.key] = len(items)

    # -- the end ----------------------------------------------------------------------------

    async def _look_at_all(self) -> None:
        # What is still on its way comes before this, in every process.
        for process in range(len(self._here.processes)):
            step = Step(self._key("end"), self._item())
            await self._until_answered(process, [step], "mutation")
        keys = sorted({step.key for each in self.operations for step in each.steps})
        for at in range(0, len(keys), _LOOK):
            steps = [Step(key) for key in keys[at : at + _LOOK]]
            await self._until_answered(0, steps, "query")

    async def _until_answered(self, process: int, steps: list[Step], kind: str) -> Operation:
        line = Line(self._here.processes[process].socket, timeout_s=CLIENT_S)
        until = time.monotonic() + _END_S
        try:
            while True:
                steps = [
                    Step(step.key, None if step.item is None else self._item()) for step in steps
                ]
                operation = await self._ask(line, steps, kind)
                if operation.outcome == "ok":
                    return operation
                assert time.monotonic() < until, (
                    f"seed {self._here.seed}: {operation.code}; {self._here.said}"
                )
                await asyncio.sleep(0.02)
        finally:
            line.cut()


def _calls(
    steps: Sequence[Step], kind: str, expects: tuple[str, int] | None
) -> list[dict[str, Any]]:
    if kind == "query":
        keys = [step.key for step in steps]
        if len(keys) == 1:
            return [{"method": "Ledger.read", "args": {"key": keys[0]}}]
        return [{"method": "Ledger.readAll", "args": {"keys": keys}}]
    calls = []
    for step in steps:
        args: dict[str, Any] = {"key": step.key}
        method = "Ledger.read"
        if step.item is not None:
            method, args["item"] = "Ledger.append", step.item
            if expects is not None and expects[0] == step.key:
                method, args["length"] = "Ledger.appendAt", expects[1]
        calls.append({"method": method, "args": args})
    return calls
