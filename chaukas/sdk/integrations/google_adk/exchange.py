"""Read what a model is asked and what it answers, as ADK has it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.model_facts import (
    Answer,
    Failure,
    Request,
    Schema,
)
from chaukas.sdk.integrations.shared.models import CONTENT_FILTER
from chaukas.sdk.integrations.shared.read import is_set, list_of, text_of
from chaukas.sdk.integrations.shared.usage import read_usage
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.introspect import (
    attributes_of,
    class_name_of,
    mro_of,
)

from .facts import (
    field,
    message_of,
    model_name_of,
    name_of_callable,
    parts_of,
    text_in,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Hosted", "answer_of", "failure_of", "hosted_in", "request_of"]

_PROVIDERS = {
    "google.adk.models.google_llm": "google",
    "google.adk.models.anthropic_llm": "anthropic",
    "google.adk.models.apigee_llm": "apigee",
}
_NUMBERS = (
    "temperature",
    "top_p",
    "top_k",
    "candidate_count",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)
_FILTERED = frozenset(
    {"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "IMAGE_SAFETY"}
)
"""Reasons for which Gemini withholds an answer."""


class Hosted(NamedTuple):
    """A tool that the provider ran itself."""

    name: str
    arguments: dict[str, Any]
    output: Any = None
    sources: tuple[str, ...] = ()
    """Addresses of what it found."""


# --- the request ---------------------------------------------------------------------


def request_of(llm: Any, asked: Any, *, stream: bool) -> Request:
    """
    Return what a model is asked.

    Args:
        llm: The object that is called.
        asked: ADK's request. Models change it later: it is read at once.
        stream: The answer is wanted piece by piece.
    """
    held = attributes_of(asked)
    config = attributes_of(held.get("config"))
    model = text_of(held.get("model")) or model_name_of(llm)
    system = config.get("system_instruction")
    return Request(
        provider=_provider_of(llm, model),
        model=model,
        messages=[message_of(each) for each in list_of(held.get("contents"))],
        system=text_of(system) or text_in(system),
        settings=_settings(config),
        tools=list(_tools(held, config)),
        output_schema=_schema(config),
        stream=stream,
        more=without_defaults(
            {
                "previous_interaction_id": text_of(held.get("previous_interaction_id")),
                "cached_content": text_of(config.get("cached_content")),
            }
        ),
    )


def _provider_of(llm: Any, model: str) -> str:
    for cls in mro_of(type(llm)):
        module = cls.__module__
        if module == "google.adk.models.lite_llm":
            return model.partition("/")[0] if "/" in model else "litellm"
        if module in _PROVIDERS:
            return _PROVIDERS[module]
    return class_name_of(llm)


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    settings = {name: config.get(name) for name in _NUMBERS}
    settings["max_tokens"] = config.get("max_output_tokens")
    settings["stop"] = list_of(config.get("stop_sequences")) or None
    settings["response_mime_type"] = text_of(config.get("response_mime_type")) or None
    settings["service_tier"] = value_of(config.get("service_tier")) or None
    calling = field(config.get("tool_config"), "function_calling_config", "mode")
    settings["tool_choice"] = value_of(calling) or None
    thinking = attributes_of(config.get("thinking_config"))
    for name in ("include_thoughts", "thinking_budget"):
        settings[name] = thinking.get(name)
    settings["thinking_level"] = value_of(thinking.get("thinking_level")) or None
    return {name: value for name, value in settings.items() if value is not None}


def _tools(held: dict[str, Any], config: dict[str, Any]) -> Iterator[str]:
    names = held.get("tools_dict")
    if type(names) is dict:
        yield from (name for name in names if type(name) is str)
    for tool in list_of(config.get("tools")):
        for name, value in attributes_of(tool).items():
            if value is not None and name != "function_declarations":
                yield name


def _schema(config: dict[str, Any]) -> Schema | None:
    schema = config.get("response_schema")
    if schema is None:
        schema = config.get("response_json_schema")
    if schema is None:
        return None
    if type(schema) is dict:
        return Schema(text_of(schema.get("title")) or "schema")
    return Schema(name_of_callable(schema))


# --- the answer ----------------------------------------------------------------------


def answer_of(response: Any, *, usage: Any = None) -> Answer:
    """
    Return what a model answered; of nothing, an empty answer.

    Args:
        response: ADK's last response.
        usage: Its tokens, where another response tells them.
    """
    held = attributes_of(response)
    own_usage = held.get("usage_metadata")
    calls = (field(part, "function_call") for part in parts_of(response))
    reason = value_of(held.get("finish_reason"))
    metadata = {
        "provider_finish_reason": reason if reason in _FILTERED else "",
        "interaction_id": text_of(held.get("interaction_id")),
        "error_code": value_of(held.get("error_code")),
    }
    is_filtered = reason in _FILTERED or metadata["error_code"] in _FILTERED
    return Answer(
        text=text_in(response),
        tool_calls=[_call(attributes_of(call)) for call in calls if call is not None],
        reasoning=text_in(response, thoughts=True),
        finish_reason=CONTENT_FILTER if is_filtered else reason.lower(),
        model=text_of(held.get("model_version")),
        usage=read_usage(usage if own_usage is None else own_usage),
        metadata=without_defaults(metadata),
    )


def _call(held: dict[str, Any]) -> dict[str, Any]:
    call = {name: text_of(held.get(name)) for name in ("id", "name")}
    call = {name: value for name, value in call.items() if value}
    args = held.get("args")
    return {**call, "arguments": args if is_set(args) else {}}


def failure_of(response: Any) -> Failure | None:
    """Return the failure that a response tells instead of an answer."""
    held = attributes_of(response)
    code = value_of(held.get("error_code"))
    if not code or parts_of(response):
        return None
    return Failure(text_of(held.get("error_message")) or code, code)


def hosted_in(response: Any) -> Iterator[Hosted]:
    """Yield the tools that the provider ran for an answer."""
    held = attributes_of(response)
    if (grounding := held.get("grounding_metadata")) is not None:
        yield from _grounded(attributes_of(grounding))
    urls = list_of(field(held.get("url_context_metadata"), "url_metadata"))
    if urls:
        read = tuple(filter(None, (text_of(field(u, "retrieved_url")) for u in urls)))
        yield Hosted("url_context", {"urls": list(read)}, None, read)
    yield from _code_in(response)


def _grounded(grounding: dict[str, Any]) -> Iterator[Hosted]:
    chunks = list_of(grounding.get("grounding_chunks"))
    for name, kind, asked in (
        ("google_search", "web", "web_search_queries"),
        ("google_maps", "maps", ""),
        ("retrieval", "retrieved_context", "retrieval_queries"),
    ):
        queries = list_of(grounding.get(asked))
        uris = (text_of(field(chunk, kind, "uri")) for chunk in chunks)
        found = tuple(filter(None, uris))
        if queries or found:
            yield Hosted(name, {"queries": queries} if asked else {}, None, found)


def _code_in(response: Any) -> Iterator[Hosted]:
    code: dict[str, Any] | None = None
    for part in map(attributes_of, parts_of(response)):
        if part.get("executable_code") is not None:
            given = attributes_of(part["executable_code"])
            code = {
                "code": text_of(given.get("code")),
                "language": value_of(given.get("language")),
            }
        elif part.get("code_execution_result") is not None and code is not None:
            result = attributes_of(part["code_execution_result"])
            output = {
                "outcome": value_of(result.get("outcome")),
                "output": text_of(result.get("output")),
            }
            yield Hosted("code_execution", code, output)
            code = None
