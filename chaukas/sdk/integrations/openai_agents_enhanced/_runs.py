"""
Record whole runs: session, agents, what came in, what went out, how it ended.

Patched is `AgentRunner`, never `Runner`: the SDK strips payloads from its errors at
the boundary between the two, and a frame outside of it would bring them back.
"""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from chaukas.sdk._guard import report
from chaukas.sdk._ids import is_sampled
from chaukas.sdk.context import CURRENT, SCOPE, SUPPRESSED, Node, reset
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents import hooks_around
from chaukas.sdk.record import error_code_of, error_text, without_defaults
from chaukas.sdk.retries import class_name_of, fields_of, fingerprint_of

from ._extract import Usage, agent_facts, agent_ref, new_user_items
from ._state import FRAMEWORK, AgentsRun, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.context import AgentRef
    from chaukas.sdk.integrations.base import Host

    from ._fallback import Fallback
    from ._models import ModelCalls

__all__ = ["Runs", "outcome_of"]

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_SDK_MODULE = "agents.run"
_SENSITIVE = "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA"
_TRUE = frozenset({"1", "true", "yes", "on"})
_REMEMBERED_AGENTS = 1024


def outcome_of(task: asyncio.Task[Any], result: Any) -> BaseException | str | None:
    """
    Return how a streamed run ended, once its task is done.

    The truth is not always in the task: a parallel guardrail that raises makes it
    look cancelled, and some errors are made by the consumer only.

    Returns:
        An error, `"max_turns"` for that error when no consumer made it,
        `"cancelled"`, or None for a good end.
    """
    cancelled = task.cancelled()
    if cancelled:
        guardrails = getattr(result, "_input_guardrails_task", None)
        if guardrails is not None and guardrails.done() and not guardrails.cancelled():
            error = guardrails.exception()
            if error is not None:
                # The attribute belongs to the SDK, so its type is not known here.
                return error  # type: ignore[no-any-return]
    else:
        error = task.exception()
        if error is not None:
            return error
    stored = getattr(result, "_stored_exception", None)
    if isinstance(stored, BaseException):
        return stored
    tripped = getattr(result, "_triggered_input_guardrail_result", None)
    if tripped is not None:
        return _tripwire_error(tripped)
    if _is_out_of_turns(result):
        return "max_turns"
    mode = getattr(result, "_cancel_mode", "none")
    return "cancelled" if cancelled or mode != "none" else None


def _tripwire_error(tripped: Any) -> BaseException:
    from agents.exceptions import InputGuardrailTripwireTriggered

    error: BaseException = InputGuardrailTripwireTriggered(tripped)
    return error


def _is_out_of_turns(result: Any) -> bool:
    limit = getattr(result, "max_turns", None)
    return (
        type(limit) is int
        and result.current_turn > limit
        and not getattr(result, "_max_turns_handled", False)
    )


def _config_value(run_config: Any, name: str) -> Any:
    # The SDK takes the configuration as an object or as a dict.
    if type(run_config) is dict:
        return run_config.get(name)
    return getattr(run_config, name, None)


def _hides_content(run_config: Any) -> bool:
    """Tell whether the SDK was asked to keep content out of traces."""
    tells = _config_value(run_config, "trace_include_sensitive_data")
    if tells is None:
        # As the SDK decides for a run without a configuration.
        tells = os.environ.get(_SENSITIVE, "true").strip().lower() in _TRUE
    return tells is False


def _session_id_of(kwargs: dict[str, Any]) -> str | None:
    """Return the id that the run's own arguments name, best first."""
    session = kwargs.get("session")
    if session is not None:
        try:
            # Public contract of a session; one class raises until its first use.
            session_id = session.session_id
        except Exception:
            session_id = None
        if type(session_id) is str and session_id:
            return session_id
    for value in (
        kwargs.get("conversation_id"),
        _config_value(kwargs.get("run_config"), "group_id"),
    ):
        if type(value) is str and value:
            return value
    return None


def _otel_span() -> tuple[str, str] | None:
    """Return trace and span id of OpenTelemetry's active span, if there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


class Runs:
    """
    Wrappers around `AgentRunner.run` and `run_streamed`.

    Args:
        host: Where to record.
        models: Told when a run ends, to settle its last model call.
    """

    def __init__(self, host: Host, models: ModelCalls) -> None:
        self._host = host
        self._models = models
        self.fallback: Fallback | None = None
        """Records by public hooks what a release offers no hook point for."""
        self._agents: dict[int, tuple[Callable[[], Any], dict[str, Any]]] = {}

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
                outcome = _max_turns_error(result)
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
        if class_name_of(given) == "RunState":
            agent = getattr(given, "_current_agent", None) or agent
            given = None
        is_own = getattr(wrapped, "__module__", "") == _SDK_MODULE
        if node is not None and _is_continued(node, agent, is_own=is_own):
            return None
        parent = node if node is not None and not _is_over(node) else None
        run = self._open(parent, agent_ref(agent), kwargs)
        run.is_super_pending = not is_own
        run.run_config = kwargs.get("run_config")
        self._start_agent(run, agent)
        self._note_retry(run, given)
        if parent is None:
            self._note_input(run, given)
        if self.fallback is not None:
            kwargs["hooks"] = hooks_around(kwargs.get("hooks"), self.fallback)
        return run

    def _open(
        self, parent: Node | None, agent: AgentRef, kwargs: dict[str, Any]
    ) -> AgentsRun:
        run_config = kwargs.get("run_config")
        hide = _hides_content(run_config)
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        recorder = self._host.recorder
        if parent is not None:
            outer = parent.run
            run = AgentsRun(
                outer.session,
                outer.trace_id,
                parent=parent,
                sampled=outer.sampled,
                hide_content=hide or outer.hide_content,
            )
            run.agent = agent
            return run
        trace_id = self._trace_id_of(run_config)
        sampled = is_sampled(trace_id, recorder.config.sample_rate)
        session = sessions.enter(
            _session_id_of(kwargs),
            trace_id=trace_id,
            framework=FRAMEWORK,
            first_agent=agent,
            sampled=sampled,
        )
        run = AgentsRun(
            session, trace_id, parent=None, sampled=sampled, hide_content=hide
        )
        run.agent = agent
        return run

    def _trace_id_of(self, run_config: Any) -> str:
        own = _config_value(run_config, "trace_id")
        if type(own) is str and own:
            return own
        scope = SCOPE.get()
        if scope is not None and scope.trace_id:
            return scope.trace_id
        active = _otel_span()
        return active[0] if active else self._host.recorder.ids.trace_id()

    def _start_agent(self, run: AgentsRun, agent: Any) -> None:
        """Open the AGENT pair of *agent* under the session or the tool."""
        recorder = self._host.recorder
        run.agent = ref = agent_ref(agent)
        run.agent_usage = Usage()
        run.turns = 0
        facts = agent_facts(agent, run.run_config)
        parent = run.parent
        if parent is not None:
            parent_span_id = parent.parent_span_id
        else:
            opening = run.session.pair
            parent_span_id = opening.span_id if opening else ""
            if active := _otel_span():
                facts["otel_parent_span_id"] = active[1]
            scope = SCOPE.get()
            if scope is not None and scope.remote_parent_span_id:
                facts["remote_parent_span_id"] = scope.remote_parent_span_id
        capture = recorder.capture(run)
        self._note_changes(run, agent, facts, parent_span_id)
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

    def _note_changes(
        self, run: AgentsRun, agent: Any, facts: dict[str, Any], parent_span_id: str
    ) -> None:
        """Record what changed in an agent since its last run, as STATE_UPDATE."""
        shape = {k: v for k, v in facts.items() if k in _SHAPE}
        key = id(agent)
        known = self._agents.get(key)
        if known is None or known[0]() is not agent:
            if len(self._agents) >= _REMEMBERED_AGENTS:
                self._agents.pop(next(iter(self._agents)), None)
            self._agents[key] = (weakref.ref(agent), shape)
            return
        before = known[1]
        if before == shape:
            return
        self._agents[key] = (known[0], shape)
        names = sorted(before.keys() | shape.keys())
        changed = {
            name: {"old": before.get(name), "new": shape.get(name)}
            for name in names
            if before.get(name) != shape.get(name)
        }
        self._host.recorder.emit(
            EventType.STATE_UPDATE,
            run,
            {"state_update": {"agent": changed}},
            parent_span_id=parent_span_id,
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
        facts = attempt._asdict()
        code = facts.pop("error_code")
        facts["retryable"] = True
        facts["metadata"] = {"layer": "application", "error_code": code}
        recorder.emit(
            EventType.RETRY,
            run,
            {"retry": without_defaults(facts)},
            parent_span_id=run.agent_span_id,
        )

    def _note_input(self, run: AgentsRun, given: Any) -> None:
        recorder = self._host.recorder
        for item in new_user_items(given):
            capture = recorder.capture(run)
            content = item.get("content") if type(item) is dict else item
            message = {
                "role": "user",
                "text": capture.text(_plain_text(content), "message.text"),
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
        self._start_agent(run, new_agent)

    def finish(
        self, run: AgentsRun, result: Any, error: BaseException | None
    ) -> None:
        """Record how *run* ended; the first call counts."""
        if run.is_ended:
            return
        run.is_ended = True
        host = self._host
        try:
            self._finish(run, result, error)
        except Exception as problem:
            attempt("AgentRunner.run", host.recorder.pairs.close_run, run)
            report("AgentRunner.run", problem)
        finally:
            # The pair knows its run: no cycle is left to the garbage collector.
            run.agent_pair = run.run_config = None
            if run.parent is None:
                attempt("AgentRunner.run", host.sessions.leave, run.session)

    def _finish(
        self, run: AgentsRun, result: Any, error: BaseException | None
    ) -> None:
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
        self._close_rest(run)
        self._end_agent(run, facts, status)

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
        hidden = _is_redacted(error)
        message = "Error details are hidden by the SDK." if hidden else None
        # The stream's terminal event was told, and this is what the runner made of it.
        is_made = type(error).__name__ == "ModelBehaviorError"
        if not (is_made and run.has_terminal_error):
            recorder.error(run, error, run.agent_span_id, message=message)
        facts["error"] = error_code_of(error)
        if run.retry_key is None or not run.sampled or hidden:
            return
        if isinstance(error, Exception):
            capture = recorder.capture(run)
            recorder.retries.failed(
                run.retry_key,
                error,
                message=capture.text(error_text(error), "retry.error_message"),
                code=error_code_of(error),
                now_ns=recorder.clock.monotonic_ns(),
            )

    def _note_interruptions(
        self, run: AgentsRun, result: Any, facts: dict[str, Any]
    ) -> None:
        items = getattr(result, "interruptions", None)
        if not items or run.parent is not None:
            return
        facts["interrupted"] = True
        for item in items:
            name = getattr(item, "tool_name", None) or getattr(item, "name", None)
            policy: dict[str, Any] = {
                "policy_id": "tool_approval",
                "outcome": "review",
                "rule_ids": [name] if type(name) is str else [],
                "metadata": without_defaults(
                    {"tool_call_id": getattr(item, "call_id", None)}
                ),
            }
            self._host.recorder.emit(
                EventType.POLICY_DECISION,
                run,
                {"policy": without_defaults(policy)},
                parent_span_id=run.agent_span_id,
            )

    def _note_output(self, run: AgentsRun, result: Any, facts: dict[str, Any]) -> None:
        output = getattr(result, "final_output", None)
        if output is None or "interrupted" in facts:
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
        usage = run.agent_usage
        if run.turns:
            facts["turns"] = run.turns
        if usage.total_tokens:
            facts["usage"] = {k: v for k, v in usage._asdict().items() if v}
        self._host.recorder.pairs.end(pair, {}, status=status, metadata=facts)


_SHAPE = frozenset(
    {"model", "instructions_hash", "tools", "handoffs", "output_type", "mcp_servers"}
)


def _is_continued(node: Node, agent: Any, *, is_own: bool) -> bool:
    """
    Tell whether a runner of the application hands the run at *node* on.

    It calls `super()` or another runner, in its own `run` and for the same agent,
    until the SDK's own function takes over (*is_own*).
    """
    run = node.run
    if not isinstance(run, AgentsRun) or not run.is_super_pending:
        return False
    if node.kind != "agent" or run.is_ended or agent_ref(agent) != run.agent:
        return False
    run.is_super_pending = not is_own
    return True


def _is_over(node: Node) -> bool:
    run = node.run
    return isinstance(run, AgentsRun) and run.is_ended


def _plain_text(content: Any) -> Any:
    """Return the text of a message whose parts are only text, else the content."""
    if type(content) is not list:
        return content
    texts = [
        text
        for part in content
        if type(part) is dict
        and part.get("type") in {"input_text", "text"}
        and type(text := part.get("text")) is str
    ]
    return "\n".join(texts) if len(texts) == len(content) else content


def _is_redacted(error: BaseException) -> bool:
    return fields_of(error).get("_agents_data_redacted") is True


def _max_turns_error(result: Any) -> BaseException:
    from agents.exceptions import MaxTurnsExceeded

    error: BaseException = MaxTurnsExceeded(
        f"Max turns ({result.max_turns}) exceeded"
    )
    return error
