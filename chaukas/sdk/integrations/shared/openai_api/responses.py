"""
Read what the Responses API of OpenAI answers, as plain data.

Pure; the Agents SDK gives the answers of other APIs in the same form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.read import parsed, read, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["finish_reason_of", "reason_by", "response_facts", "status_of"]


def response_facts(output: Any) -> dict[str, Any]:
    """
    Return text, tool calls, refusal and reasoning summary of a response's output.

    Args:
        output: Items of a `ModelResponse` or `Response`.

    Returns:
        `{"text", "tool_calls": [{"id", "name", "arguments"}], "refusal",
        "reasoning", "items": [type, …]}`, each only if there is one; uncaptured.
    """
    texts: list[str] = []
    refusals: list[str] = []
    reasoning: list[str] = []
    calls: list[dict[str, Any]] = []
    others: list[str] = []
    for item in output if type(output) is list else ():
        kind = read(item, "type")
        if kind == "message":
            _read_message(item, texts, refusals)
        elif kind in {"function_call", "custom_tool_call"}:
            calls.append(_call_of(item))
        elif kind == "reasoning":
            reasoning.extend(_parts(read(item, "summary"), "text"))
        elif type(kind) is str:
            others.append(kind)
    found = {
        "text": "".join(texts),
        "tool_calls": calls,
        "refusal": "".join(refusals),
        "reasoning": "\n".join(reasoning),
        "items": others,
    }
    return {name: value for name, value in found.items() if value}


def _call_of(item: Any) -> dict[str, Any]:
    arguments = read(item, "arguments")
    if arguments is None:
        arguments = read(item, "input")
    return {
        "id": text_of(read(item, "call_id")),
        "name": text_of(read(item, "name")),
        "arguments": parsed(arguments),
    }


def _read_message(item: Any, texts: list[str], refusals: list[str]) -> None:
    content = read(item, "content")
    if type(content) is str:
        texts.append(content)
        return
    if type(content) is not list:
        return
    for part in content:
        # By type: asking a pydantic model for a field that it lacks is slow.
        if read(part, "type") == "refusal":
            refusals.append(text_of(read(part, "refusal")))
        else:
            texts.append(text_of(read(part, "text")))


def _parts(content: Any, name: str) -> Sequence[str]:
    if type(content) is not list:
        return ()
    return [text for part in content if (text := text_of(read(part, name)))]


def finish_reason_of(
    facts: dict[str, Any], response: Any = None, said: str = ""
) -> str:
    """
    Return why the model stopped, or an empty text where nobody said it.

    Args:
        facts: Of the answer, as `response_facts` gives them.
        response: An openai `Response`. An incomplete or failed one tells why; of a
            completed one the answer does: `stop`, `tool_calls` or `refusal`.
        said: The provider's own word, as of a chat completion.
    """
    return reason_by(facts, status_of(response), said)


def status_of(response: Any) -> str:
    """Return `completed`, why a response did not, or nothing if it does not say."""
    status = text_of(getattr(response, "status", None))
    if status == "incomplete":
        details = getattr(response, "incomplete_details", None)
        return text_of(getattr(details, "reason", None)) or status
    return status if status in {"completed", "failed", "cancelled"} else ""


def reason_by(facts: dict[str, Any], status: str, said: str) -> str:
    """Return why the model stopped, see `finish_reason_of`; *status* by `status_of`."""
    if said or status != "completed":
        return said or status
    if "refusal" in facts:
        return "refusal"
    return "tool_calls" if "tool_calls" in facts else "stop"
