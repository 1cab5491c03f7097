"""
The whole way of events: from the public functions, through the spool, to collectors.

What is asked here is what a user asks: did all arrive, and do the counts add up.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import chaukas
from chaukas.testing import FakeCollector
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = (
    "SCHEMES",
    "assert_each_once",
    "begin",
    "by_stream",
    "data_of",
    "delivering",
    "emit",
    "endpoint_of",
    "environment",
    "is_whole",
    "numbers_in",
    "port_of",
    "recover",
    "settle",
    "spools_in",
)

ROOT = Path(__file__).parents[2]
SCHEMES = ("http", "grpc")


def endpoint_of(collector: FakeCollector, scheme: str) -> str:
    """Return where a collector takes events by this protocol."""
    return collector.endpoint if scheme == "http" else collector.grpc_endpoint


def port_of(endpoint: str) -> int:
    """Return the port of an endpoint."""
    return int(endpoint.rpartition(":")[2])


@contextlib.contextmanager
def delivering(folder: Path, endpoint: str, **settings: Any) -> Iterator[None]:
    """Enable chaukas with a spool below *folder*, and short times."""
    chosen = {"spool_dir": folder / "spool", "flush_interval": 0.02, "timeout": 0.5}
    chosen |= {"integrations": [], **settings}
    assert chaukas.enable_chaukas(endpoint=endpoint, strict=True, **chosen)
    try:
        yield
    finally:
        chaukas.disable_chaukas(0.2)


def emit(numbers: Iterable[int], **data: Any) -> None:
    """Emit events with these numbers."""
    for number in numbers:
        chaukas.event("n", {"n": number, **data})


def numbers_in(events: Iterable[dict[str, Any]]) -> list[int]:
    """Return the numbers that `emit` gave, sorted."""
    return sorted(each["n"] for each in data_of(events, "n"))


def data_of(events: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the data of the host's own events of one name."""
    return [
        event["metadata"]["data"]
        for event in events
        if event["metadata"].get("name") == name
    ]


def is_whole(*collectors: FakeCollector) -> bool:
    """Tell whether each collector has all, and the counts say so."""
    stats = chaukas.stats()
    assert stats.emitted == stats.acked + stats.spooled + stats.queued + stats.lost
    stored = {len(collector.event_ids) for collector in collectors}
    return stats.spooled == stats.queued == 0 and stored == {stats.acked}


def settle(*collectors: FakeCollector) -> None:
    """Flush until each collector has all; then no sink has anything to complain of."""
    until(lambda: chaukas.flush(0.5) and is_whole(*collectors))
    assert not chaukas.stats().errors
    for collector in collectors:
        assert_each_once(collector.events)


def recover(folder: Path, endpoint: str, **settings: Any) -> None:
    """Be the process that delivers what all others left in the spool folder."""
    spool = folder / "spool"
    with delivering(folder, endpoint, timeout=10, **settings):
        chaukas.event("heir")
        # In this order: one's own is there once it was flushed.
        until(lambda: chaukas.flush(0.5) and len(spools_in(spool)) == 1)


def spools_in(spool: Path) -> list[str]:
    """Return the names of the spools that have not been removed."""
    names = (each.name for each in spool.iterdir())
    return [name for name in names if name not in {"quarantine", "corrupt"}]


def assert_each_once(events: Iterable[dict[str, Any]]) -> None:
    """Check that no event is there twice."""
    times = Counter(event["event_id"] for event in events)
    assert max(times.values(), default=1) == 1


def by_stream(events: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Sort events by stream; the numbers of each must have no gap."""
    streams: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        streams.setdefault(event["metadata"]["chaukas"]["stream"], []).append(event)
    for stream, its in streams.items():
        seqs = sorted(event["metadata"]["chaukas"]["seq"] for event in its)
        assert seqs == list(range(1, len(its) + 1)), (stream, seqs)
    return streams


_BEGINNING = """
import json, os, sys, threading, time
import chaukas

def enable(**settings):
    assert chaukas.enable_chaukas(strict=True, integrations=[], **settings)

def emit(count, **data):
    for n in range(count):
        chaukas.event("n", {"n": n, **data})

def wait_at_exit():
    # For all that is delivered in the end, however busy the machine is.
    from chaukas.sdk import _runtime
    _runtime._EXIT_S = 60.0
"""


def environment(folder: Path, endpoint: str, **environ: str) -> dict[str, str]:
    """Return the environment of a program that delivers to *endpoint*."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CHAUKAS_ENDPOINT": endpoint,
        "CHAUKAS_SPOOL_DIR": str(folder / "spool"),
        "CHAUKAS_FLUSH_INTERVAL": "0.02",
        **environ,
    }


def begin(
    folder: Path, endpoint: str, body: str, **environ: str
) -> subprocess.Popen[str]:
    """Start a program: *body*, after functions to enable chaukas and to emit."""
    program = folder / f"program{time.monotonic_ns()}.py"
    program.write_text(_BEGINNING + dedent(body))
    return subprocess.Popen(
        [sys.executable, str(program)],
        cwd=folder,
        env=environment(folder, endpoint, **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
