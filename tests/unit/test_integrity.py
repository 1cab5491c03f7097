"""The chain finds what was altered, taken out or moved, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.sdk import integrity, wire
from chaukas.sdk.wire.proto import events_pb2
from tests.support.samples import EVENTS, event, linked

if TYPE_CHECKING:
    from collections.abc import Iterable


def run(count: int = 5, stream: str = "s1") -> list[dict[str, Any]]:
    events = [event("INPUT_RECEIVED", number) for number in range(1, count + 1)]
    for one in events:
        one["metadata"]["chaukas"]["stream"] = stream
        one["event_id"] = f"{stream}-{one['metadata']['chaukas']['seq']}"
    return events


def ended(count: int = 5, stream: str = "s1") -> list[dict[str, Any]]:
    """Return events of a process that ended as it should."""
    events = run(count, stream)
    own = events[-1]["metadata"]["chaukas"]
    events[-1] = event("SYSTEM", count, event_id=f"{stream}-{count}")
    events[-1]["metadata"] = {"name": "chaukas.disabled", "chaukas": own}
    return events


def found(lines: Iterable[bytes]) -> tuple[str, int, str] | None:
    """Return kind, line and event of what `verify` complains about."""
    report = integrity.verify(lines)
    if report.ok:
        return None
    assert report.problem is not None
    return report.problem.kind, report.problem.line, report.problem.event_id


# --- hashes ----------------------------------------------------------------


def test_the_canonical_form_is_what_the_documents_say() -> None:
    given = {
        "type": "EVENT_TYPE_SYSTEM",
        "metadata": {"b": [1.0, -0.0, 2.50], "a": 'é\u2028"\\\n\x01'},
        "branch": "",
        "content_hash": "x",
        "hash_prev": "y",
        "worm_proof_id": "z",
    }
    assert (
        integrity.canonical(given)
        == (
            '{"metadata":{"a":"é\u2028\\"\\\\\\n\\u0001","b":[1,0,2.5]},'
            '"type":"EVENT_TYPE_SYSTEM"}'
        ).encode()
    )


def test_the_hash_is_the_sha256_of_the_canonical_form() -> None:
    given = EVENTS["TOOL_CALL_START"]
    expected = hashlib.sha256(integrity.canonical(given)).hexdigest()
    assert integrity.content_hash(given) == expected


@pytest.mark.parametrize("name", EVENTS)
def test_the_protobuf_form_has_the_same_hash(name: str) -> None:
    data = wire.to_message(EVENTS[name]).SerializeToString()
    back = wire.from_message(events_pb2.Event.FromString(data))
    assert integrity.content_hash(back) == integrity.content_hash(EVENTS[name])


@pytest.mark.parametrize(
    "value",
    [
        *(-0.0, 0, 1.0, 1, 1e16, 10**16, 2**53 + 1, 1e300, 0.1, 1e-7, -1.5e-10),
        *("é", "e\u0301", "\u2028\u2029", '"\\/\b\f\n\r\t\x00\x1f\x7f', "👋🏽", ""),
        *([], {}, [[1, [2.0, {"k": 3}]]], None, True),
        {"b": 1, "a": 2, "é": 3, "👋": 4, "\uffff": 5, "": 6},
    ],
)
def test_no_value_hashes_differently_after_protobuf(value: Any) -> None:
    given = {
        "metadata": {"v": value},
        "tool_call": {"arguments": {"v": [value]}, "tool_name": "t"},
    }
    data = wire.to_message(given).SerializeToString()
    back = wire.from_message(events_pb2.Event.FromString(data))
    assert integrity.canonical(back) == integrity.canonical(given)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)


@given(
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
        ),
        max_leaves=16,
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
@settings(max_examples=300, deadline=None)
def test_json_text_and_protobuf_always_hash_alike(tree: Any, number: float) -> None:
    given = {"metadata": {"v": tree}, "performance": {"duration_ms": number}}
    expected = integrity.canonical(given)
    data = wire.to_message(given).SerializeToString()
    back = wire.from_message(events_pb2.Event.FromString(data))
    assert integrity.canonical(back) == expected
    assert integrity.canonical(orjson.loads(json.dumps(given))) == expected
    assert integrity.canonical(orjson.loads(expected)) == expected


def test_published_spellings_hash_as_ours() -> None:
    ours = {"tool_call": {"tool_id": "c", "tool_name": "t"}, "type": "EVENT_TYPE_ERROR"}
    theirs = {"type": 40, "tool_call": {"name": "t", "id": "c"}, "is_final": False}
    assert integrity.content_hash(theirs) == integrity.content_hash(ours)


def test_values_that_no_message_takes_are_hashed_as_they_stand() -> None:
    odd: dict[str, Any] = {
        "timestamp": 5.0,
        "type": ["x"],
        "error": 1,
        "metadata": "m",
        "tags": 2.0,
    }
    odd["llm_invocation"] = {"start_time": "soon"}
    assert integrity.canonical(odd) == (
        b'{"error":1,"llm_invocation":{"start_time":"soon"},"metadata":"m","tags":2,"timestamp":5,"type":["x"]}'
    )


@pytest.mark.parametrize("alias", ["id", "name"])
def test_a_published_name_beside_our_own_is_hashed(alias: str) -> None:
    call = {"tool_id": "c", "tool_name": "t"}
    ours = integrity.content_hash({"tool_call": call})
    for value in ("c", "t", "forged", "", None):
        both = {"tool_call": {**call, alias: value}}
        assert integrity.content_hash(both) != ours


def test_what_no_message_carries_is_hashed_too() -> None:
    assert integrity.content_hash({"x": 1}) != integrity.content_hash({"x": 2})


def test_an_event_nested_too_deep_is_refused() -> None:
    tree: Any = {}
    for _ in range(5000):
        tree = {"k": tree}
    with pytest.raises(ValueError, match="nested deeper"):
        integrity.canonical({"metadata": tree})


def test_an_integer_beyond_any_double_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond any double"):
        integrity.canonical({"metadata": {"v": 10**400}})


# --- link ------------------------------------------------------------------


def test_link_appends_the_hashes_and_a_newline() -> None:
    digest = hashlib.sha256(b'{"a":1}').hexdigest()
    assert integrity.link(b'{"a":1}', "") == (
        b'{"a":1,"content_hash":"%s"}\n' % digest.encode(),
        digest,
    )
    line, _ = integrity.link(b'{"a":1}', "ff")
    assert line == b'{"a":1,"content_hash":"%s","hash_prev":"ff"}\n' % digest.encode()


# --- verify: what is fine --------------------------------------------------


def test_an_untouched_file_is_fine() -> None:
    report = integrity.verify(linked(ended(5)))
    complete = integrity.StreamState("s1", "complete", 5, 5, "")
    assert report == integrity.Report(
        ok=True,
        events=5,
        streams=1,
        problem=None,
        torn=0,
        repeated=0,
        midway=0,
        states=(complete,),
    )
    assert report.is_whole


def test_a_file_without_lines_is_fine() -> None:
    assert integrity.verify([]).ok
    assert integrity.verify([b"\n", b"  \n"]).events == 0


def test_streams_may_be_interleaved() -> None:
    first, second = run(4, "a"), run(4, "b")
    mixed = [one for pair in zip(first, second, strict=True) for one in pair]
    report = integrity.verify(linked(mixed))
    assert (report.ok, report.events, report.streams) == (True, 8, 2)


def test_threads_may_be_written_out_of_the_order_of_seq() -> None:
    events = run(6)
    order = [events[i] for i in (1, 0, 3, 2, 5, 4)]
    assert integrity.verify(linked(order)).ok


def test_a_rotated_file_may_begin_midway() -> None:
    report = integrity.verify(linked(run(6))[3:])
    assert (report.ok, report.events, report.midway) == (True, 3, 1)


def state_of(lines: list[bytes]) -> integrity.StreamState:
    (state,) = integrity.verify(lines).states
    return state


def test_a_stream_without_its_end_is_open() -> None:
    assert state_of(linked(ended(6))[:3]) == integrity.StreamState(
        "s1",
        "open",
        3,
        3,
        "Stream 's1' has no end after event 's1-3': its process is at work or was"
        " killed, or its last events were cut off.",
    )


def test_a_stream_without_its_beginning_is_cut() -> None:
    assert state_of(linked(ended(6))[3:]) == integrity.StreamState(
        "s1",
        "cut",
        3,
        1,
        "Stream 's1' begins with event 's1-4' (seq 4): those before it are in another"
        " file, or were cut off.",
    )
    assert state_of(linked(ended(6))[3:5]).sentence.endswith("It has no end either.")


def reported(written: int) -> dict[str, Any]:
    """Return the report of a process that delivered what stream s1 left."""
    (one,) = run(1, "s2")
    one |= {"type": "EVENT_TYPE_SYSTEM", "event_id": "s2-1"}
    one["metadata"] |= {
        "name": "chaukas.adopted",
        "data": {"stream": "s1", "written": written},
    }
    return one


def test_a_stream_ends_with_the_report_of_who_delivered_it() -> None:
    report = integrity.verify(linked([*run(3), reported(3)]))
    assert [state.state for state in report.states] == ["complete", "open"]
    report = integrity.verify(linked([*run(2), reported(3)]))
    assert [state.state for state in report.states] == ["cut", "open"]
    assert "has 2 of 3 events" in report.states[0].sentence


def test_a_whole_record_has_each_stream_complete_and_each_event_once() -> None:
    lines = linked([*ended(3, "a"), *ended(3, "b")])
    assert integrity.verify(lines).is_whole
    assert not integrity.verify(lines[:-1]).is_whole
    assert not integrity.verify([*lines, lines[-1]]).is_whole
    assert not integrity.verify([*lines, b'{"half']).is_whole


def test_a_torn_line_is_skipped_and_counted() -> None:
    lines = linked(run(3))
    torn = [lines[0], lines[1][:40] + b"\n", lines[1], lines[2]]
    report = integrity.verify(torn)
    assert (report.ok, report.events, report.torn) == (True, 3, 1)
    assert report.problem is not None
    assert (report.problem.kind, report.problem.line) == ("torn", 2)


@pytest.mark.parametrize("at", range(1, 600, 13))
def test_an_event_cut_anywhere_is_half_an_event(at: int) -> None:
    lines = linked(run(2))
    assert at < len(lines[1]) - 2
    report = integrity.verify([*lines, lines[1][:at]])
    assert (report.ok, report.torn, report.is_whole) == (True, 1, False)


@pytest.mark.parametrize(
    "junk",
    [
        *(b"[1]", b"7", b'"x"', b"null", b"{}", b'{"a":1}', b"\xff\xfe", b"junk"),
        *(b"\x00" * 8, b'{"type":"EVENT_TYPE_ERROR"}}', b'{"type":', b'{"a":"}\\"}x'),
    ],
)
def test_a_line_that_is_no_event_is_damaged_or_half(junk: bytes) -> None:
    report = integrity.verify([*linked(ended(2)), junk])
    assert not (report.ok and report.is_whole)
    assert report.problem is not None
    assert (report.problem.kind, report.problem.line) == (
        "torn" if junk in {b'{"type":', b'{"a":"}\\"}x'} else "damaged",
        3,
    )


def test_lines_without_any_event_are_not_fine() -> None:
    assert not integrity.verify([b"{\n"] * 5).ok


def test_quotes_and_backslashes_without_end_take_no_time() -> None:
    # Quadratic, this would take minutes, and the suite's alarm would sound.
    report = integrity.verify([b'{"' + b'\\"' * 2_000_000])
    assert report.torn == 1


def test_a_line_written_twice_in_a_row_is_a_repetition() -> None:
    lines = linked(run(3))
    report = integrity.verify([lines[0], lines[1], lines[1], lines[2]])
    assert (report.ok, report.events, report.repeated) == (True, 3, 1)


def test_another_tool_s_spelling_of_the_same_event_is_not_an_alteration() -> None:
    lines = [
        json.dumps(dict(reversed(json.loads(line).items()))).encode()
        for line in linked(run(3))
    ]
    assert integrity.verify(lines).ok


def test_windows_line_ends_are_not_an_alteration() -> None:
    lines = [line.replace(b"\n", b"\r\n") for line in linked(run(3))]
    report = integrity.verify(lines)
    assert (report.ok, report.respelled) == (True, 3)


def test_a_mark_of_the_byte_order_hides_no_event() -> None:
    lines = linked(run(3))
    report = integrity.verify([b"\xef\xbb\xbf" + lines[0], *lines[1:]])
    assert (report.ok, report.events, report.respelled) == (True, 3, 1)
    assert integrity.verify([b"\xef\xbb\xbf\n", *lines]).events == 3


def test_what_chaukas_wrote_itself_is_not_called_respelled() -> None:
    lines = linked([event(name, n) for n, name in enumerate(EVENTS, 1)])
    assert integrity.verify(lines).respelled == 0
    # As an encoder would write it that keeps another order of keys.
    turned = [orjson.dumps(dict(reversed(orjson.loads(x).items()))) for x in lines]
    assert integrity.verify(turned).respelled == 0


def nameless(number: int) -> list[dict[str, Any]]:
    """Return events in no stream, as older programs and labels have them."""
    events = run(number, "")
    for one in events:
        del one["metadata"]["chaukas"]
    return events


def test_events_in_no_stream_are_checked_one_by_one() -> None:
    lines = [integrity.link(integrity.canonical(x), "")[0] for x in nameless(3)]
    report = integrity.verify(lines)
    assert (report.ok, report.events, report.streams) == (True, 3, 0)
    assert found([lines[0], lines[1].replace(b"He said", b"He sang")]) == (
        "altered",
        2,
        "-2",
    )


def test_a_chain_without_a_name_is_followed() -> None:
    digest, lines = "", []
    for one in nameless(4):
        line, digest = integrity.link(integrity.canonical(one), digest)
        lines.append(line)
    report = integrity.verify(lines)
    assert (report.ok, report.events, report.streams) == (True, 4, 1)
    assert found([*lines[:2], lines[3]]) == ("missing", 3, "-4")


def test_what_was_sent_and_is_not_here_is_missing() -> None:
    lines = linked(ended(5))
    for here, first, last, named in (
        (lines, 1, 5, []),
        (lines[:3], 1, 5, ["2 events are missing at its end after event 's1-3', the"]),
        (lines[1:], 1, 5, ["1 event is missing before event 's1-2', the first with"]),
        ([], 1, 5, ["None of the events of stream 's1' is here."]),
        ([], None, None, []),
    ):
        sent = integrity.Sent("s1", first, last)
        report = integrity.verify([sent, *here])
        assert [one.sentence[: len(text)] for one, text in zip(
            report.problems, named, strict=True)] == named  # fmt: skip
        assert report.ok is not bool(named)


def test_of_a_shared_stream_no_gap_is_a_problem() -> None:
    lines = linked(ended(9))
    mine = [lines[n - 1] for n in (2, 3, 6, 9)]
    report = integrity.verify([integrity.Sent("s1", 2, 9, True), *mine])
    assert (report.problems, report.states[0].state) == ((), "complete")
    turned = [mine[0], mine[2], mine[1], mine[3]]
    assert not integrity.verify([integrity.Sent("s1", 2, 9, True), *turned]).ok
    mine[1] = mine[1].replace(b"He said", b"He sang")
    report = integrity.verify([integrity.Sent("s1", 2, 9, True), *mine])
    assert [one.event_id for one in report.problems] == ["s1-3"]


def test_a_hole_of_any_size_costs_nothing() -> None:
    hole = integrity.Removed("s1", 1, 2**60, "", "ff")
    (one,) = run(1)
    one["metadata"]["chaukas"]["seq"] = 2**60 + 1
    line, _ = integrity.link(integrity.canonical(one), "ff")
    assert integrity.verify([hole, line]).ok


# --- verify: what is not ---------------------------------------------------


def test_an_altered_event_is_named() -> None:
    lines = linked(run(5))
    lines[2] = lines[2].replace(b"He said", b"He sang")
    assert found(lines) == ("altered", 3, "s1-3")


def test_an_added_key_is_an_alteration() -> None:
    lines = linked(run(3))
    lines[1] = lines[1].replace(b'{"author"', b'{"added":1,"author"')
    assert found(lines) == ("altered", 2, "s1-2")


def test_a_key_given_twice_is_an_alteration() -> None:
    lines = linked(run(3))
    # A reader that takes the last of the two sees the event as it was.
    lines[1] = lines[1].replace(b'{"author"', b'{"event_id":"other","author"')
    assert found(lines) == ("altered", 2, "s1-2")


def test_an_altered_hash_is_an_alteration() -> None:
    lines = linked(run(3))
    digest = json.loads(lines[1])["content_hash"]
    lines[1] = lines[1].replace(digest.encode(), b"0" * 64)
    assert found(lines) == ("altered", 2, "s1-2")


def test_an_event_altered_with_its_hash_is_named() -> None:
    events, lines = run(5), linked(run(5))
    events[2]["message"]["text"] = "forged"
    prev = json.loads(lines[1])["content_hash"]
    lines[2], _ = integrity.link(integrity.canonical(events[2]), prev)
    assert found(lines) == ("altered", 3, "s1-3")


def test_a_missing_event_is_noticed_at_the_next_one() -> None:
    lines = linked(run(5))
    assert found(lines[:2] + lines[3:]) == ("missing", 4 - 1, "s1-4")


def test_the_missing_numbers_are_told() -> None:
    lines = linked(run(6))
    problem = integrity.verify([lines[0], *lines[3:]]).problem
    assert problem is not None
    assert "2 events are missing before event 's1-4'" in problem.sentence
    assert "the first with seq 2" in problem.sentence


def test_a_missing_event_without_numbers_is_noticed() -> None:
    events = run(4)
    for one in events:
        del one["metadata"]["chaukas"]["seq"]
    lines = linked(events)
    assert found([lines[0], *lines[2:]]) == ("missing", 2, "s1-3")


def test_a_gap_in_the_numbers_is_noticed_though_the_chain_is_whole() -> None:
    events = run(5)
    problem = integrity.verify(linked(events[:2] + events[3:])).problem
    assert problem is not None
    assert (problem.kind, problem.line, problem.event_id) == ("missing", 3, "s1-4")
    assert "dropped before they were written" in problem.sentence


def test_a_gap_before_the_first_event_is_noticed() -> None:
    assert found(linked(run(5)[2:])) == ("missing", 1, "s1-3")


def test_a_torn_event_that_was_not_written_again_is_missing() -> None:
    lines = linked(run(4))
    assert found([lines[0], lines[1][:40] + b"\n", *lines[2:]]) == (
        "missing",
        3,
        "s1-3",
    )


@pytest.mark.parametrize(
    ("order", "line", "name"),
    [
        ((0, 2, 1, 3, 4), 2, "s1-3"),
        ((0, 1, 4, 2, 3), 3, "s1-5"),
        ((0, 2, 3, 4, 1), 2, "s1-3"),
        ((1, 0, 2, 3, 4), 1, "s1-2"),
        ((4, 3, 2, 1, 0), 1, "s1-5"),
        ((1, 2, 3, 4, 0), 1, "s1-2"),
    ],
)
def test_a_moved_event_is_named(order: tuple[int, ...], line: int, name: str) -> None:
    lines = linked(run(5))
    assert found([lines[i] for i in order]) == ("reordered", line, name)


def test_a_copied_event_is_named() -> None:
    lines = linked(run(4))
    assert found([*lines, lines[1]]) == ("reordered", 5, "s1-2")


def test_an_event_without_a_hash_is_named() -> None:
    lines = linked(run(3))
    bare = json.loads(lines[1])
    del bare["content_hash"], bare["hash_prev"]
    assert found([lines[0], json.dumps(bare).encode(), lines[2]]) == (
        "unhashed",
        2,
        "s1-2",
    )


def test_events_without_any_hash_are_counted_one_by_one() -> None:
    report = integrity.verify([orjson.dumps(one) for one in run(3)])
    assert (report.ok, report.events, report.repeated) == (False, 3, 0)


def test_the_first_problem_of_all_streams_is_the_one_named() -> None:
    first, second = linked(run(4, "a")), linked(run(4, "b"))
    second[1] = second[1].replace(b"He said", b"He sang")
    lines = [first[0], second[0], second[1], first[2], first[3], *second[2:]]
    assert found(lines) == ("altered", 3, "b-2")


@pytest.mark.parametrize(
    "line",
    [
        b'{"metadata":5,"event_id":[],"content_hash":{}}',
        b'{"metadata":{"chaukas":{"seq":"1","stream":2}},"content_hash":"x"}',
        b'{"content_hash":"'
        + b"a" * 64
        + b'","metadata":'
        + b"[" * 900
        + b"]" * 900
        + b"}",
    ],
)
def test_a_hostile_line_is_a_finding_and_not_a_crash(line: bytes) -> None:
    assert not integrity.verify([line]).ok


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_that_is_not_at_an_edge_is_found(data: st.DataObject) -> None:
    lines = linked(run(8))
    at = data.draw(st.integers(1, 6))
    change = data.draw(st.sampled_from(["drop", "swap", "flip", "copy"]))
    if change == "drop":
        del lines[at]
    elif change == "swap":
        other = data.draw(st.integers(0, 7).filter(lambda n: n != at))
        lines[at], lines[other] = lines[other], lines[at]
    elif change == "copy":
        lines.insert(
            data.draw(st.integers(0, 6).filter(lambda n: n not in {at, at + 1})),
            lines[at],
        )
    else:
        line = bytearray(lines[at])
        spot = data.draw(st.integers(0, len(line) - 2))
        line[spot] ^= 1 << data.draw(st.integers(0, 6))
        lines[at] = bytes(line)
    assert not integrity.verify(lines).ok
