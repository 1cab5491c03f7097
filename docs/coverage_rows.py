"""
The tables of docs/COVERAGE.md: features, the events that they give, tests.

The rows are in coverage.json and nowhere else; their events come from playing the
tour of examples/sdk_tour.py in a process of its own, as a reader would.
"""

# The folder holds documents and their scripts; it is no package to import from.

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaukas.sdk.typing import Event

__all__ = ("Played", "Row", "blocks", "play", "rows", "stops_of")

HERE = Path(__file__).resolve().parent
_DEADLINE_S = 120
_HEAD = ("feature", "events", "shown by")
_TOUR = "tests/test_sdk_tour.py::test_the_record_tells_of_the_feature"


class Row(NamedTuple):
    """A feature of a table."""

    table: str
    name: str
    stops: list[str]
    """Sections of the tour, as `table / row`; none for what tests alone show."""
    tests: list[str]
    """Node ids of the tests that show it."""
    note: str = ""
    """The events in words, where no section plays the feature."""


class Played(NamedTuple):
    """What came of a section of the tour."""

    shape: str
    """Its events in one line; "" if there are none."""
    shows: str
    """Where the feature is recorded; "" if the events alone show it."""
    value: object
    """What is recorded there."""
    note: str
    """What a reader should know."""


def rows() -> dict[str, list[Row]]:
    """Return the rows of each list: `features`, `platform`, `documentation`."""
    lists = json.loads((HERE / "coverage.json").read_text(encoding="utf-8"))
    features = [
        Row(table, name, [f"{table} / {name}"], [_node_id(test)])
        for table, tests in lists["features"].items()
        for name, test in tests.items()
    ]
    found = {"features": features}
    for kind in ("platform", "documentation"):
        found[kind] = [
            Row("", name, row["stops"], tests, row.get("note", ""))
            for name, row in lists[kind].items()
            for tests in [[_node_id(test) for test in row["tests"]]]
        ]
    return found


def play() -> list[Event]:
    """
    Play the tour and return its events.

    Raises:
        RuntimeError: It failed, or did not run all of its sections.
    """
    hidden = "OPENAI_", "CHAUKAS_"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    with TemporaryDirectory() as folder:
        # Our own program, in an environment without settings of this machine.
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(HERE.parent / "examples" / "sdk_tour.py")],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_DEADLINE_S,
            check=False,
        )
        if done.returncode or "ot run: " in done.stdout:
            raise RuntimeError(f"the tour: {done.stdout[-2000:]}{done.stderr}")
        text = (Path(folder) / "sdk_tour.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def stops_of(events: Iterable[Event]) -> dict[str, Played]:
    """Return what came of each section of the tour, by `table / row`."""
    # Late, because they are found only when generate.py has extended the path.
    from tour import STOPS, load, shape, value_at

    load()
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.get("session_id", "")].append(event)
    played = {}
    for stop in STOPS:
        own = found[stop.session_id]
        value = value_at(own, stop.shows) if stop.shows else None
        played[stop.session_id] = Played(shape(own), stop.shows, value, stop.note)
    return played


def blocks(played: Mapping[str, Played]) -> dict[str, str]:
    """
    Return the generated blocks of docs/COVERAGE.md by their names.

    Raises:
        KeyError: A row names a section that was not run.
    """
    made = {}
    for kind, listed in rows().items():
        lines: list[str] = []
        table = None
        for row in listed:
            if row.table != table:
                table = row.table
                lines += ([""] if lines else []) + _opening(table)
            cells = row.name, _events(row, played), _joined(row.tests)
            lines.append(_line(cells))
        made[kind] = "\n".join(lines) + "\n"
    return made


def _opening(table: str) -> list[str]:
    head = [_line(_HEAD), _line(("---",) * len(_HEAD))]
    return [f"### {table}", "", *head] if table else head


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _events(row: Row, played: Mapping[str, Played]) -> str:
    parts = []
    for name in row.stops:
        stop = played[name]
        where = f", see `{stop.shows}`" if stop.shows else ""
        note = f" ({stop.note})" if stop.note else ""
        parts.append(f"`{stop.shape}`{where}{note}" if stop.shape else f"none{note}")
    return "<br>".join(dict.fromkeys(parts)) or row.note


def _joined(tests: Iterable[str]) -> str:
    return "<br>".join(f"`{test}`" for test in tests)


def _node_id(name: str) -> str:
    """Write a test's short name out: `tour`, `file::test`, or what is no short name."""
    if name == "tour":
        return _TOUR
    if "/" in name:
        return name
    file, _, test = name.partition("::")
    return f"tests/integrations/test_openai_agents_{file}.py::{test}"
