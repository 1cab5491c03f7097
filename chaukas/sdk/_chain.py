"""
One stream's chain of events, followed line by line.

What is wrong with a chain often shows only later, when the missing link turns
up or does not; this keeps the few facts that are needed to say which.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ("Entry", "Kind", "Problem", "Stream")

Kind = Literal["altered", "missing", "reordered", "torn", "unhashed"]


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong with a file."""

    kind: Kind
    line: int
    """Counted from 1; for `missing`, the line that follows the gap."""
    event_id: str
    """Of the event in that line; empty for a torn line."""
    stream: str
    sentence: str
    """For people: what is wrong and what it may mean; the line is apart."""


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
    sound: bool
    """The content gives the hash."""

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
        if self._broken is not None and self._before is not None:
            found.append(self._explain(self._broken, self._before, gap))
        elif gap is not None:
            found.append(_missing(gap.entry, gap, _UNBROKEN))
        return found

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
            return broken.problem("reordered", _LATE)
        if self._broken_is_early:
            return broken.problem("reordered", _EARLY)
        if gap is None and broken.seq is not None:
            return before.problem("altered", _REHASHED)
        return _missing(broken, gap, "")


_EARLY = "stands before the event that it follows: lines were moved."
_LATE = "begins its stream, but others of it stand above: lines were moved."
_COPIED = "says again what a line further up says: lines were copied."
_REHASHED = "was altered, hash and all: the event after it follows another one."
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
    return None if entry.sound else entry.problem("altered", _ALTERED)


def _missing(entry: Entry, gap: _Gap | None, why: str) -> Problem:
    count = "At least one event is" if gap is None else f"{gap.missing} event(s) are"
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
