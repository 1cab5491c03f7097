"""What the fault checks of the doctor make of what they measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chaukas.cli import faults
from chaukas.cli.doctor.finding import Level
from chaukas.cli.faults.scenario import LateError, Scenario, ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

    from chaukas.cli.doctor.finding import Finding


def counts(**changed: Any) -> dict[str, Any]:
    """Return the counts of a program that recorded 1,000, with one of chaukas first."""
    return {
        "emitted": 1001,
        "counted": 1000,
        "acked": 0,
        "spooled": 391,
        "queued": 0,
        "dropped": {"spool_full": 610},
        **changed,
    }


def finding_of(stats: dict[str, Any], here: int = 390, of_all: int = 391) -> Finding:
    return faults._spool_limit_finding(stats, 1000, here, of_all)


REPORT_LOST = counts(emitted=1002, dropped={"spool_full": 611})
REPORT_STORED = counts(emitted=1002, spooled=392)


@pytest.mark.parametrize(
    ("stats", "of_all"), [(counts(), 391), (REPORT_LOST, 391), (REPORT_STORED, 392)]
)
def test_a_spool_at_its_limit_is_well_when_every_event_is_there_or_counted(
    stats: dict[str, Any], of_all: int
) -> None:
    """A report of the loss, which a slow machine has time for, is an event as well."""
    finding = finding_of(stats, of_all=of_all)
    assert finding.level is Level.OK
    assert finding.text == (
        "a spool at its limit: 390 of 1,000 events delivered,"
        " 610 dropped and counted, 0 unexplained"
    )


@pytest.mark.parametrize(
    ("stats", "here", "of_all"),
    [
        pytest.param(counts(), 389, 390, id="one vanished on the way"),
        pytest.param(REPORT_LOST, 389, 390, id="one vanished beside a report"),
        pytest.param(counts(), 390, 390, id="one of chaukas vanished"),
        pytest.param(
            counts(emitted=1001, counted=999, dropped={"spool_full": 610}),
            390,
            391,
            id="one was never counted, and a report was",
        ),
        pytest.param(counts(emitted=1002), 390, 391, id="the counts do not add up"),
        pytest.param(
            counts(dropped={"spool_full": 609}, emitted=1000, counted=999),
            390,
            391,
            id="one was never counted",
        ),
        pytest.param(counts(), 391, 392, id="one more arrived than was left"),
    ],
)
def test_a_spool_at_its_limit_fails_when_an_event_is_neither_there_nor_counted(
    stats: dict[str, Any], here: int, of_all: int
) -> None:
    assert finding_of(stats, here, of_all).level is Level.FAIL


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (LateError("events still waited"), Level.WARN),
        (ScenarioError("a program ended with 1"), Level.FAIL),
        (OSError("no room"), Level.FAIL),
    ],
)
def test_only_a_machine_that_is_too_slow_is_no_failure(
    tmp_path: Path, error: Exception, level: Level
) -> None:
    def _some_check(scenario: Scenario) -> Finding:
        raise error

    finding = faults._result_of(_some_check, tmp_path)
    assert finding.level is level
    assert finding.text.startswith("some check could not be checked")
    assert str(error) in finding.text
    assert finding.remedy
