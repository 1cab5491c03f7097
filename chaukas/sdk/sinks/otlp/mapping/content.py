"""
Puts attributes of a span in place: facts by their names, and content within bounds.

Content is what people read first in any backend, so each span has it in the three
forms that are read: messages, flat messages of OpenInference, and one plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .join import Joined, kind_of, time_ns_of
from .messages import (
    Message,
    answer_message,
    flattened,
    json_text,
    last_text,
    messages_of,
    parts_of_text,
)
from .span import Attribute, SpanEvent

if TYPE_CHECKING:
    from .names import Flavour, Names, Version

__all__ = [
    "CHARS",
    "Builder",
    "put_arguments",
    "put_messages",
    "put_model_messages",
    "put_result",
    "put_values",
    "shortened",
]

CHARS: Final = 64 * 1024
"""Most characters of one attribute that is a plain text."""
_MESSAGES_CHARS: Final = 256 * 1024
_DOCUMENTS: Final = 64
_FLAT_MESSAGES: Final = 128
_CUT: Final = "…<+{} chars>…"
_LEAST_CHARS: Final = 128


class Builder:
    """
    Collects the attributes of one span.

    Args:
        names: For each fact the attributes to write.
        version: Version of the conventions.
        flavour: Which families of attributes are written.
    """

    __slots__ = ("_names", "attributes", "events", "flavour", "version")

    def __init__(self, names: Names, version: Version, flavour: Flavour) -> None:
        self._names = names
        self.version = version
        self.flavour = flavour
        self.attributes: dict[str, Attribute] = {}
        self.events: list[SpanEvent] = []
        """Messages, in the version that has them as events."""

    def put(self, fact: str, value: Any) -> None:
        """Write a fact under all its names; None, and what is empty, is left out."""
        if value is None or value in ("", []):
            return
        for name in self._names[fact]:
            self.attributes[name] = shortened(value) if type(value) is str else value

    def put_genai(self, fact: str, value: str) -> None:
        """Write a fact under the names of the conventions only."""
        for name in self._names[fact]:
            if name.startswith("gen_ai."):
                self.attributes[name] = value

    def put_inference(self, name: str, value: str) -> None:
        """Write an attribute of OpenInference that differs from the conventions'."""
        if self.flavour != "genai":
            self.attributes[name] = value

    def put_system(self, text: str) -> None:
        """Write what an agent or a model is told apart from the conversation."""
        self.put("system_instructions", json_text(parts_of_text(shortened(text))))

    def put_tools(self, tools: list[str]) -> None:
        """Write the tools on offer, by their names."""
        offered = [{"type": "function", "name": name} for name in tools]
        if offered:
            self.put("tool.definitions", json_text(offered))
        if self.flavour != "genai":
            for index, tool in enumerate(offered):
                schema = json_text({"type": "function", "function": tool})
                self.attributes[f"llm.tools.{index}.tool.json_schema"] = schema

    def put_documents(self, documents: list[dict[str, Any]]) -> None:
        """Write what was retrieved, as OpenInference has it."""
        if self.flavour == "genai":
            return
        for index, document in enumerate(documents[:_DOCUMENTS]):
            at = f"retrieval.documents.{index}.document"
            self.attributes[f"{at}.id"] = document["id"]
            if "score" in document:
                self.attributes[f"{at}.score"] = float(document["score"])

    def put_conversation(self, messages: list[Message], side: str) -> None:
        """
        Write messages in every form that is asked for.

        Args:
            messages: The messages; their texts may be shortened here.
            side: `input` or `output`.
        """
        if not messages:
            return
        text = _bounded(messages)
        self.put(f"{side}.messages", text)
        if self.flavour != "genai":
            flat = flattened(messages[-_FLAT_MESSAGES:], f"llm.{side}_messages")
            self.attributes.update(flat)


def shortened(text: str, chars: int = CHARS) -> str:
    """Return a text without its middle if it is long."""
    if len(text) <= chars:
        return text
    half = max(1, chars // 2)
    return text[:half] + _CUT.format(len(text) - 2 * half) + text[-half:]


def put_values(builder: Builder, given: Any, got: Any) -> None:
    """Write what went in and what came out, as text or as JSON."""
    for side, value in (("input", given), ("output", got)):
        if value is None or value in ("", [], {}):
            continue
        is_text = type(value) is str
        builder.put(f"{side}.value", value if is_text else json_text(value))
        mime_type = "text/plain" if is_text else "application/json"
        builder.put(f"{side}.mime_type", mime_type)


def put_arguments(builder: Builder, arguments: Any) -> None:
    """Write the arguments of a tool."""
    if arguments is None:
        return
    builder.put("tool.call.arguments", json_text(arguments))
    put_values(builder, arguments or "{}", None)


def put_result(builder: Builder, output: Any, error: Any) -> None:
    """Write what a tool returned, or else why it did not."""
    if output is None:
        output = error
    if output is None:
        return
    text = output if type(output) is str else json_text(output)
    builder.put("tool.call.result", text)
    put_values(builder, None, output)


def put_messages(builder: Builder, joined: Joined, output: Any) -> None:
    """Write what came into an agent and what it answered."""
    asked: list[Message] = []
    answered: list[Message] = []
    for each in joined.more:
        kind = kind_of(each)
        message = each.get("message") or {}
        text = str(message.get("text", ""))
        if kind == "INPUT_RECEIVED":
            role = str(message.get("role") or "user")
            asked.append({"role": role, "parts": parts_of_text(text)})
        elif kind == "OUTPUT_EMITTED":
            parts = parts_of_text(text)
            answer = {"role": "assistant", "parts": parts, "finish_reason": "stop"}
            answered.append(answer)
    if not answered and output is not None:
        text = output if type(output) is str else json_text(output)
        parts = parts_of_text(text)
        answered = [{"role": "assistant", "parts": parts, "finish_reason": "stop"}]
    put_values(
        builder,
        last_text(asked, "user") or None,
        last_text(answered, "assistant") or None,
    )
    for side, messages in (("input", asked), ("output", answered)):
        if messages:
            builder.put(f"{side}.messages", _bounded(messages))


def put_model_messages(
    builder: Builder, joined: Joined, response: dict[str, Any], reason: str
) -> None:
    """Write the whole prompt of a model call, and its answer."""
    system, items = joined.asked or ("", [])
    messages = messages_of(items)
    is_failed = "FAILED" in str((joined.end or {}).get("status", ""))
    answer = answer_message(response, reason, is_failed=is_failed)
    given = last_text(messages, "user") or (json_text(items[-1]) if items else None)
    got: Any = last_text([answer], "assistant") if answer else ""
    # What a model says by calls alone is shown as these.
    put_values(builder, given, got or (answer["parts"] if answer else None))
    if system:
        builder.put_system(system)
    if builder.version == "1.36":
        _put_as_events(builder, joined, system, messages, answer)
    told = messages
    if system and builder.flavour != "genai":
        told = [{"role": "system", "parts": parts_of_text(system)}, *messages]
        flat = flattened(_last(told), "llm.input_messages")
        builder.put("input.messages", _bounded(messages))
        builder.attributes.update(flat)
    else:
        builder.put_conversation(messages, "input")
    builder.put_conversation([answer] if answer else [], "output")


def _last(messages: list[Message]) -> list[Message]:
    """Return the messages without the middle of a long conversation."""
    if len(messages) <= _FLAT_MESSAGES:
        return messages
    return [*messages[:2], *messages[2 - _FLAT_MESSAGES :]]


def _put_as_events(
    builder: Builder,
    joined: Joined,
    system: str,
    messages: list[Message],
    answer: Message | None,
) -> None:
    """Write messages as the events that they were before 1.37."""
    if builder.flavour == "openinference":
        return
    at_ns = time_ns_of(joined.start)
    told = [{"role": "system", "parts": parts_of_text(system)}] if system else []
    for message in _last([*told, *messages]):
        name = f"gen_ai.{message['role']}.message"
        builder.events.append(SpanEvent(name, at_ns, _body(message)))
    if answer is not None:
        made = {**_body(answer), "finish_reason": answer["finish_reason"], "index": 0}
        ended_ns = time_ns_of(joined.end or joined.start)
        builder.events.append(SpanEvent("gen_ai.choice", ended_ns, made))


def _body(message: Message) -> dict[str, Attribute]:
    parts = message["parts"]
    texts = [part["content"] for part in parts if part["type"] == "text"]
    made: dict[str, Attribute] = {"role": message["role"]}
    results = [part for part in parts if part["type"] == "tool_call_response"]
    if texts:
        made["content"] = shortened("\n".join(texts))
    elif results:
        made["content"] = shortened(json_text(results[0].get("response")))
        made["id"] = str(results[0].get("id") or "")
    calls = [part for part in parts if part["type"] == "tool_call"]
    if calls:
        made["tool_calls"] = shortened(json_text(calls))
    return made


def _bounded(messages: list[Message]) -> str:
    """Return messages as JSON of bounded size; their longest texts lose the middle."""
    text = json_text(messages)
    chars = CHARS
    while len(text) > _MESSAGES_CHARS and chars > _LEAST_CHARS:
        chars //= 2
        messages = _shortened_messages(messages, chars)
        text = json_text(messages)
    while len(text) > _MESSAGES_CHARS and len(messages) > 1:
        messages = messages[len(messages) // 2 :]
        text = json_text(messages)
    return text


def _shortened_messages(messages: list[Message], chars: int) -> list[Message]:
    return [
        {**message, "parts": [_shortened(part, chars) for part in message["parts"]]}
        for message in messages
    ]


def _shortened(value: Any, chars: int) -> Any:
    if type(value) is str:
        return shortened(value, chars)
    if type(value) is dict:
        return {name: _shortened(each, chars) for name, each in value.items()}
    if type(value) is list:
        return [_shortened(each, chars) for each in value]
    return value
