"""
One finding of a check: its level, what was found, what to do.

Data, so that each check is a function that can be tested without a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Finding", "Level", "fail", "ok", "warn")


class Level(str, Enum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    level: Level
    topic: str
    """What was looked at: `settings`, `collector`, `file`, `spool` …"""
    text: str
    """What was found, without a full stop."""
    remedy: str = ""
    """What to do, as a sentence; empty if there is nothing to do."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """The same for machines."""

    def line(self) -> str:
        """Return the line for people."""
        rest = f" {self.remedy}" if self.remedy else ""
        return f"{self.level.value:<5} {self.topic}: {self.text}.{rest}"


def ok(topic: str, text: str, **facts: object) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(Level.OK, topic, text, facts=facts)


def warn(topic: str, text: str, remedy: str, **facts: object) -> Finding:
    """Return a finding that costs something, some day."""
    return Finding(Level.WARN, topic, text, remedy, facts)


def fail(topic: str, text: str, remedy: str, **facts: object) -> Finding:
    """Return a finding because of which events do not arrive."""
    return Finding(Level.FAIL, topic, text, remedy, facts)
