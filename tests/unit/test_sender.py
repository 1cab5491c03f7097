"""Delivery from the spool: every answer, several sinks, flush, close, adoption."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import delivery, integrity
from chaukas.sdk.delivery.event_size import smaller
from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.delivery.plan import Destination, Pace, SpoolPlan
from chaukas.sdk.delivery.retry import State
from chaukas.sdk.delivery.spool.crash_counters import totals_of
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.record.context import SUPPRESSED
from chaukas.sdk.sinks import Verdict
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.sdk.sinks.disk import Disk
from chaukas.sdk.sinks.file import FileRemote
from chaukas.sdk.sinks.jsonl import JsonlSink
from tests.support.faulty_io import FaultyDisk, FlakySink
from tests.support.remotes import DOWN, ScriptedRemote, plan, spooled
from tests.support.waiting import python_threads, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ACKED = Answer(Action.ACKED)
POISON = Answer(Action.BISECT, cause="http 400", error="chaukas: 400.")
TOO_LARGE = Answer(Action.SPLIT, cause="http 413", error="chaukas: 413.")
PARKED = Answer(Action.PARK, cause="http 401", error="chaukas: refused the key.")


def event(number: int, size: int = 0) -> bytes:
    return b'{"n":%d,"x":"%s"}' % (number, b"x" * size)


def is_lawful(pipe: Pipeline) -> bool:
    stats = pipe.stats()
    assert stats.written == stats.acked + stats.spooled
    return stats.emitted == stats.acked + stats.spooled + stats.queued + stats.lost


def sender_of(pipe: Pipeline, key: str = "http") -> Any:
    assert pipe._delivery is not None
    return pipe._delivery.senders[key]


class Quick:
    """Waits that are over at once."""

    def wait_s(self, failures: int) -> float:
        return 0.0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    made: list[tuple[Pipeline, tuple[ScriptedRemote, ...]]] = []

    def build(*remotes: ScriptedRemote, **settings: Any) -> Pipeline:
        pipe = spooled(tmp_path, *remotes, **settings)
        assert pipe._delivery is not None
        for sender in pipe._delivery.senders.values():
            sender._backoff = Quick()
        made.append((pipe, remotes))
        return pipe

    yield build
    for pipe, remotes in made:
        for remote in remotes:
            remote.gate.set()
        pipe.close(0.2)


def put(pipe: Pipeline, numbers: range, size: int = 0) -> None:
    for n in numbers:
        pipe.put(event(n, size))


def quarantined(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in (tmp_path / "spool" / "quarantine").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]


# --- the good way ----------------------------------------------------------------


def test_every_event_arrives_once_and_in_order(make: Any, tmp_path: Path) -> None:
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(2000))
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(2000))
    assert max(remote.batches) <= 512
    stats = pipe.stats()
    assert (stats.emitted, stats.acked, stats.spooled) == (2000, 2000, 0)
    assert is_lawful(pipe)
    assert pipe.close(60.0)
    assert remote.is_closed
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_chain_reaches_the_sink_as_it_was_made(make: Any) -> None:
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(600))
    assert pipe.flush(60.0)
    assert integrity.verify(remote.lines).problem is None


def test_a_batch_waits_to_fill_but_not_longer_than_it_may(tmp_path: Path) -> None:
    remote = ScriptedRemote()
    pace = Pace(batch_size=100, flush_interval_s=60.0)
    pipe = pipeline_of(
        plan(tmp_path, remote, pace=pace), stream="s", memory_limit_bytes=1 << 20
    )
    put(pipe, range(99))
    until(lambda: pipe.stats().spooled == 99)
    assert remote.batches == []
    put(pipe, range(99, 100))
    until(lambda: remote.batches == [100])
    put(pipe, range(100, 103))
    assert pipe.flush(60.0)
    assert remote.batches == [100, 3]
    put(pipe, range(103, 104))
    assert pipe.close(60.0)
    assert remote.numbers == list(range(104))


def test_full_bytes_send_a_batch_too(tmp_path: Path) -> None:
    remote = ScriptedRemote()
    pace = Pace(max_batch_bytes=5000, flush_interval_s=60.0)
    pipe = pipeline_of(
        plan(tmp_path, remote, pace=pace), stream="s", memory_limit_bytes=1 << 20
    )
    put(pipe, range(10), size=600)
    until(lambda: bool(remote.batches))
    assert all(count <= 8 for count in remote.batches)
    assert pipe.close(60.0)


def test_what_a_sender_does_is_never_recorded(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, object] = {}
    api = SimpleNamespace(
        get_value=kept.get,
        set_value=lambda key, value: {key: value},
        attach=kept.update,
    )
    monkeypatch.setitem(sys.modules, "opentelemetry.context", api)
    seen: list[bool] = []
    remote = ScriptedRemote()
    remote.rule = lambda lines: seen.append(SUPPRESSED.get())
    pipe = make(remote)
    put(pipe, range(1))
    assert pipe.flush(60.0)
    assert seen == [True]
    assert kept["suppress_instrumentation"] is True
    assert not SUPPRESSED.get()


# --- failures that pass ----------------------------------------------------------


@pytest.mark.parametrize("trouble", [DOWN, ValueError("no"), OSError(5, "io")])
def test_a_failure_is_followed_by_the_same_events(make: Any, trouble: Any) -> None:
    remote = ScriptedRemote(trouble, trouble)
    pipe = make(remote)
    put(pipe, range(10))
    until(lambda: pipe.stats().acked == 10)
    assert remote.numbers == list(range(10))
    assert pipe.stats().last_error == ""


def test_even_an_exit_thrown_into_a_sender_does_not_end_it(make: Any) -> None:
    remote = ScriptedRemote(SystemExit(), KeyboardInterrupt())
    pipe = make(remote)
    put(pipe, range(10))
    until(lambda: pipe.stats().acked == 10)
    assert sender_of(pipe).is_alive


def test_five_failures_open_the_breaker_and_one_batch_closes_it(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    remote = ScriptedRemote()
    remote.is_down = True
    pipe = make(remote)
    sender = sender_of(pipe)
    put(pipe, range(10))
    until(lambda: sender.breaker.failures >= 5)
    assert sender.breaker.is_tripped
    assert pipe.stats().errors == {"http": "chaukas: cannot reach it."}
    remote.is_down = False
    until(lambda: pipe.stats().acked == 10)
    assert sender.breaker.state(time.monotonic()) is State.CLOSED
    assert [r.message for r in caplog.records if "cannot reach" in r.message] == [
        "chaukas: cannot reach it."
    ]
    assert "takes events again" in caplog.text


def test_an_ack_that_got_lost_repeats_events_and_loses_none(make: Any) -> None:
    remote = ScriptedRemote()
    remote.lost_acks = 2
    pipe = make(remote)
    put(pipe, range(50))
    until(lambda: pipe.stats().acked == 50)
    assert set(remote.numbers) == set(range(50))
    assert len(remote.numbers) > 50


def test_a_sink_that_is_down_holds_up_no_other(make: Any) -> None:
    up, down, slow = (ScriptedRemote(name=name) for name in ("file", "http", "grpc"))
    down.is_down = True
    slow.gate.clear()
    pipe = make(up, down, slow)
    put(pipe, range(100))
    until(lambda: len(up.lines) == 100)
    until(lambda: list(pipe.stats().errors) == ["http"])
    stats = pipe.stats()
    assert (stats.acked, stats.spooled) == (0, 100)
    slow.gate.set()
    down.is_down = False
    until(lambda: pipe.stats().acked == 100)
    assert down.numbers == slow.numbers == list(range(100))
    assert is_lawful(pipe)


def test_a_parked_sink_is_not_asked_again_soon(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    remote = ScriptedRemote(PARKED)
    pipe = make(remote)
    put(pipe, range(5))
    until(lambda: remote.batches == [5])
    until(lambda: sender_of(pipe).breaker.is_tripped)
    assert sender_of(pipe).breaker.wait_s(time.monotonic()) > 20
    until(lambda: caplog.text.count("refused the key") == 1)
    # A flush asks once more: someone may have corrected it.
    assert pipe.flush(60.0)
    assert pipe.stats().acked == 5


# --- events that a sink does not like --------------------------------------------


@pytest.mark.parametrize("guilty", [{0}, {511}, {300}, {17, 18, 400}])
def test_poison_in_512_is_found_and_set_aside_alone(
    make: Any, tmp_path: Path, guilty: set[int]
) -> None:
    def answer(lines: Sequence[bytes]) -> Answer | None:
        found = {json.loads(line)["n"] for line in lines}
        return POISON if found & guilty else None

    remote = ScriptedRemote()
    remote.rule = answer
    pipe = make(remote)
    remote.gate.clear()
    put(pipe, range(512))
    until(lambda: pipe.stats().spooled == 512)
    remote.gate.set()
    until(lambda: pipe.stats().spooled == 0)
    assert remote.numbers == [n for n in range(512) if n not in guilty]
    assert len(remote.batches) <= 21 * len(guilty) + 2
    assert pipe.stats().dropped == {"quarantined": len(guilty)}
    assert is_lawful(pipe)
    kept = quarantined(tmp_path)
    assert {json.loads(each["event"])["n"] for each in kept} == guilty
    assert {each["reason"] for each in kept} == {"http 400"}


@pytest.mark.parametrize("answer", [POISON, TOO_LARGE])
def test_a_sink_that_likes_nothing_is_parked_before_it_eats_everything(
    make: Any, answer: Answer
) -> None:
    remote = ScriptedRemote()
    remote.rule = lambda lines: answer
    pipe = make(remote)
    put(pipe, range(200))
    until(lambda: sender_of(pipe).breaker.is_tripped)
    assert pipe.stats().dropped == {"quarantined": 16}
    assert pipe.stats().spooled == 184


def test_rejected_events_are_set_aside_with_their_reason(
    make: Any, tmp_path: Path
) -> None:
    remote = ScriptedRemote(
        Answer(Action.ACKED, rejected=((1, "invalid"), (3, "conflict"), (99, "no")))
    )
    pipe = make(remote)
    remote.gate.clear()
    put(pipe, range(5))
    until(lambda: pipe.stats().spooled == 5)
    remote.gate.set()
    until(lambda: pipe.stats().spooled == 0)
    assert [each["reason"] for each in quarantined(tmp_path)] == ["invalid", "conflict"]
    assert pipe.stats().dropped == {"quarantined": 2}
    assert pipe.stats().acked == 3


def test_ten_thousand_different_reasons_are_one_line(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(lines: Sequence[bytes]) -> Answer:
        numbers = [json.loads(line)["n"] for line in lines]
        rejected = tuple((at, f"too old: {n}") for at, n in enumerate(numbers))
        return Answer(Action.ACKED, rejected=rejected)

    remote = ScriptedRemote()
    remote.rule = answer
    pipe = make(remote)
    put(pipe, range(10_000))
    until(lambda: pipe.stats().dropped == {"quarantined": 10_000})
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(
        "chaukas: http refused an event for good (too old: 0): it is counted"
    )
    assert len({each["reason"] for each in quarantined(tmp_path)}) == 10_000
    assert len(sender_of(pipe)._quarantine._log_limit._logged_at_s) == 1
    assert is_lawful(pipe)


def test_a_sink_that_fails_differently_each_time_is_not_told_each_time(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    down = [Answer(Action.RETRY, cause=f"{n}", error=f"no {n}") for n in range(500)]
    pipe = make(ScriptedRemote(*down))
    put(pipe, range(1))
    until(lambda: pipe.stats().acked == 1)
    told = [each for each in caplog.messages if "takes events again" not in each]
    assert len(told) < 10
    assert len(sender_of(pipe).log_limit._logged_at_s) < 10


def test_an_event_that_two_sinks_refuse_is_lost_once(make: Any) -> None:
    first, second = ScriptedRemote(name="http"), ScriptedRemote(name="grpc")
    for remote in (first, second):
        remote.rule = lambda lines: POISON if b'{"n":3' in b"".join(lines) else None
    pipe = make(first, second)
    put(pipe, range(8))
    until(lambda: pipe.stats().spooled == 0)
    until(lambda: len(first.lines) == len(second.lines) == 7)
    assert pipe.stats().dropped == {"quarantined": 1}
    assert is_lawful(pipe)


def test_too_large_a_batch_is_halved(make: Any) -> None:
    remote = ScriptedRemote()
    remote.rule = lambda lines: TOO_LARGE if sum(map(len, lines)) > 9000 else None
    pipe = make(remote)
    put(pipe, range(300), size=500)
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(300))
    assert pipe.stats().lost == 0


def test_too_large_an_event_is_shrunk(make: Any) -> None:
    remote = ScriptedRemote()
    remote.rule = lambda lines: TOO_LARGE if sum(map(len, lines)) > 9000 else None
    pipe = make(remote)
    put(pipe, range(1))
    put(pipe, range(1, 2), size=50_000)
    put(pipe, range(2, 3))
    assert pipe.flush(60.0)
    assert remote.numbers == [0, 1, 2]
    small = json.loads(remote.lines[1])
    assert small["metadata"]["chaukas"]["shrunk_from_bytes"] > 50_000
    assert len(remote.lines[1]) <= 9000
    assert small["content_hash"] == integrity.content_hash(small)


def test_what_cannot_be_shrunk_is_set_aside(make: Any, tmp_path: Path) -> None:
    remote = ScriptedRemote()
    remote.rule = lambda lines: TOO_LARGE if b'{"n":1,' in b"".join(lines) else None
    pipe = make(remote)
    put(pipe, range(3))
    until(lambda: pipe.stats().acked == 2)
    assert remote.numbers == [0, 2]
    assert pipe.stats().dropped == {"quarantined": 1}
    assert len(quarantined(tmp_path)) == 1


@pytest.mark.parametrize("line", [b"[]\n", b"x\n", b'{"metadata":3}\n'])
def test_what_is_no_event_is_not_shrunk(line: bytes) -> None:
    assert smaller(line[:-1] + b" " * 10_000 + b"\n") is None


# --- flush and close -------------------------------------------------------------


def test_flush_does_not_wait_for_a_sink_that_is_known_to_be_down(make: Any) -> None:
    remote = ScriptedRemote()
    remote.is_down = True
    pipe = make(remote)
    sender = sender_of(pipe)
    put(pipe, range(3))
    until(lambda: sender.breaker.failures >= 5)
    sender._backoff = SimpleNamespace(wait_s=lambda failures: 1000.0)
    sender.wake()
    assert not pipe.flush(3600.0)
    # It has not waited for the next try, which is still to come.
    assert sender.breaker.wait_s(time.monotonic()) > 100
    remote.is_down = False
    assert pipe.flush(60.0)


def test_close_leaves_to_the_next_process_what_cannot_be_sent(
    make: Any, tmp_path: Path
) -> None:
    hung = ScriptedRemote()
    hung.gate.clear()
    pipe = make(hung)
    put(pipe, range(20))
    assert not pipe.close(0.3)
    # The answer is awaited still, by a thread that nobody waits for.
    assert hung.batches == []
    assert is_lawful(pipe)
    assert pipe.stats().spooled == 20
    reports: list[tuple[str, dict[str, int]]] = []
    remote = ScriptedRemote()
    later = make(
        remote,
        stream="t",
        report_adopted=lambda *facts: reports.append(facts),
    )
    put(later, range(20, 21))
    until(lambda: len(remote.lines) == 21)
    until(lambda: later.stats().adopted == 20)
    assert set(remote.numbers) == set(range(21))
    facts = {
        "emitted": 20, "dropped": 0, "written": 20, "waiting": 20, "crash_lost": 0
    }  # fmt: skip
    assert reports == [("s", facts)]
    assert later.stats().emitted == 1
    assert later.close(60.0)
    assert list((tmp_path / "spool").iterdir()) == []
    # Back at last, it finds that others have done its work, and touches nothing.
    hung.gate.set()
    until(lambda: hung.is_closed)


def test_close_waits_no_longer_in_all_than_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time passes by waiting alone, so that a busy machine changes nothing.
    slept_s = [0.0]
    monkeypatch.setattr(
        delivery, "sleep", lambda s: slept_s.__setitem__(0, slept_s[0] + s)
    )
    hung = ScriptedRemote()
    hung.gate.clear()
    pipe = spooled(tmp_path, hung, monotonic=lambda: 1000.0 + slept_s[0])
    put(pipe, range(20))
    until(lambda: pipe.stats().spooled == 20)
    assert not pipe.close(1.0)
    # Then a moment for threads to let go.
    assert 1.0 <= slept_s[0] < 1.05
    assert pipe.stats().spooled == 20
    hung.gate.set()
    until(lambda: hung.is_closed)


def test_a_pipeline_that_never_sent_anything_leaves_nothing(
    make: Any, tmp_path: Path
) -> None:
    pipe = make(ScriptedRemote())
    assert pipe.flush(60.0)
    assert pipe.close(60.0)
    assert not (tmp_path / "spool").exists()


def test_a_full_spool_drops_the_newest_and_counts_it(tmp_path: Path) -> None:
    remote = ScriptedRemote()
    remote.gate.clear()
    pipe = pipeline_of(
        plan(tmp_path, remote, limit_bytes=20_000),
        stream="s",
        memory_limit_bytes=1 << 20,
    )
    put(pipe, range(200), size=300)
    until(lambda: pipe.stats().queued == 0)
    stats = pipe.stats()
    assert stats.dropped["spool_full"] == 200 - stats.spooled > 0
    assert is_lawful(pipe)
    remote.gate.set()
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(stats.spooled))
    assert pipe.close(60.0)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
def test_events_wait_in_memory_while_the_spool_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    disk = FaultyDisk()
    real = delivery.Delivery.__init__

    def init(self: Any, plan: SpoolPlan, **settings: Any) -> None:
        real(self, plan, **{**settings, "disk": disk})

    monkeypatch.setattr(delivery.Delivery, "__init__", init)
    remote = ScriptedRemote()
    pipe = spooled(tmp_path, remote)
    disk.fail("open", code)
    put(pipe, range(10))
    until(lambda: errno.errorcode[code] in pipe.stats().last_error)
    assert pipe.stats().queued == 10
    assert not pipe.flush(0.01)
    disk.heal()
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(10))
    assert pipe.close(60.0)


def test_a_disk_that_hangs_in_sync_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, gate = threading.Event(), threading.Event()

    class Hung(FaultyDisk):
        def sync_data(self, fd: int) -> None:
            entered.set()
            gate.wait()

    real = delivery.Delivery.__init__

    def init(self: Any, plan: SpoolPlan, **settings: Any) -> None:
        real(self, plan, **{**settings, "disk": Hung()})

    monkeypatch.setattr(delivery.Delivery, "__init__", init)
    remote = ScriptedRemote()
    pipe = spooled(tmp_path, remote)
    put(pipe, range(10))
    assert entered.wait(60)
    put(pipe, range(10, 20))
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(20))
    gate.set()
    assert pipe.close(60.0)


# --- dead processes --------------------------------------------------------------


def leave(tmp_path: Path, numbers: range, *, stream: str, lost: int = 0) -> None:
    """Leave a spool as a killed process does; `lost` events are counted only."""
    remote = ScriptedRemote()
    remote.gate.clear()
    pipe = spooled(tmp_path, remote, stream=stream)
    put(pipe, numbers)
    until(lambda: pipe.stats().spooled == len(numbers))
    place = pipe._queue.cells[0]
    if lost:
        pipe._queue._page.count(place.place, place.count + lost)  # type: ignore[attr-defined]
    # This process lives on, so its keeper could be the one who adopts it.
    keeper = pipe._delivery.recovery  # type: ignore[union-attr]
    keeper.end()
    until(lambda: not keeper.is_alive)
    pipe.abandon()
    remote.gate.set()


def test_many_dead_processes_are_adopted(make: Any, tmp_path: Path) -> None:
    for n in range(20):
        leave(tmp_path, range(n * 10, n * 10 + 10), stream=f"dead{n}")
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(1000, 1001))
    until(lambda: pipe.stats().adopted == 200 and pipe.stats().acked == 1)
    assert sorted(remote.numbers) == [*range(200), 1000]
    assert pipe.close(60.0)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_process_that_ends_a_little_after_the_next_one_began_is_adopted(
    make: Any, tmp_path: Path
) -> None:
    leave(tmp_path, range(10), stream="dead")
    lock = os.open(tmp_path / "spool" / "dead" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(10, 11))
    keeper = pipe._delivery.recovery
    until(lambda: keeper._scans == 1)
    assert not keeper.held
    os.close(lock)
    until(lambda: sorted(remote.numbers) == list(range(11)))


def test_what_died_with_a_process_is_counted_and_reported_once(
    make: Any, tmp_path: Path
) -> None:
    leave(tmp_path, range(10), stream="dead", lost=7)
    reports: list[Any] = []

    def report(stream: str, facts: dict[str, int]) -> bytes:
        reports.append((stream, facts["crash_lost"]))
        return b'{"n":-1}'

    remote = ScriptedRemote()
    remote.is_down = True
    pipe = make(remote, report_adopted=report)
    put(pipe, range(10, 11))
    until(lambda: bool(reports))
    until(lambda: pipe.stats().dropped == {"crash_lost": 7})
    assert is_lawful(pipe)
    assert pipe.stats().emitted == 9
    page = str(tmp_path / "spool" / "dead" / "page")
    until(lambda: totals_of(page, Disk()) == (17, 0, True))
    assert not pipe.close(0.05)
    # The one who adopted it ended before it could deliver; nobody tells it twice.
    remote.is_down = False
    later = make(remote, stream="t", report_adopted=report)
    put(later, range(11, 12))
    until(lambda: set(remote.numbers) == {*range(12), -1})
    assert [each for each in reports if each[1]] == [("dead", 7)]
    assert later.stats().dropped == {}


def test_broken_lines_of_a_dead_process_are_set_aside(
    make: Any, tmp_path: Path
) -> None:
    leave(tmp_path, range(30), stream="dead")
    segment = next((tmp_path / "spool" / "dead").glob("*.seg"))
    data = segment.read_bytes().splitlines(keepends=True)
    data[0] = data[0].replace(b'"n"', b'"m"')
    data[1] = data[1].replace(b"x", b"\x00")
    data[15] = data[15].replace(b'"', b"'", 1)
    data[29] = data[29].replace(b"hash", b"hish")
    segment.write_bytes(b"".join(data))
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(30, 31))
    until(lambda: not (tmp_path / "spool" / "dead").exists())
    until(lambda: len(remote.lines) == 27)
    assert set(remote.numbers) == set(range(31)) - {0, 1, 15, 29}
    assert {each["reason"] for each in quarantined(tmp_path)} == {"corrupt"}
    assert pipe.stats().dropped == {"quarantined": 4}
    assert is_lawful(pipe)


def test_two_processes_on_one_folder_leave_each_other_alone(
    make: Any, tmp_path: Path
) -> None:
    first, second = ScriptedRemote(), ScriptedRemote()
    first.gate.clear()
    one, two = make(first, stream="one"), make(second, stream="two")
    put(one, range(10))
    put(two, range(10, 20))
    assert two.flush(60.0)
    assert second.numbers == list(range(10, 20))
    first.gate.set()
    assert one.flush(60.0)
    assert first.numbers == list(range(10))


def test_a_forked_child_lets_go_without_touching_the_parent(
    make: Any, tmp_path: Path
) -> None:
    remote = ScriptedRemote()
    pipe = make(remote)
    put(pipe, range(10))
    assert pipe.flush(60.0)
    pid = os.fork()
    if not pid:
        pipe.abandon()
        own = ScriptedRemote()
        mine = spooled(tmp_path, own, stream="child")
        put(mine, range(5))
        is_done = mine.close(10.0) and own.numbers == list(range(5))
        os._exit(0 if is_done and not remote.is_closed else 1)
    assert os.waitpid(pid, 0)[1] == 0
    put(pipe, range(10, 20))
    assert pipe.flush(60.0)
    assert remote.numbers == list(range(20))


# --- a file among several --------------------------------------------------------


def test_a_file_that_takes_part_of_a_batch_gets_the_rest_only() -> None:
    sink = FlakySink(2, 1, Verdict(1, refused=1, reason="quarantined"))
    remote = FileRemote(sink)
    batch = [b"%d\n" % n for n in range(5)]
    assert remote.send(batch).action is Action.RETRY
    assert remote.send(batch).action is Action.RETRY
    answer = remote.send(batch)
    assert answer == Answer(Action.ACKED, rejected=((4, "quarantined"),))
    assert sink.lines == batch[:4]
    sink.answers = [1]
    assert remote.send(batch).cause == "EFLAKY"
    assert remote.send([b"x\n"]).action is Action.ACKED
    assert sink.lines[-1] == b"x\n"
    remote.abandon()
    remote.close()
    assert sink.is_abandoned
    assert sink.is_closed


def test_a_file_and_a_collector_get_the_same_lines(tmp_path: Path) -> None:
    remote = ScriptedRemote()
    path = tmp_path / "events.jsonl"
    destinations = (
        Destination("file-1", FileRemote(JsonlSink(path))),
        Destination("http-1", remote),
    )
    pipe = pipeline_of(
        SpoolPlan(destinations, str(tmp_path / "spool")),
        stream="s",
        memory_limit_bytes=1 << 20,
    )
    put(pipe, range(700))
    assert pipe.close(60.0)
    assert path.read_bytes() == b"".join(remote.lines)
    assert len(remote.lines) == 700


def test_no_thread_is_left_behind(make: Any) -> None:
    before = python_threads()
    pipe = make(ScriptedRemote(name="http"), ScriptedRemote(name="grpc"))
    put(pipe, range(10))
    assert pipe.close(60.0)
    until(lambda: python_threads() <= before)
