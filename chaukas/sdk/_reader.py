"""
Read the value of a setting from code or from text.

Reading is apart from the list of settings because a size or a duration means the same
wherever it is written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = (
    "ENDPOINT",
    "FLAG",
    "HIDDEN_PATTERNS",
    "INTEGRATIONS",
    "LOG_LEVEL",
    "MODES",
    "NAMES",
    "PATH",
    "REDACTOR",
    "SECRET",
    "TEXT",
    "Kind",
    "UnreadableError",
    "choice",
    "duration",
    "endpoint_without_secrets",
    "number",
    "shown",
    "size",
    "whole",
)

_SHOWN_CHARS = 60
_TEXT_CHARS = 256
_SECRET_CHARS = 16_384
_LARGEST_SIZE_BYTES = 1 << 50
_LONGEST_S = 366 * 86_400.0
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})\s*([a-z]*)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_TRUE = frozenset({"true", "1", "yes", "y", "on", "t"})
_FALSE = frozenset({"false", "0", "no", "n", "off", "f"})
_BYTES_PER = {"": 1, "b": 1} | {
    spelling: 1 << (10 * power)
    for power, letter in enumerate("kmgt", start=1)
    for spelling in (letter, f"{letter}b", f"{letter}ib")
}
_SECONDS_PER = {
    "": 1.0,
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_SINKS = {"file": "file", "http": "http", "grpc": "grpc", "api": "http"}
_SCHEMES = ("http", "https", "grpc", "grpcs")


class UnreadableError(ValueError):
    """Say what a reader expected instead; holds nothing of the value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of one kind of setting are read and shown."""

    read: Callable[[Any], Any]
    """From any object to the value; raises UnreadableError."""
    show: Callable[[Any], str] = str
    """From a read value to text for people."""
    show_raw: Callable[[object], str] | None = None
    """From an unreadable value to text for people; None: `shown`."""


def shown(value: object) -> str:
    """
    Return a value as one short line, without running code of its type.

    Builtin scalars are shown; all else only by the name of its type.
    """
    if type(value) is str:
        text = repr(value) if value.isprintable() else ascii(value)
    elif type(value) is int and value.bit_length() > _SHOWN_CHARS:
        text = "<huge number>"
    elif type(value) in (int, float, bool):
        text = repr(value)
    else:
        # Past the metaclass, which may be a stranger's.
        text = f"<{vars(type)['__qualname__'].__get__(type(value))}>"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def endpoint_without_secrets(endpoint: str) -> str:
    """Return an endpoint for people: no user, no password, no query."""
    scheme, separator, rest = endpoint.rpartition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _hidden(_value: object) -> str:
    return "<hidden>"


def _shown_endpoint(value: object) -> str:
    # A value without a colon or a space may be an API key in the wrong variable.
    if type(value) is str and (
        not re.search("[: ]", value) or re.search("[@?#]", value)
    ):
        return "<hidden>"
    return shown(value)


def _plain(value: object) -> str | None:
    """Return the exact string of a `str`, also of a subclass, else None."""
    return str.__str__(value) if isinstance(value, str) else None


def _read_text(value: object) -> str:
    text = _plain(value)
    text = None if text is None else text.strip()
    if not text or not text.isprintable() or len(text) > _TEXT_CHARS:
        raise UnreadableError(f"a text of 1 to {_TEXT_CHARS} printable characters")
    return text


def _read_secret(value: object) -> str:
    text = _plain(value)
    text = None if text is None else text.strip()
    if not text or len(text) > _SECRET_CHARS or not re.fullmatch(r"[!-~]+", text):
        raise UnreadableError("a key of printable ASCII characters without spaces")
    return text


def _read_key(value: object) -> object:
    return value if callable(value) else _read_secret(value)


def _read_flag(value: object) -> bool:
    if type(value) is bool:
        return value
    word = str(value) if type(value) is int else (_plain(value) or "").strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UnreadableError("true or false")


def _read_names(value: object) -> tuple[str, ...]:
    text = _plain(value)
    if text is not None:
        parts: list[object] = list(text.split(","))
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    elif isinstance(value, (set, frozenset)):
        parts = sorted(value, key=shown)
    else:
        raise UnreadableError("names, as a list or as a text with commas")
    names = [_plain(part) for part in parts]
    if any(name is None or not name.strip().isprintable() for name in names):
        raise UnreadableError("a list of printable texts")
    trimmed = (name.strip() for name in names if name is not None)
    return tuple(dict.fromkeys(name for name in trimmed if name))


def _read_integrations(value: object) -> tuple[str, ...]:
    return tuple(name.lower().replace("-", "_") for name in _read_names(value))


def _read_path(value: object) -> Path:
    text = str(value) if isinstance(value, PurePath) else _plain(value)
    if not text or "\0" in text:
        raise UnreadableError("a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UnreadableError("a path whose home folder can be found") from None


def _read_endpoint(value: object) -> str:
    # Not free to import, and most programs set no endpoint.
    from urllib.parse import urlsplit

    text = (_plain(value) or "").strip().rstrip("/")
    error = UnreadableError("http(s)://host[:port][/path] or grpc(s)://host:port")
    if not re.fullmatch(r"[!-~]+", text):
        raise error
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise error from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.fragment:
        raise error
    return text


def _read_modes(value: object) -> tuple[str, ...]:
    words = [word.lower() for word in _read_names(value)]
    if not words or any(word not in _SINKS for word in words):
        raise UnreadableError("file, http or grpc, or several with commas")
    return tuple(dict.fromkeys(_SINKS[word] for word in words))


def _read_level(value: object) -> str:
    word = (_plain(value) or "").strip().upper()
    word = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(word, word)
    for name, level in _LEVELS.items():
        if word in (name, str(level)) or (type(value) is int and value == level):
            return name
    raise UnreadableError(f"one of {', '.join(_LEVELS)}")


def _read_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    single = isinstance(value, (str, re.Pattern))
    parts = [value] if single else value
    if not isinstance(parts, (list, tuple)):
        raise UnreadableError("a list of regular expressions")
    return tuple(_compiled(part, place) for place, part in enumerate(parts, start=1))


def _compiled(part: object, place: int) -> re.Pattern[str]:
    if isinstance(part, re.Pattern) and isinstance(part.pattern, str):
        return part
    text = _plain(part)
    try:
        if text:
            return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        pass
    raise UnreadableError(f"regular expressions, and number {place} is not one")


def _read_redactor(value: object) -> object:
    if not callable(value):
        raise UnreadableError("a function redact(path, value)")
    return value


def _quantity(value: object, factors: Mapping[str, float]) -> float | None:
    """Return a number with its unit applied; None if it is not one."""
    if type(value) is int or type(value) is float:
        return value if abs(value) < _LARGEST_SIZE_BYTES else None
    match = _QUANTITY.fullmatch((_plain(value) or "").strip().lower())
    if match is None or match[2] not in factors:
        return None
    return float(match[1]) * factors[match[2]]


def _bounds(lowest: str, highest: str) -> str:
    return f"from {lowest} to {highest}"


def size(lowest_bytes: int) -> Kind:
    """Read bytes: a whole number or text such as `512MB`; 1 kB is 1,024 bytes."""

    def read(value: object) -> int:
        amount = _quantity(value, _BYTES_PER)
        if amount is None or not math.isfinite(amount):
            raise UnreadableError("a size such as '512MB'")
        if not lowest_bytes <= amount <= _LARGEST_SIZE_BYTES:
            raise UnreadableError(f"a size of at least {_size_text(lowest_bytes)}")
        return int(amount)

    return Kind(read, _size_text)


def _size_text(size_bytes: int) -> str:
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size_bytes and size_bytes % (1 << power) == 0:
            return f"{size_bytes >> power}{unit}"
    return f"{size_bytes}B"


def duration(lowest_s: float) -> Kind:
    """Read seconds: a number or text such as `30s`, `5m`, `250ms`."""

    def read(value: object) -> float:
        amount = _quantity(value, _SECONDS_PER)
        if amount is None or not math.isfinite(amount):
            raise UnreadableError("a duration such as '30s'")
        if not lowest_s <= amount <= _LONGEST_S:
            limits = _bounds(_duration_text(lowest_s), _duration_text(_LONGEST_S))
            raise UnreadableError(f"a duration {limits}")
        return float(amount)

    return Kind(read, _duration_text)


def _duration_text(duration_s: float) -> str:
    if 0 < duration_s < 1:
        return f"{duration_s * 1000:g}ms"
    for unit, factor in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if duration_s and duration_s % factor == 0:
            return f"{duration_s / factor:g}{unit}"
    return f"{duration_s:g}s"


def whole(lowest: int, highest: int) -> Kind:
    """Read a whole number within bounds."""

    def read(value: object) -> int:
        text = (_plain(value) or "").strip()
        amount: object = int(text) if _WHOLE.fullmatch(text) else value
        if type(amount) is float and amount.is_integer():
            amount = int(amount)
        if type(amount) is not int or not lowest <= amount <= highest:
            limits = _bounds(str(lowest), str(highest))
            raise UnreadableError(f"a whole number {limits}")
        return amount

    return Kind(read)


def number(lowest: float, highest: float) -> Kind:
    """Read a number within bounds."""

    def read(value: object) -> float:
        amount = _quantity(value, {"": 1.0})
        if amount is None or not lowest <= amount <= highest:
            raise UnreadableError(
                f"a number {_bounds(f'{lowest:g}', f'{highest:g}')}",
            )
        return float(amount)

    return Kind(read, lambda amount: f"{amount:g}")


def choice(*words: str) -> Kind:
    """Read one of a few words, in any case."""

    def read(value: object) -> str:
        word = (_plain(value) or "").strip().lower()
        if word not in words:
            raise UnreadableError(f"one of {', '.join(words)}")
        return word

    return Kind(read)


def _joined(names: tuple[str, ...]) -> str:
    return ",".join(names)


TEXT = Kind(_read_text)
SECRET = Kind(_read_key, _hidden, _hidden)
FLAG = Kind(_read_flag, lambda flag: str(flag).lower())
NAMES = Kind(_read_names, _joined)
INTEGRATIONS = Kind(_read_integrations, _joined)
PATH = Kind(_read_path)
ENDPOINT = Kind(_read_endpoint, endpoint_without_secrets, _shown_endpoint)
MODES = Kind(_read_modes, _joined)
LOG_LEVEL = Kind(_read_level)
HIDDEN_PATTERNS = Kind(_read_patterns, lambda found: f"{len(found)} patterns", _hidden)
REDACTOR = Kind(_read_redactor, _hidden)
