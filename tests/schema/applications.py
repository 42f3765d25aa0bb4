"""
The hardest tables of the five applications, as records.

Together they use every part of a schema; the rest of their tables are simpler cousins of
these. What each must refuse and keep is in `test_five_applications`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from freehold.scalars import Hashed, Sealed
from freehold.schema import (
    AUTO,
    Check,
    Column,
    CreatedAt,
    CreatedAtMs,
    EpochMillis,
    EpochSeconds,
    ForeignKey,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Struct,
    Trigger,
    Unique,
    UpdatedAt,
    UpdatedAtMs,
)

# -- daycare ------------------------------------------------------------------------------

_NAMELESS = "NEW.nametag IS NULL OR trim(NEW.nametag) = ''"


class DaycareUser(
    Record,
    table="users",
    indexes=[
        Index("nametag", unique=True, name="idx_users_nametag_required"),
        Index("nametag", unique=True, where="nametag IS NOT NULL", name="idx_users_nametag"),
        Index("parent_user_id", where="parent_user_id IS NOT NULL", name="idx_users_parent"),
        Index("is_owner", unique=True, where="is_owner = 1", name="idx_users_single_owner"),
    ],
    triggers=[
        Trigger(name="users_nametag_insert", when="before", event="insert", condition=_NAMELESS,
                refuse="users.nametag is required"),
        Trigger(name="users_nametag_update", when="before", event="update", of=("nametag",),
                condition=_NAMELESS, refuse="users.nametag is required"),
    ],
):  # fmt: skip
    """One owner at most; a name tag that the column would let be null and the triggers do not."""

    id: Annotated[str, PrimaryKey()]
    is_owner: bool = False
    created_at: CreatedAtMs
    updated_at: UpdatedAtMs
    parent_user_id: Annotated[str | None, References("users.id")] = None
    name: str | None = None
    nametag: str | None = None


class Connector(Record, table="user_connector_keys"):
    """A counted key, a reference that takes the row along, a unique text."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    user_id: Annotated[str, References("users.id", on_delete="cascade"), Index()]
    connector_key: Annotated[str, Unique()]


class DaycareTask(Record, table="tasks", primary_key=("user_id", "id"), indexes=[
    Index("updated_at"), Index("user_id")
]):  # fmt: skip
    """Ids are slugs of their user: the key has two parts, user first."""

    id: str
    user_id: str
    title: str
    description: str | None = None
    code: str
    created_at: CreatedAtMs
    updated_at: UpdatedAtMs
    deleted_at: EpochMillis | None = None


class CronTask(
    Record,
    table="tasks_cron",
    foreign_keys=[ForeignKey(("user_id", "task_id"), "tasks(user_id, id)")],
    indexes=[
        Index("user_id", "task_id", name="idx_tasks_cron_task_id"),
        Index("updated_at"),
        Index("enabled"),
    ],
):
    """A trigger of a task, by both parts of its key."""

    id: Annotated[str, PrimaryKey()]
    task_id: str
    user_id: str
    name: str
    schedule: str
    agent_id: str | None = None
    enabled: bool = True
    delete_after_run: bool = False
    last_run_at: EpochMillis | None = None
    created_at: CreatedAtMs
    updated_at: UpdatedAtMs


class Channel(Record, table="channels"):
    """A name that is unique across all users, and an index of its own over it."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Index(name="idx_channels_user")]
    name: Annotated[str, Unique(), Index()]
    leader: str


class ChannelMember(Record, table="channel_members", uniques=[Unique("channel_id", "agent_id")]):
    """A counted key and a unique pair."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    channel_id: Annotated[
        str,
        References("channels.id", on_delete="cascade"),
        Index(name="idx_channel_members_channel"),
    ]
    user_id: str
    agent_id: str
    username: str
    joined_at: EpochMillis


class Agent(Record, table="agents"):
    """What token counts point at."""

    id: Annotated[str, PrimaryKey()]
    descriptor: dict[str, Any]
    stats: dict[str, Any] = {}
    lifecycle: Literal["active", "sleeping", "dead"] = "active"


class Connection(Record, table="connections", primary_key=("user_a_id", "user_b_id"), checks=[
    Check("user_a_id < user_b_id", name="connections_in_order")
]):  # fmt: skip
    """One row for each unordered pair."""

    user_a_id: Annotated[str, References("users.id", on_delete="cascade")]
    user_b_id: Annotated[str, References("users.id", on_delete="cascade"), Index()]
    requested_a: bool = False
    requested_b: bool = False
    requested_a_at: EpochMillis | None = None


class TokenStats(
    Record,
    table="token_stats_hourly",
    primary_key=("hour_start", "user_id", "agent_id", "model"),
    indexes=[
        Index("agent_id", "hour_start", name="idx_token_stats_hourly_agent_hour"),
        Index("user_id", "hour_start", name="idx_token_stats_hourly_user_hour"),
    ],
):
    """A key of four columns, two of them references."""

    hour_start: EpochMillis
    user_id: Annotated[str, References("users.id", on_delete="cascade")]
    agent_id: Annotated[str, References("agents.id", on_delete="cascade")]
    model: str
    input_tokens: int = 0
    cost: float = 0.0


# -- agent_ops ----------------------------------------------------------------------------


class OpsUser(Record, table="users"):
    """Unique texts that may be missing."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str, Unique()]
    github_id: Annotated[str | None, Index(unique=True)] = None
    role: Literal["member", "admin"] = "member"
    model_preferences: list[str] | None = None


class OpsSession(
    Record,
    table="sessions",
    indexes=[
        Index("status", "last_active_at desc", where="status = 'archived'",
              name="idx_sessions_archived"),
        Index("purpose", "user_id", "status", name="idx_sessions_purpose_user_status"),
    ],
    checks=[Check("message_count >= 0", name="sessions_counts")],
):  # fmt: skip
    """A partial descending index, a closed set, a row that may have a parent."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, References("users.id", on_delete="cascade"), Index()]
    workspace: str
    status: Annotated[str, Index()] = "initializing"
    tunnel_urls: dict[str, str] | None = None
    message_count: int = 0
    last_active_at: str | None = None
    parent_session_id: Annotated[
        str | None, References("sessions.id", on_delete="set null"), Index()
    ] = None
    is_orchestrator: bool = False
    purpose: Literal["interactive", "orchestrator", "workflow"] = "interactive"


class WorkflowStep(Record, table="workflow_execution_steps", uniques=[
    Unique("execution_id", "step_id", "attempt")
]):  # fmt: skip
    """Unique over three; a word that is SQL's own."""

    id: Annotated[str, PrimaryKey()]
    execution_id: str
    step_id: str
    attempt: int
    status: Literal["pending", "running", "waiting_approval", "completed", "failed"]
    input_json: Any = None
    error: str | None = None


# -- linkie_claw --------------------------------------------------------------------------


class AuthUser(Record, table="users"):
    """Another library's table: its columns keep their camelCase."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str, Unique()]
    email_verified: Annotated[EpochSeconds | None, Column("emailVerified")] = None
    created_at: CreatedAt


class AuthAccount(Record, table="accounts", uniques=[Unique("provider", "provider_account_id")]):
    """A mixture of both styles, tokens sealed."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Column("userId"), References("users.id", on_delete="cascade")]
    type: str
    provider: str
    provider_account_id: Annotated[str, Column("providerAccountId")]
    refresh_token: Sealed[str] | None = None
    access_token: Sealed[str] | None = None
    expires_at: EpochSeconds | None = None


class AuthSession(Record, table="sessions"):
    """A token that is unique, and whose hash alone is kept."""

    id: Annotated[str, PrimaryKey()]
    session_token: Annotated[Hashed, Column("sessionToken"), Unique()]
    user_id: Annotated[str, Column("userId"), References("users.id", on_delete="cascade")]
    expires: EpochSeconds


class VerificationToken(Record, table="verificationTokens", primary_key=("identifier", "token")):
    """A key of two parts, of which one is unique alone."""

    identifier: str
    token: Annotated[str, Unique()]
    expires: EpochSeconds


class Image(Struct):
    """A generated image."""

    id: str
    url: str
    style_id: str | None = None


class Generation(Record, table="generations"):
    """JSON under names that say so."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[
        str, References("users.id", on_delete="cascade"), Index(name="generations_user_id_idx")
    ]
    images: Annotated[list[Image], Column("images_json")]


# -- core_vibe ----------------------------------------------------------------------------


class TestProfile(Record, table="test_profiles", indexes=[
    Index("enabled", name="idx_test_profiles_enabled")
]):  # fmt: skip
    """Booleans and closed sets that may be null and have defaults."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    name: str
    category: Literal["unit", "integration", "performance", "security", "ai"]
    enabled: bool | None = True
    schedule: Literal["hourly", "daily", "weekly"] | None = "daily"
    timeout_seconds: int | None = 300
    config: dict[str, Any] | None = None
    created_at: CreatedAt


class TestResult(Record, table="test_results"):
    """A whole number that references a counted key."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    test_profile_id: Annotated[int, References("test_profiles.id", on_delete="cascade"), Index()]
    status: Literal["pending", "running", "passed", "failed", "skipped"]
    triggered_by: Literal["cron", "manual", "webhook"] | None = "cron"


class HealthCheck(Record, table="health_checks"):
    """Referenced by a unique text and not by its key."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    health_check_uuid: Annotated[
        str, Index(unique=True, name="health_checks_health_check_uuid_unique")
    ]
    overall_health_score: float | None = 0.0
    created_at: CreatedAtMs


class WorkerCheck(Record, table="worker_health_checks"):
    """The one that points at it."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    health_check_uuid: Annotated[str, References("health_checks.health_check_uuid")]
    orchestrator_connectivity: bool | None = False


class Order(Record, table="orders"):
    """SQL's own words as names of a table and of columns."""

    id: Annotated[str, PrimaryKey()]
    key: Annotated[str, Index(unique=True, name="system_settings_key_idx")]
    value: Any = None
    index: int = 0
    timestamp: EpochMillis | None = None
    json: Annotated[str | None, Column("json")] = None


# -- hotmetal -----------------------------------------------------------------------------


class Publication(Record, table="publications"):
    """A default that is JSON text with a colon and a digit in it."""

    id: Annotated[str, PrimaryKey()]
    default_author: str | None = "Shahar"
    scout_schedule: str | None = '{"type":"daily","hour":8}'
    created_at: CreatedAt


class WritingSession(Record, table="sessions"):
    """Half of the ring."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str | None, References("publications.id")] = None
    idea_id: Annotated[str | None, References("ideas.id")] = None


class Idea(Record, table="ideas"):
    """The other half."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str, References("publications.id", on_delete="cascade"), Index()]
    session_id: Annotated[str | None, References("sessions.id")] = None
    status: Annotated[Literal["new", "reviewed", "promoted", "dismissed"], Index()] = "new"
    updated_at: UpdatedAt


SCHEMAS = {
    "daycare": Schema([DaycareUser, Connector, DaycareTask, CronTask, Channel, ChannelMember,
                       Agent, Connection, TokenStats]),
    "agent_ops": Schema([OpsUser, OpsSession, WorkflowStep]),
    "linkie_claw": Schema([AuthUser, AuthAccount, AuthSession, VerificationToken, Generation]),
    "core_vibe": Schema([TestProfile, TestResult, HealthCheck, WorkerCheck, Order]),
    "hotmetal": Schema([Publication, WritingSession, Idea]),
}  # fmt: skip
