"""The questions of `chaukas.query`, asked of a collector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from chaukas.query.answers import (
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
from chaukas.query.chains import items_of_chains
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

from .failures import CollectorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chaukas.query.questions import LineOrder
    from chaukas.sdk.integrity import Removed, Sent
    from chaukas.store.protocol import EventOrder

    from .client import Client

__all__ = ("RemoteQuery",)

_Answer = TypeVar("_Answer")
_Named = TypeVar("_Named", Status, Summary)

_WHOLE: Final = 50
"""Most whole events of one answer: each may have a megabyte."""


@dataclass(frozen=True, slots=True)
class _Listed(Generic[_Answer]):
    """A list, which is no answer of JSON by itself."""

    items: list[_Answer]


class RemoteQuery:
    """
    What can be asked of a collector; of one thread. See `Questions`.

    Args:
        client: Closed with it.
        name: What answers say they are about.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def sessions(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions; see `Query.sessions`."""
        asked = {"filter": filter, "sort": sort, "cursor": cursor, "limit": limit}
        return self._ask("sessions", asked, Page[SessionRow])

    def runs(
        self, filter: str = "", sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs; see `Query.runs`."""
        asked = {"filter": filter, "sort": sort, "cursor": cursor, "limit": limit}
        return self._ask("runs", asked, Page[RunRow])

    def run(self, trace_id: str) -> RunRow:
        """Return one run; see `Query.run`."""
        return self._ask("run", {"trace_id": trace_id}, RunRow)

    def find_run(self, text: str) -> str:
        """Return the id of the run that a person means; see `Query.find_run`."""
        return self._ask("find_run", {"text": text}, str)

    def tree(self, trace_id: str, limit: int = 20_000) -> Tree:
        """Return a run as a tree; see `Query.tree`."""
        return self._ask("tree", {"trace_id": trace_id, "limit": limit}, Tree)

    def event(self, event_id: str) -> EventDetail:
        """Return one event; see `Query.event`."""
        return self._ask("event", {"id": event_id}, EventDetail)

    def events(
        self,
        filter: str = "",
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; see `Query.events`; fewer whole ones at a time."""
        most = min(limit, _WHOLE) if whole else limit
        asked = {"filter": filter, "order": order, "cursor": cursor, "limit": most}
        return self._ask("events", {**asked, "whole": whole}, Page[EventRow])

    def events_after(
        self, number: int, filter: str = "", limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return whole events that arrived after one; see `Query.events_after`."""
        asked = {"number": number, "filter": filter, "limit": min(limit, _WHOLE)}
        return self._ask("events_after", asked, tuple[list[EventRow], int])

    def newest_number(self) -> int:
        """Return the number of the event that arrived last; 0 for none."""
        return self._ask("newest_number", {}, int)

    def lines(self, filter: str = "") -> Iterator[bytes]:
        """Yield events as recorded; see `Query.lines`."""
        found = self.lines_after(0, filter)
        while True:
            for line in found.lines:
                yield line.encode()
            if found.is_last:
                return
            found = self.lines_after(found.last, filter)

    def chains(self) -> Iterator[bytes | Removed | Sent]:
        """Yield events in the order of their chains; see `Query.chains`."""
        cursor = ""
        while True:
            found = self.lines_after(order="chain", cursor=cursor)
            yield from items_of_chains(found)
            if found.is_last:
                return
            if not found.next_cursor:
                raise CollectorError(
                    f"the collector at {self._name} knows no order of chains. Update"
                    " it, or run chaukas collector check on its machine."
                )
            cursor = found.next_cursor

    def lines_after(
        self,
        number: int = 0,
        filter: str = "",
        limit: int = 1000,
        order: LineOrder = "arrival",
        cursor: str = "",
    ) -> Lines:
        """Return some events as recorded; see `Query.lines_after`."""
        asked: dict[str, object] = {"filter": filter, "limit": limit}
        if order == "arrival":
            return self._ask("lines_after", {"number": number, **asked}, Lines)
        asked |= {"order": order, "cursor": cursor}
        return self._ask("lines_after", asked, Lines)

    def search(
        self, text: str, filter: str = "", cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events in which a text occurs; see `Query.search`."""
        asked = {"text": text, "filter": filter, "cursor": cursor, "limit": limit}
        return self._ask("search", asked, Page[SearchHit])

    def numbers(
        self, by: Sequence[str] = (), filter: str = "", of: str = "", limit: int = 1000
    ) -> Numbers:
        """Return sums by group; see `Query.numbers`."""
        asked = {"by": tuple(by), "filter": filter, "of": of, "limit": limit}
        return self._ask("numbers", asked, Numbers)

    def trouble(self, filter: str = "", limit: int = 100) -> list[Cause]:
        """Return what went wrong, by cause; see `Query.trouble`."""
        asked = {"filter": filter, "limit": limit}
        return self._ask("trouble", asked, _Listed[Cause]).items

    def labels(
        self, filter: str = "", cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes; see `Query.labels`."""
        asked = {"filter": filter, "cursor": cursor, "limit": limit}
        return self._ask("labels", asked, Page[Label])

    def diff(self, left: str, right: str, limit: int = 5000) -> Diff:
        """Return two runs laid beside each other; see `Query.diff`."""
        return self._ask("diff", {"left": left, "right": right, "limit": limit}, Diff)

    def prompt(self, event_id: str) -> PromptAnswer:
        """Return the whole prompt of a model call; see `Query.prompt`."""
        return self._ask("prompt", {"id": event_id}, PromptAnswer)

    def prompts(self, event_ids: Sequence[str]) -> list[PromptAnswer]:
        """Return the whole prompts of model calls, with a question for each."""
        return [self.prompt(event_id) for event_id in event_ids]

    def session(
        self,
        session_id: str,
        tenant: str = "",
        project: str = "",
        cursor: str = "",
        limit: int = 20,
    ) -> SessionDetail:
        """Return a session as a conversation; see `Query.session`."""
        asked = {
            "session_id": session_id,
            "tenant": tenant,
            "project": project,
            "cursor": cursor,
            "limit": limit,
        }
        return self._ask("session", asked, SessionDetail)

    def summary(self, filter: str = "") -> Summary:
        """Return one screen about everything; see `Query.summary`."""
        return self._named(self._ask("summary", {"filter": filter}, Summary))

    def fields(self, field: str = "", prefix: str = "") -> list[FieldHelp]:
        """Return the fields of the filter; see `Query.fields`."""
        asked = {"field": field, "prefix": prefix}
        return self._ask("fields", asked, _Listed[FieldHelp]).items

    def status(self) -> Status:
        """Return how far the collector has read, which is all."""
        return self._named(self._ask("status", {}, Status))

    def _named(self, answer: _Named) -> _Named:
        """Return an answer under the name that the collector has here."""
        return replace(answer, source=self._name)

    def _ask(
        self, path: str, asked: Mapping[str, object], kind: type[_Answer]
    ) -> _Answer:
        answer: _Answer = self._client.ask(f"/api/{path}", asked, kind)
        return answer
