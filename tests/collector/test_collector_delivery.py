"""Real applications, both protocols, and a collector to which everything happens."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter

import orjson
import pytest

from tests.support.collector_process import (
    ROOT,
    CollectorProcess,
    command,
    events,
    known_key,
    lines_of,
)
from tests.support.waiting import until

pytestmark = pytest.mark.fault

APPLICATION = """
import random
import sys
import threading

import chaukas

name, number, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
seeded = random.Random(seed)
chaukas.enable_chaukas()
for each in range(number):
    data = {"name": name, "number": each, "pad": "x" * (each % 900)}
    chaukas.event("tick", data=data)
    if seeded.random() < 0.05:
        threading.Event().wait(seeded.uniform(0, 0.05))
# A collector that is away is not waited for.
while not chaukas.flush(5):
    threading.Event().wait(0.1)
stats = chaukas.stats()
chaukas.disable_chaukas()
print(sum(stats.dropped.values()))
"""
EACH = 1200
SEEDS = (11, 12)


def started(tmp_path, program, place, tenant, name, key):
    key_file = tmp_path / f"{name}.key"
    key_file.write_text(key)
    key_file.chmod(0o600)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CHAUKAS_")},
        "PYTHONPATH": str(ROOT),
        "CHAUKAS_ENDPOINT": place,
        "CHAUKAS_TENANT_ID": tenant,
        "CHAUKAS_API_KEY_FILE": str(key_file),
        "CHAUKAS_SPOOL_DIR": str(tmp_path / f"spool-{name}"),
    }
    return subprocess.Popen(
        [sys.executable, str(program), name, str(EACH), str(len(name))],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ticks_in(data):
    """Return how often each tick is stored, by tenant, application and number."""
    connection = sqlite3.connect(data / "events.sqlite")
    rows = connection.execute(
        "SELECT e.tenant, b.line FROM event e JOIN body b ON b.id = e.id"
    ).fetchall()
    connection.close()
    found = Counter()
    for tenant, line in rows:
        metadata = orjson.loads(line)["metadata"]
        if metadata.get("name") == "tick":
            found[tenant, metadata["data"]["name"], metadata["data"]["number"]] += 1
    return found


class Faults:
    """What happens to a collector, one thing after another."""

    def __init__(self, collector, tmp_path, seed):
        self.collector, self.tmp_path = collector, tmp_path
        self.seeded = random.Random(seed)
        self.copies = 0

    def kill(self):
        self.collector.kill()
        self.collector.start()

    def restart(self):
        assert self.collector.stop() == 0
        self.collector.start()

    def away(self):
        self.collector.kill()
        threading.Event().wait(self.seeded.uniform(0.1, 0.8))
        self.collector.start()

    def freeze(self):
        self.collector.process.send_signal(19)
        threading.Event().wait(self.seeded.uniform(0.1, 0.6))
        self.collector.process.send_signal(18)

    def erase(self):
        made = events(200, "other")
        other = {**made[0], "session_id": "gone"}
        self.collector.post(lines_of([other, *made[1:]]), key=self.collector.every)
        done = command(
            "retain", "--data", str(self.collector.data), "--tenant", "other",
            "--days", "0",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def copy(self):
        self.copies += 1
        target = self.tmp_path / f"copy-{self.copies}"
        done = command("backup", str(target), "--data", str(self.collector.data))
        assert done.returncode == 0, done.stderr

    def happen(self):
        kinds = [
            self.kill, self.restart, self.away, self.freeze, self.erase,
            self.copy,
        ]  # fmt: skip
        self.seeded.choice(kinds)()
        threading.Event().wait(self.seeded.uniform(0.05, 0.3))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_each_event_of_each_application_is_there_once(tmp_path, seed):
    program = tmp_path / "application.py"
    program.write_text(APPLICATION)
    with CollectorProcess(tmp_path / "data", "--log-level", "warning") as collector:
        collector.every = known_key(collector, "*")
        keys = {tenant: known_key(collector, tenant) for tenant in "ab"}
        running = [
            started(tmp_path, program, place, tenant, f"{tenant}-{kind}", keys[tenant])
            for tenant in "ab"
            for kind, place in collector.addresses.items()
            if kind in ("http", "grpc")
        ]
        faults = Faults(collector, tmp_path, seed)
        for _ in range(12):
            faults.happen()
        told = [one.communicate(timeout=240) for one in running]
        assert [(out.strip(), one.returncode) for one, (out, _) in zip(
            running, told, strict=True
        )] == [("0", 0)] * 4, told  # fmt: skip
        until(lambda: collector.ask("GET", "/readyz")[0] == 200)
        assert collector.stop() == 0

    wanted = {
        (tenant, f"{tenant}-{kind}", number): 1
        for tenant in "ab"
        for kind in ("http", "grpc")
        for number in range(EACH)
    }
    assert ticks_in(tmp_path / "data") == wanted
    problems = [
        line
        for line in command("check", "--data", str(tmp_path / "data")).stdout.split(
            "\n"
        )
        if "tenant" in line or "missing" in line or "altered" in line
    ]
    assert [p for p in problems if " of a" in p or " of b" in p] == []
