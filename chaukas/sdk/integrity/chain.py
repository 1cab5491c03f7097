"""
Checks one stream's chain of events, line by line.

What is wrong with a chain often shows only later, when the missing link turns
up or does not; this keeps the few facts that are needed to say which.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ("Entry", "Kind", "Problem", "State", "Stream", "StreamState")

Kind = Literal[
    "altered",
    "damaged",
    "missing",
    "reordered",
    "repeated",
    "respelled",
    "torn",
    "unhashed",
]
State = Literal["complete", "open", "cut"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, or worth a remark."""

    kind: Kind
    line: int
    """Counted from 1; for `missing`, the line that follows the gap."""
    event_id: str
    """Of the event in that line; empty if it holds no whole event."""
    stream: str
    sentence: str
    """For people: what is wrong and what it may mean; the line is apart."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """How much of a process instance's events is there."""

    stream: str
    state: State
    """
    `complete`: from the first event to the last. `open`: from the first, but the
    process is at work, was killed, or its last events were cut off. `cut`: some
    are in another file, or were cut off.
    """
    events: int
    line: int
    """Where it begins if it is cut, else where it ends; counted from 1."""
    sentence: str
    """For people: what is not there, and what it may mean; empty if complete."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the check needs of one line."""

    line: int
    event_id: str
    stream: str
    seq: int | None
    """The event's number in its stream, from 1; None when it has none."""
    hash: str
    prev: str
    """`hash_prev`; empty for the first event of a stream."""
    is_sound: bool
    """The content gives the hash."""
    is_respelled: bool = False
    """It is not spelled as chaukas spells."""
    is_end: bool = False
    """It is the one with which a process stops recording."""
    adopted: str = ""
    """Stream of an ended process whose events the process of this one delivered."""
    adopted_events: int = 0
    """How many events that ended process had written."""

    def problem(self, kind: Kind, what: str) -> Problem:
        """Return a problem at this line; `what` goes on after "Event '…'"."""
        sentence = f"Event {self.event_id!r} {what}"
        return Problem(kind, self.line, self.event_id, self.stream, sentence)


class _Gap(NamedTuple):
    """Numbers that do not occur between numbers that do."""

    missing: int
    seq: int
    """The first of them."""
    entry: Entry
    """The event that follows it."""


class Stream:
    """The events of one process instance, in the order of their lines."""

    def __init__(self) -> None:
        self.events = 0
        """Without repetitions."""
        self.repeated = 0
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._seqs = _Seqs()
        # The first line whose hash_prev is not the hash of the line before it.
        self._broken: Entry | None = None
        self._before: Entry | None = None
        self._is_copy = False
        self._is_ended = False
        # Whether what these two follow turned up further down.
        self._first_is_early = False
        self._broken_is_early = False

    @property
    def starts_midway(self) -> bool:
        """Whether its first event here follows one that is not here."""
        return self._first is not None and self._first.prev != ""

    def add(self, entry: Entry) -> Problem | None:
        """Take the next line; return what is wrong with the line in itself."""
        last = self._last
        self._is_ended |= entry.is_end
        if last is not None and entry.hash and _is_repetition(entry, last):
            self.repeated += 1
            return _flaw(entry)
        self.events += 1
        is_new = self._seqs.add(entry)
        self._look_back(entry)
        if last is None:
            self._first = entry
        elif entry.prev != last.hash and self._broken is None:
            self._broken, self._before = entry, last
            self._is_copy = not is_new
        self._last = entry
        return _flaw(entry)

    def problems(self) -> list[Problem]:
        """Return what is wrong with the lines as a whole, once all were added."""
        found = []
        gap = self._seqs.gap(from_one=not self.starts_midway)
        if self._first is not None and self._first_is_early:
            found.append(self._first.problem("reordered", _EARLY))
        elif self._first is not None and self._is_first_linked():
            found.append(self._first.problem("altered", _LINKED))
        if self._broken is not None and self._before is not None:
            found.append(self._explain(self._broken, self._before, gap))
        elif gap is not None:
            found.append(_missing(gap.entry, gap, _UNBROKEN))
        return found

    def state(self, written: int | None) -> StreamState:
        """
        Return how much of it is there, once all lines were added.

        Args:
            written: How many events the report of the process that delivered them
                counts; None if there is no such report.
        """
        first, last = self._first, self._last
        # A stream is made for an event.
        assert first is not None  # noqa: S101 - for the type checker
        assert last is not None  # noqa: S101 - the same
        is_ended = self._is_ended or written is not None
        name = f"Stream {first.stream!r}"
        where = "in another file, or were cut off"
        if self.starts_midway:
            number = "" if first.seq is None else f" (seq {first.seq})"
            end = "" if is_ended else " It has no end either."
            text = (
                f"{name} begins with event {first.event_id!r}{number}: those before"
                f" it are {where}.{end}"
            )
            return StreamState(first.stream, "cut", self.events, first.line, text)
        if written is not None and self.events < written:
            text = (
                f"{name} has {self.events} of {written} events: the others are {where}."
            )
            return StreamState(first.stream, "cut", self.events, last.line, text)
        if not is_ended:
            text = (
                f"{name} has no end after event {last.event_id!r}: its process is at"
                " work or was killed, or its last events were cut off."
            )
            return StreamState(first.stream, "open", self.events, last.line, text)
        return StreamState(first.stream, "complete", self.events, last.line, "")

    def _is_first_linked(self) -> bool:
        """Return whether it names an event before its first, and all are here."""
        first = self._first
        if first is None or not first.prev or first.seq != 1:
            return False
        return self._seqs.gap(from_one=True) is None

    def _look_back(self, entry: Entry) -> None:
        if not entry.hash:
            return
        if self._first is not None and self._first.prev == entry.hash:
            self._first_is_early = True
        if self._broken is not None and self._broken.prev == entry.hash:
            self._broken_is_early = True

    def _explain(self, broken: Entry, before: Entry, gap: _Gap | None) -> Problem:
        if self._is_copy:
            return broken.problem("reordered", _COPIED)
        if not broken.prev:
            if gap is None and broken.seq is not None and broken.seq > 1:
                return broken.problem("altered", _UNLINKED)
            return broken.problem("reordered", _LATE)
        if self._broken_is_early:
            return broken.problem("reordered", _EARLY)
        if gap is None and broken.seq is not None:
            return before.problem("altered", _REHASHED)
        return _missing(broken, gap, "")


_EARLY = "stands before the event that it follows: lines were moved."
_LATE = "begins its stream, but others of it stand above: lines were moved."
_COPIED = "repeats an earlier event: lines were copied."
_REHASHED = (
    "was altered, hash and all, or the hash_prev of the event after it was: the two"
    " do not fit."
)
_LINKED = "was altered: it is the first of its stream, but names one before it."
_UNLINKED = "was altered: it names no event before it, but is not the first."
_ALTERED = "was altered: its content does not give its content_hash."
_BARE = "has no content_hash: nothing shows that it is unaltered."
_UNBROKEN = (
    " The chain is whole: dropped before they were written, or in another file of "
    "a rotation; check all its files together."
)


def _is_repetition(entry: Entry, last: Entry) -> bool:
    return (entry.hash, entry.prev) == (last.hash, last.prev)


def _flaw(entry: Entry) -> Problem | None:
    if not entry.hash:
        return entry.problem("unhashed", _BARE)
    return None if entry.is_sound else entry.problem("altered", _ALTERED)


def _missing(entry: Entry, gap: _Gap | None, why: str) -> Problem:
    count = "At least one event is"
    if gap is not None:
        count = "1 event is" if gap.missing == 1 else f"{gap.missing:,} events are"
    seq = "" if gap is None else f", the first with seq {gap.seq}"
    place = f"missing before event {entry.event_id!r}"
    sentence = f"{count} {place}{seq}.{why}"
    return Problem("missing", entry.line, entry.event_id, entry.stream, sentence)


class _Seqs:
    """The numbers seen, as ranges: one range however long the file."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> bool:
        """Add the entry's number; return False if it was there."""
        seq = entry.seq
        if seq is None:
            return True
        at = bisect_right(self._starts, seq)
        if at and seq <= self._ends[at - 1]:
            return False
        joins_left = at > 0 and self._ends[at - 1] == seq - 1
        joins_right = at < len(self._starts) and self._starts[at] == seq + 1
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends[at]
            del self._starts[at], self._ends[at], self._entries[at]
        elif joins_left:
            self._ends[at - 1] = seq
        elif joins_right:
            self._starts[at], self._entries[at] = seq, entry
        else:
            self._starts.insert(at, seq)
            self._ends.insert(at, seq)
            self._entries.insert(at, entry)
        return True

    def gap(self, *, from_one: bool) -> _Gap | None:
        """Return the numbers not seen below the highest, or None."""
        if not self._starts:
            return None
        edges = list(zip(self._ends, self._starts[1:], strict=False))
        entries = self._entries[1:]
        if from_one and self._starts[0] > 1:
            edges.insert(0, (0, self._starts[0]))
            entries.insert(0, self._entries[0])
        missing = sum(start - end - 1 for end, start in edges)
        return _Gap(missing, edges[0][0] + 1, entries[0]) if missing else None
