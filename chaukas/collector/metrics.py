"""What a collector counts, as the text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.store.protocol import Verdicts

__all__ = ("Metrics",)

_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counts since the start; each is changed by one thread, and read by any."""

    def __init__(self) -> None:
        self.accepted = 0
        self.duplicate = 0
        self.rejected: Counter[str] = Counter()
        """By reason, of those that never came to the store."""
        self._refused: Counter[str] = Counter()
        """By reason, of those that the store did not take."""
        self.requests: Counter[tuple[str, int]] = Counter()
        """By kind of call and status."""
        self._commits = [0] * (len(_BOUNDS_S) + 1)
        self._commit_s = 0.0

    def commit(self, duration_s: float, verdicts: Sequence[Verdicts]) -> None:
        """Count a commit; called by the thread that writes."""
        for one in verdicts:
            self.accepted += one.accepted
            self.duplicate += one.duplicate
            self._refused.update(rejection.reason for rejection in one.rejected)
        self._commits[bisect_left(_BOUNDS_S, duration_s)] += 1
        self._commit_s += duration_s

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """
        Return all of it in the text format.

        Args:
            gauges: Further values: what they mean, and what they are now.
        """
        lines = [
            *_counter("events_accepted", "Events taken and committed.", self.accepted),
            *_counter("events_duplicate", "Events that were here.", self.duplicate),
            *_head("events_rejected", "Events refused, by reason.", "counter"),
        ]
        lines += [
            f'chaukas_events_rejected_total{{reason="{reason}"}} {number}'
            for reason, number in sorted((self.rejected + self._refused.copy()).items())
        ]
        lines += _head("requests", "Requests, by call and status.", "counter")
        lines += [
            f'chaukas_requests_total{{call="{call}",status="{status}"}} {number}'
            for (call, status), number in sorted(self.requests.items())
        ]
        lines += self._histogram()
        for name, (meaning, value) in gauges.items():
            lines += [
                f"# HELP chaukas_{name} {meaning}",
                f"# TYPE chaukas_{name} gauge",
                f"chaukas_{name} {value:g}",
            ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "chaukas_commit_seconds"
        lines = [f"# HELP {name} Duration of commits.", f"# TYPE {name} histogram"]
        total = 0
        for bound, number in zip((*_BOUNDS_S, "+Inf"), self._commits, strict=True):
            total += number
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self._commit_s:.6f}", f"{name}_count {total}"]


def _head(name: str, meaning: str, kind: str) -> list[str]:
    full = f"chaukas_{name}_total"
    return [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]


def _counter(name: str, meaning: str, value: int) -> list[str]:
    return [*_head(name, meaning, "counter"), f"chaukas_{name}_total {value}"]
