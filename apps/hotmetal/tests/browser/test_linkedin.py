"""
LinkedIn, connected in the browser and published to, with a stand-in that speaks its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hotmetal.clients.hotmetal import CreateSessionInput, DataLayerSync, UpdateSessionInput
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.linkedin import LinkedIn, Settings, linkedin_app
from playwright.sync_api import expect
from tests.browser.conftest import Opens
from tests.browser.house import KEYS, House

pytestmark = pytest.mark.xdist_group("browser")

CLIENT = "a-client-for-tests"
SECRET = "a-secret-for-tests"


@pytest.fixture
def linkedin(home: House) -> Iterator[LinkedIn]:
    """The publisher has an application at LinkedIn, until the test is over."""
    publisher = home.rooms["publisher"]
    back = f"{publisher.url}/oauth/linkedin/callback"
    network = LinkedIn(Settings(client_id=CLIENT, client_secret=SECRET, redirect_uris=(back,)))
    with served(lambda _address: linkedin_app(network)) as address:
        publisher.restart(
            {
                "LINKEDIN_CLIENT_ID": CLIENT,
                "LINKEDIN_CLIENT_SECRET": SECRET,
                "LINKEDIN_URL": address,
                "LINKEDIN_AUTH_URL": address,
            }
        )
        yield network
        publisher.restart({})


@pytest.fixture
def published(home: House) -> str:
    """A session whose post stands in the CMS."""
    post = httpx.post(
        f"{home.rooms['cms'].url}/api/posts",
        json={"title": "Kites", "slug": "kites", "content": "<p>Wind.</p>", "status": "published"},
        headers={"Authorization": f"Bearer {KEYS['CMS_API_KEY']}"},
    ).json()
    with DataLayerSync.connect(home.data_layer) as dal:
        dal.create_session(CreateSessionInput(id="ses-kites", user_id="default", title="Kites"))
        change = UpdateSessionInput(status="completed", cms_post_id=post["id"])
        dal.update_session("ses-kites", change)
    return "ses-kites"


def test_an_account_is_connected_and_published_to(
    opens: Opens, linkedin: LinkedIn, published: str
) -> None:
    page = opens("#/connections")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Connect again").click()
    opened.value.get_by_role("button", name="Allow").click()
    expect(opened.value.get_by_role("heading", name="LinkedIn is connected")).to_be_visible()
    opened.value.close()

    page.evaluate("id => { location.hash = `#/sessions/${id}/publish`; }", published)
    page.get_by_role("button", name="Publish on LinkedIn").dblclick()
    row = page.locator("tr", has_text="LinkedIn: publish")
    expect(row.get_by_text("done", exact=True)).to_be_visible()
    expect(row).to_have_count(1)
    assert len(linkedin.posts) == 1
