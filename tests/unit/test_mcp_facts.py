"""What is read of MCP servers and answers, in both spellings of the `mcp` package."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaukas.sdk.integrations.openai_agents.mcp.facts import (
    PARAMETERS,
    content_of,
    is_cached,
    server_facts,
)
from chaukas.sdk.integrations.shared.mcp.facts import (
    contents_count,
    error_facts,
    failure_text_of,
    is_error,
    listed,
    reason_of,
    request_of,
    without_query,
    without_userinfo,
)


class Answer(SimpleNamespace):
    """Stands for an object of the `mcp` package, whose version 1 is not here."""

    __module__ = "mcp.types"


class Server:
    """A server with what one of the SDK holds."""

    def __init__(self, **held: Any) -> None:
        self.__dict__.update(held)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("station", "station"),
        ("stdio: python", "stdio: python"),
        ("https://ann:pw@h:8/mcp?token=t#f", "https://h:8/mcp"),
        ("sse: HTTP://ann@h/sse", "sse: http://h/sse"),
        (
            "streamable_http: https://[::1]:8/mcp?x",
            "streamable_http: https://[::1]:8/mcp",
        ),
        ("sse: http://ann:pw@[::1/sse", "sse: <invalid-url>"),
    ],
)
def test_a_servers_address_has_no_credentials(given: str, told: str) -> None:
    assert without_query(given) == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("notes://today", "notes://today"),
        ("db://ann:pw@h/table?row=1", "db://h/table?row=1"),
        ("file:///etc/hosts", "file:///etc/hosts"),
        ("no address", "no address"),
        ("http://ann:pw@[::1/x", "<invalid-url>"),
    ],
)
def test_a_resources_address_keeps_its_query(given: str, told: str) -> None:
    assert without_userinfo(given) == told


@pytest.mark.parametrize("name", ["protocol_version", "protocolVersion"])
def test_the_version_is_read_in_both_spellings(name: str) -> None:
    greeting = Answer(**{name: "2025-06-18"})
    server = Server(server_initialize_result=greeting)
    assert server_facts(server).protocol_version == "2025-06-18"
    assert server_facts(Server(session=greeting)).protocol_version == "2025-06-18"


def test_only_objects_of_the_mcp_package_are_asked() -> None:
    class Touchy:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    server = Server(session=Touchy(), server_initialize_result=Touchy())
    assert server_facts(server).protocol_version == ""
    assert content_of("connect", server, None) == {}
    assert not is_error(Touchy())
    assert failure_text_of(Touchy()) == ""
    assert listed("list_prompts", Touchy()) == {}


@pytest.mark.parametrize("name", ["is_error", "isError"])
def test_a_failed_answer_is_known_in_both_spellings(name: str) -> None:
    text = Answer(type="text", text="closed")
    answer = Answer(content=[text, Answer(type="image"), text], **{name: True})
    assert is_error(answer)
    assert failure_text_of(answer) == "closed\nclosed"
    assert not is_error(Answer(**{name: False}))


def test_listings_are_read_in_both_spellings() -> None:
    new = Answer(resource_templates=[Answer(uri_template="a://{b}")], next_cursor="n")
    old = Answer(resourceTemplates=[Answer(uriTemplate="a://{b}")], nextCursor="n")
    told = {"resource_templates": ["a://{b}"], "count": 1, "next_cursor": "n"}
    assert listed("list_resource_templates", new) == told
    assert listed("list_resource_templates", old) == told
    assert listed("call_tool", new) is None


def test_a_listing_tells_at_most_128_names_and_how_many_there_are() -> None:
    tools = [Answer(name=f"t{number}") for number in range(200)]
    told = listed("list_tools", tools)
    assert told is not None
    assert len(told["tools"]) == 128
    assert told["count"] == 200


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("add", {"a": 1}), {}),
        (("add",), {"arguments": {"a": 1}}),
        ((), {"tool_name": "add", "arguments": {"a": 1}, "meta": None}),
    ],
)
def test_a_request_is_the_same_however_it_was_passed(args: Any, kwargs: Any) -> None:
    told = {"name": "add", "arguments": {"a": 1}}
    assert request_of(PARAMETERS["call_tool"], args, kwargs) == told


def test_the_run_and_the_agent_of_a_listing_are_no_request() -> None:
    assert request_of(PARAMETERS["list_tools"], ("context", "agent"), {}) == {}


def test_a_cache_answers_when_it_is_on_clean_and_filled() -> None:
    held = {"cache_tools_list": True, "_cache_dirty": False, "_tools_list": ["t"]}
    assert is_cached(Server(**held))
    for change in (
        {"cache_tools_list": False},
        {"_cache_dirty": True},
        {"_tools_list": None},
        {"_tools_list": []},
    ):
        assert not is_cached(Server(**{**held, **change}))
    assert not is_cached(object())


def test_the_reason_of_a_group_is_that_of_its_members() -> None:
    class ExceptionGroup(Exception):
        exceptions: tuple[Exception, ...] = ()

    inner = ExceptionGroup("inner")
    inner.exceptions = (ValueError("no line"), KeyError("k"))
    outer = ExceptionGroup("many")
    outer.exceptions = (inner,)
    assert reason_of(outer) == "many (ValueError: no line; KeyError: 'k')"
    assert reason_of(ValueError("plain")) == "plain"
    assert reason_of(ValueError()) == "ValueError"


def test_the_code_of_a_protocol_error_is_told() -> None:
    error = ValueError("busy")
    assert error_facts(error) == {"error_code": "ValueError"}
    error.__dict__["error"] = Answer(code=-32099)
    assert error_facts(error) == {"error_code": "ValueError", "rpc_code": -32099}


def test_parts_of_a_resource_are_counted() -> None:
    assert contents_count(Answer(contents=[1, 2])) == 2
    assert contents_count(None) == 0
