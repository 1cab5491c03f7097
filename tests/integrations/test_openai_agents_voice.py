"""
The voice pipeline: speech models are MODEL pairs, and the workflow's runs stand inside.

With the SDK's scripted speech models and a real workflow, static and streamed; and
with OpenAI's speech models against a loopback HTTP server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from agents import Agent
from agents.testing import ScriptedModel
from agents.voice import (
    AudioInput,
    SingleAgentVoiceWorkflow,
    StreamedAudioInput,
    STTModelSettings,
    TTSModelSettings,
    VoicePipeline,
    VoicePipelineConfig,
)
from agents.voice.models.openai_stt import OpenAISTTModel
from agents.voice.models.openai_tts import OpenAITTSModel
from agents.voice.testing import (
    ScriptedSTTModel,
    ScriptedTTSModel,
    ScriptedVoiceWorkflow,
)
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

import chaukas.sdk
from tests.support.agent_runs import outcome_of, record, say
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = b"\x07\x00" * 240


def half_a_second() -> AudioInput:
    return AudioInput(np.zeros(12_000, dtype=np.int16))


def clerk(*steps: Any) -> SingleAgentVoiceWorkflow:
    """A workflow with one agent, whose model answers with these steps."""
    return SingleAgentVoiceWorkflow(Agent(name="Clerk", model=ScriptedModel(steps)))


def pipeline(workflow: Any, stt: Any, *speech: Any, **config: Any) -> VoicePipeline:
    tts = ScriptedTTSModel(speech or [[CHUNK, CHUNK]])
    options = VoicePipelineConfig(**config)
    return VoicePipeline(
        workflow=workflow, stt_model=stt, tts_model=tts, config=options
    )


async def hear(line: VoicePipeline, given: Any) -> list[Any]:
    """Run the pipeline and return what its stream tells."""
    result = await line.run(given)
    return [
        event.event if event.type == "voice_stream_event_lifecycle" else len(event.data)
        async for event in result.stream()
    ]


def ask(line: Callable[[], VoicePipeline]) -> Callable[[], Any]:
    """A story: half a second of audio is answered."""
    return lambda: hear(line(), half_a_second())


def one_turn() -> VoicePipeline:
    return pipeline(clerk(say("It is open")), ScriptedSTTModel(["Is it open?"]))


async def _streamed(line: VoicePipeline) -> list[Any]:
    given = StreamedAudioInput()
    for _ in range(2):
        await given.add_audio(np.zeros(2400, dtype=np.int16))
    await given.add_audio(None)
    return await hear(line, given)


def two_turns() -> VoicePipeline:
    workflow = clerk(say("It is open"), say("Until six"))
    stt = ScriptedSTTModel(sessions=[["Is it open?", "Until when?"]])
    return pipeline(workflow, stt, [CHUNK], [CHUNK])


# --- trees -------------------------------------------------------------------------


def test_static_audio_is_this_tree() -> None:
    run = record(ask(one_turn))
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL
          INPUT
          AGENT Clerk
            MODEL
          MODEL
          OUTPUT
        """
    )
    assert len([e for e in run.events if not e["type"].endswith("SYSTEM")]) == 12


def test_streamed_audio_is_one_transcription_and_a_run_for_each_turn() -> None:
    run = record(lambda: _streamed(two_turns()))
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL
          INPUT
          AGENT Clerk
            MODEL
          MODEL
          OUTPUT
          INPUT
          AGENT Clerk
            MODEL
          MODEL
          OUTPUT
        """
    )
    texts = [event["message"]["text"] for event in named(run.events, "INPUT_RECEIVED")]
    assert texts == ["Is it open?", "Until when?"]
    texts = [event["message"]["text"] for event in named(run.events, "OUTPUT_EMITTED")]
    assert texts == ["It is open", "Until six"]


def _turns(events: Any) -> list[tuple[str, Any]]:
    """Return type and turn of what has one, in the order of the record."""
    found = []
    for event in events:
        places = [event["metadata"]]
        for member in ("message", "llm_invocation"):
            places.append(event.get(member, {}).get("metadata", {}))
        turn = next((p["voice_turn"] for p in places if "voice_turn" in p), None)
        if turn is not None:
            found.append((event["type"].removeprefix("EVENT_TYPE_"), turn))
    return found


def test_all_of_a_turn_has_its_number_from_heard_to_spoken() -> None:
    events = record(lambda: _streamed(two_turns())).events
    one_turn = (
        "INPUT_RECEIVED",
        "AGENT_START",
        "MODEL_INVOCATION_START",
        "MODEL_INVOCATION_END",
        "OUTPUT_EMITTED",
    )
    told = _turns(events)
    assert sorted(told) == sorted((kind, n) for n in (1, 2) for kind in one_turn)
    for event in named(events, "OUTPUT_EMITTED"):
        assert event["message"]["metadata"]["response_latency_ms"] > 0


def test_the_transcription_of_a_single_question_is_part_of_its_turn() -> None:
    told = _turns(record(ask(one_turn)).events)
    models = [turn for kind, turn in told if kind == "MODEL_INVOCATION_END"]
    assert models == [1, 1]


def test_a_greeting_is_spoken_before_anything_is_heard() -> None:
    def line() -> VoicePipeline:
        workflow = ScriptedVoiceWorkflow(start="Welcome")
        return pipeline(workflow, ScriptedSTTModel(sessions=[[]]))

    run = record(lambda: _streamed(line()))
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL
          OUTPUT
          MODEL
        """
    )


@pytest.mark.parametrize(
    "story",
    [ask(one_turn), lambda: _streamed(two_turns())],
    ids=["static", "streamed"],
)
def test_the_application_hears_the_same_with_and_without_chaukas(story: Any) -> None:
    bare, error = outcome_of(story)
    assert error is None
    assert "session_ended" in bare
    assert record(story).value == bare


# --- what events hold --------------------------------------------------------------


def test_speech_models_tell_text_settings_and_amounts_but_no_audio() -> None:
    def line() -> VoicePipeline:
        settings = STTModelSettings(language="en", prompt="names of towns")
        voice = TTSModelSettings(voice="nova", instructions="Speak slowly.")
        workflow = clerk(say("It is open"))
        stt = ScriptedSTTModel(["Is it open?"])
        return pipeline(workflow, stt, stt_settings=settings, tts_settings=voice)

    events = record(ask(line)).events
    heard, _, spoken = named(events, "MODEL_INVOCATION_START")
    request = heard["llm_invocation"]["request"]
    assert heard["llm_invocation"]["model"] == "scripted-stt"
    assert request["task"] == "transcription"
    assert request["audio"] == {"chunks": 1, "bytes": 24_000, "ms": 500}
    assert request["settings"] == {"language": "en"}
    assert request["system"] == "names of towns"
    request = spoken["llm_invocation"]["request"]
    assert request["task"] == "speech"
    assert request["input"] == "It is open"
    assert request["settings"] == {"voice": "nova"}
    ends = {e["span_id"]: e for e in named(events, "MODEL_INVOCATION_END")}
    answer = ends[heard["span_id"]]["llm_invocation"]
    assert answer["response"] == {"text": "Is it open?"}
    speech = ends[spoken["span_id"]]["llm_invocation"]
    # The rate of a model that the SDK does not bring is not known: no milliseconds.
    assert speech["metadata"]["audio"] == {"chunks": 2, "bytes": 960}
    assert speech["chunk_count"] == 2
    assert speech["time_to_first_token_ms"] > 0
    assert base64.b64encode(CHUNK).decode()[:40] not in json.dumps(events)


def test_streamed_audio_is_counted_as_it_comes() -> None:
    events = record(lambda: _streamed(two_turns())).events
    end = next(
        event["llm_invocation"]
        for event in named(events, "MODEL_INVOCATION_END")
        if event["llm_invocation"]["model"] == "scripted-stt"
    )
    assert end["chunk_count"] == 2
    assert end["metadata"]["audio"] == {"chunks": 2, "bytes": 9600, "ms": 200}


def test_the_session_is_the_groups_and_content_hidden_if_the_pipeline_says_so() -> None:
    def line() -> VoicePipeline:
        return pipeline(
            clerk(say("It is open")),
            ScriptedSTTModel(["Is it open?"]),
            group_id="call-7",
            trace_include_sensitive_data=False,
        )

    events = record(ask(line)).events
    assert only(events, "SESSION_START")["session_id"] == "call-7"
    text = json.dumps(events)
    assert "Is it open" not in text
    assert "It is open" not in text


def test_a_block_around_the_pipeline_is_its_session() -> None:
    async def inside() -> None:
        with chaukas.sdk.session("mine", tenant_id="acme"):
            await hear(one_turn(), half_a_second())

    events = record(inside).events
    start = only(events, "SESSION_START")
    assert (start["tenant_id"], start["session_id"]) == ("acme", "mine")
    assert {event["tenant_id"] for event in named(events, "AGENT_START")} == {"acme"}


# --- failures ----------------------------------------------------------------------


def _outcomes(line: Callable[[], VoicePipeline]) -> Any:
    """Play with and without chaukas; the same must be raised."""
    _, bare = outcome_of(ask(line))
    run = record(ask(line))
    assert type(run.error) is type(bare)
    assert str(run.error) == str(bare)
    return run


def test_a_transcription_that_fails_is_told_once() -> None:
    def line() -> VoicePipeline:
        return pipeline(clerk(), ScriptedSTTModel([ValueError("too quiet")]))

    assert tree_of(_outcomes(line).events) == tree(
        """
        SESSION
          MODEL FAILED
            ERROR ValueError
        """
    )


def test_speech_that_fails_is_told_once_and_is_no_output() -> None:
    def line() -> VoicePipeline:
        stt = ScriptedSTTModel(["Is it open?"])
        return pipeline(clerk(say("It is open")), stt, ValueError("no voice"))

    assert tree_of(_outcomes(line).events) == tree(
        """
        SESSION
          MODEL
          INPUT
          AGENT Clerk
            MODEL
          MODEL FAILED
            ERROR ValueError
        """
    )


def test_a_workflow_that_fails_is_an_error_of_the_session() -> None:
    def line() -> VoicePipeline:
        workflow = ScriptedVoiceWorkflow([ValueError("no idea")])
        return pipeline(workflow, ScriptedSTTModel(["Is it open?"]))

    assert tree_of(_outcomes(line).events) == tree(
        """
        SESSION
          MODEL
          INPUT
          ERROR ValueError
        """
    )


def test_a_run_that_fails_in_the_workflow_is_told_once() -> None:
    def line() -> VoicePipeline:
        broken = clerk(ValueError("no model"))
        return pipeline(broken, ScriptedSTTModel(["Is it open?"]))

    events = _outcomes(line).events
    assert len(named(events, "ERROR")) == 1
    assert only(events, "AGENT_END")["status"] == "EVENT_STATUS_FAILED"


def test_a_streamed_transcription_is_cancelled_when_its_workflow_fails() -> None:
    def line() -> VoicePipeline:
        workflow = ScriptedVoiceWorkflow([ValueError("no idea")])
        return pipeline(workflow, ScriptedSTTModel(sessions=[["Is it open?", "Well?"]]))

    run = record(lambda: _streamed(line()))
    assert isinstance(run.error, ValueError)
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL CANCELLED
          INPUT
          ERROR ValueError
        """
    )


def test_a_pipeline_that_is_cancelled_cancels_what_is_open() -> None:
    begun = asyncio.Event()

    class Endless(ScriptedTTSModel):
        async def run(self, text: str, settings: Any) -> Any:
            begun.set()
            await asyncio.Event().wait()
            yield b""

    async def play() -> None:
        stt = ScriptedSTTModel(["Is it open?"])
        workflow = ScriptedVoiceWorkflow(["It is open"])
        line = VoicePipeline(workflow=workflow, stt_model=stt, tts_model=Endless())
        result = await line.run(half_a_second())
        await begun.wait()
        result.text_generation_task.cancel()
        await asyncio.wait([result.text_generation_task])

    run = record(play)
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL
          INPUT
          MODEL CANCELLED
        """
    )


def test_an_input_that_is_none_is_an_error_of_the_session() -> None:
    run = record(lambda: one_turn().run("no audio"))
    assert run.error is not None
    assert tree_of(run.events) == "SESSION\n  ERROR UserError"


# --- models alone, and models of others --------------------------------------------


def test_a_speech_model_that_the_application_asks_itself_is_a_pair() -> None:
    async def play() -> Any:
        settings = STTModelSettings()
        return await ScriptedSTTModel(["Hello"]).transcribe(
            half_a_second(), settings, True, True
        )

    run = record(play)
    assert run.value == "Hello"
    assert tree_of(run.events) == "SESSION\n  MODEL"


def test_a_model_that_asks_its_base_class_is_one_pair() -> None:
    class Loud(ScriptedSTTModel):
        async def transcribe(self, *args: Any, **options: Any) -> str:
            return (await super().transcribe(*args, **options)).upper()

    class Twice(ScriptedTTSModel):
        async def run(self, text: str, settings: Any) -> Any:
            async for chunk in super().run(text, settings):
                yield chunk * 2

    def line() -> VoicePipeline:
        return VoicePipeline(
            workflow=ScriptedVoiceWorkflow(["It is open"]),
            stt_model=Loud(["Is it open?"]),
            tts_model=Twice([[CHUNK]]),
        )

    run = record(ask(line))
    assert tree_of(run.events) == "SESSION\n  MODEL\n  INPUT\n  MODEL\n  OUTPUT"
    assert only(run.events, "INPUT_RECEIVED")["message"]["text"] == "IS IT OPEN?"


def test_speech_that_nobody_hears_to_its_end_is_cancelled() -> None:
    async def play() -> None:
        stream = ScriptedTTSModel([[CHUNK, CHUNK]]).run("Hello", TTSModelSettings())
        async for _ in stream:
            break
        await stream.aclose()

    assert tree_of(record(play).events) == "SESSION\n  MODEL CANCELLED"


class _Speech(BaseHTTPRequestHandler):
    """OpenAI's speech endpoints: the first transcription is too much for them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/transcriptions"):
            self.server.asked += 1  # type: ignore[attr-defined]
            if self.server.asked == 1:  # type: ignore[attr-defined]
                self._answer(500, b"{}")
                return
            self._answer(200, b'{"text": "Is it open?"}')
        else:
            self._answer(200, b"\x00\x01" * 24_000)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def speech_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Speech) as server:
        server.asked = 0  # type: ignore[attr-defined]
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_openais_own_speech_models_tell_provider_retries_and_time(
    speech_url: str,
) -> None:
    async def play() -> None:
        http = DefaultAsyncHttpxClient(trust_env=False)
        async with AsyncOpenAI(
            base_url=speech_url, api_key="none", http_client=http
        ) as client:
            line = VoicePipeline(
                workflow=ScriptedVoiceWorkflow(["It is open"]),
                stt_model=OpenAISTTModel("gpt-4o-transcribe", client),
                tts_model=OpenAITTSModel("gpt-4o-mini-tts", client),
                config=VoicePipelineConfig(tracing_disabled=True),
            )
            await hear(line, half_a_second())

    run = record(play)
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          MODEL
            RETRY http 1/2
          INPUT
          MODEL
          OUTPUT
        """
    )
    heard, spoken = (
        event["llm_invocation"] for event in named(run.events, "MODEL_INVOCATION_END")
    )
    assert (heard["provider"], heard["model"]) == (
        "openai_compatible",
        "gpt-4o-transcribe",
    )
    assert spoken["metadata"]["audio"]["ms"] == 1000
