"""
Whatever is done to a recorded file, `chaukas verify` names it, with its place.

Each alteration is one function from the lines of a whole record to other lines.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from click.testing import CliRunner

from chaukas.cli import main
from chaukas.sdk import integrity
from tests.support.samples import event, linked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Lines = list[bytes]
    Alter = Callable[[Lines], Lines]

NAMES = (
    *("SYSTEM", "SESSION_START", "AGENT_START", "INPUT_RECEIVED"),
    *("MODEL_INVOCATION_START", "MODEL_INVOCATION_END", "TOOL_CALL_START"),
    *("TOOL_CALL_END", "RETRY", "ERROR", "POLICY_DECISION", "OUTPUT_EMITTED"),
    *("AGENT_END", "SESSION_END", "SYSTEM"),
)
LAST = len(NAMES)


def stream(name: str) -> list[dict[str, Any]]:
    events = []
    for number, kind in enumerate(NAMES, 1):
        one = event(kind, number, event_id=f"{name}-{number}")
        one["metadata"]["chaukas"]["stream"] = name
        events.append(one)
    events[0]["metadata"]["name"] = "chaukas.enabled"
    events[-1]["metadata"]["name"] = "chaukas.disabled"
    return events


def at(name: str) -> int:
    """Return the line, counted from 1, of the first event of that type."""
    return NAMES.index(name) + 1


# --- what is done to a line ------------------------------------------------------


def edit(line: int, change: Callable[[dict[str, Any]], Any]) -> Alter:
    """Change the JSON object in a line, and write it as chaukas would."""

    def alter(lines: Lines) -> Lines:
        content = json.loads(lines[line - 1])
        change(content)
        return [*lines[: line - 1], orjson.dumps(content) + b"\n", *lines[line:]]

    return alter


def put(kind: str, path: str, value: Any) -> Alter:
    """Set a field, which may be there or not."""

    def change(content: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for name in above:
            content = content[name]
        content[last] = value

    return edit(at(kind), change)


def take(kind: str, path: str) -> Alter:
    def change(content: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for name in above:
            content = content[name]
        del content[last]

    return edit(at(kind), change)


def replace(line: int, old: bytes, new: bytes) -> Alter:
    def alter(lines: Lines) -> Lines:
        assert old in lines[line - 1]
        changed = lines[line - 1].replace(old, new, 1)
        return [*lines[: line - 1], changed, *lines[line:]]

    return alter


def rehashed(kind: str, **fields: Any) -> Alter:
    """Change an event and give it the hash that fits."""

    def change(content: dict[str, Any]) -> None:
        content.update(fields)
        content["content_hash"] = integrity.content_hash(content)

    return edit(at(kind), change)


def insert(line: int, raw: bytes) -> Alter:
    return lambda lines: [*lines[: line - 1], raw, *lines[line - 1 :]]


def text(change: Callable[[bytes], bytes]) -> Alter:
    return lambda lines: [change(b"".join(lines))]


def other(*numbers: int) -> Lines:
    lines = linked(stream("s2"))
    return [lines[n - 1] for n in numbers]


def order(*numbers: int) -> Alter:
    return lambda lines: [lines[n - 1] for n in numbers]


ALL = range(1, LAST + 1)
INPUT, TOOL, ERROR = at("INPUT_RECEIVED"), at("TOOL_CALL_START"), at("ERROR")
DIGEST = "0" * 64

BROKEN, NOT_WHOLE, SAID = 1, 3, 0
"""Exit codes; `SAID`: the content is as it was, and only told to be spelled anew."""

ALTERATIONS: dict[str, tuple[Alter, int, str, int]] = {
    # Values, in every part of an event.
    "a text": (
        put("INPUT_RECEIVED", "message.text", "x"), BROKEN, "altered", INPUT),
    "one letter": (replace(INPUT, b"He said", b"he said"), BROKEN, "altered", INPUT),
    "a space in a text": (
        replace(INPUT, b"He said", b"He  said"), BROKEN, "altered", INPUT),
    "a text in another normal form": (
        replace(INPUT, "👋".encode(), "e\u0301".encode()), BROKEN, "altered", INPUT),
    "a character replaced by U+0000": (
        replace(INPUT, b"He", b"\\u0000e"), BROKEN, "altered", INPUT),
    "a lone surrogate": (
        replace(INPUT, b"He", b"\\ud800"), BROKEN, "damaged", INPUT),
    "a tool's argument": (
        put("TOOL_CALL_START", "tool_call.arguments.a", 2), BROKEN, "altered", TOOL),
    "the sign of a number": (
        put("TOOL_CALL_START", "tool_call.arguments.b", 2.5),
        BROKEN, "altered", TOOL),
    "a tool's name": (
        put("TOOL_CALL_START", "tool_call.tool_name", "sub"),
        BROKEN, "altered", TOOL),
    "a tool's id": (
        put("TOOL_CALL_START", "tool_call.tool_id", "c9"), BROKEN, "altered", TOOL),
    "a tool's output": (
        put("TOOL_CALL_END", "tool_response.output.output", "4"),
        BROKEN, "altered", at("TOOL_CALL_END")),
    "a list's order": (
        put("POLICY_DECISION", "policy.rule_ids", ["r2", "r1"]),
        BROKEN, "altered", at("POLICY_DECISION")),
    "an outcome": (
        put("POLICY_DECISION", "policy.outcome", "allow"),
        BROKEN, "altered", at("POLICY_DECISION")),
    "a status": (
        put("ERROR", "status", "EVENT_STATUS_FAILED"), BROKEN, "altered", ERROR),
    "a status that does not exist": (
        put("ERROR", "status", "EVENT_STATUS_FINE"), BROKEN, "altered", ERROR),
    "a status by a number that is not its own": (
        put("ERROR", "status", 4), BROKEN, "altered", ERROR),
    "a type": (put("ERROR", "type", "EVENT_TYPE_RETRY"), BROKEN, "altered", ERROR),
    "a type that does not exist": (
        put("ERROR", "type", "EVENT_TYPE_TEA"), BROKEN, "altered", ERROR),
    "a severity": (
        put("ERROR", "severity", "SEVERITY_DEBUG"), BROKEN, "altered", ERROR),
    "an author": (put("ERROR", "author", "AUTHOR_USER"), BROKEN, "altered", ERROR),
    "an event id": (put("ERROR", "event_id", "s1-99"), BROKEN, "altered", ERROR),
    "a time": (
        put("ERROR", "timestamp", "2026-01-01T12:00:00.000011Z"),
        BROKEN, "altered", ERROR),
    "a time, by its zone": (
        put("ERROR", "timestamp", "2026-01-01T12:00:00.000010+01:00"),
        BROKEN, "altered", ERROR),
    "a tenant": (put("ERROR", "tenant_id", "acme"), BROKEN, "altered", ERROR),
    "a project": (put("ERROR", "project_id", "p"), BROKEN, "altered", ERROR),
    "a session": (put("ERROR", "session_id", "s-2"), BROKEN, "altered", ERROR),
    "a trace": (put("ERROR", "trace_id", "b" * 32), BROKEN, "altered", ERROR),
    "a span": (put("ERROR", "span_id", "f" * 16), BROKEN, "altered", ERROR),
    "a parent": (
        put("ERROR", "parent_span_id", "f" * 16), BROKEN, "altered", ERROR),
    "a flag": (put("ERROR", "error.recoverable", False), BROKEN, "altered", ERROR),
    "tokens": (
        put("MODEL_INVOCATION_END", "llm_invocation.prompt_tokens", 9),
        BROKEN, "altered", at("MODEL_INVOCATION_END")),
    "a cost": (
        put("MODEL_INVOCATION_END", "cost.total_cost", 0.1),
        BROKEN, "altered", at("MODEL_INVOCATION_END")),
    "metadata": (
        put("AGENT_END", "metadata.turns", 3), BROKEN, "altered", at("AGENT_END")),
    "a number as a text": (
        put("AGENT_END", "metadata.turns", "2"), BROKEN, "altered", at("AGENT_END")),
    "true instead of 1": (
        put("RETRY", "retry.attempt", True), BROKEN, "altered", at("RETRY")),
    "a seq": (
        put("ERROR", "metadata.chaukas.seq", 99), BROKEN, "altered", ERROR),
    "a stream": (
        put("ERROR", "metadata.chaukas.stream", "s9"), BROKEN, "altered", ERROR),
    "the paths that were redacted": (
        put("TOOL_CALL_START", "redaction.fields", []), BROKEN, "altered", TOOL),
    # Fields that come and go.
    "a field is added": (put("ERROR", "note", "x"), BROKEN, "altered", ERROR),
    "a known field is added": (put("ERROR", "branch", "x"), BROKEN, "altered", ERROR),
    "a field is added inside": (
        put("ERROR", "error.metadata.extra", 0), BROKEN, "altered", ERROR),
    "a null is added inside": (
        put("ERROR", "error.metadata.extra", None), BROKEN, "altered", ERROR),
    "a second content": (
        put("ERROR", "message", {"text": "x"}), BROKEN, "altered", ERROR),
    "the published name of a tool, beside ours": (
        put("TOOL_CALL_START", "tool_call.name", "refund"), BROKEN, "altered", TOOL),
    "the published id of a call, beside ours": (
        put("TOOL_CALL_START", "tool_call.id", "call_1"), BROKEN, "altered", TOOL),
    "an empty published name, beside ours": (
        put("TOOL_CALL_START", "tool_call.name", ""), BROKEN, "altered", TOOL),
    "a field is removed": (take("ERROR", "tenant_id"), BROKEN, "altered", ERROR),
    "a content is removed": (take("ERROR", "error"), BROKEN, "altered", ERROR),
    "the metadata are removed": (take("ERROR", "metadata"), BROKEN, "altered", ERROR),
    "the type is removed": (take("ERROR", "type"), BROKEN, "altered", ERROR),
    # The hashes themselves.
    "a content_hash": (
        put("ERROR", "content_hash", DIGEST), BROKEN, "altered", ERROR),
    "a content_hash is removed": (
        take("ERROR", "content_hash"), BROKEN, "unhashed", ERROR),
    "a hash_prev": (
        put("ERROR", "hash_prev", DIGEST), BROKEN, "altered", ERROR - 1),
    "a hash_prev is removed": (
        take("ERROR", "hash_prev"), BROKEN, "altered", ERROR),
    "a hash_prev is added to the first": (
        edit(1, lambda one: one.update(hash_prev=DIGEST)), BROKEN, "altered", 1),
    "both hashes are removed": (
        edit(ERROR, lambda one: (one.pop("content_hash"), one.pop("hash_prev"))),
        BROKEN, "unhashed", ERROR),
    "an event with its hash": (
        rehashed("ERROR", tenant_id="acme"), BROKEN, "altered", ERROR),
    "the first event with its hash": (
        edit(1, lambda one: one.update(
            {"branch": "x"},
            content_hash=integrity.content_hash({**one, "branch": "x"}))),
        BROKEN, "altered", 1),
    # The text of JSON.
    "a key given twice, first": (
        replace(ERROR, b"{", b'{"tenant_id":"acme",'), BROKEN, "altered", ERROR),
    "a key given twice, last": (
        replace(ERROR, b'"}\n', b'","event_id":"s1-10"}\n'),
        BROKEN, "altered", ERROR),
    "a key given twice, inside": (
        replace(ERROR, b'"error":{', b'"error":{"error_code":"KeyError",'),
        BROKEN, "altered", ERROR),
    "a key given twice, escaped": (
        replace(ERROR, b"{", b'{"tenant\\u005fid":"acme",'),
        BROKEN, "altered", ERROR),
    "a hash given twice": (
        replace(ERROR, b"{", b'{"content_hash":"' + b"0" * 64 + b'",'),
        BROKEN, "altered", ERROR),
    "something behind the object": (
        replace(ERROR, b"}\n", b"} x\n"), BROKEN, "damaged", ERROR),
    "a second object in the line": (
        replace(ERROR, b"}\n", b'}{"a":1}\n'), BROKEN, "damaged", ERROR),
    "a comment": (replace(ERROR, b"{", b"// x {"), BROKEN, "damaged", ERROR),
    "a NUL before the object": (
        replace(ERROR, b"{", b"\x00{"), BROKEN, "damaged", ERROR),
    "a NUL in a text": (
        replace(INPUT, b"He", b"H\x00"), BROKEN, "damaged", INPUT),
    "bytes that are not UTF-8": (
        replace(INPUT, b"He", b"\xff\xfe"), BROKEN, "damaged", INPUT),
    "a number that JSON lacks": (
        replace(INPUT, b'"n":1', b'"n":NaN'), BROKEN, "damaged", INPUT),
    "a line feed inside a line": (
        replace(ERROR, b',"', b',\n"'), BROKEN, "damaged", ERROR + 1),
    "two events joined in one line": (
        lambda lines: [*lines[:4], lines[4].rstrip() + lines[5], *lines[6:]],
        BROKEN, "damaged", 5),
    # Lines.
    "a line is removed": (
        order(*(n for n in ALL if n != 5)), BROKEN, "missing", 5),
    "three lines are removed": (
        order(*(n for n in ALL if n not in {5, 6, 7})), BROKEN, "missing", 5),
    "the first line is removed": (order(*ALL[1:]), NOT_WHOLE, "cut", 1),
    "the first half is cut off": (order(*ALL[7:]), NOT_WHOLE, "cut", 1),
    "the last line is removed": (order(*ALL[:-1]), NOT_WHOLE, "open", LAST - 1),
    "the last half is cut off": (order(*ALL[:7]), NOT_WHOLE, "open", 7),
    "head and tail are cut off": (order(*ALL[3:9]), NOT_WHOLE, "cut", 1),
    "only the last line is left": (order(LAST), NOT_WHOLE, "cut", 1),
    "the last line is cut in half": (
        text(lambda whole: whole[:-100]), NOT_WHOLE, "torn", LAST),
    "a line in the middle is cut in half": (
        lambda lines: [*lines[:4], lines[4][:99] + b"\n", *lines[5:]],
        BROKEN, "torn", 5),
    "a line is emptied": (
        lambda lines: [*lines[:4], b"\n", *lines[5:]], BROKEN, "missing", 6),
    "a line becomes an object without fields": (
        lambda lines: [*lines[:4], b"{}\n", *lines[5:]], BROKEN, "damaged", 5),
    "a line is written twice": (
        order(*ALL[:5], 5, *ALL[5:]), NOT_WHOLE, "repeated", 6),
    "the last line is written twice": (
        order(*ALL, LAST), NOT_WHOLE, "repeated", LAST + 1),
    "a line is copied further down": (
        order(*ALL[:9], 3, *ALL[9:]), BROKEN, "reordered", 10),
    "the file is written twice": (order(*ALL, *ALL), BROKEN, "reordered", LAST + 1),
    "two lines are swapped": (
        order(*ALL[:4], 6, 5, *ALL[6:]), BROKEN, "reordered", 5),
    "two lines far apart are swapped": (
        order(1, 2, 12, *range(4, 12), 3, *ALL[12:]), BROKEN, "reordered", 3),
    "the lines are turned round": (order(*reversed(ALL)), BROKEN, "reordered", 1),
    "the last line comes first": (order(LAST, *ALL[:-1]), BROKEN, "reordered", 1),
    "a line of a stranger": (
        insert(5, b'{"level":"info","msg":"hello"}\n'), BROKEN, "damaged", 5),
    "a line of text": (insert(5, b"hello\n"), BROKEN, "damaged", 5),
    "a line of NULs": (insert(5, bytes(64) + b"\n"), BROKEN, "damaged", 5),
    "text behind the last line": (
        lambda lines: [*lines, b"-- end --"], BROKEN, "damaged", LAST + 1),
    "an event without hashes": (
        insert(5, orjson.dumps(stream("s1")[4]) + b"\n"), BROKEN, "unhashed", 5),
    "an event of another stream": (
        lambda lines: [*lines[:4], *other(5), *lines[4:]], NOT_WHOLE, "cut", 5),
    "the beginning of another stream": (
        lambda lines: [*lines[:4], *other(1, 2), *lines[4:]], NOT_WHOLE, "open", 6),
    "another stream with a hole": (
        lambda lines: [*lines, *other(1, 2, *ALL[3:])],
        BROKEN, "missing", LAST + 3),
    "an event replaced by another stream's": (
        lambda lines: [*lines[:4], *other(5), *lines[5:]], BROKEN, "missing", 6),
    "a proof of storage is added": (
        put("ERROR", "worm_proof_id", "x"), SAID, "respelled", ERROR),
    # Spelling: the content is as it was, which is told.
    "the mark of the byte order": (
        text(lambda whole: b"\xef\xbb\xbf" + whole), SAID, "respelled", 1),
    "Windows line ends": (
        text(lambda whole: whole.replace(b"\n", b"\r\n")), SAID, "respelled", 1),
    "spaces between the tokens": (
        lambda lines: [json.dumps(json.loads(one)).encode() + b"\n" for one in lines],
        SAID, "respelled", 1),
    "escapes for characters": (
        replace(INPUT, b"He", b"\\u0048e"), SAID, "respelled", INPUT),
    "1.0 for 1": (replace(INPUT, b'"n":1', b'"n":1.0'), SAID, "respelled", INPUT),
    "a number of the enum for its name": (
        put("ERROR", "type", 40), SAID, "respelled", ERROR),
    "a time in another notation": (
        put("ERROR", "timestamp", "2026-01-01T14:00:00.00001+02:00"),
        SAID, "respelled", ERROR),
    "a time without its zone": (
        put("ERROR", "timestamp", "2026-01-01 12:00:00.000010"),
        SAID, "respelled", ERROR),
    "a default made explicit": (
        put("ERROR", "is_partial", False), SAID, "respelled", ERROR),
    "an empty text made explicit": (
        put("ERROR", "branch", ""), SAID, "respelled", ERROR),
    "a field given as null": (
        put("ERROR", "retry", None), SAID, "respelled", ERROR),
    "the published names in place of ours": (
        edit(TOOL, lambda one: one["tool_call"].update(
            name=one["tool_call"].pop("tool_name"),
            id=one["tool_call"].pop("tool_id"))),
        SAID, "respelled", TOOL),
}  # fmt: skip


def verified(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["verify", *options, str(path)])
    return result.exit_code, result.output


@pytest.fixture
def whole() -> Lines:
    return linked(stream("s1"))


def test_the_table_has_as_many_alterations_as_were_asked_for() -> None:
    assert len(ALTERATIONS) >= 69


def test_a_whole_record_is_praised(whole: Lines, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(whole))
    assert verified(path) == (
        0,
        f"{LAST} events in 1 stream (complete): nothing altered, missing or moved.\n",
    )


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_is_named_with_its_place(
    name: str, whole: Lines, tmp_path: Path
) -> None:
    alter, code, kind, line = ALTERATIONS[name]
    altered = b"".join(alter(whole))
    assert altered != b"".join(whole)
    path = tmp_path / "e.jsonl"
    path.write_bytes(altered)
    found, text = verified(path)
    places = [one for one in text.splitlines() if one.startswith(f"{path}:{line}: ")]
    assert (found, any(f": {kind}: " in one for one in places)) == (code, True), text
    if kind not in {"damaged", "torn"}:
        assert any("s1-" in one or "s2-" in one or "s9" in one for one in places), text


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz"])
@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        (b"{\n" * 20, "no record of chaukas"),
        (b"{}\n" * 20, "no record of chaukas"),
        (b'{"a": 1}\n', "no record of chaukas"),
        (b"[1, 2]\n", "no record of chaukas"),
        (bytes(range(256)) * 9, "no record of chaukas"),
        (bytes(4096), "no record of chaukas"),
        ('{"type":"EVENT_TYPE_ERROR"}\n'.encode("utf-16"), "no record of chaukas"),
        (b"%PDF-1.7\n1 0 obj\n", "no record of chaukas"),
    ],
)
def test_what_is_no_record_is_called_by_its_name(
    name: str, content: bytes, word: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    code, text = verified(path)
    assert code == 1
    assert text.startswith(f"{path}: {word}: ")
    assert "nothing altered" not in text


def test_blank_lines_are_counted(whole: Lines, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(whole))
    assert verified(path) == (
        0,
        (
            f"{LAST - 1} blank lines, skipped.\n"
            f"{LAST} events in 1 stream (complete): "
            "nothing altered, missing or moved.\n"
        ),
    )


def test_a_part_of_a_record_can_be_asked_for(whole: Lines, tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"".join(whole[4:9]))
    assert verified(path)[0] == 3
    code, text = verified(path, "--partial")
    assert (code, f"{path}:1: cut: " in text) == (0, True)
    path.write_bytes(b"".join([*whole[4:6], *whole[7:9]]))
    assert verified(path, "--partial")[0] == 1
