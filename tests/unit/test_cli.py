"""The commands, and the tree that a person reads."""

from __future__ import annotations

import fcntl
import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import Result

from chaukas.cli import main
from chaukas.cli.tree import render
from chaukas.sdk import integrity
from chaukas.sdk._version import VERSION
from tests.support.command_line import command_line
from tests.support.samples import EVENTS, event, linked

ROOT = Path(__file__).resolve().parent.parent.parent


def command(*arguments: str | Path) -> Result:
    return command_line().invoke(main, [str(argument) for argument in arguments])


def span(
    name: str, at: int, own: str = "", parent: str = "", **fields: Any
) -> dict[str, Any]:
    """Return an event `at` that many milliseconds, in a place of the tree."""
    made = event(name, at, span_id=own, parent_span_id=parent, **fields)
    made["timestamp"] = f"2026-01-01T12:00:{at // 1000:02d}.{at % 1000:03d}000Z"
    return made


def a_run() -> list[dict[str, Any]]:
    agent = {"agent_name": "Triage"}
    response = {"tool_name": "add", "error_message": "ValueError: no"}
    failed = {"status": "EVENT_STATUS_FAILED", "tool_response": response}
    return [
        span("SESSION_START", 0, "s"),
        span("AGENT_START", 1, "a", "s", **agent),
        span("INPUT_RECEIVED", 2, "i", "a", **agent),
        span("MODEL_INVOCATION_START", 3, "m", "a", **agent),
        span("MODEL_INVOCATION_END", 1003, "m", "a", **agent),
        span("TOOL_CALL_START", 1004, "t", "a", **agent),
        span("ERROR", 1005, "e", "t", **agent, status="EVENT_STATUS_FAILED"),
        span("TOOL_CALL_END", 1006, "t", "a", **agent, **failed),
        span("OUTPUT_EMITTED", 1007, "o", "a", **agent),
        span("AGENT_END", 1008, "a", "s", **agent),
        span("SESSION_END", 2500, "s"),
    ]


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


# --- the tree --------------------------------------------------------------


def test_a_run_is_a_tree() -> None:
    assert render(a_run()) == [
        (
            "session openai_agents_session (s-1)  2026-01-01 12:00:00  ✓ 2.50 s  1 run"
            "  10+5 tokens  0.000010 USD"
        ),
        "└─ agent Triage  12:00:00  ✓ 12 ms  20+7 tokens",
        '   ├─ input "He said "hi" \\ 👋"',
        "   ├─ model gpt-4o  ✓ 1.00 s  10+5 tokens  0.000010 USD",
        (
            '   ├─ tool add(a=1, b=-2.5, deep=[[],{},[null,true,{"x":""}]])  ✗ 2 ms'
            "  ValueError: no"
        ),
        "   │  └─ error ValueError: boom",
        '   └─ output "done"',
    ]


def test_nothing_gives_no_lines() -> None:
    assert render([]) == []


def test_a_pair_that_has_not_ended_says_so() -> None:
    assert render([span("AGENT_START", 1, "a", agent_name="A", session_id="")]) == [
        "agent A  …"
    ]


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [
        (0.04, "0.0 ms"),
        (0.5, "0.5 ms"),
        (1, "1 ms"),
        (999, "999 ms"),
        (1500, "1.50 s"),
        (61_000, "1 min 1 s"),
    ],
)
def test_a_duration_is_shown_in_a_fitting_unit(duration_ms: float, shown: str) -> None:
    end = span("AGENT_END", 1, "a", session_id="", agent_name="A")
    lines = render([{**end, "performance": {"duration_ms": duration_ms}}])
    assert lines[0].startswith(f"agent A  ✓ {shown}  ")


def test_times_that_cannot_be_read_give_no_duration() -> None:
    start, end = a_run()[0], a_run()[-1]
    for wrong in ("soon", 5, None, "2026-01-01T12:00:00+00:00"):
        assert render([start, {**end, "timestamp": wrong}])[0].endswith("✓")


def test_an_end_whose_start_is_in_another_file_is_shown() -> None:
    assert render([span("TOOL_CALL_END", 1, "t", session_id="")])[0].startswith(
        "tool add  ✓ 0.5 ms"
    )


def test_a_cancelled_pair_is_marked() -> None:
    events = [
        span("AGENT_START", 1, "a", agent_name="A"),
        span("AGENT_END", 2, "a", agent_name="A", status="EVENT_STATUS_CANCELLED"),
    ]
    assert "agent A  12:00:00  ⊘" in render(events)[1]


def test_events_of_one_session_stand_together_and_sessions_in_order_of_time() -> None:
    events = [
        span("OUTPUT_EMITTED", 5, session_id="late"),
        span("INPUT_RECEIVED", 1, session_id="early"),
        span("OUTPUT_EMITTED", 9, session_id="early"),
    ]
    lines = render(events)
    assert [line for line in lines if line.startswith("session")] == [
        "session early  2026-01-01 12:00:00",
        "session late  2026-01-01 12:00:00",
    ]
    assert lines[2].startswith("└─ output")


def test_a_session_opened_twice_is_two_lines() -> None:
    events = [
        span("SESSION_START", 1, "s1"),
        span("SESSION_END", 2, "s1"),
        span("SESSION_START", 3, "s2"),
    ]
    assert [line.rpartition("  ")[2] for line in render(events)] == ["✓ 1 ms", "…"]


def test_an_event_whose_parent_is_elsewhere_stands_below_its_session() -> None:
    events = [span("SESSION_START", 0, "s"), span("OUTPUT_EMITTED", 1, "", "gone")]
    assert render(events)[1] == '└─ output "done"'


def test_spans_in_a_circle_are_shown_once_each() -> None:
    events = [
        span("AGENT_START", 1, "a", "b", agent_name="A"),
        span("AGENT_START", 2, "b", "a", agent_name="B"),
        span("AGENT_START", 3, "c", "c", agent_name="C"),
    ]
    assert [line[3:10] for line in render(events)[1:]] == [
        "agent A",
        "agent B",
        "agent C",
    ]


def test_a_very_deep_tree_is_shown() -> None:
    events = [
        span("AGENT_START", n, f"s{n}", f"s{n - 1}", session_id="") for n in range(1500)
    ]
    assert len(render(events)) == 1500


@pytest.mark.parametrize("name", EVENTS)
def test_every_type_has_a_line_of_its_own(name: str) -> None:
    line = render([{**EVENTS[name], "session_id": ""}])[0]
    assert line.split()[0] in {
        *("session", "agent", "handoff", "model", "tool", "mcp", "input", "output"),
        *("error", "retry", "policy", "data", "state", "system"),
    }


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("AGENT_HANDOFF", "handoff Triage → Weather"),
        ("MCP_CALL_END", "mcp files tools/call  ✓ 3 ms  no such file"),
        ("RETRY", "retry 1 of 3  after 1.00 s  Rate limit exceeded"),
        ("POLICY_DECISION", "policy no_secrets deny  a key was found"),
        ("DATA_ACCESS", "data file_search (2 documents)"),
        ("STATE_UPDATE", "state items"),
    ],
)
def test_a_line_tells_what_matters(name: str, line: str) -> None:
    assert render([{**EVENTS[name], "session_id": ""}]) == [line]


def test_a_change_of_state_tells_what_was_done() -> None:
    facts = {"session": {"operation": "add_items", "count": 2}}
    event = {**EVENTS["STATE_UPDATE"], "session_id": "", "state_update": facts}
    assert render([event]) == ["state session add_items 2"]


def test_a_type_of_a_later_version_has_a_line() -> None:
    assert render([{"type": "EVENT_TYPE_TEA_BREAK"}]) == ["tea break"]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\u202egnp\x9b1m\u2028end"


@pytest.mark.parametrize("name", EVENTS)
def test_no_text_of_an_event_can_steer_the_terminal(name: str) -> None:
    def poisoned(value: Any) -> Any:
        if type(value) is dict:
            return {
                HOSTILE + k if k == "items" else k: poisoned(v)
                for k, v in value.items()
            }
        if type(value) is list:
            return [poisoned(item) for item in value]
        return HOSTILE if type(value) is str else value

    event_ = {**poisoned(EVENTS[name]), "type": f"EVENT_TYPE_{name}"}
    for given in (event_, {**event_, "type": "EVENT_TYPE_" + HOSTILE}):
        for line in render([given]):
            assert line.isprintable(), ascii(line)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("wrong", [None, 7, 1e308, True, [], [1], {"a": 1}, "x"])
def test_values_of_any_type_are_passed_over(name: str, wrong: Any) -> None:
    given = EVENTS[name]
    for key in given:
        assert render([{**given, key: wrong}])
        content = given[key]
        if type(content) is dict:
            for inner in content:
                assert render([{**given, key: {**content, inner: wrong}}])


def test_long_text_is_cut() -> None:
    text = {"role": "user", "text": "word " * 1000}
    line = render([span("INPUT_RECEIVED", 1, message=text, session_id="")])[0]
    assert line.endswith('…"')
    assert len(line) < 90


def test_tree_shows_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", [*linked(a_run()), b'\n{"torn'])
    result = command("tree", file)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == render(a_run())
    assert result.stderr == "chaukas: 1 line skipped: no event in it.\n"


def test_what_a_process_left_is_cut_once_nobody_writes_the_file(tmp_path: Path) -> None:
    events = a_run()
    begun = [one for one in events if not one["type"].endswith("_END")]
    file = write(tmp_path / "e.jsonl", linked(begun))
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert command("tree", file).stdout.splitlines() == render(begun)
    shown = command("tree", file).stdout.splitlines()
    assert shown == render(begun, are_gone=True)
    assert "  cut" in shown[0]
    assert "…" not in shown[0]


# --- verify ----------------------------------------------------------------


def lines_of(count: int) -> list[bytes]:
    """Return the lines of a process that ended as it should."""
    events = [event("INPUT_RECEIVED", n) for n in range(1, count)]
    events.append(event("SYSTEM", count))
    events[-1]["metadata"]["name"] = "chaukas.disabled"
    return linked(events)


def test_verify_praises_an_untouched_file(tmp_path: Path) -> None:
    result = command("verify", write(tmp_path / "e.jsonl", lines_of(3)))
    assert (result.exit_code, result.stdout) == (
        0,
        "3 events in 1 stream (complete): nothing altered, missing or moved.\n",
    )


def test_verify_names_the_place_of_the_first_problem(tmp_path: Path) -> None:
    lines = lines_of(3)
    lines[1] = lines[1].replace(b"He said", b"He sang")
    file = write(tmp_path / "e.jsonl", lines)
    result = command("verify", file)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}:2: altered: Event '0190a0b0-")
    assert "BROKEN" in result.stdout


def a_rotation(folder: Path) -> list[Path]:
    """Return the files of one, the newest first, with what lies beside them."""
    lines = lines_of(6)
    new = write(folder / "e.jsonl", lines[4:])
    middle = write(folder / "e.jsonl.1", lines[2:4])
    old = folder / "e.jsonl.2.gz"
    old.write_bytes(gzip.compress(b"".join(lines[:2])))
    beside = [write(folder / f"e.jsonl.{name}", []) for name in ("lock", "3.gz.tmp")]
    return [new, middle, old, *beside]


def test_verify_joins_the_files_of_a_rotation_whatever_their_order(
    tmp_path: Path,
) -> None:
    files = a_rotation(tmp_path)
    assert command("verify", *files).exit_code == 0
    assert command("verify", *reversed(files)).exit_code == 0
    unpacked = write(tmp_path / "e.jsonl.2", lines_of(6)[:2])
    assert command("verify", *files, unpacked).exit_code == 0
    write(files[1], lines_of(6)[3:4])
    result = command("verify", *files)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{files[1]}:1: missing: 1 event is")


def test_verify_names_each_event_that_is_altered_missing_or_moved(
    tmp_path: Path,
) -> None:
    lines, second = lines_of(9), []
    for line in lines_of(5):
        one = orjson.loads(line)
        one["metadata"]["chaukas"]["stream"] = "s2"
        second.append({k: one[k] for k in one.keys() - {"content_hash", "hash_prev"}})
    other = linked(second)
    for at in (1, 3):
        lines[at] = lines[at].replace(b"He said", b"He sang")
    moved = [other[0], other[2], other[1], *other[3:]]
    file = write(tmp_path / "e.jsonl", [*lines[:5], lines[6], lines[8], *moved])
    told = command("verify", file).stdout.splitlines()
    head = "Event '0190a0b0-0000-7000-8000-00000000000"
    assert [line.removeprefix(f"{file}:").replace(head, "") for line in told] == [
        "2: altered: 2' was altered: its content does not give its content_hash.",
        "4: altered: 4' was altered: its content does not give its content_hash.",
        (
            "6: missing: 1 event is missing before event"
            " '0190a0b0-0000-7000-8000-000000000007', the first with seq 6."
        ),
        (
            "7: missing: 1 event is missing before event"
            " '0190a0b0-0000-7000-8000-000000000009', the first with seq 8."
        ),
        ("9: reordered: 3' stands before the event that it follows: lines were moved."),
        "12 events in 2 streams (2 complete): BROKEN.",
    ]


def test_labels_are_in_no_chain(tmp_path: Path) -> None:
    labels = []
    for number in (1, 2, 3):
        one = event("SYSTEM", number)
        one["metadata"] = {"name": "chaukas.score", "chaukas": {"sdk": "0.2.0"}}
        labels.append(integrity.link(integrity.canonical(one), "")[0])
    file = write(tmp_path / "e.labels.jsonl", labels)
    result = command("verify", file, write(tmp_path / "e.jsonl", lines_of(3)))
    assert (result.exit_code, result.stdout) == (
        0,
        "6 events in 1 stream (complete): nothing altered, missing or moved.\n",
    )
    write(file, [labels[0], labels[1].replace(b"score", b"scope")])
    result = command("verify", file)
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            (
                f"{file}:2: altered: Event '0190a0b0-0000-7000-8000-000000000002' was"
                " altered: its content does not give its content_hash."
            ),
            "2 events in 0 streams: BROKEN.",
        ],
    )


def test_of_what_is_no_record_one_line_says_enough(tmp_path: Path) -> None:
    file = write(tmp_path / "README.md", [b"# a\n", b"b\n", b"c\n"])
    assert command("verify", file).stdout.splitlines() == [
        f"{file}: no record of chaukas: not one line holds an event.",
        (
            f"{file}:1: damaged: No event: the line was damaged, or something else was"
            " put in its place."
        ),
    ]


def test_more_problems_than_a_screen_has_are_counted(tmp_path: Path) -> None:
    lines = [line.replace(b"He said", b"He sang") for line in lines_of(140)]
    told = command("verify", write(tmp_path / "e.jsonl", lines)).stdout.splitlines()
    assert len([line for line in told if ": altered: " in line]) == 20
    assert told[-2:] == [
        "119 more problems.",
        "140 events in 1 stream (complete): BROKEN.",
    ]


def test_a_file_of_a_rotation_alone_is_a_part(tmp_path: Path) -> None:
    middle = a_rotation(tmp_path)[1]
    result = command("verify", middle)
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        (
            f"{middle}:1: cut: Stream 's1' begins with event"
            " '0190a0b0-0000-7000-8000-000000000003' (seq 3): those before it are in"
            " another file, or were cut off. It has no end either."
        ),
        "Give all files of a rotation together, if there are more.",
        (
            "2 events in 1 stream (cut): nothing altered or moved, but the record is"
            " not whole."
        ),
    ]
    assert command("verify", "--partial", middle).exit_code == 0


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_a_file_is_read_with_what_its_rotation_set_aside(
    name: str, tmp_path: Path
) -> None:
    lines = lines_of(6)
    whole = write(tmp_path / "whole.jsonl", lines)
    last = write(tmp_path / "e.jsonl", lines[4:])
    write(tmp_path / "e.20260101T120000000000Z.jsonl", lines[:4])
    found = command(name, last)
    assert (found.exit_code, found.stdout) == (0, command(name, whole).stdout)


def test_an_emptied_file_among_others_is_named(tmp_path: Path) -> None:
    files = a_rotation(tmp_path)
    whole = write(tmp_path / "whole.jsonl", lines_of(6))
    write(files[0], [])
    result = command("verify", whole, files[0])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{files[0]}: empty: ")


def test_verify_tells_of_torn_repeated_and_missing_beginnings(tmp_path: Path) -> None:
    lines = lines_of(4)[1:]
    file = write(tmp_path / "e.jsonl", [lines[0], lines[0], b'{"torn\n', *lines[1:]])
    result = command("verify", file)
    assert result.exit_code == 3
    assert f"{file}:2: repeated: Event '0190" in result.stdout
    assert f"{file}:3: torn: " in result.stdout
    assert f"{file}:1: cut: " in result.stdout


def test_streams_are_counted_by_their_state(tmp_path: Path) -> None:
    lines = []
    for number in range(30):
        one = event("INPUT_RECEIVED", 1)
        one["metadata"]["chaukas"]["stream"] = f"s{number}"
        lines += linked([one])
    result = command("verify", write(tmp_path / "e.jsonl", [*lines_of(2), *lines[2:]]))
    told = result.stdout.splitlines()
    assert len([line for line in told if ": open: " in line]) == 20
    assert told[-2:] == [
        "8 more streams are open or cut.",
        (
            "30 events in 29 streams (1 complete, 28 open): nothing altered or moved,"
            " but the record is not whole."
        ),
    ]


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_files_come_by_the_standard_input_too(name: str) -> None:
    data = b"".join(lines_of(3))
    runner = command_line()
    for given in (data, gzip.compress(data)):
        result = runner.invoke(main, [name, "-"], input=given)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "session s-1" in result.stdout or "3 events" in result.stdout
    assert runner.invoke(main, [name, "-"], input=b"").exit_code == 1


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_a_pipe_and_a_device_are_refused_at_once(name: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/null")):
        result = command(name, path)
        assert (result.exit_code, result.stderr) == (
            2,
            (
                f"chaukas: cannot read '{path}': it is a pipe or a device, and no file."
                " Give - to read the standard input.\n"
            ),
        )


@pytest.mark.parametrize("name", ["verify", "tree"])
@pytest.mark.parametrize("byte", [b"\0", b"x", b"\n", b" "])
def test_a_line_without_end_is_refused(name: str, byte: bytes, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(byte * 1_000_000)
    result = command(name, path)
    assert result.exit_code == 2
    assert " of more than 16 MiB" in result.stderr or "256 KiB of bl" in result.stderr


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_the_name_of_a_file_cannot_steer_the_terminal(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "\x1b[31m\u202eevil.jsonl"
    for content in (b"", b"junk\n", *([b'{"half'] if name == "verify" else [])):
        path.write_bytes(content)
        result = command(name, path)
        said = result.output + result.stderr
        assert all(line.isprintable() for line in said.splitlines())
        assert "\\x1b[31m" in said


def test_a_time_in_another_zone_is_shown_in_utc() -> None:
    start = {**a_run()[0], "timestamp": "2026-01-01T01:00:00+02:00"}
    assert "  2025-12-31 23:00:00  " in render([start])[0]


def test_a_packed_file_needs_no_name_of_one(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(gzip.compress(b"".join(lines_of(3))))
    assert command("verify", path).exit_code == 0


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_a_file_that_cannot_be_read_is_exit_code_2(name: str, tmp_path: Path) -> None:
    missing = command(name, tmp_path / "none.jsonl")
    assert missing.exit_code == 2
    assert missing.stderr.startswith(f"chaukas: cannot read '{tmp_path}/none.jsonl'")
    assert "there is no such file or folder" in missing.stderr
    damaged = tmp_path / "e.gz"
    damaged.write_bytes(gzip.compress(b"".join(lines_of(50)))[:-20])
    result = command(name, damaged)
    assert result.exit_code == 2
    assert f"cannot read '{damaged}'" in result.stderr
    (tmp_path / "plain.gz").write_bytes(b"not gzip")
    assert command(name, tmp_path / "plain.gz").exit_code == 2
    assert command(name, tmp_path).exit_code == 2


def on_a_terminal(
    *arguments: str | Path, **more: Any
) -> subprocess.CompletedProcess[str]:
    begin = more.pop("begin", ())
    program = [*begin, sys.executable, "-m", "chaukas.cli", *map(str, arguments)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("environ", {})}
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(
        program, env=environ, text=True, check=False, timeout=60, **more
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_still_tells_success_from_failure(
    encoding: str, tmp_path: Path
) -> None:
    events = a_run()
    events.insert(-3, span("AGENT_HANDOFF", 1007, "h", "a"))
    cancelled = {"agent_name": "B", "status": "EVENT_STATUS_CANCELLED"}
    events.insert(-1, span("AGENT_END", 2000, "b", "s", **cancelled))
    events.insert(-1, span("AGENT_START", 2001, "c", "s", agent_name="C"))
    file = write(tmp_path / "e.jsonl", [orjson.dumps(one) + b"\n" for one in events])
    with file.open("rb") as stdin:
        done = on_a_terminal(
            "tree", "-", stdin=stdin, environ={"PYTHONIOENCODING": encoding}
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[1:] == [
        "|- agent Triage  12:00:00  ok 12 ms  20+7 tokens",
        '|  |- input "He said "hi" \\ ?"',
        "|  |- model gpt-4o  ok 1.00 s  10+5 tokens  0.000010 USD",
        (
            '|  |- tool add(a=1, b=-2.5, deep=[[],{},[null,true,{"x":""}]])  FAILED '
            "2 ms  ValueError: no"
        ),
        "|  |  `- error ValueError: boom",
        "|  |- handoff Triage -> Weather",
        '|  `- output "done"',
        "|- agent B  12:00:02  CANCELLED 12 ms  20+7 tokens",
        "`- agent C  12:00:02  ...",
    ]


@pytest.mark.parametrize("name", ["verify", "tree"])
def test_an_output_that_takes_nothing_is_no_traceback(
    name: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "e.jsonl", lines_of(3))
    # By a shell: after a fork of this process, which has gRPC from other tests, that
    # library's threads in the child may meet files that are closed for the new program.
    closing = ("sh", "-c", 'exec "$@" >&-', "sh")
    closed = on_a_terminal(name, file, stdout=None, begin=closing)
    assert (closed.returncode, closed.stderr) == (0, "")
    with Path("/dev/full").open("w") as full:
        done = on_a_terminal(name, file, stdout=full)
    assert (done.returncode, done.stderr) == (
        2,
        "chaukas: cannot print: No space left on device.\n",
    )


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", lines_of(3000))
    program = [sys.executable, "-m", "chaukas.cli", "tree", str(file)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        program, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b'{"a": 1}\n', "no record of chaukas"),
        (b"{\n" * 9, "no record of chaukas"),
        (bytes(range(256)), "no record of chaukas"),
    ],
)
def test_tree_calls_what_is_no_record_by_its_name(
    content: bytes, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(content)
    result = command("tree", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"chaukas: {path}: {word}: ")


def test_tree_joins_the_files_of_a_rotation(tmp_path: Path) -> None:
    files = a_rotation(tmp_path)
    write(tmp_path / "whole.jsonl", lines_of(6))
    whole = command("tree", tmp_path / "whole.jsonl")
    joined = command("tree", *files)
    assert (joined.exit_code, joined.stdout) == (0, whole.stdout)


def test_the_version_and_the_help_have_their_usual_options() -> None:
    assert command("--version").stdout == f"chaukas, version {VERSION}\n"
    for name in ((), ("verify",), ("tree",), ("doctor",), ("spool", "flush")):
        help_text = command(*name, "-h").stdout
        # Printed by click, which knows of no plain signs.
        assert help_text.isascii()
        assert help_text == command(*name, "--help").stdout
    assert "Inspect what chaukas recorded" in command("-h").stdout
