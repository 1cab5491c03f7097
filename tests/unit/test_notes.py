"""What is noted on the host's thread and made into events on the writer's."""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
from typing import Any

import pytest

from chaukas import sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.capture.held import (
    captured_now,
    freeze,
    held_bytes_of,
    thawed,
    weight_bytes_of,
)
from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.capture.snapshot import BUDGET, Capture, Rules
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.shared.deltas import DeltaBuffer
from chaukas.sdk.record.context import Run, Session
from chaukas.sdk.testing import FakeClock, capture_events


def _run() -> Run:
    return Run(Session("s", "", ""), "a" * 32)


def _data(event: dict[str, Any]) -> Any:
    return event["metadata"]["data"]


def _own(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("chaukas.enabled", "chaukas.disabled", "chaukas.pipeline")
    return [one for one in events if one["metadata"].get("name") not in names]


def test_what_changes_after_the_moment_changes_nothing() -> None:
    held: dict[str, Any] = {"list": [1, {"deep": "before"}], "text": "before"}
    with capture_events() as events:
        runtime = _runtime.active()
        assert runtime is not None
        capture = runtime.recorder.capture(_run())
        facts = {"data": capture.tree(held, "metadata.data"), "name": "n", "own": [1]}
        runtime.recorder.emit(
            EventType.SYSTEM, _run(), {}, metadata=facts, capture=capture
        )
        held["list"][1]["deep"] = held["text"] = "after"
        facts["own"].append(2)
        facts["name"] = "after"
        chaukas.event("moved", content := {"place": ["before"]})
        content["place"][0] = "after"
    first, second = _own(events())
    assert _data(first) == {"list": [1, {"deep": "before"}], "text": "before"}
    assert (first["metadata"]["name"], first["metadata"]["own"]) == ("n", [1])
    assert _data(second) == {"place": ["before"]}


def test_the_applications_redact_is_called_on_the_writers_thread_only() -> None:
    threads = set()

    def redact(_path: str, value: object) -> object:
        threads.add(threading.current_thread())
        return value

    class Odd:
        def __init__(self) -> None:
            self.secret = "x"

    with capture_events(redact=redact):
        chaukas.event("moved", {"place": "x", "empty": "", "odd": Odd()})
        with chaukas.session("s", metadata={"plan": "gold"}):
            chaukas.event("moved", {"n": 1})
        chaukas.flush()
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_a_streamed_text_is_cut_on_the_writers_thread_only() -> None:
    threads = set()

    def redact(_path: str, value: object) -> object:
        threads.add(threading.current_thread())
        return value

    still = FakeClock(step_ns=0)
    with capture_events(redact=redact, stream_events="deltas", clock=still) as events:
        runtime = _runtime.active()
        assert runtime is not None
        deltas = DeltaBuffer(runtime.recorder, _run(), "s")
        deltas.name(0, "call", "search")
        for _ in range(200):
            deltas.add("text", 0, "hello ")
        deltas.finish()
    assert threading.current_thread() not in threads
    told = [event["message"]["text"] for event in _own(events())]
    assert "".join(told) == "hello " * 200
    assert len(told) < 10


def test_a_redact_that_never_comes_back_stops_no_host() -> None:
    going_on = threading.Event()

    def redact(_path: str, value: object) -> object:
        assert going_on.wait(60)
        return value

    with capture_events(redact=redact) as events:
        for number in range(100):
            chaukas.event("moved", {"n": number})
        # All of them wait, as none can be made.
        assert chaukas.stats().queued >= 100
        going_on.set()
    assert [_data(event)["n"] for event in _own(events())] == list(range(100))


def test_a_redact_that_flushes_does_not_wait_for_itself() -> None:
    answers = []

    def redact(_path: str, value: object) -> object:
        answers.append(chaukas.flush(60))
        return value

    with capture_events(redact=redact) as events:
        chaukas.event("moved", {"place": "x"})
        assert chaukas.flush(60)
    assert set(answers) == {False}
    assert [_data(event)["place"] for event in _own(events())] == ["x"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_whatever_redact_raises_hides_or_is_counted_and_the_writer_goes_on(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)

    def redact(_path: str, value: object) -> object:
        if value == "bad":
            raise error
        return value

    with capture_events(redact=redact) as events:
        chaukas.event("moved", {"place": "bad"})
        chaukas.event("moved", {"place": "good"})
        chaukas.flush()
        lost = dict(chaukas.stats().dropped)
    places = [_data(event)["place"] for event in _own(events())]
    assert places[-1] == "good"
    assert places[:-1] == ([] if lost else ["[REDACTED]"])
    assert lost in ({}, {"capture_error": 1})


def test_what_waits_counts_what_its_texts_weigh() -> None:
    going_on = threading.Event()

    def redact(_path: str, value: object) -> object:
        assert going_on.wait(60)
        return value

    with capture_events(redact=redact, memory_limit="4MiB") as events:
        for _ in range(40):
            chaukas.event("moved", {"text": "x" * 500_000})
        stats = chaukas.stats()
        going_on.set()
        assert chaukas.flush(60)
        after = chaukas.stats()
    assert stats.dropped["memory_full"] >= 30
    assert stats.queued_bytes <= 4 << 20
    # A report of the loss may wait already.
    assert after.queued_bytes < 4_096
    assert after.emitted == after.written + after.queued + after.lost
    assert len(_own(events())) == 40 - stats.dropped["memory_full"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        7,
        1.5,
        True,
        {"a": [1, {"b": None}], "c": "d"},
        [1, "two", (3, 4)],
        {},
        2**60,
    ],
)
def test_plain_data_is_held_as_it_is(value: Any) -> None:
    held = thawed(freeze(value))
    assert held == ([1, "two", [3, 4]] if type(value) is list else value)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1: "number as a name"},
        [float("nan")],
        {"set": {1}},
        "x" * 2_000_000,
        [0] * 60_000,
        2**70 and [2**70],
        ["\ud800"],
        b"bytes",
    ],
    ids=["object", "key", "nan", "set", "long", "wide", "int", "surrogate", "bytes"],
)
def test_what_is_no_plain_data_or_very_large_is_not_held(value: Any) -> None:
    assert freeze(value) is NotImplemented


_WORDS = "word and more " * 120_000
_LONG = {
    "words": _WORDS,
    "lines": "a line of words\n" * 100_000,
    "one letter": "x" * 3_000_000,
    "objects": '{"city": "Rome", "people": 3}\n' * 60_000,
    "a secret in front": "password: hunter2-Xy9!\n" + _WORDS,
    "a secret at the end": _WORDS + "\npassword: hunter2-Xy9!",
    "one long secret": "password=" + "x9" * 1_500_000,
    "a secret that begins in the middle": _WORDS + "token=" + "x9" * 1_500_000,
    "base64": "aB3d" * 700_000,
    "an address with its data": "data:image/png;base64," + "aB3d" * 700_000,
    "surrogates": "\ud800 and \0" * 200_000,
}


@pytest.mark.parametrize("name", _LONG)
@pytest.mark.parametrize("rules", [Rules(), Rules(content=False), Rules(binary=True)])
def test_of_a_long_text_its_ends_are_held_and_give_the_same(
    name: str, rules: Rules
) -> None:
    text, capture, whole = _LONG[name], DeferredCapture(rules), Capture(rules)
    tree = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    assert captured_now(capture.text(text, "x")) == whole.text(text, "x")
    assert capture.made.redacted == whole.redacted
    capture, whole = DeferredCapture(rules), Capture(rules)
    held = capture.tree(tree, "x")
    assert weight_bytes_of(held) < 2 << 20
    assert captured_now(held) == whole.tree(tree, "x")
    assert capture.made.redacted == whole.redacted


def test_what_was_open_where_a_long_text_is_parted_hides_its_end() -> None:
    text = '{"password": "' + "some words " * 300_000 + '"}'
    shown = captured_now(DeferredCapture(Rules()).text(text, "x"))
    assert "some words" not in shown


def test_a_long_text_is_searched_on_the_writers_thread_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = set()
    spans = Redactor.spans

    def noted(self: Redactor, *given: Any) -> Any:
        threads.add(threading.current_thread())
        return spans(self, *given)

    monkeypatch.setattr(Redactor, "spans", noted)
    with capture_events() as events:
        chaukas.event("read", {"file": [{"content": _LONG["a secret at the end"]}]})
        chaukas.flush()
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    (event,) = _own(events())
    assert "hunter2" not in str(event)


_WORD = "some words of a text, and more. "
_LARGE = {
    "messages": [{"role": "user", "content": _WORD * 125}] * 200,
    "many messages": [{"role": "user", "content": _WORD * 10}] * 2_500,
    "rows": {"rows": [{"id": number, "name": "a row"} for number in range(3_000)]},
    "numbers": [number / 7 for number in range(9_000)],
    "lists": {"vectors": [[number / 7 for number in range(90)]] * 100},
    "a long list with an object": [{"id": 1}] * 1_500 + [[(1, {"b": 2})]] * 600,
    "files": {f"{number}.txt": _WORD * 900 for number in range(30)},
}


@pytest.mark.parametrize("name", _LARGE)
def test_large_plain_data_is_recorded_whole_and_captured_by_the_writer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def captured_early(*given: Any, **options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(DeferredCapture, "_captured_early", captured_early)
    rules = Rules(monotonic_ns=lambda: 0)
    held = DeferredCapture(rules).tree(_LARGE[name], "x")
    assert captured_now(held) == json.loads(json.dumps(_LARGE[name]))
    held = DeferredCapture(rules).text(_LARGE[name], "x")
    assert captured_now(held) == Capture(rules).text(_LARGE[name], "x")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_long_text_leaves_what_stands_beside_it_whole(count: int) -> None:
    long = "some words of a text, and more. " * 20_000
    beside = [f"my password: hunter2-Xy9! and {number} words" for number in range(20)]
    shown = captured_now(
        DeferredCapture(Rules(monotonic_ns=lambda: 0)).tree(
            [long] * count + beside, "x"
        )
    )
    assert [len(text) for text in shown[:count]] == [65_548] * count
    assert shown[count:] == [
        f"my password: [REDACTED] and {number} words" for number in range(20)
    ]


def test_a_secret_of_a_large_list_is_hidden_and_named() -> None:
    rows: list[dict[str, Any]] = [{"id": number} for number in range(3_000)]
    rows[2_999] = {"password": "hunter2-Xy9!"}
    capture = DeferredCapture(Rules())
    shown = captured_now(capture.tree(rows, "x"))
    assert shown[2_999] == {"password": "[REDACTED]"}
    assert capture.made.redacted == ["x[2999].password"]


def test_an_object_in_a_large_list_is_captured_with_its_place() -> None:
    @dataclasses.dataclass
    class Odd:
        password: str = "hunter2-Xy9!"

    rows: list[Any] = [{"id": number} for number in range(3_000)]
    rows[2_000] = Odd()
    capture = DeferredCapture(Rules())
    shown = captured_now(capture.tree(rows, "x"))
    assert shown[2_000] == {"password": "[REDACTED]"}
    assert shown[:2_000] == rows[:2_000]
    assert shown[2_001:] == rows[2_001:]
    assert capture.made.redacted == ["x[2000].password"]


@dataclasses.dataclass
class _Message:
    role: object
    content: object


_SECRET = "my password: hunter2-Xy9! and more. "
_OBJECTS = {
    "one": _Message("user", _SECRET),
    "many": [_Message("user", _WORD * 20 + _SECRET) for _ in range(80)],
    "in each other": _Message("user", [_Message("tool", {"text": _SECRET * 50})]),
    "as text": _Message("user", json.dumps({"password": "hunter2-Xy9!"}) * 90),
    "beside": {"file": _WORD * 40_000, "of": _Message("user", _SECRET * 90)},
    "numbers": _Message([1 << 60, 1 << 90, 0.5, float("nan")], {"tokens": 1 << 60}),
    "long": [_Message("user", f"{number} {_WORD}" * 40_000) for number in range(6)],
}


@pytest.mark.parametrize("name", _OBJECTS)
def test_texts_of_objects_are_searched_on_the_writers_thread_only(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rules(monotonic_ns=lambda: 0)
    expected = Capture(rules).tree(_OBJECTS[name], "x")
    searched = []
    for method in ("is_suspect", "spans", "cost_of"):
        monkeypatch.setattr(Redactor, method, lambda *given: searched.append(given))
    capture = DeferredCapture(rules)
    held = capture.tree(_OBJECTS[name], "x")
    assert searched == []
    monkeypatch.undo()
    assert captured_now(held) == expected
    assert BUDGET not in str(expected)
    assert "hunter2" not in str(expected)


def test_what_changes_in_an_object_after_the_moment_changes_nothing() -> None:
    parts = ["a"]
    message = _Message("user", {"parts": parts})
    held = DeferredCapture(Rules(monotonic_ns=lambda: 0)).tree(message, "x")
    parts.append("b")
    message.role = "tool"
    assert captured_now(held) == {"role": "user", "content": {"parts": ["a"]}}


def test_an_object_under_a_sensitive_name_is_hidden_beside_a_long_text_too() -> None:
    value = {"file": _WORD * 40_000, "api_key": _Message("user", None)}
    capture = DeferredCapture(Rules(monotonic_ns=lambda: 0))
    assert captured_now(capture.tree(value, "x"))["api_key"] == "[REDACTED]"
    assert capture.made.redacted == ["x.api_key"]


@pytest.mark.parametrize("file", ["a word", _WORD * 40_000])
def test_a_secret_that_is_a_name_is_in_no_path(file: str) -> None:
    token = "sk-proj-" + "aB3dE5" * 8
    value = [{token: {"of": _Message({"password": "hunter2-Xy9!"}, 1)}, "file": file}]
    capture = DeferredCapture(Rules(monotonic_ns=lambda: 0))
    shown = captured_now(capture.tree(value, "x"))
    assert token not in str(shown)
    assert token not in str(capture.made.redacted)
    assert any(path.endswith(".role.password") for path in capture.made.redacted)


def test_what_is_held_of_objects_weighs_what_it_holds() -> None:
    messages = [_Message("user", f"{number} {_WORD}" * 125) for number in range(300)]
    held = DeferredCapture(Rules(monotonic_ns=lambda: 0)).tree(messages, "x")
    chars = sum(len(str(message.content)) for message in messages)
    assert chars < weight_bytes_of(held) < chars + 300 * 256


def test_images_of_objects_leave_what_stands_beside_them_whole() -> None:
    image = base64.b64encode(bytes(range(256)) * 2_500).decode()
    messages = [_Message("user", image) for _ in range(9)]
    shown = captured_now(
        DeferredCapture(Rules(monotonic_ns=lambda: 0)).tree(
            [*messages, _Message("user", "hi")], "x"
        )
    )
    assert all("640000 bytes" in message["content"] for message in shown[:9])
    assert shown[9] == {"role": "user", "content": "hi"}


def test_an_object_among_plain_data_is_captured_at_once() -> None:
    class Odd:
        pass

    odd = Odd()
    capture = DeferredCapture(Rules())
    held = capture.hold({"odd": odd, "plain": [1]}, "x")
    assert thawed(held) == {"odd": {}, "plain": [1]} or "Odd" in str(thawed(held))
    assert odd not in held.values()


def test_many_large_members_are_held_up_to_a_bound() -> None:
    items = [{"text": "x" * 900_000} for _ in range(50)]
    held = DeferredCapture(Rules()).hold(items, "x")
    assert held_bytes_of(held) < 8 << 20
    assert len(thawed(held)) == 50


def test_many_odd_members_are_captured_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured = []
    tree = Capture.tree

    def counted(self: Capture, value: object, path: str) -> Any:
        captured.append(path)
        return tree(self, value, path)

    monkeypatch.setattr(Capture, "tree", counted)
    held = DeferredCapture(Rules()).hold([object() for _ in range(5_000)], "x")
    assert len(captured) == 256
    assert thawed(held)[256:] == [BUDGET] * (5_000 - 256)
