"""Encodes spans as an OTLP request, with the official messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chaukas.sdk._version import VERSION
from chaukas.sdk.system.fork_guard import holding_forks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .mapping.metrics import Histogram, MetricKey
    from .mapping.span import Attribute, Log, Owner, Span

__all__ = [
    "MissingPackageError",
    "Resource",
    "encoded_logs",
    "encoded_metrics",
    "encoded_spans",
    "load",
]

_SCOPE: Final = "chaukas"
_SAMPLED: Final = 0x01
_PARENT_KNOWN: Final = 0x100
_DELTA: Final = 1


class MissingPackageError(Exception):
    """The package that encodes OTLP is not installed."""


class Resource(NamedTuple):
    """What is the same for all spans of a process."""

    service_name: str
    """Empty: the project of each span."""
    attributes: Mapping[str, Attribute]
    schema_url: str
    is_openinference: bool


def load(signal: str = "traces") -> Any:
    """
    Load the official messages of `traces`, `logs` or `metrics`; return their module.

    Raises:
        MissingPackageError: They are not installed.
    """
    with holding_forks():
        # Loading protobuf takes longer than loading all of the SDK.
        try:
            if signal == "logs":
                from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

                return logs_service_pb2
            if signal == "metrics":
                from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

                return metrics_service_pb2
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
        except ImportError:
            raise MissingPackageError from None
        return trace_service_pb2


def encoded_spans(spans: Sequence[Span], resource: Resource) -> bytes:
    """
    Return an ExportTraceServiceRequest of spans, one resource for each owner.

    Raises:
        MissingPackageError: The package for it is not installed.
    """
    request = load().ExportTraceServiceRequest()
    scopes = _Scopes(request.resource_spans, "scope_spans", resource)
    for span in spans:
        _put_span(scopes.of(span.owner).spans.add(), span)
    body: bytes = request.SerializeToString()
    return body


def encoded_logs(logs: Sequence[Log], resource: Resource) -> bytes:
    """Return an ExportLogsServiceRequest of log records."""
    request = load("logs").ExportLogsServiceRequest()
    scopes = _Scopes(request.resource_logs, "scope_logs", resource)
    for log in logs:
        record = scopes.of(log.owner).log_records.add()
        record.event_name = log.name
        record.time_unix_nano = record.observed_time_unix_nano = max(0, log.time_ns)
        record.severity_number = log.severity
        record.body.string_value = log.body or log.name
        record.trace_id = bytes.fromhex(log.trace_id)
        record.span_id = bytes.fromhex(log.span_id)
        _put_attributes(record.attributes, log.attributes)
    body: bytes = request.SerializeToString()
    return body


def encoded_metrics(
    histograms: Mapping[MetricKey, Histogram], resource: Resource
) -> bytes:
    """Return an ExportMetricsServiceRequest of histograms that are deltas."""
    request = load("metrics").ExportMetricsServiceRequest()
    scopes = _Scopes(request.resource_metrics, "scope_metrics", resource)
    metrics: dict[tuple[Owner, str], Any] = {}
    for key, histogram in histograms.items():
        metric = metrics.get((key.owner, key.name))
        if metric is None:
            metric = scopes.of(key.owner).metrics.add()
            metrics[key.owner, key.name] = metric
            metric.name, metric.unit = key.name, key.unit
            metric.histogram.aggregation_temporality = _DELTA
        point = metric.histogram.data_points.add()
        _put_attributes(point.attributes, dict(key.attributes))
        point.start_time_unix_nano = max(0, histogram.start_ns)
        point.time_unix_nano = max(0, histogram.end_ns)
        point.count, point.sum = sum(histogram.counts), histogram.total
        point.bucket_counts.extend(histogram.counts)
        point.explicit_bounds.extend(histogram.bounds)
    body: bytes = request.SerializeToString()
    return body


class _Scopes:
    """
    The parts of a request: one for each owner.

    Args:
        resources: The field of the request that holds a part for each resource.
        scopes: Name of the field in such a part that holds a part for each scope.
        resource: What is the same for all of them.
    """

    def __init__(self, resources: Any, scopes: str, resource: Resource) -> None:
        self._resources = resources
        self._scopes = scopes
        self._resource = resource
        self._by_owner: dict[Owner, Any] = {}

    def of(self, owner: Owner) -> Any:
        """Return the part of an owner, made at its first use."""
        scope = self._by_owner.get(owner)
        if scope is None:
            whole = self._resources.add()
            _put_resource(whole, owner, self._resource)
            scope = self._by_owner[owner] = getattr(whole, self._scopes).add()
            _put_scope(scope, self._resource)
        return scope


def _put_resource(whole: Any, owner: Owner, resource: Resource) -> None:
    attributes: dict[str, Attribute] = {
        "service.name": resource.service_name or owner.project_id or "chaukas",
        "telemetry.sdk.name": "chaukas",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": VERSION,
        "chaukas.tenant_id": owner.tenant_id,
        "chaukas.project_id": owner.project_id,
    }
    if resource.is_openinference:
        attributes["openinference.project.name"] = owner.project_id
    _put_attributes(whole.resource.attributes, {**attributes, **resource.attributes})
    whole.schema_url = resource.schema_url


def _put_scope(scope: Any, resource: Resource) -> None:
    scope.scope.name = _SCOPE
    scope.scope.version = VERSION
    scope.schema_url = resource.schema_url


def _put_span(message: Any, span: Span) -> None:
    message.trace_id = bytes.fromhex(span.trace_id)
    message.span_id = bytes.fromhex(span.span_id)
    if span.parent_span_id:
        message.parent_span_id = bytes.fromhex(span.parent_span_id)
    message.flags = _SAMPLED | _PARENT_KNOWN
    message.name = span.name
    message.kind = span.kind
    message.start_time_unix_nano = max(0, span.start_ns)
    message.end_time_unix_nano = max(0, span.end_ns)
    _put_attributes(message.attributes, span.attributes)
    for event in span.events:
        told = message.events.add()
        told.name = event.name
        told.time_unix_nano = max(0, event.time_ns)
        _put_attributes(told.attributes, event.attributes)
    for link in span.links:
        led = message.links.add()
        led.trace_id = bytes.fromhex(link.trace_id)
        led.span_id = bytes.fromhex(link.span_id)
    if span.status:
        message.status.code = span.status
        message.status.message = span.status_message


def _put_attributes(target: Any, attributes: Mapping[str, Attribute]) -> None:
    for name, value in attributes.items():
        entry = target.add()
        entry.key = name
        _put_value(entry.value, value)


def _put_value(target: Any, value: object) -> None:
    kind = type(value)
    if kind is str:
        target.string_value = value
    elif kind is bool:
        target.bool_value = value
    elif kind is int:
        target.int_value = value
    elif kind is float:
        target.double_value = value
    elif isinstance(value, list):
        for each in value:
            _put_value(target.array_value.values.add(), each)
        if not value:
            target.array_value.SetInParent()
    else:
        # A fact of another type than its name promises is told as text.
        target.string_value = str(value)
