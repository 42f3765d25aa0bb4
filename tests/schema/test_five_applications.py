"""The hardest tables of the five applications: they refuse and keep what their documents say."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from tests.schema.applications import SCHEMAS
from tests.schema.declared import built, rows

#: Statements that make rows, then one that must be refused, and what the engine says.
REFUSALS: dict[str, tuple[str, list[str], str, str]] = {
    "a second owner": (
        "daycare",
        [("INSERT INTO users (id, is_owner, created_at, updated_at, nametag) "
         "VALUES ('o', 1, 1, 1, 'x'), ('u', 0, 1, 1, 'y'), ('v', 0, 1, 1, 'z')")],
        "UPDATE users SET is_owner = 1 WHERE id = 'u'",
        "UNIQUE constraint failed: users.is_owner",
    ),
    "a blank name tag": (
        "daycare",
        [],
        "INSERT INTO users (id, created_at, updated_at, nametag) VALUES ('u', 1, 1, '  ')",
        "users.nametag is required",
    ),
    "a name tag taken away": (
        "daycare",
        ["INSERT INTO users (id, created_at, updated_at, nametag) VALUES ('u', 1, 1, 'x')"],
        "UPDATE users SET nametag = NULL",
        "users.nametag is required",
    ),
    "a task of another user": (
        "daycare",
        ["INSERT INTO tasks VALUES ('t1', 'ada', 'T', NULL, 'x', 1, 1, NULL)"],
        ("INSERT INTO tasks_cron (id, task_id, user_id, name, schedule, created_at, updated_at) "
        "VALUES ('c', 't1', 'bo', 'n', '* * * * *', 1, 1)"),
        "FOREIGN KEY constraint failed",
    ),
    "an agent twice in a channel": (
        "daycare",
        ["INSERT INTO channels VALUES ('c', 'u', 'n', 'l')",
         ("INSERT INTO channel_members (channel_id, user_id, agent_id, username, joined_at) "
         "VALUES ('c', 'u', 'a', 'n', 1)")],
        ("INSERT INTO channel_members (channel_id, user_id, agent_id, username, joined_at) "
        "VALUES ('c', 'v', 'a', 'm', 2)"),
        "UNIQUE constraint failed: channel_members.channel_id, channel_members.agent_id",
    ),
    "a pair the wrong way round": (
        "daycare",
        [("INSERT INTO users (id, created_at, updated_at, nametag) "
         "VALUES ('a', 1, 1, 'x'), ('b', 1, 1, 'y')")],
        "INSERT INTO connections (user_a_id, user_b_id) VALUES ('b', 'a')",
        "CHECK constraint failed: connections_in_order",
    ),
    "a purpose of no kind": (
        "agent_ops",
        ["INSERT INTO users (id, email) VALUES ('u', 'e')"],
        "INSERT INTO sessions (id, user_id, workspace, purpose) VALUES ('s', 'u', 'w', 'fun')",
        "CHECK constraint failed: ck_sessions_purpose",
    ),
    "a step tried twice at once": (
        "agent_ops",
        [("INSERT INTO workflow_execution_steps (id, execution_id, step_id, attempt, status) "
         "VALUES ('1', 'e', 's', 1, 'pending')")],
        ("INSERT INTO workflow_execution_steps (id, execution_id, step_id, attempt, status) "
        "VALUES ('2', 'e', 's', 1, 'failed')"),
        "UNIQUE constraint failed: workflow_execution_steps.execution_id",
    ),
    "an account linked twice": (
        "linkie_claw",
        ["INSERT INTO users (id, email, created_at) VALUES ('u', 'e', 1)",
         ('INSERT INTO accounts (id, "userId", type, provider, "providerAccountId") '
         "VALUES ('1', 'u', 'oauth', 'google', 'g1')")],
        ('INSERT INTO accounts (id, "userId", type, provider, "providerAccountId") '
        "VALUES ('2', 'u', 'oauth', 'google', 'g1')"),
        "UNIQUE constraint failed: accounts.provider, accounts.providerAccountId",
    ),
    "a token of two addresses": (
        "linkie_claw",
        ["""INSERT INTO "verificationTokens" VALUES ('a@x', 't', 1)"""],
        """INSERT INTO "verificationTokens" VALUES ('b@x', 't', 1)""",
        "UNIQUE constraint failed: verificationTokens.token",
    ),
    "a schedule of no kind": (
        "core_vibe",
        [],
        ("INSERT INTO test_profiles (name, category, schedule, created_at) "
        "VALUES ('n', 'unit', 'yearly', 1)"),
        "CHECK constraint failed: ck_test_profiles_schedule",
    ),
    "a check of no run": (
        "core_vibe",
        [],
        "INSERT INTO worker_health_checks (health_check_uuid) VALUES ('nope')",
        "FOREIGN KEY constraint failed",
    ),
    "a publication whose idea is being written": (
        "hotmetal",
        ["INSERT INTO publications (id, created_at) VALUES ('p', 1)",
         "INSERT INTO ideas (id, publication_id, updated_at) VALUES ('i', 'p', 1)",
         "INSERT INTO sessions (id, idea_id) VALUES ('s', 'i')"],
        "DELETE FROM publications",
        "FOREIGN KEY constraint failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_the_documents_rules_are_the_engine_s(name: str) -> None:
    """Each row is right but for the one thing that its rule forbids."""
    schema, before, statement, said = REFUSALS[name]

    with built(*SCHEMAS[schema].records) as connection:
        for each in before:
            connection.execute(each)
        with pytest.raises(apsw.ConstraintError) as refusal:
            connection.execute(statement)

    assert said in str(refusal.value)


KEPT: dict[str, tuple[str, list[str], str, list[Any]]] = {
    "many sub-users, one owner": (
        "daycare",
        [("INSERT INTO users (id, is_owner, created_at, updated_at, nametag, parent_user_id) "
         "VALUES ('o', 1, 1, 1, 'x', NULL), ('u', 0, 1, 1, 'y', 'o'), ('v', 0, 1, 1, 'z', 'o')")],
        "SELECT count(*) FROM users WHERE parent_user_id = 'o'",
        [(2,)],
    ),
    "a task id is its user's own": (
        "daycare",
        [("INSERT INTO tasks VALUES ('t1', 'ada', 'T', NULL, 'x', 1, 1, NULL), "
         "('t1', 'bo', 'T', NULL, 'y', 1, 1, NULL)")],
        "SELECT code FROM tasks WHERE user_id = 'bo' AND id = 't1'",
        [("y",)],
    ),
    "a member's number is never given again": (
        "daycare",
        ["INSERT INTO channels VALUES ('c', 'u', 'n', 'l')",
         *[("INSERT INTO channel_members (channel_id, user_id, agent_id, username, joined_at) "
           "VALUES ('c', 'u', 'a', 'n', 1)"),
           "DELETE FROM channel_members"] * 2],
        "SELECT seq FROM sqlite_sequence WHERE name = 'channel_members'",
        [(2,)],
    ),
    "a child outlives its parent": (
        "agent_ops",
        ["INSERT INTO users (id, email) VALUES ('u', 'e')",
         "INSERT INTO sessions (id, user_id, workspace) VALUES ('s', 'u', 'w')",
         ("INSERT INTO sessions (id, user_id, workspace, parent_session_id) "
         "VALUES ('t', 'u', 'w', 's')"),
         "DELETE FROM sessions WHERE id = 's'"],
        "SELECT id, parent_session_id FROM sessions",
        [("t", None)],
    ),
    "booleans and their defaults": (
        "core_vibe",
        ["INSERT INTO test_profiles (name, category, created_at) VALUES ('n', 'ai', 1)"],
        "SELECT id, enabled, schedule, timeout_seconds, config FROM test_profiles",
        [(1, 1, "daily", 300, None)],
    ),
    "words of SQL as names": (
        "core_vibe",
        ["""INSERT INTO orders (id, "key", "value", "index") VALUES ('o', 'k', '[1]', 3)"""],
        'SELECT "key", "value", "index", "timestamp", "json" FROM orders',
        [("k", "[1]", 3, None, None)],
    ),
    "a schedule with a colon": (
        "hotmetal",
        ["INSERT INTO publications (id, created_at) VALUES ('p', 1)"],
        "SELECT scout_schedule FROM publications",
        [('{"type":"daily","hour":8}',)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_the_documents_allow_is_kept(name: str) -> None:
    """A rule that refuses too much is broken too."""
    schema, before, question, answer = KEPT[name]

    with built(*SCHEMAS[schema].records) as connection:
        for each in before:
            connection.execute(each)

        assert rows(connection, question) == answer


def test_the_archive_s_index_serves_its_question() -> None:
    """Partial, and in the order in which the list is shown: no sorting, no look at other rows."""
    question = (
        "EXPLAIN QUERY PLAN SELECT id FROM sessions WHERE status = 'archived' "
        "ORDER BY last_active_at DESC"
    )

    with built(*SCHEMAS["agent_ops"].records) as connection:
        plan = [row[3] for row in rows(connection, question)]

    assert plan == ["SEARCH sessions USING INDEX idx_sessions_archived (status=?)"]


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("check", ["foreign_key_check", "integrity_check"])
def test_each_schema_is_sound(name: str, check: str) -> None:
    """References find their targets, and the engine has nothing to say."""
    with built(*SCHEMAS[name].records) as connection:
        assert rows(connection, f"PRAGMA {check}") in ([], [("ok",)])
