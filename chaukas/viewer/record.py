"""What the page reads: a record, be it a file of `chaukas view` or a collector's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from starlette.requests import Request

    from chaukas.query import Query, Status

__all__ = ("Authorise", "Record", "RecordFor")


class Record(Protocol):
    """What is read by queries; files are one, a collector's store is another."""

    def query(self) -> Query:
        """Return a query for the calling thread."""

    def status(self) -> Status:
        """Return how far the reading is."""


Authorise = Callable[["Request"], Any]
"""Returns who asks, as anything but None; None is refused."""

RecordFor = Callable[[Any], Record]
"""Returns what the one who asks may read."""
