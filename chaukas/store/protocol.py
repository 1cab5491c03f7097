"""
What every store can do: take events exactly once, and answer one tenant's readers.

Two implementations hold to it, and one suite of tests runs on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .answers import (
        Cause,
        EventRow,
        Label,
        Numbers,
        Page,
        RunRow,
        SearchHit,
        SessionRow,
        StreamRow,
    )
    from .filter import Filter

__all__ = (
    "BY",
    "OF",
    "CursorError",
    "EventOrder",
    "NotFoundError",
    "Reader",
    "Rejection",
    "Store",
    "Verdicts",
)

EventOrder = Literal["time", "-time", "arrival"]

OF = ("run", "model", "tool", "mcp", "agent", "handoff")
"""What can be counted."""

BY = (
    "time minute hour day agent model tool server to tenant project framework user"
    " session status"
).split()
"""What can be grouped by."""


class NotFoundError(LookupError):
    """There is no such run, event or session for this reader."""


class CursorError(ValueError):
    """A cursor that no answer gave."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that was not taken."""

    event_id: str
    reason: Literal["invalid", "tenant_mismatch", "conflict"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of a batch; what is accepted is committed."""

    accepted: int
    duplicate: int
    """Events that were here already, with the same content."""
    rejected: tuple[Rejection, ...] = ()


class Reader(Protocol):
    """
    Reads what belongs to one tenant: every answer is limited to it.

    Raises of all calls:
        CursorError: The cursor is none of this call's.
    """

    def sessions(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions; `sort`: time cost tokens runs errors, `-` for descending."""

    def runs(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs; `sort`: time duration cost tokens errors retries."""

    def run(self, trace_id: str) -> RunRow:
        """
        Return one run, or whatever else has this trace.

        Raises:
            NotFoundError: No event has it.
        """

    def events(
        self,
        filter_: Filter,
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; whole ones with what was recorded in `event`."""

    def event(self, event_id: str) -> EventRow:
        """
        Return one event with what was recorded.

        Raises:
            NotFoundError: There is none.
        """

    def events_after(
        self, number: int, filter_: Filter, limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return events that arrived after one, and the last number looked at."""

    def search(
        self, text: str, filter_: Filter, cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events in which all words of a text occur, the latest first."""

    def numbers(
        self, by: Sequence[str], filter_: Filter, of: str = "", limit: int = 1000
    ) -> Numbers:
        """
        Return sums by group.

        Args:
            by: Of `BY`, none twice.
            filter_: What is counted.
            of: Of `OF`; empty for what `by` is about.
            limit: Most groups.

        Raises:
            ValueError: A word is none of them, or they do not go together.
        """

    def causes(self, filter_: Filter, limit: int = 100) -> list[Cause]:
        """Return what went wrong, by cause, the most frequent first."""

    def streams(self) -> list[StreamRow]:
        """Return the processes that recorded, the latest first."""

    def labels(
        self, filter_: Filter, cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes, the latest first."""

    def values(self, field: str, prefix: str = "", limit: int = 50) -> list[str]:
        """Return values of a field of the filter that occur, the commonest first."""

    def event_count(self) -> int:
        """Return the number of all events."""


class Store(Protocol):
    """Keeps events. One writer at a time; any number of readers meanwhile."""

    def ingest(self, lines: Sequence[bytes], tenant: str | None = None) -> Verdicts:
        """
        Take events; what is accepted is committed when this returns.

        Args:
            lines: Events as JSON, one each.
            tenant: The only one whose events are taken; None for all, as from a file
                that its reader owns.
        """

    def reader(self, tenant: str | None) -> Reader:
        """Return a reader of one tenant's events; None is the owner of the store."""

    def set_live(self, streams: frozenset[str] | None) -> None:
        """
        Say which processes still record, by their streams.

        Args:
            streams: Those; None if every stream without an end may go on.
        """

    def close(self) -> None:
        """Let go of files."""
