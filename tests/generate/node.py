"""
Node and the real `tsc` for tests; fetched once by npm, as `typescript/package-lock.json` says.

A machine without Node is told so, in red: a client that nobody compiled is not known to work.
"""

from __future__ import annotations

import fcntl
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


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not on this machine: install Node 20 or newer to run the tests."
    return found


def tsc() -> list[str]:
    """The command of the compiler; the first who asks for it fetches it."""
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (MODULES / ".package-lock.json").is_file():
            done = subprocess.run(
                [_program("npm"), "ci", "--no-fund", "--no-audit", "--ignore-scripts"],
                cwd=HERE,
                capture_output=True,
                text=True,
                timeout=_DEADLINE_S,
                check=False,
            )
            assert done.returncode == 0, f"npm could not fetch TypeScript:\n{done.stderr}"
    return [_program("node"), str(MODULES / "typescript" / "bin" / "tsc")]


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
        [_program("node"), "--unhandled-rejections=strict", str(script)],
        env={"PATH": str(Path(_program("node")).parent), **environ},
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{script.name}:\n{done.stdout}{done.stderr}"
