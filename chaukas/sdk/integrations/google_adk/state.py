"""What is remembered of one call of a runner, and of each agent at work in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.audio import AudioCount
from chaukas.sdk.integrations.shared.models import ModelCall
from chaukas.sdk.integrations.shared.observe import Observation
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.record.context import Session
from chaukas.sdk.record.placement import node_in_force

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.integrations.shared.model_facts import Answer, Failure, Request
    from chaukas.sdk.integrations.shared.nested.loops import Loop
    from chaukas.sdk.record.context import Node, Run


__all__ = [
    "FRAMEWORK",
    "AgentTurn",
    "Delegated",
    "Flow",
    "Inside",
    "Invocation",
    "Live",
    "LlmCall",
    "agent_at",
    "invocation_of",
    "run_at",
]

FRAMEWORK = "google_adk"


class Delegated(Observation):
    """A model that another one calls in its place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """Remember why the next one is asked."""
        if isinstance(error, Exception):
            self.error = error

    def item(self, value: Any) -> None:
        """It has answered, if only in part."""
        del value
        self.error = None


class LlmCall(ModelCall):
    """One call of a model, and the models to which it may fall back."""

    __slots__ = ("delegate", "delegates", "handled", "llm")

    def __init__(self, run: Any, llm: Any) -> None:
        super().__init__(run)
        self.llm = llm
        self.handled = id(sys.exc_info()[1])
        """Identity of an error that the application handles by this call."""
        self.delegates = 0
        """Models that were called in its place."""
        self.delegate: Delegated | None = None
        """The last of them."""


class Flow:
    """A logical model call with its callbacks, which may mend a failure."""

    __slots__ = ("answer", "call", "error", "failure", "is_mended")

    def __init__(self) -> None:
        self.call: LlmCall | None = None
        """A call that failed, and whose end waits for what the callbacks do."""
        self.error: BaseException | None = None
        self.answer: Answer | None = None
        self.failure: Failure | None = None
        self.is_mended = False


class Live:
    """A conversation of an agent."""

    __slots__ = (
        "audio_in",
        "audio_out",
        "call",
        "is_up",
        "llm",
        "loop",
        "request",
        "said",
        "sent",
        "spoken",
        "usage",
    )

    def __init__(self, llm: Any, request: Request, loop: Loop) -> None:
        self.llm = llm
        self.request = request
        self.loop = loop
        """Connections since the last one that worked."""
        self.is_up = False
        """Something has come over the last connection, and it has not broken."""
        self.sent: list[dict[str, Any]] = []
        """Messages since the model began to speak last."""
        self.call: LlmCall | None = None
        """The turn of the model that goes on."""
        self.said: list[str] = []
        self.spoken = AudioCount()
        """Audio of this turn."""
        self.audio_in, self.audio_out = AudioCount(), AudioCount()
        """Audio of the whole conversation."""
        self.usage: Any = None


class Inside(Observation):
    """A call that is a part of what goes on, under the same span."""

    def __init__(self, node: Node) -> None:
        self.node = node


class Invocation(AgentRun):
    """
    A call of a runner that no other run is around.

    It is made before its session and its trace are known, and placed as soon as the
    runner has made its context.
    """

    is_of_agents = True
    __slots__ = (
        "credentials",
        "facts",
        "inputs",
        "is_closing",
        "is_placed",
        "open_turns",
        "reads",
        "session_name",
    )

    def __init__(self, session_name: str) -> None:
        """Begin one in the session that ADK calls *session_name*."""
        super().__init__(Session("", "", ""), "", sampled=False, framework=FRAMEWORK)
        self.session_name = session_name
        self.is_placed = False
        self.is_closing = False
        """Its consumer has left: what is cancelled now was left early."""
        self.inputs: list[tuple[str, dict[str, Any]]] = []
        """What the user said, until an agent is there to hear it."""
        self.credentials: dict[str, bool] = {}
        """Requests for credentials that the user answers, by their id: with any?"""
        self.reads: list[tuple[str, int]] = []
        """Reads of the session before it was placed."""
        self.facts: dict[str, Any] = {}
        """Names of the app, the user, the session and the invocation."""
        self.open_turns: dict[int, AgentTurn] = {}

    def adopt(self, turn: AgentTurn) -> None:
        """Note that an agent has started that no other is around: the first one."""
        self.agent_count += 1
        if not self.run_id:
            self.run_id = turn.run_id
            self.started_monotonic_ns = turn.started_monotonic_ns

    def turn_of(self, author: str, branch: str) -> AgentTurn | None:
        """Return the agent at work that is called *author*, the last one begun."""
        found = None
        for turn in self.open_turns.values():
            if turn.name == author and (found is None or turn.branch == branch):
                found = turn
        return found


class AgentTurn(AgentRun):
    """One agent at work, from its begin to its end."""

    __slots__ = (
        "branch",
        "failure",
        "flow",
        "handed_to",
        "is_node",
        "is_waiting",
        "last_event",
        "live",
        "model_failures",
        "name",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin it; arguments are those of `Run`."""
        super().__init__(*args, **kwargs)
        self.name = ""
        self.branch = ""
        self.is_node = False
        """It is begun and ended by the node around it, which may enter it again."""
        self.is_waiting = False
        """A tool of its last step waits for a person."""
        self.flow: Flow | None = None
        """The logical model call that goes on, with its callbacks."""
        self.live: Live | None = None
        """Its conversation with a model that listens while it speaks."""
        self.handed_to = ""
        """Name of the agent to which it has transferred."""
        self.last_event: Any = None
        """Last complete event that came out of it."""
        self.failure = ""
        """Code with which its last event says that it failed."""
        self.model_failures: set[str] = set()
        """Codes of failures that its model calls have told."""


def run_at() -> AgentRun | None:
    """Return the run in force, if it is one of agents and is recorded."""
    node = node_in_force()
    run = None if node is None else node.run
    return run if isinstance(run, AgentRun) and run.sampled else None


def agent_at() -> AgentTurn | None:
    """Return the agent at work here."""
    node = node_in_force()
    while node is not None and not isinstance(node.run, AgentTurn):
        node = node.run.parent
    run = None if node is None else node.run
    return run if isinstance(run, AgentTurn) else None


def _outwards(run: Run | None) -> Iterator[Run]:
    while run is not None:
        yield run
        run = None if run.parent is None else run.parent.run


def invocation_of(run: Run | None) -> Invocation | None:
    """Return the call of a runner around *run*."""
    found = (each for each in _outwards(run) if isinstance(each, Invocation))
    return next(found, None)
