"""What began and ended: agents, model calls, tools and calls to MCP servers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlunsplit

from chaukas.sdk.record.pricing import cost_of
from chaukas.sdk.sinks.otlp.mapping.values import provider_from

from .attributes import parsed
from .envelope import milliseconds, present
from .messages import answer_in, text_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.typing import Event

    from .attributes import Attributes
    from .envelope import Envelope
    from .messages import Said

__all__ = ("pair_of", "tool_name")

_HASH_CHARS: Final = 16
_MS_PER_S: Final = 1000
_CANCELLED: Final = frozenset(
    {"CancelledError", "asyncio.exceptions.CancelledError", "GeneratorExit"}
)
_ORPHANS: Final = "_OTHER"


def pair_of(envelope: Envelope, said: Said) -> list[Event]:
    """
    Return START and END of a span, and what stands between them by its nature.

    The END is left out of a span that chaukas says to have none: its process died.
    """
    events = _PAIRS[envelope.kind.kind](envelope, said)
    is_incomplete = envelope.attributes.any("incomplete") is True
    return events[:-1] if is_incomplete else events


def _ends(
    envelope: Envelope,
    kind: str,
    start: Mapping[str, Any],
    end: Mapping[str, Any],
    side: str = "",
) -> tuple[Event, Event]:
    """Return the two events of a pair."""
    span = envelope.span
    status = _status(envelope)
    duration = {"duration_ms": milliseconds(span)}
    metadata = dict(end.get("metadata", {}))
    if status == "CANCELLED" and envelope.attributes.any("orphan") is True:
        metadata["orphan"] = True
    return (
        envelope.event(
            f"{kind}_START",
            side=f"{side}start",
            at_ns=span.start_ns,
            status="STARTED",
            **start,
        ),
        envelope.event(
            f"{kind}_END",
            side=f"{side}end",
            at_ns=span.end_ns,
            status=status,
            **{**end, "metadata": metadata, "performance": duration},
        ),
    )


def _status(envelope: Envelope) -> str:
    error = envelope.attributes.text("error.type")
    if error in _CANCELLED or (
        error == _ORPHANS and envelope.attributes.any("orphan") is True
    ):
        return "CANCELLED"
    if envelope.span.is_failed:
        return "CANCELLED" if _exception(envelope) in _CANCELLED else "FAILED"
    return "COMPLETED"


def _exception(envelope: Envelope) -> str:
    for event in envelope.span.events:
        kind = event.attributes.get("exception.type")
        if event.name == "exception" and type(kind) is str:
            return kind
    return ""


def _failure(envelope: Envelope) -> str:
    """Return why the span failed, in words; empty if it did not."""
    span = envelope.span
    if not span.is_failed:
        return ""
    if span.status_message:
        return span.status_message
    for event in span.events:
        text = event.attributes.get("exception.message")
        if event.name == "exception" and type(text) is str and text:
            return text
    return _code(envelope) or "failed"


def _code(envelope: Envelope) -> str:
    attributes = envelope.attributes
    return (
        attributes.text("error.code")
        or attributes.text("error.type")
        or _exception(envelope)
    )


# --- agents ---


def _agent(envelope: Envelope, said: Said) -> list[Event]:
    attributes = envelope.attributes
    system = said.system
    start = present(
        {
            "agent_type": envelope.kind.type,
            "model": attributes.text("request.model"),
            "instructions": system,
            "instructions_hash": _hash(system),
            "tools": _tools(attributes),
            "description": attributes.named("gen_ai.agent.description"),
            "workflow_name": attributes.named("traceloop.workflow.name"),
        }
    )
    usage = present(
        {
            "input_tokens": _sum(attributes, "input_tokens"),
            "output_tokens": _sum(attributes, "output_tokens"),
        }
    )
    total = attributes.number("cost.total")
    outcome = _status(envelope).lower()
    handed_to = attributes.text("handoff_to")
    end = present(
        {
            "usage": usage,
            "cost": {"total_cost": total, "currency": "USD"} if total else None,
            "output": text_in(said.answered, "assistant"),
            "error": _code(envelope) if envelope.span.is_failed else "",
            "waiting": attributes.any("waiting") is True or None,
            "handoff_to": handed_to,
            # The last of several agents ends the run, and says how.
            "run": {"outcome": outcome}
            if envelope.is_in_flow and not handed_to
            else None,
        }
    )
    return list(_ends(envelope, "AGENT", {"metadata": start}, {"metadata": end}))


def _sum(attributes: Attributes, name: str) -> int | None:
    found = attributes.count(f"sum.{name}")
    return attributes.count(f"usage.{name}") if found is None else found


def _hash(text: str) -> str:
    if not text:
        return ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[
        :_HASH_CHARS
    ]


def _tools(attributes: Attributes) -> list[str]:
    """Return the names of the tools on offer."""
    offered = attributes.tree("tool.definitions")
    if type(offered) is not list:
        offered = [
            parsed(tool["tool"].get("json_schema"))
            for tool in attributes.numbered("llm.tools")
            if type(tool) is dict and type(tool.get("tool")) is dict
        ]
    offered = offered or attributes.numbered("llm.request.functions")
    names = []
    for tool in offered:
        function = tool.get("function") if type(tool) is dict else None
        inner = function if type(function) is dict else tool
        name = inner.get("name") if type(inner) is dict else inner
        if type(name) is str and name:
            names.append(name)
    return names


# --- model calls ---


def _model(envelope: Envelope, said: Said) -> list[Event]:
    attributes = envelope.attributes
    named = attributes.text("request.model") or attributes.text("response.model")
    provider = provider_from(attributes.text("provider"))
    who = present({"provider": provider, "model": named})
    facts = {"api": _api(envelope), "turn": attributes.count("turn")}
    tokens = _tokens(attributes)
    cost, price = _cost(attributes, provider, named, tokens)
    after = present(
        {
            **facts,
            "response_model": attributes.text("response.model"),
            "dimensions": attributes.count("embeddings.dimension.count"),
            "price": attributes.text("price") or price,
        }
    )
    start = {
        **who,
        **_settings(attributes),
        "request": _request(envelope, said),
        "metadata": present(facts),
    }
    end = present(
        {
            **who,
            **tokens,
            "response": _response(envelope, said),
            "finish_reason": _finish(attributes),
            "duration_ms": milliseconds(envelope.span),
            "time_to_first_token_ms": _first_token_ms(envelope),
            "metadata": after,
        }
    )
    return list(
        _ends(
            envelope,
            "MODEL_INVOCATION",
            {"llm_invocation": present(start)},
            {
                "llm_invocation": end,
                "cost": cost,
                "response_id": attributes.text("response.id"),
            },
        )
    )


def _api(envelope: Envelope) -> str:
    if envelope.kind.type == "embeddings":
        return "embeddings"
    return envelope.attributes.text("openai.api.type")


def _request(envelope: Envelope, said: Said) -> dict[str, Any]:
    attributes = envelope.attributes
    items = said.asked
    task = envelope.kind.type
    stops = attributes.any("request.stop_sequences")
    return present(
        {
            "system": said.system,
            "system_hash": _hash(said.system),
            "input": items,
            "input_count": len(items) or None,
            "tools": _tools(attributes),
            "task": task if task in ("transcription", "speech") else "",
            "stream": attributes.any("request.stream") is True or None,
            "previous_response_id": attributes.text("request.previous_response.id"),
            "output_schema": attributes.text("output.type") == "json" or None,
            "settings": present(
                {
                    "stop_sequences": stops if type(stops) is list else None,
                    "seed": attributes.count("request.seed"),
                    "top_k": attributes.number("request.top_k"),
                    "reasoning_effort": attributes.text("request.reasoning.level"),
                }
            ),
        }
    )


def _settings(attributes: Attributes) -> dict[str, Any]:
    names = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
    made: dict[str, Any] = {
        name: attributes.number(f"request.{name}") for name in names
    }
    made["max_tokens"] = attributes.count("request.max_tokens")
    given = attributes.tree("llm.invocation_parameters")
    if type(given) is dict:
        for name, known in made.items():
            value = given.get(name)
            if known is None and type(value) in (int, float):
                made[name] = value
    return present(made)


def _tokens(attributes: Attributes) -> dict[str, int]:
    """Return the tokens of a call; each once, under however many names it stands."""
    usage = parsed(attributes.named("langfuse.observation.usage_details"))
    usage = usage if type(usage) is dict else {}
    made = {
        "prompt_tokens": attributes.count("usage.input_tokens") or usage.get("input"),
        "completion_tokens": (
            attributes.count("usage.output_tokens") or usage.get("output")
        ),
        "total_tokens": (
            attributes.count("llm.token_count.total") or usage.get("total")
        ),
        "cached_tokens": attributes.count("usage.cache_read"),
        "cache_write_tokens": attributes.count("usage.cache_write"),
        "reasoning_tokens": attributes.count("usage.reasoning"),
    }
    found = {k: v for k, v in made.items() if type(v) is int and 0 < v < 1 << 31}
    if "total_tokens" not in found and found:
        both = found.get("prompt_tokens", 0) + found.get("completion_tokens", 0)
        found["total_tokens"] = min(both, (1 << 31) - 1)
    return found


def _cost(
    attributes: Attributes, provider: str, model: str, tokens: Mapping[str, int]
) -> tuple[dict[str, Any] | None, str]:
    """Return what a call cost, as its span says or as the price list does."""
    total = attributes.number("usage.cost")
    if total is None:
        details = parsed(attributes.named("langfuse.observation.cost_details"))
        told = details.get("total") if type(details) is dict else None
        total = told if type(told) in (int, float) else None
    if total is not None and total >= 0:
        parts = {
            "input_cost": attributes.number("llm.cost.prompt"),
            "output_cost": attributes.number("llm.cost.completion"),
        }
        return {"total_cost": total, "currency": "USD", **present(parts)}, ""
    if not tokens:
        return None, ""
    for name in dict.fromkeys((model, attributes.text("response.model"))):
        listed = cost_of(
            provider,
            name,
            input_tokens=tokens.get("prompt_tokens", 0),
            output_tokens=tokens.get("completion_tokens", 0),
            cached_tokens=tokens.get("cached_tokens", 0),
            cache_write_tokens=tokens.get("cache_write_tokens", 0),
        )
        if listed:
            return listed, ""
    return None, "unknown"


def _response(envelope: Envelope, said: Said) -> dict[str, Any]:
    made = answer_in(said.answered)
    failure = _failure(envelope)
    if failure:
        made["error"] = failure
        made["error_code"] = _code(envelope)
    return present(made)


def _finish(attributes: Attributes) -> str:
    found = attributes.text("response.finish_reasons")
    inner = parsed(found)
    if type(inner) is list:
        found = inner[0] if inner and type(inner[0]) is str else ""
    if found:
        return found
    answered = attributes.tree("output.messages")
    last = answered[-1] if type(answered) is list and answered else None
    reason = last.get("finish_reason") if type(last) is dict else ""
    return reason if type(reason) is str else ""


def _first_token_ms(envelope: Envelope) -> float | None:
    attributes = envelope.attributes
    seconds = attributes.number("response.time_to_first_chunk")
    if seconds is not None:
        return round(seconds * _MS_PER_S, 3)
    told = attributes.given.get("ai.response.msToFirstChunk")
    if type(told) in (int, float):
        return told
    for event in envelope.span.events:
        if event.name in _FIRST:
            return round((event.time_ns - envelope.span.start_ns) / 1_000_000, 3)
    return None


_FIRST: Final = frozenset({"ai.stream.firstChunk", "First Token Stream Event"})


# --- tools ---


def _tool(envelope: Envelope, _said: Said) -> list[Event]:
    attributes = envelope.attributes
    name = tool_name(envelope)
    call_id = attributes.text("tool.call.id")
    is_mcp = bool(attributes.any("mcp.method.name") or attributes.any("mcp.server"))
    mode = attributes.text("transfer.mode")
    kind = attributes.text("tool.type")
    if is_mcp:
        kind = "mcp"
    elif mode == "return_to_caller":
        kind = "agent_as_tool"
    elif kind == "extension":
        kind = "hosted"
    arguments = attributes.tree("tool.call.arguments")
    call = {
        "tool_id": call_id,
        "tool_name": name,
        "arguments": _object(arguments, "input"),
        "metadata": present({"tool_type": kind, "turn": attributes.count("turn")}),
    }
    failure = _failure(envelope)
    output = attributes.tree("tool.call.result")
    answer = {
        "tool_call_id": call_id,
        "tool_name": name,
        "output": None if output is None else {"output": output},
        "error_message": failure,
        "execution_time_ms": milliseconds(envelope.span),
        "metadata": present({"waiting": attributes.any("waiting") is True or None}),
    }
    start, end = _ends(
        envelope,
        "TOOL_CALL",
        {"tool_call": present(call)},
        {"tool_response": present(answer)},
    )
    inside = _mcp_inside(envelope) if is_mcp else []
    return [start, *inside, end]


def tool_name(envelope: Envelope) -> str:
    """Return what a tool is called; without a name, as its span is."""
    bare = envelope.span.name.removeprefix("execute_tool ")
    return envelope.attributes.text("tool.name") or bare


def _object(value: Any, key: str) -> dict[str, Any] | None:
    """Return arguments as an object, as the spec has them."""
    if value is None or type(value) is dict:
        return value
    return {key: value}


# --- MCP ---


def _mcp(envelope: Envelope, _said: Said) -> list[Event]:
    call, answer = _mcp_call(envelope), _mcp_answer(envelope)
    return list(_ends(envelope, "MCP_CALL", {"mcp_call": call}, {"mcp_call": answer}))


def _mcp_inside(envelope: Envelope) -> list[Event]:
    """Return the call to a server that the span of its tool tells as well."""
    call, answer = _mcp_call(envelope), _mcp_answer(envelope)
    pair = _ends(
        envelope, "MCP_CALL", {"mcp_call": call}, {"mcp_call": answer}, side="mcp-"
    )
    for event in pair:
        event["span_id"] = envelope.span_id_of("mcp")
        event["parent_span_id"] = envelope.span.span_id
    return list(pair)


def _server(attributes: Attributes) -> str:
    given = attributes.given
    for name in ("mcp.server.name", "server.address"):
        if type(given.get(name)) is str:
            return attributes.text("mcp.server") or given[name]
    return attributes.text("mcp.server")


def _mcp_call(envelope: Envelope) -> dict[str, Any]:
    attributes = envelope.attributes
    method = attributes.text("mcp.method.name")
    arguments = attributes.tree("tool.call.arguments")
    request: dict[str, Any] = {}
    if method == "tools/call":
        request = {"name": attributes.text("tool.name"), "arguments": arguments}
    elif method == "prompts/get":
        request = {"name": attributes.text("mcp.prompt.name")}
    elif method == "resources/read":
        request = {"uri": attributes.text("mcp.resource.uri")}
    elif type(given := attributes.tree("input.value")) is dict:
        request = given
    network = attributes.text("network.transport")
    transport = {"pipe": "stdio", "tcp": "streamable_http"}.get(network, network)
    return present(
        {
            "server_name": _server(attributes),
            "server_url": _url(attributes, network),
            "operation": method or envelope.span.name.partition(" ")[0],
            "method": method,
            "request": present(request),
            "protocol_version": attributes.text("mcp.protocol.version"),
            "metadata": present({"transport": transport}),
        }
    )


def _url(attributes: Attributes, network: str) -> str:
    host = attributes.text("server.address")
    if not host or network == "pipe":
        return ""
    port = attributes.count("server.port")
    scheme = "http" if port == 80 else "https"
    is_usual = port in (None, 80, 443)
    return urlunsplit((scheme, host if is_usual else f"{host}:{port}", "", "", ""))


def _mcp_answer(envelope: Envelope) -> dict[str, Any]:
    attributes = envelope.attributes
    output = attributes.tree("tool.call.result")
    failure = _failure(envelope)
    is_tool_error = attributes.text("error.type") == "tool_error"
    code = attributes.text("rpc.response.status_code")
    call = _mcp_call(envelope)
    return present(
        {
            "server_name": call.get("server_name"),
            "operation": call.get("operation"),
            "method": call.get("method"),
            "response": _object(output, "output"),
            "protocol_version": call.get("protocol_version"),
            "execution_time_ms": milliseconds(envelope.span),
            "is_error": bool(failure) or is_tool_error or None,
            "cached": attributes.any("mcp.cached") is True or None,
            "error_message": failure,
            "metadata": present({"rpc_code": code}),
        }
    )


_PAIRS: Final[Mapping[str, Callable[[Envelope, Said], list[Event]]]] = {
    "agent": _agent,
    "model": _model,
    "tool": _tool,
    "mcp": _mcp,
}
