"""
Read the tokens of a model call, by whatever names its provider counts them.

Pure: a usage may be an object of a provider's library or a dict; what is no int counts
as nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from chaukas.sdk.record.totals import Usage

__all__ = ["Usage", "read_usage", "usage_of"]

Reader: TypeAlias = Callable[[str, None], Any]
"""Returns a member by its name, or None."""


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
_NOTHING: dict[str, Any] = {}


def usage_of(response: Any) -> Usage:
    """Return the usage of a response that has a member `usage`."""
    return read_usage(_reader(response)("usage", None))


def read_usage(usage: Any) -> Usage:
    """
    Return the tokens that *usage* names.

    `input_tokens` are all that went in, cached ones included, and `output_tokens` all
    that came out, reasoning included, as prices want them. A total that the provider
    does not tell is their sum.
    """
    if usage is None:
        return Usage()
    get = _reader(usage)
    for names in _APIS:
        if get(names.input, None) is not None:
            return _of_api(get, names)
    if get(_GOOGLE, None) is not None:
        return _of_google(get)
    return Usage(requests=1)


def _of_api(get: Reader, names: _Names) -> Usage:
    details = _first(get, names.input_details)
    get_in = _reader(details)
    get_out = _reader(_first(get, names.output_details))
    cached = _count(get_in, "cached_tokens", "cache_read")
    written = _count(get_in, "cache_write_tokens", "cache_creation")
    sent = _count(get, names.input)
    if details is None:
        # Anthropic's own count of the input leaves its cache out.
        cached = _count(get, "cache_read_input_tokens")
        written = _count(get, "cache_creation_input_tokens")
        sent += cached + written
    received = _count(get, names.output)
    has_total = get("total_tokens", None) is not None
    get_cached = _reader(get_in("cached_tokens_details", None))
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=_count(get, "total_tokens") if has_total else sent + received,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=_count(get_out, "reasoning_tokens", "reasoning"),
        requests=1 if get("requests", None) is None else _count(get, "requests"),
        input_audio_tokens=_count(get_in, "audio_tokens", "audio"),
        output_audio_tokens=_count(get_out, "audio_tokens", "audio"),
        cached_audio_tokens=_count(get_cached, "audio_tokens"),
    )


def _of_google(get: Reader) -> Usage:
    """Read the usage of Gemini, which counts thoughts and tools by themselves."""
    thoughts = _count(get, "thoughts_token_count")
    sent = _count(get, _GOOGLE) + _count(get, "tool_use_prompt_token_count")
    received = _count(get, "candidates_token_count") + thoughts
    return Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=_count(get, "total_token_count") or sent + received,
        cached_tokens=_count(get, "cached_content_token_count"),
        reasoning_tokens=thoughts,
        requests=1,
    )


def _reader(item: Any) -> Reader:
    """Return what reads a member of *item*, in C as nearly every call of it is."""
    if item is None:
        return _NOTHING.get
    return item.get if type(item) is dict else partial(getattr, item)


def _first(get: Reader, names: tuple[str, ...]) -> Any:
    for name in names:
        value = get(name, None)
        if value is not None:
            return value
    return None


def _count(get: Reader, *names: str) -> int:
    for name in names:
        value = get(name, None)
        if value is not None:
            return value if type(value) is int else 0
    return 0
