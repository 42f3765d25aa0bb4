"""Users: the people who write with HotMetal."""

from __future__ import annotations

from freehold import UNSET, Input, Maybe, Patch, Reader, Writer, select
from hotmetal.schema import User


class CreateUserInput(Input):
    """A new user; the caller chooses the id."""

    id: str
    email: str
    name: str


class UpdateUserInput(Patch):
    """What may change in a user; what is left out stays."""

    email: Maybe[str] = UNSET
    name: Maybe[str] = UNSET


_ALL = select(User).order_by(User.c.created_at, User.c.id)


def get_user_by_id(db: Reader, id: str) -> User | None:
    """The user, or null."""
    return db.find(User, id)


def get_user_by_email(db: Reader, email: str) -> User | None:
    """The user with exactly this address, or null."""
    return db.find(User, email=email)


def create_user(db: Writer, data: CreateUserInput) -> User:
    """
    Add a user.

    Raises:
        AlreadyExists: The id or the address is taken.
    """
    return db.insert(User(id=data.id, email=data.email, name=data.name))


def update_user(db: Writer, id: str, data: UpdateUserInput) -> User | None:
    """
    Change the given fields and answer the user as it is now, or null when there is none.

    Raises:
        AlreadyExists: The address is another user's.
    """
    return db.update(User, id, data)


def list_users(db: Reader) -> list[User]:
    """All users, the oldest first."""
    return db.all(_ALL)
