"""
Record what goes to MCP servers: one MCP pair for each call of a server's method.

The methods are patched rather than the runner's way to them, so that calls which the
application makes itself are recorded too, and servers of its own.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.runs.facts import hides_content
from chaukas.sdk.integrations.openai_agents.state import (
    FRAMEWORK,
    AgentsRun,
    ToolCall,
    attempt,
)
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.placement import node_in_force, open_session
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.record.retries import class_name_of
from chaukas.sdk.system.internal_errors import report

from .call import OPEN, MCPCall, attempted
from .facts import (
    OPERATIONS,
    content_of,
    contents_count,
    error_facts,
    failure_text_of,
    is_cached,
    is_error,
    is_group,
    listed,
    reason_of,
    request_of,
    retry_limit,
    server_facts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.integrations.base import Host

__all__ = ["MCPCalls"]

_MODULE = "agents.mcp.server"
_SESSION_SERVER = f"{_MODULE}:_MCPServerWithClientSession"
_HTTP_SERVER = f"{_MODULE}:MCPServerStreamableHttp"
_MCP = ("MCP_CALL_START", "MCP_CALL_END", "ERROR")
_WHERE = "MCPServer"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_MESSAGE = "mcp_call.error_message"
_TO_MODEL = "returned to the model as a result"
_TO_CALLER = "returned to the caller as a result"
_NO_TEXT = "failed"
_NS_PER_MS = 1_000_000
_SHOWN = ("name", "uri", "cursor")


class MCPCalls(Part):
    """
    Wrappers around the methods of MCP servers, and around their retries.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        # Kept, so that a second install recognises what is already in place.
        self._wraps = {name: partial(self._watch, name) for name in OPERATIONS}

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            *(
                Patch(
                    f"{_MODULE}:MCPServer.{name}",
                    self._wraps[name],
                    (*_MCP, "DATA_ACCESS") if name == "read_resource" else _MCP,
                    subclasses=True,
                    min_version=operation.since,
                    post_import=True,
                )
                for name, operation in OPERATIONS.items()
            ),
            Patch(
                f"{_SESSION_SERVER}._run_with_retries",
                self.run_with_retries,
                ("RETRY",),
                post_import=True,
            ),
            Patch(
                f"{_HTTP_SERVER}._call_tool_with_isolated_retry",
                self.call_once,
                ("RETRY",),
                min_version="0.12.4",
                post_import=True,
            ),
            Patch(
                f"{_HTTP_SERVER}._isolated_client_session",
                self.isolated_session,
                ("RETRY",),
                min_version="0.12.4",
                post_import=True,
            ),
        )

    # -- calls --------------------------------------------------------------------

    # In front of what every wrapper is given stands the method's name.
    async def _watch(
        self,
        method: str,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        """Wrap one method of every class of servers; only ever awaits *wrapped*."""
        call = self._begin(method, instance, args, kwargs)
        if call is None:
            return await wrapped(*args, **kwargs)
        opened = OPEN.set(call)
        token = None if method == "connect" else CURRENT.set(call.in_force)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(call, None, error)
            raise
        finally:
            if token is not None:
                reset(token)
            reset(opened)
        self._end(call, result, None)
        return result

    def _begin(
        self, method: str, server: Any, args: Any, kwargs: dict[str, Any]
    ) -> MCPCall | None:
        if SUPPRESSED.get():
            return None
        outer = OPEN.get()
        if outer is not None and outer.covers(server, method):
            return None
        call: MCPCall | None = None
        try:
            call = self._placed(method, server)
            if call is not None:
                self._start(call, args, kwargs)
        except Exception as error:
            report(_WHERE, error)
            if call is not None:
                attempt(_WHERE, call.close)
            return None
        return call

    def _placed(self, method: str, server: Any) -> MCPCall | None:
        """Return a call that knows where it belongs; None if that is not recorded."""
        outer, node = OPEN.get(), node_in_force()
        if outer is not None and outer.is_here and outer.pair:
            # While connecting, CURRENT does not know the span.
            call = MCPCall(method, server, outer.run, outer.pair.span_id, None)
            call.outer, call.tool = outer, outer.tool
            return call
        if node is None:
            return self._placed_alone(method, server)
        if not node.run.sampled:
            return None
        call = MCPCall(method, server, node.run, node.parent_span_id, None)
        tool = node.detail
        if isinstance(tool, ToolCall) and tool.metadata["tool_type"] == "mcp":
            call.tool = tool
        return call

    def _placed_alone(self, method: str, server: Any) -> MCPCall | None:
        """Give a call outside of any run one of its own, in the session in force."""
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        opening = open_session(
            sessions, self._recorder, None, framework=FRAMEWORK, is_run=False
        )
        session = opening.session
        if not opening.sampled:
            sessions.leave(session)
            return None
        run = AgentsRun(session, opening.trace_id, hide_content=hides_content(None))
        run.agent_span_id = opening.span_id

        def leave() -> None:
            # For tasks that still have its node.
            run.is_ended = True
            sessions.leave(session)

        return MCPCall(method, server, run, run.agent_span_id, leave)

    def _start(self, call: MCPCall, args: Any, kwargs: dict[str, Any]) -> None:
        recorder = self._recorder
        run = call.run
        capture = recorder.capture(run)
        metadata = self._identify(call)
        content = dict(call.same)
        request = self._told_request(call, capture, args, kwargs)
        if request:
            content["request"] = request
        if metadata:
            content["metadata"] = metadata
        call.pair = recorder.pairs.start(
            EventType.MCP_CALL_START,
            run,
            {"mcp_call": content},
            parent_span_id=call.parent_span_id,
            closing={"mcp_call": call.same},
            capture=capture,
        )
        if call.method != "connect":
            call.in_force = Node(run, call.pair.span_id, "mcp", call)

    def _told_request(
        self, call: MCPCall, capture: Capture, args: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Capture the parameters: names and addresses are shown, whatever is hidden."""
        given = request_of(call.method, args, kwargs)
        show = self._recorder.capture_facts()
        facts = {
            name: show.text(given.pop(name), f"mcp_call.request.{name}")
            for name in _SHOWN
            if type(given.get(name)) is str
        }
        call.address = facts.get("uri", "")
        content = capture.tree(given, "mcp_call.request") if given else {}
        return {**_as_struct(content), **facts}

    def _identify(self, call: MCPCall) -> dict[str, Any]:
        """Note what START and END both say; return what only START does."""
        show = self._recorder.capture_facts()
        facts = server_facts(call.server)
        operation = call.operation
        same: dict[str, Any] = {
            "server_name": show.text(facts.name, "mcp_call.server_name"),
            "server_url": show.text(facts.url, "mcp_call.server_url"),
            "operation": operation,
            "protocol_version": show.text(
                facts.protocol_version, "mcp_call.protocol_version"
            ),
            "cached": call.method == "list_tools" and is_cached(call.server),
        }
        if operation != "shutdown":
            # The protocol ends a connection without a request.
            same["method"] = operation
        call.same = without_defaults(same)
        metadata = {"transport": facts.transport}
        if call.method == "connect":
            metadata["command"] = show.text(facts.command, "mcp_call.metadata.command")
        return without_defaults(metadata)

    # -- ends ---------------------------------------------------------------------

    def _end(self, call: MCPCall, result: Any, error: BaseException | None) -> None:
        try:
            if error is None:
                self._end_answered(call, result)
            else:
                self._end_raised(call, error)
        except Exception as problem:
            if call.pair is not None:
                attempt(_WHERE, self._recorder.pairs.end, call.pair)
            report(_WHERE, problem)
        finally:
            attempt(_WHERE, call.close)

    def _end_answered(self, call: MCPCall, result: Any) -> None:
        recorder = self._recorder
        run = call.run
        capture = recorder.capture(run)
        content = self._ended(call)
        if call.method == "connect":
            self._add_version(call, content)
        response = self._response_of(call, capture, result)
        if response:
            content["response"] = _as_struct(response)
        status = ""
        if call.method == "call_tool" and is_error(result):
            status = _FAILED
            text = failure_text_of(result)
            content["is_error"] = True
            content["error_message"] = capture.text(text, _MESSAGE) or _NO_TEXT
            self._note_failed_answer(call, text)
        if call.method == "read_resource":
            self._note_data_access(call, result)
        self._close_pair(call, content, capture, status)

    def _end_raised(self, call: MCPCall, error: BaseException) -> None:
        capture = self._recorder.capture(call.run)
        content = self._ended(call)
        if not isinstance(error, Exception):
            self._close_pair(call, content, capture, _CANCELLED)
            return
        content["error_message"] = capture.text(reason_of(error), _MESSAGE)
        content["metadata"] = {**content.get("metadata", {}), **error_facts(error)}
        self._note_raised(call, error, content["error_message"])
        self._close_pair(call, content, capture, _FAILED)

    def _ended(self, call: MCPCall) -> dict[str, Any]:
        content = dict(call.same)
        if call.pair is not None:
            started_ns = call.pair.started_monotonic_ns
            elapsed_ms = self._recorder.monotonic_ms_since(started_ns)
            if elapsed_ms:
                content["execution_time_ms"] = elapsed_ms
        if call.attempts > 1:
            content["metadata"] = {"attempts": call.attempts}
        return content

    def _add_version(self, call: MCPCall, content: dict[str, Any]) -> None:
        """Add what was negotiated while connecting."""
        version = server_facts(call.server).protocol_version
        if version:
            show = self._recorder.capture_facts()
            content["protocol_version"] = show.text(
                version, "mcp_call.protocol_version"
            )

    def _response_of(self, call: MCPCall, capture: Capture, result: Any) -> Any:
        names = listed(call.method, result)
        if names is not None:
            # Names and addresses, which stay readable when content is hidden.
            show = self._recorder.capture_facts()
            return show.tree(names, "mcp_call.response")
        content = content_of(call.method, call.server, result)
        if content is None:
            return None
        return capture.tree(content, "mcp_call.response")

    def _close_pair(
        self, call: MCPCall, content: dict[str, Any], capture: Capture, status: str
    ) -> None:
        if call.pair is not None:
            body = {"mcp_call": content}
            end = self._recorder.pairs.end
            end(call.pair, body, status=status, capture=capture)

    def _note_failed_answer(self, call: MCPCall, text: str) -> None:
        """Record an answer that says it failed; the SDK tells only the model."""
        capture = self._recorder.capture(call.run)
        message = capture.text(text, "error.error_message") or _NO_TEXT
        if call.outer is not None:
            # Whether the tool failed is for the call that the tool made to say.
            call.outer.has_told_failure = True
        elif call.tool is not None:
            call.tool.failure = message
        if call.has_told_failure or call.pair is None:
            return
        error = {
            "error_message": message,
            "error_code": "MCPToolError",
            "recoverable": True,
            "recovery_action": _TO_CALLER if call.tool is None else _TO_MODEL,
        }
        self._recorder.emit(
            EventType.ERROR,
            call.run,
            {"error": error},
            parent_span_id=call.pair.span_id,
            capture=capture,
        )

    def _note_raised(self, call: MCPCall, error: Exception, text: str) -> None:
        if call.pair is None:
            return
        span_id = call.pair.span_id
        if call.tool is not None:
            # The tool tells of it, as it knows whether the model is told instead.
            call.tool.failed_below(error, span_id)
            return
        # The message of a group says nothing of what went wrong.
        metadata = {"reason": text} if is_group(error) else None
        self._recorder.error(call.run, error, span_id, metadata=metadata)

    def _note_data_access(self, call: MCPCall, result: Any) -> None:
        if call.pair is None:
            return
        access = {
            "datasource": call.same["server_name"],
            "document_ids": [call.address] if call.address else [],
            "metadata": without_defaults(
                {"operation": call.operation, "contents": contents_count(result)}
            ),
        }
        self._recorder.emit(
            EventType.DATA_ACCESS,
            call.run,
            {"data_access": without_defaults(access)},
            parent_span_id=call.pair.span_id,
        )

    # -- retries ------------------------------------------------------------------

    async def run_with_retries(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the loop around one request, by the function that makes it."""
        call = attempted(instance)
        func = args[0] if args else kwargs.get("func")
        if call is None or func is None:
            return await wrapped(*args, **kwargs)

        async def func_once(*given: Any, **options: Any) -> Any:
            attempt("MCP retry", self._note_attempt, call)
            try:
                return await func(*given, **options)
            except Exception as error:
                attempt("MCP retry", self._note_failure, call, error)
                raise

        kwargs.pop("func", None)
        return await wrapped(func_once, *args[1:], **kwargs)

    async def call_once(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap one round of the loop that streamable HTTP has of its own."""
        call = attempted(instance)
        if call is None:
            return await wrapped(*args, **kwargs)
        attempt("MCP retry", self._note_attempt, call)
        try:
            return await wrapped(*args, **kwargs)
        except Exception as error:
            attempt("MCP retry", self._note_failure, call, error)
            raise

    def isolated_session(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of a session of its own, for a second try at once."""
        call = attempted(instance)
        error = sys.exc_info()[1]
        if call is not None and error is not None:
            attempt("MCP retry", self._note_failure, call, error)
            attempt("MCP retry", self._note_attempt, call, isolated=True)
        return wrapped(*args, **kwargs)

    def _note_failure(self, call: MCPCall, error: BaseException) -> None:
        """Remember why an attempt failed, as text: the error itself would stay."""
        recorder = self._recorder
        reason = error
        if class_name_of(error) in _HANDED_ON and error.__cause__ is not None:
            reason = error.__cause__
        capture = recorder.capture(call.run)
        retry = {
            "error_message": capture.text(reason_of(reason), "retry.error_message"),
            "metadata": {"layer": "mcp", **error_facts(reason)},
        }
        call.failure = retry, capture
        call.failed_ns = recorder.clock.monotonic_ns()

    def _note_attempt(self, call: MCPCall, *, isolated: bool = False) -> None:
        """Count an attempt; record a RETRY if it is not the first."""
        failure, call.failure = call.failure, None
        attempts, call.attempts = call.attempts, call.attempts + 1
        if failure is None or not attempts or call.pair is None:
            return
        recorder = self._recorder
        reason, capture = failure
        now_ns = recorder.clock.monotonic_ns()
        slept_ms = 0 if isolated else (now_ns - call.failed_ns) / _NS_PER_MS
        retry = {
            **reason,
            "attempt": attempts,
            "max_attempts": retry_limit(call.server),
            "strategy": "immediate" if isolated else "exponential",
            "backoff_ms": round(slept_ms),
            "retryable": True,
        }
        if isolated:
            retry["metadata"]["isolated_session"] = True
        recorder.emit(
            EventType.RETRY,
            call.run,
            {"retry": without_defaults(retry)},
            parent_span_id=call.pair.span_id,
            capture=capture,
        )


_HANDED_ON = frozenset(
    {"_IsolatedSessionRetryFailed", "_SharedSessionRequestNeedsIsolation"}
)
"""Errors that only hand another one on."""


def _as_struct(tree: Any) -> dict[str, Any]:
    return tree if type(tree) is dict else {"value": tree}
