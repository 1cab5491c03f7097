"""A span, a log record and what they are made of: plain data, before any encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple, Union

__all__ = [
    "CLIENT",
    "ERROR",
    "INTERNAL",
    "UNSET",
    "Attribute",
    "Link",
    "Log",
    "Owner",
    "Span",
    "SpanEvent",
    "span_id_of",
    "trace_id_of",
]

Attribute = Union[str, bool, int, float, list[str], list[float]]  # noqa: UP007
"""What an attribute can hold: the operator takes no list at run time of 3.10."""

INTERNAL: Final = 1
CLIENT: Final = 3
UNSET: Final = 0
ERROR: Final = 2
_HEX: Final = frozenset("0123456789abcdef")
_TRACE_CHARS: Final = 32
_SPAN_CHARS: Final = 16


class Owner(NamedTuple):
    """Whose spans they are: one resource for each."""

    tenant_id: str
    project_id: str


class SpanEvent(NamedTuple):
    """Something that happened in a span."""

    name: str
    time_ns: int
    attributes: dict[str, Attribute]


class Link(NamedTuple):
    """Another span that led to this one."""

    trace_id: str
    span_id: str


@dataclass(slots=True)
class Span:
    """One span; ids in lower-case hex, times in nanoseconds since 1970."""

    owner: Owner
    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Attribute]
    events: list[SpanEvent] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    status: int = UNSET
    status_message: str = ""
    line: int = -1
    """Index in the batch of the event that completed it; -1 if there is none."""


@dataclass(slots=True)
class Log:
    """One log record."""

    owner: Owner
    name: str
    time_ns: int
    severity: int
    """Number of the severity, as OTLP has it: 9 is INFO."""
    body: str
    trace_id: str
    span_id: str
    attributes: dict[str, Attribute]
    line: int = -1


def trace_id_of(text: str) -> str:
    """Return a trace id of 32 hex digits: the given one, or one made of it."""
    plain = text.removeprefix("trace_").replace("-", "").lower()
    return plain if _is_hex(plain, _TRACE_CHARS) else _made(text, _TRACE_CHARS)


def span_id_of(text: str) -> str:
    """Return a span id of 16 hex digits; empty if there is none."""
    if not text:
        return ""
    return text if _is_hex(text, _SPAN_CHARS) else _made(text, _SPAN_CHARS)


def _is_hex(text: str, chars: int) -> bool:
    return len(text) == chars and _HEX.issuperset(text) and bool(text.strip("0"))


def _made(text: str, chars: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:chars]
