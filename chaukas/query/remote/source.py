"""A collector as a source: opened, asked, and followed over breaks."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.query.answers import Status
from chaukas.query.labels import label_line
from chaukas.sdk._version import VERSION
from chaukas.store.answers import EventRow
from chaukas.store.filter import FilterError

from .address import address_of
from .client import client_of
from .decode import MismatchError, decoded
from .failures import CollectorError
from .messages import messages_in
from .query import RemoteQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.query.labels import NewLabel
    from chaukas.store.answers import Label
    from chaukas.store.files.index import Progress

    from .client import Client
    from .messages import Message

__all__ = ("CollectorSource",)

_SILENT_S: Final = 30.0
"""A collector says something every ten seconds; after three times that it is gone."""
_TEXT_CHARS: Final = 500
_WAITS_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0)


class CollectorSource:
    """
    A collector behind its address. See `OpenedRecord`.

    Args:
        address: `http(s)://host:port`, with a path if a proxy has it under one.

    Raises:
        CollectorError: It is no address.
    """

    def __init__(self, address: str) -> None:
        self._address = address_of(address)
        self._whose = ""
        self._status = _before(self.name)

    @property
    def name(self) -> str:
        """Its address."""
        return self._address

    @property
    def whose(self) -> str:
        """The tenant of the key, as the collector said when it was asked last."""
        return self._whose

    def read(self, progress: Callable[[Progress], None] | None = None) -> None:
        """
        Ask how it is; what is new there can be asked at once.

        Args:
            progress: Is told nothing, since nothing is read.

        Raises:
            CollectorError: It does not answer, or is no collector.
        """
        del progress
        client = self.client()
        try:
            told: Status = client.ask("/api/status", {}, Status)
            self._whose = told.source.partition(": ")[2]
            self._status = replace(told, source=self.name)
        except CollectorError as error:
            self._status = _failed(self._status, str(error))
            raise
        finally:
            client.close()

    def status(self) -> Status:
        """Return how it was when it was asked last; from any thread."""
        return self._status

    def query(self) -> RemoteQuery:
        """Return what can be asked; for one thread, to be closed by its user."""
        return RemoteQuery(self.client(), self.name)

    def client(self) -> Client:
        """Return what asks it, with a connection of its own."""
        return client_of(self._address)

    def follow(
        self,
        number: int,
        filter: str = "",
        trouble: Callable[[str], None] = lambda _line: None,
    ) -> Iterator[list[EventRow]]:
        """
        Yield whole events as they arrive, over breaks of the connection.

        None is yielded twice, none is left out: after a break it goes on behind the
        last one that came.
        """
        failures = 0
        while True:
            try:
                for row in self._streamed(number, filter):
                    failures = 0
                    if row is not None and row.number > number:
                        number = row.number
                        yield [row]
                # As it does when it stops.
                error = CollectorError(f"the collector at {self.name} hung up.")
            except CollectorError as failure:
                if not failure.passes:
                    raise
                error = failure
            if not failures:
                trouble(f"{error} It is asked again until it answers.")
            wait_s = _WAITS_S[min(failures, len(_WAITS_S) - 1)]
            failures += 1
            time.sleep(max(wait_s, error.wait_s or 0.0))

    def label(self, new: NewLabel, now_ns: int) -> Label:
        """Send a label as an event of its own, which takes a key that may send."""
        label, line = label_line(new, now_ns)
        client = self.client()
        try:
            reason = client.send(line)
        finally:
            client.close()
        if reason:
            text = f"the collector at {self.name} did not take the label ({reason})."
            raise CollectorError(f"{text} Take a key of the tenant whose run it is.")
        return label

    def _streamed(self, number: int, filter: str) -> Iterator[EventRow | None]:
        """Yield the events of one stream, and None for signs of life."""
        client = self.client()
        asked = {"after": number, "filter": filter}
        try:
            for message in messages_in(client.listen("/api/follow", asked, _SILENT_S)):
                yield _event_of(message)
        except FilterError:
            raise
        # What is no JSON is none, too.
        except ValueError as error:
            what = f" ({error})" if isinstance(error, MismatchError) else ""
            raise CollectorError(
                f"the events of the collector at {self.name} are of another version of"
                f" chaukas{what}. Update the older one."
            ) from None
        finally:
            client.close()

    def close(self) -> None:
        """Do nothing: each query has closed its own connection."""


def _event_of(message: Message) -> EventRow | None:
    if message.kind == "refused":
        told = decoded(dict[str, Any], orjson.loads(message.data))
        raise FilterError(str(told.get("error", ""))[:_TEXT_CHARS], 0, 0)
    if message.kind != "event":
        return None
    row: EventRow = decoded(EventRow, orjson.loads(message.data))
    return row


def _before(name: str) -> Status:
    return Status(
        source=name,
        state="reading",
        done_bytes=0,
        total_bytes=0,
        events=0,
        skipped_lines=0,
        repeated=0,
        conflicts=0,
        problem="",
        version=VERSION,
    )


def _failed(status: Status, problem: str) -> Status:
    return replace(status, state="failed", problem=problem)
