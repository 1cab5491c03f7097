"""The page of a collector in a browser: a key is typed in, and its runs are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.collector_process import CollectorProcess
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

ROWS = "[role=table] .body"
TENANTS = ("acme", "globex")


def sent(collector: CollectorProcess, records: Path) -> None:
    """Send what the examples recorded, as of two tenants."""
    for file in records.rglob("*.jsonl"):
        for tenant in TENANTS:
            lines = []
            for line in file.read_bytes().splitlines():
                event = orjson.loads(line)
                event |= {"tenant_id": tenant, "project_id": f"of-{tenant}"}
                # Of another tenant it is another event, and no part of that chain.
                event.pop("content_hash"), event.pop("hash_prev", None)
                lines.append(orjson.dumps(event))
            status, answer = collector.post(b"\n".join(lines))
            assert (status, answer["rejected"]) == (202, [])


def test_whoever_types_a_key_sees_the_runs_of_its_tenant(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    with CollectorProcess(tmp_path / "data", has_page=True) as collector:
        sent(collector, records)
        key = collector.key("acme", "read")
        until(lambda: collector.ask("GET", "/api/status")[0] == 401)
        context = chromium.new_context()
        page = context.new_page()
        refused: list[str] = []
        page.on("console", lambda m: refused.append(m.text) if m.type == "error" else 0)

        page.goto(collector.http)
        page.get_by_label("Key").fill("ck_wrong")
        page.get_by_role("button").click()
        page.get_by_role("alert").wait_for()
        wrong = list(refused)
        refused.clear()
        page.get_by_label("Key").fill(key)
        page.get_by_role("button").click()
        page.locator(ROWS).first.wait_for()

        assert page.url.startswith(f"{collector.http}/")
        assert page.title() == "Runs · chaukas"
        assert key not in page.content()
        assert page.evaluate("document.cookie") == ""
        runs = page.evaluate("fetch('/api/runs').then(answer => answer.json())")
        assert {run["project_id"] for run in runs["items"]} == {"of-acme"}
        # Of nothing but the key: the policy of the page was kept.
        assert not [text for text in wrong if "401" not in text]
        assert not refused
        context.close()
