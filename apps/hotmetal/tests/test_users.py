"""Users: made, found, changed, listed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hotmetal.domains.users import (
    CreateUserInput,
    UpdateUserInput,
    create_user,
    get_user_by_email,
    get_user_by_id,
    list_users,
    update_user,
)
from hotmetal.testing import START_S, World, empty_world

from freehold.errors import AlreadyExists


@pytest.fixture
def world(engine: str) -> Iterator[World]:
    with empty_world(engine) as world:
        yield world


def test_a_user_is_created_as_given_and_stamped(world: World) -> None:
    """The id is the caller's, the times are the data layer's."""
    data = CreateUserInput(id="ada", email="ada@people.example", name="Ada")

    user = world.call(create_user, data)

    assert (user.id, user.email, user.name) == ("ada", "ada@people.example", "Ada")
    assert user.created_at == user.updated_at == START_S
    assert world.call(get_user_by_id, "ada") == user


@pytest.mark.parametrize(
    "second",
    [
        CreateUserInput(id="user-1", email="other@people.example", name="Other"),
        CreateUserInput(id="user-2", email="user-1@people.example", name="Other"),
    ],
)
def test_a_taken_id_or_address_is_refused(world: World, second: CreateUserInput) -> None:
    """A plain insert: the second one fails, and the first one stays as it is."""
    first = world.user("user-1")

    with pytest.raises(AlreadyExists):
        world.call(create_user, second)

    assert world.call(list_users) == [first]


def test_a_user_is_found_by_the_exact_address(world: World) -> None:
    """Not by another spelling of it."""
    user = world.user("ada", email="ada@people.example")

    assert world.call(get_user_by_email, "ada@people.example") == user
    assert world.call(get_user_by_email, "Ada@people.example") is None
    assert world.call(get_user_by_email, "ada@people.example ") is None


def test_nobody_is_found_as_null(world: World) -> None:
    """A missing user is no error for a reader."""
    assert world.call(get_user_by_id, "nobody") is None
    assert world.call(get_user_by_email, "nobody@people.example") is None


def test_an_update_changes_what_is_given_and_stamps_it(world: World) -> None:
    """What is left out stays; the answer is the row as it is now."""
    user = world.user("ada", name="Ada")
    world.wait(seconds=60)

    changed = world.call(update_user, "ada", UpdateUserInput(name="Ada L."))

    assert changed is not None
    assert (changed.name, changed.email) == ("Ada L.", user.email)
    assert (changed.created_at, changed.updated_at) == (START_S, START_S + 60)
    assert world.call(get_user_by_id, "ada") == changed


def test_an_update_without_fields_is_a_read(world: World) -> None:
    """Not even the time of change moves."""
    user = world.user("ada")
    world.wait(seconds=60)

    assert world.call(update_user, "ada", UpdateUserInput()) == user


def test_updating_nobody_answers_null(world: World) -> None:
    """With fields and without."""
    assert world.call(update_user, "nobody", UpdateUserInput(name="X")) is None
    assert world.call(update_user, "nobody", UpdateUserInput()) is None


def test_an_update_cannot_take_anothers_address(world: World) -> None:
    """Addresses stay unique."""
    world.user("ada", email="ada@people.example")
    bob = world.user("bob", email="bob@people.example")

    with pytest.raises(AlreadyExists):
        world.call(update_user, "bob", UpdateUserInput(email="ada@people.example"))

    assert world.call(get_user_by_id, "bob") == bob


def test_users_are_listed_oldest_first_and_then_by_id(world: World) -> None:
    """Users of the same second have an order too."""
    world.user("c")
    world.user("b")
    world.wait(seconds=1)
    world.user("a")

    assert [user.id for user in world.call(list_users)] == ["b", "c", "a"]
