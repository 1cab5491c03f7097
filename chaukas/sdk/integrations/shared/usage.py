"""
Read the tokens of a model call, by whatever names its provider counts them.

Pure: a usage may be an object of a provider's library or a dict; what is no int counts
as nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chaukas.sdk.record.totals import Usage

__all__ = ["Usage", "read_usage", "usage_of"]


class _Names(NamedTuple):
    """Where an API has its counts, and the details of each side."""

    input: str
    output: str
    input_details: tuple[str, ...]
    output_details: tuple[str, ...]


_APIS = (
    # Responses of OpenAI, the Agents SDK, LangChain, Anthropic.
    _Names(
        "input_tokens",
        "output_tokens",
        ("input_tokens_details", "input_token_details"),
        ("output_tokens_details", "output_token_details"),
    ),
    # Chat completions of OpenAI, and all that is compatible with them.
    _Names(
        "prompt_tokens",
        "completion_tokens",
        ("prompt_tokens_details",),
        ("completion_tokens_details",),
    ),
)
_GOOGLE = "prompt_token_count"


def usage_of(response: Any) -> Usage:
    """Return the usage of a response that has a member `usage`."""
    return read_usage(_read(response, "usage"))


def read_usage(usage: Any) -> Usage:
    """
    Return the tokens that *usage* names.

    `input_tokens` are all that went in, cached ones included, and `output_tokens` all
    that came out, reasoning included, as prices want them. A total that the provider
    does not tell is their sum.
    """
    if usage is None:
        return Usage()
    for names in _APIS:
        if _read(usage, names.input) is not None:
            return _of_api(usage, names)
    if _read(usage, _GOOGLE) is not None:
        return _of_google(usage)
    return Usage(requests=1)


def _of_api(usage: Any, names: _Names) -> Usage:
    details_in = _first(usage, names.input_details)
    details_out = _first(usage, names.output_details)
    cached = _first_count(details_in, ("cached_tokens", "cache_read"))
    written = _first_count(details_in, ("cache_write_tokens", "cache_creation"))
    sent = _count(usage, names.input)
    if details_in is None:
        # Anthropic's own count of the input leaves its cache out.
        cached = _count(usage, "cache_read_input_tokens")
        written = _count(usage, "cache_creation_input_tokens")
        sent += cached + written
    received = _count(usage, names.output)
    total = _read(usage, "total_tokens")
    requests = _read(usage, "requests")
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=sent + received
        if total is None
        else _count(usage, "total_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=_first_count(details_out, ("reasoning_tokens", "reasoning")),
        requests=1 if requests is None else _count(usage, "requests"),
        input_audio_tokens=_first_count(details_in, ("audio_tokens", "audio")),
        output_audio_tokens=_first_count(details_out, ("audio_tokens", "audio")),
        cached_audio_tokens=_count(
            _read(details_in, "cached_tokens_details"), "audio_tokens"
        ),
    )


def _of_google(usage: Any) -> Usage:
    """Read the usage of Gemini, which counts thoughts and tools by themselves."""
    thoughts = _count(usage, "thoughts_token_count")
    sent = _count(usage, _GOOGLE) + _count(usage, "tool_use_prompt_token_count")
    received = _count(usage, "candidates_token_count") + thoughts
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=_count(usage, "total_token_count") or sent + received,
        cached_tokens=_count(usage, "cached_content_token_count"),
        reasoning_tokens=thoughts,
        requests=1,
    )


def _read(item: Any, name: str) -> Any:
    return item.get(name) if type(item) is dict else getattr(item, name, None)


def _count(item: Any, name: str) -> int:
    value = _read(item, name)
    return value if type(value) is int else 0


def _first(item: Any, names: tuple[str, ...]) -> Any:
    found = (_read(item, name) for name in names)
    return next((value for value in found if value is not None), None)


def _first_count(item: Any, names: tuple[str, ...]) -> int:
    value = None if item is None else _first(item, names)
    return value if type(value) is int else 0
