"""The eight tables as the document has them, and what the database itself refuses."""

from __future__ import annotations

from typing import Any

import pytest
from linkie_claw.schema import schema
from linkie_claw.testing import World

from freehold import RuleBroken

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


def table_named(name: str) -> Any:
    """The table as it is built, on whatever engine."""
    return schema.metadata.tables[name]


def test_there_are_eight_tables() -> None:
    """The document's, which says seven and lists eight."""
    assert sorted(schema.metadata.tables) == sorted(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT)
def test_the_columns_are_the_documents(name: str) -> None:
    """Names with their case, order, types, nullability, defaults and key."""
    columns = []
    for column in table_named(name).columns:
        default = column.server_default
        said = "" if default is None else f" ={getattr(default.arg, 'text', default.arg)}"
        kind = column.type.kind.holds.upper()
        columns.append(f"{column.name} {kind}{'' if column.nullable else '!'}{said}")
    assert ", ".join(columns) == DOCUMENT[name][0]
    assert ", ".join(c.name for c in table_named(name).primary_key.columns) == DOCUMENT[name][1]


@pytest.mark.parametrize("name", DOCUMENT)
def test_all_that_a_user_owns_goes_with_the_user(name: str) -> None:
    """Every reference is to a user, and cascades."""
    found = [
        f"{element.parent.name} {element.target_fullname} {constraint.ondelete}"
        for constraint in table_named(name).foreign_key_constraints
        for element in constraint.elements
    ]
    owner = DOCUMENT[name][2]
    assert found == ([f"{owner} users.id CASCADE"] if owner else [])


@pytest.mark.parametrize("name", DOCUMENT)
def test_the_indexes_are_the_documents(name: str) -> None:
    """Four by name, and what is unique."""
    table = table_named(name)
    indexes = {str(i.name): ", ".join(c.name for c in i.columns) for i in table.indexes}
    unique = {
        ", ".join(column.name for column in constraint.columns)
        for constraint in table.constraints
        if type(constraint).__name__ == "UniqueConstraint"
    }

    assert (unique, indexes) == DOCUMENT[name][3:]


def test_the_tables_are_there(world: World) -> None:
    """Every record can be read from the database as it was built, on each engine."""
    with world.database.read() as db:
        for record in schema.records:
            assert db.all(record) == []


@pytest.mark.parametrize(
    ("table", "column", "wrong"),
    [
        ("posts", "status", "paused"),
        ("user_settings", "linkedin_oauth_status", "maybe"),
        ("user_settings", "linkedin_connected", 2),
    ],
)
def test_a_closed_vocabulary_is_checked_by_the_database(
    world: World, table: str, column: str, wrong: Any
) -> None:
    """No hand can write another word, however it comes to the table."""
    user = world.user()
    record = next(each for each in schema.records if each.__table__.name == table)
    given: dict[str, Any] = {"id": "x", "user_id": user.id, "title": "t", "content": "c"}
    fields = {field.name for field in record.__fields__}
    row = record(
        **{name: value for name, value in given.items() if name in fields} | {column: wrong}
    )

    with pytest.raises(RuleBroken) as refused, world.database.write() as db:
        db.insert(row)

    assert column.title().replace("_", "").lower() in (refused.value.path or "").lower()


def test_every_record_but_two_has_an_owner() -> None:
    """A user is owned by nobody, and an address that is being proved has no user yet."""
    ownerless = [
        record.__table__.name
        for record in schema.records
        if not any(column.info["owner"] for column in record.__table__.columns)
    ]

    assert ownerless == ["users", "verificationTokens"]
