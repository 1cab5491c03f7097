"""The API key: what is told when none is set, none comes, or it is a wrong one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.testing import FakeCollector
from tests.support.deliveries import begin, numbers_in, recover
from tests.support.remotes import spooled
from tests.support.samples import event
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = orjson.dumps(event("SYSTEM", 1)) + b"\n"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_grpc_proxy", "*")


@pytest.fixture(params=["http", "grpc"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector(keys=("right",)) as running:
        yield running


def sink_of(collector: FakeCollector, scheme: str, **options: Any) -> Any:
    if scheme == "grpc":
        return GrpcSink(collector.grpc_endpoint, **options)
    return HttpSink(collector.endpoint, **options)


def said(sink: Any) -> str:
    try:
        answer = sink.send([LINE])
    finally:
        sink.close()
    assert answer.action.value == "park"
    return str(answer.error)


def test_without_a_key_the_line_says_that_none_was_sent_and_how_to_set_one(
    collector: FakeCollector, scheme: str
) -> None:
    line = said(sink_of(collector, scheme))
    assert "and none was sent, as none is set" in line
    assert line.endswith("Set CHAUKAS_API_KEY or CHAUKAS_API_KEY_FILE.")


def test_a_wrong_key_of_a_function_is_mended_in_the_function(
    collector: FakeCollector, scheme: str
) -> None:
    line = said(sink_of(collector, scheme, api_key=lambda: "wrong"))
    assert line.endswith("Correct what the function given as api_key returns.")


def test_a_wrong_password_in_the_endpoint_is_mended_there(
    collector: FakeCollector,
) -> None:
    endpoint = collector.endpoint.replace("//", "//ann:wrong@")
    line = said(HttpSink(endpoint))
    assert "refused the user and password of its address (HTTP 401)" in line
    assert "ann" not in line


class Strange(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("sk-x"), SystemExit("sk-x"), Strange("sk-x")]
)
def test_a_function_that_raises_is_what_has_to_be_mended(
    collector: FakeCollector, scheme: str, error: BaseException
) -> None:
    def source() -> str:
        raise error

    line = said(sink_of(collector, scheme, api_key=source))
    assert f"(its function raised {type(error).__name__})" in line
    assert line.endswith("Correct the function that was given as api_key.")
    assert "sk-x" not in line


def test_a_missing_file_is_what_has_to_be_mended(
    collector: FakeCollector, scheme: str, tmp_path: Path
) -> None:
    line = said(sink_of(collector, scheme, api_key_file=tmp_path / "key"))
    assert line.endswith("Correct that file, or name another one as api_key_file.")


def earlier_s() -> float:
    """Return the time of a clock that is slow, so that a wait has lasted for long."""
    return time.monotonic() - 11.0


def test_a_function_that_hangs_is_told_once_and_costs_no_event(
    collector: FakeCollector,
    scheme: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def source() -> str:
        asked.set()
        go_on.wait()
        return "right"

    sink = sink_of(collector, scheme, api_key=source, monotonic=earlier_s)
    pipe = spooled(tmp_path, sink)
    pipe.put(LINE[:-1])
    assert asked.wait(60)
    # The next event wakes the thread that watches, which else rests for 10 s.
    pipe.put(orjson.dumps(event("SYSTEM", 2)))
    until(lambda: bool(caplog.messages))
    assert pipe.stats().errors == {scheme: caplog.messages[0]}
    for _ in range(3):
        # It is known that there is no use in waiting.
        assert not pipe.flush(60.0)
    assert pipe.stats().spooled == 2
    (line,) = caplog.messages
    assert "the function given as api_key has not returned for 10 s" in line
    assert line.endswith("Give it a timeout of its own.")
    go_on.set()
    until(lambda: pipe.stats().acked == 2)
    assert pipe.stats().errors == {}
    assert pipe.close(60.0)


def test_a_key_that_comes_soon_is_not_told_of(
    collector: FakeCollector, scheme: str
) -> None:
    go_on = threading.Event()

    def source() -> str:
        go_on.wait()
        return "right"

    sink = sink_of(collector, scheme, api_key=source)
    sending = threading.Thread(target=sink.send, args=([LINE],))
    sending.start()
    until(lambda: sink.overdue(time.monotonic() + 11.0) != "")
    assert sink.overdue(time.monotonic()) == ""
    go_on.set()
    sending.join()
    assert sink.overdue(time.monotonic() + 11.0) == ""
    assert len(collector.events) == 1
    sink.close()


@pytest.mark.fault
def test_a_program_whose_key_never_comes_ends_and_leaves_its_events_to_the_next(
    tmp_path: Path, scheme: str
) -> None:
    with FakeCollector() as collector:
        endpoint = collector.endpoint if scheme == "http" else collector.grpc_endpoint
        process = begin(
            tmp_path,
            endpoint,
            """
            asked = threading.Event()
            def source():
                asked.set()
                threading.Event().wait()
            enable(api_key=source)
            emit(10)
            assert asked.wait(60)
            """,
        )
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out, error) == (0, "", "")
        assert collector.events == []
        recover(tmp_path, endpoint)
        assert numbers_in(collector.events) == list(range(10))
