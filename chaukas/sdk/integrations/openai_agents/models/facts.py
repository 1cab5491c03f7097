"""What START and END of a model call say: pure functions over what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.facts import (
    finish_reason_of,
    json_hash_of,
    model_name_of,
    provider_of,
    text_of,
)
from chaukas.sdk.record.pricing import cost_of, is_priced

from .answers import CHAT, api_of
from .settings_sent import schema_facts

if TYPE_CHECKING:
    from chaukas.sdk.integrations.openai_agents.facts import Usage
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun, Invocation

    from .settings_sent import Settings

__all__ = [
    "Outcome",
    "asked_of",
    "chunks_by_kind",
    "outcome_of",
    "price_facts",
    "schema_of",
]

_MADE_UP_ID = "__fake_id__"
"""What the SDK writes where a provider's API has no ids of responses."""
_TEXT_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_ARGUMENT_DELTAS = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)


def asked_of(model: Any, settings: Settings, run: AgentsRun) -> dict[str, Any]:
    """
    Return what is the same in START and END: who is asked, and with which settings.

    A model of the SDK says by which name it asks. One of the application's own is
    named as the application did, where it did it by name.
    """
    api = api_of(model)
    asked = "" if api else run.asked_model
    content: dict[str, Any] = {
        "provider": provider_of(model),
        "model": settings.model or asked or model_name_of(model),
        **settings.own,
        "metadata": {"turn": run.turns},
    }
    if api:
        content["metadata"]["api"] = api
    if settings.zeros:
        content["request"] = {"settings": settings.zeros}
    return {name: value for name, value in content.items() if value}


def schema_of(run: AgentsRun, schema: Any) -> dict[str, Any]:
    """Return what a request says of its output schema; the whole of it only once."""
    name, is_strict, definition = schema_facts(schema)
    if not name:
        return {}
    facts: dict[str, Any] = {"output_schema": name}
    if is_strict is None:
        return facts
    facts["output_schema_strict"] = is_strict
    facts["output_schema_hash"] = digest = json_hash_of(definition)
    if digest != run.known_schema:
        run.known_schema = digest
        facts["output_schema_definition"] = definition
    return facts


class Outcome:
    """How a model call ended, as far as somebody said it."""

    __slots__ = ("finish_reason", "model", "response_id")

    def __init__(self, finish_reason: str, model: str, response_id: str) -> None:
        self.finish_reason = finish_reason
        self.model = model
        """The model that answered."""
        self.response_id = response_id


def outcome_of(
    invocation: Invocation, facts: dict[str, Any], response: Any, response_id: Any
) -> Outcome:
    """
    Return reason, model and id of an answer: the provider's, before the SDK's.

    Args:
        invocation: Knows what came over the wire, if that was seen.
        facts: Of the answer, as `response_facts` gives them.
        response: An openai `Response`, of a stream.
        response_id: As the SDK has it.
    """
    answer = invocation.answer
    api = invocation.content.get("metadata", {}).get("api", "")
    if CHAT in (api, answer and answer.api):
        # The SDK makes a response of it, with an id and a status of its own.
        response = None
    elif response is None and answer is not None:
        response = answer.response
    said = answer.finish_reason if answer else ""
    model = text_of(getattr(response, "model", None))
    own_id = text_of(response_id)
    if answer is not None:
        model = model or answer.model
        own_id = answer.response_id or own_id
    return Outcome(
        finish_reason_of(facts, response, said),
        model,
        "" if own_id == _MADE_UP_ID else own_id,
    )


def price_facts(
    content: dict[str, Any], usage: Usage, answered_by: str
) -> tuple[dict[str, Any] | None, bool]:
    """
    Return the cost of a call, and whether its model has a known price.

    Args:
        content: Names `provider` and `model`.
        usage: What was used.
        answered_by: The model that answered; its price counts where the name that
            was asked for has none, as that of a deployment or a router.
    """
    provider = content.get("provider", "")
    names = (content.get("model", ""), answered_by)
    name = next((name for name in names if name and is_priced(provider, name)), "")
    if not name:
        return None, False
    cost = cost_of(
        provider,
        name,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        cached_audio_tokens=usage.cached_audio_tokens,
    )
    return cost, True


def chunks_by_kind(counts: dict[str, int]) -> dict[str, int]:
    """Return how many events of a stream were text, arguments, and anything else."""
    found = {"text": 0, "arguments": 0, "other": 0}
    for kind, count in counts.items():
        if kind in _TEXT_DELTAS:
            found["text"] += count
        elif kind in _ARGUMENT_DELTAS:
            found["arguments"] += count
        else:
            found["other"] += count
    return {name: count for name, count in found.items() if count}
