"""
Programs with a spool, to run and kill: `python -m tests.support.spoolers NAME …`.

Their sink is a file, so that what was acknowledged outlives them.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.delivery.plan import Destination, Pace, SpoolPlan
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.sinks.collector.responses import Action, Answer
from tests.support.emitters import LONGEST_SLEEP_S

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
SLOTS = 200_000


class AppendingRemote:
    """Acknowledges what it has appended to a file, with some delay now and then."""

    def __init__(self, path: str, seed: int = 0, name: str = "http") -> None:
        self.name = name
        self._path = path
        self._rng = random.Random(seed)

    def send(self, lines: Sequence[bytes]) -> Answer:
        if self._rng.random() < 0.2:
            return Answer(Action.RETRY, cause="503", error="chaukas: 503.")
        with Path(self._path).open("ab", buffering=0) as file:
            file.write(b"".join(lines))
        time.sleep(self._rng.random() * 0.01)
        return Answer(Action.ACKED)

    def close(self) -> None:
        pass

    def overdue(self, now_s: float) -> str:
        return ""

    def abandon(self) -> None:
        pass


class HungRemote(AppendingRemote):
    """A black hole."""

    def send(self, lines: Sequence[bytes]) -> Answer:
        threading.Event().wait()
        raise AssertionError


def start(*args: object) -> subprocess.Popen[bytes]:
    """Run one of these programs."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.spoolers", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def spooling(spool_dir: str, remote: AppendingRemote, stream: str = "") -> Pipeline:
    """Return a pipeline through a spool."""

    def report(stream: str, facts: dict[str, int]) -> bytes:
        return json.dumps({"adopted": stream, **facts}).encode()

    return pipeline_of(
        SpoolPlan(
            (Destination("http", remote),),
            spool_dir,
            pace=Pace(flush_interval_s=0.01),
        ),
        stream=stream or f"{os.getpid()}-{time.time_ns()}",
        memory_limit_bytes=1 << 25,
        report_adopted=report,
    )


def ready() -> None:
    """Tell the parent that the interesting part begins."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def clocked(spool_dir: str, sink: str, times: str, seed: str) -> None:
    """Emit for ever; keep the time of each capture where a kill leaves it."""
    rng = random.Random(seed)
    with Path(times).open("r+b") as file:
        page = mmap.mmap(file.fileno(), SLOTS * 16)
    pipe = spooling(spool_dir, AppendingRemote(sink, int(seed)))
    pipe.put(b'{"n":-1}')
    pipe.flush(20.0)
    ready()
    n = 0
    while n < SLOTS:
        for _ in range(rng.randrange(1, 40)):
            body = b'{"n":%d,"x":"%s"}' % (n, b"y" * rng.randrange(2500))
            struct.pack_into("d", page, n * 16, time.monotonic())
            pipe.put(body)
            struct.pack_into("d", page, n * 16 + 8, time.monotonic())
            n += 1
        time.sleep(rng.random() * LONGEST_SLEEP_S)


def recovering(spool_dir: str, sink: str, seed: str) -> None:
    """Adopt what is there, until killed or told to end."""
    pipe = spooling(spool_dir, AppendingRemote(sink, int(seed)))
    pipe.put(b'{"n":-2}')
    ready()
    sys.stdin.read()
    pipe.close(5.0)


def hanging(spool_dir: str, count: str) -> None:
    """End normally in front of a black hole."""
    pipe = spooling(spool_dir, HungRemote(""))
    for n in range(int(count)):
        pipe.put(b'{"n":%d}' % n)
    pipe.close(1.0)


def forking(spool_dir: str, sink: str, count: str) -> None:
    """Fork again and again while all threads are busy; children emit as well."""
    pipe = spooling(spool_dir, AppendingRemote(sink))
    stop = threading.Event()

    def emit() -> None:
        n = 0
        while not stop.is_set():
            pipe.put(b'{"n":%d,"x":"%s"}' % (n, b"p" * 5000))
            n += 1
            stop.wait(0.0002)

    emitter = threading.Thread(target=emit)
    emitter.start()
    status = 0
    for n in range(int(count)):
        pid = os.fork()
        if not pid:
            pipe.abandon()
            own = spooling(spool_dir, AppendingRemote(sink, n), f"child{n}")
            for m in range(3):
                own.put(b'{"child":%d,"m":%d}' % (n, m))
            own.close(10.0)
            stats = own.stats()
            is_whole = stats.emitted == stats.acked + stats.spooled == 3
            os._exit(0 if is_whole else 1)
        status |= os.waitpid(pid, 0)[1]
    stop.set()
    emitter.join()
    pipe.close(20.0)
    sys.stdout.write(json.dumps([status, pipe.stats().emitted, pipe.stats().lost]))


def orphaning(spool_dir: str, sink: str) -> None:
    """Fork a child that goes on after this process was killed."""
    pipe = spooling(spool_dir, HungRemote(sink), "parent")
    pipe.put(b'{"n":1}')
    while not pipe.stats().spooled:
        time.sleep(0.001)
    # Now: once it is killed, a child has another parent.
    parent = os.getpid()
    if not os.fork():
        pipe.abandon()
        while os.getppid() == parent:
            time.sleep(0.001)
        own = spooling(spool_dir, AppendingRemote(sink), "child")
        own.put(b'{"n":2}')
        while own.stats().adopted < 1 or own.stats().spooled:
            time.sleep(0.001)
        own.close(5.0)
        os._exit(0)
    os.kill(os.getpid(), 9)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
