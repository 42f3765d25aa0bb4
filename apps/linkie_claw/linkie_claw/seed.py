"""
Sample data: one user with a post of each status, a generation and settings.

The person and the posts are invented. Ids are the same in every database, so that examples
can name them; times are counted back from now, so that recent things are recent. Loading it
a second time does nothing.
"""

from __future__ import annotations

from typing import Final

from freehold import Writer
from linkie_claw.schema import (
    GeneratedImage,
    Generation,
    PostRow,
    TextVariation,
    User,
    UserSettingsRow,
)

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400

USER_ID: Final = "user-alex"
EMAIL: Final = "alex@example.com"


def seed(db: Writer) -> None:
    """Load the sample data into a database that has no user alex@example.com yet."""
    if db.find(User, email=EMAIL) is not None:
        return
    long_ago = db.now - 30 * _DAY_S
    db.insert(
        User(
            id=USER_ID,
            name="Alex Rivera",
            email=EMAIL,
            email_verified=long_ago,
            created_at=long_ago,
        )
    )
    db.insert_many(_posts(db))
    db.insert(_generation(db))
    db.insert(UserSettingsRow(id=USER_ID, user_id=USER_ID, linkedin_connected=False))


def _posts(db: Writer) -> list[PostRow]:
    """One of each status; the one that is being published was claimed a minute ago."""
    return [*_posts_to_come(db), *_posts_of_the_past(db)]


def _posts_to_come(db: Writer) -> list[PostRow]:
    return [
        PostRow(
            id="post-draft",
            user_id=USER_ID,
            title="Test Post 1",
            content="This is a test post",
            created_at=db.now - 2 * _HOUR_S,
            updated_at=db.now - _HOUR_S,
        ),
        PostRow(
            id="post-scheduled",
            user_id=USER_ID,
            title="What a quiet week taught us",
            content="We stopped all meetings for a week. Here is what we missed, and what not.",
            image_url="https://images.example/quiet-week.png",
            status="scheduled",
            scheduled_at=db.now + _DAY_S,
            created_at=db.now - _DAY_S,
            updated_at=db.now - _DAY_S,
        ),
        PostRow(
            id="post-publishing",
            user_id=USER_ID,
            title="Three questions before every launch",
            content="Who waits for it? Who pays for it? Who answers when it breaks?",
            status="publishing",
            scheduled_at=db.now - 60,
            claim_id="claim-sample",
            lease_until=db.now + 240,
            fence=1,
            created_at=db.now - 2 * _DAY_S,
            updated_at=db.now - 60,
        ),
    ]


def _posts_of_the_past(db: Writer) -> list[PostRow]:
    return [
        PostRow(
            id="post-published",
            user_id=USER_ID,
            title="A studio that fits in a tab",
            content="Six texts, six images, one post: how we write for LinkedIn now.",
            image_url="https://images.example/studio.png",
            status="published",
            scheduled_at=db.now - 3 * _DAY_S,
            published_at=db.now - 3 * _DAY_S + 20,
            linkedin_post_urn="urn:li:share:7000000000000000001",
            fence=1,
            created_at=db.now - 5 * _DAY_S,
            updated_at=db.now - 3 * _DAY_S + 20,
        ),
        PostRow(
            id="post-failed",
            user_id=USER_ID,
            title="The post that never left",
            content="Some drafts are better for having waited.",
            status="failed",
            scheduled_at=db.now - 4 * _DAY_S,
            error_message="the webhook answered 503",
            retry_count=3,
            fence=3,
            created_at=db.now - 6 * _DAY_S,
            updated_at=db.now - 4 * _DAY_S,
        ),
    ]


def _generation(db: Writer) -> Generation:
    return Generation(
        id="generation-studio",
        user_id=USER_ID,
        idea="AI-powered content studio",
        text_variations=[
            TextVariation(
                id="text-1",
                style="short-punchy",
                title="A studio that fits in a tab",
                tone="confident",
                content="Six texts, six images, one post: how we write for LinkedIn now.",
            ),
            TextVariation(
                id="text-2",
                style="storytelling",
                content="On Monday I had an idea and no time. By noon it was a post.",
            ),
        ],
        images=[
            GeneratedImage(
                id="image-1",
                url="https://images.example/studio.png",
                prompt="A browser tab as a tiny writer's studio",
                style_id="illustration",
                style_name="Illustration",
            )
        ],
        selected_text_id="text-1",
        selected_image_id="image-1",
        created_at=db.now - 5 * _DAY_S,
    )
