"""Processes that come of others: each records its own events, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chaukas.testing import FakeCollector
from tests.support import deliveries
from tests.support.programs import Done, play

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault


def streams(done: Done) -> set[str]:
    return {event["metadata"]["chaukas"]["stream"] for event in done.events}


def stream_of(event: dict[str, Any]) -> str:
    return str(event["metadata"]["chaukas"]["stream"])


def assert_pairs(done: Done) -> None:
    """Check that every START has its END in the stream that began it."""
    begun: dict[str, str] = {}
    for event in done.events:
        if event["type"].endswith("_START"):
            begun[event["span_id"]] = stream_of(event)
        elif event["type"].endswith("_END"):
            assert begun.pop(event["span_id"]) == stream_of(event)
    assert not begun


def test_a_forked_child_records_into_a_stream_of_its_own(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable(); run("parent")
        pid = os.fork()
        if not pid:
            run("child")
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        run("parent again")
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert len(streams(done)) == 2
    assert_pairs(done)
    inputs = [e for e in done.events if e["type"] == "EVENT_TYPE_INPUT_RECEIVED"]
    texts = {e["message"]["text"]: stream_of(e) for e in inputs}
    assert texts["parent"] == texts["parent again"] != texts["child"]
    # The same conversation goes on: its default session keeps its name.
    sessions = [e for e in done.events if e["type"] == "EVENT_TYPE_SESSION_START"]
    assert len(sessions) == 2
    assert len({e["session_id"] for e in sessions}) == 1


def test_a_child_that_records_nothing_writes_nothing(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable(); run()
        pid = os.fork()
        if not pid:
            sys.exit()
        os.waitpid(pid, 0)
        """,
    )
    assert done.error == ""
    parents = [e for e in done.events if e["metadata"].get("name") is None]
    assert len({stream_of(event) for event in parents}) == 1
    assert_pairs(done)


def test_a_fork_inside_a_run_leaves_the_run_to_the_parent(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        def split() -> str:
            "Fork, and go on in the parent."
            pid = os.fork()
            if not pid:
                chaukas.event("child", {"of": "tool"})
                chaukas.disable_chaukas(60.0)
                os._exit(0)
            os.waitpid(pid, 0)
            return "split"
        print(run_tool(split))
        """,
    )
    assert (done.code, done.out, done.error) == (0, "ok\n", "")
    assert len(streams(done)) == 2
    assert_pairs(done)
    [child] = done.named("child")
    [tool] = [e for e in done.events if e["type"] == "EVENT_TYPE_TOOL_CALL_START"]
    assert child["parent_span_id"] == tool["span_id"]
    assert child["trace_id"] == tool["trace_id"]
    assert stream_of(child) != stream_of(tool)


def test_a_child_that_unwinds_the_parents_run_ends_none_of_its_pairs(
    tmp_path: Path,
) -> None:
    done = play(
        tmp_path,
        """
        enable()
        async def split() -> str:
            "Fork, and go on in both."
            global pid
            pid = os.fork()
            return "child" if not pid else "parent"
        async def main():
            tool = function_tool(split)
            call = [function_call("split", {}, call_id="c")]
            try:
                return await Runner.run(agent(call, tools=[tool]), "hi")
            finally:
                # asyncio gives no loop to a child, whose run fails here.
                if not pid:
                    chaukas.disable_chaukas(10)
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
        print(asyncio.run(main()).final_output)
        """,
    )
    assert (done.code, done.out) == (0, "ok\n")
    assert_pairs(done)
    assert done.kinds()["AGENT_END"] == 1
    assert done.kinds()["TOOL_CALL_END"] == 1


def test_forks_while_other_threads_record_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    done = play(
        tmp_path,
        """
        enable()
        stop = threading.Event()
        def work():
            while not stop.is_set():
                chaukas.event("busy")
                run()
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        for number in range(60):
            pid = os.fork()
            if not pid:
                chaukas.event("child", {"n": number})
                chaukas.disable_chaukas(10)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
        chaukas.flush()
        assert not chaukas.stats().dropped, chaukas.stats()
        """,
    )
    assert (done.code, done.error) == (0, "")
    found = sorted(e["metadata"]["data"]["n"] for e in done.named("child"))
    assert found == list(range(60))
    assert len(streams(done)) == 61
    assert_pairs(done)


def test_a_grandchild_records_too(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        for depth in range(3):
            chaukas.event("depth", {"n": depth})
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
                break
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert len(done.named("depth")) == 3
    assert len({stream_of(e) for e in done.named("depth")}) == 3


def test_a_fork_that_python_is_not_told_of_is_noticed(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import ctypes
        enable(); run("parent")
        chaukas.flush()
        pid = ctypes.PyDLL(None).fork()
        if not pid:
            run("child")
            assert chaukas.disable_chaukas(60.0)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        run("parent again")
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert len(streams(done)) == 2
    assert_pairs(done)
    assert done.kinds()["AGENT_START"] == 3
    traces = [e["trace_id"] for e in done.events if e["type"].endswith("AGENT_START")]
    assert len(set(traces)) == 3


def test_such_a_child_may_leave_without_a_word(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import ctypes
        enable(); run()
        pid = ctypes.PyDLL(None).fork()
        if not pid:
            sys.exit()
        os.waitpid(pid, 0)
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert len(streams(done)) == 1
    assert_pairs(done)


def test_a_child_that_cannot_be_made_ready_counts_its_events_and_tries_again(
    tmp_path: Path,
) -> None:
    body = """
        import ctypes, resource, select
        from chaukas.sdk import _runtime
        enable()
        real = _runtime.Runtime._build
        def build(self):
            # As whatever else it opens: the system has no file to give.
            os.close(os.dup(0))
            real(self)
        _runtime.Runtime._build = build
        assert chaukas.flush(60.0)
        # A fork from C while another thread waits for the interpreter's lock leaves a
        # child whose lock nobody can take: each is let in first, and comes to rest.
        select.select([], [], [], 0.5)
        if not ctypes.PyDLL(None).fork():
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
            chaukas.event("lost")
            assert chaukas.is_enabled() and chaukas.flush(60.0)
            chaukas.event("lost")
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            chaukas.event("child")
            assert chaukas.flush(60.0)
            stats = chaukas.stats()
            total = stats.acked + stats.spooled + stats.queued + stats.lost
            assert stats.emitted == total, stats
            print(dict(stats.dropped))
            chaukas.disable_chaukas(20)
            sys.stdout.flush()
            os._exit(0)
        assert os.wait()[1] == 0
        """
    with FakeCollector() as collector:
        process = deliveries.begin(
            tmp_path, collector.endpoint, body, CHAUKAS_RAISE_INTERNAL=""
        )
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert "Traceback" not in error
        assert "OSError" in error
        assert out == "{'fork_lost': 2}\n"
        (child,) = (e for e in collector.events if e["metadata"].get("name") == "child")
        assert child["metadata"]["chaukas"]["seq"] == 3


MULTIPROCESSING = """
    import multiprocessing
    def work(number):
        {in_child}
        run(f"child {{number}}")
        return number
    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        enable(); run("parent")
        {body}
        run("parent again")
    """
PROCESSES = """
        children = [context.Process(target=work, args=(n,)) for n in range(3)]
        for child in children: child.start()
        for child in children: child.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
"""
POOL = """
        with context.Pool(2) as pool:
            assert pool.map(work, range(6)) == list(range(6))
            pool.close()
            pool.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(("body", "count"), [(PROCESSES, 3), (POOL, 6)])
def test_children_of_multiprocessing_deliver_their_events(
    tmp_path: Path, method: str, body: str, count: int
) -> None:
    # A forked child has chaukas; one that starts afresh enables it itself.
    in_child = "" if method == "fork" else "chaukas.is_enabled() or enable()"
    program = MULTIPROCESSING.format(
        method=method, body=body.strip(), in_child=in_child or "pass"
    )
    done = play(tmp_path, program)
    assert (done.code, done.error) == (0, "")
    inputs = [e for e in done.events if e["type"] == "EVENT_TYPE_INPUT_RECEIVED"]
    texts = sorted(e["message"]["text"] for e in inputs)
    wanted = [f"child {number}" for number in range(count)]
    assert texts == [*wanted, "parent", "parent again"]
    assert_pairs(done)


def test_children_that_enable_while_they_are_imported_deliver_their_events(
    tmp_path: Path,
) -> None:
    done = play(
        tmp_path,
        """
        import multiprocessing
        enable()
        def work(number):
            run(f"child {number}")
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            child = context.Process(target=work, args=(1,))
            child.start(); child.join()
            assert child.exitcode == 0
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert done.kinds()["AGENT_END"] == 1
    assert_pairs(done)


def test_workers_of_an_executor_deliver_their_events(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        from concurrent.futures import ProcessPoolExecutor
        enable()
        with ProcessPoolExecutor(2) as pool:
            assert list(pool.map(run, ["a", "b", "c"])) == ["ok"] * 3
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert done.kinds()["AGENT_END"] == 3
    assert_pairs(done)


def test_a_child_outlives_its_parent(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable(); run("parent"); chaukas.flush()
        ready, go = os.pipe()
        pid = os.fork()
        if pid:
            os.kill(os.getpid(), 9)
        os.close(go)
        # Ends when the parent does.
        os.read(ready, 1)
        run("child")
        """,
    )
    assert done.code == -9
    inputs = [e for e in done.events if e["type"] == "EVENT_TYPE_INPUT_RECEIVED"]
    assert [e["message"]["text"] for e in inputs] == ["parent", "child"]


def test_a_chdir_in_a_child_does_not_move_its_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = play(
        tmp_path,
        """
        assert chaukas.enable_chaukas(output_file="events.jsonl")
        pid = os.fork()
        if not pid:
            os.chdir("elsewhere")
            chaukas.event("child")
            sys.exit()
        os.waitpid(pid, 0)
        """,
    )
    assert (done.code, done.error) == (0, "")
    assert done.named("child")
    assert not list((tmp_path / "elsewhere").iterdir())


GEVENT = """
    from gevent import monkey
    {before}
    enable()
    {after}
    import gevent
    def work(number):
        chaukas.event("greenlet", {{"n": number}})
        gevent.sleep(0)
    gevent.joinall([gevent.spawn(work, n) for n in range(50)])
    # The writer is a real thread: it writes while no greenlet yields.
    end = time.monotonic() + 20
    def is_written():
        return os.path.exists(FILE) and os.path.getsize(FILE) > 1000
    while not is_written() and time.monotonic() < end:
        pass
    assert is_written()
    if not os.fork():
        chaukas.event("child")
        chaukas.disable_chaukas(10)
        os._exit(0)
    os.wait()
    """


@pytest.mark.parametrize("when", ["before", "after"])
def test_programs_patched_by_gevent_are_recorded(tmp_path: Path, when: str) -> None:
    pytest.importorskip("gevent")
    places = {"before": "", "after": "", when: "monkey.patch_all()"}
    done = play(tmp_path, GEVENT.format(**places))
    assert done.code == 0, done.error
    found = sorted(e["metadata"]["data"]["n"] for e in done.named("greenlet"))
    assert found == list(range(50))
    assert done.named("child")
