"""
P17 and A6: whatever a method is called with, its error has a code and tells nothing inner.

Every method of both applications, and of a third one with what they do not use, on both
engines; the arguments are drawn from the contract's types, and damaged. Among them is a corpus of
injections, which all hold one word: no statement that an engine is asked to run ever holds it.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from freehold.rpc.contract import contract_of
from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.hostile.leaks import broken_rules
from tests.hostile.statements import heard_statements
from tests.hostile.values import CANARY, INJECTIONS, Values
from tests.lockstep.applications import HOTMETAL, LINKIE_CLAW
from tests.lockstep.calls import Call, Step, json_body, msgpack_body
from tests.lockstep.engines import both_engines
from tests.lockstep.habits import Habits
from tests.lockstep.shelf import SHELF
from tests.lockstep.words import START_S

EXAMPLES = share(80, 70_000)


@pytest.mark.fault
@pytest.mark.promise("P17")
@pytest.mark.attack("A6")
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("habits", [HOTMETAL, LINKIE_CLAW, SHELF], ids=lambda each: each.app.name)
def test_no_arguments_make_an_untyped_error(habits: Habits) -> None:
    """Right and wrong ones alike, in both codecs, on both engines."""
    app = habits.app
    values = Values(contract_of(app.name, list(app.entrypoints.values())).document)
    numbers = itertools.count(1)
    ended: Counter[str] = Counter()
    began = time.monotonic()

    with heard_statements() as heard, both_engines(habits) as pair:

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def calls(data: Any) -> None:
            method = data.draw(st.sampled_from(sorted(values.methods)))
            draw = values.wrong if data.draw(st.booleans()) else values.right
            tree = data.draw(draw(method))
            codec = data.draw(st.sampled_from(["json", "msgpack"]))
            body = json_body(tree) if codec == "json" else msgpack_body(tree)
            if body is None:
                body, codec = json_body(tree), "json"
            step = Step(next(numbers), START_S, (Call(method, body, codec),))
            (outcomes,) = pair.play(step)
            for outcome in outcomes:
                ended[outcome.label] += 1
                if outcome.error is not None:
                    assert outcome.label != "Internal", (method, tree)
                    said = repr(tree) + str(body)
                    assert broken_rules(outcome.error, said=said, stored=INJECTIONS) == []

        calls()

    record(
        "P17",
        f"any arguments of {app.name}, both engines",
        seconds=time.monotonic() - began,
        bad=ended["Internal"],
        calls=ended.total(),
        kinds_of_end=len(ended),
    )
    assert [sql for sql in heard if CANARY in sql] == [], "a value stands in a statement"
    assert ended["ok"], "nothing was ever right"
    assert ended["InvalidArgument"], "nothing was ever wrong"
