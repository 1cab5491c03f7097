"""Read what is asked of a model and what it answered from the objects of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.openai_agents.facts import (
    model_name_of,
    prompt_of,
    provider_of,
    response_facts,
    text_of,
    tool_names,
)
from chaukas.sdk.integrations.shared.models import Answer, Request
from chaukas.sdk.integrations.shared.openai_api.responses import reason_by, status_of
from chaukas.sdk.integrations.shared.usage import usage_of

from .answers import CHAT, api_of
from .settings_sent import schema_of, settings_of

if TYPE_CHECKING:
    from chaukas.sdk.capture.held import Frozen
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun, Invocation
    from chaukas.sdk.integrations.shared.usage import Usage

__all__ = ["OnWire", "answer_of", "held_answer", "on_wire", "request_of"]

_MADE_UP_ID = "__fake_id__"
"""What the SDK writes where a provider's API has no ids of responses."""
_IDS = ("previous_response_id", "conversation_id")


def request_of(
    run: AgentsRun, model: Any, arguments: dict[str, Any], *, streamed: bool
) -> Request:
    """
    Return what *model* is asked by the *arguments* of one of its methods.

    A model of the SDK says by which name it asks. One of the application's own is
    named as the application did, where it did it by name.
    """
    api = api_of(model)
    settings, named = settings_of(arguments.get("model_settings"), api)
    asked = "" if api else run.asked_model
    given, handoffs = arguments.get("input"), arguments.get("handoffs")
    more = {}
    for name in _IDS:
        if arguments.get(name) is not None:
            more[name] = arguments[name]
    prompt = arguments.get("prompt")
    if prompt is not None:
        more["prompt"] = prompt_of(prompt)
    return Request(
        provider=provider_of(model),
        model=named or asked or model_name_of(model),
        # Nothing is an input too, and stands in the record as such.
        messages=[None] if given is None else given,
        system=arguments.get("system_instructions"),
        settings=settings,
        tools=tool_names(arguments.get("tools")),
        handoffs=[getattr(each, "tool_name", None) for each in handoffs]
        if type(handoffs) is list
        else (),
        output_schema=schema_of(arguments.get("output_schema")),
        api=api,
        stream=streamed,
        more=more,
    )


class OnWire(NamedTuple):
    """What the provider itself said of an answer, as far as that was seen."""

    finish_reason: str
    status: str
    response_id: str
    model: str


def on_wire(invocation: Invocation, response_id: Any, response: Any = None) -> OnWire:
    """
    Return what the provider said, before what the SDK makes of it.

    Args:
        invocation: Knows what came over the wire, if that was seen.
        response_id: As the SDK has it.
        response: An openai `Response`, of a stream.
    """
    answer = invocation.answer
    api = "" if invocation.asked is None else invocation.asked.request.api
    if CHAT in (api, answer and answer.api):
        # The SDK makes a response of it, with an id and a status of its own.
        response = None
    elif response is None and answer is not None:
        response = answer.response
    said, status, model, own_id = "", "", "", text_of(response_id)
    if response is not None:
        status, model = status_of(response), text_of(getattr(response, "model", None))
    if answer is not None:
        said = answer.finish_reason
        model = model or answer.model
        own_id = answer.response_id or own_id
    return OnWire(said, status, "" if own_id == _MADE_UP_ID else own_id, model)


def answer_of(output: Any, usage: Usage, wire: OnWire) -> Answer:
    """
    Return what was answered.

    Args:
        output: Items of the answer, objects or dicts.
        usage: Its tokens.
        wire: What the provider said of it.
    """
    facts = response_facts(output)
    return Answer(
        **facts,
        finish_reason=reason_by(facts, wire.status, wire.finish_reason),
        response_id=wire.response_id,
        model=wire.model,
        usage=usage,
    )


def held_answer(held: Frozen, wire: OnWire, requests: int) -> Answer:
    """Return the answer that was held; *requests* replaces its count, if not 0."""
    answer = held.thaw()
    usage = usage_of(answer)
    if requests:
        usage = usage._replace(requests=requests)
    return answer_of(answer["output"], usage, wire)
