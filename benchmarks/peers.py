"""
Measure what recording costs, beside the recorders that people compare us with.

Each recorder has an environment and a process of its own. One batch of runs after the
other is asked of each in turn, in turned order, so that a machine that is busy for a
moment slows all alike; what is reported is the median over the rounds of the CPU time
(all threads, until everything is written) that a recorder adds to the bare run, as a
multiple of what the official OpenTelemetry instrumentation adds. A second bare process
shows the noise.

    python benchmarks/peers.py
    python benchmarks/peers.py --rounds 40 --scenario tools
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("BASE", "PEERS", "Peer", "main", "table")

HERE = Path(__file__).resolve().parent
_CACHE = Path(tempfile.gettempdir()) / "chaukas-peers"
_AGENTS = ("openai-agents==0.24.0",)
_OTLP = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-common")
_SCENARIOS = ("single", "tools", "handoff", "streamed", "long", "concurrent")
BASE = "OpenTelemetry GenAI"
"""What the others are compared with."""
_WARM_UP_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One recorder.

    Args:
        name: As `peer_process.py` knows it.
        packages: What its environment has beside the Agents SDK.
    """

    name: str
    packages: tuple[str, ...] = ()


PEERS = (
    Peer("bare"),
    Peer("bare again"),
    Peer("chaukas", ("-e", str(HERE.parent))),
    Peer("chaukas, sampled out", ("-e", str(HERE.parent))),
    Peer(
        BASE,
        ("opentelemetry-instrumentation-openai-agents-v2==0.1.0", *_OTLP),
    ),
    Peer(
        "OpenInference",
        ("openinference-instrumentation-openai-agents==2.6.0", *_OTLP),
    ),
    Peer(
        "Traceloop",
        ("opentelemetry-instrumentation-openai-agents==0.62.4", *_OTLP),
    ),
    Peer("reference", ("orjson",)),
)


class Process:
    """A process that runs batches with one recorder."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.name = peer.name
        # Our own script, and names of the table above.
        self._process = subprocess.Popen(  # noqa: S603
            [
                str(python_of(peer)),
                str(HERE / "peer_process.py"),
                peer.name,
                str(folder / peer.name.replace(" ", "_")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def batch(self, scenario: str) -> dict[str, float]:
        """
        Run one batch.

        Raises:
            RuntimeError: The process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{scenario}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"benchmarks: {self.name} ended early; see above")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def python_of(peer: Peer) -> Path:
    """Return the interpreter of *peer*'s environment, which is made if need be."""
    key = "-".join(["env", *peer.packages]).replace("/", "_").replace("==", "_")
    folder = _CACHE / key
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-qq", *_AGENTS, *peer.packages]
        # Packages of the table above.
        subprocess.run(install, check=True)  # noqa: S603
        (folder / "ready").touch()
    return python


def measured(
    peers: Sequence[Peer], scenarios: Sequence[str], rounds: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return the answers by scenario and peer, one for each round."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for peer in peers:
        python_of(peer)
    with tempfile.TemporaryDirectory() as folder:
        processes = [Process(peer, Path(folder)) for peer in peers]
        for scenario in scenarios:
            answers = found.setdefault(scenario, {peer.name: [] for peer in peers})
            for number in range(rounds + _WARM_UP_ROUNDS):
                turn = number % len(processes)
                for process in processes[turn:] + processes[:turn]:
                    answer = process.batch(scenario)
                    if number >= _WARM_UP_ROUNDS:
                        answers[process.name].append(answer)
        for process in processes:
            process.close()
    return found


def added(answers: dict[str, list[dict[str, float]]], name: str, key: str) -> float:
    """Return the median of what *name* adds to the bare run of the same round."""
    pairs = zip(answers["bare"], answers[name], strict=True)
    return statistics.median(mine[key] - bare[key] for bare, mine in pairs)


def table(
    found: dict[str, dict[str, list[dict[str, float]]]], key: str = "cpu_us"
) -> list[list[str]]:
    """Return the rows of the table: a recorder each, a column for each scenario."""
    first = next(iter(found.values()))
    rows = [["", *found]]
    for name in first:
        if name == "bare":
            continue
        row = [name]
        for answers in found.values():
            own_us, base_us = added(answers, name, key), added(answers, BASE, key)
            row.append(f"{own_us / base_us:.2f} ({own_us:.0f})")
        rows.append(row)
    return rows


def _printed(title: str, rows: list[list[str]]) -> None:
    print(f"\n{title}")
    for row in rows:
        print(f"{row[0]:<24}" + "".join(f"{cell:>16}" for cell in row[1:]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description="CPU time beside other recorders")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--scenario", action="append", choices=_SCENARIOS)
    parser.add_argument("--json", type=Path, help="write all answers to this file")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = measured(
        PEERS, options.scenario or _SCENARIOS, options.rounds
    )
    if options.json:
        options.json.write_text(json.dumps(found))
    of = f"as a multiple of {BASE} (µs per run)"
    _printed(f"added CPU time, {of}", table(found))
    _printed(f"added wall time of the run, {of}", table(found, "wall_us"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
