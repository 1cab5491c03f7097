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
    "DAY_SUMS",
    "LAST_MOMENT",
    "MOST",
    "NO_BUCKET",
    "DayKey",
    "Deltas",
    "RunKey",
    "SessionKey",
    "StreamSums",
    "Sums",
    "bounded",
    "day_key",
    "day_sums",
    "fold",
    "names_of",
    "sums_row",
)

LAST_MOMENT: Final = 1 << 62
"""Stands for no first moment: everything is earlier."""
MOST: Final = (1 << 63) - 1
"""The largest number of a store."""
DAY_US: Final = 86_400_000_000
DAY_SUMS: Final = (
    "count failed cancelled retries input_tokens output_tokens cached_tokens cost"
    " unpriced duration_us"
).split()
"""Columns of what is summed by day, as `day_sums` returns them."""
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
        # Comparisons, since calls of min and max would be most of the work.
        if fact.user > self.user:  # noqa: PLR1730
            self.user = fact.user
        if fact.framework > self.framework:  # noqa: PLR1730
            self.framework = fact.framework
        if fact.is_own:
            return
        at = fact.at_us
        if at < self.first:  # noqa: PLR1730
            self.first = at
        if at > self.last:  # noqa: PLR1730
            self.last = at
        kind = fact.kind
        if fact.side:
            if fact.side < 0:
                self._add_end(kind, fact)
        else:
            self.errors += kind == "error"
            self.retries += kind == "retry"
            self.denials += fact.outcome == "deny"

    def _add_end(self, kind: str, fact: Facts) -> None:
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

    def add_texts(self, fact: Facts) -> None:
        """Add what only a run has: its place, how it began, how it ended."""
        if fact.session > self.session:  # noqa: PLR1730
            self.session = fact.session
        if fact.project > self.project:  # noqa: PLR1730
            self.project = fact.project
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
        at, seq = fact.at_us, fact.seq
        if at < self.first:  # noqa: PLR1730
            self.first = at
        if at > self.last:  # noqa: PLR1730
            self.last = at
        self.dropped = max(self.dropped, fact.dropped)
        if seq is not None:
            self.numbered += 1
            if self.min_seq is None or seq < self.min_seq:
                self.min_seq = seq
            if self.max_seq is None or seq > self.max_seq:
                self.max_seq = seq


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
        self._named: dict[tuple[RunKey, tuple[str, ...]], int] = {}

    def add(self, fact: Facts) -> None:
        """Add one event."""
        tenant, stream = fact.tenant, fact.stream
        if stream:
            key = (stream, tenant)
            sums = self.streams.get(key)
            if sums is None:
                sums = self.streams[key] = StreamSums()
            sums.add(fact)
        if fact.session:
            self._add_to_session((tenant, fact.project, fact.session), fact)
        if fact.trace:
            self._add_to_run((tenant, fact.trace), fact)
        if fact.of:
            self._add_to_day(fact)
        if fact.is_own:
            if fact.ended_stream:
                self.ended.add(fact.ended_stream)
            if fact.name == "chaukas.score":
                self.labels.append(fact)

    def finish(self) -> None:
        """Work out what was left until all events are here."""
        for (key, about), at_us in self._named.items():
            for kind, name in _names(*about):
                place = (key, kind, name)
                known = self.names.get(place)
                if known is None or at_us < known:
                    self.names[place] = at_us

    def _add_to_session(self, key: SessionKey, fact: Facts) -> None:
        session = self.sessions.get(key)
        if session is None:
            session = self.sessions[key] = Sums()
        session.add(fact)
        if fact.kind == "session" and fact.name > session.name:
            session.name = fact.name

    def _add_to_run(self, key: RunKey, fact: Facts) -> None:
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = Sums()
        run.add(fact)
        if fact.is_own:
            return
        run.add_texts(fact)
        if fact.path:
            order = f"{fact.at_us:019d}{fact.event_id}"
            self.paths.append((key, order, fact.path))
        kind = fact.kind
        if kind == "session":
            return
        # Most events of a run say what others of it said: their names wait.
        named = (key, _about(fact))
        known = self._named.get(named)
        if known is None or fact.at_us < known:
            self._named[named] = fact.at_us
        if fact.side:
            span = (key, kind + fact.span)
            self.opened[span] += fact.side
            if fact.side > 0:
                self.openers[span] = (fact.stream, fact.tenant)

    def _add_to_day(self, fact: Facts) -> None:
        sums = day_sums(fact)
        key = day_key(fact)
        known = self.days.get(key)
        if known is None:
            self.days[key] = sums
        else:
            for index, number in enumerate(sums):
                known[index] += number


def _about(fact: Facts) -> tuple[str, ...]:
    return (
        fact.kind, fact.agent, fact.name if fact.kind in _NAMED else "",
        fact.outcome if fact.kind == "policy" else "", fact.user, fact.framework,
    )  # fmt: skip


def names_of(fact: Facts) -> list[tuple[str, str]]:
    """Return what a filter can find the run of an event by: field and value."""
    return _names(*_about(fact))


def _names(
    kind: str, agent: str, name: str, outcome: str, user: str, framework: str
) -> list[tuple[str, str]]:
    pairs = (
        ("kind", kind),
        ("agent", agent),
        ("server" if kind == "mcp" else kind, name),
        ("policy", outcome),
        ("user", user),
        ("framework", framework),
    )
    return [pair for pair in pairs if pair[1]]


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
    deltas.finish()
    return deltas


def bounded(sums: Iterable[int]) -> list[int]:
    """Return sums that a store can hold: what outgrows it stays the largest."""
    return [max(-MOST, min(number, MOST)) for number in sums]


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
        *bounded(
            (
                sums.input_tokens,
                sums.output_tokens,
                sums.cached_tokens,
                sums.reasoning_tokens,
                sums.cost,
            )
        ),
        sums.unpriced,
        sums.errors,
        sums.retries,
        sums.denials,
    )
