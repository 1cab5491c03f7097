"""The piece of a text around what was searched for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("phrases_of", "snippet_of")

_CHARS: Final = 240
_BEFORE: Final = 60


def phrases_of(text: str) -> list[str]:
    """Return the words of a search; what stands in quotes is one of them."""
    found = []
    for index, part in enumerate(text.split('"')):
        found += [part] if index % 2 else part.split()
    return [phrase for phrase in found if phrase.strip()]


def snippet_of(
    text: str, phrases: Sequence[str]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """
    Return one line around the first match, and where in it the matches are.

    Args:
        text: In which was searched.
        phrases: What was searched for; `*` at the end of one for more characters.
    """
    line = " ".join(text.split())
    pattern = "|".join(filter(None, map(_pattern_of, phrases)))
    found = re.compile(pattern, re.IGNORECASE) if pattern else None
    first = found.search(line) if found else None
    start = max(0, (first.start() if first else 0) - _BEFORE)
    piece = line[start : start + _CHARS]
    if start:
        piece = "…" + piece[1:]
    if start + _CHARS < len(line):
        piece = piece[:-1] + "…"
    matches = found.finditer(piece) if found else ()
    return piece, tuple((match.start(), match.end()) for match in matches)


def _pattern_of(phrase: str) -> str:
    words = re.findall(r"\w+", phrase)
    if not words:
        return ""
    end = r"\w*" if phrase.endswith("*") else r"\b"
    return r"\b" + r"\W+".join(map(re.escape, words)) + end
