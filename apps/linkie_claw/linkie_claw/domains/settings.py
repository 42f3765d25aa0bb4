"""
Settings: a user's LinkedIn connection, webhook, voice tones and image styles.

One row a user, and its id is the user's: so the key for which the tokens are sealed is known
before it is known whether the row is there, and storing is one statement. The tokens never
leave with the settings; `get_linkedin_access_token` opens the one that publishing needs, and
that takes a scope of its own.
"""

from __future__ import annotations

from typing import Any, Final

from freehold import (
    UNSET,
    EpochSeconds,
    Maybe,
    Patch,
    Reader,
    Sealed,
    Struct,
    Writer,
    given,
    param,
    select,
)
from linkie_claw.presets import (
    IMAGE_STYLES,
    VOICE_TONES,
    ImageStyle,
    VoiceTone,
    check_presets,
    read_presets,
    write_presets,
)
from linkie_claw.schema import AccountRow, LinkedinOauthStatus, UserSettingsRow

LINKEDIN: Final = "linkedin"


class UserSettings(Struct):
    """A user's settings as they leave: without the tokens."""

    id: str
    user_id: str
    linkedin_profile_url: str | None
    linkedin_person_urn: str | None
    linkedin_headline: str | None
    linkedin_connected: bool
    linkedin_token_expires_at: EpochSeconds | None
    linkedin_oauth_status: LinkedinOauthStatus | None
    n8n_webhook_url: str | None
    created_at: EpochSeconds
    updated_at: EpochSeconds


class UserSettingsPatch(Patch):
    """What to store in a user's settings; what is left out stays, null clears."""

    linkedin_profile_url: Maybe[str | None] = UNSET
    linkedin_person_urn: Maybe[str | None] = UNSET
    linkedin_headline: Maybe[str | None] = UNSET
    linkedin_connected: Maybe[bool] = UNSET
    linkedin_access_token: Maybe[Sealed[str] | None] = UNSET
    linkedin_refresh_token: Maybe[Sealed[str] | None] = UNSET
    linkedin_token_expires_at: Maybe[EpochSeconds | None] = UNSET
    linkedin_oauth_status: Maybe[LinkedinOauthStatus | None] = UNSET
    n8n_webhook_url: Maybe[str | None] = UNSET


#: What a store may change; whatever is not given stays in a row that is there.
_CHANGEABLE: Final = (*UserSettingsPatch.__struct_fields__, "voice_tones_json", "image_styles_json")

_LINKEDIN_ACCOUNT = (
    select(AccountRow)
    .where(AccountRow.c.provider == param("provider"))
    .order_by(AccountRow.c.id.desc())
)


def get_user_settings(db: Reader, user_id: str) -> UserSettings | None:
    """The user's settings without the tokens, or null."""
    row = _row(db, user_id)
    return None if row is None else _settings(row)


def upsert_user_settings(db: Writer, user_id: str, data: UserSettingsPatch) -> UserSettings:
    """
    Store the given settings, whether there were any or not, and answer them as they are now.

    Raises:
        ReferenceBroken: There is no such user.
    """
    return _settings(_store(db, user_id, given(data)))


def get_user_voice_tones(db: Reader, user_id: str) -> list[VoiceTone]:
    """The user's six voice tones; the defaults when none are stored or they are unreadable."""
    row = _row(db, user_id)
    return read_presets(row.voice_tones_json if row else None, VoiceTone, VOICE_TONES)


def save_user_voice_tones(db: Writer, user_id: str, tones: list[VoiceTone]) -> list[VoiceTone]:
    """
    Store the user's six voice tones.

    Raises:
        InvalidArgument: They are not the six, or a name or a prompt is blank or too long.
        ReferenceBroken: There is no such user.
    """
    check_presets(tones, VOICE_TONES, path="tones")
    _store(db, user_id, {"voice_tones_json": write_presets(tones)})
    return tones


def get_user_image_styles(db: Reader, user_id: str) -> list[ImageStyle]:
    """The user's six image styles; the defaults when none are stored or they are unreadable."""
    row = _row(db, user_id)
    return read_presets(row.image_styles_json if row else None, ImageStyle, IMAGE_STYLES)


def save_user_image_styles(db: Writer, user_id: str, styles: list[ImageStyle]) -> list[ImageStyle]:
    """
    Store the user's six image styles.

    Raises:
        InvalidArgument: They are not the six, or a name or a prompt is blank or too long.
        ReferenceBroken: There is no such user.
    """
    check_presets(styles, IMAGE_STYLES, path="styles")
    _store(db, user_id, {"image_styles_json": write_presets(styles)})
    return styles


def get_linkedin_access_token(db: Reader, user_id: str) -> str | None:
    """The LinkedIn token itself: of the settings, else of the LinkedIn account, else null."""
    row = _row(db, user_id)
    if row is not None and row.linkedin_access_token is not None:
        return db.open(row.linkedin_access_token)
    account = db.owned_by(user_id).first(_LINKEDIN_ACCOUNT, provider=LINKEDIN)
    if account is None or account.access_token is None:
        return None
    return db.open(account.access_token)


def _row(db: Reader, user_id: str) -> UserSettingsRow | None:
    return db.owned_by(user_id).find(UserSettingsRow, user_id)


def _store(db: Writer, user_id: str, changes: dict[str, Any]) -> UserSettingsRow:
    row = UserSettingsRow(id=user_id, user_id=user_id, **changes)
    keep = tuple(name for name in _CHANGEABLE if name not in changes)
    return db.owned_by(user_id).put(row, at=("user_id",), only=("id",), keep=keep)


def _settings(row: UserSettingsRow) -> UserSettings:
    return UserSettings(
        id=row.id,
        user_id=row.user_id,
        linkedin_profile_url=row.linkedin_profile_url,
        linkedin_person_urn=row.linkedin_person_urn,
        linkedin_headline=row.linkedin_headline,
        linkedin_connected=bool(row.linkedin_connected),
        linkedin_token_expires_at=row.linkedin_token_expires_at,
        linkedin_oauth_status=row.linkedin_oauth_status,
        n8n_webhook_url=row.n8n_webhook_url,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
