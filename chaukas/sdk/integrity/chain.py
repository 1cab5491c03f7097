"""
Checks one stream's chain of events, line by line.

What is wrong with a chain often shows only later, when the missing link turns
up or does not; this keeps the few facts that are needed to say which.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = (
    "Entry",
    "Kind",
    "Problem",
    "Removed",
    "Sent",
    "State",
    "Stream",
    "StreamState",
    "flaw_of",
)

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

    def missing(self, sentence: str) -> Problem:
        """Return that events are missing beside this line."""
        return Problem("missing", self.line, self.event_id, self.stream, sentence)


class Removed(NamedTuple):
    """Events of a stream, one behind the other, that were taken out on record."""

    stream: str
    first: int
    """Number of the first in its stream."""
    last: int
    before: str
    """`hash_prev` of the first."""
    hash: str
    """`content_hash` of the last."""

    def ends(self, line: int) -> tuple[Entry, Entry]:
        """Return what stands for the first and the last of them in the chain."""
        first, last = (
            Entry(line, f"(removed, seq {seq})", self.stream, seq, self.hash,
                  self.before, is_sound=True)
            for seq in (self.first, self.last)
        )  # fmt: skip
        return first, last


class Sent(NamedTuple):
    """What is known of a stream beside its lines: which numbers were ever taken."""

    stream: str
    first: int | None
    """The least; None if none of its events had one."""
    last: int | None
    """The greatest."""
    is_shared: bool = False
    """
    Others own events of it too, which are not among the lines: a number that is not
    here may be one of theirs.
    """


@dataclass(slots=True)
class _Break:
    """A line whose hash_prev is not the hash of the line before it."""

    entry: Entry
    before: Entry
    is_copy: bool
    is_early: bool = False
    """What it follows turned up further down."""

    @property
    def follows(self) -> bool:
        """Whether no number is missing between the two."""
        entry, before = self.entry.seq, self.before.seq
        return entry is not None and before is not None and entry == before + 1


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
        self._skipped = 0
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._last_here: Entry | None = None
        self._seqs = _Seqs()
        self._breaks: list[_Break] = []
        self._is_ended = False
        # Whether what it follows turned up further down.
        self._first_is_early = False
        self.sent: Sent | None = None

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
            return flaw_of(entry)
        if self.sent is not None and self.sent.is_shared:
            self._skip_others(entry)
        self.events += 1
        self._link(entry, is_new=self._seqs.add(entry, entry.seq))
        self._last = self._last_here = entry
        return flaw_of(entry)

    def skip(self, removed: Removed, line: int) -> None:
        """Take what was removed: the chain goes on behind it."""
        self._skipped += removed.last - removed.first + 1
        first, last = removed.ends(line)
        self._link(first, is_new=self._seqs.add(first, removed.last))
        self._last = last

    def _link(self, entry: Entry, *, is_new: bool) -> None:
        last = self._last
        self._look_back(entry)
        if last is None:
            self._first = entry
        elif entry.prev != last.hash and len(self._breaks) < _MOST_BREAKS:
            self._breaks.append(_Break(entry, last, not is_new))

    def _skip_others(self, entry: Entry) -> None:
        """Take what may be others' between the last line and this one."""
        seq, prev = (self._last.seq, self._last.hash) if self._last else (0, "")
        if entry.seq is None or seq is None or not entry.prev:
            return
        if entry.seq > seq + 1:
            others = Removed(entry.stream, seq + 1, entry.seq - 1, prev, entry.prev)
            self.skip(others, entry.line)

    def problems(self) -> list[Problem]:
        """Return what is wrong with the lines as a whole, once all were added."""
        found = []
        if self._first is not None and self._first_is_early:
            found.append(self._first.problem("reordered", _EARLY))
        elif self._first is not None and self._is_first_linked():
            found.append(self._first.problem("altered", _LINKED))
        gaps = self._seqs.gaps(from_one=not self.starts_midway)
        for each in self._breaks:
            gap = next((one for one in gaps if one.entry is each.entry), None)
            if gap is not None:
                gaps.remove(gap)
            elif not each.follows:
                # Numbers are missing, but which of them here, nobody knows.
                gap, gaps = _sum_of(gaps), []
            found.append(_explain(each, gap))
            if found[-1].kind == "reordered":
                # What comes behind it is out of place because of it.
                return found
        found += [_missing(gap.entry, gap, _UNBROKEN) for gap in gaps]
        return found + self._unsent()

    def _unsent(self) -> list[Problem]:
        """Return what was taken before the first line here, or behind the last."""
        sent, first, last = self.sent, self._first, self._last_here or self._last
        edges = self._seqs.edges
        if sent is None or first is None or last is None or edges is None:
            return []
        found = []
        if sent.first is not None and edges[0] > sent.first and not sent.is_shared:
            text = f"missing before event {first.event_id!r}, the first with seq"
            text = f"{_events(edges[0] - sent.first)} {text} {sent.first}."
            found.append(first.missing(text))
        if sent.last is not None and edges[1] < sent.last:
            text = f"missing at its end after event {last.event_id!r}, the last with"
            text = f"{_events(sent.last - edges[1])} {text} seq {sent.last}."
            found.append(last.missing(text))
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
        if written is not None and self.events + self._skipped < written:
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
        return not self._seqs.gaps(from_one=True)

    def _look_back(self, entry: Entry) -> None:
        if not entry.hash:
            return
        if self._first is not None and self._first.prev == entry.hash:
            self._first_is_early = True
        for each in self._breaks:
            each.is_early |= each.entry.prev == entry.hash


def _explain(found: _Break, gap: _Gap | None) -> Problem:
    entry = found.entry
    if found.is_copy:
        return entry.problem("reordered", _COPIED)
    if not entry.prev:
        if gap is None and entry.seq is not None and entry.seq > 1:
            return entry.problem("altered", _UNLINKED)
        return entry.problem("reordered", _LATE)
    if found.is_early:
        return entry.problem("reordered", _EARLY)
    if gap is None and entry.seq is not None:
        return found.before.problem("altered", _REHASHED)
    return _missing(entry, gap, "")


_MOST_BREAKS = 20
"""Of one stream that are named."""
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


def flaw_of(entry: Entry) -> Problem | None:
    """Return what is wrong with a line in itself."""
    if not entry.hash:
        return entry.problem("unhashed", _BARE)
    return None if entry.is_sound else entry.problem("altered", _ALTERED)


def _missing(entry: Entry, gap: _Gap | None, why: str) -> Problem:
    number = "At least one event is" if gap is None else _events(gap.missing)
    seq = "" if gap is None else f", the first with seq {gap.seq}"
    return entry.missing(f"{number} missing before event {entry.event_id!r}{seq}.{why}")


def _events(number: int) -> str:
    return "1 event is" if number == 1 else f"{number:,} events are"


def _sum_of(gaps: list[_Gap]) -> _Gap | None:
    if not gaps:
        return None
    missing = sum(gap.missing for gap in gaps)
    return gaps[0]._replace(missing=missing)


class _Seqs:
    """The numbers seen, as ranges: one range however long the file."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._entries: list[Entry] = []

    def add(self, entry: Entry, last: int | None) -> bool:
        """
        Add the numbers from the entry's on to `last`, or to the next that was there.

        Returns:
            False if the first of them was there.
        """
        seq = entry.seq
        if seq is None or last is None:
            return True
        at = bisect_right(self._starts, seq)
        if at and seq <= self._ends[at - 1]:
            return False
        if at < len(self._starts):
            last = min(last, self._starts[at] - 1)
        joins_left = at > 0 and self._ends[at - 1] == seq - 1
        joins_right = at < len(self._starts) and self._starts[at] == last + 1
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends[at]
            del self._starts[at], self._ends[at], self._entries[at]
        elif joins_left:
            self._ends[at - 1] = last
        elif joins_right:
            self._starts[at], self._entries[at] = seq, entry
        else:
            self._starts.insert(at, seq)
            self._ends.insert(at, last)
            self._entries.insert(at, entry)
        return True

    @property
    def edges(self) -> tuple[int, int] | None:
        """The least and the greatest number; None without any."""
        return (self._starts[0], self._ends[-1]) if self._starts else None

    def gaps(self, *, from_one: bool) -> list[_Gap]:
        """Return the numbers not seen below the highest."""
        edges = list(zip(self._ends, self._starts[1:], self._entries[1:], strict=False))
        if from_one and self._starts and self._starts[0] > 1:
            edges.insert(0, (0, self._starts[0], self._entries[0]))
        return [_Gap(start - end - 1, end + 1, entry) for end, start, entry in edges]
