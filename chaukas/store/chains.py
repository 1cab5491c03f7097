"""
Whether a stream is here as it was sent, but for what was removed on record.

Pure, and the same for every store.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from chaukas.sdk import integrity
from chaukas.sdk.integrity import Removed

from .content import text_of
from .facts import event_of
from .protocol import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chaukas.sdk.integrity import Sent

    from .protocol import Removal

__all__ = (
    "Place",
    "digest_of",
    "findings_of",
    "places_of",
    "ranges_of",
    "removal_finding",
    "with_gaps",
)


_Event = TypeVar("_Event")


class Place(NamedTuple):
    """Where an event stands in its stream."""

    stream: str
    seq: int
    prev: str
    hash: str


def places_of(stream: str, seq: int, line: bytes) -> Place:
    """Return where an event stands that is about to be removed."""
    event = event_of(line) or {}
    hashes = text_of(event.get("hash_prev")), text_of(event.get("content_hash"))
    return Place(stream, seq, *hashes)


def ranges_of(places: Iterable[Place], known: Iterable[Removed]) -> Iterator[Removed]:
    """
    Yield places as ranges of which each is a piece of a chain.

    Args:
        places: By stream and number.
        known: Ranges that were removed before: what is in them is left out.
    """
    gone: dict[str, list[Removed]] = {}
    for one in known:
        gone.setdefault(one.stream, []).append(one)
    last: Removed | None = None
    for place in places:
        if any(r.first <= place.seq <= r.last for r in gone.get(place.stream, ())):
            continue
        if last is not None and _follows(last, place):
            last = last._replace(last=place.seq, hash=place.hash)
            continue
        if last is not None:
            yield last
        last = Removed(place.stream, place.seq, place.seq, place.prev, place.hash)
    if last is not None:
        yield last


def _follows(last: Removed, place: Place) -> bool:
    is_next = last.stream == place.stream and last.last + 1 == place.seq
    return is_next and last.hash == place.prev


def digest_of(ranges: Iterable[Removed]) -> str:
    """Return the hash of ranges in their order."""
    digest = hashlib.sha256()
    for one in ranges:
        digest.update(json.dumps(list(one)).encode() + b"\n")
    return digest.hexdigest()


def removal_finding(
    removal: Removal, name: str, at_us: int, *, is_valid: bool, is_done: bool = True
) -> Finding:
    """
    Return what a check says of a removal.

    Args:
        removal: Which one.
        name: Of what was done, such as `erase`.
        at_us: When.
        is_valid: Whether it is on record.
        is_done: Whether nothing of it is left.
    """
    what = f"removal {removal.number}"
    if not is_valid:
        return Finding(
            f"{what}: the record of the administration does not say that these events"
            " were removed: they count as missing."
        )
    day = f"{datetime.fromtimestamp(at_us / 1e6, timezone.utc):%Y-%m-%d}"
    if not is_done:
        text = f"{what} ({name}, {day}) was not finished: run the same command again."
        return Finding(text)
    number = removal.events
    events = "1 event was" if number == 1 else f"{number:,} events were"
    text = f"{what}: {events} removed on record ({name}, {day})."
    return Finding(text, is_problem=False)


def findings_of(
    sent: Sent,
    tenants: str,
    lines: Iterable[tuple[int | None, bytes]],
    removed: Sequence[Removed],
) -> Iterator[Finding]:
    """
    Yield what is wrong with a stream.

    Args:
        sent: What is known of it.
        tenants: Whose it is, for people.
        lines: Its events with their numbers, those without one first.
        removed: What was taken out of it on record, by first number.
    """
    whole = ((seq, line + b"\n") for seq, line in lines)
    report = integrity.verify(chain([sent], with_gaps(whole, removed)))
    for problem in report.problems:
        what = f"{problem.kind}: {problem.sentence}"
        yield Finding(f"stream {sent.stream} of {tenants}: {what}")


def with_gaps(
    events: Iterable[tuple[int | None, _Event]], removed: Iterable[Removed]
) -> Iterator[_Event | Removed]:
    """
    Yield the events of a stream, and in their place what was removed.

    Args:
        events: With their numbers, those without one first.
        removed: By first number.
    """
    waiting = iter(removed)
    following = next(waiting, None)
    end: int | None = None
    for seq, event in events:
        while following is not None and seq is not None and following.first <= seq:
            end = following.last
            yield following
            following = next(waiting, None)
        # What is sent again, or waits to be removed, stands in no chain.
        if seq is None or end is None or seq > end:
            yield event
    if following is not None:
        yield following
        yield from waiting
