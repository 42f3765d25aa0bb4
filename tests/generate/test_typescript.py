"""
The TypeScript client as its users have it: compiled by `tsc --strict`, run by Node.

The stories are TypeScript themselves, in `typescript/stories/`; they call a `freehold serve` of
the application in `typescript/kiosk.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.errors import ContractError
from freehold.generate import typescript_client
from freehold.generate.model import read_contract
from freehold.generate.names import check_names
from freehold.generate.typescript import _runtime
from freehold.generate.typescript_types import RESERVED, words_of
from tests.e2e.processes import ROOT, ServerProcess
from tests.generate import node
from tests.generate.contracts import contract, large, method, param, struct
from tests.generate.test_python_client import NASTY, nasty_contract

# One worker compiles, and runs what it has compiled.
pytestmark = pytest.mark.xdist_group("typescript")

APP = node.HERE / "kiosk.py"
STORIES = ["round", "errors", "lost", "together", "strangers", "gone", "page"]
GOLDEN = ROOT / "tests" / "golden"


def made(app: Path) -> dict[str, Any]:
    """The contract of an application of this repository, as it is now."""
    folder = app.parent / "clients"
    document: dict[str, Any] = json.loads((folder / "contract.json").read_text())
    return document


def odd_words() -> dict[str, Any]:
    """Names that mean something to JavaScript, to the platform or to the client itself."""
    words = [
        "Map",
        "Promise",
        "Error",
        "Object",
        "Array",
        "Page",
        "Ref",
        "Step",
        "Request",
        "Uint8Array",
    ]
    types = {
        word: struct(param("constructor"), param("toString"), param("delete")) for word in words
    }
    types["CallOptions"] = struct(param("a", required=False, default="x"))
    types["CallOptionsGiven"] = struct(param("self_", {"t": "ref", "name": "CallOptions"}))
    sent = [param(f"p{word}", {"t": "ref", "name": word}) for word in types]
    methods = {
        "delete": method("delete", *sent, returns={"t": "list", "of": {"t": "ref", "name": "Map"}}),
        "new": method(
            "new", param("new"), param("arguments"), param("given", required=False, default=1),
            kind="mutation", returns={"t": "page", "of": {"t": "ref", "name": "Page"}},
        ),
        "both": method(
            "both", param("options", {"t": "ref", "name": "CallOptions"}),
            returns={"t": "ref", "name": "CallOptionsGiven"}, errors=["Number"],
        ),
    }  # fmt: skip
    parts = [param("name"), param("message"), param("stack"), param("cause"), param("constructor")]
    errors = {
        "Number": {"extends": "Conflict", "doc": "*/ process.exit(1) /*", "fields": parts},
        "BigInt": {
            "extends": "Number",
            "doc": "",
            "fields": [param("stack"), param("status", {"t": "int64"})],
        },
    }
    whole = contract(methods=methods, types=types, errors=errors)
    whole["entrypoints"]["Set"] = {"doc": "", "methods": {"get": method("get")}}
    return whole


INT = {"t": "int"}
#: Words of the language and of the platforms, besides those that the client itself uses.
PLATFORM = """
    AbortController AbortSignal Array ArrayBuffer Awaited BigInt Blob Boolean Buffer Crypto Date
    Document Element Error Event EventTarget Exclude Extract FormData Function Headers Iterator JSON
    Location Map Math Node Notification NonNullable Number Object Omit Partial Pick Promise Proxy
    Readonly ReadonlyMap Record Reflect RegExp Request Required Response ReturnType Set String
    Symbol SyntaxError Text TypeError URL Uint8Array WeakMap Window atob btoa console crypto
    document eval exports fetch global globalThis location module process queueMicrotask require
    self setTimeout window undefined NaN Infinity arguments
"""


def taken_words() -> dict[str, dict[str, Any]]:
    """Contracts whose types, errors, entrypoints, fields and methods have such names."""
    words = sorted(words_of(_runtime()) | RESERVED | {*PLATFORM.split()})
    one = {"extends": "Conflict", "doc": "", "fields": []}
    types = [word for word in words if is_allowed(contract(types={word: struct()}))]
    errors = [word for word in words if is_allowed(contract(errors={word: one}))]
    methods = {word: method(word, param(word), returns=INT) for word in words}
    methods = {w: each for w, each in methods.items() if is_allowed(contract(methods={w: each}))}
    fields = [param(word) for word in words]
    fields = [each for each in fields if is_allowed(contract(types={"T": struct(each)}))]
    place = {"doc": "", "methods": {"a_call": method("a_call")}}
    assert min(len(types), len(errors), len(methods), len(fields)) > 100
    return {
        "types": contract(
            types={word: struct(param("a_part", INT)) for word in types},
            methods={f"a_call{at}": both_ways(f"a_call{at}", w) for at, w in enumerate(types)},
        ),
        "errors": contract(errors=dict.fromkeys(errors, one)),
        "methods": contract(methods=methods),
        "fields": contract(
            types={"T": struct(*fields)}, methods={"a_call": both_ways("a_call", "T")}
        ),
        "entrypoints": contract() | {"entrypoints": dict.fromkeys(types, place)},
    }  # fmt: skip


def both_ways(name: str, kind: str) -> dict[str, Any]:
    """A method that takes and answers one type."""
    shape = {"t": "ref", "name": kind}
    return method(name, param("a_value", shape), returns=shape)


def is_allowed(document: dict[str, Any]) -> bool:
    """Whether any client at all is made of it."""
    try:
        check_names(read_contract(document))
    except ContractError:
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stories and every client, in one folder."""
    place = tmp_path_factory.mktemp("typescript")
    shutil.copytree(node.HERE / "stories", place, dirs_exist_ok=True)
    clients = place / "clients"
    clients.mkdir()
    contracts = {
        "library": json.loads((GOLDEN / "library" / "contract.json").read_text()),
        "smallest": json.loads((GOLDEN / "smallest" / "contract.json").read_text()),
        "hotmetal": made(ROOT / "apps" / "hotmetal" / "hotmetal" / "app.py"),
        "linkie_claw": made(ROOT / "apps" / "linkie_claw" / "linkie_claw" / "app.py"),
        "large": large(300),
        "nasty": nasty_contract(),
        "odd": odd_words(),
        **{f"taken_{name}": document for name, document in taken_words().items()},
    }
    for name, document in contracts.items():
        (clients / f"{name}.ts").write_text(typescript_client(document))
    freehold("generate", "--app", str(APP), "--out", str(place / "kiosk"))
    shutil.copy(place / "kiosk" / "kiosk.ts", clients)
    shutil.rmtree(place / "kiosk")
    return place


@pytest.fixture(scope="module")
def compiled(folder: Path) -> Path:
    """The folder with its JavaScript."""
    assert node.compile_all(folder, node.IN_NODE) == ""
    return folder / "out"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`freehold serve` on a port of its own, and a key for it."""
    data = tmp_path_factory.mktemp("kiosk")
    said = freehold(
        "keys", "create", "stories", "--scope", "*", "--json", "--app", str(APP),
        "--data-dir", str(data),
    )  # fmt: skip
    server = ServerProcess(data, app=APP)
    server.start()
    try:
        line = server.wait_for("http://")
        url = next(word for word in line.split() if word.startswith("http://"))
        yield {"KIOSK_URL": url.rstrip(".,"), "KIOSK_KEY": json.loads(said)["key"]}
    finally:
        server.kill()


def freehold(*arguments: str) -> str:
    """What a command says."""
    done = subprocess.run(
        [sys.executable, "-m", "freehold", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_client_is_clean_under_strict(compiled: Path) -> None:
    """Golden ones, the applications', 300 methods, hostile words; with types for Node."""
    found = {path.stem for path in (compiled / "clients").glob("*.js")}
    assert len([name for name in found if name.startswith("taken_")]) == 5
    assert found >= {
        "hotmetal", "large", "library", "linkie_claw", "nasty", "odd", "smallest",
    }  # fmt: skip


def test_browsers_types_will_do(folder: Path, tmp_path: Path) -> None:
    """And none of Node's are needed."""
    shutil.copytree(folder / "clients", tmp_path / "clients")

    assert node.compile_all(tmp_path, node.IN_BROWSERS) == ""


@pytest.mark.attack("A44")
@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_well(story: str, compiled: Path, environ: dict[str, str]) -> None:
    """Node calls the real server: types there and back, errors, lost answers, transactions."""
    node.run(compiled / f"{story}.js", environ)


def test_every_story_is_told() -> None:
    """A file that nobody runs proves nothing."""
    told = {path.stem for path in (node.HERE / "stories").glob("*.ts")}

    assert told == {*STORIES, "place", "mistakes"}


def test_hostile_words_are_inert(compiled: Path, tmp_path: Path) -> None:
    """Loading the clients does nothing, and texts mean themselves."""
    taken = sorted(str(path) for path in (compiled / "clients").glob("taken_*.js"))
    script = tmp_path / "load.mjs"
    script.write_text(
        f"""
        import assert from "node:assert/strict";
        const before = Object.getOwnPropertyNames(globalThis).length;
        const odd = await import({json.dumps(str(compiled / "clients" / "odd.js"))});
        const nasty = await import({json.dumps(str(compiled / "clients" / "nasty.js"))});
        for (const path of {json.dumps(taken)}) await import(path);
        assert.equal(Object.getOwnPropertyNames(globalThis).length, before);
        assert.equal(new odd.BigInt({{ detail: "d", data: {{ status: "5" }} }}).status_, 5n);
        assert.equal(new odd.Set({{ url: "http://h" }}).seq, 0);
        const dal = new nasty.Api({{
          url: "http://h",
          fetch: async (url, init) => new Response(JSON.stringify(JSON.parse(init.body).value)),
        }});
        const texts = JSON.parse({json.dumps(json.dumps(NASTY))});
        for (const [at, text] of texts.entries()) {{
          const error = await dal[`m${{at}}`](text).catch((reason) => reason);
          assert.equal(error.name, "AnswerUnreadable", text);
          const refused = await dal[`m${{at}}`](text + "!").catch((reason) => reason);
          assert.equal(refused.path, "value");
        }}
        """
    )

    node.run(script, {})


def test_lines_say_what_the_contract_says() -> None:
    """Docs, defaults, errors and names, where editors show them."""
    text = typescript_client(json.loads((GOLDEN / "library" / "contract.json").read_text()))

    assert text.startswith("// Generated by `freehold generate` from the contract 0123456789abcdef")
    assert "   * @throws {BookLent} Another reader has it.\n" in text
    assert "   * Left out: `sinceDays` = 7.\n" in text
    assert "  lendBook(id: string, given: { readerId: string }): Promise<Book> {\n" in text
    assert "  shelfMark?: string | null;\n" in text
    assert "import " not in text.replace(" * import", "")


def test_the_lock_names_no_registry() -> None:
    """Packages are fetched from where the machine's own npm fetches them."""
    lock = json.loads((node.HERE / "package-lock.json").read_text())

    assert [name for name, each in lock["packages"].items() if "resolved" in each] == []
    assert "http" not in (node.HERE / "package-lock.json").read_text()


def test_check_looks_at_the_typescript_too(tmp_path: Path) -> None:
    """A stale .ts is named; generating again brings the same bytes back."""
    freehold("generate", "--app", str(APP), "--out", str(tmp_path))
    client = tmp_path / "kiosk.ts"
    before = client.read_bytes()
    client.write_bytes(before + b"// edited\n")

    command = [sys.executable, "-m", "freehold", "generate", "--app", str(APP), "--check"]
    stale = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    freehold("generate", "--app", str(APP), "--out", str(tmp_path))

    assert stale.returncode == 1
    assert "kiosk.ts is stale" in stale.stderr
    assert "kiosk.py" not in stale.stderr
    assert client.read_bytes() == before
