"""
The hash chain: what it covers, how it is written, how it is checked.

Every event carries a hash of itself and of the event before it in its stream,
so that whoever holds the file can tell what was changed, taken out or moved.
The chain shows accidents and casual edits; who can rewrite the whole file can
rewrite its hashes too, unless the last one was kept elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .chain import Problem, Removed, Sent, Stream, StreamState, flaw_of
from .recorded_line import BOM, canonical, entry_of, is_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .chain import Entry, Kind

__all__ = (
    "Problem",
    "Removed",
    "Report",
    "Sent",
    "StreamState",
    "canonical",
    "content_hash",
    "is_event",
    "link",
    "verify",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What checking a file found."""

    ok: bool
    """No event is altered, missing, moved or without a hash; no line is damaged."""
    events: int
    """Whole events read; one that is repeated counts once."""
    streams: int
    """Process instances that wrote them."""
    problem: Problem | None
    """The first that makes `ok` false; else the first torn line, if any."""
    torn: int
    """Lines that hold half an event: a process or disk ended inside them."""
    repeated: int
    """Lines that repeat the event before them in their stream."""
    midway: int
    """Streams whose beginning is not in the file, as after a rotation."""
    respelled: int = 0
    """Events with the content that was hashed, written otherwise than by chaukas."""
    remarks: tuple[Problem, ...] = ()
    """The first torn, repeated and respelled line each, in the order of the file."""
    states: tuple[StreamState, ...] = ()
    """Each stream, in the order in which they begin here."""
    problems: tuple[Problem, ...] = ()
    """
    What makes `ok` false, in the order of the file: 100 lines with something wrong in
    themselves at most, and 20 broken links of a stream.
    """
    problem_count: int = 0
    """How many they are without that bound on lines."""

    @property
    def is_whole(self) -> bool:
        """Every stream is here from its beginning to its end, each event once."""
        is_complete = all(state.state == "complete" for state in self.states)
        return is_complete and not self.torn and not self.repeated


def content_hash(event: Mapping[str, Any]) -> str:
    """
    Return the SHA-256 of the event's canonical JSON in hex.

    Raises:
        ValueError, TypeError: See `canonical`.
    """
    return hashlib.sha256(canonical(event)).hexdigest()


def link(encoded: bytes, prev: str) -> tuple[bytes, str]:
    """
    Return an event's line in the file, and its hash.

    Args:
        encoded: Its canonical JSON, an object that is not empty.
        prev: Hash of the event before it in its stream; empty for the first.
    """
    digest = hashlib.sha256(encoded).hexdigest()
    tail = f',"content_hash":"{digest}","hash_prev":"{prev}"}}\n'
    if not prev:
        tail = f',"content_hash":"{digest}"}}\n'
    return encoded[:-1] + tail.encode("ascii"), digest


def verify(lines: Iterable[bytes | Removed | Sent]) -> Report:
    """
    Check the chains of all streams in a file and name what is wrong.

    The chain proves the order; the numbers in `metadata.chaukas.seq` prove that
    none is missing, in whatever order threads came to be written. A stream ends
    with the event `chaukas.disabled`, or with the report of the process that
    delivered what it left; without either, whether events were taken off its end
    cannot be known. Memory grows with streams and gaps, not with events.

    Args:
        lines: Of a JSONL file, or of the files of a rotation, oldest first; in their
            place what is known of events that were removed, and before the first of a
            stream what is known of it.
    """
    check = _Check()
    for number, raw in enumerate(lines, 1):
        if isinstance(raw, Removed):
            check.skip(raw, number)
        elif isinstance(raw, Sent):
            check.expect(raw)
        elif raw.strip() not in _BLANK:
            check.add(raw, number)
    return check.report()


_BLANK = (b"", BOM)


class _Check:
    """What is known after so many lines."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._adopted: dict[str, int] = {}
        self._flaws: list[Problem] = []
        self._flaw_count = 0
        self._alone = 0
        self._last_alone: Entry | None = None
        self._sent: dict[str, Sent] = {}
        self._remarks: dict[Kind, Problem] = {}
        self._torn = 0
        self._respelled = 0

    def add(self, raw: bytes, number: int) -> None:
        """Take the next line that is not blank."""
        entry = entry_of(raw, number)
        if entry == "torn":
            self._torn += 1
            self._remark(Problem("torn", number, "", "", _TORN))
        elif entry == "damaged":
            self._found(Problem("damaged", number, "", "", _DAMAGED))
        elif self._is_alone(entry):
            self._alone += 1
            self._last_alone = entry
            self._found(flaw_of(entry))
        else:
            stream = self._stream(entry.stream)
            repeated = stream.repeated
            self._found(stream.add(entry))
            if stream.repeated > repeated:
                self._remark(entry.problem("repeated", _REPEATED))
            if entry.is_sound and entry.is_respelled:
                self._respelled += 1
                self._remark(entry.problem("respelled", _RESPELLED))
            if entry.adopted:
                self._adopted[entry.adopted] = entry.adopted_events

    def _is_alone(self, entry: Entry) -> bool:
        """Return whether an event is in no chain, such as a label."""
        if entry.stream or entry.prev or entry.seq is not None:
            first = self._last_alone
            if not entry.stream and first is not None and first.hash == entry.prev:
                # It began one, without a name.
                self._stream("").add(first)
                self._alone, self._last_alone = self._alone - 1, None
            return False
        return True

    def skip(self, removed: Removed, number: int) -> None:
        """Take events that were removed; what they held is nobody's to check."""
        self._stream(removed.stream).skip(removed, number)

    def expect(self, sent: Sent) -> None:
        """Take what is known of a stream."""
        self._sent[sent.stream] = sent

    def _stream(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream()
            stream.sent = self._sent.get(name)
        return stream

    def report(self) -> Report:
        """Return what all lines together say."""
        streams = self._streams
        problems = [*self._flaws]
        problems += [found for each in streams.values() for found in each.problems()]
        problems += [
            Problem("missing", 0, "", name, _NONE_HERE.format(name))
            for name, sent in self._sent.items()
            if name not in streams and sent.last is not None
        ]
        problems.sort(key=lambda found: found.line)
        torn = self._remarks.get("torn")
        return Report(
            # Lines without a single event are no record that could be fine.
            ok=not problems and (bool(streams or self._alone) or torn is None),
            events=self._alone + sum(stream.events for stream in streams.values()),
            streams=len(streams),
            problem=problems[0] if problems else torn,
            torn=self._torn,
            repeated=sum(stream.repeated for stream in streams.values()),
            midway=sum(stream.starts_midway for stream in streams.values()),
            respelled=self._respelled,
            remarks=tuple(sorted(self._remarks.values(), key=lambda one: one.line)),
            states=tuple(
                stream.state(self._adopted.get(name))
                for name, stream in streams.items()
            ),
            problems=tuple(problems),
            problem_count=len(problems) - len(self._flaws) + self._flaw_count,
        )

    def _found(self, problem: Problem | None) -> None:
        if problem is None:
            return
        self._flaw_count += 1
        if len(self._flaws) < _MOST_FLAWS:
            self._flaws.append(problem)

    def _remark(self, problem: Problem) -> None:
        self._remarks.setdefault(problem.kind, problem)


_MOST_FLAWS = 100
_NONE_HERE = "None of the events of stream {!r} is here."
_TORN = (
    "Half an event: a process or disk ended while it was written, or its end was"
    " cut off. The line is skipped."
)
_DAMAGED = "No event: the line was damaged, or something else was put in its place."
_REPEATED = (
    "repeats the event before it: written twice by a process that was interrupted,"
    " or copied."
)
_RESPELLED = (
    "has the content that was recorded, but another program wrote it anew, spelled"
    " otherwise or with a worm_proof_id."
)
