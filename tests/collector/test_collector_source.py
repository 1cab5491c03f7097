"""A collector's address as SOURCE: commands say what they say of a file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from chaukas.cli import main
from chaukas.query import open_source
from chaukas.query.remote.client import client_of
from chaukas.query.remote.messages import messages_in
from loopback.otlp import SpanReceiver
from tests.support.collector_process import (
    ROOT,
    CollectorProcess,
    command,
    known_key,
)
from tests.support.command_line import command_line
from tests.support.page_server import served
from tests.support.pem import Authority
from tests.support.records import event, lines, run
from tests.support.waiting import until

HOSTILE = "\x1b[31mred\x1b[0m \x9b31m\u202e\x07\u2066\U000e0041 [bold]x[/bold]"
STEERING = {"\x1b", "\x9b", "\x07", "\u202e", "\u2066", "\U000e0041"}
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
ENDED = {"name": "chaukas.disabled", "chaukas": {"stream": "s1"}}


def of_acme() -> list[dict]:
    """Three runs of one process that has ended: fine, failed, waiting."""
    error = event("ERROR", 65, trace_id="bbbb2222", span_id="e", session_id="chat",
                  parent_span_id="bbbb2222t", status="FAILED",
                  error={"error_code": "LookupError",
                         "error_message": "no order 7"})  # fmt: skip
    retry = event("RETRY", 61, trace_id="bbbb2222", session_id="chat", retry={
        "attempt": 1, "backoff_ms": 50, "error_message": "429",
        "metadata": {"layer": "http", "model": "gpt-4o"}})  # fmt: skip
    return [
        *run("aaaa1111", cost=0.5, input="Where is order 1?"),
        *run("bbbb2222", 60, outcome="failed", agent="billing", output="Sorry."),
        error,
        retry,
        *run("cccc3333", 120, session="other", outcome="waiting"),
        event("SYSTEM", 130, metadata=ENDED),
    ]


def of_mallory() -> list[dict]:
    """A run in which every text steers a terminal."""
    names = "input output agent tool model session result".split()
    events = run("t1", tenant="mallory", **dict.fromkeys(names, HOSTILE))
    place = {"trace_id": "t1", "tenant_id": "mallory"}
    wrong = {"error_code": HOSTILE, "error_message": HOSTILE}
    return [*events, {**event("ERROR", 2, error=wrong), **place}]


def raw(events: list[dict]) -> bytes:
    """Return events as lines in which nothing is escaped that need not be."""
    return b"".join(
        json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events
    )


def of_eve() -> list[dict]:
    """Runs whose texts are formulas to a spreadsheet."""
    return [
        one
        for number, text in enumerate(FORMULAS)
        for one in run(f"f{number}", number, input=text, tenant="eve", agent=text)
    ]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """A collector with the events of three tenants, and a key of each."""
    folder = tmp_path_factory.mktemp("source")
    with CollectorProcess(folder / "data") as running:
        for events in (of_acme(), of_mallory(), of_eve()):
            assert running.post(raw(events))[1]["accepted"] == len(events)
        tenants = ("acme", "mallory", "eve")
        running.keys = {name: running.key(name) for name in tenants}
        running.keys["sender"] = known_key(running, "acme", "ingest")
        running.file = folder / "events.jsonl"
        running.file.write_bytes(raw(of_acme()))
        yield running


@pytest.fixture(autouse=True)
def _environment(collector, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["acme"])


def call(*arguments: object) -> tuple[int, str, str]:
    """Return exit code and both outputs; none of them ever holds the key."""
    result = command_line().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or type(result.exception) is SystemExit, result
    key = os.environ.get("CHAUKAS_API_KEY") or "no key"
    assert key not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout, result.stderr


# --- the same as of a file -----------------------------------------------------------

ASKED = [
    ["summary"], ["summary", "--json"], ["summary", "-q", "agent:billing"],
    ["summary", "--verify"],
    ["runs"], ["runs", "--json"], ["runs", "--csv"], ["runs", "-q", "status:failed"],
    ["runs", "--sort", "cost", "-n", "1"], ["runs", "-q", "agent:nobody"],
    ["sessions"], ["sessions", "--json"], ["sessions", "--csv"],
    ["search", "sorry"], ["search", "order", "--json"], ["search", "zebra"],
    ["stats"], ["stats", "--by", "day,model", "--json"], ["stats", "--csv"],
    ["stats", "--by", "agent", "--of", "run"], ["stats", "--by", "time"],
    ["stats", "--by", "colour"], ["stats", "--by", "model,tool"],
    ["tail", "-n", "5"], ["tail", "--json"], ["tail", "-q", "kind:error"],
    ["tree"], ["tree", "--full"], ["tree", "--json"], ["tree", "-n", "3"],
    ["tree", "--run", "2222"], ["tree", "--run", "last", "--json"],
    ["tree", "--run", "aaaa", "--full", "--limit", "2"], ["tree", "--run", "zzz"],
    ["show", "ERROR-65-e"], ["show", "ERROR-65-e", "--json"], ["show", "bbbb"],
    ["show", "MODEL_INVOCATION_END-0.4-aaaa1111m", "--prompt"],
    ["show", "MODEL_INVOCATION_END-0.4-aaaa1111m", "--prompt", "--json"],
    ["show", "ERROR-65-e", "--prompt"], ["show", "zzz"],
    ["diff", "aaaa", "bbbb"], ["diff", "aaaa", "bbbb", "--json"],
    ["diff", "aaaa", "aaaa", "--all"],
    ["export"], ["export", "--run", "bbbb"], ["export", "-q", "kind:error"],
    *(["export", "--format", form, "--table", table]
      for form in ("csv", "jsonl")
      for table in ("runs", "model_calls", "tool_calls", "messages", "troubles",
                    "handoffs", "labels")),
    *([command, "-q", "agnt:x"]
      for command in ("runs", "sessions", "summary", "stats", "tail", "export")),
    ["runs", "--sort", "beauty"], ["sessions", "--sort", "duration"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_a_command_says_of_a_collector_what_it_says_of_a_file(collector, arguments):
    here = call(*arguments, collector.file)
    there = call(*arguments, collector.http)
    named = [text.replace(str(collector.file), collector.http) for text in here[1:]]
    assert there == (here[0], *named)


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_a_command_says_of_a_collector_s_folder_what_it_says_of_a_file(
    of_one_tenant, arguments
):
    file, folder = of_one_tenant
    here = call(*arguments, file)
    there = call(*arguments, folder)
    named = [text.replace(str(file), str(folder)) for text in here[1:]]
    assert there == (here[0], *named)


@pytest.fixture(scope="module")
def of_one_tenant(tmp_path_factory):
    """A file, and the folder of a collector that has the same events and has ended."""
    folder = tmp_path_factory.mktemp("folder")
    with CollectorProcess(folder / "data") as running:
        running.post(raw(of_acme()))
        known_key(running, "acme")
    file = folder / "events.jsonl"
    file.write_bytes(raw(of_acme()))
    return file, folder / "data"


def test_a_folder_is_read_while_its_collector_works_and_not_changed(tmp_path):
    with CollectorProcess(tmp_path / "data") as running:
        running.post(numbered(1, 3))
        assert len(call("tail", running.data)[1].splitlines()) == 3
        running.post(numbered(4, 5))
        assert len(call("tail", running.data / "events.sqlite")[1].splitlines()) == 5
        assert call("runs", running.data, running.http)[0] == 2
        code, _, said = call("label", "last", "a", "1", running.data)
        assert (code, said) == (1, "chaukas: no run is in this record.\n")
        running.post(b"".join(lines(run("aaaa1111"))))
        code, _, said = call("label", "last", "a", "1", running.data)
        assert code == 2
        assert "give its address instead" in said
    before = (running.data / "events.sqlite").read_bytes()
    assert call("summary", running.data)[0] == 0
    assert (running.data / "events.sqlite").read_bytes() == before


def test_a_folder_is_followed(tmp_path):
    with CollectorProcess(tmp_path / "data") as running:
        running.post(numbered(1, 3))
        found = open_source(running.data).follow(0)
        assert [row.event_id for row in next(found)] == ["e1", "e2", "e3"]
        running.post(numbered(4, 4))
        late = next(rows for rows in found if rows)
        assert [row.event_id for row in late] == ["e4"]
        found.close()


def test_a_folder_without_events_and_a_store_of_another_version_say_so(tmp_path):
    data = tmp_path / "data"
    assert command("key", "create", "--tenant", "a", "--data", str(data)).stdout
    code, _, said = call("runs", data)
    assert (code, said.count("\n")) == (2, 1)
    assert "no events are in this folder" in said
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as sql, sql:
        sql.execute("CREATE TABLE t (x)")
    code, _, said = call("tree", other)
    assert (code, said.count("\n")) == (2, 1)
    assert "no store of a collector of this version" in said
    other.write_bytes(other.read_bytes()[:100] + b"x" * 4000)
    code, _, said = call("tree", other)
    assert (code, said.count("\n")) == (2, 1)
    assert "chaukas collector recover" in said


def test_an_export_of_a_collector_is_what_was_recorded(collector):
    assert call("export", collector.http)[1].encode() == collector.file.read_bytes()


def test_an_export_asks_for_page_after_page(collector, monkeypatch):
    from chaukas.query.remote.query import RemoteQuery

    whole = RemoteQuery.lines_after

    def few(self, *asked):
        return whole(self, *asked, limit=4)

    monkeypatch.setattr(RemoteQuery, "lines_after", few)
    assert call("export", collector.http)[1].encode() == collector.file.read_bytes()


@pytest.mark.parametrize("form", ["sqlite", "parquet"])
def test_the_tables_of_a_collector_are_those_of_the_file(collector, tmp_path, form):
    rows = []
    for place, name in ((collector.file, "here"), (collector.http, "there")):
        output = tmp_path / name
        assert call("export", "--format", form, "-o", output, place)[0] == 0
        rows.append(table_of(output, form))
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def table_of(output, form):
    if form == "sqlite":
        import sqlite3

        connection = sqlite3.connect(output)
        rows = connection.execute("SELECT * FROM runs ORDER BY trace_id").fetchall()
        connection.close()
        return rows
    import duckdb

    with duckdb.connect() as duck:
        columns = "trace_id, status, agents, cost_usd, input"
        file = f"'{output}/runs.parquet'"
        return duck.sql(f"SELECT {columns} FROM {file} ORDER BY trace_id").fetchall()


def test_a_run_of_a_collector_is_exported_as_a_page(collector, monkeypatch):
    from chaukas.cli.ask import export
    from chaukas.viewer import export as page

    monkeypatch.setattr(export, "require_page", lambda: None)
    monkeypatch.setattr(page, "page_text", lambda name: f"/* {name} */")
    arguments = ("export", "--format", "html", "--run", "bbbb")
    code, there, _ = call(*arguments, collector.http)
    _, here, _ = call(*arguments, collector.file)
    assert code == 0
    assert record_in(there)["status"]["source"] == collector.http
    assert {**record_in(there), "status": 0} == {**record_in(here), "status": 0}
    assert len(record_in(there)["rows"]) == 10


def record_in(page: str):
    return json.loads(page.partition('id="record">')[2].partition("</script>")[0])


def test_python_asks_a_collector_with_the_same_calls(collector):
    source = open_source(collector.http)
    source.read()
    query = source.query()
    try:
        found = query.runs("status:failed")
        assert [one.trace_id for one in found.items] == ["bbbb2222"]
        assert query.labels().items == ()
        assert query.session("chat").turns[0].inputs == ("Where is order 1?",)
        assert [one.name for one in query.fields("agent")] == ["agent"]
        assert "LookupError" in {one.name for one in query.trouble()}
        assert source.status().state == "ready"
    finally:
        query.close()
        source.close()


def test_a_label_goes_to_the_collector_of_its_run(tmp_path, monkeypatch):
    with CollectorProcess(tmp_path / "data") as running:
        running.post(b"".join(lines(run("aaaa1111"))))
        checked = command("check", "--data", str(running.data)).stdout
        monkeypatch.setenv("CHAUKAS_API_KEY", known_key(running, "acme"))
        assert call("label", "last", "helpful", "0.5", running.http)[0] == 0
        (row,) = call("runs", running.http, "-q", "label:helpful", "--json")[1].split(
            "\n"
        )[:1]
        labels = [(one["name"], one["value"]) for one in json.loads(row)["labels"]]
        assert labels == [("helpful", 0.5)]
        # What it found before is that the events of the test have no hashes.
        assert command("check", "--data", str(running.data)).stdout == checked
        monkeypatch.setenv("CHAUKAS_API_KEY", known_key(running, "acme", "read"))
        code, _, said = call("label", "last", "helpful", "1", running.http)
        assert (code, said) == (
            2,
            (
                f"chaukas: {running.http} does not allow this with this API key (HTTP"
                " 403). Take one with the scope: chaukas collector key create --scope"
                " ingest.\n"
            ),
        )


def test_the_events_of_a_collector_are_sent_as_spans(collector, of_one_tenant):
    sent = []
    for place in (of_one_tenant[0], collector.http, of_one_tenant[1]):
        with SpanReceiver() as receiver:
            done = call("export", "--otlp", receiver.endpoint, place)
            sent.append((done, sorted(one.span_id for one in receiver.spans)))
    assert sent[0][0][:2] == (0, "27 events, 9 spans sent.\n")
    assert sent[1:] == [sent[0], sent[0]]


def test_a_reader_sees_its_own_tenant_alone(collector, monkeypatch):
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["eve"])
    told = call("export", collector.http)[1].splitlines()
    assert {json.loads(one)["tenant_id"] for one in told} == {"eve"}
    assert call("show", "ERROR-65-e", collector.http)[0] == 1
    told = call("runs", collector.http, "-q", "tenant:acme")[2]
    assert told == "chaukas: no run matches.\n"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("run?trace_id=aaaa1111", (404, "no run")),
        ("find_run?text=aaaa", (404, "no run")),
        ("events_after?number=0&filter=tenant:acme", (200, [])),
        ("lines_after?number=0&filter=trace:aaaa1111", (200, [])),
        ("run", (400, "trace_id is needed")),
        ("events_after", (400, "number is needed")),
        ("events_after?number=99999999999999999999", (400, "whole number")),
        ("lines_after?number=x", (400, "whole number")),
        ("lines_after?number=-1&limit=-5&filter=trace:aaaa1111", (200, [])),
        ("runs?sort=beauty", (400, "no order 'beauty'")),
        ("numbers?by=colour", (400, "cannot group by 'colour'")),
    ],
)
def test_a_question_of_the_commands_is_bound_to_the_tenant_and_checked(
    collector, question, answer
):
    status, told = collector.get(f"/api/{question}", collector.keys["eve"])
    wanted_status, wanted = answer
    assert status == wanted_status
    if status == 200:
        rows = told[0] if type(told) is list else told["lines"]
        assert rows == wanted
    else:
        assert wanted in told["error"]


def test_lines_come_in_pages_that_end(collector):
    path = "/api/lines_after?limit={}&number={}"
    found, number, is_last = [], 0, False
    while not is_last:
        told = collector.get(path.format(7, number), collector.keys["acme"])[1]
        assert len(told["lines"]) <= 7
        found += told["lines"]
        number, is_last = told["last"], told["is_last"]
    assert "\n".join([*found, ""]).encode() == raw(of_acme())
    assert collector.get(path.format(10**6, 0), collector.keys["acme"])[1]["is_last"]


def test_who_follows_from_now_on_gets_no_event_of_before(tmp_path, monkeypatch):
    with CollectorProcess(tmp_path / "data") as running:
        running.post(numbered(1, 5, "other"))
        running.post(numbered(6, 8))
        monkeypatch.setenv("CHAUKAS_API_KEY", known_key(running, "acme"))
        client = client_of(running.http)
        stream = messages_in(client.listen("/api/follow", {"filter": ""}, 30))
        kinds = [next(stream).kind]
        running.post(numbered(9, 9), key=os.environ["CHAUKAS_API_KEY"])
        first = next(one for one in stream if one.kind == "event")
        stream.close()
        client.close()
    assert kinds == ["status"]
    assert json.loads(first.data)["event_id"] == "e9"


# --- what stands in a record (S18, S22) ----------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary"], ["summary", "--json"], ["runs"], ["runs", "--csv"],
        ["runs", "--json"], ["sessions"], ["sessions", "--csv"], ["search", "bold"],
        ["stats", "--by", "agent,tool"], ["stats", "--csv"], ["tail"],
        ["tail", "--json"], ["tree", "--full"], ["tree", "--run", "last"],
        ["show", "last"],
        ["show", "ERROR-2-"], ["show", "ERROR-2-", "--json"],
        ["show", "MODEL_INVOCATION_END-0.4-t1m", "--prompt"],
        ["diff", "last", "last", "--all"], ["diff", "last", "last", "--json"],
        *(["export", "--format", form, "--table", table]
          for form in ("csv", "jsonl")
          for table in ("runs", "model_calls", "tool_calls", "messages", "troubles")),
    ],
    ids=" ".join,
)  # fmt: skip
def test_s18_no_text_from_a_collector_steers_the_terminal(
    collector, monkeypatch, arguments
):
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["mallory"])
    code, output, said = call(*arguments, collector.http)
    assert (code, said) == (0, "")
    assert output
    assert not STEERING & set(output)
    if "--json" in arguments or "jsonl" in arguments:
        told = [json.loads(line) for line in output.splitlines()]
        assert any(HOSTILE in text for text in texts_in(told))


def texts_in(value):
    if type(value) is str:
        return [value]
    if type(value) is dict:
        value = list(value.values())
    if type(value) is not list:
        return []
    return [text for one in value for text in texts_in(one)]


def test_s18_no_error_of_a_server_steers_the_terminal(answering):
    answering.status, answering.body = 400, {"kind": "question", "error": HOSTILE}
    code, output, said = call("runs", answering.address)
    assert (code, output) == (2, "")
    assert "red" in said
    assert not STEERING & set(said)


def test_s18_an_export_to_a_terminal_does_not_steer_it(collector, monkeypatch):
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["mallory"])
    program = (
        "import pty, sys\n"
        "pty.spawn([sys.executable, '-m', 'chaukas.cli', 'export', sys.argv[1]])\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, collector.http],
        capture_output=True, check=True, cwd=ROOT, stdin=subprocess.DEVNULL,
    ).stdout.decode()  # fmt: skip
    assert not STEERING & set(shown)
    told = [json.loads(line) for line in shown.splitlines()]
    assert told == of_mallory()
    assert call("export", collector.http)[1].encode() == raw(of_mallory())


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--csv"], ["sessions", "--csv"],
        ["stats", "--by", "agent", "--of", "run", "--csv"],
        ["export", "--format", "csv", "--table", "messages"],
        ["export", "--format", "csv", "--table", "runs"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_s22_no_cell_from_a_collector_is_a_formula(collector, monkeypatch, arguments):
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["eve"])
    code, output, _ = call(*arguments, collector.http)
    cells = [cell for row in csv.reader(io.StringIO(output)) for cell in row]
    assert code == 0
    assert len(cells) > 10
    risky = [
        cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
    assert not risky


# --- what goes wrong -----------------------------------------------------------------


class Answering:
    """A server that gives one answer to everything, and notes what it was sent."""

    def __init__(self):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        outer = self
        self.status, self.headers, self.body = 200, {}, {}
        self.raw = None
        self.seen = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.seen.append((self.path, self.headers.get("authorization")))
                body = outer.raw
                if body is None:
                    body = json.dumps(outer.body).encode()
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def answering():
    made = Answering()
    yield made
    made.close()


STRANGER = (
    "{at} does not answer as a chaukas collector (HTTP {status}). Correct the address,"
    " or update the collector: an older one knows fewer questions."
)


@pytest.mark.parametrize(
    ("status", "headers", "body", "line"),
    [
        (401, {}, b"{}",
         ("the collector at {at} refused the API key (HTTP 401): it is wrong,"
         " revoked or expired. Correct CHAUKAS_API_KEY, or the file that"
         " CHAUKAS_API_KEY_FILE names.")),
        (403, {}, b"{}",
         ("{at} does not allow this with this API key (HTTP 403). Take one with the"
         " scope: chaukas collector key create --scope read.")),
        (404, {}, b"Not found", STRANGER),
        (404, {}, b"[]", STRANGER),
        (200, {}, b"<html>hello</html>", STRANGER),
        (421, {}, b"{}",
         ("{at} is a collector that does not know itself by this name (HTTP 421). Use"
         " the name it was started with, or start it with --name HOST.")),
        (429, {"retry-after": "7"}, b"{}",
         "the collector at {at} cannot answer now (HTTP 429). Try again in 7 s."),
        (503, {}, b"{}",
         "the collector at {at} cannot answer now (HTTP 503). Try again in a moment."),
        (500, {}, b"",
         "the collector at {at} cannot answer now (HTTP 500). Try again in a moment."),
        (200, {}, b'{"source": "x"}',
         ("the answer of the collector at {at} is of another version of chaukas"
         " (Status.state is missing). Update the older one.")),
        (200, {}, b"[1]",
         ("the answer of the collector at {at} is of another version of chaukas"
         " (Status is of another kind). Update the older one.")),
    ],
)  # fmt: skip
def test_what_a_server_answers_instead_is_one_line_and_exit_code_2(
    answering, status, headers, body, line
):
    answering.status, answering.headers, answering.raw = status, headers, body
    told = line.format(at=answering.address, status=status)
    assert call("runs", answering.address) == (2, "", f"chaukas: {told}\n")


def test_without_a_key_it_says_which_variable_to_set(collector, monkeypatch):
    monkeypatch.delenv("CHAUKAS_API_KEY")
    assert call("runs", collector.http) == (
        2,
        "",
        (
            f"chaukas: the collector at {collector.http} wants an API key (HTTP 401)."
            " Set CHAUKAS_API_KEY, or CHAUKAS_API_KEY_FILE.\n"
        ),
    )


def test_a_key_that_may_only_send_is_told_the_scope(collector, monkeypatch):
    monkeypatch.setenv("CHAUKAS_API_KEY", collector.keys["sender"])
    code, _, said = call("runs", collector.http)
    assert code == 2
    assert "chaukas collector key create --scope read" in said


def test_a_key_of_a_tenant_without_events_is_told_whose_it_is(collector, monkeypatch):
    monkeypatch.setenv("CHAUKAS_API_KEY", known_key(collector, "wrong", "read"))
    told = (
        f"chaukas: {collector.http} has no event of the tenant 'wrong', whose this key"
        " is.\n"
    )
    for name in ("runs", "sessions", "summary", "stats", "tail", "tree"):
        code, _, said = call(name, collector.http)
        assert (code, said.startswith(told)) == (1 if name == "tree" else 0, True)


def test_the_key_may_stand_in_a_file(collector, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAUKAS_API_KEY")
    path = tmp_path / "key"
    path.write_text(collector.keys["acme"])
    monkeypatch.setenv("CHAUKAS_API_KEY_FILE", str(path))
    assert call("runs", collector.http)[0] == 0
    path.unlink()
    code, _, said = call("runs", collector.http)
    assert (code, said.count("\n")) == (2, 1)
    assert "cannot read the API key" in said


def test_a_redirect_is_not_followed_and_the_key_stays_here(answering):
    other = Answering()
    answering.status = 302
    answering.headers = {"location": f"{other.address}/api/status"}
    code, _, said = call("runs", answering.address)
    other.close()
    assert code == 2
    assert "points elsewhere, and keys are never sent to another place" in said
    assert [path for path, _ in answering.seen] == ["/api/status"]
    assert other.seen == []


def test_a_server_that_says_the_key_again_is_not_quoted(answering):
    answering.status = 400
    key = os.environ["CHAUKAS_API_KEY"]
    answering.body = {"kind": "question", "error": f"not with {key}"}
    assert call("runs", answering.address) == (2, "", "chaukas: not with …\n")


def test_the_key_is_sent_as_a_header_and_in_no_address(answering):
    call("runs", answering.address)
    key = os.environ["CHAUKAS_API_KEY"]
    assert answering.seen == [("/api/status", f"Bearer {key}")]


def test_a_port_where_nobody_listens_is_one_line(collector):
    assert call("runs", "http://127.0.0.1:1") == (
        2,
        "",
        (
            "chaukas: the collector at http://127.0.0.1:1 refuses connections. Start"
            " it, or correct the port.\n"
        ),
    )


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    import socket

    monkeypatch.setenv("CHAUKAS_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert call("runs", address) == (
            2,
            "",
            (
                f"chaukas: the collector at {address} did not answer in time. Ask for"
                " less, or look at the way to it.\n"
            ),
        )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://user:secret@127.0.0.1:1", "can be seen by others"),
        ("http://", "names no host"),
        ("http://127.0.0.1:x", "names no host and port"),
        ("http://127.0.0.1:99999", "names no host and port"),
        ("grpc://127.0.0.1:4181", "Give a collector's HTTP address"),
        ("s3://bucket/x", "no source is read by s3://"),
    ],
)
def test_an_address_that_is_none_is_one_line(address, words):
    code, output, said = call("runs", address)
    assert (code, output, said.count("\n")) == (2, "", 1)
    assert words in said
    assert "secret" not in said


def test_tls_where_there_is_none_is_told_to_write_http(collector):
    code, _, said = call("verify", collector.http.replace("http:", "https:"))
    assert (code, said.count("\n")) == (2, 1)
    assert "does not speak TLS" in said
    assert said.endswith("Write http://, or start it with --certificate.\n")


def test_a_collector_and_a_file_are_not_asked_together(collector):
    code, _, said = call("runs", collector.http, collector.file)
    assert (code, said.count("\n")) == (2, 1)
    assert "one collector is asked at a time" in said


@pytest.mark.parametrize("more", ["/", "/#/runs", "/open/abc", "?x=1"])
def test_the_address_of_the_page_will_do(collector, more):
    assert call("runs", collector.http + more)[0] == 0


def test_a_collector_with_tls_is_asked_by_whom_it_knows(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    files, client = authority.issue("127.0.0.1"), authority.issue("client")
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    options.append(f"--client-ca={authority.ca_file}")
    with CollectorProcess(tmp_path / "data", *options) as running:
        assert running.http.startswith("https://")
        code, _, said = call("runs", running.http)
        assert (code, said) == (
            2,
            (
                f"chaukas: the collector at {running.http} cannot be trusted (its"
                " certificate does not verify): nothing was asked. Correct"
                " CHAUKAS_CA_FILE, CHAUKAS_CLIENT_CERT or its certificate.\n"
            ),
        )
        monkeypatch.setenv("CHAUKAS_CA_FILE", str(authority.ca_file))
        code, _, said = call("runs", running.http)
        assert (code, said.count("\n")) == (2, 1)
        assert "set CHAUKAS_CLIENT_CERT and CHAUKAS_CLIENT_KEY" in said
        code, _, said = call("runs", running.http.replace("https:", "http:"))
        assert (code, said.count("\n")) == (2, 1)
        assert "A port with TLS wants https://" in said
        monkeypatch.setenv("CHAUKAS_CLIENT_CERT", str(client["certificate"]))
        code, _, said = call("runs", running.http)
        assert (code, said.count("\n")) == (2, 1)
        assert "no private key in it, and CHAUKAS_CLIENT_KEY is not set" in said
        monkeypatch.setenv("CHAUKAS_CLIENT_KEY", str(client["private_key"]))
        assert call("runs", running.http) == (0, "", "chaukas: no run matches.\n")


# --- tail -f, view -------------------------------------------------------------------


def numbered(first: int, last: int, tenant: str = "acme") -> bytes:
    made = [event("SYSTEM", n, id=f"e{n}") for n in range(first, last + 1)]
    return b"".join(lines([{**one, "tenant_id": tenant} for one in made]))


def ids_of(output, number: int) -> list[str]:
    return [json.loads(output.readline())["event_id"] for _ in range(number)]


def test_tail_follows_a_collector_over_its_death_without_loss_or_repetition(tmp_path):
    with CollectorProcess(tmp_path / "data") as running:
        assert running.post(numbered(1, 3))[0] == 202
        process = subprocess.Popen(
            [sys.executable, "-m", "chaukas.cli", "tail", "-f", running.http, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "CHAUKAS_API_KEY": ""},
        )
        with process:
            seen = ids_of(process.stdout, 3)
            assert running.post(numbered(4, 6))[0] == 202
            seen += ids_of(process.stdout, 3)
            running.kill()
            told = process.stderr.readline()
            running.start()
            # The first ones again: a collector takes no event twice.
            assert running.post(numbered(1, 300))[0] == 202
            seen += ids_of(process.stdout, 294)
            running.stop()
            running.start()
            assert running.post(numbered(301, 302))[0] == 202
            seen += ids_of(process.stdout, 2)
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
    assert seen == [f"e{n}" for n in range(1, 303)]
    assert (rest, process.returncode) == ("", 0)
    begin = r"chaukas: the collector at http\S+ .*\. "
    assert re.fullmatch(begin + r"It is asked again until it answers\.\n", told)


def test_tail_f_ends_with_a_line_where_trying_again_is_no_use(collector, monkeypatch):
    code, _, said = call("tail", "-f", collector.http, "-q", "agnt:x")
    assert (code, said.count("\n")) == (2, 1)


def test_the_page_of_a_collector_is_served_here(collector, tmp_path):
    with served([collector.http], tmp_path) as page:
        page.enter()
        until(lambda: page.ask("/api/status").text.find('"ready"') > 0)
        found = json.loads(page.ask("/api/runs").body)["items"]
        assert [one["trace_id"] for one in found] == [
            "cccc3333",
            "bbbb2222",
            "aaaa1111",
        ]
        assert page.ask("/api/tree?trace_id=none").status == 404
        assert page.ask("/api/runs?filter=agnt:x").status == 400
        assert json.loads(page.ask("/api/status").body)["source"] == collector.http
        assert page.end() == 0


def test_a_page_says_that_its_collector_does_not_answer(tmp_path):
    with CollectorProcess(tmp_path / "data") as running:
        running.post(b"".join(lines(run("aaaa1111"))))
        with served([running.http], tmp_path) as page:
            page.enter()
            until(lambda: page.ask("/api/runs").status == 200)
            running.kill()
            until(lambda: page.ask("/api/status").text.find('"failed"') > 0)
            answer = page.ask("/api/runs")
            assert answer.status == 502
            assert "refuses connections" in json.loads(answer.body)["error"]
            running.start()
            until(lambda: page.ask("/api/runs").status == 200)
