"""
Generated protobuf code; `proto/generate.py` makes it.

Committed, so that an installation needs no compiler.
"""

__all__ = ()
