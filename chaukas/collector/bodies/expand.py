"""
Decompresses a body step by step, and stops before it becomes too large.

The whole is held once at most: a small body that would become gigabytes is refused
after its first steps.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from chaukas.collector.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.collector.limits import Limits

    _Member = Callable[[], tuple[Any, int]]

__all__ = ("encodings", "expanded")

_STEP: Final = 4 << 20
"""About as much is made at a time, at most."""
_GZIP_RATIO: Final = 1032
"""How many times its size a piece may grow, as the format has it."""
_ZSTD_RATIO: Final = (128 << 10) // 4
"""Likewise: a block of four bytes becomes one of 128 KiB."""
_MEMBERS: Final = 10_000
"""Of one body: each takes time, even one of nothing."""
_FREE_BYTES: Final = 1 << 20
"""Up to here a body may grow at any ratio."""
_WINDOW_BYTES: Final = 8 << 20


def encodings() -> tuple[str, ...]:
    """Return the encodings that are offered."""
    return ("gzip",) if _zstandard() is None else ("gzip", "zstd")


def expanded(body: bytes, coding: str, limits: Limits) -> bytes:
    """
    Return a body without its encoding.

    Args:
        body: As it came.
        coding: Value of the header Content-Encoding.
        limits: What holds.

    Raises:
        Refusal: 400 if it is damaged, 413 if it is too large, 415 if the encoding is
            not offered.
    """
    name = coding.strip().lower() or "identity"
    if name == "identity":
        return body
    if name not in encodings():
        raise Refusal(415, f"Content-Encoding must be one of {', '.join(encodings())}.")
    steps = _steps(body, _gzip if name == "gzip" else _zstd())
    most = min(limits.expanded_bytes, max(_FREE_BYTES, limits.ratio * len(body)))
    parts: list[bytes] = []
    size = 0
    for part in steps:
        size += len(part)
        if size > most:
            raise Refusal(413, "The body is too large once it is decompressed.")
        parts.append(part)
    return b"".join(parts)


def _steps(body: bytes, member: _Member) -> Iterator[bytes]:
    """Yield the text of all members of a body, one behind the other."""
    view = memoryview(body)
    at = number = 0
    while at < len(view):
        number += 1
        if number > _MEMBERS:
            raise Refusal(413, "The body is compressed in too many pieces.")
        one, most = member()
        while not one.eof:
            piece = view[at : at + most]
            if not piece:
                raise Refusal(400, _DAMAGED)
            at += len(piece)
            try:
                yield one.decompress(piece)
            except _errors():
                raise Refusal(400, _DAMAGED) from None
        at -= len(one.unused_data)


def _gzip() -> tuple[Any, int]:
    """Return what reads one member, and how much of it at a time."""
    return zlib.decompressobj(wbits=31), _STEP // _GZIP_RATIO


def _zstd() -> _Member:
    decompressor = _zstandard().ZstdDecompressor(max_window_size=_WINDOW_BYTES)

    def member() -> tuple[Any, int]:
        # Unlike a stream of it, this one knows whether its end was there.
        return decompressor.decompressobj(), _STEP // _ZSTD_RATIO

    return member


def _errors() -> tuple[type[Exception], ...]:
    module = _zstandard()
    return (zlib.error,) if module is None else (zlib.error, module.ZstdError)


def _zstandard() -> Any:
    """Return the module, or None where it is not installed."""
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


_DAMAGED: Final = "The body cannot be decompressed: it is damaged or cut short."
