"""OTLP into a real collector: the real exporter, and what OTLP says about answers."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import chaukas
from chaukas.collector.access.callers import Caller
from chaukas.collector.limits import Limits
from chaukas.collector.otlp.answers import status_of
from chaukas.collector.otlp.reading import SpanBody
from chaukas.collector.refusal import Refusal
from tests.support import scenarios
from tests.support.agent_runs import Mode
from tests.support.collector_process import CollectorProcess
from tests.support.foreign_spans import CASES, TRACE, events_of, request_of, span

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
TRACES = "/v1/traces"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SECRET = "sk-proj-Zx81mQpLr4TnVb6WcYd2KfHg7JsAe0Uo3IiEtRqN5vXzBmCl"


def response_of(body: bytes) -> Any:
    return ExportTraceServiceResponse.FromString(body).partial_success


def send(
    collector: CollectorProcess, body: bytes, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return collector.ask("POST", TRACES, body, {**PROTOBUF, **named})


def tree_of(collector: CollectorProcess, trace_id: str, key: str = "") -> list[str]:
    """Return the tree that the collector answers: depth, kind, name, status."""
    _, tree = collector.get(f"/api/tree?trace_id={trace_id}", key)
    return [
        f"{'  ' * one['depth']}{one['kind']} {one['name']} {one['status']}"
        for one in tree["spans"]
    ]


def exporting(
    collector: CollectorProcess, compression: Compression, **headers: str
) -> TracerProvider:
    exporter = OTLPSpanExporter(
        f"{collector.http}{TRACES}", headers=headers, compression=compression
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def trace(provider: TracerProvider) -> str:
    """Let a framework work, and return the id of its trace."""
    tracer = provider.get_tracer("my-framework")
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 4,
    }
    with (
        tracer.start_as_current_span("POST /ask") as root,
        tracer.start_as_current_span("invoke_agent helper", attributes=agent),
        tracer.start_as_current_span("chat gpt-4o", attributes=chat),
    ):
        pass
    provider.shutdown()
    return f"{root.get_span_context().trace_id:032x}"


@pytest.mark.parametrize(
    "compression", [Compression.NoCompression, Compression.Gzip], ids=lambda c: c.value
)
def test_a_run_that_the_real_exporter_sends_is_shown_with_its_model_call(
    shared: CollectorProcess, compression: Compression
) -> None:
    trace_id = trace(exporting(shared, compression))

    assert tree_of(shared, trace_id) == [
        "system POST /ask point",
        "  agent helper completed",
        "    model gpt-4o completed",
    ]
    _, runs = shared.get(f"/api/runs?filter=trace:{trace_id}")
    (run,) = runs["items"]
    assert (run["framework"], run["agents"]) == ("my-framework", ["helper"])
    assert (run["input_tokens"], run["model_calls"]) == (11, 1)


def test_what_is_above_a_run_holds_its_place_and_its_time(
    shared: CollectorProcess,
) -> None:
    trace_id = trace(exporting(shared, Compression.NoCompression))

    _, tree = shared.get(f"/api/tree?trace_id={trace_id}")

    assert [one["is_critical"] for one in tree["spans"]] == [False, True, True]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_compressed_requests_are_taken(shared: CollectorProcess, coding: str) -> None:
    zstandard = pytest.importorskip("zstandard") if coding == "zstd" else None
    body = request_of(CASES["vercel"](), trace_id="a1" * 16)
    packed = zstandard.compress(body) if zstandard else gzip.compress(body)

    status, _, answer = send(shared, packed, content_encoding=coding)

    assert (status, answer) == (200, b"")


def test_what_is_sent_again_is_here_already(collector: CollectorProcess) -> None:
    body = request_of(CASES["genai_current"]())
    number = len(events_of(body))
    for _ in range(2):
        status, headers, answer = send(collector, body)
        assert (status, answer) == (200, b"")
        assert headers["content-type"] == "application/x-protobuf"

    metrics = collector.ask("GET", "/metrics")[2].decode()
    assert f"chaukas_events_accepted_total {number}\n" in metrics
    assert f"chaukas_events_duplicate_total {number}\n" in metrics
    assert "chaukas_events_rejected_total{" not in metrics


def test_spans_that_come_in_other_parcels_are_here_already(
    collector: CollectorProcess,
) -> None:
    spans = CASES["pydantic_ai_first"]()
    send(collector, request_of(spans))
    before = tree_of(collector, TRACE)

    for one in reversed(spans):
        assert send(collector, request_of([one]))[2] == b""

    assert tree_of(collector, TRACE) == before


def test_another_span_with_the_same_id_is_rejected_and_the_first_is_kept(
    collector: CollectorProcess,
) -> None:
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "first"}
    send(collector, request_of([span(1, 0, "chat", given)]))
    given["gen_ai.request.model"] = "second"

    _, _, answer = send(collector, request_of([span(1, 0, "chat", given)]))

    assert response_of(answer).rejected_spans == 1
    assert response_of(answer).error_message == "conflict: 1"
    assert tree_of(collector, TRACE) == ["model first completed"]


def test_a_bad_span_is_counted_and_the_others_are_kept(
    collector: CollectorProcess,
) -> None:
    request = ExportTraceServiceRequest.FromString(
        request_of([span(1, 0, "good"), span(2, 0, "bad")])
    )
    request.resource_spans[0].scope_spans[1].spans[0].span_id = b"short"

    _, _, answer = send(collector, request.SerializeToString())

    assert response_of(answer).rejected_spans == 1
    assert response_of(answer).error_message == "invalid: 1"
    assert tree_of(collector, TRACE) == ["system good point"]


def test_json_is_answered_in_json(shared: CollectorProcess) -> None:
    one = {
        "traceId": "b2" * 16,
        "spanId": "c3" * 8,
        "name": "chat m",
        "startTimeUnixNano": "1767268800000000000",
        "endTimeUnixNano": "1767268800000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        ],
    }
    bad = {**one, "spanId": "zz"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one, bad]}]}]})

    status, headers, answer = shared.ask("POST", TRACES, body.encode(), JSON)

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(answer) == {
        "partialSuccess": {"rejectedSpans": "1", "errorMessage": "invalid: 1"}
    }
    assert tree_of(shared, "b2" * 16) == ["model m completed"]


def test_an_empty_request_is_taken(shared: CollectorProcess) -> None:
    assert send(shared, b"")[0] == 200


def test_more_spans_than_a_batch_of_events_are_taken_in_one_request(
    collector: CollectorProcess,
) -> None:
    spans = [span(number, 0, f"s{number}", took_ms=1) for number in range(1, 2501)]

    assert send(collector, request_of(spans))[2] == b""

    metrics = collector.ask("GET", "/metrics")[2].decode()
    assert "chaukas_events_accepted_total 2500\n" in metrics


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_chaukas_exports_is_shown_as_it_was_recorded(
    shared: CollectorProcess,
    collector: CollectorProcess,
    tmp_path: Path,
    protocol: str,
) -> None:
    assert chaukas.enable_chaukas(
        strict=True,
        output_mode="file,otlp",
        otlp_endpoint=shared.addresses[protocol],
        output_file=tmp_path / "events.jsonl",
        spool_dir=tmp_path / "spool",
    )
    scenarios.handoff(Mode.RUN)
    assert chaukas.disable_chaukas(60.0)
    recorded = (tmp_path / "events.jsonl").read_bytes()
    made = [json.loads(line) for line in recorded.splitlines()]
    trace_id = next(e["trace_id"] for e in made if "AGENT_START" in e["type"])

    assert collector.post(recorded)[0] == 202
    tree = tree_of(shared, trace_id)
    assert tree == tree_of(collector, trace_id)
    assert any(line.strip().startswith("handoff") for line in tree)


# --- who may send, and whose it is ---


def test_a_key_decides_whose_spans_they_are(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "data")
    ours, theirs = collector.key("acme"), collector.key("other")
    reader = collector.key("acme", "read")
    with collector:
        provider = exporting(
            collector, Compression.Gzip, authorization=f"Bearer {ours}"
        )
        trace_id = trace(provider)

        assert len(tree_of(collector, trace_id, ours)) == 3
        assert collector.get(f"/api/tree?trace_id={trace_id}", theirs)[0] == 404
        body = request_of(CASES["logfire"]())
        assert send(collector, body)[0] == 401
        assert send(collector, body, authorization="Bearer ck_no_no")[0] == 401
        assert send(collector, body, authorization=f"Bearer {reader}")[0] == 403


def test_a_span_that_names_another_tenant_is_rejected_alone(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "data")
    key = collector.key("acme")
    with collector:
        good = request_of([span(1, 0, "a")], {"chaukas.tenant_id": "acme"})
        bad = request_of([span(2, 0, "b")], {"chaukas.tenant_id": "other"})
        own = {"chaukas.tenant_id": "other"}
        worse = request_of([span(3, 0, "c", own)], {"chaukas.tenant_id": "acme"})

        _, _, answer = send(
            collector, good + bad + worse, authorization=f"Bearer {key}"
        )

        assert response_of(answer).rejected_spans == 2
        assert response_of(answer).error_message == "tenant_mismatch: 2"
        assert tree_of(collector, TRACE, key) == ["system a point"]


def test_a_key_that_sends_too_much_is_told_when_to_come_again(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "data")
    key = collector.key("acme", "ingest", "--bytes-per-second", "1024")
    with collector:
        body = request_of(CASES["vercel"]())
        sent = (send(collector, body, authorization=f"Bearer {key}") for _ in range(50))
        status, headers, answer = next(each for each in sent if each[0] != 200)
        assert status == 429
        wait_s = int(headers["retry-after"])
        refusal = Refusal(429, "This key may send 1024 bytes a second.", wait_s)
        assert answer == status_of(refusal, "application/x-protobuf")


# --- what is refused ---


def test_refusals_are_a_status_in_the_type_of_the_request(
    shared: CollectorProcess,
) -> None:
    status, headers, answer = send(shared, b"\xff\xff")
    assert (status, headers["content-type"]) == (400, "application/x-protobuf")
    text = "The body is no application/x-protobuf that holds spans."
    assert answer == status_of(Refusal(400, text), "application/x-protobuf")

    status, headers, answer = shared.ask("POST", TRACES, b"{", JSON)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(answer) == {
        "code": 3,
        "message": "The body is no application/json that holds spans.",
    }


def test_a_status_is_what_the_official_messages_read() -> None:
    from google.rpc import error_details_pb2, status_pb2

    refusal = Refusal(503, "Come again.", 300)
    read = status_pb2.Status.FromString(status_of(refusal, "application/x-protobuf"))
    info = error_details_pb2.RetryInfo()
    assert (read.code, read.message) == (14, "Come again.")
    assert read.details[0].Unpack(info)
    assert info.retry_delay.seconds == 300


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"content-type": "text/plain"}, b"x", 415),
        ({}, b"x", 415),
        ({**PROTOBUF, "content-encoding": "br"}, b"x", 415),
        ({**PROTOBUF, "content-encoding": "gzip"}, b"x", 400),
        ({**PROTOBUF, "content-encoding": "gzip"}, gzip.compress(bytes(64 << 20)), 413),
        ({**PROTOBUF, "content-length": str(9 << 20)}, b"x", 413),
    ],
)
def test_what_cannot_be_taken_is_refused_as_a_whole(
    shared: CollectorProcess, headers: dict[str, str], body: bytes, expected: int
) -> None:
    status, _, answer = shared.ask("POST", TRACES, body, headers)
    assert status == expected
    assert answer


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs"])
def test_metrics_and_logs_are_refused_in_words(
    shared: CollectorProcess, path: str
) -> None:
    status, _, answer = shared.ask("POST", path, b"", JSON)
    assert status == 404
    assert "OTEL_METRICS_EXPORTER=none" in json.loads(answer)["message"]


def test_spans_are_not_fetched(shared: CollectorProcess) -> None:
    assert shared.ask("GET", TRACES)[0] == 405


def test_without_the_package_protobuf_is_refused_and_json_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = "opentelemetry.proto.collector.trace.v1"
    monkeypatch.setitem(sys.modules, package, None)
    caller = Caller("test", None, "", frozenset({"ingest"}))

    with pytest.raises(Refusal) as refused:
        SpanBody("application/x-protobuf", Limits(), caller)(b"")

    assert refused.value.status == 415
    assert "pip install 'chaukas-sdk[collector]'" in refused.value.text
    assert not SpanBody("application/json", Limits(), caller)(b"{}").lines


# --- gRPC ---


def call(collector: CollectorProcess, body: bytes, key: str = "", method: str = EXPORT):
    metadata = [("authorization", f"Bearer {key}")] if key else []
    with grpc.insecure_channel(collector.grpc.removeprefix("grpc://")) as channel:
        export = channel.unary_unary(method)
        return export(body, metadata=metadata, timeout=60)


def call_often(collector: CollectorProcess, body: bytes, key: str) -> None:
    for _ in range(50):
        call(collector, body, key)


def test_the_same_over_grpc(shared: CollectorProcess) -> None:
    trace_id = "d4" * 16
    body = request_of(CASES["traceloop"](), trace_id=trace_id)

    assert not response_of(call(shared, body)).rejected_spans

    assert tree_of(shared, trace_id)[0] == "agent desk completed"
    assert send(shared, body)[2] == b""


def test_over_grpc_a_bad_span_is_counted(shared: CollectorProcess) -> None:
    request = ExportTraceServiceRequest.FromString(request_of([span(1, 0, "bad")]))
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes(16)
    answer = response_of(call(shared, request.SerializeToString()))
    assert (answer.rejected_spans, answer.error_message) == (1, "invalid: 1")


def test_over_grpc_what_is_no_request_is_an_invalid_argument(
    shared: CollectorProcess,
) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        call(shared, b"\xff\xff")
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_over_grpc_metrics_are_not_implemented(shared: CollectorProcess) -> None:
    method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    with pytest.raises(grpc.RpcError) as failed:
        call(shared, b"", method=method)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_over_grpc_a_key_that_sends_too_much_is_told_when_to_come_again(
    tmp_path: Path,
) -> None:
    from google.rpc import error_details_pb2, status_pb2

    collector = CollectorProcess(tmp_path / "data")
    key = collector.key("acme", "ingest", "--bytes-per-second", "1024")
    with collector:
        body = request_of(CASES["vercel"]())
        with pytest.raises(grpc.RpcError) as failed:
            call_often(collector, body, key)
        trailing = dict(failed.value.trailing_metadata())
        status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
        info = error_details_pb2.RetryInfo()
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert status.details[0].Unpack(info)
        assert info.retry_delay.seconds > 0
        with pytest.raises(grpc.RpcError) as nobody:
            call(collector, body)
        assert nobody.value.code() is grpc.StatusCode.UNAUTHENTICATED


# --- what a stranger's span holds ---


def test_secrets_in_spans_are_not_stored_and_nothing_of_them_is_logged(
    tmp_path: Path,
) -> None:
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.agent.name": f"helper {SECRET}",
        "session.id": f"s {SECRET}",
        "user.id": f"u {SECRET}",
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": f"key {SECRET}"}]}]
        ),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": SECRET}]}]
        ),
    }
    boom = [("exception", {"exception.type": "E", "exception.message": SECRET})]
    plain = {"authorization": f"Bearer {SECRET}", "http.url": f"https://a:{SECRET}@b"}
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": f"t {SECRET}",
        "gen_ai.tool.call.arguments": json.dumps({"api_key": SECRET, "city": "Rome"}),
    }
    spans = [
        span(1, 0, f"GET /{SECRET}", plain, failed=SECRET),
        span(2, 1, "chat m", given, events=boom, failed=SECRET),
        span(3, 1, "execute_tool t", tool),
    ]
    resource = {"service.name": f"shop {SECRET}"}

    with CollectorProcess(tmp_path / "data", "--log-level", "info") as collector:
        status, _, _ = send(collector, request_of(spans, resource))
        _, events = collector.get("/api/events?whole=1")
        log = collector.log_text()
        assert collector.stop() == 0

    assert status == 200
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("events*"))
    assert b"Rome" in kept
    assert SECRET.encode() not in kept
    assert SECRET not in log
    assert "Rome" not in log
    assert SECRET not in json.dumps(events)
