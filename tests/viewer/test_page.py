"""The page in a browser, point by point, as design and docs/VIEWER.md promise it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chaukas.viewer import build
from tests.support.browser import Watched, watched
from tests.support.example_runs import EXAMPLES
from tests.support.page_pictures import (
    run_of,
    runs_of,
    session_of,
    spans_of,
    take_pictures,
    views,
)
from tests.support.page_server import ROOT, Served, served, wait_until_read
from tests.support.planted import PAYLOADS, is_untouched, planted

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

WEB = ROOT / "chaukas/viewer/web"
CHECKS = (
    "vitest/vitest.mjs run",
    "svelte-check/bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings",
)
ROWS = "[role=table] .body"
STEPS = "[role=treegrid] .body"


# --- 1. one command ------------------------------------------------------------------


def test_the_address_that_is_printed_opens_the_page(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    with served([records], tmp_path) as server:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(server.address)
        page.locator(ROWS).first.wait_for()
        assert page.url.rstrip("/") == server.base
        assert page.title() == "Runs · chaukas"
        # Nothing of it is left to a script.
        assert page.evaluate("document.cookie") == ""
        assert server.token not in page.content()
        context.close()


def test_the_example_records_others_and_serves_them(tmp_path: Path) -> None:
    program = str((EXAMPLES / "view").with_suffix(".py"))
    command = [sys.executable, program, "--no-open", "--port", "0"]
    with served([], tmp_path, command=command) as server:
        assert server.enter().status == 303
        wait_until_read(server)
        assert len(runs_of(server)) > 20
        assert server.end() == 0


@pytest.mark.parametrize("command", CHECKS)
def test_the_sources_of_the_page_pass_their_own_checks(
    viewed: Served, command: str
) -> None:
    # The server has installed what they need.
    script, *options = command.split()
    node, _npm = build.tools()
    done = subprocess.run(
        [*node, str(WEB / "node_modules" / script), *options],
        cwd=WEB,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- 2. runs -------------------------------------------------------------------------


def test_runs_are_listed_the_newest_first(seen: Watched, viewed: Served) -> None:
    seen.go("#/runs")
    seen.page.locator(ROWS).first.wait_for()
    runs = runs_of(viewed)
    assert seen.count(ROWS) == len(runs)
    first = seen.text(ROWS)
    assert runs[0]["agents"][0] in first
    assert runs[0]["input"][:20] in first


def test_a_stretch_of_the_histogram_chooses_its_runs(seen: Watched) -> None:
    seen.go("#/runs")
    box = seen.page.locator("figure svg").bounding_box()
    assert box
    mouse = seen.page.mouse
    mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
    mouse.up()
    seen.see("all times")
    line = seen.page.locator("#search").input_value()
    assert re.fullmatch(r"since:\S+ until:\S+", line)
    before = seen.count(ROWS)
    seen.page.get_by_text("all times").click()
    seen.until(f"document.querySelectorAll('{ROWS}').length > {before}")


def test_columns_are_chosen_and_kept(seen: Watched) -> None:
    seen.go("#/runs")
    seen.page.get_by_role("button", name="Columns").click()
    seen.page.get_by_label("Tenant").check()
    seen.go("#/runs")
    heads = seen.page.locator("[role=columnheader]").all_inner_texts()
    assert "Tenant" in heads


def test_new_runs_are_announced_and_move_nothing(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    lines = (records / "openai_retry_demo.jsonl").read_bytes().splitlines(keepends=True)
    traces = [json.loads(line).get("trace_id") for line in lines]
    second = next(i for i, each in enumerate(traces) if i > 5 and each != traces[5])
    growing = tmp_path / "growing.jsonl"
    growing.write_bytes(b"".join(lines[:second]))
    with served([growing], tmp_path) as server:
        server.enter()
        wait_until_read(server)
        with watched(chromium, server) as page:
            page.go("#/runs")
            page.page.locator(ROWS).first.wait_for()
            before = page.page.locator(ROWS).all_inner_texts()
            with growing.open("ab") as file:
                file.write(b"".join(lines[second:]))
            news = page.page.get_by_role("button", name=re.compile(r"^\d+ new$"))
            news.wait_for(timeout=60_000)
            assert len(page.page.locator(ROWS).all_inner_texts()) == len(before)
            news.click()
            page.until(f"document.querySelectorAll('{ROWS}').length > {len(before)}")


# --- 3. the search line --------------------------------------------------------------


def test_the_search_line_completes_fields_and_values(seen: Watched) -> None:
    seen.go("#/runs")
    seen.page.locator(ROWS).first.wait_for()
    seen.press("/")
    seen.page.keyboard.type("age")
    offer = seen.page.locator("#offers [role=option]").first
    offer.wait_for()
    assert "agent:" in offer.inner_text()
    seen.press("ArrowDown", "Enter")
    seen.page.keyboard.type("fr")
    seen.page.locator("#offers").get_by_text("front desk").wait_for()
    seen.press("ArrowDown", "Enter", "Enter")
    seen.page.wait_for_url(re.compile("q=agent"))
    seen.until(
        f"[...document.querySelectorAll('{ROWS}')].every("
        "row => row.textContent.includes('front desk'))"
    )
    assert seen.page.locator("#search").input_value() == 'agent:"front desk"'


def test_a_search_is_in_the_address_and_comes_back(seen: Watched) -> None:
    seen.go("#/runs?q=status%3Afailed")
    seen.page.locator(ROWS).first.wait_for()
    assert all("failed" in text for text in seen.page.locator(ROWS).all_inner_texts())
    assert seen.page.locator("#search").input_value() == "status:failed"


def test_a_wrong_field_is_told_with_its_place(seen: Watched) -> None:
    seen.go("#/runs?q=agent:x+colour:red")
    problem = seen.page.locator("[role=alert]")
    problem.wait_for()
    assert "colour" in problem.inner_text()
    assert "model" in problem.inner_text()
    # The browser itself notes that the server refused.
    assert all("400" in text for text in seen.complaints)
    seen.complaints.clear()


def test_searches_are_saved(seen: Watched) -> None:
    seen.go("#/runs?q=retry%3E0")
    seen.page.get_by_role("button", name="Save this search").click()
    seen.go("#/runs")
    seen.page.locator("#search").click()
    seen.page.locator("#offers").get_by_text("retry>0").click()
    seen.page.wait_for_url(re.compile("q=retry"))


def test_words_are_found_in_events(seen: Watched) -> None:
    seen.go("#/search?q=Lisbon")
    seen.page.locator("mark").first.wait_for()
    assert seen.text("mark") == "Lisbon"
    seen.page.locator(f"{ROWS} a").first.click()
    seen.page.locator("article[aria-label=Detail]").wait_for()


# --- 4. a session as a chat ----------------------------------------------------------


def test_a_session_is_a_chat_with_what_happened_in_each_turn(
    seen: Watched, viewed: Served
) -> None:
    session = session_of(viewed)
    seen.go(f"#/session/{session['session_id']}?tenant={session['tenant_id']}")
    seen.page.locator(".turns > li").first.wait_for()
    assert seen.count(".turns > li") == session["runs"]
    assert seen.count(".said.user") >= session["runs"]
    assert seen.count(".said.agent") >= 1
    assert seen.count(".strip .tag") >= session["runs"]
    # Cost and context over the turns.
    assert seen.count("figure canvas") == 2


def test_a_session_is_opened_from_the_list(seen: Watched) -> None:
    seen.go("#/sessions?sort=-runs")
    seen.page.locator(ROWS).first.wait_for()
    seen.press("j", "Enter")
    seen.page.locator(".turns > li").first.wait_for()


# --- 5. a run ------------------------------------------------------------------------


def test_a_run_is_a_tree_with_a_bar_for_each_span(
    seen: Watched, viewed: Served
) -> None:
    trace = run_of(viewed, "reception")
    spans = spans_of(viewed, trace)
    seen.go(f"#/run/{trace}")
    seen.page.locator(STEPS).first.wait_for()
    assert seen.count(STEPS) == len(spans)
    assert seen.count(f"{STEPS} .bar") == sum(len(s["event_ids"]) > 1 for s in spans)
    depths = [
        int(row.get_attribute("aria-level") or 0)
        for row in seen.page.locator(STEPS).all()
    ]
    assert depths == [span["depth"] + 1 for span in spans]


def test_retries_and_first_tokens_are_drawn_inside_the_bars(
    seen: Watched, viewed: Served
) -> None:
    seen.go(f"#/run/{run_of(viewed, 'travel desk', retries=2)}")
    seen.page.locator(".mark.retry").first.wait_for()
    assert seen.count(".mark.retry") == 2
    seen.go(f"#/run/{run_of(viewed, 'poet')}")
    seen.page.locator(".mark.first-token").first.wait_for()


def test_parallel_tools_are_seen_side_by_side(seen: Watched, viewed: Served) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    seen.go(f"#/run/{trace}?mode=lanes")
    seen.page.locator("g.kind-tool").first.wait_for()
    boxes = [box.bounding_box() for box in seen.page.locator("g.kind-tool rect").all()]
    tops = {round(box["y"]) for box in boxes if box}
    assert len(tops) == len(boxes) == 3


def test_lanes_have_arrows_for_handoffs_and_nested_agents(
    seen: Watched, viewed: Served
) -> None:
    for run in runs_of(viewed):
        kinds = {span["name"] for span in spans_of(viewed, run["trace_id"])}
        if "ask_accountant" in kinds:
            seen.go(f"#/run/{run['trace_id']}?mode=lanes")
            seen.page.locator("path.arrow").first.wait_for(state="attached")
            assert seen.count("path.arrow.handoff") == 1
            assert seen.count("path.arrow.nested") == 1
            return
    raise AssertionError("no run with both")


def test_the_map_chooses_a_stretch_of_the_run(seen: Watched, viewed: Served) -> None:
    seen.go(f"#/run/{run_of(viewed, 'travel desk', retries=2)}")
    seen.page.locator(STEPS).first.wait_for()
    before = seen.page.locator(".head .axis").inner_text()
    box = seen.page.locator("svg[aria-label*='drag to choose']").bounding_box()
    assert box
    seen.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 9)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 9)
    seen.page.mouse.up()
    seen.see("Whole run")
    assert seen.page.locator(".head .axis").inner_text() != before
    seen.press("0")
    assert seen.page.locator(".head .axis").inner_text() == before


def test_one_key_shows_the_critical_path(seen: Watched, viewed: Served) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    seen.go(f"#/run/{trace}")
    seen.page.locator(STEPS).first.wait_for()
    seen.press("c")
    seen.page.locator(f"{STEPS}.faint").first.wait_for()
    off = sum(not span["is_critical"] for span in spans_of(viewed, trace))
    assert seen.count(f"{STEPS}.faint") == off


def test_a_run_that_grows_is_followed(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    lines = (records / "handoffs.jsonl").read_bytes().splitlines(keepends=True)
    growing = tmp_path / "growing.jsonl"
    growing.write_bytes(b"".join(lines[:8]))
    trace = json.loads(lines[5])["trace_id"]
    with served([growing], tmp_path) as server:
        server.enter()
        wait_until_read(server)
        with watched(chromium, server) as page:
            page.go(f"#/run/{trace}")
            page.page.locator(STEPS).first.wait_for()
            with growing.open("ab") as file:
                file.write(b"".join(lines[8:]))
            page.page.locator(STEPS).get_by_text("ask_accountant").first.wait_for(
                timeout=60_000
            )


# --- 6. the detail -------------------------------------------------------------------


def _open(seen: Watched, viewed: Served, trace: str, kind: str, nth: int = 0) -> None:
    spans = [span for span in spans_of(viewed, trace) if span["kind"] == kind]
    seen.go(f"#/run/{trace}?event={spans[nth]['event_ids'][0]}")
    seen.page.locator("article[aria-label=Detail] footer").wait_for()


def test_a_model_call_shows_what_is_new_and_on_demand_all(
    seen: Watched, viewed: Served
) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    _open(seen, viewed, trace, "model", 1)
    seen.see("New in this call", "article")
    new = seen.page.locator("ol[aria-label='New in this call'] > li").count()
    seen.press("w")
    seen.see("Prompt", "article")
    whole = seen.page.locator("ol[aria-label='Prompt'] > li").count()
    assert whole > new > 0
    seen.see("Answer", "article")


def test_cost_says_the_rate_that_made_it(seen: Watched, viewed: Served) -> None:
    _open(seen, viewed, run_of(viewed, "reception"), "model")
    seen.see("a million tokens", "article")


def test_arguments_and_results_are_json_that_folds_and_is_copied(
    seen: Watched, viewed: Served
) -> None:
    _open(seen, viewed, run_of(viewed, "travel desk", retries=2), "tool")
    tree = seen.page.locator("article .json").first
    assert "Lisbon" in tree.inner_text()
    tree.locator(".fold").first.click()
    assert "Lisbon" not in tree.inner_text()
    tree.get_by_text("copy").click()
    seen.copied("Lisbon")


def test_what_was_hidden_is_marked_with_its_path(seen: Watched, viewed: Served) -> None:
    trace = run_of(viewed, "shop", errors=1)
    spans = spans_of(viewed, trace)
    at = [s["name"] for s in spans if s["kind"] == "tool"].index("sign_in")
    _open(seen, viewed, trace, "tool", at)
    seen.see("Hidden before it was written", "article")
    assert seen.count("article .value.hidden") >= 1


def test_an_error_shows_its_innermost_frame(seen: Watched, viewed: Served) -> None:
    _open(seen, viewed, run_of(viewed, "shop", errors=1), "error")
    seen.see("raise LookupError", "article")
    seen.see("tools.py", "article")


def test_the_detail_says_whether_an_event_was_altered(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    text = (records / "handoffs.jsonl").read_text(encoding="utf-8")
    altered = tmp_path / "altered.jsonl"
    altered.write_text(
        text.replace("Yes, on the 3rd and on the 4th.", "No, never at all."),
        encoding="utf-8",
    )
    with served([altered], tmp_path) as server:
        server.enter()
        wait_until_read(server)
        trace = run_of(server, "reception")
        with watched(chromium, server) as page:
            _open(page, server, trace, "input")
            assert page.count(".integrity-ok") == 1
            _open(page, server, trace, "tool")
            assert page.count(".integrity-altered") == 1


def test_every_kind_of_span_has_a_detail(seen: Watched, viewed: Served) -> None:
    shown: set[str] = set()
    for run in runs_of(viewed):
        for span in spans_of(viewed, run["trace_id"]):
            if span["kind"] not in shown:
                shown.add(span["kind"])
                seen.go(f"#/run/{run['trace_id']}?event={span['event_ids'][0]}")
                mark = seen.page.locator("article footer [class*=integrity]")
                mark.wait_for()
                assert "unaltered" in mark.inner_text()
                assert seen.count("[role=alert]") == 0
    assert shown >= set(
        "agent model tool handoff input output error retry policy data state".split()
    )


# --- 7. graph ------------------------------------------------------------------------


def test_the_graph_of_a_run_has_its_agents_and_what_they_called(
    seen: Watched, viewed: Served
) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    seen.go(f"#/run/{trace}")
    seen.page.locator(STEPS).first.wait_for()
    seen.press("g")
    seen.page.locator("g.node").first.wait_for()
    names = {
        text.split("\n")[0]
        for text in seen.page.locator("g.node .title").all_text_contents()
    }
    assert {"travel desk", "weather", "find_flight", "find_hotel"} <= names
    widths = {
        path.get_attribute("stroke-width")
        for path in seen.page.locator("path.edge").all()
    }
    assert len(widths) > 1


def test_a_click_in_the_graph_of_all_runs_filters(seen: Watched) -> None:
    seen.go("#/graph")
    seen.page.get_by_role("button", name=re.compile("^weather ")).click()
    seen.page.wait_for_url(re.compile("#/runs.q=tool%3Aweather"))
    seen.page.locator(ROWS).first.wait_for()


# --- 8. compare ----------------------------------------------------------------------


def test_two_marked_runs_are_compared(seen: Watched) -> None:
    seen.go("#/runs?q=agent%3A%22travel+desk%22")
    boxes = seen.page.get_by_label("Mark to compare")
    boxes.first.wait_for()
    boxes.nth(0).check()
    boxes.nth(1).check()
    seen.page.get_by_text("Compare the two").click()
    seen.page.locator("[aria-label=Differences] .line").first.wait_for()
    assert seen.count("[aria-label=Differences] .line.added") > 0
    assert seen.count("[aria-label=Differences] .line.missing") > 0
    changed = seen.page.locator("[aria-label=Differences] .line.changed").first
    changed.click()
    seen.page.locator("aside .plus").first.wait_for()
    assert seen.count("aside .minus") > 0


def test_a_run_is_compared_with_the_median_of_its_agent(
    seen: Watched, viewed: Served
) -> None:
    seen.go(f"#/run/{run_of(viewed, 'porter', status='completed')}")
    seen.page.locator(STEPS).first.wait_for()
    seen.press("m")
    seen.see("median run of porter")
    seen.see("Right to median")


# --- 9. step through -----------------------------------------------------------------


def test_a_run_is_stepped_through_by_keys(seen: Watched, viewed: Served) -> None:
    trace = run_of(viewed, "reception")
    seen.go(f"#/run/{trace}")
    seen.page.locator(STEPS).first.wait_for()
    seen.press("s")
    seen.see("event 1 of")
    said = seen.page.locator("ol[aria-label=Conversation] > li")
    counts = []
    for _ in range(8):
        seen.press("j")
        counts.append(said.count())
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    seen.see("event 9 of")
    seen.press("k")
    seen.see("event 8 of")


def test_a_model_call_is_copied_and_never_sent(seen: Watched, viewed: Served) -> None:
    _open(seen, viewed, run_of(viewed, "reception"), "model")
    seen.page.get_by_text("Copy as curl").click()
    seen.copied("curl")
    text = seen.ask("navigator.clipboard.readText()")
    assert "OPENAI_API_KEY" in text
    assert "sk-" not in text
    seen.page.get_by_text("Copy as Python").click()
    seen.copied("import")


# --- 10, 11. trouble and numbers -----------------------------------------------------


def test_trouble_is_grouped_by_cause_and_leads_to_an_example(seen: Watched) -> None:
    seen.go("#/trouble")
    seen.page.locator("tbody tr").first.wait_for()
    kinds = set(seen.page.locator("tbody tr .tag").all_inner_texts())
    assert {"error", "retry", "denial"} <= kinds
    seen.page.locator("tbody tr button").first.click()
    seen.page.locator("article[aria-label=Detail]").wait_for()


def test_numbers_lead_to_their_runs(seen: Watched, viewed: Served) -> None:
    seen.go("#/numbers?by=tool")
    row = seen.page.locator("tbody tr", has_text="weather")
    row.wait_for()
    calls = row.locator("td").nth(1).inner_text()
    numbers = json.loads(viewed.ask("/api/numbers?by=tool").body)["rows"]
    assert calls == str(next(n["count"] for n in numbers if n["key"] == ["weather"]))
    assert seen.count("figure canvas") == 4
    row.locator("a").first.click()
    seen.page.wait_for_url(re.compile("#/runs.q=tool%3Aweather"))
    seen.page.locator(ROWS).first.wait_for()


@pytest.mark.parametrize("by", "model agent tool server tenant day hour status".split())
def test_numbers_are_grouped_and_every_link_finds_runs(seen: Watched, by: str) -> None:
    seen.go(f"#/numbers?by={by}")
    link = seen.page.locator("tbody tr td.key a").first
    link.wait_for()
    link.click()
    seen.page.locator(ROWS).first.wait_for()


def test_numbers_are_saved_as_csv(seen: Watched) -> None:
    seen.go("#/numbers?by=model")
    seen.page.locator("tbody tr").first.wait_for()
    with seen.page.expect_download() as saved:
        seen.page.get_by_role("button", name="CSV").click()
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("model,count,failed")
    assert len(lines) == seen.count("tbody tr") + 1


# --- 12. export, links, keys ---------------------------------------------------------


def test_an_exported_run_opens_offline(
    chromium: Browser, seen: Watched, viewed: Served, tmp_path: Path
) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    seen.go(f"#/run/{trace}")
    seen.page.locator(STEPS).first.wait_for()
    with seen.page.expect_download() as saved:
        seen.press("e")
    file = tmp_path / "run.html"
    saved.value.save_as(file)
    context = chromium.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else 0)
    page.goto(file.as_uri())
    page.locator(STEPS).first.wait_for()
    assert page.locator(STEPS).count() == len(spans_of(viewed, trace))
    for key in "jjj":
        page.keyboard.press(key)
    page.locator("article ol[aria-label='New in this call']").wait_for()
    page.keyboard.press("g")
    page.locator("g.node").first.wait_for()
    page.keyboard.press("s")
    page.get_by_text("event").first.wait_for()
    assert [url for url in asked if not url.startswith(file.as_uri())] == []
    assert complaints == []
    context.close()


def test_a_link_leads_to_its_event(seen: Watched, viewed: Served) -> None:
    trace = run_of(viewed, "travel desk", retries=2)
    _open(seen, viewed, trace, "tool", 1)
    seen.page.get_by_text("Copy link").click()
    seen.copied("event=")
    link = seen.ask("navigator.clipboard.readText()")
    seen.page.goto("about:blank")
    seen.page.goto(link)
    seen.page.locator("article[aria-label=Detail] footer").wait_for()
    assert seen.text("article h2") == "find_flight"


def test_everything_is_reached_by_keys_alone(seen: Watched, viewed: Served) -> None:
    seen.go("")
    seen.page.locator(ROWS).first.wait_for()
    seen.press("/")
    seen.page.keyboard.type('agent:"travel desk" retry>1')
    seen.press("Escape", "Enter", "Escape")
    seen.until(f"document.querySelectorAll('{ROWS}').length === 1")
    seen.press("j", "Enter")
    seen.page.locator(STEPS).first.wait_for()
    spans = spans_of(viewed, run_of(viewed, "travel desk", retries=2))
    here = f"{STEPS}[aria-selected=true]"

    def chosen() -> str:
        seen.page.locator(here).wait_for()
        return seen.page.locator(here).get_attribute("aria-rowindex") or ""

    first_tool = next(s["index"] for s in spans if s["kind"] == "tool")
    seen.press("x")
    failed = next(i for i, s in enumerate(spans) if s["status"] == "failed")
    assert chosen() == str(failed + 1)
    seen.press("[")
    assert chosen() == str(first_tool + 1)
    seen.press("]")
    assert chosen() == str(failed + 1)
    seen.press("h")
    seen.until(f"document.querySelectorAll('{STEPS}').length === {len(spans) - 1}")
    seen.press("l", "p")
    assert chosen() == "1"
    seen.press("Escape")
    seen.until("!document.querySelector('article')")
    seen.press("a")
    seen.page.locator("svg[aria-label='Agents over time']").wait_for()
    seen.press("g")
    seen.page.locator("g.node").first.wait_for()
    seen.press("?")
    seen.page.locator("dialog").wait_for()
    seen.press("Escape")
    seen.until("!document.querySelector('dialog')")
    for key, name in zip(
        "12345", "runs sessions trouble numbers graph".split(), strict=True
    ):
        seen.press(key)
        seen.page.wait_for_url(re.compile(f"#/{name}"))


# --- for everyone: screen readers, dark and light, narrow ----------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault_for_screen_readers(
    chromium: Browser, viewed: Served, scheme: str
) -> None:
    found = {}
    with watched(chromium, viewed, scheme=scheme) as page:
        for name, route in views(viewed).items():
            page.go(route)
            page.settle()
            if faults := page.serious_faults():
                found[name] = faults
    assert found == {}


def test_the_pictures_of_the_documents_show_something(
    chromium: Browser, viewed: Served, tmp_path: Path
) -> None:
    pictures = list(take_pictures(chromium, viewed, tmp_path / "pictures"))
    assert len(pictures) == 8
    # A page without anything on it is a fifth of that.
    assert min(picture.stat().st_size for picture in pictures) > 20_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_readable_at_360_pixels(
    chromium: Browser, viewed: Served, scheme: str
) -> None:
    with watched(chromium, viewed, size=(360, 740), scheme=scheme) as page:
        for name, route in views(viewed).items():
            page.go(route)
            wide = page.ask("document.documentElement.scrollWidth")
            assert wide <= 360, name
            # The way to everything else stays in reach.
            assert page.page.locator("#search").is_visible(), name


# --- 13. safe ------------------------------------------------------------------------


def test_no_stored_text_does_anything(
    chromium: Browser, records: Path, tmp_path: Path
) -> None:
    number = 0
    for file in sorted(records.glob("*.jsonl")):
        with (tmp_path / file.name).open("w", encoding="utf-8") as copy:
            for line in file.read_text(encoding="utf-8").splitlines():
                number += 1
                payload = PAYLOADS[number % len(PAYLOADS)]
                event = planted(json.loads(line), payload)
                copy.write(json.dumps(event) + "\n")
    with served([tmp_path], tmp_path) as server:
        server.enter()
        wait_until_read(server)
        runs = runs_of(server)
        assert len(runs) > 10
        with watched(chromium, server) as page:
            for route in (
                "#/runs",
                "#/sessions",
                "#/trouble",
                "#/numbers?by=agent",
                "#/numbers?by=tool",
                "#/graph",
                "#/search?q=planted",
            ):
                page.go(route)
                page.page.wait_for_timeout(300)
                is_untouched(page)
            sessions = json.loads(server.ask("/api/sessions").body)["items"]
            for session in sessions[:4]:
                page.go("#/sessions")
                page.page.locator(ROWS).nth(sessions.index(session)).click()
                page.see("its runs")
                is_untouched(page)
            # Of each agent one run: their kinds of steps are what differs.
            for run in {tuple(run["agents"]): run for run in runs}.values():
                page.go(f"#/run/{run['trace_id']}")
                page.page.locator(STEPS).first.wait_for()
                for _ in range(min(12, page.count(STEPS))):
                    page.press("j")
                    page.page.locator("article footer").wait_for()
                page.press("w")
                for button in (
                    page.page.locator("article").get_by_text("As recorded").all()
                ):
                    button.click()
                is_untouched(page)
                for key in "ags":
                    page.press(key)
                    page.page.wait_for_timeout(120)
                    is_untouched(page)
            page.go(f"#/compare?left={runs[0]['trace_id']}&right={runs[1]['trace_id']}")
            page.page.wait_for_timeout(300)
            is_untouched(page)
            assert (page.dialogs, page.strangers, page.complaints) == ([], [], [])


def test_the_browser_runs_only_what_the_policy_names(seen: Watched) -> None:
    seen.go("#/runs")
    seen.page.locator(ROWS).first.wait_for()
    seen.page.evaluate(
        "() => { const s = document.createElement('script');"
        " s.textContent = 'window.planted = 1'; document.body.append(s); }"
    )
    assert seen.ask("window.planted") is None
    assert any("Content Security Policy" in text for text in seen.complaints)
    seen.complaints.clear()
