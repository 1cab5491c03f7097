"""The lock of a spool: nobody else ever has it while the owner lives, nor after it."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import pytest

from chaukas.sdk.delivery.recovery_thread import RecoveryThread
from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.inspect import survey
from chaukas.sdk.delivery.spool.recovery import find
from chaukas.sdk.pipeline.log_limit import LogLimit
from chaukas.sdk.sinks.disk import Disk
from chaukas.sdk.sinks.rotation import Rotation, rotate, rotated_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaukas.sdk.delivery.spool.recovery import Adopted

LINE = b'{"n":1}\n'


def spool_in(folder: Path, disk: Disk | None = None, stream: str = "s") -> Spool:
    return Spool(str(folder), stream, keys=["http"], limit_bytes=1 << 20, disk=disk)


def adopt_from(folder: Path, disk: Disk | None = None) -> list[Adopted]:
    """Do what another process does when it looks for spools of dead ones."""
    return find(
        str(folder),
        ("http",),
        disk or Disk(),
        limit=10,
        on_lost=lambda reason, count: None,
        log_limit=LogLimit(),
    )


class Watched(Disk):
    """A disk with another process that looks into the spools at each step."""

    def __init__(self, folder: Path) -> None:
        self.adopted: list[Adopted] = []
        self.steps = 0
        self._folder = folder
        self._is_looking = False

    def __getattribute__(self, name: str) -> Any:
        operation = super().__getattribute__(name)
        if name not in vars(Disk) or self._is_looking:
            return operation

        def step(*args: Any, **options: Any) -> Any:
            self._look()
            try:
                return operation(*args, **options)
            finally:
                self._look()

        return step

    def _look(self) -> None:
        self._is_looking = True
        self.steps += 1
        self.adopted += adopt_from(self._folder)
        survey(str(self._folder))
        self._is_looking = False


def test_nobody_gets_hold_of_a_spool_while_its_owner_makes_it(tmp_path: Path) -> None:
    disk = Watched(tmp_path)
    spool = spool_in(tmp_path, disk)
    verdict = spool.send([LINE])
    assert (verdict.accepted, verdict.error) == (1, "")
    assert disk.adopted == []
    assert disk.steps > 20
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_nobody_gets_hold_of_a_spool_whose_segment_is_made_again(
    tmp_path: Path,
) -> None:
    disk = Watched(tmp_path)
    spool = spool_in(tmp_path, disk)
    spool.send([LINE])
    for segment in (tmp_path / "s").glob("*.seg"):
        segment.unlink()
    assert spool.send([LINE]).error == ""
    assert disk.adopted == []


def test_a_spool_that_was_never_finished_goes_once_it_is_old(tmp_path: Path) -> None:
    class Killed(Disk):
        def rename(self, path: str, target: str) -> None:
            os._exit(0)

    killed_after(lambda: spool_in(tmp_path, Killed()).send([LINE]))
    [left] = tmp_path.iterdir()
    assert adopt_from(tmp_path) == []
    assert left.exists()
    os.utime(left, (1, 1))
    [adopted] = adopt_from(tmp_path)
    adopted.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_is_being_made_stays_however_long_it_takes(tmp_path: Path) -> None:
    class Suspended(Disk):
        def rename(self, path: str, target: str) -> None:
            os.utime(path, (1, 1))
            adopt_from(tmp_path)
            super().rename(path, target)

    assert spool_in(tmp_path, Suspended()).send([LINE]).accepted == 1


def test_a_spool_in_which_nothing_was_written_is_held_no_longer_than_a_look(
    tmp_path: Path,
) -> None:
    """Its owner may be about to write, if it is one that locks what it has made."""
    spool = spool_in(tmp_path)
    spool.send([LINE])
    (tmp_path / "empty").mkdir(mode=0o700)
    (tmp_path / "empty" / "lock").touch()
    keeper = RecoveryThread(
        spool, {}, on_lost=lambda reason, count: None, on_adopted=lambda adopted: True
    )
    keeper.wake()
    keeper.turn()
    assert (keeper.held, (tmp_path / "empty").exists()) == ((), False)


# --- forks -----------------------------------------------------------------------


@final
class Forking(Disk):
    """Forks at the first call of one operation, as another thread might just then."""

    def __init__(self, operation: str) -> None:
        self.pid = 0
        self._operation = operation
        self._is_due = True
        self._life, self._end = os.pipe()
        self._ready, self._tell = os.pipe()

    def __getattribute__(self, name: str) -> Any:
        operation = super().__getattribute__(name)
        if name not in vars(Disk) or name != self._operation or not self._is_due:
            return operation

        def forked(*args: Any, **options: Any) -> Any:
            done = operation(*args, **options)
            self._is_due = False
            self.pid = os.fork()
            if not self.pid:
                self._live()
            return done

        return forked

    def _live(self) -> None:
        """Be the child, until the test is over."""
        os.close(self._end)
        os.write(self._tell, b".")
        os.read(self._life, 1)
        os._exit(0)

    def wait_for_child(self) -> None:
        """Wait until there is a child, and it has done what it does after a fork."""
        os.close(self._tell)
        assert os.read(self._ready, 1) == b"."

    def end(self) -> None:
        for fd in (self._end, self._life, self._ready):
            os.close(fd)
        if self.pid:
            os.waitpid(self.pid, 0)


@contextmanager
def forking(operation: str) -> Iterator[Forking]:
    disk = Forking(operation)
    try:
        yield disk
    finally:
        disk.end()


def killed_after(work: Callable[[], object]) -> None:
    """Do something in a process that is killed at once after it."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


LOCKING = ("open", "lock", "find_itself", "status")


@pytest.mark.parametrize("operation", [*LOCKING, "make_folder", "rename", "write"])
def test_a_child_that_outlives_the_owner_does_not_keep_its_lock(
    tmp_path: Path, operation: str
) -> None:
    with forking(operation) as disk:
        killed_after(lambda: spool_in(tmp_path, disk).send([LINE]))
        disk.wait_for_child()
        [adopted] = adopt_from(tmp_path)
        assert (adopted.written, adopted.keys) == (1, ("http",))
        adopted.unlock()


@pytest.mark.parametrize("operation", [*LOCKING, "names", "lines"])
def test_a_child_that_outlives_an_heir_does_not_keep_the_lock(
    tmp_path: Path, operation: str
) -> None:
    killed_after(lambda: spool_in(tmp_path).send([LINE]))
    with forking(operation) as disk:
        killed_after(lambda: adopt_from(tmp_path, disk))
        disk.wait_for_child()
        [adopted] = adopt_from(tmp_path)
        adopted.unlock()


@pytest.mark.parametrize("operation", [*LOCKING, "names", "lines"])
def test_what_an_heir_leaves_to_others_is_not_locked_by_its_child(
    tmp_path: Path, operation: str
) -> None:
    killed_after(lambda: spool_in(tmp_path).send([LINE]))
    with forking(operation) as disk:
        [adopted] = adopt_from(tmp_path, disk)
        disk.wait_for_child()
        adopted.unlock()
        [again] = adopt_from(tmp_path)
        again.unlock()


@pytest.mark.parametrize("operation", [*LOCKING, "write"])
def test_an_owner_may_lock_its_folder_again_while_a_child_lives(
    tmp_path: Path, operation: str
) -> None:
    with forking(operation) as disk:
        spool = spool_in(tmp_path, disk)
        spool.send([LINE])
        disk.wait_for_child()
        for path in (tmp_path / "s").iterdir():
            path.unlink()
        assert spool.send([LINE]).error == ""
        spool.abandon()


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_child_neither_unlocks_nor_removes_what_its_parent_owns(
    tmp_path: Path, waiting: int
) -> None:
    spool = spool_in(tmp_path)
    spool.send([LINE])
    spool.segments.acks.positions["http"] = 1 - waiting
    pid = os.fork()
    if not pid:
        spool.retire()
        os._exit(0)
    os.waitpid(pid, 0)
    assert adopt_from(tmp_path) == []
    assert (tmp_path / "s" / "lock").exists()


@pytest.mark.parametrize("operation", ["open", "lock", "find", "rename"])
def test_a_child_does_not_keep_others_from_rotating_a_file(
    tmp_path: Path, operation: str
) -> None:
    path = tmp_path / "events.jsonl"
    rotation = Rotation(limit_bytes=1, keep=5)
    with forking(operation) as disk:
        for own in (disk, Disk()):
            path.write_bytes(LINE)
            assert rotate(str(path), path.stat().st_ino, rotation, own, 0.0)
        disk.wait_for_child()
    assert len(rotated_names(str(path), Disk())) == 2
