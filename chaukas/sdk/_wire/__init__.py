"""
The two forms of an event, and how one becomes the other.

`chaukas.sdk.mapping` is the door; a folder of its own keeps each step small.
"""

__all__ = ()
