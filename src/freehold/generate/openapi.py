"""
Contract → an OpenAPI 3.1 document, as bytes of JSON: one POST per method.

It describes the plain HTTP face for people and tools that have no generated client. Frames,
and MessagePack on the same paths, are not in it: OpenAPI has no words for them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from freehold.errors import CallError, call_errors
from freehold.generate.json_schema import (
    example_fields,
    example_of,
    object_schema,
    schema_of,
    struct_schema,
)
from freehold.generate.model import Contract, Entrypoint, Error, Method, Shape, read_contract
from freehold.generate.names import check_names

_ANSWERS: Final = "#/components/responses/"
_HEADERS: Final = "#/components/parameters/"
_PROBLEM: Final = "Problem"
#: What any call can end with, whatever the method says.
_ALWAYS: Final = (
    "InvalidArgument",
    "Unauthenticated",
    "PermissionDenied",
    "TooLarge",
    "Overloaded",
    "DeadlineExceeded",
    "Internal",
)


def openapi(contract: dict[str, Any]) -> bytes:
    """
    The document.

    Raises:
        ContractError: It is no contract, or one of its words cannot be a name.
    """
    read = read_contract(contract)
    check_names(read)
    return msgspec.json.format(msgspec.json.encode(_document(read)), indent=2) + b"\n"


def _document(contract: Contract) -> dict[str, Any]:
    entrypoints = sorted(contract.entrypoints.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.app,
            "version": contract.hash,
            "description": f"The data layer of {contract.app}; the version is its contract's hash.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "security": [{"serviceKey": []}],
        "tags": [_tag(name, entrypoint) for name, entrypoint in entrypoints],
        "paths": {
            f"/rpc/{name}/{wire}": {"post": _operation(contract, name, wire)}
            for name, entrypoint in entrypoints
            for wire in sorted(entrypoint.methods)
        },
        "components": _components(contract),
    }


def _tag(name: str, entrypoint: Entrypoint) -> dict[str, Any]:
    tag = {"name": name}
    if entrypoint.doc:
        tag["description"] = entrypoint.doc
    return tag


def _operation(contract: Contract, entrypoint: str, wire: str) -> dict[str, Any]:
    method = contract.entrypoints[entrypoint].methods[wire]
    is_query = method.kind == "query"
    summary, _, rest = (method.doc or "").strip().partition("\n")
    told = [rest.strip(), "Only reads." if is_query else "Writes; answered once it is durable."]
    if method.scope:
        told.append(f"Needs a key with the scope `{method.scope}`.")
    headers = ["TimeoutMs", "Contract", "MinSeq" if is_query else "IdempotencyKey"]
    operation: dict[str, Any] = {"summary": summary} if summary else {}
    return operation | {
        "operationId": f"{entrypoint}.{wire}",
        "tags": [entrypoint],
        "description": "\n\n".join(part for part in told if part),
        "parameters": [{"$ref": _HEADERS + name} for name in headers],
        "requestBody": _request(contract, method),
        "responses": _responses(contract, method),
    }


def _request(contract: Contract, method: Method) -> dict[str, Any]:
    content = {
        "schema": object_schema(method.params),
        "example": example_fields(method.params, contract),
    }
    return {
        "required": any(param.required for param in method.params),
        "content": {"application/json": content},
    }


def _responses(contract: Contract, method: Method) -> dict[str, Any]:
    answer = {
        "schema": schema_of(method.returns),
        "example": example_of(method.returns, contract),
    }
    responses: dict[str, Any] = {
        "200": {
            "description": _meaning(method.returns),
            "headers": {"Freehold-Seq": {"$ref": "#/components/headers/Seq"}},
            "content": {"application/json": answer},
        }
    }
    by_status: dict[int, list[str]] = {}
    for name in sorted({*method.errors, *_ALWAYS}):
        by_status.setdefault(_library_error(contract, name).status, []).append(name)
    for status in sorted(by_status):
        named = ", ".join(by_status[status])
        responses[str(status)] = {
            "description": f"One of: {named}." if "," in named else f"{named}.",
            "content": {"application/problem+json": {"schema": _problems(contract, named)}},
        }
    responses["default"] = {"$ref": _ANSWERS + _PROBLEM}
    return responses


def _meaning(shape: Shape) -> str:
    return "Done; there is nothing to say." if shape.t == "none" else "The result."


def _problems(contract: Contract, named: str) -> dict[str, Any]:
    """
    The schema of a status: the application's own errors say more than a plain problem.

    The library's own can come with any status beside them, a `contract_mismatch` with 409 say.
    """
    own = [name for name in named.split(", ") if name in contract.errors]
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in own]
    general = {"$ref": f"#/components/schemas/{_PROBLEM}"}
    return {"anyOf": [*refs, general]} if refs else general


def _library_error(contract: Contract, name: str) -> type[CallError]:
    """The library's class that an error is, or extends."""
    library = call_errors()
    while name not in library and name in contract.errors:
        name = contract.errors[name].extends
    return library.get(name, CallError)


def _components(contract: Contract) -> dict[str, Any]:
    schemas = {name: struct_schema(kind) for name, kind in contract.types.items()}
    schemas |= {name: _error_schema(contract, name) for name in contract.errors}
    schemas[_PROBLEM] = _problem_schema()
    return {
        "schemas": dict(sorted(schemas.items())),
        "responses": {
            _PROBLEM: {
                "description": "The call failed; `code` says how, `hint` what to do next.",
                "content": {
                    "application/problem+json": {
                        "schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}
                    }
                },
            }
        },
        "headers": {
            "Seq": {
                "description": "The mutation's own commit, or the one that the query saw.",
                "schema": {"type": "integer", "minimum": 0},
            }
        },
        "parameters": _parameters(),
        "securitySchemes": {
            "serviceKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "A service key, made by `freehold keys create`.",
            }
        },
    }


def _error_schema(contract: Contract, name: str) -> dict[str, Any]:
    error: Error = contract.errors[name]
    library = _library_error(contract, name)
    parts = object_schema(error.fields)
    del parts["additionalProperties"]
    own = {
        "type": "object",
        "properties": {
            "error": {"const": name},
            "code": {"const": library.code},
            "data": parts,
        },
    }
    schema: dict[str, Any] = {
        "allOf": [{"$ref": f"#/components/schemas/{_PROBLEM}"}, own],
    }
    if error.doc:
        schema["description"] = error.doc
    return schema


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "An RFC 9457 problem.",
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": {"enum": sorted({kind.code for kind in call_errors().values()})},
            "error": {**text, "description": "The error's class."},
            "detail": {**text, "description": "What happened, with the values."},
            "hint": {**text, "description": "The next step."},
            "retryable": {"type": "boolean"},
            "outcome": {"enum": ["failed", "ok", "unknown"]},
            "retryAfterS": {"type": "integer", "description": "Seconds, with `overloaded`."},
            "path": {**text, "description": "The argument that it is about."},
            "data": {"type": "object", "description": "The parts of the sentence."},
        },
        "required": ["type", "title", "status", "code", "error", "detail", "retryable", "outcome"],
    }


def _parameters() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 1}
    told = {
        "TimeoutMs": ("Freehold-Timeout-Ms", whole, "How long the call may take."),
        "MinSeq": ("Freehold-Min-Seq", whole, "A commit that the query must see."),
        "Contract": (
            "Freehold-Contract",
            {"type": "string"},
            "The hash of the contract that the caller was made for.",
        ),
        "IdempotencyKey": (
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            "Names the logical call, so that it can be repeated safely.",
        ),
    }
    return {
        key: {"name": name, "in": "header", "required": False, "schema": kind, "description": doc}
        for key, (name, kind, doc) in sorted(told.items())
    }
