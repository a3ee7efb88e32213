"""What Prometheus is told: requests as this machine's web processes counted them, and what the database says (health.py).

Requests are counted in the process that answered. Where METRICS_DIR is set (units, bin/run) the processes of one machine
add theirs up in files there, so that it does not matter which of them is asked; a machine is asked at its own port.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings

if settings.METRICS_DIR:  # read by the library when it is imported
    Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = settings.METRICS_DIR

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from . import health

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

_requests = Histogram(
    "yejibao_http_request_seconds", "Requests by the route's name and the status, and how long they took.",
    ["route", "status"], buckets=BUCKETS, registry=None,
)  # fmt: skip
_refused = Counter(
    "yejibao_http_refused", "Requests refused before a view, by why: overload (with the rank of the route), too often, locked.",
    ["why", "what"], registry=None,
)  # fmt: skip


def count_refused(why: str, what: str) -> None:
    """Count what was turned away at the door: `shed`, `limited` or `locked`, and of which rank or class."""
    _refused.labels(why, what).inc()


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one answer. `route` is a name of the URLconf, never a path: paths have no end."""
    _requests.labels(route, status).observe(seconds)


def exposition(now: datetime) -> bytes:
    """Return all figures in Prometheus's text form."""
    registry = CollectorRegistry(auto_describe=False)
    if settings.METRICS_DIR:
        MultiProcessCollector(registry, settings.METRICS_DIR)
    else:
        registry.register(_requests)
        registry.register(_refused)
    registry.register(_FromDatabase(now))
    return generate_latest(registry)


class _FromDatabase(Collector):
    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[Metric]:
        for family in health.read_families(self.now):
            kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
            names = sorted(family.samples[0][0]) if family.samples else []
            metric = kind(family.name, family.text, labels=names)
            for labels, value in family.samples:
                metric.add_metric([labels[name] for name in names], value)
            yield metric
