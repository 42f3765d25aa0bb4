"""Settings: one row a user, stored in one statement, and no token leaves with it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from linkie_claw.domains import settings, users
from linkie_claw.domains.settings import UserSettingsPatch
from linkie_claw.presets import IMAGE_STYLES, VOICE_TONES, ImageStyle, VoiceTone
from linkie_claw.schema import User, UserSettingsRow
from linkie_claw.testing import World

from freehold import Reader, Sealed, Writer
from freehold.errors import InvalidArgument, ReferenceBroken

ACCESS, REFRESH = "canary-access-4711", "canary-refresh-4711"


def store(world: World, user: User, **given: Any) -> settings.UserSettings:
    return world.call(settings.upsert_user_settings, user.id, UserSettingsPatch(**given))


def rows(world: World) -> list[UserSettingsRow]:
    def read(db: Reader) -> list[UserSettingsRow]:
        return db.all(UserSettingsRow)

    return world.call(read)


def test_there_are_none_at_first(world: World) -> None:
    """Null; what the page shows then is the page's."""
    assert world.call(settings.get_user_settings, world.user().id) is None


def test_the_first_store_makes_the_row_and_the_second_changes_it(world: World) -> None:
    """Left out stays, null clears; the time of creation stays, that of change does not."""
    user = world.user()
    made_at = world.now
    first = store(world, user, linkedin_profile_url="https://l.example/alex", linkedin_headline="H")
    world.wait(seconds=5)
    second = store(world, user, linkedin_profile_url=None, n8n_webhook_url="https://h.example")

    assert (first.linkedin_connected, first.linkedin_oauth_status) == (False, None)
    assert second == msgspec.structs.replace(
        first, linkedin_profile_url=None, n8n_webhook_url="https://h.example", updated_at=world.now
    )
    assert (second.created_at, second.linkedin_headline) == (made_at, "H")
    assert world.call(settings.get_user_settings, user.id) == second
    assert len(rows(world)) == 1


def test_a_store_of_nothing_still_makes_the_row(world: World) -> None:
    """With the defaults; a second one changes nothing but the time."""
    user = world.user()
    first = store(world, user)

    assert first.linkedin_connected is False
    assert store(world, user) == first


def test_storing_is_one_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's code read first and wrote then, so two callers could both insert."""
    user = world.user()
    said: list[str] = []

    def counted(db: Writer) -> None:
        link = db._link

        class Counting:
            def rows(self, sql: str, values: Any) -> Any:
                said.append(sql)
                return link.rows(sql, values)

        monkeypatch.setattr(db, "_link", Counting())
        token: Sealed[str] = Sealed.of(ACCESS)
        settings.upsert_user_settings(db, user.id, UserSettingsPatch(linkedin_access_token=token))

    for _ in range(2):
        with world.database.write() as db:
            counted(db)

    assert len(said) == 2
    assert all(sql.startswith("INSERT INTO") and "ON CONFLICT" in sql for sql in said)


def test_settings_of_nobody_are_refused(world: World) -> None:
    """Their user must exist."""
    nobody = msgspec.structs.replace(world.user(), id="nobody")

    with pytest.raises(ReferenceBroken):
        store(world, nobody)


# -- tokens -------------------------------------------------------------------------------


def connect(world: World, user: User) -> settings.UserSettings:
    return store(
        world,
        user,
        linkedin_connected=True,
        linkedin_access_token=Sealed.of(ACCESS),
        linkedin_refresh_token=Sealed.of(REFRESH),
        linkedin_token_expires_at=world.now + 60,
        linkedin_oauth_status="connected",
    )


def test_no_token_leaves_with_the_settings(world: World) -> None:
    """The document's settings page answered with the whole row."""
    user = world.user()
    answers = [connect(world, user), world.call(settings.get_user_settings, user.id)]

    for answer in answers:
        on_the_wire = msgspec.to_builtins(answer)
        assert not [name for name in on_the_wire if "Token" in name and not name.endswith("At")]
        assert "canary" not in str(on_the_wire)
        assert on_the_wire["linkedinConnected"] is True


def test_tokens_are_stored_sealed_each_for_its_place(world: World) -> None:
    """Another row's ciphertext does not open, nor one of another column."""
    alex, bo = world.user(), world.user("bo")
    connect(world, alex)
    connect(world, bo)

    sealed = [
        token.ciphertext
        for row in rows(world)
        for token in (row.linkedin_access_token, row.linkedin_refresh_token)
        if token is not None
    ]

    assert len(set(sealed)) == 4
    assert not [text for text in sealed if "canary" in str(text)]
    assert world.call(settings.get_linkedin_access_token, alex.id) == ACCESS
    assert world.call(settings.get_linkedin_access_token, bo.id) == ACCESS


def test_a_token_survives_what_does_not_name_it(world: World) -> None:
    """And null takes it away."""
    user = world.user()
    connect(world, user)
    store(world, user, linkedin_headline="H")
    assert world.call(settings.get_linkedin_access_token, user.id) == ACCESS

    store(world, user, linkedin_access_token=None, linkedin_oauth_status="disconnected")

    assert world.call(settings.get_linkedin_access_token, user.id) is None


def test_the_token_of_the_settings_comes_before_that_of_the_account(world: World) -> None:
    """Then the LinkedIn account's, else null; other providers' do not count."""
    user = world.user()

    def link(provider: str, token: str | None) -> None:
        sealed: Sealed[str] | None = None if token is None else Sealed.of(token)
        account = users.NewAccount(
            user_id=user.id, type="oauth", provider=provider, provider_account_id="1",
            access_token=sealed,
        )  # fmt: skip
        world.call(users.link_account, account)

    link("google", "of-google")
    assert world.call(settings.get_linkedin_access_token, user.id) is None
    link("linkedin", "of-the-account")
    assert world.call(settings.get_linkedin_access_token, user.id) == "of-the-account"
    store(world, user)
    assert world.call(settings.get_linkedin_access_token, user.id) == "of-the-account"
    connect(world, user)
    assert world.call(settings.get_linkedin_access_token, user.id) == ACCESS
    assert world.call(settings.get_linkedin_access_token, "nobody") is None


# -- voice tones and image styles ---------------------------------------------------------


def test_the_presets_are_the_defaults_until_they_are_saved(world: World) -> None:
    """Saving one kind leaves the other and the settings as they are."""
    user = world.user()
    assert world.call(settings.get_user_voice_tones, user.id) == list(VOICE_TONES)
    assert world.call(settings.get_user_image_styles, user.id) == list(IMAGE_STYLES)
    connected = connect(world, user)
    tones = [VoiceTone(id=tone.id, name="N", prompt="P") for tone in reversed(VOICE_TONES)]
    styles = [ImageStyle(id=style.id, name="N", prompt="P") for style in IMAGE_STYLES]

    assert world.call(settings.save_user_voice_tones, user.id, tones) == tones

    assert world.call(settings.get_user_voice_tones, user.id) == tones
    assert world.call(settings.get_user_image_styles, user.id) == list(IMAGE_STYLES)
    assert world.call(settings.save_user_image_styles, user.id, styles) == styles
    assert world.call(settings.get_user_image_styles, user.id) == styles
    assert world.call(settings.get_user_voice_tones, user.id) == tones
    assert world.call(settings.get_user_settings, user.id) == connected
    assert world.call(settings.get_linkedin_access_token, user.id) == ACCESS


def test_presets_that_are_not_the_six_are_refused(world: World) -> None:
    """And nothing is stored; more cases are in `test_presets`."""
    user = world.user()

    with pytest.raises(InvalidArgument) as refused:
        world.call(settings.save_user_voice_tones, user.id, list(VOICE_TONES[1:]))

    assert refused.value.path == "tones"
    assert rows(world) == []


@pytest.mark.parametrize("stored", ["", "nonsense", "[]", "null", '[{"id":"storytelling"}]'])
def test_presets_that_cannot_be_read_are_the_defaults(world: World, stored: str) -> None:
    """Another hand may have written them."""
    user = world.user()

    def write(db: Writer) -> None:
        row = UserSettingsRow(
            id=user.id, user_id=user.id, voice_tones_json=stored, image_styles_json=stored
        )
        db.insert(row)

    world.call(write)

    assert world.call(settings.get_user_voice_tones, user.id) == list(VOICE_TONES)
    assert world.call(settings.get_user_image_styles, user.id) == list(IMAGE_STYLES)
