"""The values that the conventions give to providers, finish reasons and the like."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "Provider",
    "error_type_of",
    "finish_reason_of",
    "provider_from",
    "provider_of",
]


class Provider(NamedTuple):
    """A provider by its names."""

    genai: str
    """`gen_ai.provider.name`."""
    openinference: str
    """`llm.provider`."""
    system: str = ""
    """`llm.system`, where the model's maker is known."""


_PROVIDERS: Final = {
    "openai": Provider("openai", "openai", "openai"),
    "azure": Provider("azure.ai.openai", "azure", "openai"),
    "anthropic": Provider("anthropic", "anthropic", "anthropic"),
    "gemini": Provider("gcp.gemini", "google"),
    "vertex_ai": Provider("gcp.vertex_ai", "google", "vertexai"),
    "vertex": Provider("gcp.vertex_ai", "google", "vertexai"),
    "google": Provider("gcp.gen_ai", "google"),
    "bedrock": Provider("aws.bedrock", "aws"),
    "mistral": Provider("mistral_ai", "mistralai", "mistralai"),
    "cohere": Provider("cohere", "cohere", "cohere"),
    "deepseek": Provider("deepseek", "deepseek"),
    "groq": Provider("groq", "groq"),
    "perplexity": Provider("perplexity", "perplexity"),
    "xai": Provider("x_ai", "xai"),
}
_FINISH: Final = {
    "stop": "stop",
    "completed": "stop",
    "end_turn": "stop",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "error": "error",
    "failed": "error",
    "cancelled": "error",
    "incomplete": "error",
}


def provider_of(name: str) -> Provider:
    """Return the names of a provider; one that is not known keeps its own."""
    word = name.lower().replace(" ", "_")
    word = word.rpartition("/")[2] if word.startswith("litellm/") else word
    return _PROVIDERS.get(word) or Provider(name, name)


def provider_from(name: str) -> str:
    """Return our name of a provider that the conventions name; others keep theirs."""
    word = name.lower()
    if word in _PROVIDERS:
        return word
    return _BY_NAME.get(word) or _OLDER.get(word) or name


_BY_NAME: Final = {
    spelled: name
    for name, provider in reversed(_PROVIDERS.items())
    for spelled in (provider.openinference, provider.genai)
}
"""The conventions' word last, as it is the more exact one."""
_OLDER: Final = {
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "gcp.vertex.agent": "vertex_ai",
    "google-gla": "gemini",
    "google-vertex": "vertex_ai",
    "openai.chat": "openai",
    "openai.responses": "openai",
    "anthropic.messages": "anthropic",
    "google.generative-ai": "gemini",
    "amazon-bedrock": "bedrock",
}
"""Words of earlier versions, and of frameworks."""


def finish_reason_of(reason: str, *, has_calls: bool, is_failed: bool) -> str:
    """Return a finish reason as messages have it, whatever the provider's word."""
    known = _FINISH.get(reason.lower()) if reason else None
    if known is not None:
        return known
    if is_failed:
        return "error"
    return "tool_call" if has_calls else "stop"


def error_type_of(code: str) -> str:
    """Return the class of an error, of few values: the API's own code is taken off."""
    return code.partition(":")[0] or "_OTHER"
