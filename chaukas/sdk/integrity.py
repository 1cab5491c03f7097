"""
The hash chain: what it covers, how it is written, how it is checked.

Every event carries a hash of itself and of the event before it in its stream,
so that whoever holds the file can tell what was changed, taken out or moved.
The chain shows accidents and casual edits; who can rewrite the whole file can
rewrite its hashes too, unless the last one was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ._chain import Entry, Problem, Stream
from .mapping import normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("Problem", "Report", "canonical", "content_hash", "link", "verify")

_UNHASHED = frozenset({"content_hash", "hash_prev", "worm_proof_id"})

_LINKED = re.compile(
    rb'(\{.*),"content_hash":"([0-9a-f]{64})"(?:,"hash_prev":"[0-9a-f]{64}")?\}',
    re.DOTALL,
)
"""A line as `link` makes it; group 1 and a brace are the bytes it was given."""


@dataclass(frozen=True, slots=True)
class Report:
    """What checking a file found."""

    ok: bool
    """No event is altered, missing, moved or without a hash."""
    events: int
    """Whole events read; one that is repeated counts once."""
    streams: int
    """Process instances that wrote them."""
    problem: Problem | None
    """The first that makes `ok` false; else the first torn line, if any."""
    torn: int
    """Lines that hold no whole event: a process or disk ended inside them."""
    repeated: int
    """Lines that say again what the line before in their stream said."""
    midway: int
    """Streams whose beginning is not in the file, as after a rotation."""


def canonical(event: Mapping[str, Any]) -> bytes:
    """
    Return the bytes that an event's hash is taken of.

    JSON in UTF-8 with keys in order of their code points, no space, defaults
    omitted, times with six digits and Z, and integral numbers within ±2^53
    without a fraction; `content_hash`, `hash_prev` and `worm_proof_id` are left
    out. `from_message` of the event's protobuf form gives the same bytes.

    Raises:
        ValueError: It is nested too deep, or an integer is beyond any double.
        TypeError: It holds something that JSON does not know.
    """
    plain = {k: v for k, v in normal(event).items() if k not in _UNHASHED}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def content_hash(event: Mapping[str, Any]) -> str:
    """
    Return the SHA-256 of the event's canonical JSON in hex.

    Raises:
        ValueError, TypeError: See `canonical`.
    """
    return hashlib.sha256(canonical(event)).hexdigest()


def link(encoded: bytes, prev: str) -> tuple[bytes, str]:
    """
    Return an event's line in the file, and its hash.

    Args:
        encoded: Its canonical JSON, an object that is not empty.
        prev: Hash of the event before it in its stream; empty for the first.
    """
    digest = hashlib.sha256(encoded).hexdigest()
    tail = f',"content_hash":"{digest}","hash_prev":"{prev}"}}\n'
    if not prev:
        tail = f',"content_hash":"{digest}"}}\n'
    return encoded[:-1] + tail.encode("ascii"), digest


def verify(lines: Iterable[bytes]) -> Report:
    """
    Check the chains of all streams in a file and name the first problem.

    The chain proves the order; the numbers in `metadata.chaukas.seq` prove that
    none is missing, in whatever order threads came to be written. Events taken
    off the end cannot be known from the file alone. Memory grows with streams
    and gaps, not with events.

    Args:
        lines: Of a JSONL file, or of the files of a rotation, oldest first.
    """
    streams: dict[str, Stream] = {}
    problems: list[Problem] = []
    torn: list[Problem] = []
    torn_count = 0
    for number, raw in enumerate(lines, 1):
        text = raw.strip()
        if not text:
            continue
        entry = _entry_of(text, number)
        if entry is None:
            torn_count += 1
            torn = torn or [_torn(number)]
            continue
        found = streams.setdefault(entry.stream, Stream()).add(entry)
        if found is not None and not problems:
            problems.append(found)
    for stream in streams.values():
        problems += stream.problems()
    return Report(
        ok=not problems,
        events=sum(stream.events for stream in streams.values()),
        streams=len(streams),
        problem=min(problems or torn, key=lambda p: p.line, default=None),
        torn=torn_count,
        repeated=sum(stream.repeated for stream in streams.values()),
        midway=sum(stream.starts_midway for stream in streams.values()),
    )


def _torn(line: int) -> Problem:
    sentence = (
        "No whole event: a process or disk ended while it was written. "
        "The line is skipped."
    )
    return Problem("torn", line, "", "", sentence)


def _entry_of(text: bytes, line: int) -> Entry | None:
    """Return what stands in a line; None when it is no JSON object."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if type(event) is not dict:
        return None
    metadata = _object(event.get("metadata"))
    chaukas = _object(metadata.get("chaukas"))
    seq = chaukas.get("seq")
    stated = _text(event.get("content_hash"))
    return Entry(
        line=line,
        event_id=_text(event.get("event_id"))[:64],
        stream=_text(chaukas.get("stream")),
        seq=seq if type(seq) is int else None,
        hash=stated,
        prev=_text(event.get("hash_prev")),
        sound=_is_sound(text, event, stated),
    )


def _object(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _text(value: object) -> str:
    return value if type(value) is str else ""


def _is_sound(text: bytes, event: dict[str, Any], stated: str) -> bool:
    """Return whether the content gives the stated hash, byte by byte or not."""
    match = _LINKED.fullmatch(text)
    if match is not None and match[2].decode("ascii") == stated:
        bare = hashlib.sha256(match[1])
        bare.update(b"}")
        if bare.hexdigest() == stated:
            return True
    # Written anew by another tool, perhaps: then the canonical form decides.
    try:
        # A key given twice would be read one way here and another elsewhere.
        json.loads(text, object_pairs_hook=_once)
        return content_hash(event) == stated
    except (ValueError, TypeError, RecursionError):
        return False


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        message = "a key is given twice"
        raise ValueError(message)
