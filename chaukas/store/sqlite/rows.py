"""Rows of the SQLite store as answers: which columns are read, and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.store.answers import (
    EventRow,
    Label,
    RunRow,
    SearchHit,
    SessionRow,
    status_of_session,
)
from chaukas.store.facts import PICO, event_of, facts_of
from chaukas.store.fold import LAST_MOMENT
from chaukas.store.snippet import snippet_of

from .where import RUN_DURATION

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = (
    "EVENT_COLUMNS",
    "LABEL_COLUMNS",
    "PAGE_BYTES",
    "RUN_BYTES",
    "RUN_COLUMNS",
    "SESSION_COLUMNS",
    "VALUES",
    "event_row",
    "hit_of",
    "label_of",
    "run_row",
    "session_row",
    "whole_events",
)

PAGE_BYTES: Final = 4_000_000
"""Of the events of one page, if they are whole: it ends earlier then."""
RUN_BYTES: Final = 64_000_000
"""Of the whole events of one run, or of one session."""

RUN_COLUMNS: Final = (
    "r.id, r.tenant, r.project, r.trace, r.session, r.user, r.framework, r.name,"
    f" r.first, r.last, {RUN_DURATION}, r.input, r.output, r.error, r.events,"
    " r.open_spans, r.calls, r.tools, r.input_tokens, r.output_tokens,"
    " r.cached_tokens, r.reasoning_tokens, r.cost, r.unpriced, r.errors, r.retries,"
    " r.denials"
)
SESSION_COLUMNS: Final = (
    "s.id, s.tenant, s.project, s.session, s.name, s.user, s.framework, s.first,"
    " s.last, s.events, s.calls, s.tools, s.input_tokens, s.output_tokens,"
    " s.cached_tokens, s.reasoning_tokens, s.cost, s.unpriced, s.errors, s.retries,"
    " s.denials"
)
EVENT_COLUMNS: Final = (
    "e.id, e.event_id, e.at, e.type, e.kind, e.status, e.tenant, e.project,"
    " coalesce(s.session, ''), coalesce(r.trace, ''), e.span, e.parent, e.agent,"
    " e.name, e.text, e.duration_ms, e.input_tokens, e.output_tokens,"
    " e.cached_tokens, e.cost, e.first_token_ms, e.wait_ms, e.outcome"
)
LABEL_COLUMNS: Final = (
    "l.event, e.event_id, l.at, l.name, l.value, l.comment, l.trace, l.span, l.session"
)
VALUES: Final = {
    "tenant": ("r.tenant", "run r"),
    "project": ("r.project", "run r"),
    "session": ("r.session", "run r"),
    "trace": ("r.trace", "run r"),
    "label": ("l.name", "label l"),
}
"""Column and rows of a field whose values are listed; any other is a name of runs."""


def run_row(
    row: Sequence[Any], agents: tuple[str, ...], labels: tuple[Label, ...]
) -> RunRow:
    """Return a run: its status, then `RUN_COLUMNS`."""
    first, last = row[9], row[10]
    if first == LAST_MOMENT:
        first = last = 0
    return RunRow(
        tenant_id=row[2], project_id=row[3], trace_id=row[4], session_id=row[5],
        user_id=row[6], framework=row[7], name=row[8], agents=agents, first_us=first,
        last_us=last, duration_ms=max(0.0, row[11]), status=row[0], input=row[12],
        output=row[13], error=row[14], events=row[15], open_spans=row[16],
        model_calls=row[17], tool_calls=row[18], input_tokens=row[19],
        output_tokens=row[20], cached_tokens=row[21], reasoning_tokens=row[22],
        cost_usd=row[23] / PICO, unpriced_calls=row[24], errors=row[25],
        retries=row[26], denials=row[27], labels=labels,
    )  # fmt: skip


def session_row(
    row: Sequence[Any], statuses: list[Any], agents: tuple[str, ...]
) -> SessionRow:
    """Return a session: `SESSION_COLUMNS`, and the statuses of its runs by time."""
    return SessionRow(
        tenant_id=row[1], project_id=row[2], session_id=row[3], name=row[4],
        user_id=row[5], framework=row[6], first_us=row[7], last_us=row[8],
        status=status_of_session(statuses), runs=len(statuses),
        failed_runs=statuses.count("failed"), agents=agents, events=row[9],
        model_calls=row[10], tool_calls=row[11],
        input_tokens=row[12], output_tokens=row[13], cached_tokens=row[14],
        reasoning_tokens=row[15], cost_usd=row[16] / PICO, unpriced_calls=row[17],
        errors=row[18], retries=row[19], denials=row[20],
    )  # fmt: skip


def event_row(row: Sequence[Any], event: dict[str, Any] | None) -> EventRow:
    """Return an event: `EVENT_COLUMNS`, and the whole if it was asked for."""
    return EventRow(
        number=row[0], event_id=row[1], at_us=row[2], type=row[3], kind=row[4],
        status=row[5], tenant_id=row[6], project_id=row[7], session_id=row[8],
        trace_id=row[9], span_id=row[10], parent_span_id=row[11], agent=row[12],
        name=row[13], text=row[14], duration_ms=row[15], input_tokens=row[16],
        output_tokens=row[17], cached_tokens=row[18],
        cost_usd=None if row[19] is None else row[19] / PICO,
        first_token_ms=row[20], wait_ms=row[21], outcome=row[22], event=event,
    )  # fmt: skip


def whole_events(
    sql: sqlite3.Connection, rows: Sequence[Sequence[Any]], most_bytes: int
) -> tuple[EventRow, ...]:
    """Return events with what was recorded, as many as are not larger together."""
    found: list[EventRow] = []
    size = 0
    for row in rows:
        statement = "SELECT line FROM body WHERE id = ?"
        body = sql.execute(statement, (row[0],)).fetchone()
        if body is None:
            # It was removed in between.
            continue
        size += len(body[0])
        if found and size > most_bytes:
            break
        found.append(event_row(row, event_of(body[0])))
    return tuple(found)


def label_of(row: Sequence[Any]) -> Label:
    """Return a label: `LABEL_COLUMNS`."""
    _, event_id, at, name, value, comment, trace, span, session = row
    return Label(event_id, at, name, orjson.loads(value), comment, trace, span, session)


def hit_of(row: EventRow, phrases: list[str]) -> SearchHit:
    """Return an event that was found, with the words around what was sought."""
    words = facts_of(row.event or {}, b"").words
    return SearchHit(row, *snippet_of(words, phrases))
