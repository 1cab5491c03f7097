"""Spans into the application's own tracer provider, with the ids of the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

import chaukas
from tests.support import scenarios
from tests.support.agent_runs import Mode

if TYPE_CHECKING:
    from pathlib import Path


def spans_of(
    folder: Path, story: Any = scenarios.handoff, sampler: Any = None, **settings: Any
) -> list[ReadableSpan]:
    """Play a story with a provider of its own; return what its processor got."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    assert chaukas.enable_chaukas(
        otel_provider=provider, spool_dir=folder / "spool", strict=True, **settings
    )
    for _ in range(4):
        story(Mode.RUN)
    assert chaukas.disable_chaukas(60.0)
    return list(exporter.get_finished_spans())


def test_spans_have_the_tree_of_the_run(tmp_path: Path) -> None:
    spans = spans_of(tmp_path)
    assert len(spans) == 4 * 6
    known = {span.context.span_id: span for span in spans if span.context}
    roots = [span for span in spans if span.parent is None]
    assert {span.name for span in roots} == {"invoke_workflow Clerk"}
    assert len(roots) == 4
    for span in spans:
        if span.parent is not None:
            above = known[span.parent.span_id]
            assert above.context is not None
            assert span.context is not None
            assert above.context.trace_id == span.context.trace_id


def test_what_a_span_says_is_what_is_sent_over_otlp(tmp_path: Path) -> None:
    (call, *_) = [
        span
        for span in spans_of(tmp_path, scenarios.runner_retries)
        if span.name.startswith("chat")
    ]
    assert call.attributes is not None
    assert call.attributes["chaukas.retry.count"] == 2
    assert [event.name for event in call.events] == ["chaukas.retry"] * 2
    assert call.kind.name == "CLIENT"
    assert call.instrumentation_scope is not None
    assert call.instrumentation_scope.name == "chaukas"


def test_an_error_is_one_there_too(tmp_path: Path) -> None:
    spans = spans_of(tmp_path, scenarios.failing_tool)
    (tool, *_) = [span for span in spans if span.name == "execute_tool fail"]
    assert not tool.status.is_ok
    assert tool.status.description == "no such file"


def test_a_sampler_that_drops_all_gets_all_and_leaves_nothing(tmp_path: Path) -> None:
    assert not spans_of(tmp_path, sampler=ALWAYS_OFF)


@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_a_sampled_trace_is_whole(ratio: float, tmp_path: Path) -> None:
    spans = spans_of(tmp_path, sampler=ParentBased(TraceIdRatioBased(ratio)))
    traces: dict[int, int] = {}
    for span in spans:
        assert span.context is not None
        traces[span.context.trace_id] = traces.get(span.context.trace_id, 0) + 1
    assert set(traces.values()) <= {6}


def test_without_a_provider_spans_wait_and_a_line_says_so(tmp_path: Path) -> None:
    assert chaukas.enable_chaukas(
        output_mode="otel", spool_dir=tmp_path / "spool", strict=True
    )
    scenarios.answer(Mode.RUN)
    assert not chaukas.flush(10.0)
    assert "set_tracer_provider" in chaukas.stats().errors["otel"]
    chaukas.disable_chaukas(0.1)


def test_the_ids_are_those_of_the_record(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    spans = spans_of(tmp_path, scenarios.answer, output_mode="file", output_file=file)
    events = [json.loads(line) for line in file.read_text().splitlines()]
    recorded = {
        (event["trace_id"], event["span_id"])
        for event in events
        if event["type"] in ("EVENT_TYPE_AGENT_END", "EVENT_TYPE_MODEL_INVOCATION_END")
    }
    contexts = [span.context for span in spans if span.context]
    assert {(f"{c.trace_id:032x}", f"{c.span_id:016x}") for c in contexts} == recorded
