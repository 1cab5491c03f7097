"""
What a sink of events must be able to do, and how it answers.

One small protocol lets the pipeline stay the same for a file, a list in
memory and a server.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Outcome", "Sink", "SpooledSink", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What became of a batch.

    The batch is read from its front: `accepted` events are stored, the
    `refused` ones after them will never be, and the rest should be sent again.
    """

    accepted: int
    """Number of events, from the front of the batch, that are stored now."""

    refused: int = 0
    """Number of events after those which no retry can store."""

    reason: str = ""
    """Why they were refused: one of the drop reasons, e.g. `quarantined`."""

    retry_after_s: float | None = None
    """Least wait before the rest is sent again, if the sink knows it."""

    cause: str = ""
    """Short stable name of the trouble, e.g. `ENOSPC`; empty if there is none."""

    error: str = ""
    """The trouble in one line for people, without secrets or payload."""


class Sink(Protocol):
    """
    A place that takes events.

    All methods are called by one thread at a time: the writer's, or that of a
    forked child for `abandon`.
    """

    def send(self, batch: Sequence[bytes]) -> Verdict:
        r"""
        Store a batch and say how much of it is stored.

        Args:
            batch: Events in order, each one JSON object and a `\n`.

        May block for as long as the device does: no host thread waits for it.
        """
        ...

    def close(self) -> None:
        """Release what is held; called once, after the last `send`."""
        ...

    def abandon(self) -> None:
        """Close what a forked child inherited, and write nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events that were spooled."""

    acked: int
    """Events that every sink has taken."""
    spooled: int
    """Events that some sink has still to take."""
    lost: Mapping[str, int]
    """Events given up, by reason."""
    adopted: int
    """Events of dead processes that were delivered."""
    errors: Mapping[str, str]
    """For each sink that takes no events at present: why."""


class SpooledSink(Sink, ABC):
    """A sink in front of others: what it has stored is delivered to them."""

    on_adopted: Callable[[str, int, dict[str, int]], bool]
    """
    Set by the pipeline. Given the stream of a dead process, how many of its events
    died with it, and its counts; returns whether the report of them is stored.
    """
    on_recovery: Callable[[], None]
    """Set by the pipeline; called when a sink works again after an outage."""

    @abstractmethod
    def outcome(self) -> Outcome:
        """Return what became of the events of this process, as of now."""

    @abstractmethod
    def wait(self, deadline_s: float) -> bool:
        """Wait, until a monotonic time, for what is stored now to be delivered."""

    @abstractmethod
    def end(self, deadline_s: float) -> None:
        """Stop delivering; wait until a monotonic time for that."""
