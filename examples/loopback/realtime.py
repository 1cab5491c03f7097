"""
A loopback realtime provider: a real WebSocket server that speaks from a script.

It sends the server's events of the OpenAI Realtime API, so that voice agents run
through the real transport, with no key and no network. It needs `websockets`, which
realtime agents need anyway.

    with RealtimeServer([Said("Hello"), Called("weather", {"city": "Rome"})]) as server:
        session = await runner.run(model_config=server.model_config)

Each request for a response takes the next answer of the script. Audio that is
committed counts as speech: it is transcribed from `heard`, and answered as well.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

__all__ = ("Answer", "Broken", "Called", "HungUp", "RealtimeServer", "Said")

_JOIN_DEADLINE_S = 5.0
_G711_BYTES_PER_MS = 8
_CHUNK_BYTES = 160


@dataclass(frozen=True)
class Said:
    """
    The model speaks.

    Args:
        text: What it says, and what the transcript tells.
        audio_ms: How long its audio is, in μ-law at 8 kHz.
        is_cut: The user interrupts: the response ends as cancelled.
    """

    text: str
    audio_ms: int = 200
    is_cut: bool = False


@dataclass(frozen=True)
class Called:
    """The model calls a function, or hands over."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """The response fails."""

    message: str = "The server had an error."


@dataclass(frozen=True)
class HungUp:
    """The server closes the connection instead of answering."""

    code: int = 1001
    """0: it is cut, without a close frame."""
    reason: str = ""


Answer: TypeAlias = Said | Called | Broken | HungUp


class RealtimeServer:
    """
    A realtime provider in this process, for as long as a `with` block lasts.

    Args:
        answers: What the model does, one for each response asked for.
        heard: Transcripts of the audio that is committed, in order.
    """

    def __init__(self, answers: Iterable[Answer], heard: Iterable[str] = ()) -> None:
        """Listen on a free port and serve from a daemon thread."""
        self.received: list[dict[str, Any]] = []
        """Every event of the clients, audio included, in order of arrival."""
        self._answers = deque(answers)
        self._heard = deque(heard)
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._is_ready = threading.Event()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete,
            args=(self._serve(),),
            name="loopback-realtime",
            daemon=True,
        )
        self._thread.start()
        self._is_ready.wait(_JOIN_DEADLINE_S)

    def __enter__(self) -> Self:
        """Return the server, which already listens."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the server."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_JOIN_DEADLINE_S)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self._port}/v1/realtime"

    @property
    def model_config(self) -> dict[str, Any]:
        """What `RealtimeRunner.run` takes as its model configuration."""
        return {"url": self.url, "api_key": "loopback-needs-no-key"}

    @property
    def remaining(self) -> int:
        """How many answers nobody asked for."""
        return len(self._answers)

    async def _serve(self) -> None:
        # Late, because the other servers need the standard library only.
        from websockets.asyncio.server import serve

        async with serve(self._talk, "127.0.0.1", 0, ping_interval=None) as server:
            self._port = next(iter(server.sockets)).getsockname()[1]
            self._is_ready.set()
            await self._closing.wait()

    async def _talk(self, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        # Who called may hang up in the middle of an answer.
        with suppress(ConnectionClosed):
            await _Conversation(socket, self._answers, self._heard, self.received).run()


class _Conversation:
    """One connection."""

    def __init__(
        self,
        socket: Any,
        answers: deque[Answer],
        heard: deque[str],
        received: list[dict[str, Any]],
    ) -> None:
        self._socket = socket
        self._answers = answers
        self._heard = heard
        self._received = received
        self._count = 0
        self._end: HungUp | None = None
        self._has_spoken = False
        self._is_gone = False
        self._has_begun = False
        """The client has sent all that it sends of itself at the beginning."""

    async def run(self) -> None:
        await self._send("session.created", session=_session({}))
        async for message in self._socket:
            event = json.loads(message)
            self._received.append(event)
            if not self._is_gone:
                await self._react(event)

    async def _react(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                self._has_begun = self._has_begun or "tracing" in event["session"]
                await self._send("session.updated", session=_session(event["session"]))
            case "conversation.item.create":
                await self._echo(event["item"])
            case "input_audio_buffer.commit":
                await self._hear()
            case "response.create":
                await self._respond()
            case "conversation.item.retrieve" if self._end is not None:
                await self._hang_up(self._end)
            case _:
                # Nothing is answered to the rest: audio, truncations, retrievals.
                pass

    async def _send(self, kind: str, **content: Any) -> None:
        self._count += 1
        event = {"type": kind, "event_id": f"event_{self._count}", **content}
        await self._socket.send(json.dumps(event))

    def _new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    async def _echo(self, item: dict[str, Any]) -> None:
        """Confirm an item that the client put into the conversation."""
        item = {"id": self._new_id("item"), "object": "realtime.item", **item}
        item.setdefault("status", "completed")
        await self._send("conversation.item.added", item=item, previous_item_id=None)

    async def _hear(self) -> None:
        """Take what was committed for a turn of the user, and answer it."""
        item_id = self._new_id("item")
        await self._send(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=None
        )
        await self._send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=self._heard.popleft() if self._heard else "",
            usage={"type": "duration", "seconds": 1},
        )
        following = self._answers[0] if self._answers else None
        if self._has_spoken and isinstance(following, HungUp):
            # A client asks for what was said last then, and would fail of asking.
            self._end = following
        await self._respond()

    async def _respond(self) -> None:
        response_id = self._new_id("resp")
        await self._send("response.created", response=_response(response_id))
        answer = self._answers.popleft() if self._answers else Broken("No answer left.")
        match answer:
            case Said():
                done = await self._say(response_id, answer)
            case Called():
                done = await self._call(response_id, answer)
            case Broken():
                problem = {"type": "server_error", "message": answer.message}
                details = {"type": "failed", "error": problem}
                done = _response(response_id, "failed", status_details=details)
            case HungUp():
                if self._end is None:
                    await self._hang_up(answer)
                return
        await self._send("response.done", response=done)

    async def _hang_up(self, answer: HungUp) -> None:
        self._is_gone = True
        # A client that is still beginning would fail of what it sends then.
        with suppress(asyncio.TimeoutError):
            while not self._has_begun:
                event = json.loads(await asyncio.wait_for(self._socket.recv(), 1))
                self._received.append(event)
                self._has_begun = "tracing" in event.get("session", ())
        if answer.code:
            await self._socket.close(answer.code, answer.reason)
        else:
            self._socket.transport.abort()

    async def _say(self, response_id: str, said: Said) -> dict[str, Any]:
        self._has_spoken = True
        item_id = self._new_id("item")
        place = {"item_id": item_id, "output_index": 0, "content_index": 0}
        place["response_id"] = response_id
        item = _message(item_id, "in_progress")
        await self._send(
            "response.output_item.added",
            item=item,
            output_index=0,
            response_id=response_id,
        )
        text = "response.output_audio_transcript.delta"
        for word in said.text.split():
            await self._send(text, delta=f"{word} ", **place)
        size = said.audio_ms * _G711_BYTES_PER_MS
        for start in range(0, size, _CHUNK_BYTES):
            chunk = b"\xff" * min(_CHUNK_BYTES, size - start)
            delta = base64.b64encode(chunk).decode()
            await self._send("response.output_audio.delta", delta=delta, **place)
        if said.is_cut:
            await self._send(
                "input_audio_buffer.speech_started", audio_start_ms=0, item_id="user"
            )
            details = {"type": "cancelled", "reason": "turn_detected"}
            return _response(
                response_id, "cancelled", audio=True, status_details=details
            )
        await self._send("response.output_audio.done", **place)
        await self._send(
            "response.output_item.done",
            item=_message(item_id, "completed", said.text),
            output_index=0,
            response_id=response_id,
        )
        return _response(response_id, "completed", audio=True)

    async def _call(self, response_id: str, called: Called) -> dict[str, Any]:
        item = {
            "id": self._new_id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "call_id": self._new_id("call"),
            "name": called.name,
            "arguments": json.dumps(called.arguments),
        }
        await self._send(
            "response.output_item.done",
            item=item,
            output_index=0,
            response_id=response_id,
        )
        return _response(response_id, "completed", audio=False)


def _session(wanted: dict[str, Any]) -> dict[str, Any]:
    session = {"type": "realtime", "model": "gpt-realtime", **wanted}
    # The server detects turns and stops its own response when the user speaks.
    detection = {"type": "server_vad", "interrupt_response": True}
    audio = dict(session.get("audio") or {})
    audio["input"] = {**(audio.get("input") or {}), "turn_detection": detection}
    return {**session, "audio": audio}


def _message(
    item_id: str, status: str, transcript: str | None = None
) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if transcript is not None:
        content = [{"type": "output_audio", "transcript": transcript}]
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _response(
    response_id: str, status: str = "in_progress", *, audio: bool = False, **more: Any
) -> dict[str, Any]:
    response: dict[str, Any] = {
        "id": response_id,
        "object": "realtime.response",
        "status": status,
        "output": [],
        **more,
    }
    if status in {"completed", "cancelled"}:
        spoken = 20 if audio else 0
        response["usage"] = {
            "input_tokens": 40,
            "output_tokens": 10 + spoken,
            "total_tokens": 50 + spoken,
            "input_token_details": {"text_tokens": 30, "audio_tokens": 10},
            "output_token_details": {"text_tokens": 10, "audio_tokens": spoken},
        }
    return response
