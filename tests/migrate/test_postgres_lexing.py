"""Where a statement of PostgreSQL ends, and which words are in it."""

from __future__ import annotations

import pytest

from freehold.migrate.files import parse
from freehold.migrate.postgres.lexing import mentions, normalised, renamed, statements, tokens


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1;", " SELECT 2"]),
        ("SELECT ';'; SELECT $$;$$; SELECT $a$;$$;$a$", ["';';", "$$;$$;", "$;$$;$a$"]),
        (r"SELECT E'\';'; SELECT ';\'; SELECT 1", [r"E'\';';", r"';\';", " SELECT 1"]),
        (
            'SELECT "a;b"; SELECT 1 -- ;\n; /* ; /* ; */ ; */ SELECT 2',
            ['"a;b";', "\n;", "SELECT 2"],
        ),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", ["2);", " SELECT 3"]),
        ("SELECT $1; SELECT a$b$c FROM t", ["SELECT $1;", " SELECT a$b$c FROM t"]),
        ("SELECT 1 /* never closed ; ", ["SELECT 1 /* never closed ; "]),
    ],
)
def test_a_statement_ends_where_the_engine_says(text: str, ends: list[str]) -> None:
    """Not in strings of any kind, quoted names, dollars, comments in comments, parentheses."""
    found = [piece for _, piece in statements(text)]

    assert len(found) == len(ends)
    assert all(piece.endswith(end) for piece, end in zip(found, ends, strict=True))
    assert "".join(found) == text


def test_what_makes_no_difference_is_left_out() -> None:
    """Case of words, quotes of plain names, spaces and comments; not the case of quoted names."""
    assert normalised(tokens('SELECT  "a", "B" /* x */ FROM T -- y')) == 'select a , "B" from t'
    assert normalised(tokens("'It''s' || E'\\n' :: text")) == "'It''s' || E'\\n' :: text"


def test_a_name_is_replaced_where_it_is_one() -> None:
    """Not in a text, not as a function."""
    assert renamed("a > 'a' AND a(1) > \"a\"", "a", "B") == '"B" > \'a\' and a ( 1 ) > "B"'
    assert mentions("NEW.a = 1", "a")
    assert not mentions("'a' = b", "a")


def test_a_file_is_divided_and_each_statement_knows_its_line() -> None:
    """As on SQLite, with or without marks."""
    text = """
-- why
CREATE TABLE t (a TEXT); -- first
CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN
  SELECT 1; RETURN NEW;
END $$ LANGUAGE plpgsql;

-- freehold:rebuild t
-- freehold:statement
ALTER TABLE t ALTER a TYPE bytea;
-- freehold:end
"""

    found = parse("x", text, "postgresql")

    assert [(s.line, s.sql.split()[0], s.rebuild) for s in found] == [
        (3, "CREATE", None),
        (4, "CREATE", None),
        (10, "ALTER", "t"),
    ]
    assert found[1].sql.endswith("plpgsql")
