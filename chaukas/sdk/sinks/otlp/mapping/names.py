"""
The names of all attributes, in one table: the conventions by version, OpenInference.

The conventions for generative AI change with each release and backends follow late, so
nothing but this table knows how a fact is spelled.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = [
    "FLAVOURS",
    "NAMES",
    "VERSIONS",
    "Flavour",
    "Name",
    "Names",
    "Version",
    "names_of",
    "schema_url_of",
]

Version = Literal["1.36", "1.41", "head"]
Flavour = Literal["both", "genai", "openinference"]

VERSIONS: Final[tuple[Version, ...]] = ("1.36", "1.41", "head")
FLAVOURS: Final[tuple[Flavour, ...]] = ("both", "genai", "openinference")

_SCHEMAS: Final[dict[Version, str]] = {
    "1.36": "https://opentelemetry.io/schemas/1.36.0",
    "1.41": "https://opentelemetry.io/schemas/1.41.1",
    "head": "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
}


class Name(NamedTuple):
    """How one fact is spelled; empty where a version has no name for it."""

    fact: str
    v1_36: str
    v1_41: str
    head: str
    openinference: str = ""

    def of(self, version: Version) -> str:
        """Return the name in one version of the conventions."""
        if version == "1.36":
            return self.v1_36
        return self.head if version == "head" else self.v1_41


def _same(fact: str, name: str, openinference: str = "") -> Name:
    return Name(fact, name, name, name, openinference)


def _later(fact: str, name: str, openinference: str = "") -> Name:
    """Return a name that came after 1.36."""
    return Name(fact, "", name, name, openinference)


def _ours(fact: str) -> Name:
    return _same(fact, f"chaukas.{fact}")


def _inference(fact: str) -> Name:
    return Name(fact, "", "", "", fact)


NAMES: Final[tuple[Name, ...]] = (
    # Who, where.
    _same("session.id", "session.id", "session.id"),
    _same("user.id", "user.id", "user.id"),
    _same("conversation.id", "gen_ai.conversation.id"),
    _same("tags", "chaukas.tags", "tag.tags"),
    _same("server.address", "server.address"),
    _same("server.port", "server.port"),
    _same("operation", "gen_ai.operation.name"),
    Name(
        "provider",
        "gen_ai.system",
        "gen_ai.provider.name",
        "gen_ai.provider.name",
    ),
    # The internal form of invoke_agent has no provider on head.
    Name("agent.provider", "gen_ai.system", "gen_ai.provider.name", ""),
    _inference("llm.provider"),
    _inference("llm.system"),
    _same("error.type", "error.type"),
    # Agents and workflows.
    _same("agent.name", "gen_ai.agent.name", "agent.name"),
    _same("agent.id", "gen_ai.agent.id"),
    _later("workflow.name", "gen_ai.workflow.name"),
    _inference("graph.node.id"),
    _inference("graph.node.name"),
    _inference("graph.node.parent_id"),
    # Sums of an agent stand apart from a call's: backends would add them again.
    _same("sum.input_tokens", "gen_ai.aggregated_usage.input_tokens"),
    _same("sum.output_tokens", "gen_ai.aggregated_usage.output_tokens"),
    _ours("cost.total"),
    # A model call.
    _same("request.model", "gen_ai.request.model", "llm.request.model_name"),
    _same("response.model", "gen_ai.response.model", "llm.response.model_name"),
    _inference("llm.model_name"),
    _same("request.temperature", "gen_ai.request.temperature"),
    _same("request.top_p", "gen_ai.request.top_p"),
    _same("request.top_k", "gen_ai.request.top_k"),
    _same("request.max_tokens", "gen_ai.request.max_tokens"),
    _same("request.frequency_penalty", "gen_ai.request.frequency_penalty"),
    _same("request.presence_penalty", "gen_ai.request.presence_penalty"),
    _same("request.seed", "gen_ai.request.seed"),
    _same("request.stop_sequences", "gen_ai.request.stop_sequences"),
    _later("request.stream", "gen_ai.request.stream"),
    _later("request.reasoning.level", "gen_ai.request.reasoning.level"),
    _later(
        "request.previous_response.id",
        "gen_ai.request.previous_response.id",
    ),
    _inference("llm.invocation_parameters"),
    _same("output.type", "gen_ai.output.type"),
    _same("response.id", "gen_ai.response.id"),
    _same(
        "response.finish_reasons",
        "gen_ai.response.finish_reasons",
    ),
    _inference("llm.finish_reason"),
    _later(
        "response.time_to_first_chunk",
        "gen_ai.response.time_to_first_chunk",
    ),
    _same("openai.api.type", "openai.api.type"),
    _same("embeddings.dimension.count", "gen_ai.embeddings.dimension.count"),
    _same("usage.input_tokens", "gen_ai.usage.input_tokens", "llm.token_count.prompt"),
    _same(
        "usage.output_tokens",
        "gen_ai.usage.output_tokens",
        "llm.token_count.completion",
    ),
    _inference("llm.token_count.total"),
    _later(
        "usage.cache_read",
        "gen_ai.usage.cache_read.input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    Name(
        "usage.cache_write",
        "",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    _later(
        "usage.reasoning",
        "gen_ai.usage.reasoning.output_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    # No convention has a cost. Two backends read the first, two others the second.
    _same("usage.cost", "gen_ai.usage.cost", "llm.cost.total"),
    _same("operation.cost", "operation.cost"),
    _inference("llm.cost.prompt"),
    _inference("llm.cost.completion"),
    # Content.
    _later("system_instructions", "gen_ai.system_instructions"),
    _later("input.messages", "gen_ai.input.messages"),
    _later("output.messages", "gen_ai.output.messages"),
    _later("tool.definitions", "gen_ai.tool.definitions"),
    _inference("input.value"),
    _inference("input.mime_type"),
    _inference("output.value"),
    _inference("output.mime_type"),
    _inference("metadata"),
    # Tools.
    _same("tool.name", "gen_ai.tool.name", "tool.name"),
    _same("tool.call.id", "gen_ai.tool.call.id", "tool.id"),
    _same("tool.type", "gen_ai.tool.type"),
    _later(
        "tool.call.arguments",
        "gen_ai.tool.call.arguments",
        "tool.parameters",
    ),
    _later("tool.call.result", "gen_ai.tool.call.result"),
    Name("process.exit.code", "", "", "process.exit.code"),
    # Handoffs: head has names; before it there are those of the official package.
    Name("transfer.mode", "", "gen_ai.transfer.mode", "gen_ai.transfer.mode"),
    Name(
        "transfer.target.name",
        "",
        "gen_ai.transfer.target.name",
        "gen_ai.transfer.target.name",
    ),
    Name("handoff.from", "gen_ai.handoff.from_agent", "gen_ai.handoff.from_agent", ""),
    Name("handoff.to", "gen_ai.handoff.to_agent", "gen_ai.handoff.to_agent", ""),
    # MCP.
    _later("mcp.method.name", "mcp.method.name"),
    _later("mcp.resource.uri", "mcp.resource.uri"),
    _later("mcp.protocol.version", "mcp.protocol.version"),
    _later("mcp.prompt.name", "gen_ai.prompt.name"),
    _later("rpc.response.status_code", "rpc.response.status_code"),
    _later("network.transport", "network.transport"),
    _ours("mcp.server"),
    _ours("mcp.cached"),
    # Retrieval.
    _same("data_source.id", "gen_ai.data_source.id"),
    _later("retrieval.query.text", "gen_ai.retrieval.query.text"),
    _later("retrieval.documents", "gen_ai.retrieval.documents"),
    # Decisions, for which there is no convention yet: names of the official package.
    _same("guardrail.name", "gen_ai.guardrail.name"),
    _same("guardrail.triggered", "gen_ai.guardrail.triggered"),
    _ours("policy.outcome"),
    _ours("policy.rationale"),
    _ours("policy.rule_ids"),
    _ours("policy.tool_name"),
    _ours("policy.waited_ms"),
    # What only the record has.
    _ours("tenant_id"),
    _ours("project_id"),
    _ours("run_id"),
    _ours("framework"),
    _ours("branch"),
    _ours("trace_id"),
    _ours("event_ids"),
    _ours("redaction.fields"),
    _ours("retry.count"),
    _ours("retried_run_id"),
    _ours("handoff_to"),
    _ours("incomplete"),
    _ours("waiting"),
    _ours("orphan"),
    _ours("turn"),
    _ours("error.code"),
    _ours("error.recovery_action"),
    _ours("request.input_count"),
    _ours("price"),
)
"""Every fact that a span can have, and its name in each version."""

Names = dict[str, tuple[str, ...]]
"""For each fact the attributes to write: none, one, or one of each family."""


def names_of(version: Version, flavour: Flavour) -> Names:
    """Return for each fact the attributes to write it to."""
    made: Names = {}
    for name in NAMES:
        genai, other = name.of(version), name.openinference
        if flavour == "openinference" and not genai.startswith("chaukas."):
            genai = ""
        if flavour == "genai":
            other = ""
        made[name.fact] = tuple(dict.fromkeys(each for each in (genai, other) if each))
    return made


def schema_url_of(version: Version) -> str:
    """Return the address of the schema that a version of the names follows."""
    return _SCHEMAS[version]
