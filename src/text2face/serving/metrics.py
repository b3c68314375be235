"""Numbers for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text2face.serving.engine import Engine

__all__ = ["Metrics", "Timing"]

_KNOWN = (
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/models",
    "/healthz",
    "/metrics",
)


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self, engine: Engine) -> None:
        """Watch an engine."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "text2face_requests", "Requests", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "text2face_request_seconds",
            "Time to answer",
            ["path"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=self.registry,
        )
        self.registry.register(_EngineCollector(engine))

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    """The figures that an engine keeps itself."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[Metric]:
        done = self.engine.statistics
        yield GaugeMetricFamily(
            "text2face_waiting", "Faces in the queue", value=self.engine.waiting
        )
        yield CounterMetricFamily("text2face_faces", "Faces drawn", value=done.faces)
        yield CounterMetricFamily("text2face_passes", "Passes", value=done.passes)
        yield CounterMetricFamily("text2face_draw_seconds", "Time in passes", value=done.seconds)


class Timing:
    """Counts and times every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Count into `metrics`."""
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Paths of strangers must not fill the memory.
        path = scope["path"] if scope["path"] in _KNOWN else "other"
        start, status = time.perf_counter(), "aborted"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - start)
