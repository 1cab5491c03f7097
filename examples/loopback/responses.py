"""
The Responses API: a turn written as one response object or as its event stream.

The events are derived from the finished output items, so the streamed and the
unstreamed form of an answer cannot drift apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .turn import Json, Turn, arguments_of, cut, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .replies import Call
    from .request import Request

__all__ = ("CREATED_AT", "events_of", "response_of")

CREATED_AT = 1767268800
"""The time of every answer: 2026-01-01T12:00:00Z, in seconds."""

_HOSTED_STEPS = {
    "file_search_call": ("in_progress", "searching", "completed"),
    "web_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
}


def response_of(turn: Turn, request: Request) -> Json:
    """Write a turn as a finished response object."""
    usage = usage_of(turn, request)
    return {
        **_frame_of(request),
        "status": _status_of(turn),
        "output": _items_of(turn, request.number),
        "error": turn.failure
        and {"code": turn.failure.code, "message": turn.failure.message},
        "incomplete_details": turn.cut_off and {"reason": turn.cut_off},
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }


def events_of(turn: Turn, request: Request) -> Iterator[Json]:
    """Write a turn as the events of a stream, in order and numbered from 0."""
    for sequence, event in enumerate(_unnumbered_events_of(turn, request)):
        yield {**event, "sequence_number": sequence}


def _unnumbered_events_of(turn: Turn, request: Request) -> Iterator[Json]:
    done = response_of(turn, request)
    started = {**done, "status": "in_progress", "output": [], "usage": None}
    started |= {"error": None, "incomplete_details": None}
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, item in enumerate(done["output"]):
        place = {"item_id": item["id"], "output_index": index}
        yield {
            "type": "response.output_item.added",
            "output_index": index,
            "item": _begun(item),
        }
        for event in _inner_events_of(item, turn):
            yield {**event, **place}
        yield {
            "type": "response.output_item.done",
            "output_index": index,
            "item": item,
        }
    yield {"type": f"response.{done['status']}", "response": done}


def _status_of(turn: Turn) -> str:
    if turn.failure is not None:
        return "failed"
    return "completed" if turn.cut_off is None else "incomplete"


def _frame_of(request: Request) -> Json:
    body = request.body
    return {
        "id": f"resp_{request.number}",
        "object": "response",
        "created_at": CREATED_AT,
        "model": request.model,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "temperature": body.get("temperature", 1.0),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
    }


def _items_of(turn: Turn, number: int) -> list[Json]:
    items: list[Json] = []
    if turn.reasoning is not None:
        summary = [{"type": "summary_text", "text": turn.reasoning}]
        items.append({"id": f"rs_{number}", "type": "reasoning", "summary": summary})
    items.extend(
        {"id": f"hosted_{number}_{index}", **item}
        for index, item in enumerate(turn.hosted)
    )
    if turn.text or turn.refusal is not None:
        items.append(_message_of(turn, number))
    items.extend(
        _function_call_of(call, number, index) for index, call in enumerate(turn.calls)
    )
    return items


def _message_of(turn: Turn, number: int) -> Json:
    part: Json = {
        "type": "output_text",
        "text": turn.text,
        "annotations": list(turn.annotations),
        "logprobs": [],
    }
    if turn.refusal is not None:
        part = {"type": "refusal", "refusal": turn.refusal}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "status": "completed" if turn.cut_off is None else "incomplete",
        "content": [part],
    }


def _function_call_of(call: Call, number: int, index: int) -> Json:
    return {
        "id": f"fc_{number}_{index}",
        "type": "function_call",
        "call_id": call.call_id or f"call_{number}_{index}",
        "name": call.name,
        "arguments": arguments_of(call),
        "status": "completed",
    }


def _begun(item: Json) -> Json:
    """Show an item as it is announced, before any of its content."""
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case "reasoning":
            return {**item, "summary": []}
        case _:
            return {**item, "status": "in_progress"} if "status" in item else item


def _inner_events_of(item: Json, turn: Turn) -> Iterator[Json]:
    match item["type"]:
        case "message":
            return _message_events_of(item["content"][0], turn)
        case "function_call":
            return _arguments_events_of(item, "function_call_arguments")
        case "reasoning":
            return _summary_events_of(item["summary"][0])
        case _:
            return _hosted_events_of(item)


def _message_events_of(part: Json, turn: Turn) -> Iterator[Json]:
    key, name, pieces = "text", "output_text", turn.pieces
    if part["type"] == "refusal":
        key, name, pieces = "refusal", "refusal", (part["refusal"],)
    place: Json = {"content_index": 0}
    logprobs: Json = {"logprobs": []} if key == "text" else {}
    yield {"type": "response.content_part.added", "part": {**part, key: ""}, **place}
    for piece in pieces:
        yield {"type": f"response.{name}.delta", "delta": piece, **logprobs, **place}
    yield {"type": f"response.{name}.done", key: part[key], **logprobs, **place}
    yield {"type": "response.content_part.done", "part": part, **place}


def _arguments_events_of(item: Json, name: str) -> Iterator[Json]:
    arguments = item["arguments"]
    for piece in cut(arguments, 2):
        yield {"type": f"response.{name}.delta", "delta": piece}
    yield {
        "type": f"response.{name}.done",
        "arguments": arguments,
        "name": item["name"],
    }


def _summary_events_of(part: Json) -> Iterator[Json]:
    name, place = "response.reasoning_summary", {"summary_index": 0}
    yield {"type": f"{name}_part.added", "part": {**part, "text": ""}, **place}
    yield {"type": f"{name}_text.delta", "delta": part["text"], **place}
    yield {"type": f"{name}_text.done", "text": part["text"], **place}
    yield {"type": f"{name}_part.done", "part": part, **place}


def _hosted_events_of(item: Json) -> Iterator[Json]:
    kind = item["type"]
    steps = _HOSTED_STEPS.get(kind, ())
    for step in steps[:-1]:
        yield {"type": f"response.{kind}.{step}"}
    if kind == "mcp_call":
        yield from _arguments_events_of(item, "mcp_call_arguments")
    if steps:
        ending = "failed" if item.get("error") else steps[-1]
        yield {"type": f"response.{kind}.{ending}"}
