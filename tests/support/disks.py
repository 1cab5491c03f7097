"""Disks of their own for tests that fill them or make them read-only."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("mounted_disk", "remount")


@contextmanager
def mounted_disk(place: Path, size: str) -> Iterator[Path]:
    """
    Mount an empty disk and yield its folder; without the right to, skip the test.

    Args:
        place: The folder, which is made.
        size: How much it holds, such as `64k`.
    """
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, option: str) -> None:
    """Change a mounted disk, such as to `ro` or to another `size=…`."""
    command = ["mount", "-o", f"remount,{option}", str(place)]
    subprocess.run(command, check=True)
