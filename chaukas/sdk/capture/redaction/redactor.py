"""
Replace the secrets in a text, and cut a text that is too long.

Both in one place, since a cut through a secret would leave a half that no
pattern knows any more: secrets are found first, in the whole text's positions.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.long_text import missing_chars_of
from chaukas.sdk.capture.redaction.forms.client_calls import client_spans
from chaukas.sdk.capture.redaction.text.commands import (
    command_spans,
    has_command_marker,
)
from chaukas.sdk.capture.redaction.text.named_values import (
    has_pair_marker,
    pair_spans,
)
from chaukas.sdk.capture.redaction.text.nearby import looks_secret, near_spans
from chaukas.sdk.capture.redaction.text.printed_rows import printed_row_spans
from chaukas.sdk.capture.redaction.text.sentences import typed_spans
from chaukas.sdk.capture.redaction.text.tables import grid_spans
from chaukas.sdk.capture.redaction.text.unescaped import decoded, has_escaped_letters
from chaukas.sdk.capture.redaction.text.value_spans import REDACTED
from chaukas.sdk.capture.redaction.tokens.patterns import has_marker, secret_spans

from .benign import is_benign_item, is_piece_of_text
from .languages import count_foreign
from .names import is_sensitive, squeeze, words_of

__all__ = ("REDACTED", "Redactor", "lowered", "middle_out", "visible")

OVERLAP_CHARS = 8192
"""How far a search goes beyond what is shown of a long text, for cut secrets."""

_COSTLY = (
    *("pass", "pwd", "secret", "token", "key", "auth", "cookie", "cred", "otp", "jwt"),
    *("sig", "hmac", "conn", "bearer", "basic", "://", "akia", "asia", "-u"),
)
"""Words at which a text is looked at closely."""

_PASSES_LIMIT = 8
"""How often a text is searched again for secrets that were glued together."""

_SIGNS = "\\%&\x1b"
"""How escapes begin."""
_SIGNS_ALIKE = str.maketrans(
    "│┃║─━═┼╋╬├┝┠┡┢┤┥┨┩┪╠╣╔╗╚╝╦╩╪╞╡╤╧\uff1a\uff1d", "|||---" + "+" * 26 + ":="
)
"""Lines of tables, and the wide signs of some languages, each one letter."""
_PASS_STEPS = 10
_FORM_STEPS = 1000
_CHARS_PER_STEP = 40
_CHARS_PER_UNIT = 48
_CHARS_PER_LOOK = 4096
_ESCAPE_STEPS = 2
_SIGNS_PER_STEP = 4
_WIDE_CHARS_PER_PLACE = 400
_WORD_CHARS = 16
_KEYS_BESIDE = 16
_SHORT_CHARS = 4096
_OPEN_REACH_CHARS = 1024 * 1024
_OPENINGS = ("\n", " ", '"', "'", "`", "=", ">", "&")
"""How values begin; what has none of these before it is a value by itself."""
_LONG_OPENINGS = (
    *("-----BEGIN", "|\n", "|-\n", ">\n", ">-\n", "|\\n", ">\\n"),
    *('": "', '":"', "': '", '\\": \\"', '\\":\\"', ": "),
)
"""The same, of several signs."""
_OPEN_BEFORE_CHARS = 256
_OPEN_AFTER_CHARS = 128


def lowered(text: str) -> str:
    """Return a text in lower case with each letter at its old place."""
    low = text.lower()
    if len(low) != len(text):
        # The only letter that becomes two: a capital I with a dot above.
        low = text.replace("\u0130", "i").lower()
    return low


def visible(text: str) -> str:
    """Return a text with lone surrogates written out, so that it can be encoded."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def middle_out(text: str, limit_chars: int) -> str:
    """Return a text, or the beginning and the end of one that is too long."""
    missing = len(text) - limit_chars
    if missing <= 0:
        return text
    tail_chars = limit_chars // 4
    head = text[: limit_chars - tail_chars]
    return f"{head}…<+{missing} chars>{text[len(text) - tail_chars :]}"


class Redactor:
    """
    Know what to hide: the usual secrets, and the user's names and patterns.

    Args:
        keys: Further names whose values are hidden, in any spelling.
        patterns: Further secrets; the whole match is hidden.

    Raises:
        TypeError: A key or pattern of another type.
        ValueError: A pattern that does not compile.

    """

    __slots__ = (
        "_extra",
        "_patterns",
        "_squeezed",
        "_stems",
        "has_patterns",
        "hides_all",
    )

    def __init__(
        self,
        keys: Sequence[str] = (),
        patterns: Sequence[str | re.Pattern[str]] = (),
    ) -> None:
        """Check and prepare the user's names and patterns."""
        given: Sequence[object] = keys
        for key in given:
            if not isinstance(key, str):
                msg = (
                    f"chaukas: cannot redact the key {key!r}: expected a name such "
                    f"as 'patient_id'. Correct or remove it."
                )
                raise TypeError(msg)
        words = [words_of(key) for key in keys]
        # What is no name, such as `*`, may be meant for every name: all is hidden.
        self.hides_all = any(not each for each in words)
        """Whether a key is no name, so that all is hidden."""
        words = [each for each in words if each]
        # As one word too: the text is searched in lower case, where the capital
        # that parts two words is lost.
        self._extra = frozenset(" ".join(each) for each in words)
        self._squeezed = frozenset(squeeze(key) for key in keys)
        self._stems = tuple(sorted({max(each, key=len) for each in words}))
        self._patterns = tuple(_compiled(pattern) for pattern in patterns)
        self.has_patterns = bool(self._patterns)

    def is_sensitive(self, name: str, parent: object = None) -> bool:
        """
        Tell whether a value of this name is hidden.

        Args:
            name: The name.
            parent: The name of the structure in which it stands, if it has one.

        """
        if self.hides_all or is_sensitive(name, self._squeezed):
            return True
        is_part = name == "key" and type(parent) is str
        return is_part and is_sensitive(f"{parent} {name}")

    def hides(self, name: str, item: object, of: Sequence[Any] = ()) -> bool:
        """
        Tell whether a value under a sensitive name is hidden.

        Args:
            name: A name that is sensitive.
            item: Its value; only exact built-in types are looked at.
            of: The pairs among which it stands.

        """
        if self.hides_all or (self._squeezed and squeeze(name) in self._squeezed):
            return True
        if name == "key":
            # Of what stands around it: `{"encryption": {"key": …}}`.
            return type(item) is str and looks_secret(item)
        keys = (key for key, _ in of[:_KEYS_BESIDE])
        return not (is_benign_item(name, item) or is_piece_of_text(name, keys))

    def is_suspect(self, text: str) -> bool:
        """
        Tell quickly whether a text may hold a secret; never misses one.

        Args:
            text: A text, or many joined.

        """
        low = text.lower() if text.isascii() else lowered(text)
        return (
            self.hides_all
            or has_pair_marker(low, self._stems)
            or has_marker(text, low)
            or has_command_marker(low)
            or has_escaped_letters(low)
            or "\x1b[" in text
        )

    def cost_of(self, text: str, enough: int | None = None) -> int:
        """
        Return what `redact` costs at most, in units of about a microsecond.

        Counted before it is spent: the length, and the places where a name or a key
        may stand, as each of them is looked at closely.

        Args:
            text: The text.
            enough: If its length alone costs more, that is returned: counting takes
                time, too.

        """
        by_length = (1 + len(self._patterns)) * (3 + len(text) // _CHARS_PER_UNIT)
        if enough is not None and by_length > enough:
            return by_length
        low = text.lower()
        places = sum(low.count(word) for word in _COSTLY)
        places += sum(low.count(stem) for stem in self._stems)
        if not low.isascii():
            places += count_foreign(low) + len(low) // _WIDE_CHARS_PER_PLACE
        escapes = (low.count("%") + low.count("&")) // 2 + low.count("\\") // 16
        places_read = 6 * places + low.count("\x1b") + escapes
        return by_length + places_read

    def spans(self, text: str, work: Work | None = None) -> list[tuple[int, int]]:
        """
        Return where the secrets of a text stand, in order, apart.

        Args:
            text: The text.
            work: What is left to do; once it is done, all that follows is hidden.

        """
        return self._spans(text, work or Work())

    def _spans(
        self, text: str, work: Work, *, is_named: bool = True
    ) -> list[tuple[int, int]]:
        """Return the spans; without names, only what is known by its form."""
        if self.hides_all:
            return [(0, len(text))] if text and text != REDACTED else []
        found = self._found(text, work, is_named=is_named)
        if (
            is_named
            and (found or self._is_marked(text))
            and self._may_decode(text, work)
            and (view := decoded(text, work.left // _ESCAPE_STEPS)) is not None
        ):
            work.left -= _ESCAPE_STEPS * view.escapes
            found += [
                view.span(start, end)
                for start, end in _merged(self._found(view.text, work))
            ]
            if view.end is not None:
                found.append((view.end, len(text)))
        for pattern in self._patterns:
            found.extend(match.span() for match in pattern.finditer(text))
        if found and REDACTED in text:
            found = [span for span in found if not _is_marked(text, *span)]
        return _merged(found) if found else found

    def _may_decode(self, text: str, work: Work) -> bool:
        """Count the signs of a text with which escapes may begin."""
        work.left -= sum(map(text.count, _SIGNS)) // _SIGNS_PER_STEP
        return True

    def _is_marked(self, text: str) -> bool:
        """Tell whether an escaped form of a text may hold a secret."""
        return any(map(text.__contains__, _SIGNS)) and self.is_suspect(text)

    def _found(
        self, text: str, work: Work, *, is_named: bool = True
    ) -> list[tuple[int, int]]:
        """Return where the usual secrets stand, in no order."""
        if not text.isascii():
            text = text.translate(_SIGNS_ALIKE)
        low = lowered(text)
        found: list[tuple[int, int]] = []
        if has_marker(text, low):
            work.left -= _PASS_STEPS + len(text) // _CHARS_PER_STEP
            found.extend(work.counted(secret_spans(text, low, work), text))
        if not is_named:
            return found
        is_paired = has_pair_marker(low, self._stems)
        if is_paired or has_command_marker(low):
            work.left -= _PASS_STEPS + len(text) // _CHARS_PER_STEP
            found.extend(work.counted(command_spans(low, work), text))
            found.extend(work.counted(client_spans(text, low, work), text))
        if is_paired:
            near = Work(work.left // 2)
            work.left -= near.left
            found.extend(near_spans(text, low, near))
            work.left += max(0, near.left)
            found.extend(work.counted(typed_spans(low), text))
            found.extend(work.counted(printed_row_spans(text, self._squeezed), text))
            found.extend(work.counted(grid_spans(low, self._squeezed), text))
            found.extend(pair_spans(text, low, self._extra, work))
        return found

    def redact(self, text: str, work: Work | None = None) -> str:
        """
        Return a text with its secrets replaced.

        A secret glued to another is seen once that is gone, so the search goes
        on until there is none; a text that takes too long is hidden altogether.

        Args:
            text: The text.
            work: What is left to do; what it does not suffice for is hidden.

        """
        # Every usual secret is longer than a short word, or has a sign in it.
        is_word = len(text) < _WORD_CHARS and text.replace("_", "a").isalnum()
        if is_word and not self._patterns and not self.hides_all:
            return text
        work = work or Work()
        for pass_number in range(_PASSES_LIMIT):
            # Names of a long text are looked for once: that is most of the cost.
            is_named = not pass_number or (len(text) <= _SHORT_CHARS and work.left > 0)
            if not is_named:
                # What is known by its form is found in what is shown, too.
                work.left = max(work.left, _FORM_STEPS)
            spans = self._spans(text, work, is_named=is_named)
            if not spans:
                return text
            text = _render(text, spans, 0, len(text))
        return REDACTED

    def cut(
        self, text: str, limit_chars: int, work: Work | None = None
    ) -> tuple[str, bool]:
        """
        Return the beginning and the end of a long text, without secrets.

        Only what is shown is searched, and a little more, so that the cost does
        not grow with the text.

        Args:
            text: A text longer than *limit_chars*.
            limit_chars: How much of it to show.
            work: What is left to do.

        Returns:
            The text, and whether a secret was replaced.

        """
        tail_chars = limit_chars // 4
        head_chars = limit_chars - tail_chars
        tail_at = len(text) - tail_chars
        window_at = max(0, tail_at - OVERLAP_CHARS)
        work = work or Work()
        heads = self.spans(text[: head_chars + OVERLAP_CHARS], work)
        # A value may be longer than the window: then its name stands before it.
        context = _context(text, window_at, work)
        tails = [
            (start - len(context) + window_at, end - len(context) + window_at)
            for start, end in self.spans(context + text[window_at:], work)
        ]
        head = _render(text, heads, 0, head_chars)
        tail = _render(text, tails, tail_at, len(text))
        found = any(start < head_chars for start, _ in heads)
        found = found or any(end > tail_at for _, end in tails)
        left_out = tail_at - head_chars + missing_chars_of(text)
        return f"{head}…<+{left_out} chars>{tail}", found


def _context(text: str, end: int, work: Work) -> str:
    """
    Return what stands around the beginnings that are still open at a place.

    The last line, word, quotes, block and private key that begin before it; a
    value that goes on beyond the place has begun with one of them.
    """
    floor = max(0, end - _OPEN_REACH_CHARS)
    openings = {text.rfind(opening, floor, end) for opening in _OPENINGS}
    for opening in _LONG_OPENINGS:
        # For one sign, all of a megabyte takes a tenth of the time.
        if all(text.rfind(sign, floor, end) >= 0 for sign in opening):
            at = text.rfind(opening, floor, end)
            work.left -= (end - max(at, floor)) // _CHARS_PER_LOOK
            openings.add(at)
    if floor:
        if max(openings) < 0:
            # One word without an end: nobody can tell what it is.
            return "password="
    else:
        # The text itself may be one long value.
        openings.add(0)
    pieces: list[str] = []
    position = 0
    for at in sorted(openings):
        if at < 0:
            continue
        start = max(position, at - _OPEN_BEFORE_CHARS)
        position = min(end, max(position, at + _OPEN_AFTER_CHARS))
        pieces.append(text[start:position])
    return "".join(pieces)


def _compiled(pattern: object) -> re.Pattern[str]:
    """Compile a user's pattern, or say why it cannot be."""
    if isinstance(pattern, re.Pattern):
        if isinstance(pattern.pattern, str):
            return pattern
    elif isinstance(pattern, str):
        try:
            return re.compile(pattern)
        except re.error as error:
            msg = (
                f"chaukas: cannot redact with the pattern {pattern!r}: {error}. "
                f"Correct or remove it."
            )
            raise ValueError(msg) from error
    msg = (
        f"chaukas: cannot redact with the pattern {pattern!r}: expected a text or "
        f"a compiled text pattern. Correct or remove it."
    )
    raise TypeError(msg)


def _is_marked(text: str, start: int, end: int) -> bool:
    """Tell whether a span lies inside the word that stands for a secret."""
    size = len(REDACTED)
    return text.find(REDACTED, max(0, end - size), start + size) >= 0


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that overlap or touch made one."""
    found.sort()
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if start == end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _render(text: str, spans: list[tuple[int, int]], start: int, end: int) -> str:
    """Return a part of a text, each secret that reaches into it replaced."""
    return "".join(_pieces(text, spans, start, end))


def _pieces(
    text: str, spans: list[tuple[int, int]], start: int, end: int
) -> Iterator[str]:
    """Yield the texts between the secrets, and the word for each secret."""
    for secret_start, secret_end in spans:
        if secret_end <= start:
            continue
        if secret_start >= end:
            break
        yield text[start : max(start, secret_start)]
        yield REDACTED
        start = secret_end
    if start < end:
        yield text[start:end]
