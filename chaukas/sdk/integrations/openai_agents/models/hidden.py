"""
Capture what a model was asked and answered, when content must not be told.

Names, ids, settings and counts are no content: without them a record of actions
would say nothing, so they stay readable, still bounded and searched for secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaukas.sdk.capture.snapshot import Capture

__all__ = ["hidden_request", "hidden_response"]

_REQUEST = "llm_invocation.request"
_RESPONSE = "llm_invocation.response"
_CONTENT = frozenset({"input", "system", "output_schema_definition"})
_PROMPT_FACTS = ("id", "version")


def hidden_request(
    request: dict[str, Any], capture: Capture, facts_capture: Capture
) -> dict[str, Any]:
    """
    Return *request* as a tree: its texts hidden, its facts told.

    Args:
        request: `input`, `system`, and settings, names and counts.
        capture: Hides content.
        facts_capture: Bounds facts, and hides only secrets.
    """
    facts = {name: value for name, value in request.items() if name not in _CONTENT}
    prompt = facts.get("prompt")
    if type(prompt) is dict:
        # The rest of a prompt are its variables, which the user fills in.
        facts["prompt"] = {name: prompt.get(name) for name in _PROMPT_FACTS}
    content = {name: request[name] for name in _CONTENT & request.keys()}
    told = capture.tree(content, _REQUEST)
    told_facts = facts_capture.tree(facts, _REQUEST)
    return {**_dict_of(told_facts), **_dict_of(told)}


def hidden_response(
    response: dict[str, Any], capture: Capture, facts_capture: Capture
) -> dict[str, Any]:
    """Return *response* as a tree: texts and arguments hidden, tools named."""
    told = _dict_of(capture.tree(response, _RESPONSE))
    calls = response.get("tool_calls", ())
    for number, (call, shown) in enumerate(
        zip(calls, told.get("tool_calls") or (), strict=False)
    ):
        if type(shown) is dict:
            for name in ("id", "name"):
                path = f"{_RESPONSE}.tool_calls[{number}].{name}"
                shown[name] = facts_capture.text(call[name], path)
    return told


def _dict_of(tree: Any) -> dict[str, Any]:
    return tree if type(tree) is dict else {}
