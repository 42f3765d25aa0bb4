"""
Each service's key may do what the service's source calls, and nothing else.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from hotmetal.app import SERVICES
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.entrypoints import DataLayer as Entrypoint

from freehold import Service

#: What a key needs for a method: the word that it asks for itself, or its name.
WIRE = {method.name: method.scope or method.full_name for method in Entrypoint.__methods__.values()}


def called_in(module: str) -> set[str]:
    """The methods of the data layer that any file of the package names."""
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    origin = Path(found.origin)
    files = origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin]
    names = {
        node.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    return {WIRE[name] for name in names & WIRE.keys()}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_services_key_may_do_what_it_calls(service: Service) -> None:
    """One method too few is a 403 on some quiet day, one too many is a right nobody needs."""
    assert set(service.scopes) == called_in(service.module)


def test_one_service_alone_may_read_tokens() -> None:
    """The publisher, which posts with them."""
    may = [each.name for each in SERVICES if "connection_tokens" in each.scopes]

    assert may == ["publisher"]


def test_the_names_are_the_clients() -> None:
    """The client's Python names are what the sources are searched for."""
    assert all(hasattr(DataLayer, name) for name in WIRE)
