"""Voice: what is heard becomes text, what is said becomes audio, agents between."""

from __future__ import annotations

from typing import Any

import numpy as np
from agents.voice import (
    AudioInput,
    SingleAgentVoiceWorkflow,
    StreamedAudioInput,
    STTModelSettings,
    TTSModelSettings,
    VoicePipeline,
)
from agents.voice.testing import (
    ScriptedSTTModel,
    ScriptedTTSModel,
    ScriptedVoiceWorkflow,
)

from .scripted import bot, say
from .stops import section

__all__ = ()

TABLE = "Voice Features"
CHUNK = b"\x07\x00" * 240


def pipeline(workflow: Any, stt: Any, *speech: Any) -> VoicePipeline:
    """Return a pipeline of scripted speech models."""
    tts = ScriptedTTSModel(speech or [[CHUNK, CHUNK]])
    return VoicePipeline(workflow=workflow, stt_model=stt, tts_model=tts)


async def hear(line: VoicePipeline, given: Any) -> None:
    """Listen to a pipeline to its end."""
    result = await line.run(given)
    async for _ in result.stream():
        pass


def spoken() -> AudioInput:
    """Return half a second of audio."""
    return AudioInput(np.zeros(12_000, dtype=np.int16))


@section(
    TABLE,
    "Voice input",
    shows="MODEL_INVOCATION_END.llm_invocation.metadata.audio",
    note="audio is counted and never stored",
)
async def voice_input() -> None:
    given = StreamedAudioInput()
    await given.add_audio(np.zeros(2400, dtype=np.int16))
    await given.add_audio(None)
    stt = ScriptedSTTModel(sessions=[["Is it open?", "Until when?"]])
    workflow = ScriptedVoiceWorkflow(["Yes", "Until six"])
    await hear(pipeline(workflow, stt, [CHUNK], [CHUNK]), given)


@section(TABLE, "Voice output", shows="OUTPUT_EMITTED.message.text")
async def voice_output() -> None:
    workflow = ScriptedVoiceWorkflow(["It is open."])
    await hear(pipeline(workflow, ScriptedSTTModel(["Is it open?"])), spoken())


@section(
    TABLE,
    "Voice pipeline",
    shows="AGENT_START.metadata.voice_turn",
    note="all of a turn, from what was heard to what was said, has its number",
)
async def voice_pipeline() -> None:
    workflow = SingleAgentVoiceWorkflow(bot(say("It is open.")))
    await hear(pipeline(workflow, ScriptedSTTModel(["Is it open?"])), spoken())


@section(
    TABLE,
    "Voice models",
    shows="MODEL_INVOCATION_END.llm_invocation.metadata.audio",
    note="also when an application asks them itself",
)
async def voice_models() -> None:
    text = await ScriptedSTTModel(["Hello"]).transcribe(
        spoken(), STTModelSettings(language="en"), True, True
    )
    speech = ScriptedTTSModel([[CHUNK]]).run(text, TTSModelSettings(voice="nova"))
    async for _ in speech:
        pass
