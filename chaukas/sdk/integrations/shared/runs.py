"""
Record runs of agents: what every framework's run begins, hands over and ends with.

A run that no other is around opens its session or joins it. One inside of another
stands under the tool that started it, and has no input and no output of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from chaukas.sdk.capture.held import captured_now, weight_bytes_of
from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.record import content
from chaukas.sdk.record.context import Run
from chaukas.sdk.record.placement import (
    node_in_force,
    open_session,
    outside_of,
    place_inside,
)
from chaukas.sdk.record.recorder import (
    error_code_of,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.record.totals import Totals, with_totals
from chaukas.sdk.system.internal_errors import attempt, report

from .agent_changes import AgentChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import AgentRef, Pair

__all__ = ["AgentRun", "Runs", "close_broken"]

_COMPLETED = EventStatus.COMPLETED.value
_FAILED = EventStatus.FAILED.value
_CANCELLED = EventStatus.CANCELLED.value
_HELD_CHARS = 65_536
"""Texts up to this length are held as they are, without a look at their form."""
_OUTCOMES = {_COMPLETED: "completed", _FAILED: "failed", _CANCELLED: "cancelled"}


class AgentRun(Run):
    """One run of a framework, top-level or nested."""

    is_of_agents: ClassVar[bool] = False
    """It has no AGENT pair of its own: each agent in it is a run inside of it."""

    __slots__ = (
        "agent_count",
        "agent_pair",
        "agent_totals",
        "invocation",
        "known_schema",
        "known_system",
        "last_model",
        "pause",
        "retry_key",
        "turns",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **kwargs)
        self.agent_pair: Pair | None = None
        self.agent_totals = Totals()
        """Of the agent in force."""
        self.agent_count = 0
        self.turns = 0
        """Model calls of the agent in force."""
        self.invocation: Any = None
        """The model call that is open, or failed and not yet settled."""
        self.known_system = ""
        """Hash of the system text that was recorded last."""
        self.known_schema = ""
        """Hash of the output schema that was recorded last."""
        self.last_model = ""
        self.pause: Any = None
        """What it leaves for a run that goes on with it; of a top-level run only."""
        self.retry_key: Any = None

    def is_new_system(self, digest: str) -> bool:
        """Note a system text by its hash; tell whether it is to be recorded."""
        known, self.known_system = self.known_system, digest
        return known != digest

    def is_new_schema(self, digest: str) -> bool:
        """Note an output schema by its hash; tell whether it is to be recorded."""
        known, self.known_schema = self.known_schema, digest
        return known != digest

    @property
    def is_outermost(self) -> bool:
        """Tell whether no agent is around the one of this run."""
        node = self.parent
        return node is None or (node.kind == "agent" and self.whole is node.run)

    @property
    def whole(self) -> AgentRun:
        """The run of which this one is a part; itself, unless that has no agent."""
        outer = None if self.parent is None else self.parent.run
        is_part = isinstance(outer, AgentRun) and outer.is_of_agents
        return outer if is_part and isinstance(outer, AgentRun) else self


R = TypeVar("R", bound=AgentRun)


def close_broken(host: Host, run: Run) -> None:
    """
    Leave nothing of *run* open, after an error of ours.

    What cannot be ended is counted: no pair waits for ever for its END.
    """
    pairs = host.recorder.pairs
    attempt("close", pairs.close_run, run)
    attempt("close", pairs.drop, run)


class Runs(Part):
    """
    Opens runs, starts and ends their agents.

    Args:
        host: Where to record.
        framework: Name of the integration, noted in every event.
        settle: Called with a run and its error, if it has one, before an agent of it
            ends: a model call that is still open ends first.
    """

    def __init__(
        self,
        host: Host,
        framework: str,
        settle: Callable[[Any, BaseException | None], None] | None = None,
    ) -> None:
        super().__init__(host)
        self._framework = framework
        self._settle = settle or _nothing_open
        self._changes = AgentChanges()

    # -- begin --------------------------------------------------------------------

    def open(
        self,
        make: Callable[..., R],
        *,
        session_id: str | None = None,
        trace_id: str = "",
        hide_content: bool = False,
        agent: AgentRef | None = None,
        is_run: bool = True,
    ) -> R:
        """
        Return a run that is placed, and that holds its session if it is top-level.

        Args:
            make: `AgentRun` or a class of it.
            session_id: Session that the caller names; `chaukas.session()` wins.
            trace_id: Trace that the caller names, if it does.
            hide_content: The run asks for it; that of an outer run is kept.
            agent: Its first agent, if it begins with one.
            is_run: False for what is not counted as a run.
        """
        make = partial(make, framework=self._framework)
        node = node_in_force()
        if node is not None:
            return place_inside(make, node, hide_content=hide_content)
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        opening = open_session(
            sessions,
            self._recorder,
            session_id,
            framework=self._framework,
            trace_id=trace_id,
            first_agent=agent,
            is_run=is_run,
        )
        try:
            run = make(
                opening.session,
                opening.trace_id,
                sampled=opening.sampled,
                hide_content=hide_content,
            )
        except BaseException:
            attempt("Runs.open", sessions.leave, opening.session)
            raise
        run.agent_span_id = opening.span_id
        return run

    def start_agent(
        self,
        run: AgentRun,
        agent: AgentRef,
        metadata: Mapping[str, Any] | None = None,
        *,
        known_as: Any = None,
        capture: DeferredCapture | None = None,
    ) -> None:
        """
        Open the AGENT pair of *agent* under the session or the tool.

        A configuration other than that of its last run is a STATE_UPDATE.

        Args:
            run: Run whose agent it is from now on.
            agent: How events name it.
            metadata: What is known of it: `model`, `instructions` (a text, not yet
                captured), `instructions_hash`, `tools`, `handoffs`, …
            known_as: The framework's own object, by which it is known again.
            capture: What captured *metadata*, if that holds content.
        """
        recorder = self._recorder
        run.agent = agent
        run.agent_totals = Totals()
        run.agent_count += 1
        run.turns = 0
        facts = dict(metadata or {})
        if run.parent is not None:
            parent_span_id = run.parent.parent_span_id
        else:
            opening = run.session.pair
            parent_span_id = opening.span_id if opening else ""
        if run.is_outermost:
            facts |= outside_of(run.trace_id)
        changes = self._changes.note(run.session, agent, known_as, facts)
        capture = capture or recorder.capture(run)
        if "instructions" in facts:
            # Text once for each agent of a run; model calls name its hash.
            facts["instructions"] = capture.text(
                facts["instructions"], "metadata.instructions"
            )
        run.agent_pair = recorder.pairs.start(
            EventType.AGENT_START,
            run,
            {},
            parent_span_id=parent_span_id,
            agent=agent,
            capture=capture,
            metadata=facts,
        )
        run.agent_span_id = run.agent_pair.span_id
        if changes:
            recorder.emit(
                EventType.STATE_UPDATE,
                run,
                content.state_update(agent=changes),
                parent_span_id=run.agent_span_id,
            )

    def note_retry(self, run: AgentRun, fingerprint: str) -> None:
        """
        Record a RETRY when *run* repeats one that just failed.

        Args:
            run: A run whose agent has started.
            fingerprint: Of its input, see `record.retries.fingerprint_of`.
        """
        recorder = self._recorder
        session = run.session
        run.retry_key = (
            session.tenant_id,
            session.project_id,
            session.session_id,
            run.agent and run.agent.name,
            fingerprint,
        )
        now_ns = recorder.clock.monotonic_ns()
        again = recorder.retries.started(run.retry_key, now_ns=now_ns)
        if again is None:
            return
        recorder.emit(
            EventType.RETRY,
            run,
            content.retry(
                attempt=again.attempt,
                backoff_ms=again.backoff_ms,
                error_message=again.error_message,
                metadata={
                    "layer": "application",
                    "error_code": again.error_code,
                    "model": again.model,
                },
            ),
            parent_span_id=run.agent_span_id,
            metadata=without_defaults({"retried_run_id": again.run_id}),
        )

    # -- what comes in and goes out -----------------------------------------------

    def note_input(
        self,
        run: AgentRun,
        texts: Iterable[Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        to: AgentRun | None = None,
        is_asked: bool = False,
    ) -> None:
        """
        Record an INPUT_RECEIVED for each text.

        Args:
            run: A run whose agent has started; of a nested one nothing is recorded.
            texts: Uncaptured.
            metadata: Further facts of the message, as where it comes from.
            to: Run of the agent that hears it, if *run* is one of several agents.
            is_asked: The run asked for them itself, nested or not.
        """
        at = to or run
        for given in texts if is_asked or run.parent is None else ():
            capture, held, weight_bytes = None, given, 0
            if type(given) is str and len(given) <= _HELD_CHARS:
                weight_bytes = len(given)
            else:
                capture = self._recorder.capture(run)
                held = capture.text(given, "message.text")
                weight_bytes = weight_bytes_of(held)
            self._recorder.emit(
                EventType.INPUT_RECEIVED,
                run,
                partial(_input_of, held, dict(metadata) if metadata else None),
                parent_span_id=at.agent_span_id,
                agent=to.agent if to is not None else None,
                capture=capture,
                weight_bytes=weight_bytes,
            )

    def note_output(
        self,
        run: AgentRun,
        output: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        by: AgentRun | None = None,
    ) -> Any:
        """
        Record the OUTPUT_EMITTED of a top-level run, and return its deferred text.

        Args:
            run: A run whose agent has not ended.
            output: Its answer, uncaptured.
            metadata: Further facts of the message.
            by: Run of the agent that says it, if *run* is one of several agents.
        """
        at = by or run
        capture = self._recorder.capture(run)
        text = capture.text(output, "message.text")
        if run.parent is None:
            self._recorder.emit(
                EventType.OUTPUT_EMITTED,
                run,
                content.message("assistant", text, metadata, is_final=True),
                parent_span_id=at.agent_span_id,
                agent=by.agent if by is not None else None,
                capture=capture,
            )
        return text

    # -- handoffs -----------------------------------------------------------------

    def note_handoff(
        self,
        run: AgentRun,
        to_agent: AgentRef,
        *,
        from_agent: AgentRef | None = None,
        reason: str = "",
        kind: str = "sequential",
        data: Any = None,
        parent_span_id: str = "",
    ) -> None:
        """
        Record an AGENT_HANDOFF.

        Args:
            run: A run whose agent has not ended.
            to_agent: Who goes on.
            from_agent: Who hands over, if not the agent in force.
            reason: Why; the name of the tool that the model called, as a rule.
            kind: How, as for `content.handoff`.
            data: What is handed over, uncaptured.
            parent_span_id: Span under which it stands, if not that of the agent.
        """
        capture = self._recorder.capture(run)
        given = capture.tree(data, "agent_handoff.handoff_data") if data else None
        self._recorder.emit(
            EventType.AGENT_HANDOFF,
            run,
            content.handoff(
                from_agent or run.agent, to_agent, reason=reason, kind=kind, data=given
            ),
            parent_span_id=parent_span_id or run.agent_span_id,
            capture=capture,
        )

    def end_for(self, run: AgentRun, to_agent: AgentRef) -> None:
        """End the agent in force, which has handed over; the next one is to start."""
        self._settle(run, None)
        self._end_agent(run, {"handoff_to": to_agent.agent_id}, _COMPLETED)

    def hand_off(
        self,
        run: AgentRun,
        to_agent: AgentRef,
        metadata: Mapping[str, Any] | None = None,
        *,
        known_as: Any = None,
        reason: str = "",
        data: Any = None,
    ) -> None:
        """Record a handoff, end the agent in force and start the next beside it."""
        self.note_handoff(run, to_agent, reason=reason, data=data)
        self.end_for(run, to_agent)
        self.start_agent(run, to_agent, metadata, known_as=known_as)

    # -- end ----------------------------------------------------------------------

    def finish(
        self,
        run: AgentRun,
        error: BaseException | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        message: str | None = None,
        is_reported: bool = False,
        failure: str = "",
        describe: Callable[[dict[str, Any]], None] | None = None,
        closes_rest: bool = True,
    ) -> None:
        """
        Record how *run* ended; the first call counts.

        Args:
            run: The run; it leaves its session if it is top-level.
            error: What ended it; None for a good end.
            metadata: Of AGENT_END: `output`, captured, and `waiting`, if the run
                waits for a decision.
            message: Text to record instead of the error's own.
            is_reported: The error has its ERROR already.
            failure: Code of a failure that was not raised, and has its ERROR.
            describe: Adds to the facts of AGENT_END, and records what belongs before
                it.
            closes_rest: What is still open in the run ends as cancelled.
        """
        if run.is_ended:
            return
        run.is_ended = True
        host = self._host
        failed = isinstance(error, Exception) or bool(failure)
        facts = dict(metadata or {})
        try:
            self._settle(run, error)
            status = self._note_end(run, error, facts, message, is_reported=is_reported)
            if failure and status == _COMPLETED:
                facts["error"], status = failure, _FAILED
            if describe is not None:
                describe(facts)
            if closes_rest:
                self._close_rest(run)
            whole = None
            if run.is_outermost and "handoff_to" not in facts:
                whole = self._run_facts(run.whole, facts, status)
            self._end_agent(run, facts, status, whole)
        except Exception as problem:
            close_broken(host, run)
            report("Runs.finish", problem)
        finally:
            # The pair knows its run: no cycle is left to the garbage collector.
            run.agent_pair = None
            if run.parent is None:
                leave = host.sessions.leave
                attempt("Runs.finish", leave, run.session, failed=failed)

    def abandon(self, run: AgentRun, *, failed: bool = False) -> None:
        """
        End *run* without events: nothing of it stays open.

        Args:
            run: A run that is not recorded, or that an error of ours spoiled.
            failed: It is one of those of its session that failed.
        """
        if run.is_ended:
            return
        run.is_ended = True
        close_broken(self._host, run)
        run.agent_pair = None
        if run.parent is None:
            leave = self._host.sessions.leave
            attempt("Runs.abandon", leave, run.session, failed=failed)

    def _note_end(
        self,
        run: AgentRun,
        error: BaseException | None,
        facts: dict[str, Any],
        message: str | None,
        *,
        is_reported: bool,
    ) -> str:
        """Return the status of the end, after the ERROR, and what retries need."""
        recorder = self._recorder
        if error is None:
            if run.retry_key is not None:
                recorder.retries.succeeded(run.retry_key)
            return _COMPLETED
        if not isinstance(error, Exception):
            # Cancelled, closed, or the program is being ended: no failure.
            return _CANCELLED
        if not is_reported:
            recorder.error(run, error, run.agent_span_id, message=message)
        facts["error"] = error_code_of(error)
        if run.retry_key is not None and run.sampled and message is None:
            capture = recorder.capture(run)
            recorder.retries.failed(
                run.retry_key,
                error,
                message=capture.text(error_text(error), "retry.error_message"),
                code=facts["error"],
                now_ns=recorder.clock.monotonic_ns(),
                run_id=run.run_id,
                model=run.last_model,
            )
        return _FAILED

    def _close_rest(self, run: AgentRun) -> None:
        """End what was begun and nobody ended, because it failed."""
        pairs = self._recorder.pairs
        for pair in reversed(list(run.pairs.values())):
            if pair is not run.agent_pair:
                pairs.end(pair, status=_CANCELLED, metadata={"orphan": True})

    def _run_facts(
        self, run: AgentRun, facts: dict[str, Any], status: str
    ) -> dict[str, Any]:
        """Return what a whole run was, over all its agents."""
        now_ns = self._recorder.clock.monotonic_ns()
        return {
            "outcome": "waiting" if "waiting" in facts else _OUTCOMES[status],
            "duration_ms": ms_between(run.started_monotonic_ns, now_ns),
            "agents": run.agent_count,
        }

    def _end_agent(
        self,
        run: AgentRun,
        facts: dict[str, Any],
        status: str,
        whole: dict[str, Any] | None = None,
    ) -> None:
        pair = run.agent_pair
        if pair is None:
            return
        if run.turns:
            facts["turns"] = run.turns
        metadata = partial(
            with_totals, facts, run.agent_totals, whole=whole, run=run.whole.totals
        )
        self._recorder.pairs.end(pair, {}, status=status, metadata=metadata)


def _input_of(
    held: Any, metadata: Mapping[str, Any] | None, capture: Capture
) -> dict[str, Any]:
    """Return the content of an INPUT_RECEIVED: a text, or what is captured of it."""
    is_text = type(held) is str
    text = capture.text(held, "message.text") if is_text else captured_now(held)
    return content.message("user", text, metadata)


def _nothing_open(_run: AgentRun, _error: BaseException | None) -> None:
    """Settle nothing."""
