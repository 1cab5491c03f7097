"""Read the events of a stream of the Responses API as deltas of its output."""

from __future__ import annotations

from typing import Any

from chaukas.sdk.integrations.shared.deltas import DeltaBuffer
from chaukas.sdk.integrations.shared.read import read

__all__ = ["ResponseDeltas"]

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


class ResponseDeltas(DeltaBuffer):
    """Records the deltas of one model call."""

    __slots__ = ()

    def take(self, event: Any) -> None:
        """Take the next event of the stream."""
        kind = read(event, "type")
        if type(kind) is not str:
            return
        part = _DELTAS.get(kind)
        if part is not None:
            self.add(part, _index_of(event), read(event, "delta"))
        elif kind in _ENDS:
            self.end(_ENDS[kind], _index_of(event))
        elif kind == _ADDED:
            item = read(event, "item")
            item_kind = read(item, "type")
            if type(item_kind) is str and item_kind in _CALLS:
                call_id = read(item, "call_id") or read(item, "id")
                self.name(_index_of(event), call_id, read(item, "name"))


def _index_of(event: Any) -> int:
    index = read(event, "output_index")
    return index if type(index) is int else 0
