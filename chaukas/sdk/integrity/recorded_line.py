"""
Reads one line of a file: an event with its hash checked, half an event, or none.

Pure and suspicious: lines come from disks that failed and from people who edit.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Literal

import orjson

from chaukas.sdk.wire import normal

from .chain import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("BOM", "canonical", "entry_of", "is_event")

BOM = b"\xef\xbb\xbf"
"""What some editors put before a text in UTF-8."""

_UNHASHED = frozenset({"content_hash", "hash_prev", "worm_proof_id"})

_LINKED = re.compile(
    rb'(\{.*),"content_hash":"([0-9a-f]{64})"(?:,"hash_prev":"[0-9a-f]{64}")?\}',
    re.DOTALL,
)
"""A line as chaukas writes it; group 1 and a brace are the bytes that are hashed."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*("|\\?\Z)', re.DOTALL)
"""A JSON string; group 1 is no quote if the text ends inside it."""

_ENDS = "chaukas.disabled"
_ADOPTED = "chaukas.adopted"


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
    return _sorted(normal(event))


def entry_of(raw: bytes, line: int) -> Entry | Literal["torn", "damaged"]:
    """
    Return what stands in a line that is not blank.

    `torn` is the head of an event whose end is not there, as a process or a disk
    leaves it; `damaged` is everything else that is no event.
    """
    text = raw.strip().removeprefix(BOM)
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "torn" if _is_head(text) else "damaged"
    if not is_event(event):
        return "damaged"
    return _entry(raw, text, event, line)


def is_event(value: object) -> bool:
    """Return whether a JSON value is an event, of whatever version or state."""
    if type(value) is not dict:
        return False
    if _text(value.get("event_id")) or _text(value.get("content_hash")):
        return True
    kind = value.get("type")
    return type(kind) is int or _text(kind).startswith("EVENT_TYPE_")


def _entry(raw: bytes, text: bytes, event: dict[str, Any], line: int) -> Entry:
    metadata = _object(event.get("metadata"))
    chaukas = _object(metadata.get("chaukas"))
    stated = _text(event.get("content_hash"))
    is_exact = _is_exact(text, stated)
    is_sound = is_exact or _is_sound(text, event, stated)
    name = metadata.get("name") if is_sound else None
    adopted = _object(metadata.get("data")) if name == _ADOPTED else {}
    return Entry(
        line=line,
        event_id=_text(event.get("event_id"))[:64],
        stream=_text(chaukas.get("stream")),
        seq=_whole(chaukas.get("seq")),
        hash=stated,
        prev=_text(event.get("hash_prev")),
        is_sound=is_sound,
        is_respelled=raw.removesuffix(b"\n") != text
        or (not is_exact and _is_respelled(text, event)),
        is_end=name == _ENDS,
        adopted=_text(adopted.get("stream")),
        adopted_events=_whole(adopted.get("written")) or 0,
    )


def _is_head(text: bytes) -> bool:
    """Return whether a text could go on, and become a JSON object."""
    if not text.startswith(b"{"):
        return False
    depth = 0
    end = 0
    for string in _STRING.finditer(text):
        depth += _depth(text[end : string.start()])
        end = string.end()
        if depth < 1:
            return False
        if string[1] != b'"':
            return True
    return depth + _depth(text[end:]) > 0


def _depth(between: bytes) -> int:
    opened = between.count(b"{") + between.count(b"[")
    return opened - between.count(b"}") - between.count(b"]")


def _is_exact(text: bytes, stated: str) -> bool:
    """Return whether the bytes as they stand give the stated hash."""
    match = _LINKED.fullmatch(text)
    if match is None or match[2].decode("ascii") != stated:
        return False
    bare = hashlib.sha256(match[1])
    bare.update(b"}")
    return bare.hexdigest() == stated


def _is_sound(text: bytes, event: dict[str, Any], stated: str) -> bool:
    """Return whether the content gives the stated hash, in whatever spelling."""
    try:
        # A key given twice would be read one way here and another elsewhere.
        json.loads(text, object_pairs_hook=_once)
        return hashlib.sha256(canonical(event)).hexdigest() == stated
    except (ValueError, TypeError, RecursionError):
        return False


def _is_respelled(text: bytes, event: dict[str, Any]) -> bool:
    """Return whether the same content could be, and was not, written plainly."""
    if "worm_proof_id" in event:
        # A store that keeps what it has may add it, and no hash covers it.
        return True
    try:
        # The order of keys is free: no two programs agree on it.
        return orjson.dumps(event) != text or _sorted(event) != canonical(event)
    except (ValueError, TypeError):
        return True


def _sorted(event: Mapping[str, Any]) -> bytes:
    plain = {k: v for k, v in event.items() if k not in _UNHASHED}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        message = "a key is given twice"
        raise ValueError(message)


def _object(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _text(value: object) -> str:
    return value if type(value) is str else ""


def _whole(value: object) -> int | None:
    """Return a whole number, also if another tool wrote it as 1.0."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None
