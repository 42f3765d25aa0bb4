"""
What all handlers share: the settings, the data layer's client, and the ways out of the house.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from linkie_claw.clients.linkie_claw import DataLayer
from linkie_claw.services.web.budget import Budget
from linkie_claw.services.web.generators.port import Generator
from linkie_claw.services.web.images import ImageFolder
from linkie_claw.services.web.oauth import OAuthClient
from linkie_claw.services.web.outbound import Outbound
from linkie_claw.services.web.settings import Settings


@dataclass(frozen=True)
class Web:
    """One running web service."""

    settings: Settings
    dal: DataLayer
    images: ImageFolder
    #: To addresses that users chose.
    outbound: Outbound
    #: To the address that the operator set.
    own_outbound: Outbound
    oauth: OAuthClient
    generators: dict[str, Generator]
    #: By address: wrong secrets and begun sign-ins.
    tries: Budget
    #: By user.
    generations: Budget
    #: The wall clock.
    now: Callable[[], float]

    async def close(self) -> None:
        """Close every connection."""
        await self.outbound.close()
        await self.own_outbound.close()
        await self.oauth.close()
        for generator in self.generators.values():
            await generator.close()
        await self.dal.close()


def address_of(request: Request) -> str:
    """Who calls, as far as the network knows."""
    return request.client.host if request.client is not None else ""


def web_of(request: Request) -> Web:
    """The service that got this request."""
    web: Web = request.app.state.web
    return web
