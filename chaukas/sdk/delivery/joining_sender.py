"""
Sends to a sink that joins events, and keeps what it needs where a kill leaves it.

Everything else is the sender's: batches, retries, quarantine, spools of the dead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaukas.sdk.sinks.collector.responses import Action, Answer

from .sender import Sender, answer_of
from .spool.carried import carried_in, carry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.delivery.spool.cursor import Cursor
    from chaukas.sdk.sinks.joining import JoiningRemote

__all__ = ["JoiningSender"]


class JoiningSender(Sender):
    """
    A sender whose sink joins events.

    Args:
        remote: The sink.
        open_own: As for `Sender`.
        disk: File operations.
        **options: As for `Sender`.
    """

    def __init__(
        self, remote: JoiningRemote, open_own: Any, *, disk: Any, **options: Any
    ) -> None:
        super().__init__(remote, open_own, **options)
        self._joins = remote
        self._disk = disk
        self._carried: dict[str, bool] = {}
        """By source, whether a file holds something for it."""

    def is_over(self, cursor: Cursor) -> bool:
        """Return whether nothing of a spool waits, open spans of the dead included."""
        source = self._source_of(cursor)
        return cursor.is_done and self._joins.is_complete(source)

    def deliver(self, cursor: Cursor) -> None:
        """Send the next batch of a spool, or what it left open."""
        source = self._source_of(cursor)
        if not cursor.is_done or cursor.segments.is_own:
            super().deliver(cursor)
            return
        try:
            answer = self._joins.send_rest(source)
        # As for any batch.
        except Exception as error:
            answer = answer_of(error)
        finally:
            self.attempts += 1
        if self.is_ending:
            return
        if answer.action in (Action.RETRY, Action.PARK):
            self.settle_answer(cursor, [], answer)
        else:
            self.settle_answer(cursor, [], Answer(Action.ACKED))
            self._joins.drop(source)

    def send(self, cursor: Cursor, lines: Sequence[bytes]) -> Answer:
        """Send the next events of a spool."""
        return self._joins.send_from(self._source_of(cursor), lines)

    def advance(self, cursor: Cursor, lines: Sequence[bytes]) -> None:
        """Settle events, once what the sink needs of them is on the disk."""
        source = self._source_of(cursor)
        kept = self._joins.settle(source, lines)
        if kept or self._carried.get(source):
            folder, at = cursor.segments.folder, cursor.at + len(lines)
            carry(folder, cursor.key, at, kept, self._disk)
            self._carried[source] = bool(kept)
        super().advance(cursor, lines)

    def keep(self, line: bytes, reason: str) -> None:
        """Set an event aside, with all that belongs to it."""
        for each in self._joins.makings(line):
            super().keep(each, reason)

    def finish(self, cursor: Cursor) -> None:
        """Be through with an adopted spool."""
        source = self._source_of(cursor)
        self._joins.drop(source)
        self._carried.pop(source, None)
        super().finish(cursor)

    def _source_of(self, cursor: Cursor) -> str:
        """Return the name of a spool; take up what was kept for it at first."""
        source = Path(cursor.segments.folder).name
        if source not in self._carried:
            at, kept = carried_in(cursor.segments.folder, cursor.key, self._disk)
            self._carried[source] = bool(kept)
            self._joins.resume(source, kept)
            cursor.pass_to(at)
        return source
