"""Every way in which a process ends: same exit for the program, all events written."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.programs import Done, begin, finish, play
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault


def assert_whole(done: Done, runs: int = 1) -> None:
    """Check that the runs are there, every pair is closed and the end is told."""
    kinds = done.kinds()
    assert kinds["AGENT_START"] == runs
    for kind in [k for k in kinds if k.endswith("_START")]:
        assert kinds[kind] == kinds[kind.replace("_START", "_END")], kind
    assert done.named("chaukas.disabled")


def test_a_program_that_flushes_nothing_loses_nothing(tmp_path: Path) -> None:
    done = play(tmp_path, "enable(); run(); run()")
    assert (done.code, done.out, done.error) == (0, "", "")
    assert_whole(done, runs=2)
    [end] = [e for e in done.events if e["type"] == "EVENT_TYPE_SESSION_END"]
    assert end["session_end"]["metadata"]["reason"] == "exit"
    assert end["status"] == "EVENT_STATUS_COMPLETED"


@pytest.mark.parametrize(
    ("ending", "code", "last"),
    [
        ("sys.exit(3)", 3, ""),
        ("raise ValueError('mine')", 1, "ValueError: mine"),
        ("raise SystemExit('told')", 1, "told"),
        ("raise KeyboardInterrupt", -2, "KeyboardInterrupt"),
    ],
)
def test_a_program_that_breaks_off_ends_as_it_would(
    tmp_path: Path, ending: str, code: int, last: str
) -> None:
    done = play(tmp_path, f"enable(); run()\n{ending}")
    assert done.code == code
    assert done.error.strip().splitlines()[-1:] == ([last] if last else [])
    assert "chaukas" not in done.error
    assert_whole(done)


def test_an_exit_in_a_thread_ends_the_thread(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        def work():
            run()
            sys.exit(4)
        thread = threading.Thread(target=work)
        thread.start(); thread.join()
        run()
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done, runs=2)


def test_a_thread_that_outlives_the_main_one_is_recorded(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        main = threading.current_thread()
        def work():
            main.join()
            run()
        threading.Thread(target=work).start()
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done)


def test_a_run_that_the_exit_cuts_off_is_closed(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        inside = threading.Event()
        def wait() -> str:
            "Wait for ever."
            inside.set()
            threading.Event().wait()
        threading.Thread(target=run_tool, args=(wait,), daemon=True).start()
        inside.wait()
        # The tool's own thread would be joined, so the program ends without that.
        import atexit, concurrent.futures.thread as pool
        atexit.unregister(pool._python_exit)
        threading._threading_atexits.clear()
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done)
    for kind in ("TOOL_CALL_END", "AGENT_END"):
        [end] = [e for e in done.events if e["type"] == f"EVENT_TYPE_{kind}"]
        assert end["status"] == "EVENT_STATUS_CANCELLED"
        assert end["metadata"]["orphan"] is True
    # Innermost first, and the session last.
    ends = [e["type"] for e in done.events if e["type"].endswith("_END")]
    assert ends[-3:] == [
        "EVENT_TYPE_TOOL_CALL_END",
        "EVENT_TYPE_AGENT_END",
        "EVENT_TYPE_SESSION_END",
    ]


def test_events_at_the_very_end_do_no_harm(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import atexit
        class Last:
            def __del__(self):
                chaukas.event("in __del__")
                chaukas.flush(); chaukas.stats(); chaukas.end_session()
        keep = Last()
        sys.keep = Last()
        atexit.register(lambda: chaukas.event("atexit, registered before"))
        enable()
        atexit.register(lambda: chaukas.event("atexit, registered after"))
        run()
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done)
    assert done.named("atexit, registered after")
    assert not done.named("atexit, registered before")


def test_events_after_disabling_do_no_harm(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable(); run()
        chaukas.disable_chaukas(60.0)
        chaukas.event("late"); run()
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done)
    assert not done.named("late")


def test_enabling_at_exit_does_no_harm(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import atexit
        atexit.register(lambda: (enable(), run()))
        """,
    )
    assert (done.code, done.error) == (0, "")


def test_an_exit_that_skips_everything_keeps_what_was_flushed(tmp_path: Path) -> None:
    done = play(tmp_path, "enable(); run(); chaukas.flush(); os._exit(5)")
    assert (done.code, done.error) == (5, "")
    assert done.kinds()["AGENT_END"] == 1
    assert done.kinds()["SESSION_END"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_program_as_without_chaukas(
    tmp_path: Path, number: signal.Signals
) -> None:
    body = """
        {enable}
        run()
        {flush}
        print("ready", flush=True)
        threading.Event().wait()
        """
    ends: list[tuple[int, str]] = []
    for settings in ({"enable": "", "flush": ""}, None):
        filled = body.format(
            **(settings or {"enable": "enable()", "flush": "chaukas.flush()"})
        )
        process = begin(tmp_path, filled)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        done = finish(process, tmp_path)
        ends.append((done.code, done.error.strip().rpartition("\n")[2]))
    assert ends[0] == ends[1]
    assert done.kinds()["AGENT_END"] == 1
    if number == signal.SIGINT:
        assert_whole(done)


def test_the_programs_own_signal_handler_is_its_own(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import signal
        def stop(number, frame):
            chaukas.event("stopped", {"by": number})
            sys.exit(7)
        signal.signal(signal.SIGTERM, stop)
        before = [signal.getsignal(n) for n in signal.valid_signals()]
        enable(); run()
        assert before == [signal.getsignal(n) for n in signal.valid_signals()]
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    )
    assert (done.code, done.error) == (7, "")
    assert done.named("stopped")
    assert_whole(done)


def test_a_signal_handler_that_records_may_come_at_any_moment(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import signal
        enable()
        signal.signal(signal.SIGALRM, lambda *_: chaukas.event("tick"))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
        for number in range(30):
            with chaukas.session(str(number)):
                run()
        signal.setitimer(signal.ITIMER_REAL, 0)
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert_whole(done, runs=30)
    assert done.named("tick")


def test_a_file_that_cannot_be_written_does_not_keep_the_program(
    tmp_path: Path,
) -> None:
    (tmp_path / "events.jsonl").mkdir()
    process = begin(tmp_path, "_runtime._EXIT_S = 1.0; enable(); run()")
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "chaukas" in error


def test_runs_recorded_while_the_disk_hangs_do_not_wait(tmp_path: Path) -> None:
    import os

    fifo = tmp_path / "events.jsonl"
    os.mkfifo(fifo)
    body = "_runtime._EXIT_S = 1.0; enable(); run(); print('done', flush=True)"
    process = begin(tmp_path, body)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "done\n")


def test_the_file_is_complete_while_the_program_still_runs(tmp_path: Path) -> None:
    body = "enable(); run(); print('ready', flush=True); sys.stdin.read()"
    process = begin(tmp_path, body)
    path = tmp_path / "events.jsonl"

    def has_end() -> bool:
        return path.exists() and b"EVENT_TYPE_AGENT_END" in path.read_bytes()

    until(has_end)
    process.kill()
    done: Any = finish(process, tmp_path)
    assert done.kinds()["AGENT_END"] == 1
