"""Runs as spans: recorded, spooled, sent to a real receiver, and read there."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import chaukas
from chaukas.sdk.config import load
from chaukas.sdk.maintenance import deliver, put_back
from chaukas.sdk.sinks.collector.responses import Action
from chaukas.sdk.sinks.otlp.factory import sink_of
from loopback.otlp import Answer, SpanReceiver
from tests.support import scenarios
from tests.support.agent_runs import Mode, in_loop, outcome_of, play, say
from tests.support.otlp_trees import expected_span_tree, span_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loopback.otlp import ReceivedSpan

_FLOW = re.compile(r"(invoke_workflow) \S+")


@pytest.fixture
def receiver() -> Iterator[SpanReceiver]:
    with SpanReceiver() as running:
        yield running


def enable(receiver: SpanReceiver, folder: Path, **settings: Any) -> None:
    whole = {**settings_of(receiver, folder), **settings}
    assert chaukas.enable_chaukas(strict=True, **whole)


def events_in(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: one.__name__)
@in_loop
def test_the_tree_over_otlp_is_that_of_the_file(
    scenario: Callable[[Mode], Any],
    mode: Mode,
    receiver: SpanReceiver,
    tmp_path: Path,
) -> None:
    enable(receiver, tmp_path)
    outcome_of(lambda: scenario(mode))
    assert chaukas.disable_chaukas(60.0)
    expected = expected_span_tree(events_in(tmp_path))
    assert _FLOW.sub(r"\1 <flow>", span_tree(receiver.spans)) == expected
    assert "invoke_agent" in expected


def run(folder: Path, receiver: SpanReceiver, **settings: Any) -> list[dict[str, Any]]:
    """Record one run with a tool, send it, and return its events."""
    enable(receiver, folder, **settings)
    scenarios.parallel_tools(Mode.RUN)
    assert chaukas.disable_chaukas(60.0)
    return events_in(folder)


def named(receiver: SpanReceiver, name: str) -> list[ReceivedSpan]:
    return [span for span in receiver.spans if span.name == name]


def test_ids_on_the_wire_are_those_of_the_record(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    events = run(tmp_path, receiver)
    (agent,) = named(receiver, "invoke_agent Assistant")
    start, end = (
        next(event for event in events if event["type"] == f"EVENT_TYPE_AGENT_{word}")
        for word in ("START", "END")
    )
    assert agent.span_id == start["span_id"]
    assert agent.trace_id == start["trace_id"]
    ids = agent.attributes["chaukas.event_ids"]
    assert (ids[0], ids[-1]) == (start["event_id"], end["event_id"])


def test_each_model_call_holds_its_whole_conversation(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    run(tmp_path, receiver)
    first, second = (
        json.loads(span.attributes["gen_ai.input.messages"])
        for span in sorted(receiver.spans, key=lambda span: span.start_ns)
        if span.name.startswith("chat")
    )
    assert [message["role"] for message in first] == ["user"]
    roles = [message["role"] for message in second]
    assert roles == ["user", "assistant", "tool", "tool"]
    assert [part["type"] for part in second[1]["parts"]] == ["tool_call"] * 2


def test_what_is_hidden_in_the_record_is_hidden_in_spans(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    run(tmp_path, receiver, capture_content=False)
    told = repr(receiver.spans)
    assert "You are Assistant" not in told
    assert "5 and 6" not in told
    assert "plus" in told


def test_headers_and_compression_are_sent(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    run(tmp_path, receiver, otlp_headers="authorization=Bearer%20k-1,x-team=a")
    path, headers = receiver.requests[0]
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer k-1"
    assert headers["x-team"] == "a"
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"] == "application/x-protobuf"


def test_the_key_in_a_header_is_shown_nowhere(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    run(tmp_path, receiver, otlp_headers={"authorization": "Bearer k-of-nobody"})
    assert "k-of-nobody" not in (tmp_path / "events.jsonl").read_text()


def test_a_quota_is_waited_for_and_nothing_is_lost(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    receiver.answers += [Answer(429, headers={"retry-after": "0"}), Answer(503)]
    run(tmp_path, receiver)
    assert len(named(receiver, "invoke_agent Assistant")) == 1
    assert len(receiver.spans) == 5


def test_an_answer_that_is_no_verdict_acknowledges_nothing(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    page = Answer(200, b"<html>log in</html>", "text/html")
    receiver.answers += [page, Answer(200, b'{"error":"quota"}', "application/json")]
    run(tmp_path, receiver)
    assert len(receiver.spans) == 5


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"", "application/x-protobuf"),
        Answer(200, b"{}", "application/json"),
        Answer(200, b'{"partialSuccess":{}}', "application/json"),
        Answer(202, b"null", "application/json"),
        Answer(204),
    ],
    ids=lambda answer: f"{answer.status} {answer.body!r}",
)
def test_what_receivers_say_when_all_is_well_is_an_acknowledgement(
    answer: Answer, receiver: SpanReceiver, tmp_path: Path
) -> None:
    receiver.rule = lambda _spans: replace(answer, is_kept=True)
    run(tmp_path, receiver)
    assert len(receiver.requests) == 1
    assert len(receiver.spans) == 5


def test_a_span_that_is_no_good_is_set_aside_with_all_it_is_made_of(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    is_bad = True

    def refuse(spans: list[ReceivedSpan]) -> Answer | None:
        found = any(span.name == "execute_tool plus" for span in spans)
        return Answer(400) if found and is_bad else None

    receiver.rule = refuse
    enable(receiver, tmp_path)
    scenarios.parallel_tools(Mode.RUN)
    assert chaukas.flush(60.0)
    assert chaukas.stats().dropped == {"quarantined": 1}
    assert chaukas.disable_chaukas(60.0)
    assert not named(receiver, "execute_tool plus")
    assert len(receiver.spans) == 4
    is_bad = False
    config = load(settings_of(receiver, tmp_path), None, {}).config
    # START and END, and nothing else of the run.
    assert put_back(config).events == 2
    assert deliver(config, 30.0).events == 2
    (tool,) = named(receiver, "execute_tool plus")
    assert tool.attributes["gen_ai.tool.call.arguments"] == '{"a":2,"b":3}'
    assert tool.attributes["gen_ai.tool.call.result"] == "5"


def test_of_a_partial_success_as_many_are_counted_and_all_are_kept(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    body = b"\x0a\x02\x08\x02"  # partial_success { rejected_spans: 2 }
    receiver.answers.append(Answer(200, body, is_kept=True))
    enable(receiver, tmp_path)
    scenarios.parallel_tools(Mode.RUN)
    assert chaukas.flush(60.0)
    assert chaukas.stats().dropped == {"quarantined": 2}
    assert len(receiver.requests) == 1
    chaukas.disable_chaukas(30.0)
    (kept,) = (tmp_path / "spool" / "quarantine").glob("*.jsonl")
    ends = [
        event["type"]
        for row in kept.read_text().splitlines()
        for event in [json.loads(json.loads(row)["event"])]
        if event["type"].endswith("_END")
    ]
    assert len(ends) == 5


def test_what_is_too_large_is_sent_in_parts(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    receiver.rule = lambda spans: Answer(413) if len(spans) > 1 else None
    run(tmp_path, receiver)
    assert len(receiver.spans) == 5


def test_a_span_alone_too_large_loses_the_middle_of_its_texts(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    def refuse(spans: list[ReceivedSpan]) -> Answer | None:
        return Answer(413) if len(repr(spans)) > 30_000 else None

    receiver.rule = refuse
    enable(receiver, tmp_path)
    agent = scenarios.assistant(say("short"), name="A")
    play(Mode.RUN, agent, "long " * 10_000)
    assert chaukas.disable_chaukas(60.0)
    (call,) = [span for span in receiver.spans if span.name.startswith("chat")]
    assert "chars>…" in call.attributes["input.value"]


def test_a_span_outlives_the_process_between_its_start_and_its_end(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    events = run(tmp_path, receiver)
    whole = {span.span_id: span for span in receiver.spans}
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    # The same events, told by processes that each die after a few of them.
    receiver.spans.clear()
    stream = events[0]["metadata"]["chaukas"]["stream"]
    kept: list[bytes] = []
    for start in range(0, len(lines), 3):
        fresh = sink_of(load(settings_of(receiver, tmp_path), None, {}).config, {})
        fresh.resume(stream, kept)
        batch = lines[start : start + 3]
        assert fresh.send_from(stream, batch).action is Action.ACKED
        kept = fresh.settle(stream, batch)
        fresh.close()
    assert not kept
    again = {span.span_id: span for span in receiver.spans}
    assert again.keys() == whole.keys()
    for span_id, span in again.items():
        assert _without_prompts(span) == _without_prompts(whole[span_id])


def _without_prompts(span: ReceivedSpan) -> dict[str, Any]:
    """Return the attributes but for what earlier calls were asked, which has died."""
    return {
        name: value
        for name, value in span.attributes.items()
        if "input" not in name and "system_instructions" not in name
    }


def settings_of(receiver: SpanReceiver, folder: Path) -> dict[str, Any]:
    return {
        "output_mode": "file,otlp",
        "otlp_endpoint": receiver.endpoint,
        "output_file": folder / "events.jsonl",
        "spool_dir": folder / "spool",
    }


def test_without_the_package_events_wait_and_a_line_says_what_to_install(
    receiver: SpanReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "opentelemetry.proto.collector.trace.v1"
    monkeypatch.setitem(sys.modules, package, None)
    enable(receiver, tmp_path)
    scenarios.answer(Mode.RUN)
    assert not chaukas.flush(20.0)
    assert "pip install 'chaukas-sdk[otlp]'" in chaukas.stats().errors["otlp"]
    assert chaukas.stats().spooled
    chaukas.disable_chaukas(0.1)
    assert not receiver.requests
    monkeypatch.undo()
    config = load(settings_of(receiver, tmp_path), None, {}).config
    deliver(config, 30.0)
    assert len(receiver.spans) == 2


class TestGrpc:
    """The same over gRPC: what differs is how it travels."""

    def test_spans_arrive_with_their_headers(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        endpoint = receiver.grpc_endpoint
        run(tmp_path, receiver, otlp_endpoint=endpoint, otlp_headers="X-Key=k-1")
        assert len(receiver.spans) == 5
        path, headers = receiver.requests[0]
        assert path == "gRPC"
        assert headers["x-key"] == "k-1"

    def test_a_receiver_that_is_away_is_waited_for(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        receiver.answers += [Answer(503), Answer(503)]
        run(tmp_path, receiver, otlp_endpoint=receiver.grpc_endpoint)
        assert len(receiver.spans) == 5

    def test_of_a_partial_success_as_many_are_counted(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        receiver.answers.append(Answer(200, b"\x0a\x02\x08\x01", is_kept=True))
        enable(receiver, tmp_path, otlp_endpoint=receiver.grpc_endpoint)
        scenarios.answer(Mode.RUN)
        assert chaukas.flush(60.0)
        assert chaukas.stats().dropped == {"quarantined": 1}
        chaukas.disable_chaukas(30.0)

    def test_a_refused_header_says_which_setting_to_correct(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        receiver.answers += [Answer(401)] * 3
        enable(
            receiver,
            tmp_path,
            otlp_endpoint=receiver.grpc_endpoint,
            otlp_headers="x-key=k",
        )
        scenarios.answer(Mode.RUN)
        chaukas.flush(5.0)
        assert "Correct CHAUKAS_OTLP_HEADERS" in chaukas.stats().errors["otlp"]
        chaukas.disable_chaukas(0.1)


class TestLogsAndMetrics:
    """What the conventions do not have as spans, for backends that take it."""

    def test_nothing_but_traces_is_sent_unless_it_is_asked_for(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        run(tmp_path, receiver)
        assert {path for path, _ in receiver.requests} == {"/v1/traces"}

    def test_sessions_scores_and_exceptions_are_log_records(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        enable(receiver, tmp_path, otlp_signals="traces,logs")
        outcome_of(lambda: scenarios.broken_model(Mode.RUN))
        (agent,) = [
            event
            for event in flushed_events(tmp_path)
            if event["type"] == "EVENT_TYPE_AGENT_END"
        ]
        chaukas.score(
            "helpful",
            0.25,
            comment="no answer",
            run_id=agent["span_id"],
            trace_id=agent["trace_id"],
        )
        assert chaukas.disable_chaukas(60.0)
        logs = {log.name: log for log in receiver.logs}
        assert logs.keys() == {
            "chaukas.session",
            "chaukas.system",
            "gen_ai.client.operation.exception",
            "gen_ai.evaluation.result",
        }
        score = logs["gen_ai.evaluation.result"]
        assert (score.span_id, score.trace_id) == (
            agent["span_id"],
            agent["trace_id"],
        )
        assert score.attributes["gen_ai.evaluation.name"] == "helpful"
        assert score.attributes["gen_ai.evaluation.score.value"] == 0.25
        assert score.attributes["gen_ai.evaluation.explanation"] == "no answer"
        error = logs["gen_ai.client.operation.exception"]
        (call,) = [span for span in receiver.spans if span.name.startswith("chat")]
        assert (error.span_id, error.severity) == (call.span_id, 13)
        assert error.attributes["exception.type"] == "RuntimeError"
        session = logs["chaukas.session"].attributes
        assert session["chaukas.session.runs"] == 1
        assert session["chaukas.session.failed_runs"] == 1

    def test_tokens_and_durations_are_histograms(
        self, receiver: SpanReceiver, tmp_path: Path
    ) -> None:
        run(tmp_path, receiver, otlp_signals="traces,metrics")
        (duration,) = [
            metric
            for metric in receiver.metrics
            if metric.name == "gen_ai.client.operation.duration"
        ]
        (point,) = duration.histogram.data_points
        assert (duration.unit, point.count) == ("s", 2)
        labels = {pair.key: pair.value.string_value for pair in point.attributes}
        assert labels["gen_ai.operation.name"] == "chat"
        assert not receiver.logs


def flushed_events(folder: Path) -> list[dict[str, Any]]:
    assert chaukas.flush(60.0)
    return events_in(folder)
