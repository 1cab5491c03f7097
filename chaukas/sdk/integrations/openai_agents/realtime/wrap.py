"""
Record realtime sessions: a SESSION, the agents in force, their tools and handoffs.

| SDK moment | events |
|---|---|
| `RealtimeSession.__aenter__`, `close` | SESSION, AGENT |
| `_put_event`, the funnel of all events | MODEL, TOOL, HANDOFF, OUTPUT, ERROR |
| `_handle_tool_call` | where tools and nested runs stand, their errors |
| `send_message`, transcriptions | INPUT_RECEIVED |
| approvals, output guardrails | POLICY_DECISION |
| connection made, closed | see `connection.py` |

A session lasts as long as a telephone call, and its transport delivers events in any
task; so the record hangs on the session object, weakly, and not on a context.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.facts import (
    agent_ref,
    model_name_of,
    provider_of,
)
from chaukas.sdk.integrations.openai_agents.runs.facts import PendingCall
from chaukas.sdk.integrations.openai_agents.state import AgentsRun, ToolCall
from chaukas.sdk.integrations.shared.audio import PCM16_24KHZ_BYTES_PER_MS
from chaukas.sdk.integrations.shared.openai_api.providers import provider_at
from chaukas.sdk.integrations.shared.runs import close_broken
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.recorder import error_code_of, without_defaults
from chaukas.sdk.record.totals import with_totals
from chaukas.sdk.system.internal_errors import attempt, report

from .connection import Connections, connection_of
from .state import AgentTenure, LiveSession, Settings, ToolDispatch
from .turns import Turns, note_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
    from chaukas.sdk.integrations.openai_agents.runs.handoffs import Handoffs
    from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs
    from chaukas.sdk.integrations.openai_agents.tools.approvals import Approvals
    from chaukas.sdk.integrations.openai_agents.tools.wrap import Tools

__all__ = ["Realtime"]

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_SESSION = "agents.realtime.session:RealtimeSession"
_OPENAI_MODELS = "agents.realtime.openai_realtime"
_AGENT = ("SESSION_START", "SESSION_END", "AGENT_START", "AGENT_END")
_TALK = (
    "MODEL_INVOCATION_START",
    "MODEL_INVOCATION_END",
    "TOOL_CALL_START",
    "TOOL_CALL_END",
    "AGENT_HANDOFF",
    "INPUT_RECEIVED",
    "OUTPUT_EMITTED",
    "STATE_UPDATE",
    "POLICY_DECISION",
    "ERROR",
)


class Realtime(Part):
    """
    Wrappers around `RealtimeSession`.

    Args:
        host: Where to record.
        runs: Opens runs and AGENT pairs.
        models: Opens and ends MODEL pairs.
        tools: Opens and ends TOOL pairs.
        handoffs: Records handoffs.
        approvals: Records what waits for a person.
    """

    def __init__(
        self,
        host: Host,
        runs: Runs,
        models: ModelCalls,
        tools: Tools,
        handoffs: Handoffs,
        approvals: Approvals,
    ) -> None:
        super().__init__(host)
        self._runs = runs
        self._tools = tools
        self._handoffs = handoffs
        self._approvals = approvals
        self._live_sessions: dict[int, LiveSession] = {}
        """Open sessions by id; an entry goes with its session at the latest."""
        self._connections = Connections(host, self._live_sessions)
        self._turns = Turns(host, models, self._connections)
        self._model_notes = dict(self._turns.notes)
        self._model_notes["turn_started"] = self._turn_started
        self._model_notes["turn_ended"] = self._turn_ended
        self._model_notes["connection_status"] = self._connections.note_disconnected
        self._notes: dict[str, Callable[[LiveSession, Any], None]] = {
            "tool_start": self._tool_started,
            "tool_end": self._tool_ended,
            "tool_approval_required": self._approval_asked,
            "handoff": self._handed_off,
            "error": self._error_reported,
        }

    def patches(self) -> Sequence[Patch]:
        """Return the patches; the module is loaded only by who uses it."""
        wraps: Sequence[tuple[str, Any, tuple[str, ...], str]] = (
            ("__aenter__", self.enter, (*_AGENT, "ERROR"), "0.3"),
            ("__aexit__", self.leave, (), "0.3"),
            ("close", self.close, (*_AGENT, "ERROR"), "0.3"),
            ("send_message", self.send_message, ("INPUT_RECEIVED",), "0.3"),
            ("send_audio", self.send_audio, (), "0.3"),
            ("update_agent", self.update_agent, ("AGENT_HANDOFF",), "0.3"),
            ("approve_tool_call", self.decide, ("POLICY_DECISION",), "0.8"),
            ("reject_tool_call", self.decide, ("POLICY_DECISION",), "0.8"),
            ("_handle_tool_call", self.handle_tool_call, _TALK, "0.3"),
            ("_send_tool_output_completion", self.send_output, _TALK, "0.18.2"),
            ("_run_output_guardrails", self.guard, ("POLICY_DECISION",), "0.3"),
            ("_get_updated_model_settings_from_agent", self.configure, (), "0.3"),
            ("_put_event", self.put_event, _TALK, "0.3"),
            ("_put_event_nowait", self.put_event, _TALK, "0.18.2"),
        )
        return [
            *self._connections.patches(),
            *(
                Patch(
                    f"{_SESSION}.{name}",
                    wrap,
                    emits,
                    min_version=version,
                    post_import=True,
                )
                for name, wrap, emits, version in wraps
            ),
        ]

    # -- from entering to closing -------------------------------------------------

    async def enter(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `__aenter__`, which connects to the model."""
        live = self._begin_guarded(instance)
        if live is None:
            return await wrapped(*args, **kwargs)
        run = live.tenure.run
        # What the transport starts now, inherits it: a home for the rest.
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            self._finish(live, error)
            raise
        finally:
            reset(token)

    def _begin_guarded(self, session: Any) -> LiveSession | None:
        if SUPPRESSED.get() or id(session) in self._live_sessions:
            return None
        try:
            return self._begin(session)
        except Exception as error:
            report("RealtimeSession", error)
            return None

    def _begin(self, session: Any) -> LiveSession:
        # The SDK's own names, here and below: a session has no public ones for these.
        agent = session._current_agent  # noqa: SLF001
        given = getattr(session, "_base_model_settings", None)
        model = session._model  # noqa: SLF001
        is_openai = type(model).__module__ == _OPENAI_MODELS
        default = PCM16_24KHZ_BYTES_PER_MS if is_openai else 0
        settings = Settings.of(given, default)
        tracing = given.get("tracing") if type(given) is dict else None
        group_id = tracing.get("group_id") if type(tracing) is dict else None
        # As a run of the runner: session, trace and content rules are the same.
        config = {"run_config": {"group_id": group_id}}
        run = self._runs.open(config, AgentsRun, agent_ref(agent))
        key = id(session)
        try:
            ref = weakref.ref(session, functools.partial(self._lost, key))
            live = LiveSession(ref, AgentTenure(agent, run, settings))
            live.settings = settings
            if type(tracing) is dict:
                live.workflow = {
                    "workflow_name": tracing.get("workflow_name"),
                    "trace_metadata": tracing.get("metadata"),
                }
            live.default_bytes_per_ms = default
            live.model = settings.model or model_name_of(model)
            live.provider = _provider_of(session, is_openai=is_openai)
            self._live_sessions[key] = live
            self._start_agent(live, live.tenure)
        except BaseException:
            self._live_sessions.pop(key, None)
            self._runs.abandon(run)
            raise
        return live

    def _start_agent(self, live: LiveSession, tenure: AgentTenure) -> None:
        # The model is the session's; the agent has none of its own.
        tenure.run.run_config = SimpleNamespace(model=live.model, **live.workflow)
        self._runs.start_agent(tenure.run, tenure.agent)

    def leave(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `__aexit__`, which alone is told of a cancellation."""
        live = self._live_sessions.get(id(instance))
        kind = args[0] if args else None
        if live is not None and isinstance(kind, type):
            live.is_cancelled = issubclass(kind, asyncio.CancelledError)
        return wrapped(*args, **kwargs)

    async def close(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `close`; the first to return ends the record."""
        live = self._live_sessions.get(id(instance))
        if live is None:
            return await wrapped(*args, **kwargs)
        # The transport lets go of it while it closes.
        connection = connection_of(instance)
        failure: BaseException | None = None
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            failure = error
            raise
        finally:
            attempt("RealtimeSession", self._connections.note_left, live, connection)
            self._finish(live, failure)
            failure = None

    def _lost(self, key: int, _ref: Any) -> None:
        """End a session that is gone without having been closed."""
        live = self._live_sessions.get(key)
        if live is not None:
            self._finish(live, asyncio.CancelledError(), orphan=True)

    def _finish(
        self, live: LiveSession, error: BaseException | None, *, orphan: bool = False
    ) -> None:
        """End all that is open of *live*, once."""
        if live.is_ended:
            return
        live.is_ended = True
        for key in [key for key, known in self._live_sessions.items() if known is live]:
            del self._live_sessions[key]
        run = live.tenure.run
        try:
            self._turns.settle(live)
            status = self._status(live, error)
            for tenure in live.tenures[::-1]:
                own = status if tenure is live.tenure else _COMPLETED
                self._end_tenure(tenure, own, live, orphan=orphan)
        except Exception as problem:
            for tenure in live.tenures:
                close_broken(self._host, tenure.run)
            report("RealtimeSession", problem)
        finally:
            live.tenures.clear()
            if run.parent is None:
                attempt("RealtimeSession", self._host.sessions.leave, run.session)

    def _status(self, live: LiveSession, error: BaseException | None) -> str:
        if isinstance(error, Exception):
            note_error(self._recorder, live.tenure.run, error)
            live.failure = error_code_of(error)
        if live.failure:
            return _FAILED
        is_cancelled = error is not None or live.is_cancelled
        return _CANCELLED if is_cancelled else _COMPLETED

    # -- agents -------------------------------------------------------------------

    def _end_tenure(
        self,
        tenure: AgentTenure,
        status: str,
        live: LiveSession,
        *,
        orphan: bool = False,
    ) -> None:
        """End the AGENT pair of *tenure* and whatever is left open below it."""
        run, pairs = tenure.run, self._recorder.pairs
        run.is_ended = True
        own = run.agent_pair
        for pair in reversed(list(run.pairs.values())):
            if pair is not own:
                pairs.end(pair, status=_CANCELLED, metadata={"orphan": True})
        audio = {"in": tenure.heard.facts(), "out": tenure.spoken.facts()}
        facts: dict[str, Any] = {
            "turns": run.turns,
            "audio": without_defaults(audio),
            "interruptions": tenure.interruption_count,
            "handoff_to": tenure.handed_to,
            "error": live.failure if status == _FAILED else "",
            "orphan": orphan,
        }
        if own is not None:
            told = without_defaults(facts)
            metadata = functools.partial(with_totals, told, run.agent_totals)
            pairs.end(own, {}, status=status, metadata=metadata)
        run.agent_pair = run.run_config = None

    def _settle_tenure(self, live: LiveSession, tenure: AgentTenure) -> None:
        """End the agent of *tenure*, if it was replaced and nothing of it is open."""
        if tenure.handed_to is None or len(tenure.run.pairs) > 1 or live.is_ended:
            return
        if tenure in live.tenures:
            live.tenures.remove(tenure)
            try:
                self._end_tenure(tenure, _COMPLETED, live)
            except BaseException:
                close_broken(self._host, tenure.run)
                raise

    def _hand_over(self, live: LiveSession, new_agent: Any, dispatch: Any) -> None:
        """Record a handoff and put *new_agent* in force."""
        old = live.tenure
        if old.agent is new_agent or live.is_ended:
            return
        event = None if dispatch is None else dispatch.event
        reason = getattr(event, "name", "update_agent")
        planned = SimpleNamespace(
            tool_call=event, handoff=SimpleNamespace(tool_name=reason)
        )
        kwargs = {"run_handoffs": [planned]}
        self._handoffs.note(old.run, new_agent, kwargs)
        first = old.run
        run = AgentsRun(
            first.session,
            first.trace_id,
            parent=first.parent,
            sampled=first.sampled,
            hide_content=first.hide_content,
        )
        run.reported = first.reported
        live.tenure = tenure = AgentTenure(new_agent, run, live.settings)
        live.tenures.append(tenure)
        self._start_agent(live, tenure)
        old.handed_to = agent_ref(new_agent).agent_id
        self._settle_tenure(live, old)

    async def update_agent(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `update_agent`: a handoff by the application."""
        result = await wrapped(*args, **kwargs)
        live = self._live_sessions.get(id(instance))
        if live is not None:
            agent = args[0] if args else kwargs.get("agent")
            attempt("RealtimeSession", self._hand_over, live, agent, None)
        return result

    async def configure(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of the model's settings, dynamic instructions included."""
        settings = await wrapped(*args, **kwargs)
        live = self._live_sessions.get(id(instance))
        if live is not None:
            attempt("RealtimeSession", self._note_settings, live, settings)
        return settings

    @staticmethod
    def _note_settings(live: LiveSession, settings: Any) -> None:
        live.settings = Settings.of(settings, live.default_bytes_per_ms)
        live.model = live.settings.model or live.model

    # -- what the application sends -----------------------------------------------

    def send_message(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `send_message`."""
        live = self._live_sessions.get(id(instance))
        if live is not None:
            message = args[0] if args else kwargs.get("message")
            attempt("RealtimeSession", self._note_message, live, message)
        return wrapped(*args, **kwargs)

    def _note_message(self, live: LiveSession, message: Any) -> None:
        if live.tenure.run.parent is not None:
            # Inside of another run nothing comes from the user.
            return
        content = message.get("content") if type(message) is dict else message
        if type(content) is not list:
            self._turns.tell_input(live.tenure, content, {})
            return
        parts = [part for part in content if type(part) is dict]
        texts = [part.get("text") for part in parts if part.get("type") == "input_text"]
        image_count = sum(part.get("type") == "input_image" for part in parts)
        text = "\n".join(text for text in texts if type(text) is str)
        metadata = {"images": image_count} if image_count else {}
        self._turns.tell_input(live.tenure, text, metadata)

    def send_audio(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `send_audio`, where frames are counted: fifty in each second."""
        live = self._live_sessions.get(id(instance))
        if live is not None:
            live.tenure.heard.add(args[0] if args else kwargs.get("audio"))
        return wrapped(*args, **kwargs)

    async def decide(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap approval and rejection, to which the decision's record belongs."""
        live = self._live_sessions.get(id(instance))
        if live is None:
            return await wrapped(*args, **kwargs)
        run = live.tenure.run
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            return await wrapped(*args, **kwargs)
        finally:
            reset(token)

    async def guard(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the run of the output guardrails, which record themselves."""
        live = self._live_sessions.get(id(instance))
        if live is None:
            return await wrapped(*args, **kwargs)
        run = live.tenure_of(kwargs.get("agent_snapshot")).run
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            return await wrapped(*args, **kwargs)
        finally:
            reset(token)

    # -- tools --------------------------------------------------------------------

    async def handle_tool_call(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the handling of one call: approval, guardrails, tool or handoff."""
        live = self._live_sessions.get(id(instance))
        if live is None:
            return await wrapped(*args, **kwargs)
        event = args[0] if args else kwargs.get("event")
        tenure = live.tenure_of(kwargs.get("agent_snapshot"))
        dispatch = ToolDispatch(tenure, event)
        node = Node(tenure.run, tenure.run.agent_span_id, "agent", dispatch)
        token = CURRENT.set(node)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            attempt("realtime tool", self._call_left, live, dispatch, error)
            raise
        finally:
            reset(token)
        # Closing in between lets the tool return without having said so.
        gone = asyncio.CancelledError()
        attempt("realtime tool", self._call_left, live, dispatch, gone)
        return result

    def _tool_started(self, live: LiveSession, event: Any) -> None:
        """Open the pair: approved, past its guardrails, about to run."""
        node = CURRENT.get()
        dispatch = None if node is None else node.detail
        if node is None or not isinstance(dispatch, ToolDispatch):
            return
        run = dispatch.tenure.run
        run.last_model = run.last_model or live.model
        context = getattr(live.ref(), "_context_wrapper", None)
        call = self._tools.begin(run, event.tool, dispatch.event, context)
        if call is not None and call.pair is not None:
            dispatch.call = call
            # Nobody shares this node yet: the tool's own code runs later.
            node.detail, node.kind, node.span_id = call, "tool", call.pair.span_id

    def send_output(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the sending of a tool's output: by then the tool is through."""
        live = self._live_sessions.get(id(instance))
        if live is not None:
            pending = args[0] if args else kwargs.get("pending_output")
            event = getattr(pending, "tool_end_event", None)
            if event is not None:
                attempt("realtime tool", self._tool_ended, live, event)
        return wrapped(*args, **kwargs)

    def _tool_ended(self, live: LiveSession, event: Any) -> None:
        """Close it; a rejected call ends without having begun."""
        node = CURRENT.get()
        if node is None or not isinstance(node.detail, ToolCall):
            return
        for tenure in live.tenures:
            if tenure.run is node.run and _is_open(node.detail):
                self._tools.close(node.detail, event.output)

    def _call_left(
        self, live: LiveSession, dispatch: ToolDispatch, error: BaseException
    ) -> None:
        """End what a call leaves open, and tell what it failed of."""
        tenure, call = dispatch.tenure, dispatch.call
        # The SDK keeps an output that could not be sent, and tries again.
        is_kept = type(error).__name__ == "_PendingToolOutputSendError"
        if call is not None and _is_open(call):
            self._tools.close(call, None, error)
        elif isinstance(error, Exception) and not live.is_ended:
            action = "its output is kept and sent again" if is_kept else ""
            note_error(
                self._recorder,
                tenure.run,
                error,
                recoverable=is_kept,
                recovery_action=action,
            )
        if isinstance(error, Exception) and not is_kept:
            live.failure = live.failure or error_code_of(error)
        self._settle_tenure(live, tenure)

    # -- events of the session ----------------------------------------------------

    def put_event(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the funnel through which every event goes, each frame of audio too."""
        live = self._live_sessions.get(id(instance))
        if live is not None:
            try:
                event = args[0]
                if event.type == "raw_model_event":
                    event = event.data
                    note = self._model_notes.get(event.type)
                else:
                    note = self._notes.get(event.type)
                if note is not None:
                    note(live, event)
            except Exception as error:
                report("RealtimeSession event", error)
        return wrapped(*args, **kwargs)

    def _turn_started(self, live: LiveSession, event: Any) -> None:
        session = live.ref()
        if session is not None:
            # The agent may have been replaced in a way that was not told yet.
            self._hand_over(live, session._current_agent, None)  # noqa: SLF001
        self._turns.notes["turn_started"](live, event)

    def _turn_ended(self, live: LiveSession, event: Any) -> None:
        self._turns.notes["turn_ended"](live, event)
        for tenure in live.tenures[:-1]:
            self._settle_tenure(live, tenure)

    def _handed_off(self, live: LiveSession, event: Any) -> None:
        node = CURRENT.get()
        dispatch = None if node is None else node.detail
        found = dispatch if isinstance(dispatch, ToolDispatch) else None
        self._hand_over(live, event.to_agent, found)

    def _error_reported(self, live: LiveSession, event: Any) -> None:
        self._turns.error_reported(live, event.error)

    def _approval_asked(self, live: LiveSession, event: Any) -> None:
        run = live.tenure_of(event.agent).run
        name = getattr(event.tool, "name", None)
        call = PendingCall(name if type(name) is str else "", event.call_id, "")
        item = SimpleNamespace(raw_item={"arguments": getattr(event, "arguments", "")})
        self._approvals.note_review(run, call, item, {})


def _is_open(call: ToolCall) -> bool:
    pair = call.pair
    return pair is not None and pair.span_id in pair.run.pairs


def _provider_of(session: Any, *, is_openai: bool) -> str:
    """Return who serves the model of *session*: a host, or the transport's class."""
    given = getattr(session, "_model_config", None)
    url = given.get("url") if type(given) is dict else None
    host = urlsplit(url).hostname if type(url) is str else None
    if host:
        return provider_at(host)
    # The SDK's own name, as above.
    return "openai" if is_openai else provider_of(session._model)  # noqa: SLF001
