"""
The benchmarks: their arithmetic, and that every scenario runs to its end.

Not their figures: a test that asserts a time fails on the day the machine is busy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from agents import set_trace_processors

import calls
import cost
import delivery
import imports
import memory
import peers
import subject
import throughput
from cost import Sample, cost_of
from scenarios import SCENARIOS, Scenario

# They run agents by the hundred, and change only when a benchmark does.
pytestmark = pytest.mark.slow


def test_a_peer_s_cost_is_what_it_adds_to_the_bare_run_of_the_same_round() -> None:
    def answers(*cpu_us: float) -> list[dict[str, float]]:
        return [{"cpu_us": each, "wall_us": each} for each in cpu_us]

    found = {
        "single": {
            "bare": answers(100, 300, 200),
            "chaukas": answers(150, 350, 260),
            peers.BASE: answers(200, 400, 300),
        }
    }
    assert peers.table(found) == [
        ["", "single"],
        ["chaukas", "0.50 (50)"],
        [peers.BASE, "1.00 (100)"],
    ]


class Notebook:
    """Public functions that keep events in a list and write them at `flush`."""

    def __init__(self, *, loses: int = 0) -> None:
        self.file: Path | None = None
        self.lines: list[str] = []
        self.loses = loses

    def enable_chaukas(self, *, output_file: str) -> None:
        self.file = Path(output_file)
        self.lines = ['{"type":"EVENT_TYPE_SYSTEM"}']

    def disable_chaukas(self) -> None:
        self.file = None

    def flush(self, timeout: float) -> None:
        assert timeout > 0
        assert self.file is not None
        kept = self.lines[: len(self.lines) - self.loses]
        self.file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def event(self, name: str, data: dict[str, Any]) -> None:
        event = {"type": "EVENT_TYPE_SYSTEM", "metadata": {"name": name, "data": data}}
        self.lines.append(json.dumps(event, separators=(",", ":")))


@pytest.fixture(autouse=True)
def _no_trace_export() -> None:
    set_trace_processors([])


def test_the_cost_is_the_median_difference_within_pairs() -> None:
    bare = [Sample(100, 90, 0), Sample(500, 490, 0), Sample(100, 90, 0)]
    recorded = [Sample(150, 130, 10), Sample(560, 530, 10), Sample(140, 130, 10)]
    found = cost_of("x", bare, recorded)
    assert (found.bare_us, found.added_us, found.added_host_us) == (100, 50, 40)
    assert found.spread_us == 10
    assert (found.events_per_run, found.us_per_event) == (10, 5)
    assert found.ratio == 1.5


def test_a_bare_measurement_has_no_added_cost() -> None:
    found = cost_of("x", [Sample(100, 90, 0)], [])
    assert (found.bare_us, found.added_us, found.ratio) == (100, None, None)


def test_growth_leaves_the_warm_up_out() -> None:
    assert memory.growth_of([0, 9000, 9100, 9200, 9300], 400) == 1.0


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_scenario_can_be_measured_without_chaukas(scenario: Scenario) -> None:
    small = Scenario(scenario.name, "", scenario.prepare, scenario.runs, batch=1)
    found = cost.measure(small, None, rounds=1)
    assert found.bare_us > 0
    assert found.added_us is None


def test_measuring_counts_the_events_of_runs_only() -> None:
    class TwoEvents(Notebook):
        def disable_chaukas(self) -> None:
            assert self.file is not None
            with self.file.open("a", encoding="utf-8") as file:
                file.write('{"type":"EVENT_TYPE_AGENT_START"}\n' * 2)
            super().disable_chaukas()

    single = Scenario("single", "", SCENARIOS[0].prepare, batch=2)
    found = cost.measure(single, TwoEvents(), rounds=3)
    assert found.rounds == 3
    assert found.events_per_run == 1


def test_the_scripts_print_a_line_per_scenario(
    capsys: pytest.CaptureFixture[str],
) -> None:
    how = ["--without", "--rounds=1", "--scenario=single", "--scenario=tools"]
    assert cost.main([*how, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["scenario"] for line in lines] == ["single", "tools"]


def test_calls_are_counted_for_each_event_and_for_a_run_that_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert calls.main(["--scenario=single", "--top=1"]) == 0
    _, line, top = capsys.readouterr().out.splitlines()
    name, events, python, c_calls, left_out = line.split()
    assert (name, events) == ("single", "6")
    assert 0 < float(python) < float(left_out)
    assert float(c_calls) > 0
    assert ".py:" in top


def test_memory_is_sampled_in_a_process_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert memory.main(["--without", "--runs=10", "--scenario=single"]) == 0
    resident, traced = capsys.readouterr().out.splitlines()
    assert resident.startswith("without chaukas, resident MiB: ")
    assert traced.startswith("without chaukas, tracemalloc MiB: ")


def test_an_import_is_timed_with_the_modules_it_loads() -> None:
    found = imports.imported("json.tool", after="json")
    assert found.took_ms > 0
    assert "json.tool" in found.modules
    assert "json" not in found.modules


def test_a_burst_counts_what_reached_the_file(tmp_path: Path) -> None:
    found = throughput.burst(
        Notebook(), tmp_path / "events.jsonl", count=5, payload_bytes=100
    )
    assert (found.sent, found.written) == (5, 5)
    assert found.file_bytes > 500


def test_a_burst_that_loses_events_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(throughput, "public_functions", lambda: Notebook(loses=2))
    assert throughput.main(["--events=5", "--rounds=1"]) == 1
    assert "2 missing" in capsys.readouterr().out


def test_an_absent_chaukas_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "chaukas.sdk", None)
    with pytest.raises(SystemExit, match="pass --without"):
        subject.public_functions()


def test_a_share_is_a_value_that_was_measured() -> None:
    assert delivery.share([3.0, 1.0, 2.0], 0.5) == 2.0
    assert delivery.share([1.0], 0.999) == 1.0


def test_delivery_is_counted_where_it_arrives(tmp_path: Path) -> None:
    found = delivery.held("ndjson", tmp_path, 200, 0.5)
    assert found["arrived"] == found["sent"] >= 250
    assert found["dropped"] == 0
