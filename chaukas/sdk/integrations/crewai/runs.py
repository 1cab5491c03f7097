"""Record crews, tasks and agents: one AGENT pair each, inside of one another."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    outermost,
)
from chaukas.sdk.integrations.shared.runs import Runs
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SCOPE, Node, reset
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.retries import fingerprint_of
from chaukas.sdk.system.bounded import WeakMap
from chaukas.sdk.system.internal_errors import attempt

from .facts import (
    agent_facts,
    agent_ref,
    argument,
    crew_facts,
    crew_ref,
    held,
    input_of,
    output_of,
    task_facts,
    user_texts,
)
from .state import FRAMEWORK, CrewRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.patching import Wrap
    from chaukas.sdk.record.context import AgentRef, SessionScope

__all__ = ["CrewRuns", "Running"]

_RUN = (
    "SESSION_START",
    "SESSION_END",
    "AGENT_START",
    "AGENT_END",
    "INPUT_RECEIVED",
    "OUTPUT_EMITTED",
    "ERROR",
    "RETRY",
)
_AGENT = ("AGENT_START", "AGENT_END", "ERROR", "RETRY")
_CREW = "crewai.crew:Crew"
_TASK = "crewai.task:Task"
_BASE_AGENT = "crewai.agents.agent_builder.base_agent:BaseAgent"
_AGENT_CLASS = "crewai.agent:Agent"
_STREAMS = 1024


class _Asked(NamedTuple):
    """Where a streamed run was asked for, which begins when it is iterated."""

    node: Node | None
    scope: SessionScope | None


class Running(Observation):
    """A crew, a flow or an agent from its begin to its end."""

    def __init__(self, runs: CrewRuns, run: CrewRun) -> None:
        self.runs, self.run = runs, run
        self.node = Node(run, run.agent_span_id, "own_agent")
        self.has_output = True
        """It returns an answer, and not just when it is done."""

    def ended(self, result: Any) -> None:
        """Record the answer and the end."""
        if self.has_output:
            self.runs.end(self.run, output_of(result))
        else:
            self.runs.end_without_output(self.run)

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self.runs.fail(self.run, error)


class _Joined(Observation):
    """A further call to execute a task that is recorded already."""

    def __init__(self, run: CrewRun) -> None:
        self._run = run
        run.depth += 1
        run.executions += 1

    def ended(self, result: Any) -> None:
        self._run.depth -= 1

    def failed(self, error: BaseException) -> None:
        self._run.depth -= 1


class CrewRuns(Part):
    """
    Wrappers around crews, tasks and agents.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.shared = Runs(host, FRAMEWORK, self._settle)
        self._streams: WeakMap[_Asked] = WeakMap(_STREAMS)

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        crews = {"subclasses": True}
        since = {"optional": True, "min_version": "1.10"}
        return (
            self._patch(_CREW, "kickoff", self._crew, _RUN, **crews),
            self._patch(_CREW, "akickoff", self._crew, _RUN, **crews, **since),
            *(
                self._patch(
                    _CREW, name, partial(self._crew_again, f"crew_{name}"), _RUN
                )
                for name in ("replay", "train", "test")
            ),
            self._patch(_TASK, "_execute_core", self._task, (*_AGENT, "AGENT_HANDOFF")),
            self._patch(_TASK, "_aexecute_core", self._task, _AGENT, **since),
            self._patch(_BASE_AGENT, "execute_task", self._agent, _AGENT, **crews),
            self._patch(
                _BASE_AGENT, "aexecute_task", self._agent, _AGENT, **crews, **since
            ),
            self._patch(_AGENT_CLASS, "kickoff", self._alone_sync, _RUN),
            self._patch(_AGENT_CLASS, "kickoff_async", self._alone, _RUN),
            Patch(
                "crewai.lite_agent:LiteAgent.kickoff",
                observe(self._alone),
                _RUN,
                post_import=True,
                optional=True,
            ),
        )

    @staticmethod
    def _patch(
        holder: str,
        name: str,
        begin: Callable[..., Observation | None],
        emits: tuple[str, ...],
        **options: Any,
    ) -> Patch:
        is_async = name.startswith(("a", "_a")) or "async" in name
        wrap: Wrap = (observe_async if is_async else observe)(begin)
        if options.get("subclasses"):
            wrap = outermost(name, wrap)
        return Patch(f"{holder}.{name}", wrap, emits, **options)

    # -- crews --------------------------------------------------------------------

    def _crew(self, crew: Any, args: Any, kwargs: Any) -> Running | None:
        if argument(args, kwargs, 2, "from_checkpoint") is not None:
            # The restored crew is kicked off instead.
            return None
        if held(crew, "stream") is True:
            # It calls itself again, when it is iterated.
            self._streams.put(crew, _Asked(node_in_force(), SCOPE.get()))
            return None
        return self._run_crew("crew", crew, argument(args, kwargs, 0, "inputs"))

    def _crew_again(self, kind: str, crew: Any, args: Any, kwargs: Any) -> Running:
        has_output = kind == "crew_replay"
        at = 1 if has_output else 2
        running = self._run_crew(kind, crew, argument(args, kwargs, at, "inputs"))
        running.has_output = has_output
        return running

    def _run_crew(self, kind: str, crew: Any, inputs: Any) -> Running:
        asked = self._streams.pop(crew)
        token = scope = None
        if asked is not None and node_in_force() is None and SCOPE.get() is None:
            token, scope = CURRENT.set(asked.node), SCOPE.set(asked.scope)
        try:
            run = self.shared.open(CrewRun, agent=crew_ref(crew))
        finally:
            for each in (token, scope):
                if each is not None:
                    reset(each)
        tasks = held(crew, "tasks")
        if type(tasks) is list:
            run.task_keys = frozenset(map(id, tasks))
        given, source = input_of(crew, inputs)
        return self.begin(
            run, crew_ref(crew), crew_facts(crew, kind), crew, [given], source
        )

    def begin(
        self,
        run: CrewRun,
        ref: AgentRef,
        facts: dict[str, Any],
        known_as: Any,
        texts: list[Any],
        source: str = "",
    ) -> Running:
        """Start the pair of a run that may be the outermost, and note its input."""
        try:
            self.shared.start_agent(run, ref, facts, known_as=known_as)
            if run.parent is None:
                self.shared.note_retry(run, fingerprint_of(texts))
            self.shared.note_input(run, texts, source=source)
        except BaseException:
            self.abandon(run)
            raise
        return Running(self, run)

    # -- tasks and their agents ---------------------------------------------------

    def _task(self, task: Any, args: Any, kwargs: Any) -> Running | None:
        agent = argument(args, kwargs, 0, "agent") or held(task, "agent")
        if agent is None:
            return None
        outer = self._crew_around()
        if outer is not None and id(task) in outer.task_keys:
            self._note_sequence(outer, task, agent_ref(agent), args, kwargs)
        return self._execution(task, agent)

    @staticmethod
    def _crew_around() -> CrewRun | None:
        node = node_in_force()
        return node.run if node is not None and isinstance(node.run, CrewRun) else None

    def _note_sequence(
        self, crew: CrewRun, task: Any, ref: AgentRef, args: Any, kwargs: Any
    ) -> None:
        """Record that the next task is another agent's."""
        name = held(task, "name") or held(task, "description")
        if held(task, "async_execution") is True:
            crew.last_task = None
            return
        last, crew.last_task = crew.last_task, (ref, name)
        if last is None or last[0] == ref:
            return
        context = argument(args, kwargs, 1, "context")
        size = len(context) if type(context) is str else 0
        self.shared.note_handoff(
            crew,
            ref,
            from_agent=last[0],
            kind="sequence",
            data={"from_task": last[1], "to_task": name, "context_chars": size},
        )

    def _agent(self, agent: Any, args: Any, kwargs: Any) -> Running | _Joined | None:
        task = argument(args, kwargs, 0, "task")
        run = self._crew_around()
        if run is not None and run.task_key == id(task) and run.agent_key == id(agent):
            self._note_repetition(run, agent, task)
            return _Joined(run)
        running = self._execution(task, agent)
        running.run.depth = running.run.executions = 1
        return running

    def _execution(self, task: Any, agent: Any) -> Running:
        run = self.shared.open(CrewRun, agent=agent_ref(agent))
        run.task_key, run.agent_key = id(task), id(agent)
        facts = agent_facts(agent)
        try:
            facts["task"] = task_facts(task, self._recorder.capture(run))
        except BaseException:
            self.abandon(run)
            raise
        return self.begin(
            run, agent_ref(agent), facts, agent, [held(task, "description")], "task"
        )

    def _note_repetition(self, run: CrewRun, agent: Any, task: Any) -> None:
        """Record a RETRY: of the agent while its call goes on, else of a guardrail."""
        if run.depth:
            error = sys.exc_info()[1]
            run.errors.settle(self._recorder, action="retried by the agent")
            limit = held(agent, "max_retry_limit")
            self._note_retry(run, error, run.depth, limit, "agent")
        elif run.executions:
            limit = held(task, "guardrail_max_retries")
            self.note_refused(run, run.executions, limit)

    def note_refused(self, run: CrewRun, number: int, limit: Any) -> None:
        """Record that an agent works again, since a guardrail refused its output."""
        message, run.guardrail_error = run.guardrail_error, ""
        self._note_retry(run, None, number, limit, "guardrail", message)

    def _note_retry(
        self,
        run: CrewRun,
        error: BaseException | None,
        number: int,
        limit: Any,
        layer: str,
        message: str | None = None,
    ) -> None:
        record_retry(
            self._recorder,
            run,
            run.agent_span_id,
            error,
            number=number,
            max_attempts=limit if type(limit) is int else 0,
            strategy="immediate",
            metadata={"layer": layer, "model": run.last_model},
            message=message,
        )
        run.notes["attempts"] = run.notes.get("attempts", 1) + 1

    # -- agents alone -------------------------------------------------------------

    def _alone_sync(self, agent: Any, args: Any, kwargs: Any) -> Running | None:
        # With a loop it returns the coroutine of `kickoff_async`.
        if asyncio._get_running_loop() is not None:
            return None
        return self._alone(agent, args, kwargs)

    def _alone(self, agent: Any, args: Any, kwargs: Any) -> Running | None:
        if argument(args, kwargs, 3, "from_checkpoint") is not None:
            return None
        ref = agent_ref(agent)
        run = self.shared.open(CrewRun, agent=ref)
        run.agent_key = id(agent)
        texts = user_texts(argument(args, kwargs, 0, "messages"))
        return self.begin(run, ref, agent_facts(agent), agent, texts)

    # -- ends ---------------------------------------------------------------------

    def end(self, run: CrewRun, output: Any, **facts: Any) -> None:
        """Record the answer of a run, and its end."""
        if self._is_closed(run):
            return
        text = self.shared.note_output(run, output)
        self._finish(run, None, {"output": text, **run.notes, **facts})

    def fail(self, run: CrewRun, error: BaseException) -> None:
        """Record that a run failed, or was cancelled."""
        if not self._is_closed(run):
            self._finish(run, error, run.notes)

    def end_without_output(self, run: CrewRun, **facts: Any) -> None:
        """Record the end of a run that gives no answer yet."""
        if not self._is_closed(run):
            self._finish(run, None, facts)

    def _is_closed(self, run: CrewRun) -> bool:
        """Tell whether a run around it has ended, and this one with it."""
        pair = run.agent_pair
        if pair is not None and pair.is_open:
            return False
        self.abandon(run)
        return True

    def _finish(
        self, run: CrewRun, error: BaseException | None, facts: dict[str, Any]
    ) -> None:
        attempt("crewai", self._close_below, run)
        is_held = run.above is not None and isinstance(error, Exception)
        self.shared.finish(run, error, facts, is_reported=is_held)
        if run.above is not None:
            run.above.below.pop(id(run), None)

    def _close_below(self, run: CrewRun) -> None:
        """End what goes on in threads that nobody waits for."""
        for each in list(run.below.values()):
            self._close_below(each)
            self._recorder.pairs.close_run(each)
        run.below.clear()

    def abandon(self, run: CrewRun) -> None:
        """Give a run up: nothing of it stays open."""
        self.shared.abandon(run)
        if run.above is not None:
            run.above.below.pop(id(run), None)

    def _settle(self, run: CrewRun, error: BaseException | None) -> None:
        """Say of the errors of a run whether something handled them."""
        outer = None if run.above is None else run.above.errors
        failed = error if isinstance(error, Exception) else None
        if failed is not None:
            run.errors.hold(self._recorder, run, failed, run.agent_span_id)
        run.errors.settle(self._recorder, failed, outer=outer)
