"""
How fast a collector takes events and answers about them, as its store grows.

    python benchmarks/collector.py --events 100000 1000000 5000000
    python benchmarks/collector.py --events 100000 --paced
    python benchmarks/collector.py --events 5000000 --search-only --keep /tmp/filled
    python benchmarks/collector.py --store /tmp/filled/5000000-search

Client and server share the machine. Every event is committed when it is counted.
One line of JSON for each store.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from collector_events import BATCH, SMALLEST, TENANTS, batches
from collector_questions import asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CLIENTS = 4
_PREPARED = 1_000_000
"""Events that are made before the first is sent; of more some seconds are added."""
_PACED = 50_000
_PACED_PER_S = 5_000.0
_LARGEST = list(TENANTS)[-1]
_FREE_BYTES = 8 << 30
"""Of the disk, below which no more is sent."""


def _chaukas(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "chaukas.cli", "collector", *arguments]


def _key(data: Path, tenant: str) -> str:
    # Arguments are words of this script.
    done = subprocess.run(  # noqa: S603
        _chaukas(
            "key", "create", "--tenant", tenant, "--scope", "ingest,read,admin",
            "--data", str(data),
        ),
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout.split()[0]


class Served:
    """A collector that runs."""

    def __init__(self, data: Path, *options: str) -> None:
        how = (
            "--port",
            "0",
            "--grpc-port",
            "0",
            "--log-level",
            "warning",
            "--json",
            "--no-page",
        )
        command = _chaukas("run", "--data", str(data), *how, *options)
        begun = time.perf_counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603
        assert self._process.stdout is not None
        addresses = orjson.loads(self._process.stdout.readline())
        self.place = urlsplit(addresses["http"]).netloc
        self.start_s = time.perf_counter() - begun

    def memory_mb(self, name: str) -> float:
        """Return `VmHWM`, the most memory so far, or `VmRSS`, that of now."""
        path = Path(f"/proc/{self._process.pid}/status")
        lines = path.read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith(name))
        return round(int(line.split()[1]) / 1024, 1)

    def cpu_s(self) -> float:
        """Return the CPU time that it has taken, its own and the system's."""
        path = Path(f"/proc/{self._process.pid}/stat")
        fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def _served(data: Path, *options: str) -> Iterator[Served]:
    server = Served(data, *options)
    try:
        yield server
    finally:
        server.close()


def _send(
    place: str,
    key: str,
    bodies: Iterable[bytes],
    per_s: float,
    begin_s: float,
    took: list[float],
    data: Path,
) -> None:
    """Send batches: one after the other, or so many events a second."""
    connection = http.client.HTTPConnection(place, timeout=600)
    headers = {
        "content-type": "application/x-ndjson",
        "authorization": f"Bearer {key}",
    }
    due_s = time.perf_counter() + begin_s
    for body in bodies:
        if shutil.disk_usage(data).free < _FREE_BYTES:
            raise OSError("the disk is nearly full: nothing more is sent.")
        if per_s:
            time.sleep(max(0.0, due_s - time.perf_counter()))
        begun_s = due_s if per_s else time.perf_counter()
        connection.request("POST", "/v1/events/batch", body, headers)
        verdict = orjson.loads(connection.getresponse().read())
        took.append(time.perf_counter() - begun_s)
        due_s += BATCH / per_s if per_s else 0.0
        assert verdict["accepted"] == BATCH, verdict
    connection.close()


def fill(
    data: Path, events: int, *options: str, per_s: float = 0.0, after: int = 0
) -> dict[str, float]:
    """
    Send events to a collector, and return what it reached.

    Args:
        data: Its folder.
        events: How many.
        *options: Of the collector.
        per_s: How many events a second; 0 for as fast as they are answered.
        after: How many its store has already, the same ones that come before these.
    """
    key = _key(data, "*")
    took: list[float] = []
    with _served(data, *options) as server:
        each = (after + events) // _CLIENTS
        passed = after // _CLIENTS // BATCH
        made = [
            islice(batches(n, _CLIENTS, each), passed, None) for n in range(_CLIENTS)
        ]
        # Made before the clock starts, if there is room for them: it is no part of
        # what is measured.
        bodies = [list(one) for one in made] if events <= _PREPARED else made
        each_s = per_s / _CLIENTS
        # Not all at the same moment: clients do not know of each other.
        apart_s = BATCH / per_s if per_s else 0.0
        senders = [
            threading.Thread(
                target=_send,
                args=(server.place, key, one, each_s, n * apart_s, took, data),
            )
            for n, one in enumerate(bodies)
        ]
        before_s = server.cpu_s()
        begun = time.perf_counter()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        duration_s = time.perf_counter() - begun
        cpu_us = (server.cpu_s() - before_s) * 1e6
        most_mb, rss_mb = server.memory_mb("VmHWM"), server.memory_mb("VmRSS")
    sent = len(took) * BATCH
    took.sort()
    return {
        "sent": sent,
        "events_per_s": round(sent / duration_s),
        "server_cpu_us_per_event": round(cpu_us / sent, 1),
        "batch_p50_ms": round(took[len(took) // 2] * 1000, 1),
        "batch_p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        "batch_worst_ms": round(took[-1] * 1000, 1),
        "memory_most_mb": most_mb,
        "memory_after_mb": rss_mb,
        "bytes_per_event": round(_size(data) / (after + sent)),
    }


def _size(data: Path) -> int:
    return sum(path.stat().st_size for path in data.glob("events.sqlite*"))


def questions(data: Path, times: int, *options: str) -> dict[str, Any]:
    """Return how long a collector takes to start on a store, and to answer."""
    keys = {who: _key(data, who) for who in ("*", _LARGEST, SMALLEST)}
    with _served(data, *options) as server:
        answers = asked(server.place, keys, times)
        return {
            "start_s": round(server.start_s, 2),
            "reading_memory_most_mb": server.memory_mb("VmHWM"),
            "questions": answers,
        }


def _measured(
    folder: Path, events: int, times: int, *, has_search: bool, is_paced: bool
) -> dict[str, Any]:
    name = f"{events}-{'search' if has_search else 'plain'}"
    data = folder / name
    data.mkdir(mode=0o700, parents=True)
    options = () if has_search else ("--no-search",)
    found: dict[str, Any] = {"store": name, **fill(data, events, *options)}
    if is_paced:
        found["paced"] = fill(
            data, _PACED, *options, per_s=_PACED_PER_S, after=found["sent"]
        )
    if has_search:
        found |= questions(data, times)
    return found


def main() -> None:
    """Measure, and print a line of JSON for each store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[20_000])
    parser.add_argument("--times", type=int, default=20, help="each question is asked")
    parser.add_argument("--keep", type=Path, help="folder in which stores are left")
    parser.add_argument("--store", type=Path, help="a folder that was left: ask only")
    parser.add_argument(
        "--search-only", action="store_true", help="nothing without full text"
    )
    parser.add_argument(
        "--paced", action="store_true", help="then 5,000 events a second, too"
    )
    how = parser.parse_args()
    if how.store:
        found = {"store": how.store.name, **questions(how.store, how.times)}
        print(json.dumps(found))
        return
    kinds = (True,) if how.search_only else (True, False)
    for events in how.events:
        for has_search in kinds:
            with tempfile.TemporaryDirectory() as passing:
                folder = how.keep or Path(passing)
                found = _measured(
                    folder,
                    events,
                    how.times,
                    has_search=has_search,
                    is_paced=how.paced,
                )
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
