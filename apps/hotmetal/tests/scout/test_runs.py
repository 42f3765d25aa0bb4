"""Runs of a real scout on a real data layer, with the sample feed and the offline model."""

from __future__ import annotations

import signal

import httpx
import pytest
from hotmetal.clients.hotmetal import (
    CreatePublicationInput,
    CreateTopicInput,
    DataLayerSync,
    UpdateTopicInput,
)
from hotmetal.services.scout.ideas import idea_id
from tests.scout.scouts import KEY, ScoutProcess, StandIn

from tests.e2e.processes import ServerProcess

HARBOUR = "pub-harbour-light"


def publication(dal: DataLayerSync, id: str, *topics: str) -> str:
    """A publication in draft mode with active topics."""
    data = CreatePublicationInput(id=id, user_id="default", name="The Paper", slug=id)
    dal.create_publication(data)
    for number, name in enumerate(topics):
        topic = CreateTopicInput(id=f"{id}-{number}", publication_id=id, name=name)
        dal.create_topic(topic)
    return id


def test_a_run_stores_ideas_of_the_active_topics(scout: ScoutProcess, dal: DataLayerSync) -> None:
    """Three to five, with the topic, sources and a score; what is known already is left out."""
    before = {each.id for each in dal.list_ideas_by_publication(HARBOUR)}

    told = scout.ended(scout.run(HARBOUR))

    ideas = [each for each in dal.list_ideas_by_publication(HARBOUR) if each.id not in before]
    assert told["state"] == "finished"
    assert told["result"]["stored"] == len(ideas) == told["result"]["ideas"]
    assert 3 <= len(ideas) <= 5
    assert {each.topic_id for each in ideas} == {"topic-ports", "topic-ferries"}
    for each in ideas:
        assert each.id == idea_id(HARBOUR, each.title, each.angle)
        assert each.status == "new"
        assert each.sources
        assert 0 < (each.relevance_score or 0) <= 1
    assert [each["name"] for each in told["steps"]] == [
        "load-context", "search-content", "dedupe-stories", "generate-ideas", "store-ideas",
    ]  # fmt: skip


def test_a_second_run_stores_nothing_twice_and_does_not_search_again(
    scout: ScoutProcess, dal: DataLayerSync, news: StandIn
) -> None:
    """The day's searches are remembered, and stories that became ideas are known."""
    id = publication(dal, "pub-twice", "Sourdough science")
    first = scout.ended(scout.run(id))
    stored = {each.id for each in dal.list_ideas_by_publication(id)}
    news.forget()

    second = scout.ended(scout.run(id))

    assert first["result"]["stored"] == len(stored) > 0
    assert (second["result"]["reason"], second["result"]["stored"]) == ("no new stories", 0)
    assert {each.id for each in dal.list_ideas_by_publication(id)} == stored
    assert news.calls() == []


def test_topics_that_are_switched_off_are_not_looked_for(
    scout: ScoutProcess, dal: DataLayerSync, news: StandIn
) -> None:
    """The document's scout looked for them too; with none left, a run ends at once."""
    id = publication(dal, "pub-off", "Koji fermentation", "Electric ferries")
    dal.update_topic("pub-off-1", UpdateTopicInput(is_active=False))
    news.forget()
    told = scout.ended(scout.run(id))
    asked = {call["query"] for call in news.calls()}
    dal.update_topic("pub-off-0", UpdateTopicInput(is_active=False))

    none = scout.ended(scout.run(id))

    assert told["result"]["topics"] == 1
    assert asked == {"q=Koji+fermentation"} or asked == {"q=Koji%20fermentation"}
    assert (none["state"], none["result"]["reason"]) == ("finished", "no active topics")
    assert [each["name"] for each in none["steps"]] == ["load-context"]


def test_a_failed_search_yields_nothing_and_is_not_remembered(
    scout: ScoutProcess, dal: DataLayerSync, news: StandIn
) -> None:
    """The run ends well with what the others found; the next one asks again."""
    id = publication(dal, "pub-failed-search", "Bicycle post office")
    news.fail(times=2, status=503)

    failed = scout.ended(scout.run(id))
    again = scout.ended(scout.run(id))

    assert (failed["state"], failed["result"]["reason"]) == ("finished", "no stories found")
    assert again["result"]["stored"] == 1


def test_a_missing_publication_is_a_dead_letter_at_once(scout: ScoutProcess) -> None:
    """Asking again would change nothing; the page is told why."""
    told = scout.ended(scout.run("pub-nowhere"))

    dead = scout.http.get("/api/scout/dead-letters").json()["data"]
    assert told["state"] == "dead"
    assert "no publication 'pub-nowhere'" in told["error"]
    assert [each["name"] for each in told["steps"]] == ["load-context"]
    assert told["id"] in [each["id"] for each in dead]


# The routes


def test_nobody_gets_in_without_the_key(scout: ScoutProcess) -> None:
    """On every route but health; a key for the writer is none."""
    with httpx.Client(base_url=scout.http.base_url) as stranger:
        for shown in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {KEY}"},
                      {"Authorization": KEY}, {"X-API-Key": KEY}):  # fmt: skip
            for method, path in (("POST", "/api/scout/run"), ("POST", "/api/scout/run-all"),
                                 ("GET", "/api/scout/runs"), ("GET", "/api/scout/runs/x"),
                                 ("GET", "/api/scout/dead-letters"),
                                 ("POST", "/api/scout/dead-letters/x/retry")):  # fmt: skip
                answer = stranger.request(method, path, headers=shown)
                assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
        health = stranger.get("/health").json()
    assert health == {"status": "ok", "service": "scout", "dataLayer": "ok"}


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"publicationId": None}, 400), ({"publicationId": "  "}, 400),
     ({"publicationId": 7}, 400), ([], 400), ({"publicationId": "x" * 201}, 400)],
)  # fmt: skip
def test_a_run_without_a_publication_is_refused(
    scout: ScoutProcess, body: object, status: int
) -> None:
    """As the caller's mistake, in the one form of error."""
    answer = scout.http.post("/api/scout/run", json=body)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_the_same_key_is_the_same_run(scout: ScoutProcess, dal: DataLayerSync) -> None:
    """Asking twice begins one run; another key, another run."""
    id = publication(dal, "pub-keyed", "Lighthouse paint")

    ids = [scout.run(id, key) for key in ("one", "one", "two")]
    for each in set(ids):
        scout.ended(each)

    assert (ids[0] == ids[1], ids[0] == ids[2]) == (True, False)
    assert [each["id"] for each in scout.runs(id)] == [ids[2], ids[0]]
    assert scout.http.post(
        "/api/scout/run", json={"publicationId": id}, headers={"Idempotency-Key": "x" * 201}
    ).status_code == 400  # fmt: skip


def test_run_all_runs_every_publication_and_leaves_their_schedules(
    scout: ScoutProcess, dal: DataLayerSync
) -> None:
    """Once under one key, however often it is asked."""
    ids = dal.get_all_publication_ids()
    schedules = {each.id: each.next_scout_at for each in dal.list_all_publications()}

    answers = [
        scout.http.post("/api/scout/run-all", headers={"Idempotency-Key": "all"}) for _ in range(2)
    ]
    run_ids = [f"scout-{id}-{answers[0].json()['id']}" for id in ids]

    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["queued"] == len(ids)
    assert {scout.ended_soon(id)["triggeredBy"] for id in run_ids} == {"manual"}
    assert {each.id: each.next_scout_at for each in dal.list_all_publications()} == schedules


def test_what_is_not_there_is_404(scout: ScoutProcess) -> None:
    """Runs and dead letters; a run that went well is no dead letter."""
    well = scout.ended(scout.run(HARBOUR))

    assert scout.http.get("/api/scout/runs/none").status_code == 404
    assert scout.http.post("/api/scout/dead-letters/none/retry").status_code == 404
    assert scout.http.post(f"/api/scout/dead-letters/{well['id']}/retry").status_code == 409
    assert scout.http.get("/api/scout/runs", params={"limit": "0"}).status_code == 400


# The process


def test_a_second_scout_on_one_folder_does_not_start(scout: ScoutProcess) -> None:
    """It would take the first one's unfinished runs for its own."""
    second = ScoutProcess(scout.folder)

    with pytest.raises(AssertionError, match="another scout works on"):
        second.start()
    assert second.process is not None
    assert second.process.wait(10) == 2
    second.close()


def test_without_the_data_layer_it_waits_and_says_so(
    data_layer: ServerProcess, news: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """503 with binding and address, a line in the log; SIGTERM ends it at once."""
    folder = tmp_path_factory.mktemp("alone")
    scout = ScoutProcess(folder / "data", FREEHOLD_DAL=f"unix:{folder}/none.sock")
    scout.start()
    answer = scout.http.post("/api/scout/run", json={"publicationId": HARBOUR})
    health = scout.http.get("/health").json()
    code = scout.end(signal.SIGTERM)
    scout.close()

    assert answer.status_code == 503
    for part in ("binding DAL", "none.sock", "freehold dev"):
        assert part in answer.json()["error"]
    assert (health["status"], "none.sock" in health["dataLayer"]) == ("ok", True)
    # The server ends in order and then passes the signal on.
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in scout.log.read_text()
    assert "waiting for the data layer" in scout.log.read_text()
