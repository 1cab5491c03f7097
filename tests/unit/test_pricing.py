"""Prices: from the list, for known models, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from chaukas.sdk.record import pricing
from chaukas.sdk.record.pricing import cost_of

FLAT, TIERED = ("openai", "gpt-4o"), ("google", "gemini-2.5-pro")


def listed(model: tuple[str, str], **usage: int) -> Any:
    return calc_price(Usage(**usage), model_ref=model[1], provider_id=model[0])


def test_a_known_model_costs_what_the_list_says() -> None:
    cost = cost_of(*FLAT, input_tokens=1000, output_tokens=100)
    assert cost == {
        "provider": "openai",
        "service": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
        "total_tokens": 1100,
        "input_cost": 0.0025,
        "output_cost": 0.001,
        "total_cost": 0.0035,
        "currency": "USD",
        "input_rate_per_token": 0.0000025,
        "output_rate_per_token": 0.00001,
    }


@pytest.mark.parametrize("model", ["gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-5"])
def test_names_with_dates_and_variants_are_found(model: str) -> None:
    assert cost_of("openai", model, input_tokens=10, output_tokens=1)


@pytest.mark.parametrize(
    ("provider", "routed", "seller", "model"),
    [
        ("anthropic", "anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("gemini", "gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("xai", "xai/grok-4", "x-ai", "grok-4"),
        ("api.openai.com", "gpt-4o", "openai", "gpt-4o"),
        ("api.groq.com", "llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
        (
            "openrouter",
            "openrouter/anthropic/claude-sonnet-4.5",
            "openrouter",
            "anthropic/claude-sonnet-4.5",
        ),
    ],
)
def test_a_routed_name_costs_what_its_model_costs(
    provider: str, routed: str, seller: str, model: str
) -> None:
    cost = cost_of(provider, routed, input_tokens=1000, output_tokens=100)
    wanted = listed((seller, model), input_tokens=1000, output_tokens=100)
    assert cost is not None
    assert Decimal(str(cost["total_cost"])) == pytest.approx(wanted.total_price)


@given(
    plain=st.integers(0, 10**7),
    cached=st.integers(0, 10**6),
    output=st.integers(1, 10**6),
)
@pytest.mark.parametrize("model", [FLAT, TIERED])
def test_every_cost_agrees_with_the_list(
    model: tuple[str, str], plain: int, cached: int, output: int
) -> None:
    usage = {"input_tokens": plain + cached, "output_tokens": output}
    cost = cost_of(*model, **usage, cached_tokens=cached)
    wanted = listed(model, **usage, **({"cache_read_tokens": cached} if cached else {}))
    assert cost is not None
    error = abs(Decimal(str(cost["total_cost"])) - wanted.total_price)
    assert error <= Decimal("1e-9")


def test_cached_tokens_are_cheaper() -> None:
    full = cost_of(*FLAT, input_tokens=1000, output_tokens=1)
    less = cost_of(*FLAT, input_tokens=1000, output_tokens=1, cached_tokens=1000)
    assert full is not None
    assert less is not None
    assert less["input_cost"] == full["input_cost"] / 2
    assert less["input_tokens"] == 1000


def test_written_tokens_cost_what_the_list_says() -> None:
    model = ("anthropic", "claude-3-5-haiku-latest")
    usage = {"input_tokens": 1000, "output_tokens": 1, "cache_write_tokens": 400}
    cost = cost_of(*model, **usage)
    assert cost is not None
    assert cost["total_cost"] == float(listed(model, **usage).total_price)


def test_a_large_call_takes_the_price_of_its_tier() -> None:
    small = cost_of(*TIERED, input_tokens=100_000, output_tokens=10)
    large = cost_of(*TIERED, input_tokens=300_000, output_tokens=10)
    assert small is not None
    assert large is not None
    assert large["input_cost"] > 3 * small["input_cost"]
    assert large["output_cost"] > small["output_cost"]
    assert "input_rate_per_token" not in large


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "my-own-model"),
        ("nobody", "gpt-4o"),
        ("openai_compatible", "gpt-4o"),
        ("openai.acme.example", "gpt-4o"),
        ("MyOpenAIModel", "gpt-4o"),
        ("nobody", "nobody/gpt-4o"),
        ("", "my-own-model"),
        ("openai", ""),
    ],
)
def test_an_unknown_model_has_no_cost(provider: str, model: str) -> None:
    assert cost_of(provider, model, input_tokens=10, output_tokens=10) is None


def test_a_call_without_usage_has_no_cost() -> None:
    assert cost_of(*FLAT, input_tokens=0, output_tokens=0) is None


@pytest.mark.parametrize("model", [FLAT, TIERED])
def test_more_cached_than_there_are_is_no_reason_to_fail(
    model: tuple[str, str],
) -> None:
    cost = cost_of(*model, input_tokens=5, output_tokens=1, cached_tokens=10)
    assert cost is None or cost["total_cost"] > 0


def test_a_machine_without_the_list_has_no_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "genai_prices", None)
    pricing._rates_of.cache_clear()
    try:
        pricing.load()
        assert cost_of(*FLAT, input_tokens=1, output_tokens=1) is None
    finally:
        pricing._rates_of.cache_clear()


def test_audio_costs_more_than_text_and_has_no_one_rate() -> None:
    text = cost_of("openai", "gpt-realtime", input_tokens=1000, output_tokens=1000)
    audio = cost_of(
        "openai",
        "gpt-realtime",
        input_tokens=1000,
        output_tokens=1000,
        input_audio_tokens=1000,
        output_audio_tokens=1000,
    )
    assert text is not None
    assert audio is not None
    assert audio["total_cost"] > text["total_cost"]
    assert "input_rate_per_token" in text
    assert "input_rate_per_token" not in audio
