"""Server-sent events, read from the pieces in which they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("Message", "messages_in")

_LARGEST_BYTES: Final = 16 << 20
"""Of one message; an event has a megabyte at most."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream."""

    kind: str
    data: bytes


def messages_in(pieces: Iterable[bytes]) -> Iterator[Message]:
    """
    Yield the messages of a stream; what stands at its end without an end is none.

    Args:
        pieces: Bytes as they come, cut anywhere.

    Raises:
        ValueError: A message is too large to be one.
    """
    kept = b""
    for piece in pieces:
        *whole, kept = (kept + piece).split(b"\n\n")
        if len(kept) > _LARGEST_BYTES:
            raise ValueError
        for text in whole:
            yield _message(text)


def _message(text: bytes) -> Message:
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name] = value.removeprefix(b" ")
    kind = fields.get(b"event", b"message").decode("utf-8", "replace")
    return Message(kind, fields.get(b"data", b""))
