"""
Three scouts and eight publications that write by themselves, while the data layer is killed.

    FREEHOLD_FAULTS=full pytest -n0 -rP apps/hotmetal/tests/whole/test_many_at_once.py

Every publication is due, so each scout wants it, and each scout is told by hand to look besides.
In the full run the scouts, the writer and the CMS are killed too. What must be so at the end: no
idea twice, no post twice, and of every attempt one row in the audit log.
"""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hotmetal.clients.hotmetal import ListAuditLogsFilters
from tests.whole.running import HotMetal, stored, until

from tests.faults.figures import record
from tests.faults.share import SEED, note, share

pytestmark = [
    pytest.mark.fault,
    pytest.mark.promise("P1"),
    pytest.mark.promise("P4"),
    pytest.mark.timeout(share(240, 3_600)),
    pytest.mark.xdist_group("whole"),
]

SCOUTS: Final = 3
PUBLICATIONS: Final = 8
#: In each, eight new publications are looked at by every scout.
ROUNDS: Final = share(1, 10)
#: In each round. More often, and `dev` takes it for something that cannot be started.
KILLS: Final = share(3, 6)
_REST_S: Final = (1.0, 3.0) if ROUNDS == 1 else (8.0, 10.0)
_OVER: Final = ("finished", "dead", "cancelled")
_TOPICS: Final = (
    "Port electrification", "Battery ferries", "Nautical charts", "Fermentation at home",
    "Sourdough science", "Shore power", "Electric tugs", "Winter timetable",
)  # fmt: skip


class Scout:
    """One more scout beside the one of `dev`: the same binding and keys, its own store."""

    def __init__(self, house: HotMetal, number: int) -> None:
        like = Path(f"/proc/{until(lambda: house.pid('scout'))}/environ").read_bytes()
        told = dict(each.split("=", 1) for each in like.decode().split("\0") if "=" in each)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        folder = house.folder.with_name(f"scout-{number}")
        self._environment = told | {"PORT": str(port), "DATA_DIR": str(folder)}
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {told['SCOUT_API_KEY']}"},
            timeout=30,
        )

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotmetal.services.scout"],
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self.http.get("/health").status_code == 200, "a scout to serve")

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Ask it to end."""
        self.http.close()
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


@contextmanager
def scouts(house: HotMetal) -> Iterator[list[Scout]]:
    """Two more of them."""
    more = [Scout(house, number) for number in range(1, SCOUTS)]
    try:
        for each in more:
            each.start()
        yield more
    finally:
        for each in more:
            each.close()


def make_publications(house: HotMetal, turn: int) -> list[str]:
    """Eight that publish by themselves, every one of them due."""
    ids = []
    for number in range(PUBLICATIONS):
        slug = f"paper-{turn}-{number}"
        said = {"name": f"Paper {turn}.{number}", "slug": slug, "autoPublishMode": "publish"}
        ids.append(made(house, "/api/publications", said, key=slug)["id"])
        topic = {"name": _TOPICS[number], "description": "What is new"}
        made(house, f"/api/publications/{ids[-1]}/topics", topic, key=f"{slug}-topic")

    def is_due() -> bool:
        with house.dal() as dal:
            for id in ids:
                dal.update_publication_next_scout_at(id, int(time.time()) - 60)
        return True

    until(is_due, "the publications to be due")
    return ids


def made(house: HotMetal, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
    """What the writer made; asked again while somebody is away."""
    writer = house.face("writer")

    def there() -> dict[str, Any] | None:
        answer = writer.post(path, json=body, headers={"Idempotency-Key": key})
        if answer.status_code in (502, 503):
            return None
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return until(there, f"{path} to be made")


def ask_by_hand(faces: list[httpx.Client], ids: list[str]) -> list[tuple[httpx.Client, str]]:
    """Every scout is asked for every publication; asked again when somebody is away."""
    runs = []
    for face in faces:
        for id in ids:

            def taken(face: httpx.Client = face, id: str = id) -> dict[str, Any] | None:
                once = {"Idempotency-Key": f"by-hand-{id}"}
                return _taken(face.post("/api/scout/run", json={"publicationId": id}, headers=once))

            runs.append((face, until(taken, "the run to be taken")["id"]))
    return runs


def _taken(answer: httpx.Response) -> dict[str, Any] | None:
    if answer.status_code == 503:
        return None
    assert answer.status_code == 202, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def trouble(house: HotMetal, more: list[Scout], chance: random.Random) -> Counter[str]:
    """Kill the data layer, and in the full run the others, again and again."""
    killed: Counter[str] = Counter()
    others = ["scout", "writer", "cms", "more"] if ROUNDS > 1 else []
    for number in range(KILLS):
        time.sleep(chance.uniform(*_REST_S))
        name = chance.choice(others) if others and number % 2 else "data-layer"
        if name == "more":
            victim = chance.choice(more)
            victim.kill()
            victim.start()
        else:
            house.kill(name)
        killed[name] += 1
    return killed


def is_over(face: httpx.Client, run: str) -> bool:
    """The run has ended; a dead letter is delivered once more."""
    told = stored(face, f"/api/scout/runs/{run}")
    if told and told["state"] == "dead":
        face.post(f"/api/scout/dead-letters/{run}/retry")
        return False
    return bool(told) and told["state"] in _OVER


def test_three_scouts_eight_publications_and_a_data_layer_that_dies(house: HotMetal) -> None:
    """No idea twice, no post twice, and every attempt in the audit log."""
    began, chance = time.monotonic(), random.Random(SEED)
    ids: list[str] = []
    killed: Counter[str] = Counter()
    runs = 0
    with scouts(house) as more:
        faces = [house.face("scout"), *(each.http for each in more)]
        for turn in range(ROUNDS):
            new = make_publications(house, turn)
            asked = ask_by_hand(faces, new)
            killed += trouble(house, more, chance)
            for face, run in asked:
                until(partial(is_over, face, run), f"{run} to end", seconds=120)
            ids += new
            runs += len(asked)
        for face in faces:
            until(partial(nothing_waits, face), "the scheduled runs to end")
    found = Found(house, ids)
    until(found.look, "everything that was written to be published")
    attempts = attempts_of(house)
    bad = found.faults() + abs(attempts - found.rows)
    record(
        "P4",
        "HotMetal: 3 scouts, 8 publications, processes killed",
        seconds=time.monotonic() - began,
        bad=bad,
        runs=runs,
        ideas=len(found.ideas),
        posts=len(found.posts),
        attempts=attempts,
        kills=sum(killed.values()),
    )
    note(f"{runs} runs, {len(found.ideas)} ideas, {len(found.posts)} posts, {dict(killed)}")
    assert len(found.posts) >= len(ids), "hardly anything was written"
    said = house.log.lower()
    assert "database is locked" not in said, "two processes have written into one database"
    assert "sqlite_busy" not in said
    assert bad == 0, f"seed {SEED}: {found.faults()} wrong, {attempts} attempts, {found.rows} rows"


def nothing_waits(face: httpx.Client) -> bool:
    """No run of the scout is under way."""
    told = stored(face, "/api/scout/runs")
    return bool(told) and all(run["state"] in _OVER for run in told["data"])


class Found:
    """What there is at the end, from the data layer and from the CMS."""

    def __init__(self, house: HotMetal, ids: list[str]) -> None:
        self._house = house
        self._publications = ids
        self.ideas: list[Any] = []
        self.posts: list[dict[str, Any]] = []
        self.sessions: list[dict[str, Any]] = []
        self.rows = 0

    def look(self) -> bool:
        """Look; whether no session is still on its way to a post."""
        writer, cms = self._house.face("writer"), self._house.face("cms")
        with self._house.dal() as dal:
            self.ideas = [
                idea for id in self._publications for idea in dal.list_ideas_by_publication(id)
            ]
            sessions = stored(writer, "/api/sessions", userId="default")
            self.sessions = [
                each for each in (sessions or {"data": []})["data"]
                if each["publicationId"] in self._publications
            ]  # fmt: skip
            held = {idea.session_id for idea in self.ideas if idea.status == "promoted"}
            self.posts = [
                post
                for each in self.sessions
                for post in cms.get("/api/posts", params={"externalId": each["id"]}).json()["data"]
            ]
            about = {post["id"] for post in self.posts} | {each["id"] for each in self.sessions}
            self.rows = sum(
                len(dal.list_audit_logs(ListAuditLogsFilters(post_id=id))) for id in about
            )
        done = {each["id"] for each in self.sessions if each["status"] == "completed"}
        return held <= done

    def faults(self) -> int:
        """How much is there twice, or half."""
        told = Counter((idea.publication_id, idea.title, idea.angle) for idea in self.ideas)
        of_session = Counter(post["externalId"] for post in self.posts)
        of_idea = Counter(each["ideaId"] for each in self.sessions if each["status"] == "completed")
        titles = Counter((post["publicationId"], post["title"]) for post in self.posts)
        twice = sum(
            count - 1 for counter in (told, of_session, of_idea, titles)
            for count in counter.values()
        )  # fmt: skip
        completed = {each["id"] for each in self.sessions if each["status"] == "completed"}
        return twice + len(completed ^ set(of_session)) + self._unpublished()

    def _unpublished(self) -> int:
        return sum(post["status"] != "published" for post in self.posts)


def attempts_of(house: HotMetal) -> int:
    """How often the writer tried to publish, by its own store."""
    (path,) = (house.folder / "services" / "writer").glob("*.db")
    connection = sqlite3.connect(path)
    try:
        (count,) = connection.execute("SELECT count(*) FROM attempts").fetchone()
    finally:
        connection.close()
    return int(count)
