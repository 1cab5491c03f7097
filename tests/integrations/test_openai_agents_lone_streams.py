"""
Streams that an application takes from a model itself, with no runner to end them.

Whoever leaves such a stream early closes it, or drops it; either must end its pair at
once, or a long-lived process collects open pairs until it is stopped.
"""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from agents import ModelSettings
from agents.models.interface import Model, ModelTracing
from agents.testing import ScriptedModel

from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import say
from tests.support.trees import named, only

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from chaukas.sdk.typing import Event


def _stream_of(model: Any) -> Any:
    return model.stream_response(
        None,
        "Hi",
        ModelSettings(),
        [],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )


def _ended_by(leave: Callable[[Any], Awaitable[None]], model: Any) -> list[Event]:
    """Return the events as they are before chaukas is disabled."""

    async def story() -> None:
        stream = _stream_of(model)
        await stream.__anext__()
        await leave(stream)
        del stream
        gc.collect()

    with capture_events() as events:
        asyncio.run(story())
        return events()


class _Source(Model):
    """A model that streams what it is given, as something other than a generator."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        return self._stream


class _Failing:
    """A stream whose close fails."""

    def __aiter__(self) -> _Failing:
        return self

    async def __anext__(self) -> Any:
        return SimpleNamespace(type="response.created")

    async def aclose(self) -> None:
        raise ConnectionError("reset by peer")


async def _closed(stream: Any) -> None:
    await stream.aclose()


async def _dropped(stream: Any) -> None:
    del stream


@pytest.mark.parametrize("leave", [_closed, _dropped])
def test_a_stream_left_early_ends_its_call_at_once(leave: Any) -> None:
    events = _ended_by(leave, ScriptedModel([say("Hello")]))
    end = only(events, "MODEL_INVOCATION_END")
    assert end["status"] == "EVENT_STATUS_CANCELLED"
    assert "orphan" not in end["metadata"]
    assert not named(events, "ERROR")


def test_a_close_that_fails_ends_the_call_with_that_error() -> None:
    async def leave(stream: Any) -> None:
        with pytest.raises(ConnectionError):
            await stream.aclose()

    events = _ended_by(leave, _Source(_Failing()))
    end = only(events, "MODEL_INVOCATION_END")
    assert end["status"] == "EVENT_STATUS_FAILED"
    assert only(events, "ERROR")["error"]["error_code"] == "ConnectionError"


def test_a_stream_closed_after_its_end_is_one_completed_call() -> None:
    async def leave(stream: Any) -> None:
        async for _ in stream:
            pass
        await stream.aclose()

    events = _ended_by(leave, ScriptedModel([say("Hello")]))
    end = only(events, "MODEL_INVOCATION_END")
    assert end["status"] == "EVENT_STATUS_COMPLETED"


def test_a_stream_without_aclose_has_none_under_observation_either() -> None:
    class Bare:
        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> Any:
            return SimpleNamespace(type="response.created")

    async def leave(stream: Any) -> None:
        assert not hasattr(stream, "aclose")

    _ended_by(leave, _Source(Bare()))


def test_events_of_no_known_shape_pass_through() -> None:
    strangers: list[Any] = [object(), {"type": 1}, SimpleNamespace(type=7), None]

    async def stream() -> AsyncIterator[Any]:
        for stranger in strangers:
            yield stranger

    async def story() -> list[Any]:
        return [event async for event in _stream_of(_Source(stream()))]

    with capture_events() as events:
        passed = asyncio.run(story())
        recorded = events()
    assert all(a is b for a, b in zip(passed, strangers, strict=True))
    assert only(recorded, "MODEL_INVOCATION_END")
