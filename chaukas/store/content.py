"""
What an event says: a name, a line for people, and its words for the full text.

Files come from anywhere: a value of an unexpected type is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("Said", "cause_of", "object_of", "one_line", "said_by", "text_of")

Event = dict[str, Any]

TEXT_CHARS: Final = 200
_WORDS_CHARS: Final = 65_536
_DEPTH: Final = 32


class Said(NamedTuple):
    """What one event says."""

    name: str
    text: str
    """One line, 200 characters at most."""
    words: str
    """All that can be searched for in it, 65,536 characters at most."""


def text_of(value: object) -> str:
    """Return the value if it is a text, or else an empty one."""
    return value if type(value) is str else ""


def object_of(value: object) -> dict[str, Any]:
    """Return the value if it is an object, or else an empty one."""
    return value if type(value) is dict else {}


def one_line(text: str, chars: int = TEXT_CHARS) -> str:
    """Return the beginning of a text without line breaks and runs of blanks."""
    if len(text) <= chars and text.isprintable() and "  " not in text:
        return text.strip()
    line = " ".join(text[: chars * 4].split())
    if len(line) > chars or (len(text) > chars * 4):
        return line[: chars - 1] + "…"
    return line


def said_by(kind: str, event: Event) -> Said:
    """
    Return what an event says.

    Args:
        kind: As in `EventRow.kind`, with `_start` or `_end` behind it for a pair.
        event: The event as recorded.
    """
    say = _SAY.get(kind)
    if say is None:
        return Said("", "", "")
    name, text, words = say(event)
    found: list[str] = []
    room = _WORDS_CHARS
    for value in words:
        room = _gather(value, found, room, 0)
    return Said(one_line(name), one_line(text), "\n".join(found))


def _gather(value: Any, found: list[str], room: int, depth: int) -> int:
    """Add all texts inside a value; return how many characters still have room."""
    kind = type(value)
    if kind is str:
        if value and room > 0:
            found.append(value[:room])
        return room - len(value)
    if kind is dict or kind is list:
        if depth >= _DEPTH:
            return room
        inside = value
        if kind is dict:
            inside = [
                inner
                for key, inner in value.items()
                if key not in _UNSOUGHT or type(inner) is not str
            ]
        for inner in inside:
            room = _gather(inner, found, room, depth + 1)
            if room <= 0:
                break
    elif kind is int or kind is float:
        found.append(str(value))
        room -= 8
    return room


_UNSOUGHT: Final = frozenset({"type", "role", "status", "id"})
"""Members whose texts are words of the protocol, and not of anybody."""

Parts = tuple[str, str, tuple[Any, ...]]


def _message(event: Event) -> Parts:
    message = object_of(event.get("message"))
    text = text_of(message.get("text"))
    return text_of(message.get("role")), text, (text,)


def _session(event: Event) -> Parts:
    content = object_of(event.get("session_start") or event.get("session_end"))
    name = text_of(content.get("session_name"))
    own = object_of(content.get("metadata"))
    reason = text_of(own.get("reason"))
    return name, reason, (name,)


def _agent_name(event: Event) -> str:
    metadata = object_of(event.get("metadata"))
    return (
        text_of(event.get("agent_name"))
        or text_of(metadata.get("name"))
        or text_of(event.get("agent_id"))
    )


def _agent_start(event: Event) -> Parts:
    metadata = object_of(event.get("metadata"))
    name = _agent_name(event)
    return name, "", (name, metadata.get("workflow_name"))


def _agent_end(event: Event) -> Parts:
    metadata = object_of(event.get("metadata"))
    name = _agent_name(event)
    handed = text_of(metadata.get("handoff_to"))
    text = text_of(metadata.get("error")) or (f"→ {handed}" if handed else "")
    # Its output stands in OUTPUT_EMITTED too, or in the answer of the model.
    return name, text, ()


def _handoff(event: Event) -> Parts:
    content = object_of(event.get("agent_handoff"))
    ends = [
        text_of(content.get(f"{end}_agent_name"))
        or text_of(content.get(f"{end}_agent_id"))
        for end in ("from", "to")
    ]
    return ends[1], " → ".join(ends), (*ends, content.get("handoff_data"))


def _model_start(event: Event) -> Parts:
    call = object_of(event.get("llm_invocation"))
    request = object_of(call.get("request"))
    count, omitted = request.get("input_count"), request.get("input_omitted")
    text = ""
    if type(count) is int:
        new = count - (omitted if type(omitted) is int else 0)
        text = f"{count} items, {new} new"
    words = (request.get("input"), request.get("system"))
    return text_of(call.get("model")), text, words


def _model_end(event: Event) -> Parts:
    call = object_of(event.get("llm_invocation"))
    response = object_of(call.get("response"))
    text = text_of(response.get("error")) or text_of(response.get("refusal"))
    text = text or text_of(response.get("text"))
    calls = response.get("tool_calls")
    if not text and type(calls) is list:
        text = "→ " + ", ".join(_call(object_of(one)) for one in calls[:8])
    words = (
        response.get("text"),
        calls,
        response.get("refusal"),
        response.get("reasoning"),
        response.get("error"),
    )
    return text_of(call.get("model")), text, words


def _call(call: Mapping[str, Any]) -> str:
    arguments = object_of(call.get("arguments"))
    return f"{text_of(call.get('name'))}({_arguments(arguments)})"


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in arguments.items())


def _short(value: object) -> str:
    if type(value) is str:
        return f'"{value[:TEXT_CHARS]}"'
    if type(value) in {int, float, bool} or value is None:
        return str(value)
    return "{…}" if type(value) is dict else "[…]"


def _tool_start(event: Event) -> Parts:
    call = object_of(event.get("tool_call"))
    name = text_of(call.get("tool_name")) or text_of(call.get("name"))
    arguments = object_of(call.get("arguments"))
    return name, _arguments(arguments), (name, arguments)


def _tool_end(event: Event) -> Parts:
    response = object_of(event.get("tool_response"))
    name = text_of(response.get("tool_name")) or text_of(response.get("name"))
    output = response.get("output")
    inner = object_of(output).get("output", output)
    error = text_of(response.get("error_message"))
    text = error or (inner if type(inner) is str else _short(inner))
    return name, "" if inner is None and not error else text, (error, output)


def _mcp(event: Event) -> Parts:
    call = object_of(event.get("mcp_call"))
    server = text_of(call.get("server_name"))
    request = object_of(call.get("request"))
    tool = text_of(request.get("name"))
    text = f"{text_of(call.get('operation'))} {tool}".strip()
    error = text_of(call.get("error_message"))
    # The response of a tool is the output of the tool around it, or its own event.
    words = (server, text, request.get("arguments"), call.get("response"), error)
    return server, f"{text}  {error}".strip(), words


def _error(event: Event) -> Parts:
    error = object_of(event.get("error"))
    code, text = text_of(error.get("error_code")), text_of(error.get("error_message"))
    stack = text_of(error.get("stack_trace"))
    return code, text, (code, text, stack[-2000:])


def _retry(event: Event) -> Parts:
    retry = object_of(event.get("retry"))
    own = object_of(retry.get("metadata"))
    attempt, wait = retry.get("attempt"), retry.get("backoff_ms")
    text = text_of(retry.get("error_message"))
    layer = text_of(own.get("layer"))
    head = f"{layer} attempt {attempt}".strip() if type(attempt) is int else layer
    if type(wait) is int or type(wait) is float:
        head = f"{head} after {wait:g} ms".strip()
    line = f"{head}: {text}" if head and text else head or text
    return text_of(own.get("model")) or layer, line, (text,)


def _policy(event: Event) -> Parts:
    policy = object_of(event.get("policy"))
    own = object_of(policy.get("metadata"))
    rationale = text_of(policy.get("rationale"))
    tool = text_of(own.get("tool_name"))
    parts = (text_of(policy.get("outcome")), tool, rationale)
    line = "  ".join(part for part in parts if part)
    name = text_of(policy.get("policy_id"))
    return name, line, (name, rationale, policy.get("rule_ids"))


def _data(event: Event) -> Parts:
    data = object_of(event.get("data_access"))
    documents = data.get("document_ids")
    number = len(documents) if type(documents) is list else 0
    text = f"{number} document{'s' if number != 1 else ''}" if number else ""
    name = text_of(data.get("datasource"))
    return name, text, (name, documents, data.get("metadata"))


def _state(event: Event) -> Parts:
    changes = object_of(event.get("state_update"))
    names = []
    for name, value in list(changes.items())[:8]:
        change = object_of(value)
        operation, number = text_of(change.get("operation")), change.get("count")
        words = [name, operation, str(number) if type(number) is int else ""]
        names.append(" ".join(word for word in words if word))
    first = next(iter(changes), "")
    return first, ", ".join(names), (changes,)


def _system(event: Event) -> Parts:
    metadata = object_of(event.get("metadata"))
    name = text_of(metadata.get("name"))
    score = object_of(metadata.get("score"))
    text = text_of(metadata.get("message")) or text_of(score.get("comment"))
    if name.startswith("chaukas.") and not score:
        return name, text, (name,)
    return name, text, (name, text, score, metadata.get("data"))


_SAY: Final[Mapping[str, Callable[[Event], Parts]]] = {
    "session_start": _session,
    "session_end": _session,
    "agent_start": _agent_start,
    "agent_end": _agent_end,
    "handoff": _handoff,
    "model_start": _model_start,
    "model_end": _model_end,
    "tool_start": _tool_start,
    "tool_end": _tool_end,
    "mcp_start": _mcp,
    "mcp_end": _mcp,
    "input": _message,
    "output": _message,
    "error": _error,
    "retry": _retry,
    "policy": _policy,
    "data": _data,
    "state": _state,
    "system": _system,
}


def cause_of(text: str) -> str:
    """Return a text with numbers and ids as `#`, so that equal causes are equal."""
    out: list[str] = []
    for word in one_line(text, 300).split(" "):
        if word.isalpha():
            out.append(word)
        else:
            out.append(_masked(word))
    return " ".join(out)[:TEXT_CHARS]


def _masked(word: str) -> str:
    digits = sum(char.isdigit() for char in word)
    if digits * 3 >= len(word) or (digits > 3 and len(word) > 12):
        core = word.strip("()[]{}.,:;'\"!?")
        return word.replace(core, "#", 1) if core else word
    out: list[str] = []
    for char in word:
        if not char.isdigit():
            out.append(char)
        elif not out or out[-1] != "#":
            out.append("#")
    return "".join(out)
