"""
Record what a realtime model does: turns with their usage, what was heard and said.

Apart from the session's own methods, because everything here arrives as an event of
the transport, in any task and in the transport's order.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.facts import (
    arguments_of,
    finish_reason_of,
    text_of,
)
from chaukas.sdk.integrations.openai_agents.runs.facts import hidden_text_of
from chaukas.sdk.integrations.openai_agents.state import Invocation
from chaukas.sdk.integrations.shared.models import (
    CONTENT_FILTER,
    Answer,
    Failure,
    Request,
)
from chaukas.sdk.integrations.shared.read import read
from chaukas.sdk.integrations.shared.usage import Usage, usage_of
from chaukas.sdk.record.recorder import error_code_of, ms_between, without_defaults

from .state import Item, Playback, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun
    from chaukas.sdk.record.recorder import Recorder

    from .connection import Connections
    from .state import AgentTenure, LiveSession

__all__ = ["Turns", "note_error"]

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_STATUS = {"cancelled": _CANCELLED, "failed": _FAILED}
_GOES_ON = "the session goes on"
_TOLD_BEFORE = ("Tool call task failed", "Tool output send failed")
"""Errors that the SDK makes of one that its tool has in its own ERROR."""


def note_error(
    recorder: Recorder, run: AgentsRun, error: BaseException, **options: Any
) -> None:
    """Record *error* under the agent of *run*, without what must not be told."""
    message = hidden_text_of(error)
    recorder.error(run, error, run.agent_span_id, message=message, **options)


class Turns(Part):
    """
    What the events of a realtime model mean.

    Args:
        host: Where to record.
        models: Tells and ends MODEL pairs.
        connections: Told of errors that may have closed one.
    """

    def __init__(
        self, host: Host, models: ModelCalls, connections: Connections
    ) -> None:
        super().__init__(host)
        self._models = models
        self._connections = connections
        self.notes: Mapping[str, Callable[[LiveSession, Any], None]] = {
            "audio": self._audio,
            "transcript_delta": self._spoken_text,
            "output_text_delta": self._written_text,
            "item_updated": self._item_updated,
            "function_call": self._function_call,
            "usage": self._usage,
            "turn_started": self._turn_started,
            "turn_ended": self._turn_ended,
            "input_audio_transcription_completed": self._transcribed,
            "audio_interrupted": self._interrupted,
            "exception": self._exception,
            "raw_server_event": self._server_said,
        }
        """What to do with a model event, by its type."""

    # -- turns --------------------------------------------------------------------

    def _turn_started(self, live: LiveSession, event: Any) -> None:
        response_id = getattr(event, "response_id", None)
        key = response_id if type(response_id) is str else ""
        if key in live.turns:
            if key:
                # Told late of a response that is under way.
                return
            self._end_turn(live, live.turns.pop(key), _COMPLETED)
        invocation = Invocation(live.tenure.run)
        invocation.run.turns += 1
        invocation.run.last_model = live.model
        self._models.calls.open(invocation, _request_of(live))
        rate = live.settings.output_bytes_per_ms
        live.turns[key] = Turn(live.tenure, invocation, response_id, rate)

    def _usage(self, live: LiveSession, event: Any) -> None:
        """Keep the usage of a response for the turn's end, which follows."""
        heard = getattr(event, "input_tokens_details", None)
        spoken = getattr(event, "output_tokens_details", None)
        cached = getattr(heard, "cached_tokens_details", None)
        live.usage = usage_of(event)._replace(
            input_audio_tokens=_audio_tokens(heard),
            output_audio_tokens=_audio_tokens(spoken),
            cached_audio_tokens=_audio_tokens(cached),
        )

    def _turn_ended(self, live: LiveSession, event: Any) -> None:
        response_id = getattr(event, "response_id", None)
        key = response_id if type(response_id) is str else ""
        turn = live.turns.pop(key, None)
        if turn is None and live.turns and not key:
            turn = live.turns.pop(next(reversed(live.turns)))
        if turn is None:
            live.responses.pop(key, None)
            live.usage = Usage()
            self.tell_items(live)
            return
        said = live.responses.pop(turn.response_id, {})
        status = said.get("status")
        name = status if type(status) is str else ""
        self._end_turn(live, turn, _STATUS.get(name, _COMPLETED), said)

    def _end_turn(
        self,
        live: LiveSession,
        turn: Turn,
        status: str,
        said: dict[str, Any] | None = None,
    ) -> None:
        """End the MODEL pair of *turn*, and tell what was said in it."""
        usage, live.usage = live.usage, Usage()
        items = [live.items[key] for key in turn.item_ids if key in live.items]
        _add_count(turn.tenure.spoken, turn)
        facts = without_defaults(
            {
                "audio": turn.spoken.facts(),
                "response_latency_ms": turn.latency_ms,
                "interrupted": any(item.is_interrupted for item in items),
            }
        )
        details = _dict_of((said or {}).get("status_details"))
        reason = details.get("reason")
        response = SimpleNamespace(
            status=(said or {}).get("status"),
            incomplete_details=SimpleNamespace(reason=reason),
        )
        if reason == CONTENT_FILTER:
            self._models.calls.note_filter(turn.invocation)
        answer = Answer(
            text="".join(item.known_text for item in items),
            tool_calls=turn.calls,
            response_id=turn.response_id,
            usage=usage,
            metadata=facts,
        )
        reason = finish_reason_of(answer.response(), response)
        self._models.calls.end(
            turn.invocation,
            answer._replace(finish_reason=reason),
            status=status,
            failure=_failure_of(details) if status == _FAILED else None,
        )
        self.tell_items(live, turn)

    def settle(self, live: LiveSession) -> None:
        """End what is open of the model when the session ends."""
        for turn in list(live.turns.values()):
            self._end_turn(live, turn, _CANCELLED)
        live.turns.clear()
        self.tell_items(live)

    # -- what was said ------------------------------------------------------------

    def _audio(self, live: LiveSession, event: Any) -> None:
        """Count a frame of audio: the hot path of a session."""
        turn = live.turns.get(event.response_id) or live.turn
        playing = live.playing
        if playing is None or playing.item_id != event.item_id:
            playing = self._new_playing(live, turn, event.item_id)
        playing.spoken.add(event.data)
        if turn is not None:
            turn.invocation.chunk_count += 1

    def _new_playing(
        self, live: LiveSession, turn: Turn | None, item_id: Any
    ) -> Playback:
        now_ns = self._recorder.clock.monotonic_ns()
        spoken = live.tenure.spoken if turn is None else turn.spoken
        live.playing = Playback(item_id, spoken, now_ns)
        if turn is not None:
            _note_answer(live, turn, now_ns)
            if turn.invocation.first_chunk_ns == 0:
                turn.invocation.first_chunk_ns = now_ns
        return live.playing

    def _spoken_text(self, live: LiveSession, event: Any) -> None:
        self._add_text(live, event, is_audio=True)

    def _written_text(self, live: LiveSession, event: Any) -> None:
        self._add_text(live, event, is_audio=False)

    def _add_text(self, live: LiveSession, event: Any, *, is_audio: bool) -> None:
        if event.item_id not in live.items and event.item_id in live.recorded_items:
            # Late: it was told as far as it had come.
            return
        turn = live.turns.get(event.response_id) or live.turn
        item = self._item_of(live, turn, event.item_id)
        item.is_audio = item.is_audio or is_audio
        if type(event.delta) is str:
            item.parts.append(event.delta)
        if turn is not None:
            invocation = turn.invocation
            invocation.chunk_count += 1
            if invocation.first_chunk_ns == 0:
                invocation.first_chunk_ns = self._recorder.clock.monotonic_ns()
            if not is_audio:
                # A session that answers in writing is not waited for to speak.
                _note_answer(live, turn, invocation.first_chunk_ns)

    @staticmethod
    def _item_of(live: LiveSession, turn: Turn | None, item_id: str) -> Item:
        item = live.items.get(item_id)
        if item is None:
            item = Item(live.tenure if turn is None else turn.tenure)
            live.items[item_id] = item
            if turn is not None:
                turn.item_ids.append(item_id)
        return item

    def _item_updated(self, live: LiveSession, event: Any) -> None:
        """Take over a message of the assistant, as far as the model told it."""
        told = event.item
        if getattr(told, "role", None) != "assistant":
            return
        if told.item_id in live.recorded_items:
            return
        text, is_audio = _said_in(told.content)
        if not text and told.item_id not in live.items:
            return
        item = self._item_of(live, live.turn, told.item_id)
        item.is_audio = item.is_audio or is_audio
        if text:
            item.text = text
        if not live.turns and getattr(told, "status", None) == "completed":
            self.tell_items(live)

    def tell_items(self, live: LiveSession, turn: Turn | None = None) -> None:
        """
        Record what the assistant said, once for each message.

        Args:
            live: The session.
            turn: Only what belongs to this turn; else all that belongs to none.
        """
        if turn is not None:
            ready = turn.item_ids
        else:
            owned = {key for each in live.turns.values() for key in each.item_ids}
            ready = [key for key in live.items if key not in owned]
        for item_id in ready:
            item = live.items.pop(item_id, None)
            if item is not None and item.known_text:
                live.recorded_items.append(item_id)
                self._tell(item_id, item)

    def _tell(self, item_id: str, item: Item) -> None:
        recorder, run = self._recorder, item.tenure.run
        capture = recorder.capture(run)
        metadata: dict[str, Any] = {
            "item_id": item_id,
            "modality": "audio" if item.is_audio else "text",
        }
        if item.is_interrupted:
            metadata["interrupted"] = True
        message = {
            "role": "assistant",
            "text": capture.text(item.known_text, "message.text"),
            "metadata": metadata,
        }
        recorder.emit(
            EventType.OUTPUT_EMITTED,
            run,
            {"message": message, "is_final": True},
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    @staticmethod
    def _function_call(live: LiveSession, event: Any) -> None:
        """Note a call that the model made in its turn."""
        turn = live.turn
        if turn is not None:
            turn.calls.append(
                {
                    "id": text_of(event.call_id),
                    "name": text_of(event.name),
                    "arguments": arguments_of(event.arguments),
                }
            )

    # -- what was heard -----------------------------------------------------------

    def _transcribed(self, live: LiveSession, event: Any) -> None:
        if type(event.transcript) is str and event.transcript.strip():
            metadata = {"modality": "audio", "item_id": event.item_id}
            self.tell_input(live.tenure, event.transcript, metadata)

    def tell_input(
        self, tenure: AgentTenure, text: Any, metadata: dict[str, Any]
    ) -> None:
        """Record what the user wrote or said."""
        recorder, run = self._recorder, tenure.run
        capture = recorder.capture(run)
        message: dict[str, Any] = {
            "role": "user",
            "text": capture.text(text, "message.text"),
        }
        if metadata:
            message["metadata"] = metadata
        recorder.emit(
            EventType.INPUT_RECEIVED,
            run,
            {"message": message},
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    def _interrupted(self, live: LiveSession, event: Any) -> None:
        """Record that the user, the application or a guardrail cut the agent short."""
        playing, live.playing = live.playing, None
        turn = live.turn
        state: dict[str, Any] = {
            "item_id": event.item_id,
            "old": "playing",
            "new": "interrupted",
        }
        if playing is not None and playing.item_id == event.item_id:
            audio_ms = playing.received_ms
            now_ns = self._recorder.clock.monotonic_ns()
            played_ms = int(ms_between(playing.started_ns, now_ns))
            if turn is None and audio_ms and played_ms >= audio_ms:
                # Transports say so whenever the user begins to speak.
                return
            if audio_ms:
                state |= {
                    "played_ms": min(played_ms, audio_ms),
                    "received_ms": audio_ms,
                }
        item = live.items.get(event.item_id)
        if item is not None:
            item.is_interrupted = True
        tenure = item.tenure if item is not None else live.tenure
        tenure.interruption_count += 1
        run = tenure.run
        self._recorder.emit(
            EventType.STATE_UPDATE,
            run,
            {"state_update": {"playback": state}},
            parent_span_id=run.agent_span_id,
        )

    # -- errors -------------------------------------------------------------------

    def _exception(self, live: LiveSession, event: Any) -> None:
        """Record what the session is going to raise from its events."""
        error = event.exception
        if isinstance(error, Exception):
            self._connections.note_exception(live, error)
            note_error(self._recorder, live.tenure.run, error)
            live.failure = error_code_of(error)

    def error_reported(self, live: LiveSession, error: Any) -> None:
        """Record an error that the session only tells its listener of."""
        recorder, run = self._recorder, live.tenure.run
        if isinstance(error, Exception):
            note_error(recorder, run, error, recoverable=True, recovery_action=_GOES_ON)
            return
        message, code = read(error, "message"), read(error, "code")
        if type(message) is str and message.startswith(_TOLD_BEFORE):
            return
        capture = recorder.capture(run)
        kind = code or read(error, "type")
        recorder.emit(
            EventType.ERROR,
            run,
            {
                "error": {
                    "error_message": capture.text(
                        message if type(message) is str else "no message",
                        "error.error_message",
                    ),
                    "error_code": kind if type(kind) is str else "RealtimeError",
                    "recoverable": True,
                    "recovery_action": _GOES_ON,
                }
            },
            parent_span_id=run.agent_span_id,
            capture=capture,
        )

    def _server_said(self, live: LiveSession, event: Any) -> None:
        """Note what no event of the SDK tells: how a response ended, and who speaks."""
        data = event.data
        kind = data.get("type") if type(data) is dict else None
        if kind == "response.done":
            response = data.get("response")
            if type(response) is dict and type(response.get("id")) is str:
                live.responses[response["id"]] = {
                    "status": response.get("status"),
                    "status_details": response.get("status_details"),
                }
        elif kind == "input_audio_buffer.speech_stopped" or (
            # Where the application itself says when the user is through.
            kind == "input_audio_buffer.committed" and not live.heard_until_ns
        ):
            live.heard_until_ns = self._recorder.clock.monotonic_ns()
        elif kind == "input_audio_buffer.speech_started":
            live.heard_until_ns = 0


def _request_of(live: LiveSession) -> Request:
    """Return what a turn is asked, as the settings of its session have it."""
    settings = live.settings
    more: dict[str, Any] = {"realtime": True}
    if settings.further:
        more["settings"] = dict(settings.further)
    if settings.prompt is not None:
        more["prompt"] = settings.prompt
    return Request(
        provider=live.provider,
        model=live.model,
        system=settings.system,
        tools=settings.tools,
        handoffs=settings.handoffs,
        more=more,
        is_turn=False,
    )


def _failure_of(details: dict[str, Any]) -> Failure:
    """Return why a response failed, which the SDK tells nobody."""
    problem = _dict_of(details.get("error"))
    message = problem.get("message")
    code = problem.get("code") or problem.get("type")
    return Failure(
        message if type(message) is str else "the response failed",
        code if type(code) is str else "ResponseFailed",
        is_recoverable=True,
        recovery_action=_GOES_ON,
    )


def _dict_of(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _note_answer(live: LiveSession, turn: Turn, now_ns: int) -> None:
    """Note how long the user waited for *turn*, the first to answer."""
    heard_ns, live.heard_until_ns = live.heard_until_ns, 0
    if heard_ns:
        turn.latency_ms = ms_between(heard_ns, now_ns)


def _audio_tokens(details: Any) -> int:
    count = getattr(details, "audio_tokens", None)
    return count if type(count) is int else 0


def _said_in(content: Any) -> tuple[str, bool]:
    """Return the text of an assistant's message, and whether it was spoken."""
    texts: list[str] = []
    is_audio = False
    for part in content if type(content) is list else ():
        if getattr(part, "type", None) == "audio":
            is_audio = True
            text = getattr(part, "transcript", None)
        else:
            text = getattr(part, "text", None)
        if type(text) is str:
            texts.append(text)
    return "".join(texts), is_audio


def _add_count(total: Any, turn: Turn) -> None:
    total.chunk_count += turn.spoken.chunk_count
    total.byte_count += turn.spoken.byte_count
