"""
A model that answers from a script, for any release of openai-agents.

`agents.testing` has one since 0.21; this one is built on the public `Model` alone, as
the model of an application would be.
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from agents import Model, ModelResponse, Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseUsage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("Scripted", "calls", "say")

_USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}


class Scripted(Model):
    """
    Give one answer for each call.

    Args:
        *steps: Output items; an exception, to be raised; or a function that gives
            one of these, and may have to be awaited.
    """

    def __init__(self, *steps: Any) -> None:
        self._steps = list(steps)

    async def _next(self) -> Any:
        step = self._steps.pop(0)
        if callable(step):
            step = step()
        if inspect.isawaitable(step):
            step = await step
        if isinstance(step, Exception):
            raise step
        return step

    async def get_response(self, *_args: Any, **_kwargs: Any) -> ModelResponse:
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        output = await self._next()
        return ModelResponse(output=output, usage=usage, response_id=None)

    async def stream_response(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[Any]:
        response = Response(
            id="resp_1",
            created_at=0,
            model="scripted",
            object="response",
            output=await self._next(),
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
            usage=ResponseUsage.model_validate(_USAGE),
        )
        yield ResponseCompletedEvent(
            type="response.completed", sequence_number=0, response=response
        )


def say(text: str) -> list[Any]:
    """Return an answer."""
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return [
        ResponseOutputMessage(
            id="msg_1",
            type="message",
            role="assistant",
            status="completed",
            content=[part],
        )
    ]


def calls(*wanted: tuple[str, Any], first: int = 1) -> list[Any]:
    """Return function calls, `call_1`, `call_2` and so on."""
    return [
        ResponseFunctionToolCall(
            type="function_call",
            call_id=f"call_{number}",
            name=name,
            arguments=json.dumps(arguments),
        )
        for number, (name, arguments) in enumerate(wanted, first)
    ]
