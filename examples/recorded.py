"""
The file that an example writes: begun afresh, and shown as a tree at the end.

Shared, so that an example is left with what an application would write itself.
"""

from __future__ import annotations

from pathlib import Path

from chaukas.cli import main

__all__ = ("fresh", "show_tree")


def fresh(name: str) -> str:
    """
    Return the name of a file in the working folder, after removing an older one.

    chaukas appends, which is right for an application; an example shows one run.
    """
    Path(name).unlink(missing_ok=True)
    return name


def show_tree(name: str) -> None:
    """Print what `chaukas tree FILE` prints."""
    print(f"\n$ chaukas tree {name}")
    main(["tree", name], standalone_mode=False)
