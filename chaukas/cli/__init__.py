"""
The `chaukas` command: it parses arguments and prints; the SDK does the work.

Only this part needs click; nothing of it is loaded into a recorded process.
"""

from .commands import main

__all__ = ("main",)
