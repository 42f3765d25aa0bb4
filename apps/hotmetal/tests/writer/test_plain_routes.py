"""
The routes that are one call of the data layer: their checks, statuses and words.

A real data layer with the sample data, the real service behind a socket.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hotmetal.clients.hotmetal import CreateIdeaInput, DataLayer, DataLayerSync
from hotmetal.schedule import Schedule, compute_next_run
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import KEY, Caller

from tests.e2e.processes import ServerProcess


@pytest.fixture(scope="module")
def address(data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = WriterSettings(api_key=KEY, data_dir=tmp_path_factory.mktemp("writer"))
    with served(lambda _: writer_app(settings, DataLayer.connect(data_layer.address))) as address:
        yield address


@pytest.fixture(scope="module")
def ask(address: str) -> Iterator[Caller]:
    caller = Caller(address)
    yield caller
    caller.close()


def idea(ask: Caller, data_layer: ServerProcess, **fields: Any) -> str:
    """A new idea of the sample publication, made as the scout makes one."""
    with DataLayerSync.connect(data_layer.address) as dal:
        id = f"idea-{time.monotonic_ns()}"
        given = {"publication_id": "pub-harbour-light", "title": "Kites", "angle": "Wind",
                 "summary": "A kite pulls a ship."} | fields  # fmt: skip
        return dal.create_idea(CreateIdeaInput(id=id, **given)).id


# The gate


def test_nothing_is_told_without_the_key(address: str) -> None:
    """Neither without a key nor with a wrong one, on no route, not even an unknown one."""
    for key in (None, "", "a-key-for-test", KEY + "x", "ä"):
        stranger = Caller(address, key)
        for path in ("/api/sessions", "/api/ideas/new-count", "/api/unknown", "/api"):
            assert stranger("GET", path)[0] == 401
        assert stranger("POST", "/api/images/x")[0] == 401
        stranger.close()


def test_health_is_open(address: str) -> None:
    """It says that it serves and that the data layer answers."""
    stranger = Caller(address, None)

    assert stranger.get("/health") == {"status": "ok", "service": "writer", "dataLayer": "ok"}
    stranger.close()


def test_a_server_without_a_key_lets_nobody_in(data_layer: ServerProcess, tmp_path: Path) -> None:
    """500, whatever is shown: an unset key must not mean an open door."""
    settings = WriterSettings(data_dir=tmp_path)
    with served(lambda _: writer_app(settings, DataLayer.connect(data_layer.address))) as address:
        for key in (None, "", "None"):
            stranger = Caller(address, key)
            status, said = stranger.error("GET", "/api/sessions")
            assert (status, "WRITER_API_KEY" in said) == (500, True)
            stranger.close()


def test_a_missing_data_layer_is_said(tmp_path: Path) -> None:
    """503 with the binding, the address and how to start it; health still answers."""
    nowhere = DataLayer.connect(f"unix:{tmp_path}/none.sock", timeout_s=0.5)
    with served(
        lambda _: writer_app(WriterSettings(api_key=KEY, data_dir=tmp_path), nowhere)
    ) as at:
        ask = Caller(at)
        status, said = ask.error("GET", "/api/sessions")
        health = ask.get("/health")
        ask.close()

    assert status == 503
    for part in ("no data layer", "binding DAL", "none.sock", "freehold dev"):
        assert part in said
    assert health["status"] == "ok"
    assert "no data layer" in health["dataLayer"]


# Sessions


def test_a_session_is_created_and_read(ask: Caller) -> None:
    """201 with the row; the title is trimmed."""
    made = ask.made("/api/sessions", {"userId": "default", "title": "  Kites ", "unknown": 1})

    assert (made["title"], made["status"], made["userId"]) == ("Kites", "active", "default")
    assert ask.get(f"/api/sessions/{made['id']}") == made
    assert made in ask.get("/api/sessions?userId=default&status=active")["data"]
    assert made not in ask.get("/api/sessions?status=archived")["data"]
    assert ask.get("/api/sessions?userId=nobody") == {"data": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/api/sessions", {}, 400, "userId is required"),
        ("POST", "/api/sessions", {"userId": " "}, 400, "userId is required"),
        ("POST", "/api/sessions", {"userId": 7}, 400, "Expected `str | null`, got `int`"),
        ("POST", "/api/sessions", [], 400, "Expected `object`, got `array`"),
        ("GET", "/api/sessions?status=open", None, 400,
         "Invalid status. Must be one of: active, completed, archived"),
        ("GET", "/api/sessions/none", None, 404, "Session not found"),
        ("PATCH", "/api/sessions/none", {"title": "x"}, 404, "Session not found"),
        ("PATCH", "/api/sessions/ses-notes", {"status": "gone"}, 400,
         "Invalid status. Must be one of: active, completed, archived"),
        ("POST", "/api/publications", {"slug": "a"}, 400, "name is required"),
        ("POST", "/api/publications", {"name": "A"}, 400, "slug is required"),
        ("POST", "/api/publications", {"name": "A", "slug": "a--b"}, 400,
         "Slug must contain only lowercase letters, numbers, and hyphens"),
        ("POST", "/api/publications", {"name": "A", "slug": "a\n"}, 201, None),
        ("POST", "/api/publications", {"name": "A", "slug": "A"}, 400,
         "Slug must contain only lowercase letters, numbers, and hyphens"),
        ("POST", "/api/publications", {"name": "A", "slug": "a", "autoPublishMode": "now"}, 400,
         "Invalid autoPublishMode. Must be one of: draft, publish, full-auto"),
        ("POST", "/api/publications", {"name": "A", "slug": "a", "timezone": "localtime"}, 400,
         "Invalid timezone: 'localtime' is not a zone of the IANA database"),
        ("POST", "/api/publications",
         {"name": "A", "slug": "a", "scoutSchedule": {"type": "daily", "hour": 24}}, 400,
         "Invalid scoutSchedule: hour must be a whole number from 0 to 23, not 24"),
        ("POST", "/api/publications", {"name": "A", "slug": "a", "cadencePostsPerWeek": -1}, 400,
         "cadencePostsPerWeek must be from 0 to 1000"),
        ("POST", "/api/publications", {"name": "A", "slug": "a", "userId": "nobody"}, 409,
         None),
        ("GET", "/api/publications/none", None, 404, "Publication not found"),
        ("PATCH", "/api/publications/none", {}, 404, "Publication not found"),
        ("DELETE", "/api/publications/none", None, 404, "Publication not found"),
        ("PATCH", "/api/publications/pub-slow-kitchen", {"name": " "}, 400, "name is required"),
        ("PATCH", "/api/publications/pub-slow-kitchen", {"slug": "x_y"}, 400,
         "Slug must contain only lowercase letters, numbers, and hyphens"),
        ("POST", "/api/publications/none/topics", {"name": "x"}, 404, "Publication not found"),
        ("POST", "/api/publications/pub-slow-kitchen/topics", {}, 400, "name is required"),
        ("POST", "/api/publications/pub-slow-kitchen/topics", {"name": "x", "priority": 4}, 400,
         "priority must be 1, 2, or 3"),
        ("PATCH", "/api/topics/topic-bread", {"priority": 0}, 400, "priority must be 1, 2, or 3"),
        ("PATCH", "/api/topics/none", {"name": "x"}, 404, "Topic not found"),
        ("DELETE", "/api/topics/none", None, 404, "Topic not found"),
        ("GET", "/api/ideas/none", None, 404, "Idea not found"),
        ("PATCH", "/api/ideas/none", {"status": "new"}, 404, "Idea not found"),
        ("PATCH", "/api/ideas/idea-koji", {}, 400, "status is required"),
        ("PATCH", "/api/ideas/idea-koji", {"status": "old"}, 400,
         "Invalid status. Must be one of: new, reviewed, promoted, dismissed"),
        ("GET", "/api/publications/pub-slow-kitchen/ideas?status=old", None, 400,
         "Invalid status. Must be one of: new, reviewed, promoted, dismissed"),
        ("POST", "/api/ideas/none/promote", None, 404, "Idea not found"),
        ("POST", "/api/ideas/idea-paper-charts/promote", None, 400,
         "Cannot promote a dismissed idea"),
        ("POST", "/api/ideas/idea-ferry-price/promote", None, 409,
         "Idea has already been promoted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    ask: Caller, method: str, path: str, body: Any, status: int, said: str | None
) -> None:
    """The status and the words of each rule."""
    answered, value = ask(method, path, body)

    assert answered == status, value
    assert said is None or value["error"].startswith(said)


def test_a_retried_session_is_the_same_session(ask: Caller) -> None:
    """One idempotency key, one session, however often and at once it is asked for."""
    body = {"userId": "default", "title": "Once", "publicationId": "pub-harbour-light"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, "POST", "/api/sessions", body, key="once-1") for _ in range(12)]
        answers = [each.result() for each in asked]

    assert {status for status, _ in answers} == {201}
    assert len({made["id"] for _, made in answers}) == 1
    listed = ask.get("/api/sessions")["data"]
    assert [each["title"] for each in listed].count("Once") == 1
    assert ask("POST", "/api/sessions", body | {"title": "Other"}, key="once-1")[0] == 422
    assert ask("POST", "/api/sessions", body, key="two\twords")[0] == 400


def test_a_session_changes_only_where_it_is_told(ask: Caller) -> None:
    """PATCH leaves what is not named; null clears the title."""
    made = ask.made("/api/sessions", {"userId": "default", "title": "Kites"})
    path = f"/api/sessions/{made['id']}"

    assert ask("PATCH", path, {"status": "archived"})[1]["title"] == "Kites"
    assert ask("PATCH", path, {"title": None})[1]["title"] is None
    assert ask.get(path)["status"] == "archived"


# Publications and topics


def test_a_publication_with_its_topics(ask: Caller) -> None:
    """Created with defaults, read with its topics, deleted with them."""
    made = ask.made("/api/publications", {"name": " Kites ", "slug": "kites"})
    path = f"/api/publications/{made['id']}"
    topic = ask.made(f"{path}/topics", {"name": " Wind ", "description": "any", "priority": 3})

    assert (made["name"], made["userId"], made["autoPublishMode"]) == ("Kites", "default", "draft")
    assert made["scoutSchedule"] == {"type": "daily", "hour": 8}
    assert made["cmsPublicationId"] is None, "there is no CMS here, and that was ignored"
    assert ask.get(path) == made | {"topics": [topic]}
    assert (topic["name"], topic["priority"], topic["isActive"]) == ("Wind", 3, True)
    assert ask.get(f"{path}/topics") == {"data": [topic]}
    assert made in ask.get("/api/publications?userId=default")["data"]
    assert ask.get("/api/publications?userId=nobody") == {"data": []}

    changed = ask("PATCH", f"/api/topics/{topic['id']}", {"isActive": False, "description": None})
    assert changed == (200, changed[1] | {"isActive": False, "description": None, "priority": 3})
    assert ask("DELETE", f"/api/topics/{topic['id']}") == (200, {"deleted": True})
    assert ask("DELETE", path) == (200, {"deleted": True})
    assert ask("GET", path)[0] == 404


def test_the_next_run_moves_only_with_the_schedule_or_the_zone(ask: Caller) -> None:
    """Saying the same again is no change, else every save would skip a run that is due."""
    made = ask.made("/api/publications", {"name": "Runs", "slug": "runs"})
    path = f"/api/publications/{made['id']}"
    same = {"scoutSchedule": {"type": "daily", "hour": 8}, "timezone": "UTC", "name": "Run"}
    other = {"type": "every_n_days", "days": 3, "hour": 5}

    assert ask("PATCH", path, same)[1]["nextScoutAt"] == made["nextScoutAt"]
    moved = ask("PATCH", path, {"scoutSchedule": other})[1]
    assert moved["scoutSchedule"] == other
    schedule = Schedule(type="every_n_days", days=3, hour=5)
    assert moved["nextScoutAt"] == compute_next_run(schedule, "UTC", after=int(time.time()))
    zoned = ask("PATCH", path, {"timezone": "Pacific/Kiritimati"})[1]
    assert zoned["nextScoutAt"] != moved["nextScoutAt"]
    assert zoned["nextScoutAt"] == compute_next_run(
        schedule, "Pacific/Kiritimati", after=int(time.time())
    )


# Ideas and activity


def test_ideas_are_listed_and_counted(ask: Caller) -> None:
    """By publication, by status, and the new ones of all."""
    listed = ask.get("/api/publications/pub-harbour-light/ideas")["data"]
    new = ask.get("/api/publications/pub-harbour-light/ideas?status=new")["data"]

    assert ask.get("/api/publications/pub-harbour-light/ideas/count") == {"count": len(listed)}
    assert {each["status"] for each in new} == {"new"}
    assert ask.get("/api/ideas/new-count")["count"] >= len(new) > 0
    assert ask.get(f"/api/ideas/{new[0]['id']}") == new[0]
    changed = ask("PATCH", "/api/ideas/idea-brine", {"status": "reviewed"})
    assert (changed[0], changed[1]["status"]) == (200, "reviewed")


def test_a_promoted_idea_is_a_session(ask: Caller, data_layer: ServerProcess) -> None:
    """201 with the session of the publication's user, seeded; the second time 409 names it."""
    id = idea(ask, data_layer, sources='[{"url": "https://k.example/1", "title": "K"}]')
    status, session = ask("POST", f"/api/ideas/{id}/promote")

    assert status == 201
    assert (session["userId"], session["ideaId"], session["title"]) == ("default", id, "Kites")
    for part in ("Harbour Light", "**Angle:** Wind", "A kite pulls a ship.", "https://k.example/1"):
        assert part in session["seedContext"]
    again, refusal = ask("POST", f"/api/ideas/{id}/promote")
    assert (again, refusal["sessionId"]) == (409, session["id"])
    assert ask.get(f"/api/ideas/{id}")["sessionId"] == session["id"]


def test_a_repeated_promotion_gives_the_same_session(
    ask: Caller, data_layer: ServerProcess
) -> None:
    """Under one key all callers get the one session; another key is refused."""
    id = idea(ask, data_layer)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, "POST", f"/api/ideas/{id}/promote", key="p-1") for _ in range(8)]
        answers = [each.result() for each in asked]

    assert {status for status, _ in answers} == {201}
    [session] = {made["id"] for _, made in answers}
    refused = ask("POST", f"/api/ideas/{id}/promote", key="p-2")
    assert (refused[0], refused[1]["sessionId"]) == (409, session)


def test_of_many_who_promote_at_once_one_does(ask: Caller, data_layer: ServerProcess) -> None:
    """The losers leave no session behind: creating and promoting is one transaction."""
    id = idea(ask, data_layer, title="Contested")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, "POST", f"/api/ideas/{id}/promote") for _ in range(12)]
        statuses = sorted(each.result()[0] for each in asked)

    assert statuses == [201] + [409] * 11
    titles = [each["title"] for each in ask.get("/api/sessions")["data"]]
    assert titles.count("Contested") == 1


def test_activity_takes_any_number_of_days(ask: Caller) -> None:
    """Clamped to 1 … 90, and 30 when it is no number."""
    month = ask.get("/api/activity")
    assert month == ask.get("/api/activity?days=30") == ask.get("/api/activity?days=soon")
    assert ask.get("/api/activity?days=0") == ask.get("/api/activity?days=1")
    assert ask.get("/api/activity?days=100000000000000000000") == ask.get("/api/activity?days=90")
    assert {"id", "title", "status", "publicationName"} <= set(month["data"][0])
