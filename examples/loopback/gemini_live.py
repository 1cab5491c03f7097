"""
A loopback live API of Gemini: a real WebSocket server that speaks from a script.

It needs `websockets`, which google-genai needs anyway.

    with GeminiLiveServer([Said("Hello"), Called("weather")]) as live:
        model = Gemini(model="gemini-2.5-flash-live", client=live.client())

Each turn of the user, and each result of a tool, takes the next answer of the script;
so does a client that comes back to go on.
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

__all__ = ("Answer", "Called", "GeminiLiveServer", "GoesAway", "HungUp", "Said")

_JOIN_DEADLINE_S = 5.0
_USAGE = {"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15}
_TURN_ENDS = {"serverContent": {"turnComplete": True}, "usageMetadata": _USAGE}


@dataclass(frozen=True)
class Said:
    """
    The model speaks.

    Args:
        text: What it says.
        heard: What the user had said before, if that was speech.
        is_cut: The user interrupts it.
        is_spoken: It speaks aloud: the text is the transcript of what it says.
        audio: What it says, as PCM of 24 kHz.
        is_lost: The connection breaks before its turn is over.
    """

    text: str
    heard: str = ""
    is_cut: bool = False
    is_spoken: bool = False
    audio: bytes = b""
    is_lost: bool = False


@dataclass(frozen=True)
class Called:
    """The model calls a function."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HungUp:
    """
    The server closes the connection instead of answering.

    Args:
        code: Of the WebSocket protocol.
        reason: Why.
        at_setup: It does so as soon as a client comes back.
    """

    code: int = 1011
    reason: str = "The server goes away."
    at_setup: bool = False


@dataclass(frozen=True)
class GoesAway:
    """The server says that it will close the connection soon."""

    time_left: str = "5s"


Answer: TypeAlias = Said | Called | HungUp | GoesAway


class GeminiLiveServer:
    """
    A live model in this process, for as long as a `with` block lasts.

    Args:
        answers: What the model does, one for each turn.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        """Listen on a free port and serve from a daemon thread."""
        self.received: list[dict[str, Any]] = []
        """Every message of the clients, in order of arrival."""
        self._answers = deque(answers)
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._is_ready = threading.Event()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete,
            args=(self._serve(),),
            name="loopback-gemini-live",
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

    def client(self) -> Any:
        """
        Make a `google.genai.Client` of this server.

        The live API is spoken over TLS alone, so the client is told to do without.
        """
        # Late, because a script and its server are of use without the client.
        from google.genai import Client

        client: Any = Client(api_key="loopback-needs-no-key")
        url = f"ws://127.0.0.1:{self._port}"
        # No public setting turns TLS off.
        inner = vars(client)["_api_client"]
        vars(inner)["_websocket_base_url"] = lambda *_: url
        vars(inner)["_websocket_ssl_ctx"] = {}
        return client

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
            async for text in socket:
                message = json.loads(text)
                self.received.append(message)
                if "setup" in message:
                    await self._set_up(socket, message["setup"])
                elif _ends_a_turn(message):
                    await self._answer(socket)

    async def _set_up(self, socket: Any, setup: dict[str, Any]) -> None:
        resumed = setup.get("sessionResumption")
        is_back = bool(resumed and resumed.get("handle"))
        first = self._answers[0] if self._answers else None
        if is_back and isinstance(first, HungUp) and first.at_setup:
            await self._answer(socket)
            return
        await _send(socket, {"setupComplete": {}})
        if resumed is not None:
            handle = {"newHandle": f"handle-{len(self.received)}", "resumable": True}
            await _send(socket, {"sessionResumptionUpdate": handle})
        if is_back:
            await self._answer(socket)

    async def _answer(self, socket: Any) -> None:
        if not self._answers:
            return
        match self._answers.popleft():
            case Said() as said:
                for message in _messages_of(said):
                    await _send(socket, message)
                if said.is_lost:
                    await socket.close(1011, "The connection is lost.")
            case Called() as called:
                number = len(self.received)
                call = {
                    "id": f"call_{number}",
                    "name": called.name,
                    "args": dict(called.arguments),
                }
                await _send(socket, {"toolCall": {"functionCalls": [call]}})
                await _send(socket, _TURN_ENDS)
            case GoesAway() as leaving:
                await _send(socket, {"goAway": {"timeLeft": leaving.time_left}})
            case HungUp() as end:
                await socket.close(end.code, end.reason)


async def _send(socket: Any, message: dict[str, Any]) -> None:
    await socket.send(json.dumps(message))


def _ends_a_turn(message: dict[str, Any]) -> bool:
    """Tell whether a message of a client is answered."""
    content = message.get("clientContent") or message.get("client_content") or {}
    spoken = message.get("realtimeInput") or message.get("realtime_input") or {}
    return bool(
        content.get("turnComplete")
        or content.get("turn_complete")
        or "toolResponse" in message
        or "tool_response" in message
        or "text" in spoken
        or "activityEnd" in spoken
    )


def _messages_of(said: Said) -> Iterable[dict[str, Any]]:
    if said.heard:
        heard = {"text": said.heard, "finished": True}
        yield {"serverContent": {"inputTranscription": heard}}
    if said.audio:
        data = base64.b64encode(said.audio).decode()
        sound = {"mimeType": "audio/pcm;rate=24000", "data": data}
        yield {"serverContent": {"modelTurn": {"parts": [{"inlineData": sound}]}}}
    for word in said.text.split():
        if said.is_spoken:
            yield {"serverContent": {"outputTranscription": {"text": f"{word} "}}}
        else:
            yield {"serverContent": {"modelTurn": {"parts": [{"text": f"{word} "}]}}}
    if said.is_cut:
        yield {"serverContent": {"interrupted": True}}
    if said.is_cut or said.is_lost:
        return
    if said.is_spoken:
        whole = {"text": "", "finished": True}
        yield {"serverContent": {"outputTranscription": whole}}
    yield _TURN_ENDS
