"""The commands that read a record, as a person calls them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.cli import main
from tests.support.command_line import command_line
from tests.support.records import event, lines, run

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "\x1b[31mred\x1b[0m \u202e\x07 [bold]x[/bold] =1+1"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record of three runs: one fine, one failed, one whose process died."""
    error = event(
        "ERROR",
        65,
        trace_id="bbbb2222",
        span_id="e",
        parent_span_id="bbbb2222t",
        session_id="chat",
        status="FAILED",
        error={"error_code": "LookupError", "error_message": "no order 7"},
    )
    retry = event("RETRY", 61, trace_id="bbbb2222", session_id="chat", retry={
        "attempt": 1, "backoff_ms": 50, "error_message": "429",
        "metadata": {"layer": "http", "model": "gpt-4o"}})  # fmt: skip
    events = [
        *run("aaaa1111", cost=0.5, input="Where is order 1?"),
        *run("bbbb2222", 60, outcome="failed", agent="billing", output="Sorry."),
        error,
        retry,
        *run("cccc3333", 120, session="other", tenant="globex", stream="s2")[:4],
    ]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(events)))
    return path


def call(*arguments: object, status: int = 0, stdin: bytes | None = None) -> str:
    result: Result = command_line().invoke(main, [str(a) for a in arguments], stdin)
    assert result.exit_code == status, (result.output, result.stderr, result.exception)
    return result.stdout + (result.stderr if status else "")


def rows_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_summary_is_one_screen_about_everything(record: Path) -> None:
    output = call("summary", record)
    assert output.splitlines()[1:5] == [
        "2026-01-01 12:00:00 to 2026-01-01 12:02:00 UTC  tenants acme, globex",
        "",
        "3 runs (1 completed, 1 failed, 1 died)  2 sessions  22 events",
        "3 model calls  300 tokens in, 30 out, 0 cached  0.502000 USD",
    ]
    assert "LookupError: no order #" in output
    assert "no event is missing by number" in output
    assert len(output.splitlines()) < 40


def test_summary_can_verify_the_chain(tmp_path: Path) -> None:
    import chaukas.sdk

    path = tmp_path / "events.jsonl"
    chaukas.sdk.enable_chaukas(output_file=str(path))
    chaukas.sdk.event("hello")
    assert chaukas.sdk.disable_chaukas(60.0)
    assert "chain of hashes verified: nothing altered" in call(
        "summary", path, "--verify"
    )
    path.write_bytes(path.read_bytes().replace(b"hello", b"jello"))
    assert "BROKEN" in call("summary", path, "--verify")


def test_runs_are_listed_the_newest_last(record: Path) -> None:
    lines_ = call("runs", record).splitlines()
    assert lines_[0].split()[:4] == ["started", "run", "status", "agents"]
    assert [line.split()[2:5] for line in lines_[1:]] == [
        ["aaaa1111", "completed", "desk"],
        ["bbbb2222", "failed", "billing"],
        ["cccc3333", "died", "desk"],
    ]


def test_runs_are_filtered_and_sorted_and_limited(record: Path) -> None:
    found = rows_of(call("runs", record, "-q", "agent:desk", "--json"))
    assert [one["trace_id"] for one in found] == ["aaaa1111", "cccc3333"]
    found = rows_of(call("runs", record, "--sort", "cost", "-n", 1, "--json"))
    assert len(found) == 1
    assert "1 of 3 runs" in command_line().invoke(
        main, ["runs", str(record), "-n", "1"]
    ).stderr  # fmt: skip


@pytest.mark.parametrize("command", ["runs", "sessions", "summary", "stats", "tail"])
def test_a_wrong_filter_is_one_line_and_exit_code_2(record: Path, command: str) -> None:
    output = call(command, record, "-q", "agnt:x", status=2)
    assert output == (
        "chaukas: --filter: character 1: no field 'agnt':"
        " did you mean agent or tenant?\n"
    )


@pytest.mark.parametrize("command", ["runs", "sessions", "summary", "stats", "tail"])
def test_a_file_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, command: str
) -> None:
    output = call(command, tmp_path / "none.jsonl", status=2)
    assert "there is no such file or folder" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("command", ["runs", "sessions", "summary", "stats", "tail"])
def test_what_is_no_record_is_called_so(tmp_path: Path, command: str) -> None:
    path = tmp_path / "README.md"
    path.write_text("# chaukas\n")
    assert call(command, path, status=1) == (
        f"chaukas: {path}: no record of chaukas: not one line holds an event.\n"
    )


def test_without_a_source_the_configured_file_is_read(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUKAS_OUTPUT_FILE", str(record))
    assert "3 runs" in call("summary")


@pytest.mark.parametrize("command", ["runs", "summary", "tree", "verify", "tail"])
def test_without_a_file_it_says_to_which_collector_events_go(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAUKAS_ENDPOINT", "http://user:secret@127.0.0.1:4180")
    assert call(command, status=2) == (
        "chaukas: there is no file 'chaukas_events.jsonl': events go to"
        " http://127.0.0.1:4180. Give the address of the collector as SOURCE.\n"
    )


def test_the_standard_input_is_a_source(record: Path) -> None:
    assert "3 runs" in call("summary", "-", stdin=record.read_bytes())


def test_sessions_are_listed(record: Path) -> None:
    found = rows_of(call("sessions", record, "--json"))
    assert [(one["session_id"], one["runs"], one["status"]) for one in found] == [
        ("chat", 2, "failed"),
        ("other", 1, "died"),
    ]
    assert "desk, billing" in call("sessions", record)


def test_search_finds_words_and_says_so_if_there_are_none(record: Path) -> None:
    output = call("search", "sorry", record)
    assert "bbbb2222" in output
    assert "Sorry." in output
    assert call("search", "zebra", record, status=1).endswith("is nowhere in it.\n")


def test_stats_add_up_by_group(record: Path) -> None:
    (row,) = rows_of(call("stats", record, "--by", "day,model", "--json"))
    assert (row["day"], row["model"], row["count"]) == ("2026-01-01", "gpt-4o", 3)
    assert row["cost_usd"] == 0.502
    output = call("stats", record, "--by", "agent", "--of", "run")
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [
        ["desk", "2"],
        ["billing", "1"],
        ["total", "3"],
    ]
    assert "cannot group by 'colour'" in call(
        "stats", record, "--by", "colour", status=2
    )


def test_one_run_is_shown_as_the_tree_of_a_record_shows_it(record: Path) -> None:
    below = [
        "├─ agent billing  12:01:00  ✗ 1.00 s",
        '│  ├─ input "Where is my order?"',
        "│  ├─ model gpt-4o  ✓ 200 ms  100+10 tokens  0.001000 USD",
        "│  ├─ tool lookup(n=1)  ✓ 300 ms",
        "│  │  └─ error LookupError: no order 7",
        '│  └─ output "Sorry."',
    ]
    whole = call("tree", record).splitlines()
    assert whole[whole.index(below[0]) :][: len(below)] == below
    assert call("tree", record, "--run", "2222").splitlines() == [
        (
            "run bbbb2222  2026-01-01 12:01:00 UTC  session chat  tenant acme  billing"
            "  ✗ 1.00 s  100+10 tokens  0.001000 USD"
        ),
        *below,
        "└─ retry 1  after 50 ms  429",
    ]


def test_a_full_tree_tells_when_each_step_was_and_what_was_answered(
    record: Path,
) -> None:
    shown = call("tree", record, "--run", "2222", "--full").splitlines()[1:]
    assert shown == [
        "├─ agent billing  12:01:00.000  ✗ 1.00 s",
        '│  ├─ input "Where is my order?"  12:01:00.100',
        (
            "│  ├─ model gpt-4o  12:01:00.200  ✓ 200 ms  100+10 tokens  0.001000 USD"
            "  → lookup(n=1)"
        ),
        "│  ├─ tool lookup(n=1)  12:01:00.500  ✓ 300 ms  → shipped",
        "│  │  └─ error LookupError: no order 7  12:01:05.000",
        '│  └─ output "Sorry."  12:01:00.900',
        "└─ retry 1  after 50 ms  429  12:01:01.000",
    ]
    assert call("show", "2222", record).splitlines()[1:] == shown
    whole = call("tree", record, "--full").splitlines()
    assert whole[0].startswith("session chat  2026-01-01 12:00:00.000  tenant acme  ")
    assert set(shown[:5]) < set(whole)


def test_a_tree_as_json_is_an_object_for_each_run(record: Path) -> None:
    found = rows_of(call("tree", record, "--json"))
    assert [one["run"]["trace_id"] for one in found] == [
        "aaaa1111",
        "bbbb2222",
        "cccc3333",
    ]
    assert rows_of(call("tree", record, "--json", "--run", "2222")) == found[1:2]


def test_a_tree_has_as_many_lines_as_were_asked_for(record: Path) -> None:
    result = command_line().invoke(main, ["tree", str(record), "-n", "2"])
    assert result.stdout.splitlines() == call("tree", record).splitlines()[:2]
    more = len(call("tree", record).splitlines()) - 2
    assert result.stderr == f"chaukas: {more} more lines: raise --limit.\n"


def test_without_a_source_tree_and_verify_read_the_configured_file(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [call("tree", record), call("verify", record, status=1)]
    monkeypatch.setenv("CHAUKAS_OUTPUT_FILE", str(record))
    assert [call("tree"), call("verify", status=1)] == named


def test_a_run_that_died_is_not_shown_as_running(record: Path) -> None:
    assert "agent desk  12:02:00  cut" in call("tree", record, "--run", "last")


def test_a_label_stands_in_the_tree_of_its_run(record: Path) -> None:
    call("label", "2222", "helpful", "0.5", record, "--comment", "so so")
    shown = call("tree", record, "--run", "2222").splitlines()
    assert shown[-1] == "└─ system chaukas.score  helpful=0.5  so so"
    whole = call("tree", record)
    assert "─ system chaukas.score  helpful=0.5  so so" in whole
    assert "process" not in whole


def test_show_gives_an_event_or_a_run_whole(record: Path) -> None:
    found = call("show", "ERROR-65-e", record)
    assert "it carries no hash" in found
    assert '"error_message": "no order 7"' in found
    assert "run bbbb2222" in call("show", "bbbb", record)
    assert "no run 'zzz' is in this record" in call("show", "zzz", record, status=1)


def test_show_gives_the_whole_prompt_of_a_call(record: Path) -> None:
    start = "MODEL_INVOCATION_END-0.4-aaaa1111m"
    assert "Where is order 1?" in call("show", start, record, "--prompt")


def test_diff_names_what_changed_and_its_exit_code_says_so(tmp_path: Path) -> None:
    more = event("ERROR", 61, trace_id="b2", parent_span_id="b2a", status="FAILED",
                 error={"error_code": "E", "error_message": "late"})  # fmt: skip
    path = tmp_path / "events.jsonl"
    second = run("b2", 60, outcome="failed", output="Sorry.", tool_ms=900)
    path.write_bytes(b"".join(lines([*run("a1"), *second, more])))
    assert "0 changed, 0 added, 0 missing" in call("diff", "a1", "a1", path)
    assert call("diff", "a1", "b2", path, status=1).splitlines()[2:] == [
        "~ agent desk  completed → failed",
        "    tool lookup  600 ms slower",
        "~   output assistant",
        "      output:",
        "        -It is on its way.",
        "        +Sorry.",
        "+   error E  late",
        "3 the same, 2 changed, 1 added, 0 missing",
    ]


def test_tail_shows_the_latest_events_in_order(record: Path) -> None:
    output = call("tail", record, "-n", 3)
    assert [line.split()[2] for line in output.splitlines()] == [
        "input",
        "model",
        "model",
    ]
    assert rows_of(call("tail", record, "-n", 1, "--json"))[0]["trace_id"] == "cccc3333"


def test_tail_follows_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines([event("SYSTEM", 1, id="one")])))
    process = subprocess.Popen(
        [sys.executable, "-m", "chaukas.cli", "tail", "-f", str(path), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline())["event_id"]]
    with path.open("ab") as file:
        file.writelines(lines([event("SYSTEM", 2, id="two")]))
    path.rename(tmp_path / "events.20260101T120000000000Z.jsonl")
    path.write_bytes(b"".join(lines([event("SYSTEM", 3, id="three")])))
    seen += [json.loads(process.stdout.readline())["event_id"] for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert (seen, rest, process.returncode) == (["one", "two", "three"], "", 0)


# --- labels and exports ------------------------------------------------------------


def test_a_label_is_an_event_beside_the_record(record: Path) -> None:
    before = record.read_bytes()
    call("label", "aaaa", "helpful", "0.5", record, "--comment", "so so")
    call("label", "aaaa", "note", HOSTILE, record)
    assert record.read_bytes() == before
    beside = record.with_name("events.labels.jsonl")
    assert [json.loads(one)["type"] for one in beside.read_bytes().splitlines()] == [
        "EVENT_TYPE_SYSTEM"
    ] * 2
    (row,) = rows_of(call("runs", record, "-q", "label:helpful", "--json"))
    assert [(one["name"], one["value"]) for one in row["labels"]] == [
        ("helpful", 0.5),
        ("note", HOSTILE),
    ]
    data = rows_of(call("export", record, "--table", "labels"))
    assert data[0]["input"] == "Where is order 1?"
    assert data[0]["value"] == 0.5


def test_an_export_of_events_is_what_was_recorded(record: Path) -> None:
    assert call("export", record).encode() == record.read_bytes()
    found = rows_of(call("export", record, "--run", "bbbb"))
    assert {one["trace_id"] for one in found} == {"bbbb2222"}
    assert len(rows_of(call("export", record, "-q", "kind:error"))) == 1


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "a\nb"]
    path = tmp_path / "events.jsonl"
    events = [one for n, t in enumerate(texts) for one in run(f"t{n}", n, input=t)]
    path.write_bytes(b"".join(lines(events)))
    output = call("export", path, "--format", "csv", "--table", "messages")
    found = [row["text"] for row in csv.DictReader(io.StringIO(output))]
    assert found[::2] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", " =1", " =1", "plain", "a b",
    ]  # fmt: skip
    for line in call("runs", path, "--csv").splitlines()[1:]:
        assert not any(cell.startswith("=") for cell in next(csv.reader([line])))


def test_what_does_not_go_together_is_said(record: Path, tmp_path: Path) -> None:
    for arguments in (
        ("--format", "csv"),
        ("--format", "parquet"),
        ("--format", "sqlite", "-o", tmp_path / "x", "-q", "a"),
        ("--format", "html"),
    ):
        call("export", record, *arguments, status=2)


# --- terminals ---------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A record in which every text steers a terminal."""
    names = "input output agent tool model session tenant result".split()
    events = run("t1", **dict.fromkeys(names, HOSTILE))
    events.append(event("ERROR", 2, trace_id="t1", error={
        "error_code": HOSTILE, "error_message": HOSTILE}))  # fmt: skip
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(events)))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary"], ["runs"], ["runs", "--csv"], ["sessions"], ["sessions", "--csv"],
        ["search", "bold"], ["stats", "--by", "agent,tool"], ["tail"], ["show", "last"],
        ["show", "ERROR-2-"], ["diff", "last", "last", "--all"],
        ["stats", "--by", "model", "--csv"],
        ["export", "--format", "csv", "--table", "tool_calls"],
    ],
)  # fmt: skip
def test_no_text_of_a_record_steers_the_terminal(
    hostile: Path, arguments: list[str]
) -> None:
    output = call(*arguments, hostile)
    assert not {"\x1b", "\x07", "\u202e"} & set(output)
    assert "[bold]" in output or "red" not in output


@pytest.mark.parametrize("width", ["60", "40", "20"])
@pytest.mark.parametrize("command", ["runs", "sessions", "stats"])
def test_a_table_fits_into_a_narrow_terminal(
    record: Path, monkeypatch: pytest.MonkeyPatch, command: str, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    output = call(command, record)
    assert max(len(line) for line in output.splitlines()) <= int(width)
    if width == "60" and command == "runs":
        assert "bbbb2222" in output
        assert "failed" in output


@pytest.mark.parametrize("command", ["summary", "runs", "tail", "stats"])
def test_output_is_readable_in_ascii(record: Path, command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "chaukas.cli", command, str(record)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C"},
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()


def test_colours_are_for_terminals_and_stay_away_where_unwanted(record: Path) -> None:
    code = (
        "import os, pty, sys\n"
        "pty.spawn([sys.executable, '-m', 'chaukas.cli', 'runs', sys.argv[1]])\n"
    )
    found = {}
    for wanted in ({}, {"NO_COLOR": "1"}):
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **wanted}
        if not wanted:
            environment.pop("NO_COLOR", None)
        found[bool(wanted)] = subprocess.run(
            [sys.executable, "-c", code, str(record)],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
        ).stdout
    assert b"\x1b[1;31mfailed" in found[False]
    assert b"31m" not in found[True]


def test_a_reader_that_leaves_ends_the_command_quietly(record: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "chaukas.cli", "export", str(record)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in error


def test_reading_that_takes_long_shows_a_bar_and_only_on_a_terminal(
    record: Path, tmp_path: Path
) -> None:
    code = (
        "import pty, sys\n"
        "from chaukas.cli import bars\n"
        "bars._PATIENCE_S = 0.0\n"
        "from chaukas.cli import main\n"
        "main(['runs', sys.argv[1]])\n"
    )
    spawn = f"import pty, sys; pty.spawn([sys.executable, '-c', {code!r}, sys.argv[1]])"
    output = subprocess.run(
        [sys.executable, "-c", spawn, str(record)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
    ).stdout
    assert b"Reading " in output
    piped = subprocess.run(
        [sys.executable, "-c", code, str(record)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "another")},
    )
    assert b"Reading " not in piped.stdout + piped.stderr


def test_tree_and_verify_take_a_folder_and_a_spool(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"".join(lines(run("t1"))))
    (folder / "b.jsonl").write_bytes(b"".join(lines(run("t2", 5))))
    spool = tmp_path / "spool" / "stream-1"
    spool.mkdir(parents=True)
    (spool / f"{0:020d}.seg").write_bytes(b"".join(lines(run("t3"))))
    assert call("tree", folder).count("agent desk") == 2
    assert call("tree", tmp_path / "spool").count("agent desk") == 1
    assert "a.jsonl" in call("verify", folder, status=1)
