"""
A sink that keeps events in a list.

Tests and notebooks want to look at what was recorded without a file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MemorySink"]


class MemorySink:
    """
    Store events in memory, without a bound.

    Made for tests: a long-lived process that uses it grows for ever.
    """

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        r"""Everything stored so far, each event as one JSON object and a `\n`."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The stored events, decoded, in the order of writing."""
        return [json.loads(line) for line in list(self.lines)]

    def send(self, batch: Sequence[bytes]) -> Verdict:
        """Keep the batch; this never fails."""
        self.lines.extend(batch)
        return Verdict(len(batch))

    def clear(self) -> None:
        """Forget what was stored."""
        self.lines.clear()

    def close(self) -> None:
        """Do nothing: the events stay readable."""

    def abandon(self) -> None:
        """Do nothing: the list of a forked child is its own copy."""
