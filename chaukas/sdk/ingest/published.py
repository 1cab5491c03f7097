"""
The JSON of the published OpenAPI, which is another one than that of docs/EVENTS.md.

Enum values stand there without their prefix, and the content under one key with its
kind beside the fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("as_published", "from_published")

_PREFIXES: Final = {
    "type": "EVENT_TYPE_",
    "status": "EVENT_STATUS_",
    "severity": "SEVERITY_",
    "author": "AUTHOR_",
}
_FIELDS: Final = {
    "message": "message",
    "tool_call": "tool_call",
    "tool_response": "tool_response",
    "llm_invocation": "llm_invocation",
    "policy_decision": "policy",
    "data_access": "data_access",
    "error_info": "error",
    "agent_handoff": "agent_handoff",
    "mcp_call": "mcp_call",
}
"""Fields of an event by the kind of content."""
_KINDS: Final = {field: kind for kind, field in _FIELDS.items()}


def from_published(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the form of docs/EVENTS.md; itself if it has that form."""
    changed: dict[str, Any] = {}
    for name, prefix in _PREFIXES.items():
        value = event.get(name)
        if type(value) is str and value and not value.startswith(prefix):
            changed[name] = prefix + value
    content = event.get("content")
    kind = content.get("kind") if type(content) is dict else None
    field = _FIELDS.get(kind) if type(kind) is str else None
    if field is not None and type(content) is dict and field not in event:
        changed[field] = {k: v for k, v in content.items() if k != "kind"}
    if not changed:
        return event
    made = {**event, **changed}
    if field is not None:
        del made["content"]
    return made


def as_published(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event in the form of the published OpenAPI."""
    made: dict[str, Any] = {}
    for name, value in event.items():
        prefix = _PREFIXES.get(name)
        if prefix is not None and type(value) is str:
            made[name] = value.removeprefix(prefix)
        elif name in _KINDS and type(value) is dict:
            made["content"] = {"kind": _KINDS[name], **value}
        else:
            made[name] = value
    return made
