"""
The application: one database, one entrypoint, the names that the document gives them, and the
services that run beside it.

`freehold dev hotmetal.app:app` starts all of it; see the README beside this package.
"""

from __future__ import annotations

from pathlib import Path

from freehold import App, Database, Service
from hotmetal.entrypoints import DataLayer
from hotmetal.schema import schema
from hotmetal.seed import seed


def _may(*methods: str) -> list[str]:
    return [f"{DataLayer.__name__}.{method}" for method in methods]


#: Each with the methods that its source calls, and no other; a test compares the two.
SERVICES = [
    # They play what is outside, as long as nobody says where that is.
    Service(
        "cms",
        "hotmetal.stand_ins.cms",
        port=8795,
        stands_in_for="CMS_URL",
        secrets=["CMS_API_KEY"],
        page="/",
    ),
    Service("news", "hotmetal.stand_ins.news", port=8796, stands_in_for="NEWS_URL", page="/"),
    Service(
        "publisher",
        "hotmetal.services.publisher",
        port=8794,
        binding="DAL",
        scopes=[
            *_may(
                "claimTokenRefresh",
                "createSocialConnection",
                "deleteSocialConnection",
                "getSocialConnectionById",
                "getSocialConnectionsByUser",
                "hasValidSocialConnection",
                "listAuditLogs",
                "storeOAuthState",
                "updateSocialConnectionTokens",
                "validateAndConsumeOAuthState",
                "writeAuditLog",
            ),
            # The word of the one method that gives tokens in clear.
            "connection_tokens",
        ],
        addresses={"CMS_URL": "cms"},
        secrets=["PUBLISHER_API_KEY", "CMS_API_KEY"],
    ),
    Service(
        "writer",
        "hotmetal.services.writer",
        port=8792,
        page="/sign-in?key={WRITER_API_KEY}",
        binding="DAL",
        scopes=_may(
            "countIdeasByPublication",
            "countIdeasByStatus",
            "createPublication",
            "createSession",
            "createTopic",
            "deletePublication",
            "deleteTopic",
            "getIdeaById",
            "getPublicationById",
            "getRecentActivity",
            "getSessionById",
            "getTopicById",
            "listAllPublications",
            "listAuditLogs",
            "listIdeasByPublication",
            "listPublicationsByUser",
            "listSessions",
            "listTopicsByPublication",
            "promoteIdea",
            "updateIdeaStatus",
            "updatePublication",
            "updateSession",
            "updateTopic",
            "writeAuditLog",
        ),
        addresses={"CMS_URL": "cms", "PUBLISHER_URL": "publisher"},
        # The scout asks the writer too; neither needs the other at its start.
        neighbours={"SCOUT_URL": "scout"},
        secrets=["WRITER_API_KEY", "SCOUT_API_KEY", "PUBLISHER_API_KEY", "CMS_API_KEY"],
    ),
    Service(
        "scout",
        "hotmetal.services.scout",
        port=8793,
        binding="DAL",
        scopes=_may(
            "claimScoutRun",
            "countCompletedSessionsForWeek",
            "createIdeas",
            "getAllPublicationIds",
            "getDuePublications",
            "getIdeaById",
            "getPublicationById",
            "getPublicationsWithNullSchedule",
            "getRecentIdeasByPublication",
            "listTopicsByPublication",
            "promoteIdea",
        ),
        addresses={"NEWS_URL": "news"},
        neighbours={"WRITER_URL": "writer"},
        secrets=["SCOUT_API_KEY", "WRITER_API_KEY"],
    ),
]

app = App(
    "hotmetal",
    databases=[
        Database("main", schema, migrations=Path(__file__).with_name("migrations"), seed=seed)
    ],
    entrypoints=[DataLayer],
    service="data-layer",
    # 64 hexadecimal characters, as the document has it; without it the secrets file is asked.
    column_keys_env="TOKEN_ENCRYPTION_KEY",
    services=SERVICES,
)
