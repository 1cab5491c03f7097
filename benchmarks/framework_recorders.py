"""
The recorders that are compared for a framework beside the OpenAI Agents SDK.

Each returns what waits until all is written, and what counts how much that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ("recorder",)

_INFERENCE = "OpenInference"
_FLUSH_S = 30.0


def recorder(
    name: str, file: Path, instrumentor: Callable[[], Any]
) -> tuple[Callable[[], object], Callable[[], int]]:
    """
    Switch a recorder on.

    Args:
        name: As in the table; any other than chaukas and OpenInference is none.
        file: Where it writes.
        instrumentor: Makes OpenInference's instrumentor of the framework.
    """
    if name == _INFERENCE:
        return _inference(file, instrumentor())
    if name.startswith("chaukas"):
        return _chaukas(file, 0.0 if name.endswith("out") else 1.0)
    return lambda: None, lambda: 0


def _chaukas(
    file: Path, sample_rate: float
) -> tuple[Callable[[], object], Callable[[], int]]:
    import chaukas.sdk

    chaukas.sdk.enable_chaukas(output_file=str(file), sample_rate=sample_rate)

    def count() -> int:
        with file.open("rb") as lines:
            return sum(b"EVENT_TYPE_SYSTEM" not in line for line in lines)

    return lambda: chaukas.sdk.flush(_FLUSH_S), count


def _inference(
    file: Path, instrumentor: Any
) -> tuple[Callable[[], object], Callable[[], int]]:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    output, spans_seen = file.open("ab"), [0]

    class Exporter(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            spans_seen[0] += len(spans)
            output.write(encode_spans(spans).SerializeToString())
            output.flush()
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Exporter(), max_queue_size=65_536))
    instrumentor.instrument(tracer_provider=provider)
    return lambda: provider.force_flush(int(_FLUSH_S * 1000)), lambda: spans_seen[0]
