"""
As much of a JSON Schema validator as the generated documents use.

A keyword that it does not know fails, so the generator cannot write one that is not checked.
"""

from __future__ import annotations

import re
from typing import Any

KNOWN = {
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contentEncoding",
    "default",
    "description",
    "enum",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class Checker:
    """Checks schemas and values against one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def resolve(self, ref: str) -> Any:
        """What a reference points at; KeyError when it points at nothing."""
        found: Any = self._document
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def check_schema(self, schema: dict[str, Any]) -> None:
        """Every keyword is one that is known and has a value of its kind."""
        assert set(schema) <= KNOWN, set(schema) - KNOWN
        if "$ref" in schema:
            self.resolve(schema["$ref"])
        kinds = schema.get("type", [])
        assert set([kinds] if isinstance(kinds, str) else kinds) <= set(TYPES)
        assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
        inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
        inner += [*schema.get("allOf", ()), *([schema["items"]] if "items" in schema else [])]
        if isinstance(schema.get("additionalProperties"), dict):
            inner.append(schema["additionalProperties"])
        for each in inner:
            self.check_schema(each)

    def fits(self, value: Any, schema: dict[str, Any]) -> bool:
        """Whether the value is one that the schema describes."""
        if "$ref" in schema:
            return self.fits(value, self.resolve(schema["$ref"]))
        kinds = schema.get("type", [*TYPES])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return (
            any(self._is(value, kind) for kind in kinds)
            and value in schema.get("enum", [value])
            and ("anyOf" not in schema or any(self.fits(value, s) for s in schema["anyOf"]))
            and all(self.fits(value, s) for s in schema.get("allOf", ()))
            and self._fits_parts(value, schema)
        )

    def _is(self, value: Any, kind: str) -> bool:
        is_bool = isinstance(value, bool)
        return isinstance(value, TYPES[kind]) and (not is_bool or kind == "boolean")

    def _fits_parts(self, value: Any, schema: dict[str, Any]) -> bool:
        if isinstance(value, str):
            return re.search(schema.get("pattern", ""), value) is not None
        if isinstance(value, list):
            return all(self.fits(item, schema.get("items", {})) for item in value)
        if not isinstance(value, dict):
            return True
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return set(schema.get("required", ())) <= set(value) and all(
            self.fits(item, known[key]) if key in known else others is not False
            for key, item in value.items()
        )
