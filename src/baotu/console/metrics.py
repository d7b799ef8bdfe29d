"""/metrics for Prometheus: how every part fares, history's figures, times of HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from .live import LiveChannel
from .rooms import Rooms

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
STATES = ("up", "starting", "degraded", "down", "off")


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


class Metrics:
    """A registry of its own, so that two platforms in one process do not mix."""

    def __init__(self, rooms: Rooms, channel: LiveChannel) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Board(rooms))
        self._times = Histogram(
            "baotu_http_seconds", "Time to answer", ("method", "route", "status"),
            buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        clients = Gauge("baotu_live_clients", "Open live channels", registry=self._registry)
        clients.set_function(lambda: channel.clients)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "other"  # a client may write any word
        self._times.labels(method, route, str(status)).observe(seconds)

    def answer(self) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class Board:
    """Healths and figures, read when asked."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        labels = ("kind", "name", "node")
        state = GaugeMetricFamily(
            "baotu_state", "1 for the state it is in", labels=(*labels, "state")
        )
        families: dict[str, GaugeMetricFamily] = {}
        for health in self._rooms.board.healths():
            about = (health.kind, health.name, health.node)
            for name in STATES:
                state.add_metric((*about, name), float(health.state == name))
            for figure, value in health.figures.items():
                if isinstance(value, str):
                    continue
                name = f"baotu_{plain_name(health.kind)}_{plain_name(figure)}"
                family = families.setdefault(name, GaugeMetricFamily(name, figure, labels=labels))
                family.add_metric(about, float(value))
        for figure, value in self._rooms.history.figures().items():
            name = f"baotu_history_{plain_name(figure)}"
            family = families.setdefault(name, GaugeMetricFamily(name, figure, labels=labels))
            if not family.samples:
                family.add_metric(("history", "history", self._rooms.node), float(value))
        return [state, *families.values()]


def plain_name(text: str) -> str:
    """`plain_name("commit p99, ms")` is "commit_p99_ms"."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
