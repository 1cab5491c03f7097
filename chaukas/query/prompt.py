"""The whole prompt of one model call, and the call itself for other tools."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.events import EventType
from chaukas.sdk.prompts import (
    Prompt,
    Prompts,
    call_of,
    count_of,
    named_in,
)

from .answers import PromptAnswer

if TYPE_CHECKING:
    from chaukas.store.answers import EventRow

__all__ = ("prompt_of",)

_URLS: Final = {
    "responses": "https://api.openai.com/v1/responses",
    "chat_completions": "https://api.openai.com/v1/chat/completions",
}
_SETTINGS: Final[tuple[str, ...]] = ("temperature", "top_p", "max_tokens")


def prompt_of(start: EventRow, prompts: Prompts) -> PromptAnswer:
    """
    Return what a model was asked.

    Args:
        start: The MODEL_INVOCATION_START, whole.
        prompts: Of all such events of its session, whole: an earlier one may hold
            what this one only names.
    """
    event = start.event or {}
    call_asked = prompts.calls.get(start.span_id)
    found = _alone(event) if call_asked is None else prompts.of(call_asked)
    call = _object(event.get("llm_invocation"))
    request = _object(call.get("request"))
    rest = {
        name: value
        for name, value in request.items()
        if not name.startswith("input") and name != "system"
    }
    rest["provider"], rest["model"] = call.get("provider", ""), call.get("model", "")
    rest.update({name: call[name] for name in _SETTINGS if name in call})
    body = _body(call, request, found.system, found.items)
    api = _object(call.get("metadata")).get("api")
    url = _URLS.get(api) if type(api) is str else None
    is_possible = bool(url) and call.get("provider") == "openai"
    return PromptAnswer(
        event_id=start.event_id,
        span_id=start.span_id,
        system=found.system,
        items=tuple(found.items),
        new_from=_new_from(call_of(event).request, len(found.items)),
        is_whole=found.is_whole,
        request=rest,
        curl=_curl(url or "", body) if is_possible else "",
        python=_python(str(api), body) if is_possible else "",
    )


def _alone(event: dict[str, Any]) -> Prompt:
    """Return the prompt as far as its own event holds it."""
    one = Prompts([{**event, "type": EventType.MODEL_INVOCATION_START}])
    return one.of(next(iter(one.calls.values())))


def _object(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _new_from(request: dict[str, Any], count: int) -> int:
    """Return the index of the first item that the record did not hold before."""
    at = count_of(_object(request.get("input_base")).get("count"))
    named = named_in(request)
    while at < count and at in named:
        at += 1
    return min(at, count)


def _body(
    call: dict[str, Any], request: dict[str, Any], system: str, items: list[Any]
) -> dict[str, Any]:
    settings = {name: call[name] for name in _SETTINGS if name in call}
    if _object(call.get("metadata")).get("api") == "chat_completions":
        head = [{"role": "system", "content": system}] if system else []
        return {"model": call.get("model"), "messages": [*head, *items], **settings}
    if "max_tokens" in settings:
        settings["max_output_tokens"] = settings.pop("max_tokens")
    text = {"instructions": system} if system else {}
    previous = request.get("previous_response_id")
    if previous:
        text["previous_response_id"] = previous
    return {"model": call.get("model"), **text, "input": items, **settings}


def _curl(url: str, body: dict[str, Any]) -> str:
    data = json.dumps(body, ensure_ascii=False, indent=2)
    return (
        f"curl {url} \\\n  -H 'Content-Type: application/json' \\\n"
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        f"  -d {shlex.quote(data)}"
    )


def _python(api: str, body: dict[str, Any]) -> str:
    method = "responses" if api == "responses" else "chat.completions"
    arguments = "".join(f"    {name}={value!r},\n" for name, value in body.items())
    return (
        "from openai import OpenAI\n\n"
        f"answer = OpenAI().{method}.create(\n{arguments})\nprint(answer)\n"
    )
