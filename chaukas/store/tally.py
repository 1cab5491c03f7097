"""
Sums by group: what can be asked, and how counts become rows.

Percentiles come from buckets, which add up; see `buckets`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from .answers import NumberRow, Numbers
from .buckets import Histogram, quantiles_ms
from .facts import PICO
from .fold import NO_BUCKET
from .protocol import BY, OF, QuestionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ("NAMED", "TIMES", "Counted", "Question", "date_of", "question_of", "tally",
           "width_for")  # fmt: skip

NAMED: Final = {"model": "model", "tool": "tool", "server": "mcp", "to": "handoff"}
"""What a name is of, by the word that it is grouped by."""
TIMES: Final = ("time", "minute", "hour", "day")

_WIDTHS_S: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_LADDER_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
    43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000,
)  # fmt: skip
_INTERVALS: Final = 120
_SUMS: Final = 10

Counted = tuple[tuple[str, ...], int | bytes, "Sequence[float]"]
"""
Key, bucket of durations or a stored `Histogram`, and sums: count, failed, cancelled,
retries, tokens in, out and cached, cost, calls without a price, microseconds.
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What is counted, and by what."""

    by: tuple[str, ...]
    of: str

    @property
    def counts_retries(self) -> bool:
        """Whether retries belong to a group: they name a model, and no tool."""
        named = {word for word in self.by if word in NAMED}
        return self.of not in {"tool", "mcp", "handoff"} and named <= {"model"}

    def width_s(self, first_us: int, last_us: int) -> int:
        """Return the length of its intervals, for events between two moments."""
        word = next((word for word in self.by if word in TIMES), "")
        return _WIDTHS_S.get(word) or width_for(first_us, last_us)

    def key(
        self, values: Mapping[str, str], at_us: int, width_s: int
    ) -> tuple[str, ...]:
        """Return the group of what happened then and has these values."""
        return tuple(
            self.moment(word, at_us, width_s) if word in TIMES else values[word]
            for word in self.by
        )

    def moment(self, word: str, at_us: int, width_s: int) -> str:
        """Return the key of the interval in which a moment lies."""
        width = _WIDTHS_S.get(word, width_s)
        start_s = at_us // (width * 1_000_000) * width
        return date_of(start_s) if word == "day" else str(start_s)


def date_of(seconds: int) -> str:
    """Return the day in which a moment lies, in seconds since 1970."""
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return "?"
    return f"{moment:%Y-%m-%d}"


def question_of(by: Sequence[str], of: str) -> Question:
    """
    Return the question, or say why it is none.

    Raises:
        ValueError: A word is unknown, or the words do not go together.
    """
    for word in by:
        if word not in BY:
            raise QuestionError(f"cannot group by {word!r}, but by {', '.join(BY)}")
    if len(set(by)) != len(by) or sum(word in TIMES for word in by) > 1:
        raise QuestionError("cannot group by the same thing twice")
    kinds = {NAMED[word] for word in by if word in NAMED}
    if len(kinds) > 1:
        text = "cannot group by models, tools and servers at the same time"
        raise QuestionError(text)
    implied = next(iter(kinds), "")
    of = of or implied or ("agent" if list(by) == ["agent"] else "run")
    if of not in OF:
        raise QuestionError(f"cannot count {of!r}, but {', '.join(OF)}")
    if implied and of != implied:
        word = next(word for word in by if word in NAMED)
        raise QuestionError(f"{of} has no {word}: count {implied}, or group otherwise")
    return Question(tuple(by), of)


def width_for(first_us: int, last_us: int) -> int:
    """Return the shortest interval in seconds of which at most 120 are needed."""
    for width_s in _LADDER_S:
        step = width_s * 1_000_000
        if last_us // step - first_us // step < _INTERVALS:
            return width_s
    return _LADDER_S[-1]


def tally(
    question: Question, found: Iterable[Counted], limit: int, width_s: int | None
) -> Numbers:
    """Return the answer that sums by key and bucket make up."""
    sums: dict[tuple[str, ...], list[float]] = {}
    buckets: defaultdict[tuple[str, ...], dict[int, int]] = defaultdict(dict)
    histograms: defaultdict[tuple[str, ...], Histogram] = defaultdict(Histogram)
    total_sums: list[float] = [0.0] * _SUMS
    total_buckets: dict[int, int] = {}
    for key, bucket, numbers in found:
        for known in (sums.setdefault(key, [0.0] * _SUMS), total_sums):
            for index, number in enumerate(numbers):
                known[index] += number or 0
        if type(bucket) is bytes:
            stored = Histogram(bucket)
            histograms[key].lanes += stored.lanes
            histograms[()].lanes += stored.lanes if key else 0
        elif type(bucket) is int and bucket != NO_BUCKET and numbers[0]:
            for counts in (buckets[key], total_buckets):
                counts[bucket] = counts.get(bucket, 0) + int(numbers[0])
    for key, histogram in histograms.items():
        buckets[key] = histogram.counts()
    total_buckets = total_buckets or buckets[()]
    # Of a group with nothing but retries, nothing was counted.
    rows = [_row(key, known, buckets[key]) for key, known in sums.items() if known[0]]
    is_by_time = any(word in TIMES for word in question.by)
    rows.sort(key=lambda row: row.key if is_by_time else _rank(row))
    shown = tuple(rows[:limit])
    total = _row((), total_sums, total_buckets)
    is_cut = len(rows) > len(shown)
    return Numbers(question.by, question.of, shown, total, width_s, is_cut)


def _rank(row: NumberRow) -> tuple[Any, ...]:
    return (-row.cost_usd, -row.count, *row.key)


def _row(
    key: tuple[str, ...], sums: Sequence[float], buckets: dict[int, int]
) -> NumberRow:
    whole = [round(number) for number in sums]
    middle, most = quantiles_ms(buckets, (0.5, 0.95))
    return NumberRow(
        key, whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6],
        whole[7] / PICO, whole[8],
        middle, most, round(sums[9] / 1000, 3),
    )  # fmt: skip
