r"""
Read a text as it is meant: without escapes of JSON, HTML, URLs and colours.

A name may be written ``\u0070assword``, a line end ``\n``, a quote ``&quot;`` or
``%22``. The rules are applied to the decoded text as well, and what they find
is brought back to the places in the original.
"""

import re
from bisect import bisect_right
from html import unescape
from itertools import islice
from typing import Final

__all__ = ("ESCAPES_LIMIT", "View", "decoded", "has_escaped_letters")

ESCAPES_LIMIT: Final = 3000
"""Escapes decoded in one text."""

_ESCAPE: Final = re.compile(
    r"(?P<colour>(?:\x1b|\\+(?:u00|x)1b|\\+033)\[[0-9;:?]{0,24}[a-z])"
    r"|\\+(?:u00([2-7a-f][0-9a-f])|x([2-7][0-9a-f])|([nrt/]))"
    r"|%(?:25){0,3}([2-7][0-9a-f]|0[9ad])"
    r"|(&(?:amp;){0,3}(?:amp;)?(?:quot|apos|lt|gt|#x[2-7][0-9a-f]|#[0-9]{2,3});)"
    r"|\\+u(?P<drawn>25[0-7][0-9a-f])",
    re.IGNORECASE,
)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "/": "/"}
_HAS_ESCAPED: Final = re.compile(
    r"\\(?:u00|x)[4-7]|%(?:25){0,3}[4-7][0-9a-f]|&(?:amp;){0,3}#"
)


class View:
    """A decoded text, and where each part of it stood."""

    __slots__ = ("_origins", "_starts", "end", "escapes", "text")

    def __init__(self, text: str, starts: list[int], origins: list[int]) -> None:
        """Keep the places at which the distance to the original changes."""
        self.text = text
        self._starts = starts
        self._origins = origins
        self.escapes = len(starts) - 1
        """How many escapes were read, at least half of these places."""
        self.end: int | None = None
        """From where on the original has names that were not decoded, if any."""

    def origin(self, position: int) -> int:
        """Return where a character stood in the original."""
        at = bisect_right(self._starts, position) - 1
        return self._origins[at] + position - self._starts[at]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part that is not empty stood in the original."""
        return self.origin(start), self.origin(end - 1) + self._width(end - 1)

    def _width(self, position: int) -> int:
        """Return how many characters of the original one character stands for."""
        at = bisect_right(self._starts, position) - 1
        if self._starts[at] != position or at + 1 >= len(self._starts):
            return 1
        if self._starts[at + 1] != position + 1:
            return 1
        return self._origins[at + 1] - self._origins[at]


def has_escaped_letters(low: str) -> bool:
    """
    Tell whether letters of a name may be escaped; never misses any.

    Args:
        low: The text, or many joined, in lower case.

    """
    return (
        ("\\" in low and ("\\u00" in low or "\\x" in low))
        or "%" in low
        or ("&" in low and ("&#" in low or "&amp;" in low))
    ) and _HAS_ESCAPED.search(low) is not None


def decoded(text: str, limit: int = ESCAPES_LIMIT) -> View | None:
    """
    Return a text with its escapes decoded; none if it has none.

    Args:
        text: The text.
        limit: How many escapes to decode, at most.

    """
    limit = max(1, min(limit, ESCAPES_LIMIT))
    if not any(sign in text for sign in "\\%&\x1b"):
        return None
    pieces: list[str] = []
    starts, origins = [0], [0]
    size = position = 0
    letters = seen = 0
    for match in islice(_ESCAPE.finditer(text), 4 * limit):
        if letters == limit:
            break
        seen += 1
        start, end = match.span()
        pieces.append(text[position:start])
        size += start - position
        if match["colour"]:
            # Colours of a terminal mean nothing: a key may go on behind them.
            starts.append(size)
            origins.append(end)
            position = end
            continue
        letters += 1
        pieces.append(_meaning(match))
        # The decoded character, and what follows it.
        starts += (size, size + 1)
        origins += (start, end)
        size += 1
        position = end
    if not pieces:
        return None
    rest = text[position:]
    pieces.append(rest)
    view = View("".join(pieces), starts, origins)
    is_cut = letters == limit and has_escaped_letters(rest.lower())
    if is_cut or seen == 4 * limit:
        view.end = position
    return view


def _meaning(match: re.Match[str]) -> str:
    """Return the one character for which an escape stands."""
    code = match[2] or match[3] or match[5] or match["drawn"]
    if code:
        return chr(int(code, 16))
    if match[4]:
        return _LETTERS[match[4].lower()]
    letter = unescape("&" + match[6].replace("amp;", "").lstrip("&"))
    return letter if len(letter) == 1 else " "
