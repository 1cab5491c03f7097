"""Rows of the store in memory: sums over whole lists of events, nothing kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .answers import (
    Cause,
    EventRow,
    Label,
    RunRow,
    SessionRow,
    StreamRow,
    status_of_session,
)
from .buckets import bucket_of
from .content import object_of, text_of
from .facts import PICO, event_of
from .fold import LAST_MOMENT, NO_BUCKET, names_of
from .tally import Question, question_of, tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .answers import Numbers, RunStatus
    from .facts import Facts

__all__ = (
    "EVENT_NAMES",
    "EVENT_NUMBERS",
    "EVENT_TEXTS",
    "RUN_NUMBERS",
    "Numbered",
    "Run",
    "Session",
    "causes_of",
    "event_row",
    "is_label",
    "label_of",
    "numbers_of",
    "runs_of",
    "sessions_of",
    "streams_of",
    "values_of",
)

_PATH: Final = 16
_RUNNING: Final = frozenset({"agent", "model", "tool"})

RUN_NUMBERS: Final[dict[str, Callable[[Any], float]]] = {
    "cost": lambda row: float(row.cost_usd),
    "tokens": lambda row: float(row.input_tokens + row.output_tokens),
    "input_tokens": lambda row: float(row.input_tokens),
    "output_tokens": lambda row: float(row.output_tokens),
    "duration": lambda row: float(row.duration_ms),
    "calls": lambda row: float(row.model_calls),
    "tools": lambda row: float(row.tool_calls),
    "errors": lambda row: float(row.errors),
    "retries": lambda row: float(row.retries),
    "denials": lambda row: float(row.denials),
    "unpriced": lambda row: float(row.unpriced_calls),
}
EVENT_TEXTS: Final = {
    "agent": "agent",
    "framework": "framework",
    "user": "user",
    "status": "status",
    "tenant": "tenant",
    "project": "project",
    "session": "session",
    "trace": "trace",
    "kind": "kind",
    "type": "type",
    "span": "span",
    "id": "event_id",
}
EVENT_NAMES: Final = {
    "model": "model",
    "tool": "tool",
    "server": "mcp",
    "error": "error",
    "policy": "policy",
}
EVENT_NUMBERS: Final[dict[str, Callable[[Facts], float | None]]] = {
    "cost": lambda fact: None if fact.cost_pico is None else fact.cost_pico / PICO,
    "tokens": lambda fact: fact.input_tokens + fact.output_tokens if fact.of else None,
    "input_tokens": lambda fact: fact.input_tokens if fact.of else None,
    "output_tokens": lambda fact: fact.output_tokens if fact.of else None,
    "duration": lambda fact: fact.duration_ms,
}


@dataclass(slots=True)
class Run:
    """A trace, with all of its events."""

    number: int
    facts: list[Facts]
    row: RunRow
    is_run: bool
    first_us: int


@dataclass(slots=True)
class Session:
    """A session, with its runs."""

    number: int
    row: SessionRow
    runs: list[Run] = field(default_factory=list)


@dataclass(slots=True)
class Numbered:
    """A label and its place in the store."""

    number: int
    label: Label


def is_label(fact: Facts) -> bool:
    """Return whether an event is a label."""
    return fact.is_own and fact.name == "chaukas.score"


def label_of(fact: Facts) -> Label:
    """Return the label that an event is."""
    metadata = object_of((event_of(fact.line) or {}).get("metadata"))
    score = object_of(metadata.get("score"))
    span = text_of(score.get("span_id")) or text_of(score.get("run_id"))
    return Label(
        fact.event_id, fact.at_us, text_of(score.get("name")), score.get("value"),
        text_of(score.get("comment")), fact.trace, span, fact.session,
    )  # fmt: skip


def runs_of(
    facts: Sequence[tuple[int, Facts]], is_live: Callable[[str], bool]
) -> dict[tuple[str, str], Run]:
    """Return all traces by tenant and id."""
    groups: defaultdict[tuple[str, str], list[tuple[int, Facts]]] = defaultdict(list)
    for number, fact in facts:
        if fact.trace:
            groups[fact.tenant, fact.trace].append((number, fact))
    return {
        key: _run(at, [fact for _, fact in group], is_live)
        for at, (key, group) in enumerate(groups.items(), 1)
    }


def _run(number: int, facts: list[Facts], is_live: Callable[[str], bool]) -> Run:
    everything = sorted(facts, key=lambda fact: (fact.at_us, fact.event_id))
    timed = [fact for fact in everything if not fact.is_own]
    first = min((fact.at_us for fact in timed), default=LAST_MOMENT)
    last = max((fact.at_us for fact in timed), default=-1)
    shown = (0, 0) if first == LAST_MOMENT else (first, last)
    ends = [fact for fact in timed if fact.end_rank and fact.kind in _RUNNING]
    end = max(
        ends,
        key=lambda f: f"{f.end_rank}{f.at_us:019d}{f.event_id}",
        default=None,
    )
    measured = end.end_ms if end else None
    opened = _open_spans(timed)
    errors = [fact for fact in timed if fact.kind == "error"]
    texts = [f"{one.name}: {one.text}".removeprefix(": ") for one in errors[-1:]]
    row = RunRow(
        tenant_id=facts[0].tenant,
        project_id=max((fact.project for fact in timed), default=""),
        trace_id=facts[0].trace,
        session_id=max((fact.session for fact in timed), default=""),
        user_id=max(fact.user for fact in facts),
        framework=max(fact.framework for fact in facts),
        name=max((fact.workflow for fact in timed), default=""),
        agents=_path(timed),
        first_us=shown[0],
        last_us=shown[1],
        duration_ms=max(0.0, (last - first) / 1000 if measured is None else measured),
        status=_status(end, opened, is_live),
        input=next((f.shown for f in timed if f.kind == "input" and f.shown), ""),
        output=next(
            (f.shown for f in reversed(timed) if f.kind == "output" and f.shown), ""
        ),
        error=(texts or [""])[0].removesuffix(": "),
        open_spans=len(opened),
        labels=tuple(label_of(fact) for fact in everything if is_label(fact)),
        **_sums(facts),
    )
    return Run(number, facts, row, any(f.kind in _RUNNING for f in timed), first)


def _sums(facts: Iterable[Facts]) -> dict[str, Any]:
    every = list(facts)
    ends = [f for f in every if f.side < 0 and f.kind == "model"]
    timed = [f for f in every if not f.is_own]
    return {
        "events": len(every),
        "model_calls": len(ends),
        "tool_calls": sum(f.side < 0 and f.kind == "tool" for f in every),
        "input_tokens": sum(f.input_tokens for f in ends),
        "output_tokens": sum(f.output_tokens for f in ends),
        "cached_tokens": sum(f.cached_tokens for f in ends),
        "reasoning_tokens": sum(f.reasoning_tokens for f in ends),
        "cost_usd": sum(f.cost_pico or 0 for f in ends) / PICO,
        "unpriced_calls": sum(f.unpriced for f in ends),
        "errors": sum(f.kind == "error" for f in timed),
        "retries": sum(f.kind == "retry" for f in timed),
        "denials": sum(f.kind == "policy" and f.outcome == "deny" for f in timed),
    }


def _path(timed: Sequence[Facts]) -> tuple[str, ...]:
    names = [fact.path for fact in timed if fact.path]
    if not names:
        firsts: dict[str, int] = {}
        for fact in timed:
            if fact.agent and fact.kind != "session":
                firsts.setdefault(fact.agent, fact.at_us)
        names = sorted(firsts, key=lambda name: (firsts[name], name))
    path: list[str] = []
    for name in names:
        if path[-1:] != [name] and len(path) < _PATH:
            path.append(name)
    return tuple(path)


def _open_spans(timed: Sequence[Facts]) -> dict[str, str]:
    """Return the spans that have no end, with their streams."""
    counts: defaultdict[str, int] = defaultdict(int)
    streams: dict[str, str] = {}
    for fact in timed:
        if fact.side and fact.kind != "session":
            key = f"{fact.kind}{fact.span}"
            counts[key] += fact.side
            if fact.side > 0:
                streams[key] = fact.stream
    return {key: streams.get(key, "") for key, n in counts.items() if n > 0}


def _status(
    end: Facts | None, opened: dict[str, str], is_live: Callable[[str], bool]
) -> RunStatus:
    is_over = end is not None and end.end_rank >= 4
    has_agent = any(key.startswith("agent") for key in opened)
    if opened and (not is_over or has_agent):
        alive = any(stream and is_live(stream) for stream in opened.values())
        return "open" if alive else "died"
    return end.end_status if end else "completed"  # type: ignore[return-value]


def sessions_of(
    facts: Sequence[tuple[int, Facts]], runs: dict[tuple[str, str], Run]
) -> list[Session]:
    """Return all sessions."""
    groups: defaultdict[tuple[str, str, str], list[Facts]] = defaultdict(list)
    for _, fact in facts:
        if fact.session:
            groups[fact.tenant, fact.project, fact.session].append(fact)
    found = []
    for number, (key, group) in enumerate(groups.items(), 1):
        timed = [fact for fact in group if not fact.is_own]
        if not timed:
            continue
        mine = [
            run
            for run in runs.values()
            if run.is_run
            and (run.row.tenant_id, run.row.project_id, run.row.session_id) == key
        ]
        mine.sort(key=lambda run: (run.first_us, run.number))
        found.append(Session(number, _session(key, group, timed, mine), mine))
    return found


def _session(
    key: tuple[str, str, str], facts: list[Facts], timed: list[Facts], runs: list[Run]
) -> SessionRow:
    statuses = [run.row.status for run in runs]
    agents: dict[str, int] = {}
    for run in runs:
        for fact in run.facts:
            if fact.agent and fact.kind != "session" and not fact.is_own:
                known = agents.get(fact.agent, fact.at_us)
                agents[fact.agent] = min(known, fact.at_us)
    names = sorted(agents, key=lambda name: (agents[name], name))
    return SessionRow(
        tenant_id=key[0],
        project_id=key[1],
        session_id=key[2],
        name=max((f.name for f in timed if f.kind == "session"), default=""),
        user_id=max(fact.user for fact in facts),
        framework=max(fact.framework for fact in facts),
        first_us=min(fact.at_us for fact in timed),
        last_us=max(fact.at_us for fact in timed),
        status=status_of_session(statuses),
        runs=len(runs),
        failed_runs=statuses.count("failed"),
        agents=tuple(names[:_PATH]),
        **_sums(facts),
    )


def streams_of(
    facts: Iterable[Facts],
    ended: set[str],
    is_live: Callable[[str], bool],
    *,
    is_all: bool,
) -> list[StreamRow]:
    """Return the processes that recorded, the latest first."""
    groups: defaultdict[str, list[Facts]] = defaultdict(list)
    for fact in facts:
        if fact.stream:
            groups[fact.stream].append(fact)
    found = []
    for stream, group in groups.items():
        times = [fact.at_us for fact in group]
        numbers = [fact.seq for fact in group if fact.seq is not None]
        missing = max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
        found.append(
            StreamRow(
                stream, min(times), max(times), len(group),
                max(0, missing) if is_all else 0, max(fact.dropped for fact in group),
                "ended" if stream in ended else "open" if is_live(stream) else "died",
            )
        )  # fmt: skip
    return sorted(found, key=lambda row: (-row.last_us, row.stream))


def event_row(number: int, fact: Facts, *, is_whole: bool = False) -> EventRow:
    """Return an event as an answer."""
    is_counted = bool(fact.of)
    return EventRow(
        number, fact.event_id, fact.at_us, fact.type, fact.kind, fact.status,
        fact.tenant, fact.project, fact.session, fact.trace, fact.span, fact.parent,
        fact.agent, fact.name, fact.text, fact.duration_ms,
        fact.input_tokens if is_counted else None,
        fact.output_tokens if is_counted else None,
        fact.cached_tokens if is_counted else None,
        None if fact.cost_pico is None else fact.cost_pico / PICO,
        fact.first_token_ms, fact.wait_ms, fact.outcome,
        event_of(fact.line) if is_whole else None,
    )  # fmt: skip


def values_of(run: Run, name: str) -> list[str]:
    """Return the values of a field that a run has."""
    row = run.row
    own = {
        "tenant": row.tenant_id,
        "project": row.project_id,
        "session": row.session_id,
        "trace": row.trace_id,
        "status": row.status,
    }
    if name in own:
        return [own[name]]
    if name == "label":
        return [label.name for label in row.labels]
    timed = [f for f in run.facts if not f.is_own and f.kind != "session"]
    return list(
        dict.fromkeys(
            value for f in timed for kind, value in names_of(f) if kind == name
        )
    )


def numbers_of(
    by: Sequence[str], of: str, facts: Sequence[Facts], runs: Sequence[Run], limit: int
) -> Numbers:
    """Return sums by group."""
    question = question_of(by, of)
    if question.of == "run":
        times = [run.first_us for run in runs]
        width_s = question.width_s(min(times, default=0), max(times, default=0))
        counted = [_run_sums(question, run, width_s) for run in runs]
    else:
        mine = [fact for fact in facts if fact.of in {question.of, "retry"}]
        times = [fact.at_us for fact in mine if fact.of == question.of]
        width_s = question.width_s(min(times, default=0), max(times, default=0))
        counted = [
            _event_sums(question, fact, width_s)
            for fact in mine
            if fact.of != "retry" or question.counts_retries
        ]
    return tally(question, counted, limit, width_s if "time" in question.by else None)


def _run_sums(question: Question, run: Run, width_s: int) -> Any:
    row = run.row
    values = {
        "agent": row.agents[0] if any(f.path for f in run.facts) else "",
        "tenant": row.tenant_id,
        "project": row.project_id,
        "framework": row.framework,
        "user": row.user_id,
        "session": row.session_id,
        "status": row.status,
    }
    sums = (
        1, row.status == "failed", row.status == "cancelled", row.retries,
        row.input_tokens, row.output_tokens, row.cached_tokens,
        round(row.cost_usd * PICO), row.unpriced_calls, row.duration_ms * 1000,
    )  # fmt: skip
    key = question.key(values, run.first_us, width_s)
    return key, bucket_of(row.duration_ms), sums


def _event_sums(question: Question, fact: Facts, width_s: int) -> Any:
    values = {
        "agent": fact.agent,
        **dict.fromkeys(("model", "tool", "server", "to"), fact.name),
        "tenant": fact.tenant,
        "project": fact.project,
        "framework": fact.framework,
        "user": fact.user,
        "session": fact.session,
        "status": fact.status,
    }
    is_retry = fact.of == "retry"
    sums = (
        not is_retry, fact.status == "failed" and not is_retry,
        fact.status == "cancelled", is_retry, fact.input_tokens, fact.output_tokens,
        fact.cached_tokens, fact.cost_pico or 0, fact.unpriced,
        (fact.duration_ms or 0.0) * 1000,
    )  # fmt: skip
    bucket = NO_BUCKET if fact.bucket is None else fact.bucket
    return question.key(values, fact.at_us, width_s), bucket, sums


_KINDS: Final = {"error": "error", "retry": "retry", "policy": "denial"}
_UNENDED: Final = {
    "waiting": "waits for somebody's approval",
    "died": "its process is gone, and left no end",
}


def causes_of(
    facts: Iterable[Facts], runs: Iterable[Run], streams: Iterable[StreamRow]
) -> list[Cause]:
    """Return what went wrong, by cause, the commonest first."""
    groups: defaultdict[tuple[str, str, str], list[Facts]] = defaultdict(list)
    for fact in facts:
        if fact.cause:
            groups[fact.kind, fact.cause, fact.name].append(fact)
    found = [_cause(key, group) for key, group in groups.items()]
    for kind, text in _UNENDED.items():
        mine = [run for run in runs if run.row.status == kind]
        if mine:
            newest = sorted(
                mine, key=lambda run: (run.first_us, run.row.trace_id), reverse=True
            )
            found.append(
                Cause(
                    kind, text, "", len(mine), len(mine),
                    min(run.first_us for run in mine),
                    max(run.row.last_us for run in mine), "",
                    tuple(run.row.trace_id for run in newest[:5]),
                )
            )  # fmt: skip
    for stream in streams:
        times = (stream.first_us, stream.last_us)
        for number, text in (
            (stream.missing, "events are missing in the record"),
            (stream.dropped, "events that a process reports as lost"),
        ):
            if number:
                found.append(
                    Cause("loss", text, stream.stream, number, 0, *times, "", ())
                )
    return sorted(found, key=lambda one: (-one.count, -one.last_us, one.kind))


def _cause(key: tuple[str, str, str], group: list[Facts]) -> Cause:
    kind, cause, name = key
    newest = sorted(group, key=lambda f: (f.at_us, f.event_id), reverse=True)
    traces = tuple(dict.fromkeys(f.trace for f in newest if f.trace))[:5]
    times = [fact.at_us for fact in group]
    runs = {(fact.tenant, fact.trace) for fact in group if fact.trace}
    shown = "orphan" if cause == "orphan" else _KINDS.get(kind, "orphan")
    return Cause(
        shown, cause, name, len(group), len(runs), min(times), max(times),
        newest[0].event_id, traces,
    )  # fmt: skip
