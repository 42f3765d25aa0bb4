"""What every route finds at hand: the data layer, the CMS, the agents, the settings."""

from __future__ import annotations

import dataclasses

from starlette.requests import Request

from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.cms import Cms
from hotmetal.services.writer.agent.agents import Agents
from hotmetal.services.writer.neighbour import Neighbours
from hotmetal.services.writer.settings import WriterSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Desk:
    """One for each running service."""

    settings: WriterSettings
    dal: DataLayer
    cms: Cms
    neighbours: Neighbours
    agents: Agents


def desk_of(request: Request) -> Desk:
    """The desk of the service that the request came to."""
    desk: Desk = request.app.state.desk
    return desk


def dal_of(request: Request) -> DataLayer:
    """The data layer."""
    return desk_of(request).dal


def neighbours_of(request: Request) -> Neighbours:
    """The scout and the publisher."""
    return desk_of(request).neighbours


def agents_of(request: Request) -> Agents:
    """The agents of the sessions."""
    return desk_of(request).agents
