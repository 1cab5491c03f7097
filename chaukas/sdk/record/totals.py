"""
Add up what model calls took: tokens and cost, for agents, runs and sessions.

Sums are made where the calls end, so that a reader of the record need not join them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Totals", "Usage", "with_totals"]

_DIGITS = 12


class Usage(NamedTuple):
    """Tokens of one call, or of several added up."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_audio_tokens: int = 0

    def plus(self, other: Usage) -> Usage:
        """Return the sum."""
        return Usage(*map(int.__add__, self, other))


class Totals:
    """
    Tokens and cost of several model calls.

    Not locked: whoever shares one between threads adds under a lock of its own.
    """

    __slots__ = ("cost", "model_calls", "unpriced_calls", "usage")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.usage = Usage()
        self.cost = 0.0
        """US dollars."""
        self.model_calls = 0
        self.unpriced_calls = 0
        """Calls that took tokens of a model without a known price."""

    def add(self, usage: Usage, cost: dict[str, Any] | None) -> None:
        """
        Add one model call.

        Args:
            usage: Its tokens.
            cost: Its `cost` member, see `pricing.cost_of`; None if there is none.
        """
        self.model_calls += 1
        self.usage = self.usage.plus(usage)
        if cost is not None:
            self.cost += cost.get("total_cost", 0.0)
        elif usage.total_tokens:
            self.unpriced_calls += 1

    def facts(self) -> dict[str, Any]:
        """
        Return `usage`, `cost` and `price`, each only if there is one.

        `price` is `"unknown"` where calls are missing in the cost.
        """
        facts: dict[str, Any] = {}
        if self.usage.total_tokens:
            tokens = self.usage._asdict()
            facts["usage"] = {name: count for name, count in tokens.items() if count}
        if self.cost:
            facts["cost"] = {
                "total_cost": round(self.cost, _DIGITS),
                "currency": "USD",
            }
        if self.unpriced_calls:
            facts["price"] = "unknown"
        return facts


def with_totals(
    facts: dict[str, Any],
    agent: Totals,
    _capture: object,
    *,
    whole: dict[str, Any] | None = None,
    run: Totals | None = None,
) -> dict[str, Any]:
    """
    Return the facts of an AGENT_END, with what it took; on the writer's thread.

    Args:
        facts: What else there is.
        agent: Added up by now, as all its model calls have been made.
        whole: Facts of the whole run, for the last agent of it.
        run: What the whole run took.
    """
    # Late, as this module is loaded with chaukas itself.
    from chaukas.sdk.capture.held import captured_now

    if whole is not None and run is not None:
        calls = {"model_calls": run.model_calls}
        found = {**whole, **calls, **run.facts()}
        facts = {
            **facts,
            "run": {name: value for name, value in found.items() if value},
        }
    shown = {name: captured_now(value) for name, value in facts.items()}
    return {**shown, **agent.facts()}
