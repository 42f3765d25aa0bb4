"""`freehold export`: beside a running server, secrets only when asked for, and then noted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.cli.commands import freehold
from tests.e2e.processes import HOTMETAL, serving


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a HotMetal with its sample data."""
    folder = tmp_path_factory.mktemp("export") / "data"
    said = freehold("seed", "--app", HOTMETAL, "--data-dir", folder, cwd=folder.parent)
    assert said.code == 0
    return folder


def test_it_reads_beside_the_server(data: Path, tmp_path: Path) -> None:
    """One snapshot while it is served; what is revealed stands in the audit log before."""
    last = ("--app", HOTMETAL, "--data-dir", data)
    with serving(data):
        kept = freehold("export", "-o", tmp_path, *last, cwd=tmp_path)
        revealed = freehold("export", "--table", "social_connections", "--reveal-sealed", *last,
                            cwd=tmp_path)  # fmt: skip
        log = freehold("audit", "list", "--json", *last, cwd=tmp_path)

    lines = (tmp_path / "main.jsonl").read_bytes().splitlines()
    assert kept.code == 0
    assert len(lines) == 1 + 27 + 1
    assert b"sample-access-token" not in b"".join(lines)
    assert '"access_token":"sample-access-token"' in revealed.out
    assert "it holds secrets in clear" in revealed.err
    assert [row["method"] for row in log.json()] == ["Freehold_main.revealSealed"]


def test_out_and_in_again(data: Path, tmp_path: Path) -> None:
    """Through a pipe's worth of text: standard output holds the file and nothing else."""
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "other" / "secrets.json").write_bytes((data / "secrets.json").read_bytes())
    (tmp_path / "other" / "secrets.json").chmod(0o600)

    out = freehold("export", "--format", "sql", "--app", HOTMETAL, "--data-dir", data, cwd=tmp_path)
    (tmp_path / "all.sql").write_text(out.out)
    back = freehold("import", "all.sql", "--json", "--app", HOTMETAL, "--data-dir", "other",
                    cwd=tmp_path)  # fmt: skip
    wrong = freehold("export", "--format", "xml", "--app", HOTMETAL, cwd=tmp_path)

    assert out.code == 0
    tables = msgspec.json.decode(back.out)["tables"]
    assert sum(table["inserted"] for table in tables) == 27
    assert wrong.code == 2
