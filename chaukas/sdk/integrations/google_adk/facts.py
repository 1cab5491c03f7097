"""
Read ADK's agents, contents, events and sessions, as they hold what they are.

Pure. Fields are read from what an object holds itself: no property of ADK or of the
application runs, since some build clients or ask servers.
"""

from __future__ import annotations

import hashlib
import uuid
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.model_facts import hash_of
from chaukas.sdk.integrations.shared.read import is_set, list_of, text_of
from chaukas.sdk.record.context import AgentRef
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.introspect import (
    attributes_of,
    bare_name_of,
    class_name_of,
    dict_of,
    is_class,
    mro_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "agent_facts",
    "answers_in",
    "field",
    "is_final",
    "is_own",
    "message_of",
    "model_name_of",
    "name_of_callable",
    "parts_of",
    "ref_of",
    "session_id_of",
    "text_in",
    "trace_id_of",
    "value_of",
]

_TYPES = {
    "SequentialAgent": "sequential",
    "ParallelAgent": "parallel",
    "LoopAgent": "loop",
    "RemoteA2aAgent": "remote",
    "Workflow": "workflow",
}
_TRACE_BYTES = 16
_UUID_CHARS = 36
_MEDIA = ("inline_data", "file_data")
_STRUCTURED = ("executable_code", "code_execution_result", "video_metadata")
_held = object.__getattribute__


# It is asked for each piece of a stream: written out, without a call in it.
def field(holder: Any, *names: str) -> Any:
    """Return what *holder* holds under the last of *names*, by way of the others."""
    for name in names:
        try:
            held = _held(holder, "__dict__")
        except AttributeError:
            return None
        holder = held.get(name) if type(held) is dict else None
    return holder


def value_of(member: Any) -> str:
    """Return the text behind a member of an enumeration, or a text itself."""
    if member is None or type(member) is str:
        return member or ""
    value = attributes_of(member).get("_value_")
    return value if type(value) is str else ""


def is_own(cls: type) -> bool:
    """Tell whether a class is ADK's own, and runs none of the application's code."""
    module = cls.__module__
    return type(module) is str and module.startswith("google.adk.")


def name_of_callable(value: Any) -> str:
    """Return the name of a function or class that an application gave."""
    if type(value) is MethodType:
        value = value.__func__
    if type(value) is FunctionType:
        return value.__qualname__
    return bare_name_of(value) if is_class(value) else class_name_of(value)


def is_final(event: Any) -> bool:
    """Tell whether an event is an answer, by ADK's own judgement."""
    for cls in mro_of(type(event)):
        judge = dict_of(cls).get("is_final_response") if is_own(cls) else None
        if judge is not None:
            return judge(event) is True
    return False


# --- agents --------------------------------------------------------------------------


def ref_of(agent: Any) -> AgentRef:
    """Return how events name an agent."""
    name = text_of(field(agent, "name"))
    return AgentRef(name, name)


def agent_facts(agent: Any) -> dict[str, Any]:
    """Return what AGENT_START says of an agent; `instructions` uncaptured."""
    held = attributes_of(agent)
    instruction = held.get("instruction")
    schema = held.get("output_schema")
    facts: dict[str, Any] = {
        "agent_type": _type_of(agent),
        "description": text_of(held.get("description")),
        "model": model_name_of(held.get("model")),
        "tools": [_tool_name(tool) for tool in list_of(held.get("tools"))],
        "sub_agents": [ref_of(sub).name for sub in list_of(held.get("sub_agents"))],
        "mode": value_of(held.get("mode")),
        "output_type": "" if schema is None else name_of_callable(schema),
        "output_key": text_of(held.get("output_key")),
        "planner": _class_or_nothing(held.get("planner")),
        "code_executor": _class_or_nothing(held.get("code_executor")),
    }
    if type(instruction) is str and instruction:
        facts |= {
            "instructions": instruction,
            "instructions_hash": hash_of(instruction),
        }
    elif instruction is not None and type(instruction) is not str:
        facts["instructions_by"] = name_of_callable(instruction)
    return without_defaults(facts)


def _type_of(agent: Any) -> str:
    names = [bare_name_of(cls) for cls in mro_of(type(agent))]
    if "LlmAgent" in names:
        return ""
    known = (_TYPES[name] for name in names if name in _TYPES)
    return next(known, names[0])


def _class_or_nothing(value: Any) -> str:
    return "" if value is None else class_name_of(value)


def _tool_name(tool: Any) -> str:
    if type(tool) in (FunctionType, MethodType):
        return name_of_callable(tool).rpartition(".")[2]
    return text_of(field(tool, "name")) or class_name_of(tool)


def model_name_of(model: Any) -> str:
    """Return the name of a model, given as a text or as an object."""
    return text_of(model) or text_of(field(model, "model"))


# --- contents ------------------------------------------------------------------------


# As often as `field`, and likewise without a call in it.
def parts_of(content: Any) -> list[Any]:
    """Return the parts of a content, event or response that has one."""
    parts = None
    try:
        held = _held(content, "__dict__")
        inner = held.get("content") if type(held) is dict else None
        if inner is not None:
            held = _held(inner, "__dict__")
        parts = held.get("parts") if type(held) is dict else None
    except AttributeError:
        return []
    return parts if type(parts) is list else []


def text_in(content: Any, *, thoughts: bool = False) -> str:
    """Return the text of a content, or the thoughts in it, put together."""
    texts = []
    for part in parts_of(content):
        held = attributes_of(part)
        text = held.get("text")
        if type(text) is str and (held.get("thought") is True) is thoughts:
            texts.append(text)
    return "".join(texts)


def message_of(content: Any) -> dict[str, Any]:
    """Return a content as plain data; of media its type and size alone."""
    parts = [_part(attributes_of(part)) for part in parts_of(content)]
    return {"role": text_of(field(content, "role")), "parts": parts}


def _part(held: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if held.get("text") is not None:
        shown["text"] = text_of(held["text"])
        if held.get("thought") is True:
            shown["thought"] = True
    for kind, payload in (("function_call", "args"), ("function_response", "response")):
        if held.get(kind) is not None:
            call = attributes_of(held[kind])
            names = ("id", "name", payload)
            shown[kind] = {name: call[name] for name in names if is_set(call.get(name))}
    for kind in _MEDIA:
        if held.get(kind) is not None:
            shown[kind] = _media(attributes_of(held[kind]))
    for kind in _STRUCTURED:
        if held.get(kind) is not None:
            values = attributes_of(held[kind]).items()
            shown[kind] = {
                name: value_of(value) for name, value in values if value_of(value)
            }
    return shown


def _media(held: dict[str, Any]) -> dict[str, Any]:
    data = held.get("data")
    return without_defaults(
        {
            "mime_type": text_of(held.get("mime_type")),
            "display_name": text_of(held.get("display_name")),
            "file_uri": text_of(held.get("file_uri")),
            "size_bytes": len(data) if type(data) is bytes else 0,
        }
    )


def answers_in(content: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield name, id and response of each function response in a message."""
    for part in parts_of(content):
        response = field(part, "function_response")
        if response is not None:
            held = attributes_of(response)
            name, call_id = text_of(held.get("name")), text_of(held.get("id"))
            yield name, call_id, held.get("response")


# --- sessions ------------------------------------------------------------------------


def session_id_of(app_name: str, user_id: str, session_id: str) -> str:
    """
    Return the session's id in the record.

    ADK's own ids are UUIDs; what an application names is unique for its user alone.
    """
    if len(session_id) == _UUID_CHARS:
        try:
            return str(uuid.UUID(session_id)) and session_id
        except ValueError:
            pass
    names = (app_name, user_id, session_id)
    return "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)


def trace_id_of(invocation_id: str) -> str:
    """Return the trace of an invocation, which may go on in another process."""
    if not invocation_id:
        return ""
    try:
        return uuid.UUID(invocation_id.removeprefix("e-")).hex
    except ValueError:
        data = invocation_id.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=_TRACE_BYTES).hexdigest()
