"""
Read what CrewAI puts on its event bus, in the thread that does it, and answer nothing.

No handler is registered: the bus runs those elsewhere and later, starts threads for
them, and its own ids are wrong after an error. What spans are is decided by the
wrappers; an event here fills one of them, or is a point in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import Observation, observe
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import SUPPRESSED
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import attributes_of

from .facts import argument, held
from .state import CrewRun
from .tools import Holder, holder_in_force, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Node

    from .models import Models
    from .runs import CrewRuns
    from .stores import Stores

__all__ = ["Bus"]

_BUS = "crewai.events.event_bus:CrewAIEventsBus"
_EMITS = (
    "POLICY_DECISION",
    "DATA_ACCESS",
    "STATE_UPDATE",
    "ERROR",
    "INPUT_RECEIVED",
    "SYSTEM",
)
_EXECUTORS = (
    "crewai.agents.agent_executor:AgentExecutor",
    "crewai.experimental.agent_executor:AgentExecutor",
    "crewai.agents.crew_agent_executor:CrewAgentExecutor",
)
_LIMIT = "usage_limit"
_MISTAKES = ("unknown_tool", "invalid_input")


class _Asked(Observation):
    """A person who is asked what an answer is worth."""

    def __init__(self, bus: Bus, run: CrewRun) -> None:
        self._bus, self._run = bus, run

    def ended(self, result: Any) -> None:
        self._bus.decide(self._run, self._run.agent_span_id, "human_input", "allow")


class Bus(Part):
    """
    What events of the bus mean.

    Args:
        host: Where to record.
        runs: Records input and retries.
        models: Is told of answers and their pieces.
        stores: Is told of memory.
    """

    def __init__(
        self, host: Host, runs: CrewRuns, models: Models, stores: Stores
    ) -> None:
        super().__init__(host)
        self._runs = runs
        self._stores = stores
        self._meanings: dict[str, Callable[[dict[str, Any]], object]] = {
            "llm_call_completed": models.completed,
            "llm_stream_chunk": models.chunk,
            "llm_thinking_chunk": models.chunk,
            "memory_query_completed": stores.memory_asked,
            "memory_save_completed": stores.memory_saved,
            "llm_guardrail_completed": self._guarded,
            "hook_dispatched": self._hooked,
            "tool_usage_finished": self._tool_finished,
            "tool_selection_error": self._mistaken,
            "tool_validate_input_error": self._mistaken,
            "flow_input_received": self._told,
            "conversation_message_added": self._said,
            "agent_reasoning_completed": self._planned,
            "plan_refinement": self._planned,
            "plan_replan_triggered": self._planned,
            "context_window_summarization_completed": self._summarized,
            "checkpoint_completed": self._checkpointed,
            "checkpoint_restore_completed": self._checkpointed,
        }

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        asked, told = observe(self._human), observe(self._feedback)
        executor, *older = _EXECUTORS
        people = ("POLICY_DECISION", "INPUT_RECEIVED")
        return (
            Patch(f"{_BUS}.emit", self.emit, _EMITS),
            *(
                Patch(f"{each}.{name}", wrap, people, optional=True)
                for each in (executor, *older)
                for name, wrap in (
                    ("_handle_human_feedback", asked),
                    ("_format_feedback_message", told),
                )
            ),
            Patch(
                "crewai.utilities.rpm_controller:RPMController._wait_for_next_minute",
                observe(self._wait),
                ("SYSTEM",),
                optional=True,
            ),
        )

    def emit(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what every event goes through."""
        event = args[1] if len(args) > 1 else kwargs.get("event")
        fields = attributes_of(event)
        kind = fields.get("type")
        meaning = self._meanings.get(kind) if type(kind) is str else None
        if meaning is not None and not SUPPRESSED.get():
            source = args[0] if args else kwargs.get("source")
            try:
                meaning({**fields, "source": source})
            except Exception as error:
                report(f"crewai {kind}", error)
        return wrapped(*args, **kwargs)

    # -- decisions ----------------------------------------------------------------

    def decide(
        self, run: Any, span_id: str, policy: str, outcome: str, **more: Any
    ) -> None:
        """Record a POLICY_DECISION; `rationale` uncaptured."""
        capture = self._recorder.capture(run)
        if "rationale" in more:
            text = text_of(more["rationale"])
            more["rationale"] = capture.text(text, "policy.rationale")
        record_policy(
            self._recorder, run, span_id, policy, outcome, capture=capture, **more
        )

    @staticmethod
    def _node() -> Node | None:
        return node_in_force()

    def _guarded(self, event: dict[str, Any]) -> None:
        node = node_in_force()
        if node is None:
            return
        passed = event.get("success") is True
        number = event.get("retry_count")
        name = text_of(event.get("guardrail_name")) or "guardrail"
        facts = {"type": event.get("guardrail_type"), "retry_count": number}
        self.decide(
            node.run,
            node.parent_span_id,
            name,
            "allow" if passed else "deny",
            rationale=event.get("error"),
            metadata=without_defaults(facts),
        )
        run = node.run
        if passed or not isinstance(run, CrewRun):
            return
        capture = self._recorder.capture(run)
        run.guardrail_error = capture.text(
            text_of(event.get("error")), "retry.error_message"
        )
        limit = held(event["source"], "guardrail_max_retries")
        is_alone = run.task_key == 0 and run.agent_key == id(event["source"])
        # An agent alone begins again without a call that could be seen.
        if is_alone and type(limit) is int and type(number) is int and number < limit:
            self._runs.note_refused(run, number + 1, limit)

    def _hooked(self, event: dict[str, Any]) -> None:
        node = node_in_force()
        if node is None or event.get("outcome") != "aborted":
            return
        point = text_of(event.get("interception_point"))
        self.decide(
            node.run,
            node.parent_span_id,
            f"hook:{point}",
            "deny",
            rationale=event.get("abort_reason"),
            metadata=without_defaults({"source": text_of(event.get("abort_source"))}),
        )

    # -- tools --------------------------------------------------------------------

    def _tool_finished(self, event: dict[str, Any]) -> None:
        holder = holder_in_force()
        if holder is None or holder.call.executions:
            return
        reason = reason_of(event.get("failure"))
        name = text_of(event.get("tool_name"))
        if reason == _LIMIT:
            self.decide(
                holder.run,
                holder.run.agent_span_id,
                "tool_usage_limit",
                "deny",
                rationale=held(event["failure"], "message"),
                metadata={"tool_name": name, "tool_call_id": holder.call.call_id},
            )
        elif reason in _MISTAKES:
            self._note_mistake(holder, held(event["failure"], "message"), reason)

    def _mistaken(self, event: dict[str, Any]) -> None:
        """Note that a model asked for what is not there; CrewAI tells it often."""
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return
        holder = holder_in_force()
        kind = text_of(event.get("type"))
        run = node.run
        if holder is not None:
            self._note_mistake(holder, event.get("error"), kind)
            return
        turn = run.notes.get("mistaken_turn")
        if turn != run.turns:
            run.notes["mistaken_turn"] = run.turns
            self._note_error(run, event.get("error"), kind)

    def _note_mistake(self, holder: Holder, message: Any, code: str) -> None:
        holder.mistakes += 1
        run = holder.run
        if run.notes.get("mistaken_turn") != run.turns or not holder.is_text:
            run.notes["mistaken_turn"] = run.turns
            self._note_error(run, message, code)

    def _note_error(self, run: CrewRun, message: Any, code: str) -> None:
        capture = self._recorder.capture(run)
        self._recorder.emit(
            EventType.ERROR,
            run,
            content.error(
                capture.text(text_of(message), "error.error_message"),
                code,
                recoverable=True,
                recovery_action="told to the model",
            ),
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    # -- people -------------------------------------------------------------------

    def _human(self, _executor: Any, args: Any, kwargs: Any) -> _Asked | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return None
        run = node.run
        self.decide(run, run.agent_span_id, "human_input", "review")
        return _Asked(self, run)

    def _feedback(self, _executor: Any, args: Any, kwargs: Any) -> None:
        self._input(argument(args, kwargs, 0, "feedback"), "human_feedback")

    def _input(self, text: Any, source: str) -> None:
        node = node_in_force()
        if node is not None and isinstance(node.run, CrewRun) and text is not None:
            note = self._runs.shared.note_input
            note(node.run, [text], source=source, is_asked=True)

    def _told(self, event: dict[str, Any]) -> None:
        self._input(event.get("response"), "flow_input")

    def _said(self, event: dict[str, Any]) -> None:
        if event.get("role") == "user":
            self._input(event.get("content"), "conversation")

    # -- state --------------------------------------------------------------------

    def _planned(self, event: dict[str, Any]) -> None:
        plan = event.get("plan") or event.get("refined_plan") or event.get("reason")
        self._stores.note_change(
            {"operation": text_of(event.get("type")), "store": "plan"}, value=plan
        )

    def _summarized(self, event: dict[str, Any]) -> None:
        self._stores.note_change({"operation": "summarized", "store": "messages"})

    def _checkpointed(self, event: dict[str, Any]) -> None:
        facts = {
            "operation": text_of(event.get("type")),
            "store": "checkpoint",
            "checkpoint_id": text_of(event.get("checkpoint_id")),
            "branch": text_of(event.get("branch")),
        }
        self._stores.note_change(facts)

    # -- waits --------------------------------------------------------------------

    def _wait(self, _controller: Any, _args: Any, _kwargs: Any) -> _Waiting | None:
        node = node_in_force()
        return None if node is None else _Waiting(self, node)

    def note_wait(self, node: Node, waited_ms: float) -> None:
        """Record that the limit of requests a minute made an agent wait."""
        self._recorder.emit(
            EventType.SYSTEM,
            node.run,
            {},
            parent_span_id=node.parent_span_id,
            metadata={"name": "crewai.rpm_wait", "waited_ms": waited_ms},
        )

    def now_ns(self) -> int:
        """Return the monotonic time."""
        return self._recorder.clock.monotonic_ns()

    def ms_since(self, start_ns: int) -> float:
        """Return the milliseconds since *start_ns*."""
        return self._recorder.monotonic_ms_since(start_ns)


class _Waiting(Observation):
    """A wait for the next minute."""

    def __init__(self, bus: Bus, node: Node) -> None:
        self._bus, self._at = bus, node
        self._started_ns = bus.now_ns()

    def ended(self, result: Any) -> None:
        self._bus.note_wait(self._at, self._bus.ms_since(self._started_ns))
