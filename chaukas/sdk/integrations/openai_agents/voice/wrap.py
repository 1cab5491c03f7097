"""
Record the voice pipeline: speech to text, the workflow's runs, text to speech.

| SDK moment | events |
|---|---|
| `VoicePipeline.run` | SESSION; the runs of the workflow stand below it |
| `STTModel.transcribe`, `transcribe_turns` | MODEL, INPUT_RECEIVED |
| `TTSModel.run` | MODEL, one for each piece of text |
| `StreamedAudioResult._turn_done` | OUTPUT_EMITTED |

A pipeline has no agent of its own: what it does itself stands under the session. What
belongs to one turn, from what was heard to what was said, has its `voice_turn`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents.runs.facts import error_of, hidden_text_of
from chaukas.sdk.integrations.openai_agents.state import attempt, close_broken
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import report

from .models import SpeechModels, VoiceRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
    from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs

__all__ = ["Voice"]

_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END", "ERROR")
_STT = (*_MODEL, "INPUT_RECEIVED")
_SESSION = ("SESSION_START", "SESSION_END", "ERROR")


class Voice:
    """
    Wrappers around the pipeline and, through `SpeechModels`, its models.

    Args:
        host: Where to record.
        runs: Opens runs.
        models: Opens and ends MODEL pairs.
    """

    def __init__(self, host: Host, runs: Runs, models: ModelCalls) -> None:
        self._host = host
        self._runs = runs
        self._speech = SpeechModels(host, models, self._tell_input)

    def patches(self) -> Sequence[Patch]:
        """Return the patches; the modules are loaded only by who uses them."""
        speech = self._speech
        stt, turns = "model:STTModel", "model:StreamedTranscriptionSession"
        wraps: Sequence[tuple[str, Any, tuple[str, ...], bool]] = (
            ("pipeline:VoicePipeline.run", self.run, _SESSION, False),
            (f"{stt}.transcribe", speech.transcribe, _STT, True),
            (f"{stt}.create_session", speech.create_session, (), True),
            (f"{turns}.transcribe_turns", speech.transcribe_turns, _STT, True),
            ("model:TTSModel.run", speech.speak, _MODEL, True),
            ("input:StreamedAudioInput.add_audio", speech.add_audio, (), False),
            (
                "result:StreamedAudioResult._turn_done",
                self.turn_done,
                ("OUTPUT_EMITTED",),
                False,
            ),
        )
        return [
            Patch(
                f"agents.voice.{target}",
                wrap,
                emits,
                subclasses=subclasses,
                min_version="0.3",
                post_import=True,
            )
            for target, wrap, emits, subclasses in wraps
        ]

    async def run(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `VoicePipeline.run`, which only starts its work."""
        run = self._begin_guarded(instance)
        if run is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(Node(run, run.agent_span_id, "agent"))
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._finish(run, error)
            raise
        finally:
            reset(token)
        task = getattr(result, "text_generation_task", None)
        if isinstance(task, asyncio.Task):
            task.add_done_callback(partial(self._done, run))
        else:
            self._finish(run, None)
        return result

    def _begin_guarded(self, pipeline: Any) -> VoiceRun | None:
        if SUPPRESSED.get():
            return None
        try:
            return self._begin(pipeline)
        except Exception as error:
            report("VoicePipeline.run", error)
            return None

    def _begin(self, pipeline: Any) -> VoiceRun:
        # As a run of the runner: session, trace and content rules are the same.
        return self._runs.open({"run_config": pipeline.config}, VoiceRun)

    def _done(self, run: VoiceRun, task: asyncio.Task[Any]) -> None:
        cancelled = asyncio.CancelledError() if task.cancelled() else None
        self._finish(run, cancelled or error_of(task))

    def _finish(self, run: VoiceRun, error: BaseException | None) -> None:
        """Record what the pipeline failed of, and leave its session."""
        if run.is_ended:
            return
        run.is_ended = True
        try:
            if isinstance(error, Exception):
                message = hidden_text_of(error)
                record = self._host.recorder.error
                record(run, error, run.agent_span_id, message=message)
            self._host.recorder.pairs.close_run(run)
        except Exception as problem:
            report("VoicePipeline.run", problem)
            close_broken(self._host, run)
        finally:
            if run.parent is None:
                attempt("VoicePipeline.run", self._host.sessions.leave, run.session)

    # -- what was heard and said --------------------------------------------------

    async def turn_done(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the end of a turn: by its return all of it has been spoken."""
        text = getattr(instance, "_turn_text_buffer", None)
        result = await wrapped(*args, **kwargs)
        kind = EventType.OUTPUT_EMITTED
        attempt("VoicePipeline.run", self._tell, kind, "assistant", text)
        return result

    def _tell_input(self, text: Any) -> None:
        node = CURRENT.get()
        run = None if node is None else node.run
        if isinstance(run, VoiceRun):
            run.voice_turn += 1
            run.heard_ns = self._host.recorder.clock.monotonic_ns()
        self._tell(EventType.INPUT_RECEIVED, "user", text)

    def _tell(self, kind: EventType, role: str, text: Any) -> None:
        """Record a text of the conversation, if it is one of a pipeline."""
        node = CURRENT.get()
        run = None if node is None else node.run
        if not isinstance(run, VoiceRun) or run.parent is not None:
            return
        if type(text) is not str or not text.strip():
            return
        recorder = self._host.recorder
        capture = recorder.capture(run)
        metadata: dict[str, Any] = {"modality": "audio", "voice_turn": run.voice_turn}
        if kind is EventType.OUTPUT_EMITTED:
            metadata["response_latency_ms"], run.latency_ms = run.latency_ms, 0
        final = {"is_final": True} if kind is EventType.OUTPUT_EMITTED else {}
        said = capture.text(text, "message.text")
        recorder.emit(
            kind,
            run,
            content.message(role, said, without_defaults(metadata), **final),
            parent_span_id=run.agent_span_id,
            capture=capture,
        )
