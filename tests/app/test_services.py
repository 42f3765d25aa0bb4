"""
What an application may say of its services, and what is refused where it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Service, method
from freehold.app.services import start_order
from freehold.errors import ContractError


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]


def list_notes(db: Reader) -> list[Note]:
    """Every note."""
    return db.all(Note)


class Notes(Entrypoint):
    """The notes."""

    list_notes = list_notes
    empty_bin = method(list_notes, scope="emptying")


def app_with(*services: Service) -> App:
    """An application with these services."""
    return App(
        "notes",
        databases=[Database("main", [Note])],
        entrypoints=[Notes],
        service="data-layer",
        services=services,
    )


def names(waves: Sequence[Sequence[Service]]) -> list[list[str]]:
    """By their names."""
    return [[service.name for service in wave] for wave in waves]


def test_an_application_has_its_services() -> None:
    """Patterns, whole names and the words of single methods are scopes."""
    scopes = ["Notes.list*", "Notes.emptyBin", "emptying", "act_as"]
    writer = Service("writer", "notes.writer", port=8792, binding="DAL", scopes=scopes, page="/")

    assert app_with(writer).services == (writer,)
    assert app_with().services == ()


def test_each_is_started_after_whom_it_needs() -> None:
    """Stand-ins first; then by need, and those that need the same are started together."""
    cms = Service("cms", "n.cms", port=1, stands_in_for="CMS_URL")
    scout = Service("scout", "n.scout", port=2, addresses={"WRITER_URL": "writer"})
    writer = Service("writer", "n.writer", port=3, addresses={"PUB_URL": "pub", "CMS_URL": "cms"})
    pub = Service("pub", "n.pub", port=4, addresses={"OWN_URL": "pub", "CMS_URL": "cms"})
    page = Service("page", "n.page", port=5)

    waves = start_order([scout, writer, pub, page, cms])

    assert names(waves) == [["cms"], ["pub", "page"], ["writer"], ["scout"]]


def test_neighbours_are_not_waited_for() -> None:
    """Two that call each other are started one after the other all the same."""
    scout = Service("scout", "n.scout", port=2, addresses={"WRITER_URL": "writer"})
    writer = Service("writer", "n.writer", port=3, neighbours={"SCOUT_URL": "scout"})

    assert names(start_order([scout, writer])) == [["writer"], ["scout"]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Writer"}, "'Writer' is no name of a service"),
        ({"name": "w" * 33}, "is no name of a service"),
        ({"name": "writer\n"}, "is no name of a service"),
        ({"module": "hotmetal/writer.py"}, "is no module"),
        ({"module": "-c"}, "is no module"),
        ({"port": 0}, "0 is no port"),
        ({"port": 65_536}, "65536 is no port"),
        ({"page": "page"}, "is no path of a page"),
        ({"page": "/in?key={OTHER_KEY}", "secrets": ["OWN_KEY"]}, "which is no secret of it"),
        ({"binding": "DAL"}, "a binding and no scopes"),
        ({"scopes": ["Notes.*"]}, "scopes and no binding"),
        ({"binding": "dal", "scopes": ["Notes.*"]}, "'dal' is no variable"),
        ({"secrets": ["a=b"]}, "'a=b' is no variable"),
        ({"stands_in_for": "cms"}, "'cms' is no variable"),
        ({"environ": {"PORT": "1"}}, "sets PORT by itself"),
        ({"environ": {"FREEHOLD_DAL": "x"}}, "sets FREEHOLD_DAL by itself"),
        ({"secrets": ["KEY"], "environ": {"KEY": "x"}}, "KEY is said twice"),
        ({"secrets": ["KEY", "KEY"]}, "KEY is said twice"),
        ({"addresses": {"A": "a"}, "neighbours": {"A": "b"}}, "A is said twice"),
    ],
)
def test_what_a_service_cannot_be(changed: dict[str, Any], said: str) -> None:
    """Told where it is written, with the service's name."""
    given: dict[str, Any] = {"name": "writer", "module": "notes.writer", "port": 8792}

    with pytest.raises(ContractError, match=said):
        Service(**(given | changed))


WRITER = Service("writer", "n.writer", port=1)


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ([WRITER, Service("writer", "n.other", port=2)], "'writer' is also that of another"),
        ([Service("data-layer", "n.d", port=2)], "also that of the data layer"),
        ([WRITER, Service("scout", "n.scout", port=1)], "writer and scout both listen on port 1"),
        (
            [WRITER, Service("scout", "n.s", port=2, addresses={"A_URL": "publisher"})],
            "A_URL is the address of 'publisher', which is no service",
        ),
        (
            [
                WRITER,
                Service("scout", "n.s", port=2, addresses={"P_URL": "pub"}),
                Service("pub", "n.p", port=3, addresses={"S_URL": "scout"}),
            ],
            "scout, pub need each other's addresses in a circle",
        ),
        (
            [WRITER, Service("scout", "n.s", port=2, neighbours={"A_URL": "nobody"})],
            "A_URL is the address of 'nobody', which is no service",
        ),
        (
            [Service("scout", "n.s", port=2, binding="DAL", scopes=["Notes.listNote"])],
            "scout: the scope 'Notes.listNote' matches no method",
        ),
        (
            [
                Service("cms", "n.c", port=2, stands_in_for="CMS_URL"),
                Service("other", "n.o", port=3, stands_in_for="CMS_URL"),
            ],
            "cms and other both stand in for CMS_URL",
        ),
    ],
)
def test_what_services_cannot_be_together(services: list[Service], said: str) -> None:
    """Told where the application is made, before anything runs."""
    with pytest.raises(ContractError, match=said):
        app_with(*services)
