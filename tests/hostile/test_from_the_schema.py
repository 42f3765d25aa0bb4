"""
P17: schemathesis calls real servers from their own OpenAPI page.

Its checks that mean something here: each answer has a status, headers, a content type and a
shape that the page names; what the page forbids is refused; without a living key nothing is
served. Left out are those that know better what a method may refuse: a `not_found` for an id
that is nobody's, and `unavailable` for a commit that is not there yet, are right answers.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.hostile.leaks import broken_rules
from tests.hostile.served import Served

CALLS = share(100, 10_000)
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    negative_data_rejection,
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.fault
@pytest.mark.promise("P17")
@pytest.mark.attack("A2")
@pytest.mark.timeout(share(120, 7_200))
def test_what_the_page_says_is_what_the_server_does(served: Served) -> None:
    """Right and wrong calls of every method, and calls without a key among them."""
    # The key is shown below: schemathesis would make up its own, and damage them.
    page = served.openapi
    del page["security"], page["components"]["securitySchemes"]
    schema = schemathesis.openapi.from_dict(page)
    operations: list[Any] = [found.ok() for found in cast("Any", schema).get_all_operations()]
    drawn: dict[Any, Any] = {
        (at, mode): operation.as_strategy(generation_mode=mode)
        for at, operation in enumerate(operations)
        for mode in MODES
    }
    ended: Counter[str] = Counter()
    began = time.monotonic()

    with requests.Session() as session:

        @seed(SEED)
        @settings(
            max_examples=CALLS,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def calls(data: Any) -> None:
            at = data.draw(st.integers(0, len(operations) - 1))
            case = data.draw(drawn[at, data.draw(st.sampled_from(MODES))])
            is_known = data.draw(st.integers(0, 99)) > 0
            key = served.key if is_known else f"{served.key[:-1]}!"
            answer = case.call(
                base_url=f"http://127.0.0.1:{served.port}",
                session=session,
                headers={"Authorization": f"Bearer {key}"},
            )
            ended[str(answer.status_code)] += 1
            # By position, or without any, arguments are taken too; the page names one form.
            by_name = isinstance(case.body, dict)
            case.validate_response(answer, checks=CHECKS if by_name else CHECKS[:-1])
            assert is_known or answer.status_code in (400, 401, 415)
            if answer.status_code >= 400:
                said = json.dumps([str(case.body), *map(str, case.headers.values())])
                assert broken_rules(answer.json(), said=said) == []

        calls()

    record(
        "P17",
        f"schemathesis on {served.name}",
        seconds=time.monotonic() - began,
        bad=0,
        calls=ended.total(),
        statuses=len(ended),
    )
    assert ended["200"], "nothing was ever served"
    assert ended["400"], "nothing was ever refused"
    assert served.is_well()
