"""
The openai client by itself: its calls are MODEL pairs, and nobody notices.

Each call goes over HTTP to the server of `examples/loopback`, in every way that the
client has to make it: blocking or asynchronous, whole or streamed, parsed or raw.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai
import openai._base_client
import pytest
from agents import Agent, Runner, function_tool
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI, AsyncStream, AzureOpenAI, OpenAI, Stream
from pydantic import BaseModel

import chaukas.sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.prompts import rebuild_prompts
from chaukas.sdk.testing import FakeClock, capture_events
from loopback import (
    Call,
    Fail,
    Failed,
    Incomplete,
    ModelServer,
    Reasoning,
    Refusal,
    Slow,
    StreamBreak,
    Text,
    ToolCalls,
    Usage,
    Vectors,
)
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.typing import Event
    from loopback import Reply

MESSAGES = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "gpt-5", "messages": MESSAGES}
RESPONSE = {"model": "gpt-5", "input": "Hi"}
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
EMBEDDING = "text-embedding-3-small"
HOST = "api.openai.com"


class Sum(BaseModel):
    total: int


@pytest.fixture(autouse=True)
def _fast_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)


def play(replies: Sequence[Reply], use: Callable[[OpenAI], Any], **client: Any) -> Any:
    """Return what *use* makes of a client whose server answers with *replies*."""
    with (
        ModelServer(replies) as server,
        server.sync_client(known_as=HOST, **client) as made,
    ):
        return use(made)


def play_async(
    replies: Sequence[Reply], use: Callable[[AsyncOpenAI], Any], **client: Any
) -> Any:
    async def main() -> Any:
        with ModelServer(replies) as server:
            async with server.client(known_as=HOST, **client) as made:
                return await use(made)

    return asyncio.run(main())


def recorded(
    replies: Sequence[Reply],
    use: Callable[[Any], Any],
    *,
    client: dict[str, Any] | None = None,
    **settings: Any,
) -> list[Event]:
    """Return the events of *use*, which may fail; none of them may be lost."""
    player = play_async if inspect.iscoroutinefunction(use) else play
    with capture_events(**settings) as events:
        with suppress(openai.OpenAIError, asyncio.CancelledError):
            player(replies, use, **(client or {}))
        dropped = chaukas.stats().dropped
    assert not dropped
    return events()


def started(events: list[Event]) -> Any:
    return only(events, "MODEL_INVOCATION_START")["llm_invocation"]


def ended(events: list[Event]) -> Any:
    return only(events, "MODEL_INVOCATION_END")["llm_invocation"]


# --- every way to ask ---------------------------------------------------------------


def _chat(client: OpenAI) -> Any:
    return client.chat.completions.create(**CHAT)


def _chat_parsed(client: OpenAI) -> Any:
    return client.chat.completions.parse(**CHAT, response_format=Sum)


def _chat_chunks(client: OpenAI) -> Any:
    return list(client.chat.completions.create(**CHAT, stream=True))


def _chat_helper(client: OpenAI) -> Any:
    with client.chat.completions.stream(**CHAT) as stream:
        return [type(event).__name__ for event in stream]


def _chat_raw(client: OpenAI) -> Any:
    return client.chat.completions.with_raw_response.create(**CHAT).parse()


def _chat_unread(client: OpenAI) -> Any:
    raw = client.chat.completions.with_streaming_response
    with raw.create(**CHAT) as answer:
        return answer.parse()


def _chat_raw_chunks(client: OpenAI) -> Any:
    raw = client.chat.completions.with_raw_response
    return list(raw.create(**CHAT, stream=True).parse())


def _response(client: OpenAI) -> Any:
    return client.responses.create(**RESPONSE)


def _response_parsed(client: OpenAI) -> Any:
    return client.responses.parse(**RESPONSE, text_format=Sum)


def _response_events(client: OpenAI) -> Any:
    return list(client.responses.create(**RESPONSE, stream=True))


def _response_helper(client: OpenAI) -> Any:
    with client.responses.stream(**RESPONSE) as stream:
        return stream.get_final_response()


def _response_raw(client: OpenAI) -> Any:
    return client.responses.with_raw_response.create(**RESPONSE).parse()


async def _chat_async(client: AsyncOpenAI) -> Any:
    return await client.chat.completions.create(**CHAT)


async def _chat_parsed_async(client: AsyncOpenAI) -> Any:
    return await client.chat.completions.parse(**CHAT, response_format=Sum)


async def _chat_chunks_async(client: AsyncOpenAI) -> Any:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    return [chunk async for chunk in stream]


async def _chat_helper_async(client: AsyncOpenAI) -> Any:
    async with client.chat.completions.stream(**CHAT) as stream:
        return [type(event).__name__ async for event in stream]


async def _chat_raw_async(client: AsyncOpenAI) -> Any:
    raw = await client.chat.completions.with_raw_response.create(**CHAT)
    return raw.parse()


async def _chat_unread_async(client: AsyncOpenAI) -> Any:
    raw = client.chat.completions.with_streaming_response
    async with raw.create(**CHAT) as answer:
        return await answer.parse()


async def _response_async(client: AsyncOpenAI) -> Any:
    return await client.responses.create(**RESPONSE)


async def _response_parsed_async(client: AsyncOpenAI) -> Any:
    return await client.responses.parse(**RESPONSE, text_format=Sum)


async def _response_events_async(client: AsyncOpenAI) -> Any:
    stream = await client.responses.create(**RESPONSE, stream=True)
    return [event async for event in stream]


async def _response_helper_async(client: AsyncOpenAI) -> Any:
    async with client.responses.stream(**RESPONSE) as stream:
        return await stream.get_final_response()


CHATS = (
    _chat,
    _chat_parsed,
    _chat_chunks,
    _chat_helper,
    _chat_raw,
    _chat_unread,
    _chat_raw_chunks,
    _chat_async,
    _chat_parsed_async,
    _chat_chunks_async,
    _chat_helper_async,
    _chat_raw_async,
    _chat_unread_async,
)
RESPONSES = (
    _response,
    _response_parsed,
    _response_events,
    _response_helper,
    _response_raw,
    _response_async,
    _response_parsed_async,
    _response_events_async,
    _response_helper_async,
)
WAYS = (*CHATS, *RESPONSES)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
ANSWER = Text('{"total": 3}', deltas=3)


@every_way
def test_every_way_to_ask_is_one_pair_under_the_session(way: Any) -> None:
    events = recorded([ANSWER], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL
    """)
    asked, answered = started(events), ended(events)
    assert asked["provider"] == answered["provider"] == "openai"
    assert asked["model"] == answered["model"] == "gpt-5"
    assert asked["request"]["input"] == (MESSAGES if way in CHATS else ["Hi"])
    assert answered["response"]["text"] == ANSWER.text
    assert answered["finish_reason"] == "stop"
    assert only(events, "MODEL_INVOCATION_END")["response_id"]
    assert answered["metadata"]["response_model"] == "gpt-5"
    assert only(events, "MODEL_INVOCATION_END")["metadata"]["framework"] == (
        "openai_client"
    )


@every_way
def test_the_application_gets_what_it_gets_without_chaukas(way: Any) -> None:
    player = play_async if inspect.iscoroutinefunction(way) else play
    expected = player([ANSWER], way)
    with capture_events():
        seen = player([ANSWER], way)
    assert repr(seen) == repr(expected)
    assert type(seen) is type(expected)


@every_way
def test_what_is_asked_reaches_the_server_unchanged(way: Any) -> None:
    sent: list[Any] = []

    def reply(request: Any) -> Reply:
        headers = dict(request.headers)
        for name in ("host", "idempotency-key"):
            headers.pop(name, None)
        sent.append((request.path, request.body, headers))
        return ANSWER

    player = play_async if inspect.iscoroutinefunction(way) else play
    player(reply, way)
    with capture_events():
        player(reply, way)
    assert sent[0] == sent[1]


@every_way
def test_an_error_of_the_provider_is_recorded_once_and_reaches_the_host(
    way: Any,
) -> None:
    player = play_async if inspect.iscoroutinefunction(way) else play
    refused = Fail(400, code="bad", message="No")
    with capture_events() as events, pytest.raises(openai.BadRequestError) as raised:
        player([refused], way)
    assert raised.value.status_code == 400
    found = events()
    assert tree_of(found) == tree("""
        SESSION
          MODEL FAILED
            ERROR BadRequestError:bad
    """)
    told = ended(found)
    assert told["response"]["error_code"] == "BadRequestError:bad"
    assert told["metadata"]["status"] == 400
    assert told["metadata"]["request_id"] == "req_1"


@every_way
def test_hidden_retries_stand_inside_the_pair(way: Any) -> None:
    busy = Fail(429, code="rate_limit_exceeded", retry_after=0.001)
    events = recorded([busy, busy, ANSWER], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL
            RETRY http 1/2
            RETRY http 2/2
    """)
    retry = named(events, "RETRY")[0]["retry"]
    assert retry["strategy"] == "retry_after"
    assert retry["metadata"]["model"] == "gpt-5"
    assert retry["metadata"]["status"] == 429


@every_way
def test_content_that_is_hidden_is_nowhere(way: Any) -> None:
    events = recorded([ANSWER], way, capture_content=False)
    assert tree_of(events) == tree("""
        SESSION
          MODEL
    """)
    text = json.dumps(events)
    assert "Hi" not in text
    assert "total\\" not in text
    assert started(events)["model"] == "gpt-5"


@every_way
def test_a_trace_that_is_not_sampled_is_left_alone(way: Any) -> None:
    events = recorded([ANSWER], way, sample_rate=0.0)
    assert [event["type"] for event in events] == ["EVENT_TYPE_SYSTEM"] * 2


# --- what is asked -------------------------------------------------------------------


def test_settings_are_recorded_as_they_are_sent() -> None:
    def use(client: OpenAI) -> None:
        client.chat.completions.create(
            **CHAT,
            temperature=0,
            top_p=0.5,
            max_completion_tokens=64,
            tools=TOOLS,
            tool_choice="auto",
            extra_body={"top_p": 0.25, "api_key": "sk-not-a-setting"},
        )

    told = started(recorded([Text("Hi")], use))
    assert told["top_p"] == 0.25
    assert told["max_tokens"] == 64
    assert told["request"]["tools"] == ["add"]
    assert told["request"]["settings"] == {
        "max_completion_tokens": 64,
        "temperature": 0,
        "tool_choice": "auto",
    }


def test_members_of_a_response_have_their_names() -> None:
    def use(client: OpenAI) -> None:
        client.responses.create(
            **RESPONSE,
            instructions="Be brief.",
            previous_response_id="resp_0",
            tools=[{"type": "web_search"}, {"type": "function", "name": "add"}],
            reasoning={"effort": "low"},
            text={"verbosity": "low"},
        )

    told = started(recorded([Text("Hi")], use))["request"]
    assert told["system"] == "Be brief."
    assert told["previous_response_id"] == "resp_0"
    assert told["tools"] == ["web_search", "add"]
    assert told["settings"] == {"reasoning": {"effort": "low"}, "verbosity": "low"}


@pytest.mark.parametrize("way", [_chat_parsed, _response_parsed])
def test_a_structured_answer_has_its_schema(way: Any) -> None:
    told = started(recorded([ANSWER], way))["request"]
    assert told["output_schema"] == "Sum"
    assert told["output_schema_strict"] is True
    definition = told["output_schema_definition"]
    assert definition["properties"]["total"]["type"] == "integer"


def test_each_message_is_recorded_once_and_every_prompt_can_be_rebuilt() -> None:
    prompts: list[list[Any]] = []

    def use(client: OpenAI) -> None:
        messages: list[Any] = [{"role": "system", "content": "Be brief."}]
        for number in range(3):
            messages.append({"role": "user", "content": f"question {number}"})
            prompts.append(list(messages))
            answer = client.chat.completions.create(model="gpt-5", messages=messages)
            text = answer.choices[0].message.content
            messages.append({"role": "assistant", "content": text})

    events = recorded([Text("a"), Text("b"), Text("c")], use)
    starts = named(events, "MODEL_INVOCATION_START")
    fresh = [event["llm_invocation"]["request"]["input"] for event in starts]
    assert [len(items) for items in fresh] == [2, 2, 2]
    rebuilt = rebuild_prompts(events)
    assert [rebuilt[event["span_id"]].items for event in starts] == prompts


@pytest.mark.parametrize(
    ("base_url", "provider"),
    [
        ("http://api.openai.com/v1", "openai"),
        ("http://api.deepseek.com/v1", "api.deepseek.com"),
        ("http://10.0.0.7:8000/v1", "openai_compatible"),
        ("http://eu.openai.azure.com/openai/v1", "azure"),
    ],
)
def test_the_provider_is_who_serves_the_base_url(base_url: str, provider: str) -> None:
    def use(client: OpenAI) -> None:
        client.with_options(base_url=base_url).chat.completions.create(**CHAT)

    told = started(recorded([Text("Hi")], use))
    assert told["provider"] == provider


def test_azure_is_recorded_by_the_name_of_its_deployment() -> None:
    def reply(request: Any) -> Reply:
        return Text("Hi", usage=Usage(input_tokens=3))

    with (
        ModelServer(reply) as server,
        server.sync_client(known_as=HOST) as http,
        capture_events() as events,
    ):
        client = AzureOpenAI(
            azure_endpoint="http://eu.openai.azure.com",
            api_version="2024-10-21",
            api_key="k",
            max_retries=0,
            http_client=http._client,
        )
        # The loopback server has no deployments: it says so, after it was asked.
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**CHAT | {"model": "our-deployment"})
    told = started(events())
    assert (told["provider"], told["model"]) == ("azure", "our-deployment")


# --- what is answered ----------------------------------------------------------------

ANSWERED = (_chat, _chat_chunks, _response, _response_events)
answered_ways = pytest.mark.parametrize("way", ANSWERED, ids=lambda way: way.__name__)


@answered_ways
def test_tool_calls_are_recorded_with_their_arguments(way: Any) -> None:
    events = recorded([ToolCalls(Call("add", {"a": 1, "b": 2}), Call("now"))], way)
    told = ended(events)
    assert told["finish_reason"] == "tool_calls"
    assert told["response"]["tool_calls"] == [
        {"id": "call_1_0", "name": "add", "arguments": {"a": 1, "b": 2}},
        {"id": "call_1_1", "name": "now", "arguments": {}},
    ]


@answered_ways
def test_tool_calls_are_named_though_content_is_hidden(way: Any) -> None:
    replies = [ToolCalls(Call("add", {"secret": "hunter2"}))]
    events = recorded(replies, way, capture_content=False)
    [call] = ended(events)["response"]["tool_calls"]
    assert (call["id"], call["name"]) == ("call_1_0", "add")
    assert "hunter2" not in json.dumps(events)


def test_tokens_and_cost_are_those_of_the_provider() -> None:
    usage = Usage(
        input_tokens=1000, output_tokens=100, cached_tokens=400, reasoning_tokens=60
    )
    for way in (_chat, _response, _response_events):
        events = recorded([Text("Hi", usage=usage)], way)
        told = ended(events)
        assert told["prompt_tokens"] == 1000
        assert told["completion_tokens"] == 100
        assert told["total_tokens"] == 1100
        assert told["cached_tokens"] == 400
        assert told["reasoning_tokens"] == 60
        cost = only(events, "MODEL_INVOCATION_END")["cost"]
        assert cost["total_cost"] > 0
        session = only(events, "SESSION_END")
        assert session["session_end"]["metadata"]["usage"]["input_tokens"] == 1000


def test_a_stream_tells_of_its_first_token_its_chunks_and_its_late_usage() -> None:
    def use(client: OpenAI) -> int:
        options = {"include_usage": True}
        chat = client.chat.completions
        stream = chat.create(**CHAT, stream=True, stream_options=options)
        return sum(1 for _ in stream)

    told = ended(recorded([Text("one two three")], use))
    assert told["chunk_count"] == 6
    assert told["time_to_first_token_ms"] > 0
    assert told["total_tokens"] == 16
    assert told["response"]["text"] == "one two three"


@answered_ways
def test_a_refusal_is_a_decision(way: Any) -> None:
    events = recorded([Refusal("I will not")], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL
          POLICY model_refusal deny
    """)
    assert ended(events)["response"]["refusal"] == "I will not"


@answered_ways
def test_an_answer_that_was_cut_off_says_why(way: Any) -> None:
    events = recorded([Incomplete("max_output_tokens", "so f")], way)
    expected = "length" if way in CHATS else "max_output_tokens"
    assert ended(events)["finish_reason"] == expected
    assert tree_of(events) == "SESSION\n  MODEL"


@answered_ways
def test_a_content_filter_is_a_decision(way: Any) -> None:
    events = recorded([Incomplete("content_filter")], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL
            POLICY content_filter deny
    """)


@pytest.mark.parametrize("way", [_response, _response_events])
def test_a_response_that_failed_is_an_error_though_nothing_is_raised(way: Any) -> None:
    events = recorded([Failed("server_error", "It broke")], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL FAILED
            ERROR server_error
    """)
    assert ended(events)["response"]["error"] == "It broke"


def test_reasoning_is_recorded_apart() -> None:
    for way in (_chat, _chat_chunks, _response, _response_events):
        told = ended(recorded([Reasoning("hm", Text("Hi"))], way))["response"]
        assert told == {"reasoning": "hm", "text": "Hi"}


def test_an_answer_that_breaks_the_length_is_kept_with_its_error() -> None:
    replies = [Incomplete("max_output_tokens", '{"tot')]
    events = recorded(replies, _chat_parsed)
    told = ended(events)
    assert told["response"]["text"] == '{"tot'
    assert told["response"]["error_code"] == "LengthFinishReasonError"
    assert told["completion_tokens"] == 5


# --- how a call can end --------------------------------------------------------------


def test_a_server_that_is_not_there_is_an_error_with_its_retries() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def use(_served: OpenAI) -> None:
        url = f"http://127.0.0.1:{port}/v1"
        with OpenAI(base_url=url, api_key="k", max_retries=1) as client:
            client.responses.create(**RESPONSE)

    events = recorded([], use)
    assert tree_of(events) == tree("""
        SESSION
          MODEL FAILED
            RETRY http 1/1
            ERROR APIConnectionError
    """)


def test_a_timeout_is_an_error_of_its_own() -> None:
    def use(client: OpenAI) -> None:
        client.with_options(timeout=0.05, max_retries=0).responses.create(**RESPONSE)

    events = recorded([Slow(5, Text("late"))], use)
    assert tree_of(events) == tree("""
        SESSION
          MODEL FAILED
            ERROR APITimeoutError
    """)


@pytest.mark.parametrize("way", [_chat_chunks, _chat_chunks_async, _chat_helper])
def test_a_stream_that_breaks_keeps_what_came(way: Any) -> None:
    events = recorded([StreamBreak(2, "one two three four")], way)
    assert tree_of(events) == tree("""
        SESSION
          MODEL FAILED
            ERROR APIConnectionError
    """)
    assert ended(events)["response"]["text"] == "one two"


def _task_cancelled(make: Callable[[AsyncOpenAI, asyncio.Event], Any]) -> Any:
    async def use(client: AsyncOpenAI) -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(make(client, begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return use


def test_a_cancelled_request_is_cancelled_and_no_error() -> None:
    async def ask(client: AsyncOpenAI, begun: asyncio.Event) -> None:
        async def sent(_request: Any) -> None:
            begun.set()

        client._client.event_hooks["request"].append(sent)
        await client.responses.create(**RESPONSE)

    events = recorded([Slow(5, Text("late"))], _task_cancelled(ask))
    assert tree_of(events) == "SESSION\n  MODEL CANCELLED"


def test_a_cancelled_stream_keeps_what_came() -> None:
    async def read(client: AsyncOpenAI, begun: asyncio.Event) -> None:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                begun.set()

    replies = [Text("one two three", pause_s=0.2)]
    events = recorded(replies, _task_cancelled(read))
    assert tree_of(events) == "SESSION\n  MODEL CANCELLED"
    assert ended(events)["response"]["text"] == "one"


def _left(end: Callable[[Any], Any]) -> Callable[[OpenAI], None]:
    def use(client: OpenAI) -> None:
        stream = client.chat.completions.create(**CHAT, stream=True)
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        end(stream)
        del stream
        gc.collect()
        # Before chaukas ends, which closes all.
        runtime = _runtime.active()
        if runtime is not None:
            assert runtime.recorder.pairs.open_count == 1

    return use


def _leave_block(stream: Any) -> None:
    with stream:
        pass


@pytest.mark.parametrize(
    "end", [lambda stream: stream.close(), _leave_block, lambda _stream: None]
)
def test_a_stream_that_is_left_is_cancelled_with_what_came(end: Any) -> None:
    events = recorded([Text("one two three")], _left(end))
    assert tree_of(events) == "SESSION\n  MODEL CANCELLED"
    told = ended(events)
    assert told["response"]["text"] == "one"
    assert "orphan" not in only(events, "MODEL_INVOCATION_END")["metadata"]


def test_an_asynchronous_stream_that_is_left_is_cancelled() -> None:
    async def use(client: AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()

    events = recorded([Text("one two three")], use)
    assert tree_of(events) == "SESSION\n  MODEL CANCELLED"
    assert ended(events)["response"]["text"] == "one"


def test_a_stream_that_is_left_after_its_last_word_is_complete() -> None:
    def use(client: OpenAI) -> None:
        chat = client.chat.completions
        options = {"include_usage": True}
        with chat.create(**CHAT, stream=True, stream_options=options) as stream:
            for chunk in stream:
                if chunk.choices[0].finish_reason:
                    break

    assert tree_of(recorded([Text("one two")], use)) == "SESSION\n  MODEL"


def test_a_stream_may_be_left_and_read_on() -> None:
    def use(client: OpenAI) -> list[Any]:
        stream = client.chat.completions.create(**CHAT, stream=True)
        first = next(stream)
        return [first, *stream]

    events = recorded([Text("one two three")], use)
    assert ended(events)["response"]["text"] == "one two three"
    assert ended(events)["chunk_count"] == 5


def test_a_stream_that_nobody_reads_ends_when_it_is_dropped() -> None:
    def use(client: OpenAI) -> None:
        client.chat.completions.create(**CHAT, stream=True)
        gc.collect()

    events = recorded([Text("one two three")], use)
    assert tree_of(events) == "SESSION\n  MODEL CANCELLED"


def test_a_stream_is_recorded_piece_by_piece_if_asked() -> None:
    replies = [ToolCalls(Call("add", {"a": 1}, "c1"), text="I add")]
    for way in (_chat_chunks, _chat_chunks_async, _response_events, _response_helper):
        # Time stands still, so that only the length counts.
        still = FakeClock(step_ns=0)
        events = recorded(replies, way, stream_events="deltas", clock=still)
        assert tree_of(events) == tree("""
            SESSION
              MODEL
                OUTPUT IN_PROGRESS x2
        """)
        text, arguments = (e["message"] for e in named(events, "OUTPUT_EMITTED"))
        assert (text["text"], arguments["text"]) == ("I add", '{"a":1}')
        assert text["metadata"]["part"] == "text"
        assert arguments["metadata"]["tool_name"] == "add"
        assert arguments["metadata"]["tool_call_id"] == "c1"


@pytest.mark.parametrize("player", [play, play_async])
def test_nothing_of_an_answer_is_kept_though_the_connection_lives(player: Any) -> None:
    def note(kept: list[Any], event: Any) -> None:
        if event.type == "response.completed":
            kept.append(weakref.ref(event.response))

    def is_gone(kept: list[Any]) -> bool:
        gc.collect()
        [answer] = kept
        return answer() is None

    def use(client: OpenAI) -> bool:
        kept: list[Any] = []
        for event in client.responses.create(**RESPONSE, stream=True):
            note(kept, event)
        del event
        return is_gone(kept)

    async def use_async(client: AsyncOpenAI) -> bool:
        kept: list[Any] = []
        async for event in await client.responses.create(**RESPONSE, stream=True):
            note(kept, event)
        del event
        return is_gone(kept)

    with capture_events():
        assert player([Text("Hi")], use if player is play else use_async)


def test_streams_stay_the_objects_that_the_client_makes() -> None:
    def use(client: OpenAI) -> list[Any]:
        stream = client.chat.completions.create(**CHAT, stream=True)
        seen = [type(stream) is Stream, stream.response.status_code]
        seen += [inspect.isgenerator(stream._iterator), iter(stream) is stream]
        with stream as entered:
            seen.append(entered is stream)
        return seen

    async def use_async(client: AsyncOpenAI) -> list[Any]:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        seen = [type(stream) is AsyncStream, inspect.isasyncgen(stream._iterator)]
        async with stream as entered:
            seen.append(entered is stream)
        return seen

    expected = play([Text("Hi")], use), play_async([Text("Hi")], use_async)
    with capture_events():
        seen = play([Text("Hi")], use), play_async([Text("Hi")], use_async)
    assert seen == expected


# --- embeddings ----------------------------------------------------------------------


def _embed(client: OpenAI, given: Any = ("a", "b"), **options: Any) -> Any:
    return client.embeddings.create(model=EMBEDDING, input=list(given), **options)


def test_embeddings_have_tokens_cost_and_dimensions_and_no_vector() -> None:
    events = recorded([Vectors(16)], _embed)
    assert tree_of(events) == "SESSION\n  MODEL"
    assert started(events)["request"]["input"] == ["a", "b"]
    told = ended(events)
    assert told["prompt_tokens"] == told["total_tokens"] == 8
    assert told["metadata"]["embeddings"] == 2
    assert told["metadata"]["dimensions"] == 16
    assert "response" not in told
    cost = only(events, "MODEL_INVOCATION_END")["cost"]
    assert cost["total_cost"] == 1.6e-07


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_dimensions_are_known_in_every_encoding(encoding: str) -> None:
    def use(client: OpenAI) -> None:
        _embed(client, encoding_format=encoding, dimensions=5)

    assert ended(recorded([Vectors()], use))["metadata"]["dimensions"] == 5


def test_texts_to_embed_are_recorded_each_time_and_hidden_if_asked() -> None:
    def use(client: OpenAI) -> None:
        _embed(client)
        _embed(client)

    events = recorded([Vectors(), Vectors()], use)
    starts = named(events, "MODEL_INVOCATION_START")
    inputs = [event["llm_invocation"]["request"]["input"] for event in starts]
    assert inputs == [["a", "b"]] * 2
    hidden = recorded([Vectors()], _embed, capture_content=False)
    assert started(hidden)["request"]["input"] != ["a", "b"]


# --- where a call stands -------------------------------------------------------------


def _agent_with_tool(client: AsyncOpenAI) -> Agent[Any]:
    @function_tool
    async def find_similar(question: str) -> str:
        """Look a question up."""
        found = await client.embeddings.create(model=EMBEDDING, input=question)
        return f"{len(found.data)} document"

    return Agent(
        name="A", model=OpenAIResponsesModel("gpt-5", client), tools=[find_similar]
    )


SCRIPT = (
    ToolCalls(Call("find_similar", {"question": "why?"})),
    Vectors(),
    Text("because"),
)


def test_embeddings_inside_of_a_tool_stand_below_the_tool() -> None:
    async def use(client: AsyncOpenAI) -> None:
        await Runner.run(_agent_with_tool(client), "why?")

    events = recorded(SCRIPT, use)
    assert tree_of(events) == tree("""
        SESSION
          AGENT A
            INPUT
            MODEL
            TOOL find_similar
              MODEL
            MODEL
            OUTPUT
    """)
    inner = named(events, "MODEL_INVOCATION_START")[1]
    assert inner["llm_invocation"]["model"] == EMBEDDING
    assert inner["agent_name"] == "A"
    assert inner["metadata"]["run_id"] == only(events, "AGENT_START")["span_id"]
    run = only(events, "AGENT_END")["metadata"]["run"]
    assert run["model_calls"] == 3


def test_a_streamed_run_records_its_model_calls_once() -> None:
    async def use(client: AsyncOpenAI) -> None:
        result = Runner.run_streamed(_agent_with_tool(client), "why?")
        async for _ in result.stream_events():
            pass

    events = recorded(SCRIPT, use)
    assert [
        event["llm_invocation"]["model"]
        for event in (named(events, "MODEL_INVOCATION_START"))
    ] == ["gpt-5", EMBEDDING, "gpt-5"]


_SEEN_BY_HOOKS = (
    "agents.models.interface:Model.get_response",
    "agents.models.interface:Model.stream_response",
    "agents.run_internal.model_retry:get_response_with_retry",
    "agents.run_internal.model_retry:stream_response_with_retry",
)


def test_model_calls_that_a_framework_tells_by_its_hooks_are_recorded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = MonkeyPatcher.install

    def without(self: MonkeyPatcher, patch: Patch) -> str:
        if patch.target not in _SEEN_BY_HOOKS:
            return install(self, patch)
        # As in a release that has no such function.
        self._outcomes[patch.target] = "missing"
        return "missing"

    monkeypatch.setattr(MonkeyPatcher, "install", without)

    async def use(client: AsyncOpenAI) -> None:
        await Runner.run(_agent_with_tool(client), "why?")

    assert tree_of(recorded(SCRIPT, use)) == tree("""
        SESSION
          AGENT A
            INPUT
            MODEL
            TOOL find_similar
              MODEL
            MODEL
            OUTPUT
    """)


def test_calls_of_one_session_stand_in_it() -> None:
    def use(client: OpenAI) -> None:
        with chaukas.session("chat-7", user_id="u1"):
            _chat(client)
            _chat(client)

    events = recorded([Text("a"), Text("b")], use)
    assert tree_of(events) == "SESSION\n  MODEL x2"
    calls = named(events, "MODEL_INVOCATION_END")
    assert {event["session_id"] for event in calls} == {"chat-7"}
    assert {event["metadata"]["user_id"] for event in calls} == {"u1"}


def test_a_task_that_a_request_started_stands_outside_of_it() -> None:
    def use(client: OpenAI) -> None:
        later: list[Any] = []

        def hook(_request: Any) -> None:
            import contextvars

            later.append(contextvars.copy_context())

        client._client.event_hooks["request"].append(hook)
        _chat(client)
        later[0].run(_chat, client)

    events = recorded([Text("a"), Text("b")], use)
    assert tree_of(events) == "SESSION\n  MODEL x2"


def test_other_requests_of_the_client_are_not_model_calls() -> None:
    def use(client: OpenAI) -> None:
        client.models.list()

    assert named(recorded([], use), "MODEL_INVOCATION_START") == []


# --- on and off ----------------------------------------------------------------------

_PATCHED = (
    (openai._base_client.SyncAPIClient, "request"),
    (openai._base_client.AsyncAPIClient, "request"),
    (openai._base_client.SyncAPIClient, "_sleep_for_retry"),
    (openai._base_client.AsyncAPIClient, "_sleep_for_retry"),
    (Stream, "__stream__"),
    (AsyncStream, "__stream__"),
    (Stream, "close"),
    (AsyncStream, "close"),
)


def test_disabling_puts_every_function_back() -> None:
    before = [vars(cls)[name] for cls, name in _PATCHED]
    with capture_events():
        during = [vars(cls)[name] for cls, name in _PATCHED]
    after = [vars(cls)[name] for cls, name in _PATCHED]
    assert not any(map(lambda a, b: a is b, before, during))
    assert all(map(lambda a, b: a is b, before, after))


def test_a_stream_goes_on_when_chaukas_is_disabled_in_the_middle() -> None:
    def use(client: OpenAI) -> list[str]:
        texts = []
        with capture_events() as events:
            stream = client.chat.completions.create(**CHAT, stream=True)
            texts.append(next(stream))
            # Ended with the rest, at the end of recording.
            assert only(events(), "MODEL_INVOCATION_START")
        texts += list(stream)
        assert tree_of(events()) == "SESSION\n  MODEL CANCELLED"
        return [chunk.choices[0].delta.content or "" for chunk in texts]

    assert "".join(play([Text("one two three")], use)) == "one two three"


def test_an_integration_that_is_not_wanted_records_no_calls_but_serves_another() -> (
    None
):
    busy = Fail(429, retry_after=0.001)

    async def use(client: AsyncOpenAI) -> None:
        await Runner.run(_agent_with_tool(client), "why?")

    events = recorded([busy, *SCRIPT], use, integrations=["openai_agents"])
    assert tree_of(events) == tree("""
        SESSION
          AGENT A
            INPUT
            MODEL
              RETRY http 1/2
            TOOL find_similar
            MODEL
            OUTPUT
    """)


def test_the_agents_sdk_without_its_integration_is_recorded_as_plain_calls() -> None:
    async def use(client: AsyncOpenAI) -> None:
        await Runner.run(_agent_with_tool(client), "why?")

    events = recorded(SCRIPT, use, integrations=["openai_client"])
    assert tree_of(events) == "SESSION\n  MODEL x3"


PROGRAM = """
import sys
import weakref
sys.modules["agents"] = None
import chaukas
if {early}: chaukas.enable_chaukas(output_file="events.jsonl")
import openai
if not {early}: chaukas.enable_chaukas(output_file="events.jsonl")
from loopback import ModelServer, Text
with ModelServer([Text("Hi"), Text("there")]) as server:
    client = server.sync_client()
    print(client.responses.create(model="gpt-5", input="x").output_text)
    with client.chat.completions.stream(
        model="gpt-5", messages=[dict(role="user", content="y")]
    ) as stream:
        print(stream.get_final_completion().choices[0].message.content)
"""


@pytest.mark.parametrize("early", [True, False])
def test_it_works_alone_whether_openai_is_imported_before_or_after(
    early: bool, tmp_path: Any
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(early=early)],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "CHAUKAS_RAISE_INTERNAL": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "Hi\nthere\n"), done.stderr
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert tree_of(events) == "SESSION\n  MODEL x2"
    assert [
        e["llm_invocation"]["response"]["text"]
        for e in (named(events, "MODEL_INVOCATION_END"))
    ] == ["Hi", "there"]
