"""Record agents at work: each `run_async` of an agent is an AGENT pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe_async_generator,
)
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.errors import error_text
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.record.retries import fingerprint_of
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import class_name_of

from .facts import (
    agent_facts,
    field,
    is_final,
    parts_of,
    ref_of,
    session_id_of,
    text_in,
    trace_id_of,
    value_of,
)
from .state import AgentTurn, Invocation, invocation_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import Runs

    from .callbacks import Callbacks
    from .models import Models

__all__ = ["Agents"]

_AGENT = "google.adk.agents.base_agent:BaseAgent"
_NODE = "google.adk.workflow._llm_agent_wrapper"
_PAIR = ("AGENT_START", "AGENT_END", "ERROR")
_LEFT_EARLY = "adk-runner-caller-closed-early"
INTERRUPTED = "NodeInterruptedError"
"""How ADK says that an agent or a tool waits for the user."""
TASK_TYPE = "task_agent"
"""Type of the tool that stands for an agent with a task of its own."""


class _Working(Observation):
    """An agent from its first step to its end."""

    def __init__(self, agents: Agents, turn: AgentTurn) -> None:
        self._agents, self._turn = agents, turn
        self.node = Node(turn, turn.agent_span_id, "agent")

    def item(self, value: Any) -> None:
        """Remember what came last, which tells how an agent that is left has ended."""
        if field(value, "partial") is not True:
            self._agents.note_event(self._turn, value)

    def ended(self, result: Any) -> None:
        """Record a good end."""
        del result
        self._agents.finish(self._turn, None)

    def failed(self, error: BaseException) -> None:
        """Record how it failed, or that it was left."""
        self._agents.finish(self._turn, error)


class Agents(Part):
    """
    The hooks of agents.

    Args:
        host: Where to record.
        runs: Opens and ends their pairs.
        models: Ends a model call that is left open.
        callbacks: Records what came in, and who answered in place of an agent.
    """

    def __init__(
        self, host: Host, runs: Runs, models: Models, callbacks: Callbacks
    ) -> None:
        super().__init__(host)
        self._runs, self._models, self._callbacks = runs, models, callbacks
        self._steps = observe_async_generator(self._agent)

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            Patch(f"{_AGENT}.run_async", self.run, _PAIR),
            Patch(f"{_AGENT}.run_live", self.run, _PAIR),
            Patch(
                f"{_AGENT}._handle_before_agent_callback",
                self._callbacks.hook("before_agent_callback"),
                ("POLICY_DECISION",),
                min_version="1.17",
                package="google-adk",
            ),
            Patch(
                f"{_NODE}:run_llm_agent_as_node",
                observe_async_generator(self._node),
                _PAIR,
                everywhere=True,
                min_version="2.0",
                package="google-adk",
                post_import=True,
            ),
        )

    # -- begin ----------------------------------------------------------------------

    def run(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap an agent's work, unless the node around it is observed for it."""
        turn = _turn_in_force()
        if turn is not None and turn.is_node and turn.name == ref_of(instance).name:
            return wrapped(*args, **kwargs)
        return self._steps(wrapped, instance, args, kwargs)

    def _agent(self, agent: Any, args: Any, kwargs: dict[str, Any]) -> Observation:
        context = args[0] if args else kwargs.get("parent_context")
        turn = _turn_in_force()
        if turn is not None and turn.handed_to == ref_of(agent).name:
            # Releases before 2.0 run the next agent inside of the last one.
            self.finish(turn, None)
        return _Working(self, self.open(agent, context))

    def _node(self, instance: Any, args: Any, kwargs: dict[str, Any]) -> Observation:
        del instance
        agent = args[0] if args else kwargs.get("agent")
        context = field(kwargs.get("ctx"), "_invocation_context")
        turn = self.open(agent, context)
        turn.is_node = True
        return _Working(self, turn)

    def open(self, agent: Any, context: Any) -> AgentTurn:
        """
        Open the pair of an agent, or of a workflow, that begins to work.

        Args:
            agent: ADK's own object.
            context: Its invocation's context.
        """
        turn = self._placed(context)
        turn.name = ref_of(agent).name
        turn.branch = text_of(field(context, "branch"))
        top = invocation_of(turn)
        facts = agent_facts(agent) if turn.sampled else {}
        if turn.branch:
            facts["branch"] = turn.branch
        if top is not None and turn.is_outermost:
            facts |= {name: fact for name, fact in top.facts.items() if fact}
        self._runs.start_agent(turn, ref_of(agent), facts, known_as=agent)
        if turn.agent_pair is not None:
            turn.agent_pair.on_close = partial(self.close, turn)
        if top is not None:
            top.open_turns[id(turn)] = turn
            if turn.is_outermost:
                self._greet(top, turn)
        return turn

    def _placed(self, context: Any) -> AgentTurn:
        if node_in_force() is not None:
            return self._runs.open(AgentTurn)
        # Without a runner: the context is all that is known.
        session = field(context, "session")
        names = (
            text_of(field(session, name)) for name in ("app_name", "user_id", "id")
        )
        return self._runs.open(
            AgentTurn,
            session_id=session_id_of(*names),
            trace_id=trace_id_of(text_of(field(context, "invocation_id"))),
        )

    def _greet(self, top: Invocation, turn: AgentTurn) -> None:
        """Record what the first agent of a run is told."""
        is_first = not top.agent_count
        top.adopt(turn)
        if not is_first:
            return
        said = [text for text, _ in top.inputs]
        if said:
            self._runs.note_retry(turn, fingerprint_of(said))
        self._callbacks.note_inputs(top, turn)

    # -- what comes out -------------------------------------------------------------

    def note_event(self, turn: AgentTurn, event: Any) -> None:
        """Remember an event of an agent, and record a failure that it alone tells."""
        if not turn.sampled:
            return
        code, has_parts = value_of(field(event, "error_code")), bool(parts_of(event))
        if has_parts or code or field(event, "actions", "escalate") is True:
            # Others tell of tokens, state, or the end of a turn.
            turn.last_event = event
        if text_of(field(event, "author")) != turn.name:
            return
        turn.failure = "" if has_parts else code
        if not code or code in turn.model_failures:
            return
        turn.model_failures.add(code)
        capture = self._recorder.capture(turn)
        text = capture.text(
            text_of(field(event, "error_message")), "error.error_message"
        )
        self._recorder.emit(
            EventType.ERROR,
            turn,
            content.error(text, code),
            parent_span_id=turn.agent_span_id,
            capture=capture,
        )

    @staticmethod
    def is_inside_tool(turn: AgentTurn) -> bool:
        """Tell whether what an agent says is the result of a tool."""
        node = turn.parent
        while node is not None:
            if node.kind == "tool" and _type_of(node.detail) != TASK_TYPE:
                return True
            node = node.run.parent
        return False

    # -- end ------------------------------------------------------------------------

    def close(self, turn: AgentTurn, error: BaseException | None = None) -> None:
        """End an agent that nobody ended, because its run or what is above it ends."""
        self.finish(turn, error if error is not None else GeneratorExit())

    def finish(self, turn: AgentTurn, error: BaseException | None) -> None:
        """
        Record how an agent ended; the first call counts.

        One that is left after it said its last word has done its work.
        """
        if turn.is_ended:
            return
        top = invocation_of(turn)
        if top is not None:
            top.open_turns.pop(id(turn), None)
        facts: dict[str, Any] = {}
        if error is not None and class_name_of(error) == INTERRUPTED:
            error, facts["waiting"] = None, True
        elif _is_left(error, top) and self._is_done(turn):
            error, facts["closed_early"] = None, True
        attempt("agent", self._models.settle, turn, error)
        has_more = len(turn.pairs) > 1 or (top is not None and bool(top.open_turns))
        if turn.agent_pair is not None and has_more:
            # A look at all that is open; mostly there is nothing.
            attempt("agent", self._recorder.pairs.close_under, turn.agent_pair)
        if turn.is_waiting and error is None:
            facts["waiting"] = True
        self._describe(turn, facts)
        failure = turn.failure if error is None else ""
        self._runs.finish(turn, error, facts, failure=failure)
        turn.last_event = turn.flow = turn.live = None

    @staticmethod
    def _is_done(turn: AgentTurn) -> bool:
        event = turn.last_event
        if turn.handed_to or event is None:
            return bool(turn.handed_to)
        return field(event, "actions", "escalate") is True or is_final(event)

    def _describe(self, turn: AgentTurn, facts: dict[str, Any]) -> None:
        event = turn.last_event
        if turn.handed_to:
            facts["handoff_to"] = turn.handed_to
        if turn.live is not None:
            counts = {"in": turn.live.audio_in, "out": turn.live.audio_out}
            audio = {way: count.facts() for way, count in counts.items()}
            facts |= without_defaults({"audio": without_defaults(audio)})
        if event is None or text_of(field(event, "author")) != turn.name:
            return
        if field(event, "actions", "escalate") is True:
            facts["escalated"] = True
        said = text_in(event)
        if said and not turn.handed_to:
            facts["output"] = self._recorder.capture(turn).text(said, "metadata.output")


def _turn_in_force() -> AgentTurn | None:
    """Return the agent right here, and none whose tool or model is at work."""
    node = node_in_force()
    turn = node.run if node is not None and node.kind == "agent" else None
    return turn if isinstance(turn, AgentTurn) else None


def _type_of(call: Any) -> str:
    """Return the type of a tool, as its START says it."""
    metadata = getattr(call, "metadata", None)
    return text_of(metadata.get("type")) if type(metadata) is dict else ""


def _is_left(error: BaseException | None, top: Invocation | None) -> bool:
    """Tell whether an agent was left by its consumer, and did not fail."""
    if error is None or isinstance(error, Exception):
        return False
    if isinstance(error, GeneratorExit) or (top is not None and top.is_closing):
        return True
    return error_text(error) == _LEFT_EARLY
