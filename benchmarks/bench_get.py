"""
Question: what do a typed row, a handle and a whole call cost on top of the bare driver, for one
row by its key?

Three ways to the same rows of the same file, in one process and one thread: apsw alone with a
reused cursor (a tuple comes out), `db.get` (a typed record comes out), and a query call through
the dispatcher (JSON arguments in, scope, deadline and budget watched, JSON result out). CPU time,
in blocks that take turns; the ratio is between blocks of the same turn.

Not answered: sockets and HTTP (`bench_http`), lists, rows that are not in the page cache.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable
from typing import Any

import apsw

from benchmarks import users
from benchmarks.freehold_app import User
from benchmarks.in_process import dispatcher_of, fresh_folder, open_database
from benchmarks.machine import LOAD_CORE, middle, pin
from benchmarks.report import Aim, Report, figure, main, progress, question_of, table, times
from freehold.db import IN_PROCESS, Caller
from freehold.rpc.dispatch import Answer, Request
from freehold.wire.codec import JSON

SQL = "SELECT id, email, name, created_at, updated_at FROM users WHERE id = ?"
BARE = "apsw alone, no transaction"
GET = "db.get, one query each"
CALL = "a whole query call"
BARE_MANY = "apsw alone, inside one transaction"
GET_MANY = "db.get, inside one transaction"
BLOCK = 2_000

Loop = Callable[[list[str]], None]


def run(quick: bool) -> Report:
    """Time the loops against each other."""
    pin(LOAD_CORE)
    report = Report("One row by its key, in process", question_of(__doc__))
    rounds = 8 if quick else 60
    with (
        fresh_folder("get") as folder,
        open_database(folder / "main.db", on_loop=_here) as database,
    ):
        loops = _loops(database, folder / "main.db")
        ids = users.drawn_ids()
        for loop in loops.values():
            loop(ids)
        progress(f"{rounds} rounds of {BLOCK} calls each way")
        blocks: dict[str, list[float]] = {name: [] for name in loops}
        names = list(loops)
        gc.disable()
        for number in range(rounds):
            random.shuffle(names)
            start = number * BLOCK % (len(ids) - BLOCK)
            block = ids[start : start + BLOCK]
            for name in names:
                blocks[name].append(_cpu_us(loops[name], block))
            gc.collect()
        gc.enable()
    _fill(report, blocks)
    return report


def _cpu_us(loop: Loop, ids: list[str]) -> float:
    began = time.process_time_ns()
    loop(ids)
    return (time.process_time_ns() - began) / len(ids) / 1e3


def _loops(database: Any, path: Any) -> dict[str, Loop]:
    bare = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    bare.execute("PRAGMA query_only = 1")
    bare.execute("PRAGMA cache_size = -16384")
    execute = bare.cursor().execute
    dispatcher = dispatcher_of(database)
    caller = Caller("bench", scopes=frozenset({"Users.*"}))
    bodies = {id: json.dumps({"id": id}).encode() for id in users.user_ids()}

    def by_apsw(ids: list[str]) -> None:
        for id in ids:
            if execute(SQL, (id,)).get[0] != id:
                raise AssertionError(id)

    def by_apsw_inside(ids: list[str]) -> None:
        bare.execute("BEGIN")
        by_apsw(ids)
        bare.execute("COMMIT")

    def by_get(ids: list[str]) -> None:
        for id in ids:
            one.id = id
            database.run_query(one)
            if one.value.id != id:
                raise AssertionError(id)

    def by_get_inside(ids: list[str]) -> None:
        with inside.by_hand(IN_PROCESS) as db:
            get = db.get
            for id in ids:
                if get(User, id).id != id:
                    raise AssertionError(id)

    def by_call(ids: list[str]) -> None:
        call = dispatcher.call
        for id in ids:
            call(Request("Users.getUser", bodies[id], JSON, caller, keep))
            if id.encode() not in answers.pop().body:
                raise AssertionError(id)

    one, inside = _OneGet(), database._snapshots()
    answers: list[Answer] = []
    keep = answers.append
    return {
        BARE: by_apsw, GET: by_get, CALL: by_call,
        BARE_MANY: by_apsw_inside, GET_MANY: by_get_inside,
    }  # fmt: skip


class _OneGet:
    """The smallest call there can be: `db.get`, nothing decoded or encoded."""

    method = "bench"
    min_seq = 0
    deadline_ns = 1 << 62
    caller = IN_PROCESS
    id = ""
    value: Any = None

    def run(self, db: Any, /) -> Any:
        """Get the row."""
        return db.get(User, self.id)

    def done(self, _seq: int, value: Any, /) -> None:
        """Keep it."""
        self.value = value

    def failed(self, _seq: int, error: BaseException, /) -> None:
        """There is no reason to."""
        raise error


def _here(run_now: Callable[[], None]) -> None:
    run_now()


def _fill(report: Report, blocks: dict[str, list[float]]) -> None:
    def ratio(name: str, base: str) -> float:
        return middle(a / b for a, b in zip(blocks[name], blocks[base], strict=True))

    bases = {BARE: BARE, GET: BARE, CALL: BARE, BARE_MANY: BARE_MANY, GET_MANY: BARE_MANY}
    rows = [
        [name, figure(middle(blocks[name])), times(ratio(name, base))]
        for name, base in bases.items()
    ]
    report.lines = table(["way", "CPU µs", "of apsw's time"], rows)
    report.aims = [
        Aim("db.get as one query against apsw alone", ratio(GET, BARE), 1.6, at_most=True),
        Aim("db.get against apsw alone, both inside one transaction", ratio(GET_MANY, BARE_MANY),
            1.6, at_most=True),
        Aim("a whole query call against apsw alone", ratio(CALL, BARE), 3.0, at_most=True),
    ]  # fmt: skip
    report.data["results"] = [
        {"way": name, "cpuUs": round(middle(blocks[name]), 3), "ratio": round(ratio(name, base), 3)}
        for name, base in bases.items()
    ]


if __name__ == "__main__":
    main(run, __doc__)
