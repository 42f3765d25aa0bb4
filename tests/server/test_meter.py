"""Counting calls: buckets, sums and what Prometheus is shown."""

from __future__ import annotations

from freehold.errors import Conflict, OutcomeUnknown
from freehold.server.meter import CallMeter, MetricsText
from freehold.server.seams import Gauge

MS = 1_000_000


def lines(meter: CallMeter, *gauges: Gauge) -> list[str]:
    return MetricsText(meter, gauges)().decode().splitlines()


def test_a_time_at_a_bucket_s_edge_is_in_it_and_one_past_it_in_the_next() -> None:
    """Prometheus buckets are `less or equal`."""
    meter = CallMeter()
    meter.ok("A.b", 1 * MS)
    meter.ok("A.b", 1 * MS + 1)

    shown = lines(meter)

    assert 'freehold_call_seconds_bucket{le="0.0005",method="A.b"} 0.0' in shown
    assert 'freehold_call_seconds_bucket{le="0.001",method="A.b"} 1.0' in shown
    assert 'freehold_call_seconds_bucket{le="0.0025",method="A.b"} 2.0' in shown
    assert 'freehold_call_seconds_bucket{le="+Inf",method="A.b"} 2.0' in shown
    assert 'freehold_call_seconds_count{method="A.b"} 2.0' in shown


def test_calls_longer_than_every_bucket_are_counted_too() -> None:
    """In +Inf, and in the sum."""
    meter = CallMeter()
    meter.ok("A.b", 60_000 * MS)

    shown = lines(meter)

    assert 'freehold_call_seconds_bucket{le="2.5",method="A.b"} 0.0' in shown
    assert 'freehold_call_seconds_sum{method="A.b"} 60.0' in shown


def test_outcomes_are_counted_apart_and_timed_together() -> None:
    """An error took its time as well."""
    meter = CallMeter()
    meter.ok("A.b", MS)
    meter.error("A.b", MS, Conflict("no"))
    meter.error("A.b", MS, OutcomeUnknown("?"))

    shown = lines(meter)

    for outcome in ("ok", "failed", "unknown"):
        assert f'freehold_calls_total{{method="A.b",outcome="{outcome}"}} 1.0' in shown
    assert 'freehold_call_seconds_count{method="A.b"} 3.0' in shown
    assert 'freehold_errors_total{code="outcome_unknown"} 1.0' in shown


def test_a_gauge_is_read_when_it_is_shown() -> None:
    """Not when it was handed in."""
    values = [1.0]
    meter = CallMeter()
    text = MetricsText(meter, [Gauge("freehold_queue_length", "Waiting.", lambda: values[-1])])
    assert "freehold_queue_length 1.0" in text().decode()

    values.append(7.0)

    assert "freehold_queue_length 7.0" in text().decode()
