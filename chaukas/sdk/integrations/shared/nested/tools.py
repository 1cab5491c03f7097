"""
Record tools by what a model asked for and by what really ran for it.

Who knows the call (id, arguments) need not be who runs the tool: that may be never, as
with a cached answer, or several times, when it is tried again. The pair of an
`AskedTool` begins with the first execution and ends when the model has its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import Observation
from chaukas.sdk.integrations.shared.tools import RETURNED, ToolCall, Tools
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force

from .pending_errors import PendingErrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.base import Host

    from .runs import Here, NestedRun, NestedRuns

__all__ = ["AskedTool", "AskedTools", "asked_tool_in_force"]


class AskedTool:
    """
    What a model asked for, until it is known what became of it.

    Args:
        run: Run of the agent.
        name: Of the tool.
        call_id: By which the model knows the call; empty if it has none.
        arguments: Uncaptured.
        key: Identity of who works for it, and may call itself to try again.
        limit: How often it may be tried again.
    """

    __slots__ = (
        "call",
        "errors",
        "has_failed",
        "is_running",
        "key",
        "limit",
        "result",
        "run",
    )

    def __init__(
        self,
        run: NestedRun,
        name: str,
        call_id: str,
        arguments: Any,
        *,
        key: int = 0,
        limit: int = 0,
    ) -> None:
        self.run, self.key, self.limit = run, key, limit
        self.call = ToolCall(name, call_id, arguments)
        self.errors = PendingErrors()
        """Of executions that may be tried again."""
        self.is_running = False
        self.has_failed = False
        self.result: Any = None


def asked_tool_in_force() -> AskedTool | None:
    """Return what a model asked for, while nothing runs for it here."""
    node = node_in_force()
    if node is None or not isinstance(node.detail, AskedTool):
        return None
    return None if node.detail.is_running else node.detail


class _Asking(Observation):
    """What goes on between the asking and the answer."""

    def __init__(self, tools: AskedTools, asked: AskedTool, node: Node) -> None:
        self._tools, self._asked = tools, asked
        self.node = Node(node.run, node.parent_span_id, "own_agent", asked)

    def ended(self, result: Any) -> None:  # noqa: ARG002
        # What the tool itself returned is what is recorded.
        self._tools.answered(self._asked)

    def failed(self, error: BaseException) -> None:
        self._tools.raised(self._asked, error)


class _Executing(Observation):
    """A tool while it runs for what a model asked."""

    def __init__(self, tools: AskedTools, asked: AskedTool) -> None:
        self._tools, self._asked = tools, asked
        if (pair := asked.call.pair) is not None:
            self.node = Node(pair.run, pair.span_id, "tool", asked.call)

    def ended(self, result: Any) -> None:
        self._asked.is_running, self._asked.result = False, result

    def failed(self, error: BaseException) -> None:
        self._asked.is_running = False
        self._tools.execution_failed(self._asked, error)


class _Working(Observation):
    """A tool that no model asked for here, or that another one calls."""

    def __init__(self, tools: AskedTools, call: ToolCall, place: Here) -> None:
        self._tools, self._call, self._place = tools, call, place
        if call.pair is not None:
            self.node = Node(call.pair.run, call.pair.span_id, "tool", call)

    def ended(self, result: Any) -> None:
        self._tools.end(self._call, result)
        self._place.close()

    def failed(self, error: BaseException) -> None:
        self._tools.fail(self._call, error)
        self._place.close()


class AskedTools(Part):
    """
    Opens and closes pairs for what models ask.

    Args:
        host: Where to record.
        runs: Says where a tool stands that no model asked for.
        failure_of: Reads in a result that the tool failed: the text, and whether
            that has its ERROR already; None if it did not.
    """

    def __init__(
        self,
        host: Host,
        runs: NestedRuns,
        failure_of: Callable[[Any], tuple[str, bool] | None],
    ) -> None:
        super().__init__(host)
        self._runs = runs
        self._failure_of = failure_of
        self._shared = Tools(host)

    def ask(self, asked: AskedTool, node: Node) -> Observation:
        """Return what observes *asked*, at *node*, until the model is answered."""
        return _Asking(self, asked, node)

    def execute(self, name: str, arguments: Any) -> Observation:
        """Return what observes an execution that begins now."""
        asked = asked_tool_in_force()
        if asked is not None:
            return self._execution(asked, name)
        place = self._runs.here()
        try:
            call = self._shared.begin(
                place.run, name, "", arguments, parent_span_id=place.span_id
            )
        except BaseException:
            place.close()
            raise
        return _Working(self, call, place)

    def _execution(self, asked: AskedTool, name: str) -> Observation:
        call = asked.call
        asked.is_running = True
        call.executions += 1
        if call.pair is None:
            call.name = call.name or name
            self._shared.start(asked.run, call)
        elif asked.has_failed:
            self._note_retry(asked)
        return _Executing(self, asked)

    def _note_retry(self, asked: AskedTool) -> None:
        asked.errors.settle(self._recorder, action="retried")
        asked.has_failed = False
        call = asked.call
        message, call.failure = call.failure, ""
        if call.pair is not None:
            record_retry(
                self._recorder,
                call.pair.run,
                call.pair.span_id,
                None,
                number=call.executions - 1,
                max_attempts=asked.limit,
                strategy="immediate",
                metadata={"layer": "tool"},
                message=message,
            )

    def execution_failed(self, asked: AskedTool, error: BaseException) -> None:
        """Note how an execution failed; whether it is tried again is seen later."""
        pair = asked.call.pair
        asked.has_failed = True
        if pair is None:
            return
        if not isinstance(error, Exception):
            asked.call.was_cancelled = True
            return
        asked.call.failure = self._shared.text_of_failure(asked.call, error)
        # What a model or an agent below failed of is known there.
        if not asked.run.errors.knows(error):
            asked.errors.hold(self._recorder, asked.run, error, pair.span_id)

    def answered(self, asked: AskedTool) -> None:
        """Record what the model is told."""
        if asked.call.pair is None:
            return
        if asked.has_failed:
            asked.errors.settle(self._recorder, action=RETURNED)
            self._shared.end(asked.call, None)
        else:
            self.end(asked.call, asked.result)

    def raised(self, asked: AskedTool, error: BaseException) -> None:
        """Record that what was asked for ends the agent."""
        call = asked.call
        if call.pair is None:
            return
        # One ERROR tells of it: that of what comes out here.
        asked.errors.drop()
        if isinstance(error, Exception):
            span_id = call.pair.span_id
            asked.run.errors.hold(self._recorder, asked.run, error, span_id)
            self._recorder.note_reported(asked.run, error)
        self._shared.fail(call, error)

    def end(self, call: ToolCall, result: Any) -> None:
        """Close a pair with what the tool returned, a failure perhaps."""
        failure = self._failure_of(result)
        if failure is not None:
            text, is_reported = failure
            self._shared.returned_failure(call, text, is_reported=is_reported)
        self._shared.end(call, result)

    def fail(self, call: ToolCall, error: BaseException) -> None:
        """Close a pair with what the tool raised."""
        self._shared.fail(call, error)
