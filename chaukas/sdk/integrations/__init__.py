"""
The frameworks that chaukas records, one module or package each.

None is imported before its framework is, so this package is empty on purpose.
"""

from __future__ import annotations

__all__: tuple[str, ...] = ()
