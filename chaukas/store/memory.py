"""
A store in memory, for tests: everything is worked out anew from the events.

Slow on purpose, and written apart from the SQLite store: where both answer alike,
sums that are renewed batch by batch are right.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.integrity import Sent

from . import memory_rows as made
from .admission import admitted
from .answers import EventRow, Label, Numbers, Page, RunRow, SearchHit, SessionRow
from .chains import (
    digest_of,
    findings_of,
    places_of,
    ranges_of,
    removal_finding,
)
from .cursor import cursor_of, read_cursor
from .facts import PICO, Facts, event_of
from .protocol import Batch, NotFoundError, Rejection, Removal, Verdicts
from .snippet import phrases_of, snippet_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from chaukas.sdk.integrity import Removed

    from .answers import Cause, StreamRow
    from .filter import Filter, Term
    from .memory_rows import Run, Session
    from .protocol import EventOrder, Finding, Retention

__all__ = ("MemoryReader", "MemoryStore")

_RUN_SORTS: Final[dict[str, Callable[[Run], float]]] = {
    "time": lambda run: run.row.first_us,
    "duration": lambda run: run.row.duration_ms,
    "cost": lambda run: run.row.cost_usd,
    "tokens": lambda run: run.row.input_tokens + run.row.output_tokens,
    "errors": lambda run: run.row.errors,
    "retries": lambda run: run.row.retries,
}
_SESSION_SORTS: Final[dict[str, Callable[[Session], float]]] = {
    "time": lambda one: one.row.last_us,
    "cost": lambda one: one.row.cost_usd,
    "tokens": lambda one: one.row.input_tokens + one.row.output_tokens,
    "errors": lambda one: one.row.errors,
    "runs": lambda one: one.row.runs,
}

_UNLIMITED: Final = (float("inf"), float("inf"))


class MemoryStore:
    """Events in memory; see `Store`."""

    def __init__(
        self, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._facts: dict[tuple[str, str], Facts] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last = 0
        self._gone: list[Facts] = []
        self._removed: list[tuple[Removal, str, list[Removed]]] = []
        self._live: frozenset[str] | None = frozenset()
        self._silent_after_s: float | None = None
        self._clock_us = clock_us
        self._heard: dict[tuple[str, str], int] = {}
        self._ended: set[tuple[str, str | None]] = set()
        self._quotas: dict[str, tuple[float, float]] = {}

    def ingest(self, lines: Sequence[bytes], tenant: str | None = None) -> Verdicts:
        """Take events; see `Store.ingest`."""
        return self._taken(Batch(lines, tenant))

    def ingest_all(self, batches: Sequence[Batch]) -> list[Verdicts]:
        """Take events of several senders; see `Store.ingest_all`."""
        return [self._taken(batch) for batch in batches]

    def _taken(self, batch: Batch) -> Verdicts:
        accepted = duplicate = 0
        rejected: list[Rejection] = []
        conflicts: list[Rejection] = []
        for fact in admitted(batch):
            if isinstance(fact, Rejection):
                rejected.append(fact)
                continue
            known = self._facts.get((fact.tenant, fact.event_id))
            if known is None and self._is_over(fact):
                conflicts.append(Rejection(fact.event_id, "quota"))
            elif known is None:
                self._last += 1
                self._facts[fact.tenant, fact.event_id] = fact
                self._numbers[fact.tenant, fact.event_id] = self._last
                self._heard[fact.stream, fact.tenant] = self._clock_us()
                if fact.ended_stream:
                    self._ended.add((fact.ended_stream, batch.tenant))
                accepted += 1
            elif event_of(known.line) == event_of(fact.line):
                duplicate += 1
            else:
                conflicts.append(Rejection(fact.event_id, "conflict"))
        return Verdicts(accepted, duplicate, (*rejected, *conflicts))

    def reader(self, tenant: str | None) -> MemoryReader:
        """Return a reader; see `Store.reader`."""
        facts = [
            (self._numbers[key], fact)
            for key, fact in self._facts.items()
            if tenant is None or fact.tenant == tenant
        ]
        gone = [one for one in self._gone if tenant is None or one.tenant == tenant]
        live = self._live_for(tenant)
        return MemoryReader(facts, tenant, live, self._ended, gone)

    def _is_over(self, fact: Facts) -> bool:
        most_events, most_bytes = self._quotas.get(fact.tenant, _UNLIMITED)
        sizes = [len(f.line) for f in self._facts.values() if f.tenant == fact.tenant]
        is_over = len(sizes) + 1 > most_events
        return is_over or sum(sizes) + len(fact.line) > most_bytes

    def _live_for(self, tenant: str | None) -> frozenset[str] | None:
        if self._live is not None or self._silent_after_s is None:
            return self._live
        since_us = self._clock_us() - round(self._silent_after_s * 1e6)
        return frozenset(
            stream
            for (stream, owner), heard_us in self._heard.items()
            if heard_us >= since_us
            and tenant in {None, owner}
            and not self._ended & {(stream, owner), (stream, None)}
        )

    def retain(
        self,
        policy: Retention,
        recorded: Callable[[Removal], None] = lambda _removal: None,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Remove what a policy does not keep; see `Store.retain`."""
        found: set[tuple[str, str]] = set()
        sizes: defaultdict[str, int] = defaultdict(int)
        newest = sorted(
            self._facts.items(), key=lambda one: (-one[1].at_us, -self._numbers[one[0]])
        )
        for key, fact in newest:
            if policy.tenant not in {"", fact.tenant}:
                continue
            sizes[fact.tenant] += len(fact.line)
            is_old = policy.before_us is not None and fact.at_us < policy.before_us
            most = policy.most_bytes
            if is_old or (most is not None and sizes[fact.tenant] > most):
                found.add(key)
        return self._remove("retain", found, recorded, noted)

    def erase(
        self,
        tenant: str,
        *,
        session: str = "",
        user: str = "",
        recorded: Callable[[Removal], None] = lambda _removal: None,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Remove a session, or all of a user; see `Store.erase`."""
        mine = {k: f for k, f in self._facts.items() if f.tenant == tenant}
        named = [f for f in mine.values() if (f.user == user if user else f.session)]
        if user:
            sessions = {(f.project, f.session) for f in named if f.session}
            traces = {f.trace for f in named if f.trace}
        else:
            sessions = {(f.project, session) for f in named if f.session == session}
            last: defaultdict[str, str] = defaultdict(str)
            for f in named:
                last[f.trace] = max(last[f.trace], f.session)
            traces = {trace for trace, one in last.items() if trace and one == session}
        found = {
            key
            for key, f in mine.items()
            if (f.project, f.session) in sessions
            or f.trace in traces
            or (user and f.user == user)
        }
        return self._remove("erase", found, recorded, noted)

    def _remove(
        self,
        name: str,
        found: set[tuple[str, str]],
        recorded: Callable[[Removal], None],
        noted: Callable[[int, int], None],
    ) -> int:
        if not found:
            return 0
        facts = [self._facts[key] for key in found]
        places = sorted(
            places_of(fact.stream, fact.seq, fact.line)
            for fact in facts
            if fact.stream and fact.seq is not None
        )
        known = [one for _, _, ranges in self._removed for one in ranges]
        ranges = list(ranges_of(places, known))
        removal = Removal(len(self._removed) + 1, len(found), digest_of(ranges))
        recorded(removal)
        self._removed.append((removal, name, ranges))
        for key in found:
            self._gone.append(self._facts.pop(key))
        noted(len(found), len(found))
        return len(found)

    def check(
        self,
        is_on_record: Callable[[Removal], bool] = lambda _removal: True,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Iterator[Finding]:
        """Yield what is wrong, and what was removed; see `Store.check`."""
        valid: list[Removed] = []
        for removal, name, ranges in self._removed:
            is_valid = is_on_record(removal)
            yield removal_finding(removal, name, 0, is_valid=is_valid)
            valid += ranges if is_valid else []
        sent: defaultdict[str, list[Facts]] = defaultdict(list)
        for fact in (*self._facts.values(), *self._gone):
            if fact.stream:
                sent[fact.stream].append(fact)
        gone = set(map(id, self._gone))
        for stream, facts in sent.items():
            tenants = ", ".join(dict.fromkeys(fact.tenant for fact in facts))
            numbers = [fact.seq for fact in facts if fact.seq is not None]
            ends = min(numbers, default=None), max(numbers, default=None)
            here = [(f.seq, f.line) for f in facts if id(f) not in gone]
            here.sort(key=lambda one: -1 if one[0] is None else one[0])
            mine = sorted(r for r in valid if r.stream == stream)
            yield from findings_of(Sent(stream, *ends), tenants, here, mine)
        noted(1, 1)

    def set_live(
        self, streams: frozenset[str] | None, silent_after_s: float | None = None
    ) -> None:
        """Say which processes still record; see `Store.set_live`."""
        self._live = streams
        self._silent_after_s = silent_after_s

    def set_quota(
        self,
        tenant: str,
        most_events: int | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """Limit what a tenant may keep; see `Store.set_quota`."""
        limits = (most_events, most_bytes)
        given = [float("inf") if one is None else one for one in limits]
        self._quotas[tenant] = (given[0], given[1])

    def settle(self, *, is_idle: bool) -> None:
        """Do nothing; see `Store.settle`."""

    def close(self) -> None:
        """Do nothing."""


class MemoryReader:
    """Reads what was there when it was made; see `Reader`."""

    def __init__(
        self,
        facts: list[tuple[int, Facts]],
        tenant: str | None,
        live: frozenset[str] | None,
        ended: Collection[tuple[str, str | None]],
        gone: Sequence[Facts] = (),
    ) -> None:
        self._facts = facts
        self._tenant = tenant
        # What a process sent is known of it, also when it was removed.
        self._sent = [*(fact for _, fact in facts), *gone]
        owners = {(fact.stream, fact.tenant) for fact in self._sent}
        going_on = {
            stream
            for stream, owner in owners
            if (stream, owner) not in ended and (stream, None) not in ended
        }
        self._ended = {stream for stream, _ in owners} - going_on
        self._live = live
        self._runs = made.runs_of(facts, self._is_live)
        self._sessions = made.sessions_of(facts, self._runs)

    def _is_live(self, stream: str) -> bool:
        if self._live is None:
            return stream not in self._ended
        return stream in self._live

    def close(self) -> None:
        """Do nothing."""

    def sessions(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions; see `Reader.sessions`."""
        found = [one for one in self._sessions if self._all(filter_, one, _in_session)]
        key = _SESSION_SORTS[sort.removeprefix("-")]
        place = (f"sessions {sort}", cursor)
        rows, following = _page(found, key, place, limit, is_down=sort.startswith("-"))
        matched = None if cursor else len(found)
        return Page(tuple(one.row for one in rows), following, matched)

    def runs(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs; see `Reader.runs`."""
        found = self._runs_of(filter_)
        key = _RUN_SORTS[sort.removeprefix("-")]
        place = (f"runs {sort}", cursor)
        rows, following = _page(found, key, place, limit, is_down=sort.startswith("-"))
        matched = None if cursor else len(found)
        return Page(tuple(one.row for one in rows), following, matched)

    def _runs_of(self, filter_: Filter) -> list[Run]:
        return [
            run
            for run in self._runs.values()
            if run.is_run and self._all(filter_, run, _in_run)
        ]

    def run(self, trace_id: str) -> RunRow:
        """Return one run; see `Reader.run`."""
        found = [run for run in self._runs.values() if run.row.trace_id == trace_id]
        if not found:
            raise NotFoundError(f"no run {trace_id!r} is in this record.")
        return max(found, key=lambda run: (run.is_run, -run.number)).row

    def events(
        self,
        filter_: Filter,
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; see `Reader.events`."""
        found = self._events_of(filter_)
        rows, following = _page(
            found,
            (lambda row: row.number) if order == "arrival" else lambda row: row.at_us,
            (f"events {order}", cursor),
            limit,
            is_down=order == "-time",
        )
        return Page(tuple(self._shown(row, whole=whole) for row in rows), following)

    def _shown(self, row: EventRow, *, whole: bool) -> EventRow:
        if not whole:
            return row
        fact = next(fact for number, fact in self._facts if number == row.number)
        return made.event_row(row.number, fact, is_whole=True)

    def _events_of(self, filter_: Filter) -> list[EventRow]:
        return [
            made.event_row(number, fact)
            for number, fact in self._facts
            if self._all(filter_, fact, _in_event)
        ]

    def event(self, event_id: str) -> EventRow:
        """Return one whole event; see `Reader.event`."""
        for number, fact in self._facts:
            if fact.event_id == event_id:
                return made.event_row(number, fact, is_whole=True)
        raise NotFoundError(f"no event {event_id!r} is in this record.")

    def events_after(
        self, number: int, filter_: Filter, limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return what arrived after an event; see `Reader.events_after`."""
        found = [row for row in self._events_of(filter_) if row.number > number][:limit]
        newest = max((known for known, _ in self._facts), default=0)
        last = found[-1].number if len(found) == limit else max(number, newest)
        return [self._shown(row, whole=True) for row in found], last

    def search(
        self, text: str, filter_: Filter, cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events with a text in them; see `Reader.search`."""
        phrases = phrases_of(text)
        sought = [phrase for phrase in phrases if any(map(str.isalnum, phrase))]
        last = read_cursor(cursor, "search", int)
        hits = []
        for number, fact in reversed(self._facts):
            if not sought or (last and number >= last[0]):
                continue
            is_found = all(_has_words(fact.words, phrase) for phrase in sought)
            if is_found and self._all(filter_, fact, _in_event):
                row = made.event_row(number, fact, is_whole=True)
                hits.append(SearchHit(row, *snippet_of(fact.words, phrases)))
        following = ""
        if len(hits) > limit:
            following = cursor_of("search", hits[limit - 1].row.number)
        return Page(tuple(hits[:limit]), following)

    def numbers(
        self, by: Sequence[str], filter_: Filter, of: str = "", limit: int = 1000
    ) -> Numbers:
        """Return sums by group; see `Reader.numbers`."""
        facts = [f for _, f in self._facts if self._all(filter_, f, _in_event)]
        runs = self._runs_of(filter_)
        return made.numbers_of(by, of, facts, runs, limit)

    def causes(self, filter_: Filter, limit: int = 100) -> list[Cause]:
        """Return what went wrong by cause; see `Reader.causes`."""
        facts = [f for _, f in self._facts if self._all(filter_, f, _in_event)]
        streams = self.streams() if filter_.is_empty else []
        return made.causes_of(facts, self._runs_of(filter_), streams)[:limit]

    def streams(self) -> list[StreamRow]:
        """Return the processes that recorded; see `Reader.streams`."""
        is_all = self._tenant is None
        return made.streams_of(self._sent, self._ended, self._is_live, is_all=is_all)

    def labels(
        self, filter_: Filter, cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes; see `Reader.labels`."""
        found = [
            made.Numbered(number, made.label_of(fact))
            for number, fact in self._facts
            if made.is_label(fact) and self._all(filter_, fact, _in_event)
        ]
        place = ("labels", cursor)
        rows, following = _page(
            found, lambda one: one.label.at_us, place, limit, is_down=True
        )
        return Page(tuple(one.label for one in rows), following)

    def values(self, field: str, prefix: str = "", limit: int = 50) -> list[str]:
        """Return values of a field that occur; see `Reader.values`."""
        counts: defaultdict[str, int] = defaultdict(int)
        for run in self._runs.values():
            for value in made.values_of(run, field):
                if value and value.lower().startswith(prefix.lower()):
                    counts[value] += 1
        return sorted(counts, key=lambda value: (-counts[value], value))[:limit]

    def event_count(self) -> int:
        """Return the number of all events."""
        return len(self._facts)

    def _all(
        self,
        filter_: Filter,
        thing: Any,
        is_in: Callable[[MemoryReader, Term, Any], bool],
    ) -> bool:
        return all(is_in(self, term, thing) != term.is_not for term in filter_.terms)

    def run_of(self, fact: Facts) -> Run | None:
        """Return the run of an event."""
        return self._runs.get((fact.tenant, fact.trace))


def _is_one_of(text: str, values: Iterable[str]) -> bool:
    for value in values:
        pattern = ".*".join(map(re.escape, value.split("*")))
        flags = re.IGNORECASE | re.ASCII | re.DOTALL
        if re.fullmatch(pattern, text, flags):
            return True
    return False


def _compares(number: float | None, term: Term) -> bool:
    if number is None:
        return False
    wanted = term.number
    if term.field == "cost":
        number, wanted = round(number * PICO), round(wanted * PICO)
    return {
        ":": number == wanted,
        ">": number > wanted,
        "<": number < wanted,
        ">=": number >= wanted,
        "<=": number <= wanted,
    }[term.operator]


def _is_then(at_us: int, term: Term) -> bool:
    limit = round(term.number)
    return at_us >= limit if term.field == "since" else at_us < limit


_TYPED: Final = frozenset({"type"})
_TIMES: Final = frozenset({"since", "until"})


def _in_run(reader: MemoryReader, term: Term, run: Run) -> bool:
    name = term.field
    if name == "label":
        labels = [label.name for label in run.row.labels]
        return any(_is_one_of(label, term.values) for label in labels)
    if name in _TIMES:
        return _is_then(run.first_us, term)
    if name == "" or name in {"type", "span", "id"}:
        return any(_in_event(reader, term, fact) for fact in run.facts)
    if name in made.RUN_NUMBERS:
        return _compares(made.RUN_NUMBERS[name](run.row), term)
    return any(_is_one_of(value, term.values) for value in made.values_of(run, name))


def _in_session(reader: MemoryReader, term: Term, session: Session) -> bool:
    name, row = term.field, session.row
    texts = {
        "tenant": row.tenant_id,
        "project": row.project_id,
        "session": row.session_id,
        "user": row.user_id,
        "framework": row.framework,
    }
    if name in texts:
        return _is_one_of(texts[name], term.values)
    if name in _TIMES:
        return _is_then(row.last_us if name == "since" else row.first_us, term)
    if name == "duration":
        return _compares((row.last_us - row.first_us) / 1000, term)
    if name in made.RUN_NUMBERS:
        return _compares(made.RUN_NUMBERS[name](row), term)
    return any(_in_run(reader, term, run) for run in session.runs)


def _in_event(reader: MemoryReader, term: Term, fact: Facts) -> bool:
    name = term.field
    if name == "":
        phrase = term.values[0]
        return any(map(str.isalnum, phrase)) and _has_words(fact.words, phrase)
    if name in _TIMES:
        return _is_then(fact.at_us, term)
    if name in made.EVENT_TEXTS:
        values = term.values
        if name in _TYPED:
            values = tuple(v.upper().removeprefix("EVENT_TYPE_") for v in values)
        return _is_one_of(getattr(fact, made.EVENT_TEXTS[name]), values)
    if name in made.EVENT_NAMES:
        is_kind = fact.kind == made.EVENT_NAMES[name]
        is_kind = is_kind or (name == "model" and fact.kind == "retry")
        texts = (fact.outcome, fact.name) if name == "policy" else (fact.name,)
        return is_kind and any(_is_one_of(text, term.values) for text in texts)
    if name in made.EVENT_NUMBERS:
        return _compares(made.EVENT_NUMBERS[name](fact), term)
    run = reader.run_of(fact)
    return run is not None and _in_run(reader, term, run)


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFD", text.lower())
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return re.findall(r"[^\W_]+", kept)


def _has_words(text: str, phrase: str) -> bool:
    wanted, found = _tokens(phrase), _tokens(text)
    size = len(wanted)
    for at in range(len(found) - size + 1):
        piece = found[at : at + size]
        is_last = phrase.endswith("*") and piece[-1].startswith(wanted[-1])
        if piece[:-1] == wanted[:-1] and (piece == wanted or is_last):
            return True
    return False


def _page(
    found: list[Any],
    key: Callable[[Any], float],
    place: tuple[str, str],
    limit: int,
    *,
    is_down: bool,
) -> tuple[list[Any], str]:
    name, cursor = place
    ordered = sorted(found, key=lambda one: (key(one), one.number), reverse=is_down)
    last = read_cursor(cursor, name, float, int)
    if last is not None:
        mark = tuple(last)
        ordered = [
            one
            for one in ordered
            if ((key(one), one.number) < mark) == is_down
            and (key(one), one.number) != mark
        ]
    if len(ordered) <= limit:
        return ordered, ""
    rows = ordered[:limit]
    return rows, cursor_of(name, key(rows[-1]), rows[-1].number)
