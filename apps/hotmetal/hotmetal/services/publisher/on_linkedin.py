"""
LinkedIn as an outlet: sent once, and looked for when the answer did not come.

LinkedIn takes no idempotency keys. So before it is sent the attempt says so on disk, and an attempt
that says so is never sent again: whether the post is there is read from the author's list.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from freehold.errors import CallError
from hotmetal.services.publisher.blog import Keep
from hotmetal.services.publisher.commentary import escaped, same_text
from hotmetal.services.publisher.linkedin import (
    LinkedInBroke,
    LinkedInPosts,
    LinkedInRefused,
    LinkedInSilent,
    person_urn,
    post_body,
    url_of,
)
from hotmetal.services.publisher.outcomes import NotKnown, NotPublished, NotYetKnown, Published
from hotmetal.services.publisher.store import Attempt
from hotmetal.services.publisher.tokens import NotConnected, Tokens

#: How often a list is asked for a post that should be there, and the pauses before.
_LOOKS_S: Final = (0.0, 0.5, 1.5)
#: Clocks differ; a post from so long before the attempt can still be its own.
_SKEW_S: Final = 60


class OnLinkedIn:
    """
    The outlet.

    Args:
        posts: The API.
        tokens: Who posts.
        keep: Writes an attempt down, before the step that it is about.
        settle_s: After so long a post that is not listed was not published.
    """

    def __init__(
        self, posts: LinkedInPosts, tokens: Tokens, keep: Keep, *, settle_s: float
    ) -> None:
        self._posts = posts
        self._tokens = tokens
        self._keep = keep
        self._settle_s = settle_s

    async def publish(self, attempt: Attempt) -> Published:
        """
        Send the post, once.

        Raises:
            NotPublished: LinkedIn refused it, or says that it is not there.
            NotKnown: There was no answer, and the post is not listed.
        """
        try:
            token = await self._tokens.valid()
        except NotConnected as error:
            raise NotPublished(str(error)) from None
        author = person_urn(token.external_id)
        attempt.plan["author"] = author
        attempt.sent_s = int(time.time())
        self._keep(attempt)
        text = escaped(attempt.plan["text"])
        body = post_body(author, text, article=attempt.plan["article"])
        try:
            urn = await self._posts.send(body, token=token.value)
        except LinkedInRefused as error:
            raise NotPublished(str(error)) from None
        except LinkedInBroke as error:
            if found := await self._looked_for(attempt):
                return found
            raise NotPublished(str(error)) from None
        except LinkedInSilent as error:
            if found := await self._looked_for(attempt):
                return found
            raise NotKnown(f"{error}, and the post is not listed") from None
        if urn is None:
            if found := await self._looked_for(attempt):
                return found
            raise NotKnown("LinkedIn took the post, did not say its id, and does not list it")
        return Published(external_url=url_of(urn), external_id=urn)

    async def resume(self, attempt: Attempt, *, now_s: int) -> Published:
        """
        Whether the post of an attempt that nobody carried through is there.

        Raises:
            NotPublished: It is certain that it is not.
            NotYetKnown: It can still appear, or LinkedIn may say it later.
            NotKnown: LinkedIn did not say in all that time.
        """
        if attempt.sent_s is None:
            raise NotPublished("the publisher was interrupted before anything was sent")
        is_over = now_s > attempt.sent_s + self._settle_s
        try:
            found = await self._look(attempt)
        except NotKnown as error:
            raise error if is_over else NotYetKnown(str(error)) from None
        if found is not None:
            return found
        if is_over:
            raise NotPublished("no answer came, and LinkedIn does not list the post")
        raise NotYetKnown("no answer came, and LinkedIn does not list the post yet")

    async def _looked_for(self, attempt: Attempt) -> Published | None:
        for pause_s in _LOOKS_S:
            await asyncio.sleep(pause_s)
            if found := await self._look(attempt):
                return found
        return None

    async def _look(self, attempt: Attempt) -> Published | None:
        """The attempt's post among what its author posted since; `NotKnown` if that is not told."""
        try:
            token = await self._tokens.valid()
            listed = await self._posts.listed(attempt.plan["author"], token=token.value)
        except (NotConnected, LinkedInRefused, LinkedInBroke, LinkedInSilent, CallError) as error:
            raise NotKnown(f"whether the post is there cannot be read: {error}") from None
        since_ms = ((attempt.sent_s or attempt.begun_s) - _SKEW_S) * 1000
        for post in listed:
            if post.created_at >= since_ms and same_text(post.commentary, attempt.plan["text"]):
                return Published(external_url=url_of(post.id), external_id=post.id)
        return None
