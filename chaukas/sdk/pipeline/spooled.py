"""What the pipeline needs of a sink that keeps events until others have taken them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaukas.sdk.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Outcome", "SpooledSink"]


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
    """A sink in front of others: what it has stored is delivered behind it."""

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
