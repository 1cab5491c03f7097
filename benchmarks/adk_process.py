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

from framework_recorders import recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

__all__ = ("main",)

_NS_PER_US = 1000
_BATCH = 20
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


def _instrumentor() -> Any:
    from openinference.instrumentation.google_adk import GoogleADKInstrumentor

    return GoogleADKInstrumentor()


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
    flush, count = recorder(name, Path(path), _instrumentor)
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
