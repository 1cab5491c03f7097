"""
Models of an application's own, and how an application calls a model itself.

Each answers from a script; what differs is how its methods come to their answer.
"""

from __future__ import annotations

from typing import Any

from agents import Model, ModelSettings
from agents.models.interface import ModelTracing
from agents.testing import ScriptedModel

from .agent_runs import Mode

__all__ = ("Early", "Upper", "call_alone", "streamed_alone")


class Early(Model):
    """A model that was there before chaukas, and opens no spans."""

    model = "acme/early"

    def __init__(self, *steps: Any) -> None:
        self._inner = ScriptedModel(steps)

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        return await self._inner.get_response(*args, **kwargs)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner.stream_response(*args, **kwargs)


class Upper(Early):
    """Calls `super()` in both methods, the streamed one as a generator."""

    model = "upper"

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        return await super().get_response(*args, **kwargs)

    async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        async for event in super().stream_response(*args, **kwargs):
            yield event


_ARGUMENTS: tuple[Any, ...] = (
    None,
    "Hi",
    ModelSettings(),
    [],
    None,
    [],
    ModelTracing.DISABLED,
)
_OPTIONS: dict[str, Any] = {
    "previous_response_id": None,
    "conversation_id": None,
    "prompt": None,
}


def streamed_alone(model: Model) -> Any:
    """Return a stream of *model*, asked for outside of any run."""
    return model.stream_response(*_ARGUMENTS, **_OPTIONS)


async def call_alone(model: Model, mode: Mode) -> None:
    """Call *model* outside of any run; a stream is read to its end."""
    if mode is Mode.RUN:
        await model.get_response(*_ARGUMENTS, **_OPTIONS)
        return
    async for _ in streamed_alone(model):
        pass
