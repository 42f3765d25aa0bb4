"""
Counting calls, and showing the counts to Prometheus.

Counting must cost a call nothing that can be noticed, so it is a list of plain ints per method
and outcome; the Prometheus objects are made when somebody asks for `/metrics`. What the
counts mean for an operator is in the documentation, not here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from freehold.errors import CallError, Outcome
from freehold.server.seams import Gauge

#: The method of a call whose name is not in the contract: strangers choose no labels.
UNKNOWN_METHOD: Final = "unknown"

_BOUNDS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
_BOUNDS_NS: Final = tuple(int(bound * 1e9) for bound in _BOUNDS_S)
_BUCKETS: Final = len(_BOUNDS_NS) + 1
_TOTAL_NS: Final = _BUCKETS


class CallMeter:
    """How many calls ended how, and how long they took; on the event loop's thread only."""

    __slots__ = ("_cells", "_errors", "_ok")

    def __init__(self) -> None:
        # A cell: the calls in each bucket of time, and after them the sum of the times.
        self._ok: dict[str, list[int]] = {}
        self._cells: dict[tuple[str, Outcome], list[int]] = {}
        self._errors: dict[str, int] = {}

    def ok(self, method: str, time_ns: int) -> None:
        """A call that was answered with its result."""
        cell = self._ok.get(method)
        if cell is None:
            cell = self._ok[method] = self._cells[method, "ok"] = [0] * (_BUCKETS + 1)
        cell[bisect_left(_BOUNDS_NS, time_ns)] += 1
        cell[_TOTAL_NS] += time_ns

    def error(self, method: str, time_ns: int, error: CallError) -> None:
        """A call that was answered with an error."""
        self._errors[error.code] = self._errors.get(error.code, 0) + 1
        cell = self._cells.setdefault((method, error.outcome), [0] * (_BUCKETS + 1))
        cell[bisect_left(_BOUNDS_NS, time_ns)] += 1
        cell[_TOTAL_NS] += time_ns

    def families(self) -> Iterator[Metric]:
        """The counts as Prometheus wants them."""
        calls = CounterMetricFamily(
            "freehold_calls", "Calls answered.", labels=["method", "outcome"]
        )
        seconds: dict[str, list[int]] = {}
        for (method, outcome), cell in sorted(self._cells.items()):
            calls.add_metric([method, outcome], sum(cell[:_BUCKETS]))
            sums = seconds.setdefault(method, [0] * (_BUCKETS + 1))
            seconds[method] = [a + b for a, b in zip(sums, cell, strict=True)]
        yield calls
        times = HistogramMetricFamily(
            "freehold_call_seconds", "From the whole request to its answer.", labels=["method"]
        )
        for method, cell in seconds.items():
            times.add_metric([method], _cumulative(cell), sum_value=cell[_TOTAL_NS] / 1e9)
        yield times
        errors = CounterMetricFamily("freehold_errors", "Errors answered.", labels=["code"])
        for code, count in sorted(self._errors.items()):
            errors.add_metric([code], count)
        yield errors


def _cumulative(cell: list[int]) -> list[tuple[str, float]]:
    edges = [*(str(bound) for bound in _BOUNDS_S), "+Inf"]
    running = 0
    rows: list[tuple[str, float]] = []
    for edge, count in zip(edges, cell[:_BUCKETS], strict=True):
        running += count
        rows.append((edge, running))
    return rows


class _Shown(Collector):
    """What the registry asks when somebody asks it."""

    def __init__(self, meter: CallMeter, gauges: tuple[Gauge, ...]) -> None:
        self._meter = meter
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        yield from self._meter.families()
        for gauge in self._gauges:
            yield GaugeMetricFamily(gauge.name, gauge.help, value=gauge.read())


class MetricsText:
    """`/metrics` as bytes; its registry is its own, so nothing else in the process leaks in."""

    def __init__(self, meter: CallMeter, gauges: Iterable[Gauge] = ()) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Shown(meter, tuple(gauges)))

    def __call__(self) -> bytes:
        return generate_latest(self._registry)
