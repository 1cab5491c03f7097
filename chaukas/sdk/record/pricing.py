"""
What a model call costs, from the price list that `genai-prices` ships.

Offline, and no guess: an unknown model has no cost. Prices that do not depend on the
size of a call are read once for each model, because a look-up costs more than the
rest of an event.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["cost_of", "is_priced", "load"]

_PER_MTOK = 1e-6
_DIGITS = 12
_COMPATIBLE = "openai_compatible"
"""A provider that nobody knows: a name that it has in common with OpenAI's says
nothing of its price."""
_ALIASES = {
    "azure_ai": "azure",
    "bedrock": "aws",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "together_ai": "together",
    "vertex_ai": "google",
    "xai": "x-ai",
}
"""Providers by the names that LiteLLM routes by."""


class _Rates(NamedTuple):
    """US dollars per million tokens."""

    input: float
    output: float | None
    """None for a model that writes nothing, such as one of embeddings."""
    cached: float
    written: float


class _Parts(NamedTuple):
    """US dollars of one call."""

    input: float
    output: float


class _Tokens(NamedTuple):
    """All tokens of a call."""

    input: int
    output: int
    cached: int
    written: int


class _Audio(NamedTuple):
    """Tokens of a call that were audio, which costs more."""

    input: int
    output: int
    cached: int


_TIERED = _Rates(-1, -1, -1, -1)
"""Prices that depend on the size of the call: looked up for each."""


def load() -> None:
    """Import the price list now, so that the first model call does not."""
    _rates_of("openai", "gpt-4o")


@lru_cache(maxsize=512)
def _rates_of(provider: str, model: str) -> _Rates | None:
    try:
        from genai_prices import Usage
    except ImportError:
        return None
    listed = _listed(provider, model, Usage(input_tokens=1, output_tokens=1))
    if listed is None:
        return None
    found = listed.model_price
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    values = [getattr(found, name, None) for name in names]
    if values[0] is None:
        return None
    try:
        rates = [None if value is None else float(value) for value in values]
    except TypeError:
        return _TIERED
    plain, output, cached, written = rates
    return _Rates(
        plain or 0.0,
        output,
        (plain or 0.0) if cached is None else cached,
        (plain or 0.0) if written is None else written,
    )


def _flat_parts(rates: _Rates, tokens: _Tokens) -> _Parts:
    plain = max(tokens.input - tokens.cached - tokens.written, 0)
    parts = (
        plain * rates.input,
        tokens.cached * rates.cached,
        tokens.written * rates.written,
    )
    output = tokens.output * (rates.output or 0.0)
    return _Parts(_PER_MTOK * sum(parts), _PER_MTOK * output)


def _places_of(provider: str, model: str) -> list[tuple[str, str, str]]:
    """
    Return where a model may stand in the list: its name, and the seller or its URL.

    A provider given as a host is found by its address, and never by a name that it
    contains. A routed name such as `anthropic/claude-sonnet-4-5` may stand there as
    it is, or under the provider that it begins with.
    """
    if provider == _COMPATIBLE:
        return []
    if "." in provider:
        return [(model, "", f"https://{provider}")]
    prefix, _, rest = model.partition("/")
    places = [(model, _ALIASES.get(provider, provider), "")]
    if rest:
        places.append((rest, _ALIASES.get(prefix, prefix), ""))
    return places


def _listed(provider: str, model: str, usage: Any) -> Any:
    """Return what the list says of a call, or None."""
    from genai_prices import calc_price

    for name, seller, address in _places_of(provider, model):
        try:
            if address:
                return calc_price(usage, name, provider_api_url=address)
            found = calc_price(usage, name, provider_id=seller or None)
        except LookupError:
            continue
        # The list also finds a provider by a part of the name it is given.
        if not seller or found.provider.id == seller:
            return found
    return None


def _looked_up_parts(
    provider: str, model: str, tokens: _Tokens, audio: _Audio
) -> _Parts | None:
    from genai_prices import Usage

    usage = Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cached or None,
        cache_write_tokens=tokens.written or None,
        input_audio_tokens=audio.input or None,
        output_audio_tokens=audio.output or None,
        cache_audio_read_tokens=audio.cached or None,
    )
    try:
        found = _listed(provider, model, usage)
    except ValueError:
        # Counts that contradict each other, such as more cached than there are.
        return None
    if found is None:
        return None
    return _Parts(float(found.input_price), float(found.output_price))


def is_priced(provider: str, model: str) -> bool:
    """Tell whether the list has a price for *model* at *provider*."""
    return bool(model) and _rates_of(provider, model) is not None


# Each is a number of the call.
def cost_of(
    provider: str,
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    input_audio_tokens: int = 0,
    output_audio_tokens: int = 0,
    cached_audio_tokens: int = 0,
) -> dict[str, Any] | None:
    """
    Return the `cost` member of a model event, in US dollars.

    Args:
        provider: Such as `openai`.
        model: Name as sent to the provider.
        input_tokens: All tokens in, cached ones included.
        output_tokens: All tokens out, reasoning included.
        cached_tokens: Tokens of the input that were read from a cache.
        cache_write_tokens: Tokens of the input that were written to a cache.
        input_audio_tokens: Tokens of the input that were audio.
        output_audio_tokens: Tokens of the output that were audio.
        cached_audio_tokens: Tokens of the cached input that were audio.

    Returns:
        CostDetails as a dict, or None for an unknown model or a call without usage.
        Rates per token are left out where they depend on the size of the call, or
        on what was text and what audio.
    """
    if not input_tokens and not output_tokens:
        return None
    rates = _rates_of(provider, model)
    if rates is None or (output_tokens and rates.output is None):
        return None
    tokens = _Tokens(input_tokens, output_tokens, cached_tokens, cache_write_tokens)
    audio = _Audio(input_audio_tokens, output_audio_tokens, cached_audio_tokens)
    is_flat = rates is not _TIERED and not any(audio)
    if is_flat:
        parts: _Parts | None = _flat_parts(rates, tokens)
    else:
        parts = _looked_up_parts(provider, model, tokens, audio)
    if parts is None:
        return None
    cost: dict[str, Any] = {
        "provider": provider,
        "service": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        **_in_dollars(parts, rates if is_flat else None),
    }
    return {key: value for key, value in cost.items() if value}


def _in_dollars(parts: _Parts, rates: _Rates | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "input_cost": round(parts.input, _DIGITS),
        "output_cost": round(parts.output, _DIGITS),
        "total_cost": round(parts.input + parts.output, _DIGITS),
        "currency": "USD",
    }
    if rates is not None:
        told["input_rate_per_token"] = round(rates.input * _PER_MTOK, _DIGITS)
        told["output_rate_per_token"] = round((rates.output or 0) * _PER_MTOK, _DIGITS)
    return told
