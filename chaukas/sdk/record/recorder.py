"""
Note events on the host's thread, and make them on the writer's.

`emit` reads the clock and decides the place; the frame around the content, bounds,
redaction and encoding come in `make`, in a batch, where the same code costs far less.
"""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.capture.facts import Facts, fill, note_hidden
from chaukas.sdk.capture.limits import DEPTH_CEILING, Limits
from chaukas.sdk.capture.snapshot import Capture, Rules, shrink
from chaukas.sdk.events import TRAITS, EventType
from chaukas.sdk.system.clock import timestamp_of
from chaukas.sdk.system.ids import is_sampled
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import class_name_of

from . import content as contents
from .content import without_defaults
from .context import SUPPRESSED, agent_in_force
from .errors import error_chain, error_code_of, error_text
from .event_log import log_event
from .history import History
from .note import Note, resolved
from .pairs import EventPairManager
from .retries import RetryDetector, Verdict, is_retryable

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.held import Taker
    from chaukas.sdk.config import Config
    from chaukas.sdk.system.clock import Clock
    from chaukas.sdk.system.ids import Ids
    from chaukas.sdk.typing import Content, Event, Json

    from .context import AgentRef, Run

__all__ = [
    "EventPairManager",
    "EventQueue",
    "Recorder",
    "RetryDetector",
    "Verdict",
    "error_chain",
    "error_code_of",
    "error_text",
    "is_retryable",
    "ms_between",
    "without_defaults",
]

_process_id = os.getpid
_SORTED = orjson.OPT_SORT_KEYS
_FRAMES = 32
_FRAME_BYTES = 16_384
"""More than an event has besides its largest member."""
_IDS = (
    "agent_id",
    "agent_name",
    "project_id",
    "session_id",
    "tenant_id",
    "trace_id",
)


# Nothing to hide: all content of an event was captured before.
_ODD_RULES = Rules(limits=Limits(depth=DEPTH_CEILING))


def ms_between(start_ns: int, end_ns: int) -> float:
    """Return milliseconds to the microsecond, as an int where they are whole."""
    micros = (end_ns - start_ns) // 1000
    return micros // 1000 if micros % 1000 == 0 else micros / 1000


def _part_of(kind: EventType, config: Config, facts: Facts) -> Event:
    """Return the members that are the same in all events of *kind*."""
    traits = TRAITS[kind]
    part: Event = {
        "author": traits.author,
        "severity": traits.severity,
        "status": traits.status,
        "type": traits.wire,
    }
    if config.branch:
        part["branch"] = facts.text(config.branch, "branch", [])
    if config.tags:
        part["tags"] = [facts.text(tag, "tags", []) for tag in config.tags]
    return part


class EventQueue(Protocol):
    """What the recorder needs of a pipeline."""

    stream: str
    """Name of this chain of events."""

    def put(self, event: Note, *, vital: bool = False) -> None:
        """Take an event that is still to be made."""
        ...

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether there is room for what can wait."""
        ...

    def drop(self, reason: str) -> None:
        """Count one that is lost."""
        ...


class Recorder:
    """
    Turns what integrations saw into encoded events on the pipeline's queue.

    Every method is safe to call from any thread, task or signal handler, and
    raises nothing: an event that cannot be made is counted as `capture_error`.

    Args:
        pipeline: Where encoded events go.
        config: Settings in force.
        rules: Bounds and redaction of captured values.
        hidden_rules: The same with all content hidden, for runs that ask for it.
        shown_rules: The same with all content shown, for what is no content.
        fact_rules: Bounds and redaction of names and ids, which are never hidden
            wholly.
        clock: Source of time.
        ids: Source of ids.
        version: Version of chaukas, for `metadata.chaukas.sdk`.
        renewed: Returns the recorder of a process that was forked from C, where
            no hook of Python ran.
    """

    def __init__(
        self,
        pipeline: EventQueue,
        *,
        config: Config,
        rules: Rules,
        hidden_rules: Rules,
        shown_rules: Rules,
        fact_rules: Rules,
        clock: Clock,
        ids: Ids,
        version: str,
        renewed: Callable[[], Recorder] | None = None,
    ) -> None:
        self._pid = _process_id()
        self._renewed = renewed
        self.config = config
        self.clock = clock
        self.ids = ids
        self.pairs = EventPairManager(self)
        self.history = History(ids.secret())
        self.retries = RetryDetector(config.retry)
        self.pipeline = pipeline
        self._rules = rules
        self._hidden_rules = hidden_rules
        self._fact_rules = fact_rules
        self._facts = Facts(shown_rules)
        self._version = version
        self._event_limit_bytes = rules.limits.event_bytes
        self._parts = {kind: _part_of(kind, config, self._facts) for kind in EventType}

    def new_id(self) -> str:
        """Return a new UUIDv7, for sessions that were given no id."""
        return self.ids.event_id(self.clock.time_ns())

    def capture(self, run: Run) -> DeferredCapture:
        """Return what takes the values of one event, under the rules of *run*."""
        return DeferredCapture(self._hidden_rules if run.hide_content else self._rules)

    def capture_facts(self) -> DeferredCapture:
        """Return what takes names and ids, shown whatever is hidden."""
        return DeferredCapture(self._fact_rules)

    def is_sampled(self, trace_id: str) -> bool:
        """Tell whether the trace *trace_id* is recorded."""
        return is_sampled(trace_id, self.config.sample_rate)

    def count_failed(self) -> None:
        """Count an event that could not be captured, before it was one."""
        self.pipeline.drop("capture_error")

    def refuse(self) -> None:
        """Count an event that comes after the end."""
        self.pipeline.drop("after_close")

    def emit(
        self,
        kind: EventType,
        run: Run,
        content: Content,
        *,
        parent_span_id: str = "",
        span_id: str = "",
        agent: AgentRef | None = None,
        capture: DeferredCapture | None = None,
        metadata: Content | None = None,
        status: str = "",
        severity: str = "",
        at_ns: int = 0,
        duration_ns: int = 0,
        weight_bytes: int = 0,
        is_captured: bool = False,
        problems: list[Exception] | None = None,
    ) -> None:
        """
        Record one event of *run*; what the arguments mean is said at `Note`.

        With *problems*, for callers that hold a lock, what goes wrong is put in there
        and nothing is logged.
        """
        if not run.sampled or SUPPRESSED.get():
            return
        try:
            if _process_id() != self._pid:
                self._follow_fork()
            pipeline = self.pipeline
            note = Note(self, kind, run, content, metadata, weight_bytes)
            note.stream = pipeline.stream
            note.now_ns = self.clock.time_ns()
            note.at_ns = at_ns
            note.duration_ns = duration_ns
            note.agent = agent or agent_in_force(run)
            note.span_id = span_id or self.ids.span_id()
            note.parent_span_id = parent_span_id
            note.status = status
            note.severity = severity
            note.capture = capture
            note.is_captured = is_captured
        except Exception as error:
            self._note_failed(error, problems)
            return
        pipeline.put(note, vital=TRAITS[kind].vital)

    def _note_failed(self, error: Exception, problems: list[Exception] | None) -> None:
        self.pipeline.drop("capture_error")
        if problems is None:
            report("Recorder.emit", error)
        else:
            problems.append(error)

    def make(self, note: Note, seq: int) -> bytes | None:
        """
        Return the encoded event of *note*; on the writer's thread.

        Args:
            note: What the host's thread noted.
            seq: Number of the event in its stream.

        Returns:
            None if there is nothing to record after all.

        Raises:
            Exception: It cannot be made.
        """
        event, hidden = self._frame(note, seq)
        captures: list[Taker] = [] if note.capture is None else [note.capture]
        content: Any = note.content
        metadata: Any = note.metadata
        if note.has_deferred:
            content = resolved(content, captures)
            metadata = resolved(metadata, captures)
        if callable(content) or callable(metadata):
            if not captures:
                captures.append(self.capture(note.run))
            made = captures[0].made
            content = content(made) if callable(content) else content
            metadata = metadata(made) if callable(metadata) else metadata
        if content is None:
            return None
        if note.duration_ns:
            duration_ms = ms_between(0, note.duration_ns)
            content = {**content, "performance": {"duration_ms": duration_ms}}
        facts = None if note.is_captured else self._facts
        fill(event, content, metadata, facts, hidden)
        note_hidden(event, captures, hidden)
        encoded = self._encoded(event)
        log_event(event)
        return encoded

    def _encoded(self, event: Event) -> bytes:
        """Encode *event* once, or twice if it is odd or too large."""
        try:
            encoded = orjson.dumps(event, option=_SORTED)
        except TypeError:
            # A name or an id that is no JSON: a lone surrogate. What comes back is a
            # dict again, which the type of a tree cannot say.
            event = Capture(_ODD_RULES).tree(event, "")  # type: ignore[assignment]
            encoded = orjson.dumps(event, option=_SORTED)
        if len(encoded) <= self._event_limit_bytes:
            return encoded
        return orjson.dumps(shrink(event, self._event_limit_bytes), option=_SORTED)

    def is_too_large(self, tree: Json) -> bool:
        """Tell whether an event that holds *tree* may be cut to its limit of bytes."""
        try:
            size_bytes = len(orjson.dumps(tree))
        except TypeError:
            return True
        return size_bytes + _FRAME_BYTES > self._event_limit_bytes

    def _follow_fork(self) -> None:
        """Go on with what the new process has; the parent keeps its own."""
        if self._renewed is not None:
            successor = self._renewed()
            self.ids = successor.ids
            self.pairs = successor.pairs
            self.history = successor.history
            self.pipeline = successor.pipeline
        # Last, so that what failed is tried again.
        self._pid = _process_id()

    def report_note(self, run: Run, metadata: dict[str, Any]) -> Note:
        """Return the note of a SYSTEM event without queueing it, for the pipeline."""
        note = Note(self, EventType.SYSTEM, run, {}, metadata, 0)
        note.stream = self.pipeline.stream
        note.now_ns = self.clock.time_ns()
        note.at_ns = note.duration_ns = 0
        note.agent = note.capture = None
        note.span_id = self.ids.span_id()
        note.parent_span_id = note.status = note.severity = ""
        note.is_captured = True
        return note

    def _frame(self, note: Note, seq: int) -> tuple[Event, list[str]]:
        """Return what every event has, and the paths of ids that were hidden."""
        hidden: list[str] = []
        run = note.run
        session = run.session
        own: dict[str, Any] = {
            "chaukas": {"sdk": self._version, "seq": seq, "stream": note.stream}
        }
        if note.framework:
            own["framework"] = note.framework
        if note.run_id:
            own["run_id"] = note.run_id
        # Copying a ready part costs less than naming its members again.
        event: Event = {
            **self._parts[note.kind],
            "event_id": self.ids.event_id(note.now_ns),
            "metadata": own,
            "project_id": session.project_id,
            "span_id": note.span_id,
            "tenant_id": session.tenant_id,
            "timestamp": timestamp_of(note.at_ns or note.now_ns),
            "trace_id": run.trace_id,
        }
        if note.status:
            event["status"] = note.status
        if note.severity:
            event["severity"] = note.severity
        if note.parent_span_id:
            event["parent_span_id"] = note.parent_span_id
        if session.session_id:
            event["session_id"] = session.session_id
        if note.agent is not None:
            event["agent_id"], event["agent_name"] = note.agent
        if run.user_id:
            own["user_id"] = run.user_id
            self._hide_ids(own, ("user_id",), "metadata.", hidden)
        self._hide_ids(event, _IDS, "", hidden)
        return event, hidden

    def _hide_ids(
        self, part: Event, names: tuple[str, ...], path: str, hidden: list[str]
    ) -> None:
        """Bound and redact ids of the application; nearly all are known."""
        known = self._facts.known
        for name in names:
            value = part.get(name)
            if value is not None and value not in known:
                part[name] = self._facts.identity(value, f"{path}{name}", hidden)

    def error(
        self,
        run: Run,
        error: BaseException,
        parent_span_id: str,
        *,
        recoverable: bool = False,
        recovery_action: str = "",
        message: str | None = None,
        metadata: dict[str, Any] | None = None,
        agent: AgentRef | None = None,
        at_ns: int = 0,
    ) -> None:
        """
        Record an ERROR, unless it or its cause is on record already.

        One root cause gives one ERROR, under the innermost span that saw it.

        Args:
            run: Run in which it happened.
            error: What was raised; read now, not kept.
            parent_span_id: Innermost span in which it happened.
            recoverable: Something handled it and the run goes on.
            recovery_action: What handled it.
            message: Text to record instead of the error's own, for errors whose
                text must not be told.
            metadata: Further facts, already bounded.
            agent: Agent to name instead of the one in force.
            at_ns: Wall time at which it happened, in nanoseconds, if not now.
        """
        if self.is_reported(run, error):
            if recoverable:
                run.reported.forget(error)
            return
        if not recoverable:
            run.reported.add(error)
        try:
            capture = self.capture(run)
            content = self.error_content(capture, error, message)
        except Exception as problem:
            self.count_failed()
            report("Recorder.error", problem)
            return
        self.emit(
            EventType.ERROR,
            run,
            contents.error(
                **content,
                recoverable=recoverable,
                recovery_action=recovery_action,
                metadata=metadata,
            ),
            parent_span_id=parent_span_id,
            capture=capture,
            agent=agent,
            at_ns=at_ns,
        )

    def error_content(
        self,
        capture: DeferredCapture,
        error: BaseException,
        message: str | None = None,
    ) -> dict[str, Any]:
        """Return what `content.error` wants to know of *error*, captured."""
        if message is not None:
            return {"text": message, "code": error_code_of(error)}
        content = {
            "text": capture.text(error_text(error), "error.error_message"),
            "code": error_code_of(error),
        }
        if self.config.capture_stack_traces:
            text = "".join(traceback.format_tb(error.__traceback__, limit=-_FRAMES))
            text += f"{class_name_of(error)}: {error_text(error)}"
            content["stack_trace"] = capture.text(text, "error.stack_trace")
        return content

    @staticmethod
    def note_reported(run: Run, error: BaseException) -> None:
        """Note that *error* gets no ERROR of its own: something else tells of it."""
        run.reported.add(error)

    @staticmethod
    def is_reported(run: Run, error: BaseException) -> bool:
        """Tell whether *error*, or an error behind it, has its ERROR event."""
        return run.reported.covers(error)

    def monotonic_ms_since(self, start_ns: int) -> float:
        """Return the milliseconds since monotonic *start_ns*, see `ms_between`."""
        return ms_between(start_ns, self.clock.monotonic_ns())
