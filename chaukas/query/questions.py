"""
What can be asked about a record, wherever it is: of files here, or of a collector.

Two implementations hold to it: `Query` over a store, `RemoteQuery` over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.sdk.integrity import Removed, Sent
    from chaukas.store.answers import (
        Cause,
        EventRow,
        Label,
        Numbers,
        Page,
        RunRow,
        SearchHit,
        SessionRow,
    )
    from chaukas.store.files.index import Progress
    from chaukas.store.protocol import EventOrder

    from .answers import (
        Diff,
        EventDetail,
        FieldHelp,
        Lines,
        PromptAnswer,
        SessionDetail,
        Status,
        Summary,
        Tree,
    )
    from .labels import NewLabel

__all__ = ("LineOrder", "OpenedRecord", "Questions", "Record")

LineOrder = Literal["arrival", "chain"]


class Questions(Protocol):
    """
    What can be asked; of one thread. `Query` says what each call answers.

    Raises of all calls:
        FilterError: It says where the filter is wrong, and what is possible.
        NotFoundError: There is no such run, event or session.
        CursorError: The cursor is none of this call's.
        QuestionError: An order or a grouping that there is not.
        UnreadableError: The record cannot be asked now.
    """

    def close(self) -> None:
        """Let go of the record."""

    def sessions(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions."""

    def runs(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs."""

    def run(self, trace_id: str) -> RunRow:
        """Return one run."""

    def find_run(self, text: str) -> str:
        """Return the id of the run that a person means."""

    def tree(self, trace_id: str, limit: int = 20_000) -> Tree:
        """Return a run as a tree."""

    def event(self, event_id: str) -> EventDetail:
        """Return one event as recorded, with what is known about it."""

    def events(
        self,
        filter: str = "",
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; whole ones with what was recorded in `event`."""

    def events_after(
        self, number: int, filter: str = "", limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return whole events that arrived after one, and the last number looked at."""

    def newest_number(self) -> int:
        """Return the number of the event that arrived last; 0 for none."""

    def lines(self, filter: str = "") -> Iterator[bytes]:
        """Yield events as recorded, without line breaks, in the order of arrival."""

    def chains(self) -> Iterator[bytes | Removed | Sent]:
        """Yield events as recorded, in the order of their chains, to be verified."""

    def lines_after(
        self,
        number: int = 0,
        filter: str = "",
        limit: int = 1000,
        order: LineOrder = "arrival",
        cursor: str = "",
    ) -> Lines:
        """Return some of them: those behind another one."""

    def search(
        self, text: str, filter: str = "", cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events in which all words of a text occur, the latest first."""

    def numbers(
        self, by: Sequence[str] = (), filter: str = "", of: str = "", limit: int = 1000
    ) -> Numbers:
        """Return sums by group."""

    def trouble(self, filter: str = "", limit: int = 100) -> list[Cause]:
        """Return what went wrong, by cause, the commonest first."""

    def labels(
        self, filter: str = "", cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes, the latest first."""

    def diff(self, left: str, right: str, limit: int = 5000) -> Diff:
        """Return two runs laid beside each other."""

    def prompt(self, event_id: str) -> PromptAnswer:
        """Return the whole prompt of a model call."""

    def prompts(self, event_ids: Sequence[str]) -> list[PromptAnswer]:
        """Return the whole prompts of model calls."""

    def session(
        self,
        session_id: str,
        tenant: str = "",
        project: str = "",
        cursor: str = "",
        limit: int = 20,
    ) -> SessionDetail:
        """Return a session as a conversation."""

    def summary(self, filter: str = "") -> Summary:
        """Return one screen about everything."""

    def fields(self, field: str = "", prefix: str = "") -> list[FieldHelp]:
        """Return all fields of the filter, or one with the values that occur."""

    def status(self) -> Status:
        """Return how far the record is read."""


class Record(Protocol):
    """What is read by queries; files are one, a collector's store is another."""

    def query(self) -> Questions:
        """Return a query for the calling thread, to be closed by its user."""

    def status(self) -> Status:
        """Return how far the reading is."""


class OpenedRecord(Record, Protocol):
    """A record that somebody named, and that is renewed as it grows."""

    @property
    def name(self) -> str:
        """What it is called, for people."""

    @property
    def whose(self) -> str:
        """The only tenant whose events are shown; empty for all."""

    def read(self, progress: Callable[[Progress], None] | None = None) -> object:
        """
        Read what is new; from any thread.

        Raises:
            UnreadableError: It cannot be read, or not to its end.
        """

    def follow(
        self, number: int, filter: str = "", trouble: Callable[[str], None] = ...
    ) -> Iterator[list[EventRow]]:
        """
        Yield whole events as they arrive, and nothing now and then; without end.

        Args:
            number: Of the event after which to begin.
            filter: Which events.
            trouble: Is told what is wrong for now, in one line.

        Raises:
            FilterError: The filter cannot be understood.
            UnreadableError: Somebody must correct something.
        """

    def label(self, new: NewLabel, now_ns: int) -> Label:
        """
        Keep a label with the record.

        Args:
            new: The label.
            now_ns: The present, in nanoseconds since 1970.

        Raises:
            ValueError: It has no name, or judges nothing.
            OSError: The file beside the record cannot be written.
            UnreadableError: The collector does not take it.
        """

    def close(self) -> None:
        """Let go of it."""
