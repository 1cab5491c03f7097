"""
Record model calls: one MODEL pair for each logical call, all retries inside it.

An integration says what was asked and what was answered; what the events hold, what
counts into which total, and how a call ends when it fails, is decided here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import held_bytes_of
from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.record import content
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.recorder import error_code_of, error_text
from chaukas.sdk.record.retries import fields_of, status_of
from chaukas.sdk.system.internal_errors import attempt, report

from .model_content import (
    Answered,
    Asked,
    cancelled,
    ended,
    started,
    tokens_per_second,
)
from .model_facts import Answer, Failure, Request, Schema
from .runs import AgentRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import Pair, Run
    from chaukas.sdk.record.recorder import Recorder

    from .deltas import DeltaBuffer
    from .nested.pending_errors import PendingErrors

__all__ = [
    "CONTENT_FILTER",
    "Answer",
    "Failure",
    "ModelCall",
    "ModelCalls",
    "Request",
    "Schema",
    "record_retry",
    "tokens_per_second",
]

CONTENT_FILTER = "content_filter"
"""Reason for which an answer is withheld, and id of the policy that did it."""

_COMPLETED = EventStatus.COMPLETED.value
_FAILED = EventStatus.FAILED.value
_CANCELLED = EventStatus.CANCELLED.value
_FILTER_CODES = frozenset({CONTENT_FILTER, "content_policy_violation"})


class ModelCall:
    """One logical model call with all its retries."""

    __slots__ = (
        "asked",
        "attempts",
        "chunk_count",
        "chunk_kinds",
        "deltas",
        "error",
        "first_chunk_ns",
        "is_filtered",
        "max_retries",
        "pair",
        "run",
        "started_ns",
    )

    def __init__(self, run: Run, max_retries: int = 0) -> None:
        self.run = run
        self.max_retries = max_retries
        """What the framework may retry; 0 if it does not."""
        self.pair: Pair | None = None
        """Open once it is known what is asked."""
        self.asked: Asked | None = None
        """What it asks for, once that is known."""
        self.attempts = 0
        self.started_ns = 0
        self.chunk_count = 0
        self.chunk_kinds: dict[str, int] = {}
        """Chunks of the stream by kind, such as `text` and `arguments`."""
        self.first_chunk_ns = 0
        self.error: BaseException | None = None
        """How its stream broke; it may still be retried."""
        self.is_filtered = False
        """A content filter ended it, which is on record."""
        self.deltas: DeltaBuffer | None = None
        """Records the stream while it goes on, if that is wanted."""

    @property
    def is_open(self) -> bool:
        """Whether its START is recorded and its END is not."""
        return self.pair is not None and self.pair.is_open

    @property
    def span_id(self) -> str:
        """Span under which what happens in the call stands."""
        return self.run.agent_span_id if self.pair is None else self.pair.span_id

    @property
    def node(self) -> Node:
        """The node to put in force while the model works."""
        return Node(self.run, self.span_id, "model", self)


class ModelCalls(Part):
    """
    Begins and ends MODEL pairs.

    Nothing but `begin` and `open` raises: what fails there leaves the call alone.

    Args:
        host: Where to record.
    """

    def begin(
        self, run: Run, request: Request, *, parent_span_id: str = ""
    ) -> ModelCall:
        """
        Record the START of a call.

        Args:
            run: Run that it belongs to, of any kind.
            request: What is asked.
            parent_span_id: Span under which it stands, if not that of the agent in
                force.
        """
        call = ModelCall(run)
        self.open(call, request, parent_span_id=parent_span_id)
        return call

    def open(
        self, call: ModelCall, request: Request, *, parent_span_id: str = ""
    ) -> None:
        """Record the START of a call that was made before it was known what it asks."""
        run, recorder = call.run, self._recorder
        call.attempts = max(call.attempts, 1)
        if not run.sampled:
            # Nothing is recorded of it, so nothing is read, counted or compared.
            return
        capture = recorder.capture(run)
        call.asked = asked = Asked(request, self._metadata(run, request), capture)
        call.started_ns = recorder.clock.monotonic_ns()
        call.pair = recorder.pairs.start(
            EventType.MODEL_INVOCATION_START,
            run,
            partial(started, recorder, run, asked),
            parent_span_id=parent_span_id or run.agent_span_id,
            closing=asked.closing,
            capture=capture,
            weight_bytes=asked.weight_bytes,
        )

    @staticmethod
    def _metadata(run: Run, request: Request) -> dict[str, Any]:
        """Count the call as a turn of its agent, and return what it has of that."""
        metadata: dict[str, Any] = {}
        if isinstance(run, AgentRun) and request.is_turn:
            run.turns += 1
            run.last_model = request.model
            metadata["turn"] = run.turns
        if request.api:
            metadata["api"] = request.api
        metadata.update(request.metadata)
        return metadata

    # -- streams ------------------------------------------------------------------

    def chunk(self, call: ModelCall, kind: str = "", *, is_token: bool = True) -> None:
        """
        Count one chunk of a stream: nothing else is done for it.

        Args:
            call: The call that is streamed.
            kind: `text`, `arguments`, `other`, or nothing if that is not known.
            is_token: It is, or holds, something of the answer.
        """
        call.chunk_count += 1
        if kind:
            call.chunk_kinds[kind] = call.chunk_kinds.get(kind, 0) + 1
        if is_token and call.first_chunk_ns == 0:
            call.first_chunk_ns = self._recorder.clock.monotonic_ns()

    # -- END ----------------------------------------------------------------------

    def end(
        self,
        call: ModelCall,
        answer: Answer | Callable[[], Answer],
        *,
        status: str = _COMPLETED,
        failure: Failure | None = None,
        weight_bytes: int = 0,
    ) -> None:
        """
        Record the END of a call that was answered; only the first end counts.

        Args:
            call: What `begin` returned.
            answer: What came back; or what reads it on the writer's thread, from what
                cannot change any more. Then it is neither refused nor filtered.
            status: Wire name of another status than that of success.
            failure: The provider answered that it failed: the call has an ERROR.
            weight_bytes: What such a function keeps in memory, in bytes.
        """
        _leave(call)
        pair = call.pair
        if pair is None or not pair.is_open:
            return
        try:
            error: dict[str, Any] = {}
            if callable(answer):
                self._record_end(call, pair, answer, status, error, weight_bytes)
                return
            if failure is not None:
                status = _FAILED
                if answer.finish_reason == CONTENT_FILTER:
                    self.note_filter(call)
                error["error"] = self._record_failure(call, failure)
            self._record_end(call, pair, answer, status, error)
            if status == _COMPLETED:
                self._note_withheld(call, pair, answer)
        except Exception as problem:
            self.end_bare(call, status)
            report("model call", problem)

    def fail(
        self,
        call: ModelCall,
        error: BaseException,
        answer: Answer | None = None,
        *,
        pending: PendingErrors | None = None,
        mended_by: str = "",
    ) -> None:
        """
        Record the END of a call that raised, and its ERROR.

        Args:
            call: What `begin` returned.
            error: An `Exception`; anything else means that it was cancelled.
            answer: What is known of an answer nevertheless.
            pending: Keeps the ERROR until it is known whether something handled it.
            mended_by: What answered in place of the model, so that the run goes on.
        """
        if not isinstance(error, Exception):
            self.cancel(call, answer)
            return
        _leave(call)
        pair = call.pair
        if pair is None:
            return
        recorder, run = self._recorder, call.run
        self._finish_deltas(call)
        try:
            words = error_text(error)
            shown = recorder.capture(run).text(words, "llm_invocation.response.error")
            code = fields_of(error).get("code")
            # An object of another type may have a hash and an equality of its own.
            is_filter = type(code) is str and code in _FILTER_CODES
            if is_filter or CONTENT_FILTER in words:
                self.note_filter(call)
            if pending is None:
                recorder.error(
                    run,
                    error,
                    pair.span_id,
                    recoverable=bool(mended_by),
                    recovery_action=mended_by,
                )
            else:
                pending.hold(recorder, run, error, pair.span_id)
            if pair.is_open:
                facts = {"error": shown, "error_code": error_code_of(error)}
                self._record_end(call, pair, answer or Answer(), _FAILED, facts)
        except Exception as problem:
            self.end_bare(call, _FAILED)
            report("model call", problem)

    def cancel(self, call: ModelCall, answer: Answer | None = None) -> None:
        """Record the END of a call that nobody waits for any more."""
        _leave(call)
        pair = call.pair
        if pair is None or not pair.is_open:
            return
        self._finish_deltas(call)
        try:
            capture = self._recorder.capture(call.run)
            known = Answer(metadata={} if answer is None else answer.metadata)
            answered = self._answered(call, known, capture)
            if answered is not None:
                body = partial(cancelled, answered, known)
                self._recorder.pairs.end(pair, body, status=_CANCELLED)
        except Exception as problem:
            self.end_bare(call, _CANCELLED)
            report("model call", problem)

    def end_bare(self, call: ModelCall, status: str = _COMPLETED) -> None:
        """End the pair with what is known, after something of ours failed."""
        _leave(call)
        if call.pair is not None:
            attempt("model call", self._recorder.pairs.end, call.pair, status=status)

    def _record_end(
        self,
        call: ModelCall,
        pair: Pair,
        answer: Answer | Callable[[], Answer],
        status: str,
        error: dict[str, Any],
        weight_bytes: int = 0,
    ) -> None:
        run = call.run
        capture = None if callable(answer) else self._recorder.capture(run)
        answered = self._answered(call, answer, capture)
        if answered is None:
            return
        answered = answered._replace(error=error, is_failed=status == _FAILED)
        self._finish_deltas(call)
        self._recorder.pairs.end(
            pair,
            partial(ended, self._recorder, self._host.sessions, run, answered),
            status=status,
            capture=capture,
            weight_bytes=weight_bytes or held_bytes_of(answered.response),
        )

    def _answered(
        self,
        call: ModelCall,
        answer: Answer | Callable[[], Answer],
        capture: DeferredCapture | None,
    ) -> Answered | None:
        """Return how *call* ends, with its contents held as they are now."""
        if call.asked is None:
            return None
        run, response = call.run, None
        if not callable(answer) and capture is not None:
            response = capture.hold(answer.response(), "llm_invocation.response")
            answer = answer.without_contents()
        return Answered(
            asked=call.asked,
            answer=answer,
            response=response,
            error={},
            is_failed=False,
            started_ns=call.started_ns,
            ended_ns=self._recorder.clock.monotonic_ns(),
            first_chunk_ns=call.first_chunk_ns,
            chunk_count=call.chunk_count,
            chunk_kinds=dict(call.chunk_kinds),
            attempts=call.attempts,
            agent_totals=run.agent_totals if isinstance(run, AgentRun) else None,
        )

    @staticmethod
    def _finish_deltas(call: ModelCall) -> None:
        if call.deltas is not None:
            attempt("stream_events", call.deltas.finish)

    # -- what stands below or beside the pair -----------------------------------------

    def _record_failure(self, call: ModelCall, failure: Failure) -> Any:
        """Record the ERROR of a failure, and return its deferred text."""
        recorder, run = self._recorder, call.run
        capture = recorder.capture(run)
        text = capture.text(failure.message, "error.error_message")
        error: dict[str, Any] = {"error_message": text, "error_code": failure.code}
        if failure.is_recoverable:
            error["recoverable"] = True
            error["recovery_action"] = failure.recovery_action
        recorder.emit(
            EventType.ERROR,
            run,
            {"error": error},
            parent_span_id=call.span_id,
            capture=capture,
        )
        return text

    def _note_withheld(self, call: ModelCall, pair: Pair, answer: Answer) -> None:
        """Record that an answer was refused by its model, or filtered."""
        if answer.finish_reason == CONTENT_FILTER:
            self.note_filter(call)
        elif answer.refusal:
            run = call.run
            capture = self._recorder.capture(run)
            rationale = capture.text(answer.refusal, "policy.rationale")
            policy = {"policy_id": "model_refusal", "rationale": rationale}
            self._deny(run, pair.parent_span_id, policy, capture=capture)

    def note_filter(self, call: ModelCall) -> None:
        """Record once that a content filter ended the call."""
        if not call.is_filtered:
            call.is_filtered = True
            self._deny(call.run, call.span_id, {"policy_id": CONTENT_FILTER})

    def _deny(
        self, run: Run, span_id: str, policy: dict[str, str], **options: Any
    ) -> None:
        self._recorder.emit(
            EventType.POLICY_DECISION,
            run,
            {"policy": {**policy, "outcome": "deny"}},
            parent_span_id=span_id,
            severity="SEVERITY_WARN",
            **options,
        )

    def retry(
        self,
        call: ModelCall,
        error: BaseException | None,
        *,
        number: int = 0,
        **facts: Any,
    ) -> None:
        """
        Record that a call is repeated.

        Args:
            call: What `begin` returned.
            error: What its last attempt failed of.
            number: Of that attempt, from 1; left out, `attempts` is counted by those
                who call this.
            **facts: As for `record_retry`.
        """
        if number:
            call.attempts = max(call.attempts, number + 1)
        attempt(
            "model retry",
            record_retry,
            self._recorder,
            call.run,
            call.span_id,
            error,
            number=number or max(call.attempts, 1),
            **facts,
        )


# Named at the call, each is a member of the event.
def record_retry(
    recorder: Recorder,
    run: Run,
    parent_span_id: str,
    error: BaseException | None,
    *,
    number: int,
    max_attempts: int = 0,
    slept_ms: float = 0,
    strategy: str = "",
    metadata: dict[str, Any] | None = None,
    message: str | None = None,
) -> None:
    """
    Record a RETRY.

    Args:
        recorder: Where to record.
        run: Run that it belongs to.
        parent_span_id: The call that is repeated.
        error: What the attempt failed of; read now, not kept.
        number: The attempt that failed, from 1.
        max_attempts: How often it may be repeated; 0 if nobody says it.
        slept_ms: How long it waited before it tried again.
        strategy: How the wait is chosen, such as `exponential`.
        metadata: Further facts; names and numbers.
        message: Text to record instead of the error's own.
    """
    capture = recorder.capture(run)
    facts = dict(metadata or {})
    text = "" if message is None else message
    if error is not None and message is None:
        text = capture.text(error_text(error), "retry.error_message")
        facts.setdefault("error_code", error_code_of(error))
        facts["status"] = status_of(error) or facts.get("status", 0)
    body = content.retry(
        attempt=number,
        max_attempts=max_attempts,
        strategy=strategy,
        backoff_ms=round(slept_ms),
        error_message=text,
        metadata=facts,
    )
    recorder.emit(
        EventType.RETRY, run, body, parent_span_id=parent_span_id, capture=capture
    )


def _leave(call: ModelCall) -> None:
    """Let the run of *call* forget that it is open."""
    run = call.run
    if isinstance(run, AgentRun) and run.invocation is call:
        run.invocation = None
