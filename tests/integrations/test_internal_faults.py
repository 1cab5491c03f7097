"""
Whatever fails inside chaukas, the application sees what it would have seen.

Each part of chaukas that a hook point calls is made to raise, one after the other, and
every scenario is run again. What is recorded then is of no interest here, but nothing
stays open: no pair, no running session.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from agents import Agent, SQLiteSession
from agents.realtime import RealtimeAgent
from agents.testing import ScriptedModel
from agents.voice import AudioInput, SingleAgentVoiceWorkflow, VoicePipeline
from agents.voice.testing import ScriptedSTTModel, ScriptedTTSModel
from tenacity import retry, stop_after_attempt

import chaukas.sdk
from chaukas.sdk import _runtime
from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.integrations.openai_agents.models import facts, wrap
from chaukas.sdk.integrations.openai_agents.realtime import (
    turns,
)
from chaukas.sdk.integrations.openai_agents.realtime import (
    wrap as realtime_wrap,
)
from chaukas.sdk.integrations.openai_agents.realtime.state import Settings
from chaukas.sdk.integrations.openai_agents.runs import handoffs
from chaukas.sdk.integrations.openai_agents.runs import wrap as runs_wrap
from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    Invocation,
    lone_run,
)
from chaukas.sdk.integrations.openai_agents.tools import wrap as tools_wrap
from chaukas.sdk.integrations.openai_agents.voice import models
from chaukas.sdk.integrations.openai_client import answers as client_answers
from chaukas.sdk.integrations.openai_client import calls as client_calls
from chaukas.sdk.integrations.shared import model_content
from chaukas.sdk.integrations.shared import models as shared_models
from chaukas.sdk.integrations.shared.models import Request
from chaukas.sdk.integrations.shared.openai_api import client_retries
from chaukas.sdk.record import recorder as record_module
from chaukas.sdk.record.recorder import EventPairManager, Recorder
from chaukas.sdk.record.retries import RetryDetector
from chaukas.sdk.record.sessions import SessionBook
from chaukas.sdk.testing import capture_events
from loopback import Fail, ModelServer, Text
from tests.support import scenarios
from tests.support.agent_runs import Mode, outcome_of, run_in, say
from tests.support.realtime_conversations import (
    answered,
    asked,
    called,
    spoken,
    talk,
    turn,
)
from tests.support.trees import only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EXTRACTORS = (
    "agent_facts",
    "api_of",
    "body_of",
    "chunks_of",
    "client_provider_of",
    "request_of",
    "told_by",
    "agent_ref",
    "_provider_of",
    "arguments_of",
    "cost_of",
    "error_code_of",
    "error_text",
    "finish_reason_of",
    "model_name_of",
    "new_user_items",
    "provider_of",
    "response_facts",
    "settings_of",
    "tool_names",
    "usage_of",
)
_FAULTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "capture": ((Recorder, "capture"),),
    "emit": ((Recorder, "emit"),),
    "encoding": ((record_module, "orjson"),),
    "making": ((Recorder, "make"),),
    "holding": ((DeferredCapture, "hold"), (DeferredCapture, "tree")),
    "error": ((Recorder, "error"),),
    "start of a pair": ((EventPairManager, "start"),),
    "end of a pair": ((EventPairManager, "end"),),
    "end of a run": ((EventPairManager, "close_run"), (EventPairManager, "end")),
    "session begin": ((SessionBook, "enter"),),
    "session end": ((SessionBook, "leave"),),
    "run made": ((AgentsRun, "__init__"),),
    "agent begin": ((Runs, "start_agent"),),
    "realtime settings": ((Settings, "of"),),
    "retry begin": ((RetryDetector, "started"),),
    "retry end": ((RetryDetector, "failed"), (RetryDetector, "succeeded")),
    **{
        name: tuple(
            (module, name)
            for module in (
                facts,
                wrap,
                handoffs,
                realtime_wrap,
                turns,
                runs_wrap,
                tools_wrap,
                models,
                client_answers,
                client_calls,
                client_retries,
                model_content,
                shared_models,
            )
            if name in vars(module)
        )
        for name in _EXTRACTORS
    },
}


async def realtime(_mode: Mode) -> Any:
    """A conversation over a realtime session, with one tool."""
    steps = [
        asked(*turn(called("add", '{"a": 1, "b": 2}'))),
        answered(*turn(spoken("three", response_id="r2"), response_id="r2")),
    ]
    agent = RealtimeAgent(name="Bot", tools=[scenarios.add])
    return await talk(agent, steps, "1 + 2?")


async def voice(_mode: Mode) -> Any:
    """One question, heard, answered and spoken."""
    agent = Agent(name="Clerk", model=ScriptedModel([say("It is open")]))
    line = VoicePipeline(
        workflow=SingleAgentVoiceWorkflow(agent),
        stt_model=ScriptedSTTModel(["Is it open?"]),
        tts_model=ScriptedTTSModel([[b"\x07\x00" * 240]]),
    )
    result = await line.run(AudioInput(np.zeros(12_000, dtype=np.int16)))
    return [event.type async for event in result.stream()]


async def realtime_handoff(_mode: Mode) -> Any:
    """A realtime session whose agent hands over to another."""
    other = RealtimeAgent(name="Other")
    steps = [
        asked(*turn(called("transfer_to_other"))),
        answered(*turn(spoken("yes", response_id="r2"), response_id="r2")),
    ]
    agent = RealtimeAgent(name="Bot", handoffs=[other])
    return await talk(agent, steps, "Hello")


async def stored(mode: Mode) -> Any:
    """A conversation that a session of the SDK keeps, and the application reads."""
    store = SQLiteSession("chat-1")
    agent = Agent(name="Clerk", model=ScriptedModel([say("It is open")]))
    result = await run_in(mode, agent, "Is it open?", session=store)
    return result.final_output, len(await store.get_items())


def repeated(_mode: Mode) -> Any:
    """A function that tenacity calls again."""
    outcomes = iter([ValueError("not yet"), "done"])

    @retry(stop=stop_after_attempt(3))
    def work() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return work()


async def client_alone(mode: Mode) -> Any:
    """A call of the openai client, of which the first request is turned away."""
    replies = [Fail(429, headers={"retry-after-ms": "1"}), Text("one two")]
    streamed = mode is Mode.STREAMED
    with ModelServer(replies) as server:
        async with server.client() as client:
            answer = await client.chat.completions.create(
                model="gpt-5",
                messages=[{"role": "user", "content": "Hi"}],
                stream=streamed,
            )
            if not streamed:
                return repr(answer)
            return [repr(chunk) async for chunk in answer]


_SCENARIOS = (
    *scenarios.SCENARIOS,
    client_alone,
    realtime,
    realtime_handoff,
    voice,
    stored,
    repeated,
)


_MODES = (Mode.RUN, Mode.STREAMED)


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("a bug of ours")


def _seen(scenario: Callable[[Mode], Any], mode: Mode) -> tuple[Any, ...]:
    value, error = outcome_of(lambda: scenario(mode))
    output = getattr(value, "final_output", value)
    return output, type(error), str(error), error and error.__cause__.__class__


def _break(patch: pytest.MonkeyPatch, places: Iterable[tuple[Any, str]]) -> None:
    for holder, name in places:
        patch.setattr(holder, name, _fail)


def test_every_fault_breaks_something() -> None:
    assert [name for name, places in _FAULTS.items() if not places] == []


@pytest.mark.parametrize("scenario", _SCENARIOS, ids=lambda one: one.__name__)
def test_a_fault_of_chaukas_is_not_seen(
    scenario: Callable[[Mode], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    expected = [_seen(scenario, mode) for mode in _MODES]
    # One recording for all faults, as enabling takes longer than a run: what one of
    # them leaves behind is in the way of the next.
    with capture_events():
        called_for = _called_for(scenario)
        wrong = {
            fault: found
            for fault in _FAULTS
            if fault not in _EXTRACTORS or fault in called_for
            if (found := _wrong_with(fault, scenario, expected))
        }
    assert wrong == {}


def _called_for(scenario: Callable[[Mode], Any]) -> set[str]:
    """Return which extractors a scenario calls; a fault in another is no fault."""
    called: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        for name in _EXTRACTORS:
            for module, _ in _FAULTS[name]:
                patch.setattr(module, name, _noted(getattr(module, name), name, called))
        for mode in _MODES:
            _seen(scenario, mode)
        assert chaukas.sdk.flush(20)
    return called


def _noted(function: Callable[..., Any], name: str, called: set[str]) -> Any:
    """Return a function that does the same, and notes that it was called."""

    @wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        called.add(name)
        return function(*args, **kwargs)

    return noting


def _wrong_with(
    fault: str, scenario: Callable[[Mode], Any], expected: list[tuple[Any, ...]]
) -> list[Any]:
    """Play a scenario with a fault, and return what differs or is left open."""
    before = _running_sessions()
    with pytest.MonkeyPatch.context() as patch:
        _break(patch, _FAULTS[fault])
        seen = [_seen(scenario, mode) for mode in _MODES]
        # What the writer makes of it is broken as well.
        is_written = chaukas.sdk.flush(20)
    wrong: list[Any] = [
        ("seen", one, "instead of", other)
        for one, other in zip(seen, expected, strict=True)
        if one != other
    ]
    wrong += [("open pair", name) for name in _open_pairs()]
    if not is_written:
        wrong.append("the writer did not go on")
    # What is broken there is the very thing that would say so.
    if fault != "session end":
        left = [name for name in _running_sessions() if name not in before]
        wrong += [("running session", name) for name in left]
    return wrong


def _open_pairs() -> list[str]:
    """Return the pairs of runs that nobody has ended."""
    runtime = _runtime.active()
    assert runtime is not None
    runs = list(runtime.recorder.pairs._runs.values())
    return [
        pair.kind.name
        for run in runs
        if run is not run.session.scope
        for pair in run.pairs.values()
    ]


def _running_sessions() -> list[str]:
    runtime = _runtime.active()
    assert runtime is not None
    book = runtime.sessions
    sessions = [*book._open.values(), *(kept for kept, _ in book._retired.values())]
    return [session.session_id for session in sessions if session.running]


def test_a_fault_while_a_failed_call_is_read_leaves_its_own_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    with capture_events() as events:
        runtime = _runtime.active()
        assert runtime is not None
        models_ = wrap.ModelCalls(runtime)
        call = Invocation(lone_run(runtime))
        call.is_alone = True
        models_.calls.open(call, Request("openai", "gpt-4o", "Hi"))
        call.answer = object()
        models_.end_alone(call, ValueError("the host's own"))
    ended = only(events(), "MODEL_INVOCATION_END")
    assert ended["status"] == "EVENT_STATUS_FAILED"
    assert only(events(), "ERROR")["error"]["error_code"] == "ValueError"
