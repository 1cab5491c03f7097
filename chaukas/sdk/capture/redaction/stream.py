"""
Decide how far a text that still grows may be told without tearing a secret.

No list of what a secret may look like is kept here: a place is safe if nothing that
may follow it would change what the redactor hides before or after.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .redactor import Redactor

__all__ = ("BOUND_CHARS", "Cut", "cut_of", "rest_of")

BOUND_CHARS = 16_384
"""How much is held back for a secret of which the end has not come."""

_TRIES = 8
_LONG_CHARS = 2048
_TRIES_IF_LONG = 2
_WINDOW_CHARS = 192
_CONTEXT_BEFORE_CHARS = 96
_CONTEXT_CHARS = 32
_TAIL_CHARS = 128
_PATTERN_CHARS = 64
_GAPS = " \n\t"
_SEPARATORS = ("|", "\t", ";", ",", "  ")
_JSON_GAPS = ('",', "},", "],")
_FIRST_IDEOGRAPH = "\u2e80"

_VALUE = "q7Zk9Xw2Lm4Np8RtQ7zK9xW2lM4nP8rTq7Zk9Xw2"
_CONTINUATIONS = (
    _VALUE,
    f'"{_VALUE}"',
    f'"value": "{_VALUE}"',
    f'"password", "value": "{_VALUE}"',
    f"password\n  value: {_VALUE}",
    f"q7:{_VALUE}",
    f"= {_VALUE}",
    f": {_VALUE}",
    f"key: {_VALUE}",
    f'1, "key": "{_VALUE}"',
    f"/password x\n{_VALUE}",
    f"string: {_VALUE}",
    f"{_VALUE}@x.test",
    f"  {_VALUE}\n",
    "12345678",
)
"""What may follow: a value, quoted or not, and the second half of a name."""
_HEADS = tuple(
    f"{head}-----\n{_VALUE}"
    for head in ("PRIVATE KEY", "KEY", "BLOCK", "Static key V1", "key V1", "V1")
)
"""What may follow the head of a private key."""
_HEAD_CHARS = 64


class Cut(NamedTuple):
    """What to do with a text that still grows."""

    hidden_chars: int
    """So much of its beginning belongs to a secret that was marked before."""
    end: int
    """Up to here it may be told; 0: not yet."""
    is_open: bool = False
    """Whether a secret begins there that has no end yet: a mark stands for it."""
    context: str = ""
    """How that secret began; to be given with what comes next."""


def cut_of(redactor: Redactor, text: str, context: str = "") -> Cut:
    """
    Return how far a text that still grows may be told.

    The parts, each redacted by itself, then show the same as the whole.

    Args:
        redactor: What to hide.
        text: What came and was not told yet.
        context: How the secret began that goes on at the beginning of *text*.

    """
    if context:
        return _cut_inside(redactor, text, context)
    end = _seam(redactor, text)
    if end or len(text) <= BOUND_CHARS:
        return Cut(0, end)
    begin = _open_at(redactor, text, is_exact=True)
    if begin is None:
        # One word that is no secret, such as an encoded picture.
        return Cut(0, len(text))
    start = max(0, begin - _CONTEXT_BEFORE_CHARS)
    return Cut(0, begin, is_open=True, context=text[start : begin + _CONTEXT_CHARS])


def rest_of(redactor: Redactor, text: str, context: str) -> str:
    """
    Return what may be told of the end of a text.

    Args:
        redactor: What to hide.
        text: What was not told, and all of it.
        context: As for `cut_of`.

    """
    if not context:
        return text
    end = _secret_end(redactor, text, context)
    return "" if end is None else text[end:]


def _cut_inside(redactor: Redactor, text: str, context: str) -> Cut:
    """Leave out what belongs to a secret that began before."""
    end = next(_gaps_before(text, len(text) + 1), 0)
    if end and _open_at(redactor, context + text[:end]) is None:
        shown_from = _secret_end(redactor, text[:end], context)
        return Cut(end if shown_from is None else shown_from, end)
    # Its end may be torn, so a little is kept.
    hidden = max(0, len(text) - _TAIL_CHARS)
    return Cut(hidden, hidden, context=context)


def _secret_end(redactor: Redactor, text: str, context: str) -> int | None:
    """Return where in *text* the secret ends that began in *context*."""
    for start, end in redactor.spans(context + text):
        if start < len(context) <= end < len(context) + len(text):
            return end - len(context)
    return None


def _seam(redactor: Redactor, text: str) -> int:
    """Return the last place where a text may be cut; 0 if there is none."""
    whole = None
    limit = len(text) + 1
    if redactor.has_patterns:
        # What a user's pattern goes on with, nobody knows; most are short.
        limit -= _PATTERN_CHARS
    for _ in range(_TRIES if len(text) <= _LONG_CHARS else _TRIES_IF_LONG):
        end = next(_gaps_before(text, limit), 0)
        if not end:
            return 0
        begin = _open_at(redactor, text[:end])
        if begin is None:
            if end == len(text):
                return end
            whole = redactor.redact(text) if whole is None else whole
            if redactor.redact(text[:end]) + redactor.redact(text[end:]) == whole:
                return end
        limit = end if begin is None else min(end, begin + 1)
    return 0


def _open_at(redactor: Redactor, text: str, *, is_exact: bool = False) -> int | None:
    """
    Return where something begins that what follows may make a secret.

    Args:
        redactor: What to hide.
        text: What came.
        is_exact: Return the first such place and not just any, at a higher cost.

    """
    offset = 0
    if len(text) > _WINDOW_CHARS and not (
        redactor.has_patterns or redactor.is_suspect(text)
    ):
        # Without a name or a key, only the last words count.
        offset = next(_gaps_before(text, len(text) - _WINDOW_CHARS), 0)
        text = text[offset:]
    known = redactor.spans(text)
    is_head = "begin" in text[-_HEAD_CHARS:].lower()
    further = (*(_HEADS if is_head else ()), *_rows_after(text))
    begins = (
        offset + min(begin, len(text))
        for continuation in _CONTINUATIONS + further
        if (begin := _changed_at(redactor, text, known, continuation)) is not None
    )
    return min(begins, default=None) if is_exact else next(begins, None)


def _rows_after(text: str) -> Iterator[str]:
    """Yield the row that may follow if the last whole line is the head of a table."""
    line = text[text.rfind("\n", 0, text.rfind("\n")) + 1 :].rpartition("\n")[0]
    for separator in _SEPARATORS:
        if separator in line:
            cells = line.strip().split(separator)
            yield separator.join(_VALUE if cell.strip() else cell for cell in cells)


def _changed_at(
    redactor: Redactor, text: str, known: list[tuple[int, int]], continuation: str
) -> int | None:
    """Return where the first secret begins that only both together have."""
    apart = known + [
        (start + len(text), end + len(text))
        for start, end in redactor.spans(continuation)
    ]
    together = redactor.spans(text + continuation)
    if together == apart:
        return None
    changed = [span for span in together if span not in apart] or known
    return changed[0][0]


def _gaps_before(text: str, limit: int) -> Iterator[int]:
    """Yield the places below *limit* where a word has just ended, the last first."""
    for end in range(min(limit - 1, len(text)), 0, -1):
        last = text[end - 1]
        if (
            last in _GAPS
            or last >= _FIRST_IDEOGRAPH
            or (last == "," and text[end - 2 : end] in _JSON_GAPS)
        ):
            yield end
