"""
The eight tables of Linkie Claw's one database.

Users own everything: each row of a user says so by its `Owner()` column, and the domain
functions reach it through `db.owned_by(user_id)`. Rows that hold secrets or the scheduler's
claims are called `…Row` and do not travel; what callers get instead is in `domains/`.

Columns, nullability, references and index names are the document's, camelCase in the
tables of the auth library included. On top of it: closed vocabularies are checked by the
database, addresses and provider accounts are unique, tokens are sealed or hashed by their
type, an OAuth state may be bound to a browser, and a post that is being published has a
claim with a lease and a fence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from freehold import (
    AUTO,
    Column,
    CreatedAt,
    EpochSeconds,
    Hashed,
    Index,
    Owner,
    PrimaryKey,
    Record,
    References,
    Schema,
    Sealed,
    Struct,
    Unique,
    UpdatedAt,
)

PostStatus = Literal["draft", "scheduled", "publishing", "published", "failed"]
LinkedinOauthStatus = Literal["connected", "disconnected", "expired"]


class User(Record, table="users"):
    """Somebody who signs in; owns posts, generations, settings and accounts."""

    id: Annotated[str, PrimaryKey()]
    name: str | None = None
    email: Annotated[str, Unique()]
    email_verified: Annotated[EpochSeconds | None, Column("emailVerified")] = None
    image: str | None = None
    created_at: CreatedAt = AUTO


class AccountRow(Record, table="accounts", uniques=[Unique("provider", "provider_account_id")]):
    """A user's account at a provider, with its tokens."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Column("userId"), Owner(), References("users.id", on_delete="cascade")]
    type: str
    provider: str
    provider_account_id: Annotated[str, Column("providerAccountId")]
    refresh_token: Sealed[str] | None = None
    access_token: Sealed[str] | None = None
    expires_at: EpochSeconds | None = None
    token_type: str | None = None
    scope: str | None = None
    id_token: Sealed[str] | None = None
    session_state: str | None = None


class SessionRow(Record, table="sessions"):
    """A signed-in browser; only a hash of its token is kept."""

    id: Annotated[str, PrimaryKey()]
    session_token: Annotated[Hashed, Column("sessionToken"), Unique()]
    user_id: Annotated[str, Column("userId"), Owner(), References("users.id", on_delete="cascade")]
    expires: EpochSeconds


class VerificationTokenRow(Record, table="verificationTokens", primary_key=("identifier", "token")):
    """A token that was sent to an address; only its hash is kept."""

    identifier: str
    token: Annotated[Hashed, Unique()]
    expires: EpochSeconds


class PostRow(
    Record,
    table="posts",
    indexes=[
        Index("user_id", name="posts_user_id_idx"),
        Index("status", name="posts_status_idx"),
        Index("scheduled_at", name="posts_scheduled_at_idx"),
    ],
):
    """A post as it is stored, with the scheduler's claim on it."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Owner(), References("users.id", on_delete="cascade")]
    title: str
    content: str
    image_url: str | None = None
    scheduled_at: EpochSeconds | None = None
    published_at: EpochSeconds | None = None
    status: PostStatus = "draft"
    linkedin_post_urn: str | None = None
    error_message: str | None = None
    retry_count: int = 0
    #: Which run of the scheduler is publishing it; None when none is.
    claim_id: str | None = None
    #: Until when that run may take; then the post counts as stale.
    lease_until: EpochSeconds | None = None
    #: Counts the claims: a result that brings an older number comes too late.
    fence: int = 0
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class TextVariation(Struct):
    """One of the texts that the studio wrote for an idea."""

    id: str
    style: str
    content: str
    title: str | None = None
    tone: str | None = None


class GeneratedImage(Struct):
    """One of the images that the studio made for an idea."""

    id: str
    url: str
    prompt: str
    style_id: str | None = None
    style_name: str | None = None


class Generation(
    Record, table="generations", indexes=[Index("user_id", name="generations_user_id_idx")]
):
    """What the studio made of an idea: texts, images, and which of them were chosen."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Owner(), References("users.id", on_delete="cascade")]
    idea: str
    text_variations: Annotated[list[TextVariation], Column("text_variations_json")]
    images: Annotated[list[GeneratedImage], Column("images_json")]
    selected_text_id: str | None = None
    selected_image_id: str | None = None
    created_at: CreatedAt = AUTO


class UserSettingsRow(Record, table="user_settings"):
    """A user's settings with the LinkedIn tokens. Their id is the user's, see `settings`."""

    id: Annotated[str, PrimaryKey()]
    user_id: Annotated[str, Owner(), Unique(), References("users.id", on_delete="cascade")]
    linkedin_profile_url: str | None = None
    linkedin_person_urn: str | None = None
    linkedin_connected: bool | None = False
    linkedin_access_token: Sealed[str] | None = None
    linkedin_refresh_token: Sealed[str] | None = None
    linkedin_token_expires_at: EpochSeconds | None = None
    linkedin_oauth_status: LinkedinOauthStatus | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO
    linkedin_headline: str | None = None
    voice_tones_json: str | None = None
    image_styles_json: str | None = None
    n8n_webhook_url: str | None = None


class LinkedinOauthStateRow(Record, table="linkedin_oauth_states"):
    """A one-time state of an OAuth flow; only hashes of it and of its binding are kept."""

    state: Annotated[Hashed, PrimaryKey()]
    user_id: Annotated[str, Owner(), References("users.id", on_delete="cascade")]
    expires_at: EpochSeconds
    bound_to: Hashed | None = None


schema = Schema(
    [
        User,
        AccountRow,
        SessionRow,
        VerificationTokenRow,
        PostRow,
        Generation,
        UserSettingsRow,
        LinkedinOauthStateRow,
    ]
)
