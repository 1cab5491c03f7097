"""
Put together again what each model call was asked, from the events of a record.

A model call's START holds the items that were new to its session, and names the
others by their digests (`history` says why).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .typing import Event

__all__ = ["Call", "Found", "Prompt", "call_of", "items_of", "rebuild_prompts"]

_MODEL_START = "EVENT_TYPE_MODEL_INVOCATION_START"


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
    calls = [call_of(event) for event in events if event.get("type") == _MODEL_START]
    texts: dict[tuple[str, str], str] = {}
    items: dict[tuple[str, str], Any] = {}
    inputs: dict[tuple[str, str], Call] = {}
    for call in calls:
        request = call.request
        if "system" in request:
            texts[call.stream, request.get("system_hash", "")] = request["system"]
        digests = request.get("input_digests", ())
        for digest, item in zip(digests, request.get("input", ()), strict=False):
            items[call.stream, digest] = item
        inputs.setdefault((call.stream, request.get("input_digest", "")), call)
    return {
        call.span_id: Prompt(
            call.span_id,
            texts.get((call.stream, call.request.get("system_hash", "")), ""),
            items_of(call, items, inputs),
        )
        for call in calls
    }


def call_of(event: Event) -> Call:
    """Return the call whose MODEL_INVOCATION_START is given."""
    metadata = event.get("metadata", {})
    request = event.get("llm_invocation", {}).get("request")
    return Call(
        event.get("span_id", ""),
        metadata.get("chaukas", {}).get("stream", ""),
        request if type(request) is dict else {},
    )


def items_of(call: Call, items: Found[Any], inputs: Found[Call]) -> list[Any]:
    """
    Return the whole input of *call*, in order; None for an item that is not known.

    Args:
        call: The call.
        items: Items by stream and digest.
        inputs: Calls by stream and digest of their whole input.
    """
    parts: list[list[Any]] = []
    end = -1
    current: Call | None = call
    seen: set[str] = set()
    while current is not None:
        request = current.request
        total = int(request.get("input_count", 0))
        base = request.get("input_base") or {}
        start = int(base.get("count", 0))
        own = _own_items(current, items, start, total)
        parts.append(own if end < 0 else own[: max(0, end - start)])
        if not start:
            break
        end = start if end < 0 else min(end, start)
        digest = base.get("digest", "")
        found = inputs.get((current.stream, digest))
        if found is None or digest in seen:
            parts.append([None] * end)
            break
        seen.add(digest)
        current = found
    return [item for part in reversed(parts) for item in part]


def _own_items(call: Call, items: Found[Any], start: int, total: int) -> list[Any]:
    """Return the items behind the base: written here, or held by another event."""
    request = call.request
    named = {int(index): digest for index, digest in request.get("input_refs", ())}
    fresh = iter(request.get("input", ()))
    return [
        items.get((call.stream, named[index])) if index in named else next(fresh, None)
        for index in range(start, total)
    ]
