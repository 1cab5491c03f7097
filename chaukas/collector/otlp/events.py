"""
The events of the spans of one request, in the order in which they happened.

What an event says depends on its own span alone, since an exporter may send the same
spans again in other company. Only whether an error is told here or by the span below
it, and whether an agent is the outermost, is seen by looking at the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .attributes import Attributes
from .envelope import Envelope
from .kinds import is_flow, kind_of
from .messages import said_in
from .pairs import pair_of
from .points import EXCEPTION, input_and_output, moments_of, point_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chaukas.sdk.typing import Event

    from .received import Received

__all__ = ("Request", "events_of")

_PAIRED = frozenset({"agent", "model", "tool", "mcp"})
_PENDING = "pending_span"
_Place = tuple[str, str]
"""Trace and span."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What matters of a span to the others."""

    parent: _Place
    kind: str
    exceptions: frozenset[tuple[Any, Any]]


class Request:
    """
    The spans that came together.

    Args:
        spans: All of them.
        tenant: The key's tenant, of which ids are made.
    """

    def __init__(self, spans: Sequence[Received], tenant: str) -> None:
        self._envelopes = [_envelope(span, tenant) for span in spans]
        self._known: dict[_Place, _Known] = {}
        self._told: set[tuple[_Place, Any]] = set()
        self._below: dict[_Place, bool] = {}
        for one in self._envelopes:
            self._note(one)
        for known in self._known.values():
            self._told.update((known.parent, each) for each in known.exceptions)

    def __len__(self) -> int:
        return len(self._envelopes)

    def events(self, index: int) -> list[Event]:
        """Return the events of one of the spans."""
        one = self._envelopes[index]
        has_told = any(
            (_place(one.span), each) in self._told for each in _exceptions(one.span)
        )
        return events_of(one, has_told=has_told, is_outermost=self._is_outermost(one))

    def _note(self, one: Envelope) -> None:
        span = one.span
        parent = (span.trace_id, span.parent_span_id)
        known = _Known(parent, one.kind.kind, _exceptions(span))
        self._known[_place(span)] = known

    def _is_outermost(self, one: Envelope) -> bool:
        """Return whether no agent, and no tool of one, is seen above a span."""
        if one.is_own:
            run_id = one.attributes.text("run_id")
            return run_id == one.span.span_id or one.is_in_flow or not run_id
        return not self._is_below_agent((one.span.trace_id, one.span.parent_span_id))

    def _is_below_agent(self, place: _Place) -> bool:
        """Return whether a span, or one above it, is an agent or a tool."""
        walked: list[_Place] = []
        found: bool | None = None
        while found is None:
            known = self._known.get(place)
            if known is None:
                found = False
            elif known.kind in ("agent", "tool"):
                found = True
            else:
                found = self._below.get(place)
                # Until it is known: so a circle ends.
                self._below[place] = False
                walked.append(place)
                place = known.parent
        self._below.update(dict.fromkeys(walked, found))
        return found


def _envelope(span: Received, tenant: str) -> Envelope:
    attributes = Attributes(span.attributes)
    return Envelope(span, attributes, kind_of(span, attributes), tenant)


def _place(span: Received) -> _Place:
    return span.trace_id, span.span_id


def _exceptions(span: Received) -> frozenset[tuple[Any, Any]]:
    """Return type and text of the exceptions of a span, by which they are known."""
    return frozenset(
        (_text(event.attributes, "type"), _text(event.attributes, "message"))
        for event in span.events
        if event.name == EXCEPTION
    )


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(f"exception.{name}")
    return value if type(value) is str else ""


def events_of(one: Envelope, *, has_told: bool, is_outermost: bool) -> list[Event]:
    """
    Return what a span becomes, START first and END last.

    Args:
        one: The span.
        has_told: Whether its exceptions are told by a span below it.
        is_outermost: Whether no agent is seen above it.
    """
    if one.is_own and is_flow(one.span, one.attributes):
        # Chaukas put it above the agents of a run; the record has no such thing.
        return []
    if one.attributes.named("logfire.span_type") == _PENDING:
        # It says only that another span has begun, which comes when it ends.
        return []
    if one.kind.kind not in _PAIRED:
        return [*point_of(one), *moments_of(one, has_told=has_told)]
    said = said_in(one.span, one.attributes)
    pair = pair_of(one, said)
    moments = moments_of(one, has_told=has_told)
    inputs: Iterable[Event] = ()
    outputs: Iterable[Event] = ()
    if one.kind.kind == "agent" and is_outermost:
        inputs, outputs = input_and_output(one, said)
    is_whole = pair[-1]["type"].endswith("_END") and len(pair) > 1
    end = pair[-1:] if is_whole else []
    rest = pair[1 : len(pair) - len(end)]
    return [pair[0], *inputs, *rest, *moments, *outputs, *end]
