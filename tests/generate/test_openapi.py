"""
The OpenAPI document: well-formed, whole, and true to the contract.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.generate import openapi
from tests.generate.contracts import STR, contract, large, method, param, struct
from tests.generate.schema_check import Checker
from tests.generate.test_golden import contract_of

LIBRARY: dict[str, Any] = json.loads(openapi(contract_of("library")))


def documents() -> list[dict[str, Any]]:
    """Documents of several contracts."""
    tree = struct(param("children", {"t": "list", "of": {"t": "ref", "name": "Tree"}}))
    chain = struct(param("next", {"t": "optional", "of": {"t": "ref", "name": "Chain"}}))
    page = {"t": "page", "of": {"t": "ref", "name": "Tree"}}
    ring = contract(
        methods={
            "grow": method("grow", param("tree", {"t": "ref", "name": "Tree"}), returns=page),
            "link": method("link", returns={"t": "ref", "name": "Chain"}),
        },
        types={"Tree": tree, "Chain": chain},
    )
    made = [large(30), ring, contract_of("smallest")]
    return [LIBRARY, *(json.loads(openapi(each)) for each in made)]


@pytest.mark.parametrize("document", documents())
def test_every_schema_and_reference_is_whole(document: dict[str, Any]) -> None:
    """Known keywords, references that point at something, examples that fit."""
    checker = Checker(document)
    for schema in document["components"]["schemas"].values():
        checker.check_schema(schema)
    for each in document["paths"].values():
        operation = each["post"]
        bodies = [operation["requestBody"], *operation["responses"].values()]
        for body in bodies:
            body = checker.resolve(body["$ref"]) if "$ref" in body else body
            for content in body["content"].values():
                checker.check_schema(content["schema"])
                if "example" in content:
                    assert checker.fits(content["example"], content["schema"]), content
        for parameter in operation["parameters"]:
            assert checker.resolve(parameter["$ref"])["in"] == "header"


@pytest.mark.parametrize("document", documents())
def test_the_frame_is_that_of_openapi_31(document: dict[str, Any]) -> None:
    """Required parts are there; every operation has an id of its own and a declared tag."""
    operations = [each["post"] for each in document["paths"].values()]
    tags = {tag["name"] for tag in document["tags"]}
    ids = [operation["operationId"] for operation in operations]

    assert document["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(document["info"])
    assert document["jsonSchemaDialect"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["security"] == [{"serviceKey": []}]
    assert document["components"]["securitySchemes"]["serviceKey"]["scheme"] == "bearer"
    assert len({*ids}) == len(ids)
    assert all({*operation["tags"]} <= tags for operation in operations)
    assert all(
        response.get("description") or response.get("$ref")
        for operation in operations
        for response in operation["responses"].values()
    )


def test_there_is_one_post_for_each_method() -> None:
    """Under the path that the server serves."""
    expected = {
        f"/rpc/{name}/{wire}"
        for name, entrypoint in contract_of("library")["entrypoints"].items()
        for wire in entrypoint["methods"]
    }

    assert set(LIBRARY["paths"]) == expected
    assert all([*path] == ["post"] for path in LIBRARY["paths"].values())


def test_types_say_what_travels() -> None:
    """Ranges of whole numbers, int64 as text, bytes as base64, null where it may be."""
    book = LIBRARY["components"]["schemas"]["Book"]
    properties = book["properties"]

    assert properties["pages"] == {
        "type": "integer",
        "minimum": -(2**53 - 1),
        "maximum": 2**53 - 1,
        "default": 0,
    }
    assert properties["copiesPrinted"]["type"] == "string"
    assert properties["cover"]["type"] == ["string", "null"]
    assert properties["cover"]["contentEncoding"] == "base64"
    assert properties["status"] == {"enum": ["in", "lent", "lost"], "default": "in"}
    assert {"type": "null"} in properties["condition"]["anyOf"]
    assert book["required"] == ["id", "title", "createdAt"]


def test_inputs_refuse_what_they_do_not_know_and_answers_may_grow() -> None:
    """As the server and the clients have it."""
    schemas = LIBRARY["components"]["schemas"]

    assert schemas["NewBook"]["additionalProperties"] is False
    assert schemas["BookPatch"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Book"]
    assert "required" not in schemas["BookPatch"]


def test_a_method_tells_its_errors_by_status() -> None:
    """The application's own with their parts, beside those that any call can end with."""
    responses = LIBRARY["paths"]["/rpc/Library/lendBook"]["post"]["responses"]

    conflict = responses["409"]["content"]["application/problem+json"]["schema"]
    assert conflict == {
        "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("BookLent", "Problem")]
    }
    assert responses["404"]["description"] == "NotFound."
    assert {"200", "400", "401", "403", "413", "503", "504", "default"} <= set(responses)
    parts = LIBRARY["components"]["schemas"]["BookLent"]["allOf"][1]["properties"]
    assert parts["code"] == {"const": "conflict"}
    assert set(parts["data"]["properties"]) == {"readerId", "status", "backAt"}


def test_a_mutation_takes_an_idempotency_key_and_a_query_a_seq() -> None:
    """Not the other way around."""

    def headers(path: str) -> set[str]:
        parameters = LIBRARY["paths"][path]["post"]["parameters"]
        return {each["$ref"].rpartition("/")[2] for each in parameters}

    assert headers("/rpc/Library/lendBook") == {"TimeoutMs", "Contract", "IdempotencyKey"}
    assert headers("/rpc/Library/getBook") == {"TimeoutMs", "Contract", "MinSeq"}


def test_a_scope_is_told() -> None:
    """A caller sees which key is needed before trying."""
    operation = LIBRARY["paths"]["/rpc/Library/forgetBook"]["post"]

    assert "scope `librarian`" in operation["description"]


def test_two_errors_of_one_status_are_both_described() -> None:
    """Any of them may come."""
    errors = {"A": {"extends": "Conflict"}, "B": {"extends": "Conflict"}}
    get = method("get", errors=["A", "B", "Conflict"], returns=STR)
    document = json.loads(openapi(contract(methods={"get": get}, errors=errors)))

    response = document["paths"]["/rpc/Api/get"]["post"]["responses"]["409"]
    schema = response["content"]["application/problem+json"]["schema"]
    assert response["description"] == "One of: A, B, Conflict."
    assert [each["$ref"].rpartition("/")[2] for each in schema["anyOf"]] == ["A", "B", "Problem"]
