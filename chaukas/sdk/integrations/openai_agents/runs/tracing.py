"""
Record the SDK's own tracing, where an application uses it to say what it does.

| SDK moment | events |
|---|---|
| `trace()` | AGENT_START of the runs inside names the workflow |
| the end of a `custom_span()` | SYSTEM with the span's name, data and duration |

Without a processor, which would change what the SDK does: the classes themselves are
patched. So it works as well while the SDK's tracing is disabled. All other spans tell
of what has events of its own: spans are watched from the first custom one on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.state import FRAMEWORK
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SUPPRESSED
from chaukas.sdk.record.placement import place
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.bounded import WeakMap
from chaukas.sdk.system.internal_errors import report

from .workflow import active_workflow, note_trace, workflow_trace_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Run

__all__ = ["Tracing"]

_FAILED = "EVENT_STATUS_FAILED"
_CREATE = ("name", "trace_id", "group_id", "metadata")
_DATA_CLASS = "CustomSpanData"
_MASKS = frozenset({"Agent run", "Voice pipeline"})
"""Spans by which the SDK hides an application's own while its tracing is disabled."""
_NO_ID = "no-op"
_REMEMBERED = 16_384


class Tracing(Part):
    """
    Wrappers around traces and spans.

    Args:
        host: Where to record.
        watch_spans: Puts the patches in force that wait for a custom span.
    """

    def __init__(self, host: Host, watch_spans: Callable[[], None]) -> None:
        super().__init__(host)
        self._watch_spans = watch_spans
        self._begun: WeakMap[int] = WeakMap(_REMEMBERED)
        """When each custom span began, by its data, which its proxies share."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            Patch(
                "agents.tracing.provider:TraceProvider.create_trace",
                self.create_trace,
                ("AGENT_START",),
                subclasses=True,
                optional=True,
                min_version="0.3",
            ),
            Patch(
                "agents.tracing.span_data:CustomSpanData.__init__",
                self.custom_span,
                ("SYSTEM",),
                min_version="0.3",
            ),
            Patch(
                "agents.tracing.spans:Span.start",
                self.start,
                ("SYSTEM",),
                subclasses=True,
                min_version="0.3",
                on_demand=True,
            ),
            Patch(
                "agents.tracing.spans:Span.finish",
                self.finish,
                ("SYSTEM",),
                subclasses=True,
                min_version="0.3",
                on_demand=True,
            ),
        )

    def create_trace(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of a trace, also of one that will tell nothing."""
        trace = wrapped(*args, **kwargs)
        if CURRENT.get() is not None:
            # The SDK's own for a run, or one inside of a run: that has its trace.
            return trace
        try:
            given = {**dict(zip(_CREATE, args, strict=False)), **kwargs}
            note_trace(trace, given, self._recorder.ids)
        except Exception as error:
            report("trace", error)
        return trace

    def custom_span(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of a custom span's data, before the span is started."""
        self._watch_spans()
        return wrapped(*args, **kwargs)

    def start(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the start of a span, which may be one of the SDK's own."""
        try:
            data = instance.span_data
            if type(data).__name__ == _DATA_CLASS and self._begun.get(data) is None:
                # A proxy around a span has the same data: one of them is enough.
                self._begun.put(data, self._recorder.clock.monotonic_ns())
        except Exception as error:
            report("custom_span", error)
        return wrapped(*args, **kwargs)

    def finish(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the end of a span."""
        try:
            data = instance.span_data
            if type(data).__name__ == _DATA_CLASS:
                self._note_finish(instance, data)
        except Exception as error:
            report("custom_span", error)
        return wrapped(*args, **kwargs)

    def _note_finish(self, span: Any, data: Any) -> None:
        begun_ns = self._begun.pop(data)
        if begun_ns is None or SUPPRESSED.get():
            return
        sdk_id = span.span_id
        if sdk_id == _NO_ID and data.name in _MASKS:
            return
        recorder = self._recorder
        now_ns = recorder.clock.monotonic_ns()
        run, parent_span_id = self._place()
        facts, capture = recorder.capture_facts(), recorder.capture(run)
        problem = span.error
        told: dict[str, Any] = {
            "name": facts.text(data.name, "metadata.name"),
            "source": "custom_span",
            "data": capture.tree(data.data, "metadata.data"),
            "error": capture.tree(problem, "metadata.error"),
            "sdk_span_id": "" if sdk_id == _NO_ID else sdk_id,
        }
        recorder.emit(
            EventType.SYSTEM,
            run,
            {"performance": {"duration_ms": ms_between(begun_ns, now_ns)}},
            parent_span_id=parent_span_id,
            capture=capture,
            metadata=without_defaults(told),
            status="" if problem is None else _FAILED,
        )

    def _place(self) -> tuple[Run, str]:
        """Return the span in force, else the session, in the trace of the block."""
        host, workflow = self._host, active_workflow()
        sessions, recorder = host.sessions, host.recorder
        found = place(
            sessions,
            recorder,
            (workflow.group_id or None) if workflow is not None else None,
            framework=FRAMEWORK,
            trace_id=workflow_trace_id(),
        )
        return found.run, found.parent_span_id
