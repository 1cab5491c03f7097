"""Record a model's stream: its chunks by kind, its final event, and how it broke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from chaukas.sdk.integrations.openai_agents.state import AgentsRun
from chaukas.sdk.integrations.shared.deltas import wants_deltas
from chaukas.sdk.integrations.shared.openai_api.response_deltas import ResponseDeltas
from chaukas.sdk.integrations.shared.streams import (
    ObservedStream,
    StreamObserver,
    is_stream,
)
from chaukas.sdk.system.internal_errors import attempt

from .hosted import HOSTED_STEPS, watch_hosted

if TYPE_CHECKING:
    from chaukas.sdk.integrations.openai_agents.state import Invocation
    from chaukas.sdk.record.context import Node
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["StreamEnds", "is_streaming", "watched"]

_TERMINAL = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
        "response.error",
    }
)
_NOTED = _TERMINAL | HOSTED_STEPS
_KINDS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "arguments",
}


class StreamEnds(Protocol):
    """Who records how the stream of a model call ends."""

    def stream_ended(self, invocation: Invocation, event: Any) -> None:
        """End the call with the last event of its stream."""

    def end_alone(self, invocation: Invocation, error: BaseException | None) -> None:
        """End a call that no runner looks after."""


class _ModelStream(StreamObserver):
    """Observes the stream of one model call."""

    __slots__ = ("_calls", "_invocation", "_recorder", "_take")

    def __init__(
        self, recorder: Recorder, calls: StreamEnds, invocation: Invocation
    ) -> None:
        self._recorder = recorder
        self._calls = calls
        self._invocation = invocation
        self._take: Any = None
        if invocation.pair is not None and wants_deltas(recorder, invocation.run):
            pieces = ResponseDeltas(recorder, invocation.run, invocation.span_id)
            invocation.deltas, self._take = pieces, pieces.take

    def begun(self) -> Node:
        return self._invocation.node

    def item(self, value: Any) -> None:
        invocation = self._invocation
        invocation.chunk_count += 1
        try:
            kind = value.type
        except Exception:
            # A model of the application's own may stream anything.
            return
        if type(kind) is not str:
            return
        name = _KINDS.get(kind, "other")
        kinds = invocation.chunk_kinds
        kinds[name] = kinds.get(name, 0) + 1
        if invocation.first_chunk_ns == 0 and kind.endswith(".delta"):
            invocation.first_chunk_ns = self._recorder.clock.monotonic_ns()
        if kind in _NOTED:
            self._note(kind, value)
        if self._take is not None:
            self._take(value)

    def _note(self, kind: str, event: Any) -> None:
        if kind in _TERMINAL:
            self._calls.stream_ended(self._invocation, event)
            return
        clock = self._recorder.clock
        attempt("hosted tools", watch_hosted, self._invocation, kind, event, clock)

    def ended(self) -> None:
        invocation = self._invocation
        invocation.is_exhausted = True
        if invocation.is_alone:
            self._calls.end_alone(invocation, None)

    def failed(self, error: BaseException) -> None:
        invocation = self._invocation
        invocation.is_exhausted = False
        if invocation.is_alone:
            self._calls.end_alone(invocation, error)
        elif type(error) is not GeneratorExit:
            # What is closed early, was cancelled, or the runner knows why.
            invocation.error = error


def watched(
    stream: Any, recorder: Recorder, calls: StreamEnds, invocation: Invocation
) -> Any:
    """Return a proxy of *stream* that records it as the configuration asks."""
    if not is_stream(stream):
        return stream
    return ObservedStream(stream, _ModelStream(recorder, calls, invocation))


def is_streaming(node: Node) -> bool:
    """Tell whether the agent's model is in the middle of a stream."""
    run = node.run
    if node.kind != "agent" or not isinstance(run, AgentsRun):
        return False
    return run.invocation is not None and run.invocation.chunk_count > 0
