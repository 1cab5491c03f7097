"""
Record conversations with models that listen while they speak.

A MODEL pair is one turn of the model: from the first that it says or asks for to the
end of its turn, the call of a tool, or the interruption by its user. Audio is counted
and never kept; of video there is nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.audio import AudioCount, bytes_per_ms_of
from chaukas.sdk.integrations.shared.nested.loops import Loop
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    observe_async_generator,
)
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.introspect import attributes_of

from .exchange import answer_of, request_of
from .facts import field, message_of, parts_of, text_in
from .state import AgentTurn, Inside, Live, LlmCall, agent_at, invocation_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import Runs

    from .models import Models

__all__ = ["LiveCalls"]

_LLM = "google.adk.models.base_llm:BaseLlm"
_CONNECTION = "google.adk.models.base_llm_connection:BaseLlmConnection"
_MODEL = (
    "MODEL_INVOCATION_START",
    "MODEL_INVOCATION_END",
    "INPUT_RECEIVED",
    "STATE_UPDATE",
)
_FLOWS = ("google.adk.live._flow_utils", "google.adk.flows.llm_flows.base_llm_flow")
_LIMIT = "DEFAULT_MAX_RECONNECT_ATTEMPTS"


class _Receiving(Observation):
    """What a model says, piece by piece."""

    def __init__(self, calls: LiveCalls, turn: AgentTurn, live: Live) -> None:
        self._calls, self._turn, self._live = calls, turn, live

    def item(self, value: Any) -> None:
        """Take what came."""
        self._calls.received(self._turn, self._live, value)

    def failed(self, error: BaseException) -> None:
        """Remember why, as the flow may connect again; nothing more is said here."""
        self._calls.broke(self._live, error)


class LiveCalls(Part):
    """
    The hooks of live connections.

    Args:
        host: Where to record.
        runs: Records what the user says.
        models: Records what the model says.
    """

    def __init__(self, host: Host, runs: Runs, models: Models) -> None:
        super().__init__(host)
        self._runs, self._models = runs, models

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(
                f"{_LLM}.connect", observe(self._connect), ("RETRY",), subclasses=True
            ),
            *(
                Patch(
                    f"{_CONNECTION}.{name}",
                    observe_async(begin),
                    emits,
                    subclasses=True,
                    optional=name == "_send_content",
                    post_import=True,
                )
                for name, begin, emits in (
                    ("send_content", self._send, ("INPUT_RECEIVED",)),
                    ("_send_content", self._send, ("INPUT_RECEIVED",)),
                    ("send_realtime", self._stream, ()),
                )
            ),
            Patch(
                f"{_CONNECTION}.receive",
                observe_async_generator(self._receive),
                _MODEL,
                subclasses=True,
                post_import=True,
            ),
        )

    # -- what goes out ----------------------------------------------------------------

    def _connect(self, llm: Any, args: Any, kwargs: dict[str, Any]) -> None:
        turn = agent_at()
        if turn is None:
            return
        live = turn.live
        if live is None:
            asked = args[0] if args else kwargs.get("llm_request")
            loop = Loop(
                self._recorder,
                turn,
                turn.agent_span_id,
                layer="framework",
                limit=_reconnects_of_adk(),
                strategy="immediate",
            )
            turn.live = live = Live(llm, request_of(llm, asked, stream=True), loop)
            history = live.request.messages
            live.sent = list(history) if type(history) is list else []
        elif not live.is_up:
            # What a connection fails of that is not made is kept by the flow.
            live.loop.failed_unseen()
        live.is_up = False
        live.loop.begins()

    def _send(self, connection: Any, args: Any, kwargs: Any) -> Observation | None:
        del connection
        node, turn = node_in_force(), agent_at()
        live = None if turn is None else turn.live
        if node is None or turn is None or live is None or node.detail is live:
            # One of the two calls the other.
            return None
        message = args[0] if args else kwargs.get("content")
        live.sent.append(message_of(message))
        text = text_in(message)
        if text:
            self._heard(turn, text, {})
        return Inside(Node(turn, turn.agent_span_id, "agent", live))

    def _stream(self, connection: Any, args: Any, kwargs: Any) -> None:
        del connection
        turn = agent_at()
        if turn is not None and turn.live is not None:
            given = args[0] if args else kwargs.get("input", kwargs.get("blob"))
            _count(turn.live.audio_in, given)

    def _heard(self, turn: AgentTurn, text: str, facts: dict[str, Any]) -> None:
        top = invocation_of(turn)
        if top is not None:
            self._runs.note_input(top, [text], facts or None, to=turn)

    # -- what comes in ----------------------------------------------------------------

    def _receive(self, connection: Any, args: Any, kwargs: Any) -> Observation | None:
        del connection, args, kwargs
        turn = agent_at()
        live = None if turn is None else turn.live
        return None if turn is None or live is None else _Receiving(self, turn, live)

    def received(self, turn: AgentTurn, live: Live, response: Any) -> None:
        """Record what a response begins, and what it ends."""
        live.is_up, live.loop.attempts = True, 1
        usage = field(response, "usage_metadata")
        if usage is not None:
            live.usage = usage
        heard = field(response, "input_transcription")
        if field(heard, "finished") is True and text_of(field(heard, "text")):
            text = text_of(field(heard, "text"))
            live.sent.append({"role": "user", "parts": [{"text": text}]})
            self._heard(turn, text, {"modality": "audio"})
        spoken = field(response, "output_transcription")
        if parts_of(response) or spoken is not None:
            self._speaks(turn, live, response, spoken)
        if field(response, "interrupted") is True:
            self._end(live, None, is_whole=False)
        elif field(response, "turn_complete") is True:
            self._end(live, response)
        leaves = field(response, "go_away")
        if leaves is not None:
            facts = {"go_away": True, "time_left": text_of(field(leaves, "time_left"))}
            self._recorder.emit(
                EventType.STATE_UPDATE,
                turn,
                content.state_update(live=without_defaults(facts)),
                parent_span_id=turn.agent_span_id,
            )

    def _speaks(self, turn: AgentTurn, live: Live, response: Any, spoken: Any) -> None:
        call = live.call
        if call is None:
            live.call = call = LlmCall(turn, live.llm)
            request = live.request._replace(messages=live.sent, api="live")
            live.sent = []
            self._models.record.open(call, request)
        audio = [field(part, "inline_data") for part in parts_of(response)]
        for sound in audio:
            if _count(live.spoken, sound):
                _count(live.audio_out, sound)
                self._models.record.chunk(call, "audio")
        if field(response, "partial") is True:
            self._models.record.chunk(call)
            return
        said = text_in(response)
        if field(spoken, "finished") is True:
            said = text_of(field(spoken, "text"))
        if said:
            live.said.append(said)
        if any(field(part, "function_call") is not None for part in parts_of(response)):
            self._end(live, response)

    def _end(self, live: Live, response: Any, *, is_whole: bool = True) -> None:
        call, live.call = live.call, None
        said, live.said = "".join(live.said), []
        usage, live.usage = live.usage, None
        spoken, live.spoken = live.spoken.facts(), AudioCount()
        if call is None:
            return
        answer = answer_of(response, usage=usage)
        metadata = {**answer.metadata, "audio": spoken} if spoken else answer.metadata
        answer = answer._replace(text=said or answer.text, metadata=metadata)
        if is_whole:
            reason = "tool_calls" if answer.tool_calls else "stop"
            self._models.record.end(call, answer._replace(finish_reason=reason))
        else:
            self._models.record.cancel(call, answer)

    def broke(self, live: Live, error: BaseException) -> None:
        """Remember what a connection broke of, and end what was being said."""
        if isinstance(error, Exception):
            live.is_up = False
            live.loop.failed(error)
        if live.call is not None:
            self._end(live, None, is_whole=False)


def _count(count: AudioCount, blob: Any) -> bool:
    """Count a piece of audio; tell whether it is one."""
    kind, _, more = text_of(field(blob, "mime_type")).partition(";")
    if not kind.startswith("audio/"):
        return False
    rate = more.strip().removeprefix("rate=")
    told = {"type": kind, "rate": int(rate) if rate.isdecimal() else 0}
    count.bytes_per_ms = count.bytes_per_ms or bytes_per_ms_of(told)
    count.add(field(blob, "data"))
    return True


def _reconnects_of_adk() -> int:
    """Return how often ADK connects again, 0 if it does not say."""
    for name in _FLOWS:
        limit = attributes_of(sys.modules.get(name)).get(_LIMIT)
        if type(limit) is int:
            return limit
    return 0
