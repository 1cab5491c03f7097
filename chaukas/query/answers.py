"""
What the queries answer that is made of several rows of a store.

Units and names as in `chaukas.store.answers`; `to_json` gives both as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from chaukas.store.answers import (
        Cause,
        EventRow,
        NumberRow,
        RunRow,
        SessionRow,
        StreamRow,
    )

__all__ = (
    "Between",
    "Change",
    "Diff",
    "DiffRow",
    "EventDetail",
    "FieldHelp",
    "Identity",
    "Lines",
    "PromptAnswer",
    "SessionDetail",
    "Span",
    "Status",
    "Summary",
    "TextDiff",
    "Tree",
    "Turn",
    "to_json",
)


@dataclass(frozen=True, slots=True)
class Span:
    """A pair of START and END, or a single event, in its place of the tree."""

    index: int
    """Place in `Tree.spans`."""
    parent: int | None
    """Index of the span above; None at the top."""
    depth: int
    """0 at the top."""
    span_id: str
    kind: str
    """As `EventRow.kind`; `trace` for a top that only holds what lost its parent."""
    name: str
    agent: str
    text: str
    """What a line of the tree says behind the name, 200 characters at most."""
    status: str
    """
    `completed failed cancelled waiting open died`, `point` for a single event that
    did not fail.
    """
    start_us: int
    end_us: int | None
    """None while it is open, and for one that died."""
    duration_ms: float | None
    first_token_ms: float | None
    """Of a streamed answer: from its start to its first piece."""
    retries: int
    """In it and in all below."""
    wait_ms: float
    """Waits before retries, in it and in all below."""
    attempt: int | None
    """Of a retry: which one it is."""
    input_tokens: int
    """Its own."""
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    """Its own; None for none, or an unknown price."""
    total_input_tokens: int
    """With all below."""
    total_output_tokens: int
    total_cost_usd: float
    errors: int
    """In it and in all below."""
    is_critical: bool
    """It is on the critical path: what the run's end waited for."""
    event_ids: tuple[str, ...]
    """START and END, or the single event."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A run as a tree, flat: depth first, siblings in the order of their starts."""

    run: RunRow
    spans: tuple[Span, ...]
    is_cut: bool
    """There are more spans than the limit; the first ones are here."""
    span_count: int
    """All spans of the run, also those that were cut off."""


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event as recorded, and what is known about it."""

    row: EventRow
    event: dict[str, Any]
    partner_event_id: str
    """The other event of its pair; empty for none."""
    previous_event_id: str
    """The event before it in its run, by time; empty at the beginning."""
    next_event_id: str
    integrity: Literal["ok", "altered", "absent"]
    """Whether its content has the hash that it carries."""
    chain: Literal["ok", "broken", "unknown"]
    """Whether it follows the event before it in its stream; unknown without that."""


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """Everything that a model was asked in one call, put together again."""

    event_id: str
    """Of the MODEL_INVOCATION_START."""
    span_id: str
    system: str
    items: tuple[Any, ...]
    """All items of the input, in order; None for one that the record lacks."""
    new_from: int
    """Index of the first item that this call was the first to send."""
    is_whole: bool
    request: dict[str, Any]
    """Tools, settings, schema, …: the request without its input."""
    curl: str
    """The call as a command line, key as `$OPENAI_API_KEY`; empty if not possible."""
    python: str
    """The call as a Python program, likewise."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a session, as a turn of its conversation."""

    run: RunRow
    inputs: tuple[str, ...]
    """Whole texts, 20,000 characters at most each."""
    outputs: tuple[str, ...]
    strip: tuple[tuple[str, str, str], ...]
    """Kind, name and status of agents, tools, decisions … in the order of time."""
    context_tokens: int
    """Tokens of the largest prompt in it."""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A session as a conversation."""

    session: SessionRow
    turns: tuple[Turn, ...]
    """In the order of time."""
    outside: tuple[EventRow, ...]
    """Events outside of every run, 200 at most: decisions, state, calls to servers."""
    next_cursor: str
    """For the turns that follow."""


Change = Literal["same", "added", "missing", "changed"]


@dataclass(frozen=True, slots=True)
class TextDiff:
    """How a text differs, as lines of a unified diff without its head."""

    field: str
    """`system input output arguments result error`."""
    lines: tuple[str, ...]
    """Each begins with a blank, `-` or `+`."""


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One place of two trees that were laid beside each other."""

    change: Change
    depth: int
    left: Span | None
    """None for what was added."""
    right: Span | None
    """None for what is missing."""
    slower_ms: float | None
    """How much longer the right one took; negative for faster."""
    texts: tuple[TextDiff, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Two runs beside each other."""

    left: RunRow
    right: RunRow
    rows: tuple[DiffRow, ...]
    same: int
    added: int
    missing: int
    changed: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Status:
    """How far the reading of the source is."""

    source: str
    """What was named: a file, a folder, a collector."""
    state: Literal["reading", "ready", "failed"]
    done_bytes: int
    total_bytes: int
    events: int
    skipped_lines: int
    """Lines in which there is no event, repeated events not counted."""
    repeated: int
    """Events that were there already."""
    conflicts: int
    """Events with the id of another, and other content; the first was kept."""
    problem: str
    """What could not be read, for people; empty for nothing."""
    version: str
    """Of chaukas."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One screen about a record."""

    source: str
    first_us: int | None
    last_us: int | None
    events: int
    sessions: int
    runs: int
    by_status: dict[str, int]
    """Runs by status."""
    tenants: tuple[str, ...]
    """20 at most."""
    totals: NumberRow
    """Over all model calls."""
    run_totals: NumberRow
    models: tuple[NumberRow, ...]
    """The five that cost most, or have most tokens."""
    tools: tuple[NumberRow, ...]
    """The five that were called most."""
    agents: tuple[NumberRow, ...]
    slowest: tuple[RunRow, ...]
    """Three."""
    causes: tuple[Cause, ...]
    """The five most frequent kinds of trouble."""
    missing: int
    """Events that the numbers of their streams prove to be missing."""
    dropped: int
    """Events that processes report as lost."""
    streams: tuple[StreamRow, ...]
    """The latest 20."""
    verified: Literal["not checked", "whole", "not whole", "broken"]


@dataclass(frozen=True, slots=True)
class FieldHelp:
    """A field of the filter language, for completion."""

    name: str
    operators: tuple[str, ...]
    """Of `: > < >= <=`."""
    unit: str
    """Such as `USD` or `ms`; empty for words."""
    help: str
    values: tuple[str, ...]
    """Values that occur, the most frequent first, 50 at most."""


@dataclass(frozen=True, slots=True)
class Between:
    """What is known of a stream, or of events that were removed from it on record."""

    at: int
    """Index of the line of the answer before which it stands."""
    kind: Literal["sent", "removed"]
    stream: str
    first: int | None
    """
    Number in the stream: the least that was ever taken, or of the first event that was
    removed.
    """
    last: int | None
    """Likewise the greatest, or of the last event that was removed."""
    before: str = ""
    """`hash_prev` of the first event that was removed."""
    hash: str = ""
    """`content_hash` of the last one."""
    is_shared: bool = False
    """Others own events of the stream, too, which are not shown to this reader."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Events as they were recorded, in the order of arrival or of their chains."""

    lines: tuple[str, ...]
    """JSON, one event each, without line breaks."""
    last: int
    """In the order of arrival: number of the last event looked at."""
    is_last: bool
    """There was nothing behind it."""
    next_cursor: str = ""
    """In the order of chains: behind the last event; empty if there is nothing."""
    between: tuple[Between, ...] = ()
    """In the order of chains: what stands between the lines."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a collector takes a client for."""

    key: str
    """Id of the key, which is no secret; `local` where no key is needed."""
    tenant: str
    """Whose events it sends and sees; `*` for all."""
    project: str
    """The only one that it sends to; empty for all."""
    scopes: tuple[str, ...]
    version: str
    """Of chaukas at the collector."""
    now_us: int
    """The collector's clock."""


def to_json(answer: object) -> bytes:
    """Return an answer as JSON: the names of its fields, tuples as arrays."""
    return orjson.dumps(answer, default=str)
