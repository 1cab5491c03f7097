"""
Hands spans to the application's own tracer provider: its samplers, its processors.

With the ids of the record, so the same run has the same spans there and everywhere.
What the provider's processors do with them, and lose, is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from chaukas.sdk._version import VERSION
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.sdk.system.bounded import BoundedMap
from chaukas.sdk.system.fork_guard import holding_forks

from .sink import OtlpSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .encode import Resource
    from .mapping.span import Log, Span
    from .mapping.spans import Mapping

__all__ = ["ProviderSink"]

_TRACES: Final = 10_000
_SCOPE: Final = "chaukas"


class ProviderSink(OtlpSink):
    """
    Starts and ends each span in a tracer provider, once its END is recorded.

    Args:
        provider: A TracerProvider of the OpenTelemetry SDK; None for the global one.
        mapping: How spans are written.
        resource: Only the address of the schema is used: a provider has its own.
    """

    name = "otel"
    place = "the tracer provider"

    def __init__(self, provider: Any, mapping: Mapping, resource: Resource) -> None:
        super().__init__(mapping, resource)
        self._given = provider
        self._ids = _Ids()
        self._tracer: Any = None
        self._sampled: BoundedMap[str, bool] = BoundedMap(_TRACES)

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """Do nothing: nothing is encoded here."""
        del signal, body, lines
        return Answer(Action.ACKED)

    def close(self) -> None:
        """Forget the provider; it is the application's to end."""
        self._tracer = None

    def abandon(self) -> None:
        """Forget the provider of the parent."""
        self._tracer = None

    def _post(
        self, spans: Sequence[Span], logs: Sequence[Log], *, is_last: bool
    ) -> Answer:
        """Hand spans over, parents first: samplers ask what became of these."""
        del logs, is_last
        if not spans:
            return Answer(Action.ACKED)
        tracer = self._open()
        if tracer is None:
            return _NO_PROVIDER
        for span in sorted(spans, key=lambda one: one.start_ns):
            self._hand_over(tracer, span)
        self.sent += len(spans)
        return Answer(Action.ACKED)

    def _open(self) -> Any:
        """Return a tracer that gives spans the ids of the record; None if none can."""
        if self._tracer is not None:
            return self._tracer
        with holding_forks():
            try:
                from opentelemetry import trace
                from opentelemetry.sdk.trace import Tracer
            except ImportError:
                return None
            provider = self._given or trace.get_tracer_provider()
            schema_url = self.resource.schema_url
            tracer = provider.get_tracer(_SCOPE, VERSION, schema_url=schema_url)
        if not isinstance(tracer, Tracer):
            # The API's own, which records nothing, until a provider is set.
            return None
        # Typed as a class of the SDK's, which is not imported for this.
        tracer.id_generator = cast("Any", self._ids)
        self._tracer = tracer
        return tracer

    def _hand_over(self, tracer: Any, span: Span) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context

        trace_id = int(span.trace_id, 16)
        self._ids.next = (trace_id, int(span.span_id, 16))
        context = Context()
        if span.parent_span_id:
            flags = trace.TraceFlags(int(self._is_sampled(tracer, span)))
            parent = int(span.parent_span_id, 16)
            above = trace.SpanContext(trace_id, parent, False, flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(above), context)
        made = tracer.start_span(
            span.name,
            context=context,
            kind=_kind_of(span),
            attributes=span.attributes,
            links=_links_of(span),
            start_time=span.start_ns,
            record_exception=False,
            set_status_on_exception=False,
        )
        for event in span.events:
            made.add_event(event.name, event.attributes, event.time_ns)
        if span.status:
            code = trace.StatusCode.ERROR
            made.set_status(trace.Status(code, span.status_message or None))
        made.end(span.end_ns)

    def _is_sampled(self, tracer: Any, span: Span) -> bool:
        """
        Return whether the root of a trace is sampled, which may come only later.

        The same question to the same sampler: most decide by the id of the trace.
        """
        known = self._sampled.get(span.trace_id)
        if known is None:
            asked = tracer.sampler.should_sample(
                None, int(span.trace_id, 16), span.name, _kind_of(span), {}, ()
            )
            known = bool(asked.decision.is_sampled())
            self._sampled.put(span.trace_id, known)
        return known


class _Ids:
    """Gives each span the ids that it has in the record."""

    def __init__(self) -> None:
        self.next = (0, 0)

    def generate_trace_id(self) -> int:
        """Return the trace id of the span that is started now."""
        return self.next[0]

    def generate_span_id(self) -> int:
        """Return the id of the span that is started now."""
        return self.next[1]

    def is_trace_id_random(self) -> bool:
        """Return what W3C level 2 wants to know: those of the record are random."""
        return True


_NO_PROVIDER: Final = Answer(
    Action.PARK,
    cause="no provider",
    error=(
        "chaukas: cannot hand spans over: there is no TracerProvider of the"
        " OpenTelemetry SDK: events are kept and will be handed over once there is."
        " Pass otel_provider=…, or call opentelemetry.trace.set_tracer_provider()."
    ),
)


def _kind_of(span: Span) -> Any:
    from opentelemetry.trace import SpanKind

    # Those of the wire are counted from 1, those of the API from 0.
    return SpanKind(span.kind - 1)


def _links_of(span: Span) -> list[Any]:
    from opentelemetry import trace

    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    ids = [(int(each.trace_id, 16), int(each.span_id, 16)) for each in span.links]
    return [trace.Link(trace.SpanContext(*pair, True, flags)) for pair in ids]
