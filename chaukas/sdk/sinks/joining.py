"""
A sink that makes one thing of several events, such as a span of START and END.

What it has taken in and not yet sent must survive the process: the events themselves
are acknowledged by then. So it says what it still needs, and whoever delivers keeps it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

__all__ = ["JoiningRemote"]


class JoiningRemote(ABC):
    """
    A sink as the sender sees it, for which the order of events matters.

    Methods that name a *source* speak of one spool: that of this process, or one of a
    dead process. All but `overdue` are called by one thread at a time.
    """

    name: str

    @abstractmethod
    def send_from(self, source: str, lines: Sequence[bytes]) -> Answer:
        """
        Send what the next events of a source complete; nothing is remembered yet.

        Args:
            source: Name of the spool.
            lines: Its next events, after those that were settled.
        """

    @abstractmethod
    def settle(self, source: str, lines: Sequence[bytes]) -> list[bytes]:
        """
        Remember events that will not come again; return what is needed for later.

        Args:
            source: Name of the spool.
            lines: The events: all that were sent last, or one that was set aside.

        Returns:
            JSON objects, one for each thing that is not complete; empty for none.
        """

    @abstractmethod
    def resume(self, source: str, kept: Sequence[bytes]) -> None:
        """Take up what `settle` returned in another process."""

    @abstractmethod
    def is_complete(self, source: str) -> bool:
        """Return whether nothing of a source waits for events to come."""

    @abstractmethod
    def send_rest(self, source: str) -> Answer:
        """
        Send what will never be complete, since its process is gone.

        Anything but RETRY and PARK means that it is through: what was refused for
        good is told in the log.
        """

    @abstractmethod
    def drop(self, source: str) -> None:
        """Forget a source that is through."""

    @abstractmethod
    def makings(self, line: bytes) -> list[bytes]:
        """Return all events that are needed to send again what *line* completed."""

    @abstractmethod
    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send events without a source, such as from a file."""

    @abstractmethod
    def overdue(self, now_s: float) -> str:
        """See `Remote`."""

    @abstractmethod
    def close(self) -> None:
        """See `Remote`."""

    @abstractmethod
    def abandon(self) -> None:
        """See `Remote`."""
