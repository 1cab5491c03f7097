"""
`chaukas doctor`: checks settings, collector, disk and frameworks.

Runs the checks one after the other, and prints their findings.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from chaukas.cli.output import count, say, say_json
from chaukas.cli.settings import loaded_with, set_option

from .collector import check_collector
from .disk import check_disk
from .finding import Level
from .frameworks import check_frameworks
from .settings import check_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Loaded

    from .finding import Finding

__all__ = ("doctor",)

FAILED = 1


@click.command()
@set_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--faults",
    is_flag=True,
    help="Start own processes and a collector, kill them, fill their disk, cut their"
    " connection, and say what was lost. Takes less than a minute.",
)
def doctor(given: tuple[str, ...], *, as_json: bool, faults: bool) -> None:
    """
    Check settings, collector and disk, and say what to fix.

    Each line is ok, warn or fail. A collector is asked with a batch without
    events: nothing is stored there. Exit code 1: something fails.
    """
    loaded = loaded_with(given)
    if faults:
        from chaukas.cli.faults import check_faults

        findings = check_faults(loaded.config)
    else:
        findings = _checks(loaded)
    counts = dict.fromkeys(Level, 0)
    for finding in findings:
        counts[finding.level] += 1
        _print(finding, as_json=as_json)
    failed, warned = counts[Level.FAIL], counts[Level.WARN]
    if not as_json:
        say(f"{count(failed, 'failure')}, {count(warned, 'warning')}.")
    sys.exit(FAILED if failed else 0)


def _checks(loaded: Loaded) -> Iterator[Finding]:
    yield from check_settings(loaded)
    yield from check_collector(loaded.config)
    yield from check_disk(loaded.config)
    yield from check_frameworks(loaded.config)


def _print(finding: Finding, *, as_json: bool) -> None:
    if not as_json:
        say(finding.line())
        return
    say_json(
        {
            "level": finding.level.value,
            "topic": finding.topic,
            "text": finding.text,
            "remedy": finding.remedy,
            "facts": dict(finding.facts),
        }
    )
