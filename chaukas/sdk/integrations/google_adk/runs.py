"""Record calls of a runner: the session, what came in, what went out, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe_async_generator,
)
from chaukas.sdk.integrations.shared.read import is_blank, is_set, text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import CURRENT, SCOPE, Node
from chaukas.sdk.record.placement import (
    node_in_force,
    open_session,
    otel_span,
)
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import attributes_of

from .facts import (
    answers_in,
    field,
    is_final,
    message_of,
    session_id_of,
    text_in,
    trace_id_of,
)
from .state import FRAMEWORK, Inside, Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import Runs

    from .agents import Agents
    from .callbacks import Callbacks

__all__ = ["RunnerCalls"]

_RUNNER = "google.adk.runners:Runner"
_PLUGINS = "google.adk.plugins.plugin_manager:PluginManager"
_RUN = (
    "SESSION_START",
    "SESSION_END",
    "INPUT_RECEIVED",
    "OUTPUT_EMITTED",
    "DATA_ACCESS",
    "ERROR",
)
_CONFIRMATION, _CREDENTIAL = "adk_request_confirmation", "adk_request_credential"
"""Function calls that ADK addresses to a person, who answers with a decision."""


class _Running(Observation):
    """A call of a runner from its first step to its end."""

    def __init__(self, calls: RunnerCalls, run: Invocation) -> None:
        self._calls, self._run = calls, run
        self.node = Node(run, "", "agent")

    def item(self, value: Any) -> None:
        """Record what is an answer."""
        if self._run.sampled and field(value, "partial") is not True:
            self._calls.note_event(self._run, value)

    def closing(self) -> None:
        """What is cancelled from now on was left by its consumer."""
        self._run.is_closing = True

    def ended(self, result: Any) -> None:
        """Record a good end."""
        del result
        self._calls.finish(self._run, None)

    def failed(self, error: BaseException) -> None:
        """Record how it failed, or that nobody waits for it any more."""
        self._calls.finish(self._run, error)


class RunnerCalls(Part):
    """
    The hooks of the runner.

    Args:
        host: Where to record.
        runs: Opens and ends runs.
        agents: Ends the agents that are left open.
        callbacks: Records what came in, and who answered in place of a run.
    """

    def __init__(
        self, host: Host, runs: Runs, agents: Agents, callbacks: Callbacks
    ) -> None:
        super().__init__(host)
        self._runs, self._agents, self._callbacks = runs, agents, callbacks

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        generator = observe_async_generator(self._run)
        return (
            Patch(f"{_RUNNER}.run_async", generator, _RUN),
            Patch(f"{_RUNNER}.run_live", generator, _RUN),
            Patch(f"{_RUNNER}._new_invocation_context", self.new_context),
            *(
                Patch(
                    f"{_PLUGINS}.run_{name}",
                    self._callbacks.hook(name),
                    ("POLICY_DECISION",),
                    min_version="1.7",
                    package="google-adk",
                    post_import=True,
                )
                for name in ("before_run_callback", "on_user_message_callback")
            ),
            Patch(
                "google.adk.runners:create_thread",
                self.create_thread,
                min_version="1.5",
                max_version="2.9",
                package="google-adk",
            ),
        )

    def create_thread(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what makes the thread of `Runner.run`, which lacks the context."""
        del instance
        scope, node = SCOPE.get(), CURRENT.get()
        target = kwargs.get("target", args[0] if args else None)
        if target is None or (scope is None and node is None):
            return wrapped(*args, **kwargs)

        def in_place(*given: Any, **named: Any) -> Any:
            SCOPE.set(scope)
            CURRENT.set(node)
            return target(*given, **named)

        if "target" in kwargs:
            kwargs["target"] = in_place
        else:
            args = (in_place, *args[1:])
        return wrapped(*args, **kwargs)

    # -- begin ----------------------------------------------------------------------

    def _run(self, runner: Any, args: Any, kwargs: dict[str, Any]) -> Observation:
        del args
        node = node_in_force()
        if node is not None:
            return Inside(node)
        session = kwargs.get("session")
        user_id = text_of(kwargs.get("user_id")) or text_of(field(session, "user_id"))
        name = text_of(kwargs.get("session_id")) or text_of(field(session, "id"))
        run = Invocation(name)
        run.facts = {
            "app_name": text_of(field(runner, "app_name")),
            "user_id": user_id,
            "adk_session_id": name,
        }
        run.user_id = run.user_id or user_id
        self._hear(run, kwargs.get("new_message"))
        return _Running(self, run)

    @staticmethod
    def _hear(run: Invocation, message: Any) -> None:
        """Keep what the user said until an agent hears it."""
        media = [
            part
            for part in message_of(message)["parts"]
            if "inline_data" in part or "file_data" in part
        ]
        text = text_in(message)
        if text or media:
            run.inputs.append((text, {"media": media} if media else {}))
        for name, call_id, response in answers_in(message):
            if name == _CREDENTIAL:
                # Whether there is one is all that is told of it.
                run.credentials[call_id] = type(response) is dict and bool(response)
            elif name != _CONFIRMATION:
                facts = {"function_call_id": call_id, "tool_name": name}
                run.inputs.append((response, {"source": "tool_result", **facts}))

    def new_context(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what makes an invocation's context, which tells what the run is."""
        del instance
        context = wrapped(*args, **kwargs)
        node = CURRENT.get()
        run = None if node is None else node.run
        # It is not sampled before it is placed, so nothing else looks at it.
        if isinstance(run, Invocation) and not run.is_placed:
            attempt("run", self.place, run, context)
        return context

    def place(self, run: Invocation, context: Any) -> None:
        """
        Enter the session of *run*.

        Args:
            run: A run that has not been placed.
            context: The invocation's context; None if there will be none.
        """
        session, facts = field(context, "session"), run.facts
        for name, key in (
            ("app_name",) * 2,
            ("user_id",) * 2,
            ("adk_session_id", "id"),
        ):
            facts[name] = text_of(field(session, key)) or facts[name]
        facts["invocation_id"] = text_of(field(context, "invocation_id"))
        scope = SCOPE.get()
        has_trace = (scope is not None and scope.trace_id) or otel_span()
        opening = open_session(
            # First, as it notices a fork that Python was not told of.
            self._host.sessions,
            self._recorder,
            session_id_of(facts["app_name"], facts["user_id"], facts["adk_session_id"]),
            framework=FRAMEWORK,
            trace_id="" if has_trace else trace_id_of(facts["invocation_id"]),
        )
        run.session, run.trace_id = opening.session, opening.trace_id
        run.sampled, run.agent_span_id = opening.sampled, opening.span_id
        run.is_placed = True
        for service, count in run.reads:
            self.note_read(run, service, facts["adk_session_id"], count)
        run.reads.clear()

    def note_read(self, run: Any, service: str, name: str, count: int) -> None:
        """Record that a session with *count* events was read."""
        self._recorder.emit(
            EventType.DATA_ACCESS,
            run,
            content.data_access(
                f"session://{service}/{name}", metadata={"events": count}
            ),
            parent_span_id=run.agent_span_id,
        )

    # -- what comes out -------------------------------------------------------------

    def note_event(self, run: Invocation, event: Any) -> None:
        """Record the answer that an event of the top-level runner is, if it is one."""
        held = attributes_of(event)
        author = text_of(held.get("author"))
        if author == "user" or is_set(held.get("long_running_tool_ids")):
            return
        if held.get("interrupted") is True:
            return
        spoken = _transcript(held.get("output_transcription"))
        output: Any = text_in(event) or spoken
        if not output:
            output = _workflow_output(held)
        if is_blank(output) or not is_final(event):
            return
        turn = run.turn_of(author, text_of(held.get("branch")))
        if turn is not None and self._agents.is_inside_tool(turn):
            return
        facts = None
        if turn is not None and turn.live is not None:
            facts = {"modality": "audio" if spoken else "text"}
        self._runs.note_output(run, output, facts, by=turn)

    # -- end ------------------------------------------------------------------------

    def finish(self, run: Invocation, error: BaseException | None) -> None:
        """Record how a call of the runner ended, after the agents in it."""
        if not run.is_placed:
            self.place(run, None)
        for turn in reversed(list(run.open_turns.values())):
            attempt("agent", self._agents.close, turn, error)
        self._callbacks.note_inputs(run)
        self._runs.finish(run, error)


def _transcript(spoken: Any) -> str:
    """Return what a model said aloud, once that is known to its end."""
    if spoken is None or field(spoken, "finished") is not True:
        return ""
    return text_of(field(spoken, "text"))


def _workflow_output(held: dict[str, Any]) -> Any:
    """Return what a workflow gave as its result, where that is no text."""
    targets = field(held.get("node_info"), "output_for")
    if type(targets) is not list or not any("/" not in path for path in targets):
        return None
    return held.get("output")
