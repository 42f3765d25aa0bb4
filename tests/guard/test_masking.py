"""No password leaves the guard: not on a line, not in JSON, SARIF or a baseline."""

from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.guard import as_json, sarif, write_baseline
from freehold.guard.masking import SHOWN_MAX, shown
from tests.guard.planted import looked_at

SECRET = "hunter2-of-the-house"
#: How people write passwords down; each is a finding, or stands beside one.
WRITTEN = {
    "services/a/plain.py": f"URL = 'postgresql://app:{SECRET}@db/main'\n",
    "services/a/no_user.py": f"URL = 'postgresql://:{SECRET}@db/main'\n",
    "services/a/at_sign.py": f"URL = 'postgresql://app:{SECRET}@{SECRET}@db/main'\n",
    "services/a/slash.py": f"URL = 'postgresql://app:x/{SECRET}@db/main'\n",
    "services/a/parts.py": f"URL = 'postgresql://app:' '{SECRET}@db/main'\n",
    "services/a/sum.py": f"URL = 'postgresql://app:' + '{SECRET}' + '@db/main'\n",
    "services/a/query.py": f"URL = 'postgresql://db/main?user=a&password={SECRET}'\n",
    "services/a/token.py": f"URL = 'libsql://db.example?authToken={SECRET}'\n",
    "services/a/keyword.py": f"import psycopg; psycopg.connect(host='x', password='{SECRET}')\n",
    "services/a/dsn.py": f"connect('host=x dbname=y password={SECRET}')\n",
    "services/a/two.ts": f"const u = 'mysql://a:b@c/d', v = 'mysql://app:{SECRET}@db/main'\n",
    "services/a/object.js": f"import pg from 'pg'; new pg.Pool({{ password: \"{SECRET}\" }})\n",
    "services/a/template.ts": f"const u = `mysql://${{user}}:{SECRET}@db/main`\n",
    "services/a/.env": f"DATABASE_URL=postgres://app:{SECRET}@db/main\nDB_PASSWORD={SECRET}\n",
    "services/a/settings.toml": f"url = 'mysql://app:{SECRET}@db/x'\nDB_PASSWORD = '{SECRET}'\n",
    "services/a/settings.ini": f"url = mysql://app:{SECRET}@db/x\n",
    "services/a/deploy.yaml": f"env:\n  PGPASSWORD: {SECRET}\n  U: mysql://app:{SECRET}@db/x\n",
    "services/a/run.sh": f"PGPASSWORD={SECRET} ; psql postgres://app:{SECRET}@db/x\n",
    "compose.yaml": (
        "services:\n  a:\n    environment:\n"
        f"      DATABASE_URL: postgres://app:{SECRET}@db/x\n      PGPASSWORD: {SECRET}\n"
        f"      PGUSER: a:{SECRET}\n"
    ),
}


def test_no_form_of_the_answer_shows_a_password(tmp_path: Path) -> None:
    """Every file is found, and none of what is said has the word in it."""
    report = looked_at(tmp_path / "repository", dict(WRITTEN))
    said = [
        msgspec.json.encode(as_json(report)).decode(),
        msgspec.json.encode(sarif(report, version="1")).decode(),
        repr(report),
    ]
    found = {each.path for each in report.errors}
    write_baseline(tmp_path / "baseline.json", report)
    said.append((tmp_path / "baseline.json").read_text())

    assert found == set(WRITTEN)
    assert [text.count(SECRET) for text in said] == [0, 0, 0, 0]
    assert "app:***@db/main" in said[0]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("postgres://app:pw@db/x", "postgres://app:***@db/x"),
        ("postgres://app@db/x", "postgres://app@db/x"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("password=pw host=x", "password=*** host=x"),
        ("{ 'apiKey': 'abc', a: 1 }", "{ 'apiKey': '***', a: 1 }"),
        ("password = ''", "password = ''"),
        ("passport = 'red'", "passport = 'red'"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
    ],
)
def test_what_is_masked_and_what_is_left(line: str, masked: str) -> None:
    """A reader must still know the place again."""
    assert shown(line) == masked


def test_a_long_line_is_short() -> None:
    """A bundle of a megabyte on one line is no answer."""
    assert len(shown("x" * 100_000)) == SHOWN_MAX


@given(
    st.text(string.ascii_letters + string.digits + "!$%^&*()_+=[]{};:,.<>?/|~#@-", min_size=6),
    st.sampled_from(["postgres", "mysql", "libsql", "postgresql+asyncpg"]),
    st.booleans(),
)
def test_whatever_a_password_is_made_of(word: str, scheme: str, encoded: bool) -> None:
    """Also what should have been percent-encoded and was not."""
    secret = f"Q{quote(word, safe='') if encoded else word}Z"

    line = shown(f'url = "{scheme}://app:{secret}@db.example/main"  # here')

    assert secret not in line
    assert "://app:***@db.example/main" in line
