"""Record flows: an AGENT pair for each, and the state after each of their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.nested.runs import Here, Running
from chaukas.sdk.integrations.shared.nested.stores import record_change
from chaukas.sdk.integrations.shared.observe import (
    Noted,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.policies import decide
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import Node
from chaukas.sdk.system.bounded import BoundedMap, id_text
from chaukas.sdk.system.introspect import class_name_of

from .facts import (
    argument,
    changed_in,
    flow_facts,
    flow_ref,
    held,
    is_internal,
    is_restored,
    output_of,
    private,
)
from .state import CrewRun, FlowMethod, run_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.patching import Wrap

    from .runs import CrewRuns

__all__ = ["Flows"]

_FLOW = "crewai.flow.flow:Flow"
_RUN = ("AGENT_START", "AGENT_END", "INPUT_RECEIVED", "OUTPUT_EMITTED", "ERROR")
_STATE = ("STATE_UPDATE",)
_PENDING = "HumanFeedbackPending"
_HUMAN = "human_feedback"
_ROUTE_CHARS = 64
_PAUSED = 1024


def _of_users(begin: Any) -> Wrap:
    """Return a wrapper that passes CrewAI's own flows through: steps of agents."""
    wrap = observe_async(begin)

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if is_internal(instance):
            return wrapped(*args, **kwargs)
        return wrap(wrapped, instance, args, kwargs)

    return wrapper


class _Paused(NamedTuple):
    """Where a flow stood that waits for a person."""

    session_id: str = ""
    trace_id: str = ""


class _Flowing(Running):
    """A flow from its begin to its end."""

    def __init__(self, flows: Flows, running: Running, flow_id: str) -> None:
        super().__init__(running.runs, running.run, output_of)
        self._flows, self._flow_id = flows, flow_id

    def ended(self, result: Any) -> None:
        if class_name_of(result) != _PENDING:
            super().ended(result)
            return
        self._flows.note_paused(self._flow_id, self.run)
        self.runs.end(self.run, waiting=True)


class Flows(Part):
    """
    Wrappers around flows.

    Args:
        host: Where to record.
        runs: Begins and ends their runs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs.shared
        self._paused: BoundedMap[str, _Paused] = BoundedMap(_PAUSED)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        people = ("POLICY_DECISION", "INPUT_RECEIVED")
        rows = (
            ("kickoff_async", self._kickoff, _RUN),
            ("_execute_method", self._method, _STATE),
        )
        since = (
            ("resume_async", self._resume, _RUN),
            ("_run_human_feedback_step", self._ask, people),
            ("_finalize_human_feedback", self._feedback, people),
        )
        return (
            *(
                Patch(f"{_FLOW}.{name}", _of_users(begin), emits)
                for name, begin, emits in rows
            ),
            *(
                Patch(f"{_FLOW}.{name}", _of_users(begin), emits, optional=True)
                for name, begin, emits in since
            ),
            Patch(f"{_FLOW}._restore_state", observe(self._restore), _STATE),
            Patch(
                "crewai.flow.persistence.decorators:PersistenceDecorator.persist_state",
                observe(self._persist),
                _STATE,
            ),
        )

    # -- runs ---------------------------------------------------------------------

    def _kickoff(self, flow: Any, args: Any, kwargs: Any) -> Running | None:
        if held(flow, "stream") is True or is_restored(args, kwargs, 2):
            return None
        inputs = argument(args, kwargs, 0, "inputs")
        given = dict(inputs) if type(inputs) is dict else {}
        at = _Paused(id_text(given.pop("id", None)) or "")
        return self._begin(flow, at, flow_facts(flow), [given] if given else [])

    def _resume(self, flow: Any, _args: Any, _kwargs: Any) -> Running:
        facts = {**flow_facts(flow), "resumed": True}
        at = self._paused.pop(facts.get("flow_id", "")) or _Paused()
        return self._begin(flow, at, facts, [])

    def _begin(
        self, flow: Any, at: _Paused, facts: dict[str, Any], texts: list[Any]
    ) -> Running:
        ref = flow_ref(flow)
        run = self._runs.open(
            CrewRun,
            session_id=at.session_id or None,
            trace_id=at.trace_id,
            agent=ref,
        )
        running = self._runs.begin(
            run, ref, facts, texts, known_as=flow, source="inputs"
        )
        return _Flowing(self, running, facts.get("flow_id", ""))

    def note_paused(self, flow_id: str, run: Any) -> None:
        """Remember where a flow stands that waits for a person."""
        self._paused.put(flow_id, _Paused(run.session.session_id, run.trace_id))

    # -- state --------------------------------------------------------------------

    def _method(self, flow: Any, args: Any, kwargs: Any) -> Noted | None:
        run = run_in_force()
        if run is None:
            return None
        name = id_text(argument(args, kwargs, 0, "method_name")) or ""
        started_ns = self._recorder.clock.monotonic_ns()

        def ended(result: Any) -> None:
            value = text_of(result[0]) if type(result) is tuple and result else ""
            facts = {
                "method": name,
                "duration_ms": self._recorder.monotonic_ms_since(started_ns),
                "route": value if len(value) <= _ROUTE_CHARS else "",
            }
            state = changed_in(private(flow, "_state"), run.known_state)
            place = Here(run, run.agent_span_id)
            record_change(self._recorder, place, "flow", facts, {"state": state})

        seen = Noted(ended)
        seen.node = Node(run, run.agent_span_id, "own_agent", FlowMethod(name))
        return seen

    def _persist(self, _cls: Any, args: Any, kwargs: Any) -> Noted:
        flow = argument(args, kwargs, 0, "flow_instance")
        store = argument(args, kwargs, 2, "persistence_instance")
        facts = {
            "operation": "persisted",
            "method": id_text(argument(args, kwargs, 1, "method_name")),
            "store": class_name_of(store),
            "flow_id": flow_facts(flow).get("flow_id"),
        }
        return Noted(lambda _none: self._note(facts))

    def _restore(self, _flow: Any, args: Any, kwargs: Any) -> Noted:
        state = argument(args, kwargs, 0, "stored_state")
        flow_id = state.get("id") if type(state) is dict else None
        facts = {"operation": "restored", "flow_id": id_text(flow_id)}
        return Noted(lambda _none: self._note(facts))

    def _note(self, facts: dict[str, Any]) -> None:
        record_change(self._recorder, self._runs.here(), "flow", facts)

    # -- people -------------------------------------------------------------------

    def _ask(self, _flow: Any, args: Any, kwargs: Any) -> None:
        wanted = argument(args, kwargs, 1, "feedback_definition")
        name = argument(args, kwargs, 0, "method_name")
        self._decide("review", name, rationale=held(wanted, "message"))

    def _feedback(self, _flow: Any, args: Any, kwargs: Any) -> Noted | None:
        run = run_in_force()
        if run is None:
            return None
        text = text_of(argument(args, kwargs, 2, "raw_feedback"))
        if text.strip():
            self._runs.note_input(run, [text], {"source": _HUMAN}, is_asked=True)
        name = argument(args, kwargs, 0, "method_name")

        def ended(result: Any) -> None:
            outcome = text_of(held(result, "outcome"))
            self._decide("allow", name, rule_ids=[outcome] if outcome else [])

        return Noted(ended)

    def _decide(self, outcome: str, method: Any, **more: Any) -> None:
        facts = {"method": id_text(method)}
        decide(self._recorder, self._runs.here(), _HUMAN, outcome, facts, **more)
