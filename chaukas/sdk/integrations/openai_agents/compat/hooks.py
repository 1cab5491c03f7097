"""
Record the OpenAI Agents SDK through its public interfaces alone.

| interface | events |
|---|---|
| `RunHooks.on_llm_start`, `on_llm_end` | MODEL_INVOCATION |
| `RunHooks.on_tool_start`, `on_tool_end` | TOOL_CALL |
| `RunHooks.on_handoff` | AGENT_HANDOFF |
| `TracingProcessor` | AGENT, MODEL_INVOCATION, TOOL_CALL, AGENT_HANDOFF, … |

The second level of capture: where a release lacks a hook point of
`openai_agents_enhanced`, the interface that comes nearest takes over, so a release of
tomorrow costs details and not the record.

Not seen on this level: settings and provider of a model call, its retries, what a
failed call was (hooks end with success only), errors that a tool turned into a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import wrapt

from chaukas.sdk.events import EventType
from chaukas.sdk.record import content as content_of
from chaukas.sdk.record.context import CURRENT, AgentRef, Run
from chaukas.sdk.record.placement import open_session
from chaukas.sdk.system.bounded import BoundedMap
from chaukas.sdk.system.internal_errors import report

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Pair, Session

__all__ = ["HookSink", "SpanRecorder", "hooks_around"]

_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_FRAMEWORK = "openai_agents"
_OPEN_TRACES = 1024


class HookSink(Protocol):
    """Who records what the hooks tell; a group that is patched stays silent."""

    def llm_started(self, agent: Any, system: Any, items: Any) -> None:
        """Note that a model call begins."""

    def llm_ended(self, response: Any) -> None:
        """Note that it was answered."""

    def tool_started(self, context: Any, tool: Any) -> None:
        """Note that a tool begins."""

    def tool_ended(self, context: Any, tool: Any, result: Any) -> None:
        """Note that it returned."""

    def handed_off(self, to_agent: Any) -> None:
        """Note a handoff."""

    def forget(self, run: Any) -> None:
        """Drop what of *run* never ended."""


def _told(note: Any, *args: Any) -> None:
    try:
        note(*args)
    except Exception as error:
        report("RunHooks", error)


def hooks_around(hooks: Any, sink: HookSink) -> Any:
    """
    Return run hooks that tell *sink* first and then do what *hooks* did.

    Args:
        hooks: The application's own `RunHooks`, or None. They stay what they are
            for `isinstance` and keep their attributes; what they raise is raised.
        sink: Who records.
    """
    if hooks is None:
        from agents import RunHooks

        hooks = RunHooks()
    return _Hooks(hooks, sink)


# Releases of wrapt before 2 cannot be subscripted at run time, and 2 wants it typed.
class _Hooks(wrapt.ObjectProxy):  # type: ignore[type-arg]
    def __init__(self, hooks: Any, sink: HookSink) -> None:
        super().__init__(hooks)
        self._self_sink = sink

    async def on_llm_start(
        self, context: Any, agent: Any, system_prompt: Any, input_items: Any
    ) -> Any:
        _told(self._self_sink.llm_started, agent, system_prompt, input_items)
        return await self.__wrapped__.on_llm_start(
            context, agent, system_prompt, input_items
        )

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> Any:
        _told(self._self_sink.llm_ended, response)
        return await self.__wrapped__.on_llm_end(context, agent, response)

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> Any:
        _told(self._self_sink.tool_started, context, tool)
        return await self.__wrapped__.on_tool_start(context, agent, tool)

    async def on_tool_end(
        self, context: Any, agent: Any, tool: Any, result: Any
    ) -> Any:
        _told(self._self_sink.tool_ended, context, tool, result)
        return await self.__wrapped__.on_tool_end(context, agent, tool, result)

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> Any:
        _told(self._self_sink.handed_off, to_agent)
        # The SDK calls this one by keyword.
        return await self.__wrapped__.on_handoff(
            context=context, from_agent=from_agent, to_agent=to_agent
        )


class _Trace(NamedTuple):
    """A trace that has not ended, and the pairs of its spans by their ids."""

    run: Run
    session: Session
    pairs: dict[str, Pair]


class SpanRecorder:
    """
    A `TracingProcessor` that records whole runs, should no run be patchable.

    Silent when the application replaces all processors or turns tracing off.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._traces: BoundedMap[str, _Trace] = BoundedMap(_OPEN_TRACES)
        self.is_enabled = True
        """False once chaukas is disabled: the SDK has no way to take one out."""

    def on_trace_start(self, trace: Any) -> None:
        """Open the run of a trace."""
        if not self.is_enabled:
            return
        try:
            self._begin(trace.trace_id, getattr(trace, "group_id", None))
        except Exception as error:
            report("TracingProcessor", error)

    def _begin(self, trace_id: str, group_id: str | None) -> None:
        host = self._host
        opening = open_session(
            host.sessions,
            host.recorder,
            group_id,
            framework=_FRAMEWORK,
            trace_id=trace_id,
        )
        session = opening.session
        run = Run(session, trace_id, sampled=opening.sampled, framework=_FRAMEWORK)
        # One that never ends, by an application that forgot it.
        self._end(self._traces.put(trace_id, _Trace(run, session, {})))

    def on_trace_end(self, trace: Any) -> None:
        """Close what is open in the run of a trace."""
        try:
            self._end(self._traces.pop(trace.trace_id))
        except Exception as error:
            report("TracingProcessor", error)

    def _end(self, ended: _Trace | None) -> None:
        if ended is None:
            return
        try:
            self._host.recorder.pairs.close_run(ended.run)
        finally:
            self._host.sessions.leave(ended.session)

    def on_span_start(self, span: Any) -> None:
        """Open the pair of a span."""
        try:
            self._open(span)
        except Exception as error:
            report("TracingProcessor", error)

    def on_span_end(self, span: Any) -> None:
        """Close the pair of a span, or record what it decided."""
        try:
            self._close(span)
        except Exception as error:
            report("TracingProcessor", error)

    def shutdown(self) -> None:
        """Do nothing: chaukas ends by itself."""

    def force_flush(self) -> None:
        """Do nothing: chaukas writes by itself."""

    def _parent_of(self, span: Any, trace: _Trace) -> str:
        pair = trace.pairs.get(span.parent_id or "")
        if pair is not None:
            return pair.span_id
        node = CURRENT.get()
        if node is not None:
            return node.parent_span_id
        opening = trace.session.pair
        return opening.span_id if opening else ""

    def _open(self, span: Any) -> None:
        trace = self._traces.get(span.trace_id)
        if trace is None:
            return
        run, data = trace.run, span.span_data
        kind, content, metadata = _start_of(data)
        parent_span_id = self._parent_of(span, trace)
        if kind is None:
            # Task, turn and custom spans only pass their parent on.
            outer = trace.pairs.get(span.parent_id or "")
            if outer is not None:
                trace.pairs[span.span_id] = outer
            return
        if kind is EventType.AGENT_START:
            run.agent = AgentRef(data.name, data.name)
        trace.pairs[span.span_id] = self._host.recorder.pairs.start(
            kind,
            run,
            content,
            parent_span_id=parent_span_id,
            closing=_closing_of(content),
            metadata=metadata,
        )

    def _close(self, span: Any) -> None:
        trace = self._traces.get(span.trace_id)
        if trace is None:
            return
        run, data = trace.run, span.span_data
        recorder = self._host.recorder
        pair = trace.pairs.pop(span.span_id, None)
        if data.type in {"handoff", "guardrail"}:
            kind, content = _point_of(data)
            parent_span_id = self._parent_of(span, trace)
            recorder.emit(kind, run, content, parent_span_id=parent_span_id)
            return
        if pair is None or data.type in _PASSING:
            return
        capture = recorder.capture(run)
        closing = pair.closing
        content = dict({} if callable(closing) else closing)
        output = getattr(data, "output", None)
        if data.type == "function" and output is not None:
            text = capture.tree(output, "tool_response.output.output")
            content["tool_response"] = {
                **content["tool_response"],
                "output": {"output": text},
            }
        status = _FAILED if span.error else ""
        recorder.pairs.end(pair, content, status=status, capture=capture)


_PASSING = frozenset({"task", "turn", "custom"})


def _start_of(data: Any) -> tuple[EventType | None, dict[str, Any], dict[str, Any]]:
    """Return type, content and metadata of the START that a span's data gives."""
    if data.type == "agent":
        facts = {"tools": data.tools, "handoffs": data.handoffs}
        return EventType.AGENT_START, {}, {k: v for k, v in facts.items() if v}
    if data.type in {"generation", "response"}:
        model = getattr(data, "model", None)
        content = {"llm_invocation": {"model": model} if model else {}}
        return EventType.MODEL_INVOCATION_START, content, {}
    if data.type == "function":
        return EventType.TOOL_CALL_START, content_of.tool_started(data.name), {}
    return None, {}, {}


def _closing_of(content: dict[str, Any]) -> dict[str, Any]:
    if "tool_call" in content:
        return {"tool_response": dict(content["tool_call"])}
    return content


def _point_of(data: Any) -> tuple[EventType, dict[str, Any]]:
    if data.type == "handoff":
        agents = [(name, name) for name in (data.from_agent, data.to_agent)]
        return EventType.AGENT_HANDOFF, content_of.handoff(*agents)
    outcome = "deny" if data.triggered else "allow"
    return EventType.POLICY_DECISION, content_of.policy(data.name, outcome)
