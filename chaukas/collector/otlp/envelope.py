"""
What every event of a span has: ids, place, time, and where it comes from.

Ids are made of the span's own and of the tenant: what an exporter sends again is the
same event, and no second one.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.sinks.otlp.mapping.join import workflow_span_id
from chaukas.sdk.system.bounded import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaukas.sdk.typing import Event

    from .attributes import Attributes
    from .kinds import Is
    from .received import Received

__all__ = ("SOURCE", "Envelope", "milliseconds", "present", "time_text")

SOURCE: Final = "otlp"
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_TAGS: Final = 32
_OWN: Final = "chaukas"
_FRAMEWORKS: Final[Mapping[str, str]] = {
    "gcp.vertex.agent": "google_adk",
    "google_adk": "google_adk",
    "pydantic-ai": "pydantic_ai",
    "strands.telemetry.tracer": "strands",
    "strands-agents": "strands",
    "agent_framework": "agent_framework",
    "langfuse-sdk": "langfuse",
    "ai": "vercel_ai",
}
_INSTRUMENTATIONS: Final = (
    "openinference.instrumentation.",
    "opentelemetry.instrumentation.",
    "@arizeai/openinference-instrumentation-",
    "@traceloop/instrumentation-",
)
_AUTHORS: Final[Mapping[str, str]] = {
    "AGENT": "AGENT",
    "OUTPUT": "AGENT",
    "MODEL": "LLM",
    "TOOL": "TOOL",
    "INPUT": "USER",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A span about to become events."""

    span: Received
    attributes: Attributes
    kind: Is
    tenant: str
    """The key's; of a key for all, and without keys, the default one."""

    @property
    def is_own(self) -> bool:
        """Whether chaukas wrote the span."""
        return self.kind.by == _OWN

    @property
    def trace_id(self) -> str:
        """The trace; of our own spans as it was called when it was recorded."""
        named = self.attributes.text("trace_id") if self.is_own else ""
        return bounded(named) or self.span.trace_id

    @property
    def parent_span_id(self) -> str:
        """The span above; not the one that chaukas put over a run with handoffs."""
        parent = self.span.parent_span_id
        if not self.is_own or not parent:
            return parent
        run_id = self.attributes.text("run_id")
        return "" if parent == workflow_span_id(self.trace_id, run_id) else parent

    @property
    def is_in_flow(self) -> bool:
        """Whether it is one of several agents that a run was handed to."""
        return bool(self.span.parent_span_id) and not self.parent_span_id

    def event(
        self,
        kind: str,
        *,
        side: str,
        at_ns: int,
        status: str = "COMPLETED",
        metadata: Mapping[str, Any] | None = None,
        **content: Any,
    ) -> Event:
        """
        Return an event of the span's own: one of its two ends, or what it is.

        Args:
            kind: Its type without prefix.
            side: What tells it from the span's other events.
            at_ns: When it happened.
            status: Without prefix.
            metadata: What its type has there.
            content: Further members.
        """
        family = kind.partition("_")[0]
        author = "AGENT" if kind == "AGENT_HANDOFF" else _AUTHORS.get(family, "SYSTEM")
        made: Event = {
            "event_id": self._event_id(side),
            "type": f"EVENT_TYPE_{kind}",
            "status": f"EVENT_STATUS_{status}",
            "severity": f"SEVERITY_{_SEVERITIES.get(family, 'INFO')}",
            "author": f"AUTHOR_{author}",
            "timestamp": time_text(at_ns),
            "trace_id": self.trace_id,
            "span_id": self.span.span_id,
            "parent_span_id": self.parent_span_id,
            **self._owner(),
            **self._about(),
            **content,
            "metadata": {**self._origin(), **(metadata or {})},
        }
        return {name: value for name, value in made.items() if value not in _EMPTY}

    def below(self, kind: str, *, side: str, at_ns: int, **content: Any) -> Event:
        """Return an event that stands below the span, with an id of its own."""
        made = self.event(kind, side=side, at_ns=at_ns, **content)
        made["span_id"] = self.span_id_of(side)
        made["parent_span_id"] = self.span.span_id
        return made

    def span_id_of(self, side: str) -> str:
        """Return the id of what stands below the span."""
        text = f"{self.span.trace_id}{self.span.span_id}{side}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _event_id(self, side: str) -> str:
        """Return an id that is ordered by time, as all ids of events are."""
        span = self.span
        text = f"{self.tenant}\0{span.trace_id}\0{span.span_id}\0{side}"
        rest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10]
        number = (span.start_ns // _NS_PER_MS) << 80 | int.from_bytes(rest, "big")
        # Version 7, and the variant of RFC 9562.
        number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
        return str(uuid.UUID(int=number))

    def _owner(self) -> dict[str, Any]:
        """Return whose it is, as far as chaukas has written that to the span."""
        made = {}
        for name in ("tenant_id", "project_id"):
            given = self.attributes.text(name)
            if not given:
                resource = self.span.resource.get(f"chaukas.{name}")
                given = resource if type(resource) is str else ""
            made[name] = bounded(given)
        return made

    def _about(self) -> dict[str, Any]:
        attributes = self.attributes
        name = bounded(self.agent_name())
        agent_id = bounded(attributes.text("agent.id")) or name
        tags = attributes.any("tags")
        tags = tags if type(tags) is list else []
        return {
            "session_id": bounded(self._session_id()),
            "agent_id": agent_id,
            "agent_name": name,
            "branch": bounded(attributes.text("branch")),
            "tags": [bounded(tag) for tag in tags[:_TAGS] if type(tag) is str],
        }

    def agent_name(self) -> str:
        """Return the agent of the span: itself if it is one, or whose call it is."""
        attributes = self.attributes
        if self.kind.kind != "agent":
            own = attributes.named("agent.name") if self.is_own else ""
            return attributes.named("gen_ai.agent.name") or own
        if self.kind.type == "workflow":
            named = attributes.text("workflow.name")
        else:
            named = attributes.text("agent.name")
        named = named or attributes.named("traceloop.entity.name")
        return named or _bare(self.span.name) or "agent"

    def _session_id(self) -> str:
        found = self.attributes.text("session.id")
        # One framework makes one up for each run, which is no conversation.
        made_up = self.attributes.named("gen_ai.agent.call.id")
        return "" if found and found == made_up else found

    def _origin(self) -> dict[str, Any]:
        attributes = self.attributes
        service = self.span.resource.get("service.name")
        made = {
            "source": SOURCE,
            "framework": attributes.text("framework") or _framework(self.span.scope),
            "scope": self.span.scope,
            "semconv": self.kind.by,
            "service": service if type(service) is str else "",
            "user_id": attributes.text("user.id"),
            "run_id": attributes.text("run_id"),
            "retried_run_id": attributes.text("retried_run_id"),
        }
        return {name: bounded(value) for name, value in made.items() if value}


_EMPTY: Final[tuple[Any, ...]] = (None, "", [])
_SEVERITIES: Final[Mapping[str, str]] = {"ERROR": "ERROR", "RETRY": "WARN"}


def present(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an object's members says anything."""
    return {k: v for k, v in made.items() if v is not None and v not in ("", [], {})}


def milliseconds(span: Received) -> float:
    """Return how long a span took."""
    took = round((span.end_ns - span.start_ns) / _NS_PER_MS, 3)
    # As canonical JSON writes it.
    return int(took) if took.is_integer() else took


def time_text(at_ns: int) -> str:
    """Return a time as RFC 3339, in microseconds."""
    seconds, rest_ns = divmod(at_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"


def _framework(scope: str) -> str:
    known = _FRAMEWORKS.get(scope)
    if known:
        return known
    for prefix in _INSTRUMENTATIONS:
        if scope.startswith(prefix):
            return scope[len(prefix) :].replace("-", "_")
    return scope


def _bare(name: str) -> str:
    """Return a span's name without the operation with which it begins."""
    for operation in ("invoke_agent ", "invoke_workflow "):
        if name.startswith(operation):
            return name[len(operation) :]
    return name
