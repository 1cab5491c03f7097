"""
Read the objects of the Agents SDK: what an event needs, as plain data.

Pure: no I/O, no context, nothing kept. Objects of the SDK and of openai are read by
attribute; whatever the application brought is left to the snapshot.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from chaukas.sdk.integrations.openai_agents.mcp.facts import server_names
from chaukas.sdk.integrations.shared.model_facts import hash_of
from chaukas.sdk.integrations.shared.openai_api.providers import COMPATIBLE, provider_at
from chaukas.sdk.integrations.shared.openai_api.responses import (
    finish_reason_of,
    response_facts,
)
from chaukas.sdk.integrations.shared.read import is_blank, read_text, text_of
from chaukas.sdk.integrations.shared.read import parsed as arguments_of
from chaukas.sdk.record.context import AgentRef

__all__ = [
    "agent_facts",
    "agent_ref",
    "arguments_of",
    "bound",
    "finish_reason_of",
    "model_name_of",
    "new_user_items",
    "prompt_of",
    "provider_of",
    "response_facts",
    "role_of",
    "text_of",
    "tool_names",
]

SCHEMA_CLASS = ("agents.agent_output", "AgentOutputSchema")
"""Module and name of the only schema class whose methods are called."""
_PARAMETERS = (
    "system_instructions",
    "input",
    "model_settings",
    "tools",
    "output_schema",
    "handoffs",
    "tracing",
)
_MADE_BY_MODEL = frozenset(
    {
        "reasoning",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "function_call_output",
        "computer_call_output",
        "custom_tool_call_output",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "file_search_call",
        "web_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "compaction",
    }
)


def bound(args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a `Model` method by name; it is called both ways."""
    return {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}


def agent_ref(agent: Any) -> AgentRef:
    """Return how events name *agent*."""
    name = read_text(agent, "name") or "agent"
    return AgentRef(name[:256], name[:256])


def model_name_of(model: Any) -> str:
    """Return the name of a model that is given by name or as an object."""
    if model is None:
        return ""
    if type(model) is str:
        return model
    return read_text(model, "model") or type(model).__name__


def provider_of(model: Any) -> str:
    """
    Return who serves *model*.

    `openai`, `azure`, another host, `openai_compatible` for an address without a
    name, the prefix of a routed name, or the class of a custom model.
    """
    host = ""
    with suppress(AttributeError):
        # The SDK's own name: its models have no public one for their client.
        host = model._client.base_url.host  # noqa: SLF001
    if type(host) is str and host:
        return provider_at(host)
    name = read_text(model, "model")
    if "/" in name:
        base_url = getattr(model, "base_url", None)
        return _routed_provider(name.partition("/")[0], base_url)
    return type(model).__name__


def _routed_provider(prefix: str, base_url: Any) -> str:
    """Return who serves a routed name: not OpenAI, at an address that is not its."""
    host = urlsplit(base_url).hostname if type(base_url) is str else None
    if not host:
        return prefix
    provider = provider_at(host)
    return provider if provider == COMPATIBLE or prefix == "openai" else prefix


def tool_names(tools: Any) -> list[str]:
    """Return the names of *tools*, the class name for a tool without one."""
    if type(tools) is not list:
        return []
    names = []
    for tool in tools[:128]:
        # Without a call for each: it is read for every model call.
        name = getattr(tool, "name", None)
        names.append(name if type(name) is str and name else type(tool).__name__)
    return names


def _handoff_names(handoffs: Any) -> list[str]:
    if type(handoffs) is not list:
        return []
    return [read_text(item, "agent_name", "name") for item in handoffs[:128]]


def agent_facts(agent: Any, run_config: Any) -> dict[str, Any]:
    """
    Return what AGENT_START says of *agent*; `instructions` still uncaptured.

    Dynamic instructions are a function of the application: not called here, the
    model call shows what they gave.
    """
    instructions = getattr(agent, "instructions", None)
    model = getattr(run_config, "model", None)
    model = getattr(agent, "model", None) if is_blank(model) else model
    output_type = getattr(agent, "output_type", None)
    facts: dict[str, Any] = {}
    name = model_name_of(model)
    if name:
        facts["model"] = name
    if type(instructions) is str:
        facts["instructions"] = instructions
        facts["instructions_hash"] = hash_of(instructions)
    elif instructions is not None:
        facts["instructions_dynamic"] = True
    tools = tool_names(getattr(agent, "tools", None))
    if tools:
        facts["tools"] = tools
    handoffs = _handoff_names(getattr(agent, "handoffs", None))
    if handoffs:
        facts["handoffs"] = handoffs
    if output_type is not None:
        facts["output_type"] = _type_name(output_type)
    servers = server_names(getattr(agent, "mcp_servers", None))
    if servers:
        facts["mcp_servers"] = servers
    return facts


def _type_name(output_type: Any) -> str:
    if isinstance(output_type, type):
        return output_type.__name__
    cls = type(output_type)
    # A schema class of the application would be a stranger's code.
    is_own = (cls.__module__, cls.__name__) == SCHEMA_CLASS
    return text_of(output_type.name()) if is_own else cls.__name__


def prompt_of(prompt: Any) -> Any:
    """Return what is set of a prompt; the SDK passes the rest as None."""
    if type(prompt) is not dict:
        return prompt
    return {name: value for name, value in prompt.items() if value is not None}


def role_of(item: Any) -> str:
    """Return the role of an input item, or an empty text."""
    return text_of(item.get("role")) if type(item) is dict else ""


def _is_history(item: Any) -> bool:
    """Tell whether a model or a tool made *item*: what came before it is history."""
    if type(item) is not dict:
        return False
    return item.get("role") == "assistant" or item.get("type") in _MADE_BY_MODEL


def new_user_items(given: Any) -> list[Any]:
    """
    Return the user's items of a run's input that are new.

    A list may repeat a whole conversation: only what stands behind the last item
    of a model or a tool is new.
    """
    if type(given) is str:
        return [given]
    if type(given) is not list:
        return []
    fresh: list[Any] = []
    for item in reversed(given):
        if _is_history(item):
            break
        if role_of(item) == "user":
            fresh.append(item)
    fresh.reverse()
    return fresh
