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
    python benchmarks/peers.py --framework crewai
    python benchmarks/peers.py --framework google-adk
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

__all__ = ("BASE", "FRAMEWORKS", "PEERS", "Framework", "Peer", "main", "table")

HERE = Path(__file__).resolve().parent
_CACHE = Path(tempfile.gettempdir()) / "chaukas-peers"
_OTLP = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-common")
BASE = "OpenTelemetry GenAI"
"""What the others are compared with."""
_INFERENCE = "OpenInference"
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
        _INFERENCE,
        ("openinference-instrumentation-openai-agents==2.6.0", *_OTLP),
    ),
    Peer(
        "Traceloop",
        ("opentelemetry-instrumentation-openai-agents==0.62.4", *_OTLP),
    ),
    Peer("reference", ("orjson",)),
)


_CREWAI = (
    "-e",
    str(HERE.parent),
    "openinference-instrumentation-crewai==1.1.21",
    *_OTLP,
)
# One environment, as each takes a gigabyte; what is not loaded costs nothing.
_CREWAI_PEERS = tuple(
    Peer(name, _CREWAI)
    for name in ("bare", "bare again", "chaukas", "chaukas, sampled out", _INFERENCE)
)


_ADK = (
    "-e",
    str(HERE.parent),
    "openinference-instrumentation-google-adk==1.0.5",
    *_OTLP,
)
_ADK_PEERS = tuple(
    Peer(name, _ADK)
    for name in ("bare", "bare again", "chaukas", "chaukas, sampled out", _INFERENCE)
)


@dataclass(frozen=True, slots=True)
class Framework:
    """
    What is recorded, and by whom.

    Args:
        packages: The release that is measured.
        script: What runs batches, in this folder.
        scenarios: Names that it knows.
        peers: Recorders; the first is none at all.
        base: Name of the one that the others are compared with.
    """

    packages: tuple[str, ...]
    script: str
    scenarios: tuple[str, ...]
    peers: tuple[Peer, ...]
    base: str


FRAMEWORKS = {
    "openai-agents": Framework(
        ("openai-agents==0.24.0",),
        "peer_process.py",
        ("single", "tools", "handoff", "streamed", "long", "concurrent"),
        PEERS,
        BASE,
    ),
    "crewai": Framework(
        ("crewai==1.15.30",),
        "crewai_process.py",
        ("crew",),
        _CREWAI_PEERS,
        _INFERENCE,
    ),
    "google-adk": Framework(
        ("google-adk==2.13.0",),
        "adk_process.py",
        ("tools", "streamed"),
        _ADK_PEERS,
        _INFERENCE,
    ),
}
"""By the name on the command line."""


class Process:
    """A process that runs batches with one recorder."""

    def __init__(self, framework: Framework, peer: Peer, folder: Path) -> None:
        self.name = peer.name
        # Our own script, and names of the table above.
        self._process = subprocess.Popen(  # noqa: S603
            [
                str(python_of(framework, peer)),
                str(HERE / framework.script),
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


def python_of(framework: Framework, peer: Peer) -> Path:
    """Return the interpreter of *peer*'s environment, which is made if need be."""
    packages = [*framework.packages, *peer.packages]
    key = "-".join(["env", *packages]).replace("/", "_").replace("==", "_")
    folder = _CACHE / key
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-qq", *packages]
        # Packages of the table above.
        subprocess.run(install, check=True)  # noqa: S603
        (folder / "ready").touch()
    return python


def measured(
    framework: Framework, scenarios: Sequence[str], rounds: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return the answers by scenario and peer, one for each round."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    peers = framework.peers
    for peer in peers:
        python_of(framework, peer)
    with tempfile.TemporaryDirectory() as folder:
        processes = [Process(framework, peer, Path(folder)) for peer in peers]
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
    found: dict[str, dict[str, list[dict[str, float]]]],
    key: str = "cpu_us",
    base: str = BASE,
) -> list[list[str]]:
    """Return the rows of the table: a recorder each, a column for each scenario."""
    first = next(iter(found.values()))
    rows = [["", *found]]
    for name in first:
        if name == "bare":
            continue
        row = [name]
        for answers in found.values():
            own_us, base_us = added(answers, name, key), added(answers, base, key)
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
    parser.add_argument("--framework", choices=FRAMEWORKS, default="openai-agents")
    every = sorted({name for each in FRAMEWORKS.values() for name in each.scenarios})
    parser.add_argument("--scenario", action="append", choices=every)
    parser.add_argument("--json", type=Path, help="write all answers to this file")
    options = parser.parse_args(arguments)
    framework = FRAMEWORKS[options.framework]
    scenarios = options.scenario or framework.scenarios
    found: dict[str, Any] = measured(framework, scenarios, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found))
    base = framework.base
    of = f"as a multiple of {base} (µs per run)"
    _printed(f"added CPU time, {of}", table(found, base=base))
    _printed(f"added wall time of the run, {of}", table(found, "wall_us", base))
    if "events" in found[scenarios[0]][base][0]:
        for scenario, answers in found.items():
            counts = {name: each[0]["events"] for name, each in answers.items()}
            print(f"\nevents or spans of a run, {scenario}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
