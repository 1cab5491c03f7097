"""
Record tools that really ran: one TOOL pair each, errors inside it.

A declared retrieval is a DATA_ACCESS too, with the documents that its result names.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import (
    captured_now,
    freeze,
    held_bytes_of,
    thawed,
    weight_bytes_of,
)
from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.record import content
from chaukas.sdk.record.errors import recogniser_of
from chaukas.sdk.record.recorder import (
    error_chain,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.system.internal_errors import attempt, report

from .read import JsonText, parsed, read_json
from .tool_results import HttpAnswer, http_answer_of, retrieved_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.record.context import Pair

    from .runs import AgentRun

__all__ = ["RETURNED", "ToolCall", "Tools"]

_FAILED = EventStatus.FAILED.value
_CANCELLED = EventStatus.CANCELLED.value
_MESSAGE = "tool_response.error_message"
_OUTPUT = "tool_response.output.output"
_ARGUMENTS = "tool_call.arguments"
_NO_ANSWER = HttpAnswer()
_HELD_CHARS = 65_536
"""Texts up to this length are held as they are."""
RETURNED = "returned to the model as a result"
"""What was done about an error that the model is told of."""


class ToolCall:
    """One execution of a tool."""

    __slots__ = (
        "arguments",
        "call_id",
        "executions",
        "failure",
        "http",
        "inner_failure",
        "is_retrieval",
        "is_waiting",
        "metadata",
        "name",
        "pair",
        "was_cancelled",
    )

    def __init__(
        self,
        name: str,
        call_id: str = "",
        arguments: Any = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.call_id = call_id
        self.arguments = arguments
        """What it is asked for, uncaptured; a `JsonText` is read by the writer."""
        self.metadata = metadata or {}
        self.pair: Pair | None = None
        """Open once the tool really runs."""
        self.executions = 0
        """How often it ran, where a framework tries it again by itself."""
        self.failure: Any = ""
        """Captured text of the error that was turned into a result."""
        self.http = _NO_ANSWER
        """What a server answered, if it failed of that."""
        self.inner_failure: tuple[Callable[[BaseException], bool], str] | None = None
        """Recognises an error of a call below, and the span of that call."""
        self.is_retrieval = False
        """It is one by its class, so that nobody has to declare it."""
        self.is_waiting = False
        """It waits for a decision: it will be called again."""
        self.was_cancelled = False

    def failed_below(self, error: BaseException, span_id: str) -> None:
        """Note that *error* came out of span *span_id*; the innermost stays."""
        if self.span_of(error, "") == "":
            self.inner_failure = (recogniser_of(error), span_id)

    def span_of(self, error: BaseException, span_id: str) -> str:
        """Return the span that *error* came out of; *span_id* if none is known."""
        if self.inner_failure is None:
            return span_id
        is_known, inner_span_id = self.inner_failure
        known = any(map(is_known, error_chain(error)))
        return inner_span_id if known else span_id


class Tools(Part):
    """Opens and closes the pairs of tools, whatever framework executes them."""

    def begin(
        self,
        run: AgentRun,
        name: str,
        call_id: str = "",
        arguments: Any = None,
        metadata: dict[str, Any] | None = None,
        parent_span_id: str = "",
    ) -> ToolCall:
        """
        Open the pair of a tool that runs now, and return its call.

        Args:
            run: Run of the agent that called it.
            name: Of the tool.
            call_id: By which the model knows the call.
            arguments: Uncaptured.
            metadata: What else is known; names and numbers.
            parent_span_id: Span under which it stands, if not that of the agent.
        """
        call = ToolCall(name, call_id, arguments, metadata)
        self.start(run, call, parent_span_id)
        return call

    def start(self, run: AgentRun, call: ToolCall, parent_span_id: str = "") -> Pair:
        """Open the pair of a *call* that was made before it was sure to run."""
        if run.last_model:
            call.metadata["requested_by"] = run.last_model
        if run.turns:
            call.metadata["turn"] = run.turns
        capture, held = None, call.arguments
        if type(held) is JsonText and len(held.text) <= _HELD_CHARS:
            weight_bytes = len(held.text)
        else:
            held = read_json(held)
            capture = self._recorder.capture(run)
            held = capture.hold(held, _ARGUMENTS)
            weight_bytes = held_bytes_of(held)
        named = (call.name, call.call_id, dict(call.metadata))
        call.pair = pair = self._recorder.pairs.start(
            EventType.TOOL_CALL_START,
            run,
            partial(_started, named, held),
            parent_span_id=parent_span_id or run.agent_span_id,
            closing=partial(_closed, call.name, call.call_id),
            capture=capture,
            weight_bytes=weight_bytes,
        )
        return pair

    def handled(self, call: ToolCall, error: BaseException) -> None:
        """Note that *error* became a result: an ERROR that is recoverable."""
        if not isinstance(error, Exception):
            call.was_cancelled = True
            return
        pair = call.pair
        if pair is None:
            return
        call.failure = self.text_of_failure(call, error)
        self._note_error(call, pair, error, is_recoverable=True)

    def text_of_failure(self, call: ToolCall, error: BaseException) -> Any:
        """Return what *error* says, captured, for a call whose pair is open."""
        if call.pair is None:
            return ""
        # Decided on what it says: what is captured may be made only later.
        words = error_text(error) or type(error).__name__
        return self._recorder.capture(call.pair.run).text(words, _MESSAGE)

    def _note_error(
        self, call: ToolCall, pair: Pair, error: Exception, *, is_recoverable: bool
    ) -> None:
        """Record the ERROR of a call under the innermost span that saw it."""
        call.http = http_answer_of(error)
        self._recorder.error(
            pair.run,
            error,
            call.span_of(error, pair.span_id),
            recoverable=is_recoverable,
            recovery_action=RETURNED if is_recoverable else "",
        )

    def returned_failure(
        self,
        call: ToolCall,
        output: Any,
        code: str = "ToolFailed",
        *,
        is_reported: bool = False,
    ) -> None:
        """
        Record the ERROR of a tool that told its failure as an *output* only.

        Args:
            call: What `begin` returned.
            output: What it said, uncaptured.
            code: Of the error.
            is_reported: A call below has the ERROR.
        """
        pair = call.pair
        if pair is None:
            return
        capture = self._recorder.capture(pair.run)
        call.failure = capture.text(output, _MESSAGE) or "failed"
        if is_reported:
            return
        self._recorder.emit(
            EventType.ERROR,
            pair.run,
            content.error(
                call.failure, code, recoverable=True, recovery_action=RETURNED
            ),
            parent_span_id=pair.span_id,
            capture=capture,
        )

    def end(self, call: ToolCall, result: Any) -> None:
        """Close the pair with what the tool returned."""
        self._close(call, result, None)
        is_declared = call.name in self._host.data_access_tools
        if call.pair is not None and (is_declared or call.is_retrieval):
            attempt("DATA_ACCESS", self._note_data_access, call, call.pair, result)

    def fail(
        self, call: ToolCall, error: BaseException, *, recoverable: bool = False
    ) -> None:
        """
        Close the pair with what the tool raised.

        Args:
            call: What `begin` returned.
            error: No `Exception`: the call was cancelled.
            recoverable: The model is told of it, and the run goes on.
        """
        self._close(call, None, error, is_recoverable=recoverable)

    def cancel(self, call: ToolCall) -> None:
        """Close the pair of a call that was given up."""
        self._close(call, None, GeneratorExit())

    def _close(
        self,
        call: ToolCall,
        result: Any,
        error: BaseException | None,
        *,
        is_recoverable: bool = False,
    ) -> None:
        pair = call.pair
        if pair is None:
            return
        try:
            if isinstance(error, Exception):
                self._note_error(call, pair, error, is_recoverable=is_recoverable)
            self._note_end(call, pair, result, error)
        except Exception as problem:
            attempt("Tools", self._recorder.pairs.end, pair)
            report("Tools", problem)

    def _note_end(
        self, call: ToolCall, pair: Pair, result: Any, error: BaseException | None
    ) -> None:
        is_plain = not call.failure and call.http is _NO_ANSWER
        if error is None and is_plain and not call.was_cancelled:
            held = freeze(result)
            if held is not NotImplemented:
                self._note_returned(call, pair, held)
                return
        recorder = self._recorder
        capture = recorder.capture(pair.run)
        output, message, status = None, call.failure, ""
        if error is None:
            output = {"output": capture.tree(result, _OUTPUT)}
        elif isinstance(error, Exception):
            message = capture.text(error_text(error), _MESSAGE)
            status = _FAILED
        else:
            message, status = "", _CANCELLED
        if not status and (message or call.was_cancelled):
            status = _FAILED if message else _CANCELLED
        metadata = {
            "url": capture.text(call.http.url, "tool_response.metadata.url"),
            **_progress((call.is_waiting, call.executions)),
        }
        recorder.pairs.end(
            pair,
            content.tool_ended(
                call.name,
                call.call_id,
                output=output,
                error_message=message,
                http_status=call.http.status,
                execution_time_ms=recorder.monotonic_ms_since(
                    pair.started_monotonic_ns
                ),
                metadata=without_defaults(metadata),
            ),
            status=status,
            capture=capture,
        )

    def _note_returned(self, call: ToolCall, pair: Pair, held: Any) -> None:
        """Record the END of a call that returned plain data, as nearly all do."""
        recorder = self._recorder
        took_ns = recorder.clock.monotonic_ns() - pair.started_monotonic_ns
        facts = (call.is_waiting, call.executions)
        recorder.pairs.end(
            pair,
            partial(_returned, call.name, call.call_id, held, took_ns, facts),
            weight_bytes=held_bytes_of(held),
        )

    def _note_data_access(self, call: ToolCall, pair: Pair, result: Any) -> None:
        """Record what a declared retrieval was asked for, and what it found."""
        recorder = self._recorder
        capture, facts = recorder.capture(pair.run), recorder.capture_facts()
        results = facts.tree(parsed(result), "data_access.metadata.results")
        given = read_json(call.arguments)
        arguments = capture.tree(given, "data_access.metadata.arguments")
        named = (call.name, call.call_id, call.name in self._host.data_access_tools)
        recorder.emit(
            EventType.DATA_ACCESS,
            pair.run,
            partial(_retrieval, named, arguments, results),
            parent_span_id=pair.span_id,
            capture=capture,
            weight_bytes=weight_bytes_of(results) + weight_bytes_of(arguments),
        )


def _started(
    named: tuple[str, str, dict[str, Any]], held: Any, capture: Capture
) -> dict[str, Any]:
    """Return the content of a START; *held* is what the tool is asked for."""
    arguments = capture.tree(read_json(thawed(held)), _ARGUMENTS)
    if type(arguments) is not dict:
        arguments = {"input": arguments} if arguments not in (None, "") else {}
    name, call_id, metadata = named
    return content.tool_started(name, call_id, arguments, metadata)


def _returned(
    name: str,
    call_id: str,
    held: Any,
    took_ns: int,
    facts: tuple[bool, int],
    capture: Capture,
) -> dict[str, Any]:
    """Return the content of an END; *held* is what the tool returned."""
    return content.tool_ended(
        name,
        call_id,
        output={"output": capture.tree(thawed(held), _OUTPUT)},
        execution_time_ms=ms_between(0, took_ns),
        metadata=without_defaults(_progress(facts)),
    )


def _progress(facts: tuple[bool, int]) -> dict[str, Any]:
    """Return whether a call waits for a decision, and how often it ran, if again."""
    is_waiting, executions = facts
    return {"waiting": is_waiting, "executions": executions if executions > 1 else 0}


def _closed(name: str, call_id: str, _capture: object) -> dict[str, Any]:
    """Return the content of an END of which nothing is known."""
    return content.tool_ended(name, call_id)


def _retrieval(
    named: tuple[str, str, bool], arguments: Any, results: Any, _capture: object
) -> dict[str, Any]:
    """Return the content of a retrieval's DATA_ACCESS."""
    name, call_id, is_declared = named
    found = retrieved_in(captured_now(results))
    metadata = {
        "tool_call_id": call_id,
        "declared": is_declared,
        "arguments": captured_now(arguments),
        "count": found.result_count,
        "scores": found.scores,
    }
    return content.data_access(
        name,
        document_ids=found.document_ids,
        chunk_ids=found.chunk_ids,
        metadata=without_defaults(metadata),
    )
