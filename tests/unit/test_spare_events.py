"""Events that may be missed make room for the others, long before memory is full."""

from __future__ import annotations

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.pipeline.bounded_queue import BoundedQueue
from chaukas.sdk.sinks.memory import MemorySink
from tests.support.faulty_io import FlakySink

_EVENT = b'{"x":"' + b"x" * 930 + b'"}'


def test_spare_events_are_the_first_to_be_dropped() -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = pipeline_of(sink, stream="s", memory_limit_bytes=100_000)
    for _ in range(200):
        pipe.offer(_EVENT)
    half = pipe.stats()
    assert 49_000 <= half.queued_bytes <= 50_000
    assert half.dropped == {"memory_full": 200 - half.queued}
    pipe.put(_EVENT)
    assert pipe.stats().queued == half.queued + 1
    sink.gate.set()
    assert pipe.close(10.0)


def test_spare_events_come_through_while_there_is_room() -> None:
    sink = MemorySink()
    pipe = pipeline_of(sink, stream="s", memory_limit_bytes=1 << 20)
    pipe.offer(_EVENT)
    pipe.put(_EVENT)
    assert pipe.close(10.0)
    assert len(sink.lines) == 2
    pipe.offer(_EVENT)
    assert pipe.stats().dropped == {"after_close": 1}


def test_a_spare_event_that_comes_too_late_for_room_is_counted_once() -> None:
    queue = BoundedQueue(1_000)
    queue.offer(b"x" * 600)
    (cell,) = queue.cells
    assert (cell.count, cell.size, sum(cell.drops)) == (1, 0, 1)


def test_an_abandoned_pipeline_counts_no_spare_event() -> None:
    pipe = pipeline_of(MemorySink(), stream="s", memory_limit_bytes=1 << 20)
    pipe.abandon()
    pipe.offer(_EVENT)
    assert pipe.stats().emitted == 0
