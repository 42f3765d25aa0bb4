"""
Sample data: two publications of one writer, with something in every table that shows.

All people, papers and addresses are invented. Ids are the same in every database, so that
examples can name them; times are counted back from now, so that recent things are recent.
Loading it a second time does nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from freehold import Hashed, Sealed, Writer
from hotmetal.schedule import (
    Schedule,
    compute_next_run,
    daily,
    format_schedule,
    times_per_day,
)
from hotmetal.schema import (
    AuditLog,
    AutoPublishMode,
    IdeaRow,
    IdeaStatus,
    Priority,
    PublicationOutlet,
    PublicationRow,
    PublicationToken,
    Session,
    SocialConnection,
    Topic,
    User,
)

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400

_USER: Final = "default"
_HARBOUR: Final = "pub-harbour-light"
_KITCHEN: Final = "pub-slow-kitchen"
_CONNECTION: Final = "conn-linkedin"

#: id, publication, name, description, priority, is_active
_TOPICS: Final[list[tuple[str, str, str, str | None, Priority, bool]]] = [
    ("topic-ports", _HARBOUR, "Port electrification", "Shore power, cranes, tugs", 3, True),
    ("topic-ferries", _HARBOUR, "Electric ferries", "Batteries, routes, prices", 2, True),
    ("topic-charts", _HARBOUR, "Nautical charts", None, 1, False),
    ("topic-ferments", _KITCHEN, "Fermentation at home", "Koji, kraut, kefir", 2, True),
    ("topic-bread", _KITCHEN, "Sourdough science", "What flour and time do", 1, True),
]

#: id, publication, topic, title, angle, summary, source, status, score, hours ago
_IDEAS: Final[
    list[tuple[str, str, str | None, str, str, str, str, IdeaStatus, float | None, int]]
] = [
    ("idea-shore-power", _HARBOUR, "topic-ports",
     "The plug that quiets a port", "One berth, before and after",
     "A small port wired one berth for shore power and measured a year of nights.",
     "https://harbour.example/shore-power", "new", 0.92, 3),
    ("idea-tug", _HARBOUR, "topic-ports",
     "A tug that charges at lunch", "The captain's timetable decides, not the battery",
     "Why a tug's idle hour is worth more than a bigger battery.",
     "https://tugs.example/lunch", "new", 0.81, 5),
    ("idea-crane", _HARBOUR, "topic-ports",
     "Cranes that give power back", "What a falling container is worth",
     "Regenerative braking on three cranes, counted in kilowatt hours.",
     "https://cranes.example/back", "reviewed", 0.74, 30),
    ("idea-ferry-price", _HARBOUR, "topic-ferries",
     "What a crossing costs without diesel", "A ticket, taken apart",
     "The price of one seat on an electric ferry, item by item.",
     "https://ferries.example/price", "promoted", 0.88, 52),
    ("idea-ferry-ice", _HARBOUR, "topic-ferries",
     "Batteries in ice water", "The winter nobody had planned for",
     "A northern route kept its timetable in a cold February.",
     "https://ferries.example/ice", "promoted", 0.79, 200),
    ("idea-paper-charts", _HARBOUR, "topic-charts",
     "Who still buys paper charts?", "A shop that refuses to close",
     "The last chart shop on the quay sells more than it did ten years ago.",
     "https://charts.example/paper", "dismissed", 0.31, 340),
    ("idea-koji", _KITCHEN, "topic-ferments",
     "Koji without a lab", "A rice cooker is enough",
     "Three ways to keep rice at 30 degrees for two days.",
     "https://ferments.example/koji", "new", 0.66, 8),
    ("idea-brine", _KITCHEN, "topic-ferments",
     "Two percent, and why", "Salt as a clock",
     "How the salt in a brine sets the pace of everything after it.",
     "https://ferments.example/brine", "reviewed", 0.58, 75),
    ("idea-starter", _KITCHEN, None,
     "A starter older than the house", "Inherited flour",
     "A family that counts its sourdough in generations.",
     "https://bread.example/starter", "new", None, 26),
]  # fmt: skip


def seed(db: Writer) -> None:
    """Load the sample data into a database that has no user `default` yet."""
    if db.find(User, _USER) is not None:
        return
    long_ago = db.now - 90 * _DAY_S
    db.insert(
        User(
            id=_USER,
            email="writer@hotmetal.example",
            name="Sample Writer",
            created_at=long_ago,
            updated_at=long_ago,
        )
    )
    _publications(db)
    _topics(db)
    _ideas(db)
    _sessions(db)
    _publishing(db)


def _publications(db: Writer) -> None:
    _publication(
        db,
        id=_HARBOUR,
        name="Harbour Light",
        description="How ports and ferries leave diesel behind.",
        tone="Calm, exact, with numbers; no slogans.",
        mode="draft",
        schedule=times_per_day(3),
        timezone="Europe/Lisbon",
        days_ago=80,
    )
    _publication(
        db,
        id=_KITCHEN,
        name="Slow Kitchen",
        description="Food that takes its time.",
        tone="Warm, practical, a little dry.",
        mode="full-auto",
        schedule=daily(8),
        timezone="Asia/Kolkata",
        days_ago=40,
    )


def _publication(
    db: Writer,
    *,
    id: str,
    name: str,
    description: str,
    tone: str,
    mode: AutoPublishMode,
    schedule: Schedule,
    timezone: str,
    days_ago: int,
) -> None:
    then = db.now - days_ago * _DAY_S
    db.insert(
        PublicationRow(
            id=id,
            user_id=_USER,
            cms_publication_id=f"cms-{id}",
            name=name,
            slug=id.removeprefix("pub-"),
            description=description,
            writing_tone=tone,
            default_author=f"The {name} desk",
            auto_publish_mode=mode,
            cadence_posts_per_week=2,
            scout_schedule=format_schedule(schedule),
            timezone=timezone,
            next_scout_at=compute_next_run(schedule, timezone, after=db.now),
            created_at=then,
            updated_at=then,
        )
    )


def _topics(db: Writer) -> None:
    then = db.now - 39 * _DAY_S
    db.insert_many(
        [
            Topic(
                id=id,
                publication_id=publication_id,
                name=name,
                description=description,
                priority=priority,
                is_active=is_active,
                created_at=then + number,
                updated_at=then + number,
            )
            for number, (id, publication_id, name, description, priority, is_active) in enumerate(
                _TOPICS
            )
        ]
    )


def _ideas(db: Writer) -> None:
    for id, publication_id, topic_id, title, angle, summary, url, status, score, hours in _IDEAS:
        then = db.now - hours * _HOUR_S
        db.insert(
            IdeaRow(
                id=id,
                publication_id=publication_id,
                topic_id=topic_id,
                title=title,
                angle=angle,
                summary=summary,
                sources=msgspec.json.encode(
                    [{"url": url, "title": title, "snippet": summary}]
                ).decode(),
                status=status,
                relevance_score=score,
                created_at=then,
                updated_at=then,
            )
        )


def _sessions(db: Writer) -> None:
    """One of each status, and one without a publication; two hold an idea."""
    then = db.now - 2 * _DAY_S
    db.insert_many(
        [
            Session(
                id="ses-ferry-price",
                user_id=_USER,
                title="What a crossing costs without diesel",
                publication_id=_HARBOUR,
                idea_id="idea-ferry-price",
                seed_context="Angle: a ticket, taken apart. Keep every number's source.",
                created_at=then,
                updated_at=db.now - _HOUR_S,
            ),
            Session(
                id="ses-ferry-ice",
                user_id=_USER,
                title="Batteries in ice water",
                status="completed",
                cms_post_id="cms-post-1",
                publication_id=_HARBOUR,
                idea_id="idea-ferry-ice",
                created_at=db.now - 8 * _DAY_S,
                updated_at=then,
            ),
            Session(
                id="ses-kraut",
                user_id=_USER,
                title="Kraut for one",
                status="archived",
                publication_id=_KITCHEN,
                created_at=db.now - 20 * _DAY_S,
                updated_at=db.now - 19 * _DAY_S,
            ),
            Session(
                id="ses-notes",
                user_id=_USER,
                title="Notes on night trains",
                created_at=db.now - 5 * _HOUR_S,
                updated_at=db.now - 4 * _HOUR_S,
            ),
        ]
    )
    for idea_id, session_id in (
        ("idea-ferry-price", "ses-ferry-price"),
        ("idea-ferry-ice", "ses-ferry-ice"),
    ):
        db.update(IdeaRow, idea_id, {"session_id": session_id, "updated_at": then})


def _publishing(db: Writer) -> None:
    """A connection with tokens, an outlet, a token for the blog, and what was tried so far."""
    then = db.now - 30 * _DAY_S
    db.insert(
        SocialConnection(
            id=_CONNECTION,
            user_id=_USER,
            provider="linkedin",
            display_name="Sample Writer",
            connection_type="personal",
            external_id="sample-person",
            access_token=Sealed.of("sample-access-token"),
            refresh_token=Sealed.of("sample-refresh-token"),
            token_expires_at=db.now + 30 * _DAY_S,
            scopes="openid profile w_member_social",
            created_at=then,
            updated_at=then,
        )
    )
    db.insert(
        PublicationOutlet(id="outlet-linkedin", publication_id=_HARBOUR, connection_id=_CONNECTION)
    )
    # Nobody is shown this token: whoever needs one makes one with createPublicationToken.
    db.insert(
        PublicationToken(
            id="token-blog",
            publication_id=_HARBOUR,
            token_hash=Hashed.of(f"hm_{db.random_bytes(16).hex()}"),
            label="Blog front end",
        )
    )
    published = db.now - 2 * _DAY_S
    post: Final = "cms-post-1"
    db.insert_many(
        [
            AuditLog(
                id="audit-1", post_id=post, outlet="blog", action="publish", status="success",
                result_data='{"externalUrl":"https://harbour-light.example/ice"}',
                created_at=published,
            ),
            AuditLog(
                id="audit-2", post_id=post, outlet="linkedin", action="publish", status="failed",
                error_message="the platform answered 503", created_at=published + 5,
            ),
            AuditLog(
                id="audit-3", post_id=post, outlet="linkedin", action="publish", status="success",
                result_data='{"externalUrl":"https://linkedin.example/1","externalId":"1"}',
                created_at=published + 65,
            ),
        ]
    )  # fmt: skip
