"""
The plan of delivery: which sinks, where events wait, how fast they are sent.

Plain data, so that whoever decides need not load what carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaukas.sdk.sinks.collector.responses import Remote
    from chaukas.sdk.sinks.joining import JoiningRemote

__all__ = ["Destination", "Pace", "SpoolPlan"]


@dataclass(frozen=True, slots=True)
class Destination:
    """A sink, and the name by which spools know it."""

    key: str
    """
    Letters, digits and `-`; stable over restarts, and another for each place and
    tenant: a spool is delivered only to the sinks for which it was written.
    """
    remote: Remote | JoiningRemote
    place: str = ""
    """Where that is, for people: endpoint without secrets, or path of the file."""
    is_near: bool = False
    """Each event is sent at once, and waits for no batch: a file on this machine."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many events go at once, and how long a batch may wait to fill."""

    batch_size: int = 512
    """Most events in a batch."""
    max_batch_bytes: int = 1 << 20
    """Most bytes in a batch, but for an event that is larger alone."""
    flush_interval_s: float = 1.0
    """Longest wait for a batch to fill, in seconds."""


@dataclass(frozen=True, slots=True)
class SpoolPlan:
    """Where events wait for the sinks, and how they go on."""

    destinations: tuple[Destination, ...]
    spool_dir: str
    """Folder of all spools, shared by the processes of one user."""
    fallback_dir: str | None = None
    """Folder that serves where the first cannot be made or written."""
    limit_bytes: int = 512 << 20
    """Most that all spools of the folder may take on the disk, over all processes."""
    pace: Pace = field(default_factory=Pace)
    tenant_id: str = ""
    """For people who look at what waits; keys of sinks hold it as well."""
    project_id: str = ""
