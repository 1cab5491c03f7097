"""From the bytes of an OTLP request to events, within the limits of all requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.collector.bodies.counted import (
    Schema,
    is_countable,
    values_in_json,
    values_in_message,
)
from chaukas.collector.bodies.decode import JSON, TOO_MUCH, Decoded, compact, fault_of
from chaukas.collector.refusal import Refusal

from .events import Request
from .received import spans_in
from .redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaukas.collector.access.callers import Caller
    from chaukas.collector.limits import Limits
    from chaukas.sdk.typing import Event

    from .received import Received

__all__ = ("REQUEST", "VALUES", "SpanBody")

_LOG: Final = logging.getLogger("chaukas.collector")
_DEFAULT: Final = "default"

_VALUE: Final[Schema] = {}
_PAIR: Final[Schema] = {2: _VALUE}
_LIST: Final[Schema] = {1: _VALUE}
_OBJECT: Final[Schema] = {1: _PAIR}
_VALUE.update({5: _LIST, 6: _OBJECT})
VALUES: Final = (_PAIR, _VALUE, _LIST, _OBJECT)
_SPAN: Final[Schema] = {
    9: _PAIR,
    11: {3: _PAIR},
    13: {4: _PAIR},
    15: {},
}
REQUEST: Final[Schema] = {1: {1: {1: _PAIR}, 2: {1: {3: _PAIR}, 2: _SPAN}}}
"""Which fields of an ExportTraceServiceRequest hold messages, values among them."""


class SpanBody:
    """
    Reads the body of one request, and knows afterwards which span an event is of.

    Args:
        kind: Its content type.
        limits: What holds.
        caller: Who sends it.
    """

    def __init__(self, kind: str, limits: Limits, caller: Caller) -> None:
        self._kind = kind
        self._limits = limits
        self._tenant = caller.tenant or _DEFAULT
        self._owners: dict[str, str] = {}

    def __call__(self, body: bytes) -> Decoded:
        """
        Return the events of a body, in the order in which they happened.

        Raises:
            Refusal: The body as a whole is refused.
        """
        if self._has_too_much(body):
            raise Refusal(413, TOO_MUCH)
        spans = spans_in(body, self._kind, self._limits.batch_spans)
        found = Decoded()
        kept = [one for one in spans if one.is_valid]
        found.rejected.extend(
            (f"span {index}", "invalid") for index in range(len(spans) - len(kept))
        )
        # The outer one first, where two begin at the same moment.
        kept.sort(key=lambda one: (one.start_ns, -one.end_ns))
        timed = sorted(self._lines(kept, found), key=_at)
        found.lines.extend(line for _, line in timed)
        found.events.extend(None for _ in timed)
        return found

    def _has_too_much(self, body: bytes) -> bool:
        most = self._limits.values
        if not is_countable(body):
            return False
        if self._kind == JSON:
            return values_in_json(body) > most
        return values_in_message(body, most, REQUEST, VALUES) > most

    def rejected_spans(self, rejected: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return for each span of which an event was rejected a reason."""
        return {self._owners.get(each, each): reason for each, reason in rejected}

    def _lines(
        self, spans: list[Received], found: Decoded
    ) -> Iterable[tuple[str, bytes]]:
        request = Request(spans, self._tenant)
        failures: set[str] = set()
        for index, span in enumerate(spans):
            owner = f"{span.trace_id}/{span.span_id}"
            try:
                lines = [self._line(event) for event in request.events(index)]
            # Whatever a stranger's span holds, the others are kept.
            except Exception as error:
                failures.add(type(error).__name__)
                found.rejected.append((owner, "invalid"))
                continue
            for event_id, at, line, reason in lines:
                self._owners[event_id] = owner
                if reason:
                    found.rejected.append((event_id, reason))
                else:
                    yield at, line
        if failures:
            _LOG.error("spans cannot be read: %s", ", ".join(sorted(failures)))

    def _line(self, event: Event) -> tuple[str, str, bytes, str]:
        """Return id and time of an event, the event, and why it cannot be kept."""
        limits = self._limits
        # Without a hash: it is of no chain, and nobody made one where it happened.
        shown: dict[str, Any] = dict(redacted(event, limits.event_bytes))
        line = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)
        reason = fault_of(line, shown, limits)
        return shown["event_id"], shown["timestamp"], compact(line), reason


def _at(timed: tuple[str, bytes]) -> str:
    return timed[0]
