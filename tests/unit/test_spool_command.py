"""`chaukas spool`: what waits is shown, and what was left behind is delivered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

import chaukas
from chaukas.cli import main
from chaukas.sdk.config import load
from chaukas.sdk.delivery.quarantine import put_back
from chaukas.sdk.delivery.spool.inspect import progress_of, quarantined, survey
from chaukas.sdk.delivery.spool.position import Position
from chaukas.sdk.maintenance import sink_keys
from chaukas.sdk.sinks.disk import Disk
from chaukas.testing import FakeCollector, Reply
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
import chaukas

chaukas.enable_chaukas(strict=True)
for n in range(int(sys.argv[1])):
    chaukas.event("left", {"n": n, "note": "content"})
while chaukas.stats().queued:
    time.sleep(0.001)
os._exit(0)
"""
# One for its own SYSTEM event, `chaukas.enabled`.
OWN = 1


@pytest.fixture
def spool_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spool folder of the settings, and no other."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("CHAUKAS_SPOOL_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    return folder


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCollector]:
    """A collector that is away until a test starts it; the settings name it."""
    with FakeCollector() as made:
        made.stop()
        monkeypatch.setenv("CHAUKAS_ENDPOINT", made.endpoint)
        yield made


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["spool", *arguments])


def leave(count: int, program: str = PROGRAM, **environ: str) -> None:
    """Run a process that records and is gone before anything is delivered."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(count)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def numbers(collector: FakeCollector) -> set[int]:
    return {
        event["metadata"]["data"]["n"]
        for event in collector.events
        if event["metadata"].get("name") == "left"
    }


def streams(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != "quarantine")


# --- list ------------------------------------------------------------------------


def test_a_spool_that_was_left_is_listed(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(3)
    done = command("list")
    (stream,) = streams(spool_dir)
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert re.fullmatch(rf"{stream}  left by an ended process \(\d+\)", lines[0])
    assert lines[1].startswith(
        f"  http {collector.endpoint} (tenant default, project default):"
        f" {3 + OWN} events waiting  "
    )
    assert re.fullmatch(r"  oldest: 20\S+, \d+ s ago", lines[2])


def test_a_spool_in_use_says_so(spool_dir: Path, collector: FakeCollector) -> None:
    chaukas.enable_chaukas()
    until(lambda: chaukas.stats().spooled > 0)
    assert "  in use by a process" in command("list").output


def test_a_spool_for_another_sink_says_so(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(1, CHAUKAS_TENANT_ID="acme")
    output = command("list").output
    assert "tenant acme, project default), not the one configured" in output
    assert "configured here: 2 events" in output
    assert "not the one" not in command("list", "--set", "tenant_id=acme").output


def test_the_list_for_machines_has_the_numbers(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(3)
    found = json.loads(command("list", "--json").output)
    assert found["is_alive"] is False
    assert found["written"] == found["emitted"] == 3 + OWN
    assert (found["dropped"], found["crash_lost"]) == (0, 0)
    (backlog,) = found["backlogs"]
    (segment,) = spool_dir.glob("*/*.seg")
    assert backlog["events"] == 3 + OWN
    assert backlog["size_bytes"] == segment.stat().st_size
    about = found["about"]
    assert about.pop("pid") > 0
    assert about == {
        "tenant_id": "default",
        "project_id": "default",
        "places": {backlog["key"]: collector.endpoint},
    }
    assert 0 <= found["oldest_age_s"] < 3600


def test_the_list_shows_no_secret_of_an_endpoint(
    spool_dir: Path, collector: FakeCollector
) -> None:
    host = collector.endpoint.removeprefix("http://")
    leave(1, CHAUKAS_ENDPOINT=f"http://user:hidden-word@{host}/?token=hidden-word")
    output = command("list").output + command("list", "--json").output
    assert host in output
    assert "hidden-word" not in output
    for path in spool_dir.rglob("about.json"):
        assert "hidden-word" not in path.read_text()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"pid": "x", "places": [1]}', "[" * 100_000, "\x1b[31m"]
)
def test_a_spool_that_tells_nonsense_of_itself_is_listed_all_the_same(
    spool_dir: Path, collector: FakeCollector, text: str
) -> None:
    leave(1)
    (about,) = spool_dir.glob("*/about.json")
    about.write_text(text)
    done = command("list")
    assert done.exit_code == 0
    assert "left by an ended process\n  http: 2 events waiting" in done.output


def test_a_loss_of_which_nothing_tells_is_not_said_to_be_none(
    spool_dir: Path, collector: FakeCollector
) -> None:
    """As after a restart of the machine, which forgets shared memory."""
    leave(1)
    (page,) = spool_dir.glob("*/page")
    page.write_text("shared chaukas-" + "0" * 32 + "\n")
    assert "nothing tells how many events died with it" in command("list").output
    assert json.loads(command("list", "--json").output)["crash_lost"] is None
    collector.start()
    assert command("flush").exit_code == 0
    (report,) = (
        event["metadata"]["data"]
        for event in collector.events
        if event["metadata"].get("name") == "chaukas.adopted"
    )
    assert report.keys() == {"stream", "written", "waiting"}


def test_what_a_sink_has_taken_does_not_wait(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(3)
    (path,) = spool_dir.glob("*/*.pos")
    (segment,) = spool_dir.glob("*/*.seg")
    lines = segment.read_bytes().splitlines(keepends=True)
    position = Position(str(path), Disk())
    position.keep(2)
    position.close()
    (state,) = survey(str(spool_dir))
    assert state.waiting == len(lines) - 2
    assert state.backlogs[0].size_bytes == len(b"".join(lines[2:]))
    assert state.oldest == json.loads(lines[2])["timestamp"]
    assert progress_of(state.folder) == 2


def test_nothing_is_listed_where_nothing_is(spool_dir: Path) -> None:
    done = command("list")
    assert (done.exit_code, done.output[:9]) == (0, "No spool ")


def test_a_link_in_the_spool_folder_is_left_alone(
    spool_dir: Path, tmp_path: Path
) -> None:
    spool_dir.mkdir()
    (spool_dir / "trap").symlink_to(tmp_path)
    (line,) = command("list").output.splitlines()
    assert line.startswith("trap  a link or a file, or open to another user")


def test_a_folder_that_cannot_be_read_is_told(spool_dir: Path) -> None:
    spool_dir.write_text("a file")
    done = command("list")
    assert done.exit_code == 2
    assert "Not a directory" in done.output


def test_looking_takes_no_lock_for_good(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(1)
    assert not survey(str(spool_dir))[0].is_alive
    (path,) = spool_dir.glob("*/lock")
    disk = Disk()
    fd = disk.open(str(path), os.O_RDWR)
    assert disk.lock(fd, exclusive=True)
    assert survey(str(spool_dir))[0].is_alive
    disk.close(fd)


def test_a_spool_that_changes_while_it_is_looked_at_is_looked_at_again(
    spool_dir: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(1)
    real, calls = Disk.lines, []

    def vanishing(*args: Any) -> int:
        calls.append(args)
        if len(calls) == 1:
            # As when a sender removes a segment that all sinks are past.
            raise FileNotFoundError
        return real(*args)

    monkeypatch.setattr(Disk, "lines", vanishing)
    assert [state.waiting for state in survey(str(spool_dir))] == [1 + OWN]


# --- flush -----------------------------------------------------------------------


def test_flush_delivers_what_was_left(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(5)
    leave(5)
    # The second one may have found the time to tell that it adopted the first.
    waiting = b"".join(each.read_bytes() for each in spool_dir.glob("*/*.seg"))
    count = waiting.count(b"\n")
    assert count - 2 * (5 + OWN) in {0, 1}
    collector.start()
    done = command("flush")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"2 spools left by ended processes: {count} events to deliver.",
        f"Delivered {count} events; 2 spools done.",
    ]
    assert numbers(collector) == set(range(5))
    assert streams(spool_dir) == []
    assert command("flush").output == "Nothing was left behind.\n"


def test_flush_tells_the_collector_that_it_adopted(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(5)
    (stream,) = streams(spool_dir)
    collector.start()
    command("flush")
    (report,) = (
        event["metadata"]["data"]
        for event in collector.events
        if event["metadata"].get("name") == "chaukas.adopted"
    )
    assert report["stream"] == stream
    assert (report["written"], report["crash_lost"]) == (5 + OWN, 0)


def test_flush_counts_what_died_with_the_process(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(5)
    (segment,) = spool_dir.glob("*/*.seg")
    os.truncate(segment, segment.stat().st_size - 1)
    assert "1 event died with it" in command("list").output
    collector.start()
    done = command("flush")
    assert done.exit_code == 0
    assert "1 event had died with a process" in done.output
    assert numbers(collector) == set(range(4))


def test_flush_says_what_is_left_and_why(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(2)
    (stream,) = streams(spool_dir)
    done = command("flush", "--timeout", "1")
    assert done.exit_code == 1
    assert f"Left: {stream}, 3 events waiting." in done.output
    assert "refuses connections" in done.output
    assert stream in streams(spool_dir)


def test_flush_looks_into_the_stand_in_folder_too(
    tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What not even root can do.
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CHAUKAS_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    leave(2, f"import logging\nlogging.disable()\n{PROGRAM}")
    assert streams(tmp_path / f"chaukas-{os.geteuid()}")
    collector.start()
    done = command("flush")
    # The folder that was set is still to be corrected.
    assert done.exit_code == 2
    assert "Not a directory. Run this as" in done.output
    assert numbers(collector) == {0, 1}
    assert not streams(tmp_path / f"chaukas-{os.geteuid()}")


def test_flush_without_a_collector_says_what_to_set(spool_dir: Path) -> None:
    done = command("flush")
    assert done.exit_code == 2
    assert "Set CHAUKAS_ENDPOINT" in done.output


def test_flush_leaves_what_is_for_another_sink(
    spool_dir: Path, collector: FakeCollector
) -> None:
    leave(2, CHAUKAS_TENANT_ID="acme")
    collector.start()
    done = command("flush")
    assert done.exit_code == 0
    assert "Not touched: 1 spool with 3 events" in done.output
    assert not collector.events
    assert command("flush", "--set", "tenant_id=acme").exit_code == 0
    assert numbers(collector) == {0, 1}


def test_an_unknown_setting_is_refused(spool_dir: Path) -> None:
    done = command("flush", "--set", "tenent_id=acme")
    assert done.exit_code == 2
    assert "no such setting" in done.output


# --- quarantine ------------------------------------------------------------------


@pytest.fixture
def refusal(spool_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One event that a collector refused."""

    def refuse(event: dict[str, Any]) -> str:
        return "invalid" if event["metadata"].get("name") == "left" else ""

    with FakeCollector(refuse=refuse) as collector:
        monkeypatch.setenv("CHAUKAS_ENDPOINT", collector.endpoint)
        collector.stop()
        leave(1)
        collector.start()
        done = command("flush")
        assert "1 event refused for good" in done.output
        yield


@pytest.mark.usefixtures("refusal")
def test_the_quarantine_shows_reason_and_type_and_no_content(spool_dir: Path) -> None:
    done = command("quarantine", "show")
    (line,) = done.output.splitlines()
    (kept,) = quarantined(str(spool_dir))
    event = json.loads(kept.event)
    _, sink, reason, kind, event_id, timestamp = line.split("  ")
    assert (sink, reason, kind) == ("http", "invalid", "SYSTEM")
    assert (event_id, timestamp) == (event["event_id"], event["timestamp"])
    assert "content" not in done.output


@pytest.mark.usefixtures("refusal")
def test_the_quarantine_for_machines_has_the_event(spool_dir: Path) -> None:
    entry = json.loads(command("quarantine", "show", "--json").output)
    assert entry["event"]["metadata"]["data"]["note"] == "content"
    assert entry["reason"] == "invalid"


@pytest.mark.usefixtures("refusal")
def test_the_list_points_to_the_quarantine() -> None:
    assert "1 event in quarantine." in command("list").output


def test_lines_cut_short_are_left_out_of_the_quarantine(spool_dir: Path) -> None:
    folder = spool_dir / "quarantine"
    folder.mkdir(parents=True)
    whole = {"at_s": "?", "sink": 5, "reason": "\x1b[2J", "event": "no event"}
    (folder / "s.jsonl").write_text(json.dumps(whole) + "\n" + '{"at_s": 1')
    (line,) = command("quarantine", "show").output.splitlines()
    assert line == "1970-01-01T00:00:00Z    \\x1b[2J  ?  ?"


def test_an_empty_quarantine_says_so(spool_dir: Path) -> None:
    assert command("quarantine", "show").output == "Nothing is in quarantine.\n"
    assert command("quarantine", "show", "--json").output == ""


# --- quarantine retry ------------------------------------------------------------


def refuse_all(collector: FakeCollector, count: int) -> None:
    """Have a process whose every event is refused, by a collector that is mended."""
    collector.start()
    collector.always = Reply(status=400)
    chaukas.enable_chaukas(strict=True, flush_interval=0.01, integrations=[])
    for n in range(count):
        chaukas.event("left", {"n": n})
    until(lambda: chaukas.stats().dropped.get("quarantined", 0) == count + OWN)
    collector.always = None
    chaukas.disable_chaukas(60.0)


def test_what_was_refused_is_sent_again(
    spool_dir: Path, collector: FakeCollector
) -> None:
    refuse_all(collector, 5)
    assert numbers(collector) == set()
    done = command("quarantine", "retry")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"{5 + OWN} events taken out of quarantine.",
        f"1 spool left by ended processes: {5 + OWN} events to deliver.",
        f"Delivered {5 + OWN} events; 1 spool done.",
    ]
    assert numbers(collector) == set(range(5))
    assert list(quarantined(str(spool_dir))) == []
    assert streams(spool_dir) == []
    again = command("quarantine", "retry")
    assert again.output == "Nothing to send again is in quarantine.\n"


def test_what_is_refused_again_is_in_quarantine_again(
    spool_dir: Path, collector: FakeCollector
) -> None:
    refuse_all(collector, 3)
    before = sorted(each.event for each in quarantined(str(spool_dir)))
    collector.always = Reply(status=400)
    done = command("quarantine", "retry", "--timeout", "20")
    assert "refused for good" in done.output
    after = [each.event for each in quarantined(str(spool_dir))]
    # What this command says of itself was refused as well.
    assert set(before) <= set(after)
    assert len(set(after)) == len(after)


def test_what_another_sink_refused_stays_in_quarantine(
    spool_dir: Path, collector: FakeCollector
) -> None:
    refuse_all(collector, 2)
    done = command("quarantine", "retry", "--set", "tenant_id=acme")
    assert done.output.splitlines()[0] == (
        f"{2 + OWN} events of other sinks, or beyond spool_limit, stay in quarantine."
    )
    assert len(list(quarantined(str(spool_dir)))) == 2 + OWN
    assert command("quarantine", "retry").exit_code == 0
    assert numbers(collector) == {0, 1}


def test_lines_of_a_quarantine_that_nobody_can_read_stay_there(
    spool_dir: Path, collector: FakeCollector
) -> None:
    refuse_all(collector, 1)
    (path,) = (spool_dir / "quarantine").glob("*.jsonl")
    strange = b'{"half":\n[1]\n{"key":1,"event":2}\n'
    path.write_bytes(strange + path.read_bytes())
    assert command("quarantine", "retry").exit_code == 0
    (left,) = (spool_dir / "quarantine").glob("*.jsonl")
    assert left.read_bytes() == strange
    assert numbers(collector) == {0}


def test_what_has_no_room_stays_in_quarantine(
    spool_dir: Path, collector: FakeCollector
) -> None:
    refuse_all(collector, 3)
    (path,) = (spool_dir / "quarantine").glob("*.jsonl")
    config = load({}, None, {}).config
    (key,) = sink_keys(replace(config, sinks=("http",), endpoint=collector.endpoint))
    limit_bytes = path.stat().st_size + 2500
    done = put_back(str(spool_dir), [key], Disk(), limit_bytes=limit_bytes)
    assert 0 < done.events < 3 + OWN
    assert done.left == 3 + OWN - done.events
    assert len(list(quarantined(str(spool_dir)))) == done.left


def test_without_a_collector_nothing_is_taken_out_of_quarantine(
    spool_dir: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_all(collector, 1)
    monkeypatch.delenv("CHAUKAS_ENDPOINT")
    done = command("quarantine", "retry")
    assert done.exit_code == 2
    assert "no collector is configured" in done.output
    assert "chaukas spool list" in done.output
    assert len(list(quarantined(str(spool_dir)))) == 1 + OWN


def test_looking_into_a_spool_loads_nothing_of_the_capture(spool_dir: Path) -> None:
    code = (
        "import sys; from chaukas.cli import main\n"
        "main(['spool', 'list'], standalone_mode=False)\n"
        "print([name for name in sys.modules if 'sdk.capture.redaction' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "CHAUKAS_SPOOL_DIR": str(spool_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"
