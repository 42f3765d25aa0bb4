"""
Peer: the two calls on FastAPI and SQLAlchemy's async ORM over aiosqlite, as their guides write it.

Pragmas and table are those of the other servers. `BENCH_DATABASE` is the file.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, ConfigDict
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    f"sqlite+aiosqlite:///{os.environ['BENCH_DATABASE']}", connect_args={"timeout": 30}
)
make_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


class Base(DeclarativeBase):
    """The tables of this application."""


class User(Base):
    """A row of `users`."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    created_at: Mapped[int]
    updated_at: Mapped[int]


class NewUser(BaseModel):
    """What a caller sends."""

    email: str
    name: str


class UserOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    email: str
    name: str
    created_at: int
    updated_at: int


async def get_session() -> AsyncIterator[AsyncSession]:
    """One session for one request."""
    async with make_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
app = FastAPI()


@app.get("/users/{user_id}", response_model=UserOut)
async def get_user(user_id: str, session: Session) -> User:
    """Point read."""
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such user.")
    return user


@app.post("/users", response_model=UserOut, status_code=status.HTTP_201_CREATED)
async def create_user(new: NewUser, session: Session) -> User:
    """Durable insert."""
    now = int(time.time())
    user = User(id=str(uuid.uuid4()), created_at=now, updated_at=now, **new.model_dump())
    session.add(user)
    await session.commit()
    return user
