"""
Counts what the conventions have as metrics: tokens and durations, from the spans.

Each batch is a delta of its own, so nothing has to be remembered between batches.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .names import Version
    from .span import Owner, Span

__all__ = ["Histogram", "MetricKey", "histograms_of"]

_TOKENS: Final = tuple(4.0**n for n in range(14))
_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))
_NS: Final = 1e9
_INFERENCE: Final = frozenset(
    {"chat", "embeddings", "transcription", "speech_generation"}
)


class MetricKey(NamedTuple):
    """Which series of which metric."""

    owner: Owner
    name: str
    unit: str
    attributes: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Histogram:
    """What one batch adds to a series."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    """One for each bucket, and one for what is above all bounds."""
    total: float = 0.0
    start_ns: int = 0
    end_ns: int = 0

    def add(self, value: float, span: Span) -> None:
        """Count a value."""
        if not self.counts:
            self.counts = [0] * (len(self.bounds) + 1)
            self.start_ns = span.start_ns
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.start_ns = min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns)


def histograms_of(
    spans: Iterable[Span], version: Version
) -> Mapping[MetricKey, Histogram]:
    """Return what the spans add to each series."""
    made: dict[MetricKey, Histogram] = {}
    for span in spans:
        operation = span.attributes.get("gen_ai.operation.name")
        method = span.attributes.get("mcp.method.name")
        if operation in _INFERENCE:
            _add_inference(made, span, version)
        elif method:
            _add(made, span, "mcp.client.operation.duration", "s", _MCP, _s_of(span))
        elif version == "head" and operation in _HEAD:
            name, labels = _HEAD[str(operation)]
            _add(made, span, name, "s", labels, _s_of(span))
    return made


_COMMON: Final = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "server.address",
)
_MCP: Final = ("mcp.method.name", "gen_ai.tool.name", "error.type", "network.transport")
_HEAD: Final = {
    "invoke_agent": (
        "gen_ai.invoke_agent.duration",
        ("gen_ai.agent.name", "error.type"),
    ),
    "execute_tool": (
        "gen_ai.execute_tool.duration",
        ("gen_ai.tool.name", "gen_ai.tool.type", "error.type"),
    ),
    "invoke_workflow": (
        "gen_ai.invoke_workflow.duration",
        ("gen_ai.workflow.name", "error.type"),
    ),
}


def _s_of(span: Span) -> float:
    return (span.end_ns - span.start_ns) / _NS


def _add_inference(
    made: dict[MetricKey, Histogram], span: Span, version: Version
) -> None:
    is_head = version == "head"
    prefix = "gen_ai.client.inference" if is_head else "gen_ai.client.operation"
    labels = (*_COMMON, "error.type")
    _add(made, span, f"{prefix}.duration", "s", labels, _s_of(span))
    first_s = span.attributes.get("gen_ai.response.time_to_first_chunk")
    if isinstance(first_s, float):
        _add(made, span, f"{prefix}.time_to_first_chunk", "s", _COMMON, first_s)
    for word in ("input", "output"):
        tokens = span.attributes.get(f"gen_ai.usage.{word}_tokens")
        if not isinstance(tokens, int):
            continue
        if is_head:
            name = f"gen_ai.client.inference.usage.{word}_tokens"
            _add(made, span, name, "{token}", _COMMON, tokens)
        else:
            kind = (("gen_ai.token.type", word),)
            name = "gen_ai.client.token.usage"
            _add(made, span, name, "{token}", _COMMON, tokens, kind)


def _add(
    made: dict[MetricKey, Histogram],
    span: Span,
    name: str,
    unit: str,
    labels: Iterable[str],
    value: float,
    further: tuple[tuple[str, str], ...] = (),
) -> None:
    told = tuple(
        (label, str(span.attributes[label]))
        for label in labels
        if label in span.attributes
    )
    bounds = _SECONDS if unit == "s" else _TOKENS
    key = MetricKey(span.owner, name, unit, (*told, *further))
    made.setdefault(key, Histogram(bounds)).add(value, span)
