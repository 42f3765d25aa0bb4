"""
The asynchronous transport over frames, against a server that does what a test needs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from freehold.client import AnswerUnreadable, frames
from freehold.errors import (
    CallError,
    DeadlineExceeded,
    FreeholdError,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from tests.client.tiny_server import TinyServer, tiny
from tests.client.toy_client import Taken, Toy, until


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A Unix socket, and a port with its upgrade."""
    return f"unix:{tmp_path}/s" if request.param == "unix" else "http://127.0.0.1:0"


@pytest.fixture
def unix(tmp_path: Path) -> str:
    """A Unix socket, where the way there makes no difference."""
    return f"unix:{tmp_path}/s"


def test_a_call_is_answered(address: str) -> None:
    """Named arguments go out, the result comes back; hello says key and contract once."""

    async def story() -> None:
        async with tiny(address) as (server, place), Toy.connect(place, key="fh_test_1") as dal:
            assert await dal.call("echo", value={"a": [1, "ü"]}) == {"a": [1, "ü"]}
            assert await dal.call("echo", value=2) == 2

            (hello,) = server.hellos
            assert (hello["key"], hello["contract"]) == ("fh_test_1", "c0ffee00c0ffee00")
            assert server.calls[0] == ("Toy.echo", {"value": {"a": [1, "ü"]}}, {"timeoutMs": 30000})

    asyncio.run(story())


def test_many_calls_are_in_flight_on_one_connection(address: str) -> None:
    """Each gets its own answer, though they come in the opposite order."""

    async def story() -> None:
        async with tiny(address) as (server, place), Toy.connect(place) as dal:
            tasks = [asyncio.ensure_future(dal.call("hold_query", value=n)) for n in range(100)]
            await until(lambda: len(server.held) == 100)

            server.release()

            assert await asyncio.gather(*tasks) == [*range(100)]
            assert server.opened == 1

    asyncio.run(story())


def test_no_more_is_in_flight_than_the_server_reads(unix: str) -> None:
    """Calls past the limit wait their turn here, and all are answered."""

    async def story() -> None:
        most = frames.CALLS_IN_FLIGHT_MAX
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            total = most + 50
            tasks = [asyncio.ensure_future(dal.call("hold_query", value=n)) for n in range(total)]
            await until(lambda: len(server.held) == most)
            await dal_is_quiet()
            assert len(server.calls) == most

            server.release()
            await until(lambda: len(server.held) == 50)
            server.release()

            assert await asyncio.gather(*tasks) == [*range(total)]

    asyncio.run(story())


async def dal_is_quiet() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_answers_larger_than_one_read_are_whole(address: str) -> None:
    """A megabyte comes in many pieces, with another answer behind it."""

    async def story() -> None:
        async with tiny(address) as (_, place), Toy.connect(place) as dal:
            big = "x" * 1_000_000
            calls = [dal.call("echo", value=value) for value in (big, 1)]

            assert await asyncio.gather(*calls) == [big, 1]

    asyncio.run(story())


def test_queries_ask_to_see_what_the_binding_has_written(unix: str) -> None:
    """The highest seq of all answers goes along with each query; mutations do not wait for it."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            await dal.call("add", value=1)
            assert dal.seq == 1
            server.seq = 0

            await dal.call("echo", value=1)
            await dal.call("add", value=1)

            options = [options.get("minSeq") for _, _, options in server.calls]
            assert options == [None, 1, None]
            assert dal.seq == 1

    asyncio.run(story())


def test_errors_come_back_typed(unix: str) -> None:
    """The library's by their class, the application's with their parts."""

    async def story() -> None:
        async with tiny(unix) as (_, place), Toy.connect(place) as dal:
            with pytest.raises(NotFound, match=r"no such thing\. Look elsewhere\."):
                await dal.call("fail", name="NotFound")
            with pytest.raises(Taken) as refusal:
                await dal.call("fail", name="Taken")

            assert (refusal.value.taken_by, refusal.value.try_again_in) == ("ses_1", 5)

    asyncio.run(story())


def test_nobody_there_is_told_at_once(tmp_path: Path) -> None:
    """Binding, address and next step; every caller that waited gets an error of its own."""

    async def story() -> None:
        async with Toy.connect(f"unix:{tmp_path}/none", binding="SCOUT") as dal:
            calls = [dal.call(name, value=1) for name in ("echo", "add")]
            one, two = await asyncio.gather(*calls, return_exceptions=True)

            assert isinstance(one, Unavailable)
            assert isinstance(two, Unavailable)
            assert one is not two
            assert "(binding SCOUT). Start it with `freehold dev`" in str(one)

    asyncio.run(story())


def test_a_port_that_nobody_listens_on_is_told(unused_port: int) -> None:
    """The address is in the sentence."""

    async def story() -> None:
        async with Toy.connect(f"http://127.0.0.1:{unused_port}") as dal:
            with pytest.raises(
                Unavailable, match=f"no data layer at http://127.0.0.1:{unused_port}"
            ):
                await dal.call("echo", value=1)

    asyncio.run(story())


def test_a_server_of_another_kind_is_told() -> None:
    """Its status line is in the sentence."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 426 Upgrade Required\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def story() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with Toy.connect(f"frames://127.0.0.1:{port}") as dal:
                with pytest.raises(Unavailable, match="426 Upgrade Required"):
                    await dal.call("echo", value=1)

    asyncio.run(story())


def test_a_refused_hello_ends_the_calls_behind_it(unix: str) -> None:
    """The refusal is the error of every call, a mutation's too: none of them was run."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            server.refusal = Unauthenticated("no such key.")
            calls = (dal.call("echo", value=1), dal.call("add", value=1))
            refusals = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in refusals] == [Unauthenticated, Unauthenticated]

            server.refusal = None
            assert await dal.call("echo", value=1) == 1

    asyncio.run(story())


def test_a_new_server_at_the_same_place_is_found(address: str) -> None:
    """The binding connects again by itself, and a call made in between waits for it."""

    async def story() -> None:
        async with tiny(address) as (first, place), Toy.connect(place) as dal:
            await dal.call("echo", value=1)
            await first.stop()
            call = asyncio.ensure_future(dal.call("echo", value=2))
            await dal_is_quiet()
            second = TinyServer()
            await second.start(place)

            assert await call == 2
            await second.stop()

    asyncio.run(story())


def test_a_query_that_lost_its_connection_is_asked_again(unix: str) -> None:
    """Its caller notices nothing."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            assert await dal.call("drop_once") == "second time"
            assert server.opened == 2

    asyncio.run(story())


def test_a_mutation_that_was_not_sent_is_unavailable(unix: str) -> None:
    """When the server is gone for good, what never left is told to have had no effect."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            await dal.call("add", value=1)
            await server.stop()
            await dal_is_quiet()

            with pytest.raises(Unavailable) as refusal:
                await dal.call("add", value=2)

            assert refusal.value.outcome == "failed"

    asyncio.run(story())


def test_goaway_moves_new_calls_and_keeps_old_ones(unix: str) -> None:
    """Calls in flight are answered on the old connection, which closes after the last one."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            old = asyncio.ensure_future(dal.call("hold_mutation", value=1))
            await until(lambda: len(server.held) == 1)
            server.go_away()
            await until(lambda: dal._transport._current is None)  # type: ignore[attr-defined]

            assert await dal.call("echo", value=2) == 2
            assert (server.opened, len(server.connections)) == (2, 2)

            server.release()
            assert await old == 1
            await until(lambda: len(server.connections) == 1)

    asyncio.run(story())


def test_a_call_that_crosses_a_goaway_goes_elsewhere(unix: str) -> None:
    """A stopping server refuses it as not done; even a mutation is then sent to the next one."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            await dal.call("echo", value=1)
            server.is_leaving = True
            assert await dal.call("add", value=2) == 2
            assert [name for name, *_ in server.calls] == ["Toy.echo", "Toy.add", "Toy.add"]
            assert server.opened == 2

    asyncio.run(story())


def test_a_query_has_until_its_time_is_up(unix: str) -> None:
    """The server is told the time; without its word the client ends the call itself."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            quick = dal.with_options(timeout_s=0.02)
            with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.02 s"):
                await quick.call("hold_query", value=1)

            assert server.calls[0][2] == {"timeoutMs": 20}
            assert await dal.call("echo", value=1) == 1

    asyncio.run(story())


def test_a_mutation_whose_time_is_up_is_unknown(unix: str) -> None:
    """It was sent, and nobody said what became of it."""

    async def story() -> None:
        async with tiny(unix) as (_, place), Toy.connect(place, timeout_s=0.02) as dal:
            with pytest.raises(OutcomeUnknown, match=r"within 0\.02 s"):
                await dal.call("hold_mutation", value=1)

    asyncio.run(story())


def test_times_are_kept_in_the_order_of_their_deadlines(unix: str) -> None:
    """A short call made after a long one ends first."""

    async def story() -> None:
        async with tiny(unix) as (_, place), Toy.connect(place) as dal:
            ended: list[str] = []

            async def wait(name: str, timeout_s: float) -> None:
                with pytest.raises(DeadlineExceeded):
                    await dal.with_options(timeout_s=timeout_s).call("hold_query", value=1)
                ended.append(name)

            await asyncio.gather(wait("long", 0.2), wait("short", 0.01))

            assert ended == ["short", "long"]

    asyncio.run(story())


def test_a_caller_that_goes_away_disturbs_nobody(unix: str) -> None:
    """Its late answer is dropped; a call that was not written yet is never sent."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            await dal.call("echo", value=0)
            held = asyncio.ensure_future(dal.call("hold_query", value=1))
            await until(lambda: len(server.held) == 1)
            unsent = asyncio.ensure_future(dal.call("add", value=2))
            await asyncio.sleep(0)
            unsent.cancel()
            held.cancel()
            await asyncio.gather(held, unsent, return_exceptions=True)

            server.release()

            assert await dal.call("echo", value=3) == 3
            assert [name for name, *_ in server.calls] == ["Toy.echo", "Toy.hold", "Toy.echo"]

    asyncio.run(story())


def test_callers_that_gave_up_on_a_mute_server_leave_no_blockade(unix: str) -> None:
    """What holds places in flight for longer than its time gives way to a new connection."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place, timeout_s=0.05) as dal:
            most = frames.CALLS_IN_FLIGHT_MAX
            held = [asyncio.ensure_future(dal.call("hold_query", value=n)) for n in range(most)]
            await until(lambda: len(server.held) == most)
            for call in held:
                call.cancel()
            await asyncio.gather(*held, return_exceptions=True)

            patient = dal.with_options(timeout_s=5)
            assert await patient.call("echo", value=1) == 1
            assert server.opened == 2

    asyncio.run(story())


def test_an_address_that_cannot_even_be_looked_up_is_told() -> None:
    """Whatever goes wrong on the way, the callers hear of it."""

    async def story() -> None:
        async with Toy.connect(f"http://{'x' * 70}:1") as dal:
            with pytest.raises(Unavailable, match="no data layer at http://xxx"):
                await dal.call("echo", value=1)

    asyncio.run(story())


def test_what_is_not_the_protocol_ends_the_connection(unix: str) -> None:
    """A query is asked once more before it is told; a mutation is unknown."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            with pytest.raises(Unavailable):
                await dal.call("garbage_query")
            with pytest.raises(OutcomeUnknown):
                await dal.call("garbage_mutation")

            assert await dal.call("echo", value=1) == 1
            assert len(server.connections) == 1

    asyncio.run(story())


def test_an_answer_of_another_type_is_told_as_a_mismatch(unix: str) -> None:
    """The method is named; a mutation's outcome is ok, because it happened."""

    async def story() -> None:
        async with tiny(unix) as (_, place), Toy.connect(place) as dal:
            with pytest.raises(AnswerUnreadable, match=r"Toy\.wrongType") as refusal:
                await dal.call("wrong_mutation")
            with pytest.raises(AnswerUnreadable, match="freehold generate"):
                await dal.call("wrong_query")

            assert (refusal.value.code, refusal.value.outcome) == ("contract_mismatch", "ok")

    asyncio.run(story())


def test_too_much_is_not_sent(unix: str) -> None:
    """The server said in its welcome how long a frame may be."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            server.frame_bytes_max = 1000
            await dal.call("echo", value=1)

            with pytest.raises(TooLarge, match=r"Toy\.echo.*the data layer takes 994"):
                await dal.call("echo", value="x" * 1000)

            assert len(server.calls) == 1
            assert await dal.call("echo", value=1) == 1

    asyncio.run(story())


def test_an_argument_without_a_form_is_refused_here(unix: str) -> None:
    """Nothing is sent."""

    async def story() -> None:
        async with Toy.connect(unix) as dal:
            with pytest.raises(InvalidArgument, match=r"Toy\.echo"):
                await dal.call("echo", value=object())

    asyncio.run(story())


def test_a_connection_that_rested_for_long_is_not_used(unix: str) -> None:
    """The server may be closing it at this moment; a new one is opened instead."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            await dal.call("echo", value=1)
            current = dal._transport._current  # type: ignore[attr-defined]
            current.used_at -= frames.IDLE_S + 1

            await dal.call("add", value=1)

            assert server.opened == 2
            await until(lambda: len(server.connections) == 1)

    asyncio.run(story())


def test_a_closed_binding_says_so(unix: str) -> None:
    """Calls in flight end as lost, later ones are refused; closing twice is harmless."""

    async def story() -> None:
        async with tiny(unix) as (server, place):
            dal = Toy.connect(place)
            query = asyncio.ensure_future(dal.call("hold_query", value=1))
            mutation = asyncio.ensure_future(dal.call("hold_mutation", value=1))
            await until(lambda: len(server.held) == 2)

            await dal.close()
            await dal.close()

            with pytest.raises(Unavailable):
                await query
            with pytest.raises(OutcomeUnknown):
                await mutation
            with pytest.raises(Unavailable, match="is closed"):
                await dal.call("echo", value=1)

    asyncio.run(story())


def test_a_binding_that_never_called_closes(unix: str) -> None:
    """connect() opens nothing, so there is nothing to close."""
    asyncio.run(Toy.connect(unix).close())


def test_one_binding_serves_one_event_loop(unix: str) -> None:
    """A second loop is refused while the first lives, and taken when it is gone."""
    dal = Toy.connect(unix)

    async def call_it() -> None:
        async with tiny(unix):
            assert await dal.call("echo", value=1) == 1
            await dal.close()
            dal._transport._is_closed = False  # type: ignore[attr-defined]

    async def elsewhere() -> None:
        with pytest.raises(FreeholdError, match="second event loop"):
            await dal.call("echo", value=1)

    with asyncio.Runner() as first:
        first.run(call_it())
        with asyncio.Runner() as second:
            second.run(elsewhere())
    asyncio.run(call_it())


def test_every_refusal_is_a_call_error(unix: str) -> None:
    """Whoever catches CallError has caught everything that a call can end with."""

    async def story() -> None:
        async with tiny(unix) as (_, place), Toy.connect(place, timeout_s=0.01) as dal:
            for name in ("fail", "garbage_query", "hold_mutation", "wrong_query"):
                with pytest.raises(CallError):
                    await dal.call(name, name="Internal")

    asyncio.run(story())
