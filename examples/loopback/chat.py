"""
The Chat Completions API: a turn written as one completion or as its chunks.

Hosted tools and failed responses have no form here; asking for one is a mistake
in the script, and is said so instead of being approximated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .responses import CREATED_AT
from .turn import Json, Turn, arguments_of, cut, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .request import Request

__all__ = ("chunks_of", "completion_of")


def completion_of(turn: Turn, request: Request) -> Json:
    """
    Write a turn as a finished chat completion.

    Raises:
        ValueError: The turn needs the Responses API.
    """
    _refuse_what_has_no_form(turn)
    message: Json = {
        "role": "assistant",
        "content": turn.text or None,
        "refusal": turn.refusal,
        "annotations": [],
    }
    if turn.reasoning is not None:
        message["reasoning_content"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = _calls_of(turn, request.number)
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": _finish_reason_of(turn),
        "logprobs": None,
    }
    return {
        **_frame_of(request, "chat.completion"),
        "choices": [choice],
        "usage": _usage_json_of(turn, request),
    }


def chunks_of(turn: Turn, request: Request) -> Iterator[Json]:
    """
    Write a turn as the chunks of a stream, usage last if it was asked for.

    Raises:
        ValueError: The turn needs the Responses API.
    """
    _refuse_what_has_no_form(turn)
    frame = _frame_of(request, "chat.completion.chunk")
    options = request.body.get("stream_options") or {}
    wants_usage = options.get("include_usage") is True
    if wants_usage:
        frame["usage"] = None
    for delta in _deltas_of(turn, request.number):
        yield {**frame, "choices": [_choice_of(delta, None)]}
    yield {**frame, "choices": [_choice_of({}, _finish_reason_of(turn))]}
    if wants_usage:
        yield {**frame, "choices": [], "usage": _usage_json_of(turn, request)}


def _deltas_of(turn: Turn, number: int) -> Iterator[Json]:
    yield {"role": "assistant", "content": "" if turn.text else None}
    if turn.reasoning is not None:
        yield {"reasoning_content": turn.reasoning}
    for piece in turn.pieces:
        yield {"content": piece}
    if turn.refusal is not None:
        yield {"refusal": turn.refusal}
    for index, call in enumerate(_calls_of(turn, number)):
        arguments = call["function"]["arguments"]
        head = {**call["function"], "arguments": ""}
        yield {"tool_calls": [{"index": index, **call, "function": head}]}
        for piece in cut(arguments, 2):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _choice_of(delta: Json, finish_reason: str | None) -> Json:
    return {
        "index": 0,
        "delta": delta,
        "finish_reason": finish_reason,
        "logprobs": None,
    }


def _frame_of(request: Request, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{request.number}",
        "object": kind,
        "created": CREATED_AT,
        "model": request.model,
        "system_fingerprint": None,
    }


def _calls_of(turn: Turn, number: int) -> list[Json]:
    return [
        {
            "id": call.call_id or f"call_{number}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": arguments_of(call)},
        }
        for index, call in enumerate(turn.calls)
    ]


def _finish_reason_of(turn: Turn) -> str:
    if turn.cut_off is not None:
        return "length" if turn.cut_off == "max_output_tokens" else turn.cut_off
    return "tool_calls" if turn.calls else "stop"


def _usage_json_of(turn: Turn, request: Request) -> Json:
    usage = usage_of(turn, request)
    return {
        "prompt_tokens": usage.input_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens": usage.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _refuse_what_has_no_form(turn: Turn) -> None:
    if turn.hosted or turn.failure is not None:
        kind = "Hosted" if turn.hosted else "Failed"
        msg = (
            f"loopback: {kind} was scripted for a Chat Completions request: only "
            "the Responses API has such answers. Use Text or Fail here."
        )
        raise ValueError(msg)
