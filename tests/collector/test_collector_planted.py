"""S10, S22: whatever a client sends does nothing in the page, nor in what is saved."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.support.browser import watched
from tests.support.collector_process import CollectorProcess, lines_of
from tests.support.planted import PAYLOADS, is_untouched, planted
from tests.support.records import run

pytestmark = pytest.mark.browser


@dataclass
class Entered:
    """A collector whose page was entered."""

    base: str
    cookie: str


@contextmanager
def filled(tmp_path):
    """Yield a collector with a text that would do something in every field."""
    with CollectorProcess(tmp_path / "data", has_page=True) as collector:
        for number, payload in enumerate(PAYLOADS):
            made = [planted(one, payload) for one in run(f"run-{number}")]
            for one in made:
                one["event_id"] += str(number)
                one["session_id"] = f"{payload}{number}"
            assert collector.post(lines_of(made))[1]["rejected"] == []
        yield collector


def test_s10_no_text_of_a_client_does_anything_in_the_page(tmp_path, chromium):
    with filled(tmp_path) as collector:
        path = collector.addresses["page"].removeprefix(collector.http)
        cookie = collector.ask("GET", path)[1]["set-cookie"].partition(";")[0]
        with watched(chromium, Entered(collector.http, cookie)) as page:
            runs = [f"#/run/run-{number}" for number in range(len(PAYLOADS))]
            for route in (
                "#/runs", "#/sessions", "#/trouble", "#/numbers?by=agent", "#/graph",
                "#/search?q=planted", *runs,
            ):  # fmt: skip
                page.go(route)
                is_untouched(page)
            assert (page.dialogs, page.strangers, page.complaints) == ([], [], [])


def test_s22_what_is_saved_has_a_fixed_name_and_no_script_of_a_client(tmp_path):
    with filled(tmp_path) as collector:
        for number in range(len(PAYLOADS)):
            path = f"/api/export?trace_id=run-{number}"
            status, headers, body = collector.ask("GET", path)
            assert status == 200
            name = headers["content-disposition"]
            assert name == 'attachment; filename="run.html"'
            assert body.count(b"</script>") == 2
            for payload in PAYLOADS:
                if "<" in payload:
                    assert payload.encode() not in body
        wrong = quote('x"\r\nset-cookie: a=b')
        status, headers, _ = collector.ask("GET", f"/api/export?trace_id={wrong}")
        assert (status, "set-cookie" in headers) == (404, False)
