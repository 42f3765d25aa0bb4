"""Where a person finds a service: its address, with what its page is entered with."""

from __future__ import annotations

from pathlib import Path

from freehold.app import Service
from freehold.crew import Crew, Log, Plan
from freehold.crew.declared import Declared


def crew_of(service: Service, folder: Path, given: dict[str, str]) -> Crew:
    """A crew that is not started."""
    plan = Plan(
        declared=Declared("data-layer", folder / "app.py", None, [service]),
        services=[service],
        folder=folder,
        host="127.0.0.1",
        port=8791,
        socket=folder / "freehold.sock",
        data_layer=None,
        given=given,
        root=folder,
        chosen=lambda declared, _given: declared.services,
        moved=None,
    )
    return Crew(plan, Log([service.name], lambda _data: None, coloured=False))


def test_a_page_has_the_secret_that_it_is_entered_with(tmp_path: Path) -> None:
    """The word of the folder, the same each time; the developer's own goes first, and escaped."""
    page = "/sign-in?key={DOOR_KEY}"
    service = Service("desk", "notes.desk", port=8792, page=page, secrets=["DOOR_KEY"])

    made = crew_of(service, tmp_path, {})
    first = made.page(service)

    assert first.startswith(f"{made.address('desk')}/sign-in?key=")
    assert len(first.rpartition("=")[2]) == 40
    again = crew_of(service, tmp_path, {}).page(service)
    assert again.rpartition("=")[2] == first.rpartition("=")[2]
    own = crew_of(service, tmp_path, {"DOOR_KEY": "a&b c"}).page(service)
    assert own.endswith("?key=a%26b%20c")


def test_a_service_without_a_page_has_its_address(tmp_path: Path) -> None:
    service = Service("desk", "notes.desk", port=8792)
    made = crew_of(service, tmp_path, {})

    assert made.page(service) == made.address("desk")
