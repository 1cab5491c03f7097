"""
Messages as the conventions want them, from the items that models were really sent.

An item may be of any API: OpenAI Responses and Chat Completions, Anthropic blocks,
Gemini parts. What is none of these stays what it is, as a part of another type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from .conversation import MISSING
from .values import finish_reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Message",
    "answer_message",
    "flattened",
    "json_text",
    "last_text",
    "messages_of",
    "parts_of_text",
]

Message = dict[str, Any]
"""`role`, `parts`, and of an answer `finish_reason`."""

_ROLES: Final = {
    "developer": "system",
    "model": "assistant",
    "ai": "assistant",
    "human": "user",
    "function": "tool",
}
_KNOWN_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})
_TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text"})
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})


def messages_of(items: Iterable[Any]) -> list[Message]:
    """Return the messages that items of an input are, neighbours of a role joined."""
    made: list[Message] = []
    for item in items:
        for message in _messages_of_item(item):
            # A call beside the text before it is one answer of the model.
            is_same = made and made[-1]["role"] == message["role"] == "assistant"
            if is_same:
                made[-1]["parts"] += message["parts"]
            else:
                made.append(message)
    return made


def answer_message(
    response: dict[str, Any], finish_reason: str, *, is_failed: bool
) -> Message | None:
    """Return the message of a model's answer; None if it gave none."""
    parts: list[dict[str, Any]] = []
    reasoning = response.get("reasoning")
    if reasoning:
        parts.append({"type": "reasoning", "content": _text_of(reasoning)})
    said = [response[name] for name in ("text", "refusal") if response.get(name)]
    parts += [{"type": "text", "content": _text_of(each)} for each in said]
    calls = response.get("tool_calls")
    has_calls = type(calls) is list and bool(calls)
    for call in calls if type(calls) is list else ():
        if type(call) is dict:
            arguments = call.get("arguments")
            parts.append(_call_part(call.get("id"), call.get("name"), arguments))
    if not parts:
        return None
    reason = finish_reason_of(finish_reason, has_calls=has_calls, is_failed=is_failed)
    if response.get("refusal"):
        reason = "content_filter"
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def parts_of_text(text: str) -> list[dict[str, Any]]:
    """Return a text as parts."""
    return [{"type": "text", "content": text}]


def last_text(messages: list[Message], role: str) -> str:
    """Return the last text of a role; empty if it said none."""
    for message in reversed(messages):
        if message["role"] != role:
            continue
        texts = [part["content"] for part in message["parts"] if part["type"] == "text"]
        if texts:
            return "\n".join(texts)
    return ""


def json_text(value: Any) -> str:
    """Return a JSON value as text."""
    return orjson.dumps(value).decode()


def flattened(messages: list[Message], prefix: str) -> dict[str, str]:
    """Return messages as OpenInference has them, one attribute for each fact."""
    made: dict[str, str] = {}
    index = 0
    for message in messages:
        at = f"{prefix}.{index}.message"
        results = [p for p in message["parts"] if p["type"] == "tool_call_response"]
        if results and message["role"] == "tool":
            # There each result is a message of its own.
            for part in results:
                at = f"{prefix}.{index}.message"
                made[f"{at}.role"] = "tool"
                made[f"{at}.tool_call_id"] = str(part.get("id") or "")
                made[f"{at}.content"] = _text_of(part.get("response"))
                index += 1
            continue
        made[f"{at}.role"] = message["role"]
        _flatten_parts(message["parts"], at, made)
        index += 1
    return made


def _flatten_parts(parts: list[dict[str, Any]], at: str, made: dict[str, str]) -> None:
    texts = [part["content"] for part in parts if part["type"] == "text"]
    others = [p for p in parts if p["type"] not in ("text", "tool_call")]
    if not others and len(texts) == 1:
        made[f"{at}.content"] = texts[0]
    else:
        for index, part in enumerate(p for p in parts if p["type"] != "tool_call"):
            to = f"{at}.contents.{index}.message_content"
            kind = part["type"]
            made[f"{to}.type"] = "image" if part.get("modality") == "image" else "text"
            if kind == "reasoning":
                made[f"{to}.type"] = "reasoning"
            text = part.get("content")
            if part.get("modality") == "image":
                made[f"{to}.image.image.url"] = str(part.get("uri") or "")
            else:
                made[f"{to}.text"] = text if type(text) is str else json_text(part)
    calls = [part for part in parts if part["type"] == "tool_call"]
    for index, part in enumerate(calls):
        to = f"{at}.tool_calls.{index}.tool_call"
        made[f"{to}.id"] = str(part.get("id") or "")
        made[f"{to}.function.name"] = str(part.get("name") or "")
        made[f"{to}.function.arguments"] = json_text(part.get("arguments"))


# PLR0911: one answer for each form that an item can have.
def _messages_of_item(item: Any) -> list[Message]:  # noqa: PLR0911
    if type(item) is str:
        return [{"role": "user", "parts": parts_of_text(item)}]
    if type(item) is not dict:
        return [{"role": "user", "parts": [_other(item)]}]
    kind = item.get("type")
    if kind == MISSING:
        count = item.get("count", 1)
        text = f"<{count} items left out: see the record>"
        return [{"role": "user", "parts": parts_of_text(text)}]
    if kind in _CALLS:
        given = item.get("arguments", item.get("input"))
        part = _call_part(item.get("call_id"), item.get("name"), given)
        return [{"role": "assistant", "parts": [part]}]
    if kind in _RESULTS:
        part = _result_part(item.get("call_id"), item.get("output"))
        return [{"role": "tool", "parts": [part]}]
    if kind == "reasoning":
        texts = _text_of(item.get("summary") or item.get("content") or "")
        part = {"type": "reasoning", "content": texts}
        return [{"role": "assistant", "parts": [part]}]
    if "role" in item:
        return _message_of_role(item)
    if type(kind) is str and kind.endswith("_call"):
        return [{"role": "assistant", "parts": _server_call(item, kind)}]
    return [{"role": "user", "parts": [_part_of(item)]}]


def _message_of_role(item: dict[str, Any]) -> list[Message]:
    role = _ROLES.get(str(item["role"]), str(item["role"]))
    role = role if role in _KNOWN_ROLES else "user"
    content = item.get("content", item.get("parts"))
    if role == "tool" and type(content) is not list:
        part = _result_part(item.get("tool_call_id"), content)
        return [{"role": "tool", "parts": [part]}]
    parts = _parts_of(content)
    calls = item.get("tool_calls")
    for call in calls if type(calls) is list else ():
        function = call.get("function") if type(call) is dict else None
        if type(function) is dict:
            name, given = function.get("name"), function.get("arguments")
            parts.append(_call_part(call.get("id"), name, given))
        elif type(call) is dict:
            given = call.get("arguments", call.get("args"))
            parts.append(_call_part(call.get("id"), call.get("name"), given))
    results = [part for part in parts if part["type"] == "tool_call_response"]
    rest = [part for part in parts if part["type"] != "tool_call_response"]
    made: list[Message] = []
    if results:
        # Some APIs put the results of tools into a message of the user's.
        made.append({"role": "tool", "parts": results})
    if rest or not results:
        made.append({"role": role, "parts": rest})
    if item.get("name") and made and type(item["name"]) is str:
        made[-1]["name"] = item["name"]
    return made


def _parts_of(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    if type(content) is str:
        return parts_of_text(content)
    if type(content) is not list:
        return [_other(content)]
    return [_part_of(part) for part in content]


# PLR0911: one answer for each form that a part can have.
def _part_of(part: Any) -> dict[str, Any]:  # noqa: PLR0911
    if type(part) is str:
        return {"type": "text", "content": part}
    if type(part) is not dict:
        return _other(part)
    kind = part.get("type")
    if kind in _TEXTS or (kind is None and type(part.get("text")) is str):
        return {"type": "text", "content": _text_of(part.get("text"))}
    if kind == "refusal":
        return {"type": "text", "content": _text_of(part.get("refusal"))}
    if kind in ("thinking", "reasoning"):
        text = part.get("thinking", part.get("text"))
        return {"type": "reasoning", "content": _text_of(text)}
    if kind == "tool_use":
        return _call_part(part.get("id"), part.get("name"), part.get("input"))
    if kind == "tool_result":
        return _result_part(part.get("tool_use_id"), part.get("content"))
    if type(call := part.get("function_call")) is dict:
        return _call_part(call.get("id"), call.get("name"), call.get("args"))
    if type(answer := part.get("function_response")) is dict:
        return _result_part(answer.get("id"), answer.get("response"))
    return _medium(part, kind)


def _medium(part: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Return a part that is no text: images, files and audio by reference only."""
    if kind in ("input_image", "image_url", "image"):
        url = part.get("image_url", part.get("url"))
        url = url.get("url") if type(url) is dict else url
        made = {"modality": "image", "mime_type": "image/*"}
        if type(url) is str and url.startswith(("http://", "https://")):
            return {"type": "uri", **made, "uri": url}
        if part.get("file_id"):
            return {"type": "file", **made, "file_id": str(part["file_id"])}
        # The bytes are not recorded; what is there instead says how many.
        return {"type": "blob", **made, "content": "", "chaukas.bytes": _text_of(url)}
    if kind == "input_file" and part.get("file_id"):
        file_id = str(part["file_id"])
        return {"type": "file", "modality": "document", "file_id": file_id}
    if kind == "input_audio":
        about = _text_of(part.get("input_audio"))
        made = {"modality": "audio", "content": "", "chaukas.bytes": about}
        return {"type": "blob", "mime_type": "audio/*", **made}
    return _other(part)


def _server_call(item: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return a call that the provider made and answered itself."""
    name = kind.removesuffix("_call")
    rest = {k: v for k, v in item.items() if k not in ("id", "type", "status")}
    item_id = _text_of(item.get("id") or "")
    return [
        {
            "type": "server_tool_call",
            "id": item_id,
            "name": name,
            "server_tool_call": {"type": name, **rest},
        },
        {
            "type": "server_tool_call_response",
            "id": item_id,
            "server_tool_call_response": {"type": name, "status": item.get("status")},
        },
    ]


def _call_part(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    given = arguments
    if type(arguments) is str:
        try:
            given = orjson.loads(arguments)
        except ValueError:
            given = None
        if type(given) is not dict:
            given = {"input": arguments} if arguments else {}
    part: dict[str, Any] = {"type": "tool_call", "name": _text_of(name or "")}
    part["arguments"] = {} if given is None else given
    if call_id:
        part["id"] = _text_of(call_id)
    return part


def _result_part(call_id: Any, response: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "tool_call_response", "response": response}
    if call_id:
        part["id"] = _text_of(call_id)
    return part


def _other(value: Any) -> dict[str, Any]:
    """Return what is of no known form, whole, as a part of its own type."""
    if type(value) is dict:
        kind = value.get("type")
        rest = {name: each for name, each in value.items() if name != "type"}
        return {"type": kind if type(kind) is str else "generic", **rest}
    return {"type": "generic", "value": value}


def _text_of(value: Any) -> str:
    """Return text as it is, a list of text parts joined, and all else as JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) is list and value:
        texts = [part.get("text") if type(part) is dict else part for part in value]
        joined = [text for text in texts if type(text) is str]
        if len(joined) == len(value):
            return "\n".join(joined)
    return json_text(value)
