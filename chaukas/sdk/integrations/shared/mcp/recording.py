"""
Record calls to MCP servers: an MCP pair for each, with ERROR, RETRY and DATA_ACCESS.

What is the same for every client of the protocol. An integration derives from
`MCPRecording`, says how its server or session is read, and wraps its methods in
`watch`.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import members_of
from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.patching import in_place_of
from chaukas.sdk.record.context import CURRENT, SCOPE, SUPPRESSED, Node, reset
from chaukas.sdk.record.placement import enter_alone, node_in_force
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.internal_errors import attempt, report

from .call import OPEN, MCPCall
from .facts import (
    answer_of,
    contents_count,
    error_facts,
    failure_text_of,
    is_error,
    is_group,
    listed,
    reason_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from typing import TypeAlias

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import SessionScope

    from .call import FailingTool
    from .facts import ServerFacts

    _Caller: TypeAlias = tuple[Node | None, SessionScope | None]

__all__ = ["CONNECTING", "MCPRecording"]

CONNECTING = frozenset({"initialize", "server/discover"})
"""Operations during which the tasks of a transport may be begun."""

_WHERE = "MCP call"
_FAILED = EventStatus.FAILED.value
_CANCELLED = EventStatus.CANCELLED.value
_MESSAGE = "mcp_call.error_message"
_TO_MODEL = "returned to the model as a result"
_TO_CALLER = "returned to the caller as a result"
_NO_TEXT = "failed"
_SHOWN = ("name", "uri", "cursor")


def _moved_to(caller: _Caller) -> list[Token[Any]]:
    """Put in force what was so where a call was made, if it is awaited elsewhere."""
    node, scope = caller
    tokens: list[Token[Any]] = []
    if node is not None and node is not CURRENT.get():
        tokens.append(CURRENT.set(node))
    if scope is not None and scope is not SCOPE.get():
        tokens.append(SCOPE.set(scope))
    return tokens


class MCPRecording(Part):
    """Records calls; derived for each kind of client."""

    framework: str
    """Name of the integration, for calls outside of any run."""
    operations: Mapping[str, str]
    """Methods that are wrapped, with what the protocol calls each."""
    is_whole = False
    """What a client's session does during a call is a part of that call."""

    # -- what a client's integration knows ----------------------------------------

    @abstractmethod
    def server_of(self, server: Any) -> ServerFacts:
        """Return who a call to *server* goes to; uncaptured."""

    @abstractmethod
    def request_of(
        self, method: str, args: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what a call asks for, by the protocol's names; uncaptured."""

    def answer_of(self, call: MCPCall, result: Any) -> Any:
        """Return what to record of an answer that is no listing; uncaptured."""
        return answer_of(call.method, result)

    def connected(self, call: MCPCall, result: Any) -> None:
        """Take note of what a server answered when it was connected."""

    def is_cached(self, _call: MCPCall) -> bool:
        """Tell whether a call is about to be answered without a request."""
        return False

    def session_of(self, _call: MCPCall) -> Any:
        """Return the client's session that a whole call goes through, if it is one."""
        return None

    def hides_content(self) -> bool:
        """Tell whether a call outside of any run is to hide its content."""
        return False

    def tool_of(self, _node: Node) -> FailingTool | None:
        """Return the tool at *node*, if a failure of the call is its own."""
        return None

    def reports(self, _call: MCPCall, _error: Exception) -> bool:
        """Tell whether an error that a call raised is an ERROR event."""
        return True

    # -- calls --------------------------------------------------------------------

    # In front of what every wrapper is given stands the method's name.
    def watch(
        self,
        method: str,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        """
        Wrap a method that calls a server; only ever awaits *wrapped*.

        A call stands where it is made: what awaits it may be another task or thread.
        """
        caller = CURRENT.get(), SCOPE.get()
        watched = partial(self._watched, caller, method)
        return in_place_of(watched, wrapped, instance, args, kwargs)

    async def _watched(self, caller: _Caller, *call: Any) -> Any:
        tokens = _moved_to(caller)
        try:
            return await self._recorded(*call)
        finally:
            for token in tokens:
                reset(token)

    async def _recorded(
        self,
        method: str,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        call = self._begin(method, instance, args, kwargs)
        if call is None:
            return await wrapped(*args, **kwargs)
        opened = OPEN.set(call)
        token = None
        if call.operation not in CONNECTING:
            token = CURRENT.set(call.in_force)
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

    def is_part_of(self, outer: MCPCall, server: Any, operation: str) -> bool:
        """Tell whether a call of *server* is a part of *outer*, which goes on here."""
        return outer.covers(server, operation)

    def _begin(
        self, method: str, server: Any, args: Any, kwargs: dict[str, Any]
    ) -> MCPCall | None:
        """Return a call that has its START; None if it gets no pair of its own."""
        if SUPPRESSED.get():
            return None
        outer = OPEN.get()
        operation = self.operations[method]
        if outer is not None and self.is_part_of(outer, server, operation):
            return None
        call: MCPCall | None = None
        try:
            call = self._placed(method, operation, server)
            call.is_whole, call.session = self.is_whole, self.session_of(call)
            if call.run.sampled:
                self._start(call, args, kwargs)
            elif operation not in CONNECTING:
                # What happens below is not recorded either.
                call.in_force = Node(call.run, "", "mcp", call)
        except Exception as error:
            report(_WHERE, error)
            if call is not None:
                attempt(_WHERE, call.close)
            return None
        return call

    def _placed(self, method: str, operation: str, server: Any) -> MCPCall:
        """Return a call that knows where it belongs."""
        outer, node = OPEN.get(), node_in_force()
        if outer is not None and outer.is_here and outer.pair:
            # While connecting, CURRENT does not know the span.
            call = MCPCall(method, operation, server, outer.run, outer.pair.span_id)
            call.outer, call.tool = outer, outer.tool
            return call
        if node is not None:
            call = MCPCall(method, operation, server, node.run, node.parent_span_id)
            call.tool = self.tool_of(node)
            return call
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        run, parent_span_id, _ = enter_alone(
            sessions,
            self._recorder,
            framework=self.framework,
            hide_content=self.hides_content(),
        )

        def leave() -> None:
            # For tasks that still have its node.
            run.is_ended = True
            sessions.leave(run.session)

        return MCPCall(method, operation, server, run, parent_span_id, leave)

    def _start(self, call: MCPCall, args: Any, kwargs: dict[str, Any]) -> None:
        recorder = self._recorder
        run = call.run
        capture = recorder.capture(run)
        metadata = self._identify(call)
        content = dict(call.same)
        request = self._captured_request(call, capture, args, kwargs)
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
        if call.operation not in CONNECTING:
            call.in_force = Node(run, call.pair.span_id, "mcp", call)

    def _captured_request(
        self, call: MCPCall, capture: DeferredCapture, args: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Capture the parameters: names and addresses are shown, whatever is hidden."""
        given = self.request_of(call.method, args, kwargs)
        show = self._recorder.capture_facts()
        facts = {
            name: show.text(given.pop(name), f"mcp_call.request.{name}")
            for name in _SHOWN
            if type(given.get(name)) is str
        }
        call.address = facts.get("uri", "")
        content = capture.tree(given, "mcp_call.request") if given else {}
        return {**members_of(content, "value"), **facts}

    def _identify(self, call: MCPCall) -> dict[str, Any]:
        """Note what START and END both say; return what only START does."""
        show = self._recorder.capture_facts()
        facts = self.server_of(call.server)
        operation = call.operation
        same: dict[str, Any] = {
            "server_name": show.text(facts.name, "mcp_call.server_name"),
            "server_url": show.text(facts.url, "mcp_call.server_url"),
            "operation": operation,
            "protocol_version": show.text(
                facts.protocol_version, "mcp_call.protocol_version"
            ),
            "cached": self.is_cached(call),
        }
        if operation != "shutdown":
            # The protocol ends a connection without a request.
            same["method"] = operation
        call.same = without_defaults(same)
        metadata = {"transport": facts.transport}
        if operation in CONNECTING:
            metadata["command"] = show.text(facts.command, "mcp_call.metadata.command")
        return without_defaults(metadata)

    # -- ends ---------------------------------------------------------------------

    def _end(self, call: MCPCall, result: Any, error: BaseException | None) -> None:
        try:
            if call.pair is None:
                return
            if error is None:
                self._end_answered(call, result)
            else:
                self._end_raised(call, error)
        except Exception as problem:
            self._give_up(call)
            report(_WHERE, problem)
        finally:
            attempt(_WHERE, call.close)

    def _give_up(self, call: MCPCall) -> None:
        """End a pair without content, after an error of ours."""
        pairs = self._recorder.pairs
        if call.pair is not None:
            attempt(_WHERE, pairs.end, call.pair)
        if call.leave is not None:
            # Nobody else will: the run is this call. What is dropped is counted.
            attempt(_WHERE, pairs.drop, call.run)

    def _end_answered(self, call: MCPCall, result: Any) -> None:
        recorder = self._recorder
        run = call.run
        capture = recorder.capture(run)
        content = self._ended(call)
        if call.operation in CONNECTING:
            self.connected(call, result)
            self._add_negotiated(call, content)
        response = self._response_of(call, capture, result)
        if response:
            content["response"] = members_of(response, "value")
        status = ""
        if call.operation == "tools/call" and is_error(result):
            status = _FAILED
            text = failure_text_of(result)
            content["is_error"] = True
            content["error_message"] = capture.text(text or _NO_TEXT, _MESSAGE)
            self._note_failed_answer(call, text)
        if call.operation == "resources/read":
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

    def _add_negotiated(self, call: MCPCall, content: dict[str, Any]) -> None:
        """Add what is known of the server only after connecting to it."""
        facts = self.server_of(call.server)
        show = self._recorder.capture_facts()
        version = show.text(facts.protocol_version, "mcp_call.protocol_version")
        content["protocol_version"] = version or content.get("protocol_version", "")
        if "server_name" not in content:
            content["server_name"] = show.text(facts.name, "mcp_call.server_name")

    def _response_of(self, call: MCPCall, capture: DeferredCapture, result: Any) -> Any:
        names = listed(call.method, result)
        if names is not None:
            # Names and addresses, which stay readable when content is hidden.
            show = self._recorder.capture_facts()
            return show.tree(names, "mcp_call.response")
        content = self.answer_of(call, result)
        if content is None:
            return None
        return capture.tree(content, "mcp_call.response")

    def _close_pair(
        self,
        call: MCPCall,
        content: dict[str, Any],
        capture: DeferredCapture,
        status: str,
    ) -> None:
        if call.pair is not None:
            body = {"mcp_call": without_defaults(content)}
            end = self._recorder.pairs.end
            end(call.pair, body, status=status, capture=capture)

    def _note_failed_answer(self, call: MCPCall, text: str) -> None:
        """Record an answer that says it failed; no exception tells of it."""
        capture = self._recorder.capture(call.run)
        message = capture.text(text or _NO_TEXT, "error.error_message")
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
        if call.pair is None or not self.reports(call, error):
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
            # A server need not say its name.
            "datasource": call.same.get("server_name") or call.address,
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

    def note_failure(self, call: MCPCall, reason: BaseException) -> None:
        """Remember why an attempt failed, as text: the error itself would stay."""
        recorder = self._recorder
        capture = recorder.capture(call.run)
        retry = {
            "error_message": capture.text(reason_of(reason), "retry.error_message"),
            "metadata": {"layer": "mcp", **error_facts(reason)},
        }
        call.failure = retry, capture
        call.failed_ns = recorder.clock.monotonic_ns()

    def note_attempt(
        self, call: MCPCall, limit: int, *, is_isolated: bool = False
    ) -> None:
        """
        Count an attempt; record a RETRY if it is not the first.

        Args:
            call: The call that is attempted.
            limit: How often it may be repeated; 0 if that is not known.
            is_isolated: The attempt has a session of its own, and begins at once.
        """
        failure, call.failure = call.failure, None
        attempts, call.attempts = call.attempts, call.attempts + 1
        if failure is None or not attempts or call.pair is None:
            return
        recorder = self._recorder
        reason, capture = failure
        now_ns = recorder.clock.monotonic_ns()
        slept_ms = 0 if is_isolated else ms_between(call.failed_ns, now_ns)
        retry = {
            **reason,
            "attempt": attempts,
            "max_attempts": limit,
            "strategy": "immediate" if is_isolated else "exponential",
            "backoff_ms": round(slept_ms),
            "retryable": True,
        }
        if is_isolated:
            retry["metadata"]["isolated_session"] = True
        recorder.emit(
            EventType.RETRY,
            call.run,
            {"retry": without_defaults(retry)},
            parent_span_id=call.pair.span_id,
            capture=capture,
        )
