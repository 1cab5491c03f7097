"""
Record whole runs: session, agents, what came in, what went out, how it ended.

Patched is `AgentRunner`, never `Runner`: the SDK strips payloads from its errors at
the boundary between the two, and a frame outside of it would bring them back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents.compat.hooks import hooks_around
from chaukas.sdk.integrations.openai_agents.facts import (
    agent_facts,
    agent_ref,
    new_user_items,
    role_of,
)
from chaukas.sdk.integrations.openai_agents.resume.suspended import pause_of
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    ToolCall,
    attempt,
    close_broken,
)
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.placement import node_in_force, place_inside
from chaukas.sdk.record.recorder import (
    error_code_of,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.record.retries import class_name_of, fingerprint_of
from chaukas.sdk.record.totals import Totals
from chaukas.sdk.system.internal_errors import report

from .agent_changes import AgentChanges
from .facts import (
    hidden_text_of,
    hides_content,
    is_continued,
    max_turns_error,
    outcome_of,
    pending_input_of,
    place_facts,
    plain_text,
    session_id_of,
    trace_id_given,
)
from .workflow import workflow_facts, workflow_trace_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.compat.fallback import Fallback
    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
    from chaukas.sdk.integrations.openai_agents.resume.suspended import Pause, Pauses
    from chaukas.sdk.integrations.openai_agents.tools.approvals import Approvals
    from chaukas.sdk.record.context import AgentRef

__all__ = ["Runs"]

R = TypeVar("R", bound=AgentsRun)

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_SDK_MODULE = "agents.run"
_OUTCOMES = {_COMPLETED: "completed", _FAILED: "failed", _CANCELLED: "cancelled"}


class Runs:
    """
    Wrappers around `AgentRunner.run` and `run_streamed`.

    Args:
        host: Where to record.
        models: Told when a run ends, to settle its last model call.
        pauses: Remembers runs that may go on later.
        approvals: Told of what an interrupted run waits for.
    """

    def __init__(
        self, host: Host, models: ModelCalls, pauses: Pauses, approvals: Approvals
    ) -> None:
        self._host = host
        self._models = models
        self._pauses = pauses
        self._approvals = approvals
        self.fallback: Fallback | None = None
        """Records by public hooks what a release offers no hook point for."""
        self._changes = AgentChanges()

    # -- wrappers ---------------------------------------------------------------

    async def run(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `AgentRunner.run`."""
        run = self._begin_guarded(wrapped, args, kwargs)
        if run is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            self.finish(run, None, error)
            raise
        finally:
            reset(token)
        self.finish(run, result, None)
        return result

    def run_streamed(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `AgentRunner.run_streamed`, which only starts the run."""
        run = self._begin_guarded(wrapped, args, kwargs)
        if run is None:
            return wrapped(*args, **kwargs)
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self.finish(run, None, error)
            raise
        finally:
            reset(token)
        self._watch(run, result)
        return result

    def _watch(self, run: AgentsRun, result: Any) -> None:
        try:
            task = getattr(result, "run_loop_task", None) or result._run_impl_task
            if run.parent is None:
                # At once: a state can be made of it before its task is done.
                self._pauses.remember(result, pause_of(run))
            # The result is let go when the task is done.
            task.add_done_callback(lambda done: self._streamed_done(run, done, result))
        except Exception as error:
            report("AgentRunner.run_streamed", error)
            self.finish(run, None, None)

    def _streamed_done(
        self, run: AgentsRun, task: asyncio.Task[Any], result: Any
    ) -> None:
        try:
            outcome = outcome_of(task, result)
            if outcome == "max_turns":
                outcome = max_turns_error(result)
            if outcome == "cancelled":
                outcome = asyncio.CancelledError()
        except Exception as error:
            report("RunResultStreaming", error)
            outcome = None
        self.finish(run, result, outcome if not isinstance(outcome, str) else None)

    # -- begin ------------------------------------------------------------------

    def _begin_guarded(
        self, wrapped: Any, args: Any, kwargs: dict[str, Any]
    ) -> AgentsRun | None:
        if SUPPRESSED.get():
            return None
        try:
            return self._begin(wrapped, args, kwargs)
        except Exception as error:
            report("AgentRunner.run", error)
            return None

    def _begin(
        self, wrapped: Any, args: Any, kwargs: dict[str, Any]
    ) -> AgentsRun | None:
        agent = args[0] if args else kwargs.get("starting_agent")
        given = args[1] if len(args) > 1 else kwargs.get("input")
        node = CURRENT.get()
        state = given if class_name_of(given) == "RunState" else None
        if state is not None:
            current = getattr(state, "_current_agent", None)
            agent = agent if current is None else current
        is_own = getattr(wrapped, "__module__", "") == _SDK_MODULE
        if node is not None and is_continued(node, agent, is_own=is_own):
            return None
        pause = None
        if state is not None and node_in_force() is None:
            pause = self._resumed(state)
        run = self.open(kwargs, AgentsRun, agent_ref(agent), pause)
        try:
            run.is_super_pending = not is_own
            run.is_body_pending = True
            self._describe(run, agent, given, state, kwargs)
        except BaseException:
            self.abandon(run)
            raise
        return run

    def _describe(
        self, run: AgentsRun, agent: Any, given: Any, state: Any, kwargs: dict[str, Any]
    ) -> None:
        """Record what begins: the agent, a retry, the input."""
        run.run_config = kwargs.get("run_config")
        self.start_agent(run, agent, is_resumed=state is not None)
        self._note_retry(run, given if state is None else run.trace_id)
        if run.parent is None:
            self._note_input(run, self._new_input(run, given, state))
        if self.fallback is not None:
            kwargs["hooks"] = hooks_around(kwargs.get("hooks"), self.fallback)

    def abandon(self, run: AgentsRun) -> None:
        """Give *run* up, because of an error of ours: nothing of it stays open."""
        if run.is_ended:
            return
        run.is_ended = True
        host = self._host
        close_broken(host, run)
        run.agent_pair = run.run_config = None
        if run.parent is None:
            attempt("AgentRunner.run", host.sessions.leave, run.session)

    def _resumed(self, state: Any) -> Pause | None:
        """Return what is remembered of the run that *state* goes on with."""
        pauses = self._pauses
        pause = pauses.of(state)
        if pause is None:
            pause = pauses.recognise(state) or pauses.learn(state)
            pauses.remember(state, pause)
        pause.is_resumed = True
        return pauses.usable(pause)

    def open(
        self,
        kwargs: dict[str, Any],
        make: type[R],
        agent: AgentRef | None = None,
        pause: Pause | None = None,
    ) -> R:
        """
        Return a run that is placed, and that holds its session if it is top-level.

        Args:
            kwargs: Arguments of the runner: `run_config`, `session`, and so on.
            make: `AgentsRun` or a class of it.
            agent: Its first agent, if it begins with one.
            pause: What is remembered of the run that it goes on with.
        """
        run_config = kwargs.get("run_config")
        hide = hides_content(run_config)
        node = node_in_force()
        if node is not None:
            return place_inside(make, node, hide_content=hide)
        trace_id = trace_id_given(run_config)
        if not trace_id:
            trace_id = workflow_trace_id() if pause is None else pause.where.trace_id
        opening = self._pauses.enter(
            pause, session_id_of(kwargs), trace_id=trace_id, first_agent=agent
        )
        if pause is not None:
            hide = hide or pause.hide_content
        try:
            run = make(
                opening.session,
                opening.trace_id,
                sampled=opening.sampled,
                hide_content=hide,
            )
            run.agent_span_id = opening.span_id
            if pause is not None:
                pause_of(run).take_over(pause)
        except BaseException:
            attempt("AgentRunner.run", self._host.sessions.leave, opening.session)
            raise
        return run

    def start_agent(
        self, run: AgentsRun, agent: Any, *, is_resumed: bool = False
    ) -> None:
        """Open the AGENT pair of *agent* under the session or the tool."""
        recorder = self._host.recorder
        run.agent = ref = agent_ref(agent)
        run.agent_totals = Totals()
        run.agent_count += 1
        run.turns = 0
        facts = agent_facts(agent, run.run_config)
        parent = run.parent
        if parent is not None:
            parent_span_id = parent.parent_span_id
            # Of the pipeline of speech that this run answers for.
            voice_turn = getattr(parent.run, "voice_turn", 0)
            if voice_turn:
                facts["voice_turn"] = voice_turn
        else:
            opening = run.session.pair
            parent_span_id = opening.span_id if opening else ""
            facts |= place_facts(run.trace_id)
        if is_resumed:
            facts["resumed"] = True
        changes = self._changes.note(run.session, agent, facts)
        capture = recorder.capture(run)
        if parent is None:
            facts |= workflow_facts(run, capture)
        if "instructions" in facts:
            # Text once for each agent of a run; model calls name its hash.
            facts["instructions"] = capture.text(
                facts["instructions"], "metadata.instructions"
            )
        pair = recorder.pairs.start(
            EventType.AGENT_START,
            run,
            {},
            parent_span_id=parent_span_id,
            agent=ref,
            capture=capture,
            metadata=facts,
        )
        run.agent_pair = pair
        run.agent_span_id = pair.span_id
        if changes:
            recorder.emit(
                EventType.STATE_UPDATE,
                run,
                {"state_update": {"agent": changes}},
                parent_span_id=pair.span_id,
            )

    def _note_retry(self, run: AgentsRun, given: Any) -> None:
        """Record a RETRY when this run repeats one that just failed."""
        recorder = self._host.recorder
        session = run.session
        run.retry_key = (
            session.tenant_id,
            session.project_id,
            session.session_id,
            run.agent and run.agent.name,
            fingerprint_of(given),
        )
        now_ns = recorder.clock.monotonic_ns()
        attempt = recorder.retries.started(run.retry_key, now_ns=now_ns)
        if attempt is None:
            return
        told = {
            "attempt": attempt.attempt,
            "backoff_ms": attempt.backoff_ms,
            "error_message": attempt.error_message,
            "retryable": True,
            "metadata": without_defaults(
                {
                    "layer": "application",
                    "error_code": attempt.error_code,
                    "model": attempt.model,
                }
            ),
        }
        recorder.emit(
            EventType.RETRY,
            run,
            {"retry": without_defaults(told)},
            parent_span_id=run.agent_span_id,
            metadata=without_defaults({"retried_run_id": attempt.run_id}),
        )

    @staticmethod
    def _new_input(run: AgentsRun, given: Any, state: Any) -> Sequence[Any]:
        """Return the user's items that have no INPUT yet."""
        if state is None:
            return new_user_items(given)
        # What was added to the state; a run that goes on repeats nothing else.
        pending = pending_input_of(state)
        pause = pause_of(run)
        told, pause.told_input_count = pause.told_input_count, len(pending)
        return [
            item
            for item in pending[told if told <= len(pending) else 0 :]
            if role_of(item) == "user"
        ]

    def _note_input(self, run: AgentsRun, items: Sequence[Any]) -> None:
        recorder = self._host.recorder
        for item in items:
            capture = recorder.capture(run)
            content = item.get("content") if type(item) is dict else item
            message = {
                "role": "user",
                "text": capture.text(plain_text(content), "message.text"),
            }
            recorder.emit(
                EventType.INPUT_RECEIVED,
                run,
                {"message": message},
                parent_span_id=run.agent_span_id,
                capture=capture,
            )

    # -- handoff and end --------------------------------------------------------

    def hand_off(self, run: AgentsRun, new_agent: Any) -> None:
        """End the agent in force and start *new_agent* beside it."""
        self._models.settle(run, None)
        self._end_agent(run, {"handoff_to": agent_ref(new_agent).agent_id}, _COMPLETED)
        self.start_agent(run, new_agent)

    def finish(self, run: AgentsRun, result: Any, error: BaseException | None) -> None:
        """Record how *run* ended; the first call counts."""
        if run.is_ended:
            return
        run.is_ended = True
        host = self._host
        failed = isinstance(error, Exception)
        try:
            self._finish(run, result, error)
        except Exception as problem:
            close_broken(host, run)
            report("AgentRunner.run", problem)
        finally:
            # The pair knows its run: no cycle is left to the garbage collector.
            run.agent_pair = run.run_config = None
            if run.parent is None:
                leave = host.sessions.leave
                attempt("AgentRunner.run", leave, run.session, failed=failed)

    def _finish(self, run: AgentsRun, result: Any, error: BaseException | None) -> None:
        recorder = self._host.recorder
        self._models.settle(run, error)
        facts: dict[str, Any] = {}
        status = _COMPLETED
        if error is not None and not isinstance(error, Exception):
            # Cancelled, closed, or the program is being ended: no failure.
            status = _CANCELLED
        elif error is not None:
            status = _FAILED
            self._note_failure(run, error, facts)
        else:
            if run.retry_key is not None:
                recorder.retries.succeeded(run.retry_key)
            self._note_interruptions(run, result, facts)
            self._note_output(run, result, facts)
        if run.parent is None and "output" not in facts and result is not None:
            # Not finished, so that a state of it may be run.
            self._remember(run, result)
        self._close_rest(run)
        if run.parent is None:
            facts["run"] = self._run_facts(run, facts, status)
        self._end_agent(run, facts, status)

    def _run_facts(
        self, run: AgentsRun, facts: dict[str, Any], status: str
    ) -> dict[str, Any]:
        """Return what a whole run was and took, over all its agents."""
        recorder = self._host.recorder
        now_ns = recorder.clock.monotonic_ns()
        told: dict[str, Any] = {
            "outcome": "waiting" if "waiting" in facts else _OUTCOMES[status],
            "duration_ms": ms_between(run.started_monotonic_ns, now_ns),
            "agents": run.agent_count,
            "model_calls": run.totals.model_calls,
            **run.totals.facts(),
        }
        return without_defaults(told)

    def _close_rest(self, run: AgentsRun) -> None:
        """End what hooks began and nobody ended, because it failed."""
        if self.fallback is None:
            return
        self.fallback.forget(run)
        pairs = self._host.recorder.pairs
        for pair in reversed(list(run.pairs.values())):
            if pair is not run.agent_pair:
                pairs.end(pair, status=_CANCELLED, metadata={"orphan": True})

    def _note_failure(
        self, run: AgentsRun, error: BaseException, facts: dict[str, Any]
    ) -> None:
        recorder = self._host.recorder
        message = hidden_text_of(error)
        # The stream's terminal event was told, and this is what the runner made of it.
        is_made = type(error).__name__ == "ModelBehaviorError"
        if not (is_made and run.has_terminal_error):
            recorder.error(run, error, run.agent_span_id, message=message)
        facts["error"] = error_code_of(error)
        if run.retry_key is None or not run.sampled or message is not None:
            return
        if isinstance(error, Exception):
            capture = recorder.capture(run)
            recorder.retries.failed(
                run.retry_key,
                error,
                message=capture.text(error_text(error), "retry.error_message"),
                code=error_code_of(error),
                now_ns=recorder.clock.monotonic_ns(),
                run_id=run.run_id,
                model=run.last_model,
            )

    def _note_interruptions(
        self, run: AgentsRun, result: Any, facts: dict[str, Any]
    ) -> None:
        items = getattr(result, "interruptions", None)
        if type(items) is not list or not items:
            return
        facts["waiting"] = True
        parent = run.parent
        if parent is None:
            self._approvals.review(run, items)
        elif isinstance(parent.detail, ToolCall):
            # Its approvals surface in the outer run, which asks for them.
            parent.detail.is_interrupted = True

    def _remember(self, run: AgentsRun, result: Any) -> None:
        pause = pause_of(run)
        # A resumed run that is interrupted before its model takes the input.
        pending = getattr(result, "_pending_input_for_state", None)
        pause.told_input_count = len(pending) if type(pending) is list else 0
        self._pauses.remember(result, pause)
        context = getattr(result, "context_wrapper", None)
        if context is not None:
            self._pauses.remember(context, pause)

    def _note_output(self, run: AgentsRun, result: Any, facts: dict[str, Any]) -> None:
        output = getattr(result, "final_output", None)
        if output is None or "waiting" in facts:
            return
        recorder = self._host.recorder
        capture = recorder.capture(run)
        text = capture.text(output, "message.text")
        facts["output"] = text
        if run.parent is not None:
            return
        message: dict[str, Any] = {"role": "assistant", "text": text}
        if type(output) is not str:
            message["metadata"] = {"output_type": class_name_of(output)}
        recorder.emit(
            EventType.OUTPUT_EMITTED,
            run,
            {"message": message, "is_final": True},
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    def _end_agent(self, run: AgentsRun, facts: dict[str, Any], status: str) -> None:
        pair = run.agent_pair
        if pair is None:
            return
        if run.turns:
            facts["turns"] = run.turns
        facts |= run.agent_totals.facts()
        self._host.recorder.pairs.end(pair, {}, status=status, metadata=facts)
