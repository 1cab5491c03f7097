"""What can wait asks for room, long before memory is full."""

from __future__ import annotations

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.sinks.memory import MemorySink
from tests.support.faulty_io import FlakySink

_EVENT = b'{"x":"' + b"x" * 930 + b'"}'


def test_there_is_room_while_half_of_the_memory_is_free() -> None:
    sink = FlakySink()
    sink.gate.clear()
    pipe = pipeline_of(sink, stream="s", memory_limit_bytes=100_000)
    count = 0
    while pipe.has_room(1_000):
        pipe.put(_EVENT)
        count += 1
    assert 49_000 <= pipe.stats().queued_bytes <= 50_000
    assert pipe.stats().queued == count
    sink.gate.set()
    assert pipe.flush(60.0)
    assert pipe.has_room(1_000)
    assert pipe.close(60.0)


def test_there_is_none_in_a_pipeline_that_was_abandoned() -> None:
    pipe = pipeline_of(MemorySink(), stream="s", memory_limit_bytes=1 << 20)
    assert pipe.has_room(1_000)
    pipe.abandon()
    assert not pipe.has_room(1_000)
