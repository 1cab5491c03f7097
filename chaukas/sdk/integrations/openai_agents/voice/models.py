"""
Record speech-to-text and text-to-speech models as MODEL pairs.

They share no interface with language models and tell no usage; what counts is how much
audio went in or out, how long it took, and the text.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.facts import provider_of, text_of
from chaukas.sdk.integrations.openai_agents.state import AgentsRun, Invocation
from chaukas.sdk.integrations.shared.audio import (
    PCM16_24KHZ_BYTES_PER_MS,
    AudioCount,
    SampleCount,
)
from chaukas.sdk.integrations.shared.models import Answer, Request
from chaukas.sdk.integrations.shared.streams import (
    ObservedStream,
    StreamObserver,
    is_stream,
)
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.internal_errors import attempt, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls

__all__ = ["SpeechModels", "VoiceRun", "is_openai"]

_STT_SETTINGS = ("language", "languages", "temperature", "turn_detection")
_TTS_SETTINGS = ("voice", "speed")
_OPENAI_MODELS = "agents.voice.models."


class VoiceRun(AgentsRun):
    """One call of `VoicePipeline.run`; `agent_span_id` is its session's span."""

    __slots__ = ("heard_ns", "known_systems", "latency_ms", "voice_turn")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.voice_turn = 0
        """Number of what was heard last, from 1; of all that answers it, too."""
        self.heard_ns = 0
        """When it was understood, until the first sound of the answer."""
        self.latency_ms: float = 0
        """From there to that sound."""
        self.known_systems: set[str] = set()
        """Hashes of instructions whose text is on record."""

    def is_new_system(self, digest: str) -> bool:
        """Note instructions; those of speech models take turns, so all are known."""
        is_new = digest not in self.known_systems
        self.known_systems.add(digest)
        return is_new


class _Source(NamedTuple):
    """What made a streamed transcription."""

    ref: weakref.ref[Any]
    model: Any
    request: dict[str, Any]
    system: Any
    heard: SampleCount | None


class SpeechModels(Part):
    """
    Wrappers around the models of the voice pipeline.

    Args:
        host: Where to record.
        models: Ends MODEL pairs.
        tell_input: Told each text that was heard.
    """

    def __init__(
        self, host: Host, models: ModelCalls, tell_input: Callable[[Any], None]
    ) -> None:
        super().__init__(host)
        self._models = models
        self._tell_input = tell_input
        self._sources: dict[int, _Source] = {}
        self._heard: dict[int, tuple[weakref.ref[Any], SampleCount]] = {}
        """Audio added to streamed inputs, by the input's id."""

    # -- speech to text -----------------------------------------------------------

    async def transcribe(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `STTModel.transcribe` of every class of models."""
        invocation = self._enter_stt(instance, args, kwargs)
        if invocation is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(invocation.node)
        try:
            text = await wrapped(*args, **kwargs)
        except BaseException as error:
            self.end(invocation, error=error)
            raise
        finally:
            reset(token)
        self.end(invocation, text)
        attempt("STTModel.transcribe", self._tell_input, text)
        return text

    def _enter_stt(
        self, model: Any, args: Any, kwargs: dict[str, Any]
    ) -> Invocation | None:
        if _is_part_of_another():
            return None
        try:
            given, settings = _of_stt(args, kwargs)
            request = _stt_request(settings)
            request["audio"] = _amount_of(given)
            system = getattr(settings, "prompt", None)
            return self.start(model, request, system, _turn_in_force(ahead=1))
        except Exception as error:
            report("STTModel.transcribe", error)
            return None

    async def create_session(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `STTModel.create_session`, to know the model of its turns."""
        session = await wrapped(*args, **kwargs)
        try:
            given, settings = _of_stt(args, kwargs)
            key = id(session)
            self._sources[key] = _Source(
                weakref.ref(session, partial(_forget, self._sources, key)),
                instance,
                {**_stt_request(settings), "stream": True},
                getattr(settings, "prompt", None),
                self._count_of(given),
            )
        except Exception as error:
            report("STTModel.create_session", error)
        return session

    def transcribe_turns(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `transcribe_turns`: one pair for the stream, INPUT for each turn."""
        turns = wrapped(*args, **kwargs)
        if _is_part_of_another() or not is_stream(turns):
            return turns
        source = self._sources.get(id(instance))
        return ObservedStream(turns, _Listening(self, instance, source))

    def add_audio(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `StreamedAudioInput.add_audio`, to count what is heard."""
        try:
            count = self._count_of(instance)
            if count is not None:
                count.add(args[0] if args else kwargs.get("audio"))
        except Exception as error:
            report("StreamedAudioInput", error)
        return wrapped(*args, **kwargs)

    def _count_of(self, audio_input: Any) -> SampleCount | None:
        """Return the count of a streamed input, beginning one if need be."""
        key = id(audio_input)
        entry = self._heard.get(key)
        if entry is None:
            ref = weakref.ref(audio_input, partial(_forget, self._heard, key))
            entry = self._heard[key] = (ref, SampleCount())
        return entry[1]

    # -- text to speech -----------------------------------------------------------

    def speak(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `TTSModel.run` of every class of models."""
        stream = wrapped(*args, **kwargs)
        if _is_part_of_another() or not is_stream(stream):
            return stream
        text = args[0] if args else kwargs.get("text")
        settings = args[1] if len(args) > 1 else kwargs.get("settings")
        return ObservedStream(stream, _Speaking(self, instance, text, settings))

    # -- MODEL pairs --------------------------------------------------------------

    def start(
        self, model: Any, request: dict[str, Any], system: Any, voice_turn: int = 0
    ) -> Invocation:
        """
        Open a pair under the pipeline, or wherever the call is made.

        Args:
            model: A speech model.
            request: What it is asked, uncaptured.
            system: Instructions, or None.
            voice_turn: Number of the turn that it serves; 0 if it serves many.
        """
        invocation = Invocation(self._models.run_of(CURRENT.get()))
        invocation.is_alone = True
        asked = Request(
            provider=provider_of(model),
            model=_name_of(model),
            system=system,
            more=without_defaults(request),
            metadata=without_defaults({"voice_turn": voice_turn}),
            is_turn=False,
        )
        self._models.calls.open(invocation, asked)
        return invocation

    def end(
        self,
        invocation: Invocation,
        text: Any = None,
        *,
        error: BaseException | None = None,
        audio: dict[str, int] | None = None,
    ) -> None:
        """End it with *text*, an error or as cancelled, and how much was heard."""
        metadata = without_defaults({"audio": audio})
        answer = Answer(text=text_of(text), metadata=metadata)
        if error is None:
            self._models.calls.end(invocation, answer)
        else:
            self._models.calls.fail(invocation, error, answer)

    def chunk(self, invocation: Invocation | None, *, is_token: bool) -> bool:
        """Count an item of a stream; tell whether it is the first of its answer."""
        if invocation is None:
            return False
        is_first = is_token and invocation.first_chunk_ns == 0
        self._models.calls.chunk(invocation, is_token=is_token)
        return is_first

    def heard(self, text: Any) -> None:
        """Hand on what was heard."""
        self._tell_input(text)


class _SpeechStream(StreamObserver):
    """Observes a stream of a speech model, which is one call of it."""

    def __init__(self, models: SpeechModels, count: Any) -> None:
        self._models = models
        self._count = count
        """How much audio goes in or out; None if that is not known."""
        self._invocation: Invocation | None = None

    def _start(self) -> Invocation:
        raise NotImplementedError

    def begun(self) -> Node:
        self._invocation = self._start()
        return self._invocation.node

    def ended(self) -> None:
        self._end(None)

    def failed(self, error: BaseException) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        audio = None if self._count is None else self._count.facts()
        if self._invocation is not None:
            self._models.end(self._invocation, error=error, audio=audio)


class _Listening(_SpeechStream):
    """A streamed transcription: one pair, with an INPUT for each turn."""

    def __init__(
        self, models: SpeechModels, session: Any, source: _Source | None
    ) -> None:
        super().__init__(models, None if source is None else source.heard)
        self._model = session if source is None else source.model
        self._request = {"task": "transcription"} if source is None else source.request
        self._system = None if source is None else source.system

    def _start(self) -> Invocation:
        return self._models.start(self._model, self._request, self._system)

    def item(self, value: Any) -> None:
        self._models.chunk(self._invocation, is_token=False)
        self._models.heard(value)


class _Speaking(_SpeechStream):
    """One piece of text that is being spoken."""

    def __init__(
        self, models: SpeechModels, model: Any, text: Any, settings: Any
    ) -> None:
        rate = PCM16_24KHZ_BYTES_PER_MS if is_openai(model) else 0
        super().__init__(models, AudioCount(rate))
        self._model = model
        self._text = text
        self._settings = settings

    def _start(self) -> Invocation:
        settings = self._settings
        request = {
            "task": "speech",
            "input": self._text,
            "settings": _read_settings(settings, _TTS_SETTINGS),
        }
        system = getattr(settings, "instructions", None)
        return self._models.start(self._model, request, system, _turn_in_force())

    def item(self, value: Any) -> None:
        self._count.add(value)
        call = self._invocation
        if self._models.chunk(call, is_token=True) and call is not None:
            _note_answer(call.run, call.first_chunk_ns)


def is_openai(model: Any) -> bool:
    """Tell whether the SDK brings *model*, so that its audio's format is known."""
    module = type(model).__module__
    return type(module) is str and module.startswith(_OPENAI_MODELS)


def _is_part_of_another() -> bool:
    """Tell whether a call belongs to one that is recorded: `super()`, a router."""
    node = CURRENT.get()
    return SUPPRESSED.get() or (node is not None and node.kind == "model")


def _turn_in_force(ahead: int = 0) -> int:
    """Return the turn of the pipeline in force; 0 outside of one."""
    node = CURRENT.get()
    run = None if node is None else node.run
    return run.voice_turn + ahead if isinstance(run, VoiceRun) else 0


def _note_answer(run: AgentsRun, now_ns: int) -> None:
    """Note how long the first sound of an answer took."""
    pipeline = run.parent.run if run.parent is not None else run
    for each in (run, pipeline):
        if isinstance(each, VoiceRun) and each.heard_ns:
            each.latency_ms = ms_between(each.heard_ns, now_ns)
            each.heard_ns = 0
            return


def _of_stt(args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    given = args[0] if args else kwargs.get("input")
    settings = args[1] if len(args) > 1 else kwargs.get("settings")
    return given, settings


def _stt_request(settings: Any) -> dict[str, Any]:
    return {
        "task": "transcription",
        "settings": _read_settings(settings, _STT_SETTINGS),
    }


def _read_settings(settings: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(settings, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _amount_of(given: Any) -> dict[str, int]:
    """Return how much audio an `AudioInput` holds."""
    rate_hz = getattr(given, "frame_rate", 0)
    channel_count = getattr(given, "channels", 1)
    if type(rate_hz) is not int or type(channel_count) is not int:
        return {}
    count = SampleCount(rate_hz, channel_count)
    count.add(getattr(given, "buffer", None))
    return count.facts()


def _name_of(model: Any) -> str:
    try:
        # Public contract of a speech model; a class may still raise.
        name = model.model_name
    except Exception:
        name = None
    return name if type(name) is str and name else type(model).__name__


def _forget(entries: dict[int, Any], key: int, ref: Any) -> None:
    entry = entries.get(key)
    # By now the address may belong to another object.
    if entry is not None and entry[0] is ref:
        del entries[key]
