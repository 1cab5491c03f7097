"""
What a store answers: small frozen rows, every field with its unit.

Their JSON has the same names (`chaukas.query.to_json`). Moments end in `_us`: whole
microseconds since 1970, UTC; durations end in `_ms`. A number that the record does
not hold is None, never a guess; a text that it does not hold is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = (
    "Cause",
    "EventRow",
    "Label",
    "NumberRow",
    "Numbers",
    "Page",
    "RunRow",
    "RunStatus",
    "SearchHit",
    "SessionRow",
    "StreamRow",
    "status_of_session",
)

Row = TypeVar("Row")

RunStatus = Literal["completed", "failed", "cancelled", "waiting", "open", "died"]
"""
How a run stands: `waiting` for a person's approval; `open` while the process that
records it lives; `died` if that process is gone and left no end.
"""
_STILL_MATTERS: Final[tuple[RunStatus, ...]] = ("open", "died", "waiting")
"""What a later run does not make good, the worst first."""


def status_of_session(statuses: Sequence[RunStatus]) -> RunStatus:
    """
    Return how a session stands.

    Args:
        statuses: Of its runs, by time.
    """
    for status in _STILL_MATTERS:
        if status in statuses:
            return status
    return statuses[-1] if statuses else "completed"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of an answer, and how to get the next ones."""

    items: tuple[Row, ...]
    next_cursor: str
    """Give it back as `cursor` for the rows that follow; empty behind the last."""
    matched: int | None = None
    """How many rows match in all, over all pages; None where counting is no use."""


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody thinks of a run, a call or a session: beside the record."""

    event_id: str
    """Of the label itself, which is an event of its own."""
    at_us: int
    name: str
    """What was judged, such as `helpfulness`; `note` for a free text."""
    value: str | float | bool | None
    comment: str
    trace_id: str
    """The run; empty for a session's."""
    span_id: str
    """The call within it; empty if the whole run is meant."""
    session_id: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of one tenant and project: the sum of all of its openings."""

    tenant_id: str
    project_id: str
    session_id: str
    name: str
    """As the application named it; empty for none."""
    user_id: str
    framework: str
    first_us: int
    """Moment of its first event."""
    last_us: int
    status: RunStatus
    """The worst that still matters: open, died, waiting, else that of its last run."""
    runs: int
    failed_runs: int
    agents: tuple[str, ...]
    """In the order in which they first ran, 16 at most."""
    events: int
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that came from the provider's cache."""
    reasoning_tokens: int
    """The part of `output_tokens` that was spent on reasoning."""
    cost_usd: float
    unpriced_calls: int
    """Model calls whose price is not known: `cost_usd` is without them."""
    errors: int
    """ERROR events, handled ones too."""
    retries: int
    denials: int
    """POLICY_DECISION events with the outcome deny."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: a trace with an agent, a model call or a tool call in it."""

    tenant_id: str
    project_id: str
    trace_id: str
    session_id: str
    user_id: str
    framework: str
    name: str
    """Its workflow's name, if the application gave one."""
    agents: tuple[str, ...]
    """The path: its first agent, then each that took over by handoff; 16 at most."""
    first_us: int
    last_us: int
    duration_ms: float
    """
    As the record has it; else from the first event to the last. Of a waiting run this
    includes the wait once it was resumed.
    """
    status: RunStatus
    input: str
    """The first input, one line, 500 characters at most."""
    output: str
    """The last output, likewise."""
    error: str
    """The last error, likewise: `code: message`."""
    events: int
    open_spans: int
    """Spans that began and have no end."""
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float
    unpriced_calls: int
    errors: int
    retries: int
    denials: int
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event, in short; `event` is the whole, where it was asked for."""

    number: int
    """Place in the store, in the order of arrival, from 1."""
    event_id: str
    at_us: int
    type: str
    """Such as `MODEL_INVOCATION_END`."""
    kind: str
    """
    `session agent model tool mcp handoff input output error retry policy data state
    system`.
    """
    status: str
    """`started in_progress completed failed cancelled`."""
    tenant_id: str
    project_id: str
    session_id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    agent: str
    """The agent in force."""
    name: str
    """Of the agent, model, tool, MCP server and operation, policy, error code, …"""
    text: str
    """What it says, one line, 200 characters at most."""
    duration_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_usd: float | None
    first_token_ms: float | None
    wait_ms: float | None
    """Of a retry: the wait before it."""
    outcome: str
    """Of a decision; `waiting` of an agent's end; `partial` of a piece of output."""
    event: dict[str, Any] | None = None
    """The event as recorded; None unless asked for."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An event in which a text was found."""

    row: EventRow
    snippet: str
    """The text around the first match, one line, 240 characters at most."""
    matches: tuple[tuple[int, int], ...]
    """Where in the snippet a word matches: start and end, in characters."""


@dataclass(frozen=True, slots=True)
class NumberRow:
    """Sums over a group of calls or runs."""

    key: tuple[str, ...]
    """Values of what was grouped by, in that order; a day is `2026-01-31`."""
    count: int
    """Calls that ended, or runs."""
    failed: int
    cancelled: int
    retries: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    unpriced_calls: int
    duration_p50_ms: float | None
    """Within 2 %."""
    duration_p95_ms: float | None
    duration_sum_ms: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """Sums by group, the largest first; by time, the earliest first."""

    by: tuple[str, ...]
    of: str
    """What was counted: `run model tool mcp agent`."""
    rows: tuple[NumberRow, ...]
    total: NumberRow
    """Over all groups, those that were cut off too; its key is empty."""
    width_s: int | None
    """Length of an interval in seconds if `by` has `time`, else None."""
    is_cut: bool
    """There are more groups than rows."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Trouble of one kind with one cause."""

    kind: str
    """`error retry denial waiting orphan died loss`."""
    cause: str
    """What it says, with numbers and ids as `#`, so that equal causes meet."""
    name: str
    """Error code, policy, tool or layer, where there is one."""
    count: int
    runs: int
    """Runs in which it happened."""
    first_us: int
    last_us: int
    example_event_id: str
    """The latest event of it."""
    trace_ids: tuple[str, ...]
    """The latest runs in which it happened, 5 at most."""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One process that recorded."""

    stream: str
    first_us: int
    last_us: int
    events: int
    missing: int
    """Numbers of its events that are not here, between the first and the last."""
    dropped: int
    """Events that it reports as lost."""
    state: Literal["ended", "open", "died"]
