"""
What a model was asked and what it answered, from every form in which spans hold it.

First hit wins: attributes with JSON, events of the span, numbered attributes, what a
framework writes under names of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chaukas.sdk.sinks.otlp.mapping.messages import (
    json_text,
    last_text,
    messages_of,
)

from .attributes import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .attributes import Attributes
    from .received import Received

__all__ = ("Said", "answer_in", "said_in", "text_in", "texts_of")

_DETAILS: Final = "gen_ai.client.inference.operation.details"
_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_MOST: Final = 2048


class Said(NamedTuple):
    """Messages of a span, as items that readers of a record know."""

    asked: list[Any]
    answered: list[Any]
    system: str = ""


def said_in(span: Received, attributes: Attributes) -> Said:
    """Return the messages of a span; empty lists where it has none."""
    asked: list[Any] = []
    answered: list[Any] = []
    system = _system(attributes)
    for reader in (_in_attributes, _in_events, _in_list, _in_numbers, _in_own_names):
        if asked and answered:
            break
        found = reader(span, attributes)
        asked, answered = asked or found.asked, answered or found.answered
        system = system or found.system
    return Said(asked[-_MOST:], answered[-_MOST:], system)


def answer_in(items: list[Any]) -> dict[str, Any]:
    """Return what answering messages say, as the `response` of a model call."""
    made: dict[str, Any] = {}
    parts = [part for message in messages_of(items) for part in message["parts"]]
    for name, kind in (("text", "text"), ("reasoning", "reasoning")):
        texts = [p.get("content") for p in parts if p["type"] == kind]
        text = "\n".join(text for text in texts if type(text) is str and text)
        if text:
            made[name] = text
    calls = [
        {key: part[key] for key in ("id", "name", "arguments") if key in part}
        for part in parts
        if part["type"] == "tool_call"
    ]
    if calls:
        made["tool_calls"] = calls
    rest = [p for p in parts if p["type"] not in ("text", "reasoning", "tool_call")]
    if rest:
        made["parts"] = rest
    return made


def text_in(items: list[Any], role: str) -> str:
    """Return the last text of a role; empty if it said none."""
    return last_text(messages_of(items), role)


def texts_of(items: list[Any]) -> list[tuple[str, str]]:
    """Return role and text of each message that has a text."""
    made = []
    for message in messages_of(items):
        text = last_text([message], message["role"])
        if text:
            made.append((message["role"], text))
    return made


def _system(attributes: Attributes) -> str:
    given = parsed(attributes.any("system_instructions"))
    if type(given) is list:
        return _text_of_parts(given)
    return given if type(given) is str else ""


def _text_of_parts(parts: list[Any]) -> str:
    texts = [
        part.get("content", part.get("text")) if type(part) is dict else part
        for part in parts
    ]
    return "\n".join(text for text in texts if type(text) is str)


# --- attributes with JSON: conventions from 1.37 on, Pydantic AI, Vercel ---


def _in_attributes(_span: Received, attributes: Attributes) -> Said:
    asked = _items(attributes.tree("input.messages"))
    return Said(asked, _items(attributes.tree("output.messages")))


def _items(value: Any) -> list[Any]:
    """Return the items that messages in a list are; a text is said by the user."""
    if type(value) is str and value:
        return [{"role": "user", "content": value}]
    if type(value) is not list:
        return []
    return [item for message in value[:_MOST] for item in _items_of(message)]


def _items_of(message: Any) -> list[Any]:
    """Return a message with parts as items without: results stand alone there."""
    parts = message.get("parts") if type(message) is dict else None
    if type(parts) is not list:
        return [message]
    if not all(type(p) is dict and type(p.get("type")) is str for p in parts):
        return [message]
    role = message.get("role") if type(message.get("role")) is str else "user"
    made: list[Any] = []
    content: list[Any] = []
    calls: list[Any] = []
    for part in parts:
        kind = part["type"]
        if kind == "tool_call_response":
            item = {"role": "tool", "content": part.get("response", part.get("result"))}
            if part.get("id") is not None:
                item["tool_call_id"] = part["id"]
            made.append(item)
        elif kind == "tool_call":
            names = ("id", "name", "arguments")
            calls.append({key: part[key] for key in names if key in part})
        else:
            content.append(_content_of(part, kind))
    if content or calls:
        made.append(_item(role, content, calls, message))
    return made


def _content_of(part: dict[str, Any], kind: str) -> Any:
    if kind == "text":
        return {"type": "text", "text": part.get("content", part.get("text"))}
    if kind in ("reasoning", "thinking"):
        return {"type": "reasoning", "text": part.get("content")}
    return part


def _item(
    role: str, content: list[Any], calls: list[Any], message: Mapping[str, Any]
) -> dict[str, Any]:
    item: dict[str, Any] = {"role": role}
    only = content[0] if len(content) == 1 else None
    if only is not None and only.get("type") == "text":
        item["content"] = only["text"]
    elif content:
        item["content"] = content
    if calls:
        item["tool_calls"] = calls
    if type(message.get("name")) is str:
        item["name"] = message["name"]
    return item


# --- events: conventions up to 1.36, and Strands ---


def _in_events(span: Received, _attributes: Attributes) -> Said:
    asked: list[Any] = []
    answered: list[Any] = []
    for event in span.events:
        given = event.attributes
        if event.name == _DETAILS:
            asked += _items(parsed(given.get("gen_ai.input.messages")))
            answered += _items(parsed(given.get("gen_ai.output.messages")))
        elif event.name == _CHOICE:
            answered.append(_of_event(given, "assistant"))
        elif event.name in _ROLES:
            asked.append(_of_event(given, _ROLES[event.name]))
        elif event.name == "gen_ai.content.prompt":
            asked += _items(parsed(given.get("gen_ai.prompt")))
        elif event.name == "gen_ai.content.completion":
            answered += _items(parsed(given.get("gen_ai.completion")))
    return Said(asked, answered)


def _of_event(given: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Return a message that an event tells, whichever of its two shapes it has."""
    message = parsed(given.get("message"))
    if type(message) is dict:
        given = {**given, **message}
    said = given.get("role")
    item: dict[str, Any] = {"role": said if type(said) is str and said else role}
    content = parsed(given.get("content"))
    if content is None and type(message) is not dict:
        content = message
    if content is not None:
        item["content"] = _plain([content] if type(content) is dict else content)
    calls = parsed(given.get("tool_calls"))
    if type(calls) is list:
        item["tool_calls"] = [_call(call) for call in calls]
    if role == "tool" and type(given.get("id")) is str:
        item["tool_call_id"] = given["id"]
    return item


def _call(call: Any) -> Any:
    """Return a call to a tool, however its name and arguments stand in it."""
    if type(call) is not dict:
        return {"name": call}
    function = call.get("function")
    inner = function if type(function) is dict else call
    made = {
        "id": call.get("id"),
        "name": inner.get("name"),
        "arguments": parsed(inner.get("arguments", inner.get("input"))),
    }
    return {key: value for key, value in made.items() if value is not None}


def _plain(content: Any) -> Any:
    """Return content without the shapes that Bedrock gives it."""
    if type(content) is not list:
        return content
    made = []
    for part in content:
        if type(part) is dict and part.keys() == {"text"}:
            made.append({"type": "text", **part})
        elif type(part) is dict and type(part.get("toolUse")) is dict:
            use = part["toolUse"]
            made.append(
                {
                    "type": "tool_use",
                    "id": use.get("toolUseId"),
                    "name": use.get("name"),
                    "input": use.get("input"),
                }
            )
        elif type(part) is dict and type(part.get("toolResult")) is dict:
            result = part["toolResult"]
            made.append(
                {
                    "type": "tool_result",
                    "tool_use_id": result.get("toolUseId"),
                    "content": _plain(result.get("content")),
                }
            )
        else:
            made.append(part)
    return made


# --- Pydantic AI before its third format: events as one attribute ---


def _in_list(_span: Received, attributes: Attributes) -> Said:
    given = attributes.given
    events = parsed(given.get("events") or given.get("all_messages_events"))
    if type(events) is not list:
        return Said([], [])
    asked: list[Any] = []
    answered: list[Any] = []
    for event in events[:_MOST]:
        if type(event) is not dict:
            continue
        name = event.get("event.name")
        if name == _CHOICE:
            answered.append(_of_event(event, "assistant"))
        elif type(name) is str and name in _ROLES:
            asked.append(_of_event(event, _ROLES[name]))
    return Said(asked, answered)


# --- numbered attributes: OpenInference, Traceloop ---


def _in_numbers(_span: Received, attributes: Attributes) -> Said:
    asked = [_of_openinference(m) for m in attributes.numbered("llm.input_messages")]
    answered = [
        _of_openinference(m) for m in attributes.numbered("llm.output_messages")
    ]
    if asked or answered:
        return Said(asked, answered)
    for given, got in _PROMPTS:
        asked = [_of_traceloop(m, "user") for m in attributes.numbered(given)]
        answered = [_of_traceloop(m, "assistant") for m in attributes.numbered(got)]
        if asked or answered:
            return Said(asked, answered)
    return Said([], [])


_PROMPTS: Final = (
    ("gen_ai.prompt", "gen_ai.completion"),
    ("llm.prompts", "llm.completions"),
)


def _of_openinference(entry: Any) -> dict[str, Any]:
    message = entry.get("message") if type(entry) is dict else None
    message = message if type(message) is dict else {}
    role = message.get("role")
    item: dict[str, Any] = {"role": role if type(role) is str else "user"}
    contents = message.get("contents")
    if "content" in message:
        item["content"] = message["content"]
    elif type(contents) is list:
        item["content"] = [_of_content(each) for each in contents]
    calls = message.get("tool_calls")
    if type(calls) is list:
        item["tool_calls"] = [
            _call(each.get("tool_call") if type(each) is dict else each)
            for each in calls
        ]
    for name in ("name", "tool_call_id"):
        if type(message.get(name)) is str and message[name]:
            item[name] = message[name]
    return item


def _of_content(entry: Any) -> dict[str, Any]:
    content = entry.get("message_content") if type(entry) is dict else None
    content = content if type(content) is dict else {}
    image = content.get("image")
    inner = image.get("image") if type(image) is dict else None
    if type(inner) is dict:
        return {"type": "image_url", "image_url": inner.get("url")}
    kind = content.get("type")
    return {
        "type": kind if kind in ("text", "reasoning") else "text",
        "text": content.get("text"),
    }


def _of_traceloop(entry: Any, role: str) -> dict[str, Any]:
    message = entry if type(entry) is dict else {"content": entry}
    said = message.get("role", message.get("user"))
    item: dict[str, Any] = {"role": said if type(said) is str and said else role}
    if message.get("content") is not None:
        item["content"] = _plain(parsed(message["content"]))
    calls = message.get("tool_calls")
    if type(calls) is list:
        item["tool_calls"] = [_call(each) for each in calls]
    if type(message.get("tool_call_id")) is str:
        item["tool_call_id"] = message["tool_call_id"]
    return item


# --- names of one framework: ADK, Vercel's answers, LangSmith, Langfuse ---


def _in_own_names(_span: Received, attributes: Attributes) -> Said:
    request = parsed(attributes.named("gcp.vertex.agent.llm_request"))
    if type(request) is dict:
        response = attributes.named("gcp.vertex.agent.llm_response")
        return _of_adk(request, parsed(response))
    request = parsed(attributes.named("request_data"))
    if type(request) is dict:
        return _of_logfire(request, parsed(attributes.named("response_data")))
    given = _unwrapped(attributes.tree("input.value"))
    asked = _items(given) or ([] if given is None else _items(json_text(given)))
    answered = _of_vercel(attributes)
    got = _unwrapped(attributes.tree("output.value"))
    if got is not None and not answered:
        answered = [{"role": "assistant", **_as_message(got)}]
    return Said(asked, answered)


def _of_adk(request: dict[str, Any], response: Any) -> Said:
    contents = request.get("contents")
    config = request.get("config")
    system = config.get("system_instruction") if type(config) is dict else ""
    content = response.get("content") if type(response) is dict else None
    return Said(
        contents if type(contents) is list else [],
        [content] if type(content) is dict else [],
        system if type(system) is str else "",
    )


def _of_logfire(request: dict[str, Any], response: Any) -> Said:
    response = response if type(response) is dict else {}
    message = response.get("message")
    text = response.get("combined_chunk_content")
    if type(message) is not dict and type(text) is str:
        message = {"role": "assistant", "content": text}
    answered = [message] if type(message) is dict else []
    system = request.get("system") or request.get("instructions")
    return Said(
        _items(request.get("messages", request.get("input"))),
        answered,
        system if type(system) is str else "",
    )


def _of_vercel(attributes: Attributes) -> list[Any]:
    text = attributes.named("ai.response.text")
    calls = parsed(attributes.named("ai.response.toolCalls"))
    if not text and type(calls) is not list:
        return []
    item: dict[str, Any] = {"role": "assistant"}
    if text:
        item["content"] = text
    if type(calls) is list:
        item["tool_calls"] = [
            {
                "id": call.get("toolCallId"),
                "name": call.get("toolName"),
                "arguments": parsed(call.get("args", call.get("input"))),
            }
            for call in calls
            if type(call) is dict
        ]
    return [item]


def _unwrapped(value: Any) -> Any:
    """Return the messages inside what a framework was given or gave as a whole."""
    for _ in range(3):
        inner = (
            value.get("messages", value.get("prompt")) if _is_object(value) else None
        )
        if type(inner) is list or type(inner) is str:
            value = inner
        elif type(value) is list and len(value) == 1 and type(value[0]) is list:
            value = value[0]
        else:
            break
    return value


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _as_message(got: Any) -> dict[str, Any]:
    if type(got) is dict and ("content" in got or "tool_calls" in got):
        return {key: got[key] for key in ("content", "tool_calls") if key in got}
    return {"content": got if type(got) is str else json_text(got)}
