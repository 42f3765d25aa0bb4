"""What the six steps do, each by itself: it asks, it answers, and can be asked again."""

from __future__ import annotations

import json
from typing import Any, Final

from hotmetal.clients.hotmetal import CreateIdeaInput, DataLayer, Idea
from hotmetal.services.scout.auto_write import AutoWriter
from hotmetal.services.scout.ideas import Proposal, idea_id
from hotmetal.services.scout.search import Searches
from hotmetal.services.scout.stories import Story
from hotmetal.services.scout.thinking import Thinker
from hotmetal.services.scout.workflow import (
    Context,
    Order,
    Progress,
    Publication,
    TopicFacts,
)

_RECENT_DAYS: Final = 7


class ScoutJobs:
    """
    The steps.

    Args:
        dal: The data layer.
        searches: Where stories come from.
        thinker: The language model.
        auto_writer: The sixth step.
    """

    def __init__(
        self, dal: DataLayer, searches: Searches, thinker: Thinker, auto_writer: AutoWriter
    ) -> None:
        self._auto_writer = auto_writer
        self._dal = dal
        self._searches = searches
        self._thinker = thinker

    async def load_context(self, order: Order) -> Context:
        """The publication, its active topics, its ideas of the last 7 days."""
        found = await self._dal.get_publication_by_id(order.publication_id)
        if found is None:
            return Context(publication=None, topics=[], recent=[])
        topics = await self._dal.list_topics_by_publication(found.id)
        recent = await self._dal.get_recent_ideas_by_publication(found.id, _RECENT_DAYS)
        return Context(
            publication=Publication(
                id=found.id,
                user_id=found.user_id,
                name=found.name,
                description=found.description,
                writing_tone=found.writing_tone,
                default_author=found.default_author,
                auto_publish_mode=found.auto_publish_mode,
                cadence_posts_per_week=found.cadence_posts_per_week,
                timezone=found.timezone,
            ),
            topics=[
                TopicFacts(id=each.id, name=each.name, description=each.description)
                for each in topics
                if each.is_active
            ],
            recent=[_shown(each) for each in recent],
        )

    async def search_content(self, topics: list[TopicFacts]) -> list[Story]:
        """For each topic the news and the pages about it; an address counts once."""
        found: dict[str, Story] = {}
        for topic in topics:
            query = f"{topic.name} {topic.description or ''}".strip()
            for each in await self._searches.about(query):
                found.setdefault(
                    each.url,
                    Story(
                        url=each.url,
                        title=each.title,
                        snippet=each.snippet,
                        published_at=each.published_at,
                        topic=topic.name,
                    ),
                )
        return list(found.values())

    async def dedupe_stories(self, context: Context, stories: list[Story]) -> list[Story]:
        """Those that no recent idea covers."""
        return await self._thinker.fresh(stories, context.recent)

    async def generate_ideas(self, context: Context, stories: list[Story]) -> list[Proposal]:
        """What could be written about."""
        publication = context.publication
        assert publication is not None
        return await self._thinker.propose(
            {
                "name": publication.name,
                "description": publication.description,
                "tone": publication.writing_tone,
            },
            [{"name": each.name, "description": each.description} for each in context.topics],
            stories,
            context.recent,
        )

    async def store_ideas(self, order: Order, context: Context, ideas: list[Proposal]) -> int:
        """Keep them under ids that their words make, so that none is there twice."""
        topics = {each.name: each.id for each in context.topics}
        items = [
            CreateIdeaInput(
                id=idea_id(order.publication_id, each.title, each.angle),
                publication_id=order.publication_id,
                topic_id=topics.get(each.topic or ""),
                title=each.title,
                angle=each.angle,
                summary=each.summary,
                sources=json.dumps(each.sources, ensure_ascii=False),
                relevance_score=each.score,
            )
            for each in ideas
        ]
        key = f"scout:{order.run_id}:store-ideas"
        return await self._dal.with_options(idempotency_key=key).create_ideas(items)

    async def auto_write(
        self, progress: Progress, order: Order, publication: Publication, ideas: list[Proposal]
    ) -> tuple[int, str | None]:
        """Write the best one."""
        return await self._auto_writer.run(progress, order, publication, ideas)


def _shown(idea: Idea) -> dict[str, Any]:
    """A recent idea as the model is shown it."""
    return {
        "title": idea.title,
        "summary": idea.summary[:500],
        "sources": [each.url for each in idea.sources or []],
    }
