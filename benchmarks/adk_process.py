"""
One recorder of Google ADK, or none, in a process of its own, which `peers.py` asks.

As `peer_process.py`: it reads names of scenarios from its standard input and answers
each with one JSON line. A run has two model calls and three tools at once; the model
answers from memory, whole or in 40 pieces.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["GOOGLE_API_KEY"] = "not-used"

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

__all__ = ("main",)

_NS_PER_US = 1000
_FLUSH_S = 30.0
_BATCH = 20
_INFERENCE = "OpenInference"
_CONFIGS = {
    "tools": RunConfig(),
    "streamed": RunConfig(streaming_mode=StreamingMode.SSE),
}
_USAGE = types.GenerateContentResponseUsageMetadata(
    prompt_token_count=120, candidates_token_count=30, total_token_count=150
)
_WORDS = "The sum of the numbers that you gave me is twenty-one. " * 4


class Scripted(BaseLlm):
    """Asks for three tools, then answers."""

    model: str = "gemini-2.5-flash"

    async def generate_content_async(
        self, llm_request: Any, *given: Any, **options: Any
    ) -> AsyncIterator[LlmResponse]:
        """Answer by how far the conversation is."""
        (stream,) = given or (options.get("stream"),)
        if len(llm_request.contents) == 1:
            calls = [{"a": number, "b": number + 1} for number in (1, 3, 5)]
            yield _response(
                [
                    types.Part(function_call=types.FunctionCall(name="add", args=call))
                    for call in calls
                ]
            )
            return
        if stream:
            for word in _WORDS.split():
                part = types.Part(text=f"{word} ")
                content = types.Content(role="model", parts=[part])
                yield LlmResponse(content=content, partial=True)
        yield _response([types.Part(text=_WORDS)])


def _response(parts: list[Any]) -> LlmResponse:
    return LlmResponse(
        content=types.Content(role="model", parts=parts),
        usage_metadata=_USAGE,
        finish_reason=types.FinishReason.STOP,
    )


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _run(config: RunConfig) -> None:
    agent = LlmAgent(
        name="adder", model=Scripted(), instruction="Add the numbers.", tools=[add]
    )
    runner = InMemoryRunner(agent, app_name="benchmark")
    session = await runner.session_service.create_session(
        app_name="benchmark", user_id="u"
    )
    part = types.Part(text="Add 1 to 6, please.")
    message = types.Content(role="user", parts=[part])
    async for _ in runner.run_async(
        user_id="u", session_id=session.id, new_message=message, run_config=config
    ):
        pass


def _chaukas(file: Path, sample_rate: float) -> tuple[Callable[[], object], Any]:
    import chaukas.sdk

    chaukas.sdk.enable_chaukas(output_file=str(file), sample_rate=sample_rate)

    def count() -> int:
        with file.open("rb") as lines:
            return sum(b"EVENT_TYPE_SYSTEM" not in line for line in lines)

    return lambda: chaukas.sdk.flush(_FLUSH_S), count


def _inference(file: Path) -> tuple[Callable[[], object], Any]:
    from openinference.instrumentation.google_adk import GoogleADKInstrumentor
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
    GoogleADKInstrumentor().instrument(tracer_provider=provider)
    return lambda: provider.force_flush(int(_FLUSH_S * 1000)), lambda: spans_seen[0]


def _recorder(name: str, file: Path) -> tuple[Callable[[], object], Any]:
    """Return what waits until all is written, and what counts how much that is."""
    if name == _INFERENCE:
        return _inference(file)
    if name.startswith("chaukas"):
        return _chaukas(file, 0.0 if name.endswith("out") else 1.0)
    return lambda: None, lambda: 0


async def _batch(config: RunConfig, flush: Callable[[], object]) -> tuple[int, int]:
    gc.collect()
    cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(_BATCH):
        await _run(config)
    wall_ns = time.perf_counter_ns() - wall_ns
    flush()
    return time.process_time_ns() - cpu_ns, wall_ns


def main(arguments: Sequence[str]) -> int:
    """Answer until the input ends."""
    name, path = arguments
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    flush, count = _recorder(name, Path(path))
    for line in sys.stdin:
        before = count()
        cpu_ns, wall_ns = asyncio.run(_batch(_CONFIGS[line.strip()], flush))
        answer = {
            "cpu_us": cpu_ns / _NS_PER_US / _BATCH,
            "wall_us": wall_ns / _NS_PER_US / _BATCH,
            "events": (count() - before) / _BATCH,
        }
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
