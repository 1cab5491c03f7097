"""
Record tools that the provider runs itself, which no code of the SDK sees at work.

Their pairs are made when the model call ends, under its span. A stream tells when each
began and ended, and those times are the times of its events.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.capture.held import members_of
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.shared.read import read
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.internal_errors import attempt, report

from .hosted_items import HOSTED_KINDS, HostedCall, findings_of

if TYPE_CHECKING:
    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun, Invocation
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.system.clock import Clock

    from .hosted_items import Access

__all__ = ["HOSTED_STEPS", "note_hosted", "watch_hosted"]

_ADDED = "response.output_item.added"
_DONE = "response.output_item.done"
_SEARCH = ("in_progress", "searching", "completed")
_STEPS = {
    "web_search_call": _SEARCH,
    "file_search_call": _SEARCH,
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed", "failed"),
    "mcp_list_tools": ("in_progress", "completed", "failed"),
}
HOSTED_STEPS = frozenset({_ADDED, _DONE}) | {
    f"response.{kind}.{step}" for kind, steps in _STEPS.items() for step in steps
}
"""Types of stream events that `watch_hosted` wants to see."""

_LAST_STEPS = ("done", "completed", "failed")


class _Moment(NamedTuple):
    """A time on both clocks, read where it was: one does not follow from the other."""

    wall_ns: int
    monotonic_ns: int


class _Seen:
    """What a stream told of one item."""

    __slots__ = ("ended", "is_done", "item", "started")

    def __init__(self, started: _Moment) -> None:
        """Note when it was first heard of."""
        self.started = started
        self.ended: _Moment | None = None
        self.is_done = False
        self.item: Any = None


def watch_hosted(invocation: Invocation, kind: str, event: Any, clock: Clock) -> None:
    """
    Remember when a hosted tool began and ended.

    Args:
        invocation: The model call that is streamed.
        kind: Type of the event, one of `HOSTED_STEPS`.
        event: An event of its stream.
        clock: Source of both times.
    """
    item = None
    if kind in (_ADDED, _DONE):
        item = read(event, "item")
        item_type = read(item, "type")
        if type(item_type) is not str or item_type not in HOSTED_KINDS:
            return
    item_id = read(event, "item_id") if item is None else read(item, "id")
    if type(item_id) is not str:
        return
    if invocation.hosted is None:
        invocation.hosted = {}
    seen = invocation.hosted.get(item_id)
    if seen is None:
        seen = invocation.hosted[item_id] = _Seen(_now(clock))
    if item is not None:
        seen.item = item
        seen.is_done = kind == _DONE
    if seen.ended is None and kind.endswith(_LAST_STEPS):
        seen.ended = _now(clock)


def _now(clock: Clock) -> _Moment:
    return _Moment(clock.time_ns(), clock.monotonic_ns())


def note_hosted(recorder: Recorder, invocation: Invocation, output: Any) -> None:
    """
    Record every hosted tool of a model call that is about to end.

    Args:
        recorder: Where to record.
        invocation: The call; its pair is still open.
        output: Items of its response; what a stream showed before it broke counts
            too.
    """
    if invocation.pair is None or not invocation.run.sampled:
        return
    try:
        seen = invocation.hosted or {}
        findings = findings_of(_items_of(output, seen))
    except Exception as error:
        report("hosted tools", error)
        return
    notes = _Notes(recorder, invocation, seen)
    for call in findings.calls:
        attempt("hosted tools", notes.call, call)
    for access in findings.loose:
        attempt("hosted tools", notes.access, access, notes.span_id, "")
    if invocation.is_alone:
        # Elsewhere the runner asks, and its decision is recorded.
        for request in findings.requests:
            attempt("hosted tools", notes.review, request)


def _items_of(output: Any, seen: dict[str, _Seen]) -> list[Any]:
    items = output if type(output) is list else []
    told = {read(item, "id") for item in items}
    rest = [
        one.item
        for item_id, one in seen.items()
        if one.item is not None and item_id not in told
    ]
    return [*items, *rest]


_monotonic_ns_of = attrgetter("monotonic_ns")


class _Notes:
    """Makes the events of one model call."""

    def __init__(
        self, recorder: Recorder, invocation: Invocation, seen: dict[str, _Seen]
    ) -> None:
        self._recorder = recorder
        self._run: AgentsRun = invocation.run
        self._seen = seen
        self.span_id = invocation.pair.span_id if invocation.pair else ""

    def call(self, call: HostedCall) -> None:
        """Record one call as a pair."""
        known = [self._seen[one] for one in call.item_ids if one in self._seen]
        started = known[0].started if known else None
        # In the order in which they were read.
        ends = [one.ended for one in known if one.ended is not None]
        ended = max(ends, key=_monotonic_ns_of, default=None)
        if any(not (one.is_done or one.ended) for one in known):
            call = call._replace(outcome="CANCELLED")
        facts = self._recorder.capture_facts().tree(dict(call.facts), "metadata")
        metadata: dict[str, Any] = {"hosted": True, **members_of(facts)}
        if self._run.last_model:
            metadata["requested_by"] = self._run.last_model
        spent_ms: float = 0
        if started is not None and ended is not None:
            spent_ms = ms_between(started.monotonic_ns, ended.monotonic_ns)
        start_ns = 0 if started is None else started.wall_ns
        end_ns = 0 if ended is None else ended.wall_ns
        record = self._mcp if call.family == "mcp" else self._tool
        record(call, metadata, start_ns, end_ns, spent_ms)

    def _tool(
        self,
        call: HostedCall,
        metadata: dict[str, Any],
        start_ns: int,
        end_ns: int,
        spent_ms: float,
    ) -> None:
        recorder, run = self._recorder, self._run
        capture = recorder.capture(run)
        request = capture.tree(call.request, "tool_call.arguments")
        pair = recorder.pairs.start(
            EventType.TOOL_CALL_START,
            run,
            {
                "tool_call": without_defaults(
                    {
                        "tool_id": call.call_id,
                        "tool_name": call.name,
                        "arguments": request,
                        "metadata": {"tool_type": "hosted", **metadata},
                    }
                )
            },
            parent_span_id=self.span_id,
            capture=capture,
            at_ns=start_ns,
        )
        if call.access is not None:
            self.access(call.access, pair.span_id, call.call_id, end_ns)
        capture = recorder.capture(run)
        message = self._failure(capture, call, "tool_response")
        self._error(call, pair.span_id, end_ns)
        content = {
            "tool_call_id": call.call_id,
            "tool_name": call.name,
            "output": capture.tree(call.answer, "tool_response.output"),
            "error_message": message,
            "execution_time_ms": spent_ms,
            "metadata": {"hosted": True},
        }
        recorder.pairs.end(
            pair,
            {"tool_response": without_defaults(content)},
            status=f"EVENT_STATUS_{call.outcome}",
            capture=capture,
            at_ns=end_ns,
        )

    def _mcp(
        self,
        call: HostedCall,
        metadata: dict[str, Any],
        start_ns: int,
        end_ns: int,
        spent_ms: float,
    ) -> None:
        recorder, run = self._recorder, self._run
        if call.call_id:
            metadata["tool_call_id"] = call.call_id
        capture, facts = recorder.capture(run), recorder.capture_facts()
        request = capture.tree(call.request, "mcp_call.request")
        if type(call.request) is dict and "name" in call.request:
            name = facts.text(call.request["name"], "mcp_call.request.name")
            request = {**members_of(request), "name": name}
        content = {
            "server_name": facts.text(call.server, "mcp_call.server_name"),
            "operation": call.name,
            "method": call.name,
            "request": request,
            "metadata": metadata,
        }
        pair = recorder.pairs.start(
            EventType.MCP_CALL_START,
            run,
            {"mcp_call": without_defaults(content)},
            parent_span_id=self.span_id,
            capture=capture,
            at_ns=start_ns,
        )
        capture = recorder.capture(run)
        shown = facts if call.name == "tools/list" else capture
        message = self._failure(capture, call, "mcp_call")
        self._error(call, pair.span_id, end_ns)
        content |= {
            "response": shown.tree(call.answer, "mcp_call.response"),
            "is_error": call.outcome == "FAILED",
            "error_message": message,
            "execution_time_ms": spent_ms,
        }
        recorder.pairs.end(
            pair,
            {"mcp_call": without_defaults(content)},
            status=f"EVENT_STATUS_{call.outcome}",
            capture=capture,
            at_ns=end_ns,
        )

    @staticmethod
    def _failure(capture: DeferredCapture, call: HostedCall, member: str) -> Any:
        """Return why a call failed, empty if it did not."""
        if call.outcome != "FAILED":
            return ""
        told = read(call.error, "message")
        error = call.error if told is None else told
        text = "" if error is None else capture.text(error, f"{member}.error_message")
        return text or "failed"

    def _error(self, call: HostedCall, span_id: str, at_ns: int) -> None:
        if call.outcome != "FAILED":
            return
        capture = self._recorder.capture(self._run)
        self._recorder.emit(
            EventType.ERROR,
            self._run,
            {
                "error": {
                    "error_message": self._failure(capture, call, "error"),
                    "error_code": call.error_code or "HostedToolFailed",
                    "recoverable": True,
                    "recovery_action": "returned to the model as a result",
                }
            },
            parent_span_id=span_id,
            capture=capture,
            at_ns=at_ns,
        )

    def access(
        self, access: Access, parent_span_id: str, call_id: str, at_ns: int = 0
    ) -> None:
        """Record what was looked up, and what of it the answer cites."""
        recorder = self._recorder
        capture, facts = recorder.capture(self._run), recorder.capture_facts()
        told = capture.tree(access.facts, "data_access.metadata")
        metadata: dict[str, Any] = {"hosted": True}
        if call_id:
            metadata["tool_call_id"] = call_id
        metadata |= members_of(told)
        documents = [
            facts.text(one, f"data_access.document_ids[{n}]")
            for n, one in enumerate(access.document_ids)
        ]
        recorder.emit(
            EventType.DATA_ACCESS,
            self._run,
            {
                "data_access": without_defaults(
                    {
                        "datasource": access.datasource,
                        "document_ids": documents,
                        "metadata": metadata,
                    }
                )
            },
            parent_span_id=parent_span_id,
            capture=capture,
            at_ns=at_ns,
        )

    def review(self, request: Any) -> None:
        """Record that a call of a hosted MCP tool waits for an approval."""
        facts = self._recorder.capture_facts()
        policy = {
            "policy_id": "tool_approval",
            "outcome": "review",
            "rule_ids": [facts.text(read(request, "name"), "policy.rule_ids[0]")],
            "metadata": facts.tree(
                {
                    "tool_call_id": read(request, "id"),
                    "mcp_server": read(request, "server_label"),
                },
                "policy.metadata",
            ),
        }
        self._recorder.emit(
            EventType.POLICY_DECISION,
            self._run,
            {"policy": policy},
            parent_span_id=self.span_id,
        )
