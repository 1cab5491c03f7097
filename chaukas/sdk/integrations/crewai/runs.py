"""Record crews, tasks and agents: one AGENT pair each, inside of one another."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.nested.runs import NestedRuns, Running
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    outermost,
)
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SCOPE, Node, reset
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.bounded import WeakMap

from .facts import (
    agent_facts,
    agent_ref,
    argument,
    crew_facts,
    crew_ref,
    held,
    input_of,
    is_restored,
    output_of,
    task_facts,
    user_texts,
)
from .state import FRAMEWORK, CrewRun, in_method, run_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import AgentRef, SessionScope

__all__ = ["CrewRuns"]

_AGENT = ("AGENT_START", "AGENT_END", "ERROR", "RETRY")
_RUN = (*_AGENT, "SESSION_START", "SESSION_END", "INPUT_RECEIVED", "OUTPUT_EMITTED")
_CREW = "crewai.crew:Crew"
_TASK = "crewai.task:Task"
_BASE_AGENT = "crewai.agents.agent_builder.base_agent:BaseAgent"
_AGENT_CLASS = "crewai.agent:Agent"
_STREAMS = 1024


class _Asked(NamedTuple):
    """Where a streamed run was asked for, which begins when it is iterated."""

    node: Node | None
    scope: SessionScope | None


class _Executing(Observation):
    """A call to execute a task whose agent has its pair already."""

    def __init__(self, run: CrewRun) -> None:
        self._run = run
        run.depth += 1

    def ended(self, result: Any) -> None:  # noqa: ARG002
        # Nothing is recorded of it: the task has the result.
        self._run.depth -= 1

    def failed(self, error: BaseException) -> None:  # noqa: ARG002
        # As above.
        self._run.depth -= 1


class CrewRuns(Part):
    """
    Wrappers around crews, tasks and agents.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.shared = NestedRuns(host, FRAMEWORK)
        self._streams: WeakMap[_Asked] = WeakMap(_STREAMS)

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        sync = (
            (_CREW, "kickoff", self._crew, _RUN),
            (_TASK, "_execute_core", self._task, (*_AGENT, "AGENT_HANDOFF")),
            (_BASE_AGENT, "execute_task", self._agent, _AGENT),
            (_AGENT_CLASS, "kickoff", self._alone_sync, _RUN),
        )
        later = (
            (_CREW, "akickoff", self._crew, _RUN),
            (_TASK, "_aexecute_core", self._task, (*_AGENT, "AGENT_HANDOFF")),
            (_BASE_AGENT, "aexecute_task", self._agent, _AGENT),
            (_AGENT_CLASS, "kickoff_async", self._alone, _RUN),
        )
        return (
            *(
                Patch(
                    f"{holder}.{name}",
                    outermost(name, wrap(begin)),
                    emits,
                    subclasses=True,
                )
                for wrap, rows in ((observe, sync), (observe_async, later))
                for holder, name, begin, emits in rows
            ),
            *(
                Patch(f"{_CREW}.{name}", observe(partial(self._again, name)), _RUN)
                for name in ("replay", "train", "test")
            ),
            Patch(
                "crewai.lite_agent:LiteAgent.kickoff",
                observe(self._alone),
                _RUN,
                post_import=True,
                optional=True,
            ),
        )

    # -- crews --------------------------------------------------------------------

    def _crew(self, crew: Any, args: Any, kwargs: Any) -> Running | None:
        if is_restored(args, kwargs, 2):
            return None
        if held(crew, "stream") is True:
            # It calls itself again, when it is iterated.
            self._streams.put(crew, _Asked(node_in_force(), SCOPE.get()))
            return None
        return self._run_crew("crew", crew, argument(args, kwargs, 0, "inputs"))

    def _again(self, name: str, crew: Any, args: Any, kwargs: Any) -> Running:
        is_replay = name == "replay"
        inputs = argument(args, kwargs, 1 if is_replay else 2, "inputs")
        running = self._run_crew(f"crew_{name}", crew, inputs)
        if not is_replay:
            running.output_of = None
        return running

    def _run_crew(self, kind: str, crew: Any, inputs: Any) -> Running:
        run, ref = self._opened(crew), crew_ref(crew)
        tasks = held(crew, "tasks")
        if type(tasks) is list:
            run.task_keys = frozenset(map(id, tasks))
        given, source = input_of(crew, inputs)
        return self.shared.begin(
            run,
            ref,
            {**crew_facts(crew, kind), **in_method(run.parent)},
            [given],
            known_as=crew,
            source=source,
            output_of=output_of,
        )

    def _opened(self, crew: Any) -> CrewRun:
        """Open the run of a crew where that was asked for."""
        asked = self._streams.pop(crew)
        if asked is None or node_in_force() is not None or SCOPE.get() is not None:
            return self.shared.open(CrewRun, agent=crew_ref(crew))
        node, scope = CURRENT.set(asked.node), SCOPE.set(asked.scope)
        try:
            return self.shared.open(CrewRun, agent=crew_ref(crew))
        finally:
            reset(scope)
            reset(node)

    # -- tasks and their agents ---------------------------------------------------

    def _task(self, task: Any, args: Any, kwargs: Any) -> Running | None:
        agent = argument(args, kwargs, 0, "agent")
        agent = held(task, "agent") if agent is None else agent
        if agent is None:
            return None
        crew = run_in_force()
        if crew is not None and id(task) in crew.task_keys:
            context = argument(args, kwargs, 1, "context")
            self._note_sequence(crew, task, agent_ref(agent), context)
        return self._execution(task, agent)

    def _note_sequence(
        self, crew: CrewRun, task: Any, ref: AgentRef, context: Any
    ) -> None:
        """Record that the next task is another agent's."""
        if held(task, "async_execution") is True:
            crew.last_task = None
            return
        name = text_of(held(task, "name")) or held(task, "description")
        last, crew.last_task = crew.last_task, (ref, name)
        if last is None or last[0] == ref:
            return
        size = len(context) if type(context) is str else 0
        self.shared.note_handoff(
            crew,
            ref,
            from_agent=last[0],
            kind="sequence",
            data={"from_task": last[1], "to_task": name, "context_chars": size},
        )

    def _agent(self, agent: Any, args: Any, kwargs: Any) -> Observation:
        task = argument(args, kwargs, 0, "task")
        run = run_in_force()
        if run is not None and run.task_key == id(task) and run.agent_key == id(agent):
            self._note_repetition(run, agent, task)
            return _Executing(run)
        return self._execution(task, agent, depth=1)

    def _execution(self, task: Any, agent: Any, *, depth: int = 0) -> Running:
        ref = agent_ref(agent)
        run = self.shared.open(CrewRun, agent=ref)
        run.task_key, run.agent_key = id(task), id(agent)
        run.depth = depth
        facts = {**agent_facts(agent), **in_method(run.parent)}
        text = held(task, "description")
        try:
            facts["task"] = task_facts(task, self._recorder.capture(run))
        except BaseException:
            self.shared.abandon(run)
            raise
        return self.shared.begin(
            run,
            ref,
            facts,
            [text],
            known_as=agent,
            source="task",
            output_of=output_of,
        )

    def _note_repetition(self, run: CrewRun, agent: Any, task: Any) -> None:
        """Record a RETRY: of the agent while its call goes on, else of a guardrail."""
        if run.depth:
            error = sys.exc_info()[1]
            run.errors.settle(self._recorder, action="retried by the agent")
            limit = held(agent, "max_retry_limit")
            self.shared.note_again(run, "agent", run.depth, limit, error)
        elif run.guardrail_error is not None:
            self.note_refused(run, held(task, "guardrail_max_retries"))

    def note_refused(self, run: CrewRun, limit: Any) -> None:
        """Record that an agent works again, since a guardrail refused its output."""
        message, run.guardrail_error = run.guardrail_error, None
        run.refusals += 1
        self.shared.note_again(run, "guardrail", run.refusals, limit, message=message)

    # -- agents alone -------------------------------------------------------------

    def _alone_sync(self, agent: Any, args: Any, kwargs: Any) -> Running | None:
        # With a loop it returns the coroutine of `kickoff_async`. What is private
        # here is what asyncio's own C code exports, and raises nothing.
        if asyncio._get_running_loop() is not None:  # noqa: SLF001
            return None
        return self._alone(agent, args, kwargs)

    def _alone(self, agent: Any, args: Any, kwargs: Any) -> Running | None:
        if is_restored(args, kwargs, 3):
            return None
        node, run = node_in_force(), run_in_force()
        is_part = run is not None and run.is_repeated and run.agent_key == id(agent)
        if is_part and node is not None and node.kind == "own_agent":
            return None
        return self.alone(agent, argument(args, kwargs, 0, "messages"))

    def alone(self, agent: Any, messages: Any, *, is_repeated: bool = False) -> Running:
        """
        Begin the run of an agent without a crew.

        Args:
            agent: The agent.
            messages: What it is given.
            is_repeated: It is kicked off several times in it, for one answer.
        """
        ref = agent_ref(agent)
        run = self.shared.open(CrewRun, agent=ref)
        run.agent_key, run.is_repeated = id(agent), is_repeated
        return self.shared.begin(
            run,
            ref,
            {**agent_facts(agent), **in_method(run.parent)},
            user_texts(messages),
            known_as=agent,
            output_of=output_of,
        )
