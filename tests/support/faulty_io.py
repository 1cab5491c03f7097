"""A disk and a sink that fail when they are told to."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from chaukas.sdk.sinks import Verdict
from chaukas.sdk.sinks.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class FaultyDisk(Disk):
    """
    Does what `Disk` does, except for the faults that were asked for.

    `fail("write", ENOSPC)` makes every write fail until `heal()`; with
    `times=2` only the next two. `shorten(n)` makes the next write take n bytes.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        self.open_fds: set[int] = set()
        self._faults: dict[str, list[float]] = {}
        self._short: list[int] = []

    def fail(self, operation: str, code: int, times: float = float("inf")) -> None:
        self._faults[operation] = [code, times]

    def shorten(self, *sizes: int) -> None:
        self._short.extend(sizes)

    def heal(self) -> None:
        self._faults.clear()
        self._short.clear()

    def open(self, path: str, flags: int) -> int:
        fd: int = self._do("open", super().open, path, flags)
        self.open_fds.add(fd)
        return fd

    def close(self, fd: int) -> None:
        self.open_fds.discard(fd)
        self._do("close", super().close, fd)

    def write(self, fd: int, data: bytes) -> int:
        if self._short:
            data = data[: self._short.pop(0)]
        return int(self._do("write", super().write, fd, data))

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        return int(self._do("write_at", super().write_at, fd, data, offset))

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self._do("read_at", super().read_at, fd, size, offset))

    def cut(self, fd: int, size: int) -> None:
        self._do("cut", super().cut, fd, size)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        self._do("allocate", super().allocate, fd, offset, size)

    def sync_data(self, fd: int) -> None:
        self._do("sync_data", super().sync_data, fd)

    def make_folder(self, path: str) -> None:
        self._do("make_folder", super().make_folder, path)

    def remove(self, path: str) -> None:
        self._do("remove", super().remove, path)

    def find(self, path: str) -> os.stat_result | None:
        found: os.stat_result | None = self._do("find", super().find, path)
        return found

    def find_itself(self, path: str) -> os.stat_result | None:
        found: os.stat_result | None = self._do("find", super().find_itself, path)
        return found

    def make_directory(self, path: str) -> None:
        self._do("make_directory", super().make_directory, path)

    def rename(self, path: str, target: str) -> None:
        self._do("rename", super().rename, path, target)

    def _do(self, operation: str, real: Callable[..., Any], *args: Any) -> Any:
        self.calls[operation] += 1
        fault = self._faults.get(operation)
        if fault is not None and fault[1] > 0:
            fault[1] -= 1
            raise OSError(int(fault[0]), os.strerror(int(fault[0])))
        return real(*args)


class FlakySink:
    """
    Keeps events as `MemorySink` does, after the verdicts it was given.

    Each entry of `answers` serves one `send`: a number is how many events are
    accepted, with an error unless that is all of them; an exception is raised;
    a verdict is returned. While `gate` is cleared, `send` blocks.
    """

    def __init__(self, *answers: int | BaseException | Verdict) -> None:
        self.answers = list(answers)
        self.lines: list[bytes] = []
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_sending = threading.Event()
        self.is_closed = False
        self.is_abandoned = False
        self.is_down = False

    def send(self, batch: Sequence[bytes]) -> Verdict:
        self.is_sending.set()
        self.gate.wait()
        self.batches.append(len(batch))
        answer = self.answers.pop(0) if self.answers else len(batch)
        if self.is_down:
            answer = 0
        if isinstance(answer, BaseException):
            raise answer
        if not isinstance(answer, Verdict):
            is_short = answer < len(batch)
            answer = Verdict(
                min(answer, len(batch)),
                cause="EFLAKY" if is_short else "",
                error="chaukas: the sink is flaky." if is_short else "",
            )
        self.lines.extend(batch[: answer.accepted])
        return answer

    def close(self) -> None:
        self.is_closed = True

    def abandon(self) -> None:
        self.is_abandoned = True
