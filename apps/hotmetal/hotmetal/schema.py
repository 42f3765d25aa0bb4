"""
The ten tables of HotMetal's one database.

Most records are what callers get. `PublicationRow` and `IdeaRow` are not: their columns
`scout_schedule` and `sources` are text that other hands may have written, so what a row
means is decided in `domains/publications.py` and `domains/ideas.py`.

Columns, nullability, defaults, references and index names are the document's. On top of it:
closed vocabularies are checked by the database, `created_at` and `updated_at` are always
set, tokens are sealed or hashed by their type, and an OAuth state may be bound to a browser.
"""

from __future__ import annotations

from typing import Annotated, Literal

from freehold import (
    AUTO,
    CreatedAt,
    EpochSeconds,
    Hashed,
    Index,
    PrimaryKey,
    Record,
    References,
    Schema,
    Sealed,
    Unique,
    UpdatedAt,
)

SessionStatus = Literal["active", "completed", "archived"]
AutoPublishMode = Literal["draft", "publish", "full-auto"]
IdeaStatus = Literal["new", "reviewed", "promoted", "dismissed"]
#: `needs_check`: nobody could tell whether the post went out, and a person has to look.
AuditStatus = Literal["success", "failed", "needs_check"]
#: 1 normal, 2 high, 3 urgent.
Priority = Literal[1, 2, 3]


class User(Record, table="users"):
    """Somebody who writes with HotMetal; not a user of the CMS."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str, Unique()]
    name: str
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class PublicationRow(Record, table="publications"):
    """A blog with its tone, cadence and schedule, as it is stored."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, References("users.id"), Index()]
    cms_publication_id: str | None = None
    name: str
    slug: str
    description: str | None = None
    writing_tone: str | None = None
    default_author: str | None = "Shahar"
    auto_publish_mode: AutoPublishMode = "draft"
    cadence_posts_per_week: int | None = 3
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO
    scout_schedule: str | None = '{"type":"daily","hour":8}'
    timezone: str | None = "UTC"
    next_scout_at: Annotated[EpochSeconds | None, Index()] = None


class Topic(Record, table="topics"):
    """Something that the scout looks for on behalf of a publication."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str, References("publications.id", on_delete="cascade"), Index()]
    name: str
    description: str | None = None
    priority: Priority | None = 1
    is_active: bool | None = True
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class IdeaRow(Record, table="ideas"):
    """A story that a publication could run, as it is stored."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str, References("publications.id", on_delete="cascade"), Index()]
    topic_id: Annotated[str | None, References("topics.id", on_delete="set null")] = None
    title: str
    angle: str
    summary: str
    sources: str | None = None
    status: Annotated[IdeaStatus, Index()] = "new"
    session_id: Annotated[str | None, References("sessions.id")] = None
    relevance_score: float | None = None
    created_at: Annotated[CreatedAt, Index()] = AUTO
    updated_at: UpdatedAt = AUTO


class Session(Record, table="sessions"):
    """A writing session: one post on its way from an idea to the CMS."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Index()]
    title: str | None = None
    status: Annotated[SessionStatus, Index()] = "active"
    current_draft_version: int | None = 0
    cms_post_id: str | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO
    publication_id: Annotated[str | None, References("publications.id")] = None
    idea_id: Annotated[str | None, References("ideas.id")] = None
    seed_context: str | None = None
    featured_image_url: str | None = None


class AuditLog(Record, table="audit_logs"):
    """One attempt of the publisher to put a post somewhere."""

    id: Annotated[str, PrimaryKey()]
    post_id: Annotated[str, Index()]
    outlet: Annotated[str, Index()]
    action: str
    status: AuditStatus
    result_data: str | None = None
    error_message: str | None = None
    created_at: Annotated[CreatedAt, Index()] = AUTO


class OauthState(Record, table="oauth_state"):
    """A one-time state of an OAuth flow; only hashes of it and of its binding are kept."""

    state: Annotated[Hashed, PrimaryKey()]
    provider: str
    expires_at: EpochSeconds
    bound_to: Hashed | None = None
    created_at: CreatedAt = AUTO


class SocialConnection(
    Record,
    table="social_connections",
    indexes=[
        Index("user_id", name="idx_social_connections_user"),
        Index("user_id", "provider", name="idx_social_connections_provider"),
    ],
):
    """A user's connection to a platform; its tokens leave in their encrypted form."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, References("users.id")]
    provider: str
    display_name: str | None = None
    connection_type: str | None = None
    external_id: str | None = None
    access_token: Sealed[str] | None = None
    refresh_token: Sealed[str] | None = None
    token_expires_at: EpochSeconds | None = None
    scopes: str | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO
    #: Until then one caller is renewing the tokens, and the others wait.
    token_refresh_until: EpochSeconds | None = None


class PublicationOutlet(
    Record,
    table="publication_outlets",
    indexes=[Index("publication_id", name="idx_pub_outlets_publication")],
):
    """A connection that a publication publishes through."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str, References("publications.id", on_delete="cascade")]
    connection_id: Annotated[str, References("social_connections.id")]
    auto_publish: bool | None = False
    settings: str | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class PublicationToken(
    Record,
    table="publication_tokens",
    indexes=[
        Index("publication_id", name="idx_pub_tokens_publication"),
        Index("token_hash", name="idx_pub_tokens_hash"),
    ],
):
    """A token with which a blog's front end reads its publication; only its hash is kept."""

    id: Annotated[str, PrimaryKey()]
    publication_id: Annotated[str, References("publications.id", on_delete="cascade")]
    token_hash: Hashed
    label: str | None = None
    is_active: bool | None = True
    created_at: CreatedAt = AUTO
    revoked_at: EpochSeconds | None = None


schema = Schema(
    [
        User,
        PublicationRow,
        Topic,
        IdeaRow,
        Session,
        AuditLog,
        OauthState,
        SocialConnection,
        PublicationOutlet,
        PublicationToken,
    ]
)
