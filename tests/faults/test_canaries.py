"""
Canaries: known texts in every sealed, hashed and secret argument of a random workload, and then
not one byte of them anywhere but in the answers that are there to open them.

The real server, over its socket; then every file of its folder, its log at the loudest, its error
answers, its metrics, and what `copy`, `sql`, `audit` and `doctor` make of it.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import msgspec
import pytest

from freehold.schema import wire_name
from freehold.wire.codec import CodecName
from tests.cli.commands import freehold
from tests.e2e.processes import HOTMETAL as HOTMETAL_PATH
from tests.e2e.processes import ROOT, ServerProcess
from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.calls import Call
from tests.lockstep.generator import Generator
from tests.lockstep.habits import Habits, Pool

pytestmark = [
    pytest.mark.fault,
    pytest.mark.promise("P7"),
    pytest.mark.attack("A18"),
    pytest.mark.timeout(share(120, 1_800)),
]

CALLS = share(500, 20_000)
APPS: Final = {
    "hotmetal": (HOTMETAL, HOTMETAL_PATH),
    "linkie_claw": (LINKIE_CLAW, ROOT / "apps" / "linkie_claw" / "linkie_claw" / "app.py"),
}
CANARY: Final = "ZQXCANARYQZX"
#: Arguments that hold what must not be kept in clear: sealed, hashed, or a credential.
SECRET: Final = frozenset({
    "accessToken", "refreshToken", "idToken", "sessionToken", "token", "rawToken", "state",
    "boundTo", "linkedinAccessToken", "linkedinRefreshToken",
})  # fmt: skip
#: As `freehold serve`, with every logger at its loudest.
LOUD: Final = """
import logging, sys
from freehold.cli import serve
quiet = serve.log_to_stderr
def loud(**said):
    quiet(**said)
    for name in (None, "freehold", "asyncio", "asyncpg"):
        logging.getLogger(name).setLevel(logging.DEBUG)
serve.log_to_stderr = loud
from freehold.cli import main
main()
"""


def forms() -> list[bytes]:
    """What the canary looks like in clear, in hexadecimal, and in base 64 wherever it begins."""
    raw = CANARY.encode()
    found = [raw.lower(), raw.hex().encode(), CANARY.encode("utf-16-le").lower()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        found.append(encoded[4 if shift else 0 : len(encoded) - 4].lower())
    return found


FORMS: Final = forms()


def holds_canary(data: bytes) -> bool:
    """Whether it shows one; upper and lower case are the same."""
    lower = data.lower()
    return any(form in lower for form in FORMS)


def planted(value: Any, random: Random, *, name: str = "") -> Any:
    """The arguments with a canary in each secret one; a few, so that they are met again."""
    if isinstance(value, dict):
        return {key: planted(part, random, name=wire_name(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [planted(part, random) for part in value]
    if name in SECRET and isinstance(value, str):
        return f"{CANARY}-{random.randint(1, 12):02}"
    return value


def with_canaries(call: Call, random: Random) -> Call:
    """The call; as it is when its body cannot be read."""
    try:
        tree = planted(call.spoken.decode(call.body), random)
        body = msgspec.json.encode(tree) if call.codec == "json" else msgspec.msgpack.encode(tree)
    except Exception:
        return call
    return Call(call.method, body, call.codec, call.caller, call.behind, call.key)


def opening_methods(habits: Habits) -> set[str]:
    """Those that are there to give a secret away: behind a scope word of their own, or once."""
    return {
        name
        for entrypoint in habits.app.entrypoints.values()
        for method in entrypoint.__methods__.values()
        if method.scope is not None or method.reveals
        for name in (method.full_name, f"{entrypoint.__name__}.{method.name}")
    }


class Loud(ServerProcess):
    """`freehold serve` with its log at the loudest."""

    def __init__(self, folder: Path, app: Path) -> None:
        super().__init__(folder, app=app)
        self._arguments = [
            sys.executable, "-c", LOUD, "serve", str(app), "--data-dir", str(folder),
            "--port", "0", "--upgrade", "apply",
        ]  # fmt: skip


def play(server: Loud, habits: Habits, random: Random) -> Iterator[tuple[Call, httpx.Response]]:
    """The random workload over the Unix socket, where no key is asked for."""
    generator, pool = Generator(habits), Pool()
    transport = httpx.HTTPTransport(uds=str(server.socket))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=30) as http:
        done = number = 0
        while done < CALLS:
            number += 1
            step = generator.step(random, pool, number=number, now_s=int(time.time()))
            for each in step.calls:
                call = with_canaries(each, random)
                kinds: dict[str, CodecName] = {"json": "json", "msgpack": "msgpack"}
                kind = f"application/{kinds[call.codec]}"
                headers = {"Content-Type": kind, "Accept": kind}
                if call.key is not None:
                    headers["Idempotency-Key"] = call.key
                answer = http.post(
                    f"/rpc/{call.method.replace('.', '/')}", content=call.body, headers=headers
                )
                done += 1
                if answer.status_code == 200:
                    generator.harvest(call, call.spoken.decode(answer.content), pool)
                yield call, answer
        yield Call("metrics", b""), http.get("/metrics")


@pytest.mark.attack("A5")
@pytest.mark.attack("A11")
@pytest.mark.parametrize("name", APPS)
def test_no_canary_is_found_anywhere(name: str, tmp_path: Path) -> None:
    """Not in a file, a line, an error, a metric or a dump."""
    began = time.monotonic()
    habits, app = APPS[name]
    random, opens = Random(SEED), opening_methods(habits)
    folder = tmp_path / "data"
    server = Loud(folder, app)
    server.start()
    found, planted_in, scanned, good = [], 0, 0, 0

    def look(where: str, data: bytes) -> None:
        nonlocal scanned
        scanned += len(data)
        if holds_canary(data):
            found.append(where)

    try:
        for call, answer in play(server, habits, random):
            planted_in += holds_canary(call.body)
            good += answer.status_code == 200
            if call.method not in opens:
                look(f"{answer.status_code} of {call.method}", answer.content)
            look(f"headers of {call.method}", repr(answer.headers.raw).encode())
        for path in folder.iterdir():
            if path.is_file() and not path.is_socket():
                look(f"served: {path.name}", path.read_bytes())
    finally:
        server.kill()
    look("log", "".join(server.said).encode())
    for words in (
        ("sql", "SELECT * FROM _freehold_calls", "--limit", "1000"),
        ("audit", "list", "--limit", "1000"),
        ("doctor",),
        ("copy", str(folder / "main.db"), str(tmp_path / "copy.db")),
    ):
        said = freehold(*words, "--app", app, "--data-dir", folder, cwd=tmp_path)
        assert words[0] == "doctor" or said.code == 0, said.err
        look(f"freehold {words[0]}", (said.out + said.err).encode())
    for path in [*folder.iterdir(), *tmp_path.glob("copy.db*")]:
        if path.is_file():
            look(f"at rest: {path.name}", path.read_bytes())

    record("P7", f"canaries in {name}, searched in files, logs, errors and dumps",
           seconds=time.monotonic() - began, bad=len(found), calls=CALLS, planted=planted_in,
           megabytes=scanned >> 20)  # fmt: skip
    assert found == [], f"seed {SEED}"
    assert planted_in > CALLS // 20
    assert good > CALLS // 3


@pytest.mark.parametrize(
    "data",
    [
        f"…{CANARY}…".encode(), CANARY.lower().encode(), CANARY.encode().hex().encode(),
        base64.b64encode(f"x{CANARY}y".encode()), base64.b64encode(f"xy{CANARY}y".encode()),
        base64.urlsafe_b64encode(f"{CANARY}-01".encode()), CANARY.encode("utf-16-le"),
    ],
)  # fmt: skip
def test_the_search_finds_a_canary_that_is_there(data: bytes) -> None:
    """The control: in each of the ways that a text may lie in a file."""
    assert holds_canary(data)
