"""What a person names on the command line as a record: files, or a collector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from chaukas.store.files.place import is_address

if TYPE_CHECKING:
    import os

__all__ = ("NAMED",)


class _Named(click.Path):
    """A path, or the address of a collector as a text."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return an address as it stands: of a path, two slashes are one."""
        if isinstance(value, str) and is_address(value):
            return value
        return super().convert(value, param, ctx)


NAMED: Final = _Named(path_type=Path)
"""Type of an argument: gives a `Path`, or the text of an address."""
