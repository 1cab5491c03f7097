"""Whose record the page reads: be it a file of `chaukas view` or a collector's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chaukas.query import Record

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ("Authorise", "Record", "RecordFor")

Authorise = Callable[["Request"], Any]
"""Returns who asks, as anything but None; None is refused."""

RecordFor = Callable[[Any], Record]
"""Returns what the one who asks may read."""
