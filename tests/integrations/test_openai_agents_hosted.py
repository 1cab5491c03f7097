"""
Tools that the provider runs: pairs under the model call, with what the response tells.

No code of the SDK runs when they do, so a record made from hooks alone would say that
nothing was searched, executed or asked of a stranger's server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from agents import (
    Agent,
    HostedMCPTool,
    Model,
    ProgrammaticToolCallingTool,
    Runner,
    ShellTool,
    function_tool,
)
from agents.models.openai_responses import OpenAIResponsesModel
from openai.types.responses import (
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
)

from chaukas.sdk.system.clock import Clock, SystemClock
from chaukas.sdk.testing import FakeClock
from loopback import Hosted, ModelServer
from tests.support.agent_runs import Mode, in_loop, record
from tests.support.models import call_alone
from tests.support.served import run_served
from tests.support.trees import named, only, spans_of, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES = {
    "type": "file_search_call",
    "id": "fs_1",
    "status": "completed",
    "queries": ["holiday policy"],
    "results": [
        {
            "file_id": "file-1",
            "filename": "policy.md",
            "score": 0.9,
            "text": "30 days of holiday",
            "attributes": {},
        }
    ],
}
_WEB = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {
        "type": "search",
        "query": "weather in Lisbon",
        "sources": [{"type": "url", "url": "https://weather.example/lisbon"}],
    },
}
_MCP = {
    "type": "mcp_call",
    "id": "mcp_1",
    "server_label": "wiki",
    "name": "ask",
    "arguments": '{"question":"why?"}',
    "output": "because",
    "status": "completed",
}
_MCP_LIST = {
    "type": "mcp_list_tools",
    "id": "mcpl_1",
    "server_label": "wiki",
    "tools": [{"name": "ask", "input_schema": {"type": "object"}}],
}
_CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "status": "completed",
    "code": "print(1 + 1)",
    "container_id": "cntr_1",
    "outputs": [
        {"type": "logs", "logs": "2"},
        {"type": "image", "url": "data:image/png;base64,aGVsbG8="},
        {"type": "image", "url": "https://files.example/plot.png"},
    ],
}
_PICTURE = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "result": "aGVsbG8gd29ybGQ=",
    "revised_prompt": "a red boat",
    "output_format": "png",
    "size": "1024x1024",
}
_SEARCH_TOOLS = (
    {
        "type": "tool_search_call",
        "id": "tsc_1",
        "call_id": "call_ts",
        "execution": "server",
        "status": "completed",
        "arguments": {"paths": ["crm"]},
    },
    {
        "type": "tool_search_output",
        "id": "tso_1",
        "call_id": "call_ts",
        "execution": "server",
        "status": "completed",
        "tools": [
            {
                "type": "function",
                "name": "find_customer",
                "parameters": {},
                "strict": True,
            }
        ],
    },
)
_SHELL = (
    {
        "type": "shell_call",
        "id": "sh_1",
        "call_id": "call_sh",
        "status": "completed",
        "action": {"commands": ["ls"], "timeout_ms": 1000, "max_output_length": None},
        "environment": {"type": "container_reference", "container_id": "cntr_2"},
    },
    {
        "type": "shell_call_output",
        "id": "sho_1",
        "call_id": "call_sh",
        "status": "completed",
        "max_output_length": None,
        "output": [
            {
                "stdout": "a.txt\n",
                "stderr": "",
                "outcome": {"type": "exit", "exit_code": 0},
            }
        ],
    },
)
_CITED = (
    {"type": "file_citation", "file_id": "file-2", "filename": "b.md", "index": 3},
    {
        "type": "url_citation",
        "url": "https://news.example/today",
        "title": "Today",
        "start_index": 0,
        "end_index": 4,
    },
)


@function_tool(allowed_callers=["direct", "programmatic"])
async def join(a: int, b: int) -> str:
    """Join two numbers."""
    return f"{a}{b}"


def _play(mode: Mode, *items: Any, text: str = "Done", **options: Any) -> list[Any]:
    reply = Hosted(items, text, options.pop("annotations", ()))
    settings = options.pop("settings", {})
    recorded = record(lambda: run_served([reply], mode, **options), **settings)
    assert recorded.error is None
    return recorded.events


def _mcp_tool(**config: Any) -> HostedMCPTool:
    return HostedMCPTool(
        tool_config={
            "type": "mcp",
            "server_label": "wiki",
            "server_url": "https://wiki.example/mcp",
            "authorization": "a-key-of-the-user",
            "require_approval": "never",
            **config,
        }
    )


@in_loop
def test_searches_and_calls_stand_under_the_model_call(mode: Mode) -> None:
    events = _play(mode, _FILES, _WEB, _MCP)
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              TOOL file_search
                DATA_ACCESS file_search
              TOOL web_search
                DATA_ACCESS web_search
              MCP tools/call
            OUTPUT
        """
    )
    assert len([event for event in events if "SYSTEM" not in event["type"]]) == 16


@in_loop
def test_a_search_tells_queries_documents_and_citations(mode: Mode) -> None:
    events = _play(mode, _FILES, _WEB, annotations=_CITED)
    files, web = named(events, "DATA_ACCESS")
    assert files["data_access"] == {
        "datasource": "file_search",
        "document_ids": ["file-1", "file-2"],
        "metadata": {
            "citations": [dict(_CITED[0])],
            "filenames": ["policy.md"],
            "hosted": True,
            "queries": ["holiday policy"],
            "tool_call_id": "fs_1",
        },
    }
    assert web["data_access"] == {
        "datasource": "web_search",
        "document_ids": [
            "https://weather.example/lisbon",
            "https://news.example/today",
        ],
        "metadata": {
            "citations": [dict(_CITED[1])],
            "hosted": True,
            "queries": ["weather in Lisbon"],
            "tool_call_id": "ws_1",
        },
    }
    started, ended = (named(events, f"TOOL_CALL_{end}")[0] for end in ("START", "END"))
    assert started["tool_call"] == {
        "tool_id": "fs_1",
        "tool_name": "file_search",
        "arguments": {"queries": ["holiday policy"]},
        "metadata": {"hosted": True, "requested_by": "gpt-5", "tool_type": "hosted"},
    }
    response = ended["tool_response"]
    response.pop("execution_time_ms", None)
    assert response == {
        "tool_call_id": "fs_1",
        "tool_name": "file_search",
        "output": {"results": [{**_FILES["results"][0]}]},
        "metadata": {"hosted": True},
    }


def test_citations_without_a_search_stand_under_the_model_call() -> None:
    events = _play(Mode.RUN, _CODE, annotations=_CITED)
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              TOOL code_interpreter
              DATA_ACCESS file_search
              DATA_ACCESS web_search
            OUTPUT
        """
    )


@in_loop
def test_pages_that_are_opened_and_searched_are_named(mode: Mode) -> None:
    opened = {"type": "open_page", "url": "https://a.example/"}
    found = {"type": "find_in_page", "url": "https://b.example/", "pattern": "price"}
    first = {**_WEB, "id": "ws_1", "action": opened}
    second = {**_WEB, "id": "ws_2", "action": found}
    events = _play(mode, first, second)
    told = [event["data_access"] for event in named(events, "DATA_ACCESS")]
    assert [one["document_ids"] for one in told] == [
        ["https://a.example/"],
        ["https://b.example/"],
    ]
    assert told[1]["metadata"]["pattern"] == "price"


@in_loop
def test_code_and_pictures_are_told_without_the_pictures(mode: Mode) -> None:
    cited = {
        "type": "container_file_citation",
        "container_id": "cntr_1",
        "file_id": "cfile_1",
        "filename": "plot.png",
        "start_index": 0,
        "end_index": 4,
    }
    events = _play(mode, _CODE, _PICTURE, annotations=[cited])
    code, picture = named(events, "TOOL_CALL_START")
    assert code["tool_call"]["arguments"] == {
        "code": "print(1 + 1)",
        "container_id": "cntr_1",
    }
    assert picture["tool_call"]["arguments"] == {
        "output_format": "png",
        "prompt": "a red boat",
        "size": "1024x1024",
    }
    code, picture = named(events, "TOOL_CALL_END")
    cited.pop("start_index")
    cited.pop("end_index")
    assert code["tool_response"]["output"] == {
        "files": [cited],
        "outputs": [
            {"type": "logs", "logs": "2"},
            {"type": "image"},
            {"type": "image", "url": "https://files.example/plot.png"},
        ],
    }
    assert picture["tool_response"]["output"] == {"size_bytes": 11}
    assert "aGVsbG8" not in str(events)


@in_loop
def test_a_tool_search_names_the_tools_that_it_found(mode: Mode) -> None:
    events = _play(mode, *_SEARCH_TOOLS)
    started = only(events, "TOOL_CALL_START")["tool_call"]
    assert started["tool_id"] == "call_ts"
    assert started["arguments"] == {"paths": ["crm"]}
    ended = only(events, "TOOL_CALL_END")["tool_response"]
    assert ended["output"] == {"tools": ["find_customer"]}


@in_loop
def test_a_shell_in_a_container_is_hosted(mode: Mode) -> None:
    tool = ShellTool(environment={"type": "container_auto"})
    events = _play(mode, *_SHELL, tools=[tool])
    started = only(events, "TOOL_CALL_START")["tool_call"]
    assert started["arguments"] == {"commands": ["ls"], "timeout_ms": 1000}
    assert started["metadata"]["container_id"] == "cntr_2"
    ended = only(events, "TOOL_CALL_END")["tool_response"]
    assert ended["output"] == {
        "output": [
            {"exit_code": 0, "outcome": "exit", "stderr": "", "stdout": "a.txt\n"}
        ]
    }


@in_loop
def test_a_program_and_the_tools_that_it_calls_are_tied_by_its_id(mode: Mode) -> None:
    program = {
        "type": "program",
        "id": "prog_1",
        "call_id": "call_p",
        "code": "await join(1, 2)",
        "fingerprint": "f",
    }
    result = {
        "type": "program_output",
        "id": "po_1",
        "call_id": "call_p",
        "result": "3",
        "status": "completed",
    }
    wanted = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "join",
        "arguments": '{"a":1,"b":2}',
        "status": "completed",
        "caller": {"type": "program", "caller_id": "call_p"},
    }
    replies = [Hosted([program, wanted]), Hosted([result], "3")]
    tools = [ProgrammaticToolCallingTool(), join]
    recorded = record(lambda: run_served(replies, mode, tools=tools))
    assert recorded.error is None
    events = recorded.events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              TOOL programmatic_tool_calling
            TOOL join
            MODEL
              TOOL programmatic_tool_calling
            OUTPUT
        """
    )
    begun, called, done = (
        event["tool_call"] for event in named(events, "TOOL_CALL_START")
    )
    assert begun["tool_id"] == done["tool_id"] == called["metadata"]["caller_id"]
    assert called["metadata"]["caller"] == "program"
    assert begun["arguments"] == {"code": "await join(1, 2)"}
    assert begun["metadata"]["continued"] is True
    assert done["metadata"]["continues"] is True
    ends = [event["tool_response"] for event in named(events, "TOOL_CALL_END")]
    assert ends[2]["output"] == {"result": "3"}


@in_loop
def test_hosted_mcp_tells_tools_calls_and_no_key(mode: Mode) -> None:
    events = _play(mode, _MCP_LIST, _MCP, tools=[_mcp_tool()])
    listed, called = (event["mcp_call"] for event in named(events, "MCP_CALL_END"))
    for one in (listed, called):
        one.pop("execution_time_ms", None)
    assert listed == {
        "server_name": "wiki",
        "operation": "tools/list",
        "method": "tools/list",
        "response": {"tools": ["ask"]},
        "metadata": {"hosted": True, "requested_by": "gpt-5"},
    }
    assert called == {
        "server_name": "wiki",
        "operation": "tools/call",
        "method": "tools/call",
        "request": {"arguments": {"question": "why?"}, "name": "ask"},
        "response": {"output": "because"},
        "metadata": {
            "hosted": True,
            "requested_by": "gpt-5",
            "tool_call_id": "mcp_1",
        },
    }
    assert "a-key-of-the-user" not in str(events)


@in_loop
@pytest.mark.parametrize(
    ("item", "line", "message", "code"),
    [
        (
            {
                **_MCP,
                "output": None,
                "status": "failed",
                "error": {"type": "http_error", "code": 502, "message": "bad gateway"},
            },
            "MCP tools/call FAILED",
            "bad gateway",
            "http_error:502",
        ),
        (
            {**_MCP_LIST, "tools": [], "error": "unreachable"},
            "MCP tools/list FAILED",
            "unreachable",
            "HostedToolFailed",
        ),
        (
            {**_CODE, "status": "failed", "outputs": None},
            "TOOL code_interpreter FAILED",
            "failed",
            "HostedToolFailed",
        ),
    ],
    ids=["mcp-call", "mcp-list", "code"],
)
def test_what_failed_says_why_and_the_run_goes_on(
    mode: Mode, item: Any, line: str, message: str, code: str
) -> None:
    events = _play(mode, item)
    assert tree_of(events) == tree(
        f"""
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              {line}
                ERROR {code} recoverable
            OUTPUT
        """
    )
    assert only(events, "ERROR")["error"]["error_message"] == message
    kind = "mcp_call" if line.startswith("MCP") else "tool_response"
    ended = next(e[kind] for e in events if kind in e and e["type"].endswith("END"))
    assert ended["error_message"] == message
    assert ended.get("is_error", False) is (kind == "mcp_call")


@in_loop
@pytest.mark.parametrize("approve", [True, False], ids=["allowed", "denied"])
def test_an_approval_by_callback_is_a_decision(mode: Mode, approve: bool) -> None:
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "wiki",
        "name": "ask",
        "arguments": "{}",
    }
    tool = HostedMCPTool(
        tool_config=_mcp_tool(require_approval="always").tool_config,
        on_approval_request=lambda _request: {"approve": approve, "reason": "as told"},
    )
    replies = [Hosted([request]), Hosted([_MCP] if approve else [], "Done")]
    events = record(lambda: run_served(replies, mode, tools=[tool])).events
    policy = only(events, "POLICY_DECISION")["policy"]
    assert policy["outcome"] == ("allow" if approve else "deny")
    assert policy["rule_ids"] == ["ask"]
    assert len(named(events, "MCP_CALL_START")) == approve


@in_loop
def test_an_approval_that_nobody_gives_is_asked_for_once(mode: Mode) -> None:
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "wiki",
        "name": "ask",
        "arguments": "{}",
    }
    replies = [Hosted([request])]
    tools = [_mcp_tool(require_approval="always")]
    events = record(lambda: run_served(replies, mode, tools=tools)).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
        """
    )


class _Interrupted(FakeClock):
    """A clock on a busy machine: after each look at it ever more time goes by."""

    _looks = 0

    def time_ns(self) -> int:
        now_ns = super().time_ns()
        self._looks += 1
        self.skip(self._looks)
        return now_ns


@pytest.mark.parametrize("kind", [SystemClock, _Interrupted])
def test_a_stream_gives_the_times_of_its_tools(kind: Callable[[], Clock]) -> None:
    reply = Hosted([_WEB, _FILES], "Done")
    events = record(lambda: run_served([reply], Mode.STREAMED), clock=kind()).events
    model = next(span for span in spans_of(events) if span.kind == "MODEL")
    begin, end = model.start["timestamp"], model.end["timestamp"]
    tools = [span for span in spans_of(events) if span.kind == "TOOL"]
    for span in tools:
        times = begin, span.start["timestamp"], span.end["timestamp"], end
        assert list(times) == sorted(times)
        assert span.end["tool_response"]["execution_time_ms"] > 0
    assert tools[0].end["timestamp"] <= tools[1].start["timestamp"]


def test_without_a_stream_no_time_is_made_up() -> None:
    ended = only(_play(Mode.RUN, _WEB), "TOOL_CALL_END")
    assert "execution_time_ms" not in ended["tool_response"]


def _event(kind: str, **members: Any) -> Any:
    cls = {
        "added": ResponseOutputItemAddedEvent,
        "done": ResponseOutputItemDoneEvent,
    }[kind]
    return cls.model_construct(type=f"response.output_item.{kind}", **members)


def test_a_stream_that_is_cancelled_tells_what_it_had_shown() -> None:
    async def story() -> None:
        begun = asyncio.Event()

        class Hanging(Model):
            async def get_response(self, *_args: Any, **_kwargs: Any) -> Any:
                raise NotImplementedError

            async def stream_response(self, *_args: Any, **_kwargs: Any) -> Any:
                yield _event("added", item=dict(_FILES), output_index=0)
                yield _event("done", item=dict(_FILES), output_index=0)
                yield _event("added", item=dict(_WEB), output_index=1)
                begun.set()
                await asyncio.Event().wait()

        agent: Agent[Any] = Agent(name="Assistant", model=Hanging())
        stream = Runner.run_streamed(agent, "Hi")
        await begun.wait()
        stream.cancel()
        await asyncio.wait([stream.run_loop_task])

    assert tree_of(record(story).events) == tree(
        """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL CANCELLED
              TOOL file_search
                DATA_ACCESS file_search
              TOOL web_search CANCELLED
                DATA_ACCESS web_search
        """
    )


@in_loop
def test_hidden_content_leaves_names_and_document_ids(mode: Mode) -> None:
    hidden = {"capture_content": False}
    events = _play(mode, _FILES, _WEB, _MCP, annotations=_CITED, settings=hidden)
    text = str(events)
    for secret in ("holiday", "Lisbon", "because", "why?", "Today"):
        assert secret not in text
    files, _web = named(events, "DATA_ACCESS")
    assert files["data_access"]["document_ids"] == ["file-1", "file-2"]
    assert only(events, "MCP_CALL_START")["mcp_call"]["request"]["name"] == "ask"


@in_loop
def test_secrets_in_what_hosted_tools_did_are_hidden(mode: Mode) -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    opened = {"type": "open_page", "url": f"https://u:{key}@a.example/"}
    web = {**_WEB, "action": opened}
    call = {**_MCP, "arguments": '{"api_key":"hunter2-hunter2"}', "output": key}
    code = {**_CODE, "code": f"login('{key}')"}
    events = _play(mode, web, call, code)
    assert key not in str(events)
    assert "hunter2" not in str(events)
    started = named(events, "MCP_CALL_START")[0]
    assert started["redaction"]["fields"] == ["mcp_call.request.arguments.api_key"]


@in_loop
def test_a_model_called_alone_tells_its_hosted_tools_and_requests(mode: Mode) -> None:
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "wiki",
        "name": "ask",
        "arguments": "{}",
    }

    async def story() -> None:
        with ModelServer([Hosted([_WEB, request], "Done")]) as server:
            async with server.client() as client:
                await call_alone(OpenAIResponsesModel("gpt-5", client), mode)

    recorded = record(story)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MODEL
            TOOL web_search
              DATA_ACCESS web_search
            POLICY tool_approval review
        """
    )


def test_odd_items_cost_neither_the_run_nor_the_others() -> None:
    class Answer:
        """A response of another make, with items that lack nearly everything."""

        output: ClassVar = [
            {"type": "web_search_call", "id": 7, "status": None, "action": "?"},
            {"type": "mcp_call"},
            dict(_FILES),
        ]

    class Odd(Model):
        async def get_response(self, *_args: Any, **_kwargs: Any) -> Any:
            return Answer

        def stream_response(self, *_args: Any, **_kwargs: Any) -> Any:
            raise NotImplementedError

    recorded = record(lambda: call_alone(Odd(), Mode.RUN))
    assert recorded.error is None
    names = [
        event["tool_call"]["tool_name"]
        for event in named(recorded.events, "TOOL_CALL_START")
    ]
    assert names == ["web_search", "file_search"]
    assert only(recorded.events, "MCP_CALL_END")["status"] == "EVENT_STATUS_COMPLETED"
