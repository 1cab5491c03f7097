"""Files read into an index: grown, rotated, packed, truncated, replaced, shared."""

from __future__ import annotations

import fcntl
import gzip
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from chaukas import sdk as chaukas
from chaukas.query import UnreadableError, open_source
from chaukas.sdk.testing import capture_events
from tests.support.records import event, line, lines, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaukas.query import Source


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Source]:
    """Open a source with its index in a folder of this test, and read it."""

    def open_(*paths: Path) -> Source:
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        source = open_source(paths, cache)
        source.read()
        return source

    return open_


def traces(source: Source) -> list[str]:
    query = source.query()
    found = sorted(one.trace_id for one in query.runs().items)
    query.close()
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


def written(path: Path, *events: list[dict[str, object]]) -> Path:
    with path.open("ab") as file:
        for group in events:
            file.writelines(lines(group))
    return path


def rotated(path: Path, number: int) -> Path:
    return path.rename(path.with_name(f"events.20260101T12000000000{number}Z.jsonl"))


def test_a_file_that_grew_is_read_from_where_it_was_left(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    opened(path).close()
    written(path, run("t2", 5))
    source = open_source(path, tmp_path / "cache")
    assert source.read().events == 8
    assert traces(source) == ["t1", "t2"]
    assert source.read().events == 0
    source.close()


def test_a_line_that_is_being_written_is_left_for_later(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    last = line(event("SYSTEM", 9))
    with path.open("ab") as file:
        file.write(last[:40])
    source = opened(path)
    assert source.status().events == 8
    assert source.status().skipped_lines == 0
    with path.open("ab") as file:
        file.write(last[40:])
    assert source.read().events == 1
    source.close()


def test_a_whole_event_without_a_line_break_is_read_once(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(event("SYSTEM", 1)).rstrip())
    source = opened(path)
    assert source.status().events == 1
    with path.open("ab") as file:
        file.write(b"\n" + line(event("SYSTEM", 2)))
    source.read()
    status = source.status()
    assert (status.events, status.repeated, status.skipped_lines) == (2, 0, 0)
    source.close()


def test_lines_without_an_event_are_counted(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n{\n" + line(event("SYSTEM", 1)) * 2 + b"[1]\n")
    source = opened(path)
    status = source.status()
    assert (status.events, status.skipped_lines, status.repeated) == (1, 2, 1)
    source.close()


def test_a_line_longer_than_any_event_is_passed_over(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    with path.open("ab") as file:
        file.write(b"x" * (17 << 20) + b"\n")
    written(path, run("t2", 5))
    source = opened(path)
    assert traces(source) == ["t1", "t2"]
    assert source.status().skipped_lines == 1
    source.close()


def test_a_rotation_is_read_with_its_file_and_each_event_once(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    source = opened(path)
    rotated(path, 1)
    written(path, run("t2", 5))
    assert source.read().events == 8
    aside = rotated(path, 2)
    with gzip.open(f"{aside}.gz", "wb") as packed:
        packed.write(aside.read_bytes())
    aside.unlink()
    written(path, run("t3", 9))
    source.read()
    assert traces(source) == ["t1", "t2", "t3"]
    assert source.status().repeated == 0
    source.close()
    again = opened(path)
    assert traces(again) == ["t1", "t2", "t3"]
    again.close()


def test_who_follows_keeps_what_a_rotation_removes(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    source = opened(path)
    rotated(path, 1).unlink()
    written(path, run("t2", 5))
    source.read()
    assert traces(source) == ["t1", "t2"]
    source.close()


@pytest.mark.parametrize("way", ["replaced", "truncated", "rewritten"])
def test_an_index_holds_what_the_record_holds(
    tmp_path: Path, opened: Callable[..., Source], way: str
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"), run("t2", 5))
    opened(path).close()
    if way == "replaced":
        path.unlink()
        written(path, run("t3", 9))
    elif way == "truncated":
        path.write_bytes(b"".join(lines(run("t1"))))
    else:
        path.write_bytes(b"".join(lines(run("t1") + run("t4", 5))) + b"\n" * 500)
    source = opened(path)
    expected = {"replaced": ["t3"], "truncated": ["t1"], "rewritten": ["t1", "t4"]}
    assert traces(source) == expected[way]
    source.close()


def test_a_folder_is_read_with_all_its_files(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    written(folder / "a.jsonl", run("t1"))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(lines(run("t2")))))
    (folder / "a.jsonl.lock").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"{}")
    source = opened(folder)
    assert traces(source) == ["t1", "t2"]
    source.close()


def test_a_spool_is_read(tmp_path: Path, opened: Callable[..., Source]) -> None:
    stream = tmp_path / "spool" / "stream-1"
    stream.mkdir(parents=True)
    written(stream / f"{0:020d}.seg", run("t1"))
    (stream / "lock").write_bytes(b"")
    for folder in (tmp_path / "spool", stream):
        source = opened(folder)
        assert traces(source) == ["t1"]
        source.close()


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe"])
def test_what_is_no_record_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.jsonl"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    with pytest.raises(UnreadableError, match=r"cannot read '.*x\.jsonl': "):
        open_source(path, tmp_path).read()


def test_an_event_before_the_damage_of_an_archive_can_be_asked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.jsonl.gz"
    data = gzip.compress(b"".join(lines(run("t1") * 3000)))
    path.write_bytes(data[: len(data) - 20])
    source = open_source(path, tmp_path)
    with pytest.raises(UnreadableError):
        source.read()
    assert source.status().state == "failed"
    assert "x.jsonl.gz" in source.status().problem
    source.close()


def test_the_record_is_only_read(tmp_path: Path, opened: Callable[..., Source]) -> None:
    path = written(tmp_path / "records.jsonl", run("t1"))
    path.chmod(0o400)
    before = path.read_bytes(), path.stat().st_mtime_ns, names(tmp_path)
    opened(path).close()
    assert (path.read_bytes(), path.stat().st_mtime_ns, names(tmp_path)) == before


def test_a_damaged_index_is_made_again(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1"))
    source = opened(path)
    index = source.index_path
    source.close()
    index.write_bytes(b"this is no database" * 100)
    again = opened(path)
    assert traces(again) == ["t1"]
    again.close()


def test_the_cache_folder_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "chaukas").mkdir(parents=True, mode=0o755)
    source = open_source(written(tmp_path / "events.jsonl", run("t1")))
    folder = tmp_path / "home" / "chaukas"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert source.index_path.parent == folder
    source.close()


def test_without_a_cache_folder_an_index_lasts_as_long_as_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    source = open_source(written(tmp_path / "events.jsonl", run("t1")))
    source.read()
    assert traces(source) == ["t1"]
    index = source.index_path
    assert index.exists()
    source.close()
    assert not index.parent.exists()


def test_a_run_is_open_while_a_process_holds_the_file(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    path = written(tmp_path / "events.jsonl", run("t1", stream="old")[:4])
    written(path, run("t2", 5, stream="new")[:4])
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        source = opened(path)
        query = source.query()
        assert query.run("t1").status == "died"
        assert query.run("t2").status == "open"
        query.close()
    source.read()
    query = source.query()
    assert query.run("t2").status == "died"
    query.close()
    source.close()


def test_two_processes_read_the_same_record_into_one_index(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    written(path, *[run(f"t{number}", number) for number in range(3000)])
    (tmp_path / "cache").mkdir()
    code = (
        "import sys; from pathlib import Path; from chaukas.query import open_source\n"
        "source = open_source(sys.argv[1], Path(sys.argv[2])); source.read()\n"
        "status = source.status(); print(status.events, status.repeated)\n"
    )
    arguments = [sys.executable, "-c", code, str(path), str(tmp_path / "cache")]
    both = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [one.communicate()[0].split() for one in both] == [["24000", "0"]] * 2


def test_the_chain_of_a_process_goes_through_all_its_tenants(
    tmp_path: Path, opened: Callable[..., Source]
) -> None:
    with capture_events() as recorded:
        for tenant in ("acme", "globex", "acme"):
            with chaukas.session(tenant_id=tenant):
                chaukas.event("moved", {"n": 1})
    events = recorded()
    assert len({one["tenant_id"] for one in events}) > 1
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in events))

    query = opened(path).query()
    assert {query.event(one["event_id"]).chain for one in events} == {"ok"}
    query.close()

    taken_out = events.pop(4)
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in events))
    query = opened(path).query()
    wrong = [one for one in events if query.event(one["event_id"]).chain != "ok"]
    assert [one["hash_prev"] for one in wrong] == [taken_out["content_hash"]]
    query.close()
