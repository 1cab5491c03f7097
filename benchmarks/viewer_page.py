"""
How fast the page is, in a real browser: `python benchmarks/viewer_page.py`.

A run of 10,000 events, and a record of many runs, are made up and indexed first; that
time is not counted. Then each view is opened several times, and the median is told:
from the call of the address to the first rows, as the browser's own clock has it.
Needs Chromium, and `pip install -e '.[dev,browser]'`; see CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

_ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(_ROOT))

# Late: only now are they found.
from benchmarks.viewer_records import write_long_run, write_runs  # noqa: E402
from chaukas.viewer.build import PAGE  # noqa: E402
from tests.support.browser import browser, watched  # noqa: E402
from tests.support.page_pictures import runs_of  # noqa: E402
from tests.support.page_server import served, wait_until_read  # noqa: E402

if TYPE_CHECKING:
    from tests.support.browser import Watched

__all__ = ("main",)

_ROWS = "[role=table] .body"
_STEPS = "[role=treegrid] .body"
# Time from the start of the navigation until rows were drawn.
_FIRST = """selector => new Promise(done => {
    const look = () => document.querySelector(selector)
        ? requestAnimationFrame(() => done(performance.now()))
        : requestAnimationFrame(look);
    look();
})"""
_SCROLL = """selector => new Promise(done => {
    const box = document.querySelector(selector);
    const gaps = [];
    let last = performance.now(), left = 120;
    const step = now => {
        gaps.push(now - last);
        last = now;
        box.scrollTop += 400;
        left -= 1;
        if (left) requestAnimationFrame(step);
        else done(gaps.slice(1));
    };
    requestAnimationFrame(step);
})"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="of the long run")
    parser.add_argument("--runs", type=int, default=100_000, help="of the record")
    parser.add_argument("--times", type=int, default=7, help="each view is opened")
    given = parser.parse_args()
    packed = sum(
        len(gzip.compress(path.read_bytes(), 9))
        for path in PAGE.rglob("*")
        if path.suffix in {".html", ".js", ".css", ".svg"}
    )
    print(f"page, compressed: {packed / 1000:.0f} kB (budget 300)")
    with tempfile.TemporaryDirectory() as folder:
        _long_run(Path(folder), given.events, given.times)
        _many_runs(Path(folder), given.runs, given.times)


def _long_run(folder: Path, events: int, times: int) -> None:
    file = folder / "long.jsonl"
    write_long_run(file, events)
    with served([file], folder) as server, browser() as started:
        server.enter()
        wait_until_read(server)
        trace = runs_of(server)[0]["trace_id"]
        with watched(started, server) as page:
            first = [_opened(page, f"#/run/{trace}", _STEPS) for _ in range(times)]
            gaps = page.page.evaluate(_SCROLL, "[role=treegrid]")
    _say(f"a run of {events:,} events, first rows", first, 500)
    slow = sum(gap > 1000 / 30 for gap in gaps)
    middle = statistics.median(gaps)
    print(
        f"scrolling it: {middle:.1f} ms a frame (budget 16.7), longest"
        f" {max(gaps):.0f} ms, {slow} of {len(gaps)} frames over 33 ms"
    )


def _many_runs(folder: Path, runs: int, times: int) -> None:
    file = folder / "many.jsonl"
    write_runs(file, runs)
    with served([file], folder) as server, browser() as started:
        server.enter()
        wait_until_read(server)
        with watched(started, server) as page:
            first = [_opened(page, "#/runs", _ROWS) for _ in range(times)]
            found = [
                _opened(page, "#/runs?q=status:failed", _ROWS) for _ in range(times)
            ]
    _say(f"the list of {runs:,} runs, first rows", first, 300)
    _say("the same with status:failed", found, 300)


def _opened(page: Watched, route: str, selector: str) -> float:
    """Return how long it took until there were rows, in ms."""
    page.page.goto("about:blank")
    page.page.goto(f"{page.base}/{route}", wait_until="commit")
    return float(page.page.evaluate(_FIRST, selector))


def _say(what: str, times_ms: list[float], budget_ms: int) -> None:
    print(
        f"{what}: {statistics.median(times_ms):.0f} ms (budget {budget_ms}),"
        f" {min(times_ms):.0f} to {max(times_ms):.0f} of {len(times_ms)}"
    )


if __name__ == "__main__":
    main()
