"""Real servers with several processes: each delivers its own events, once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.testing import FakeCollector
from tests.support.deliveries import (
    SCHEMES,
    assert_each_once,
    begin,
    by_stream,
    data_of,
    endpoint_of,
    environment,
    recover,
    spools_in,
)
from tests.support.pem import Authority
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.fault

REQUESTS = 120

WSGI = """
    import os
    import chaukas

    assert chaukas.enable_chaukas(strict=True, integrations=[])
    chaukas.event("boot", {"pid": os.getpid()})

    def app(environ, start_response):
        number = int(environ["QUERY_STRING"])
        pid = os.getpid()
        if number >= 0:
            chaukas.event("request", {"n": number, "pid": pid})
        start_response("200 OK", [("content-length", str(len(str(pid))))])
        return [str(pid).encode()]
    """

PATCHED = f"""
    from gevent import monkey
    monkey.patch_all()
    {WSGI}"""

ASGI = """
    import os
    import chaukas

    assert chaukas.enable_chaukas(strict=True, integrations=[])
    chaukas.event("boot", {"pid": os.getpid()})

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        number = int(scope["query_string"])
        if number >= 0:
            chaukas.event("request", {"n": number, "pid": os.getpid()})
        told = str(os.getpid()).encode()
        headers = [(b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})
    """


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as running:
        yield running


class Server:
    """A server in processes of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._port = port

    def ask(self, numbers: Iterable[int]) -> set[int]:
        """Make these requests, several at once; return which processes answered."""
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(self._ask_one, numbers))

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers serve: one that still starts misses a signal."""
        served: set[int] = set()

        def are_up() -> bool:
            served.update(self.ask([-1] * 16))
            return len(served) >= count

        until(are_up)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; return its exit status and what it printed."""
        self.process.send_signal(number)
        told, _ = self.process.communicate(timeout=60)
        return self.process.returncode, told

    def _ask_one(self, number: int) -> int:
        url = f"http://127.0.0.1:{self._port}/?{number}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.read())


@contextmanager
def serving(
    folder: Path, endpoint: str, app: str, *command: str, **environ: str
) -> Iterator[Server]:
    """Run a server module on a socket that it inherits, until the block ends."""
    (folder / "service.py").write_text(dedent(app))
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", *command_of(listening.fileno(), command)],
            cwd=folder,
            # gunicorn keeps a socket of its own in the home folder.
            env=environment(folder, endpoint, HOME=str(folder), **environ),
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Server(process, listening.getsockname()[1])
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def command_of(fd: int, command: tuple[str, ...]) -> list[str]:
    name, *options = command
    place = ["-b", f"fd://{fd}"] if name == "gunicorn" else ["--fd", str(fd)]
    return [name, "service:app", *place, *options]


def gunicorn(kind: str, workers: int = 3) -> tuple[str, ...]:
    threads = ("--threads", "4") if kind == "gthread" else ()
    return ("gunicorn", "--preload", "-k", kind, "-w", str(workers), *threads)


def requests_in(collector: FakeCollector) -> list[dict[str, Any]]:
    return data_of(collector.events, "request")


def assert_own_streams(events: list[dict[str, Any]]) -> dict[str, int]:
    """Check that streams and processes belong together; return the process of each."""
    owners: dict[str, int] = {}
    for stream, its in by_stream(events).items():
        named = [event["metadata"].get("data", {}) for event in its]
        pids = {data["pid"] for data in named if "pid" in data}
        assert len(pids) <= 1, stream
        if pids:
            owners[stream] = pids.pop()
    assert len(set(owners.values())) == len(owners)
    return owners


def assert_all_told(collector: FakeCollector, count: int = REQUESTS) -> dict[str, int]:
    """Check that every request is there once; return the process of each stream."""
    found = sorted(data["n"] for data in requests_in(collector))
    assert found == list(range(count))
    assert_each_once(collector.events)
    return assert_own_streams(collector.events)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_workers_of_gunicorn_deliver_what_they_record(
    tmp_path: Path, collector: FakeCollector, kind: str, scheme: str
) -> None:
    pytest.importorskip("gunicorn")
    if kind == "gevent":
        pytest.importorskip("gevent")
    endpoint = endpoint_of(collector, scheme)
    with serving(tmp_path, endpoint, WSGI, *gunicorn(kind)) as server:
        server.wait_for_workers(3)
        server.ask(range(REQUESTS))
        code, told = server.end()
    assert_quiet_end(code, told)
    recover(tmp_path, endpoint)
    owners = assert_all_told(collector)
    assert len(owners) >= 2
    # Recorded before the fork, so by the parent and by nobody else.
    [boot] = data_of(collector.events, "boot")
    assert boot["pid"] == server.process.pid
    assert spools_in(tmp_path / "spool") == []


def assert_quiet_end(code: int, told: str) -> None:
    assert code == 0, told
    assert "Traceback" not in told
    assert not [line for line in told.splitlines() if line.startswith("chaukas")]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_workers_that_gevent_patched_deliver_over_tls(
    tmp_path: Path, when: str, scheme: str
) -> None:
    pytest.importorskip("gunicorn")
    pytest.importorskip("gevent")
    authority = Authority(tmp_path)
    with FakeCollector(**authority.issue()) as collector:
        ca_file = str(authority.ca_file)
        with serving(
            tmp_path,
            endpoint_of(collector, scheme),
            PATCHED if when == "before" else WSGI,
            *gunicorn("gevent"),
            CHAUKAS_CA_FILE=ca_file,
        ) as server:
            server.wait_for_workers(3)
            server.ask(range(REQUESTS))
            code, told = server.end()
        assert_quiet_end(code, told)
        # What an exit in a hurry left, somebody else sends.
        recover(tmp_path, endpoint_of(collector, scheme), ca_file=ca_file)
        assert_all_told(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_worker_that_is_killed_loses_nothing_to_its_siblings(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    pytest.importorskip("gunicorn")
    spool = tmp_path / "spool"
    endpoint = endpoint_of(collector, scheme)
    collector.stop()

    def spooled() -> int:
        files = spool.glob("*/*.seg")
        return sum(file.read_bytes().count(b'"name":"request"') for file in files)

    with serving(tmp_path, endpoint, WSGI, *gunicorn("sync", workers=2)) as server:
        server.wait_for_workers(2)
        server.ask(range(60))
        until(lambda: spooled() == 60)
        victims = children_of(server.process.pid)
        os.kill(min(victims), signal.SIGKILL)
        until(lambda: len(children_of(server.process.pid) - victims) == 1)
        collector.start()
        server.ask(range(60, REQUESTS))
        until(lambda: len(requests_in(collector)) == REQUESTS)
        code, told = server.end()
        assert code == 0, told
    recover(tmp_path, endpoint)
    found = sorted(data["n"] for data in requests_in(collector))
    assert found == list(range(REQUESTS))
    assert_each_once(collector.events)


def children_of(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return set(map(int, children.split()))


def test_workers_whose_master_is_killed_deliver_before_they_leave(
    tmp_path: Path, collector: FakeCollector
) -> None:
    pytest.importorskip("gunicorn")
    with serving(tmp_path, collector.endpoint, WSGI, *gunicorn("sync")) as server:
        server.wait_for_workers(3)
        server.ask(range(REQUESTS))
        workers = children_of(server.process.pid)
        server.process.kill()
        server.process.wait()
        until(lambda: not any(map(is_alive, workers)))
    recover(tmp_path, collector.endpoint)
    found = sorted(data["n"] for data in requests_in(collector))
    assert found == list(range(REQUESTS))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_workers_of_uvicorn_deliver_what_they_record(
    tmp_path: Path, collector: FakeCollector, scheme: str, loop: str
) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip(loop)
    endpoint = endpoint_of(collector, scheme)
    command = ("uvicorn", "--workers", "3", "--loop", loop, "--log-level", "warning")
    with serving(tmp_path, endpoint, ASGI, *command) as server:
        server.wait_for_workers(3)
        server.ask(range(REQUESTS))
        code, told = server.end()
    assert code == 0, told
    assert "Traceback" not in told
    # It ends its workers by a signal, so the rest may wait in the spool.
    recover(tmp_path, endpoint)
    assert_each_once(collector.events)
    found = sorted(data["n"] for data in requests_in(collector))
    assert found == list(range(REQUESTS))
    assert len(data_of(collector.events, "boot")) == 3


def numbers_in_file(path: Path) -> list[int]:
    """Return the numbers of the requests that an output file tells of, sorted."""
    events = [json.loads(line) for line in path.read_bytes().splitlines() if line]
    return sorted(data["n"] for data in data_of(events, "request"))


def test_a_server_that_a_signal_ends_has_each_request_in_its_file(
    tmp_path: Path, collector: FakeCollector
) -> None:
    """It raises the signal again, so nothing of chaukas runs at its end."""
    pytest.importorskip("uvicorn")
    endpoint = collector.endpoint
    collector.stop()
    record = tmp_path / "events.jsonl"
    environ = {
        "CHAUKAS_OUTPUT_MODE": "file,http",
        "CHAUKAS_OUTPUT_FILE": str(record),
        "CHAUKAS_FLUSH_INTERVAL": "1",
    }
    command = ("uvicorn", "--log-level", "warning")
    with serving(tmp_path, endpoint, ASGI, *command, **environ) as server:
        server.ask(range(REQUESTS))
        code, told = server.end()
    assert code == -signal.SIGTERM, told
    assert numbers_in_file(record) == list(range(REQUESTS))


LIFESPAN = """
    import chaukas

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            chaukas.enable_chaukas(strict=True, integrations=[])
            await send({"type": "lifespan.startup.complete"})
            await receive()
            chaukas.disable_chaukas(60.0)
            await send({"type": "lifespan.shutdown.complete"})
            return
        chaukas.event("request", {"n": int(scope["query_string"])})
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1"})
    """


def test_a_server_that_disables_at_its_end_leaves_no_tail(
    tmp_path: Path, collector: FakeCollector
) -> None:
    """The two lines that the documents name."""
    pytest.importorskip("uvicorn")
    command = ("uvicorn", "--log-level", "warning")
    environ = {"CHAUKAS_FLUSH_INTERVAL": "1"}
    with serving(tmp_path, collector.endpoint, LIFESPAN, *command, **environ) as server:
        server.ask(range(REQUESTS))
        code, told = server.end()
    assert code == -signal.SIGTERM, told
    assert sorted(d["n"] for d in requests_in(collector)) == list(range(REQUESTS))
    assert spools_in(tmp_path / "spool") == []


def test_no_delivered_event_stays_on_the_disk_of_a_server_that_a_signal_ends(
    tmp_path: Path, collector: FakeCollector
) -> None:
    pytest.importorskip("uvicorn")
    command = ("uvicorn", "--workers", "2", "--log-level", "warning")
    with serving(tmp_path, collector.endpoint, ASGI, *command) as server:
        server.wait_for_workers(2)
        server.ask(range(REQUESTS))
        until(lambda: len(requests_in(collector)) == REQUESTS)
        until(lambda: content_of(tmp_path / "spool") == b"")
        server.end()
    assert content_of(tmp_path / "spool") == b""
    recover(tmp_path, collector.endpoint)
    assert_each_once(collector.events)


def content_of(spool: Path) -> bytes:
    """Return all that waits in the spools, while others may be removing it."""
    found = b""
    for path in spool.glob("*/*.seg"):
        with suppress(FileNotFoundError):
            found += path.read_bytes()
    return found


CHILDREN = """
    import multiprocessing

    def work(number):
        chaukas.is_enabled() or enable()
        chaukas.event("request", {{"n": number, "pid": os.getpid()}})
        return number

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        enable()
        chaukas.event("boot", {{"pid": os.getpid()}})
        {body}
    """
PROCESSES = """
        children = [context.Process(target=work, args=(n,)) for n in range(4)]
        for child in children: child.start()
        for child in children: child.join()
        assert [child.exitcode for child in children] == [0] * 4
"""
POOL = """
        with context.Pool(3) as pool:
            assert pool.map(work, range(24), chunksize=1) == list(range(24))
            pool.close()
            pool.join()
"""
EXECUTOR = """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(3, context) as pool:
            assert list(pool.map(work, range(24))) == list(range(24))
"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    ("body", "count"), [(PROCESSES, 4), (POOL, 24), (EXECUTOR, 24)]
)
def test_children_of_multiprocessing_deliver_what_they_record(
    tmp_path: Path,
    collector: FakeCollector,
    scheme: str,
    method: str,
    body: str,
    count: int,
) -> None:
    program = CHILDREN.format(method=method, body=body.strip())
    process = begin(tmp_path, endpoint_of(collector, scheme), program)
    out, error = process.communicate(timeout=120)
    assert (process.returncode, out, error) == (0, "", "")
    assert_all_told(collector, count)
    assert len(data_of(collector.events, "boot")) == 1
    assert spools_in(tmp_path / "spool") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_child_that_outlives_its_killed_parent_delivers_for_both(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        """
        enable()
        chaukas.event("request", {"n": 0, "pid": os.getpid()})
        assert chaukas.flush(60.0)
        parent = os.getpid()
        if os.fork():
            chaukas.event("request", {"n": 1, "pid": os.getpid()})
            time.sleep(0.2)
            os.kill(os.getpid(), 9)
        while os.getppid() == parent:
            time.sleep(0.001)
        chaukas.event("request", {"n": 2, "pid": os.getpid()})
        assert chaukas.flush(60.0)
        spool = os.environ["CHAUKAS_SPOOL_DIR"]
        while len(os.listdir(spool)) > 1:
            time.sleep(0.01)
        """,
    )
    process.communicate(timeout=60)
    assert process.returncode == -9
    until(lambda: len(requests_in(collector)) == 3)
    until(lambda: spools_in(tmp_path / "spool") == [])
    assert sorted(data["n"] for data in requests_in(collector)) == [0, 1, 2]
    assert_each_once(collector.events)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forks_while_events_are_being_sent_lose_and_double_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        """
        enable()
        stop = threading.Event()
        sent = [0] * 3
        def work(index):
            while not stop.is_set():
                chaukas.event("busy", {"n": sent[index], "of": index, "x": "y " * 500})
                sent[index] += 1
                stop.wait(0.0005)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads: thread.start()
        for number in range(60):
            pid = os.fork()
            if not pid:
                chaukas.event("request", {"n": number, "pid": os.getpid()})
                os._exit(0 if chaukas.disable_chaukas(20) else 1)
            assert os.waitpid(pid, 0)[1] == 0, number
        stop.set()
        for thread in threads: thread.join()
        assert chaukas.disable_chaukas(60.0)
        print(json.dumps(sent))
        """,
    )
    out, error = process.communicate(timeout=120)
    assert (process.returncode, own_words(error)) == (0, "")
    assert_all_told(collector, 60)
    for index, count in enumerate(json.loads(out)):
        busy = [d["n"] for d in data_of(collector.events, "busy") if d["of"] == index]
        assert busy == list(range(count))
    assert spools_in(tmp_path / "spool") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forks_while_chaukas_loads_what_it_needs_harm_no_child(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        """
        enable()
        chaukas.event("boot", {"pid": os.getpid()})
        children = []
        for number in range(30):
            pid = os.fork()
            if not pid:
                chaukas.event("request", {"n": number, "pid": os.getpid()})
                os._exit(0 if chaukas.disable_chaukas(20) else 1)
            children.append(pid)
            time.sleep(0.005)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 30
        """,
    )
    out, error = process.communicate(timeout=120)
    assert (process.returncode, out, own_words(error)) == (0, "", "")
    assert_all_told(collector, 30)


def own_words(error: str) -> str:
    """Return what a program printed without the notes of the gRPC library."""
    lines = error.splitlines(keepends=True)
    return "".join(line for line in lines if "fork_posix.cc" not in line)
