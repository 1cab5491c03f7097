"""Spools on a disk that is really full: a file system of a few hundred KiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaukas.testing import FakeCollector
from tests.support.deliveries import assert_each_once, begin, numbers_in
from tests.support.disks import mounted_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault

WITHOUT_SHARED_MEMORY = """
from chaukas.sdk.delivery.spool import crash_counters
crash_counters.SHARED_DIR = "/nowhere"
"""
PAGES = {"shared memory": "", "the spool's disk": WITHOUT_SHARED_MEMORY}

FULL = """
disk = os.environ["SMALL"]

def fill():
    with open(disk + "/ballast", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass

def law():
    stats = chaukas.stats()
    total = stats.acked + stats.spooled + stats.queued + stats.lost
    assert stats.emitted == total, stats

def emit_from_threads(count):
    together = threading.Barrier(count)

    def run(number):
        together.wait()
        chaukas.event("n", {"n": number})
        together.wait()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "small", "256k") as place:
        yield place


def run(folder: Path, small_disk: Path, endpoint: str, body: str) -> str:
    """Run a program whose spool is on the small disk; return what it printed."""
    process = begin(
        folder,
        endpoint,
        body,
        CHAUKAS_SPOOL_DIR=str(small_disk / "spool"),
        SMALL=str(small_disk),
    )
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, (process.returncode, error)
    return out


@pytest.mark.parametrize("page", PAGES)
def test_a_program_starts_on_a_full_disk_and_delivers_once_there_is_room(
    tmp_path: Path, small_disk: Path, page: str
) -> None:
    body = f"""{PAGES[page]}{FULL}
fill()
enable()
emit_from_threads(300)
assert not chaukas.flush(0.3)
law()
assert chaukas.stats().queued == 301
os.unlink(disk + "/ballast")
assert chaukas.flush(60.0)
law()
assert not chaukas.stats().lost
"""
    with FakeCollector() as collector:
        run(tmp_path, small_disk, collector.endpoint, body)
        assert numbers_in(collector.events) == list(range(300))
        assert_each_once(collector.events)


@pytest.mark.parametrize("page", PAGES)
def test_threads_that_come_once_the_disk_is_full_end_no_program(
    tmp_path: Path, small_disk: Path, page: str
) -> None:
    """Each thread has counters of its own, and 300 of them need another page."""
    body = f"""{PAGES[page]}{FULL}
enable()
chaukas.event("first")
assert chaukas.flush(60.0)
fill()
emit_from_threads(300)
chaukas.flush(0.3)
law()
assert not chaukas.stats().lost
os.unlink(disk + "/ballast")
assert chaukas.flush(60.0)
law()
assert not chaukas.stats().lost
"""
    with FakeCollector() as collector:
        run(tmp_path, small_disk, collector.endpoint, body)
        assert numbers_in(collector.events) == list(range(300))
        assert_each_once(collector.events)


READ_ONLY = (
    'subprocess.run(["mount", "-o", "remount,ro", disk], check=True)',
    'subprocess.run(["mount", "-o", "remount,rw", disk], check=True)',
)
REMOVED = 'shutil.rmtree(disk + "/spool")'
NO_FILES = (
    "resource.setrlimit(resource.RLIMIT_NOFILE, (3, FILES[1]))",
    "resource.setrlimit(resource.RLIMIT_NOFILE, FILES)",
)
ENABLE = "enable()"
UNDER_WAY = f"""{ENABLE}
chaukas.event("first")
assert chaukas.flush(60.0)
"""


@pytest.mark.parametrize(
    ("first", "begin_fault", "then", "end_fault"),
    [
        # With a file open for writing, a file system cannot be made read-only.
        pytest.param("", READ_ONLY[0], ENABLE, READ_ONLY[1], id="read-only at first"),
        pytest.param(ENABLE, NO_FILES[0], "", NO_FILES[1], id="no files at first"),
        pytest.param(UNDER_WAY, NO_FILES[0], "", NO_FILES[1], id="no files"),
        pytest.param(UNDER_WAY, REMOVED, "", "", id="removed"),
    ],
)
def test_every_event_is_delivered_waiting_or_counted_after_a_fault_of_the_disk(
    tmp_path: Path,
    small_disk: Path,
    first: str,
    begin_fault: str,
    then: str,
    end_fault: str,
) -> None:
    body = f"""{FULL}
import resource, shutil, subprocess
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)
os.makedirs(disk + "/spool", 0o700)
{first}
{begin_fault}
{then}
emit(40)
chaukas.flush(0.3)
law()
{end_fault}
emit_from_threads(40)
assert chaukas.flush(60.0)
law()
print(chaukas.stats().lost)
"""
    with FakeCollector() as collector:
        lost = int(run(tmp_path, small_disk, collector.endpoint, body))
        assert len(numbers_in(collector.events)) == 80 - lost
        assert_each_once(collector.events)
    # Nothing but what was removed under our hands may be lost.
    assert not lost or begin_fault == REMOVED
