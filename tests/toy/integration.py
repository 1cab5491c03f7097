"""
Record the toy framework: where it is hooked, and what its objects say.

| moment | events |
|---|---|
| `Runner.run`, `arun`, `stream`, `astream` | SESSION, AGENT, INPUT, OUTPUT |
| `Runner._hand_over` | AGENT_HANDOFF, AGENT |
| `Model.complete`, `acomplete`, `stream` | MODEL_INVOCATION |
| `Model._sleep` | RETRY |
| `Tool.invoke` | TOOL_CALL |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from chaukas.sdk.integrations.base import BaseIntegrationWrapper
from chaukas.sdk.integrations.shared.models import (
    Answer,
    ModelCall,
    ModelCalls,
    Request,
)
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    observe_async_generator,
    observe_generator,
)
from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
from chaukas.sdk.integrations.shared.tools import ToolCall, Tools
from chaukas.sdk.integrations.shared.usage import Usage
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import AgentRef, Node, node_in_force
from chaukas.sdk.record.retries import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

__all__ = ("ToyWrapper",)

_TOY = "tests.toy.framework"
_RETRIES = 2
_RUN = ("AGENT_START", "AGENT_END", "INPUT_RECEIVED", "OUTPUT_EMITTED", "ERROR")
_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END")


# --- what its objects say ------------------------------------------------------------


def ref_of(agent: Any) -> AgentRef:
    """Return how events name an agent."""
    return AgentRef(agent.name, agent.name)


def facts_of(agent: Any) -> dict[str, Any]:
    """Return what is known of an agent."""
    return {
        "model": agent.model.name,
        "instructions": agent.instructions,
        "tools": [tool.name for tool in agent.tools],
    }


def request_of(model: Any, messages: list[Any], system: str, **more: Any) -> Request:
    """Return what a model is asked."""
    return Request(
        provider="toy",
        model=model.name,
        messages=messages,
        system=system,
        settings={"temperature": model.temperature},
        **more,
    )


def answer_of(answer: Any) -> Answer:
    """Return what a model answered."""
    usage = answer.usage
    calls = [{"name": c.name, "arguments": c.arguments} for c in answer.calls]
    return Answer(
        text=answer.text,
        tool_calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        response_id=answer.id,
        usage=Usage(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            total_tokens=usage.tokens_in + usage.tokens_out,
            requests=1,
        ),
    )


# --- what is observed ----------------------------------------------------------------


class Running(Observation):
    """A run from its begin to its end."""

    def __init__(self, runs: Runs, run: AgentRun) -> None:
        self._runs, self._run = runs, run
        self._pieces: list[str] = []

    @property
    def node(self) -> Node:
        """The agent in force, which changes at a handoff."""
        return Node(self._run, self._run.agent_span_id, "agent")

    def item(self, value: Any) -> None:
        """Keep a piece of a streamed answer."""
        self._pieces.append(value)

    def ended(self, result: Any) -> None:
        """Record the answer and the end."""
        output = " ".join(self._pieces) if result is None else result
        text = self._runs.note_output(self._run, output)
        self._runs.finish(self._run, None, {"output": text})

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self._runs.finish(self._run, error)


class Asking(Observation):
    """A model call from its begin to its end."""

    def __init__(self, models: ModelCalls, call: ModelCall) -> None:
        self._models, self._call = models, call
        self._answer: Any = None
        self.node = call.node

    def item(self, value: Any) -> None:
        """Count a piece; the last one is the whole answer."""
        if type(value) is str:
            self._models.chunk(self._call, "text")
        else:
            self._answer = value

    def ended(self, result: Any) -> None:
        """Record the answer."""
        answer = result if result is not None else self._answer
        self._models.end(self._call, answer_of(answer))

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self._models.fail(self._call, error)


class Working(Observation):
    """A tool from its begin to its end."""

    def __init__(self, tools: Tools, call: ToolCall) -> None:
        self._tools, self._call = tools, call
        if call.pair is not None:
            self.node = Node(call.pair.run, call.pair.span_id, "tool", call)

    def ended(self, result: Any) -> None:
        """Record the result."""
        self._tools.end(self._call, result)

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self._tools.fail(self._call, error)


# --- where it is hooked --------------------------------------------------------------


class ToyWrapper(BaseIntegrationWrapper):
    """Records the toy framework."""

    name: ClassVar[str] = "toy"
    packages: ClassVar[tuple[str, ...]] = ()
    landmarks: ClassVar[tuple[str, ...]] = (f"{_TOY}:Runner",)

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._runs = Runs(host, self.name)
        self._models = ModelCalls(host)
        self._tools = Tools(host)

    def patches(self) -> Sequence[Patch]:
        """Return where it is hooked."""
        runner, model = f"{_TOY}:Runner", f"{_TOY}:Model"
        asked = self._ask
        return (
            Patch(f"{runner}.run", observe(self._run), _RUN),
            Patch(f"{runner}.arun", observe_async(self._run), _RUN),
            Patch(f"{runner}.stream", observe_generator(self._run), _RUN),
            Patch(f"{runner}.astream", observe_async_generator(self._run), _RUN),
            Patch(f"{runner}._hand_over", observe(self._hand_over), ("AGENT_HANDOFF",)),
            Patch(f"{model}.complete", observe(asked), _MODEL),
            Patch(f"{model}.acomplete", observe_async(asked), _MODEL),
            Patch(f"{model}.stream", observe_generator(asked), _MODEL),
            Patch(f"{model}._sleep", observe(self._sleep), ("RETRY",)),
            Patch(f"{_TOY}:Tool.invoke", observe(self._invoke), ("TOOL_CALL_START",)),
        )

    def _run(self, runner: Any, args: Any, kwargs: Any) -> Running:
        agent, text = (*args, *kwargs.values())
        ref = ref_of(agent)
        run = self._runs.open(AgentRun, session_id=runner.thread_id, agent=ref)
        self._runs.start_agent(run, ref, facts_of(agent), known_as=agent)
        self._runs.note_retry(run, fingerprint_of(text))
        self._runs.note_input(run, [text])
        return Running(self._runs, run)

    def _hand_over(self, _runner: Any, args: Any, _kwargs: Any) -> None:
        run = _run_in_force()
        if run is not None:
            _, other = args
            self._runs.hand_off(run, ref_of(other), facts_of(other), known_as=other)

    def _ask(self, model: Any, args: Any, _kwargs: Any) -> Asking | None:
        run = _run_in_force()
        if run is None:
            return None
        return Asking(self._models, self._models.begin(run, request_of(model, *args)))

    def _sleep(self, _model: Any, args: Any, _kwargs: Any) -> None:
        node = node_in_force()
        if node is not None and isinstance(node.detail, ModelCall):
            number, error = args
            self._models.retry(
                node.detail,
                error,
                number=number,
                max_attempts=_RETRIES,
                metadata={"layer": "toy"},
            )

    def _invoke(self, tool: Any, args: Any, _kwargs: Any) -> Working | None:
        run = _run_in_force()
        if run is None:
            return None
        (call,) = args
        begun = self._tools.begin(run, tool.name, call.call_id, call.arguments)
        return Working(self._tools, begun)


def _run_in_force() -> AgentRun | None:
    node = node_in_force()
    return node.run if node is not None and isinstance(node.run, AgentRun) else None
