"""Publication outlets: through which connections a publication publishes."""

from __future__ import annotations

from freehold import Input, Reader, Writer, param, select
from hotmetal.schema import PublicationOutlet


class CreatePublicationOutletInput(Input):
    """A new outlet; `settings` is JSON text."""

    publication_id: str
    connection_id: str
    auto_publish: bool | None = None
    settings: str | None = None


_OF_PUBLICATION = (
    select(PublicationOutlet)
    .where(PublicationOutlet.c.publication_id == param("pub_id"))
    .order_by(PublicationOutlet.c.created_at, PublicationOutlet.c.id)
)


def create_publication_outlet(db: Writer, data: CreatePublicationOutletInput) -> PublicationOutlet:
    """
    Let a publication publish through a connection.

    Raises:
        ReferenceBroken: There is no such publication or connection.
    """
    return db.insert(
        PublicationOutlet(
            id=db.new_id(),
            publication_id=data.publication_id,
            connection_id=data.connection_id,
            auto_publish=bool(data.auto_publish),
            settings=data.settings,
        )
    )


def list_outlets_by_publication(db: Reader, pub_id: str) -> list[PublicationOutlet]:
    """The publication's outlets, the oldest first."""
    return db.all(_OF_PUBLICATION, pub_id=pub_id)


def delete_publication_outlet(db: Writer, id: str) -> None:
    """Remove an outlet; the connection stays. Nothing happens when there is none."""
    db.delete(PublicationOutlet, id)
