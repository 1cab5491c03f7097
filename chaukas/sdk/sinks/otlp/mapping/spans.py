"""
Maps what was joined to spans: names, kinds, attributes, events, links and status.

Pure: a pair of events in, a span out. How each fact is spelled stands in `names`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from .content import (
    CHARS,
    Builder,
    put_arguments,
    put_messages,
    put_model_messages,
    put_result,
    put_values,
)
from .join import WORKFLOW, Joined, kind_of, time_ns_of
from .messages import json_text
from .names import Flavour, Names, Version, names_of
from .span import (
    CLIENT,
    ERROR,
    INTERNAL,
    UNSET,
    Owner,
    Span,
    span_id_of,
    trace_id_of,
)
from .span_events import events_of, links_of
from .values import error_type_of, provider_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.typing import Event

__all__ = ["DIED", "Mapping", "owner_of", "span_of"]

_SHORTEST_NS: Final = 1_000
"""A span without a length is drawn as nothing, or as a dot, wherever it is shown."""
_NOISE_CHARS: Final = 8
DIED: Final = "process ended"
_FLOWS: Final = frozenset(
    "crew flow graph workflow sequential parallel loop chain".split()
)
_TASKS: Final = {"transcription": "transcription", "speech": "speech_generation"}
_TOOL_TYPES: Final = {
    "function": "function",
    "custom": "function",
    "agent_as_tool": "function",
}
_NETWORKS: Final = {"stdio": "pipe", "sse": "tcp", "streamable_http": "tcp"}


class Mapping(NamedTuple):
    """How spans are to be written."""

    names: Names
    version: Version
    flavour: Flavour

    @classmethod
    def of(cls, version: Version, flavour: Flavour) -> Mapping:
        """Return the mapping for a version of the conventions and a flavour."""
        return cls(names_of(version, flavour), version, flavour)

    @property
    def is_openinference(self) -> bool:
        """Whether attributes of OpenInference are written."""
        return self.flavour != "genai"


class _Shape(NamedTuple):
    """What a span is called, and how."""

    name: str
    kind: int
    inference_kind: str


def owner_of(event: Event) -> Owner:
    """Return whose event it is."""
    return Owner(str(event.get("tenant_id", "")), str(event.get("project_id", "")))


def span_of(joined: Joined, mapping: Mapping) -> Span:
    """Return the span that a joined pair, or a single event, is."""
    start, end = joined.start, joined.end or {}
    builder = Builder(mapping.names, mapping.version, mapping.flavour)
    _put_identity(builder, joined)
    shape = _SHAPES[joined.kind](builder, joined)
    if mapping.is_openinference:
        builder.attributes["openinference.span.kind"] = shape.inference_kind
    started_ns = time_ns_of(start)
    ended_ns = time_ns_of(end) if end else joined.last_ns
    if end is start:
        # A single event, or an END alone, says itself how long it took.
        took_ms = start.get("performance", {}).get("duration_ms", 0)
        started_ns -= int(took_ms * 1_000_000)
    span = Span(
        owner_of(start),
        trace_id_of(str(start.get("trace_id", ""))),
        span_id_of(str(start.get("span_id", ""))),
        span_id_of(joined.parent_span_id),
        shape.name,
        shape.kind,
        started_ns,
        max(ended_ns, started_ns + _SHORTEST_NS),
        builder.attributes,
        line=joined.line,
    )
    span.events = [*builder.events, *events_of(joined, builder)]
    span.links = links_of(joined)
    _put_status(span, joined, builder)
    return span


def _put_identity(builder: Builder, joined: Joined) -> None:
    start, end = joined.start, joined.end
    metadata = start.get("metadata", {})
    put = builder.put
    session_id = start.get("session_id")
    put("session.id", session_id)
    stream = metadata.get("chaukas", {}).get("stream", "")
    if session_id and session_id[-_NOISE_CHARS:] != stream[-_NOISE_CHARS:]:
        # An id that this process made up is no conversation of the application's.
        put("conversation.id", session_id)
    put("user.id", metadata.get("user_id"))
    put("tenant_id", start.get("tenant_id"))
    put("project_id", start.get("project_id"))
    put("framework", metadata.get("framework"))
    put("run_id", metadata.get("run_id"))
    put("retried_run_id", metadata.get("retried_run_id"))
    put("branch", start.get("branch"))
    put("tags", start.get("tags"))
    trace_id = str(start.get("trace_id", ""))
    if trace_id != trace_id_of(trace_id):
        put("trace_id", trace_id)
    if joined.kind not in ("AGENT", WORKFLOW):
        put("agent.name", start.get("agent_name"))
    events = (start, *joined.more, *(() if end in (None, start) else (end,)))
    ids = [each["event_id"] for each in events if each and "event_id" in each]
    put("event_ids", list(dict.fromkeys(ids)))
    hidden = [
        path
        for each in events
        if each
        for path in each.get("redaction", {}).get("fields", ())
    ]
    put("redaction.fields", list(dict.fromkeys(hidden)))
    if end is None:
        put("incomplete", value=True)
    elif end.get("metadata", {}).get("orphan"):
        put("orphan", value=True)


def _agent(builder: Builder, joined: Joined) -> _Shape:
    start, end = joined.start, joined.end or {}
    metadata, last = start.get("metadata", {}), end.get("metadata", {})
    name = str(start.get("agent_name") or start.get("agent_id") or "agent")
    kind = str(metadata.get("agent_type", ""))
    put = builder.put
    _put_sums(builder, last)
    put("waiting", last.get("waiting"))
    put("handoff_to", last.get("handoff_to"))
    put_messages(builder, joined, last.get("output"))
    if kind in _FLOWS:
        put("operation", "invoke_workflow")
        put("workflow.name", name)
        builder.put_inference("agent.name", name)
        return _Shape(f"invoke_workflow {name}", INTERNAL, "CHAIN")
    put("operation", "invoke_agent")
    put("agent.name", name)
    put("agent.id", start.get("agent_id"))
    put("graph.node.id", start.get("agent_id"))
    put("graph.node.name", name)
    for each in joined.more:
        if kind_of(each) == "AGENT_HANDOFF" and each.get("agent_handoff", {}).get(
            "to_agent_id"
        ) == start.get("agent_id"):
            from_id = each["agent_handoff"].get("from_agent_id")
            put("graph.node.parent_id", from_id)
    # Not `request.model`: a backend would take the agent for a call of that model.
    put("agent.provider", provider_of(_provider_in(start)).genai)
    instructions = metadata.get("instructions")
    if type(instructions) is str:
        builder.put_system(instructions)
    return _Shape(
        f"invoke_agent {name}", CLIENT if kind == "remote" else INTERNAL, "AGENT"
    )


def _provider_in(event: Event) -> str:
    """Return the provider of an agent's model, as far as its name tells."""
    model = str(event.get("metadata", {}).get("model") or "")
    prefix, slash, _ = model.partition("/")
    if slash:
        return prefix
    return "openai" if model.startswith(("gpt-", "o1", "o3", "o4")) else ""


def _put_sums(builder: Builder, last: Any) -> None:
    usage = last.get("usage") or {}
    builder.put("sum.input_tokens", usage.get("input_tokens"))
    builder.put("sum.output_tokens", usage.get("output_tokens"))
    builder.put("cost.total", (last.get("cost") or {}).get("total_cost"))
    builder.put("price", last.get("price"))


def _workflow(builder: Builder, joined: Joined) -> _Shape:
    metadata = joined.start.get("metadata", {})
    last = (joined.end or {}).get("metadata", {})
    name = str(metadata.get("workflow_name") or joined.start.get("agent_name") or "run")
    builder.put("operation", "invoke_workflow")
    builder.put("workflow.name", name)
    _put_sums(builder, last.get("run") or {})
    put_messages(builder, joined, last.get("output"))
    return _Shape(f"invoke_workflow {name}", INTERNAL, "CHAIN")


def _model(builder: Builder, joined: Joined) -> _Shape:
    start = joined.start.get("llm_invocation", {})
    end = (joined.end or {}).get("llm_invocation", {})
    facts = {**start.get("metadata", {}), **end.get("metadata", {})}
    request, response = start.get("request") or {}, end.get("response") or {}
    model = str(start.get("model") or end.get("model") or "")
    put = builder.put
    task, api = str(request.get("task", "")), facts.get("api")
    operation = "embeddings" if api == "embeddings" else _TASKS.get(task, "chat")
    put("operation", operation)
    _put_provider(builder, str(start.get("provider") or end.get("provider") or ""))
    put("request.model", model)
    put("response.model", facts.get("response_model"))
    put("llm.model_name", facts.get("response_model") or model)
    _put_settings(builder, {**end, **start}, request)
    put("response.id", (joined.end or {}).get("response_id"))
    if end.get("finish_reason"):
        put("response.finish_reasons", [str(end["finish_reason"])])
        put("llm.finish_reason", str(end["finish_reason"]))
    if end.get("time_to_first_token_ms"):
        put("response.time_to_first_chunk", end["time_to_first_token_ms"] / 1000)
    put("openai.api.type", api if api in ("responses", "chat_completions") else None)
    put("embeddings.dimension.count", facts.get("dimensions"))
    put("turn", facts.get("turn"))
    put("price", facts.get("price"))
    put("request.input_count", request.get("input_count"))
    _put_usage(builder, end, (joined.end or {}).get("cost") or {})
    put_model_messages(builder, joined, response, str(end.get("finish_reason", "")))
    kind = "EMBEDDING" if operation == "embeddings" else "LLM"
    return _Shape(f"{operation} {model}".strip(), CLIENT, kind)


def _put_provider(builder: Builder, name: str) -> None:
    provider = provider_of(name)
    builder.put("provider", provider.genai)
    builder.put("llm.provider", provider.openinference)
    builder.put("llm.system", provider.system)
    if "." in name:
        # A host: what it is called is all that is known of it.
        builder.put("server.address", name)


def _put_settings(
    builder: Builder, call: dict[str, Any], request: dict[str, Any]
) -> None:
    settings = request.get("settings") or {}
    settings = settings if type(settings) is dict else {}
    used = dict(settings)
    for name in _NUMBERS:
        value = call.get(name, settings.get(name))
        if type(value) in (int, float):
            builder.put(f"request.{name}", value)
            used[name] = value
    stops = settings.get("stop") or settings.get("stop_sequences")
    if stops:
        texts = stops if type(stops) is list else [stops]
        builder.put("request.stop_sequences", [str(each) for each in texts])
    builder.put("request.stream", request.get("stream"))
    builder.put("request.previous_response.id", request.get("previous_response_id"))
    reasoning = settings.get("reasoning")
    effort = reasoning.get("effort") if type(reasoning) is dict else None
    effort = effort or settings.get("reasoning_effort")
    builder.put("request.reasoning.level", effort if type(effort) is str else None)
    if request.get("output_schema"):
        builder.put("output.type", "json")
    if used:
        builder.put("llm.invocation_parameters", json_text(used))
    tools = request.get("tools")
    if type(tools) is list:
        builder.put_tools([str(each) for each in tools])


_NUMBERS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "seed",
)


def _put_usage(builder: Builder, end: dict[str, Any], cost: dict[str, Any]) -> None:
    """
    Put tokens and cost of one call.

    Nothing else may stand under these prefixes: backends take any further number there
    for tokens of a kind of its own, and add it.
    """
    put = builder.put
    put("usage.input_tokens", end.get("prompt_tokens"))
    put("usage.output_tokens", end.get("completion_tokens"))
    put("llm.token_count.total", end.get("total_tokens"))
    put("usage.cache_read", end.get("cached_tokens"))
    put("usage.cache_write", end.get("cache_write_tokens"))
    put("usage.reasoning", end.get("reasoning_tokens"))
    if cost.get("currency", "USD") == "USD":
        put("usage.cost", cost.get("total_cost"))
        put("operation.cost", cost.get("total_cost"))
        put("llm.cost.prompt", cost.get("input_cost"))
        put("llm.cost.completion", cost.get("output_cost"))


def _tool(builder: Builder, joined: Joined) -> _Shape:
    call = joined.start.get("tool_call", {})
    answer = (joined.end or {}).get("tool_response", {})
    metadata = call.get("metadata", {})
    name = str(call.get("tool_name") or answer.get("tool_name") or "tool")
    kind = str(metadata.get("tool_type", "function"))
    put = builder.put
    put("operation", "execute_tool")
    put("tool.name", name)
    put("tool.call.id", call.get("tool_id") or answer.get("tool_call_id"))
    put("tool.type", _TOOL_TYPES.get(kind, "extension"))
    put("turn", metadata.get("turn"))
    put("waiting", answer.get("metadata", {}).get("waiting"))
    if kind == "agent_as_tool":
        put("transfer.mode", "return_to_caller")
        put("transfer.target.name", name)
    # What is empty is left out of an event; a tool was called with nothing then.
    put_arguments(builder, call.get("arguments") or {})
    output = answer.get("output")
    if type(output) is dict and output.keys() == {"output"}:
        output = output["output"]
    put_result(builder, output, answer.get("error_message"))
    for each in joined.more:
        if kind_of(each) == "MCP_CALL_START":
            _put_mcp(builder, each.get("mcp_call", {}))
        elif kind_of(each) == "MCP_CALL_END":
            _put_mcp_answer(builder, each.get("mcp_call", {}))
    return _Shape(f"execute_tool {name}", INTERNAL, "TOOL")


def _mcp(builder: Builder, joined: Joined) -> _Shape:
    call = joined.start.get("mcp_call", {})
    answer = (joined.end or {}).get("mcp_call", {})
    request = call.get("request") or answer.get("request") or {}
    request = request if type(request) is dict else {"value": request}
    method = str(call.get("method") or answer.get("method") or "")
    server = str(answer.get("server_name") or call.get("server_name") or "")
    _put_mcp(builder, {**call, "server_name": server})
    _put_mcp_answer(builder, answer)
    target = ""
    if method == "tools/call":
        target = str(request.get("name", ""))
        builder.put("operation", "execute_tool")
        builder.put("tool.name", target)
        put_arguments(builder, request.get("arguments"))
        put_result(builder, answer.get("response"), answer.get("error_message"))
        return _Shape(f"{method} {target}".strip(), CLIENT, "TOOL")
    if method == "prompts/get":
        target = str(request.get("name", ""))
        builder.put("mcp.prompt.name", target)
    elif method == "resources/read":
        builder.put("mcp.resource.uri", request.get("uri"))
    put_values(builder, request or None, answer.get("response"))
    if not method:
        # To shut down is no method of the protocol.
        operation = str(call.get("operation") or "call")
        return _Shape(f"{operation} {server}".strip(), INTERNAL, "CHAIN")
    return _Shape(f"{method} {target}".strip(), CLIENT, "CHAIN")


def _put_mcp(builder: Builder, call: dict[str, Any]) -> None:
    put = builder.put
    put("mcp.method.name", call.get("method"))
    put("mcp.protocol.version", call.get("protocol_version"))
    put("mcp.server", call.get("server_name"))
    transport = call.get("metadata", {}).get("transport")
    put("network.transport", _NETWORKS.get(str(transport)))
    url = call.get("server_url")
    if type(url) is not str or not url:
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return
    put("server.address", parts.hostname)
    put("server.port", port or {"http": 80, "https": 443}.get(parts.scheme))


def _put_mcp_answer(builder: Builder, answer: dict[str, Any]) -> None:
    builder.put("mcp.protocol.version", answer.get("protocol_version"))
    builder.put("mcp.cached", answer.get("cached"))
    code = answer.get("metadata", {}).get("rpc_code")
    if code is not None:
        builder.put("rpc.response.status_code", str(code))
        builder.put("error.type", str(code))
    elif answer.get("is_error"):
        builder.put("error.type", "tool_error")


def _handoff(builder: Builder, joined: Joined) -> _Shape:
    handoff = joined.start.get("agent_handoff", {})
    data = handoff.get("handoff_data") or {}
    source = str(handoff.get("from_agent_name") or handoff.get("from_agent_id") or "")
    target = str(handoff.get("to_agent_name") or handoff.get("to_agent_id") or "")
    tool = str(handoff.get("reason") or f"transfer_to_{target}")
    put = builder.put
    put("operation", "execute_tool")
    put("tool.name", tool)
    put("tool.call.id", data.get("tool_call_id"))
    put("tool.type", "function")
    builder.put_genai("agent.name", source)
    put("transfer.mode", "pass_control")
    put("transfer.target.name", target)
    put("handoff.from", source)
    put("handoff.to", target)
    put("graph.node.id", handoff.get("to_agent_id"))
    put("graph.node.parent_id", handoff.get("from_agent_id"))
    put_arguments(builder, data.get("arguments") or {})
    put_result(builder, {"assistant": target}, None)
    return _Shape(f"execute_tool {tool} {target}", INTERNAL, "TOOL")


def _policy(builder: Builder, joined: Joined) -> _Shape:
    policy = joined.start.get("policy", {})
    metadata = policy.get("metadata") or {}
    name = str(policy.get("policy_id") or "policy")
    outcome = str(policy.get("outcome") or metadata.get("outcome") or "")
    put = builder.put
    put("policy.outcome", outcome)
    put("policy.rationale", policy.get("rationale"))
    put("policy.rule_ids", [str(each) for each in policy.get("rule_ids", ())])
    put("policy.waited_ms", metadata.get("waited_ms"))
    put("policy.tool_name", metadata.get("tool_name"))
    put_values(builder, metadata.get("arguments"), policy.get("rationale") or outcome)
    tool = metadata.get("tool_name") or ", ".join(policy.get("rule_ids", ()))
    if name == "tool_approval":
        # No `gen_ai.tool.name`: a backend would take it for the tool at work.
        put("guardrail.name", name)
        put("guardrail.triggered", value=outcome == "deny")
        return _Shape(f"approval {tool}".strip(), INTERNAL, "GUARDRAIL")
    put("guardrail.name", name)
    put("guardrail.triggered", value=outcome == "deny")
    return _Shape(f"run_guardrail {name}", INTERNAL, "GUARDRAIL")


def _retrieval(builder: Builder, joined: Joined) -> _Shape:
    access = joined.start.get("data_access", {})
    metadata = access.get("metadata") or {}
    source = str(access.get("datasource") or "")
    is_store = source.startswith("session://")
    put = builder.put
    put("operation", None if is_store else "retrieval")
    put("data_source.id", source)
    arguments = metadata.get("arguments")
    queries = metadata.get("queries") or metadata.get("pattern")
    if not queries and type(arguments) is dict:
        queries = arguments.get("query") or arguments.get("question")
    texts = queries if type(queries) is list else [queries] if queries else []
    put("retrieval.query.text", "\n".join(str(each) for each in texts))
    ids = [*access.get("document_ids", ()), *access.get("chunk_ids", ())]
    scores = metadata.get("scores")
    scores = scores if type(scores) is list else []
    found: list[dict[str, Any]] = [{"id": str(each)} for each in ids]
    for document, score in zip(found, scores, strict=False):
        if type(score) in (int, float):
            document["score"] = score
    if found:
        put("retrieval.documents", json_text(found))
        builder.put_documents(found)
    put_values(builder, arguments or texts or None, found or None)
    if is_store:
        operation = metadata.get("operation") or "get_items"
        return _Shape(f"{operation} {source}", INTERNAL, "CHAIN")
    return _Shape(f"retrieval {source}".strip(), CLIENT, "RETRIEVER")


_SHAPES: Final[dict[str, Callable[[Builder, Joined], _Shape]]] = {
    "AGENT": _agent,
    WORKFLOW: _workflow,
    "MODEL_INVOCATION": _model,
    "TOOL_CALL": _tool,
    "MCP_CALL": _mcp,
    "AGENT_HANDOFF": _handoff,
    "POLICY_DECISION": _policy,
    "DATA_ACCESS": _retrieval,
}


def _put_status(span: Span, joined: Joined, builder: Builder) -> None:
    end = joined.end
    if end is None:
        span.status, span.status_message = ERROR, DIED
        builder.put("error.type", "_OTHER")
        return
    status = str(end.get("status", "")).removeprefix("EVENT_STATUS_")
    if status == "CANCELLED":
        is_orphan = end.get("metadata", {}).get("orphan")
        builder.put("error.type", "_OTHER" if is_orphan else "CancelledError")
    elif status == "FAILED" and joined.kind in _PAIRS:
        code, message = _failure_of(joined, end)
        span.status, span.status_message = ERROR, message[:CHARS]
        builder.put("error.code", code)
        if "error.type" not in builder.attributes:
            builder.put("error.type", error_type_of(code))
    else:
        span.status = UNSET


_PAIRS: Final = frozenset(
    ("AGENT", WORKFLOW, "MODEL_INVOCATION", "TOOL_CALL", "MCP_CALL")
)


def _failure_of(joined: Joined, end: Event) -> tuple[str, str]:
    """Return the code and the text of the error that ended a pair."""
    for each in reversed(joined.more):
        error = each.get("error")
        if kind_of(each) == "ERROR" and type(error) is dict:
            return str(error.get("error_code", "")), str(error.get("error_message", ""))
    metadata = end.get("metadata", {})
    response = end.get("llm_invocation", {}).get("response") or {}
    call = end.get("mcp_call", {})
    code = (
        metadata.get("error")
        or response.get("error_code")
        or call.get("metadata", {}).get("error_code")
    )
    text = (
        response.get("error")
        or end.get("tool_response", {}).get("error_message")
        or call.get("error_message")
        or code
    )
    return str(code or ""), str(text or "")
