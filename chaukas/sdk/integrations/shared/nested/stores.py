"""Record what agents look up and keep in stores: memory, knowledge, caches, states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.record import content
from chaukas.sdk.record.recorder import without_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.record.recorder import Recorder

    from .runs import Here

__all__ = ["record_access", "record_change"]


def record_access(
    recorder: Recorder,
    place: Here,
    source: str,
    facts: Mapping[str, Any],
    *,
    query: Any = None,
    document_ids: Sequence[str] = (),
) -> None:
    """
    Record a DATA_ACCESS.

    Args:
        recorder: Where to record.
        place: Where it stands; closed afterwards.
        source: Name of the store.
        facts: Names and numbers.
        query: What was asked, uncaptured.
        document_ids: What was found.
    """
    capture = recorder.capture(place.run)
    metadata = without_defaults(dict(facts))
    if _is_something(query):
        metadata["query"] = capture.tree(query, "data_access.metadata.query")
    recorder.emit(
        EventType.DATA_ACCESS,
        place.run,
        content.data_access(source, document_ids=document_ids, metadata=metadata),
        parent_span_id=place.span_id,
        capture=capture,
    )
    place.close()


def record_change(
    recorder: Recorder,
    place: Here,
    what: str,
    facts: Mapping[str, Any],
    contents: Mapping[str, Any] | None = None,
) -> None:
    """
    Record a STATE_UPDATE.

    Args:
        recorder: Where to record.
        place: Where it stands; closed afterwards.
        what: Member of `state_update` that says it: `store`, `flow`.
        facts: Names and numbers.
        contents: What was kept, uncaptured; an empty member is left out.
    """
    capture = recorder.capture(place.run)
    change: dict[str, Any] = without_defaults(dict(facts))
    for name, value in (contents or {}).items():
        if _is_something(value):
            change[name] = capture.tree(value, f"state_update.{what}.{name}")
    recorder.emit(
        EventType.STATE_UPDATE,
        place.run,
        content.state_update(**{what: change}),
        parent_span_id=place.span_id,
        capture=capture,
    )
    place.close()


def _is_something(value: Any) -> bool:
    """Tell whether there is anything to capture, asking plain containers only."""
    is_plain = type(value) in (str, list, dict)
    return bool(value) if is_plain else value is not None
