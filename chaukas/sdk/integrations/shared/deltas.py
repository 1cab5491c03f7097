"""
Record what a model streams while it streams, as partial OUTPUT_EMITTED events.

Deltas are gathered, so that the record costs little more than the stream, and cut only
where no secret can be torn in two, since no pattern would know its halves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.record.recorder import without_defaults

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["PIECE_CHARS", "PIECE_INTERVAL_NS", "DeltaBuffer", "wants_deltas"]

PIECE_CHARS = 256
"""Characters that are recorded at once, without waiting for the interval."""

PIECE_INTERVAL_NS = 50_000_000
"""Least time between two events about the same part, unless there is much to record."""

_MARK = "[REDACTED]"
_RETRY_SHARE = 8


def wants_deltas(recorder: Recorder, run: Run) -> bool:
    """Tell whether the streams of *run* are recorded while they go on."""
    return recorder.config.stream_events == "deltas" and run.sampled


class _Part:
    """What waits of one part of the output."""

    __slots__ = (
        "context",
        "index",
        "kind",
        "offset",
        "recorded_ns",
        "text",
        "tried_chars",
    )

    def __init__(self, kind: str, index: int, now_ns: int) -> None:
        self.kind = kind
        self.index = index
        self.text = ""
        self.context = ""
        self.offset = 0
        self.recorded_ns = now_ns
        self.tried_chars = 0


class DeltaBuffer:
    """
    Turns the deltas of one model call into events.

    Args:
        recorder: Where to record.
        run: Run of the call.
        span_id: The call's span, under which the events stand.
    """

    __slots__ = ("_count", "_names", "_parts", "_recorder", "_run", "_span_id")

    def __init__(self, recorder: Recorder, run: Run, span_id: str) -> None:
        self._recorder = recorder
        self._run = run
        self._span_id = span_id
        self._parts: dict[tuple[str, int], _Part] = {}
        self._names: dict[int, dict[str, Any]] = {}
        self._count = 0

    def add(self, kind: str, index: int, delta: Any) -> None:
        """
        Add a delta, and record what is due.

        Args:
            kind: Part of the output: `text`, `refusal`, `reasoning` or
                `tool_arguments`.
            index: Place of the item in the output that it belongs to.
            delta: A text; anything else is passed over.
        """
        if type(delta) is not str:
            return
        now_ns = self._recorder.clock.monotonic_ns()
        part = self._parts.get((kind, index))
        if part is None:
            part = self._parts[kind, index] = _Part(kind, index, now_ns)
        part.text += delta
        size = len(part.text)
        is_due = now_ns - part.recorded_ns >= PIECE_INTERVAL_NS
        # What could not be cut is looked at again when it has grown by a share of
        # itself: else a long secret would cost the square of its length.
        if (is_due or size >= PIECE_CHARS) and (
            size >= part.tried_chars + part.tried_chars // _RETRY_SHARE
        ):
            self._record_due(part)

    def name(self, index: int, call_id: Any, tool_name: Any) -> None:
        """Note of which tool the arguments of item *index* are."""
        facts = self._recorder.capture_facts()
        names = {
            name: facts.text(value, f"message.metadata.{name}")
            for name, value in (("tool_call_id", call_id), ("tool_name", tool_name))
            if type(value) is str
        }
        self._names[index] = without_defaults(names)

    def end(self, kind: str, index: int) -> None:
        """Record the rest of a part that is complete."""
        part = self._parts.pop((kind, index), None)
        if part is not None:
            self._record_rest(part)

    def finish(self) -> None:
        """Record the rest of all parts: the model call ends now."""
        parts = list(self._parts.values())
        self._parts.clear()
        for part in parts:
            self._record_rest(part)

    def _record_due(self, part: _Part) -> None:
        """Record as much as can be without tearing a secret."""
        cut = self._recorder.capture(self._run).cut(part.text, part.context)
        text = part.text[cut.hidden_chars : cut.end]
        part.text = part.text[cut.end :]
        part.context = cut.context
        part.tried_chars = len(part.text) if cut.context or not cut.end else 0
        part.offset += cut.hidden_chars
        if text or cut.is_open:
            self._record(part, text, is_open=cut.is_open)

    def _record_rest(self, part: _Part) -> None:
        text = self._recorder.capture(self._run).rest(part.text, part.context)
        part.offset += len(part.text) - len(text)
        if text:
            self._record(part, text)

    def _record(self, part: _Part, text: str, *, is_open: bool = False) -> None:
        recorder = self._recorder
        part.recorded_ns = recorder.clock.monotonic_ns()
        capture = recorder.capture(self._run)
        self._count += 1
        metadata = {
            "part": part.kind,
            "piece": self._count,
            "offset": part.offset,
            "output_index": part.index,
            **self._names.get(part.index, {}),
        }
        part.offset += len(text)
        if is_open:
            # Its end has not come within what may be held back.
            text += _MARK
            capture.note_hidden("message.text")
        message = {
            "role": "assistant",
            "text": capture.text(text, "message.text"),
            "metadata": without_defaults(metadata),
        }
        recorder.emit(
            EventType.OUTPUT_EMITTED,
            self._run,
            {"message": message, "is_partial": True},
            parent_span_id=self._span_id,
            capture=capture,
            status="EVENT_STATUS_IN_PROGRESS",
            is_spare=True,
        )
