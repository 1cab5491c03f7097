"""One limit for all that lies in a spool folder, over all processes."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from chaukas.testing import FakeCollector
from tests.support.deliveries import assert_each_once, begin, recover

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault

LIMIT_BYTES = 1 << 20
SMALL_FILES_BYTES = 8192
"""Lock, page and positions of one spool."""

CRASHES = """
import hashlib
enable(spool_limit=1 << 20)
text = hashlib.sha512(b"x").hexdigest() * 60
for n in range(200):
    chaukas.event("n", {"n": n, "text": text})
    if n % 20 == 0: chaukas.flush(0.2)
chaukas.flush(0.2)
stats = chaukas.stats()
print(json.dumps([stats.emitted, stats.spooled, stats.queued, dict(stats.dropped)]))
sys.stdout.flush()
os._exit(9)
"""


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address that nobody listens at, and that nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def size_of(spool: Path) -> int:
    return sum(p.lstat().st_size for p in spool.rglob("*") if p.is_file())


def crash(folder: Path, endpoint: str, count: int) -> list[dict[str, int]]:
    """Run so many programs at once, which crash; return what each had dropped."""
    processes = [begin(folder, endpoint, CRASHES) for _ in range(count)]
    dropped = []
    for process in processes:
        out, error = process.communicate(timeout=120)
        assert process.returncode == 9, error
        emitted, spooled, queued, lost = json.loads(out)
        assert emitted == spooled + queued + sum(lost.values())
        dropped.append(lost)
    return dropped


def test_a_program_that_crashes_again_and_again_fills_no_disk(
    tmp_path: Path, closed_port: str
) -> None:
    dropped = [crash(tmp_path, closed_port, 1)[0] for _ in range(5)]
    assert size_of(tmp_path / "spool") <= LIMIT_BYTES + 5 * SMALL_FILES_BYTES
    assert dropped[0].keys() <= {"spool_full"}
    assert dropped[-1]["spool_full"] > 100


def test_many_workers_at_once_fill_no_disk(tmp_path: Path, closed_port: str) -> None:
    dropped = crash(tmp_path, closed_port, 10)
    assert size_of(tmp_path / "spool") <= LIMIT_BYTES + 10 * SMALL_FILES_BYTES
    assert sum(lost.get("spool_full", 0) for lost in dropped) > 500


def test_a_full_folder_takes_events_again_once_the_collector_has_them(
    tmp_path: Path,
) -> None:
    with FakeCollector() as collector:
        endpoint = collector.endpoint
        collector.stop()
        crash(tmp_path, endpoint, 1)
        (before,) = crash(tmp_path, endpoint, 1)
        collector.start()
        recover(tmp_path, endpoint, spool_limit=LIMIT_BYTES)
        assert_each_once(collector.events)
        collector.stop()
        (after,) = crash(tmp_path, endpoint, 1)
    assert before["spool_full"] > 100 > after.get("spool_full", 0)
