"""Spans of other frameworks as events: what becomes of what, whatever they hold."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from chaukas.cli.tree import render
from chaukas.collector.bodies.counted import values_in_message
from chaukas.collector.limits import Limits
from chaukas.collector.otlp import reading
from chaukas.collector.otlp.attributes import spellings
from chaukas.collector.otlp.events import Request
from chaukas.collector.otlp.reading import REQUEST, VALUES, SpanBody
from chaukas.collector.refusal import Refusal
from tests.support.foreign_spans import (
    CALLER,
    CASES,
    FOLDER,
    PROTOBUF,
    TRACE,
    events_of,
    request_of,
    span,
    text_of,
    tree_text,
)

JSON = "application/json"


@pytest.mark.parametrize("case", CASES)
def test_each_convention_becomes_the_events_on_file(case: str) -> None:
    assert text_of(case) == (FOLDER / f"{case}.txt").read_text(encoding="utf-8")


def as_json(body: bytes) -> bytes:
    """Return a request as OTLP has it in JSON: ids in hex, not in base64."""
    whole = MessageToDict(ExportTraceServiceRequest.FromString(body))
    request = ExportTraceServiceRequest.FromString(body)
    for place, told in zip(whole["resourceSpans"], request.resource_spans, strict=True):
        scopes = zip(place["scopeSpans"], told.scope_spans, strict=True)
        for scope, told_scope in scopes:
            for one, message in zip(scope["spans"], told_scope.spans, strict=True):
                one["traceId"] = message.trace_id.hex()
                one["spanId"] = message.span_id.hex()
                one["parentSpanId"] = message.parent_span_id.hex()
                one["kind"] = 1
                if "status" in one and "code" in one["status"]:
                    one["status"]["code"] = message.status.code
    return json.dumps(whole).encode()


@pytest.mark.parametrize("case", CASES)
def test_json_says_the_same_as_protobuf(case: str) -> None:
    body = request_of(CASES[case]())
    assert events_of(as_json(body), JSON) == events_of(body)


@pytest.mark.parametrize("case", CASES)
def test_an_event_is_the_same_in_whatever_company_its_span_comes(case: str) -> None:
    spans = CASES[case]()
    together = {event["event_id"]: event for event in events_of(request_of(spans))}
    for one in reversed(spans):
        for event in events_of(request_of([one])):
            # Alone, more may be told of a span, and nothing otherwise.
            assert together.get(event["event_id"], event) == event


def test_an_exception_that_passes_three_spans_is_told_by_the_innermost() -> None:
    events = events_of(request_of(CASES["pydantic_ai"]()))
    errors = [e["parent_span_id"] for e in events if e["type"] == "EVENT_TYPE_ERROR"]
    assert errors == [f"{6:016x}"]


def test_two_calls_that_fail_alike_are_two_errors() -> None:
    boom = [("exception", {"exception.type": "E", "exception.message": "no"})]
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
    spans = [
        span(1, 0, "agent", {"gen_ai.operation.name": "invoke_agent"}),
        span(2, 1, "execute_tool t", tool, events=boom, failed="no"),
        span(3, 1, "execute_tool t", tool, events=boom, failed="no"),
    ]
    assert tree_text(events_of(request_of(spans))) == (
        "AGENT agent\n"
        "  TOOL_CALL t FAILED\n    ERROR E FAILED\n"
        "  TOOL_CALL t FAILED\n    ERROR E FAILED"
    )


def test_a_cancelled_call_is_no_error() -> None:
    given = {"gen_ai.operation.name": "chat", "error.type": "CancelledError"}
    events = events_of(request_of([span(1, 0, "chat m", given)]))
    assert [event["status"] for event in events] == [
        "EVENT_STATUS_STARTED",
        "EVENT_STATUS_CANCELLED",
    ]


def test_what_says_only_that_a_span_has_begun_is_no_second_span() -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    spans = [span(1, 0, "chat m", chat)]
    begun = span(2, 1, "chat m", {**chat, "logfire.span_type": "pending_span"})
    assert events_of(request_of([*spans, begun])) == events_of(request_of(spans))


def test_files_show_what_stands_below_a_span_that_is_no_pair() -> None:
    lines = render(events_of(request_of(CASES["openinference"]())))
    (above,) = [n for n, line in enumerate(lines) if line.endswith("system step")]
    assert lines[above + 1].startswith("   │  └─ agent planner")


def test_nobody_else_may_say_what_chaukas_says_of_itself() -> None:
    (event,) = events_of(request_of([span(1, 0, "chaukas.disabled")]))
    assert event["metadata"]["name"] == "span chaukas.disabled"


def test_both_names_of_one_number_are_counted_once() -> None:
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.prompt_tokens": 7,
        "gen_ai.usage.input_tokens": 7,
        "llm.token_count.prompt": 7,
    }
    _, end = events_of(request_of([span(1, 0, "chat m", given)]))
    assert end["llm_invocation"]["prompt_tokens"] == 7


# --- what strangers send ---


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
WEIRD: dict[str, dict[str, Any]] = {
    "10,000 attributes": {f"a{n}": n for n in range(10_000)},
    "no attributes": {},
    "messages that are none": {**CHAT, "gen_ai.input.messages": "[1, null, {}, []]"},
    "parts that are none": {
        **CHAT,
        "gen_ai.output.messages": '[{"role": 7, "parts": [{"type": "tool_call"}]}]',
    },
    "deep JSON in a text": {**CHAT, "gen_ai.input.messages": "[" * 900 + "]" * 900},
    "deeper JSON in a text": {**CHAT, "gen_ai.input.messages": "[" * 100_000},
    "deep values": {**CHAT, "gen_ai.input.messages": nested(40)},
    "no number": {**CHAT, "gen_ai.usage.input_tokens": float("nan")},
    "endless numbers": {
        **CHAT,
        "gen_ai.usage.cost": float("inf"),
        "gen_ai.usage.output_tokens": 1 << 62,
        "gen_ai.usage.input_tokens": -5,
        "gen_ai.response.time_to_first_chunk": float("inf"),
        "ai.response.msToFirstChunk": float("nan"),
    },
    "lists for texts": {
        name: ["x", 1, None]
        for name in ("gen_ai.agent.name", "session.id", "error.type", *CHAT)
    },
    "bytes for texts": dict.fromkeys((*CHAT, "input.value", "session.id"), b"\xff\x00"),
    "objects for texts": {name: {"a": {"b": [1]}} for name in (*CHAT, "input.value")},
    "far numbers": {"llm.input_messages.999999999999.message.role": "user"},
    "numbers that collide": {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0": "text",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message": "text",
        "llm.input_messages..": 1,
        "llm.input_messages.²": 1,
    },
    "our own, untrue": {
        "chaukas.event_ids": "x",
        "chaukas.run_id": "y" * 10_000,
        "chaukas.trace_id": "z" * 10_000,
        "chaukas.incomplete": True,
        "gen_ai.operation.name": "execute_tool",
    },
    "long names": {
        **CHAT,
        "gen_ai.agent.name": "n" * 100_000,
        "session.id": "s" * 9_999,
    },
    "documents that are none": {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.documents": '[1, {"id": 7, "score": "x"}]',
    },
    "definitions that are none": {
        **CHAT,
        "gen_ai.tool.definitions": '[1, {"name": 2}]',
    },
    "an address that is none": {
        "mcp.method.name": "tools/call",
        "server.address": "[::::",
        "server.port": 99_999_999,
    },
    "retries that are none": {
        "gen_ai.operation.name": "execute_tool",
        "pydantic_ai.tool.retry.attempt": -1,
    },
}


@pytest.mark.parametrize("case", WEIRD)
def test_whatever_attributes_hold_the_span_is_kept(case: str) -> None:
    body = request_of([span(1, 0, "x", WEIRD[case])])
    for kind, sent in ((PROTOBUF, body), (JSON, as_json(body))):
        decoded = SpanBody(kind, Limits(), CALLER)(sent)
        assert not decoded.rejected
        assert decoded.lines


WEIRD_EVENTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "exceptions without anything": [("exception", {})],
    "thousands": [("exception", {"exception.type": f"E{n}"}) for n in range(5_000)],
    "of other types": [
        ("exception", {"exception.type": 5, "exception.message": ["x"]})
    ],
    "messages": [
        ("gen_ai.user.message", {"content": 5}),
        ("gen_ai.choice", {"message": nested(30), "tool_calls": "[[[7]]]"}),
        ("gen_ai.choice", {"message": '{"content": {"a": 1}, "role": 3}'}),
    ],
    "changes": [
        ("chaukas.state_update", {"chaukas.content": "[1]"}),
        ("chaukas.data_access", {"chaukas.content": 5}),
        ("chaukas.retry", {"chaukas.retry.attempt": float("nan")}),
    ],
}


@pytest.mark.parametrize("case", WEIRD_EVENTS)
def test_whatever_events_hold_the_span_is_kept(case: str) -> None:
    one = span(1, 0, "chat m", CHAT, events=WEIRD_EVENTS[case], failed="x")
    decoded = SpanBody(PROTOBUF, Limits(), CALLER)(request_of([one]))
    assert not decoded.rejected
    assert 2 <= len(decoded.lines) <= 70


def damaged(change: str) -> bytes:
    request = ExportTraceServiceRequest.FromString(
        request_of([span(1, 0, "chat m", CHAT), span(2, 0, "chat m", CHAT)])
    )
    one = request.resource_spans[0].scope_spans[0].spans[0]
    match change:
        case "trace id of zeros":
            one.trace_id = bytes(16)
        case "short trace id":
            one.trace_id = b"\x01" * 8
        case "long span id":
            one.span_id = b"\x01" * 9
        case "no span id":
            one.span_id = b""
        case "no times":
            one.start_time_unix_nano = one.end_time_unix_nano = 0
        case "after all times":
            one.end_time_unix_nano = (1 << 64) - 1
    return request.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        "trace id of zeros",
        "short trace id",
        "long span id",
        "no span id",
        "no times",
        "after all times",
    ],
)
def test_a_span_without_usable_ids_or_times_is_rejected_alone(change: str) -> None:
    body = SpanBody(PROTOBUF, Limits(), CALLER)
    decoded = body(damaged(change))
    assert list(body.rejected_spans(decoded.rejected).values()) == ["invalid"]
    assert len(decoded.lines) == 2


def test_a_span_that_ends_before_it_starts_takes_no_time() -> None:
    one = {**span(1, 0, "chat m", CHAT)}
    one["end"] = one["start"] - 1_000_000
    start, end = events_of(request_of([one]))
    assert start["timestamp"] == end["timestamp"]
    assert "duration_ms" not in end.get("performance", {}) or (
        end["performance"]["duration_ms"] == 0
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"endTimeUnixNano": "x"}]}]}]}',
        b'{"resourceSpans": [], "resourceSpans": []}',
        b'{"resourceSpans": NaN}',
        b"[" * 100_000,
    ],
)
def test_json_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        SpanBody(JSON, Limits(), CALLER)(body)
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x02\x12\x7f"])
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        SpanBody(PROTOBUF, Limits(), CALLER)(body)
    assert refused.value.status == 400


def test_more_spans_than_a_request_may_hold_are_refused_before_they_are_read() -> None:
    with pytest.raises(Refusal) as refused:
        SpanBody(PROTOBUF, Limits(batch_spans=1), CALLER)(
            request_of([span(1, 0, "a"), span(2, 0, "b")])
        )
    assert refused.value.status == 413


@pytest.mark.parametrize("is_circle", [False, True])
def test_work_grows_with_the_spans_and_not_with_their_square(
    is_circle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    real = Request._is_below_agent

    def counted(self: Request, place: tuple[str, str]) -> bool:
        nonlocal looked
        self._known = Counted(self._known)
        answer = real(self, place)
        looked += self._known.looked
        return answer

    monkeypatch.setattr(Request, "_is_below_agent", counted)
    agent = {"gen_ai.operation.name": "invoke_agent"}
    chain = [span(n, n - 1, "step", took_ms=1) for n in range(1, 400)]
    if is_circle:
        chain[0]["parent"] = chain[-1]["span_id"]
    agents = [span(n, 399, "a", agent, took_ms=1) for n in range(400, 800)]

    events = events_of(request_of([*chain, *agents]))

    assert len(events) == 399 + 2 * 400
    assert looked < 2 * 800


class Counted(dict[Any, Any]):
    """Counts how often something is looked up."""

    looked = 0

    def get(self, key: Any, default: Any = None) -> Any:
        self.looked += 1
        return super().get(key, default)


def field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf that holds a message."""
    size = len(content)
    digits = bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *digits, size]) + content


EMPTY = 2 << 20
"""Empty messages, of two bytes each, that would be hundreds of MiB in memory."""
BOMBS = {
    "scopes": field(1, field(2, b"") * EMPTY),
    "spans": field(1, field(2, field(2, b"") * EMPTY)),
    "attributes": field(1, field(2, field(2, field(9, b"") * EMPTY))),
    "values": field(
        1, field(2, field(2, field(9, field(2, field(5, field(1, b"") * EMPTY)))))
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_request_of_empty_messages_is_refused_before_it_is_read(
    bomb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "spans_in", None)
    # Each counts at least one; to count up to the default takes a second.
    assert Limits().values < EMPTY
    few = Limits(values=Limits().values // 20)
    with pytest.raises(Refusal) as refused:
        SpanBody(PROTOBUF, few, CALLER)(BOMBS[bomb])
    assert refused.value.status == 413


def test_json_of_empty_objects_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "spans_in", None)
    with pytest.raises(Refusal) as refused:
        SpanBody(JSON, Limits(), CALLER)(b'{"resourceSpans":[' + b"{}," * EMPTY)
    assert refused.value.status == 413


def test_what_large_requests_hold_is_counted_as_it_is() -> None:
    body = request_of(CASES["genai_current"]())
    request = ExportTraceServiceRequest.FromString(body)
    fields, heavy = fields_of(request)
    assert values_in_message(body, 1_000_000, REQUEST, VALUES) == fields + 20 * heavy
    assert values_in_message(body, 10, REQUEST, VALUES) < 50


def fields_of(message: Message) -> tuple[int, int]:
    """Return how many fields a message has, and how many of them are no values."""
    fields = heavy = 0
    for _, value in message.ListFields():
        is_one = isinstance(value, (str, bytes, int, float, Message))
        for each in [value] if is_one else value:
            fields += 1
            if isinstance(each, Message):
                inner, more = fields_of(each)
                is_value = type(each).__name__ in VALUES_OF
                fields, heavy = fields + inner, heavy + more + (not is_value)
    return fields, heavy


VALUES_OF = {"KeyValue", "AnyValue", "ArrayValue", "KeyValueList"}


def test_a_large_span_is_cut_to_the_size_of_an_event() -> None:
    text = "long words " * 200_000
    given = {
        **CHAT,
        "gen_ai.output.messages": json.dumps(
            [{"role": "a", "parts": [{"type": "text", "content": text}]}]
        ),
    }
    decoded = SpanBody(PROTOBUF, Limits(), CALLER)(request_of([span(1, 0, "c", given)]))
    assert not decoded.rejected
    assert max(map(len, decoded.lines)) < Limits().event_bytes


def test_ids_depend_on_the_tenant_and_on_the_trace() -> None:
    body = request_of([span(1, 0, "x")])
    other = request_of([span(1, 0, "x")], trace_id=TRACE[::-1])
    first, second = events_of(body), events_of(other)
    assert first[0]["event_id"] != second[0]["event_id"]


# --- anything at all ---

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | st.sampled_from(["chat", "execute_tool", "invoke_agent", "LLM", "tools/call"])
    | st.sampled_from(
        ['[{"role": "user", "parts": 5}]', '{"messages": [[{}]]}', "[[]]"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    sorted(
        {
            *spellings(),
            *(
                name
                for case in CASES.values()
                for one in case()
                for name in one["attributes"]
            ),
        }
    )
)
EVENTS = st.tuples(
    st.sampled_from(
        ["exception", "gen_ai.choice", "gen_ai.user.message", "chaukas.retry"]
    ),
    st.dictionaries(
        st.sampled_from(["content", "message", "tool_calls", "id", "exception.type"]),
        ANYTHING,
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, max_size=12), st.lists(EVENTS, max_size=3))
def test_no_attributes_are_too_strange_to_be_kept(
    given_attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> None:
    body = request_of([span(1, 0, "x", given_attributes, events=events, failed="no")])
    decoded = SpanBody(PROTOBUF, Limits(), CALLER)(body)
    assert not [reason for _, reason in decoded.rejected if reason != "too_large"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]), st.integers(0, 300))
def test_no_bytes_end_in_anything_but_a_refusal(
    noise: bytes, kind: str, at: int
) -> None:
    whole = request_of(CASES["genai_1_36"]())
    for body in (noise, whole[:at] + noise + whole[at:]):
        with suppress(Refusal):
            SpanBody(kind, Limits(), CALLER)(body)
