"""The pages beside the calls, over real sockets."""

from __future__ import annotations

import pytest

from tests.server.toy import KEY, HttpAnswer, Toy, get, post


def asked(toy: Toy, request: bytes, *, headless: bool = False) -> HttpAnswer:
    client = toy.client()
    client.send(request)
    return client.answer(headless=headless)


def test_health_needs_no_key_and_tells_how_it_is(toy: Toy) -> None:
    """A prober has no key."""
    toy.on_loop(lambda: setattr(toy.notes.health, "seq", 42))

    answer = asked(toy, get("/health"))

    assert answer.status == 200
    assert answer.json == {
        "status": "ok",
        "service": "toy",
        "version": "1.2.3",
        "seq": 42,
        "writer": "ok",
        "storage": "ok",
        "clock": "ok",
    }


def test_health_is_still_ok_while_the_writer_recovers(toy: Toy) -> None:
    """Queries are served, and it will come back."""
    toy.on_loop(lambda: setattr(toy.notes.health, "writer", "recovering"))

    answer = asked(toy, get("/health"))

    assert answer.status == 200
    assert answer.json["writer"] == "recovering"


def test_health_is_unavailable_when_the_writer_is_stopped(toy: Toy) -> None:
    """A prober acts on the status code."""
    toy.on_loop(lambda: setattr(toy.notes.health, "writer", "stopped"))

    answer = asked(toy, get("/health"))

    assert answer.status == 503
    assert answer.json["status"] == "unavailable"


@pytest.mark.parametrize("path", ["/contract.json", "/openapi.json", "/metrics"])
def test_the_other_pages_need_a_key_or_the_unix_socket(toy: Toy, path: str) -> None:
    """They tell what there is to call."""
    assert asked(toy, get(path)).status == 401
    assert asked(toy, get(path, key="bad")).json["code"] == "unauthenticated"
    assert asked(toy, get(path, key=KEY)).status == 200
    local = toy.unix_client()
    local.send(get(path))
    assert local.answer().status == 200


def test_contract_and_openapi_are_what_was_handed_in(toy: Toy) -> None:
    """Byte for byte: their hash is compared elsewhere."""
    contract = asked(toy, get("/contract.json", key=KEY))

    assert contract.body == b'{"freehold":1}'
    assert contract.headers["content-type"] == "application/json"
    assert contract.headers["x-content-type-options"] == "nosniff"
    assert asked(toy, get("/openapi.json", key=KEY)).json == {"openapi": "3.1.0"}


def test_metrics_count_calls_by_method_and_outcome(toy: Toy) -> None:
    """Under the names that are in the contract; strangers choose no labels."""
    client = toy.client()
    for request in (post("Notes.get"), post("Notes.get"), post("Notes.clash"), post("Evil.name")):
        client.send(request)
        client.answer()
    frames = toy.unix_client()
    frames.hello(None)
    frames.say([1, "Notes.get", None, None], [2, "Evil.other", None, None])
    for _ in range(3):
        frames.message()

    lines = asked(toy, get("/metrics", key=KEY)).body.decode().splitlines()

    assert 'freehold_calls_total{method="Notes.get",outcome="ok"} 3.0' in lines
    assert 'freehold_calls_total{method="Notes.clash",outcome="failed"} 1.0' in lines
    assert 'freehold_calls_total{method="unknown",outcome="failed"} 2.0' in lines
    assert 'freehold_call_seconds_count{method="Notes.get"} 3.0' in lines
    assert 'freehold_errors_total{code="conflict"} 1.0' in lines
    assert "freehold_seq 0.0" in lines
    assert not [line for line in lines if "Evil" in line]


def test_a_head_of_a_page_has_no_body(toy: Toy) -> None:
    """And the connection goes on."""
    client = toy.client()
    client.send(get("/health", verb="HEAD") + get("/health"))

    head, whole = client.answer(headless=True), client.answer()

    assert head.status == 200
    assert head.headers["content-length"] == str(len(whole.body))


@pytest.mark.attack("A24")
@pytest.mark.parametrize("path", ["/", "/nothing", "/health/", "/Health", "/rpcx", "/%2e%2e/etc"])
def test_where_nothing_is_a_problem_says_so(toy: Toy, path: str) -> None:
    """404 in the one shape that every error has."""
    answer = asked(toy, get(path, key=KEY))

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "not_found"


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_another_verb_on_a_page_is_refused_with_the_right_ones(toy: Toy, verb: str) -> None:
    """405 with Allow."""
    answer = asked(toy, get("/health", verb=verb))

    assert answer.status == 405
    assert answer.headers["allow"] == "get, head"
    assert answer.json["error"] == "WrongVerb"


def test_the_bare_rpc_path_is_where_transactions_go(toy: Toy) -> None:
    """It goes the way of a call; this dispatcher has only single methods."""
    answer = asked(toy, post("Notes.get").replace(b"/rpc/Notes/get", b"/rpc"))

    assert answer.status == 404
    assert answer.json["title"] == "There is no such method"


def test_a_query_string_does_not_matter_to_a_page(toy: Toy) -> None:
    """Probers add one against caches."""
    assert asked(toy, get("/health?x=1")).status == 200
