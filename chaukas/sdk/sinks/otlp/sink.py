"""
The OTLP sink: takes events as they stand in the spool, and sends the spans they are.

What joins events is apart from how they travel, so that HTTP and gRPC send the same.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from chaukas.sdk.sinks.collector.responses import Action, Answer, too_large
from chaukas.sdk.sinks.joining import JoiningRemote
from chaukas.sdk.system.internal_errors import log

from .answers import missing_package
from .encode import (
    MissingPackageError,
    Resource,
    encoded_logs,
    encoded_metrics,
    encoded_spans,
)
from .mapping.content import shortened
from .mapping.join import Joined, Joiner
from .mapping.logs import exception_logs, log_of
from .mapping.metrics import histograms_of
from .mapping.spans import Mapping, span_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .mapping.span import Log, Span

__all__ = ["OtlpSink"]

_REQUEST_BYTES: Final = 3 << 20
"""Beyond it a request is divided: a gRPC server takes 4 MiB, and some others less."""
_KEPT_BYTES: Final = 16 << 20
_SMALL_CHARS: Final = 2048
_INVALID: Final = "invalid"
_REFUSALS: Final = frozenset({Action.BISECT, Action.SPLIT})


class _Work(NamedTuple):
    """What became of a batch; nothing of it is remembered before it is settled."""

    source: str
    lines: tuple[bytes, ...]
    joiner: Joiner
    joined: list[Joined]
    spans: list[Span]
    logs: list[Log]
    unreadable: tuple[tuple[int, str], ...]


class OtlpSink(JoiningRemote):
    """
    Makes spans of events; how they are sent is a matter of each kind.

    Args:
        mapping: How spans are written.
        resource: What is the same for all of them.
        signals: What is sent, of `traces`, `logs` and `metrics`.
    """

    name = "otlp"
    place: str

    def __init__(
        self,
        mapping: Mapping,
        resource: Resource,
        signals: Sequence[str] = ("traces",),
    ) -> None:
        self.signals = frozenset(signals)
        self.mapping = mapping
        self.resource = resource
        self.sent = 0
        """Spans that the receiver took."""
        self._joiners: dict[str, Joiner] = {}
        self._work: _Work | None = None

    @abstractmethod
    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """
        Send one request and say what became of it.

        Args:
            signal: `traces`, `logs` or `metrics`.
            body: The request.
            lines: For each span or record in it the index of its event.
        """

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send what these events complete, and remember the others."""
        answer = self.send_from("", lines)
        if answer.action is Action.ACKED:
            self.settle("", lines)
        return answer

    def send_from(self, source: str, lines: Sequence[bytes]) -> Answer:
        """See `JoiningRemote`."""
        work = self._work = self._worked(source, lines)
        answer = self._post(work.spans, work.logs, is_last=len(lines) == 1)
        if answer.action is not Action.ACKED or not work.unreadable:
            return answer
        rejected = tuple(sorted((*work.unreadable, *answer.rejected)))
        return Answer(Action.ACKED, rejected, suspects=answer.suspects)

    def settle(self, source: str, lines: Sequence[bytes]) -> list[bytes]:
        """See `JoiningRemote`."""
        work = self._work
        if work is None or work.source != source or work.lines != tuple(lines):
            work = self._worked(source, lines)
        self._work = None
        self._joiners[source] = work.joiner
        return _kept(work.joiner)

    def resume(self, source: str, kept: Sequence[bytes]) -> None:
        """See `JoiningRemote`."""
        entries = [entry for entry in map(_object_of, kept) if entry]
        self._joiner_of(source).resume(entries)

    def is_complete(self, source: str) -> bool:
        """See `JoiningRemote`."""
        joiner = self._joiners.get(source)
        return joiner is None or not joiner.open

    def send_rest(self, source: str) -> Answer:
        """See `JoiningRemote`."""
        joiner = self._joiner_of(source).copy()
        left = joiner.end_all()
        spans, logs, _ = self._told_by(left)
        answer = self._post(spans, logs, is_last=True)
        if answer.action in _REFUSALS:
            answer = self._post_each(spans)
        if answer.action is Action.ACKED:
            self._joiners[source] = joiner
        return answer

    def _post_each(self, spans: Sequence[Span]) -> Answer:
        """Send spans one by one, so that one that is no good costs no other."""
        refused = 0
        for span in spans:
            answer = self._post([span], (), is_last=True)
            if answer.action in (Action.RETRY, Action.PARK):
                return answer
            refused += answer.action is not Action.ACKED
        if refused:
            log(
                logging.WARNING,
                f"chaukas: the receiver at {self.place} refused {refused} spans that an"
                " ended process had left open: they are in no backend. Their events"
                " are in the file, if one is written too.",
            )
        return Answer(Action.ACKED)

    def drop(self, source: str) -> None:
        """See `JoiningRemote`."""
        self._joiners.pop(source, None)

    def makings(self, line: bytes) -> list[bytes]:
        """See `JoiningRemote`."""
        work = self._work
        index = work.lines.index(line) if work and line in work.lines else -1
        for joined in work.joined if work and index >= 0 else ():
            if joined.line == index and joined.start is not joined.end:
                return [*map(_line_of, (_whole_start(joined), *joined.more)), line]
        return [line]

    def overdue(self, now_s: float) -> str:
        """Return nothing: no code of the user's is called here."""
        del now_s
        return ""

    def _joiner_of(self, source: str) -> Joiner:
        return self._joiners.setdefault(source, Joiner())

    def _worked(self, source: str, lines: Sequence[bytes]) -> _Work:
        joiner = self._joiner_of(source).copy()
        joined: list[Joined] = []
        unreadable: list[tuple[int, str]] = []
        for index, line in enumerate(lines):
            try:
                made = joiner.join([orjson.loads(line)])
            # An event of another version, or of nobody: whatever is wrong with it,
            # it must not hold up the others.
            except Exception:
                unreadable.append((index, _INVALID))
                continue
            joined += [
                each._replace(line=index if each.line >= 0 else -1) for each in made
            ]
        spans, logs, wrong = self._told_by(joined)
        unreadable += [(line, _INVALID) for line in wrong if line >= 0]
        told = tuple(sorted(set(unreadable)))
        return _Work(source, tuple(lines), joiner, joined, spans, logs, told)

    def _told_by(
        self, joined: Sequence[Joined]
    ) -> tuple[list[Span], list[Log], list[int]]:
        """Return the spans, the log records, and the lines of what can be neither."""
        spans: list[Span] = []
        logs: list[Log] = []
        wrong: list[int] = []
        has_logs = "logs" in self.signals
        for each in joined:
            try:
                if each.kind != "LOG":
                    spans.append(span_of(each, self.mapping))
                elif has_logs:
                    logs.append(log_of(each))
            # As above. PERF203: to make a span takes far longer than to enter a try.
            except Exception:  # noqa: PERF203
                wrong.append(each.line)
        if has_logs:
            logs += [log for span in spans for log in exception_logs(span)]
        return spans, logs, wrong

    def _post(
        self, spans: Sequence[Span], logs: Sequence[Log], *, is_last: bool
    ) -> Answer:
        """
        Send spans, then log records, then metrics: these would count twice.

        Args:
            spans: The spans.
            logs: The log records.
            is_last: Whether a smaller batch is not possible.
        """
        try:
            answer = self._post_spans(spans, is_last=is_last)
            for signal, body in self._further(spans, logs, answer):
                if answer.action is Action.ACKED and body:
                    further = self.post(signal, body, ())
                    answer = answer if further.action is Action.ACKED else further
        except MissingPackageError:
            return missing_package(self.place)
        return answer

    def _further(
        self, spans: Sequence[Span], logs: Sequence[Log], answer: Answer
    ) -> Iterator[tuple[str, bytes]]:
        if answer.action is not Action.ACKED:
            return
        if logs:
            yield "logs", encoded_logs(logs, self.resource)
        if "metrics" in self.signals and spans:
            histograms = histograms_of(spans, self.mapping.version)
            if histograms:
                yield "metrics", encoded_metrics(histograms, self.resource)

    def _post_spans(self, spans: Sequence[Span], *, is_last: bool) -> Answer:
        """Send spans; what is too large and cannot be divided is shortened."""
        if not spans or "traces" not in self.signals:
            return Answer(Action.ACKED)
        body = encoded_spans(spans, self.resource)
        lines = [span.line for span in spans]
        if len(body) > _REQUEST_BYTES and not is_last:
            return too_large("request limit", self.place, "for one request")
        answer = self.post("traces", body, lines)
        if answer.action is Action.SPLIT and is_last:
            for span in spans:
                _shorten(span.attributes)
            answer = self.post("traces", encoded_spans(spans, self.resource), lines)
        if answer.action is Action.ACKED:
            self.sent += len(spans) - len(answer.rejected)
        return answer


def _shorten(attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        if type(value) is str:
            attributes[name] = shortened(value, _SMALL_CHARS)


def _kept(joiner: Joiner) -> list[bytes]:
    """Return what a joiner needs for later, within bounds; nothing for nothing."""
    if not joiner.open and not joiner.sessions:
        return []
    lines: list[bytes] = []
    size = 0
    for entry in joiner.kept():
        line = orjson.dumps(entry)
        if size + len(line) > _KEPT_BYTES:
            # Without what was asked, and what happened meanwhile.
            small = {k: v for k, v in entry.items() if k not in ("asked", "more")}
            line = orjson.dumps(small)
        size += len(line)
        lines.append(line)
    return lines


def _whole_start(joined: Joined) -> dict[str, Any]:
    """Return a START that stands alone: its prompt names no earlier event."""
    gone = ("content_hash", "hash_prev")
    start = {name: each for name, each in joined.start.items() if name not in gone}
    if joined.asked is None:
        return start
    system, items = joined.asked
    call = dict(start.get("llm_invocation", {}))
    request = dict(call.get("request") or {})
    request.pop("input_base", None)
    request.update(input=items, input_count=len(items), input_omitted=0)
    if system:
        request["system"] = system
    call["request"] = request
    return {**start, "llm_invocation": call}


def _object_of(line: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one if the line is none."""
    try:
        data = orjson.loads(line)
    except ValueError:
        return {}
    return data if type(data) is dict else {}


def _line_of(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS) + b"\n"
