"""
Describe binary content instead of recording it.

Images and files pass through agents as bytes, as `data:` URLs and as plain
base64; of each the kind, the size and a hash say enough to tell them apart.
"""

import base64
import binascii
import hashlib
import re

from chaukas.sdk.capture.readers.raw import Blob, Mark

__all__ = (
    "blob_mark",
    "blob_text",
    "encoded_mark",
    "has_data_url",
    "without_data_urls",
)

_HASH_FLOOR_BYTES = 64
_HASH_LIMIT_BYTES = 1_048_576
_SAMPLE_CHARS = 256
_BASE64_FLOOR_CHARS = 1024

_DATA_URL = re.compile(
    r"data:([A-Za-z0-9.+\-]{1,64}/[A-Za-z0-9.+\-]{1,100})"
    r"((?:;[A-Za-z0-9_.=+\-]{1,100}){0,4}),"
)
_INNER_DATA_URL = re.compile(
    r"data:([A-Za-z0-9.+\-]{1,64}/[A-Za-z0-9.+\-]{1,100})"
    r"(?:;[A-Za-z0-9_.=+\-]{1,100}){0,3};base64,([A-Za-z0-9+/_\-]{64,}={0,2})"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*|[A-Za-z0-9_\-]*={0,2}")
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


def blob_mark(blob: Blob) -> Mark:
    """
    Return ``<mime N bytes sha256:…>`` for binary content.

    Content below 64 bytes gets no hash, because a short secret could be guessed
    back from it; content above 1 MiB gets none, because of the time.
    """
    return _mark(_mime_of(blob.content), blob.content, blob.size_bytes)


def blob_text(blob: Blob, limit_chars: int) -> str:
    """Return binary content as base64, cut to a length."""
    shown = limit_chars // 4 * 3
    text = base64.b64encode(blob.content[:shown]).decode()
    missing = blob.size_bytes - min(shown, len(blob.content))
    return f"{text}…<+{missing} bytes>" if missing else text


def has_data_url(text: str) -> bool:
    """Tell whether a text may hold a ``data:`` URL; never misses one."""
    return ":" in text and "data:" in text


def encoded_mark(text: str) -> Mark | None:
    """
    Describe a text that is a ``data:`` URL or long base64; none for another.

    Long base64 is looked at in three places first, and must show capitals,
    small letters and digits: a long row of one letter is a text.
    """
    if text.startswith("data:"):
        url = _DATA_URL.match(text)
        if url is not None and " " not in text:
            body = text[url.end() :] if len(text) <= _text_limit() else ""
            is_base64 = url[2].lower().endswith(";base64")
            size = len(text) - url.end()
            return _encoded(url[1], body, size, is_base64=is_base64)
    if len(text) < _BASE64_FLOOR_CHARS or not _is_base64(text):
        return None
    body = text if len(text) <= _text_limit() else ""
    return _encoded("base64", body, len(text), is_base64=True)


def without_data_urls(text: str) -> str:
    """Return a text with the ``data:`` URLs inside it described."""
    return _INNER_DATA_URL.sub(
        lambda url: _encoded(url[1], url[2], len(url[2]), is_base64=True).text, text
    )


def _text_limit() -> int:
    """Return the length of base64 that is decoded for its hash."""
    return _HASH_LIMIT_BYTES * 4 // 3 + _SAMPLE_CHARS


def _is_base64(text: str) -> bool:
    """Tell base64 from text, at a cost that does not grow with the text."""
    middle = len(text) // 2
    sample = text[:_SAMPLE_CHARS] + text[middle : middle + _SAMPLE_CHARS]
    if _BASE64.fullmatch(sample) is None:
        return False
    if not all(letters.search(sample) for letters in _MIXED):
        return False
    if len(text) > _text_limit():
        text = text[: _HASH_LIMIT_BYTES // 16] + text[-_SAMPLE_CHARS:]
    return _BASE64.fullmatch(text) is not None


def _encoded(mime: str, body: str, size_chars: int, *, is_base64: bool) -> Mark:
    """Describe encoded content by what it decodes to."""
    if not is_base64:
        return _mark(mime, body.encode("utf-8", "replace"), size_chars)
    plain = body.replace("-", "+").replace("_", "/").rstrip("=\r\n")
    try:
        content = base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        content = b""
    if mime == "base64":
        mime = _mime_of(content)
    return _mark(mime, content, len(content) or size_chars * 3 // 4)


def _mime_of(content: bytes) -> str:
    """Guess the kind of content by how it begins."""
    for magic, mime in _MAGIC:
        if content.startswith(magic):
            return _RIFF.get(content[8:12], mime) if magic == b"RIFF" else mime
    return "application/octet-stream"


def _mark(mime: str, content: bytes, size_bytes: int) -> Mark:
    """Put kind, size and, where it is wise, the hash together."""
    if _HASH_FLOOR_BYTES <= size_bytes <= _HASH_LIMIT_BYTES and content:
        digest = hashlib.sha256(content).hexdigest()
        return Mark(f"<{mime} {size_bytes} bytes sha256:{digest}>")
    return Mark(f"<{mime} {size_bytes} bytes>")
