"""
Record conversations with models that listen while they speak.

A MODEL pair is one turn of the model: from the first that it says or asks for to the
end of its turn, the call of a tool, or the interruption by its user. Audio and video
are counted, never kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    observe_async_generator,
)
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.errors import error_text

from .exchange import answer_of, request_of
from .facts import field, message_of, parts_of, text_in
from .state import AgentTurn, Live, LlmCall, agent_at, invocation_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import Runs

    from .models import Models

__all__ = ["LiveCalls"]

_LLM = "google.adk.models.base_llm:BaseLlm"
_CONNECTION = "google.adk.models.base_llm_connection:BaseLlmConnection"
_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END", "INPUT_RECEIVED")


class _Sending(Observation):
    """A message on its way; a connection may pass it on to a method of its own."""

    def __init__(self, live: Live) -> None:
        self._live = live
        live.is_sending = True

    def ended(self, result: Any) -> None:
        """The next one is another."""
        del result
        self._live.is_sending = False

    def failed(self, error: BaseException) -> None:
        """The next one is another."""
        del error
        self._live.is_sending = False


class _Receiving(Observation):
    """What a model says, piece by piece."""

    def __init__(self, calls: LiveCalls, turn: AgentTurn, live: Live) -> None:
        self._calls, self._turn, self._live = calls, turn, live

    def item(self, value: Any) -> None:
        """Take what came."""
        self._calls.received(self._turn, self._live, value)

    def failed(self, error: BaseException) -> None:
        """Remember why, as the flow may connect again."""
        if isinstance(error, Exception):
            self._calls.broke(self._turn, self._live, error)


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
                    observe_async(self._send),
                    ("INPUT_RECEIVED",),
                    subclasses=True,
                    optional=name != "send_content",
                    post_import=True,
                )
                for name in ("send_content", "_send_content")
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
            turn.live = live = Live(llm, request_of(llm, asked, stream=True))
            history = live.request.messages
            live.sent = list(history) if type(history) is list else []
        elif live.is_broken:
            record_retry(
                self._recorder,
                turn,
                turn.agent_span_id,
                None,
                number=live.connections,
                message=live.broke,
                metadata={"layer": "framework", "api": "live"},
            )
            live.connections, live.is_broken = live.connections + 1, False

    def _send(self, connection: Any, args: Any, kwargs: Any) -> Observation | None:
        del connection
        turn = agent_at()
        live = None if turn is None else turn.live
        if turn is None or live is None or live.is_sending:
            return None
        message = args[0] if args else kwargs.get("content")
        live.sent.append(message_of(message))
        text = text_in(message)
        if text:
            self._heard(turn, text, {})
        return _Sending(live)

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
        usage = field(response, "usage_metadata")
        if usage is not None:
            live.usage = usage
        heard = field(response, "input_transcription")
        if field(heard, "finished") and text_of(field(heard, "text")):
            text = text_of(field(heard, "text"))
            live.sent.append({"role": "user", "parts": [{"text": text}]})
            self._heard(turn, text, {"source": "speech"})
        spoken = field(response, "output_transcription")
        if parts_of(response) or spoken is not None:
            self._speaks(turn, live, response, spoken)
        if field(response, "interrupted"):
            self._end(live, None, is_whole=False)
        elif field(response, "turn_complete"):
            self._end(live, response)

    def _speaks(self, turn: AgentTurn, live: Live, response: Any, spoken: Any) -> None:
        call = live.call
        if call is None:
            live.call = call = LlmCall(turn, live.llm)
            request = live.request._replace(messages=live.sent, api="live")
            live.sent = []
            self._models.record.open(call, request)
        if field(response, "partial"):
            self._models.record.chunk(call)
            return
        said = text_in(response)
        if field(spoken, "finished"):
            said = text_of(field(spoken, "text"))
        if said:
            live.said.append(said)
        if any(field(part, "function_call") is not None for part in parts_of(response)):
            self._end(live, response)

    def _end(self, live: Live, response: Any, *, is_whole: bool = True) -> None:
        call, live.call = live.call, None
        said, live.said = "".join(live.said), []
        usage, live.usage = live.usage, None
        if call is None:
            return
        answer = answer_of(response, usage=usage)
        answer = answer._replace(text=said or answer.text)
        if is_whole:
            reason = "tool_calls" if answer.tool_calls else "stop"
            self._models.record.end(call, answer._replace(finish_reason=reason))
        else:
            self._models.record.cancel(call, answer)

    def broke(self, turn: AgentTurn, live: Live, error: Exception) -> None:
        """Remember what a connection broke of, and end what was being said."""
        capture = self._recorder.capture(turn)
        live.is_broken = True
        live.broke = capture.text(error_text(error), "retry.error_message")
        if live.call is not None:
            self._end(live, None, is_whole=False)
