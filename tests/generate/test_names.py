"""
What a contract may call things, and that hostile words never become code.
"""

from __future__ import annotations

import ast
import itertools
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import ContractError
from freehold.generate import openapi, python_client
from freehold.generate.model import AROUND_ONE, PLAIN
from tests.generate.contracts import STR, contract, method, param, struct

HOSTILE = [
    "",
    "__proto__",
    "_private",
    "a b",
    "a-b",
    "a.b",
    'a"; import os; "',
    "a\n    pass",
    "a)",
    "ünï",
    "\uff41",
    "x" * 64,
    "1st",
    "class",
    "None",
    "import",
]


def places(word: str) -> list[dict[str, Any]]:
    """A contract for each place where a word can stand."""
    get = {"get": method("get")}
    return [
        contract(entrypoints={word: {"methods": {}}}),
        contract(methods={word: method("get")}),
        contract(methods={"get": method(word)}),
        contract(methods={"get": method("get", param(word))}),
        contract(methods={"get": method("get", {**param("x"), "wire": word})}),
        contract(methods=get, types={word: struct()}),
        contract(methods=get, types={"T": struct(param(word))}),
        contract(methods=get, types={"T": struct({**param("x"), "wire": word})}),
        contract(methods=get, errors={word: {"extends": "Conflict"}}),
        contract(methods=get, errors={"E": {"extends": "Conflict", "fields": [param(word)]}}),
    ]


@pytest.mark.attack("A44")
@pytest.mark.parametrize("word", HOSTILE)
def test_a_word_that_is_no_identifier_is_refused_wherever_it_stands(word: str) -> None:
    """By every generator, with the word in the sentence."""
    for each in places(word):
        for generate in (python_client, openapi):
            with pytest.raises(ContractError) as refusal:
                generate(each)
            assert repr(word) in str(refusal.value)


@pytest.mark.parametrize("word", ["connect", "close", "transaction", "then", "constructor", "seq"])
def test_a_method_may_not_hide_what_every_binding_has(word: str) -> None:
    """And not what JavaScript would take for something else."""
    for each in ({word: method("get")}, {"get": method(word)}):
        with pytest.raises(ContractError, match=f"cannot be called '{word}'"):
            python_client(contract(methods=each))


def union(*members: Any) -> dict[str, Any]:
    """A union type."""
    return {"t": "union", "of": [*members]}


REF = {"t": "ref", "name": "T"}
LIST = {"t": "list", "of": STR}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"app": "a b"}, "the application's name"),
        ({"hash": "xyz!"}, "is not hexadecimal"),
        ({"hash": '00000000"'}, "is not hexadecimal"),
        ({"freehold": 2}, "this is not a contract"),
        ({"types": {"T": {"fields": [{"name": "x"}]}}}, r"not a contract.*\$\.types"),
        ({"types": {"T": struct(param("x"), param("x"))}}, "T has 'x' twice"),
        ({"types": {"Api": struct()}}, "the generated module has 'Api' twice"),
        ({"types": {"ApiSync": struct()}}, "the generated module has 'ApiSync' twice"),
        ({"types": {"E": struct()}, "errors": {"E": {"extends": "Conflict"}}}, "has 'E' twice"),
        ({"types": {"x": struct(param("x"))}}, "'x' is the name of a class, and of a field"),
        (
            {"types": {"T": struct(param("x", {"t": "ref", "name": "U"}))}},
            "'U', which is not there",
        ),
        ({"types": {"T": struct(param("x", {"t": "decimal"}))}}, "'decimal' that this version"),
        ({"types": {"T": struct(param("x", {"t": "list"}))}}, "'list' without the type it holds"),
        ({"types": {"T": struct(param("x", union()))}}, "a union without members"),
        ({"types": {"T": struct(param("x", {"t": "literal"}))}}, "a literal without values"),
        ({"types": {"T": struct(param("x", union(LIST, LIST)))}}, "two members look alike"),
        ({"types": {"T": struct(param("x", union(REF, {"t": "dict", "of": STR})))}}, "look alike"),
        ({"types": {"T": struct(param("x", union(STR, {"t": "int64"})))}}, "look alike"),
        ({"types": {"T": struct(param("x", union(REF, {"t": "int64"})))}}, "union of int64"),
        ({"errors": {"Conflict": {"extends": "NotFound"}}}, "the name of one of the library's"),
        ({"errors": {"E": {"extends": "Gone"}}}, "extends 'Gone', which is not there"),
        ({"errors": {"E": {"extends": "F"}, "F": {"extends": "E"}}}, "extends itself"),
        ({"methods": {"a": method("x"), "b": method("x")}}, "Api has 'x' twice"),
        ({"methods": {"a": method("a", param("self"))}}, "cannot be called 'self'"),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(wrong: dict[str, Any], told: str) -> None:
    """With the place and the word."""
    with pytest.raises(ContractError, match=told):
        python_client(contract(**wrong))


SORTS: list[dict[str, Any]] = [
    *({"t": name} for name in sorted(PLAIN)),
    *({"t": name, "of": STR} for name in sorted(AROUND_ONE - {"maybe"})),
    {"t": "ref", "name": "T"},
    {"t": "literal", "values": ["a"]},
    {"t": "literal", "values": [1]},
    {"t": "union", "of": [STR, {"t": "int"}]},
]


def test_every_union_that_is_not_refused_can_be_read() -> None:
    """Each pair of types: refused here, or a decoder can be made of it."""
    for at, (one, other) in enumerate(itertools.product(SORTS, SORTS)):
        get = method("get", returns=union(one, other))
        try:
            text = python_client(contract(methods={"get": get}, types={"T": struct(param("x"))}))
        except ContractError:
            continue
        module = ModuleType(f"union_{at}")
        sys.modules[module.__name__] = module
        exec(text, vars(module))
        assert module._ApiMethods.get.unpack
        assert module._ApiMethods.get.from_json


ALLOWED_CALLS = {"Query", "Mutation", "ErrorTypes", "field", "Int64"}
OWN_CALLS = {"self._call", "self._step", "self._transaction"}
ALLOWED_MODULES = {"__future__", "builtins", "typing", "freehold.client", "freehold.errors"}
STATEMENTS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Expr)


def assert_inert(text: str) -> None:
    """Importing the module only makes classes; calling a method only calls the data layer."""
    tree = ast.parse(text)
    assert all(isinstance(each, STATEMENTS) for each in tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module in ALLOWED_MODULES
        assert not isinstance(node, (ast.Import, ast.Lambda, ast.JoinedStr, ast.Global))
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).partition("[")[0].lstrip("_")
            assert called in ALLOWED_CALLS | OWN_CALLS
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, (ast.Constant, ast.Await, ast.Call))


NAMES = ["a", "list", "str", "id", "field", "dict", "object", "int"]
CLASSES = ["Page", "UNSET", "Query", "Any", "Maybe", "Record", "Conflict", "Literal"]
WORDS = st.sampled_from(NAMES)
TEXTS = st.text() | st.sampled_from(['"""', "'''\nimport os", "\\", '"""\nimport os\n"""'])
LITERALS = st.lists(TEXTS, min_size=1, max_size=3, unique=True)
SHAPES = st.recursive(
    st.sampled_from(["str", "int64", "bytes", "any", "none", "epoch_millis"]).map(
        lambda t: {"t": t}
    )
    | LITERALS.map(lambda values: {"t": "literal", "values": values})
    | st.just({"t": "ref", "name": "T"}),
    lambda inner: (
        st.builds(
            lambda t, of: {"t": t, "of": of},
            st.sampled_from(["list", "dict", "optional", "page"]),
            inner,
        )
        | st.lists(inner, min_size=1, max_size=3).map(lambda of: {"t": "union", "of": of})
    ),
    max_leaves=4,
)
FIELDS = st.lists(
    st.builds(
        lambda name, wire, shape, default: {
            **param(name, shape),
            "wire": wire,
            "required": default is None,
            "default": default,
        },
        WORDS,
        WORDS,
        SHAPES,
        st.none() | TEXTS | st.integers() | st.just([]) | st.just({}),
    ),
    max_size=3,
)


@pytest.mark.attack("A44")
@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([*NAMES, "connect", "x y"]),
    classes=st.lists(st.sampled_from(CLASSES), min_size=2, max_size=2, unique=True),
    parent=st.sampled_from(["Conflict", "NotFound", "Gone"]),
    fields=st.lists(FIELDS, min_size=3, max_size=3),
    shape=SHAPES,
    doc=TEXTS,
)
def test_whatever_a_contract_says_the_module_is_inert(
    name: str, classes: list[str], parent: str, fields: list[Any], shape: Any, doc: str
) -> None:
    """It is refused, or it is a module that does nothing but declare."""
    made = contract(
        methods={name: method(name, *fields[0], doc=doc, returns=shape)},
        types={classes[0]: struct(*fields[1], doc=doc), "T": struct(role="input")},
        errors={classes[1]: {"extends": parent, "doc": doc, "fields": fields[2]}},
    )

    try:
        text = python_client(made)
    except ContractError:
        return

    assert_inert(text)
    compile(text, "client.py", "exec")
