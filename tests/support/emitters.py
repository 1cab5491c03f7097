"""
Programs that the fault tests run and kill: `python -m tests.support.emitters NAME …`.

Each is a process of its own, since what is tested is the end of a process.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import resource
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count as numbers
from pathlib import Path

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.sinks import rotation as _rotation
from chaukas.sdk.sinks.jsonl import JsonlSink, Rotation

ROOT = Path(__file__).parents[2]
SLOTS = 200_000
LONGEST_SLEEP_S = 0.012
"""Between two bursts of events."""


def start(*args: object) -> subprocess.Popen[bytes]:
    """Run one of these programs."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.emitters", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


_numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: numbers(1))


def event(writer: str, size: int = 900) -> bytes:
    """Return an event with the next number of its stream."""
    seq = next(_numbers[writer])
    body = {
        "event_id": f"{writer}-{seq}",
        "metadata": {"chaukas": {"seq": seq, "stream": writer}},
        "text": "\u2028\n" + "x" * size,
    }
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


def pipeline(path: str, *, rotation: Rotation | None = None) -> Pipeline:
    """Return a pipeline into a file."""
    sink = JsonlSink(path, rotation=rotation)
    return pipeline_of(sink, stream=str(os.getpid()), memory_limit_bytes=1 << 25)


def ages_s(taken_at_s: Sequence[float], end_s: float) -> list[float]:
    """
    Return how long before *end_s* each event was taken, in seconds, in their order.

    Between two of them a program of these sleeps for `LONGEST_SLEEP_S` at most. What is
    beyond that did not pass for it: the machine let neither it nor its writer run.
    """
    ages, age_s, later_s = [], 0.0, end_s
    for at_s in reversed(taken_at_s):
        age_s += min(later_s - at_s, LONGEST_SLEEP_S)
        later_s = at_s
        ages.append(age_s)
    return ages[::-1]


def ready() -> None:
    """Tell the parent that the interesting part begins."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def clocked(path: str, times: str, seed: str) -> None:
    """Emit for ever; keep the time of each capture where a kill leaves it."""
    rng = random.Random(seed)
    with Path(times).open("r+b") as file:
        page = mmap.mmap(file.fileno(), SLOTS * 8)
    pipe = pipeline(path)
    ready()
    for burst in range(SLOTS // 50):
        for n in range(rng.randrange(1, 40)):
            seq = burst * 50 + n
            body = b'{"n":%d,"x":"%s"}' % (seq, b"y" * rng.randrange(2500))
            pipe.put(body)
            struct.pack_into("d", page, seq * 8, time.monotonic())
        time.sleep(rng.random() * LONGEST_SLEEP_S)


def many(path: str, writer: str, count: str) -> None:
    """Emit `count` events as fast as the bound allows, then close."""
    pipe = pipeline(path)
    for n in range(int(count)):
        pipe.put(event(writer))
        if n % 500 == 0:
            pipe.flush(20.0)
    sys.exit(0 if pipe.close(20.0) else 1)


def rotating(path: str, writer: str, count: str) -> None:
    """Emit into a file that is rotated and compressed all the time; warnings show."""
    _rotation._LOOK_AGAIN_S = 0.002
    rotation = Rotation(limit_bytes=60_000, keep=10_000, gzip=True)
    pipe = pipeline(path, rotation=rotation)
    for n in range(int(count)):
        pipe.put(event(writer))
        if n % 7 == 0:
            pipe.flush(20.0)
    sys.exit(0 if pipe.close(20.0) else 1)


def leaving(path: str, way: str) -> None:
    """Emit, wait until it is written, and end without a farewell."""
    pipe = pipeline(path)
    for _ in range(100):
        pipe.put(event("w"))
    pipe.flush(20.0)
    if way == "exit":
        os._exit(7)
    if way == "abort":
        os.abort()
    os.kill(os.getpid(), 11)


def quiet_exit(path: str) -> None:
    """End normally without closing the pipeline."""
    pipe = pipeline(path)
    pipe.put(event("w"))


def forking(path: str, count: str) -> None:
    """Fork again and again while the writer is busy; children emit as well."""
    pipe = pipeline(path)
    stop = threading.Event()

    def emit() -> None:
        while not stop.is_set():
            pipe.put(event("parent", size=20_000))
            stop.wait(0.0002)

    threading.Thread(target=emit).start()
    status = 0
    for n in range(int(count)):
        pid = os.fork()
        if not pid:
            child(pipe, path, f"child{n}")
        status |= os.waitpid(pid, 0)[1]
    stop.set()
    threads = [t for t in threading.enumerate() if t is not threading.current_thread()]
    for thread in threads:
        thread.join()
    is_stored = pipe.close(20.0)
    sys.stdout.write(json.dumps([status, is_stored, pipe.stats().emitted]))
    sys.exit(0)


def child(inherited: Pipeline, path: str, writer: str) -> None:
    """Live the life of a forked child: abandon, build, emit, close, end."""
    fds_before = len(list(Path("/proc/self/fd").iterdir()))
    inherited.abandon()
    inherited.put(b'{"n":"never"}')
    is_shut = len(list(Path("/proc/self/fd").iterdir())) <= fds_before
    own = pipeline(path)
    for _ in range(3):
        own.put(event(writer))
    is_stored = own.close(20.0)
    os._exit(0 if is_stored and is_shut else 1)


def crowded(path: str, threads: str, count: str) -> None:
    """Emit from many threads at once."""
    pipe = pipeline(path)
    barrier = threading.Barrier(int(threads))

    def emit(thread: int) -> None:
        barrier.wait()
        for _ in range(int(count)):
            pipe.put(event(f"t{thread}"))

    crowd = [threading.Thread(target=emit, args=(t,)) for t in range(int(threads))]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    is_stored = pipe.close(30.0)
    stats = pipe.stats()
    sys.stdout.write(json.dumps([is_stored, stats.emitted, stats.written, stats.lost]))


def limited(path: str, limit: str) -> None:
    """Emit under a file size limit, which cuts a line like a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    pipe = pipeline(path)
    for _ in range(50):
        pipe.put(event("w"))
    is_stored_at_first = pipe.flush(0.3)
    error = pipe.stats().last_error
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    is_stored_at_last = pipe.close(20.0)
    sys.stdout.write(json.dumps([is_stored_at_first, error, is_stored_at_last]))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
