"""What is noted on the host's thread and made into events on the writer's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chaukas import sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.capture.held import freeze, held_bytes_of, thawed
from chaukas.sdk.capture.snapshot import BUDGET, Capture, Rules
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.shared.deltas import DeltaBuffer
from chaukas.sdk.record.context import Run, Session
from chaukas.sdk.testing import capture_events


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

    with capture_events(redact=redact, stream_events="deltas") as events:
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
    assert held_bytes_of(held) < 6 << 20
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
