"""
Tell the settings of a model call by the names and values with which they are sent.

Bodies and arguments that an application adds by hand may hold keys, so only names
that are known to be settings are looked up in them.
"""

from __future__ import annotations

from typing import Any

from chaukas.sdk.integrations.openai_agents.facts import SCHEMA_CLASS
from chaukas.sdk.integrations.shared.models import Schema

from .answers import CHAT, RESPONSES

__all__ = ["schema_of", "settings_of"]

_SETTINGS = (
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
)
"""Settings with fields of their own in the spec."""
_FURTHER_SETTINGS = (
    "tool_choice",
    "parallel_tool_calls",
    "truncation",
    "reasoning",
    "verbosity",
    "store",
    "top_logprobs",
    "response_include",
    "include_usage",
    "prompt_cache_retention",
    "timeout",
)
_ADDED_SETTINGS = (
    *_SETTINGS,
    *_FURTHER_SETTINGS,
    "model",
    "max_completion_tokens",
    "max_output_tokens",
    "reasoning_effort",
    "seed",
    "service_tier",
    "logprobs",
    "n",
    "top_k",
    "min_p",
    "repetition_penalty",
    "stop",
)
"""What is looked up in `extra_args` and `extra_body`."""
_UNSENT = {
    RESPONSES: frozenset({"frequency_penalty", "presence_penalty", "include_usage"}),
    CHAT: frozenset({"truncation", "response_include"}),
}
"""Settings that the SDK keeps back, as an API has none of the kind."""
_PLAIN = (int, float, str, bool)


def settings_of(settings: Any, api: str = "") -> tuple[dict[str, Any], str]:
    """
    Return the settings of a call as they are sent.

    `extra_args` go over the settings and `extra_body` over both, as in the client.
    Headers are never read, of the rest only known names with plain values.

    Args:
        settings: The SDK's `ModelSettings`.
        api: Which API is asked, see `answers.api_of`; empty if that is unknown.

    Returns:
        The settings, and the model, where a body or an argument names another one.
    """
    sent: dict[str, Any] = {}
    unsent = _UNSENT.get(api, ())
    # Comprehensions would be calls, and this is read for every call of a model.
    for name in _SETTINGS:
        value = getattr(settings, name, None)
        if type(value) in (int, float) and name not in unsent:
            sent[name] = value
    for name in _FURTHER_SETTINGS:
        value = getattr(settings, name, None)
        if value is not None and name not in unsent:
            sent[name] = value
    model = ""
    for source in ("extra_args", "extra_body"):
        given = getattr(settings, source, None)
        if type(given) is not dict:
            continue
        for name, value in _added(given).items():
            sent.pop(name, None)
            if name == "model":
                model = value if type(value) is str else model
            elif value is not None:
                sent[name] = value
    return sent, model


def _added(given: dict[Any, Any]) -> dict[str, Any]:
    """Return the known settings of a body or of arguments; None: sent as null."""
    return {
        name: value
        for name in _ADDED_SETTINGS
        if name in given and ((value := given[name]) is None or type(value) in _PLAIN)
    }


def schema_of(schema: Any) -> Schema | None:
    """
    Return the schema of a structured output, if there is one.

    Of a class of the application only its name: its methods are not called.
    """
    if schema is None:
        return None
    cls = type(schema)
    if (cls.__module__, cls.__name__) != SCHEMA_CLASS:
        return Schema(cls.__name__)
    if schema.is_plain_text():
        return None
    return Schema(schema.name(), schema.is_strict_json_schema(), schema.json_schema())
