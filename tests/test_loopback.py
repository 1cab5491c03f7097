"""
The loopback model server, driven by the real clients it exists for.

Each kind of reply is run through the agents SDK or the openai client, because
only they can say whether an answer has the right shape.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import openai
import pytest
from agents import (
    Agent,
    ModelBehaviorError,
    ModelSettings,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from agents.exceptions import ModelRefusalError
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from agents.result import RunResult, RunResultStreaming

from loopback import (
    Call,
    Drop,
    Fail,
    Failed,
    Hosted,
    Incomplete,
    ModelServer,
    Reasoning,
    Refusal,
    Reply,
    Request,
    Script,
    Slow,
    StreamBreak,
    Text,
    ToolCalls,
    Usage,
    Vectors,
    model_for_example,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from agents.models.interface import Model

T = TypeVar("T")
Run = RunResult | RunResultStreaming

both_apis = pytest.mark.parametrize("api", ["responses", "chat"])
both_modes = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


@pytest.fixture(autouse=True)
def _no_tracing() -> None:
    set_tracing_disabled(disabled=True)


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def model_of(api: str, client: openai.AsyncOpenAI) -> Model:
    if api == "chat":
        return OpenAIChatCompletionsModel("gpt-5", client)
    return OpenAIResponsesModel("gpt-5", client)


async def run_agent(
    client: openai.AsyncOpenAI,
    text: str = "hello",
    *,
    api: str = "responses",
    streamed: bool = False,
    seen: list[str] | None = None,
) -> Run:
    agent = Agent(
        name="Adder",
        model=model_of(api, client),
        tools=[add],
        model_settings=ModelSettings(include_usage=True),
    )
    if not streamed:
        return await Runner.run(agent, text)
    result = Runner.run_streamed(agent, text)
    async for event in result.stream_events():
        if seen is not None and event.type == "raw_response_event":
            seen.append(event.data.type)
    return result


def converse(
    script: Script, *, max_retries: int = 0, **how: Any
) -> tuple[Run, list[Request]]:
    """Run one agent against a script and return its result and the requests."""

    async def body() -> Run:
        async with server.client(max_retries=max_retries) as client:
            return await run_agent(client, **how)

    with ModelServer(script) as server:
        result = asyncio.run(body())
        assert server.remaining == 0
        return result, server.requests


def with_client(
    script: Script, use: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, T]]
) -> T:
    async def body() -> T:
        async with server.client(max_retries=0) as client:
            return await use(client)

    with ModelServer(script) as server:
        return asyncio.run(body())


@both_apis
@both_modes
def test_a_text_becomes_the_final_output(api: str, *, streamed: bool) -> None:
    result, requests = converse(
        [Text("Good morning, world")], api=api, streamed=streamed
    )
    assert result.final_output == "Good morning, world"
    assert requests[0].user_text == "hello"
    assert requests[0].streamed is streamed


@both_apis
@both_modes
def test_two_tool_calls_are_executed_and_their_results_come_back(
    api: str, *, streamed: bool
) -> None:
    script: list[Reply] = [
        ToolCalls(
            Call("add", {"a": 1, "b": 2}),
            Call("add", {"a": 3, "b": 4}, call_id="mine"),
            text="Let me add.",
        ),
        Text("3 and 7"),
    ]
    result, requests = converse(script, api=api, streamed=streamed)
    assert result.final_output == "3 and 7"
    assert requests[1].tool_outputs == ["3", "7"]
    wire = json.dumps(requests[1].body)
    assert "call_1_0" in wire
    assert "mine" in wire


@both_apis
@both_modes
def test_usage_counts_what_the_script_says(api: str, *, streamed: bool) -> None:
    usage = Usage(100, 50, cached_tokens=40, reasoning_tokens=30)
    result, _ = converse([Text("x", usage=usage)], api=api, streamed=streamed)
    counted = result.context_wrapper.usage
    assert (counted.input_tokens, counted.output_tokens) == (100, 50)
    assert counted.total_tokens == 150
    assert counted.input_tokens_details.cached_tokens == 40
    assert counted.output_tokens_details.reasoning_tokens == 30


def test_usage_follows_from_the_request_when_the_script_does_not_fix_it() -> None:
    result, _ = converse([ToolCalls(Call("add", {"a": 1, "b": 1})), Text("2")])
    first, second = result.raw_responses
    assert (first.usage.input_tokens, first.usage.output_tokens) == (11, 6)
    assert (second.usage.input_tokens, second.usage.output_tokens) == (13, 5)


@both_apis
@both_modes
def test_a_refusal_is_raised_as_one(api: str, *, streamed: bool) -> None:
    with pytest.raises(ModelRefusalError, match="I will not"):
        converse([Refusal("I will not")], api=api, streamed=streamed)


@both_modes
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Incomplete("content_filter"), "content_filter"),
        (Incomplete("max_output_tokens", "half a"), "max_output_tokens"),
        (Failed("server_error", "it broke"), "it broke"),
    ],
)
def test_an_unfinished_response_fails_the_run(
    reply: Reply, words: str, *, streamed: bool
) -> None:
    with pytest.raises(ModelBehaviorError, match=words):
        converse([reply], streamed=streamed)


@both_modes
def test_a_content_filter_without_text_is_a_refusal_in_chat(*, streamed: bool) -> None:
    with pytest.raises(ModelRefusalError, match="content filter"):
        converse([Incomplete("content_filter")], api="chat", streamed=streamed)


@both_apis
@both_modes
def test_reasoning_precedes_the_answer(api: str, *, streamed: bool) -> None:
    result, _ = converse(
        [Reasoning("thinking hard", Text("42"))], api=api, streamed=streamed
    )
    assert result.final_output == "42"
    kinds = [item.type for item in result.new_items]
    assert kinds == ["reasoning_item", "message_output_item"]
    thought: Any = result.new_items[0].raw_item
    assert thought.summary[0].text == "thinking hard"


@both_modes
def test_hosted_items_arrive_as_they_were_written(*, streamed: bool) -> None:
    search = {
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "otters"},
    }
    remote = {
        "type": "mcp_call",
        "name": "lookup",
        "server_label": "wiki",
        "arguments": "{}",
        "output": "found",
    }
    seen: list[str] = []
    result, _ = converse(
        [Hosted([search, remote], "Otters.")], streamed=streamed, seen=seen
    )
    assert result.final_output == "Otters."
    output: list[Any] = result.raw_responses[0].output
    assert [item.type for item in output] == ["web_search_call", "mcp_call", "message"]
    assert output[0].action.query == "otters"
    if streamed:
        assert "response.web_search_call.searching" in seen
        assert "response.mcp_call_arguments.done" in seen
        assert "response.mcp_call.completed" in seen


def test_a_streamed_text_has_the_whole_sequence_of_events() -> None:
    seen: list[str] = []
    converse([Text("abcdef", deltas=3)], streamed=True, seen=seen)
    assert seen == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_a_streamed_tool_call_has_the_whole_sequence_of_events() -> None:
    seen: list[str] = []
    script: list[Reply] = [
        Reasoning("hm", ToolCalls(Call("add", {"a": 1, "b": 2}))),
        Text("3"),
    ]
    converse(script, streamed=True, seen=seen)
    first = seen[: seen.index("response.completed") + 1]
    assert first == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_the_events_of_a_stream_are_valid_and_numbered_without_a_gap() -> None:
    script = [Reasoning("hm", ToolCalls(Call("add", {"a": 1}), text="so"))]

    async def use(client: openai.AsyncOpenAI) -> list[Any]:
        stream = await client.responses.create(model="m", input="x", stream=True)
        return [event async for event in stream]

    events = with_client(script, use)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    for event in events:
        # The client builds models without checking them; this checks them.
        type(event).model_validate(event.model_dump(by_alias=True))


def test_a_chat_stream_reports_usage_only_when_asked() -> None:
    async def use(client: openai.AsyncOpenAI) -> tuple[list[Any], list[Any]]:
        how: Any = {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
        }
        with_usage: Any = {"include_usage": True}
        first = await client.chat.completions.create(**how, stream_options=with_usage)
        second = await client.chat.completions.create(**how)
        return [chunk async for chunk in first], [chunk async for chunk in second]

    asked, unasked = with_client([Text("a b"), Text("a b")], use)
    assert asked[-1].usage.total_tokens == 16
    assert asked[-1].choices == []
    assert all(chunk.usage is None for chunk in [*asked[:-1], *unasked])
    assert unasked[-1].choices[0].finish_reason == "stop"
    for chunk in [*asked, *unasked]:
        type(chunk).model_validate(chunk.model_dump())


def test_whole_answers_are_valid_and_their_ids_predictable() -> None:
    async def use(client: openai.AsyncOpenAI) -> tuple[Any, Any]:
        response = await client.responses.create(model="m", input="x")
        completion = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}]
        )
        return response, completion

    response, completion = with_client([Text("a"), Text("b")], use)
    type(response).model_validate(response.model_dump(by_alias=True))
    type(completion).model_validate(completion.model_dump())
    assert (response.id, response._request_id) == ("resp_1", "req_1")
    assert (completion.id, completion._request_id) == ("chatcmpl-2", "req_2")


@both_apis
@both_modes
def test_a_429_is_retried_after_the_time_the_server_names(
    api: str, *, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[float] = []
    plan = openai.AsyncOpenAI._calculate_retry_timeout

    def spy(self: Any, *args: Any, **kwargs: Any) -> float:
        planned.append(plan(self, *args, **kwargs))
        return planned[-1]

    monkeypatch.setattr(openai.AsyncOpenAI, "_calculate_retry_timeout", spy)
    fail = Fail(429, "rate_limit_exceeded", "slow down", retry_after=0.003)
    result, requests = converse(
        [fail, Text("at last")], max_retries=2, api=api, streamed=streamed
    )
    assert result.final_output == "at last"
    assert planned == [0.003]
    counts = [request.headers["x-stainless-retry-count"] for request in requests]
    assert counts == ["0", "1"]


def test_an_error_carries_its_code_and_message() -> None:
    with pytest.raises(openai.BadRequestError, match="too long") as caught:
        converse([Fail(400, "context_length_exceeded", "too long")])
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.request_id == "req_1"


def test_further_headers_of_an_error_are_sent() -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        converse([Fail(503, headers={"x-should-retry": "false"})], max_retries=2)
    assert caught.value.response.headers["x-should-retry"] == "false"


@both_modes
def test_a_dropped_connection_is_retried(
    *, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        openai.AsyncOpenAI, "_calculate_retry_timeout", lambda *_, **__: 0.0
    )
    result, requests = converse([Drop(), Text("ok")], max_retries=1, streamed=streamed)
    assert result.final_output == "ok"
    assert len(requests) == 2


def test_a_dropped_connection_without_retries_is_an_error() -> None:
    with pytest.raises(openai.APIConnectionError):
        converse([Drop()])


@both_apis
@pytest.mark.parametrize("count", [0, 3])
def test_a_broken_stream_gives_the_deltas_it_promised(api: str, count: int) -> None:
    heard: list[str] = []

    async def use(client: openai.AsyncOpenAI) -> None:
        if api == "responses":
            stream = await client.responses.create(model="m", input="x", stream=True)
            async for event in stream:
                if event.type == "response.output_text.delta":
                    # An extend would lose what came before the break.
                    heard.append(event.delta)
            return
        chunks = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        async for chunk in chunks:
            heard.extend(filter(None, [chunk.choices[0].delta.content]))

    with pytest.raises(openai.APIConnectionError):
        with_client([StreamBreak(count)], use)
    assert len(heard) == count


@both_apis
def test_an_answer_in_one_piece_can_break_too(api: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        converse([StreamBreak()], api=api)


def test_a_slow_answer_runs_into_the_clients_timeout() -> None:
    async def use(client: openai.AsyncOpenAI) -> None:
        impatient = client.with_options(timeout=0.05)
        await impatient.responses.create(model="m", input="x")

    with pytest.raises(openai.APITimeoutError):
        with_client([Slow(3600, Text("late"))], use)


def test_a_slow_answer_arrives_in_the_end() -> None:
    result, _ = converse([Slow(0.01, Text("late"))])
    assert result.final_output == "late"


def test_a_stream_with_pauses_can_be_cancelled_midway() -> None:
    async def use(client: openai.AsyncOpenAI) -> Run:
        agent = Agent(name="A", model=model_of("responses", client))
        result = Runner.run_streamed(agent, "x")
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                result.cancel()
        return result

    result = with_client([Text("a b c", pause_s=3600)], use)
    assert result.final_output is None


def test_fifty_concurrent_runs_each_get_their_own_answer() -> None:
    def script(request: Request) -> Reply:
        number = int(request.user_text)
        if request.tool_outputs:
            return Text(f"{number} + 1 = {request.tool_outputs[0]}")
        return ToolCalls(Call("add", {"a": number, "b": 1}))

    async def use(client: openai.AsyncOpenAI) -> list[Run]:
        return await asyncio.gather(
            *(
                run_agent(client, str(n), api=("responses", "chat")[n % 2])
                for n in range(50)
            )
        )

    results = with_client(script, use)
    assert [r.final_output for r in results] == [
        f"{n} + 1 = {n + 1}" for n in range(50)
    ]


def test_one_connection_serves_several_requests() -> None:
    with ModelServer([Text("a"), Text("b", deltas=1), Text("c")]) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        endpoints = set()
        for streamed in (False, True, False):
            body = json.dumps({"model": "m", "input": "x", "stream": streamed})
            connection.request("POST", "/v1/responses", body)
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
            endpoints.add(connection.sock.getsockname())
        connection.close()
    assert len(endpoints) == 1


def test_a_request_beyond_the_script_is_refused_by_name_and_not_retried() -> None:
    with ModelServer([Text("only one")]) as server, server.sync_client() as client:
        client.responses.create(model="m", input="x")
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.create(model="m", input="x")
        assert "request 2 to /v1/responses is not in the script" in str(caught.value)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (["no reply"], "is no reply"),
        ([Hosted([{"type": "web_search_call"}])], "only the Responses API"),
        ([Failed()], "only the Responses API"),
        ([StreamBreak(5, "two words")], "not midway"),
    ],
)
def test_a_mistake_in_the_script_is_told_to_the_client(
    script: Script, words: str
) -> None:
    with pytest.raises(openai.InternalServerError, match=words):
        converse(script, api="chat")


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/v1/moderations", "{}", "POST /v1/moderations is not served"),
        ("GET", "/v1/models", None, "GET /v1/models is not served"),
        ("POST", "/v1/responses", "{", "is not JSON"),
        ("POST", "/v1/responses", "[]", "is not a JSON object"),
    ],
)
def test_a_wrong_request_is_refused_by_name_and_uses_up_no_reply(
    method: str, path: str, body: str | None, words: str
) -> None:
    with ModelServer([Text("a")]) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert answer.status == 500
        assert words in json.loads(answer.read())["error"]["message"]
        connection.close()
        assert server.remaining == 1


@pytest.mark.parametrize("deltas", [0, 3])
def test_a_text_too_short_for_its_deltas_is_refused(deltas: int) -> None:
    with pytest.raises(ValueError, match="1 to 2 deltas"):
        Text("ab", deltas=deltas)


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n", "one two three"])
def test_a_streamed_text_keeps_its_white_space(text: str) -> None:
    async def use(client: openai.AsyncOpenAI) -> str:
        stream = await client.responses.create(model="m", input="x", stream=True)
        return "".join(
            [e.delta async for e in stream if e.type == "response.output_text.delta"]
        )

    assert with_client([Text(text)], use) == text


def test_close_ends_open_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    server = ModelServer([Slow(3600, Text("never"))])
    port = int(server.base_url.split(":")[2].split("/")[0])
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    idle.connect()
    waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    waiting.request("POST", "/v1/responses", '{"input": "x"}')
    deadline_s = time.monotonic() + 10
    while not server.requests and time.monotonic() < deadline_s:
        threading.Event().wait(0.001)
    server.close()
    server.close()
    with pytest.raises(http.client.RemoteDisconnected):
        waiting.getresponse()
    idle.close()
    waiting.close()
    assert set(threading.enumerate()) <= before


def test_an_example_without_a_key_talks_to_the_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agents.models import _openai_shared

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(_openai_shared, "_default_openai_client", None)
    with model_for_example([Text("from the script"), Text("again")]) as server:
        first = asyncio.run(Runner.run(Agent(name="A"), "hello"))
        second = asyncio.run(Runner.run(Agent(name="A"), "hello"))
        assert server is not None
        assert len(server.requests) == 2
    assert (first.final_output, second.final_output) == ("from the script", "again")


def test_an_example_with_a_key_uses_the_real_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agents.models import _openai_shared

    monkeypatch.setenv("OPENAI_API_KEY", "placeholder")
    with model_for_example([]) as server:
        assert server is None
        assert _openai_shared.get_default_openai_client() is None


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_the_same_for_the_same_text(encoding: str) -> None:
    with (
        ModelServer([Vectors(4)]) as server,
        server.sync_client() as client,
    ):
        found = client.embeddings.create(
            model="e", input=["a", "b", "a"], encoding_format=encoding
        )
    first, other, again = (each.embedding for each in found.data)
    assert first == again
    assert first != other
    assert found.usage.total_tokens == 12
