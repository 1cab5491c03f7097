"""Record flows: an AGENT pair for each, and the state after each of their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.bounded import BoundedMap, id_text
from chaukas.sdk.system.introspect import class_name_of

from .facts import (
    argument,
    changed_in,
    flow_facts,
    flow_ref,
    held,
    is_internal,
    private,
)
from .runs import Running
from .state import CrewRun, here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .runs import CrewRuns

__all__ = ["Flows"]

_FLOW = "crewai.flow.flow:Flow"
_RUN = ("AGENT_START", "AGENT_END", "INPUT_RECEIVED", "OUTPUT_EMITTED", "ERROR")
_STATE = ("STATE_UPDATE",)
_PENDING = "HumanFeedbackPending"
_HUMAN = "human_feedback"
_PAUSED = 1024


class _Paused(NamedTuple):
    """Where a flow stood that waits for a person."""

    session_id: str
    trace_id: str


class _Flowing(Running):
    """A flow from its begin to its end."""

    def __init__(
        self, runs: CrewRuns, run: CrewRun, flows: Flows, flow_id: str
    ) -> None:
        super().__init__(runs, run)
        self._flows, self._flow_id = flows, flow_id

    def ended(self, result: Any) -> None:
        if class_name_of(result) != _PENDING:
            super().ended(result)
            return
        self._flows.paused(self._flow_id, self.run)
        self.runs.end_without_output(self.run, waiting=True)


class _Method(Observation):
    """A method of a flow."""

    def __init__(self, flows: Flows, run: CrewRun, flow: Any, name: str) -> None:
        self._flows, self._run, self._flow, self._name = flows, run, flow, name
        self._started_ns = flows.now_ns()

    def ended(self, result: Any) -> None:
        value = result[0] if type(result) is tuple and result else None
        facts = {
            "method": self._name,
            "duration_ms": self._flows.ms_since(self._started_ns),
            "route": value if type(value) is str and len(value) < _ROUTE_CHARS else "",
        }
        self._flows.note_state(self._run, self._flow, facts)


_ROUTE_CHARS = 65


class _Deciding(Observation):
    """A person's feedback, until it is known what it comes to."""

    def __init__(self, flows: Flows, run: CrewRun, method: Any) -> None:
        self._flows, self._run, self._method = flows, run, method

    def ended(self, result: Any) -> None:
        outcome = held(result, "outcome")
        rules = [outcome] if type(outcome) is str else []
        self._flows.decide(self._run, "allow", self._method, rule_ids=rules)


class _Storing(Observation):
    """A state that is persisted or restored."""

    def __init__(self, flows: Flows, facts: dict[str, Any]) -> None:
        self._flows, self._facts = flows, facts

    def ended(self, result: Any) -> None:
        self._flows.note_stored(self._facts)


class Flows(Part):
    """
    Wrappers around flows.

    Args:
        host: Where to record.
        runs: Begins and ends their runs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs
        self._paused: BoundedMap[str, _Paused] = BoundedMap(_PAUSED)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(f"{_FLOW}.kickoff_async", observe_async(self._kickoff), _RUN),
            Patch(
                f"{_FLOW}.resume_async",
                observe_async(self._resume),
                _RUN,
                optional=True,
                min_version="1.10",
            ),
            Patch(f"{_FLOW}._execute_method", observe_async(self._method), _STATE),
            Patch(
                f"{_FLOW}._run_human_feedback_step",
                observe_async(self._ask),
                ("POLICY_DECISION",),
                optional=True,
            ),
            Patch(
                f"{_FLOW}._finalize_human_feedback",
                observe_async(self._feedback),
                ("POLICY_DECISION", "INPUT_RECEIVED"),
                optional=True,
            ),
            Patch(
                f"{_FLOW}._restore_state", observe(self._restore), _STATE, optional=True
            ),
            Patch(
                "crewai.flow.persistence.decorators:PersistenceDecorator.persist_state",
                observe(self._persist),
                _STATE,
            ),
        )

    def now_ns(self) -> int:
        """Return the monotonic time."""
        return self._recorder.clock.monotonic_ns()

    def ms_since(self, start_ns: int) -> float:
        """Return the milliseconds since *start_ns*."""
        return self._recorder.monotonic_ms_since(start_ns)

    # -- runs ---------------------------------------------------------------------

    def _kickoff(self, flow: Any, args: Any, kwargs: Any) -> _Flowing | None:
        if is_internal(flow) or held(flow, "stream") is True:
            return None
        if argument(args, kwargs, 2, "from_checkpoint") is not None:
            return None
        inputs = argument(args, kwargs, 0, "inputs")
        given = dict(inputs) if type(inputs) is dict else {}
        session_id = id_text(given.pop("id", None)) or None
        run = self._runs.shared.open(
            CrewRun, session_id=session_id, agent=flow_ref(flow)
        )
        return self._begin(flow, run, flow_facts(flow), [given] if given else [])

    def _begin(
        self, flow: Any, run: CrewRun, facts: dict[str, Any], texts: list[Any]
    ) -> _Flowing:
        self._runs.begin(run, flow_ref(flow), facts, flow, texts, "inputs")
        return _Flowing(self._runs, run, self, facts.get("flow_id", ""))

    def paused(self, flow_id: str, run: CrewRun) -> None:
        """Remember where a flow stands that waits for a person."""
        self._paused.put(flow_id, _Paused(run.session.session_id, run.trace_id))

    def _resume(self, flow: Any, _args: Any, _kwargs: Any) -> _Flowing | None:
        if is_internal(flow):
            return None
        facts = {**flow_facts(flow), "resumed": True}
        known = self._paused.pop(facts.get("flow_id", "")) or _Paused("", "")
        run = self._runs.shared.open(
            CrewRun,
            session_id=known.session_id or None,
            trace_id=known.trace_id,
            agent=flow_ref(flow),
        )
        return self._begin(flow, run, facts, [])

    # -- state --------------------------------------------------------------------

    @staticmethod
    def _run_here() -> CrewRun | None:
        node = node_in_force()
        return node.run if node is not None and isinstance(node.run, CrewRun) else None

    def _method(self, flow: Any, args: Any, kwargs: Any) -> _Method | None:
        run = self._run_here()
        if run is None or is_internal(flow):
            return None
        name = argument(args, kwargs, 0, "method_name")
        return _Method(self, run, flow, id_text(name) or "")

    def note_state(self, run: CrewRun, flow: Any, facts: dict[str, Any]) -> None:
        """Record what a method changed in the state of its flow."""
        recorder = self._recorder
        changed = changed_in(private(flow, "_state"), run.known_state)
        capture = recorder.capture(run)
        recorder.emit(
            EventType.STATE_UPDATE,
            run,
            content.state_update(
                flow=without_defaults(facts),
                **(
                    {"state": capture.tree(changed, "state_update.state")}
                    if changed
                    else {}
                ),
            ),
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    def _persist(self, _cls: Any, args: Any, kwargs: Any) -> _Storing:
        flow = argument(args, kwargs, 0, "flow_instance")
        store = argument(args, kwargs, 2, "persistence_instance")
        name = argument(args, kwargs, 1, "method_name")
        facts = {
            "operation": "persisted",
            "method": id_text(name),
            "store": class_name_of(store),
            "flow_id": flow_facts(flow).get("flow_id"),
        }
        return _Storing(self, facts)

    def _restore(self, _flow: Any, args: Any, kwargs: Any) -> _Storing:
        state = argument(args, kwargs, 0, "stored_state")
        flow_id = state.get("id") if type(state) is dict else None
        return _Storing(self, {"operation": "restored", "flow_id": id_text(flow_id)})

    def note_stored(self, facts: dict[str, Any]) -> None:
        """Record that a state was persisted or restored."""
        place = here(self._host, self._runs.shared)
        self._recorder.emit(
            EventType.STATE_UPDATE,
            place.run,
            content.state_update(flow=without_defaults(facts)),
            parent_span_id=place.span_id,
        )
        place.close()

    # -- people -------------------------------------------------------------------

    def _ask(self, _flow: Any, args: Any, kwargs: Any) -> None:
        run = self._run_here()
        if run is not None:
            name = argument(args, kwargs, 0, "method_name")
            wanted = argument(args, kwargs, 1, "feedback_definition")
            self.decide(run, "review", name, rationale=held(wanted, "message"))

    def _feedback(self, _flow: Any, args: Any, kwargs: Any) -> _Deciding | None:
        run = self._run_here()
        if run is None:
            return None
        text = argument(args, kwargs, 2, "raw_feedback")
        if type(text) is str and text.strip():
            note = self._runs.shared.note_input
            note(run, [text], source=_HUMAN, is_asked=True)
        return _Deciding(self, run, argument(args, kwargs, 0, "method_name"))

    def decide(
        self, run: CrewRun, outcome: str, method: Any, *, rationale: Any = "", **more: Any
    ) -> None:
        """Record that a person is asked, or what came of it."""
        capture = self._recorder.capture(run)
        record_policy(
            self._recorder,
            run,
            run.agent_span_id,
            _HUMAN,
            outcome,
            capture=capture,
            rationale=capture.text(text_of(rationale), "policy.rationale"),
            metadata=without_defaults({"method": id_text(method)}),
            **more,
        )
