"""
The settings in force for a command, and where each comes from.

Read as an application would read them, since that is what the answers are about; what
an application sets in its code is given to the command by `--set`.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from chaukas.sdk.config import SETTINGS, SWITCHES, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.config import Loaded

__all__ = ("loaded_with", "origin_of", "set_option")

_ARGUMENT = "argument "
_SECRET = {
    "api_key": "Set CHAUKAS_API_KEY, or --set api_key_file=PATH.",
    "otlp_headers": "Set CHAUKAS_OTLP_HEADERS.",
}
"""Settings that are no argument of a program, and where to give them instead."""


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
    known = {each: row for row in (*SETTINGS, *SWITCHES) for each in row.spellings}
    row = known.get(name)
    if row is None:
        near = get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        message = f"--set {name!r}: no such setting.{hint} See docs/CONFIGURATION.md."
        raise click.UsageError(message)
    if row.name in _SECRET:
        message = (
            f"--set {name}: refused, since other users can see the arguments of a"
            f" program. {_SECRET[row.name]}"
        )
        raise click.UsageError(message)
    if not sign:
        message = f"--set {name!r}: the value is missing. Write --set {name}=VALUE."
        raise click.UsageError(message)
    return name, value


def origin_of(where: str) -> str:
    """Return where a setting was given, in words of the command line."""
    return where.replace(_ARGUMENT, "--set ", 1)
