"""
What a tool's events say of the world outside: HTTP statuses, documents found, turns.

The exceptions are those that real clients raise against a real server; what a search
returns has the shapes that vector stores return.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
import requests
from agents import function_tool

from chaukas.sdk.integrations.shared import tool_results as facts
from tests.support.agent_runs import Mode, calls, play, record, say
from tests.support.scenarios import assistant
from tests.support.trees import named, only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Hook(BaseHTTPRequestHandler):
    """Answers every request with the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.partition("?")[0].rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_args: Any) -> None: ...


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    """The address of a server of webhooks."""
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def with_httpx(url: str) -> None:
    httpx2.get(url).raise_for_status()


def with_requests(url: str) -> None:
    requests.get(url, timeout=5).raise_for_status()


def with_urllib(url: str) -> None:
    try:
        # A server of the test's own.
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def with_openai(url: str) -> None:
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client:
        client.get("/503", cast_to=str)


def wrapped_in_another(url: str) -> None:
    try:
        with_requests(url)
    except requests.HTTPError as error:
        raise RuntimeError("the webhook failed") from error


def end_of(tool: Any, *, arguments: Any = "{}", **settings: Any) -> Any:
    """Return the END of the one call of *tool*."""
    agent = assistant(calls((tool.name, arguments)), say("Ok"), tools=[tool])
    return only(
        record(lambda: play(Mode.RUN, agent), **settings).events, "TOOL_CALL_END"
    )


@pytest.mark.parametrize("is_handled", [True, False], ids=["handled", "raised"])
@pytest.mark.parametrize(
    "ask",
    [with_httpx, with_requests, with_urllib, with_openai, wrapped_in_another],
    ids=lambda ask: ask.__name__,
)
def test_a_tool_that_failed_of_an_http_answer_tells_status_and_url(
    ask: Callable[[str], None], hook: str, is_handled: bool
) -> None:
    options: Any = {} if is_handled else {"failure_error_function": None}

    @function_tool(name_override="notify", **options)
    def notify() -> str:
        ask(hook if ask is with_openai else f"{hook}/503?token=abc")
        return "sent"

    end = end_of(notify)
    assert end["status"] == "EVENT_STATUS_FAILED"
    assert end["tool_response"]["http_status"] == 503
    assert end["tool_response"]["metadata"] == {"url": f"{hook}/503"}


def test_an_error_without_an_answer_has_no_status() -> None:
    class Odd(Exception):
        status = 3
        code = 500

        def __getattr__(self, name: str) -> Any:
            pytest.fail(f"asked for {name}")

    @function_tool
    def fail() -> str:
        error = Odd("no")
        error.__dict__["response"] = object()
        raise error

    end = end_of(fail)["tool_response"]
    assert "http_status" not in end
    assert "metadata" not in end


def test_a_url_is_hidden_with_all_content_and_the_status_is_not(hook: str) -> None:
    @function_tool
    def notify() -> str:
        with_requests(f"{hook}/404")
        return "sent"

    end = end_of(notify, capture_content=False)["tool_response"]
    assert end["http_status"] == 404
    assert end["metadata"] == {"url": f"<{len(hook) + 4} chars>"}


# -- what a search found --------------------------------------------------------------


@dataclass
class Passage:
    """A result as an object."""

    document_id: str
    score: float
    text: str


_PLAIN = [
    {"id": "d1", "score": 0.9, "text": "one"},
    {"id": "d2", "score": 0.5, "text": "two"},
]


@pytest.mark.parametrize(
    "result",
    [
        _PLAIN,
        {"results": _PLAIN, "took_ms": 3},
        json.dumps(_PLAIN),
        [Passage("d1", 0.9, "one"), Passage("d2", 0.5, "two")],
        [({"id": "d1"}, 0.9), ({"id": "d2"}, 0.5)],
        [
            {"document": {"id": "d1"}, "score": 0.9},
            {"document": {"id": "d2"}, "score": 0.5},
        ],
    ],
    ids=["list", "object", "json", "objects", "pairs", "nested"],
)
@pytest.mark.parametrize("is_hidden", [False, True], ids=["shown", "hidden"])
def test_a_declared_search_tells_what_was_asked_and_which_documents_came(
    result: Any, is_hidden: bool
) -> None:
    @function_tool
    def search_kb(query: str, top_k: int) -> Any:
        return result

    asked = {"query": "boots", "top_k": 2}
    agent = assistant(calls(("search_kb", asked)), say("Ok"), tools=[search_kb])
    events = record(
        lambda: play(Mode.RUN, agent),
        data_access_tools=["search_kb"],
        capture_content=not is_hidden,
    ).events
    hidden = {"query": "<5 chars>", "top_k": "<number>"}
    assert only(events, "DATA_ACCESS")["data_access"] == {
        "datasource": "search_kb",
        "document_ids": ["d1", "d2"],
        "metadata": {
            "tool_call_id": "call_1",
            "declared": True,
            "arguments": hidden if is_hidden else asked,
            "count": 2,
            "scores": [0.9, 0.5],
        },
    }


@pytest.mark.parametrize("result", ["a text", 7, [1, 2], {"answer": 42}, None])
def test_a_search_whose_result_names_no_documents_names_none(result: Any) -> None:
    found = facts.retrieved_in(result)
    assert found == facts.Retrieved([], [], [], 0)


def test_secrets_in_what_a_search_was_asked_are_hidden() -> None:
    @function_tool
    def search_kb(query: str, password: str) -> str:
        return "nothing"

    asked = {"query": "boots", "password": "correct-horse"}
    agent = assistant(calls(("search_kb", asked)), say("Ok"), tools=[search_kb])
    events = record(
        lambda: play(Mode.RUN, agent), data_access_tools=["search_kb"]
    ).events
    access = only(events, "DATA_ACCESS")
    assert "correct-horse" not in json.dumps(access)
    assert access["redaction"]["fields"] == ["data_access.metadata.arguments.password"]


# -- turns ----------------------------------------------------------------------------


def test_a_tool_call_names_the_turn_in_which_it_was_asked_for() -> None:
    @function_tool
    def look() -> str:
        return "seen"

    steps = calls(("look", {})), calls(("look", {}), first=2), say("Ok")
    agent = assistant(*steps, tools=[look])
    events = record(lambda: play(Mode.RUN, agent)).events
    turns = [
        event["tool_call"]["metadata"]["turn"]
        for event in named(events, "TOOL_CALL_START")
    ]
    assert turns == [1, 2]
