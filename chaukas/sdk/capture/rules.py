"""Say what of a value is captured, what is hidden and how much may be shown."""

import re
import time
from collections.abc import Callable, Sequence
from copy import copy
from typing import Final

from chaukas.sdk.capture.redaction.redactor import OVERLAP_CHARS, Redactor
from chaukas.sdk.capture.redaction.tree import Scrubber

from .binary import DECODED_CHARS, encoded_mark
from .fast import QUICK_DEPTH, QUICK_NODES
from .limits import Limits
from .long_text import HELD_CHARS, outer_parts

__all__ = ("SHORT_CHARS", "Rules")

SHORT_CHARS: Final = 1023
"""Longest text of a tree that is copied without a look."""
_ENTRY_BYTES: Final = 64
_OTHER_CHARS: Final = 1 << 18
"""What one text leaves of what may be held."""


class Rules:
    """
    Say what is captured, what is hidden and how much: one per configuration.

    Args:
        limits: Bounds of one event.
        content: False keeps structure and sizes, and hides texts and numbers.
        binary: True keeps binary content, as base64.
        keys: Further names whose values are hidden.
        patterns: Further secrets in texts; the whole match is hidden.
        redact: Called with the path and the value of each leaf, after all else;
            what it returns is recorded. A leaf for which it raises, or returns
            anything but a text, number, bool or None, is hidden.
        monotonic_ns: The clock of the time limit; that of the thread, so that a busy
            machine cuts nothing short.

    Raises:
        TypeError: A key or a pattern is not a text.
        ValueError: A key or a pattern cannot be used.

    """

    __slots__ = (
        "binary",
        "content",
        "early",
        "is_copying",
        "is_quick",
        "limits",
        "monotonic_ns",
        "quick_chars",
        "redactor",
        "safe_names",
        "scrubber",
        "thorough",
    )

    # Each is one choice of the user, named at the call.
    def __init__(
        self,
        *,
        limits: Limits | None = None,
        content: bool = True,
        binary: bool = False,
        keys: Sequence[str] = (),
        patterns: Sequence[str | re.Pattern[str]] = (),
        redact: Callable[[str, object], object] | None = None,
        monotonic_ns: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        """Prepare what all captures share."""
        self.limits = Limits() if limits is None else limits
        self.content = content
        self.binary = binary
        self.monotonic_ns = monotonic_ns
        self.redactor = Redactor(keys, patterns)
        self.scrubber = Scrubber(
            self.redactor, self.limits.string_chars, binary=binary, redact=redact
        )
        self.safe_names: set[str] = set()
        """Keys once found harmless, bounded; they skip the closer look."""
        self.quick_chars = min(SHORT_CHARS, self.limits.string_chars)
        """Longest text that is copied as it is, if it is not suspect."""
        self.thorough = content and (redact is not None or self.redactor.has_patterns)
        """Whether each leaf needs a look, as no quick test can speak for it."""
        self.is_quick = (
            content
            and not self.thorough
            and self.limits.nodes >= QUICK_NODES
            and self.limits.depth >= QUICK_DEPTH
            and self.limits.event_bytes >= QUICK_NODES * _ENTRY_BYTES
        )
        """Whether small plain values may take the short way."""
        self.is_copying = False
        """Whether texts are only held, to be searched on the writer's thread."""
        self.early = self._copying() if content else self
        """For the host's thread: without *redact*, and without a search of texts."""

    def _copying(self) -> "Rules":
        """Return the same, but for texts: they are held to be captured once more."""
        early = copy(self)
        early.thorough = early.is_quick = False
        early.is_copying = True
        early.early = early
        return early

    def held_text(self, text: str, left_chars: int = 4 * HELD_CHARS) -> str:
        """
        Return what is held of a text: captured later, it gives the same.

        Args:
            text: The text.
            left_chars: How much may be held in all. Of a text that leaves little for
                others two ends are held, a quarter of it if that is enough for what
                is shown; of base64, kind and size.

        """
        is_long = len(text) > self.quick_chars
        mark = encoded_mark(text, _no_hash) if is_long and not self.binary else None
        if mark is not None:
            # For its hash all of it is needed.
            most_chars = min(left_chars - _OTHER_CHARS, DECODED_CHARS)
            return text if len(text) <= most_chars else mark.text
        head_chars = self.limits.string_chars + 2 * OVERLAP_CHARS
        held_chars = min(HELD_CHARS, max(left_chars // 4, 2 * head_chars))
        if len(text) <= max(held_chars, min(left_chars - _OTHER_CHARS, HELD_CHARS)):
            return text
        return outer_parts(text, head_chars, held_chars) or text


def _no_hash(_units: int) -> bool:
    """Allow no work for a hash."""
    return False
