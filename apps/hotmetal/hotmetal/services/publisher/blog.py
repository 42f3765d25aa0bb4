"""
The blog: a post of the CMS becomes published, and a rendition says so.

Every step can be done twice and is done once: the status is set, and what is made is made under the
attempt's key. So an attempt that was interrupted is simply carried on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hotmetal.services.cms import Cms, CmsFailed, CmsRefused, CmsSilent, Post
from hotmetal.services.publisher.outcomes import NotKnown, NotPublished, Published
from hotmetal.services.publisher.store import Attempt

T = TypeVar("T")
#: Writes the attempt down.
Keep = Callable[[Attempt], None]


class Blog:
    """
    The outlet.

    Args:
        cms: Where the posts are.
        keep: Writes an attempt down, before the step that it is about.
    """

    def __init__(self, cms: Cms, keep: Keep) -> None:
        self._cms = cms
        self._keep = keep

    async def publish(self, attempt: Attempt) -> Published:
        """
        Carry the attempt through, from wherever it stands.

        Raises:
            NotPublished: The CMS refused; the post has the status that it had.
            NotKnown: The CMS is silent.
        """
        try:
            post = await self._post(attempt)
            post = await _twice(lambda: self._cms.set_status(post.id, "published"))
        except CmsRefused as error:
            raise NotPublished(str(error)) from None
        except CmsSilent as error:
            raise NotKnown(str(error)) from None
        where = post.url or f"{self._cms.url}/posts/{post.slug}"
        await self._rendition(attempt, post, where)
        return Published(external_url=where)

    async def resume(self, attempt: Attempt, *, now_s: int) -> Published:
        """The same again; `now_s` is of no matter here."""
        return await self.publish(attempt)

    async def _post(self, attempt: Attempt) -> Post:
        """The post that is published; made now, when the attempt is to make one."""
        plan = attempt.plan
        if "cmsPostId" not in plan:
            said = plan["post"] | {"status": "draft"}
            post = await _twice(lambda: self._cms.create_post(said, key=f"{attempt.key}/create"))
            plan |= {"cmsPostId": post.id, "previous": post.status}
            self._keep(attempt)
            return post
        found = await _twice(lambda: self._cms.post(plan["cmsPostId"]))
        if found is None:
            raise CmsRefused(f"the CMS has no post {plan['cmsPostId']!r} any more")
        return found

    async def _rendition(self, attempt: Attempt, post: Post, where: str) -> None:
        said = {
            "outlet": "blog", "status": "published", "content": post.content, "externalUrl": where,
        }  # fmt: skip
        try:
            await _twice(
                lambda: self._cms.create_rendition(post.id, said, key=f"{attempt.key}/rendition")
            )
        except CmsFailed as error:
            await self._put_back(attempt, post)
            raise NotPublished(str(error)) from None

    async def _put_back(self, attempt: Attempt, post: Post) -> None:
        previous = attempt.plan["previous"]
        try:
            await _twice(lambda: self._cms.set_status(post.id, previous))
        except CmsFailed as error:
            raise NotKnown(
                f"the post is published without a rendition, and its status cannot be put back to"
                f" {previous!r}: {error}"
            ) from None


async def _twice(step: Callable[[], Awaitable[T]]) -> T:
    """The step's result, asked once more when there was no answer; doing it twice does no harm."""
    try:
        return await step()
    except CmsSilent:
        return await step()
