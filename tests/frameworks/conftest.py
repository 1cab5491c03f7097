"""Leaves out the tests of each framework that is not installed where pytest runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tests.frameworks.environments import FRAMEWORKS, Framework

__all__ = ("collect_ignore",)


def _is_here(framework: Framework) -> bool:
    try:
        return bool(version(framework.package))
    except PackageNotFoundError:
        return False


collect_ignore = [name for name, each in FRAMEWORKS.items() if not _is_here(each)]
"""Folders beside this file, as pytest reads them: `run.py` tests them elsewhere."""
