"""The eight tables as the document has them, read back from a real database."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from linkie_claw.schema import schema

#: Table: columns as `name TYPE` with `!` for NOT NULL, `=default`; its key; which columns refer
#: to a user; its unique columns beside the key; its indexes. Columns behind the bar are Freehold's
#: additions: the claim on a post, the binding of a state.
DOCUMENT = {
    "users": (
        "id TEXT!, name TEXT, email TEXT!, emailVerified INTEGER, image TEXT, created_at INTEGER!",
        "id", "", {"email"}, {},
    ),
    "accounts": (
        ("id TEXT!, userId TEXT!, type TEXT!, provider TEXT!, providerAccountId TEXT!, "
        "refresh_token TEXT, access_token TEXT, expires_at INTEGER, token_type TEXT, scope TEXT, "
        "id_token TEXT, session_state TEXT"),
        "id", "userId", {"provider, providerAccountId"}, {},
    ),
    "sessions": (
        "id TEXT!, sessionToken TEXT!, userId TEXT!, expires INTEGER!",
        "id", "userId", {"sessionToken"}, {},
    ),
    "verificationTokens": (
        "identifier TEXT!, token TEXT!, expires INTEGER!", "identifier, token", "", {"token"}, {},
    ),
    "posts": (
        ("id TEXT!, user_id TEXT!, title TEXT!, content TEXT!, image_url TEXT, "
        "scheduled_at INTEGER, published_at INTEGER, status TEXT! ='draft', "
        "linkedin_post_urn TEXT, error_message TEXT, retry_count INTEGER! =0, "
        "claim_id TEXT, lease_until INTEGER, fence INTEGER! =0, "
        "created_at INTEGER!, updated_at INTEGER!"),
        "id", "user_id", set(),
        {
            "posts_user_id_idx": "user_id",
            "posts_status_idx": "status",
            "posts_scheduled_at_idx": "scheduled_at",
        },
    ),
    "generations": (
        ("id TEXT!, user_id TEXT!, idea TEXT!, text_variations_json TEXT!, images_json TEXT!, "
        "selected_text_id TEXT, selected_image_id TEXT, created_at INTEGER!"),
        "id", "user_id", set(), {"generations_user_id_idx": "user_id"},
    ),
    "user_settings": (
        ("id TEXT!, user_id TEXT!, linkedin_profile_url TEXT, linkedin_person_urn TEXT, "
        "linkedin_connected INTEGER =0, linkedin_access_token TEXT, linkedin_refresh_token TEXT, "
        "linkedin_token_expires_at INTEGER, linkedin_oauth_status TEXT, "
        "created_at INTEGER!, updated_at INTEGER!, linkedin_headline TEXT, "
        "voice_tones_json TEXT, image_styles_json TEXT, n8n_webhook_url TEXT"),
        "id", "user_id", {"user_id"}, {},
    ),
    "linkedin_oauth_states": (
        "state TEXT!, user_id TEXT!, expires_at INTEGER!, bound_to TEXT",
        "state", "user_id", set(), {},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    for sql in schema.ddl("sqlite"):
        connection.execute(sql)
    yield connection
    connection.close()


def test_there_are_eight_tables(connection: apsw.Connection) -> None:
    """The document's, which says seven and lists eight."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")

    assert sorted(name for (name,) in rows) == sorted(DOCUMENT)


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_columns_are_the_documents(connection: apsw.Connection, table: str) -> None:
    """Names with their case, order, types, nullability, defaults and key."""
    info = list(connection.execute(f'PRAGMA table_info("{table}")'))

    columns = [
        f"{name} {kind}{'!' if not_null else ''}{'' if default is None else f' ={default}'}"
        for _, name, kind, not_null, default, _ in info
    ]
    assert ", ".join(columns) == DOCUMENT[table][0]
    key = sorted((place, name) for _, name, _, _, _, place in info if place)
    assert ", ".join(name for _, name in key) == DOCUMENT[table][1]


@pytest.mark.parametrize("table", DOCUMENT)
def test_all_that_a_user_owns_goes_with_the_user(connection: apsw.Connection, table: str) -> None:
    """Every reference is to a user, and cascades."""
    info = connection.execute(f'PRAGMA foreign_key_list("{table}")')

    found = [f"{column} {to}.{key} {on_delete}" for _, _, to, column, key, _, on_delete, _ in info]
    owner = DOCUMENT[table][2]
    assert found == ([f"{owner} users.id CASCADE"] if owner else [])


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_indexes_are_the_documents(connection: apsw.Connection, table: str) -> None:
    """Four by name, and what is unique."""
    indexes, unique = {}, set()
    for _, name, _, origin, _ in list(connection.execute(f'PRAGMA index_list("{table}")')):
        info = connection.execute(f'PRAGMA index_info("{name}")')
        columns = ", ".join(column for _, _, column in info)
        if origin == "c":
            indexes[name] = columns
        elif origin == "u":
            unique.add(columns)

    assert (unique, indexes) == DOCUMENT[table][3:]


@pytest.mark.parametrize(
    ("table", "column", "wrong"),
    [
        ("posts", "status", "'paused'"),
        ("user_settings", "linkedin_oauth_status", "'maybe'"),
        ("user_settings", "linkedin_connected", "2"),
    ],
)
def test_a_closed_vocabulary_is_checked_by_the_database(
    connection: apsw.Connection, table: str, column: str, wrong: str
) -> None:
    """No hand can write another word, however it comes to the table."""
    values = {
        name: wrong if name == column else ("1" if kind == "INTEGER" else "'x'")
        for _, name, kind, not_null, default, _ in connection.execute(f"PRAGMA table_info({table})")
        if name == column or (not_null and default is None)
    }
    insert = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"

    with pytest.raises(apsw.ConstraintError, match=f"CHECK.*{column}"):
        connection.execute(insert)


def test_every_record_but_two_has_an_owner() -> None:
    """A user is owned by nobody, and an address that is being proved has no user yet."""
    ownerless = [
        record.__table__.name
        for record in schema.records
        if not any(column.info["owner"] for column in record.__table__.columns)
    ]

    assert ownerless == ["users", "verificationTokens"]
