"""Forks that come while threads of chaukas import, or are in the middle of a call."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from chaukas.sdk.system import fork_guard
from chaukas.sdk.system.fork_guard import holding_forks
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
        with holding_forks():
            import slow_to_load  # noqa: F401

    thread = threading.Thread(target=load)
    thread.start()
    assert begun.wait(60)
    yield end
    end.set()
    thread.join()
    sys.modules.pop("slow_to_load", None)


def is_held_back(ident: int) -> bool:
    """Tell whether the main thread stands before its fork."""
    frame = sys._current_frames()[ident]
    codes = {frame.f_code, frame.f_back.f_code if frame.f_back else None}
    return fork_guard._before.__code__ in codes


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
    monkeypatch.setattr(fork_guard, "_LONGEST_S", 0.01)
    pid = os.fork()
    if not pid:
        # Those who are inside in the parent do not exist here.
        with holding_forks():
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert fork_guard._gate.others() == 1
    assert fork_guard._gate.forks == 0


def test_a_fork_in_the_middle_of_ones_own_import_goes_on() -> None:
    with holding_forks():
        pid = os.fork()
        if not pid:
            with holding_forks():
                os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert not fork_guard._gate.inside


def test_a_call_that_can_be_ended_is_ended_for_a_fork() -> None:
    begun, end = threading.Event(), threading.Event()
    ended_before_fork: list[bool] = []

    def interrupt() -> None:
        end.set()
        raise RuntimeError

    def call() -> None:
        with holding_forks(interrupt=interrupt):
            begun.set()
            end.wait()
            ended_before_fork.append(fork_guard._gate.forks == 1)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(60)
    pid = os.fork()
    if not pid:
        os._exit(0)
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0
    assert ended_before_fork == [True]
    assert not fork_guard._gate.interrupts


def test_nobody_goes_in_while_a_fork_waits() -> None:
    fork_guard._before()
    done = threading.Event()

    def enter() -> None:
        with holding_forks():
            done.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not done.wait(0.02)
    fork_guard._after_in_parent()
    thread.join()
    assert done.is_set()
