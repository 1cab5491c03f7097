"""
The file that says whose a spool is: which process, and where it sends to.

For people: it holds no secret, and nothing is decided by it.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["ABOUT_NAME", "About", "about_in", "write_about"]

ABOUT_NAME: Final = "about.json"
_LIMIT_BYTES: Final = 1 << 16
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class About:
    """Whose a spool is; all parts are empty where it is not known."""

    pid: int = 0
    """Process that made it, by its number on its machine or in its container."""
    tenant_id: str = ""
    project_id: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    """For each sink, by its key: endpoint without secrets, or path of the file."""


def write_about(folder: str, about: About, disk: Disk) -> None:
    """Write the file, as far as possible: it is for people only."""
    facts = {
        "pid": about.pid,
        "tenant_id": about.tenant_id,
        "project_id": about.project_id,
        "places": dict(about.places),
    }
    path = os.path.join(folder, ABOUT_NAME)  # noqa: PTH118 - text, as Disk takes it
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with contextlib.suppress(OSError):
        fd = disk.open(path, flags)
        try:
            disk.write_at(fd, json.dumps(facts).encode(), 0)
        finally:
            disk.close(fd)


def about_in(folder: str, disk: Disk) -> About:
    """Return what the file of a spool says; nothing if it is none of ours."""
    path = os.path.join(folder, ABOUT_NAME)  # noqa: PTH118
    try:
        fd = disk.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            facts = json.loads(disk.read(fd, _LIMIT_BYTES))
        finally:
            disk.close(fd)
    except (OSError, ValueError, RecursionError):
        return About()
    if type(facts) is not dict:
        return About()
    pid, places = facts.get("pid"), facts.get("places")
    return About(
        pid if type(pid) is int else 0,
        _text(facts.get("tenant_id")),
        _text(facts.get("project_id")),
        {key: _text(at) for key, at in places.items()} if type(places) is dict else {},
    )


def _text(value: Any) -> str:
    return value[:_LONGEST_TEXT] if type(value) is str else ""
