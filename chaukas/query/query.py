"""
Every question about a record, in one place: for the command line, the page, agents.

Filters come as the text that a person writes; a store does the work.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from chaukas.sdk.integrity import content_hash
from chaukas.sdk.prompts import Prompts
from chaukas.store.filter import FIELDS, Filter, Term, parse
from chaukas.store.protocol import NotFoundError, QuestionError

from .answers import EventDetail, FieldHelp, Lines, SessionDetail, Summary, Turn
from .chains import lines_of_chains
from .diff import diff_of
from .prompt import prompt_of
from .tree import nodes_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Literal

    from chaukas.sdk.integrity import Removed, Sent
    from chaukas.store.answers import (
        Cause,
        EventRow,
        Label,
        NumberRow,
        Numbers,
        Page,
        RunRow,
        SearchHit,
        SessionRow,
        StreamRow,
    )
    from chaukas.store.protocol import EventOrder
    from chaukas.store.sqlite import SqliteReader

    from .answers import Diff, PromptAnswer, Status, Tree
    from .questions import LineOrder

__all__ = ("Query",)

_STATUSES: Final = ("completed", "failed", "cancelled", "waiting", "open", "died")
_TEXT_CHARS: Final = 20_000
_RUN_EVENTS: Final = 100_000
_CALLS: Final = 20_000
_OUTSIDE: Final = 200
_STRIP: Final = 200
_LINES: Final = 1000
_LINES_BYTES: Final = 4_000_000
_KNOWN: Final = {
    "status": _STATUSES,
    "kind": (
        "agent model tool mcp handoff input output error retry policy data state system"
    ).split(),
}


class Query:
    """
    What can be asked; of one thread.

    Args:
        reader: Of one tenant, or of all.
        status: Says how far the source is read.

    Raises of all calls that take a filter:
        FilterError: It says where the filter is wrong, and what is possible.
    """

    def __init__(self, reader: SqliteReader, status: Callable[[], Status]) -> None:
        self._reader = reader
        self._status = status

    def close(self) -> None:
        """Let go of the store."""
        self._reader.close()

    def sessions(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions; `sort`: time cost tokens runs errors, `-` for descending."""
        return self._reader.sessions(_parsed(filter), sort, cursor, limit)

    def runs(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs; `sort`: time duration cost tokens errors retries."""
        return self._reader.runs(_parsed(filter), sort, cursor, limit)

    def run(self, trace_id: str) -> RunRow:
        """
        Return one run.

        Raises:
            NotFoundError: There is none.
        """
        return self._reader.run(trace_id)

    def find_run(self, text: str) -> str:
        """
        Return the id of the run that a person means.

        Args:
            text: The id, or the beginning or end of it that only one run has; `last`
                for the newest run.

        Raises:
            NotFoundError: There is none, or there are several.
        """
        if text == "last":
            newest = self._reader.runs(Filter(), limit=1).items
            if newest:
                return newest[0].trace_id
            raise NotFoundError("no run is in this record.")
        with suppress(NotFoundError):
            return self._reader.run(text).trace_id
        plain = text.replace("*", "")
        terms = (Term("trace", ":", (f"{plain}*", f"*{plain}")),)
        found = self._reader.runs(Filter(terms), limit=2).items if plain else ()
        if len(found) == 1:
            return found[0].trace_id
        if found:
            raise NotFoundError(f"several runs have {text!r} in their id: give more.")
        raise NotFoundError(f"no run {text!r} is in this record.")

    def tree(self, trace_id: str, limit: int = 20_000) -> Tree:
        """
        Return a run as a tree.

        Raises:
            NotFoundError: There is no such run.
        """
        run = self.run(trace_id)
        return tree_of(run, self._events_of(run), limit)

    def event(self, event_id: str) -> EventDetail:
        """
        Return one event as recorded, with what is known about it.

        Raises:
            NotFoundError: There is no such event.
        """
        row = self._reader.event(event_id)
        event = row.event or {}
        siblings: Sequence[EventRow] = ()
        if row.trace_id:
            run = self._reader.run(row.trace_id)
            siblings = self._events_of(run)
        at = next((n for n, one in enumerate(siblings) if one.number == row.number), -1)
        partner = [
            one.event_id
            for one in siblings
            if one.span_id == row.span_id
            and one.kind == row.kind
            and one.number != row.number
            and row.type.endswith(("_START", "_END"))
        ]
        return EventDetail(
            row=row,
            event=event,
            partner_event_id=partner[0] if partner else "",
            previous_event_id=siblings[at - 1].event_id if at > 0 else "",
            next_event_id=(
                siblings[at + 1].event_id if 0 <= at < len(siblings) - 1 else ""
            ),
            integrity=_integrity(event),
            chain=self._chain(row),
        )

    def events(
        self,
        filter: str = "",
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; whole ones with what was recorded in `event`."""
        reader = self._reader
        return reader.events(_parsed(filter), order, cursor, limit, whole=whole)

    def events_after(
        self, number: int, filter: str = "", limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return whole events that arrived after one, and the last number looked at."""
        return self._reader.events_after(number, _parsed(filter), limit)

    def event_count(self) -> int:
        """Return the number of all events."""
        return self._reader.event_count()

    def newest_number(self) -> int:
        """Return the number of the event that arrived last; 0 for none."""
        return self._reader.newest_number()

    def lines(self, filter: str = "") -> Iterator[bytes]:
        """Yield events as recorded, without line breaks, in the order of arrival."""
        return (line for _, line in self._reader.lines_after(0, _parsed(filter)))

    def chains(self) -> Iterator[bytes | Removed | Sent]:
        """
        Yield events as recorded, in the order of their chains, to be verified.

        First those that are in no stream. Then of each stream what is known of it, and
        its events; in the place of those that were removed on record what is known of
        them.
        """
        return (one for _, one in self._reader.chained_after())

    def lines_after(
        self,
        number: int = 0,
        filter: str = "",
        limit: int = 1000,
        order: LineOrder = "arrival",
        cursor: str = "",
    ) -> Lines:
        """
        Return some events as recorded: those behind another one.

        Args:
            number: Of that event, in the order of arrival; 0 for the beginning.
            filter: Which of them; all in the order of chains.
            limit: Most of them, 1,000 at most; it ends earlier at about 4 MB.
            order: `arrival`, or `chain` as `chains` has them.
            cursor: In the order of chains in place of `number`: `next_cursor` of the
                answer before; empty for the beginning.

        Raises:
            QuestionError: There is no such order, or it takes no filter.
        """
        if order not in ("arrival", "chain"):
            raise QuestionError(f"no order {order!r}: there are arrival, chain")
        if order == "chain":
            if filter:
                raise QuestionError("the order of chains takes no filter")
            return lines_of_chains(
                self._reader.chained_after(cursor), _clamped(limit), _LINES_BYTES
            )
        last = max(number, self._reader.newest_number())
        found: list[str] = []
        size = 0
        for place, line in self._reader.lines_after(number, _parsed(filter)):
            found.append(line.decode("utf-8", "replace"))
            size += len(line)
            if len(found) >= _clamped(limit) or size >= _LINES_BYTES:
                return Lines(tuple(found), place, is_last=False)
            # It may have arrived since the newest one was looked for.
            last = max(last, place)
        return Lines(tuple(found), last, is_last=True)

    def search(
        self, text: str, filter: str = "", cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events in which all words of a text occur, the latest first."""
        return self._reader.search(text, _parsed(filter), cursor, limit)

    def numbers(
        self, by: Sequence[str] = (), filter: str = "", of: str = "", limit: int = 1000
    ) -> Numbers:
        """
        Return sums by group; see `chaukas.store.protocol`.

        Raises:
            QuestionError: A word is unknown, or the words do not go together.
        """
        return self._reader.numbers(by, _parsed(filter), of, limit)

    def trouble(self, filter: str = "", limit: int = 100) -> list[Cause]:
        """Return what went wrong, by cause, the commonest first."""
        return self._reader.causes(_parsed(filter), limit)

    def streams(self) -> list[StreamRow]:
        """Return the processes that recorded, the latest first."""
        return self._reader.streams()

    def labels(
        self, filter: str = "", cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes, the latest first."""
        return self._reader.labels(_parsed(filter), cursor, limit)

    def diff(self, left: str, right: str, limit: int = 5000) -> Diff:
        """
        Return two runs laid beside each other.

        Raises:
            NotFoundError: There is no such run.
        """
        sides = [self.run(trace_id) for trace_id in (left, right)]
        first, second = ((run, self._events_of(run, whole=True)) for run in sides)
        return diff_of(first, second, limit)

    def prompt(self, event_id: str) -> PromptAnswer:
        """
        Return the whole prompt of a model call.

        Args:
            event_id: Of its START or its END.

        Raises:
            NotFoundError: It is no such event.
        """
        return self.prompts((event_id,))[0]

    def prompts(self, event_ids: Sequence[str]) -> list[PromptAnswer]:
        """
        Return the whole prompts of model calls; each session is read once.

        Args:
            event_ids: Of their STARTs or their ENDs.

        Raises:
            NotFoundError: One is no such event.
        """
        known: dict[tuple[str, str, str], Prompts] = {}
        found = []
        for event_id in event_ids:
            row = self._reader.event(event_id)
            if row.kind != "model":
                raise NotFoundError(f"event {event_id!r} is no call of a model.")
            start = self._model_start(row)
            place = (row.session_id, row.tenant_id, row.project_id)
            if place not in known or not row.session_id:
                known[place] = self._prompts_beside(start, place)
            found.append(prompt_of(start, known[place]))
        return found

    def _prompts_beside(self, start: EventRow, place: tuple[str, str, str]) -> Prompts:
        if not place[0]:
            return Prompts([start.event or {}])
        types = ("MODEL_INVOCATION_START",)
        calls = self._reader.session_events(self._session(*place), types, _CALLS)
        return Prompts(row.event for row in calls if row.event)

    def session(
        self,
        session_id: str,
        tenant: str = "",
        project: str = "",
        cursor: str = "",
        limit: int = 20,
    ) -> SessionDetail:
        """
        Return a session as a conversation.

        Raises:
            NotFoundError: There is no such session.
        """
        session = self._session(session_id, tenant, project)
        page = self._reader.runs_of_session(session, cursor, limit)
        turns = tuple(self._turn(run) for run in page.items)
        outside: tuple[EventRow, ...] = ()
        if not cursor:
            outside = self._reader.outside_events(session, _OUTSIDE)
        return SessionDetail(session, turns, outside, page.next_cursor)

    def summary(self, filter: str = "") -> Summary:
        """Return one screen about everything."""
        parsed = _parsed(filter)
        reader = self._reader
        by_status = reader.numbers(("status",), parsed, "run")
        counts = {row.key[0]: row.count for row in by_status.rows}
        streams = reader.streams()
        times = reader.span_of_time()
        sessions = reader.sessions(parsed, limit=1)
        return Summary(
            source=self._status().source,
            first_us=times[0] if times else None,
            last_us=times[1] if times else None,
            events=reader.event_count(),
            sessions=sessions.matched or 0,
            runs=by_status.total.count,
            by_status={name: counts[name] for name in _STATUSES if name in counts},
            tenants=tuple(reader.values("tenant", limit=20)),
            totals=reader.numbers((), parsed, "model").total,
            run_totals=by_status.total,
            models=reader.numbers(("model",), parsed, limit=5).rows,
            tools=_most_called(reader.numbers(("tool",), parsed).rows),
            agents=_most_called(reader.numbers(("agent",), parsed, "agent").rows),
            slowest=reader.runs(parsed, "-duration", limit=3).items,
            causes=tuple(reader.causes(parsed, 5)),
            missing=sum(stream.missing for stream in streams),
            dropped=sum(stream.dropped for stream in streams),
            streams=tuple(streams[:20]),
            verified="not checked",
        )

    def fields(self, field: str = "", prefix: str = "") -> list[FieldHelp]:
        """Return all fields of the filter, or one with the values that occur."""
        if field and field not in FIELDS:
            raise NotFoundError(f"no field {field!r}: there are {', '.join(FIELDS)}")
        found = []
        for one in FIELDS.values():
            if field and one.name != field:
                continue
            values: Sequence[str] = ()
            if one.name in _KNOWN:
                values = [v for v in _KNOWN[one.name] if v.startswith(prefix)]
            elif field and one.type == "word" and one.of_runs:
                values = self._reader.values(field, prefix)
            found.append(
                FieldHelp(one.name, one.operators, one.unit, one.help, tuple(values))
            )
        return found

    def status(self) -> Status:
        """Return how far the source is read."""
        return self._status()

    def _events_of(self, run: RunRow, *, whole: bool = False) -> tuple[EventRow, ...]:
        reader = self._reader
        return reader.run_events(run.trace_id, run.tenant_id, _RUN_EVENTS, whole=whole)

    def _chain(self, row: EventRow) -> Literal["ok", "broken", "unknown"]:
        event = row.event or {}
        stated = event.get("hash_prev")
        before = self._reader.previous_in_stream(row.event_id)
        if before is None or not event.get("content_hash"):
            is_first = not stated and bool(event.get("content_hash"))
            return "ok" if is_first and before is None else "unknown"
        if (before.event or {}).get("content_hash") == stated:
            return "ok"
        # Of one tenant: those of others may stand in between.
        return "broken" if self._reader.sees_all_tenants else "unknown"

    def _model_start(self, row: EventRow) -> EventRow:
        if row.type.endswith("_START"):
            return row
        asked = Filter((Term("span", ":", (row.span_id,)),))
        for one in self._reader.events(asked, limit=10).items:
            if one.type == "MODEL_INVOCATION_START" and one.trace_id == row.trace_id:
                return self._reader.event(one.event_id)
        raise NotFoundError(f"the beginning of call {row.event_id!r} is not recorded.")

    def _session(self, session_id: str, tenant: str, project: str) -> SessionRow:
        terms = [Term("session", ":", (session_id,))]
        terms += [Term("tenant", ":", (tenant,))] if tenant else []
        terms += [Term("project", ":", (project,))] if project else []
        found = self._reader.sessions(Filter(tuple(terms))).items
        for session in found:
            if session.session_id == session_id:
                return session
        raise NotFoundError(f"no session {session_id!r} is in this record.")

    def _turn(self, run: RunRow) -> Turn:
        rows = self._events_of(run)
        said: dict[str, list[str]] = {"input": [], "output": []}
        for row in rows:
            if row.kind in said and row.outcome != "partial":
                event = self._reader.event(row.event_id).event or {}
                message = event.get("message")
                text = message.get("text") if type(message) is dict else ""
                said[row.kind].append(str(text)[:_TEXT_CHARS])
        nodes = [node for node in nodes_of(rows) if node.kind not in said]
        strip = [
            (node.kind, node.row.name, (node.end or node.row).status) for node in nodes
        ]
        context = max((row.input_tokens or 0 for row in rows), default=0)
        inputs, outputs = tuple(said["input"]), tuple(said["output"])
        return Turn(run, inputs, outputs, tuple(strip[:_STRIP]), context)


def _clamped(limit: int) -> int:
    return min(max(1, limit), _LINES)


def _parsed(line: str) -> Filter:
    return parse(line, time.time_ns() // 1000)


def _integrity(event: dict[str, object]) -> Literal["ok", "altered", "absent"]:
    stated = event.get("content_hash")
    if not stated:
        return "absent"
    try:
        return "ok" if content_hash(event) == stated else "altered"
    except (TypeError, ValueError):
        return "altered"


def _most_called(rows: Sequence[NumberRow]) -> tuple[NumberRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.count, row.key))[:5])
