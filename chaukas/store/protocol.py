"""
What every store can do: take events exactly once, and answer one tenant's readers.

Two implementations hold to it, and one suite of tests runs on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
    from .facts import Facts
    from .filter import Filter

__all__ = (
    "BY",
    "OF",
    "SILENT_AFTER_S",
    "Batch",
    "CursorError",
    "EventOrder",
    "Finding",
    "NotFoundError",
    "QuestionError",
    "Reader",
    "Rejection",
    "Removal",
    "Retention",
    "Store",
    "Verdicts",
)

SILENT_AFTER_S: Final = 3600.0
"""A process of which a collector heard nothing for so long counts as died, usually."""
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


class QuestionError(ValueError):
    """An order or a grouping that there is not; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that was not taken."""

    event_id: str
    reason: Literal["invalid", "tenant_mismatch", "conflict", "quota"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of a batch; what is accepted is committed."""

    accepted: int
    duplicate: int
    """Events that were here already, with the same content."""
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one sender."""

    lines: Sequence[bytes]
    """Events as JSON, one each."""
    tenant: str | None = None
    """
    The only one whose events are taken; an event that names none is its. None for
    all, as from a file that its reader owns.
    """
    project: str = ""
    """Likewise; empty for all."""
    admitted: Sequence[Facts | Rejection] | None = None
    """
    What is kept of each line, or why it is not taken, if that was worked out before;
    see `admission.prepared`.
    """


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept; everything else is removed."""

    before_us: int | None = None
    """Nothing that happened before then."""
    most_bytes: int | None = None
    """The newest of each tenant, up to so much as it was recorded."""
    tenant: str = ""
    """The only one of whom anything is removed; empty for all."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Events that are about to be removed."""

    number: int
    """Counted from 1, of this store."""
    events: int
    digest: str
    """SHA-256 over which places in which streams they have; see `chains.digest_of`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    text: str
    """For people."""
    is_problem: bool = True
    """Or else it is only worth knowing."""


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
        """
        Return events; whole ones with what was recorded in `event`.

        A page of whole ones may end earlier, at about 4 MB.
        """

    def event(self, event_id: str) -> EventRow:
        """
        Return one event with what was recorded.

        Raises:
            NotFoundError: There is none.
        """

    def events_after(
        self, number: int, filter_: Filter, limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """
        Return whole events that arrived after one, and the last number looked at.

        It may end earlier than at the limit, at about 4 MB.
        """

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
            QuestionError: A word is none of them, or they do not go together.
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

    def ingest_all(self, batches: Sequence[Batch]) -> list[Verdicts]:
        """Take the events of several senders: all are committed when this returns."""

    def ingest(self, lines: Sequence[bytes], tenant: str | None = None) -> Verdicts:
        """
        Take events; what is accepted is committed when this returns.

        Args:
            lines: Events as JSON, one each.
            tenant: The only one whose events are taken; None for all, as from a file
                that its reader owns.
        """

    def retain(
        self,
        policy: Retention,
        recorded: Callable[[Removal], None] = ...,
        noted: Callable[[int, int], None] = ...,
    ) -> int:
        """
        Remove for good what a policy does not keep; return how many events.

        Args:
            policy: What is kept.
            recorded: Is told what will be removed, before anything is: if it raises,
                nothing is. It is not called if there is nothing to remove.
            noted: Is told how many are gone so far, and how many there are.
        """

    def erase(
        self,
        tenant: str,
        *,
        session: str = "",
        user: str = "",
        recorded: Callable[[Removal], None] = ...,
        noted: Callable[[int, int], None] = ...,
    ) -> int:
        """
        Remove all of a session, or every session and run of a user; return how many.

        Args:
            tenant: Whose.
            session: Its id.
            user: Id of the end user, as the application gave it.
            recorded: See `retain`.
            noted: See `retain`.
        """

    def check(
        self,
        is_on_record: Callable[[Removal], bool] = ...,
        noted: Callable[[int, int], None] = ...,
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with what is stored, and what was removed on record.

        Args:
            is_on_record: Whether a removal was made by those who may; what any other
                says to be removed is missing.
            noted: Is told how many events are checked, and how many there are.
        """

    def reader(self, tenant: str | None) -> Reader:
        """Return a reader of one tenant's events; None is the owner of the store."""

    def set_live(
        self, streams: frozenset[str] | None, silent_after_s: float | None = None
    ) -> None:
        """
        Say which processes still record, by their streams.

        Args:
            streams: Those; None if every stream without an end may go on.
            silent_after_s: Seconds after which one that may go on, and of which no
                event came meanwhile, counts as died; None for never.
        """

    def settle(self, *, is_idle: bool) -> None:
        """
        Do what a commit need not wait for.

        Args:
            is_idle: Nobody waits: then it is done sooner.
        """

    def set_quota(
        self,
        tenant: str,
        most_events: int | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """Limit what a tenant may keep; without a number it is limited no more."""

    def close(self) -> None:
        """Let go of files."""
