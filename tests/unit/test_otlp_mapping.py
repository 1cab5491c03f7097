"""Events to spans: golden OTLP of each version, message schemas, and the traps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from chaukas.sdk.events import EventType
from chaukas.sdk.sinks.otlp.mapping.content import shortened
from chaukas.sdk.sinks.otlp.mapping.conversation import Conversation
from chaukas.sdk.sinks.otlp.mapping.join import Joiner, workflow_span_id
from chaukas.sdk.sinks.otlp.mapping.messages import (
    answer_message,
    flattened,
    messages_of,
)
from chaukas.sdk.sinks.otlp.mapping.names import NAMES
from chaukas.sdk.sinks.otlp.mapping.span import span_id_of, trace_id_of
from chaukas.sdk.sinks.otlp.mapping.spans import Mapping, span_of
from tests.support import scenarios
from tests.support.agent_runs import Mode, record
from tests.support.otlp_golden import VARIANTS, events, golden, received, text_of

if TYPE_CHECKING:
    from chaukas.sdk.sinks.otlp.mapping.names import Flavour, Version
    from chaukas.sdk.sinks.otlp.mapping.span import Span

# Of our own, from the tables of the conventions: no package has theirs.
_TEXT = {"type": "string"}
_PART = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": _TEXT},
    "allOf": [
        {
            "if": {"properties": {"type": {"const": kind}}},
            "then": {"required": required, "properties": properties},
        }
        for kind, required, properties in (
            ("text", ["content"], {"content": _TEXT}),
            ("reasoning", ["content"], {"content": _TEXT}),
            ("tool_call", ["name"], {"id": _TEXT, "name": _TEXT}),
            ("tool_call_response", ["response"], {"id": _TEXT}),
            ("server_tool_call", ["name", "server_tool_call"], {"id": _TEXT}),
            ("server_tool_call_response", ["server_tool_call_response"], {}),
            ("blob", ["modality", "content"], {"content": _TEXT}),
            ("file", ["modality", "file_id"], {"file_id": _TEXT}),
            ("uri", ["modality", "uri"], {"uri": _TEXT}),
        )
    ],
}
_PARTS = {"type": "array", "items": _PART}
_ROLE = {"enum": ["system", "user", "assistant", "tool"]}
_MESSAGE = {
    "type": "object",
    "required": ["role", "parts"],
    "properties": {"role": _ROLE, "parts": _PARTS, "name": _TEXT},
}
_REASON = {"enum": ["stop", "length", "content_filter", "tool_call", "error"]}
_ANSWER = {
    **_MESSAGE,
    "required": ["role", "parts", "finish_reason"],
    "properties": {**_MESSAGE["properties"], "finish_reason": _REASON},  # type: ignore[dict-item]
}
SCHEMAS: dict[str, Any] = {
    "gen_ai.input.messages": {"type": "array", "items": _MESSAGE},
    "gen_ai.output.messages": {"type": "array", "items": _ANSWER},
    "gen_ai.system_instructions": _PARTS,
    "gen_ai.tool.definitions": {
        "type": "array",
        "items": {"type": "object", "required": ["type", "name"]},
    },
    "gen_ai.retrieval.documents": {
        "type": "array",
        "items": {"type": "object", "required": ["id"]},
    },
}


def is_valid(span: Any) -> int:
    """Check the JSON of a span against the schemas; return how much there was."""
    found = 0
    for name, schema in SCHEMAS.items():
        if name in span.attributes:
            jsonschema.validate(json.loads(span.attributes[name]), schema)
            found += 1
    return found


def spans_of(given: Any, version: Version = "1.41") -> list[Span]:
    joiner = Joiner()
    joined = [*joiner.join(given), *joiner.end_all()]
    mapping = Mapping.of(version, "both")
    return [span_of(each, mapping) for each in joined if each.kind != "LOG"]


@pytest.mark.parametrize(("version", "flavour"), VARIANTS)
def test_the_spans_of_a_conversation_are_those_that_are_kept(
    version: Version, flavour: Flavour
) -> None:
    expected = golden(version, flavour).read_text(encoding="utf-8")
    assert text_of(received(version, flavour)) == expected


def test_the_conversation_has_every_type_of_event() -> None:
    kinds = {event["type"] for event in events()}
    assert kinds == {kind.value for kind in EventType}


@pytest.mark.parametrize("version", ["1.41", "head"])
def test_messages_are_valid(version: Version) -> None:
    found = [is_valid(span) for span in received(version, "both")]
    assert sum(found) > 20


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: one.__name__)
def test_messages_of_each_scenario_are_valid(scenario: Any) -> None:
    spans = spans_of(record(lambda: scenario(Mode.RUN)).events)
    assert sum(map(is_valid, spans))


@pytest.mark.parametrize(("version", "flavour"), VARIANTS)
def test_tokens_stand_on_model_calls_alone_and_under_known_names(
    version: Version, flavour: Flavour
) -> None:
    known = {
        name
        for row in NAMES
        if row.fact.startswith(("usage.", "llm.token_count"))
        for name in (row.of(version), row.openinference)
    }
    for span in received(version, flavour):
        counted = {
            name
            for name in span.attributes
            if name.startswith(("gen_ai.usage.", "llm.token_count."))
        }
        assert counted <= known
        assert not counted or span.name.startswith("chat")


@pytest.mark.parametrize("flavour", ["both", "openinference"])
def test_each_span_has_a_kind_and_no_model_where_there_is_no_call(
    flavour: Flavour,
) -> None:
    for span in received("1.41", flavour):
        kind = span.attributes["openinference.span.kind"]
        is_call = kind in ("LLM", "EMBEDDING")
        assert ("llm.model_name" in span.attributes) == is_call
        assert is_call or "gen_ai.request.model" not in span.attributes


def test_flavours_keep_apart() -> None:
    ours = ("chaukas.", "session.id", "user.id")
    genai = {n for s in received("1.41", "genai") for n in s.attributes}
    other = {n for s in received("1.41", "openinference") for n in s.attributes}
    assert not any(n.startswith(("llm.", "openinference.", "input.")) for n in genai)
    assert not any(n.startswith(("gen_ai.", "mcp.")) for n in other)
    assert {n for n in genai & other if not n.startswith(ours)} == set()


def test_no_version_writes_a_name_of_another() -> None:
    assert "gen_ai.provider.name" not in repr(received("1.36", "both"))
    assert "gen_ai.system'" not in repr(received("1.41", "both"))
    assert "gen_ai.handoff." not in repr(received("head", "both"))


def test_of_a_dead_process_what_was_open_is_marked() -> None:
    died = [s for s in received("1.41", "both") if s.status_message == "process ended"]
    assert sorted(span.name for span in died) == [
        "execute_tool weather",
        "invoke_agent forecaster",
        "invoke_workflow front desk",
    ]
    assert all(span.attributes["chaukas.incomplete"] for span in died)


def test_a_table_names_each_fact_once() -> None:
    facts = [name.fact for name in NAMES]
    assert len(facts) == len(set(facts))


def test_the_workflow_has_an_id_that_anybody_can_compute() -> None:
    # First 8 bytes of SHA-256("root" + trace + run).
    assert workflow_span_id("t", "r") == "57f78e838af570ec"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0" * 31 + "a", "0" * 31 + "a"),
        ("trace_" + "AB" * 16, "ab" * 16),
        ("my trace", trace_id_of("my trace")),
    ],
)
def test_an_id_that_is_none_of_the_protocol_becomes_one(
    given: str, expected: str
) -> None:
    found = trace_id_of(given)
    assert found == expected
    assert len(bytes.fromhex(found)) == 16


def test_no_span_id_stays_none() -> None:
    assert span_id_of("") == ""


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("Hi", [("user", "text")]),
        ({"role": "developer", "content": "Be kind"}, [("system", "text")]),
        (
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a"}],
                "tool_calls": [
                    {"id": "c", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            [("assistant", "text"), ("assistant", "tool_call")],
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "5"},
            [("tool", "tool_call_response")],
        ),
        (
            {"role": "tool", "tool_call_id": "c", "content": "5"},
            [("tool", "tool_call_response")],
        ),
        (
            {"type": "web_search_call", "id": "w", "status": "completed"},
            [
                ("assistant", "server_tool_call"),
                ("assistant", "server_tool_call_response"),
            ],
        ),
        (
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c"}],
            },
            [("tool", "tool_call_response")],
        ),
        (
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {}}}]},
            [("assistant", "tool_call")],
        ),
        (
            {
                "role": "user",
                "content": [{"type": "input_image", "image_url": "https://x/y.png"}],
            },
            [("user", "uri")],
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "<n>"}]},
            [("user", "blob")],
        ),
        ({"type": "item_reference", "id": "x"}, [("user", "item_reference")]),
        (17, [("user", "generic")]),
    ],
)
def test_an_item_of_any_api_is_a_message(
    item: Any, expected: list[tuple[str, str]]
) -> None:
    messages = messages_of([item])
    jsonschema.validate(messages, SCHEMAS["gen_ai.input.messages"])
    found = [(m["role"], part["type"]) for m in messages for part in m["parts"]]
    assert found == expected
    assert flattened(messages, "llm.input_messages")


@pytest.mark.parametrize(
    ("response", "reason", "expected"),
    [
        ({"text": "ok"}, "stop", "stop"),
        ({"text": "ok"}, "", "stop"),
        ({"tool_calls": [{"name": "f", "arguments": {}}]}, "tool_calls", "tool_call"),
        ({"refusal": "no"}, "stop", "content_filter"),
        ({"text": "cut"}, "max_output_tokens", "length"),
        ({"text": "cut"}, "failed", "error"),
    ],
)
def test_an_answer_ends_for_a_reason_of_the_conventions(
    response: Any, reason: str, expected: str
) -> None:
    message = answer_message(response, reason, is_failed=False)
    jsonschema.validate([message], SCHEMAS["gen_ai.output.messages"])
    assert message is not None
    assert message["finish_reason"] == expected


def test_a_failed_call_answers_nothing() -> None:
    assert answer_message({"error": "busy"}, "error", is_failed=True) is None


def call(number: int, text: str) -> dict[str, Any]:
    """Return the START of a call that adds one item to those before it."""
    base = {"input_base": {"count": number, "digest": f"i{number - 1}"}}
    return {
        "type": "EVENT_TYPE_MODEL_INVOCATION_START",
        "span_id": f"{number:016x}",
        "metadata": {"chaukas": {"stream": "s"}},
        "llm_invocation": {
            "request": {
                "input": [{"role": "user", "content": text}],
                "input_count": number + 1,
                "input_digest": f"i{number}",
                "input_digests": [f"d{number}"],
                **(base if number else {}),
            }
        },
    }


def test_a_conversation_is_whole_at_each_call() -> None:
    conversation = Conversation()
    for number in range(50):
        asked = conversation.asked(call(number, f"text {number}"))
        texts = [item["content"] for item in asked.items]
        assert texts == [f"text {n}" for n in range(number + 1)]


def test_a_conversation_has_bounds_and_says_what_is_left_out() -> None:
    conversation = Conversation(kept_bytes=4_000, prompt_bytes=2_000)
    for number in range(100):
        asked = conversation.asked(call(number, "x" * 300))
    assert asked.items[-1] == {"role": "user", "content": "x" * 300}
    counts = [i["count"] for i in asked.items if i.get("type") == "chaukas_left_out"]
    texts = [i for i in asked.items if i.get("role")]
    assert sum(counts) + len(texts) == 100
    assert len(json.dumps(asked.items)) < 3_000


def test_a_repeated_call_is_whole_too() -> None:
    conversation = Conversation()
    conversation.asked(call(0, "a"))
    again = call(0, "a")
    request = again["llm_invocation"]["request"]
    del request["input"], request["input_digests"]
    request["input_base"] = {"count": 1, "digest": "i0"}
    for _ in range(2):
        assert conversation.asked(again).items == [{"role": "user", "content": "a"}]


def test_a_long_text_loses_its_middle_and_says_how_much() -> None:
    assert shortened("a" * 50 + "b" * 50, 20) == "a" * 10 + "…<+80 chars>…" + "b" * 10


def started(number: int, size: int = 0) -> dict[str, Any]:
    return {
        "type": "EVENT_TYPE_TOOL_CALL_START",
        "timestamp": "2026-01-01T12:00:00.000000Z",
        "trace_id": f"{1:032x}",
        "span_id": f"{number:016x}",
        "parent_span_id": f"{99:016x}",
        "tool_call": {"tool_name": "t", "arguments": {"x": "y" * size}},
        "metadata": {},
    }


def ended(number: int) -> dict[str, Any]:
    return {
        **started(number),
        "type": "EVENT_TYPE_TOOL_CALL_END",
        "timestamp": "2026-01-01T12:00:05.000000Z",
        "status": "EVENT_STATUS_COMPLETED",
        "tool_response": {"tool_name": "t"},
        "performance": {"duration_ms": 2000},
    }


def test_what_is_open_has_a_bound_and_the_oldest_is_told_as_incomplete() -> None:
    joiner = Joiner(held_bytes=10_000)
    made = joiner.join([started(number, 1_000) for number in range(1, 51)])
    told = [each.start["span_id"] for each in made]
    assert told == [f"{n:016x}" for n in range(1, len(told) + 1)]
    assert 30 < len(told) < 50
    assert all(each.end is None for each in made)
    assert len(joiner.open) + len(told) == 50


def test_a_span_that_was_let_go_is_told_again_by_its_end() -> None:
    joiner = Joiner(held_bytes=1_000)
    joiner.join([started(1, 900), started(2, 900)])
    (whole,) = joiner.join([ended(1)])
    span = span_of(whole, Mapping.of("1.41", "both"))
    assert span.span_id == f"{1:016x}"
    assert span.end_ns - span.start_ns == 2_000_000_000
    assert "chaukas.incomplete" not in span.attributes


def test_what_is_kept_is_what_is_held() -> None:
    stream = events()[0]["metadata"]["chaukas"]["stream"]
    own = [e for e in events() if e["metadata"]["chaukas"]["stream"] == stream]
    joiner = Joiner()
    joiner.join(own[:25])
    assert len(joiner.open) == 3
    again = Joiner()
    again.resume(json.loads(json.dumps(joiner.kept())))
    assert again.open.keys() == joiner.open.keys()
    assert again.sessions == joiner.sessions
    assert again.last_ns == joiner.last_ns
    for each in (again, joiner):
        each.join(own[25:])
        assert not each.open
        assert each._held_bytes == 0


def test_a_run_whose_session_is_not_known_is_a_root() -> None:
    told = [e for e in events() if "SESSION" not in e["type"]]
    ids = {span.span_id for span in spans_of(told)}
    lost = [s for s in spans_of(told) if s.parent_span_id not in {"", *ids}]
    assert not [span for span in lost if span.name.startswith("invoke_agent front")]
