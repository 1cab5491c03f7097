"""
Watch a model's stream without changing it: first chunk, count, and end.

Apart from the rest of model calls, because a stream outlives the call that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from chaukas.sdk.integrations.openai_agents.state import AgentsRun, attempt
from chaukas.sdk.record.context import CURRENT, Node, reset

from .deltas import Pieces
from .hosted import HOSTED_STEPS, watch_hosted

if TYPE_CHECKING:
    from chaukas.sdk.integrations.openai_agents.state import Invocation

    from .answers import Answer
    from .wrap import ModelCalls

__all__ = [
    "Chunks",
    "ToldStream",
    "WatchedStream",
    "is_stream",
    "is_streaming",
    "node_of",
    "tokens_per_second",
    "watched",
]

_TERMINAL = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
        "response.error",
    }
)
_COUNTED_KINDS = 64
"""More kinds than the API has; a model of the application may have any."""
_NOTED = _TERMINAL | HOSTED_STEPS


# Only checkers know the base's type argument.
class WatchedStream(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """
    A model's stream that notes its first chunk, its count and its end.

    A proxy, because the runner calls `__anext__` directly, probes for `aclose`, and
    a generator around a generator would change both.
    """

    def __init__(self, stream: Any, calls: ModelCalls, invocation: Invocation) -> None:
        super().__init__(stream)
        self._self_calls = calls
        self._self_invocation = invocation
        self._self_node = node_of(invocation)
        self._self_next: Any = None

    def __aiter__(self) -> WatchedStream:
        """Return itself, as a stream is its own iterator."""
        return self

    async def __anext__(self) -> Any:
        """Return the next event of the stream, unchanged."""
        step = self._self_next
        try:
            event = await (self._first() if step is None else step())
        except StopAsyncIteration:
            self._close(None)
            raise
        except BaseException as error:
            self._close(error)
            raise
        invocation = self._self_invocation
        invocation.chunk_count += 1
        try:
            kind = event.type
        except Exception:
            # A model of the application's own may stream anything.
            return event
        if type(kind) is str:
            counts = invocation.delta_counts
            if kind in counts or len(counts) < _COUNTED_KINDS:
                counts[kind] = counts.get(kind, 0) + 1
            if invocation.first_chunk_ns == 0 or kind in _NOTED:
                self._note(kind, event, invocation)
        return event

    async def _first(self) -> Any:
        """
        Take the first step, which makes the request.

        Later steps go without the node: no retry comes after the first event, and
        a call made by the model then is known by the invocation under way.
        """
        self._self_next = step = self.__wrapped__.__aiter__().__anext__
        token = CURRENT.set(self._self_node)
        try:
            return await step()
        finally:
            reset(token)

    @property
    def aclose(self) -> Any:
        """The stream's own, after which a call that stands alone is over."""
        close = self.__wrapped__.aclose
        return self._closing if self._self_invocation.is_alone else close

    async def _closing(self) -> None:
        try:
            await self.__wrapped__.aclose()
        except BaseException as error:
            self._close(error)
            raise
        self._close(None)

    def __del__(self) -> None:
        """End a call that stands alone, when its stream is dropped unread."""
        if self._self_invocation.is_alone:
            self._close(None)

    def _note(self, kind: str, event: Any, invocation: Invocation) -> None:
        if invocation.first_chunk_ns == 0 and kind.endswith(".delta"):
            clock = self._self_calls._recorder.clock
            invocation.first_chunk_ns = clock.monotonic_ns()
        if kind in _TERMINAL:
            self._self_calls.stream_ended(invocation, event)
        elif kind in HOSTED_STEPS:
            now_ns = self._self_calls._recorder.clock.monotonic_ns()
            attempt("hosted tools", watch_hosted, invocation, kind, event, now_ns)

    def _close(self, error: BaseException | None) -> None:
        invocation = self._self_invocation
        invocation.is_exhausted = error is None
        if invocation.is_alone:
            self._self_calls.end_alone(invocation, error)
        elif error is not None:
            invocation.error = error


class ToldStream(WatchedStream):
    """A watched stream that is also recorded piece by piece."""

    async def __anext__(self) -> Any:
        """Return the next event of the stream, unchanged."""
        event = await super().__anext__()
        pieces = self._self_invocation.pieces
        if pieces is not None:
            attempt("stream_events", pieces.take, event)
        return event


# Only checkers know the base's type argument.
class Chunks(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The chunks of a streamed completion, noted as they pass."""

    def __init__(self, chunks: Any, answer: Answer) -> None:
        super().__init__(chunks)
        self._self_answer = answer

    def __aiter__(self) -> Chunks:
        """Return itself, as a stream is its own iterator."""
        return self

    async def __anext__(self) -> Any:
        """Return the next chunk, unchanged."""
        chunk = await self.__wrapped__.__anext__()
        try:
            self._self_answer.take_completion(chunk)
        except Exception:
            # A compatible provider may leave out anything.
            return chunk
        return chunk


def watched(stream: Any, calls: ModelCalls, invocation: Invocation) -> Any:
    """Return a proxy of *stream* that records it as the configuration asks."""
    if not is_stream(stream):
        return stream
    recorder = calls._recorder
    pair, run = invocation.pair, invocation.run
    if recorder.config.stream_events != "deltas" or pair is None or not run.sampled:
        return WatchedStream(stream, calls, invocation)
    invocation.pieces = Pieces(recorder, run, pair.span_id)
    return ToldStream(stream, calls, invocation)


def tokens_per_second(tokens: int, spent_ns: int) -> float:
    """Return tokens in each second of *spent_ns*, to two digits; 0 if unknown."""
    if tokens <= 0 or spent_ns <= 0:
        return 0
    speed = round(tokens * 1e9 / spent_ns, 2)
    # Integral numbers go without a fraction into the canonical form.
    return int(speed) if speed == int(speed) else speed


def is_stream(value: object) -> bool:
    """Tell by its class whether *value* can be iterated asynchronously."""
    return hasattr(type(value), "__anext__") or hasattr(type(value), "__aiter__")


def node_of(invocation: Invocation) -> Node:
    """Return the node under which what a model call does stands."""
    pair = invocation.pair
    span_id = pair.span_id if pair else invocation.run.agent_span_id
    return Node(invocation.run, span_id, "model", invocation)


def is_streaming(node: Node) -> bool:
    """Tell whether the agent's model is in the middle of a stream."""
    run = node.run
    if node.kind != "agent" or not isinstance(run, AgentsRun):
        return False
    return run.invocation is not None and run.invocation.chunk_count > 0
