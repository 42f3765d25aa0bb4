"""
Everything there is in a test of the web service: the outside world, the data layer, the service,
and browsers that people sit at.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from linkie_claw.clients.linkie_claw import DataLayerSync
from linkie_claw.services.web.app import create_app
from linkie_claw.services.web.settings import GeneratorSettings, OAuthProvider, Settings
from starlette.datastructures import Secret
from starlette.types import ASGIApp
from tests.web.data_layer import DataLayer, data_layer
from tests.web.serving import served
from tests.web.stand_ins import API_KEY, CLIENT_ID, CLIENT_SECRET, StandIns

CRON_SECRET: Final = "cron-secret-canary-0123456789"
CALLBACK_SECRET: Final = "callback-secret-canary-0123456789"


class Browser:
    """
    A browser with its cookies, at the service's address.

    Args:
        address: Where the service is.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(
            base_url=address,
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=20,
            trust_env=False,
            # Nothing here is TLS, and loading the world's certificates takes 20 ms.
            verify=False,
        )
        #: Who sits at it, once signed in.
        self.user_id = ""

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET, without following redirects."""
        return self.http.get(path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """POST JSON."""
        return self.http.post(path, json=body, **more)

    def patch(self, path: str, body: Any) -> httpx.Response:
        """PATCH JSON."""
        return self.http.patch(path, json=body)

    def put(self, path: str, body: Any) -> httpx.Response:
        """PUT JSON."""
        return self.http.put(path, json=body)

    def delete(self, path: str) -> httpx.Response:
        """DELETE."""
        return self.http.delete(path)

    def a_post(self, **fields: Any) -> dict[str, Any]:
        """A post of whoever is signed in."""
        body = {"title": "A title", "content": "Some content."} | fields
        response = self.post("/api/posts", body)
        assert response.status_code == 201, response.text
        return dict(response.json())


class World:
    """
    One outside world, one data layer, one service.

    Args:
        outside: The stand-ins.
        layer: The data layer's process.
        settings: The service's.
        dal: A client of the data layer, to look behind the service.
        folder: Where the data layer's files are.
    """

    def __init__(
        self,
        outside: StandIns,
        layer: DataLayer,
        settings: Settings,
        *,
        dal: DataLayerSync,
        folder: Path,
    ) -> None:
        self.outside = outside
        self.layer = layer
        self.settings = settings
        self.dal = dal
        self.folder = folder
        self._ends = ExitStack()
        self._users: list[str] = []

    @property
    def address(self) -> str:
        """Where the service is."""
        return self.settings.public_url

    def browser(self) -> Browser:
        """A browser in which nobody is signed in."""
        browser = Browser(self.address)
        self._ends.callback(browser.http.close)
        return browser

    def person(self, email: str | None = None) -> Browser:
        """A browser in which a new person is signed in."""
        browser = self.browser()
        email = email or f"{secrets.token_hex(6)}@people.example"
        response = browser.post("/api/auth/signin/offline", {"email": email})
        assert response.status_code == 200, response.text
        browser.user_id = response.json()["user"]["id"]
        self._users.append(browser.user_id)
        return browser

    def cron(self, method: str = "POST", secret: str = CRON_SECRET) -> httpx.Response:
        """The scheduler's caller."""
        headers = {"Authorization": f"Bearer {secret}"}
        path = f"{self.address}/api/cron/publish-scheduled"
        return httpx.request(method, path, headers=headers, timeout=20, verify=False)

    def callback(self, body: Any, secret: str = CALLBACK_SECRET) -> httpx.Response:
        """The automation's word on a post."""
        headers = {"x-webhook-secret": secret}
        path = f"{self.address}/api/webhooks/publish-status"
        return httpx.post(path, json=body, headers=headers, timeout=20, verify=False)

    def soon(self, *, seconds: int = 60) -> str:
        """A time to come by the data layer's clock, as a browser writes it."""
        return iso(self.layer.now + seconds)

    def due(self, browser: Browser, **fields: Any) -> dict[str, Any]:
        """A post whose time has come."""
        post = browser.a_post(**fields)
        when = {"scheduledAt": self.soon(seconds=5)}
        scheduled = browser.post(f"/api/posts/{post['id']}/schedule", when)
        assert scheduled.status_code == 200, scheduled.text
        self.layer.wait(seconds=6)
        return dict(scheduled.json())

    @contextmanager
    def without_layer(self) -> Iterator[None]:
        """The data layer is stopped for the time of a block."""
        # It would wait a while for a client that does not look at its connection.
        self.dal.close()
        self.layer.stop()
        try:
            yield
        finally:
            self.layer.start()
            self.dal = DataLayerSync.connect(self.layer.address)

    def end_of_test(self) -> None:
        """Close the browsers and forget the people, with everything that was theirs."""
        self._ends.close()
        for user_id in self._users:
            self.dal.delete_user(id=user_id)
        self._users.clear()
        self.outside.forget()


def iso(seconds: float) -> str:
    """The moment as a browser writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def settings_for(outside: StandIns, layer: str, folder: Path) -> Settings:
    """Everything set, and everything outside is the stand-ins."""
    world = outside.address

    def provider(name: str, emails: bool = False) -> OAuthProvider:
        return OAuthProvider(
            name=name,
            client_id=CLIENT_ID,
            client_secret=Secret(CLIENT_SECRET),
            authorize_url=f"{world}/{name}/authorize",
            token_url=f"{world}/{name}/token",
            profile_url=f"{world}/{name}/profile",
            emails_url=f"{world}/{name}/emails" if emails else "",
            scope="openid email",
        )

    def generator(name: str, variable: str, image_model: str) -> GeneratorSettings:
        return GeneratorSettings(
            name=name,
            key=Secret(API_KEY),
            key_variable=variable,
            url=f"{world}/{name}",
            text_model="acme/text",
            image_model=image_model,
        )

    return Settings(
        data_layer=layer,
        folder=folder / "web",
        offline_sign_in=True,
        cron_secret=Secret(CRON_SECRET),
        callback_secret=Secret(CALLBACK_SECRET),
        webhook_url=f"{world}/n8n/default",
        webhook_timeout_s=1.0,
        allow_private_webhooks=True,
        generators=(
            generator("replicate", "REPLICATE_API_TOKEN", "acme/flux"),
            dataclasses.replace(
                generator("gemini", "GEMINI_API_KEY", "acme-image"), text_model="acme-text"
            ),
        ),
        generator_timeout_s=1.5,
        providers=(provider("google"), provider("github", emails=True)),
        linkedin=provider("linkedin"),
        provider_timeout_s=1.0,
        # All of them come from one address here.
        tries_per_minute=10_000,
    )


@contextmanager
def web_served(settings: Settings, layer: DataLayer) -> Iterator[Settings]:
    """The service at a free port, on the data layer's time; its settings with its address."""
    found = [settings]

    def make(address: str) -> ASGIApp:
        found[0] = dataclasses.replace(settings, public_url=address)
        return create_app(found[0], now=lambda: layer.now)

    with served(make):
        yield found[0]


@contextmanager
def whole_world(folder: Path, database: str | None) -> Iterator[World]:
    """Everything, for the time of a block."""
    outside = StandIns()
    with ExitStack() as stack:
        stack.enter_context(served(outside.app))
        layer = stack.enter_context(data_layer(folder, database))
        settings = settings_for(outside, layer.address, folder)
        settings = stack.enter_context(web_served(settings, layer))
        dal = DataLayerSync.connect(layer.address)
        world = World(outside, layer, settings, dal=dal, folder=folder)
        stack.callback(lambda: world.dal.close())
        yield world
