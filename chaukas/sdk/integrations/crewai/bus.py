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
from chaukas.sdk.integrations.shared.nested.runs import Here
from chaukas.sdk.integrations.shared.nested.tools import (
    AskedTool,
    asked_tool_in_force,
)
from chaukas.sdk.integrations.shared.observe import Noted, observe, observe_async
from chaukas.sdk.integrations.shared.policies import decide
from chaukas.sdk.integrations.shared.read import is_set, text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import CURRENT, SUPPRESSED
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import attributes_of

from .facts import argument, held
from .state import CrewRun, run_in_force
from .tools import EXECUTORS, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host

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
_PEOPLE = ("POLICY_DECISION", "INPUT_RECEIVED")
_LIMIT = "usage_limit"
_MISTAKES = ("unknown_tool", "invalid_input")
_TOLD = "told to the model"


class Bus(Part):
    """
    What events of the bus mean.

    Args:
        host: Where to record.
        runs: Records input and retries.
        models: Is told of answers and their pieces.
        stores: Is told of memory, plans and checkpoints.
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
        rows = (
            ("_handle_human_feedback", observe(self._review)),
            ("_ahandle_human_feedback", observe_async(self._review)),
            ("_format_feedback_message", observe(self._feedback)),
        )
        return (
            Patch(f"{_BUS}.emit", self.emit, _EMITS),
            *(
                Patch(f"{executor}.{name}", wrap, _PEOPLE, optional=True)
                for executor in EXECUTORS
                for name, wrap in rows
            ),
            Patch(
                "crewai.utilities.rpm_controller:RPMController._wait_for_next_minute",
                observe(self._wait),
                ("SYSTEM",),
            ),
        )

    def emit(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what every event goes through."""
        fields = attributes_of(args[1] if len(args) > 1 else kwargs.get("event"))
        kind = fields.get("type")
        meaning = self._meanings.get(kind) if type(kind) is str else None
        outer = CURRENT.get()
        is_recorded = outer is None or outer.run.sampled
        if meaning is not None and is_recorded and not SUPPRESSED.get():
            source = args[0] if args else kwargs.get("source")
            try:
                meaning({**fields, "source": source})
            except Exception as error:
                report(f"crewai {kind}", error)
        return wrapped(*args, **kwargs)

    # -- decisions ----------------------------------------------------------------

    def _guarded(self, event: dict[str, Any]) -> None:
        node = node_in_force()
        if node is None:
            return
        run, passed = node.run, event.get("success") is True
        number, reason = event.get("retry_count"), text_of(event.get("error"))
        kind, name = (text_of(event.get(f"guardrail_{x}")) for x in ("type", "name"))
        rules = []
        if kind and kind != "function":
            # Its name is all that it says to the model that judges.
            words = self._recorder.capture(run).text(name, "policy.rule_ids[0]")
            rules, name = [words], f"{kind}_guardrail"
        decide(
            self._recorder,
            Here(run, node.parent_span_id),
            name or "guardrail",
            "allow" if passed else "deny",
            {"type": kind, "retry_count": number},
            rationale=reason,
            rule_ids=rules,
        )
        if passed or not isinstance(run, CrewRun):
            return
        capture = self._recorder.capture(run)
        run.guardrail_error = capture.text(reason, "retry.error_message")
        source = event["source"]
        limit = held(source, "guardrail_max_retries")
        # An agent alone begins again without a call that could be seen.
        is_alone = run.task_key == 0 and run.agent_key == id(source)
        if is_alone and type(limit) is int and type(number) is int and number < limit:
            self._runs.note_refused(run, limit)

    def _hooked(self, event: dict[str, Any]) -> None:
        if text_of(event.get("outcome")) == "aborted" and node_in_force() is not None:
            decide(
                self._recorder,
                self._runs.shared.here(),
                f"hook:{text_of(event.get('interception_point'))}",
                "deny",
                {"source": text_of(event.get("abort_source"))},
                rationale=event.get("abort_reason"),
            )

    # -- tools --------------------------------------------------------------------

    def _tool_finished(self, event: dict[str, Any]) -> None:
        asked = asked_tool_in_force()
        if asked is None or asked.call.executions:
            return
        failure = event.get("failure")
        reason, message = reason_of(failure), held(failure, "message")
        if reason == _LIMIT:
            run, name = asked.run, text_of(event.get("tool_name"))
            decide(
                self._recorder,
                Here(run, run.agent_span_id),
                "tool_usage_limit",
                "deny",
                {"tool_name": name, "tool_call_id": asked.call.call_id},
                rationale=message,
            )
        elif reason in _MISTAKES:
            self._note_mistake(asked.run, asked, message, reason)

    def _mistaken(self, event: dict[str, Any]) -> None:
        run = run_in_force()
        if run is not None:
            kind = text_of(event.get("type"))
            self._note_mistake(run, asked_tool_in_force(), event.get("error"), kind)

    def _note_mistake(
        self, run: Any, asked: AskedTool | None, message: Any, code: str
    ) -> None:
        """Record once a turn that a model asked wrongly: CrewAI tells it six times."""
        is_native = asked is not None and not asked.key
        if run.mistaken_turn == run.turns and not is_native:
            return
        run.mistaken_turn = run.turns
        capture = self._recorder.capture(run)
        text = capture.text(text_of(message), "error.error_message")
        self._recorder.emit(
            EventType.ERROR,
            run,
            content.error(text, code, recoverable=True, recovery_action=_TOLD),
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    # -- people -------------------------------------------------------------------

    def _review(self, _executor: Any, _args: Any, _kwargs: Any) -> Noted | None:
        run = run_in_force()
        if run is None:
            return None
        place = Here(run, run.agent_span_id)
        decide(self._recorder, place, "human_input", "review")
        return Noted(lambda _n: decide(self._recorder, place, "human_input", "allow"))

    def _feedback(self, _executor: Any, args: Any, kwargs: Any) -> None:
        self._input(argument(args, kwargs, 0, "feedback"), "human_feedback")

    def _told(self, event: dict[str, Any]) -> None:
        self._input(event.get("response"), "flow_input")

    def _said(self, event: dict[str, Any]) -> None:
        if text_of(event.get("role")) == "user":
            self._input(event.get("content"), "conversation")

    def _input(self, text: Any, source: str) -> None:
        run = run_in_force()
        if run is not None and text is not None:
            note = self._runs.shared.note_input
            note(run, [text], {"source": source}, is_asked=True)

    # -- state --------------------------------------------------------------------

    def _planned(self, event: dict[str, Any]) -> None:
        plans = (event.get(name) for name in ("plan", "refined_plan", "reason"))
        plan = next((each for each in plans if is_set(each)), None)
        facts = {"operation": text_of(event.get("type")), "store": "plan"}
        self._stores.note_change(facts, {"value": plan})

    def _summarized(self, _event: dict[str, Any]) -> None:
        self._stores.note_change({"operation": "summarized", "store": "messages"})

    def _checkpointed(self, event: dict[str, Any]) -> None:
        names = ("type", "checkpoint_id", "branch")
        kind, checkpoint_id, branch = (text_of(event.get(name)) for name in names)
        facts = {"operation": kind, "store": "checkpoint"}
        facts |= {"checkpoint_id": checkpoint_id, "branch": branch}
        self._stores.note_change(facts, place=self._of_all())

    def _of_all(self) -> Here:
        """Return where something stands that is of a crew and not of an agent in it."""
        run = run_in_force()
        if run is None:
            return self._runs.shared.here()
        # Another thread writes it, while agents begin and end.
        while run.agent_key and run.parent and isinstance(run.parent.run, CrewRun):
            run = run.parent.run
        return Here(run, run.agent_span_id)

    # -- waits --------------------------------------------------------------------

    def _wait(self, _controller: Any, _args: Any, _kwargs: Any) -> Noted | None:
        """Record that the limit of requests a minute made an agent wait."""
        node, recorder = node_in_force(), self._recorder
        if node is None:
            return None
        run, span_id = node.run, node.parent_span_id
        started_ns = recorder.clock.monotonic_ns()

        def ended(_none: Any) -> None:
            waited_ms = recorder.monotonic_ms_since(started_ns)
            recorder.emit(
                EventType.SYSTEM,
                run,
                {},
                parent_span_id=span_id,
                metadata={"name": "crewai.rpm_wait", "waited_ms": waited_ms},
            )

        return Noted(ended)
