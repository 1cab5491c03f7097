"""
Adapts a file sink so that a sender can deliver to it, as one of several.

A file takes part of a batch when its disk fills up, which no collector does; here
that part is remembered, so that it is not written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.sdk.sinks.collector.responses import Action, Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import Sink

__all__ = ["FileRemote"]


class FileRemote:
    """
    A sink that stores, as one that answers.

    Args:
        sink: The file.
        name: What it is called in counts and messages.
    """

    def __init__(self, sink: Sink, name: str = "file") -> None:
        self.name = name
        self._sink = sink
        self._stored: list[bytes] = []

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Store a batch; one that is sent again goes on where it stopped."""
        done = len(self._stored)
        if self._stored != list(lines[:done]):
            done = 0
        verdict = self._sink.send(lines[done:])
        stored = done + verdict.accepted
        refused = min(verdict.refused, len(lines) - stored)
        if stored + refused == len(lines):
            self._stored = []
            reason = verdict.reason or "refused"
            rejected = tuple((stored + n, reason) for n in range(refused))
            return Answer(Action.ACKED, rejected=rejected)
        self._stored = list(lines[:stored])
        return Answer(
            Action.RETRY,
            retry_after_s=verdict.retry_after_s,
            cause=verdict.cause or "short",
            error=verdict.error or "chaukas: the file took only a part of a batch.",
        )

    def overdue(self, now_s: float) -> str:
        """Return nothing: no code of the user's is called here."""
        del now_s
        return ""

    def close(self) -> None:
        """Close the file."""
        self._sink.close()

    def abandon(self) -> None:
        """Close what a forked child inherited."""
        self._sink.abandon()
