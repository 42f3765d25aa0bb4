"""How an attempt to publish can end, and how the outlets say it."""

from __future__ import annotations

import msgspec


class Published(msgspec.Struct, rename="camel", omit_defaults=True):
    """It is there; where, and under which id of the provider's."""

    external_url: str
    external_id: str | None = None


class NotPublished(Exception):
    """It is certain that the post is not there."""


class NotKnown(Exception):
    """Nobody can tell whether the post is there; sending it again could make it two."""


class NotYetKnown(NotKnown):
    """The same, but it can be told later: what was sent may still be on its way."""
