"""
A news feed with sample stories: what the scout reads in a HotMetal without a search provider.

It stands in for a feed on the web: RSS 2.0 at `/`, with `q` the stories that share words with it.
The stories are invented, stay the same, and are dated back from now, so that they are recent.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hotmetal.services.settings import HOST, SettingMissing, number, optional
from hotmetal.services.web import ApiError, answer, serve, with_errors
from hotmetal.stand_ins.on_demand import OnDemand

PORT: Final = 8796
_HOUR_S: Final = 3_600
_WORD: Final = re.compile(r"\w{4,}")

#: slug, hours old, title, what it says
STORIES: Final[list[tuple[str, int, str, str]]] = [
    ("night-berths", 3,
     "Three ports agree on one plug for shore power",
     ("Ports on two coasts settled on the same connector for shore power, so that a ship wired for"
     " one berth can plug in at all of them. The first shared berth opens in spring.")),
    ("crane-battery", 7,
     "A crane that lives on its own braking",
     ("A container terminal reports that a battery beside each of its cranes now covers a third of"
     " what electrification was expected to cost in new cable.")),
    ("tug-lease", 15,
     "Small harbours lease electric tugs by the hour",
     ("Six ports share four tugs and one timetable. The lease counts hours at the hook, and the"
     " power comes with the berth.")),
    ("grid-queue", 52,
     "Ports wait longer for the grid than for the ships",
     ("A survey of forty ports finds that the connection to the grid, not the shore power itself,"
     " decides when electrification begins: four years on average.")),
    ("ferry-winter", 5,
     "Electric ferries kept ninety-eight percent of a winter timetable",
     ("After a season on the northern routes, operators say that heated batteries cost less range"
     " than they had feared, and that ice on the charging arm cost more.")),
    ("ferry-ticket", 20,
     "Why a crossing got cheaper after the batteries came",
     ("An island's ferry cut its prices by a tenth once its two boats ran on batteries. The saving"
     " came from maintenance, not from power.")),
    ("ferry-swap", 75,
     "Swapping batteries in the time it takes to board",
     ("A yard tries exchangeable battery racks for ferries on short routes: eleven minutes from"
     " ramp to ramp, with a crane that was built for pallets.")),
    ("koji-cellar", 4,
     "Koji moves from the lab to the kitchen cellar",
     ("A cooperative of home cooks publishes its log of two hundred batches of koji. Steady warmth"
     " mattered more than the strain, and a wool blanket did as well as an incubator.")),
    ("kraut-salt", 18,
     "How little salt a kraut can do with",
     ("A food laboratory ran fermentation at home conditions with less and less salt. Below one and"
     " a half percent the kraut went soft before it went sour.")),
    ("kefir-count", 90,
     "What is alive in a glass of kefir after a week",
     ("Researchers counted the cultures in kefir made in thirty kitchens. Grains that travelled"
     " between homes were the most varied.")),
    ("flour-time", 6,
     "What flour does while nobody watches",
     ("A bakery school measured sourdough every ten minutes for two days. Most of the taste came"
     " in the hours in which the dough no longer rose.")),
    ("starter-map", 22,
     "A map of five hundred sourdough starters",
     ("Bakers on four continents sent in their starters. The flour explained more of the"
     " differences than the place, and time explained more than both.")),
    ("rye-science", 110,
     "The science of rye that does not stick",
     ("Old mills knew it: rye flour wants acid early. A small study of sourdough shows when"
     " exactly, and by how much.")),
    ("lighthouse-paint", 9,
     "A lighthouse chooses its own white",
     "A keeper tried eleven paints in nine years and has an opinion on each of them."),
    ("bicycle-post", 12,
     "The last bicycle post office adds a route",
     "A village on a hill gets its letters by pedal again, downhill only."),
]  # fmt: skip


class News:
    """
    The feed.

    Args:
        url: Where a person reads a story, without a slash at the end.
        now: Epoch seconds.
    """

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self._url = url
        self._now = now

    def routes(self) -> list[Route]:
        """The feed and a page for each story."""
        return [
            Route("/health", self._health),
            Route("/", self._feed),
            Route("/stories/{slug}", self._story),
        ]

    async def _health(self, _request: Request) -> Response:
        return answer({"status": "ok", "service": "news"})

    async def _feed(self, request: Request) -> Response:
        wanted = _words(request.query_params.get("q", ""))
        found = [each for each in STORIES if not wanted or wanted & _words(f"{each[2]} {each[3]}")]
        items = "".join(self._item(*each) for each in found)
        feed = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
            f"<title>Sample news</title><link>{escape(self._url)}/</link>\n"
            "<description>Invented stories, to try HotMetal with.</description>\n"
            f"{items}</channel></rss>\n"
        )
        return Response(feed, media_type="application/rss+xml")

    def _item(self, slug: str, hours: int, title: str, told: str) -> str:
        link = escape(f"{self._url}/stories/{slug}")
        # To the full hour: a story keeps its date while it is looked at.
        told_at = (int(self._now()) // _HOUR_S - hours) * _HOUR_S
        return (
            f"<item><title>{escape(title)}</title><link>{link}</link><guid>{link}</guid>"
            f"<pubDate>{formatdate(told_at, usegmt=True)}</pubDate>"
            f"<description>{escape(told)}</description></item>\n"
        )

    async def _story(self, request: Request) -> Response:
        for slug, _, title, told in STORIES:
            if slug == request.path_params["slug"]:
                return HTMLResponse(
                    f"<!doctype html><title>{escape(title)}</title><h1>{escape(title)}</h1>"
                    f"<p>{escape(told)}</p><p>An invented story.</p>"
                )
        raise ApiError(404, "story not found")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def news_app(url: str, *, now: Callable[[], float] = time.time) -> ASGIApp:
    """The application, told where it will be found."""
    return OnDemand(with_errors(Starlette(routes=News(url.rstrip("/"), now).routes())))


def main() -> None:
    """Serve on `PORT` until told to stop; `NEWS_URL` is where a person reads it."""
    try:
        port = number("PORT", PORT)
    except SettingMissing as missing:
        sys.exit(f"news: {missing}")
    serve(news_app(optional("NEWS_URL") or f"http://{HOST}:{port}"), host=HOST, port=port)


if __name__ == "__main__":
    main()
