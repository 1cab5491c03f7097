"""What the commands of a collector share: where its data is, how they end."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from chaukas.cli.output import say
from chaukas.collector.upkeep.administration import record

if TYPE_CHECKING:
    from chaukas.collector.folder import DataFolder

__all__ = (
    "DAYS",
    "MEGABYTES",
    "WRONG",
    "Amount",
    "data_option",
    "end",
    "needs_servers",
    "on_record",
)

WRONG: Final = 2
"""Exit code: it was asked for what cannot be done."""


class Amount(click.FloatRange):
    """A number within bounds; what is no number is beyond all of them."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number, or end the command."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


DAYS: Final = Amount(min=0, max=100_000)
MEGABYTES: Final = Amount(min=0, max=1e12)


def _default() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(home) / "chaukas" / "collector"


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=_default,
    show_default="~/.local/share/chaukas/collector",
    help="Folder of the events and keys; made if it is not there.",
)


def end(text: str, code: int = WRONG) -> NoReturn:
    """End the command with one line for people."""
    say(f"chaukas: {text}", err=True)
    sys.exit(code)


def on_record(folder: DataFolder, action: str, **facts: object) -> None:
    """Put an action on record before it is done; without that, end the command."""
    try:
        record(folder.administration, action, **facts)
    except OSError as error:
        why = error.strerror or type(error).__name__
        end(f"{folder.administration} cannot be written: {why}; nothing was done.")


def needs_servers(error: ImportError) -> NoReturn:
    """Say which packages a collector needs beyond the core."""
    end(
        f"a collector needs the package {error.name}:"
        " pip install 'chaukas-sdk[collector]'."
    )
