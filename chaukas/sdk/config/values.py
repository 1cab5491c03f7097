"""
Parses the value of a setting, from code or from text.

Reading is apart from the list of settings because a size or a duration means the same
wherever it is written.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations import INTEGRATIONS as KNOWN

from .shown import (
    closest,
    endpoint_without_secrets,
    hidden,
    is_of,
    items_of,
    plain_text,
    shown_endpoint,
    shown_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = (
    "ENDPOINT",
    "FILE",
    "FLAG",
    "HEADERS",
    "HIDDEN_PATTERNS",
    "INTEGRATIONS",
    "INTEGRATION_NAMES",
    "KEYS",
    "LOG_LEVEL",
    "MODES",
    "NAMES",
    "PATH",
    "PROVIDER",
    "REDACTOR",
    "SECRET",
    "SIGNALS",
    "TAGS",
    "TEXT",
    "Kind",
    "UnreadableError",
    "choice",
    "duration",
    "number",
    "size",
    "whole",
)

_TEXT_CHARS = 256
_TAGS_LIMIT = 64
_NAMES_LIMIT = 1_000
_PATH_BYTES = 4_095
_PART_BYTES = 255
_ENDPOINT_CHARS = 2_048
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
_SINKS = {each: each for each in ("file", "http", "grpc", "otlp", "otel")}
_SINKS["api"] = "http"
_SIGNALS = ("traces", "logs", "metrics")
_SCHEMES = ("http", "https", "grpc", "grpcs")
# Redaction leaves them out of account: two names would be taken for one.
_OTHER_SEPARATORS = re.compile(r"[,;|]")

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}: [ -~]{1,16384}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

INTEGRATION_NAMES = tuple(known.name for known in KNOWN)
"""What `integrations` may name."""


class UnreadableError(ValueError):
    """
    Say what a reader expected instead; the text holds nothing of the value.

    Args:
        expected: Completes the sentence "expected …".
        rest: What of a list could be read, and is used; None if nothing is.
        advice: What may have been meant, as a sentence.
        remedy: What holds now, as a sentence, if the setting itself cannot say.
    """

    def __init__(
        self,
        expected: str,
        *,
        rest: tuple[Any, ...] | None = None,
        advice: str = "",
        remedy: str = "",
    ) -> None:
        """Keep what could be read all the same."""
        super().__init__(expected)
        self.rest = rest
        self.advice = advice
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of one kind of setting are read and shown."""

    read: Callable[[Any], Any]
    """From any object to the value; raises UnreadableError."""
    hint: str
    """What an argument of this kind is, for type checkers."""
    show: Callable[[Any], str] = str
    """From a read value to text for people."""
    show_raw: Callable[[object], str] | None = None
    """From an unreadable value to text for people; None: `shown`."""


def _read_text(value: object) -> str:
    text = plain_text(value)
    text = None if text is None else text.strip()
    if not text or not text.isprintable() or len(text) > _TEXT_CHARS:
        raise UnreadableError(f"a text of 1 to {_TEXT_CHARS} printable characters")
    return text


def _read_secret(value: object) -> str:
    text = plain_text(value)
    text = None if text is None else text.strip()
    if not text or len(text) > _SECRET_CHARS or not re.fullmatch(r"[!-~]+", text):
        raise UnreadableError("a key of printable ASCII characters without spaces")
    return text


def _read_key(value: object) -> object:
    if not callable(value):
        return _read_secret(value)
    if not _can_be_called(value, 0):
        raise UnreadableError("a key, or a plain function without arguments")
    return value


def _can_be_called(function: Callable[..., object], count: int) -> bool:
    """
    Return False if a call with *count* arguments cannot give its value at once.

    The function is not called. One whose signature cannot be known passes.
    """
    # Not free to import, and most programs set no function.
    import inspect

    called = function if inspect.isroutine(function) else type(function).__call__
    for each in (function, called):
        if (
            inspect.iscoroutinefunction(each)
            or inspect.isasyncgenfunction(each)
            or inspect.isgeneratorfunction(each)
        ):
            return False
    try:
        # What it wraps does not matter: it is the wrapper that is called.
        signature = inspect.signature(function, follow_wrapped=False)
    # It asks the object, which may be the application's and raise anything.
    except Exception:
        return True
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _read_flag(value: object) -> bool:
    if type(value) is bool:
        return value
    word = (
        str(value) if type(value) is int else (plain_text(value) or "").strip().lower()
    )
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UnreadableError("true or false")


def _parts_of(value: object) -> list[object]:
    text = plain_text(value)
    parts = items_of(value) if text is None else items_of(text.split(","))
    if parts is None or (text is not None and ";" in text):
        raise UnreadableError("names, as a list or as a text with commas")
    return parts


def _is_name(name: str) -> bool:
    return name.isprintable() and len(name) <= _TEXT_CHARS


def _read_names(value: object, most: int = _NAMES_LIMIT) -> tuple[str, ...]:
    parts = _parts_of(value)
    texts = [plain_text(part) for part in parts]
    trimmed = [None if text is None else text.strip() for text in texts]
    names = tuple(dict.fromkeys(n for n in trimmed if n and _is_name(n)))
    if any(name is None or not _is_name(name) for name in trimmed):
        expected = f"a list of printable texts of at most {_TEXT_CHARS} characters"
        raise UnreadableError(expected, rest=names[:most])
    if parts and not names:
        raise UnreadableError("at least one name")
    if len(names) > most:
        raise UnreadableError(f"at most {most:,} names", rest=names[:most])
    return names


def _read_keys(value: object) -> tuple[str, ...]:
    """Read names of keys; what the redactor would refuse is refused here."""
    try:
        names, complaint = _read_names(value), ""
    except UnreadableError as error:
        names, complaint = error.rest or (), str(error)
    keys = tuple(name for name in names if _is_key(name))
    if complaint or len(keys) < len(names):
        expected = complaint or "names such as 'patient_id', with commas between them"
        raise UnreadableError(expected, rest=keys)
    return keys


def _is_key(name: str) -> bool:
    # Loaded for the first event anyhow.
    from chaukas.sdk.capture.redaction.redactor import Redactor

    if _OTHER_SEPARATORS.search(name):
        return False
    try:
        return not Redactor((name,)).hides_all
    except (TypeError, ValueError):
        return False


def _read_integrations(value: object) -> tuple[str, ...]:
    complaint = ""
    try:
        given = _read_names(value)
    except UnreadableError as error:
        given, complaint = error.rest or (), str(error)
        if not given:
            raise UnreadableError(complaint) from None
    names = tuple(dict.fromkeys(name.lower().replace("-", "_") for name in given))
    known = tuple(name for name in names if name in INTEGRATION_NAMES)
    unknown = tuple(name for name in names if name not in INTEGRATION_NAMES)
    if unknown or complaint:
        expected = complaint or f"one or several of {', '.join(INTEGRATION_NAMES)}"
        meant = dict.fromkeys(closest(name, INTEGRATION_NAMES) for name in unknown)
        words = " and ".join(repr(name) for name in meant if name)
        remedy = (
            f"Only {', '.join(known)} is recorded."
            if known
            else "No integration is on: only events of your own are recorded."
        )
        advice = f"Did you mean {words}?" if words else ""
        raise UnreadableError(expected, rest=known, advice=advice, remedy=remedy)
    return names


def _read_path(value: object) -> Path:
    text = str(value) if is_of(value, PurePath) else plain_text(value)
    if not text or _CONTROL.search(text):
        raise UnreadableError("a path without control characters")
    try:
        path = Path(text).expanduser()
        data = os.fsencode(path)
    except RuntimeError:
        raise UnreadableError("a path whose home folder can be found") from None
    except UnicodeEncodeError:
        raise UnreadableError("a path that the system can name") from None
    if len(data) > _PATH_BYTES or max(map(len, data.split(b"/"))) > _PART_BYTES:
        limits = f"{_PATH_BYTES:,} bytes, {_PART_BYTES} in each part"
        raise UnreadableError(f"a path of at most {limits}")
    return path


def _read_file(value: object) -> Path:
    text = str(value) if is_of(value, PurePath) else plain_text(value)
    path = _read_path(value)
    # The disk is not asked: it may be one that does not answer.
    if path.name in ("", "..") or (text or "").endswith("/"):
        raise UnreadableError("a file, and this names a folder")
    return path


def _read_endpoint(value: object) -> str:
    # Not free to import, and most programs set no endpoint.
    from urllib.parse import urlsplit

    text = (plain_text(value) or "").strip().rstrip("/")
    error = UnreadableError("http(s)://host[:port][/path] or grpc(s)://host[:port]")
    if not re.fullmatch(r"[!-~]+", text) or len(text) > _ENDPOINT_CHARS:
        raise error
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise error from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.fragment:
        raise error
    if port == 0:
        raise error
    return text


def _read_modes(value: object) -> tuple[str, ...]:
    error = UnreadableError("file, http, grpc, otlp or otel, or several with commas")
    try:
        words = [word.lower() for word in _read_names(value)]
    except UnreadableError:
        raise error from None
    if not words or any(word not in _SINKS for word in words):
        raise error
    return tuple(dict.fromkeys(_SINKS[word] for word in words))


def _read_headers(value: object) -> tuple[tuple[str, str], ...]:
    """Read headers: a mapping, or `name=value,name=value` as OpenTelemetry has it."""
    from urllib.parse import unquote

    error = UnreadableError("a mapping of headers, or name=value with commas between")
    text = plain_text(value)
    if text is not None:
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        pairs = [(name, unquote(rest)) for name, sign, rest in parts if sign]
        if len(pairs) < len(parts):
            raise error
    elif type(value) is dict:
        pairs = [(plain_text(k) or "", plain_text(v) or "") for k, v in value.items()]
    else:
        raise error
    made = tuple((name.strip(), rest.strip()) for name, rest in pairs)
    if not made or not all(_HEADER.fullmatch(f"{n}: {v}") for n, v in made):
        raise error
    return made


def _read_signals(value: object) -> tuple[str, ...]:
    expected = f"one or several of {', '.join(_SIGNALS)}"
    try:
        words = tuple(word.lower() for word in _read_names(value))
    except UnreadableError:
        raise UnreadableError(expected) from None
    if not words or any(word not in _SIGNALS for word in words):
        raise UnreadableError(expected)
    return words


def _read_level(value: object) -> str:
    word = (plain_text(value) or "").strip().upper()
    word = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(word, word)
    for name, level in _LEVELS.items():
        if word in (name, str(level)) or (type(value) is int and value == level):
            return name
    raise UnreadableError(f"one of {', '.join(_LEVELS)}")


def _read_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    parts = [value] if is_of(value, str, re.Pattern) else items_of(value)
    if parts is None or len(parts) > _NAMES_LIMIT:
        raise UnreadableError(f"a list of at most {_NAMES_LIMIT:,} regular expressions")
    compiled = [_compiled(part) for part in parts]
    good = tuple(pattern for pattern in compiled if pattern is not None)
    if len(good) < len(compiled):
        place = compiled.index(None) + 1
        expected = f"regular expressions, and number {place} is not one"
        raise UnreadableError(expected, rest=good)
    return good


def _compiled(part: object) -> re.Pattern[str] | None:
    if type(part) is re.Pattern:
        return part if type(part.pattern) is str else None
    text = plain_text(part)
    try:
        return re.compile(text) if text else None
    # Some texts exhaust the stack or the numbers of `re`; warnings may be errors.
    except Exception:
        return None


def _read_provider(value: object) -> object:
    # By its class alone: nothing is asked of an object of the application's.
    if not any(each.__name__ == "TracerProvider" for each in type(value).__mro__):
        raise UnreadableError("a TracerProvider of the OpenTelemetry SDK")
    return value


def _read_redactor(value: object) -> object:
    if not callable(value) or not _can_be_called(value, 2):
        raise UnreadableError("a plain function redact(path, value)")
    return value


def _quantity(value: object, factors: Mapping[str, float]) -> float | None:
    """Return a number with its unit applied; None if it is not one."""
    if type(value) is int or type(value) is float:
        return value if abs(value) < _LARGEST_SIZE_BYTES else None
    match = _QUANTITY.fullmatch((plain_text(value) or "").strip().lower())
    if match is None or match[2] not in factors:
        return None
    return float(match[1]) * factors[match[2]]


def size(lowest_bytes: int) -> Kind:
    """Read bytes: a whole number or text such as `512MB`; 1 kB is 1,024 bytes."""

    def read(value: object) -> int:
        amount = _quantity(value, _BYTES_PER)
        if amount is None or not math.isfinite(amount):
            raise UnreadableError("a size such as '512MB'")
        if not lowest_bytes <= amount <= _LARGEST_SIZE_BYTES:
            raise UnreadableError(f"a size of at least {_size_text(lowest_bytes)}")
        return int(amount)

    return Kind(read, "float | str", _size_text)


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
            limits = f"{_duration_text(lowest_s)} to {_duration_text(_LONGEST_S)}"
            raise UnreadableError(f"a duration from {limits}")
        return float(amount)

    return Kind(read, "float | str", _duration_text)


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
        text = (plain_text(value) or "").strip()
        amount: object = int(text) if _WHOLE.fullmatch(text) else value
        if type(amount) is float and amount.is_integer():
            amount = int(amount)
        if type(amount) is not int or not lowest <= amount <= highest:
            raise UnreadableError(f"a whole number from {lowest} to {highest}")
        return amount

    return Kind(read, "int")


def number(lowest: float, highest: float) -> Kind:
    """Read a number within bounds."""

    def read(value: object) -> float:
        amount = _quantity(value, {"": 1.0})
        if amount is None or not lowest <= amount <= highest:
            raise UnreadableError(f"a number from {lowest:g} to {highest:g}")
        return float(amount)

    return Kind(read, "float", lambda amount: f"{amount:g}")


def choice(*words: str) -> Kind:
    """Read one of a few words, in any case."""

    def read(value: object) -> str:
        word = (plain_text(value) or "").strip().lower()
        if word not in words:
            raise UnreadableError(f"one of {', '.join(words)}")
        return word

    return Kind(read, f"Literal{list(words)}")


def _joined(names: tuple[str, ...]) -> str:
    return ",".join(names)


TEXT = Kind(_read_text, "str")
SECRET = Kind(_read_key, "str | Callable[[], str]", hidden, hidden)
FLAG = Kind(_read_flag, "bool", lambda flag: str(flag).lower())
NAMES = Kind(_read_names, "Names", _joined, shown_names)
TAGS = Kind(partial(_read_names, most=_TAGS_LIMIT), "Names", _joined, shown_names)
KEYS = Kind(_read_keys, "Names", _joined, shown_names)
INTEGRATIONS = Kind(_read_integrations, "Names", _joined, shown_names)
PATH = Kind(_read_path, "str | PurePath")
FILE = Kind(_read_file, "str | PurePath")
ENDPOINT = Kind(_read_endpoint, "str", endpoint_without_secrets, shown_endpoint)
MODES = Kind(_read_modes, "Names", _joined)
SIGNALS = Kind(_read_signals, "Names", _joined)
LOG_LEVEL = Kind(_read_level, "str | int")
HEADERS = Kind(_read_headers, "str | Mapping[str, str]", hidden, hidden)
HIDDEN_PATTERNS = Kind(
    _read_patterns, "Patterns", lambda found: f"{len(found)} patterns", hidden
)
PROVIDER = Kind(_read_provider, "object", hidden)
REDACTOR = Kind(_read_redactor, "Callable[[str, Any], object]", hidden)
