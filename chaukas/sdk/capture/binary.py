"""
Describe binary content instead of recording it.

Images and files pass through agents as bytes, as `data:` URLs and as plain
base64; of each the kind, the size and a hash say enough to tell them apart.
"""

import base64
import binascii
import hashlib
import re
import string
from collections.abc import Callable
from typing import Final

from chaukas.sdk.capture.readers.raw import Blob, Mark

__all__ = (
    "DECODED_CHARS",
    "MayHash",
    "blob_mark",
    "blob_text",
    "encoded_mark",
    "has_data_url",
    "without_data_urls",
)

_HASH_FLOOR_BYTES = 64
_HASH_LIMIT_BYTES = 1_048_576
_SAMPLE_CHARS = 256
_MAGIC_CHARS = 64
_BASE64_FLOOR_CHARS = 1024
_READ_CHARS = 16_384
"""Longest base64 that is looked at as a whole; of a longer one the beginning is."""
_HEAD_CHARS = 4096
_CHUNK_CHARS = 262_144
"""Base64 that is decoded in one call, in which no other thread runs; 0.6 ms."""
DECODED_CHARS: Final = _HASH_LIMIT_BYTES * 4 // 3 + _SAMPLE_CHARS
"""Length of the longest base64 that is decoded for its hash."""

# What one unit of work pays for, see `Budget`.
_CHARS_PER_WORK = 400
_BYTES_PER_WORK = 1600

MayHash = Callable[[int], bool]
"""Counts so many units of work, and tells whether they may be done."""

_DATA_URL = re.compile(
    r"data:([A-Za-z0-9.+\-]{1,64}/[A-Za-z0-9.+\-]{1,100})"
    r"((?:;[A-Za-z0-9_.=+\-]{1,100}){0,4}),"
)
_INNER_DATA_URL = re.compile(
    r"data:([A-Za-z0-9.+\-]{1,64}/[A-Za-z0-9.+\-]{1,100})"
    r"(?:;[A-Za-z0-9_.=+\-]{1,100}){0,3};base64,([A-Za-z0-9+/_\-]{64,}={0,2})"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*|[A-Za-z0-9_\-]*={0,2}")
_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_MIXED = (re.compile(r"[A-Z]"), re.compile(r"[a-z]"), re.compile(r"[0-9]"))

_MAGIC = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"RIFF", "application/riff"),
)
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/avi"}


def _always(_units: int) -> bool:
    """Allow any work."""
    return True


def blob_mark(blob: Blob, may_hash: MayHash = _always) -> Mark:
    """
    Return ``<mime N bytes sha256:…>`` for binary content.

    Content below 64 bytes gets no hash, because a short secret could be guessed
    back from it; content above 1 MiB gets none, because of the time.

    Args:
        blob: What is described.
        may_hash: Asked before the hash is made; without it the mark has none.
    """
    content, size_bytes = blob.content, blob.size_bytes
    is_whole = _has_hash(size_bytes) and len(content) == size_bytes
    is_hashed = is_whole and may_hash(size_bytes // _BYTES_PER_WORK)
    digest = hashlib.sha256(content).hexdigest() if is_hashed else ""
    return _mark(_mime_of(content), size_bytes, digest)


def blob_text(blob: Blob, limit_chars: int) -> str:
    """Return binary content as base64, cut to a length."""
    shown = limit_chars // 4 * 3
    text = base64.b64encode(blob.content[:shown]).decode()
    missing = blob.size_bytes - min(shown, len(blob.content))
    return f"{text}…<+{missing} bytes>" if missing else text


def has_data_url(text: str) -> bool:
    """Tell whether a text may hold a ``data:`` URL; never misses one."""
    return ":" in text and "data:" in text


def encoded_mark(text: str, may_hash: MayHash = _always) -> Mark | None:
    """
    Describe a text that is a ``data:`` URL or long base64; none for another.

    Long base64 is looked at in three places, and must show capitals, small letters
    and digits: a long row of one letter is a text. Only the hash costs more for a
    longer one.

    Args:
        text: Any text.
        may_hash: Asked before the hash is made; without it the mark has none.
    """
    if text.startswith("data:"):
        url = _DATA_URL.match(text)
        if url is not None and " " not in text:
            is_base64 = url[2].lower().endswith(";base64")
            return _encoded(url[1], text, url.end(), may_hash, is_base64=is_base64)
    if len(text) < _BASE64_FLOOR_CHARS or not _is_base64(text):
        return None
    return _encoded("", text, 0, may_hash, is_base64=True)


def without_data_urls(text: str) -> str:
    """Return a text with the ``data:`` URLs inside it described."""
    return _INNER_DATA_URL.sub(
        lambda url: _encoded(url[1], url[2], 0, _always, is_base64=True).text, text
    )


def _is_base64(text: str) -> bool:
    """Tell base64 from text, at a cost that does not grow with the text."""
    middle = len(text) // 2
    sample = text[:_SAMPLE_CHARS] + text[middle : middle + _SAMPLE_CHARS]
    if _BASE64.fullmatch(sample) is None:
        return False
    if not all(letters.search(sample) for letters in _MIXED):
        return False
    if len(text) > _READ_CHARS:
        text = text[:_HEAD_CHARS] + text[-_SAMPLE_CHARS:]
    return _BASE64.fullmatch(text) is not None


def _encoded(
    mime: str, text: str, start: int, may_hash: MayHash, *, is_base64: bool
) -> Mark:
    """Describe the content that begins at *start*, by what it decodes to."""
    chars = len(text) - start
    if not is_base64:
        is_hashed = _has_hash(chars) and may_hash(chars // _BYTES_PER_WORK)
        body = text[start:].encode("utf-8", "replace") if is_hashed else b""
        return _mark(mime, chars, hashlib.sha256(body).hexdigest() if body else "")
    padding = text.endswith("=") + text.endswith("==")
    size_bytes, digest = chars * 3 // 4 - padding, ""
    if chars <= DECODED_CHARS and may_hash(chars // _CHARS_PER_WORK):
        size_bytes, digest = _decoded(text[start:]) or (size_bytes, "")
    if not mime:
        beginning = _plain(text[start : start + _SAMPLE_CHARS])
        mime = _mime_of(_bytes_of(beginning[:_MAGIC_CHARS]))
    return _mark(mime, size_bytes, digest)


def _decoded(body: str) -> tuple[int, str] | None:
    """Return size in bytes and hash of what base64 holds; None if it is none."""
    plain, digest, size_bytes = _plain(body), hashlib.sha256(), 0
    for start in range(0, len(plain), _CHUNK_CHARS):
        part = plain[start : start + _CHUNK_CHARS]
        content = b"" if part.translate(None, _ALPHABET) else _bytes_of(part)
        if not content:
            return None
        digest.update(content)
        size_bytes += len(content)
    return size_bytes, digest.hexdigest()


def _plain(body: str) -> bytes:
    """Return base64 of any kind as one line of the usual alphabet, unpadded."""
    line = body.replace("\r", "").replace("\n", "").rstrip("=")
    return line.replace("-", "+").replace("_", "/").encode("utf-8", "replace")


def _bytes_of(plain: bytes) -> bytes:
    """Return what plain base64 holds; nothing if it is cut or is none."""
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def _mime_of(content: bytes) -> str:
    """Guess the kind of content by how it begins."""
    for magic, mime in _MAGIC:
        if content.startswith(magic):
            return _RIFF.get(content[8:12], mime) if magic == b"RIFF" else mime
    return "application/octet-stream"


def _has_hash(size_bytes: int) -> bool:
    """Tell whether content of this size gets a hash."""
    return _HASH_FLOOR_BYTES <= size_bytes <= _HASH_LIMIT_BYTES


def _mark(mime: str, size_bytes: int, digest: str) -> Mark:
    """Put kind, size and, where it is wise, the hash together."""
    if digest and _has_hash(size_bytes):
        return Mark(f"<{mime} {size_bytes} bytes sha256:{digest}>")
    return Mark(f"<{mime} {size_bytes} bytes>")
