"""
A real publisher in a process, between a real data layer and stand-ins on sockets.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from hotmetal.clients.hotmetal import (
    AuditLog,
    DataLayerSync,
    ListAuditLogsFilters,
    SocialConnection,
)
from hotmetal.stand_ins.cms import cms_app
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.linkedin import LinkedIn, Settings, linkedin_app

ROOT = Path(__file__).resolve().parents[4]
KEY: Final = "a-publisher-key-for-tests"
CMS_KEY: Final = "a-cms-key-for-tests"
CLIENT_ID: Final = "our-client"
CLIENT_SECRET: Final = "secret-canary-of-the-client"
#: What LinkedIn's stand-in puts into every token.
CANARIES: Final = ("access-canary", "refresh-canary", CLIENT_SECRET)
_START_S: Final = 30.0
_WAIT_S: Final = 20.0


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Until it is so; fails with what was waited for."""
    until = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.05)


class Publisher:
    """
    `python -m hotmetal.services.publisher` on a folder.

    Args:
        folder: Its DATA_DIR.
        environment: What it is told besides.
    """

    def __init__(self, folder: Path, *, port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.folder = folder
        paths = [str(ROOT / "src"), str(ROOT / "apps/hotmetal")]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "PORT": str(port),
            "DATA_DIR": str(folder),
            "PUBLISHER_API_KEY": KEY,
            "PUBLISHER_TIMEOUT_S": "1",
            "PUBLISHER_SETTLE_S": "2",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / f"publisher-{port}.log"
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, timeout=30
        )

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "hotmetal.services.publisher"]
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, cwd=ROOT
            )
        until = time.monotonic() + _START_S
        while not self._serves():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait until it is gone; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(20)
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        self.end(signal.SIGKILL)

    def close(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None:
            self.kill()
        self.http.close()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """A POST with the API key."""
        return self.http.post(path, json=body)

    def connect(self) -> dict[str, Any]:
        """Go the whole way of OAuth, as a person's browser would who says yes."""
        with httpx.Client(base_url=str(self.http.base_url), timeout=10) as browser:
            url = browser.get("/oauth/linkedin").json()["authorizeUrl"]
            allowed = httpx.get(f"{url}&auto_approve=1")
            back = urlsplit(allowed.headers["location"])
            answer = browser.get(f"{back.path}?{back.query}")
        assert answer.status_code == 200, answer.text
        connected: dict[str, Any] = answer.json()
        return connected


class World:
    """Everything that a test of the publisher needs to be there."""

    def __init__(
        self, *, dal: DataLayerSync, cms: httpx.Client, linkedin: LinkedIn, address: str
    ) -> None:
        self.dal = dal
        self.cms = cms
        self.linkedin = linkedin
        self.network = httpx.Client(base_url=address, timeout=10)
        self.publisher: Publisher
        self._n = 0

    def draft(self, **more: Any) -> str:
        """The id of a new post of the CMS."""
        self._n += 1
        said = {
            "title": f"Post {self._n}",
            "slug": f"post-{self._n}-{id(self)}",
            "content": f"<p>Text number {self._n}.</p>",
        }
        answer = self.cms.post("/api/posts", json=said | more)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    def connections(self) -> list[SocialConnection]:
        """The user's connections to LinkedIn, newest first."""
        return self.dal.get_social_connections_by_user("default")

    def disconnect(self) -> None:
        """Remove all of them, and the outlets that use them."""
        for id in self.dal.get_all_publication_ids():
            for outlet in self.dal.list_outlets_by_publication(id):
                self.dal.delete_publication_outlet(outlet.id)
        for each in self.connections():
            self.dal.delete_social_connection(each.id)

    def status(self, post_id: str) -> str:
        """The post's status in the CMS."""
        status: str = self.cms.get(f"/api/posts/{post_id}").json()["status"]
        return status

    def renditions(self, post_id: str) -> list[tuple[str, str]]:
        """Outlet and status of the post's renditions, newest first."""
        listed = self.cms.get(f"/api/posts/{post_id}/renditions").json()["data"]
        return [(each["outlet"], each["status"]) for each in listed]

    def audit(self, post_id: str) -> list[AuditLog]:
        """The post's rows of the audit log, newest first."""
        return self.dal.list_audit_logs(ListAuditLogsFilters(post_id=post_id))

    def audited(self, post_id: str) -> list[tuple[str, str, str]]:
        """Of each row the outlet, the action and the status."""
        return [(each.outlet, each.action, each.status) for each in self.audit(post_id)]

    def shared(self, title: str) -> int:
        """How many posts on LinkedIn begin so."""
        return sum(post["commentary"].startswith(f"{title}\n") for post in self.linkedin.posts)

    def title(self, post_id: str) -> str:
        """The post's title."""
        title: str = self.cms.get(f"/api/posts/{post_id}").json()["title"]
        return title

    def fail(self, who: str, **plan: Any) -> None:
        """Tell a stand-in to fail."""
        http = self.cms if who == "cms" else self.network
        assert http.post("/_stand_in/fail", json=plan).status_code == 200

    def calls(self, who: str, path: str, method: str = "POST") -> list[dict[str, Any]]:
        """What a stand-in was asked."""
        http = self.cms if who == "cms" else self.network
        calls = http.get("/_stand_in/calls").json()["data"]
        return [each for each in calls if (each["path"], each["method"]) == (path, method)]

    def forget(self) -> None:
        """No more failures, no calls."""
        for http in (self.cms, self.network):
            http.post("/_stand_in/forget", json={})


@contextmanager
def whole_world(folder: Path, dal_address: str, **settings: Any) -> Iterator[World]:
    """A world for the time of a block; its publisher runs."""
    port = free_port()
    registered = Settings(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        redirect_uris=(f"http://127.0.0.1:{port}/oauth/linkedin/callback",),
        **settings,
    )
    linkedin = LinkedIn(registered)
    with (
        DataLayerSync.connect(dal_address) as dal,
        served(lambda _address: linkedin_app(linkedin)) as network,
        served(lambda address: cms_app(folder / "cms", key=CMS_KEY, url=address)) as blog,
        httpx.Client(base_url=blog, headers={"Authorization": f"Bearer {CMS_KEY}"}) as cms,
    ):
        world = World(dal=dal, cms=cms, linkedin=linkedin, address=network)
        environment = {
            "FREEHOLD_DAL": dal_address,
            "CMS_URL": blog,
            "CMS_API_KEY": CMS_KEY,
            "LINKEDIN_URL": network,
            "LINKEDIN_AUTH_URL": network,
            "LINKEDIN_CLIENT_ID": CLIENT_ID,
            "LINKEDIN_CLIENT_SECRET": CLIENT_SECRET,
            "LINKEDIN_PKCE": "1",
        }
        world.publisher = Publisher(folder / "data", port=port, environment=environment)
        try:
            world.publisher.start()
            yield world
        finally:
            world.publisher.close()
            world.network.close()


def beside(world: World, folder: Path) -> Publisher:
    """A second publisher on another port, like the world's in all else."""
    first = world.publisher
    public = f"http://127.0.0.1:{first.port}"
    environment = first._environment | {"PUBLISHER_PUBLIC_URL": public}
    port = free_port()
    environment |= {"PORT": str(port), "DATA_DIR": str(folder)}
    return Publisher(folder, port=port, environment=environment)
