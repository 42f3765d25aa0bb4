"""What every route finds at hand."""

from __future__ import annotations

import dataclasses

from starlette.requests import Request

from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.cms import Cms
from hotmetal.services.publisher.attempts import Publishing
from hotmetal.services.publisher.oauth_client import LinkedInOAuth
from hotmetal.services.publisher.settings import PublisherSettings
from hotmetal.services.publisher.tokens import Tokens
from hotmetal.services.web import ApiError, is_key


@dataclasses.dataclass(frozen=True, kw_only=True)
class Desk:
    """One for each running publisher."""

    settings: PublisherSettings
    dal: DataLayer
    cms: Cms
    publishing: Publishing
    oauth: LinkedInOAuth
    tokens: Tokens


def desk_of(request: Request) -> Desk:
    """The desk of the publisher that the request came to."""
    desk: Desk = request.app.state.desk
    return desk


def let_in(request: Request) -> Desk:
    """
    The desk, for a caller that shows the API key.

    Raises:
        ApiError: 401 for another or none; 500 when the server has none.
    """
    desk = desk_of(request)
    if desk.settings.api_key is None:
        raise ApiError(500, "the server has no API key: PUBLISHER_API_KEY is not set")
    if not is_key(request.headers.get("x-api-key"), desk.settings.api_key):
        raise ApiError(401, "Unauthorized: show the API key in X-API-Key")
    return desk
