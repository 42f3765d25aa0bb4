"""
What the writer asks of others for the page: with its own keys, and in words that name who it was.

A real publisher and a real data layer; the scout is not there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.clients.hotmetal import DataLayer, DataLayerSync, TokenUpdate
from hotmetal.services.publisher.face import publisher_app
from hotmetal.services.publisher.settings import PublisherSettings
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import KEY, Caller

from tests.e2e.processes import ServerProcess

PUBLISHER_KEY = "the-publishers-key"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def publisher(data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = PublisherSettings(
        api_key=PUBLISHER_KEY, data_dir=tmp_path_factory.mktemp("publisher"), cms_url=NOBODY
    )
    with served(
        lambda _address: publisher_app(settings, DataLayer.connect(data_layer.address))
    ) as address:
        yield address


def writer(
    data_layer: ServerProcess, folder: pytest.TempPathFactory, *, publisher_url: str, key: str
) -> WriterSettings:
    return WriterSettings(
        api_key=KEY,
        data_dir=folder.mktemp("writer"),
        scout_url=NOBODY,
        scout_key="the-scouts-key",
        publisher_url=publisher_url,
        publisher_public_url="https://publisher.example",
        publisher_key=key,
    )


@pytest.fixture(scope="module")
def ask(
    data_layer: ServerProcess, publisher: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Caller]:
    settings = writer(data_layer, tmp_path_factory, publisher_url=publisher, key=PUBLISHER_KEY)
    with served(
        lambda _address: writer_app(settings, DataLayer.connect(data_layer.address))
    ) as address:
        caller = Caller(address)
        yield caller
        caller.close()


def test_a_scout_that_is_not_there_is_named(ask: Caller) -> None:
    """502 and not 503, which would say that the writer itself cannot answer."""
    for method, path, body in (
        ("POST", "/api/scout/run", {"publicationId": "pub-harbour-light"}),
        ("GET", "/api/scout/status?publicationId=pub-harbour-light", None),
        ("GET", "/api/scout/status?id=../../health", None),
    ):
        status, words = ask.error(method, path, body)
        assert status == 502
        assert "the scout is not running at http://127.0.0.1:9" in words
        assert "freehold dev" in words
        assert "the-scouts-key" not in words


def test_what_is_missing_is_said_before_anybody_is_asked(ask: Caller) -> None:
    assert ask.error("POST", "/api/scout/run", {}) == (400, "publicationId is required")
    assert ask.error("GET", "/api/scout/status") == (400, "publicationId is required")
    assert ask.error("POST", "/api/publish/linkedin", {}) == (400, "postId is required")
    assert ask.error("GET", "/api/publish/attempts") == (400, "postId is required")


def test_the_audit_log_of_a_post_is_read(ask: Caller) -> None:
    rows = ask.get("/api/audit?postId=cms-post-1")["data"]

    assert [(row["outlet"], row["status"]) for row in rows] == [
        ("linkedin", "success"),
        ("linkedin", "failed"),
        ("blog", "success"),
    ]
    assert ask.get("/api/audit?postId=none")["data"] == []


def test_the_browser_is_told_where_linkedin_is_connected(ask: Caller) -> None:
    said = ask.get("/api/oauth/linkedin")

    assert said == {
        "connected": True,
        "configured": False,
        "connectUrl": "https://publisher.example/oauth/linkedin",
    }


def test_the_publishers_401_is_not_the_browsers(ask: Caller, data_layer: ServerProcess) -> None:
    """A connection that has ended is a conflict; the sign-in of the page has not."""
    with DataLayerSync.connect(data_layer.address) as dal:
        ended = TokenUpdate(token_expires_at=1, refresh_token=None)
        dal.update_social_connection_tokens("conn-linkedin", ended)
    status, said = ask("POST", "/api/publish/linkedin", {"postId": "a-post-of-the-cms"})

    assert (status, said["needsConnection"]) == (409, True)
    assert ask.get("/api/publish/attempts?postId=a-post-of-the-cms") == {"data": []}
    status, words = ask.error(
        "POST", "/api/publish/attempts/none/resolve", {"outcome": "not_published"}
    )
    assert status == 404
    assert "no attempt" in words


def test_a_key_that_the_publisher_refuses_is_the_writers_fault(
    data_layer: ServerProcess, publisher: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = writer(data_layer, tmp_path_factory, publisher_url=publisher, key="a wrong key")
    with served(
        lambda _address: writer_app(settings, DataLayer.connect(data_layer.address))
    ) as address:
        caller = Caller(address)
        status, words = caller.error("GET", "/api/publish/attempts?postId=x")
        caller.close()

    assert status == 502
    assert words.startswith("the publisher:")
    assert "a wrong key" not in words
