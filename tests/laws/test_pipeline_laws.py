"""
Laws of the pipeline, over all orders of emitting, writing, failing and closing.

The writer's turns are taken by the test itself, so each run is repeatable; the
model knows nothing of the pipeline's counters.
"""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from chaukas.sdk import integrity, pipeline
from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.pipeline import REASONS
from chaukas.sdk.pipeline.bounded_queue import EVENT_OVERHEAD_BYTES, FlushMarker
from chaukas.sdk.sinks import Verdict
from tests.support.faulty_io import FlakySink

LIMIT_BYTES = 20_000

answers = st.one_of(
    st.integers(0, 5),
    st.sampled_from([ValueError("no"), OSError(28, "full")]),
    st.builds(Verdict, st.integers(0, 3), st.integers(0, 3), st.just("quarantined")),
    st.builds(Verdict, st.just(10**6)),
)


class PipelineLaws(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sink = FlakySink()
        self.admitted: list[int] = []
        self.costs: dict[int, int] = {}
        self.emitted = 0
        self.dropped: dict[str, int] = dict.fromkeys(REASONS, 0)
        self.marks: list[tuple[FlushMarker, int]] = []
        self.is_closed = False
        self.steps = 0
        self.seq = 0

    @initialize()
    def begin(self) -> None:
        patch = mock.patch.object(pipeline, "start_thread", return_value=0)
        patch.start()
        self.undo = patch.stop
        self.pipe = pipeline_of(self.sink, stream="s", memory_limit_bytes=LIMIT_BYTES)

    @property
    def gone(self) -> int:
        """How many of the admitted events have left memory."""
        return len(self.sink.lines) + self.refused

    @property
    def refused(self) -> int:
        return self.pipe._writer.pending.refused[REASONS.index("quarantined")]

    @property
    def held_bytes(self) -> int:
        return sum(self.costs[seq] for seq in self.admitted[self.gone :])

    @rule(
        size=st.one_of(st.integers(0, 600), st.integers(0, 25_000)), vital=st.booleans()
    )
    def put(self, *, size: int, vital: bool) -> None:
        self.seq = seq = self.seq + 1
        event = b'{"seq":%d,"x":"%s"}' % (seq, b"x" * size)
        cost = len(event) + EVENT_OVERHEAD_BYTES
        limit = LIMIT_BYTES if vital else LIMIT_BYTES * 9 // 10
        self.emitted += 1
        if self.is_closed:
            self.dropped["after_close"] += 1
        elif self.held_bytes + cost > limit:
            self.dropped["memory_full"] += 1
        else:
            self.admitted.append(seq)
            self.costs[seq] = cost
        self.pipe.put(event, vital=vital)

    @rule(reason=st.sampled_from(REASONS))
    def drop(self, reason: str) -> None:
        if reason != "quarantined":
            self.pipe.drop(reason)
            self.emitted += 1
            self.dropped[reason] += 1

    @rule(answer=answers)
    def expect(self, answer: Any) -> None:
        self.sink.answers.append(answer)

    @precondition(lambda self: self.has_work())
    @rule()
    def turn(self) -> None:
        self.pipe._queue.handover.nudge()
        self.pipe._writer.turn()

    def has_work(self) -> bool:
        held = bool(self.pipe._writer.pending) or self.pipe._queue.items.qsize() > 0
        return held and not self.is_closed

    @precondition(lambda self: not self.is_closed)
    @rule()
    def mark(self) -> None:
        mark = FlushMarker()
        self.pipe._queue.items.put(mark)
        self.marks.append((mark, len(self.admitted)))

    @precondition(lambda self: not self.is_closed and self.steps > 30)
    @rule(is_down=st.booleans())
    def close(self, *, is_down: bool) -> None:
        self.sink.answers.clear()
        self.sink.is_down = is_down
        self.pipe._is_alive = False
        waiting = len(self.admitted) - self.gone
        is_stored = self.pipe.close(0.001 if is_down else 30.0)
        assert is_stored == (not is_down or not waiting)
        self.is_closed = True
        self.dropped["after_close"] += len(self.admitted) - self.gone

    @invariant()
    def conserve(self) -> None:
        self.steps += 1
        stats = self.pipe.stats()
        queued = 0 if self.is_closed else len(self.admitted) - self.gone
        dropped = {**self.dropped, "quarantined": self.refused}
        assert stats.emitted == self.emitted
        assert stats.written == len(self.sink.lines)
        assert stats.queued == queued
        assert stats.dropped == {k: n for k, n in dropped.items() if n}
        assert stats.emitted == stats.written + stats.queued + stats.lost

    @invariant()
    def bound(self) -> None:
        stats = self.pipe.stats()
        assert stats.queued_bytes <= LIMIT_BYTES
        assert stats.queued_bytes == (0 if self.is_closed else self.held_bytes)

    @invariant()
    def keep_order(self) -> None:
        written = [json.loads(line)["seq"] for line in self.sink.lines]
        gone = self.admitted[: self.gone]
        assert written == [seq for seq in gone if seq in set(written)]

    @invariant()
    def keep_the_chain_of_what_was_not_refused(self) -> None:
        if not self.refused:
            assert integrity.verify(self.sink.lines).problem is None

    @invariant()
    def reach_marks_only_after_what_came_before(self) -> None:
        for mark, place in list(self.marks):
            if mark.wait(0):
                self.marks.remove((mark, place))
                assert self.gone >= place

    def teardown(self) -> None:
        if not self.is_closed:
            self.pipe._is_alive = False
            self.sink.answers.clear()
            self.pipe.close(30.0)
        self.undo()


PipelineLaws.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None
)
test_the_pipeline_keeps_its_laws = PipelineLaws.TestCase
