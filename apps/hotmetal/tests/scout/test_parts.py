"""The scout's parts by themselves: ids, feeds, searches, what is taken of a model's answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hotmetal.services.scout.auto_write import slug_of
from hotmetal.services.scout.brave import Brave
from hotmetal.services.scout.feed import Feed, FeedRefused, parse_feed
from hotmetal.services.scout.ideas import idea_id, proposals
from hotmetal.services.scout.offline import offline_thinker
from hotmetal.services.scout.search import Searches
from hotmetal.services.scout.store import FolderInUse, Store, search_key
from hotmetal.services.scout.stories import Story, story
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.search import search_app
from tests.scout.scouts import StandIn

#: Of the digest a951a6a47e012ca4488b095fe56ae335, with 4 and 8 in their places.
VECTOR = "a951a6a4-7e01-4ca4-888b-095fe56ae335"
SEARCH_VECTOR = "search:3b8d3bbcf4713e1637a528ec7128fb8a0c0addde7ea7f1e5ae94634e3e0e1ecd"
NOW = int(datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp())


class StillClock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += int(seconds)


def test_an_idea_has_the_id_that_its_words_make() -> None:
    """Worked out with `printf 'pub-1\\0The plug\\0One berth' | sha256sum`."""
    assert idea_id("pub-1", "The plug", "One berth") == VECTOR
    assert len({idea_id(*parts) for parts in (("a", "b", "c"), ("a", "b", "d"), ("ab", "", "c"),
                                              ("a", "bc", ""))}) == 4  # fmt: skip


def test_only_whole_ideas_are_taken_and_scores_are_clamped() -> None:
    """A title that is not empty, an angle and a summary; the rest has its defaults."""
    whole = {"title": " T  t ", "angle": "A", "summary": "S"}
    entries = [
        {**whole, "relevance_score": 7},
        {**whole, "relevance_score": "high", "sources": "none"},
        {**whole, "relevance_score": -1, "sources": [{"url": "https://a.example", "x": 1}, {}]},
        {**whole, "relevance_score": float("nan"), "topic": 3},
        {**whole, "title": "  "}, {**whole, "angle": None}, {"title": "T"}, "T", None,
    ]  # fmt: skip

    found = proposals(entries)

    assert [each.score for each in found] == [1.0, 0.0, 0.0, 0.0]
    assert {each.title for each in found} == {"T t"}
    assert [each.sources for each in found] == [[], [], [{"url": "https://a.example"}], []]
    assert len(proposals([whole] * 9)) == 5


@pytest.mark.parametrize(
    ("title", "slug"),
    [("The plug that quiets a port", "the-plug-that-quiets-a-port"),
     ("Ærø & Þingvellir!", "r-ingvellir"),
     ("  Crème   brûlée -- 2%", "creme-brulee-2"), ("日本", "untitled"), ("", "untitled"),
     ("x" * 90, "x" * 80)],
)  # fmt: skip
def test_a_slug_has_lower_case_letters_digits_and_single_hyphens(title: str, slug: str) -> None:
    assert slug_of(title) == slug


# Feeds

RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>A feed</title>
<item><title>Kites  pull ships</title><link>https://a.example/1</link>
<pubDate>Fri, 15 Jan 2027 06:00:00 GMT</pubDate>
<description>&lt;b&gt;Wind&lt;/b&gt; &amp;amp; kites</description></item>
<item><title>No link</title></item>
<item><title>Bad link</title><link>javascript:alert(1)</link></item>
<item><title>Undated kites</title><link>https://a.example/2</link><pubDate>soon</pubDate></item>
</channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>A feed</title><entry>
<title>Kites</title><link rel="edit" href="https://a.example/edit"/>
<link href="https://a.example/3"/>
<updated>2027-01-14T09:00:00+02:00</updated><summary>Wind.</summary></entry></feed>"""


def test_a_feed_is_read_in_both_forms() -> None:
    """Titles in one line, text without tags, dates in UTC; items without an address left out."""
    assert parse_feed(RSS) == [
        Story(url="https://a.example/1", title="Kites pull ships", snippet="Wind & kites",
              published_at="2027-01-15T06:00:00+00:00"),
        Story(url="https://a.example/2", title="Undated kites"),
    ]  # fmt: skip
    assert parse_feed(ATOM) == [
        Story(url="https://a.example/3", title="Kites", snippet="Wind.",
              published_at="2027-01-14T07:00:00+00:00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><rss>&b;</rss>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><rss/>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss>&a;</rss>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<rss>&unknown;</rss>", b"not xml", b"", b'<?xml version="1.0" encoding="none"?><rss/>',
    ],
)  # fmt: skip
def test_what_is_no_plain_feed_is_refused(hostile: bytes) -> None:
    """Entities that unfold, files of the machine, depths without end."""
    with pytest.raises(FeedRefused):
        parse_feed(hostile)


def test_an_endless_feed_is_cut_off() -> None:
    """After two megabytes, however many would come."""

    async def endless() -> object:
        while True:
            yield b"<item>" * 10_000

    async def check() -> None:
        carrier = httpx.MockTransport(lambda _: httpx.Response(200, content=endless()))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=carrier) as http:
            with pytest.raises(FeedRefused, match="larger than"):
                await Feed(http, "https://a.example/feed?x=1", StillClock()).find("kites", "news")

    asyncio.run(check())


# Searches


def test_brave_is_asked_on_its_wire_and_remembered_for_a_day(tmp_path: Path) -> None:
    """The token, the freshness and five results; the memory is that of the folder."""

    async def ask(address: str, clock: StillClock, query: str) -> list[Story]:
        store = Store(tmp_path / "data", clock)
        try:
            async with httpx.AsyncClient() as http:
                return await Searches(Brave(http, address, "the-token"), store).about(query)
        finally:
            store.close()

    with served(lambda _: search_app("the-token")) as address:
        provider, clock = StandIn(address), StillClock()
        first = asyncio.run(ask(address, clock, "Sea kites"))
        calls = provider.calls()
        again = asyncio.run(ask(address, clock, "  sea KITES "))
        none_new = len(provider.calls())
        clock.time += 24 * 3_600
        provider.fail(times=1, status=429, path="/res/v1/news")
        after_a_day = asyncio.run(ask(address, clock, "Sea kites"))
        asyncio.run(ask(address, clock, "Sea kites"))
        total = len(provider.calls())

    assert [(call["path"], call["query"]) for call in calls] == [
        ("/res/v1/news/search", "q=Sea%20kites&count=5&freshness=pd"),
        ("/res/v1/web/search", "q=Sea%20kites&count=5&freshness=pw"),
    ] or [call["query"] for call in calls] == [
        "q=Sea+kites&count=5&freshness=pd", "q=Sea+kites&count=5&freshness=pw",
    ]  # fmt: skip
    assert len(first) == 10
    assert again == first
    assert none_new == 2
    # What failed is asked for again, what went well is not.
    assert (len(after_a_day), total) == (5, 5)


def test_a_search_is_remembered_under_the_digest_of_its_query() -> None:
    """Trimmed and in lower case; worked out with `printf 'sea kites' | sha256sum`."""
    assert search_key("  Sea KITES\n") == search_key("sea kites") == SEARCH_VECTOR


def test_a_wrong_token_finds_nothing(tmp_path: Path) -> None:
    """A search that fails yields nothing, and the run goes on."""
    store = Store(tmp_path / "data", StillClock())

    async def ask(address: str) -> list[Story]:
        async with httpx.AsyncClient() as http:
            return await Searches(Brave(http, address, "wrong"), store).about("kites")

    with served(lambda _: search_app("the-token")) as address:
        assert asyncio.run(ask(address)) == []
    store.close()


def test_a_folder_has_one_scout_and_keeps_its_name(tmp_path: Path) -> None:
    """A second one is refused; the name is that of the folder, and another folder has another."""
    store = Store(tmp_path / "data", StillClock())
    with pytest.raises(FolderInUse, match="DATA_DIR"):
        Store(tmp_path / "data", StillClock())
    name = store.id
    store.close()

    again = Store(tmp_path / "data", StillClock())
    other = Store(tmp_path / "other", StillClock())

    assert (again.id, other.id == name) == (name, False)
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "data").iterdir()} == {0}
    again.close()
    other.close()


# The offline model


def test_the_offline_model_drops_what_recent_ideas_tell() -> None:
    """By the source's address, and by titles that share most of their words."""
    stories = [
        Story(url="https://a.example/1", title="Kites pull ships again"),
        Story(url="https://a.example/2", title="Ships pulled by kites, again"),
        Story(url="https://a.example/3", title="Batteries in ice water"),
    ]
    recent = [{"title": "Something else", "summary": "", "sources": ["https://a.example/1"]},
              {"title": "Batteries in the ice water", "summary": "", "sources": []}]  # fmt: skip

    fresh = asyncio.run(offline_thinker().fresh(stories, recent))

    assert [each.url for each in fresh] == ["https://a.example/2"]


def test_the_offline_model_takes_topics_in_turn_and_says_the_same_again() -> None:
    """At most five ideas, the closest story of each topic first."""
    topics = [{"name": "Kites", "description": "sails wind"}, {"name": "Ferries"}]
    stories = [
        Story(url=f"https://a.example/{n}", title=title, topic=topic)
        for n, (title, topic) in enumerate([
            ("A note on kites", "Kites"), ("Kites, sails and wind", "Kites"),
            ("Ferries", "Ferries"), ("Kites and wind", "Kites"),
            ("More kites", "Kites"), ("Kites once more", "Kites"),
        ])
    ]  # fmt: skip

    def ask() -> list[tuple[str, float]]:
        ideas = asyncio.run(offline_thinker().propose({"name": "P"}, topics, stories, []))
        return [(each.title, each.score) for each in ideas]

    assert [title for title, _ in ask()] == [
        "Kites, sails and wind", "Ferries", "Kites and wind", "A note on kites", "More kites",
    ]  # fmt: skip
    assert ask() == ask()


def test_a_story_has_a_title_and_a_web_address() -> None:
    """In bounds: what a stranger wrote is cut."""
    found = story("https://a.example", "  A \n title ", "x" * 9_000)

    assert found is not None
    assert (found.title, len(found.snippet)) == ("A title", 500)
    assert story("ftp://a.example", "T") is None
    assert story("https://a.example", "  ") is None
    assert story("https://a.example/" + "x" * 2_000, "T") is None
