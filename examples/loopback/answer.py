"""
What goes back over the wire for a reply: status, headers and bytes.

Deciding this without a socket at hand is what lets the server's threads do
nothing but read and write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from . import chat, embeddings, gemini, responses
from .replies import Drop, Fail, Raw, Reply, Slow, StreamBreak, Text, Vectors
from .request import RESPONSES_PATH, Request, is_gemini
from .turn import Json, Turn, turn_of, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("Answer", "Nothing", "Stream", "Whole", "answer_to", "mistake")


@dataclass(frozen=True, slots=True)
class Whole:
    """
    An answer in one piece.

    Args:
        status: The HTTP status.
        body: JSON.
        headers: Further response headers.
        torn: Only half of the body arrives and the connection closes.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """
    Server-sent events, one frame after the other.

    Args:
        frames: Each one event, ready to be written.
        pause_s: Seconds between two frames.
        torn: The connection closes after the last frame, without an end mark.
    """

    frames: tuple[bytes, ...]
    pause_s: float = 0.0
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """The connection closes without an answer."""


Answer: TypeAlias = Whole | Stream | Nothing
"""Everything the server can do with a request."""


def answer_to(request: Request, reply: Reply) -> Answer:
    """
    Turn a scripted reply into what the client receives.

    Raises:
        TypeError: The reply is of no known kind.
        ValueError: The API of the request has no form for this reply.
    """
    answer: Answer
    match reply:
        case Slow():
            answer = answer_to(request, reply.then)
        case Drop():
            answer = Nothing()
        case Fail():
            answer = _failure(request, reply)
        case StreamBreak():
            answer = _torn(request, reply)
        case Raw():
            answer = _as_it_stands(request, reply)
        case Vectors():
            answer = Whole(200, _encoded(embeddings.vectors_of(reply, request)))
        case _:
            pause_s = reply.pause_s if isinstance(reply, Text) else 0.0
            answer = _spoken(request, turn_of(reply), pause_s)
    return answer


def mistake(message: str) -> Whole:
    """Say that the script or the request is wrong, in a way no client retries."""
    error = {"message": message, "type": "loopback_error", "code": "loopback"}
    return Whole(500, _encoded({"error": error}), {"x-should-retry": "false"})


def _as_it_stands(request: Request, reply: Raw) -> Answer:
    if request.streamed:
        return Stream((_frame(dict(reply.body)),))
    return Whole(200, _encoded(dict(reply.body)))


def _failure(request: Request, reply: Fail) -> Whole:
    error = {
        "message": reply.message or f"Scripted failure with HTTP {reply.status}.",
        "type": _error_type_of(reply.status),
        "param": None,
        "code": reply.code,
    }
    headers = dict(reply.headers)
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    body = gemini.failure_of(reply) if is_gemini(request.path) else {"error": error}
    return Whole(reply.status, _encoded(body), headers)


def _error_type_of(status: int) -> str:
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "invalid_request_error"
    return "server_error"


def _spoken(request: Request, turn: Turn, pause_s: float) -> Answer:
    if not request.streamed:
        return _whole(request, turn)
    frames = tuple(_frame(event) for event in _events_of(turn, request))
    if request.path != RESPONSES_PATH and not is_gemini(request.path):
        frames = (*frames, b"data: [DONE]\n\n")
    return Stream(frames, pause_s)


def _torn(request: Request, reply: StreamBreak) -> Answer:
    count = reply.after_deltas
    pieces = words(reply.text or "word " * (count + 1))
    if not 0 <= count < len(pieces):
        msg = (
            f"loopback: StreamBreak with after_deltas={count!r}: its text has "
            f"{len(pieces)} deltas, so that is not midway. Lengthen the text."
        )
        raise ValueError(msg)
    turn = Turn(pieces=pieces)
    if not request.streamed:
        return replace(_whole(request, turn), torn=True)
    frames: list[bytes] = []
    for event in _events_of(turn, request):
        count -= _is_text_delta(event)
        if count < 0:
            break
        frames.append(_frame(event))
    return Stream(tuple(frames), torn=True)


def _whole(request: Request, turn: Turn) -> Whole:
    if request.path == RESPONSES_PATH:
        return Whole(200, _encoded(responses.response_of(turn, request)))
    if is_gemini(request.path):
        return Whole(200, _encoded(gemini.response_of(turn, request)))
    return Whole(200, _encoded(chat.completion_of(turn, request)))


def _events_of(turn: Turn, request: Request) -> Iterator[Json]:
    if request.path == RESPONSES_PATH:
        return responses.events_of(turn, request)
    if is_gemini(request.path):
        return gemini.chunks_of(turn, request)
    return chat.chunks_of(turn, request)


def _is_text_delta(event: Json) -> bool:
    if "candidates" in event:
        return "finishReason" not in event["candidates"][0]
    if "choices" in event:
        return any(choice["delta"].get("content") for choice in event["choices"])
    return bool(event["type"] == "response.output_text.delta")


def _frame(event: Json) -> bytes:
    """Write one server-sent event; only the Responses API names its events."""
    name = b"event: %b\n" % event["type"].encode() if "type" in event else b""
    end = b"\r\n" if "candidates" in event else b"\n"
    return b"%bdata: %b%b%b" % (name, _encoded(event), end, end)


def _encoded(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
