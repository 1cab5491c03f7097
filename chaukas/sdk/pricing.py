"""
What a model call costs, from the price list that `genai-prices` ships.

Offline, and no guess: an unknown model has no cost. Prices without tiers are read
once for each model, because a look-up costs more than the rest of an event.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["cost_of", "load"]

_PER_MTOK = 1e-6
_DIGITS = 12


class _Rates(NamedTuple):
    input: float
    output: float
    cached: float
    written: float


def load() -> None:
    """Import the price list now, so that the first model call does not."""
    _rates_of("openai", "gpt-4o")


@lru_cache(maxsize=512)
def _rates_of(provider: str, model: str) -> _Rates | None:
    try:
        from genai_prices import Usage, calc_price

        found = calc_price(
            Usage(input_tokens=1, output_tokens=1),
            model_ref=model,
            provider_id=provider or None,
        ).model_price
    except (LookupError, ImportError):
        return None
    values = [
        getattr(found, name, None)
        for name in (
            "input_mtok",
            "output_mtok",
            "cache_read_mtok",
            "cache_write_mtok",
        )
    ]
    try:
        rates = [None if value is None else float(value) for value in values]
    except TypeError:
        # Prices in tiers depend on the size of the request: not told, not guessed.
        return None
    if rates[0] is None or rates[1] is None:
        return None
    return _Rates(
        rates[0],
        rates[1],
        rates[0] if rates[2] is None else rates[2],
        rates[0] if rates[3] is None else rates[3],
    )


def cost_of(
    provider: str,
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
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

    Returns:
        CostDetails as a dict, or None for an unknown model, one priced in tiers,
        or a call without usage.
    """
    if not input_tokens and not output_tokens:
        return None
    rates = _rates_of(provider, model)
    if rates is None:
        return None
    plain = max(input_tokens - cached_tokens - cache_write_tokens, 0)
    input_cost = _PER_MTOK * (
        plain * rates.input
        + cached_tokens * rates.cached
        + cache_write_tokens * rates.written
    )
    output_cost = _PER_MTOK * output_tokens * rates.output
    cost: dict[str, Any] = {
        "provider": provider,
        "service": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_cost": round(input_cost, _DIGITS),
        "output_cost": round(output_cost, _DIGITS),
        "total_cost": round(input_cost + output_cost, _DIGITS),
        "currency": "USD",
        "input_rate_per_token": round(rates.input * _PER_MTOK, _DIGITS),
        "output_rate_per_token": round(rates.output * _PER_MTOK, _DIGITS),
    }
    return {key: value for key, value in cost.items() if value}
