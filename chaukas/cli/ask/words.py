"""How runs, times, durations, tokens and money are written."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from chaukas.cli.output import ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.store.answers import RunRow

__all__ = (
    "clock",
    "date_time",
    "duration",
    "money",
    "number",
    "path",
    "quoted",
    "run_head",
    "short_id",
)

_MARKS = {
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "open": "…",
    "died": "died",
    "waiting": "waiting",
}
_MINUTE_MS = 60_000
_ID_CHARS = 8


def _moment(at_us: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(at_us / 1e6, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None


def date_time(at_us: int) -> str:
    """Return a moment to the second, UTC."""
    moment = _moment(at_us)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "?"


def clock(at_us: int) -> str:
    """Return the time of the day of a moment, to the millisecond, UTC."""
    moment = _moment(at_us)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}" if moment else "?"


def duration(milliseconds: float | None) -> str:
    """Return a duration in the unit that fits; empty for none."""
    if milliseconds is None:
        return ""
    if milliseconds < _MINUTE_MS:
        return ms(milliseconds)
    minutes, rest = divmod(milliseconds / 1000, 60)
    return f"{minutes:.0f} min {rest:.0f} s"


def money(usd: float, unpriced: int = 0) -> str:
    """Return an amount in USD, `+?` behind it if calls of unknown price are missing."""
    amount = f"{usd:,.2f}" if usd >= 1 else f"{usd:.6f}" if usd else ""
    return f"{amount} +?".strip() if unpriced else amount


def number(count: int) -> str:
    """Return a number; empty for zero."""
    return f"{count:,}" if count else ""


def path(agents: Sequence[str]) -> str:
    """Return agents in their order."""
    return " → ".join(agents)


def short_id(trace_id: str) -> str:
    """Return the end of an id, which tells runs of one process apart."""
    return trace_id[-_ID_CHARS:]


def quoted(text: str) -> str:
    """Return a text as one value of a filter."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def run_head(run: RunRow) -> str:
    """Return one line about a run."""
    parts = [
        f"run {run.trace_id}",
        f"{date_time(run.first_us)} UTC",
        f"session {run.session_id}" if run.session_id else "",
        f"tenant {run.tenant_id}" if run.tenant_id != "default" else "",
        path(run.agents),
        f"{_MARKS.get(run.status, run.status)} {duration(run.duration_ms)}",
        f"{run.input_tokens:,}+{run.output_tokens:,} tokens",
        f"{money(run.cost_usd, run.unpriced_calls)} USD" if run.cost_usd else "",
    ]
    return "  ".join(part for part in parts if part)
