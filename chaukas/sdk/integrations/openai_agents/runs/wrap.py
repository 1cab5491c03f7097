"""
Record whole runs: session, agents, what came in, what went out, how it ended.

Patched is `AgentRunner`, never `Runner`: the SDK strips payloads from its errors at
the boundary between the two, and a frame outside of it would bring them back.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.compat.hooks import HookSink, hooks_around
from chaukas.sdk.integrations.openai_agents.facts import (
    agent_facts,
    agent_ref,
    new_user_items,
    role_of,
)
from chaukas.sdk.integrations.openai_agents.resume.suspended import (
    in_session_of,
    suspended_run_of,
)
from chaukas.sdk.integrations.openai_agents.state import (
    BACKGROUND,
    FRAMEWORK,
    AgentsRun,
    ToolCall,
)
from chaukas.sdk.integrations.shared import runs as shared
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observed_call,
)
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.retries import class_name_of, fingerprint_of
from chaukas.sdk.system.internal_errors import attempt, report

from .facts import (
    hidden_text_of,
    hides_content,
    is_continued,
    max_turns_error,
    outcome_of,
    pending_input_of,
    plain_text,
    session_id_of,
    trace_id_given,
)
from .workflow import workflow_facts, workflow_trace_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.resume.suspended import (
        SuspendedRun,
        SuspendedRuns,
    )
    from chaukas.sdk.integrations.openai_agents.tools.approvals import Approvals
    from chaukas.sdk.record.context import AgentRef

__all__ = ["RUN_EVENTS", "Runs"]

R = TypeVar("R", bound=AgentsRun)

_SDK_MODULE = "agents.run"
RUN_EVENTS = (
    "SESSION_START",
    "SESSION_END",
    "AGENT_START",
    "AGENT_END",
    "INPUT_RECEIVED",
    "OUTPUT_EMITTED",
    "ERROR",
    "RETRY",
    "STATE_UPDATE",
)


class _Awaited(Observation):
    """A run that ends when its call returns."""

    def __init__(self, runs: Runs, run: AgentsRun) -> None:
        self._runs = runs
        self._run = run
        self.node = Node(run, run.agent_span_id, "agent")

    def ended(self, result: Any) -> None:
        self._runs.finish(self._run, result, None)

    def failed(self, error: BaseException) -> None:
        self._runs.finish(self._run, None, error)


class _Streamed(_Awaited):
    """A run that its call only starts."""

    def ended(self, result: Any) -> None:
        self._runs.watch(self._run, result)


class Runs(Part):
    """
    Wrappers around `AgentRunner.run` and `run_streamed`.

    Args:
        host: Where to record.
        settle: Called when an agent or a run ends, to end its last model call.
        pauses: Remembers runs that may go on later.
        approvals: Told of what an interrupted run waits for.
    """

    def __init__(
        self,
        host: Host,
        settle: Callable[[Any, BaseException | None], None],
        pauses: SuspendedRuns,
        approvals: Approvals,
    ) -> None:
        super().__init__(host)
        self.shared = shared.Runs(host, FRAMEWORK, settle)
        """What this framework does as every other."""
        self._pauses = pauses
        self._approvals = approvals
        self.fallback: HookSink | None = None
        """Records by public hooks what a release offers no hook point for."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        runner = "agents.run:AgentRunner"
        return (
            Patch(f"{runner}.run", self.run, RUN_EVENTS, subclasses=True),
            Patch(
                f"{runner}.run_streamed", self.run_streamed, RUN_EVENTS, subclasses=True
            ),
        )

    # -- wrappers ---------------------------------------------------------------

    def run(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `AgentRunner.run`."""
        begin = partial(self._begin, wrapped, _Awaited)
        return observed_call(begin, wrapped, instance, args, kwargs)

    def run_streamed(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `AgentRunner.run_streamed`, which only starts the run."""
        begin = partial(self._begin, wrapped, _Streamed)
        return observe(begin)(wrapped, instance, args, kwargs)

    def watch(self, run: AgentsRun, result: Any) -> None:
        """Let *run* end when the task of its streamed *result* is done."""
        try:
            # The second is the SDK's own name, which older releases have alone.
            task = getattr(result, "run_loop_task", None) or result._run_impl_task  # noqa: SLF001
            if run.parent is None:
                # At once: a state can be made of it before its task is done.
                self._pauses.remember(result, suspended_run_of(run))
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

    def _begin(
        self,
        wrapped: Any,
        observation: type[_Awaited],
        _instance: Any,
        args: Any,
        kwargs: dict[str, Any],
    ) -> Observation | None:
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
            if not run.sampled:
                # Of a run that is left out nothing is read but how it is resumed.
                return observation(self, run)
            self._describe(run, agent, given, state, kwargs)
            return observation(self, run)
        except BaseException:
            self.abandon(run)
            raise

    def _describe(
        self, run: AgentsRun, agent: Any, given: Any, state: Any, kwargs: dict[str, Any]
    ) -> None:
        """Record what begins: the agent, a retry, the input."""
        run.run_config = kwargs.get("run_config")
        self.start_agent(run, agent, is_resumed=state is not None)
        fingerprint = fingerprint_of(given if state is None else run.trace_id)
        self.shared.note_retry(run, fingerprint)
        if run.parent is None:
            items = self._new_input(run, given, state)
            self.shared.note_input(run, map(_text_in, items))
        if self.fallback is not None:
            kwargs["hooks"] = hooks_around(kwargs.get("hooks"), self.fallback)

    def abandon(self, run: AgentsRun) -> None:
        """Give *run* up, because of an error of ours: nothing of it stays open."""
        self.shared.abandon(run)
        run.run_config = None

    def _resumed(self, state: Any) -> SuspendedRun | None:
        """Return what is remembered of the run that *state* goes on with."""
        pauses = self._pauses
        pause = pauses.of(state)
        if pause is None:
            pause = pauses.recognise_state(state) or pauses.learn_from(state)
            pauses.remember(state, pause)
        pause.is_resumed = True
        return pauses.usable(pause)

    def open(
        self,
        kwargs: dict[str, Any],
        make: type[R],
        agent: AgentRef | None = None,
        pause: SuspendedRun | None = None,
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
        if node_in_force() is not None:
            return self.shared.open(make, hide_content=hide)
        trace_id = trace_id_given(run_config)
        if not trace_id:
            trace_id = workflow_trace_id() if pause is None else pause.where.trace_id
        session_id = session_id_of(kwargs)
        with in_session_of(pause, session_id):
            run = self.shared.open(
                make,
                session_id=session_id,
                trace_id=trace_id,
                hide_content=hide or (pause is not None and pause.hide_content),
                agent=agent,
            )
        if pause is not None:
            suspended_run_of(run).take_over(pause)
        return run

    def start_agent(
        self, run: AgentsRun, agent: Any, *, is_resumed: bool = False
    ) -> None:
        """Open the AGENT pair of *agent* under the session or the tool."""
        facts = agent_facts(agent, run.run_config)
        capture = self._recorder.capture(run)
        if run.parent is None:
            background = BACKGROUND.get()
            if background is not None:
                facts["background"] = background.name
            facts |= workflow_facts(run, capture)
        # Of the pipeline of speech that this run answers for.
        elif voice_turn := getattr(run.parent.run, "voice_turn", 0):
            facts["voice_turn"] = voice_turn
        if is_resumed:
            facts["resumed"] = True
        self.shared.start_agent(
            run, agent_ref(agent), facts, known_as=agent, capture=capture
        )

    @staticmethod
    def _new_input(run: AgentsRun, given: Any, state: Any) -> Sequence[Any]:
        """Return the user's items that have no INPUT yet."""
        if state is None:
            return new_user_items(given)
        # What was added to the state; a run that goes on repeats nothing else.
        pending = pending_input_of(state)
        pause = suspended_run_of(run)
        told, pause.recorded_input_count = pause.recorded_input_count, len(pending)
        return [
            item
            for item in pending[told if told <= len(pending) else 0 :]
            if role_of(item) == "user"
        ]

    # -- handoff and end --------------------------------------------------------

    def hand_off(self, run: AgentsRun, new_agent: Any) -> None:
        """End the agent in force and start *new_agent* beside it."""
        self.shared.end_for(run, agent_ref(new_agent))
        self.start_agent(run, new_agent)

    def finish(self, run: AgentsRun, result: Any, error: BaseException | None) -> None:
        """Record how *run* ended; the first call counts."""
        if not run.sampled:
            self._leave_out(run, result, error)
            return
        # The stream's terminal event was told, and this is what the runner made of it.
        is_made = type(error).__name__ == "ModelBehaviorError"
        self.shared.finish(
            run,
            error,
            message=None if error is None else hidden_text_of(error),
            is_reported=is_made and run.has_terminal_error,
            describe=partial(self._note_result, run, result, error),
            closes_rest=self.fallback is not None,
        )
        run.run_config = None

    def _leave_out(
        self, run: AgentsRun, result: Any, error: BaseException | None
    ) -> None:
        """End a run that is not recorded; one that goes on later is known again."""
        is_ended = run.is_ended
        self.shared.abandon(run, failed=isinstance(error, Exception))
        waiting = getattr(result, "interruptions", None)
        if not is_ended and error is None and type(waiting) is list and waiting:
            attempt("Runs.finish", self._remember, run, result)

    def _note_result(
        self,
        run: AgentsRun,
        result: Any,
        error: BaseException | None,
        facts: dict[str, Any],
    ) -> None:
        """Record what a run leaves: approvals that it waits for, or its output."""
        if error is None:
            self._note_interruptions(run, result, facts)
            self._note_output(run, result, facts)
        if run.parent is None and "output" not in facts and result is not None:
            # Not finished, so that a state of it may be run.
            self._remember(run, result)
        if self.fallback is not None:
            self.fallback.forget(run)

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
            parent.detail.is_waiting = True

    def _remember(self, run: AgentsRun, result: Any) -> None:
        pause = suspended_run_of(run)
        # A resumed run that is interrupted before its model takes the input.
        pending = getattr(result, "_pending_input_for_state", None)
        pause.recorded_input_count = len(pending) if type(pending) is list else 0
        self._pauses.remember(result, pause)
        context = getattr(result, "context_wrapper", None)
        if context is not None:
            self._pauses.remember(context, pause)

    def _note_output(self, run: AgentsRun, result: Any, facts: dict[str, Any]) -> None:
        output = getattr(result, "final_output", None)
        if output is None or "waiting" in facts:
            return
        is_text = type(output) is str
        kind = None if is_text else {"output_type": class_name_of(output)}
        facts["output"] = self.shared.note_output(run, output, kind)


def _text_in(item: Any) -> Any:
    """Return what a user's item says."""
    return plain_text(item.get("content") if type(item) is dict else item)
