"""
The `chaukas` command: a thin shell around what the other parts do.

Only this part needs click; nothing of it is loaded into a recorded process.
"""

from .commands import main

__all__ = ("main",)
