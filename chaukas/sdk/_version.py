"""
The version of chaukas, in one place that both the build and the code read.

A constant, because reading installed metadata costs more than the whole import.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.2.0"
