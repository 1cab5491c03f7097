"""
Model calls: one pair for each logical call, however many attempts and classes it took.

Through HTTP where the provider's behaviour matters, with models of the application's
own where theirs does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai._base_client
import pytest
from agents import Model, ModelProvider, ModelSettings, RunConfig, Runner
from agents.testing import ScriptedModel

from loopback import (
    Drop,
    Fail,
    Failed,
    Incomplete,
    ModelServer,
    Refusal,
    Reply,
    StreamBreak,
    Text,
)
from tests.support.agent_runs import Mode, calls, in_loop, record, run_in, say
from tests.support.models import Early, Upper, call_alone
from tests.support.scenarios import Busy, add, assistant, runner_retries
from tests.support.served import APIS, run_served
from tests.support.trees import named, only, spans_of, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

both_apis = pytest.mark.parametrize("api", APIS, ids=lambda api: api.__name__)

_ANSWER = tree(
    """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        OUTPUT
    """
)
_FAILED = """
    SESSION
      AGENT Assistant FAILED
        INPUT
        MODEL FAILED
          ERROR {code}
"""
_AT_ONCE = {"retry-after-ms": "1"}


@pytest.fixture(autouse=True)
def _fast_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)


# -- over HTTP ----------------------------------------------------------------------


@both_apis
@in_loop
def test_both_apis_make_the_same_tree(api: Callable[[Any], Any], mode: Mode) -> None:
    recorded = record(lambda: run_served([Text("Hello")], mode, api=api))
    assert recorded.value.final_output == "Hello"
    assert tree_of(recorded.events) == _ANSWER
    told = only(recorded.events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert (told["provider"], told["model"]) == ("openai_compatible", "gpt-5")
    assert told["finish_reason"] == "stop"
    assert told["response"]["text"] == "Hello"


@both_apis
@in_loop
def test_hidden_retries_of_the_client_stand_inside_the_model_call(
    api: Callable[[Any], Any], mode: Mode
) -> None:
    script = [Fail(429, retry_after=0.05), Fail(500, headers=_AT_ONCE), Text("Hello")]
    events = record(lambda: run_served(script, mode, api=api)).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              RETRY http 1/2
              RETRY http 2/2
            OUTPUT
        """
    )
    first, second = (event["retry"] for event in named(events, "RETRY"))
    assert [one["metadata"]["status"] for one in (first, second)] == [429, 500]
    assert first["strategy"] == "retry_after"
    # Slept, so never less than asked for; the scheduler may add to it.
    assert first["backoff_ms"] >= 49
    assert first["retryable"] is True
    assert first["metadata"]["request_id"] == "req_1"
    assert first["metadata"]["model"] == "gpt-5"
    assert "error_message" in first


@in_loop
def test_a_dropped_connection_is_a_retry_without_a_status(mode: Mode) -> None:
    events = record(lambda: run_served([Drop(), Text("Hello")], mode)).events
    retry = only(events, "RETRY")["retry"]
    assert "status" not in retry["metadata"]
    assert retry["strategy"] == "exponential"
    assert retry["metadata"]["error_code"] == "APIConnectionError"
    assert only(events, "MODEL_INVOCATION_END")["status"] == "EVENT_STATUS_COMPLETED"


@in_loop
def test_retries_that_do_not_help_end_in_one_error(mode: Mode) -> None:
    script = [Fail(503, headers=_AT_ONCE)] * 3
    recorded = record(lambda: run_served(script, mode))
    assert type(recorded.error) is openai.InternalServerError
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              RETRY http 1/2
              RETRY http 2/2
              ERROR InternalServerError
        """
    )


@in_loop
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Fail(401, code="invalid_api_key"), "AuthenticationError:invalid_api_key"),
        (Fail(400), "BadRequestError"),
        (Fail(404, code="model_not_found"), "NotFoundError:model_not_found"),
    ],
    ids=["401", "400", "404"],
)
def test_an_error_not_worth_a_retry_fails_the_call(
    reply: Fail, code: str, mode: Mode
) -> None:
    recorded = record(lambda: run_served([reply], mode))
    assert tree_of(recorded.events) == tree(_FAILED.format(code=code))


@in_loop
def test_a_prompt_that_the_provider_filters_is_denied(mode: Mode) -> None:
    script = [Fail(400, code="content_policy_violation")]
    recorded = record(lambda: run_served(script, mode))
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              POLICY content_filter deny
              ERROR BadRequestError:content_policy_violation
        """
    )


@in_loop
def test_an_answer_that_the_provider_filters_is_denied(mode: Mode) -> None:
    recorded = record(lambda: run_served([Incomplete("content_filter", "Well")], mode))
    assert recorded.error is not None
    shape = tree_of(recorded.events)
    assert (
        shape.split(" ERROR ")[0]
        == tree(
            """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              POLICY content_filter deny
              ERROR x
        """
        ).split(" ERROR ")[0]
    )
    assert len(named(recorded.events, "ERROR")) == 1


@in_loop
@pytest.mark.parametrize(
    "reply",
    [Incomplete("max_output_tokens", "Well"), Failed("server_error", "broke")],
    ids=["cut-off", "failed"],
)
def test_an_answer_without_an_end_fails_once(reply: Reply, mode: Mode) -> None:
    recorded = record(lambda: run_served([reply], mode))
    assert recorded.error is not None
    code = only(recorded.events, "ERROR")["error"]["error_code"]
    assert tree_of(recorded.events) == tree(_FAILED.format(code=code))


@both_apis
@in_loop
def test_a_refusal_is_a_decision_of_the_model(
    api: Callable[[Any], Any], mode: Mode
) -> None:
    recorded = record(
        lambda: run_served([Refusal("I would rather not")], mode, api=api)
    )
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            POLICY model_refusal deny
            ERROR ModelRefusalError
        """
    )
    policy = only(recorded.events, "POLICY_DECISION")
    assert policy["policy"]["rationale"] == "I would rather not"
    assert policy["severity"] == "SEVERITY_WARN"


@in_loop
def test_a_connection_that_breaks_in_the_answer_fails_the_call(mode: Mode) -> None:
    script = [StreamBreak(after_deltas=1)]
    recorded = record(lambda: run_served(script, mode, client={"max_retries": 0}))
    assert recorded.error is not None
    code = only(recorded.events, "ERROR")["error"]["error_code"]
    assert tree_of(recorded.events) == tree(_FAILED.format(code=code))


def test_a_stream_tells_of_its_first_token_and_its_chunks() -> None:
    events = record(lambda: run_served([Text("a b c d")], Mode.STREAMED)).events
    told = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert told["chunk_count"] >= 4
    assert 0 < told["time_to_first_token_ms"] <= told["duration_ms"]
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["stream"] is True
    whole = record(lambda: run_served([Text("a b c d")])).events
    told = only(whole, "MODEL_INVOCATION_END")["llm_invocation"]
    assert "chunk_count" not in told
    assert "time_to_first_token_ms" not in told


# -- retries of the runner ----------------------------------------------------------


@in_loop
def test_the_runner_tells_attempt_status_and_time_slept(mode: Mode) -> None:
    events = record(lambda: runner_retries(mode)).events
    retries = [event["retry"] for event in named(events, "RETRY")]
    assert [one["attempt"] for one in retries] == [1, 2]
    assert {one["max_attempts"] for one in retries} == {2}
    assert {one["metadata"]["status"] for one in retries} == {429}
    assert {one["error_message"] for one in retries} == {"busy"}
    assert {one["metadata"]["error_code"] for one in retries} == {"Busy"}
    assert all(one["backoff_ms"] >= 4 for one in retries)
    metadata = only(events, "MODEL_INVOCATION_END")["llm_invocation"]["metadata"]
    assert metadata["attempts"] == 3


@in_loop
def test_a_call_that_the_runner_gives_up_has_one_error(mode: Mode) -> None:
    retry = runner_retries.__globals__["ModelRetrySettings"](
        max_retries=1,
        backoff={"initial_delay": 0.001, "jitter": False},
        policy=runner_retries.__globals__["retry_policies"].http_status([429]),
    )
    settings = ModelSettings(retry=retry)
    agent = assistant(Busy(), Busy(), model_settings=settings)
    recorded = record(lambda: run_in(mode, agent))
    assert type(recorded.error) is Busy
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              RETRY runner 1/1
              ERROR Busy
        """
    )


@in_loop
def test_a_call_that_takes_too_long_is_a_failed_call(mode: Mode) -> None:
    async def never(_call: Any) -> Any:
        await asyncio.Event().wait()

    settings = ModelSettings(timeout=0.01)
    agent = assistant({"responder": never}, model_settings=settings)
    recorded = record(lambda: run_in(mode, agent))
    assert type(recorded.error).__name__ == "ModelTimeoutError"
    assert tree_of(recorded.events) == tree(_FAILED.format(code="ModelTimeoutError"))


# -- models of the application ------------------------------------------------------


def _late(*steps: Any) -> Model:
    class Late(Upper):
        model = "late"

        async def get_response(self, *args: Any, **kwargs: Any) -> Any:
            return await super().get_response(*args, **kwargs)

    return Late(*steps)


def _mocked(*steps: Any) -> Model:
    """Return a model whose methods are replaced on the object itself."""
    model, real = Early(), Early(*steps)
    model.get_response = real.get_response  # type: ignore[method-assign]
    model.stream_response = real.stream_response  # type: ignore[method-assign]
    return model


@in_loop
@pytest.mark.parametrize("make", [Early, Upper, _late, _mocked])
def test_a_custom_model_is_one_call_whatever_it_calls(
    make: Callable[..., Model], mode: Mode
) -> None:
    def story() -> Any:
        agent = assistant(tools=[add])
        agent.model = make(calls(("add", {"a": 1, "b": 2})), say("3"))
        return run_in(mode, agent)

    assert tree_of(record(story).events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


@in_loop
def test_a_model_by_name_comes_from_the_provider(mode: Mode) -> None:
    class Provider(ModelProvider):
        def get_model(self, model_name: str | None) -> Model:
            model = Early(say("Hello"))
            model.model = f"acme/{model_name}"  # type: ignore[misc]
            return model

    def story() -> Any:
        agent = assistant()
        agent.model = "large"
        config = RunConfig(model_provider=Provider())
        return run_in(mode, agent, run_config=config)

    events = record(story).events
    assert tree_of(events) == _ANSWER
    told = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert (told["provider"], told["model"]) == ("acme", "large")


@in_loop
def test_a_model_that_the_application_calls_itself_is_a_call_without_an_agent(
    mode: Mode,
) -> None:
    events = record(lambda: call_alone(Early(say("Hello")), mode)).events
    assert tree_of(events) == tree(
        """
        SESSION
          MODEL
        """
    )


@in_loop
def test_a_model_that_fails_when_called_alone_is_a_failed_call(mode: Mode) -> None:
    model = Early(RuntimeError("no memory"))
    recorded = record(lambda: call_alone(model, mode))
    assert type(recorded.error) is RuntimeError
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MODEL FAILED
            ERROR RuntimeError
        """
    )


def test_a_model_called_inside_a_tool_stands_under_the_tool() -> None:
    from agents import function_tool

    @function_tool
    async def ask() -> str:
        await call_alone(Early(say("yes")), Mode.RUN)
        return "yes"

    agent = assistant(calls(("ask", {})), say("Yes"), tools=[ask])
    assert tree_of(record(lambda: run_in(Mode.RUN, agent)).events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL ask
              MODEL
            MODEL
            OUTPUT
        """
    )


def test_the_client_called_inside_a_tool_retries_under_its_call() -> None:
    from agents import function_tool

    script = [Fail(429, headers=_AT_ONCE), Text("yes")]

    @function_tool
    def ask(server_url: str) -> str:
        with (
            ModelServer(script) as server,
            server.sync_client() as client,
        ):
            return client.responses.create(model="gpt-5", input="?").output_text

    agent = assistant(calls(("ask", {"server_url": "x"})), say("Yes"), tools=[ask])
    events = record(lambda: run_in(Mode.RUN, agent)).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL ask
              MODEL
                RETRY http 1/2
            MODEL
            OUTPUT
        """
    )


def test_each_of_two_concurrent_runs_keeps_its_own_retries() -> None:
    async def story() -> None:
        await asyncio.gather(
            run_served([Fail(429, headers=_AT_ONCE), Text("a")], given="first"),
            run_served([Drop(), Drop(), Text("b")], Mode.STREAMED, given="second"),
        )

    events = record(story).events
    tree_of(events)
    models = [span for span in spans_of(events) if span.kind == "MODEL"]
    by_model = [
        [
            retry["retry"]["attempt"]
            for retry in named(events, "RETRY")
            if retry["parent_span_id"] == model.start["span_id"]
        ]
        for model in models
    ]
    assert sorted(by_model) == [[1], [1, 2]]


def test_the_model_sees_the_arguments_that_it_would_see_without_chaukas() -> None:
    seen: list[Any] = []

    class Noting(Early):
        async def get_response(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((args, sorted(kwargs)))
            return await super().get_response(*args, **kwargs)

    def story() -> Any:
        agent = assistant()
        agent.model = Noting(say("Hello"))
        return Runner.run(agent, "Hi")

    asyncio.run(story())
    record(story)
    assert seen[0] == seen[1]


@in_loop
@pytest.mark.parametrize("make", [Early, Upper, _late])
def test_a_router_counts_attempts_and_chunks_once(
    make: Callable[..., Model], mode: Mode
) -> None:
    def told_by(model: Model) -> dict[str, Any]:
        agent = assistant()
        agent.model = model
        events = record(lambda: run_in(mode, agent)).events
        told = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
        return {name: told.get(name) for name in ("chunk_count", "metadata")}

    assert told_by(make(say("Hello"))) == told_by(ScriptedModel([say("Hello")]))
