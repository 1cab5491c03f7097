"""The pipeline with sinks that work, fail and hang."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import integrity, pipeline
from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.pipeline import REASONS, Pipeline, Stats
from chaukas.sdk.pipeline.batch import PendingBatch
from chaukas.sdk.pipeline.bounded_queue import (
    EVENT_OVERHEAD_BYTES,
    BoundedQueue,
    FlushMarker,
)
from chaukas.sdk.pipeline.gil import GilHandover
from chaukas.sdk.pipeline.log_limit import LogLimit
from chaukas.sdk.pipeline.writer import backoff_s_of
from chaukas.sdk.sinks import Verdict
from chaukas.sdk.sinks.memory import MemorySink
from tests.support.faulty_io import FlakySink
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def event(number: int, size: int = 0) -> bytes:
    filler = "x" * size
    return f'{{"n":{number},"x":"{filler}"}}'.encode()


def numbers_in(sink: MemorySink | FlakySink) -> list[int]:
    return [json.loads(line)["n"] for line in list(sink.lines)]


def is_lawful(stats: Stats) -> bool:
    return stats.emitted == stats.written + stats.queued + sum(stats.dropped.values())


@pytest.fixture
def make() -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def build(sink: Any, **settings: Any) -> Pipeline:
        settings = {"stream": "s", "memory_limit_bytes": 1 << 20, **settings}
        made.append(pipeline_of(sink, **settings))
        return made[-1]

    yield build
    for each in made:
        if isinstance(each._sink, FlakySink):
            each._sink.is_down = False
            each._sink.gate.set()
        each.close(5.0)


def test_events_reach_the_sink_in_the_order_of_a_thread(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    for n in range(1000):
        pipe.put(event(n))
    assert pipe.flush(60.0)
    assert numbers_in(sink) == list(range(1000))
    stats = pipe.stats()
    assert (stats.emitted, stats.written, stats.queued) == (1000, 1000, 0)
    assert stats.queued_bytes == 0
    assert not stats.dropped


def test_the_writer_lets_no_event_wait_for_more_than_20_ms(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MemorySink()
    rests_s: list[float] = []
    # A clock that stands still: events come as thick as they can.
    pipe = make(sink, monotonic=lambda: 1000.0)

    def rest(_: GilHandover, pause_s: float, *, is_callable: bool) -> None:
        assert is_callable
        rests_s.append(pause_s)
        if len(rests_s) < 10:
            pipe.put(event(len(rests_s)))

    monkeypatch.setattr(GilHandover, "rest", rest)
    pipe.put(event(0))
    until(lambda: len(sink.lines) == 10)
    # Each doubles the one before, until nothing comes any more.
    assert rests_s[:5] == [0.004, 0.008, 0.016, 0.02, 0.02]
    assert max(rests_s) == 0.02


def test_lines_form_a_chain_that_can_be_verified(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    for seq in range(1, 701):
        pipe.put(b'{"metadata":{"chaukas":{"seq":%d,"stream":"s"}}}' % seq)
    assert pipe.flush(60.0)
    report = integrity.verify(sink.lines)
    assert (report.ok, report.events, report.streams) == (True, 700, 1)


def test_without_integrity_a_line_is_the_event_itself(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink, integrity=False)
    pipe.put(event(1))
    assert pipe.flush(60.0)
    assert sink.lines == [event(1) + b"\n"]


def test_events_are_numbered_from_one_in_the_order_of_the_file(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    for _ in range(3):
        pipe.put(Numbered())
    assert pipe.flush(60.0)
    pipe.put(Numbered())
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [1, 2, 3, 4]


def test_what_a_fork_lost_was_before_the_first_event(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    pipe.drop("fork_lost")
    pipe.drop("fork_lost")
    pipe.put(Numbered())
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [3]


@pytest.mark.parametrize("reason", ["memory_full", "capture_error"])
def test_what_never_came_leaves_a_gap_in_the_numbers(make: Any, reason: str) -> None:
    sink = MemorySink()
    pipe = make(sink)
    pipe.put(Numbered())
    pipe.drop(reason)
    pipe.drop(reason)
    assert pipe.flush(60.0)
    pipe.put(Numbered())
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [1, 4]


def test_what_cannot_be_made_leaves_a_gap_and_what_is_no_event_does_not(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    sink = MemorySink()
    pipe = make(sink)
    for answer in ("event", "nothing", "error", "nothing", "event"):
        pipe.put(Numbered(answer))
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [1, 3]
    stats = pipe.stats()
    assert (stats.emitted, stats.written, stats.queued) == (3, 2, 0)
    assert stats.dropped == {"capture_error": 1}
    assert stats.queued_bytes == 0


def test_the_dead_of_other_processes_leave_no_gap(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    pipe.drop("crash_lost")
    for _ in range(2):
        pipe.put(Numbered())
        assert pipe.flush(60.0)
    assert numbers_in(sink) == [1, 2]


def test_an_unused_pipeline_starts_no_thread(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "start_thread", None)
    sink = FlakySink()
    pipe = make(sink)
    assert pipe.flush(60.0)
    assert pipe.stats() == Stats(dropped={})
    assert pipe.close(60.0)
    assert sink.is_closed


def test_a_slow_sink_does_not_hold_up_the_host(make: Any) -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = make(sink)
    for n in range(100):
        pipe.put(event(n))
    assert not pipe.flush(0.02)
    assert pipe.stats().queued == 100
    sink.gate.set()
    assert pipe.flush(60.0)
    assert numbers_in(sink) == list(range(100))


@pytest.mark.parametrize("size", [0, 200, 5_000, 40_000])
def test_memory_is_bounded_in_bytes_and_the_newest_are_dropped(
    make: Any, size: int
) -> None:
    sink = FlakySink()
    sink.gate.clear()
    limit = 100_000
    pipe = make(sink, memory_limit_bytes=limit)
    pipe.put(event(0, size))
    assert sink.is_sending.wait(60)
    for n in range(1, 2000):
        pipe.put(event(n, size))
    stats = pipe.stats()
    cost = len(event(1000, size)) + EVENT_OVERHEAD_BYTES
    assert limit * 0.9 - cost <= stats.queued_bytes <= limit * 0.9
    assert stats.dropped == {"memory_full": 2000 - stats.queued}
    sink.gate.set()
    assert pipe.flush(60.0)
    assert numbers_in(sink) == list(range(stats.queued))
    assert is_lawful(pipe.stats())


def test_the_reserve_is_for_vital_events(make: Any) -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = make(sink, memory_limit_bytes=100_000)
    for n in range(200):
        pipe.put(event(n, 1000))
    before = pipe.stats()
    pipe.put(event(200, 1000), vital=True)
    pipe.put(event(201, 1000))
    after = pipe.stats()
    assert after.queued == before.queued + 1
    for n in range(200):
        pipe.put(event(n, 1000), vital=True)
    assert pipe.stats().queued_bytes <= 100_000


def test_large_events_close_the_gate_that_spares_the_sum() -> None:
    queue = BoundedQueue(100_000)
    queue.put(event(0, 80_000), vital=False)
    for n in range(100):
        queue.put(event(n, 500), vital=False)
    assert queue.held_bytes() <= 90_000
    queue.reopen()
    for n in range(100):
        queue.put(event(n, 500), vital=False)
    assert queue.held_bytes() <= 90_000


def test_memory_is_free_again_once_events_are_written(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink, memory_limit_bytes=100_000)
    for n in range(500):
        pipe.put(event(n, 1000))
        if n % 50 == 0:
            assert pipe.flush(60.0)
    assert pipe.flush(60.0)
    assert numbers_in(sink) == list(range(500))


def test_threads_count_exactly_together(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink, memory_limit_bytes=1 << 26)
    start = threading.Barrier(16)

    def emit(thread: int) -> None:
        start.wait()
        for n in range(500):
            pipe.put(event(thread * 1000 + n))
            pipe.drop("capture_error")

    threads = [threading.Thread(target=emit, args=(t,)) for t in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pipe.flush(60.0)
    stats = pipe.stats()
    assert (stats.emitted, stats.written) == (16_000, 8_000)
    assert stats.dropped == {"capture_error": 8_000}
    for t in range(16):
        own = [n for n in numbers_in(sink) if n // 1000 == t]
        assert own == [t * 1000 + n for n in range(500)]


def test_counters_do_not_grow_with_short_threads(make: Any) -> None:
    pipe = make(MemorySink())
    for _ in range(200):
        thread = threading.Thread(target=pipe.drop, args=("capture_error",))
        thread.start()
        thread.join()
    assert pipe.stats().dropped == {"capture_error": 200}
    assert len(pipe._queue.cells) < 100


def test_an_unknown_reason_counts_as_a_capture_error(make: Any) -> None:
    pipe = make(MemorySink())
    pipe.drop("moonlight")
    assert pipe.stats().dropped == {"capture_error": 1}


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_counted_by_itself(make: Any, reason: str) -> None:
    pipe = make(MemorySink())
    pipe.drop(reason)
    assert pipe.stats().dropped == {reason: 1}
    assert pipe.stats().lost == 1


@pytest.mark.parametrize(
    "answer", [0, 3, ValueError("no"), SystemExit(3), KeyboardInterrupt()]
)
def test_a_sink_that_fails_once_gets_every_event_once(make: Any, answer: Any) -> None:
    sink = FlakySink(answer)
    pipe = make(sink)
    for n in range(10):
        pipe.put(event(n))
    assert pipe.flush(60.0)
    assert numbers_in(sink) == list(range(10))
    assert pipe.stats().last_error == ""
    assert pipe.stats().restarts == 0
    assert is_lawful(pipe.stats())


def test_a_sink_that_accepts_too_much_or_nothing_does_not_break_the_law(
    make: Any,
) -> None:
    sink = FlakySink(Verdict(99, refused=99), Verdict(0))
    pipe = make(sink)
    pipe.put(event(1))
    assert pipe.flush(60.0)
    pipe.put(event(2))
    assert pipe.flush(60.0)
    assert pipe.stats().written == 2
    assert is_lawful(pipe.stats())


def test_a_sink_that_stores_nothing_and_says_nothing_is_not_hammered(
    make: Any,
) -> None:
    sink = FlakySink(*[Verdict(0)] * 3)
    pipe = make(sink)
    pipe.put(event(1))
    until(lambda: pipe.stats().last_error == "chaukas: the sink stored nothing.")
    until(lambda: pipe.stats().written == 1)
    assert len(sink.batches) == 4


def test_refused_events_are_counted_with_their_reason(make: Any) -> None:
    sink = FlakySink()
    pipe = make(sink)
    pipe.put(event(0))
    assert pipe.flush(60.0)
    sink.answers.append(Verdict(0, refused=1, reason="quarantined"))
    pipe.put(event(1))
    pipe.put(event(2))
    assert pipe.flush(60.0)
    stats = pipe.stats()
    assert stats.dropped == {"quarantined": 1}
    assert stats.written == 2
    assert numbers_in(sink) == [0, 2]


class Numbered:
    """Makes an event that holds its number, nothing, or an error."""

    weight_bytes = 8

    def __init__(self, answer: str = "event") -> None:
        self.answer = answer

    def make(self, seq: int) -> bytes | None:
        if self.answer == "error":
            raise ValueError("no")
        return event(seq) if self.answer == "event" else None


class NoEvent:
    weight_bytes = 8

    def make(self, _seq: int) -> Any:
        return "not bytes"


def test_what_is_no_event_is_set_aside_and_the_rest_goes_on(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    pipe.put(NoEvent())
    pipe.put(event(1))
    assert pipe.flush(60.0)
    assert pipe.stats().dropped == {"quarantined": 1}
    assert numbers_in(sink) == [1]
    assert pipe.stats().queued_bytes == 0


def test_the_last_error_is_shown_while_it_lasts(make: Any) -> None:
    sink = FlakySink()
    sink.is_down = True
    pipe = make(sink)
    pipe.put(event(1))
    until(lambda: pipe.stats().last_error != "")
    assert pipe.stats().last_error == "chaukas: the sink is flaky."
    sink.is_down = False
    assert pipe.flush(60.0)
    assert pipe.stats().last_error == ""


def test_a_trouble_is_logged_once_and_so_is_its_end(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chaukas.sdk")
    sink = FlakySink(*[0] * 5)
    pipe = make(sink)
    pipe.put(event(1))
    for _ in range(8):
        pipe.flush(0.05)
    assert pipe.flush(60.0)
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0] == "chaukas: the sink is flaky."
    assert texts[1].startswith("chaukas: events are stored again, after ")
    assert len(texts) == 2


def test_a_cause_is_due_once_a_minute() -> None:
    log_limit = LogLimit()
    heard = [
        log_limit.is_due("ENOSPC", now_s) for now_s in (0.0, 1.0, 59.9, 60.0, 61.0)
    ]
    assert heard == [True, False, False, True, False]
    assert log_limit.is_due("EIO", 61.0)


def test_causes_without_number_are_told_and_kept_as_few() -> None:
    log_limit = LogLimit(60.0, most=3)
    heard = [f"{n}" for n in range(10_000) if log_limit.is_due(f"{n}", 0.001 * n)]
    # The fourth stands for all others.
    assert heard == ["0", "1", "2", "3"]
    assert len(log_limit._logged_at_s) == 4
    assert log_limit.is_due("9999", 100.0)
    assert list(log_limit._logged_at_s) == ["9999"]


def test_the_wait_between_tries_doubles_up_to_two_seconds() -> None:
    waits = [backoff_s_of(failures, None) for failures in range(1, 8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert backoff_s_of(10**6, None) == 2.0
    assert backoff_s_of(1, 7.5) == 7.5
    assert backoff_s_of(9, 0.5) == 2.0


def test_a_loss_is_reported_as_an_event(make: Any) -> None:
    sink = MemorySink()
    seen: list[Stats] = []

    def report(stats: Stats) -> bytes:
        seen.append(stats)
        return event(1000)

    pipe = make(sink, report=report, tick=lambda: None, tick_interval_s=0.01)
    pipe.put(event(1))
    assert pipe.flush(60.0)
    pipe.drop("capture_error")
    until(lambda: 1000 in numbers_in(sink))
    assert seen[0].dropped == {"capture_error": 1}
    assert numbers_in(sink) == [1, 1000]


def test_a_loss_is_reported_again_only_after_a_minute_or_at_exit(make: Any) -> None:
    sink = MemorySink()
    now_s = [1000.0]
    ticks: list[float] = []
    pipe = make(
        sink,
        report=lambda stats: event(1000 + stats.lost),
        tick=lambda: ticks.append(now_s[0]),
        tick_interval_s=0.005,
        monotonic=lambda: now_s[0] + time.monotonic() % 1.0 * 1e-6,
    )

    def pass_time(step_s: float) -> None:
        now_s[0] += step_s
        count = len(ticks)
        until(lambda: len(ticks) > count)

    pipe.put(event(1))
    pipe.drop("capture_error")
    pass_time(1.0)
    until(lambda: numbers_in(sink) == [1, 1001])
    pipe.drop("capture_error")
    for _ in range(3):
        pass_time(1.0)
    assert numbers_in(sink) == [1, 1001]
    pass_time(60.0)
    until(lambda: numbers_in(sink) == [1, 1001, 1002])
    pipe.drop("capture_error")
    assert pipe.close(60.0)
    assert numbers_in(sink) == [1, 1001, 1002, 1003]


def test_a_recovery_is_reported_once(make: Any) -> None:
    sink = FlakySink(0, 0)
    pipe = make(sink, report=lambda _: event(1000))
    pipe.put(event(1))
    until(lambda: numbers_in(sink) == [1, 1000])
    assert pipe.close(60.0)
    assert numbers_in(sink) == [1, 1000]
    assert pipe.stats().emitted == 2


def test_a_report_that_fails_or_is_silent_stops_nothing(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    asked: list[int] = []

    def report(stats: Stats) -> None:
        asked.append(stats.lost)
        if len(asked) == 1:
            raise RuntimeError

    sink = MemorySink()
    pipe = make(sink, report=report)
    pipe.drop("capture_error")
    pipe.put(event(1))
    until(lambda: asked == [1])
    pipe.drop("capture_error")
    pipe.put(event(2))
    assert pipe.close(60.0)
    assert asked == [1, 2]
    assert numbers_in(sink) == [1, 2]


def test_the_tick_goes_on_while_nothing_comes_and_after_it_failed(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(threading.get_ident())
        raise ValueError

    pipe = make(MemorySink(), tick=tick, tick_interval_s=0.002)
    pipe.put(event(1))
    until(lambda: len(ticks) >= 5)
    assert threading.get_ident() not in ticks


def test_the_tick_goes_on_while_events_keep_coming(make: Any) -> None:
    ticks: list[int] = []
    pipe = make(MemorySink(), tick=lambda: ticks.append(1), tick_interval_s=0.002)

    def emit_until_ticked() -> bool:
        pipe.put(event(1))
        return len(ticks) >= 5

    until(emit_until_ticked)


def test_flush_waits_for_what_came_before_it_and_no_longer(make: Any) -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = make(sink)
    pipe.put(event(1))
    assert sink.is_sending.wait(60)
    results: list[bool] = []
    waiter = threading.Thread(target=lambda: results.append(pipe.flush(10.0)))
    waiter.start()
    sink.gate.set()
    waiter.join()
    assert results == [True]
    assert numbers_in(sink) == [1]


def test_flush_from_many_threads_at_once(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    results: list[tuple[bool, bool]] = []

    def emit(number: int) -> None:
        pipe.put(event(number))
        is_flushed = pipe.flush(10.0)
        results.append((is_flushed, number in numbers_in(sink)))

    threads = [threading.Thread(target=emit, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(True, True)] * 20


def test_close_writes_what_waits(make: Any) -> None:
    sink = FlakySink()
    pipe = make(sink)
    for n in range(2000):
        pipe.put(event(n))
    assert pipe.close(60.0)
    assert numbers_in(sink) == list(range(2000))
    assert sink.is_closed
    assert pipe.close(60.0)


def test_close_is_true_however_long_the_sink_takes_to_close(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    real = FlushMarker.wait

    def wait(mark: FlushMarker, timeout_s: float) -> bool:
        looks.append(timeout_s)
        return real(mark, timeout_s)

    class SlowToClose(FlakySink):
        def close(self) -> None:
            count = len(looks)
            until(lambda: len(looks) >= count + 3)
            super().close()

    monkeypatch.setattr(FlushMarker, "wait", wait)
    monkeypatch.setattr(pipeline, "_LOOK_AGAIN_S", 0.001)
    pipe = make(SlowToClose())
    pipe.put(event(1))
    assert pipe.close(60.0)


def test_a_sink_that_fails_in_closing_is_closed_all_the_same(make: Any) -> None:
    class Broken(FlakySink):
        def close(self) -> None:
            super().close()
            raise OSError(5, "broken")

    pipe = make(Broken())
    pipe.put(event(1))
    assert pipe.close(60.0)
    until(lambda: not pipe._is_alive)


def test_an_event_after_close_is_counted(make: Any) -> None:
    pipe = make(MemorySink())
    pipe.put(event(1))
    assert pipe.close(60.0)
    pipe.put(event(2))
    pipe.put(event(3), vital=True)
    stats = pipe.stats()
    assert stats.dropped == {"after_close": 2}
    assert is_lawful(stats)
    assert pipe.flush(0.01)


def test_what_a_down_sink_did_not_take_is_counted_at_close(make: Any) -> None:
    sink = FlakySink()
    sink.is_down = True
    pipe = make(sink)
    for n in range(5):
        pipe.put(event(n))
    assert not pipe.close(0.05)
    stats = pipe.stats()
    assert stats.dropped == {"after_close": 5}
    assert (stats.queued, stats.queued_bytes) == (0, 0)
    assert is_lawful(stats)
    assert not pipe.flush(0.01)
    until(lambda: sink.is_closed)
    assert not pipe.close(0.05)


def test_a_hung_sink_does_not_hold_up_close_and_may_still_finish(make: Any) -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = make(sink)
    pipe.put(event(1))
    assert sink.is_sending.wait(60)
    pipe.put(event(2))
    assert not pipe.close(0.02)
    assert pipe.stats().dropped == {"after_close": 2}
    sink.gate.set()
    until(lambda: sink.is_closed)
    stats = pipe.stats()
    assert stats.written == len(sink.lines) == 1
    assert stats.dropped == {"after_close": 1}
    assert is_lawful(stats)


def test_close_starts_no_thread_and_writes_by_itself_if_there_is_none(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(pipeline, "start_thread", refuse)
    sink = FlakySink()
    pipe = make(sink)
    pipe.put(event(1))
    pipe.put(event(2))
    assert pipe.stats().queued == 2
    assert not pipe.flush(0.01)
    assert pipe.close(60.0)
    assert numbers_in(sink) == [1, 2]
    assert sink.is_closed


def test_a_thread_that_could_not_start_is_tried_again(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = pipeline.start_thread, [1]

    def start(*args: Any) -> int:
        if refusals:
            refusals.pop()
            message = "can't start new thread"
            raise RuntimeError(message)
        return real(*args)

    monkeypatch.setattr(pipeline, "start_thread", start)
    sink = MemorySink()
    pipe = make(sink)
    pipe.put(event(1))
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [1]


def test_a_dead_writer_is_replaced_and_goes_on_where_it_stopped(make: Any) -> None:
    sink = MemorySink()
    pipe = make(sink)
    pipe.put(event(1))
    assert pipe.flush(60.0)
    real = pipe._writer.run
    ends = [1]

    def run() -> None:
        if ends:
            ends.pop()
            return
        real()

    pipe._writer.run = run
    # Ends the loop of the living thread, as nothing in the code does.
    pipe._writer.is_ended = True
    pipe.put(event(2))
    until(lambda: not pipe._is_alive)
    pipe._writer.is_ended = False
    pipe.put(event(3))
    until(lambda: not ends)
    pipe.put(event(4))
    assert pipe.flush(60.0)
    assert numbers_in(sink) == [1, 2, 3, 4]
    assert pipe.stats().restarts == 2
    assert integrity.verify(sink.lines).ok


def test_exceptions_thrown_into_the_writer_lose_no_event(make: Any) -> None:
    idents: list[int] = []
    sink = MemorySink()
    pipe = make(
        sink,
        tick=lambda: idents.append(threading.get_ident()),
        tick_interval_s=0.001,
        memory_limit_bytes=1 << 24,
    )
    pipe.put(event(0))
    until(lambda: bool(idents))
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    for n in range(1, 301):
        pipe.put(event(n))
        if n % 50 == 0:
            throw(ctypes.c_ulong(idents[-1]), ctypes.py_object(SystemExit))
    assert pipe.flush(60.0)
    assert sorted(set(numbers_in(sink))) == list(range(301))


def test_abandon_lets_go_and_counts_nothing(make: Any) -> None:
    sink = FlakySink()
    sink.is_down = True
    pipe = make(sink)
    for n in range(5):
        pipe.put(event(n))
    pipe.abandon()
    pipe.put(event(6))
    pipe.drop("capture_error")
    assert sink.is_abandoned
    assert pipe.flush(0.01)
    assert pipe.close(0.01)
    assert pipe.stats().dropped.get("capture_error") is None
    assert pipe._queue.items.qsize() == 0


def test_another_process_is_not_waited_for(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = make(sink)
    pipe.put(event(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert pipe.flush(60.0)
        assert pipe.close(60.0)
    assert not sink.is_closed


def test_a_batch_ends_at_512_events_at_a_mebibyte_and_at_a_mark() -> None:
    queue = BoundedQueue(1 << 30)
    pending = PendingBatch(queue, integrity=False)
    mark = FlushMarker()
    items: list[bytes | FlushMarker] = [event(n) for n in range(600)]
    items += [event(n, 300_000) for n in range(5)]
    items += [event(9, 2_000_000), mark, event(10)]
    for item in items:
        queue.items.put(item)
    pending.take(queue.items.get_nowait, len(items))
    sizes, marks = [], []
    while pending:
        marks += pending.form()
        sizes.append(len(pending.batch))
        pending.settle(Verdict(len(pending.batch)))
    assert sizes == [512, 91, 2, 1, 1]
    assert marks == [mark]


def test_stats_can_be_read_but_not_changed(make: Any) -> None:
    pipe = make(MemorySink())
    pipe.drop("capture_error")
    stats = pipe.stats()
    with pytest.raises(TypeError):
        stats.dropped["capture_error"] = 0
    with pytest.raises(AttributeError):
        stats.written = 3


def test_a_memory_sink_shows_decoded_events_and_can_be_emptied() -> None:
    sink = MemorySink()
    assert sink.send([event(1) + b"\n"]).accepted == 1
    assert sink.events == [{"n": 1, "x": ""}]
    sink.close()
    sink.abandon()
    assert len(sink.events) == 1
    sink.clear()
    assert sink.events == []
