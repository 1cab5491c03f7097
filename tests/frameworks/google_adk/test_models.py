"""Models of ADK behind a real server: retries, filters, hosted tools, fallbacks."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins.base_plugin import BasePlugin
from google.genai import types

from tests.frameworks.google_adk.support import (
    RELEASE,
    Scripted,
    add,
    agent,
    ask,
    play,
    runner_of,
    tree_of,
)
from tests.support.trees import named, only, tree

sys.path.append(str(Path(__file__).resolve().parents[3] / "examples"))

from loopback import Call, Drop, Fail, ModelServer, Raw, StreamBreak, Text, ToolCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

SSE = RunConfig(streaming_mode=StreamingMode.SSE)
GEMINI = "gemini-2.5-flash"
ONE_TURN = tree(
    """
    SESSION
      AGENT root
        INPUT
        MODEL
        OUTPUT
    """
)


@contextmanager
def gemini(*replies: Any, attempts: int = 0, **more: Any) -> Iterator[Any]:
    """Yield the runner of an agent with a Gemini that is served here."""
    retry = types.HttpRetryOptions(
        attempts=attempts, initial_delay=0.05, max_delay=0.1, jitter=0
    )
    with ModelServer(list(replies)) as server:
        options: dict[str, Any] = {"retry_options": retry} if attempts else {}
        if "base_url" in Gemini.model_fields:
            options["base_url"] = server.root_url
        else:
            from google.genai import Client

            client = Client(
                api_key="x",
                http_options=types.HttpOptions(base_url=server.root_url, **options),
            )
            model = Gemini(model=GEMINI, **options)
            model.__dict__["api_client"] = client
            runner = runner_of(LlmAgent(name="root", model=model, **more))
            runner.server = server
            yield runner
            return
        model = Gemini(model=GEMINI, **options)
        runner = runner_of(LlmAgent(name="root", model=model, **more))
        runner.server = server
        yield runner


def test_a_call_of_gemini_is_told_whole() -> None:
    settings = types.GenerateContentConfig(temperature=0.2, max_output_tokens=50)
    with gemini(Text("hi"), generate_content_config=settings) as runner:
        events = play(ask(runner))
    assert tree_of(events) == ONE_TURN
    start = only(events, "MODEL_INVOCATION_START")["llm_invocation"]
    assert (start["provider"], start["model"]) == ("google", GEMINI)
    assert (start["temperature"], start["max_tokens"]) == (0.2, 50)
    end = only(events, "MODEL_INVOCATION_END")
    told = end["llm_invocation"]
    assert told["response"]["text"] == "hi"
    if RELEASE >= (1, 20):
        # Earlier ones do not hand it on.
        assert told["finish_reason"] == "stop"
        assert told["metadata"]["response_model"] == f"{GEMINI}-001"
    assert (told["prompt_tokens"], told["completion_tokens"]) == (11, 5)
    assert end["cost"]["total_cost"] > 0
    assert "x-goog-api-key" not in str(events)


def test_a_stream_of_gemini_is_one_answer() -> None:
    with gemini(Text("one two three")) as runner:
        events = play(ask(runner, run_config=SSE))
    assert tree_of(events) == ONE_TURN
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "one two three"
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["chunk_count"] >= 3


@pytest.mark.parametrize("config", [None, SSE])
def test_a_call_of_a_tool_runs_once(config: Any) -> None:
    calls = ToolCalls(Call("add", {"a": 1, "b": 2}))
    with gemini(calls, Text("three"), tools=[add]) as runner:
        events = play(ask(runner, run_config=config) if config else ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(RELEASE < (1, 20), reason="its client repeats nothing by itself")
def test_requests_that_the_client_repeats_are_told_with_what_was_slept() -> None:
    with gemini(Fail(503), Fail(429), Text("hi"), attempts=3) as runner:
        events = play(ask(runner), clock=None)
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              RETRY http 1/3
              RETRY http 2/3
            OUTPUT
        """
    )
    retries = [event["retry"] for event in named(events, "RETRY")]
    assert [retry["metadata"]["status"] for retry in retries] == [503, 429]
    assert retries[0]["backoff_ms"] >= 50
    assert retries[1]["backoff_ms"] >= 100
    assert retries[0]["strategy"] == "exponential"


@pytest.mark.skipif(RELEASE < (1, 20), reason="its client repeats nothing by itself")
class _Claude(BaseHTTPRequestHandler):
    """Says that it is overloaded twice, then answers."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.count += 1  # type: ignore[attr-defined]
        is_busy = self.server.count < 3  # type: ignore[attr-defined]
        body: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }
        if is_busy:
            error = {"type": "overloaded_error", "message": "Overloaded"}
            body = {"type": "error", "error": error}
        data = json.dumps(body).encode()
        self.send_response(529 if is_busy else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("request-id", f"req_{self.server.count}")  # type: ignore[attr-defined]
        if is_busy:
            self.send_header("retry-after-ms", "20")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_requests_that_the_client_of_claude_repeats_are_told() -> None:
    anthropic = pytest.importorskip("anthropic")
    if RELEASE < (1, 20):
        pytest.skip("its Claude is one of Vertex alone")
    from google.adk.models.anthropic_llm import AnthropicLlm

    name = "claude-sonnet-4-5"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Claude)
    server.count = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = anthropic.AsyncAnthropic(
        api_key="not-used",
        base_url=f"http://127.0.0.1:{server.server_port}",
        max_retries=2,
    )
    model = AnthropicLlm(model=name)
    # As every release keeps the client that it makes.
    vars(model)["_anthropic_client"] = client
    try:
        events = play(ask(runner_of(LlmAgent(name="root", model=model))))
    finally:
        server.shutdown()
        server.server_close()
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              RETRY http 1/2
              RETRY http 2/2
            OUTPUT
        """
    )
    start = only(events, "MODEL_INVOCATION_START")["llm_invocation"]
    assert (start["provider"], start["model"]) == ("anthropic", name)
    first = named(events, "RETRY")[0]["retry"]
    assert first["metadata"]["status"] == 529
    assert first["metadata"]["request_id"] == "req_1"
    assert first["metadata"]["model"] == name
    assert first["strategy"] == "retry_after"
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert (end["prompt_tokens"], end["completion_tokens"]) == (7, 3)


def test_a_stream_that_the_client_repeats() -> None:
    with gemini(Fail(503), Text("one two"), attempts=3) as runner:
        events = play(ask(runner, run_config=SSE))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              RETRY http 1/3
            OUTPUT
        """
    )


@pytest.mark.skipif(RELEASE < (1, 20), reason="its client repeats nothing by itself")
def test_requests_that_fail_every_time_have_one_error() -> None:
    with gemini(*[Fail(429)] * 3, attempts=3) as runner:
        events = play(ask(runner))
    drawn = tree_of(events)
    assert drawn.replace("_ResourceExhausted", "Client") == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL FAILED
              RETRY http 1/3
              RETRY http 2/3
              ERROR ClientError:RESOURCE_EXHAUSTED
        """
    ).replace("ClientError:RESOURCE", "ClientError:RESOURCE")


@pytest.mark.skipif(RELEASE < (2, 0), reason="an older client does not repeat it")
def test_the_second_request_after_a_broken_connection_is_a_retry() -> None:
    with gemini(Drop(), Text("hi")) as runner:
        events = play(ask(runner))
        assert len(runner.server.requests) == 2
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              RETRY http 1/1
            OUTPUT
        """
    )


def test_a_run_while_an_error_is_handled_repeats_nothing() -> None:
    async def program(runner: Any) -> None:
        try:
            raise ConnectionError("of before")
        except ConnectionError:
            await ask(runner)

    with gemini(Text("hi")) as runner:
        events = play(program(runner))
    assert tree_of(events) == ONE_TURN


def test_a_stream_that_breaks_fails_the_model() -> None:
    with gemini(StreamBreak(1, "one two three")) as runner:
        events = play(ask(runner, run_config=SSE))
    (_, agent_line, *_), (model, *_) = (
        [line.strip() for line in tree_of(events).split("\n") if kind in line]
        for kind in ("", "MODEL")
    )
    assert (agent_line, model) == ("AGENT root FAILED", "MODEL FAILED")
    assert len(named(events, "ERROR")) == 1


def answer(parts: list[Any], reason: str = "STOP", **more: Any) -> Raw:
    """Return an answer of Gemini as it stands on the wire."""
    content = {"role": "model", "parts": parts}
    candidate = {"content": content, "finishReason": reason, "index": 0, **more}
    return Raw({"candidates": [candidate]})


def test_a_prompt_that_is_blocked_fails_the_model_with_a_decision() -> None:
    with gemini(Raw({"promptFeedback": {"blockReason": "SAFETY"}})) as runner:
        events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL FAILED
              POLICY content_filter deny
              ERROR SAFETY
        """
    )


@pytest.mark.skipif(RELEASE < (1, 20), reason="it does not tell the reason")
def test_an_answer_that_is_withheld_is_a_decision() -> None:
    with gemini(answer([{"text": "x"}], "SAFETY")) as runner:
        events = play(ask(runner))
    assert "POLICY content_filter deny" in tree_of(events)
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["metadata"]["provider_finish_reason"] == "SAFETY"


@pytest.mark.skipif(RELEASE < (2, 9), reason="it is no error before")
def test_an_answer_without_content_fails_the_agent() -> None:
    with gemini(answer([])) as runner:
        events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            ERROR MODEL_RETURNED_NO_CONTENT
        """
    )


def test_a_search_of_the_provider_is_a_tool_with_what_it_read() -> None:
    from google.adk.tools import google_search

    grounding = {
        "webSearchQueries": ["weather in Rome"],
        "groundingChunks": [{"web": {"uri": "https://example.org/rome", "title": "R"}}],
    }
    reply = answer([{"text": "sunny"}], groundingMetadata=grounding)
    with gemini(reply, tools=[google_search]) as runner:
        events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              TOOL google_search
                DATA_ACCESS google_search
            OUTPUT
        """
    )
    read = only(events, "DATA_ACCESS")["data_access"]
    assert read["document_ids"] == ["https://example.org/rome"]
    assert read["metadata"]["queries"] == ["weather in Rome"]


def test_a_retrieval_of_the_provider_is_a_tool_with_what_it_read() -> None:
    uri = "gs://handbook/leave.pdf"
    grounding = {
        "retrievalQueries": ["days of leave"],
        "groundingChunks": [{"retrievedContext": {"uri": uri, "title": "Leave"}}],
    }
    reply = answer([{"text": "thirty"}], groundingMetadata=grounding)
    with gemini(reply) as runner:
        events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              TOOL retrieval
                DATA_ACCESS retrieval
            OUTPUT
        """
    )
    read = only(events, "DATA_ACCESS")["data_access"]
    assert read["document_ids"] == [uri]
    assert read["metadata"]["queries"] == ["days of leave"]


def test_code_that_the_provider_runs_is_a_tool() -> None:
    reply = answer(
        [
            {"executableCode": {"code": "print(3)", "language": "PYTHON"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "3"}},
            {"text": "three"},
        ]
    )
    from google.adk.code_executors import BuiltInCodeExecutor

    with gemini(reply, code_executor=BuiltInCodeExecutor()) as runner:
        events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              TOOL code_execution
            OUTPUT
        """
    )
    assert only(events, "TOOL_CALL_START")["tool_call"]["arguments"] == {
        "code": "print(3)",
        "language": "PYTHON",
    }


def test_code_that_adk_runs_is_a_tool() -> None:
    from google.adk.code_executors import UnsafeLocalCodeExecutor

    code = "Let me see.\n```python\nprint(1 + 2)\n```\n"
    root = agent(code, "three", code_executor=UnsafeLocalCodeExecutor())
    events = play(ask(runner_of(root)))
    drawn = [line for line in tree_of(events).split("\n") if "STATE_UPDATE" not in line]
    assert drawn[:4] == ["SESSION", "  AGENT root", "    INPUT", "    MODEL"]
    tool = only(events, "TOOL_CALL_START")["tool_call"]
    assert tool["tool_name"] == "code_interpreter"
    assert tool["arguments"]["code"].strip() == "print(1 + 2)"
    output = only(events, "TOOL_CALL_END")["tool_response"]["output"]["output"]
    assert output["stdout"].strip() == "3"


def test_a_model_that_raises_fails_its_agent() -> None:
    events = play(ask(runner_of(agent(ValueError("out of order")))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL FAILED
              ERROR ValueError
        """
    )


@pytest.mark.parametrize("by_plugin", [False, True])
def test_a_model_whose_failure_a_callback_answers_is_recoverable(
    by_plugin: bool,
) -> None:
    answer = LlmResponse(
        content=types.Content(role="model", parts=[types.Part(text="sorry")])
    )

    class Handler(BasePlugin):
        async def on_model_error_callback(self, **_: Any) -> Any:
            return answer

    if not by_plugin and RELEASE < (1, 16):
        pytest.skip("callbacks of agents hear of no errors before")
    own = {} if by_plugin else {"on_model_error_callback": lambda **_: answer}
    plugins = [Handler(name="handler")] if by_plugin else []
    root = agent(ValueError("out of order"), **own)
    events = play(ask(runner_of(root, plugins=plugins)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL FAILED
              ERROR ValueError recoverable
            OUTPUT
        """
    )
    error = only(events, "ERROR")["error"]
    assert error["recovery_action"] == "on_model_error_callback"


@pytest.mark.skipif(RELEASE < (2, 9), reason="it came with 2.9")
def test_a_model_that_falls_back_to_another() -> None:
    from google.adk.models import FallbackModel
    from google.genai.errors import ServerError

    failing = ServerError(503, {"error": {"message": "busy", "status": "UNAVAILABLE"}})
    models = [
        Scripted(model="scripted-1", script=[failing], requests=[]),
        Scripted(model="scripted-2", script=["hello"], requests=[]),
    ]
    root = LlmAgent(name="root", model=FallbackModel(models=models))
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
              RETRY framework 1/0
            OUTPUT
        """
    )
    assert only(events, "RETRY")["retry"]["strategy"] == "fallback"
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["metadata"]["response_model"] == "scripted-2"


@pytest.mark.skipif(RELEASE < (2, 6), reason="it came with 2.6")
def test_a_plugin_that_asks_the_model_again_is_a_retry() -> None:
    from google.adk.plugins._reflect_retry_model_plugin import (
        ReflectAndRetryModelPlugin,
    )

    bad = LlmResponse(
        error_code="MALFORMED_FUNCTION_CALL",
        error_message="no call",
        finish_reason=types.FinishReason.MALFORMED_FUNCTION_CALL,
    )
    runner = runner_of(agent(bad, "x"), plugins=[ReflectAndRetryModelPlugin()])
    events = play(ask(runner))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL FAILED
              ERROR MALFORMED_FUNCTION_CALL recoverable
            RETRY middleware 1/3
            TOOL adk_handle_model_error
            MODEL
            OUTPUT
        """
    )


def test_a_model_that_is_asked_outside_of_any_run() -> None:
    from google.adk.models.llm_request import LlmRequest

    async def program() -> None:
        model = Scripted(script=["hello"], requests=[])
        async for _ in model.generate_content_async(LlmRequest(model="scripted-1")):
            pass

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          MODEL
        """
    )


def test_a_stream_is_recorded_piece_by_piece_if_that_is_wanted() -> None:
    events = play(
        ask(runner_of(agent("a b c")), run_config=SSE), stream_events="deltas"
    )
    pieces = [e for e in named(events, "OUTPUT_EMITTED") if e.get("is_partial")]
    assert "".join(piece["message"]["text"] for piece in pieces) == "abc"
    assert len(named(events, "OUTPUT_EMITTED")) == len(pieces) + 1
