"""
Record what a model streams while it streams, as partial OUTPUT_EMITTED events.

Deltas are gathered, so that the record costs little more than the stream. The writer's
thread cuts them, and only where no secret can be torn in two, since no pattern would
know its halves.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import Deferred, captured_now
from chaukas.sdk.events import EventType
from chaukas.sdk.record.recorder import without_defaults

if TYPE_CHECKING:
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["PIECE_CHARS", "PIECE_INTERVAL_NS", "DeltaBuffer", "wants_deltas"]

PIECE_CHARS = 256
"""Characters that are recorded at once, without waiting for the interval."""

PIECE_INTERVAL_NS = 50_000_000
"""Least time between two events about the same part, unless there is much to record."""

_MARK = "[REDACTED]"
_RETRY_SHARE = 8
_PATH = "message.text"


def wants_deltas(recorder: Recorder, run: Run) -> bool:
    """Tell whether the streams of *run* are recorded while they go on."""
    return recorder.config.stream_events == "deltas" and run.sampled


class _Counter:
    """Numbers the pieces of one model call, on the writer's thread."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class _Growing:
    """
    A part of the output as far as the writer has it.

    Args:
        kind: Part of the output, as for `DeltaBuffer.add`.
        index: Place of its item in the output.
        pieces: Numbers the pieces.
    """

    __slots__ = (
        "_context",
        "_index",
        "_is_torn",
        "_kind",
        "_offset",
        "_pieces",
        "_received",
        "_text",
        "_tried_chars",
    )

    def __init__(self, kind: str, index: int, pieces: _Counter) -> None:
        self._kind = kind
        self._index = index
        self._pieces = pieces
        self._text = ""
        self._context = ""
        self._offset = 0
        self._received = 0
        self._tried_chars = 0
        self._is_torn = False

    def take(
        self,
        deltas: list[str],
        start: int,
        names: dict[str, Any],
        capture: Capture,
        *,
        is_last: bool,
    ) -> dict[str, Any] | None:
        """
        Return the content of an event that shows what can be shown now.

        Args:
            deltas: What came since the last time.
            start: How many characters had come before.
            names: Of which tool these are arguments, if they are.
            capture: The event's own.
            is_last: The part is complete.

        Returns:
            None if nothing can be shown, as it may be a part of a secret.
        """
        if start != self._received:
            # A part in between was lost: what follows may be half of a secret.
            self._is_torn = True
        text = "".join(deltas)
        self._received += len(text)
        self._text += text
        if self._is_torn:
            self._text = ""
            return None
        is_open = False
        if is_last:
            shown = capture.rest(self._text, self._context)
            self._offset += len(self._text) - len(shown)
        else:
            size = len(self._text)
            # What could not be cut is looked at again when it has grown by a share of
            # itself: else a long secret would cost the square of its length.
            if size < self._tried_chars + self._tried_chars // _RETRY_SHARE:
                return None
            shown, is_open = self._cut(capture)
        if not shown and not is_open:
            return None
        return self._content(shown, names, capture, is_open=is_open)

    def _cut(self, capture: Capture) -> tuple[str, bool]:
        """Return what can be shown without tearing a secret, and if one follows it."""
        cut = capture.cut(self._text, self._context)
        shown = self._text[cut.hidden_chars : cut.end]
        self._text = self._text[cut.end :]
        self._context = cut.context
        self._tried_chars = len(self._text) if cut.context or not cut.end else 0
        self._offset += cut.hidden_chars
        return shown, cut.is_open

    def _content(
        self, text: str, names: dict[str, Any], capture: Capture, *, is_open: bool
    ) -> dict[str, Any]:
        self._pieces.count += 1
        metadata = {
            "part": self._kind,
            "piece": self._pieces.count,
            "offset": self._offset,
            "output_index": self._index,
            **{name: _shown(value, capture) for name, value in names.items()},
        }
        self._offset += len(text)
        if is_open:
            # Its end has not come within what may be held back.
            text += _MARK
            capture.note([_PATH])
        message = {
            "role": "assistant",
            "text": capture.text(text, _PATH),
            "metadata": without_defaults(metadata),
        }
        return {"message": message, "is_partial": True}


def _shown(name: Any, capture: Capture) -> Any:
    """Return the name of a tool, or the id of its call, as events show it."""
    shown = captured_now(name)
    if type(name) is Deferred:
        capture.note(name.capture.made.redacted)
    return shown


class _Part:
    """What waits of one part of the output, on the host's thread."""

    __slots__ = ("deltas", "growing", "noted_ns", "size", "start")

    def __init__(self, growing: _Growing, now_ns: int) -> None:
        self.growing = growing
        self.deltas: list[str] = []
        self.size = 0
        self.start = 0
        self.noted_ns = now_ns


class DeltaBuffer:
    """
    Turns the deltas of one model call into events.

    Args:
        recorder: Where to record.
        run: Run of the call.
        span_id: The call's span, under which the events stand.
    """

    __slots__ = ("_names", "_parts", "_pieces", "_recorder", "_run", "_span_id")

    def __init__(self, recorder: Recorder, run: Run, span_id: str) -> None:
        self._recorder = recorder
        self._run = run
        self._span_id = span_id
        self._parts: dict[tuple[str, int], _Part] = {}
        self._names: dict[int, dict[str, Any]] = {}
        self._pieces = _Counter()

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
            growing = _Growing(kind, index, self._pieces)
            part = self._parts[kind, index] = _Part(growing, now_ns)
        part.deltas.append(delta)
        part.size += len(delta)
        if part.size >= PIECE_CHARS or now_ns - part.noted_ns >= PIECE_INTERVAL_NS:
            part.noted_ns = now_ns
            # Else it comes with what follows.
            if self._recorder.pipeline.has_room(part.size):
                self._note(part, index)

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
            self._note(part, index, is_last=True)

    def finish(self) -> None:
        """Record the rest of all parts: the model call ends now."""
        parts = list(self._parts.items())
        self._parts.clear()
        for (_, index), part in parts:
            self._note(part, index, is_last=True)

    def _note(self, part: _Part, index: int, *, is_last: bool = False) -> None:
        """Hand what came to the writer, which makes an event of it or keeps it."""
        names = self._names.get(index, {})
        content = partial(
            part.growing.take, part.deltas, part.start, names, is_last=is_last
        )
        self._recorder.emit(
            EventType.OUTPUT_EMITTED,
            self._run,
            content,
            parent_span_id=self._span_id,
            status="EVENT_STATUS_IN_PROGRESS",
            weight_bytes=part.size,
        )
        part.start += part.size
        part.deltas, part.size = [], 0
