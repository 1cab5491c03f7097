"""
Model calls against the wire: what a server was sent and what it answered is on record.

The server of `examples/loopback` keeps each request; its replies are the answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai._base_client
import pytest
from agents import (
    Agent,
    AgentOutputSchema,
    AgentOutputSchemaBase,
    Model,
    ModelProvider,
    ModelSettings,
    RunConfig,
)
from agents.testing import ScriptedModel
from pydantic import BaseModel

from chaukas.sdk.integrations.openai_agents.models import settings_sent
from chaukas.sdk.integrations.openai_agents.models.answers import Answer
from loopback import (
    Call,
    Drop,
    Fail,
    Incomplete,
    ModelServer,
    Reasoning,
    Refusal,
    Slow,
    StreamBreak,
    Text,
    ToolCalls,
    Usage,
)
from tests.support.agent_runs import Mode, in_loop, record, run_in, say
from tests.support.scenarios import add, assistant
from tests.support.served import APIS, chat, responses, run_served
from tests.support.trees import named, only

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.typing import Event

both_apis = pytest.mark.parametrize("api", APIS, ids=lambda api: api.__name__)
_ZEROS = {
    "temperature": 0.0,
    "top_p": 0.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
_TYPED = (*_ZEROS, "max_tokens")


@pytest.fixture(autouse=True)
def _fast_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)


def _ends(events: list[Event]) -> list[Any]:
    return named(events, "MODEL_INVOCATION_END")


def _asked(events: list[Event]) -> dict[str, Any]:
    """Return the settings that the first START names, wherever it names them."""
    told = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]
    typed = {name: told[name] for name in _TYPED if name in told}
    return {**told["request"].get("settings", {}), **typed, "model": told["model"]}


# -- what was sent ------------------------------------------------------------------


@both_apis
@in_loop
def test_settings_of_zero_read_as_set(api: Callable[[Any], Any], mode: Mode) -> None:
    settings = ModelSettings(**_ZEROS)
    # The other API has no penalties.
    zeros = _ZEROS if api is chat else dict.fromkeys(("temperature", "top_p"), 0.0)
    events = record(
        lambda: run_served([Text("Hi")], mode, api=api, model_settings=settings)
    ).events
    for kind in ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END"):
        told = only(events, kind)["llm_invocation"]["request"]["settings"]
        assert {name: told[name] for name in _ZEROS if name in told} == zeros


def test_a_zero_of_the_run_wins_over_the_agents_setting() -> None:
    config = RunConfig(model_settings=ModelSettings(temperature=0.0))
    events = record(
        lambda: run_served(
            [Text("Hi")],
            run={"run_config": config},
            model_settings=ModelSettings(temperature=0.9),
        )
    ).events
    assert _asked(events)["temperature"] == 0.0


def test_settings_that_were_not_given_are_absent() -> None:
    events = record(lambda: run_served([Text("Hi")])).events
    assert not set(_TYPED) & _asked(events).keys()


@both_apis
@in_loop
@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(temperature=0.5, top_p=0.25, max_tokens=64),
        ModelSettings(temperature=0.0, max_tokens=1),
        ModelSettings(
            temperature=0.5, extra_body={"temperature": 0.25, "model": "gpt-other"}
        ),
        ModelSettings(temperature=0.5, extra_body={"temperature": 0.0}),
        ModelSettings(extra_args={"temperature": 0.75, "service_tier": "flex"}),
        ModelSettings(temperature=0.5, extra_body={"temperature": None}),
        # One API has no penalties, and the other no truncation.
        ModelSettings(frequency_penalty=0.5, presence_penalty=0.25, truncation="auto"),
        ModelSettings(presence_penalty=0.5, extra_body={"presence_penalty": 0.25}),
    ],
    ids=[
        *("plain", "zero", "body", "body-zero", "args", "body-null", "one-api"),
        "body-one-api",
    ],
)
def test_settings_on_record_are_those_that_were_sent(
    settings: ModelSettings, api: Callable[[Any], Any], mode: Mode
) -> None:
    sent: list[Any] = []

    def reply(request: Any) -> Any:
        sent.append(request.body)
        return Text("Hi")

    async def play() -> Any:
        with ModelServer(reply) as server:
            async with server.client() as client:
                agent: Agent[Any] = Agent(
                    "Assistant", model=api(client), model_settings=settings
                )
                return await run_in(mode, agent)

    told = _asked(record(play).events)
    (body,) = sent
    limit = body.get("max_tokens", body.get("max_output_tokens"))
    wire = {**body, "max_tokens": limit}
    for name in ("model", *_TYPED, "service_tier", "truncation"):
        assert told.get(name) == wire.get(name), name


def test_of_a_body_only_known_settings_are_read() -> None:
    body = {"api_key": "sk-secret", "temperature": {"nested": "secret"}, "seed": 7}
    found = settings_sent.settings_of(ModelSettings(extra_body=body))
    assert found == ({"seed": 7}, "")


@both_apis
@in_loop
def test_a_call_names_api_turn_and_both_models(
    api: Callable[[Any], Any], mode: Mode
) -> None:
    script = [ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")]
    events = record(lambda: run_served(script, mode, api=api, tools=[add])).events
    name = {chat: "chat_completions", responses: "responses"}[api]
    for kind in ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END"):
        told = [event["llm_invocation"]["metadata"] for event in named(events, kind)]
        assert [(one["turn"], one["api"]) for one in told] == [(1, name), (2, name)]
    assert {
        end["llm_invocation"]["metadata"]["response_model"] for end in _ends(events)
    } == {"gpt-5"}


@in_loop
def test_a_model_of_the_application_has_the_name_it_was_asked_for_by(
    mode: Mode,
) -> None:
    class Shop(ModelProvider):
        def get_model(self, model_name: str | None) -> Model:
            assert model_name == "house-blend"
            return ScriptedModel([say("Hi")])

    config = RunConfig(model_provider=Shop())
    agent: Agent[Any] = Agent("Assistant", model="house-blend")
    events = record(lambda: run_in(mode, agent, run_config=config)).events
    told = only(events, "MODEL_INVOCATION_START")["llm_invocation"]
    assert told["model"] == "house-blend"


class City(BaseModel):
    name: str


@in_loop
@pytest.mark.parametrize("strict", [True, False])
def test_an_output_schema_is_told_whole_once(*, strict: bool, mode: Mode) -> None:
    schema = AgentOutputSchema(City, strict_json_schema=strict)
    script = [ToolCalls(Call("add", {"a": 1, "b": 2})), Text('{"name":"Rome"}')]
    events = record(
        lambda: run_served(script, mode, tools=[add], output_type=schema)
    ).events
    first, second = (
        event["llm_invocation"]["request"]
        for event in named(events, "MODEL_INVOCATION_START")
    )
    assert first["output_schema"] == second["output_schema"] == "City"
    assert first["output_schema_strict"] is second["output_schema_strict"] is strict
    assert first["output_schema_definition"]["required"] == ["name"]
    assert "output_schema_definition" not in second
    assert first["output_schema_hash"] == second["output_schema_hash"]


def test_methods_of_an_output_type_of_the_application_are_not_called() -> None:
    asked: list[str] = []

    class Own(AgentOutputSchemaBase):
        def is_plain_text(self) -> bool:
            asked.append("plain")
            return True

        def name(self) -> str:
            asked.append("name")
            return "Own"

        def json_schema(self) -> dict[str, Any]:
            asked.append("schema")
            return {}

        def is_strict_json_schema(self) -> bool:
            asked.append("strict")
            return True

        def validate_json(self, json_str: str) -> Any:
            return json_str

    def play() -> Any:
        asked.clear()
        agent = assistant(say("Hi"), output_type=Own())
        return run_in(Mode.RUN, agent)

    events = record(play).events
    with_us = list(asked)
    asyncio.run(play())
    assert with_us == asked
    told = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert told["output_schema"] == "Own"


# -- what was answered --------------------------------------------------------------


@in_loop
@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Text("Hello"), "stop"),
        (Refusal("No"), "stop"),
        (Incomplete("max_output_tokens", "Hel"), "length"),
        (Incomplete("content_filter", "Hel"), "content_filter"),
        (Reasoning("Hm", Incomplete("max_output_tokens", "Hel")), "length"),
    ],
    ids=["stop", "refusal", "length", "filter", "reasoned"],
)
def test_the_finish_reason_of_a_completion_is_the_providers_word(
    reply: Any, word: str, mode: Mode
) -> None:
    events = record(lambda: run_served([reply], mode, api=chat)).events
    assert only(events, "MODEL_INVOCATION_END")["llm_invocation"]["finish_reason"] == (
        word
    )


@in_loop
def test_a_filtered_completion_is_denied_and_named(mode: Mode) -> None:
    reply = Incomplete("content_filter", "Hel")
    events = record(lambda: run_served([reply], mode, api=chat)).events
    policy = only(events, "POLICY_DECISION")["policy"]
    assert (policy["policy_id"], policy["outcome"]) == ("content_filter", "deny")


@in_loop
def test_tool_calls_of_a_completion_end_with_its_word(mode: Mode) -> None:
    script = [ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")]
    events = record(lambda: run_served(script, mode, api=chat, tools=[add])).events
    assert [end["llm_invocation"]["finish_reason"] for end in _ends(events)] == [
        "tool_calls",
        "stop",
    ]


def test_a_reason_that_nobody_gave_is_left_out() -> None:
    events = record(lambda: run_in(Mode.RUN, assistant(say("Hi")))).events
    told = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert "finish_reason" not in told


@in_loop
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Incomplete("max_output_tokens", "Well", Usage(11, 7)), "max_output_tokens"),
        (Incomplete("content_filter", "Well", Usage(11, 7)), "content_filter"),
    ],
    ids=["cut-off", "filtered"],
)
def test_a_response_that_failed_keeps_tokens_id_and_reason(
    reply: Any, reason: str, mode: Mode
) -> None:
    events = record(lambda: run_served([reply], mode, host="api.openai.com")).events
    end = only(events, "MODEL_INVOCATION_END")
    told = end["llm_invocation"]
    assert end["status"] == "EVENT_STATUS_FAILED"
    assert (told["prompt_tokens"], told["completion_tokens"]) == (11, 7)
    assert end["response_id"] == "resp_1"
    assert told["finish_reason"] == reason
    assert end["cost"]["total_cost"] > 0
    assert only(events, "AGENT_END")["metadata"]["usage"]["total_tokens"] == 18


@in_loop
def test_a_completion_cut_off_before_its_first_word_keeps_its_tokens(
    mode: Mode,
) -> None:
    reply = Incomplete("max_output_tokens", "", Usage(11, 7))
    settings = ModelSettings(include_usage=True)
    recorded = record(
        lambda: run_served([reply], mode, api=chat, model_settings=settings)
    )
    assert type(recorded.error).__name__ == "ModelBehaviorError"
    end = only(recorded.events, "MODEL_INVOCATION_END")
    told = end["llm_invocation"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (11, 7)
    assert told["finish_reason"] == "length"
    assert end["response_id"] == "chatcmpl-1"


@both_apis
@in_loop
def test_usage_ids_and_text_are_those_of_the_wire(
    api: Callable[[Any], Any], mode: Mode
) -> None:
    usage = Usage(100, 20, 40, 0, 7)
    settings = ModelSettings(include_usage=True)
    script = [Reasoning("Hm", Text("Hello there", usage=usage))]
    events = record(
        lambda: run_served(script, mode, api=api, model_settings=settings)
    ).events
    end = only(events, "MODEL_INVOCATION_END")
    told = end["llm_invocation"]
    counts = ("prompt", "completion", "total", "cached", "reasoning")
    assert [told[f"{name}_tokens"] for name in counts] == [100, 20, 120, 40, 7]
    assert end["response_id"] == {chat: "chatcmpl-1", responses: "resp_1"}[api]
    assert told["response"]["text"] == "Hello there"


@both_apis
@in_loop
def test_parallel_calls_are_told_in_order_with_their_ids(
    api: Callable[[Any], Any], mode: Mode
) -> None:
    asked = ToolCalls(
        Call("add", {"a": 1, "b": 2}, "call_x"), Call("add", {"a": 3, "b": 4}, "call_y")
    )
    events = record(
        lambda: run_served([asked, Text("3 and 7")], mode, api=api, tools=[add])
    ).events
    assert _ends(events)[0]["llm_invocation"]["response"]["tool_calls"] == [
        {"id": "call_x", "name": "add", "arguments": {"a": 1, "b": 2}},
        {"id": "call_y", "name": "add", "arguments": {"a": 3, "b": 4}},
    ]


@both_apis
def test_events_of_a_stream_are_counted_by_kind(api: Callable[[Any], Any]) -> None:
    script = [
        ToolCalls(Call("add", {"a": 1, "b": 2})),
        Text("one two three", deltas=3),
    ]
    events = record(
        lambda: run_served(script, Mode.STREAMED, api=api, tools=[add])
    ).events
    first, second = (end["llm_invocation"] for end in _ends(events))
    assert first["metadata"]["chunks"]["arguments"] == 2
    assert "text" not in first["metadata"]["chunks"]
    assert second["metadata"]["chunks"]["text"] == 3
    for told in (first, second):
        assert sum(told["metadata"]["chunks"].values()) == told["chunk_count"]


# -- who answered, and for what price -----------------------------------------------


@both_apis
def test_a_server_without_a_name_is_nobodys_and_has_no_price(
    api: Callable[[Any], Any],
) -> None:
    events = record(lambda: run_served([Text("Hi")], api=api)).events
    end = only(events, "MODEL_INVOCATION_END")
    assert end["llm_invocation"]["provider"] == "openai_compatible"
    assert end["llm_invocation"]["metadata"]["price"] == "unknown"
    assert "cost" not in end


@both_apis
def test_a_server_with_a_name_is_called_by_it(api: Callable[[Any], Any]) -> None:
    events = record(
        lambda: run_served([Text("Hi")], api=api, host="openai.acme.example")
    ).events
    end = only(events, "MODEL_INVOCATION_END")
    assert end["llm_invocation"]["provider"] == "openai.acme.example"
    assert "cost" not in end


def test_the_price_of_a_deployment_is_that_of_the_model_that_answers() -> None:
    from agents.models.openai_responses import OpenAIResponsesModel

    async def play() -> Any:
        body = {"model": "gpt-4o"}
        with ModelServer([Text("Hi")]) as server:
            async with server.client(known_as="acme.openai.azure.com") as client:
                settings = ModelSettings(extra_body=body)
                model = OpenAIResponsesModel("front-desk", client)
                agent: Agent[Any] = Agent("A", model=model, model_settings=settings)
                return await run_in(Mode.RUN, agent)

    end = only(record(play).events, "MODEL_INVOCATION_END")
    assert end["cost"]["service"] == "gpt-4o"
    assert "price" not in end["llm_invocation"]["metadata"]


# -- retries ------------------------------------------------------------------------


@both_apis
@in_loop
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Fail(429), "RateLimitError"),
        (Fail(500), "InternalServerError"),
        (Fail(503), "InternalServerError"),
        (Fail(408), "APIStatusError"),
        (Fail(409), "ConflictError"),
        (Drop(), "APIConnectionError"),
        (Slow(5, Text("late")), "APITimeoutError"),
    ],
    ids=["429", "500", "503", "408", "409", "dropped", "slow"],
)
def test_a_retry_and_the_error_in_the_end_have_one_spelling(
    reply: Any, code: str, api: Callable[[Any], Any], mode: Mode
) -> None:
    client = {"max_retries": 1, "timeout": 0.2 if type(reply) is Slow else 10}
    events = record(
        lambda: run_served([reply, reply], mode, api=api, client=client)
    ).events
    retry = only(events, "RETRY")["retry"]
    error = only(events, "ERROR")["error"]
    assert error["error_code"].partition(":")[0] == code
    assert retry["metadata"]["error_code"] == code
    assert (retry["attempt"], retry["max_attempts"]) == (1, 1)
    assert retry["strategy"] == "exponential"


@pytest.mark.parametrize(
    ("headers", "strategy"),
    [
        ({"retry-after-ms": "20"}, "retry_after"),
        ({"retry-after": "0.02"}, "retry_after"),
        ({"retry-after": "0"}, "exponential"),
        ({"retry-after": "soon"}, "exponential"),
        ({}, "exponential"),
    ],
)
def test_a_wait_that_the_server_names_is_told_as_such(
    headers: dict[str, str], strategy: str
) -> None:
    script = [Fail(429, headers=headers), Text("Hi")]
    retry = only(record(lambda: run_served(script)).events, "RETRY")["retry"]
    assert retry["strategy"] == strategy
    if strategy == "retry_after":
        assert retry["backoff_ms"] >= 20


@in_loop
def test_a_stream_that_breaks_keeps_the_id_it_had(mode: Mode) -> None:
    events = record(lambda: run_served([StreamBreak(2)], mode, api=chat)).events
    end = only(events, "MODEL_INVOCATION_END")
    assert end["status"] == "EVENT_STATUS_FAILED"
    assert end["llm_invocation"]["finish_reason"] == "error"
    assert end.get("response_id", "") == ("chatcmpl-1" if mode is Mode.STREAMED else "")


def test_a_completion_that_lacks_what_providers_give_is_read_all_the_same() -> None:
    answer = Answer("chat_completions")
    answer.take_completion(object())
    assert (answer.model, answer.response_id, answer.finish_reason) == ("", "", "")
