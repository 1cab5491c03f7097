"""
What an event holds of a model's request and response: only what is new, and hidden.

Names, ids, settings and counts are no content: without them a record of actions
would say nothing, so they stay readable where content is hidden, still bounded and
searched for secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model_facts import hash_of, json_hash_of
from .runs import AgentRun

if TYPE_CHECKING:
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.history import Input
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.typing import Json

    from .model_facts import Request, Schema

__all__ = ["captured_request", "captured_response", "new_messages", "request_parts"]

_REQUEST = "llm_invocation.request"
_RESPONSE = "llm_invocation.response"
_CONTENT = frozenset({"input", "system", "output_schema_definition"})
_PROMPT_FACTS = ("id", "version")


def new_messages(recorder: Recorder, run: Run, request: Request) -> Input | None:
    """Return what to record of the messages; None if the request has none."""
    if request.messages is None:
        return None
    return recorder.history.note(
        run.session,
        request.messages,
        hidden=not _shows_content(recorder, run),
        repeat=recorder.config.capture_full_input,
    )


def request_parts(
    run: Run, request: Request, settings: dict[str, Any], messages: Input | None
) -> dict[str, Any]:
    """
    Return the members of `request`, uncaptured.

    Instructions and schema are named by their hash, and are there themselves when
    they are not those that the run's last call had.
    """
    parts: dict[str, Any] = {}
    if messages is not None:
        parts |= {"input": messages.fresh, **messages.facts}
    known = run if isinstance(run, AgentRun) else None
    if type(request.system) is str and request.system:
        parts["system_hash"] = digest = hash_of(request.system)
        if known is None or known.is_new_system(digest):
            parts["system"] = request.system
    if request.tools:
        parts["tools"] = list(request.tools)
    if request.handoffs:
        parts["handoffs"] = list(request.handoffs)
    if request.output_schema is not None:
        parts |= _schema_parts(known, request.output_schema)
    parts |= request.more
    if settings:
        parts["settings"] = settings
    if request.stream:
        parts["stream"] = True
    return parts


def _schema_parts(run: AgentRun | None, schema: Schema) -> dict[str, Any]:
    if not schema.name:
        return {}
    parts: dict[str, Any] = {"output_schema": schema.name}
    if schema.is_strict is None:
        return parts
    parts["output_schema_strict"] = schema.is_strict
    parts["output_schema_hash"] = digest = json_hash_of(schema.definition)
    if run is None or run.is_new_schema(digest):
        parts["output_schema_definition"] = schema.definition
    return parts


def captured_request(
    recorder: Recorder, run: Run, capture: Capture, parts: dict[str, Any]
) -> Json:
    """Return *parts* as a tree; texts hidden if the run or the settings say so."""
    if _shows_content(recorder, run):
        return capture.tree(parts, _REQUEST)
    facts = {name: value for name, value in parts.items() if name not in _CONTENT}
    prompt = facts.get("prompt")
    if type(prompt) is dict:
        # The rest of a prompt are its variables, which the user fills in.
        facts["prompt"] = {name: prompt.get(name) for name in _PROMPT_FACTS}
    content = {name: parts[name] for name in _CONTENT & parts.keys()}
    hidden = capture.tree(content, _REQUEST)
    shown = recorder.capture_facts().tree(facts, _REQUEST)
    return {**_dict_of(shown), **_dict_of(hidden)}


def captured_response(
    recorder: Recorder, run: Run, capture: Capture, response: dict[str, Any]
) -> Json:
    """Return *response* as a tree; where texts are hidden, tools are still named."""
    tree = capture.tree(response, _RESPONSE)
    if _shows_content(recorder, run):
        return tree
    hidden = _dict_of(tree)
    facts = recorder.capture_facts()
    calls = response.get("tool_calls", ())
    for number, (call, shown) in enumerate(
        zip(calls, hidden.get("tool_calls") or (), strict=False)
    ):
        if type(shown) is dict:
            for name in {"id", "name"} & call.keys():
                path = f"{_RESPONSE}.tool_calls[{number}].{name}"
                shown[name] = facts.text(call[name], path)
    return hidden


def _shows_content(recorder: Recorder, run: Run) -> bool:
    return recorder.config.capture_content and not run.hide_content


def _dict_of(tree: Any) -> dict[str, Any]:
    return tree if type(tree) is dict else {}
