"""
Record what a model streams, piece by piece, while it streams.

Pieces are gathered, so that the record costs little more than the stream, and cut
only where no secret can be torn in two, since no pattern would know its halves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.record.recorder import without_defaults

from .hosted_items import read

if TYPE_CHECKING:
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["PIECE_CHARS", "PIECE_INTERVAL_NS", "Pieces"]

PIECE_CHARS = 256
"""Characters that are told at once, without waiting for the interval."""

PIECE_INTERVAL_NS = 50_000_000
"""Least time between two events about the same part, unless there is much to tell."""

_MARK = "[REDACTED]"
_RETRY_SHARE = 8
_PARTS = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_summary_text": "reasoning",
    "response.reasoning_text": "reasoning",
    "response.function_call_arguments": "tool_arguments",
    "response.custom_tool_call_input": "tool_arguments",
    "response.mcp_call_arguments": "tool_arguments",
    "response.code_interpreter_call_code": "tool_arguments",
}
_DELTAS = {f"{name}.delta": part for name, part in _PARTS.items()}
_ENDS = {f"{name}.done": part for name, part in _PARTS.items()}
_ADDED = "response.output_item.added"
_CALLS = frozenset(
    {"function_call", "custom_tool_call", "mcp_call", "code_interpreter_call"}
)


class _Part:
    """What waits of one part of the output."""

    __slots__ = ("context", "index", "kind", "offset", "text", "told_ns", "tried_chars")

    def __init__(self, kind: str, index: int, now_ns: int) -> None:
        self.kind = kind
        self.index = index
        self.text = ""
        self.context = ""
        self.offset = 0
        self.told_ns = now_ns
        self.tried_chars = 0


class Pieces:
    """
    Turns the deltas of one model call into partial OUTPUT_EMITTED events.

    Args:
        recorder: Where to record.
        run: Run of the call.
        span_id: The call's span, under which the events stand.
    """

    __slots__ = ("_count", "_names", "_parts", "_recorder", "_run", "_span_id")

    def __init__(self, recorder: Recorder, run: AgentsRun, span_id: str) -> None:
        self._recorder = recorder
        self._run = run
        self._span_id = span_id
        self._parts: dict[tuple[str, int], _Part] = {}
        self._names: dict[int, dict[str, Any]] = {}
        self._count = 0

    def take(self, event: Any) -> None:
        """Take the next event of the stream, and tell what is due."""
        kind = read(event, "type")
        if type(kind) is not str:
            return
        part = _DELTAS.get(kind)
        if part is not None:
            self._add(part, _index_of(event), read(event, "delta"))
        elif kind in _ENDS:
            ended = self._parts.pop((_ENDS[kind], _index_of(event)), None)
            if ended is not None:
                self._tell_rest(ended)
        elif kind == _ADDED:
            self._note_name(event)

    def finish(self) -> None:
        """Tell the rest: the model call ends now."""
        parts = list(self._parts.values())
        self._parts.clear()
        for part in parts:
            self._tell_rest(part)

    def _add(self, kind: str, index: int, delta: Any) -> None:
        if type(delta) is not str:
            return
        now_ns = self._recorder.clock.monotonic_ns()
        part = self._parts.get((kind, index))
        if part is None:
            part = self._parts[kind, index] = _Part(kind, index, now_ns)
        part.text += delta
        size = len(part.text)
        is_due = now_ns - part.told_ns >= PIECE_INTERVAL_NS
        # What could not be told is looked at again when it has grown by a share of
        # itself: else a long secret would cost the square of its length.
        if (is_due or size >= PIECE_CHARS) and (
            size >= part.tried_chars + part.tried_chars // _RETRY_SHARE
        ):
            self._tell_due(part)

    def _tell_due(self, part: _Part) -> None:
        """Tell as much as can be told without tearing a secret."""
        cut = self._recorder.capture(self._run).cut(part.text, part.context)
        text = part.text[cut.hidden_chars : cut.end]
        part.text = part.text[cut.end :]
        part.context = cut.context
        part.tried_chars = len(part.text) if cut.context or not cut.end else 0
        part.offset += cut.hidden_chars
        if text or cut.is_open:
            self._tell(part, text, is_open=cut.is_open)

    def _tell_rest(self, part: _Part) -> None:
        """Tell the end of a part."""
        text = self._recorder.capture(self._run).rest(part.text, part.context)
        part.offset += len(part.text) - len(text)
        if text:
            self._tell(part, text)

    def _tell(self, part: _Part, text: str, *, is_open: bool = False) -> None:
        recorder = self._recorder
        part.told_ns = recorder.clock.monotonic_ns()
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

    def _note_name(self, event: Any) -> None:
        item = read(event, "item")
        kind = read(item, "type")
        if type(kind) is not str or kind not in _CALLS:
            return
        facts = self._recorder.capture_facts()
        told = facts.tree(
            {
                "tool_call_id": read(item, "call_id") or read(item, "id"),
                "tool_name": read(item, "name"),
            },
            "message.metadata",
        )
        if type(told) is dict:
            self._names[_index_of(event)] = without_defaults(told)


def _index_of(event: Any) -> int:
    index = read(event, "output_index")
    return index if type(index) is int else 0
