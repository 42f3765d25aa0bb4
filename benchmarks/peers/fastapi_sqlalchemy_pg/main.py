"""
Peer: the two calls on FastAPI and SQLAlchemy's async ORM over asyncpg, as their guides write it.

`BENCH_DATABASE_NAME`, `BENCH_DATABASE_HOST` and `BENCH_POOL` name the database and how many
connections there may be.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, ConfigDict
from sqlalchemy import URL, BigInteger
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    URL.create(
        "postgresql+asyncpg",
        username=os.environ["BENCH_DATABASE_USER"],
        database=os.environ["BENCH_DATABASE_NAME"],
        query={"host": os.environ["BENCH_DATABASE_HOST"]},
    ),
    pool_size=int(os.environ["BENCH_POOL"]),
    max_overflow=0,
)
make_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The tables of this application."""


class User(Base):
    """A row of `users`."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


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
