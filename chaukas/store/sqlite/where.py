"""
A filter as a condition of SQL.

Only words of this module become SQL; whatever comes from outside is a parameter.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from chaukas.store.facts import PICO
from chaukas.store.filter import FIELDS

from .words import matching_words

if TYPE_CHECKING:
    from chaukas.store.filter import Filter, Term

__all__ = (
    "OF_SESSION",
    "RUN_DURATION",
    "Condition",
    "matching",
    "of_events",
    "of_runs",
    "of_sessions",
    "of_tenant",
    "run_status",
    "words_of",
)

Condition = tuple[str, list[Any]]
"""SQL that is true or false of a row, and its parameters."""

_NAMES: Final = frozenset(
    "agent model tool server policy error framework user kind".split()
)
_RUN_TEXTS: Final = {
    "tenant": "r.tenant",
    "project": "r.project",
    "session": "r.session",
    "trace": "r.trace",
}
_SESSION_TEXTS: Final = {
    "tenant": "s.tenant",
    "project": "s.project",
    "session": "s.session",
    "user": "s.user",
    "framework": "s.framework",
}
_EVENT_TEXTS: Final = {
    "agent": "e.agent",
    "framework": "e.framework",
    "user": "e.user",
    "status": "e.status",
    "tenant": "e.tenant",
    "project": "e.project",
    "session": "s.session",
    "trace": "r.trace",
    "kind": "e.kind",
    "type": "e.type",
    "span": "e.span",
    "id": "e.event_id",
}
_EVENT_NAMES: Final = {
    "model": "model",
    "tool": "tool",
    "server": "mcp",
    "error": "error",
}
_EVENT_NUMBERS: Final = {
    "cost": "e.cost",
    "tokens": "(e.input_tokens + e.output_tokens)",
    "input_tokens": "e.input_tokens",
    "output_tokens": "e.output_tokens",
    "duration": "e.duration_ms",
}
_MOST: Final = 2.0**62
"""Beyond all moments and sums; a float can say it exactly."""
RUN_DURATION: Final = "coalesce(r.end_ms, (r.last - r.first) / 1000.0)"
OF_SESSION: Final = (
    "r.session = s.session AND +r.tenant = s.tenant AND r.project = s.project"
    " AND r.is_run"
)
"""Whether a run `r` is one of a session `s`."""
ALL: Final = "*"
"""Stands for every tenant, as in a key that serves all."""
STREAM_ENDED: Final = (
    "EXISTS (SELECT 1 FROM stream_end n WHERE n.stream = t.stream"
    f" AND n.tenant IN (t.tenant, '{ALL}'))"
)
"""Whether a stream `t` said its end; a tenant can only end its own."""
_IS_OPEN: Final = (
    "EXISTS (SELECT 1 FROM run_open o WHERE o.run = r.id AND o.n > 0"
    " AND o.span >= 'agent' AND o.span < 'agenu')"
)


def run_status(live: frozenset[str] | None) -> Condition:
    """
    Return an expression for the status of a run `r`.

    Args:
        live: Streams of processes that still record; None for all without an end.
    """
    if live is None:
        is_live = f"NOT {STREAM_ENDED}"
        params: list[Any] = []
    else:
        is_live = "t.stream IN (SELECT value FROM json_each(?))"
        params = [json.dumps(sorted(live))]
    writers = (
        "SELECT 1 FROM run_open o JOIN stream t ON t.id = o.stream"
        f" WHERE o.run = r.id AND o.n > 0 AND {is_live}"
    )
    text = (
        f"CASE WHEN r.open_spans > 0 AND (r.end_key < '4' OR {_IS_OPEN})"
        f" THEN CASE WHEN EXISTS ({writers}) THEN 'open' ELSE 'died' END"
        " WHEN r.end_status = '' THEN 'completed' ELSE r.end_status END"
    )
    return text, params


def of_runs(
    filter_: Filter, tenant: str | None, live: frozenset[str] | None
) -> Condition:
    """Return the condition for rows `r` of runs."""
    # Of those that have no end there are few, and an index; a tenant has many.
    is_rare = any(
        term.field == "status"
        and not term.is_not
        and {value.lower() for value in term.values} <= _UNENDED
        for term in filter_.terms
    )
    found = [of_tenant("+r" if is_rare else "r", tenant), ("r.is_run", [])]
    found += [_negated(term, _of_run(term, live)) for term in filter_.terms]
    return _all(found)


def of_sessions(
    filter_: Filter, tenant: str | None, live: frozenset[str] | None
) -> Condition:
    """Return the condition for rows `s` of sessions."""
    found = [of_tenant("s", tenant), ("s.last >= 0", [])]
    found += [_negated(term, _of_session(term, live)) for term in filter_.terms]
    return _all(found)


def of_events(
    filter_: Filter,
    tenant: str | None,
    live: frozenset[str] | None,
    *,
    is_by_time: bool = False,
) -> Condition:
    """
    Return the condition for rows `e` of events, with their `r` and `s`.

    Args:
        filter_: What is asked for.
        tenant: Whose; None for all.
        live: See `run_status`.
        is_by_time: All of a tenant in the order of time: there is an index for it,
            which is the wrong one for everything else.
    """
    found = [of_tenant("e" if is_by_time else "+e", tenant)]
    found += [_negated(term, _of_event(term, live)) for term in filter_.terms]
    return _all(found)


def matching(column: str, values: tuple[str, ...]) -> Condition:
    """Return the condition that a text is one of some values, `*` for anything."""
    found: list[Condition] = []
    for value in values:
        if "*" not in value:
            found.append((f"{column} = ? COLLATE NOCASE", [value]))
            continue
        for special in "\\%_":
            value = value.replace(special, "\\" + special)  # noqa: PLW2901
        pattern = value.replace("*", "%")
        found.append((f"{column} LIKE ? ESCAPE '\\'", [pattern]))
    return _any(found)


def words_of(text: str) -> str:
    """
    Return a text as a query of the full text: one phrase, `*` at its end for more.

    Empty if there is no word in it.
    """
    if not any(char.isalnum() for char in text):
        return ""
    is_start = text.endswith("*")
    phrase = text.replace("\0", " ").replace('"', '""').replace("*", " ")
    return f'"{phrase}"' + ("*" if is_start else "")


def of_tenant(table: str, tenant: str | None) -> Condition:
    """Return the condition that a row is a tenant's; None for all."""
    return ("1", []) if tenant is None else (f"{table}.tenant = ?", [tenant])


def _of_run(term: Term, live: frozenset[str] | None) -> Condition:
    name = term.field
    if name in _NAMES:
        return _in_names(name, term.values)
    if name in _RUN_TEXTS:
        return matching(_RUN_TEXTS[name], term.values)
    if name == "status":
        return _in_statuses(term.values, live)
    if name == "label":
        condition, values = matching("l.name", term.values)
        labels = "SELECT 1 FROM label l WHERE l.trace = r.trace AND l.tenant = r.tenant"
        return f"EXISTS ({labels} AND {condition})", values
    if name and FIELDS[name].type == "number":
        return _number(term, _sum("r", name))
    return _of_run_by_event(term)


def _of_run_by_event(term: Term) -> Condition:
    """Return a condition on time, texts, or what only an event has."""
    name = term.field
    if name == "":
        return _in_words(term, "r.id IN (SELECT e.run FROM {})")
    if FIELDS[name].type == "time":
        return _since(term, "r.first")
    condition, values = matching(_EVENT_TEXTS[name], _typed(term))
    return f"r.id IN (SELECT e.run FROM event e WHERE {condition})", values


def _of_session(term: Term, live: frozenset[str] | None) -> Condition:
    name = term.field
    if name in _SESSION_TEXTS:
        return matching(_SESSION_TEXTS[name], term.values)
    if name in {"since", "until"}:
        return _since(term, "s.last" if name == "since" else "s.first")
    if name and FIELDS[name].type == "number" and name != "duration":
        return _number(term, _sum("s", name))
    if name == "duration":
        return _number(term, "((s.last - s.first) / 1000.0)")
    condition, values = _of_run(term, live)
    return f"EXISTS (SELECT 1 FROM run r WHERE {OF_SESSION} AND {condition})", values


def _of_event(term: Term, live: frozenset[str] | None) -> Condition:
    name = term.field
    if name in _EVENT_TEXTS:
        return matching(_EVENT_TEXTS[name], _typed(term))
    if name in _EVENT_NAMES or name == "policy":
        return _of_decision(term) if name == "policy" else _of_named_event(term)
    if name in _EVENT_NUMBERS:
        return _number(term, _EVENT_NUMBERS[name])
    if name == "":
        return _in_words(term, "e.id IN (SELECT e.id FROM {})")
    if name in {"since", "until"}:
        return _since(term, "e.at")
    condition, values = _of_run(term, live)
    return f"(e.run IS NOT NULL AND {condition})", values


def _of_named_event(term: Term) -> Condition:
    condition, values = matching("e.name", term.values)
    if term.field == "model":
        # A retry is called as the model is whose call it repeats.
        return f"(e.kind IN ('model', 'retry') AND {condition})", values
    return f"(e.kind = ? AND {condition})", [_EVENT_NAMES[term.field], *values]


def _of_decision(term: Term) -> Condition:
    outcome, values = matching("e.outcome", term.values)
    named, more = matching("e.name", term.values)
    return f"(e.kind = 'policy' AND ({outcome} OR {named}))", [*values, *more]


def _typed(term: Term) -> tuple[str, ...]:
    if term.field != "type":
        return term.values
    return tuple(value.upper().removeprefix("EVENT_TYPE_") for value in term.values)


def _in_names(kind: str, values: tuple[str, ...]) -> Condition:
    condition, params = matching("n.name", values)
    return (
        f"r.id IN (SELECT n.run FROM run_name n WHERE n.kind = ? AND {condition})",
        [kind, *params],
    )


def _in_words(term: Term, shape: str) -> Condition:
    query = words_of(term.values[0])
    if not query:
        return "0", []
    query = matching_words(query, None)
    source = "words w JOIN event e ON e.id = w.rowid WHERE words MATCH ?"
    return shape.format(source), [query]


def _since(term: Term, column: str) -> Condition:
    sign = ">=" if term.field == "since" else "<"
    return f"{column} {sign} ?", [_whole(term.number)]


def _sum(table: str, name: str) -> str:
    if name == "tokens":
        return f"({table}.input_tokens + {table}.output_tokens)"
    return RUN_DURATION if name == "duration" else f"{table}.{name}"


def _number(term: Term, column: str) -> Condition:
    sign = "=" if term.operator == ":" else term.operator
    number = term.number
    if term.field == "cost":
        # A whole number, as the column is, so that no rounding decides.
        number = _whole(number * PICO)
    return f"{column} {sign} ?", [number]


def _whole(number: float) -> int:
    """Return the nearest whole number that SQLite can compare with."""
    return round(max(-_MOST, min(_MOST, number)))


def _negated(term: Term, condition: Condition) -> Condition:
    if not term.is_not:
        return condition
    # Of a row without the value, NOT would be neither true nor false.
    return f"NOT coalesce(({condition[0]}), 0)", condition[1]


def _in_statuses(values: tuple[str, ...], live: frozenset[str] | None) -> Condition:
    status, params = run_status(live)
    found: list[Condition] = []
    for value in values:
        condition, value_params = matching(f"({status})", (value,))
        # What an index knows of it goes before what must be worked out.
        known = _STATUS_KNOWN.get(value.lower())
        condition = f"({known} AND {condition})" if known else condition
        found.append((condition, [*params, *value_params]))
    return _any(found)


_UNENDED: Final = frozenset({"open", "died", "waiting"})
_STATUS_KNOWN: Final = {
    "open": "r.open_spans > 0",
    "died": "r.open_spans > 0",
    "waiting": "r.end_status = 'waiting'",
    "failed": "r.end_status = 'failed'",
    "cancelled": "r.end_status = 'cancelled'",
}


def _all(conditions: list[Condition]) -> Condition:
    return _joined(conditions, " AND ")


def _any(conditions: list[Condition]) -> Condition:
    text, params = _joined(conditions, " OR ")
    return f"({text})", params


def _joined(conditions: list[Condition], word: str) -> Condition:
    texts = [text for text, _ in conditions]
    return word.join(texts), [value for _, values in conditions for value in values]
