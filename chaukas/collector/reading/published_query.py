"""
QueryEvents and GetEventStats of the published spec, over HTTP and gRPC.

A page token names the place where a page ended. It is signed together with whose it
is and what was asked, so that it leads nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from chaukas.collector.refusal import Refusal
from chaukas.store.filter import Filter, Term
from chaukas.store.protocol import CursorError

if TYPE_CHECKING:
    from chaukas.store.sqlite import SqliteReader

__all__ = ("Question", "moment_of", "page_of", "question_of", "stats_of")

_USUAL: Final = 100
_MOST: Final = 1000
_SCANNED: Final = 20
"""Pages that are looked through for one answer; it may be short, with a token."""
_SIGNATURE_BYTES: Final = 16
_IDS: Final = {
    "tenant_id": "tenant",
    "project_id": "project",
    "session_id": "session",
    "span_id": "span",
    "trace_id": "trace",
}
_MOMENT: Final = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.(?P<digits>[0-9]{1,9}))?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2}|)"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TEXTS: Final = (*_IDS, "agent_id", "text_query")
_LISTS: Final = ("types", "statuses", "severities", "tags")
_PREFIXES: Final = {
    "types": ("type", "EVENT_TYPE_"),
    "statuses": ("status", "EVENT_STATUS_"),
    "severities": ("severity", "SEVERITY_"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A QueryRequest."""

    texts: dict[str, str]
    """Fields of the filter that hold one text."""
    lists: dict[str, frozenset[str]]
    """Fields of which any one value must match; enum values with their prefix."""
    since_us: int | None = None
    until_us: int | None = None
    size: int = _USUAL
    token: str = ""
    is_ascending: bool = False

    def mark(self, tenant: str | None) -> str:
        """Return what a page token of this question is bound to."""
        lists = sorted((name, sorted(values)) for name, values in self.lists.items())
        order = (self.since_us, self.until_us, self.is_ascending)
        return repr((tenant, sorted(self.texts.items()), lists, order))


def question_of(request: object) -> Question:
    """
    Return what the JSON form of a QueryRequest asks.

    Args:
        request: Decoded; enum values with or without their prefix.

    Raises:
        Refusal: 400, if it is none.
    """
    asked = _object(request, "the request")
    given = _object(asked.get("filter", {}), "filter")
    texts = {}
    for name in _TEXTS:
        value = given.get(name, "")
        if type(value) is not str:
            raise Refusal(400, f"filter.{name} must be a text.")
        if name in _IDS and "*" in value:
            raise Refusal(400, f"filter.{name} must be one id.")
        if value:
            texts[name] = value
    lists = {}
    for name in _LISTS:
        values = given.get(name, [])
        if type(values) is not list or not all(type(one) is str for one in values):
            raise Refusal(400, f"filter.{name} must be a list of texts.")
        if values:
            lists[name] = frozenset(_prefixed(name, one) for one in values)
    time = _object(given.get("time", {}), "filter.time")
    size = asked.get("page_size", 0)
    token = asked.get("page_token", "")
    if type(size) is not int or type(token) is not str:
        raise Refusal(400, "page_size must be a number, and page_token a text.")
    return Question(
        texts,
        lists,
        moment_of(time.get("start")),
        moment_of(time.get("end")),
        min(max(size, 1), _MOST) if size else _USUAL,
        token,
        str(asked.get("order_by_time", "")).removeprefix("SORT_ORDER_") == "ASC",
    )


def _object(value: object, what: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise Refusal(400, f"{what} must be an object.")
    return value


def _prefixed(name: str, value: str) -> str:
    _, prefix = _PREFIXES.get(name, ("", ""))
    return value if value.startswith(prefix) else prefix + value


def moment_of(value: object) -> int | None:
    """
    Return a time as microseconds since 1970; None for none.

    Raises:
        Refusal: 400, if it is another text.
    """
    if value is None or value == "":
        return None
    match = _MOMENT.fullmatch(str(value))
    if match is None:
        raise Refusal(400, _NO_MOMENT)
    # Python's own reading knows three digits or six, and not everywhere a Z.
    digits = (match["digits"] or "")[:6].ljust(6, "0")
    offset = match["offset"].replace("Z", "") or "+00:00"
    try:
        moment = datetime.fromisoformat(f"{match['second']}.{digits}{offset}")
    except ValueError:
        raise Refusal(400, _NO_MOMENT) from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def page_of(
    reader: SqliteReader, tenant: str | None, question: Question, secret: bytes
) -> tuple[list[dict[str, Any]], str]:
    """
    Return events as recorded, and the token of the next page, empty behind the last.

    Args:
        reader: Of the tenant.
        tenant: Whose; None for the owner of the machine.
        question: What is asked.
        secret: What tokens are signed with.

    Raises:
        Refusal: 400, if the token is none of this question.
    """
    mark = question.mark(tenant)
    cursor = _opened(question.token, mark, secret)
    found: list[dict[str, Any]] = []
    filter_ = _filter_of(question)
    order: Any = "time" if question.is_ascending else "-time"
    try:
        for _ in range(_SCANNED):
            left = question.size - len(found)
            page = reader.events(filter_, order, cursor, left, whole=True)
            events = [row.event for row in page.items if row.event is not None]
            found += [event for event in events if _is_asked(event, question)]
            cursor = page.next_cursor
            # A short page has large events: with more, the answer would be too large.
            is_short = len(page.items) < left
            if not cursor or is_short or len(found) >= question.size:
                break
    except CursorError:
        raise Refusal(400, _NO_SUCH_PAGE) from None
    return found, _signed(cursor, mark, secret) if cursor else ""


def _filter_of(question: Question) -> Filter:
    """Return conditions for the store; what it cannot say is looked at afterwards."""
    terms = [
        Term(_IDS[name], ":", (value,))
        for name, value in question.texts.items()
        if name in _IDS
    ]
    if "types" in question.lists:
        terms.append(Term("type", ":", tuple(sorted(question.lists["types"]))))
    if "text_query" in question.texts:
        terms.append(Term("", ":", (question.texts["text_query"],)))
    for name, moment in (("since", question.since_us), ("until", question.until_us)):
        if moment is not None:
            terms.append(Term(name, ":", (), float(moment)))
    return Filter(tuple(terms))


def _is_asked(event: dict[str, Any], question: Question) -> bool:
    """Return whether an event as recorded fulfils the rest exactly."""
    for name, value in question.texts.items():
        # Whose it is, the store knows better: an event need not say so.
        if name in ("tenant_id", "project_id", "text_query"):
            continue
        if event.get(name, "") != value:
            return False
    for name, (field, _) in _PREFIXES.items():
        if name in question.lists and event.get(field) not in question.lists[name]:
            return False
    tags = question.lists.get("tags")
    return tags is None or not tags.isdisjoint(map(str, event.get("tags") or ()))


def _signed(cursor: str, mark: str, secret: bytes) -> str:
    data = _signature(cursor, mark, secret) + cursor.encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _opened(token: str, mark: str, secret: bytes) -> str:
    if not token:
        return ""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        data = base64.urlsafe_b64decode(padded)
        signature, cursor = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:].decode()
    except (UnicodeError, binascii.Error, ValueError):
        raise Refusal(400, _NO_SUCH_PAGE) from None
    if not hmac.compare_digest(signature, _signature(cursor, mark, secret)):
        raise Refusal(400, _NO_SUCH_PAGE)
    return cursor


def _signature(cursor: str, mark: str, secret: bytes) -> bytes:
    text = f"{mark}\0{cursor}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, text, "sha256")[:_SIGNATURE_BYTES]


_NO_MOMENT: Final = "A time must be as 2026-01-31T12:00:00Z."
_NO_SUCH_PAGE: Final = "page_token is of no page of this question: begin without one."


def stats_of(
    reader: SqliteReader,
    tenant: str = "",
    project: str = "",
    since_us: int | None = None,
    until_us: int | None = None,
) -> dict[str, Any]:
    """Return the fields of a GetEventStatsResponse."""
    whose = (("tenant", tenant), ("project", project))
    terms = [Term(name, ":", (value,)) for name, value in whose if value]
    times = [
        Term(name, ":", (), float(moment))
        for name, moment in (("since", since_us), ("until", until_us))
        if moment is not None
    ]
    asked = Filter((*terms, *times))
    counts, sessions, mean_ms = reader.event_stats(asked)
    return {
        "total_events": sum(counts.values()),
        "total_sessions": sessions,
        "events_by_type": {f"EVENT_TYPE_{name}": n for name, n in counts.items()},
        "avg_session_duration_ms": mean_ms,
    }
