"""
Read what the openai client is about to send: the model asked, its input, the settings.

Pure: no I/O, no context, nothing kept. Only names that the API is known to have are
looked up in a body, since an application may add anything to it, keys included.
"""

from __future__ import annotations

from typing import Any

from chaukas.sdk.integrations.shared.model_facts import Request, Schema
from chaukas.sdk.integrations.shared.openai_api.providers import COMPATIBLE, provider_at
from chaukas.sdk.integrations.shared.read import text_of

__all__ = [
    "CHAT",
    "EMBEDDINGS",
    "RESPONSES",
    "api_of",
    "body_of",
    "client_provider_of",
    "request_of",
]

CHAT = "chat_completions"
EMBEDDINGS = "embeddings"
RESPONSES = "responses"
_APIS = {
    "/chat/completions": CHAT,
    "/embeddings": EMBEDDINGS,
    "/responses": RESPONSES,
}
_OPTIONS = ("openai._models", "FinalRequestOptions")
_LIMITS = ("max_completion_tokens", "max_output_tokens")
"""Later names of `max_tokens`."""
_SETTINGS = (
    *_LIMITS,
    "background",
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "include",
    "logprobs",
    "max_tokens",
    "max_tool_calls",
    "modalities",
    "min_p",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream_options",
    "temperature",
    "tool_choice",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "verbosity",
)
_TOOLS = 128


def body_of(options: Any) -> dict[str, Any]:
    """Return the JSON body of a request of the client, with what `extra_body` adds."""
    cls = type(options)
    if (cls.__module__, cls.__name__) != _OPTIONS:
        return {}
    parts = (options.json_data, options.extra_json)
    body: dict[str, Any] = {}
    for part in parts:
        if type(part) is dict:
            body |= part
    return body


def api_of(options: Any) -> str:
    """Return the API that a request is for; empty for one that asks no model."""
    cls = type(options)
    if (cls.__module__, cls.__name__) != _OPTIONS:
        return ""
    method, url = options.method, options.url
    if type(method) is not str or type(url) is not str or method.lower() != "post":
        return ""
    return _APIS.get(url, "")


def client_provider_of(client: Any) -> str:
    """Return who serves *client*, by its base URL."""
    try:
        host = client.base_url.host
    except AttributeError:
        return COMPATIBLE
    return provider_at(host) if type(host) is str and host else COMPATIBLE


def request_of(api: str, provider: str, body: dict[str, Any]) -> Request:
    """Return what the *body* of a request asks *provider* for."""
    more = {
        "previous_response_id": text_of(body.get("previous_response_id")),
        "conversation_id": _conversation_of(body.get("conversation")),
        "prompt": _prompt_of(body.get("prompt")),
    }
    messages = body.get("messages" if api == CHAT else "input")
    if api == EMBEDDINGS:
        # No conversation, of which the next call repeats a part.
        messages, more["input"] = None, _texts_of(messages)
    return Request(
        provider,
        text_of(body.get("model")),
        messages,
        body.get("instructions") if api == RESPONSES else None,
        settings=_settings_of(body),
        tools=_tool_names(body.get("tools"), body.get("functions")),
        output_schema=_schema_of(body),
        api=api,
        stream=body.get("stream") is True,
        more={name: value for name, value in more.items() if value},
        is_turn=False,
    )


def _texts_of(given: Any) -> list[Any]:
    """Return the texts to embed, of which each may be given as its tokens."""
    is_one = type(given) is not list or (given and type(given[0]) is int)
    return [given] if is_one else given


def _settings_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as they are sent, and `max_tokens` by its old name too."""
    settings = {
        name: value for name in _SETTINGS if (value := body.get(name)) is not None
    }
    for name in _LIMITS:
        if name in settings:
            settings.setdefault("max_tokens", settings[name])
    text = body.get("text")
    verbosity = text.get("verbosity") if type(text) is dict else None
    return settings if verbosity is None else {**settings, "verbosity": verbosity}


def _conversation_of(conversation: Any) -> str:
    if type(conversation) is dict:
        conversation = conversation.get("id")
    return text_of(conversation)


def _prompt_of(prompt: Any) -> Any:
    """Return the template that is named instead of a text, as far as it is set."""
    if type(prompt) is not dict:
        return None
    return {name: value for name, value in prompt.items() if value is not None}


def _tool_names(*lists: Any) -> list[str]:
    """Return the names of tools, the type for one that the provider runs."""
    tools = [tool for given in lists if type(given) is list for tool in given]
    return [name for tool in tools[:_TOOLS] if (name := _tool_name(tool))]


def _tool_name(tool: Any) -> str:
    if type(tool) is not dict:
        return ""
    kind = tool.get("type")
    inner = tool.get(kind) if type(kind) is str else None
    if type(inner) is dict and text_of(inner.get("name")):
        return text_of(inner["name"])
    return text_of(tool.get("name")) or text_of(kind)


def _schema_of(body: dict[str, Any]) -> Schema | None:
    """Return the schema that `response_format` or `text.format` names."""
    text = body.get("text")
    wanted = text.get("format") if type(text) is dict else body.get("response_format")
    if type(wanted) is not dict or wanted.get("type") != "json_schema":
        return None
    inner = wanted.get("json_schema")
    schema = inner if type(inner) is dict else wanted
    is_strict = schema.get("strict") is True
    return Schema(text_of(schema.get("name")), is_strict, schema.get("schema"))
