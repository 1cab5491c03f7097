"""The commands of a collector: run it, make keys, keep its store in order."""

from __future__ import annotations

import click

from .keys import key
from .quotas import quota
from .recover import recover
from .run import run
from .upkeep import COMMANDS

__all__ = ("collector",)


@click.group()
def collector() -> None:
    """Receive events of many applications, keep them, and answer about them."""


for _command in (run, key, quota, recover, *COMMANDS):
    collector.add_command(_command)
