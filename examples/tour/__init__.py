"""
The tour of the OpenAI Agents SDK: one small section for each of its features.

Each module holds the sections of one table of features; `stops` collects them, `shape`
writes what they left on record in one line. Nothing here knows how chaukas works.
"""

from __future__ import annotations

from .shape import shape, value_at
from .stops import MODULES, STOPS, Stop, load, section

__all__ = ("MODULES", "STOPS", "Stop", "load", "section", "shape", "value_at")
