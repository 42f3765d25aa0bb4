"""The ten tables as the document has them, read back from a real database."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from hotmetal.schema import schema

#: Table: columns as `name TYPE` with `!` for NOT NULL, `=default`; then its references and
#: its indexes. The document's own order. Times are NOT NULL here: they are always set. Beyond the
#: document: `bound_to`, `token_refresh_until` and the index of the audit log's times.
DOCUMENT = {
    "sessions": (
        (
            "id TEXT!, user_id TEXT!, title TEXT, status TEXT! ='active', "
            "current_draft_version INTEGER =0, cms_post_id TEXT, created_at INTEGER!, "
            "updated_at INTEGER!, publication_id TEXT, idea_id TEXT, seed_context TEXT, "
            "featured_image_url TEXT"
        ),
        {"publication_id": "publications NO ACTION", "idea_id": "ideas NO ACTION"},
        {"idx_sessions_status": "status", "idx_sessions_user_id": "user_id"},
    ),
    "users": (
        "id TEXT!, email TEXT!, name TEXT!, created_at INTEGER!, updated_at INTEGER!",
        {},
        {},
    ),
    "publications": (
        (
            "id TEXT!, user_id TEXT!, cms_publication_id TEXT, name TEXT!, slug TEXT!, "
            "description TEXT, writing_tone TEXT, default_author TEXT ='Shahar', "
            "auto_publish_mode TEXT! ='draft', cadence_posts_per_week INTEGER =3, "
            "created_at INTEGER!, updated_at INTEGER!, "
            """scout_schedule TEXT ='{"type":"daily","hour":8}', """
            "timezone TEXT ='UTC', next_scout_at INTEGER"
        ),
        {"user_id": "users NO ACTION"},
        {
            "idx_publications_next_scout_at": "next_scout_at",
            "idx_publications_user_id": "user_id",
        },
    ),
    "topics": (
        (
            "id TEXT!, publication_id TEXT!, name TEXT!, description TEXT, priority INTEGER =1, "
            "is_active INTEGER =1, created_at INTEGER!, updated_at INTEGER!"
        ),
        {"publication_id": "publications CASCADE"},
        {"idx_topics_publication_id": "publication_id"},
    ),
    "ideas": (
        (
            "id TEXT!, publication_id TEXT!, topic_id TEXT, title TEXT!, angle TEXT!, "
            "summary TEXT!, sources TEXT, status TEXT! ='new', session_id TEXT, "
            "relevance_score REAL, "
            "created_at INTEGER!, updated_at INTEGER!"
        ),
        {
            "publication_id": "publications CASCADE",
            "topic_id": "topics SET NULL",
            "session_id": "sessions NO ACTION",
        },
        {
            "idx_ideas_created_at": "created_at",
            "idx_ideas_publication_id": "publication_id",
            "idx_ideas_status": "status",
        },
    ),
    "audit_logs": (
        (
            "id TEXT!, post_id TEXT!, outlet TEXT!, action TEXT!, status TEXT!, result_data TEXT, "
            "error_message TEXT, created_at INTEGER!"
        ),
        {},
        {
            "idx_audit_logs_created_at": "created_at",
            "idx_audit_logs_outlet": "outlet",
            "idx_audit_logs_post_id": "post_id",
        },
    ),
    "oauth_state": (
        "state TEXT!, provider TEXT!, expires_at INTEGER!, bound_to TEXT, created_at INTEGER!",
        {},
        {},
    ),
    "social_connections": (
        (
            "id TEXT!, user_id TEXT!, provider TEXT!, display_name TEXT, connection_type TEXT, "
            "external_id TEXT, access_token TEXT, refresh_token TEXT, token_expires_at INTEGER, "
            "scopes TEXT, created_at INTEGER!, updated_at INTEGER!, token_refresh_until INTEGER"
        ),
        {"user_id": "users NO ACTION"},
        {
            "idx_social_connections_provider": "user_id, provider",
            "idx_social_connections_user": "user_id",
        },
    ),
    "publication_outlets": (
        (
            "id TEXT!, publication_id TEXT!, connection_id TEXT!, auto_publish INTEGER =0, "
            "settings TEXT, created_at INTEGER!, updated_at INTEGER!"
        ),
        {"publication_id": "publications CASCADE", "connection_id": "social_connections NO ACTION"},
        {"idx_pub_outlets_publication": "publication_id"},
    ),
    "publication_tokens": (
        (
            "id TEXT!, publication_id TEXT!, token_hash TEXT!, label TEXT, is_active INTEGER =1, "
            "created_at INTEGER!, revoked_at INTEGER"
        ),
        {"publication_id": "publications CASCADE"},
        {"idx_pub_tokens_hash": "token_hash", "idx_pub_tokens_publication": "publication_id"},
    ),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    for sql in schema.ddl("sqlite"):
        connection.execute(sql)
    yield connection
    connection.close()


def test_there_are_ten_tables(connection: apsw.Connection) -> None:
    """The document's, and no others."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")

    assert sorted(name for (name,) in rows) == sorted(DOCUMENT)


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_columns_are_the_documents(connection: apsw.Connection, table: str) -> None:
    """Names, order, types, nullability and defaults; the key is one column of text."""
    info = list(connection.execute(f"PRAGMA table_info({table})"))

    columns = [
        f"{name} {kind}{'!' if not_null else ''}{'' if default is None else f' ={default}'}"
        for _, name, kind, not_null, default, _ in info
    ]
    assert ", ".join(columns) == DOCUMENT[table][0]
    assert [name for _, name, *_, key in info if key] == [info[0][1]]


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_references_are_the_documents(connection: apsw.Connection, table: str) -> None:
    """Each with what happens when the row it points at goes."""
    info = connection.execute(f"PRAGMA foreign_key_list({table})")

    found = {column: f"{to} {on_delete}" for _, _, to, column, _, _, on_delete, _ in info}
    assert found == DOCUMENT[table][1]


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_indexes_are_the_documents(connection: apsw.Connection, table: str) -> None:
    """By name, each over its columns; the address of a user is the only unique one."""
    found = {}
    for _, name, _, origin, _ in list(connection.execute(f"PRAGMA index_list({table})")):
        columns = connection.execute(f"PRAGMA index_info({name})")
        if origin == "c":
            found[name] = ", ".join(column for _, _, column in columns)

    assert found == DOCUMENT[table][2]


@pytest.mark.parametrize(
    ("table", "column", "wrong"),
    [
        ("sessions", "status", "'paused'"),
        ("publications", "auto_publish_mode", "'sometimes'"),
        ("topics", "priority", "4"),
        ("topics", "is_active", "2"),
        ("ideas", "status", "'maybe'"),
        ("audit_logs", "status", "'pending'"),
        ("publication_outlets", "auto_publish", "-1"),
        ("publication_tokens", "is_active", "7"),
    ],
)
def test_a_closed_vocabulary_is_checked_by_the_database(
    connection: apsw.Connection, table: str, column: str, wrong: str
) -> None:
    """No hand can write another word, however it comes to the table."""
    values = {
        name: wrong if name == column else ("1" if kind in ("INTEGER", "REAL") else "'x'")
        for _, name, kind, not_null, default, _ in connection.execute(f"PRAGMA table_info({table})")
        if name == column or (not_null and default is None)
    }
    insert = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"

    with pytest.raises(apsw.ConstraintError, match=f"CHECK.*{column}"):
        connection.execute(insert)
