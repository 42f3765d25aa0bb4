"""
The token with which the publisher posts: found, and renewed by one publisher at a time.

A token is in memory for the time of a call and nowhere else: no log, error, answer or file of the
publisher has one. The data layer keeps it sealed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

import msgspec

from hotmetal.clients.hotmetal import (
    DataLayer,
    DecryptedSocialConnection,
    SocialConnection,
    TokenUpdate,
)
from hotmetal.services.publisher.oauth_client import LinkedInOAuth, OAuthFailed

LOG: Final = logging.getLogger("hotmetal.publisher")
PROVIDER: Final = "linkedin"
USER: Final = "default"

#: With less time left a token is renewed before it is used.
_REFRESH_S: Final = 300
_LEASE_S: Final = 30
_LOOK_S: Final = 0.1


class Token(msgspec.Struct):
    """A token and whose it is."""

    value: str
    external_id: str

    def __repr__(self) -> str:
        return f"Token(external_id={self.external_id!r}, …)"


class NotConnected(Exception):
    """There is no token that works; a person has to connect the account."""


class Tokens:
    """
    Args:
        dal: Where the connections are.
        oauth: Renews tokens.
    """

    def __init__(self, dal: DataLayer, oauth: LinkedInOAuth) -> None:
        self._dal = dal
        self._oauth = oauth

    async def valid(self) -> Token:
        """
        The token of the newest connection that has one which works.

        When LinkedIn does not renew somebody's token, no other person's is taken in its place.

        Raises:
            NotConnected: There is none, and the message says what to do.
        """
        only: str | None = None
        why = "LinkedIn is not connected: open /oauth/linkedin in a browser"
        for connection in await self._dal.get_social_connections_by_user(USER):
            if connection.provider != PROVIDER or not _can_work(connection):
                continue
            if only is not None and connection.external_id != only:
                continue
            try:
                token = await self._token_of(connection)
            except OAuthFailed as error:
                why = f"LinkedIn does not renew the connection ({error}): open /oauth/linkedin"
                only = connection.external_id
                continue
            if token is not None:
                return token
        raise NotConnected(why)

    async def _token_of(self, connection: SocialConnection) -> Token | None:
        if _left_s(connection) <= _REFRESH_S and connection.refresh_token is not None:
            await self._renew(connection.id)
        opened = await self._dal.get_social_connection_with_decrypted_tokens(connection.id)
        return None if opened is None else _token(opened)

    async def _renew(self, id: str) -> None:
        """
        Have the tokens renewed, by this publisher or by the one that is at it.

        Raises:
            OAuthFailed: LinkedIn refused, and the token that is there has expired.
        """
        until = time.monotonic() + _LEASE_S
        while not await self._dal.claim_token_refresh(id, _LEASE_S):
            if time.monotonic() > until:
                return
            await asyncio.sleep(_LOOK_S)
            now = await self._dal.get_social_connection_by_id(id)
            if now is None or _left_s(now) > _REFRESH_S:
                return
        await self._renew_claimed(id)

    async def _renew_claimed(self, id: str) -> None:
        opened = await self._dal.get_social_connection_with_decrypted_tokens(id)
        # Whoever had the claim before may have done it already.
        if opened is None or opened.refresh_token is None or _left_s(opened) > _REFRESH_S:
            if opened is not None:
                await self._give_back(opened)
            return
        try:
            fresh = await self._oauth.refresh(opened.refresh_token)
        except OAuthFailed as error:
            await self._give_back(opened)
            if _left_s(opened) <= 0:
                raise
            LOG.warning("LinkedIn did not renew a token that still works: %s", error)
            return
        update = TokenUpdate(access_token=fresh.access_token, token_expires_at=fresh.expires_at)
        if fresh.refresh_token is not None:
            update.refresh_token = fresh.refresh_token
        await self._dal.update_social_connection_tokens(id, update)

    async def _give_back(self, opened: DecryptedSocialConnection) -> None:
        """End the claim: an update does, also one that changes nothing."""
        same = TokenUpdate(token_expires_at=opened.token_expires_at)
        await self._dal.update_social_connection_tokens(opened.id, same)


def _left_s(connection: SocialConnection | DecryptedSocialConnection) -> float:
    until = connection.token_expires_at
    return float("inf") if until is None else until - time.time()


def _can_work(connection: SocialConnection) -> bool:
    has_token = connection.access_token is not None and connection.external_id is not None
    return has_token and (_left_s(connection) > 0 or connection.refresh_token is not None)


def _token(opened: DecryptedSocialConnection) -> Token | None:
    if not opened.access_token or not opened.external_id or _left_s(opened) <= 0:
        return None
    return Token(opened.access_token, opened.external_id)
