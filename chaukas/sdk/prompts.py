"""
Put together again what each model call was asked, from the events of a record.

A model call's START holds the items that were new to its session, and names the
others by their digests (`history` says why).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .typing import Event

__all__ = [
    "Call",
    "Found",
    "Prompt",
    "Prompts",
    "call_of",
    "count_of",
    "items_of",
    "named_in",
    "rebuild_prompts",
]

_MODEL_START = "EVENT_TYPE_MODEL_INVOCATION_START"
_MOST_ITEMS: Final = 100_000
"""Of one input: a record that says more is not believed."""


class Prompt(NamedTuple):
    """What one model call was asked."""

    span_id: str
    system: str
    items: list[Any]
    """All items of the input, in order; None for one that the record lacks."""

    @property
    def is_whole(self) -> bool:
        """Whether the record holds every item."""
        return None not in self.items


class Call(NamedTuple):
    """A model call, as far as its prompt goes."""

    span_id: str
    stream: str
    """Which process wrote it: digests mean something in its events only."""
    request: dict[str, Any]
    """`llm_invocation.request` of its START."""


_V_co = TypeVar("_V_co", covariant=True)


class Found(Protocol[_V_co]):
    """What is known by stream and digest: a dict, or something that forgets."""

    def get(self, key: tuple[str, str], /) -> _V_co | None:
        """Return what the key names, None if that is not known."""
        ...


def rebuild_prompts(events: Iterable[Event]) -> dict[str, Prompt]:
    """
    Return the prompt of every model call, by the span of the call.

    Args:
        events: Events of one record in any order, as read from JSON lines. Give all
            files of a rotation together: what an earlier file holds is only named
            in a later one.
    """
    prompts = Prompts(events)
    return {span_id: prompts.of(call) for span_id, call in prompts.calls.items()}


class Prompts:
    """
    Puts together the prompt of one call after the other.

    Args:
        events: As for `rebuild_prompts`.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.calls: dict[str, Call] = {}
        """By the span of the call."""
        self._texts: dict[tuple[str, str], str] = {}
        self._items: dict[tuple[str, str], Any] = {}
        self._inputs: dict[tuple[str, str], Call] = {}
        for event in events:
            if event.get("type") == _MODEL_START:
                self._add(call_of(event))

    def _add(self, call: Call) -> None:
        request, stream = call.request, call.stream
        self.calls[call.span_id] = call
        if "system" in request:
            self._texts[stream, request.get("system_hash", "")] = request["system"]
        digests = request.get("input_digests", ())
        for digest, item in zip(digests, _input_of(request), strict=False):
            if type(digest) is str:
                self._items[stream, digest] = item
        self._inputs.setdefault((stream, request.get("input_digest", "")), call)

    def of(self, call: Call) -> Prompt:
        """Return the prompt of one of the calls."""
        system = self._texts.get((call.stream, call.request.get("system_hash", "")), "")
        items = items_of(call, self._items, self._inputs)
        return Prompt(call.span_id, system, items)


def call_of(event: Event) -> Call:
    """
    Return the call whose MODEL_INVOCATION_START is given.

    What is not as the recorder writes it is left out: anybody may have sent it.
    """
    chaukas = _object(_object(event.get("metadata")).get("chaukas"))
    request = _object(_object(event.get("llm_invocation")).get("request"))
    known = {
        name: value
        for name, value in request.items()
        if type(value) is _TYPES.get(name, type(value))
    }
    return Call(_text(event.get("span_id")), _text(chaukas.get("stream")), known)


_TYPES: Final = {
    "system": str,
    "system_hash": str,
    "input_digest": str,
    "input_digests": list,
    "input_base": dict,
    "input_refs": list,
}


def _object(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _text(value: object) -> str:
    return value if type(value) is str else ""


def count_of(value: object) -> int:
    """Return a number of items; 0 for what cannot be one."""
    if type(value) is not int and type(value) is not float:
        return 0
    # A small event could else ask for all memory there is.
    return int(value) if 0 <= value <= _MOST_ITEMS else 0


def named_in(request: dict[str, Any]) -> dict[int, str]:
    """Return which items are only named: their digests by their place."""
    pairs = [one for one in request.get("input_refs", ()) if type(one) is list]
    return {
        count_of(pair[0]): pair[1]
        for pair in pairs
        if len(pair) == 2 and type(pair[1]) is str
    }


def _input_of(request: dict[str, Any]) -> list[Any]:
    given = request.get("input", [])
    return given if type(given) is list else [given]


def items_of(call: Call, items: Found[Any], inputs: Found[Call]) -> list[Any]:
    """
    Return the whole input of *call*, in order; None for an item that is not known.

    Args:
        call: The call.
        items: Items by stream and digest.
        inputs: Calls by stream and digest of their whole input.
    """
    parts: list[list[Any]] = []
    end = _MOST_ITEMS
    current: Call | None = call
    seen: set[str] = set()
    while current is not None:
        base = _object(current.request.get("input_base"))
        start = count_of(base.get("count"))
        parts.append(_own_items(current, items, start, end))
        if not start:
            break
        end = min(end, start)
        digest = _text(base.get("digest"))
        found = inputs.get((current.stream, digest))
        if found is None or digest in seen:
            parts.append([None] * end)
            break
        seen.add(digest)
        current = found
    return [item for part in reversed(parts) for item in part]


def _own_items(call: Call, items: Found[Any], start: int, end: int) -> list[Any]:
    """Return the items behind the base: written here, or held by another event."""
    request = call.request
    named = named_in(request)
    fresh = iter(_input_of(request))
    return [
        items.get((call.stream, named[index])) if index in named else next(fresh, None)
        for index in range(start, min(end, count_of(request.get("input_count"))))
    ]
