"""Pictures of the page: its views in light and dark, and on a narrow screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.browser import WIDE, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.page_server import Served

__all__ = ("run_of", "runs_of", "session_of", "spans_of", "take_pictures", "views")

_NARROW = (360, 740)
_PICTURES = (
    ("runs", "runs", WIDE, "light"),
    ("run", "model", WIDE, "light"),
    ("run-dark", "tool", WIDE, "dark"),
    ("session", "session", WIDE, "light"),
    ("lanes", "nested", WIDE, "light"),
    ("compare", "compare", WIDE, "light"),
    ("numbers-dark", "numbers", WIDE, "dark"),
    ("narrow", "runs", _NARROW, "light"),
)
"""Name of the file, view, size and scheme."""


def runs_of(server: Served, query: str = "") -> list[dict[str, Any]]:
    """Return all runs of a record."""
    answer = server.ask(f"/api/runs?filter={query}&limit=200")
    return list(json.loads(answer.body)["items"])


def run_of(server: Served, agent: str, **wanted: object) -> str:
    """Return the first run of an agent, by what else must hold of it."""
    for run in runs_of(server):
        if run["agents"][:1] == [agent] and wanted.items() <= run.items():
            return str(run["trace_id"])
    raise AssertionError(f"no run of {agent}")


def spans_of(server: Served, trace: str) -> list[dict[str, Any]]:
    """Return the spans of a run."""
    answer = server.ask(f"/api/tree?trace_id={trace}")
    return list(json.loads(answer.body)["spans"])


def session_of(server: Served) -> dict[str, Any]:
    """Return the session with the most runs."""
    items = json.loads(server.ask("/api/sessions").body)["items"]
    return dict(max(items, key=lambda each: each["runs"]))


def views(server: Served) -> dict[str, str]:
    """Return the address of every view, with something to see in each."""
    trace = run_of(server, "travel desk", retries=2)
    other = run_of(server, "travel desk", retries=1)
    nested = next(
        run["trace_id"]
        for run in runs_of(server)
        if "ask_accountant" in {s["name"] for s in spans_of(server, run["trace_id"])}
    )
    session = session_of(server)
    tool = next(s for s in spans_of(server, trace) if s["status"] == "failed")
    model = next(s for s in spans_of(server, trace) if s["kind"] == "model")
    whose = f"tenant={session['tenant_id']}&project={session['project_id']}"
    return {
        "runs": "#/runs",
        "sessions": "#/sessions",
        "session": f"#/session/{session['session_id']}?{whose}",
        "run": f"#/run/{trace}",
        "model": f"#/run/{trace}?event={model['event_ids'][0]}",
        "tool": f"#/run/{trace}?event={tool['event_ids'][0]}",
        "lanes": f"#/run/{trace}?mode=lanes",
        "nested": f"#/run/{nested}?mode=lanes",
        "graph-of-run": f"#/run/{trace}?mode=graph",
        "step": f"#/run/{trace}?mode=step&event={tool['event_ids'][0]}",
        "compare": f"#/compare?left={other}&right={trace}&median=travel+desk",
        "trouble": "#/trouble",
        "numbers": "#/numbers?by=model",
        "graph": "#/graph",
        "search": "#/search?q=Lisbon",
    }


def take_pictures(started: Browser, server: Served, folder: Path) -> Iterator[Path]:
    """Take the pictures of the documents; yield their files."""
    folder.mkdir(exist_ok=True)
    routes = views(server)
    for name, view, size, scheme in _PICTURES:
        with watched(started, server, size=size, scheme=scheme) as page:
            page.go(routes[view])
            page.settle()
            file = folder / f"{name}.png"
            page.page.screenshot(path=file)
            yield file
