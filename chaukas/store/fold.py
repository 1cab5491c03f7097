"""
What a batch of events adds to the sums of runs, sessions, days and streams.

Everything here is a sum, a least or a greatest value, or a set: two batches give
the same in either order.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .facts import Facts

__all__ = (
    "LAST_MOMENT",
    "NO_BUCKET",
    "DayKey",
    "Deltas",
    "RunKey",
    "SessionKey",
    "StreamSums",
    "Sums",
    "day_key",
    "day_sums",
    "fold",
    "names_of",
    "sums_row",
)

LAST_MOMENT: Final = 1 << 62
"""Stands for no first moment: everything is earlier."""
DAY_US: Final = 86_400_000_000
NO_BUCKET: Final = -9999
"""Of what has no duration."""
_NO_KEY: Final = "~"

RunKey = tuple[str, str]
"""Tenant and trace."""
SessionKey = tuple[str, str, str]
"""Tenant, project and session."""
DayKey = tuple[str, str, int, str, str, str, int]
"""Tenant, project, day since 1970, what, agent, name, bucket."""

_RUNNING: Final = frozenset({"agent", "model", "tool"})
_NAMED: Final = frozenset({"agent", "model", "tool", "mcp", "policy", "error"})


class Sums:
    """What events of one run, or of one session, add up to."""

    __slots__ = (
        "cached_tokens",
        "calls",
        "cost",
        "denials",
        "end",
        "error",
        "errors",
        "events",
        "first",
        "framework",
        "input",
        "input_tokens",
        "is_run",
        "last",
        "name",
        "output",
        "output_tokens",
        "project",
        "reasoning_tokens",
        "retries",
        "session",
        "tools",
        "unpriced",
        "user",
    )

    def __init__(self) -> None:
        self.first = LAST_MOMENT
        self.last = -1
        self.project = self.session = self.name = self.user = self.framework = ""
        self.is_run = False
        self.events = self.calls = self.tools = 0
        self.input_tokens = self.output_tokens = 0
        self.cached_tokens = self.reasoning_tokens = 0
        self.cost = self.unpriced = self.errors = self.retries = self.denials = 0
        self.input = (_NO_KEY, "")
        self.output = ("", "")
        self.error = ("", "")
        self.end: tuple[str, str, float | None] = ("", "", None)

    def add(self, fact: Facts) -> None:
        """Add one event."""
        self.events += 1
        self.user = max(self.user, fact.user)
        self.framework = max(self.framework, fact.framework)
        if fact.is_own:
            return
        at = fact.at_us
        self.first = min(self.first, at)
        self.last = max(self.last, at)
        kind = fact.kind
        if fact.side < 0:
            if kind == "model":
                self.calls += 1
                self.input_tokens += fact.input_tokens
                self.output_tokens += fact.output_tokens
                self.cached_tokens += fact.cached_tokens
                self.reasoning_tokens += fact.reasoning_tokens
                self.cost += fact.cost_pico or 0
                self.unpriced += fact.unpriced
            elif kind == "tool":
                self.tools += 1
        elif kind == "error":
            self.errors += 1
        elif kind == "retry":
            self.retries += 1
        elif fact.outcome == "deny":
            self.denials += 1

    def add_texts(self, fact: Facts) -> None:
        """Add what only a run has: its place, how it began, how it ended."""
        self.session = max(self.session, fact.session)
        self.project = max(self.project, fact.project)
        kind = fact.kind
        if kind in _RUNNING:
            self.is_run = True
            self.name = max(self.name, fact.workflow)
            if fact.end_rank:
                key = f"{fact.end_rank}{fact.at_us:019d}{fact.event_id}"
                if key > self.end[0]:
                    self.end = (key, fact.end_status, fact.end_ms)
        elif fact.shown or kind == "error":
            key = f"{fact.at_us:019d}{fact.event_id}"
            if kind == "input":
                self.input = min(self.input, (key, fact.shown))
            elif kind == "output":
                self.output = max(self.output, (key, fact.shown))
            elif kind == "error":
                text = ": ".join(part for part in (fact.name, fact.text) if part)
                self.error = max(self.error, (key, text))


class StreamSums:
    """What events of one stream add up to."""

    __slots__ = ("dropped", "events", "first", "last", "max_seq", "min_seq", "numbered")

    def __init__(self) -> None:
        self.first, self.last = LAST_MOMENT, -1
        self.events = self.numbered = self.dropped = 0
        self.min_seq: int | None = None
        self.max_seq: int | None = None

    def add(self, fact: Facts) -> None:
        """Add one event."""
        self.events += 1
        self.first = min(self.first, fact.at_us)
        self.last = max(self.last, fact.at_us)
        self.dropped = max(self.dropped, fact.dropped)
        seq = fact.seq
        if seq is not None:
            self.numbered += 1
            self.min_seq = seq if self.min_seq is None else min(self.min_seq, seq)
            self.max_seq = seq if self.max_seq is None else max(self.max_seq, seq)


class Deltas:
    """What one batch adds to everything."""

    def __init__(self) -> None:
        self.runs: dict[RunKey, Sums] = {}
        self.sessions: dict[SessionKey, Sums] = {}
        self.streams: dict[tuple[str, str], StreamSums] = {}
        self.ended: set[str] = set()
        self.names: dict[tuple[RunKey, str, str], int] = {}
        self.paths: list[tuple[RunKey, str, str]] = []
        self.opened: defaultdict[tuple[RunKey, str], int] = defaultdict(int)
        self.openers: dict[tuple[RunKey, str], tuple[str, str]] = {}
        self.days: dict[DayKey, list[int]] = {}
        self.labels: list[Facts] = []

    def add(self, fact: Facts) -> None:
        """Add one event."""
        if fact.stream:
            key = (fact.stream, fact.tenant)
            stream = self.streams.get(key)
            if stream is None:
                stream = self.streams[key] = StreamSums()
            stream.add(fact)
        if fact.ended_stream:
            self.ended.add(fact.ended_stream)
        if fact.session:
            place = (fact.tenant, fact.project, fact.session)
            session = self.sessions.get(place)
            if session is None:
                session = self.sessions[place] = Sums()
            session.add(fact)
            if fact.kind == "session" and fact.name > session.name:
                session.name = fact.name
        if fact.trace:
            self._add_to_run((fact.tenant, fact.trace), fact)
        if fact.of:
            self._add_to_day(fact)
        if fact.is_own and fact.name == "chaukas.score":
            self.labels.append(fact)

    def _add_to_run(self, key: RunKey, fact: Facts) -> None:
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = Sums()
        run.add(fact)
        if fact.is_own:
            return
        run.add_texts(fact)
        kind = fact.kind
        if kind != "session":
            for what, name in names_of(fact):
                self._name(key, what, name, fact.at_us)
            if fact.side:
                span = (key, f"{kind}{fact.span}")
                self.opened[span] += fact.side
                if fact.side > 0:
                    self.openers[span] = (fact.stream, fact.tenant)
        if fact.path:
            order = f"{fact.at_us:019d}{fact.event_id}"
            self.paths.append((key, order, fact.path))

    def _name(self, key: RunKey, kind: str, name: str, at_us: int) -> None:
        place = (key, kind, name)
        known = self.names.get(place)
        if known is None or at_us < known:
            self.names[place] = at_us

    def _add_to_day(self, fact: Facts) -> None:
        sums = day_sums(fact)
        key = day_key(fact)
        known = self.days.get(key)
        if known is None:
            self.days[key] = sums
        else:
            for index, number in enumerate(sums):
                known[index] += number


def names_of(fact: Facts) -> list[tuple[str, str]]:
    """Return what a filter can find the run of an event by: field and value."""
    kind = fact.kind
    found = [("kind", kind)]
    if fact.agent:
        found.append(("agent", fact.agent))
    if kind in _NAMED and fact.name:
        found.append(("server" if kind == "mcp" else kind, fact.name))
    if kind == "policy" and fact.outcome:
        found.append(("policy", fact.outcome))
    if fact.user:
        found.append(("user", fact.user))
    if fact.framework:
        found.append(("framework", fact.framework))
    return found


def day_key(fact: Facts) -> DayKey:
    """Return to which row of the sums by day an event belongs."""
    bucket = NO_BUCKET if fact.bucket is None else fact.bucket
    day = fact.at_us // DAY_US
    return fact.tenant, fact.project, day, fact.of, fact.agent, fact.name, bucket


def day_sums(fact: Facts) -> list[int]:
    """Return what an event adds to that row, in the order of its columns."""
    is_retry = fact.of == "retry"
    return [
        0 if is_retry else 1,
        int(fact.status == "failed"),
        int(fact.status == "cancelled"),
        int(is_retry),
        fact.input_tokens,
        fact.output_tokens,
        fact.cached_tokens,
        fact.cost_pico or 0,
        fact.unpriced,
        round((fact.duration_ms or 0.0) * 1000),
    ]


def fold(facts: Iterable[Facts]) -> Deltas:
    """Return what events add up to."""
    deltas = Deltas()
    for fact in facts:
        deltas.add(fact)
    return deltas


def sums_row(sums: Sums) -> tuple[Any, ...]:
    """Return the sums that runs and sessions share, in the order of their columns."""
    return (
        sums.first,
        sums.last,
        sums.name,
        sums.user,
        sums.framework,
        sums.events,
        sums.calls,
        sums.tools,
        sums.input_tokens,
        sums.output_tokens,
        sums.cached_tokens,
        sums.reasoning_tokens,
        sums.cost,
        sums.unpriced,
        sums.errors,
        sums.retries,
        sums.denials,
    )
