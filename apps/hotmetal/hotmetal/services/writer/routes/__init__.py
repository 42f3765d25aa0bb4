"""The routes of the writer, a file for each noun."""

from __future__ import annotations

from starlette.routing import BaseRoute

from hotmetal.services.writer.routes import (
    activity,
    chat,
    drafts,
    ideas,
    images,
    neighbours,
    publications,
    publish,
    seo,
    sessions,
    topics,
)


def all_routes() -> list[BaseRoute]:
    """Every route; the more particular path stands first."""
    return [
        *activity.ROUTES,
        *neighbours.ROUTES,
        *ideas.ROUTES,
        *topics.ROUTES,
        *publications.ROUTES,
        *chat.ROUTES,
        *drafts.ROUTES,
        *publish.ROUTES,
        *seo.ROUTES,
        *images.ROUTES,
        *sessions.ROUTES,
    ]
