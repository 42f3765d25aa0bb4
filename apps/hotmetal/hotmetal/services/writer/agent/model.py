"""
The language model: which one, and what its failures mean to whoever asked.
"""

from __future__ import annotations

import json
from typing import Final, Literal

import httpx
import pydantic
from pydantic_ai import exceptions
from pydantic_ai.models import Model, infer_model
from pydantic_ai.settings import ModelSettings

from hotmetal.services.settings import SettingMissing
from hotmetal.services.writer.settings import WriterSettings

FailureKind = Literal["timeout", "rate_limited", "refused", "unavailable", "garbage"]

#: How often a provider's library may ask again by itself within one answer.
_RETRIES: Final = 1


class ModelFailed(Exception):
    """The model did not answer; the talk stands as it stood, and the turn can be repeated."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def make_model(settings: WriterSettings) -> Model | None:
    """
    The model that is set; None for the offline writer.

    Raises:
        SettingMissing: The name says nothing to pydantic-ai, or its key is not set.
    """
    if settings.model is None:
        return None
    try:
        return infer_model(settings.model)
    except (exceptions.UserError, ImportError, ValueError) as error:
        raise SettingMissing(f"HOTMETAL_MODEL is {settings.model!r}: {error}") from None


def model_settings(settings: WriterSettings) -> ModelSettings:
    """What every request to the model is given."""
    return ModelSettings(timeout=float(settings.model_timeout_s), max_retries=_RETRIES)


def as_failure(error: Exception) -> ModelFailed | None:
    """What an error of a run means; None when it is not the model's."""
    if isinstance(error, TimeoutError | httpx.TimeoutException | exceptions.ModelTimeoutError):
        return ModelFailed("timeout", "the language model did not answer in time")
    if isinstance(error, exceptions.ModelHTTPError):
        return _of_status(error.status_code)
    if isinstance(error, exceptions.ModelRateLimitError):
        return _of_status(429)
    if isinstance(error, exceptions.UsageLimitExceeded):
        return ModelFailed("garbage", "the language model went round in circles and was stopped")
    if isinstance(error, exceptions.ModelAPIError | httpx.HTTPError):
        return ModelFailed("unavailable", "the language model cannot be reached, or broke off")
    broken = (exceptions.AgentRunError, json.JSONDecodeError, pydantic.ValidationError)
    if isinstance(error, broken) or _is_library(error):
        return ModelFailed("garbage", "the language model answered what cannot be read")
    return None


def _of_status(status: int) -> ModelFailed:
    if status == 429:
        return ModelFailed("rate_limited", "the language model's provider says: too many requests")
    if status in (408, 504):
        return ModelFailed("timeout", "the language model did not answer in time")
    if status >= 500:
        said = f"the language model's provider failed with {status}"
        return ModelFailed("unavailable", said)
    return ModelFailed("refused", f"the language model's provider refused with {status}")


def _is_library(error: Exception) -> bool:
    """Whether a provider's own library raised it, past what pydantic-ai translates."""
    return type(error).__module__.partition(".")[0] in ("openai", "anthropic", "google")
