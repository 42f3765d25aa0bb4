"""A publication's counterpart in the CMS, made when there is none yet."""

from __future__ import annotations

from hotmetal.clients.hotmetal import Publication, UpdatePublicationInput
from hotmetal.services.writer.desk import Desk


async def with_cms_publication(desk: Desk, publication: Publication) -> Publication:
    """
    The publication with an id in the CMS, made there and saved here when it has none.

    Raises:
        CmsFailed: The CMS did not make it.
        CallError: The data layer did not save it; the next try gets the same id of the CMS.
    """
    if publication.cms_publication_id is not None:
        return publication
    key = f"publication:{publication.id}"
    made = await desk.cms.create_publication(publication.name, publication.slug, key=key)
    change = UpdatePublicationInput(cms_publication_id=made)
    saved = await desk.dal.update_publication(publication.id, change)
    return publication if saved is None else saved
