"""
Say how much of one event may be recorded.

One frozen value, so that a whole configuration shares the same bounds and no
code path can raise them by accident.
"""

from dataclasses import dataclass

__all__ = ("DEPTH_CEILING", "Limits")

DEPTH_CEILING = 24
"""Deepest nesting allowed: a protobuf Struct beyond 30 dicts cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bound the cost and the size of capturing one event.

    The bounds hold per event, shared by all values captured for it, so that ten
    large fields cost no more than one.

    Raises:
        ValueError: A bound is not positive, or *depth* is above the ceiling.

    """

    depth: int = 16
    """Containers inside one another, at most; at most ``DEPTH_CEILING``."""
    nodes: int = 10_000
    """Values in all, containers included."""
    string_chars: int = 65_536
    """Characters of one string; the middle of a longer one is left out."""
    event_bytes: int = 1_048_576
    """Encoded size of one event, see `shrink`."""
    time_s: float = 0.08
    """Time to spend on the writer's thread; a sixteenth of it on the application's."""

    def __post_init__(self) -> None:
        """Refuse bounds that cannot be kept."""
        for name in ("depth", "nodes", "string_chars", "event_bytes", "time_s"):
            value = getattr(self, name)
            if not value > 0:
                msg = (
                    f"chaukas: cannot use the limit {name}={value!r}: it must be "
                    f"above zero. Leave it out for the default."
                )
                raise ValueError(msg)
        if self.depth > DEPTH_CEILING:
            msg = (
                f"chaukas: cannot use the limit depth={self.depth!r}: receivers "
                f"cannot parse events nested deeper. Use at most {DEPTH_CEILING}."
            )
            raise ValueError(msg)
