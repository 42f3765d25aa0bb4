"""
Settings from the environment: what each means, and what is said when it cannot be used.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from linkie_claw.services.web.settings import BadSetting, settings_from


def test_nothing_needs_to_be_set() -> None:
    """On this machine, offline, nobody signs in and no machine calls."""
    settings = settings_from({})

    assert settings.public_url == "http://127.0.0.1:3000"
    assert (settings.generator, settings.offline_sign_in) == ("offline", False)
    assert [each.name for each in settings.providers if each.is_ready] == []
    assert not settings.cron_secret
    assert not settings.allow_private_webhooks


def test_a_provider_is_ready_with_id_and_secret() -> None:
    """Not with one of them; its addresses are the provider's own unless set."""
    google = {"GOOGLE_CLIENT_ID": "id", "GOOGLE_CLIENT_SECRET": "secret"}
    settings = settings_from(google | {"GITHUB_CLIENT_ID": "id"})

    found = settings.provider("google")
    assert found is not None
    assert found.token_url == "https://oauth2.googleapis.com/token"
    assert settings.provider("github") is None
    other = settings_from(google | {"GOOGLE_TOKEN_URL": "http://stand-in:1/token"})
    assert other.providers[0].token_url == "http://stand-in:1/token"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """And shows in no text of the settings."""
    file = tmp_path / "cron"
    file.write_text("a-secret-of-the-operator\n")

    settings = settings_from({"CRON_SECRET_FILE": str(file)})

    assert str(settings.cron_secret) == "a-secret-of-the-operator"
    assert "operator" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CRON_SECRET": "short"}, "CRON_SECRET has 5 characters"),
        ({"N8N_CALLBACK_SECRET": "short"}, "N8N_CALLBACK_SECRET has 5 characters"),
        ({"CRON_SECRET_FILE": "/no/such/file"}, "CRON_SECRET_FILE=/no/such/file: it cannot be"),
        ({"LINKIE_PORT": "http"}, "LINKIE_PORT=http: write a number"),
        ({"LINKIE_PORT": "70000"}, "LINKIE_PORT=70000"),
        ({"LINKIE_WEBHOOK_TIMEOUT_S": "-1"}, "LINKIE_WEBHOOK_TIMEOUT_S=-1"),
        ({"LINKIE_WEBHOOK_TIMEOUT_S": "nan"}, "LINKIE_WEBHOOK_TIMEOUT_S=nan"),
        ({"N8N_WEBHOOK_URL": "n8n.example"}, "N8N_WEBHOOK_URL=n8n.example: write http"),
        ({"LINKIE_PUBLIC_URL": "https://a.example/linkie"}, "end it with the host"),
        ({"LINKIE_GENERATOR": "oracle"}, "write offline, replicate or gemini"),
        ({"LINKIE_OFFLINE_SIGN_IN": "maybe"}, "write 1 or 0"),
        ({"LINKIE_OFFLINE_SIGN_IN": "1", "LINKIE_HOST": "0.0.0.0"}, "on this machine only"),
        (
            {"LINKIE_OFFLINE_SIGN_IN": "1", "LINKIE_PUBLIC_URL": "https://a.example"},
            "on this machine only",
        ),
    ],
)
def test_what_cannot_be_used_is_said(environ: dict[str, str], words: str) -> None:
    """With the variable's name and what to write instead."""
    with pytest.raises(BadSetting, match=words):
        settings_from(environ)


def test_secrets_are_not_shown_in_errors() -> None:
    """A secret that is too short may still be somebody's."""
    with pytest.raises(BadSetting) as refusal:
        settings_from({"CRON_SECRET": "hunter2"})

    assert "hunter2" not in str(refusal.value)
