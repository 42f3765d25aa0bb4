"""
Users and their accounts at the providers they sign in with.

These are the methods of the auth library's adapter and of nobody else: they look users up by
address and account, so they are not bound to one user and take the scope `sign_in`. An
account's tokens are sealed and do not leave.
"""

from __future__ import annotations

from freehold import (
    UNSET,
    Conflict,
    EpochSeconds,
    Input,
    Maybe,
    Patch,
    Reader,
    Sealed,
    Struct,
    Writer,
    delete,
    param,
    raises,
    select,
)
from linkie_claw.schema import AccountRow, User


class NewUser(Input):
    """A new user; the id is made here."""

    email: str
    name: str | None = None
    email_verified: EpochSeconds | None = None
    image: str | None = None


class UserPatch(Patch):
    """What may change in a user; what is left out stays, null clears."""

    email: Maybe[str] = UNSET
    name: Maybe[str | None] = UNSET
    email_verified: Maybe[EpochSeconds | None] = UNSET
    image: Maybe[str | None] = UNSET


class Account(Struct):
    """A user's account at a provider, without its tokens."""

    id: str
    user_id: str
    type: str
    provider: str
    provider_account_id: str
    expires_at: EpochSeconds | None
    token_type: str | None
    scope: str | None
    session_state: str | None


class AccountTokens(Input):
    """What the provider gave at sign-in; the tokens as they are."""

    access_token: Sealed[str] | None = None
    refresh_token: Sealed[str] | None = None
    id_token: Sealed[str] | None = None
    expires_at: EpochSeconds | None = None
    token_type: str | None = None
    scope: str | None = None
    session_state: str | None = None


class NewAccount(AccountTokens):
    """A new account of a user; its id is made here."""

    user_id: str
    type: str
    provider: str
    provider_account_id: str


class SignIn(AccountTokens):
    """Somebody who comes back from a provider, as the provider describes him."""

    type: str
    provider: str
    provider_account_id: str
    email: str
    #: The provider vouches for the address.
    is_email_verified: bool
    name: str | None = None
    image: str | None = None


class EmailNotVerified(Conflict):
    """A user has the address, and the provider does not vouch that this is the same person."""

    def __init__(self) -> None:
        super().__init__(
            "somebody else has this address, and the provider has not verified it.",
            hint="Sign in as before, or verify the address at the provider.",
        )


_OF_ACCOUNT = (
    select(User)
    .join(AccountRow, AccountRow.c.user_id == User.c.id)
    .where(AccountRow.c.provider == param("provider"))
    .where(AccountRow.c.provider_account_id == param("provider_account_id"))
)
_UNLINK = (
    delete(AccountRow)
    .where(AccountRow.c.provider == param("provider"))
    .where(AccountRow.c.provider_account_id == param("provider_account_id"))
)
_ACCOUNTS = select(AccountRow).order_by(AccountRow.c.provider, AccountRow.c.id)


def get_user_by_id(db: Reader, id: str) -> User | None:
    """The user, or null."""
    return db.find(User, id)


def get_user_by_email(db: Reader, email: str) -> User | None:
    """The user with exactly this address, or null."""
    return db.find(User, email=email)


def get_user_by_account(db: Reader, provider: str, provider_account_id: str) -> User | None:
    """The user with this account at the provider, or null."""
    return db.first(_OF_ACCOUNT, provider=provider, provider_account_id=provider_account_id)


def create_user(db: Writer, data: NewUser) -> User:
    """
    Add a user.

    Raises:
        AlreadyExists: The address is taken.
    """
    return db.insert(
        User(
            id=db.new_id(),
            name=data.name,
            email=data.email,
            email_verified=data.email_verified,
            image=data.image,
        )
    )


def update_user(db: Writer, id: str, data: UserPatch) -> User | None:
    """
    Change the given fields and answer the user as it is now, or null when there is none.

    Raises:
        AlreadyExists: The address is another user's.
    """
    return db.update(User, id, data)


def delete_user(db: Writer, id: str) -> None:
    """Remove a user with everything that is his. Nothing happens when there is none."""
    db.delete(User, id)


def link_account(db: Writer, data: NewAccount) -> Account:
    """
    Give a user an account at a provider.

    Raises:
        AlreadyExists: The account is a user's already.
        ReferenceBroken: There is no such user.
    """
    return _account(db.insert(_account_row(db, data, data, user_id=data.user_id)))


def unlink_account(db: Writer, provider: str, provider_account_id: str) -> None:
    """Take an account from its user. Nothing happens when there is none."""
    db.execute(_UNLINK, provider=provider, provider_account_id=provider_account_id)


def get_accounts_by_user(db: Reader, user_id: str) -> list[Account]:
    """The user's accounts by provider, without their tokens."""
    return [_account(row) for row in db.owned_by(user_id).all(_ACCOUNTS)]


@raises(EmailNotVerified)
def sign_in_with_account(db: Writer, data: SignIn) -> User:
    """
    The user who signs in with this account; a new one when nobody has account or address.

    An account whose address a user has is linked to that user, if the provider vouches for
    the address and somebody has for the user's: else whoever signed in first under another's
    address would share the account. Looking and linking are one transaction, so two sign-ins
    at the same moment make one user.

    Raises:
        EmailNotVerified: A user has the address, and it is not vouched for on both sides.
    """
    user = get_user_by_account(db, data.provider, data.provider_account_id)
    if user is not None:
        return user
    user = db.find(User, email=data.email)
    if user is not None and not (data.is_email_verified and user.email_verified):
        raise EmailNotVerified()
    if user is None:
        verified = db.now if data.is_email_verified else None
        new = NewUser(email=data.email, name=data.name, image=data.image, email_verified=verified)
        user = create_user(db, new)
    db.insert(_account_row(db, data, data, user_id=user.id))
    return user


def _account_row(
    db: Writer, data: NewAccount | SignIn, tokens: AccountTokens, *, user_id: str
) -> AccountRow:
    return AccountRow(
        id=db.new_id(),
        user_id=user_id,
        type=data.type,
        provider=data.provider,
        provider_account_id=data.provider_account_id,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        id_token=tokens.id_token,
        expires_at=tokens.expires_at,
        token_type=tokens.token_type,
        scope=tokens.scope,
        session_state=tokens.session_state,
    )


def _account(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        user_id=row.user_id,
        type=row.type,
        provider=row.provider,
        provider_account_id=row.provider_account_id,
        expires_at=row.expires_at,
        token_type=row.token_type,
        scope=row.scope,
        session_state=row.session_state,
    )
