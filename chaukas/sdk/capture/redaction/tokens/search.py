"""
Find the keys of known makers in a text, all makers in one search.

Each beginning holds one letter that is rare in texts, its pivot. All beginnings with
the same pivot are looked for at once, so that another maker costs nothing.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chaukas.sdk.capture.budget import Work

from .formats import MAKERS, SEPARATORS, Maker, form_of

__all__ = ("MARKERS", "has_key", "key_spans")

_DIGITS = "0123456789"
_PIVOTS = "~!/IAKJGpc-._"
"""Letters to search for in beginnings without a separator, the best first."""

_LEAST_CHARS = 6
_REACH = 3
_AFTER_CHARS = 4
_BEFORE_CHARS = 96
_WINDOW_CHARS = 32
_WORD_CHARS = 16
_CANDIDATE_STEPS = 7
_QUICK_STEPS = 2000
_CANDIDATES_LIMIT = 2000
"""Places to look at in one text; a text with more is hidden from there on."""

# What may stand before a key although it ends in a letter: an escaped character or
# a terminal's colour code, in all the ways in which texts spell them.
_ESCAPE = (
    r"(?:\x1b|\\e|\\x1b|\\u001b|\\u\{1b\}|\\U0000001b|\\0?33|\^\[|%1b|&#27;|&#x1b;)"
)
_ESCAPED = re.compile(
    rf"(?:\\[abefnrtv0]|\\x[0-9a-f]{{2}}|\\u[0-9a-f]{{4}}|\\U[0-9a-f]{{8}}"
    rf"|%[0-9a-f]{{2}}|=[0-9a-f]{{2}}"
    rf"|(?:{_ESCAPE}(?:\[|%5b)|(?:\[|%5b)[?]?[0-9])(?:[0-9;:?]|%3[ab]){{0,20}}[a-z])\Z",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"[A-Za-z]?[a-z]{0,14}[0-9]{0,4}|[A-Z]{1,12}[0-9]{0,4}|[a-z]{1,6}[0-9]{1,3}[a-z]{0,8}"
)
_GAP = re.compile(r"[_.:/\-]+")
_JWT_HEAD_CHARS = 16
_JWT = Maker("JWT", "eyJ", r"W{8,}(?:(?:\.|%2[eE])W{0,}){0,4}")


class _Entry(NamedTuple):
    """One beginning of a key."""

    prefix: str
    pivot_at: int
    maker: Maker


class _Group(NamedTuple):
    """All beginnings with the same pivot."""

    pivot: str
    candidate: re.Pattern[str]
    """Finds the pivots around which a key may stand."""
    entries: dict[str, list[_Entry]]
    """By the two or three letters before the pivot."""
    others: dict[str, list[_Entry]]
    """
    Those with fewer letters before the pivot, by the letter behind it.

    Those that end with the pivot are in each list, and under the empty text.
    """


def _grouped() -> tuple[_Group, ...]:
    """Sort all beginnings by their pivot."""
    found: dict[str, list[_Entry]] = {}
    for maker in (*MAKERS, _JWT):
        for prefix in maker.prefixes.split():
            pivot, at = _pivot_of(prefix)
            found.setdefault(pivot, []).append(_Entry(prefix, at, maker))
    return tuple(_group(pivot, found[pivot]) for pivot in sorted(found, key=_order_of))


def _order_of(pivot: str) -> tuple[bool, str]:
    """Put the small letters last: those are in every text."""
    return pivot.islower(), pivot


def _pivot_of(prefix: str) -> tuple[str, int]:
    """Return by which part a beginning is searched, a rare letter, and its place."""
    marker = Maker.marker_of(prefix)
    if marker[-1] in SEPARATORS:
        return marker[-1], len(marker) - 1
    pivot = next((letter for letter in _PIVOTS if letter in prefix), prefix)
    return pivot, prefix.index(pivot)


def _group(pivot: str, entries: list[_Entry]) -> _Group:
    """Prepare the search for beginnings with one pivot."""
    letter = re.escape(pivot)
    table: dict[str, list[_Entry]] = {}
    others = []
    for entry in sorted(entries, key=lambda entry: -len(entry.prefix)):
        before = entry.prefix[: entry.pivot_at][-_REACH:]
        if pivot in SEPARATORS and len(before) > 1:
            table.setdefault(before, []).append(entry)
        else:
            others.append(entry)
    shapes = _shapes_of(pivot, others)
    if table:
        shapes.insert(0, _known_shape(letter, list(table)))
    candidate = re.compile(f"{letter}(?:{'|'.join(shapes)})", re.ASCII)
    return _Group(pivot, candidate, table, _by_letter_behind(others, len(pivot)))


def _by_letter_behind(entries: list[_Entry], size: int) -> dict[str, list[_Entry]]:
    """Sort beginnings by what follows their pivot, each list in the order given."""
    behind = [entry.prefix[entry.pivot_at + size :][:1] for entry in entries]
    return {
        letter: [
            entry
            for entry, own in zip(entries, behind, strict=True)
            if own in ("", letter)
        ]
        for letter in {"", *behind}
    }


def _known_shape(letter: str, befores: list[str]) -> str:
    """Return what stands around a separator; a set of letters first, for speed."""
    last_two = [
        f"[{''.join(sorted({before[at] for before in befores}))}]" for at in (-2, -1)
    ]
    exact = "|".join(
        f"(?<=(?:{_any_of(known)}){letter})"
        for size in (2, _REACH)
        if (known := [before for before in befores if len(before) == size])
    )
    ahead = rf"(?=[\w.+/=%:$\-]{{{_LEAST_CHARS}}})"
    return f"(?<={''.join(last_two)}{letter}){ahead}(?:{exact})"


def _any_of(words: list[str]) -> str:
    """Return a pattern of words of one length, by their first letter, for speed."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(
        f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items()
    )


def _shapes_of(pivot: str, entries: list[_Entry]) -> list[str]:
    """Return what stands around the pivots of other beginnings, as few patterns."""
    letter = re.escape(pivot)
    afters = set()
    befores = set()
    for entry in entries:
        form = entry.maker.form.replace(",}", "}")
        after = re.escape(entry.prefix[entry.pivot_at + len(pivot) :][:_AFTER_CHARS])
        if entry.pivot_at:
            befores.add(entry.prefix[: entry.pivot_at])
        else:
            # No further than it must be, as it is looked at for each pivot.
            afters.add(after or form_of(form).pattern)
    shapes = [f"(?=(?:{'|'.join(sorted(afters))}))"] if afters else []
    for size in sorted({len(before) for before in befores}):
        known = [before for before in befores if len(before) == size]
        shapes.append(f"(?<=(?:{_any_of(known)}){letter})")
    return shapes


_GROUPS = _grouped()
_Quick = tuple[str, Callable[[str], re.Match[str] | None], _Group]
"""A letter of the pivot, what finds the pivots, and the group."""

# The small letters are the last; what has these as pivots has a digit, too.
_QUICK, _QUICK_WITH_DIGIT = (
    tuple(
        (group.pivot[-1], group.candidate.search, group)
        for group in _GROUPS
        if group.pivot.islower() is is_small
    )
    for is_small in (False, True)
)

MARKERS = frozenset(
    Maker.marker_of(prefix)
    for maker in (*MAKERS, _JWT)
    for prefix in maker.prefixes.split()
)
"""Texts of which each key holds at least one; case matters."""


def has_key(text: str) -> bool:
    """Tell whether a text holds a key."""
    return _holds(text, _QUICK) or (
        any(map(text.__contains__, _DIGITS)) and _holds(text, _QUICK_WITH_DIGIT)
    )


def _holds(text: str, groups: tuple[_Quick, ...]) -> bool:
    """Tell whether a text holds a key of some groups."""
    for letter, search, group in groups:
        if (
            letter in text
            and search(text) is not None
            and next(_spans_of(group, text, Work(_QUICK_STEPS)), None) is not None
        ):
            return True
    return False


def key_spans(text: str, work: Work | None = None) -> Iterator[tuple[int, int]]:
    """
    Yield where the keys stand, in no order; they may overlap.

    Args:
        text: The text to search, or many joined by line feeds.
        work: What is left to do; once it is done, the whole text is one span.

    """
    work = work or Work()
    for group in _GROUPS:
        if group.pivot in text:
            yield from _spans_of(group, text, work)


def _spans_of(group: _Group, text: str, work: Work) -> Iterator[tuple[int, int]]:
    """Yield the keys of one group."""
    entries, others, size = group.entries, group.others, len(group.pivot)
    last = others[""]
    after = 0
    for number, candidate in enumerate(group.candidate.finditer(text)):
        at = candidate.start()
        if at < after:
            continue
        if number >= _CANDIDATES_LIMIT:
            yield at, len(text)
            return
        known = entries.get(text[at - 2 : at], ()), entries.get(text[at - 3 : at], ())
        fitting = others.get(text[at + size : at + size + 1], last)
        for entry in (*known[0], *known[1], *fitting):
            start = at - entry.pivot_at
            if not text.startswith(entry.prefix, start):
                continue
            work.left -= 1
            if work.left < 0:
                yield 0, len(text)
                return
            # First, as it is cheap: else many beginnings in one long word would
            # cost the square of its length.
            if not entry.maker.before and not _is_edge(text, start, entry.maker):
                continue
            work.left -= _CANDIDATE_STEPS
            found = form_of(entry.maker.form).match(text, start + len(entry.prefix))
            begins = None if found is None else _begin_of(text, start, entry.maker)
            if found is None or begins is None:
                continue
            # Whatever it is: what it holds is not searched again, which would take
            # the square of its length.
            after = max(after, found.end())
            body = found[0].rstrip(".")
            if _is_key(entry.maker, body):
                yield begins, found.start() + len(body)
                break


def _begin_of(text: str, start: int, maker: Maker) -> int | None:
    """Return where the key with a prefix at *start* begins; None if it is no key."""
    if not maker.before:
        return start
    form = form_of(rf"(?:{maker.before})\Z")
    before = form.search(text, max(0, start - _BEFORE_CHARS), start)
    if before is None:
        return None
    begins = before.start()
    left = text[begins - 1 : begins]
    is_inside = left.isascii() and left.isalnum() and not _is_escaped(text, begins)
    return None if is_inside else begins


def _is_edge(text: str, start: int, maker: Maker) -> bool:
    """Tell the beginning of a key from the rest of a longer word."""
    before = text[start - 1 : start]
    if not before.isascii() or not before.isalpha():
        return not (maker.is_alone and before and before in "_-.")
    return _is_escaped(text, start)


def _is_escaped(text: str, start: int) -> bool:
    """Tell whether an escaped character or a colour code ends here."""
    return _ESCAPED.search(text, max(0, start - _WINDOW_CHARS), start) is not None


def _is_key(maker: Maker, body: str) -> bool:
    """Tell a key from words joined by dashes, such as the name of a style."""
    if maker is _JWT:
        return _is_jwt(maker.prefixes + body)
    if maker.before:
        return True
    return not all(
        len(word) < _WORD_CHARS and _WORD.fullmatch(word) is not None
        for word in _GAP.split(body)
    )


def _is_jwt(token: str) -> bool:
    """Tell a JWS or JWE from other dotted words that begin like one."""
    head, _, rest = re.sub("%2e", ".", token, flags=re.IGNORECASE).partition(".")
    if rest.startswith("eyJ"):
        return True
    return len(head) >= _JWT_HEAD_CHARS and "." in rest
