"""Tools of ADK: those that run, fail, are refused, wait, or are answered for."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any
from unittest import mock

import pytest
from fastapi.openapi.models import (
    APIKey,
    APIKeyIn,
    OAuth2,
    OAuthFlowAuthorizationCode,
    OAuthFlows,
)
from google.adk.agents import ParallelAgent
from google.adk.auth.auth_credential import (
    AuthCredential,
    AuthCredentialTypes,
    OAuth2Auth,
)
from google.adk.auth.auth_tool import AuthConfig
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.function_tool import FunctionTool
from google.adk.tools.long_running_tool import LongRunningFunctionTool
from google.genai import types
from pydantic import BaseModel

import chaukas
from tests.frameworks.google_adk.support import (
    RELEASE,
    add,
    agent,
    ask,
    boom,
    new_session,
    play,
    runner_of,
    shape,
    tree_of,
)
from tests.support.trees import named, only, tree

ADD = ("add", {"a": 1, "b": 2})


def test_two_tools_at_once_start_after_the_model_has_ended() -> None:
    events = play(ask(runner_of(agent([ADD, ADD], "three", tools=[add]))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL add x2
            MODEL
            OUTPUT
        """
    )
    order = [e["type"].removeprefix("EVENT_TYPE_") for e in events]
    assert order.index("MODEL_INVOCATION_END") < order.index("TOOL_CALL_START")
    start = named(events, "TOOL_CALL_START")[0]["tool_call"]
    assert start["arguments"] == {"a": 1, "b": 2}
    assert start["metadata"]["type"] == "function"
    assert start["tool_id"].startswith("adk-")
    end = named(events, "TOOL_CALL_END")[0]["tool_response"]
    assert end["output"] == {"output": 3}


def test_a_tool_that_raises_fails_the_run() -> None:
    events = play(ask(runner_of(agent([("boom", {})], "x", tools=[boom]))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            TOOL boom FAILED
              ERROR ValueError
        """
    )
    assert repr(play.error) == "ValueError('no such thing')"  # type: ignore[attr-defined]


def test_an_error_that_a_callback_handles_is_recoverable() -> None:
    has_callback = RELEASE >= (1, 16)
    more = {"on_tool_error_callback": lambda **_: {"error": "e"}}
    root = agent([("boom", {})], "x", tools=[boom], **(more if has_callback else {}))

    class Handler(BasePlugin):
        async def on_tool_error_callback(self, **_: Any) -> dict[str, str]:
            return {"error": "e"}

    plugins = [] if has_callback else [Handler(name="handler")]
    assert shape(ask(runner_of(root, plugins=plugins))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL boom FAILED
              ERROR ValueError recoverable
            MODEL
            OUTPUT
        """
    )


REFUSED = """
    SESSION
      AGENT root
        INPUT
        MODEL
        ERROR {} recoverable
        MODEL
        OUTPUT
    """


@pytest.mark.skipif(RELEASE < (2, 9), reason="it raised before")
def test_a_tool_that_nobody_knows_did_not_run() -> None:
    runner = runner_of(agent([("nope", {})], "x", tools=[add]))
    assert shape(ask(runner)) == tree(REFUSED.format("ToolNotFound"))


@pytest.mark.skipif(RELEASE < (1, 14), reason="it is not told before")
def test_a_tool_that_lacks_an_argument_did_not_run() -> None:
    runner = runner_of(agent([("add", {"a": 1})], "x", tools=[add]))
    assert shape(ask(runner)) == tree(REFUSED.format("InvalidArguments"))


@pytest.mark.skipif(RELEASE < (1, 16), reason="it came with 1.16")
def test_a_plugin_that_asks_for_another_try_is_a_retry() -> None:
    from google.adk.plugins.reflect_retry_tool_plugin import ReflectAndRetryToolPlugin

    tries: list[int] = []

    def shaky() -> str:
        """Fail once."""
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return "good"

    root = agent([("shaky", {})], [("shaky", {})], "x", tools=[shaky])
    events = play(ask(runner_of(root, plugins=[ReflectAndRetryToolPlugin()])))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL shaky FAILED
              RETRY middleware 1/3
              ERROR ValueError recoverable
            MODEL
            TOOL shaky
            MODEL
            OUTPUT
        """
    )
    assert only(events, "RETRY")["retry"]["strategy"] == "reflect"


async def _confirm(resumable: bool, answer: bool | None) -> None:
    from google.adk.apps.app import App, ResumabilityConfig

    root = agent([ADD], "done", tools=[FunctionTool(add, require_confirmation=True)])
    config = ResumabilityConfig(is_resumable=True) if resumable else None
    runner = runner_of(App(name="app1", root_agent=root, resumability_config=config))
    session = await new_session(runner)
    events = await ask(runner, "hi", session)
    asked = [
        call
        for event in events
        for call in event.get_function_calls()
        if call.name == "adk_request_confirmation"
    ]
    if answer is None:
        return
    response = types.FunctionResponse(
        id=asked[0].id, name=asked[0].name, response={"confirmed": answer}
    )
    message = types.Content(role="user", parts=[types.Part(function_response=response)])
    more = {"invocation_id": events[-1].invocation_id} if resumable else {}
    await ask(runner, message, session, **more)


ASKED = """
    SESSION
      AGENT root waiting
        INPUT
        MODEL
        POLICY tool_confirmation review"""

NEW = pytest.mark.skipif(RELEASE < (2, 11), reason="asked in another way before")


@NEW
def test_a_tool_that_asks_for_confirmation_did_not_run() -> None:
    events = play(_confirm(False, None))
    assert tree_of(events) == tree(ASKED)
    policy = only(events, "POLICY_DECISION")["policy"]
    assert policy["rule_ids"][0] == "add"


@NEW
@pytest.mark.parametrize("resumable", [False, True])
def test_a_confirmed_tool_runs_in_the_trace_in_which_it_was_asked_for(
    resumable: bool,
) -> None:
    events = play(_confirm(resumable, True))
    drawn = tree_of(events)
    lines = [line for line in drawn.split("\n") if "STATE_UPDATE" not in line]
    assert "\n".join(lines) == tree(
        f"""{ASKED}
      DATA_ACCESS InMemorySessionService
      AGENT root
        POLICY tool_confirmation allow
        TOOL add
        MODEL
        OUTPUT
    """
    )
    assert len({event["trace_id"] for event in named(events, "AGENT_START")}) == 1


@NEW
def test_a_rejected_tool_does_not_run() -> None:
    assert shape(_confirm(False, False)) == tree(
        f"""{ASKED}
      DATA_ACCESS InMemorySessionService
      AGENT root
        POLICY tool_confirmation deny
        MODEL
        OUTPUT
    """
    )


def test_a_callback_that_answers_for_a_tool_is_an_override() -> None:
    root = agent(
        [ADD], "x", tools=[add], before_tool_callback=lambda **_: {"result": "cached"}
    )
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            POLICY before_tool_callback override
            MODEL
            OUTPUT
        """
    )
    assert only(events, "POLICY_DECISION")["policy"]["rationale"] == "cached"


def test_parallel_tools_of_which_one_fails() -> None:
    async def slow() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return ""

    async def late() -> str:
        """Fail a little later."""
        for _ in range(5):
            await asyncio.sleep(0)
        raise ValueError("bad")

    root = agent([("slow", {}), ("late", {})], tools=[slow, late])
    events = play(asyncio.wait_for(ask(runner_of(root)), 120))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            TOOL slow CANCELLED
            TOOL late FAILED
              ERROR ValueError
        """
    )


def test_a_long_running_tool_with_a_ticket() -> None:
    def ticket() -> dict[str, str]:
        """Give a ticket."""
        return {"ticket": "t1"}

    root = agent([("ticket", {})], "done", tools=[LongRunningFunctionTool(ticket)])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL ticket
            MODEL
            OUTPUT
        """
    )


def test_a_tool_that_retrieves_by_its_class_is_a_data_access() -> None:
    if RELEASE < (1, 20):
        pytest.skip("its retrieval tools want packages of others")
    from google.adk.tools.retrieval.base_retrieval_tool import BaseRetrievalTool

    class Handbook(BaseRetrievalTool):
        """A retrieval of the application."""

        def _get_declaration(self) -> Any:
            return types.FunctionDeclaration(name=self.name, description="Look up")

        async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
            return {"results": [{"id": "doc-7", "score": 0.5, "text": args["query"]}]}

    tool = Handbook(name="handbook", description="Look up")
    root = agent([("handbook", {"query": "leave"})], "done", tools=[tool])
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL handbook
              DATA_ACCESS handbook
            MODEL
            OUTPUT
        """
    )
    found = only(events, "DATA_ACCESS")["data_access"]
    assert found["document_ids"] == ["doc-7"]
    assert found["metadata"]["arguments"] == {"query": "leave"}
    assert "declared" not in found["metadata"]


@pytest.mark.skipif(RELEASE < (1, 20), reason="it came later")
def test_a_tool_of_google_that_asks_a_store_is_a_data_access() -> None:
    from google.adk.tools.google_tool import GoogleTool

    def execute_sql(query: str) -> dict[str, Any]:
        """Run a query."""
        return {"status": "SUCCESS", "rows": [{"id": "r1"}]}

    execute_sql.__module__ = "google.adk.tools.bigquery.query_tool"
    root = agent(
        [("execute_sql", {"query": "SELECT 1"})],
        "done",
        tools=[GoogleTool(execute_sql)],
    )
    events = play(ask(runner_of(root)))
    found = only(events, "DATA_ACCESS")["data_access"]
    assert found["datasource"] == "execute_sql"
    assert found["metadata"]["arguments"] == {"query": "SELECT 1"}


def later() -> None:
    """Answer later."""


async def _answered_later(resumable: bool) -> None:
    root = agent([("later", {})], "done", tools=[LongRunningFunctionTool(later)])
    if resumable:
        from google.adk.apps.app import App, ResumabilityConfig

        config = ResumabilityConfig(is_resumable=True)
        root = App(name="app1", root_agent=root, resumability_config=config)
    runner = runner_of(root)
    session = await new_session(runner)
    events = await ask(runner, "hi", session)
    (call,) = [c for event in events for c in event.get_function_calls()]
    response = types.FunctionResponse(
        id=call.id, name="later", response={"result": "now"}
    )
    part = types.Part(function_response=response)
    more = {"invocation_id": events[-1].invocation_id} if resumable else {}
    await ask(runner, types.Content(role="user", parts=[part]), session, **more)


@pytest.mark.parametrize("resumable", [False, True])
def test_a_long_running_tool_that_answers_later(resumable: bool) -> None:
    if resumable and RELEASE < (2, 5):
        pytest.skip("such a run is resumed in another way")
    events = play(_answered_later(resumable))
    drawn = tree_of(events).split("\n")
    # A resumable one notes in its session how far each agent is.
    lines = [line for line in drawn if "STATE_UPDATE" not in line]
    assert "\n".join(lines).replace("root waiting", "root") == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL later
          DATA_ACCESS InMemorySessionService
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )
    facts = named(events, "INPUT_RECEIVED")[1]["message"]["metadata"]
    assert facts["tool_name"] == "later"
    traces = {event["trace_id"] for event in named(events, "AGENT_START")}
    assert len(traces) == 1 or not resumable


def _wanted() -> AuthConfig:
    scheme = APIKey(**{"in": APIKeyIn.header, "name": "X-Key"})
    raw = AuthCredential(auth_type=AuthCredentialTypes.API_KEY, api_key="first-key")
    return AuthConfig(auth_scheme=scheme, raw_auth_credential=raw)


def secret(tool_context: Any) -> str:
    """Ask for a key, and use it."""
    if tool_context.get_auth_response(_wanted()) is None:
        tool_context.request_credential(_wanted())
        return "pending"
    return "ok"


async def _given_a_key(given: bool) -> None:
    runner = runner_of(agent([("secret", {})], *["done"] * 2, tools=[secret]))
    session = await new_session(runner)
    events = await ask(runner, "hi", session)
    (asked,) = [
        call
        for event in events
        for call in event.get_function_calls()
        if call.name == "adk_request_credential"
    ]
    answer = _wanted()
    answer.exchanged_auth_credential = AuthCredential(
        auth_type=AuthCredentialTypes.API_KEY, api_key="second-key"
    )
    response = types.FunctionResponse(
        id=asked.id,
        name=asked.name,
        response=answer.model_dump(mode="json", exclude_none=True) if given else {},
    )
    message = types.Content(role="user", parts=[types.Part(function_response=response)])
    await ask(runner, message, session)


@pytest.mark.parametrize("given", [True, False])
def test_a_tool_that_asks_for_a_credential(given: bool) -> None:
    events = play(_given_a_key(given))
    lines = [line for line in tree_of(events).split("\n") if "MODEL" not in line]
    asked = "\n".join(lines)
    first, _, second = asked.partition("  DATA_ACCESS InMemorySessionService\n")
    # Releases before 2.5 tell the model that the tool waits, which answers.
    assert first.replace(" waiting", "").replace("    OUTPUT\n", "") == (
        "SESSION\n  AGENT root\n    INPUT\n    TOOL secret\n"
        "    POLICY tool_auth review\n"
    )
    outcome = "allow" if given else "deny"
    # Most releases fail of an answer without any.
    assert second.split("\n")[1] == f"    POLICY tool_auth {outcome}"
    if given:
        assert "    TOOL secret\n" in second
    assert "-key" not in str(events)


def test_a_tool_that_is_not_run_without_a_credential() -> None:
    from google.adk.tools.authenticated_function_tool import AuthenticatedFunctionTool

    def guarded(credential: Any = None) -> str:
        """Use a credential."""
        return "ok"

    flow = OAuthFlowAuthorizationCode(
        authorizationUrl="http://127.0.0.1/a",
        tokenUrl="http://127.0.0.1/t",
        scopes={"read": "Read"},
    )
    oauth = OAuth2Auth(client_id="c", client_secret="client-secret")
    config = AuthConfig(
        auth_scheme=OAuth2(flows=OAuthFlows(authorizationCode=flow)),
        raw_auth_credential=AuthCredential(
            auth_type=AuthCredentialTypes.OAUTH2, oauth2=oauth
        ),
    )
    tool = AuthenticatedFunctionTool(func=guarded, auth_config=config)
    events = play(ask(runner_of(agent([("guarded", {})], "done", tools=[tool]))))
    # Before 1.14 it is not told whether the function of a tool ran.
    lines = [line for line in tree_of(events).split("\n") if "TOOL" not in line][:5]
    assert lines[-1] == "    POLICY tool_auth review"
    assert RELEASE < (1, 14) or not named(events, "TOOL_CALL_START")
    assert "client-secret" not in str(events)


def test_what_a_tool_in_a_thread_records_stands_below_it() -> None:
    def note() -> str:
        """Record something."""
        chaukas.event("noted", {})
        return "x"

    events = play(ask(runner_of(agent([("note", {})], "done", tools=[note]))))
    tool = only(events, "TOOL_CALL_START")
    own = [e for e in named(events, "SYSTEM") if e["metadata"].get("name") == "noted"]
    assert [event["parent_span_id"] for event in own] == [tool["span_id"]]
    assert own[0]["agent_name"] == "root"


@pytest.mark.skipif(RELEASE < (2, 5), reason="it came later")
def test_what_tools_in_a_pool_of_threads_record_names_their_agent() -> None:
    from google.adk.agents.run_config import RunConfig, ToolThreadPoolConfig

    def note() -> str:
        """Record something."""
        chaukas.event("noted", {})
        return "x"

    subs = [agent([("note", {})], "y", name=n, tools=[note]) for n in ("p1", "p2")]
    config = RunConfig(tool_thread_pool_config=ToolThreadPoolConfig(max_workers=2))
    root = ParallelAgent(name="par", sub_agents=subs)
    events = play(ask(runner_of(root), run_config=config))
    tools = {e["span_id"]: e["agent_name"] for e in named(events, "TOOL_CALL_START")}
    own = [e for e in named(events, "SYSTEM") if e["metadata"].get("name") == "noted"]
    assert len(own) == 2
    assert {e["parent_span_id"]: e["agent_name"] for e in own} == tools


class Sum(BaseModel):
    """An answer with a form."""

    total: int


def test_an_answer_in_the_form_that_was_asked_for() -> None:
    root = agent('{"total": 3}', output_schema=Sum, output_key="sum")
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            STATE_UPDATE append_event InMemorySessionService
            OUTPUT
        """
    )
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["output_schema"] == "Sum"
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == '{"total": 3}'


def test_an_answer_in_another_form_fails_the_agent() -> None:
    root = agent("no json", output_schema=Sum, output_key="sum")
    drawn = shape(ask(runner_of(root)))
    assert drawn == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            ERROR ValidationError
        """
    )


@pytest.mark.parametrize("by_plugin", [False, True])
def test_a_model_that_is_replaced_by_a_callback_is_not_called(by_plugin: bool) -> None:
    answer = LlmResponse(
        content=types.Content(role="model", parts=[types.Part(text="no")])
    )

    class Guard(BasePlugin):
        async def before_model_callback(self, **_: Any) -> Any:
            return answer

    own = {} if by_plugin else {"before_model_callback": lambda **_: answer}
    plugins = [Guard(name="guard")] if by_plugin else []
    events = play(ask(runner_of(agent("x", **own), plugins=plugins)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            POLICY before_model_callback override
            OUTPUT
        """
    )
    assert only(events, "POLICY_DECISION")["policy"]["rationale"] == "no"


def test_an_answer_that_a_callback_replaces_is_told_beside_it() -> None:
    answer = LlmResponse(
        content=types.Content(role="model", parts=[types.Part(text="changed")])
    )
    root = agent("original", after_model_callback=lambda **_: answer)
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            POLICY after_model_callback override
            OUTPUT
        """
    )
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["response"]["text"] == "original"
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "changed"


def test_an_agent_that_a_callback_answers_for() -> None:
    answer = types.Content(role="model", parts=[types.Part(text="no")])
    root = agent("x", before_agent_callback=lambda **_: answer)
    if RELEASE < (1, 17):
        pytest.skip("it is not told before")
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            POLICY before_agent_callback override
            OUTPUT
        """
    )


@pytest.mark.skipif((2, 0) <= RELEASE < (2, 5), reason="such an answer was ignored")
def test_a_run_that_a_plugin_answers_for() -> None:
    class Guard(BasePlugin):
        async def before_run_callback(self, **_: Any) -> Any:
            return types.Content(role="model", parts=[types.Part(text="no")])

    assert shape(ask(runner_of(agent("x"), plugins=[Guard(name="guard")]))) == tree(
        """
        SESSION
          INPUT
          POLICY before_run_callback override
          OUTPUT
        """
    )


@pytest.mark.skipif(find_spec("mcp") is None, reason="mcp is not installed")
def test_a_planner_changes_nothing() -> None:
    from google.adk.planners.plan_re_act_planner import PlanReActPlanner

    assert shape(ask(runner_of(agent("hello", planner=PlanReActPlanner())))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(RELEASE < (2, 5), reason="it is not judged before")
def test_a_tool_that_returns_its_error_has_failed() -> None:
    from google.adk.tools.openapi_tool.openapi_spec_parser import rest_api_tool

    tool = rest_api_tool.RestApiTool.__new__(rest_api_tool.RestApiTool)
    BaseTool.__init__(tool, name="fetch", description="Fetch")

    failed = {"error": "Tool fetch execution failed: 500"}
    declaration = types.FunctionDeclaration(name="fetch", description="Fetch")
    with mock.patch.multiple(
        rest_api_tool.RestApiTool,
        call=mock.AsyncMock(return_value=failed),
        _get_declaration=mock.Mock(return_value=declaration),
    ):
        events = play(ask(runner_of(agent([("fetch", {})], "x", tools=[tool]))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL fetch FAILED
              ERROR HTTP_ERROR recoverable
            MODEL
            OUTPUT
        """
    )
    start = only(events, "TOOL_CALL_START")["tool_call"]
    assert start["metadata"]["type"] == "openapi"


@pytest.mark.skipif(RELEASE < (2, 9), reason="older ones do it in another way")
def test_an_answer_in_a_form_of_an_agent_with_tools() -> None:
    answer = ("set_model_response", {"total": 3})
    root = agent([ADD], [answer], tools=[add], output_schema=Sum)
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            TOOL set_model_response
            OUTPUT
        """
    )


def test_a_callback_around_a_tool_may_change_what_the_model_is_told() -> None:
    root = agent(
        [ADD], "x", tools=[add], after_tool_callback=lambda **_: {"result": "hidden"}
    )
    events = play(ask(runner_of(root)))
    end = only(events, "TOOL_CALL_END")["tool_response"]
    assert end["output"] == {"output": 3}
    assert end["tool_name"] == "add"
