"""
One recorder, or none, in a process of its own, which `peers.py` starts and asks.

It reads lines `SCENARIO` from its standard input, makes one batch of runs, waits until
all that was recorded has been written, and answers with one JSON line: CPU time and
wall time per run in microseconds, and how much was recorded.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from scenarios import SCENARIOS, Scenario, export_no_traces

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("RECORDERS", "Recording", "main")

_NS_PER_US = 1000
_FLUSH_S = 30.0


class Recording(Protocol):
    """What is measured."""

    def flush(self) -> None:
        """Wait until all that was recorded is written."""


class Nothing:
    """No recorder: the bare run."""

    def __init__(self, _file: Path) -> None:
        export_no_traces()

    def flush(self) -> None:
        """Return at once."""


class Chaukas:
    """`enable_chaukas()` into a file, as users have it."""

    sample_rate = 1.0

    def __init__(self, file: Path) -> None:
        export_no_traces()
        import chaukas.sdk

        self._chaukas = chaukas.sdk
        chaukas.sdk.enable_chaukas(output_file=str(file), sample_rate=self.sample_rate)

    def flush(self) -> None:
        """Wait for the writer."""
        self._chaukas.flush(_FLUSH_S)


class ChaukasSampledOut(Chaukas):
    """The same, with every run left out by the sample rate."""

    sample_rate = 0.0


class OpenTelemetry:
    """The official instrumentation, its batch processor, and OTLP bytes to a file."""

    def __init__(self, file: Path) -> None:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import (
            BatchSpanProcessor,
            SpanExporter,
            SpanExportResult,
        )

        export_no_traces()
        output = file.open("ab")

        class Exporter(SpanExporter):
            def export(self, spans: Sequence[Any]) -> SpanExportResult:
                output.write(encode_spans(spans).SerializeToString())
                output.flush()
                return SpanExportResult.SUCCESS

        self._provider = TracerProvider()
        self._provider.add_span_processor(
            BatchSpanProcessor(Exporter(), max_queue_size=65_536)
        )
        self._instrument()

    def _instrument(self) -> None:
        from opentelemetry.instrumentation.openai_agents import (
            OpenAIAgentsInstrumentor,
        )

        OpenAIAgentsInstrumentor().instrument(tracer_provider=self._provider)

    def flush(self) -> None:
        """Wait for the batch processor."""
        self._provider.force_flush(int(_FLUSH_S * 1000))


class OpenInference(OpenTelemetry):
    """Phoenix's instrumentation, with the same processor and exporter."""

    def _instrument(self) -> None:
        from openinference.instrumentation.openai_agents import (
            OpenAIAgentsInstrumentor,
        )

        OpenAIAgentsInstrumentor().instrument(tracer_provider=self._provider)


class Reference:
    """
    The least that a recorder can do: note on the host, encode and write in batches.

    It notes each START and END of the SDK's own spans with a reference to their data,
    and the writer makes JSON of them, with a digest of each line and nothing else.
    """

    def __init__(self, file: Path) -> None:
        from reference import Notes

        self._notes = Notes(file)

    def flush(self) -> None:
        """Wait for the writer."""
        self._notes.flush()


RECORDERS: dict[str, type[Recording]] = {
    "bare": Nothing,
    "bare again": Nothing,
    "chaukas": Chaukas,
    "chaukas, sampled out": ChaukasSampledOut,
    "OpenTelemetry GenAI": OpenTelemetry,
    "OpenInference": OpenInference,
    "Traceloop": OpenTelemetry,
    "reference": Reference,
}
"""By their name in the table."""


def _batch(scenario: Scenario, recording: Recording) -> dict[str, float]:
    runs = [scenario.prepare() for _ in range(scenario.batch)]

    async def timed() -> tuple[int, int]:
        gc.collect()
        cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
        for run in runs:
            await run()
        wall_ns = time.perf_counter_ns() - wall_ns
        recording.flush()
        return time.process_time_ns() - cpu_ns, wall_ns

    cpu_ns, wall_ns = asyncio.run(timed())
    per_us = _NS_PER_US * scenario.batch * scenario.runs
    return {"cpu_us": cpu_ns / per_us, "wall_us": wall_ns / per_us}


def main(arguments: Sequence[str]) -> int:
    """Answer until the input ends."""
    name, file = arguments
    recording = RECORDERS[name](Path(file))
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}
    for line in sys.stdin:
        size = Path(file).stat().st_size if Path(file).exists() else 0
        answer = _batch(scenarios[line.strip()], recording)
        now = Path(file).stat().st_size if Path(file).exists() else 0
        print(json.dumps({**answer, "bytes": now - size}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
