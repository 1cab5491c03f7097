"""
Decides what a span is, by whoever wrote it: the first convention that says so holds.

Pure, and by the span alone: the same span is the same event whatever it comes with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chaukas.sdk.sinks.otlp.mapping.join import workflow_span_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .attributes import Attributes
    from .received import Received

__all__ = ("Is", "Kind", "is_flow", "kind_of")

Kind = Literal[
    "agent", "model", "tool", "mcp", "handoff", "policy", "data", "state", "span"
]
"""What events a span becomes; `span` for what is none of an agent's."""


class Is(NamedTuple):
    """What a span is."""

    kind: Kind
    by: str
    """The convention that says so; empty if none does."""
    type: str = ""
    """Of an agent, such as `workflow`; of a model call, such as `embeddings`."""


_STORE: Final = " session://"
_PLAIN: Final = Is("span", "")

_OPERATIONS: Final[Mapping[str, tuple[Kind, str]]] = {
    "invoke_agent": ("agent", ""),
    "invoke_workflow": ("agent", "workflow"),
    "handle_conversation_turn": ("agent", "workflow"),
    "chat": ("model", ""),
    "text_completion": ("model", ""),
    "completion": ("model", ""),
    "generate_content": ("model", ""),
    "embeddings": ("model", "embeddings"),
    "transcription": ("model", "transcription"),
    "speech_generation": ("model", "speech"),
    "image_generation": ("model", "image"),
    "execute_tool": ("tool", ""),
    "retrieval": ("data", ""),
    "search_memory": ("data", ""),
    "create_memory": ("state", ""),
    "update_memory": ("state", ""),
    "upsert_memory": ("state", ""),
    "delete_memory": ("state", ""),
    "run_guardrail": ("policy", ""),
}
_OPENINFERENCE: Final[Mapping[str, tuple[Kind, str]]] = {
    "AGENT": ("agent", ""),
    "LLM": ("model", ""),
    "EMBEDDING": ("model", "embeddings"),
    "TOOL": ("tool", ""),
    "RETRIEVER": ("data", ""),
    "RERANKER": ("data", ""),
    "GUARDRAIL": ("policy", ""),
}
_TRACELOOP: Final[Mapping[str, tuple[Kind, str]]] = {
    "workflow": ("agent", "workflow"),
    "agent": ("agent", ""),
    "tool": ("tool", ""),
}
_REQUESTS: Final[Mapping[str, tuple[Kind, str]]] = {
    "chat": ("model", ""),
    "completion": ("model", ""),
    "embedding": ("model", "embeddings"),
    "rerank": ("data", ""),
}
_OBSERVATIONS: Final[Mapping[str, tuple[Kind, str]]] = {
    "agent": ("agent", ""),
    "generation": ("model", ""),
    "embedding": ("model", "embeddings"),
    "tool": ("tool", ""),
    "retriever": ("data", ""),
    "guardrail": ("policy", ""),
}
_LANGSMITH: Final[Mapping[str, tuple[Kind, str]]] = {
    "llm": ("model", ""),
    "embedding": ("model", "embeddings"),
    "tool": ("tool", ""),
    "retriever": ("data", ""),
}
_CHAINS: Final[Mapping[str, str]] = {
    "openinference.span.kind": "CHAIN",
    "langfuse.observation.type": "chain",
    "langsmith.span.kind": "chain",
}


def kind_of(span: Received, attributes: Attributes) -> Is:
    """Return what a span is."""
    for reader in _READERS:
        found = reader(span, attributes)
        if found is not None:
            return found
    return _PLAIN


def is_flow(span: Received, attributes: Attributes) -> bool:
    """Return whether chaukas itself has put a span above the agents of a run."""
    run_id = attributes.text("run_id")
    trace_id = attributes.text("trace_id") or span.trace_id
    return bool(run_id) and span.span_id == workflow_span_id(trace_id, run_id)


def _own(span: Received, attributes: Attributes) -> Is | None:
    """Say what a span is that chaukas made of its own events."""
    if not attributes.any("event_ids"):
        return None
    kind: Kind = "span"
    found = _genai(span, attributes) or _openinference(span, attributes)
    is_tool = span.name.startswith("execute_tool")
    if attributes.any("policy.outcome"):
        kind = "policy"
    elif _STORE in span.name:
        kind = "data"
    elif attributes.any("mcp.server") and not is_tool:
        # To end a connection is no method of the protocol.
        kind = "mcp"
    elif is_tool and attributes.named("graph.node.parent_id"):
        kind = "handoff"
    elif found is not None:
        return found._replace(by="chaukas")
    return Is(kind, "chaukas")


def _genai(span: Received, attributes: Attributes) -> Is | None:
    operation = attributes.text("operation")
    found = _OPERATIONS.get(operation)
    method = attributes.text("mcp.method.name")
    is_tool = found is not None and found[0] == "tool"
    # A tool's span may hold its call to a server too: then it has the tool's name.
    if method and not (is_tool and span.name.startswith("execute_tool")):
        return Is("mcp", "genai")
    if is_tool and attributes.text("transfer.mode") == "pass_control":
        return Is("handoff", "genai")
    if found is not None:
        return Is(found[0], "genai", found[1])
    if attributes.any("guardrail.name"):
        return Is("policy", "genai")
    # One of a later version, or of a framework's own: its children keep their place.
    return Is("span", "genai") if operation else None


def _openinference(_span: Received, attributes: Attributes) -> Is | None:
    kind = attributes.named("openinference.span.kind").upper()
    found = _OPENINFERENCE.get(kind)
    return Is(found[0], "openinference", found[1]) if found else None


def _traceloop(_span: Received, attributes: Attributes) -> Is | None:
    found = _REQUESTS.get(attributes.named("llm.request.type"))
    kind = attributes.named("traceloop.span.kind")
    found = found or _TRACELOOP.get(kind)
    if found:
        return Is(found[0], "traceloop", found[1])
    return Is("span", "traceloop") if kind else None


def _vercel(_span: Received, attributes: Attributes) -> Is | None:
    operation = attributes.named("ai.operationId")
    if not operation:
        return None
    if operation == "ai.toolCall":
        return Is("tool", "vercel")
    if operation.endswith((".doGenerate", ".doStream")):
        return Is("model", "vercel")
    if operation.endswith(".doEmbed"):
        return Is("model", "vercel", "embeddings")
    # The outer span repeats the tokens of the calls in it.
    is_agent = operation.startswith(("ai.generate", "ai.stream"))
    return Is("agent", "vercel", "loop") if is_agent else Is("span", "vercel")


def _langfuse(_span: Received, attributes: Attributes) -> Is | None:
    found = _OBSERVATIONS.get(attributes.named("langfuse.observation.type").lower())
    return Is(found[0], "langfuse", found[1]) if found else None


def _langsmith(_span: Received, attributes: Attributes) -> Is | None:
    found = _LANGSMITH.get(attributes.named("langsmith.span.kind").lower())
    return Is(found[0], "langsmith", found[1]) if found else None


def _adk(span: Received, attributes: Attributes) -> Is | None:
    if span.scope != "gcp.vertex.agent" and not attributes.named(
        "gcp.vertex.agent.event_id"
    ):
        return None
    for name, kind in _ADK.items():
        if span.name == name or span.name.startswith(f"{name} "):
            return Is(kind, "adk")
    return Is("span", "adk")


_ADK: Final[Mapping[str, Kind]] = {
    "call_llm": "model",
    "generate_content": "model",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "agent_run": "agent",
}


def _chain(span: Received, attributes: Attributes) -> Is | None:
    """Say of a step that it is a step, and of the outermost that it is the run."""
    for name, word in _CHAINS.items():
        if attributes.named(name) == word:
            by = name.partition(".")[0]
            is_outermost = not span.parent_span_id
            return Is("agent", by, "chain") if is_outermost else Is("span", by)
    return None


def _telling(span: Received, attributes: Attributes) -> Is | None:
    """Say what a span is by what it has, where no convention says so."""
    if attributes.named("gen_ai.tool.name") or attributes.named("gen_ai.tool.call.id"):
        return Is("tool", "attributes")
    if span.scope.startswith("pydantic-ai") and attributes.named("agent_name"):
        return Is("agent", "attributes")
    if attributes.text("request.model") or attributes.text("response.model"):
        return Is("model", "attributes")
    return None


_READERS: Final[tuple[Callable[[Received, Attributes], Is | None], ...]] = (
    _own, _genai, _openinference, _traceloop, _vercel, _langfuse, _adk, _langsmith,
    _chain, _telling,
)  # fmt: skip
