"""Killed collectors, jumping clocks, floods, vanishing clients: nothing is lost."""

from __future__ import annotations

import http.client
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import orjson
import pytest

import chaukas
from tests.support.collector_process import (
    BATCH,
    LINES,
    CollectorProcess,
    command,
    events,
    ids_in,
    known_key,
    lines_of,
)
from tests.support.waiting import until

pytestmark = pytest.mark.fault

ROUNDS = 50
CLIENTS = 3


# --- killed -----------------------------------------------------------------------


class Client(threading.Thread):
    """Sends batches until the server is gone; remembers what was acknowledged."""

    def __init__(self, collector, name):
        super().__init__()
        self.place, self.label = collector.place, name
        self.acked: list[str] = []
        self.sent: list[list[dict[str, object]]] = []

    def run(self):
        client = http.client.HTTPConnection(self.place, timeout=60)
        start = 0
        try:
            while True:
                batch = events(20, self.label, start)
                start += 20
                self.sent.append(batch)
                client.request("POST", BATCH, lines_of(batch), LINES)
                answer = client.getresponse()
                verdict = orjson.loads(answer.read())
                if answer.status == 202 and verdict["accepted"] == 20:
                    self.acked += [str(one["event_id"]) for one in batch]
        except (OSError, http.client.HTTPException, ValueError):
            client.close()


def test_every_acknowledged_event_is_there_after_50_kills_and_none_twice(tmp_path):
    seeded = random.Random(7)
    acked: list[str] = []
    sent: list[list[dict[str, object]]] = []
    with CollectorProcess(tmp_path / "data", "--log-level", "warning") as collector:
        for number in range(ROUNDS):
            clients = [Client(collector, f"{number}-{n}") for n in range(CLIENTS)]
            for client in clients:
                client.start()
            threading.Event().wait(seeded.uniform(0.02, 0.25))
            collector.kill()
            for client in clients:
                client.join()
                acked += client.acked
                sent += client.sent
            collector.start()
        found = ids_in(tmp_path / "data")
        assert acked
        assert set(acked) <= set(found)
        assert len(found) == len(set(found))

        # Whoever got no answer sends again: nothing becomes two rows.
        for batch in sent:
            assert collector.post(lines_of(batch))[0] == 202

    found = ids_in(tmp_path / "data")
    assert sorted(found) == sorted(str(one["event_id"]) for b in sent for one in b)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_applications_lose_nothing_over_restarts_under_load(tmp_path, protocol):
    total = 2000
    with CollectorProcess(tmp_path / "data", "--log-level", "warning") as collector:
        chaukas.enable_chaukas(
            endpoint=getattr(collector, protocol),
            tenant_id="app",
            spool_dir=tmp_path / "spool",
            integrations=[],
        )
        try:
            for number in range(total):
                chaukas.event("tick", data={"number": number})
                if number % 500 == 250:
                    (collector.kill if number % 1000 == 250 else collector.stop)()
                    collector.start()
                if number % 50 == 0:
                    threading.Event().wait(0.005)
            assert chaukas.flush(60)
            stats = chaukas.stats()
        finally:
            chaukas.disable_chaukas()
    connection = sqlite3.connect(tmp_path / "data" / "events.sqlite")
    lines = [one for (one,) in connection.execute("SELECT line FROM body")]
    connection.close()
    metadata = [orjson.loads(line)["metadata"] for line in lines]
    ticks = [one["data"]["number"] for one in metadata if one.get("name") == "tick"]
    assert sorted(ticks) == list(range(total))
    assert sum(stats.dropped.values()) == 0


# --- clocks -----------------------------------------------------------------------

JUMPING = """
import time
from pathlib import Path

shift = Path({shift!r})
right, right_ns = time.time, time.time_ns
time.time = lambda: right() + float(shift.read_text())
time.time_ns = lambda: right_ns() + int(float(shift.read_text()) * 1e9)
from chaukas.cli import main
main()
"""
YEARS_S = 10 * 365 * 86_400


def test_clocks_that_jump_lose_nothing_and_double_nothing(tmp_path):
    shift, fresh = tmp_path / "shift", tmp_path / "fresh"
    shift.write_text("0")
    program = tmp_path / "jumping.py"
    program.write_text(JUMPING.format(shift=str(shift)))
    moments = (
        "2026-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "yesterday", "",
    )  # fmt: skip
    with CollectorProcess(tmp_path / "data", program=program) as collector:
        sent = []
        for number, jump_s in enumerate((0, YEARS_S, -YEARS_S, 0, 3600, -3600)):
            # As a whole: the server reads it at any moment.
            fresh.write_text(str(jump_s))
            fresh.replace(shift)
            batch = events(20, "a", number * 20)
            for index, one in enumerate(batch):
                one["timestamp"] = moments[(index + number) % len(moments)]
            sent += batch
            answer = collector.post(lines_of(batch))[1]
            assert (answer["accepted"], answer["rejected"]) == (20, [])
        again = collector.post(lines_of(sent))[1]
        assert (again["accepted"], again["duplicate"]) == (0, len(sent))
        for path in (
            "/api/runs", "/api/sessions", "/api/events?limit=1000", "/api/summary",
            "/api/numbers?by=day", "/v1/stats", "/metrics",
        ):  # fmt: skip
            assert collector.ask("GET", path)[0] == 200, path
        assert sorted(ids_in(collector.data)) == sorted(o["event_id"] for o in sent)


# --- floods -----------------------------------------------------------------------


class Flood(threading.Thread):
    """Sends the same request again and again; counts the answers by status."""

    def __init__(self, collector, stop, body, headers):
        super().__init__(daemon=True)
        self.collector, self.stop, self.request = collector, stop, (body, headers)
        self.answers: dict[int, int] = {}

    def run(self):
        while not self.stop.is_set():
            with suppress(OSError):
                status = self.collector.ask("POST", BATCH, *self.request)[0]
                self.answers[status] = self.answers.get(status, 0) + 1


def test_a_healthy_client_is_answered_while_others_flood(tmp_path):
    with CollectorProcess(tmp_path / "data", "--log-level", "warning") as collector:
        healthy = known_key(collector, "healthy")
        limited = known_key(collector, "limited", "ingest", "--events-per-second", "10")
        stop = threading.Event()
        body = lines_of(events(10, "limited"))
        floods = [
            Flood(collector, stop, body, {**LINES, "authorization": f"Bearer {key}"})
            for key in ("ck_wrong", "ck_wrong", limited, limited)
        ]
        for flood in floods:
            flood.start()
        try:
            until(lambda: all(flood.answers for flood in floods))
            for number in range(100):
                batch = lines_of(events(5, "healthy", number * 5))
                status, answer = collector.post(batch, key=healthy)
                assert (status, answer["accepted"]) == (202, 5)
        finally:
            stop.set()
            for flood in floods:
                flood.join()
        for flood in floods:
            assert set(flood.answers) <= {202, 401, 429}
        assert any(429 in flood.answers for flood in floods)
        kept = [one for one in ids_in(collector.data) if "healthy" in one]
        assert len(kept) == 500


# --- clients that vanish ----------------------------------------------------------

VANISHING = """
import json, socket, sys

host, port, key = sys.argv[1:]
made = []
for path in ("/api/follow", "/healthz"):
    one = socket.create_connection((host, int(port)), 10)
    head = f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n"
    one.sendall(f"{head}Authorization: Bearer {key}\\r\\n\\r\\n".encode())
    assert b"200" in one.recv(100)
    made.append(one)
half = socket.create_connection((host, int(port)), 10)
half.sendall(b"POST /v1/events HTTP/1.1\\r\\nContent-Length: 9\\r\\n")
print("ready", flush=True)
sys.stdin.read()
"""
LIMITED = """
from chaukas.collector import server
from chaukas.collector.limits import Limits

server.Limits = lambda: Limits(body_s=2, keep_alive_s=3, header_s=2)
from chaukas.cli import main
main()
"""


@pytest.fixture
def far_away():
    """A network of its own, with an address of ours on it; making one takes root."""
    name, address = "ck-far", "10.199.7.1"
    steps = (
        f"ip netns add {name}",
        f"ip link add ck-here type veth peer name ck-there netns {name}",
        f"ip addr add {address}/24 dev ck-here",
        "ip link set ck-here up",
        f"ip -n {name} addr add 10.199.7.2/24 dev ck-there",
        f"ip -n {name} link set ck-there up",
    )
    try:
        for step in steps:
            if subprocess.run(
                step.split(), capture_output=True, check=False
            ).returncode:
                pytest.skip("no right to make a network")
        yield name, address
    finally:
        for step in (f"ip netns del {name}", "ip link del ck-here"):
            subprocess.run(step.split(), capture_output=True, check=False)


def test_a_client_that_vanishes_without_a_word_is_let_go_of(tmp_path, far_away):
    name, address = far_away
    program = tmp_path / "limited.py"
    program.write_text(LIMITED)
    data = tmp_path / "data"
    made = command(
        "key", "create", "--data", str(data), "--tenant", "a", "--scope", "read"
    )
    key = made.stdout.strip()
    options = ("--host", address, "--insecure-behind-proxy")
    with CollectorProcess(data, *options, program=program) as collector:
        client = subprocess.Popen(
            [
                "ip", "netns", "exec", name, sys.executable, "-c", VANISHING, address,
                collector.place.rpartition(":")[2], key,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert client.stdout.readline() == b"ready\n"
            assert connections(collector) > 0
            down = ["ip", "-n", name, "link", "set", "ck-there", "down"]
            subprocess.run(down, check=True)
            until(lambda: connections(collector) == 0)
        finally:
            client.kill()
            client.wait()
            client.stdin.close()
            client.stdout.close()
        headers = {"authorization": f"Bearer {key}"}
        assert collector.ask("GET", "/api/status", headers=headers)[0] == 200


def connections(collector):
    """Return how many connections to a collector the system knows."""
    port = collector.place.rpartition(":")[2]
    shown = subprocess.run(
        ["ss", "-tnHO", "state", "established", f"( sport = :{port} )"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return len([line for line in shown.stdout.splitlines() if line.strip()])
