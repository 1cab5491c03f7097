"""How long a collector's answers take, over HTTP: for one tenant and for the owner."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from collector_events import FREQUENT, PAIR, RARE, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("LIMITS_MS", "asked")

LIMITS_MS: Final = {
    "sessions": 10,
    "sessions, filtered": 10,
    "tree": 20,
    "search, frequent": 200,
    "search, rare": 200,
    "search, two words": 200,
    "numbers by day and model": 50,
}
"""What each question may take; the rest of what is asked has no limit."""


def asked(
    place: str, keys: Mapping[str, str], times: int
) -> dict[str, dict[str, float | bool]]:
    """
    Return the median and the longest time of each question in milliseconds.

    Args:
        place: Host and port.
        keys: Secrets by who asks: a tenant, or `*`.
        times: How often each is asked.
    """
    found: dict[str, dict[str, float | bool]] = {}
    for who, key in keys.items():
        connection = http.client.HTTPConnection(place, timeout=600)
        trace = _get(connection, key, "/api/runs?limit=1")["items"][0]["trace_id"]
        for name, path in _questions(trace, who).items():
            took = sorted(_timed(connection, key, path) for _ in range(times))
            limit = LIMITS_MS.get(name)
            answer: dict[str, float | bool] = {
                "p50_ms": round(took[len(took) // 2], 2),
                "worst_ms": round(took[-1], 2),
            }
            if limit is not None:
                answer["is_within_limit"] = answer["p50_ms"] <= limit
            found[f"{name} ({who})"] = answer
        connection.close()
    return found


def _questions(trace: str, who: str) -> dict[str, str]:
    questions = {
        "sessions": "/api/sessions",
        "sessions, filtered": "/api/sessions?filter=agent:agent-3",
        "runs": "/api/runs",
        "runs, failed": "/api/runs?filter=status:failed",
        "tree": f"/api/tree?trace_id={trace}",
        "search, frequent": f"/api/search?text={FREQUENT}",
        "search, rare": f"/api/search?text={RARE}",
        "search, two words": f"/api/search?text={quote(PAIR)}",
        "numbers by day and model": "/api/numbers?by=day,model",
        "trouble": "/api/trouble",
        "status": "/api/status",
        "summary": "/api/summary",
        "metrics": "/metrics",
    }
    if who != "*":
        del questions["metrics"]
    else:
        filtered = "/api/sessions?filter=tenant:" + SMALLEST
        questions["sessions of the smallest tenant"] = filtered
    return questions


def _timed(connection: http.client.HTTPConnection, key: str, path: str) -> float:
    begun = time.perf_counter()
    _get(connection, key, path)
    return (time.perf_counter() - begun) * 1000


def _get(connection: http.client.HTTPConnection, key: str, path: str) -> Any:
    connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (path, answer.status, body[:200])
    is_json = answer.getheader("content-type", "").startswith("application/json")
    return orjson.loads(body) if is_json else body
