"""
The filter language: one line of words and `field:value`, parsed once.

The same in the command line, the page's address, the interface over HTTP and the
tools for coding agents; docs/VIEWER.md describes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from typing import Final, Literal

__all__ = (
    "FIELDS",
    "Field",
    "Filter",
    "FilterError",
    "Operator",
    "Term",
    "parse",
)

Operator = Literal[":", ">", "<", ">=", "<="]
_LINE_CHARS: Final = 4000
_TERMS: Final = 64


@dataclass(frozen=True, slots=True)
class Field:
    """What can be asked for."""

    name: str
    type: Literal["word", "number", "time"]
    unit: str
    help: str
    of_events: bool = True
    """Whether single events have it; else only runs and sessions."""
    of_runs: bool = True

    @property
    def operators(self) -> tuple[Operator, ...]:
        """How a value may be compared."""
        return (":", ">", "<", ">=", "<=") if self.type == "number" else (":",)


def _words(rows: str, **what: bool) -> list[Field]:
    return [
        Field(name, "word", "", text.strip(), **what)
        for name, _, text in (row.strip().partition(" ") for row in rows.splitlines())
        if name
    ]


def _numbers(rows: str, **what: bool) -> list[Field]:
    found = []
    for row in rows.strip().splitlines():
        name, unit, text = row.split(maxsplit=2)
        found.append(Field(name, "number", unit.strip("-"), text, **what))
    return found


_ALL: Final = [
    *_words(
        """
        agent an agent that took part
        model a model that was asked for
        tool a tool that ran
        server an MCP server that was called
        policy a decision: allow, deny, review, override, or the id of its policy
        error code of an error, such as TimeoutError
        framework such as openai_agents
        user the end user
        status completed, failed, cancelled; of runs also waiting, open, died
        tenant whose it is
        project whose it is
        session id of the session
        trace id of the run
        kind such as model, tool, mcp, handoff, error, retry, policy, data, state
        label a label that somebody gave
        """
    ),
    *_words(
        """
        type type of the event, such as TOOL_CALL_END
        span id of the span
        id id of the event
        """,
        of_runs=False,
    ),
    *_numbers(
        """
        cost USD what it cost
        tokens tokens input and output tokens
        input_tokens tokens tokens that were sent
        output_tokens tokens tokens that were made
        duration ms how long it took: 1500, 1.5s, 2m
        """
    ),
    *_numbers(
        """
        calls - model calls
        tools - tool calls
        errors - errors, handled ones too
        retries - repetitions
        denials - decisions with the outcome deny
        unpriced - model calls without a known price
        """,
        of_events=False,
    ),
    Field("since", "time", "", "began then or later: 30m, 1h, 7d, 2026-01-31T12:00"),
    Field("until", "time", "", "began before then"),
]
FIELDS: Final = {field.name: field for field in _ALL}
"""All fields by name."""

_ALIASES: Final = {
    "run": "trace",
    "retry": "retries",
    "denial": "denials",
    "mcp": "server",
    "trace_id": "trace",
    "session_id": "session",
    "tenant_id": "tenant",
    "project_id": "project",
    "span_id": "span",
    "event_id": "id",
    "user_id": "user",
}

_TERM: Final = re.compile(
    r"""(?P<minus>-?)
        (?:(?P<field>[A-Za-z_]+)(?P<op>>=|<=|[:<>=]))?
        (?P<value>(?:[^\s",]|"(?:[^"\\]|\\.)*"?|,)*)""",
    re.VERBOSE,
)
_VALUE: Final = re.compile(r'"((?:[^"\\]|\\.)*)("?)|([^",]+)')
_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h|d|w)")
_AGO_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|min|h)?")
_LENGTH_MS: Final = {"us": 0.001, "ms": 1, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}
_STATUSES: Final = frozenset(
    "completed failed cancelled waiting open died started in_progress".split()
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class FilterError(ValueError):
    """
    A filter that cannot be understood.

    Args:
        message: What is wrong and what is possible, one line, for people.
        position: Character at which it is wrong, from 0.
        length: How many characters are wrong.
        expected: What may stand there.
    """

    def __init__(
        self, message: str, position: int, length: int, expected: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.length = length
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    field: str
    """Name of a field; empty for words to be found in the texts."""
    operator: Operator
    values: tuple[str, ...] = ()
    """Of words: one of these; `*` stands for any characters."""
    number: float = 0.0
    """Of a number in the field's unit; of a time in microseconds since 1970."""
    is_not: bool = False
    """Must not hold."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a row must fulfil: all of these."""

    terms: tuple[Term, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything matches."""
        return not self.terms

    @property
    def fields(self) -> frozenset[str]:
        """What is asked for; the empty name stands for words."""
        return frozenset(term.field for term in self.terms)

    def without(self, *names: str) -> Filter:
        """Return the filter less the conditions on some fields."""
        return Filter(tuple(term for term in self.terms if term.field not in names))


def parse(line: str, now_us: int) -> Filter:
    """
    Return the filter that a line describes.

    Args:
        line: Words and `field:value`, parted by blanks.
        now_us: The present, from which `since:1h` counts back.

    Raises:
        FilterError: It says where the line is wrong, and what is possible.
    """
    if len(line) > _LINE_CHARS:
        raise FilterError(f"longer than {_LINE_CHARS} characters", _LINE_CHARS, 1)
    terms: list[Term] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        found = _TERM.match(line, at)
        # It matches the empty text too, so there is always one.
        assert found is not None  # noqa: S101
        # A quote in the midst of a word ends what came before it.
        end = max(found.end(), at + 1)
        terms.append(_term(found, line[at:end], at, now_us))
        at = end
        if len(terms) > _TERMS:
            raise FilterError(f"more than {_TERMS} conditions", at, 1)
    return Filter(tuple(terms))


def _term(found: re.Match[str], text: str, at: int, now_us: int) -> Term:
    is_not = bool(found["minus"])
    if found["field"] is None:
        values = _values(found["value"], found.start("value"))
        if not values:
            raise _wrong(f"{text!r} is no word", at, len(text))
        return Term("", ":", (" ".join(values),), is_not=is_not)
    field = _field(found["field"], found.start("field"))
    value_at = found.start("value")
    if not found["value"]:
        message = f"{found['field']}{found['op']} lacks a value"
        raise _wrong(message, value_at, 1, field)
    operator = _operator(found["op"], field, found.start("op"))
    if field.type == "number":
        number = _number(field, found["value"], value_at)
        return Term(field.name, operator, (), number, is_not)
    if field.type == "time":
        number = _time(found["value"], value_at, now_us)
        return Term(field.name, operator, (), number, is_not)
    values = _values(found["value"], value_at)
    if not values:
        message = f"{found['field']}{found['op']} lacks a value"
        raise _wrong(message, value_at, len(found["value"]), field)
    if field.name == "status":
        _check_statuses(values, found["value"], value_at)
    return Term(field.name, ":", values, is_not=is_not)


def _wrong(
    message: str, at: int, length: int, field: Field | None = None
) -> FilterError:
    hint = f": {field.help}" if field else ""
    return FilterError(f"character {at + 1}: {message}{hint}", at, length)


def _field(name: str, at: int) -> Field:
    known = name.lower()
    known = _ALIASES.get(known, known)
    if known in FIELDS:
        return FIELDS[known]
    near = get_close_matches(known, FIELDS, 3, 0.6)
    names = tuple(near) or tuple(FIELDS)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {_listed()}"
    message = f"character {at + 1}: no field {name!r}: {hint}"
    raise FilterError(message, at, len(name), names)


def _listed() -> str:
    return ", ".join(FIELDS)


def _operator(text: str, field: Field, at: int) -> Operator:
    for operator in field.operators:
        if text == operator or (text, operator) == ("=", ":"):
            return operator
    possible = " ".join(f"{field.name}{one}" for one in field.operators)
    message = f"{field.name}{text} is not possible, but {possible}"
    raise FilterError(
        f"character {at + 1}: {message}", at, len(text), tuple(field.operators)
    )


def _values(text: str, at: int) -> tuple[str, ...]:
    """Return what is parted by commas outside of quotes, quotes taken off."""
    values = []
    for found in _VALUE.finditer(text):
        quoted, closing, plain = found.groups()
        if quoted is None:
            values.append(plain)
            continue
        if not closing:
            place = at + found.start()
            raise FilterError(
                f"character {place + 1}: a quote that is not closed", place, 1, ('"',)
            )
        values.append(re.sub(r"\\(.)", r"\1", quoted))
    return tuple(value for value in values if value)


def _check_statuses(values: tuple[str, ...], text: str, at: int) -> None:
    for value in values:
        if value.lower() not in _STATUSES and "*" not in value:
            names = tuple(sorted(_STATUSES))
            message = f"character {at + 1}: no status {value!r}: there are "
            raise FilterError(message + ", ".join(names), at, len(text), names)


def _number(field: Field, text: str, at: int) -> float:
    plain = text.strip('"').replace("_", "")
    if field.unit == "ms":
        found = _LENGTH.fullmatch(plain)
        if found:
            return float(found[1]) * _LENGTH_MS[found[2] or "ms"]
        message = f"{text!r} is no duration, such as 250, 1.5s or 2m"
        raise _wrong(message, at, len(text))
    try:
        number = float(plain.lstrip("$"))
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise _wrong(f"{text!r} is no number", at, len(text), field)
    return number


def _time(text: str, at: int, now_us: int) -> float:
    plain = text.strip('"')
    found = _AGO.fullmatch(plain)
    if found:
        return now_us - float(found[1]) * _AGO_S[found[2]] * 1e6
    try:
        moment = datetime.fromisoformat(plain.removesuffix("Z"))
    except ValueError:
        message = f"{text!r} is no time, such as 30m, 1h, 7d, 2026-01-31T12:00"
        raise _wrong(message, at, len(text)) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)
