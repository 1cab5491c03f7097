"""Imports on threads of chaukas, and forks that come in the middle of them."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from chaukas.sdk import _loading
from chaukas.sdk._loading import loading
from tests.support.waiting import until

SLOW = """
import sys
gates = sys.gates
gates[0].set()
gates[1].wait()
WHOLE = True
"""


@pytest.fixture
def slow_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Begin an import on another thread; return what lets it end, and the thread."""
    (tmp_path / "slow_to_load.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    begun, end = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "gates", (begun, end), raising=False)

    def load() -> None:
        with loading():
            import slow_to_load  # noqa: F401

    thread = threading.Thread(target=load)
    thread.start()
    assert begun.wait(10)
    yield end
    end.set()
    thread.join()
    sys.modules.pop("slow_to_load", None)


def is_held_back(ident: int) -> bool:
    """Tell whether the main thread stands before its fork."""
    return sys._current_frames()[ident].f_code is _loading._hold.__code__


def test_a_fork_waits_for_the_end_of_an_import(slow_import) -> None:
    main = threading.get_ident()

    def let_go() -> None:
        until(lambda: is_held_back(main))
        slow_import.set()

    helper = threading.Thread(target=let_go)
    helper.start()
    pid = os.fork()
    if not pid:
        try:
            import slow_to_load

            os._exit(0 if slow_to_load.WHOLE else 1)
        finally:
            os._exit(2)
    helper.join()
    assert os.waitpid(pid, 0)[1] == 0


def test_a_fork_does_not_wait_for_ever(
    slow_import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loading, "_LONGEST_S", 0.01)
    pid = os.fork()
    if not pid:
        # The child has a lock of its own, and the parent's stays as it is.
        with loading():
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert not _loading._lock.acquire(timeout=0.01)


def test_a_fork_in_the_middle_of_ones_own_import_goes_on() -> None:
    with loading():
        pid = os.fork()
        if not pid:
            with loading():
                os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    with loading():
        pass
