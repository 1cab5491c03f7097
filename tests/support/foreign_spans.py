"""
Spans as other frameworks write them, by convention, and what they become.

    python -m tests.support.foreign_spans

writes the files anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from chaukas.collector.access.callers import Caller
from chaukas.collector.limits import Limits
from chaukas.collector.otlp.reading import SpanBody

__all__ = ("CASES", "FOLDER", "events_of", "request_of", "span", "tree_text")

FOLDER = Path(__file__).parents[1] / "unit" / "otlp_in_golden"
PROTOBUF = "application/x-protobuf"
TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGUN_NS = 1_767_268_800_000_000_000
ERROR = 2
CALLER = Caller("test", "acme", "", frozenset({"ingest", "read"}))


def span(
    number: int,
    parent: int,
    name: str,
    attributes: dict[str, Any] | None = None,
    *,
    events: list[tuple[str, dict[str, Any]]] | None = None,
    failed: str | None = None,
    took_ms: int | None = None,
    scope: str = "some-framework",
) -> dict[str, Any]:
    """Return a span; it begins `number` milliseconds after the first."""
    start = BEGUN_NS + number * 1_000_000
    took = (100 - 2 * number if took_ms is None else took_ms) * 1_000_000
    return {
        "span_id": f"{number:016x}",
        "parent": f"{parent:016x}" if parent else "",
        "name": name,
        "start": start,
        "end": start + took,
        "attributes": attributes or {},
        "events": events or [],
        "failed": failed,
        "scope": scope,
    }


def request_of(
    spans: list[dict[str, Any]],
    resource: dict[str, Any] | None = None,
    trace_id: str = TRACE,
) -> bytes:
    """Return spans as the bytes of a request, each scope for itself."""
    request = ExportTraceServiceRequest()
    whole = request.resource_spans.add()
    _put(whole.resource.attributes, resource or {"service.name": "shop"})
    for one in spans:
        scope = whole.scope_spans.add()
        scope.scope.name = one["scope"]
        made = scope.spans.add()
        made.trace_id = bytes.fromhex(trace_id)
        made.span_id = bytes.fromhex(one["span_id"])
        made.parent_span_id = bytes.fromhex(one["parent"])
        made.name = one["name"]
        made.start_time_unix_nano = one["start"]
        made.end_time_unix_nano = one["end"]
        _put(made.attributes, one["attributes"])
        for index, (name, attributes) in enumerate(one["events"]):
            event = made.events.add(name=name)
            event.time_unix_nano = one["start"] + (index + 1) * 1_000
            _put(event.attributes, attributes)
        if one["failed"] is not None:
            made.status.code = ERROR
            made.status.message = one["failed"]
    return request.SerializeToString()


def _put(target: Any, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        entry = target.add()
        entry.key = name
        _put_value(entry.value, value)


def _put_value(target: Any, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        _put(target.kvlist_value.values, value)
    elif value is not None:
        target.array_value.SetInParent()
        for each in value:
            _put_value(target.array_value.values.add(), each)


def events_of(body: bytes, kind: str = PROTOBUF) -> list[dict[str, Any]]:
    """Return what a body becomes."""
    decoded = SpanBody(kind, Limits(), CALLER)(body)
    assert not decoded.rejected
    return [json.loads(line) for line in decoded.lines]


def tree_text(events: list[dict[str, Any]]) -> str:
    """Return events as an indented text: type, name and status of each."""
    ids = {event["span_id"] for event in events}
    tops = [e for e in events if e.get("parent_span_id") not in ids]
    return "\n".join(line for one in tops for line in _lines(one, events, 0))


def _lines(one: dict[str, Any], events: list[dict[str, Any]], depth: int) -> list[str]:
    kind = one["type"].removeprefix("EVENT_TYPE_")
    if kind.endswith("_END"):
        return []
    same = [e for e in events if e["span_id"] == one["span_id"]]
    last = next((e for e in same if e["type"].endswith("_END")), one)
    status = last["status"].removeprefix("EVENT_STATUS_")
    words = [
        kind.removesuffix("_START"),
        _name(one),
        "" if status == "COMPLETED" else status,
    ]
    made = ["  " * depth + " ".join(word for word in words if word)]
    for each in events:
        if each.get("parent_span_id") == one["span_id"]:
            made += _lines(each, events, depth + 1)
    return made


def _name(event: dict[str, Any]) -> str:
    for member, field in (
        ("llm_invocation", "model"),
        ("tool_call", "tool_name"),
        ("mcp_call", "operation"),
        ("policy", "policy_id"),
        ("data_access", "datasource"),
        ("error", "error_code"),
        ("message", "text"),
        ("agent_handoff", "to_agent_name"),
    ):
        if member in event:
            return str(event[member].get(field, ""))
    return str(event.get("agent_name") or event["metadata"].get("name", ""))


def _messages(*messages: tuple[str, str]) -> str:
    return json.dumps(
        [
            {"role": role, "parts": [{"type": "text", "content": text}]}
            for role, text in messages
        ]
    )


_CITY = '{"city": "Lisbon"}'
_USER = [{"role": "user", "content": "Umbrella?"}]
_SAID = {"role": "assistant", "content": "No."}
_TOOL = {"type": "function", "function": {"name": "weather"}}
_CALLED = json.dumps(
    [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Look it up."},
                {
                    "type": "tool_call",
                    "id": "call_1",
                    "name": "weather",
                    "arguments": {"city": "Lisbon"},
                },
            ],
            "finish_reason": "tool_call",
        }
    ]
)
_ANSWERED = json.dumps(
    [
        {"role": "user", "parts": [{"type": "text", "content": "Umbrella?"}]},
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "call_1",
                    "name": "weather",
                    "arguments": {"city": "Lisbon"},
                }
            ],
        },
        {
            "role": "tool",
            "parts": [
                {"type": "tool_call_response", "id": "call_1", "response": "sunny"}
            ],
        },
    ]
)


def genai_current() -> list[dict[str, Any]]:
    """Conventions of 1.41 and later: attributes with JSON."""
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "resp_1",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.211,
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.usage.input_tokens": 13,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gen_ai.system_instructions": json.dumps(
            [{"type": "text", "content": "Be brief."}]
        ),
        "gen_ai.tool.definitions": json.dumps(
            [{"type": "function", "name": "weather"}]
        ),
    }
    return [
        span(1, 0, "POST /ask", {"http.request.method": "POST"}, scope="http"),
        span(
            2,
            1,
            "invoke_workflow desk",
            {
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": "desk",
                "gen_ai.conversation.id": "chat-42",
                "user.id": "amy",
                "gen_ai.input.messages": _messages(("user", "Umbrella?")),
                "gen_ai.output.messages": _messages(("assistant", "No.")),
            },
        ),
        span(
            3,
            2,
            "invoke_agent forecaster",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "forecaster",
                "gen_ai.agent.id": "agent-7",
                "gen_ai.conversation.id": "chat-42",
                "gen_ai.usage.input_tokens": 30,
                "gen_ai.output.messages": _messages(("assistant", "No.")),
            },
        ),
        span(
            4,
            3,
            "chat gpt-4o",
            {
                **chat,
                "gen_ai.input.messages": _messages(("user", "Umbrella?")),
                "gen_ai.output.messages": _CALLED,
            },
            took_ms=3,
        ),
        span(
            8,
            3,
            "execute_tool weather",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.call.id": "call_1",
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.arguments": _CITY,
                "gen_ai.tool.call.result": "sunny",
                "mcp.method.name": "tools/call",
                "mcp.protocol.version": "2025-06-18",
                "network.transport": "tcp",
                "server.address": "mcp.example",
            },
            took_ms=2,
        ),
        span(
            11,
            3,
            "chat gpt-4o",
            {**chat, "gen_ai.input.messages": _ANSWERED, "error.type": "timeout"},
            failed="The model took too long",
            took_ms=2,
        ),
        span(
            14,
            3,
            "retrieval docs",
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": "docs",
                "gen_ai.retrieval.query.text": "umbrella",
                "gen_ai.retrieval.documents": json.dumps([{"id": "d1", "score": 0.5}]),
            },
            took_ms=2,
        ),
        span(
            17,
            3,
            "execute_tool transfer_to_booker booker",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "transfer_to_booker",
                "gen_ai.tool.call.id": "call_2",
                "gen_ai.agent.name": "forecaster",
                "gen_ai.transfer.mode": "pass_control",
                "gen_ai.transfer.target.name": "booker",
            },
            took_ms=0,
        ),
        span(
            18,
            3,
            "run_guardrail no_rain",
            {"gen_ai.guardrail.name": "no_rain", "gen_ai.guardrail.triggered": True},
            took_ms=1,
        ),
        span(
            20,
            3,
            "resources/read",
            {
                "mcp.method.name": "resources/read",
                "mcp.resource.uri": "file:///a",
                "network.transport": "pipe",
                "error.type": "-32602",
                "rpc.response.status_code": "-32602",
            },
            failed="",
            took_ms=1,
        ),
        span(22, 3, "plan trip", {"gen_ai.operation.name": "plan"}, took_ms=1),
    ]


def genai_1_36() -> list[dict[str, Any]]:
    """Conventions up to 1.36, as Strands writes them: messages are events."""
    scope = "strands.telemetry.tracer"
    boom = {
        "exception.type": "ValueError",
        "exception.message": "no such city",
        "exception.stacktrace": "Traceback …",
    }
    return [
        span(
            1,
            0,
            "invoke_agent Strands Agents",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.system": "strands-agents",
                "gen_ai.agent.name": "Strands Agents",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.prompt_tokens": 40,
                "gen_ai.usage.input_tokens": 40,
                "gen_ai.usage.completion_tokens": 9,
                "gen_ai.usage.output_tokens": 9,
                "session.id": "s-1",
            },
            events=[
                ("gen_ai.user.message", {"content": '[{"text": "Umbrella?"}]'}),
                ("gen_ai.choice", {"message": "No.", "finish_reason": "end_turn"}),
            ],
            scope=scope,
        ),
        span(
            2, 1, "execute_event_loop_cycle", {"event_loop.cycle_id": "1"}, scope=scope
        ),
        span(
            3,
            2,
            "chat",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "strands-agents",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.prompt_tokens": 20,
                "gen_ai.usage.input_tokens": 20,
                "gen_ai.usage.completion_tokens": 4,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.cache_write_input_tokens": 7,
            },
            events=[
                ("gen_ai.system.message", {"content": "Be brief."}),
                ("gen_ai.user.message", {"content": '[{"text": "Umbrella?"}]'}),
                (
                    "gen_ai.choice",
                    {
                        "finish_reason": "tool_use",
                        "message": json.dumps(
                            [
                                {"text": "Let me see."},
                                {
                                    "toolUse": {
                                        "toolUseId": "t1",
                                        "name": "weather",
                                        "input": {"city": "Lisbon"},
                                    }
                                },
                            ]
                        ),
                    },
                ),
            ],
            scope=scope,
            took_ms=2,
        ),
        span(
            6,
            2,
            "execute_tool weather",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.call.id": "t1",
            },
            events=[("exception", boom)],
            failed="no such city",
            scope=scope,
            took_ms=2,
        ),
    ]


def pydantic_ai() -> list[dict[str, Any]]:
    """Pydantic AI with its later formats: one exception on three spans, and a retry."""
    scope = "pydantic-ai"
    boom = [
        ("exception", {"exception.type": "KeyError", "exception.message": "'city'"})
    ]
    return [
        span(
            1,
            0,
            "invoke_agent weather",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "weather",
                "gen_ai.agent.call.id": "made-up",
                "gen_ai.conversation.id": "made-up",
                "model_name": "gpt-4o",
                "gen_ai.aggregated_usage.input_tokens": 51,
                "gen_ai.aggregated_usage.output_tokens": 6,
                "pydantic_ai.all_messages": _messages(
                    ("system", "Be brief."), ("user", "Umbrella?")
                ),
                "logfire.msg": "weather run",
            },
            events=boom,
            failed="KeyError: 'city'",
            scope=scope,
        ),
        span(
            2,
            1,
            "chat gpt-4o",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 51,
                "gen_ai.usage.output_tokens": 6,
                "gen_ai.usage.details.cache_read_tokens": 10,
                "operation.cost": 0.000195,
                "gen_ai.input.messages": _messages(("user", "Umbrella?")),
                "gen_ai.output.messages": _CALLED,
            },
            scope=scope,
            took_ms=2,
        ),
        span(5, 1, "running tools", {"tools": ["weather"]}, events=boom, scope=scope),
        span(
            6,
            5,
            "execute_tool weather",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.call.id": "call_1",
                "tool_arguments": '{"city":"Lisbon"}',
                "pydantic_ai.tool.retry.attempt": 1,
                "pydantic_ai.tool.retry.max_retries": 2,
                "pydantic_ai.tool.retry.cause": "ModelRetry",
            },
            events=boom,
            failed="KeyError: 'city'",
            scope=scope,
            took_ms=2,
        ),
    ]


def pydantic_ai_first() -> list[dict[str, Any]]:
    """Pydantic AI with its first format: events in one attribute, other names."""
    scope = "pydantic-ai"
    events = [
        {
            "event.name": "gen_ai.system.message",
            "content": "Be brief.",
            "role": "system",
        },
        {"event.name": "gen_ai.user.message", "content": "Umbrella?", "role": "user"},
        {
            "event.name": "gen_ai.choice",
            "index": 0,
            "message": {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {
                            "name": "weather",
                            "arguments": '{"city":"Lisbon"}',
                        },
                    }
                ],
            },
        },
    ]
    return [
        span(
            1,
            0,
            "agent run",
            {"agent_name": "weather", "model_name": "gpt-4o", "final_result": "No."},
            scope=scope,
        ),
        span(
            2,
            1,
            "chat gpt-4o",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "events": json.dumps(events),
            },
            scope=scope,
            took_ms=2,
        ),
        span(
            5,
            1,
            "running tool",
            {
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.call.id": "c1",
                "tool_arguments": '{"city":"Lisbon"}',
                "tool_response": "sunny",
            },
            scope=scope,
            took_ms=2,
        ),
    ]


def openinference() -> list[dict[str, Any]]:
    """OpenInference: kinds, and messages spread over numbered attributes."""
    scope = "openinference.instrumentation.langchain"
    given = "llm.input_messages"
    got = "llm.output_messages.0.message"
    return [
        span(
            1,
            0,
            "LangGraph",
            {
                "openinference.span.kind": "CHAIN",
                "session.id": "s-9",
                "input.value": json.dumps({"messages": _USER}),
                "input.mime_type": "application/json",
                "output.value": "No.",
            },
            scope=scope,
        ),
        span(2, 1, "step", {"openinference.span.kind": "CHAIN"}, scope=scope),
        span(
            3,
            2,
            "planner",
            {"openinference.span.kind": "AGENT", "agent.name": "planner"},
            scope=scope,
        ),
        span(
            4,
            3,
            "ChatOpenAI",
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "openai",
                "llm.model_name": "gpt-4o",
                "llm.token_count.prompt": 11,
                "llm.token_count.completion": 4,
                "llm.token_count.total": 15,
                "llm.token_count.prompt_details.cache_read": 3,
                "llm.invocation_parameters": '{"temperature": 0.5, "max_tokens": 9}',
                f"{given}.0.message.role": "system",
                f"{given}.0.message.content": "Be brief.",
                f"{given}.1.message.role": "user",
                f"{given}.1.message.contents.0.message_content.type": "text",
                f"{given}.1.message.contents.0.message_content.text": "Umbrella?",
                f"{given}.1.message.contents.1.message_content.type": "image",
                f"{given}.1.message.contents.1.message_content.image.image.url": "https://example.org/a.png",
                f"{got}.role": "assistant",
                f"{got}.tool_calls.0.tool_call.id": "c1",
                f"{got}.tool_calls.0.tool_call.function.name": "weather",
                f"{got}.tool_calls.0.tool_call.function.arguments": _CITY,
                "llm.tools.0.tool.json_schema": json.dumps(_TOOL),
            },
            scope=scope,
            took_ms=2,
        ),
        span(
            7,
            3,
            "weather",
            {
                "openinference.span.kind": "TOOL",
                "tool.name": "weather",
                "tool.parameters": _CITY,
                "output.value": "sunny",
            },
            scope=scope,
            took_ms=1,
        ),
        span(
            9,
            3,
            "VectorStoreRetriever",
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": "umbrella",
                "retrieval.documents.0.document.id": "d1",
                "retrieval.documents.0.document.score": 0.25,
                "retrieval.documents.1.document.content": "no id",
            },
            scope=scope,
            took_ms=4,
        ),
        span(
            10,
            9,
            "embed",
            {
                "openinference.span.kind": "EMBEDDING",
                "embedding.model_name": "text-embedding-3-small",
                "llm.token_count.prompt": 2,
            },
            scope=scope,
            took_ms=1,
        ),
        span(
            14,
            3,
            "toxicity",
            {"openinference.span.kind": "GUARDRAIL", "output.value": "pass"},
            scope=scope,
            took_ms=1,
        ),
    ]


def traceloop() -> list[dict[str, Any]]:
    """Traceloop / OpenLLMetry: its own kinds, prompts numbered."""
    scope = "opentelemetry.instrumentation.openai.v1"
    return [
        span(
            1,
            0,
            "desk.workflow",
            {
                "traceloop.span.kind": "workflow",
                "traceloop.entity.name": "desk",
                "traceloop.entity.input": '{"args": ["Umbrella?"], "kwargs": {}}',
                "traceloop.entity.output": '"No."',
                "traceloop.association.properties.session_id": "s-3",
                "traceloop.association.properties.user_id": "bob",
            },
            scope="traceloop.tracer",
        ),
        span(
            2,
            1,
            "ask.task",
            {"traceloop.span.kind": "task", "traceloop.entity.name": "ask"},
            scope="traceloop.tracer",
        ),
        span(
            3,
            2,
            "openai.chat",
            {
                "llm.request.type": "chat",
                "gen_ai.system": "OpenAI",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.prompt_tokens": 12,
                "gen_ai.usage.completion_tokens": 3,
                "llm.usage.total_tokens": 15,
                "gen_ai.prompt.0.role": "system",
                "gen_ai.prompt.0.content": "Be brief.",
                "gen_ai.prompt.1.role": "user",
                "gen_ai.prompt.1.content": "Umbrella?",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.finish_reason": "tool_calls",
                "gen_ai.completion.0.tool_calls.0.id": "c1",
                "gen_ai.completion.0.tool_calls.0.name": "weather",
                "gen_ai.completion.0.tool_calls.0.arguments": _CITY,
                "llm.request.functions.0.name": "weather",
            },
            scope=scope,
            took_ms=2,
        ),
        span(
            6,
            2,
            "weather.tool",
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "weather",
                "traceloop.entity.input": _CITY,
                "traceloop.entity.output": '"sunny"',
            },
            scope="traceloop.tracer",
            took_ms=2,
        ),
    ]


def vercel() -> list[dict[str, Any]]:
    """The Vercel AI SDK's own spans, in TypeScript."""
    prompt = [{"role": "user", "content": [{"type": "text", "text": "Umbrella?"}]}]
    calls = [
        {
            "toolCallType": "function",
            "toolCallId": "c1",
            "toolName": "weather",
            "args": _CITY,
        }
    ]
    return [
        span(
            1,
            0,
            "ai.streamText",
            {
                "ai.operationId": "ai.streamText",
                "ai.telemetry.functionId": "ask",
                "ai.prompt": '{"prompt": "Umbrella?"}',
                "ai.model.id": "gpt-4o",
                "ai.response.text": "No.",
                "ai.usage.promptTokens": 13,
                "ai.usage.completionTokens": 5,
                "ai.telemetry.metadata.sessionId": "s-5",
            },
            scope="ai",
        ),
        span(
            2,
            1,
            "ai.streamText.doStream",
            {
                "ai.operationId": "ai.streamText.doStream",
                "ai.model.id": "gpt-4o",
                "ai.model.provider": "openai.chat",
                "ai.prompt.messages": json.dumps(prompt),
                "ai.response.toolCalls": json.dumps(calls),
                "ai.response.finishReason": "tool-calls",
                "ai.response.msToFirstChunk": 12.5,
                "ai.usage.promptTokens": 13,
                "ai.usage.completionTokens": 5,
                "gen_ai.system": "openai.chat",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 13,
                "gen_ai.usage.output_tokens": 5,
            },
            scope="ai",
            took_ms=2,
        ),
        span(
            5,
            1,
            "ai.toolCall",
            {
                "ai.operationId": "ai.toolCall",
                "ai.toolCall.name": "weather",
                "ai.toolCall.id": "c1",
                "ai.toolCall.args": _CITY,
                "ai.toolCall.result": '{"sky": "sunny"}',
            },
            scope="ai",
            took_ms=2,
        ),
    ]


def google_adk() -> list[dict[str, Any]]:
    """Google ADK: content under its own names."""
    scope = "gcp.vertex.agent"
    request = {
        "model": "gemini-2.5-flash",
        "config": {"system_instruction": "Be brief."},
        "contents": [{"role": "user", "parts": [{"text": "Umbrella?"}]}],
    }
    response = {
        "content": {
            "role": "model",
            "parts": [
                {"function_call": {"name": "weather", "args": {"city": "Lisbon"}}}
            ],
        },
        "usage_metadata": {"prompt_token_count": 9},
    }
    return [
        span(1, 0, "invocation", scope=scope),
        span(
            2,
            1,
            "invoke_agent helper",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "helper",
                "gen_ai.conversation.id": "s-7",
                "gen_ai.system": "gcp.vertex.agent",
            },
            scope=scope,
        ),
        span(
            3,
            2,
            "call_llm",
            {
                "gen_ai.system": "gcp.vertex.agent",
                "gen_ai.request.model": "gemini-2.5-flash",
                "gcp.vertex.agent.session_id": "s-7",
                "gcp.vertex.agent.llm_request": json.dumps(request),
                "gcp.vertex.agent.llm_response": json.dumps(response),
                "gen_ai.usage.input_tokens": 9,
                "gen_ai.usage.output_tokens": 2,
            },
            scope=scope,
            took_ms=2,
        ),
        span(
            6,
            2,
            "execute_tool weather",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gcp.vertex.agent.tool_call_args": _CITY,
                "gcp.vertex.agent.tool_response": '{"result": "sunny"}',
            },
            scope=scope,
            took_ms=2,
        ),
    ]


def langfuse() -> list[dict[str, Any]]:
    """The Langfuse SDK, which writes OTLP."""
    scope = "langfuse-sdk"
    return [
        span(
            1,
            0,
            "desk",
            {
                "langfuse.observation.type": "chain",
                "langfuse.observation.input": "Umbrella?",
                "langfuse.observation.output": "No.",
                "session.id": "s-6",
                "user.id": "amy",
                "langfuse.trace.tags": ["beta"],
            },
            scope=scope,
        ),
        span(
            2,
            1,
            "answer",
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.input": json.dumps(_USER),
                "langfuse.observation.output": json.dumps(_SAID),
                "langfuse.observation.usage_details": '{"input": 8, "output": 2}',
                "langfuse.observation.cost_details": '{"total": 0.5}',
            },
            scope=scope,
            took_ms=2,
        ),
        span(
            5,
            1,
            "weather",
            {
                "langfuse.observation.type": "tool",
                "langfuse.observation.name": "weather",
                "langfuse.observation.input": _CITY,
                "langfuse.observation.output": "sunny",
            },
            scope=scope,
            took_ms=2,
        ),
    ]


def langsmith() -> list[dict[str, Any]]:
    """LangChain through LangSmith's exporter."""
    given = {"messages": [[{"role": "user", "content": "Umbrella?"}]]}
    return [
        span(
            1,
            0,
            "RunnableSequence",
            {
                "langsmith.span.kind": "chain",
                "langsmith.metadata.thread_id": "th-1",
                "gen_ai.prompt": '{"question": "Umbrella?"}',
                "gen_ai.completion": '{"output": "No."}',
            },
            scope="langsmith",
        ),
        span(
            2,
            1,
            "ChatOpenAI",
            {
                "langsmith.span.kind": "llm",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.prompt": json.dumps(given),
                "gen_ai.completion": '{"content": "No."}',
                "gen_ai.usage.input_tokens": 8,
                "gen_ai.usage.output_tokens": 2,
            },
            scope="langsmith",
            took_ms=2,
        ),
        span(
            5,
            1,
            "weather",
            {
                "langsmith.span.kind": "tool",
                "gen_ai.prompt": _CITY,
                "gen_ai.completion": '{"output": "sunny"}',
            },
            scope="langsmith",
            took_ms=2,
        ),
    ]


def logfire() -> list[dict[str, Any]]:
    """Logfire's own instrumentation of a client: requests and answers as they were."""
    asked = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Umbrella?"}],
    }
    return [
        span(
            1,
            0,
            "Chat Completion with {request_data[model]!r}",
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "request_data": json.dumps(asked),
                "response_data": json.dumps(
                    {"message": {"role": "assistant", "content": "No."}}
                ),
                "gen_ai.usage.input_tokens": 8,
                "gen_ai.usage.output_tokens": 2,
                "logfire.msg": "Chat Completion with 'gpt-4o'",
            },
            scope="logfire.openai",
        )
    ]


CASES = {
    made.__name__: made
    for made in (
        genai_current,
        genai_1_36,
        pydantic_ai,
        pydantic_ai_first,
        openinference,
        traceloop,
        vercel,
        google_adk,
        langfuse,
        langsmith,
        logfire,
    )
}


def text_of(name: str) -> str:
    """Return what the spans of a case become: the tree, and every event."""
    events = events_of(request_of(CASES[name]()))
    lines = [tree_text(events), ""]
    lines += [json.dumps(event, ensure_ascii=False, sort_keys=True) for event in events]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        (FOLDER / f"{case}.txt").write_text(text_of(case), encoding="utf-8")
