"""
What the commands print: lines for people, objects for machines.

In one place, so that no command can print what a terminal takes for an order.
"""

from __future__ import annotations

import codecs
import errno
import sys
from datetime import datetime, timezone

import click
import orjson

__all__ = (
    "age",
    "count",
    "ms",
    "printable",
    "printable_json",
    "say",
    "say_json",
    "say_styled",
    "seconds_of",
    "size",
    "time_of",
)

_UNITS = ("kB", "MB", "GB", "TB")
_STEP = 1000


def say(line: str, *, err: bool = False) -> None:
    """
    Print one line, with plain signs for those that the terminal cannot show.

    What would steer the terminal, as a file's name may, appears as its escape. A
    terminal that is closed gets nothing. What cannot be printed, as on a full
    disk, ends the command with exit code 2; a reader that left is click's matter.
    """
    _print(printable(line), err=err)


def say_styled(text: str) -> None:
    """Print lines with colours in them, whose texts were made `printable` before."""
    for line in text.split("\n"):
        _print(line, err=False)


def printable(text: str) -> str:
    """Return text of one line in which nothing steers a terminal."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    if char.isspace():
        return " "
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def _print(line: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    # A pipe on Windows, or an old terminal, has no place for the tree's lines.
    encoding = stream.encoding or "utf-8"
    plain = line.encode(encoding, _PLAIN).decode(encoding)
    try:
        click.echo(plain, file=stream)
    except OSError as error:
        if err or error.errno == errno.EPIPE:
            raise
        say(f"chaukas: cannot print: {error.strerror}.", err=True)
        _let_go_of(stream)
        sys.exit(_UNPRINTED)


def _let_go_of(stream: object) -> None:
    """Keep Python from trying again at exit, and complaining."""
    if stream is sys.__stdout__:
        # Python itself has None there when it is started without an output.
        sys.stdout = None


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return plain signs for what an encoding lacks; for `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_SIGNS.get(char, "?") for char in lost), error.end


_UNPRINTED = 2
_PLAIN = "chaukas-plain"
_SIGNS = {
    "├": "|",
    "│": "|",
    "└": "`",
    "─": "-",
    "→": "->",
    "…": "...",
    "✓": "ok",
    "✗": "FAILED",
    "⊘": "CANCELLED",
}
codecs.register_error(_PLAIN, _plain)


def say_json(value: object) -> None:
    """Print one JSON value on one line."""
    _print(printable_json(orjson.dumps(value, default=str).decode()), err=False)


def printable_json(text: str) -> str:
    """Return the same JSON on one line, with nothing in it that steers a terminal."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    # As JSON has it: beyond the first 65,536 characters as a pair.
    pairs = char.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{pairs[at]:02x}{pairs[at + 1]:02x}" for at in range(0, len(pairs), 2)
    )


def count(number: int, what: str) -> str:
    """Return a number of things, such as `1 event` or `2,000 events`."""
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what}es" if what.endswith("s") else f"{number:,} {what}s"


def size(size_bytes: float) -> str:
    """Return a size in a fitting unit, decimal as disks have it."""
    if size_bytes < _STEP:
        return f"{size_bytes:.0f} B"
    for unit in _UNITS:
        size_bytes /= _STEP
        if size_bytes < _STEP or unit == _UNITS[-1]:
            break
    return f"{size_bytes:.1f} {unit}" if size_bytes < 10 else f"{size_bytes:.0f} {unit}"


def ms(milliseconds: float) -> str:
    """Return a duration in milliseconds or seconds."""
    if milliseconds >= _STEP:
        return f"{milliseconds / _STEP:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 1 else f"{milliseconds:.1f} ms"


def age(seconds: float) -> str:
    """Return how long ago something was, in the unit that fits."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def seconds_of(time: str) -> float | None:
    """Return an RFC 3339 time as wall time in seconds, or None if it is none."""
    try:
        # Before Python 3.11, neither `Z` nor other than 3 or 6 digits of a second.
        moment = datetime.strptime(time[:19], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc).timestamp()


def time_of(at_s: float) -> str:
    """Return a wall time in seconds as RFC 3339, to the second, UTC."""
    try:
        moment = datetime.fromtimestamp(at_s, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return "?"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
