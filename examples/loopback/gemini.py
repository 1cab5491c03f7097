"""
The Gemini API: a turn written as one response or as its chunks.

Refusals and hosted tools have no form of their own here: a script gives the answer
itself, as `Raw`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .turn import Json, Turn, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .replies import Fail
    from .request import Request

__all__ = ("chunks_of", "failure_of", "response_of")

_STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASONS = {"max_output_tokens": "MAX_TOKENS", "content_filter": "SAFETY"}


def response_of(turn: Turn, request: Request) -> Json:
    """
    Write a turn as one response.

    Raises:
        ValueError: The turn has no form in this API.
    """
    return _answer([*_thoughts(turn), *_texts(turn), *_calls(turn)], turn, request)


def chunks_of(turn: Turn, request: Request) -> Iterator[Json]:
    """Write a turn as the chunks of a stream; the last has the reason of its end."""
    parts = [*_thoughts(turn), *({"text": piece} for piece in turn.pieces)]
    for part in parts:
        whole = _answer([part], turn, request)
        del whole["candidates"][0]["finishReason"]
        yield whole
    yield _answer(_calls(turn) or [{"text": ""}], turn, request)


def failure_of(reply: Fail) -> Json:
    """Write an HTTP error as this API does."""
    message = reply.message or f"Scripted failure with HTTP {reply.status}."
    status = reply.code or _STATUSES.get(reply.status, "UNKNOWN")
    return {"error": {"code": reply.status, "message": message, "status": status}}


def _thoughts(turn: Turn) -> list[Json]:
    return [] if turn.reasoning is None else [{"text": turn.reasoning, "thought": True}]


def _texts(turn: Turn) -> list[Json]:
    return [{"text": turn.text}] if turn.text else []


def _calls(turn: Turn) -> list[Json]:
    return [
        {"functionCall": {"name": call.name, "args": _arguments(call.arguments)}}
        for call in turn.calls
    ]


def _arguments(given: object) -> object:
    return json.loads(given) if isinstance(given, str) else given


def _answer(parts: list[Json], turn: Turn, request: Request) -> Json:
    if turn.hosted or turn.refusal is not None or turn.failure is not None:
        msg = (
            "loopback: this reply has no form in the Gemini API. "
            "Use Text, ToolCalls, Fail or Raw here."
        )
        raise ValueError(msg)
    usage = usage_of(turn, request)
    candidate = {
        "content": {"role": "model", "parts": parts},
        "finishReason": _REASONS.get(turn.cut_off or "", "STOP"),
        "index": 0,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": usage.input_tokens,
            "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
            "totalTokenCount": usage.input_tokens + usage.output_tokens,
            "cachedContentTokenCount": usage.cached_tokens,
            "thoughtsTokenCount": usage.reasoning_tokens,
        },
        "modelVersion": f"{request.model}-001",
        "responseId": f"r-{request.number}",
    }
