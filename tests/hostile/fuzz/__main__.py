"""
The coverage-guided fuzzer, and the way to play one input again.

    python -m tests.hostile.fuzz TARGET --seconds 60 --seed 1
    python -m tests.hostile.fuzz TARGET --replay BASE64
    python -m tests.hostile.fuzz every --kept             every input of the corpus, once

A defect is printed with the second command and ends the process with 77. The corpus is in
`corpus/TARGET`: inputs that reach something, and those that once broke something.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).with_name("corpus")
FOUND: Final = 77
#: Longer inputs reach nothing that shorter ones do not, and are slower.
_BYTES_MAX: Final = 1_500


def main() -> None:
    """Fuzz one target, or play one input."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grow", type=Path, help="A folder for new inputs that reach something.")
    parser.add_argument("--replay", help="One input, in base64.")
    parser.add_argument("--kept", action="store_true", help="Play the whole corpus.")
    said = parser.parse_args()
    if said.kept:
        _play_kept()
        return
    if said.replay is not None:
        _replay(said.target, base64.b64decode(said.replay))
        return
    _fuzz(said.target, seconds=said.seconds, seed=said.seed, grow=said.grow)


def _replay(name: str, data: bytes) -> None:
    from tests.hostile.fuzz.targets import ALL

    ALL[name]()(data)
    sys.stdout.write(f"{name}: {len(data)} bytes, nothing broke\n")
    sys.stdout.flush()
    os._exit(0)


def _play_kept() -> None:
    from tests.hostile.fuzz.targets import TARGETS

    for name, make in TARGETS.items():
        run = make()
        inputs = sorted((CORPUS / name).iterdir())
        for each in inputs:
            try:
                run(each.read_bytes())
            except Exception:
                sys.stderr.write(f"{name} broke at {each}\n")
                raise
        sys.stdout.write(f"{name} {len(inputs)}\n")
    sys.stdout.flush()
    # What the targets hold open ends with the process.
    os._exit(0)


def _fuzz(name: str, *, seconds: int, seed: int, grow: Path | None) -> None:
    import atheris

    with atheris.instrument_imports(include=["freehold", "tests.hostile.fuzz"]):
        from tests.hostile.fuzz.targets import ALL

    run = ALL[name]()

    def once(data: bytes) -> None:
        try:
            run(data)
        except Exception:
            traceback.print_exc()
            text = base64.b64encode(data).decode()
            sys.stderr.write(f"\n{name} broke; play it again with\n")
            sys.stderr.write(f"python -m tests.hostile.fuzz {name} --replay {text}\n")
            sys.stderr.flush()
            os._exit(FOUND)

    folders = [str(folder) for folder in (grow, CORPUS / name) if folder and folder.is_dir()]
    # libFuzzer writes new inputs into the first folder; without one, nowhere.
    found = f"{tempfile.gettempdir()}/freehold-fuzz-{name}-"
    arguments = [
        f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={_BYTES_MAX}",
        "-timeout=20", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={found}",
    ]  # fmt: skip
    if grow is None and folders:
        arguments.append("-reload=0")
        folders = [f"-seed_inputs=@{_listed(CORPUS / name)}"]
    atheris.Setup([sys.argv[0], *arguments, *folders], once)
    atheris.Fuzz()


def _listed(folder: Path) -> Path:
    """A file that names all inputs of a folder: libFuzzer reads those and adds none."""
    handle, name = tempfile.mkstemp(prefix="freehold-corpus-")
    with os.fdopen(handle, "w") as file:
        file.write(",".join(str(each) for each in sorted(folder.iterdir())))
    return Path(name)


if __name__ == "__main__":
    main()
