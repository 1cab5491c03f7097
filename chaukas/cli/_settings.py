"""
The settings in force for a command, and where each comes from.

Read as an application would read them, since that is what the answers are about; what
an application sets in its code is given to the command by `--set`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from chaukas.sdk.config import SETTINGS, SWITCHES, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.config import Loaded

__all__ = ("loaded_with", "origin_of", "set_option")

_ARGUMENT = "argument "


def set_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--set NAME=VALUE`, as `given`."""
    return click.option(
        "--set",
        "given",
        metavar="NAME=VALUE",
        multiple=True,
        help="A setting that the application gives in code, such as tenant_id=acme. "
        "Never a key: other users can see it.",
    )(command)


def loaded_with(given: tuple[str, ...]) -> Loaded:
    """
    Read the settings, those of `--set` before those of the environment.

    Raises:
        click.UsageError: One of them is no setting.
    """
    arguments = dict(_pair_of(text) for text in given)
    return load(arguments, None, os.environ)


def _pair_of(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    known = {each for row in (*SETTINGS, *SWITCHES) for each in row.spellings}
    if not sign or name not in known:
        message = f"--set {name!r}: no such setting. See docs/CONFIGURATION.md."
        raise click.UsageError(message)
    return name, value


def origin_of(where: str) -> str:
    """Return where a setting was given, in words of the command line."""
    return where.replace(_ARGUMENT, "--set ", 1)
