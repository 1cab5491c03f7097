"""
What the runs of a session add up to: outcomes, tokens, money.

Money of calls without a known price is not guessed; such calls are counted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .nesting import is_waiting
from .processes import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .nesting import Node

__all__ = ("Totals", "object_of", "totals_of")


@dataclass(slots=True)
class Totals:
    """Sums over everything below a session."""

    runs: int = 0
    failed: int = 0
    cancelled: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    costs: dict[str, float] = field(default_factory=dict)
    """By currency."""
    unpriced: int = 0
    """Model calls whose price is not known."""

    @property
    def is_failure(self) -> bool:
        """Every run failed."""
        return bool(self.runs) and self.failed == self.runs


def totals_of(session: Node) -> Totals:
    """Return the sums over all that stands below a session."""
    totals = Totals()
    _count_runs(session, totals)
    costs: defaultdict[str, float] = defaultdict(float)
    waiting = list(session.children)
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.base == "MODEL_INVOCATION" and node.end is not None:
            _add_call(node.end, totals, costs)
    totals.costs = dict(costs)
    return totals


def object_of(value: object) -> dict[str, Any]:
    """Return the value if it is an object, or else an empty one."""
    return value if type(value) is dict else {}


def _count_runs(session: Node, totals: Totals) -> None:
    # The last agent of a run says how it went; one that waited goes on in its trace.
    last: dict[int, Node] = {}
    keys: dict[int, int] = {}
    paused: dict[str, int] = {}
    for agent in session.children:
        if agent.run is None:
            continue
        trace, own = text_of(agent.event, "trace_id"), id(agent.run)
        if own not in keys:
            keys[own] = paused.pop(trace, own)
        last[keys[own]] = agent
        if is_waiting(agent.end):
            paused[trace] = keys[own]
    totals.runs = len(last)
    for agent in last.values():
        status = str((agent.end or {}).get("status"))
        totals.failed += status == "EVENT_STATUS_FAILED"
        totals.cancelled += status == "EVENT_STATUS_CANCELLED"
        totals.waiting += is_waiting(agent.end)


def _add_call(
    end: Mapping[str, Any], totals: Totals, costs: defaultdict[str, float]
) -> None:
    call = object_of(end.get("llm_invocation"))
    given, made = call.get("prompt_tokens"), call.get("completion_tokens")
    totals.prompt_tokens += given if type(given) is int else 0
    totals.completion_tokens += made if type(made) is int else 0
    cost = object_of(end.get("cost"))
    total, currency = cost.get("total_cost"), cost.get("currency")
    if type(total) is int or type(total) is float:
        costs[currency if type(currency) is str else ""] += total
    elif object_of(end.get("metadata")).get("price") == "unknown":
        totals.unpriced += 1
