"""A scripted model, and runs of ADK with what was recorded of them."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import aclosing, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOOGLE_API_KEY", "not-used")

from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from pydantic import Field

from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events
from tests.support.trees import tree_of as whole_tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from chaukas.sdk.typing import Event

__all__ = (
    "APP",
    "RELEASE",
    "Scripted",
    "add",
    "agent",
    "ask",
    "boom",
    "collect",
    "new_session",
    "play",
    "recorded",
    "runner_of",
    "said",
    "shape",
    "tree_of",
)

_IDS = re.compile(r"(session|memory|artifact)://(\w+)/\S+( x2)?")

APP = "app1"
RELEASE = tuple(int(part) for part in version("google-adk").split(".")[:2])
"""Of ADK, as far as it matters."""
CALL = tuple[str, dict[str, Any]]


class Scripted(BaseLlm):
    """
    A model that answers by a script: texts, lists of calls, responses, or errors.

    What is left when the script ends is answered with `done`.
    """

    model: str = "scripted-1"
    script: list[Any] = Field(default_factory=list)
    requests: list[Any] = Field(default_factory=list)

    @classmethod
    def supported_models(cls) -> list[str]:
        """Return the names that it goes by."""
        return ["scripted-.*"]

    async def generate_content_async(
        self, llm_request: Any, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answer with the next step of the script."""
        self.requests.append(llm_request)
        step = self.script.pop(0) if self.script else "done"
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = await step()
        if isinstance(step, LlmResponse):
            yield step
            return
        if isinstance(step, (list, tuple)):
            calls = [step] if isinstance(step, tuple) else step
            parts = [
                types.Part(function_call=types.FunctionCall(name=name, args=args))
                for name, args in calls
            ]
            yield _response(parts)
            return
        if stream:
            for word in step.split():
                yield LlmResponse(
                    content=_content([types.Part(text=word)]), partial=True
                )
        yield _response([types.Part(text=step)])


def _content(parts: list[Any]) -> Any:
    return types.Content(role="model", parts=parts)


def _response(parts: list[Any]) -> LlmResponse:
    facts: dict[str, Any] = {
        "content": _content(parts),
        "usage_metadata": types.GenerateContentResponseUsageMetadata(
            prompt_token_count=7, candidates_token_count=3, total_token_count=10
        ),
    }
    if "finish_reason" in LlmResponse.model_fields:
        facts["finish_reason"] = types.FinishReason.STOP
    return LlmResponse(**facts)


def said(text: str) -> Any:
    """Return a message of the user."""
    return types.Content(role="user", parts=[types.Part(text=text)])


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def boom() -> str:
    """Fail."""
    raise ValueError("no such thing")


def agent(*script: Any, name: str = "root", **more: Any) -> LlmAgent:
    """Return an agent whose model follows *script*."""
    return LlmAgent(name=name, model=Scripted(script=list(script), requests=[]), **more)


def runner_of(root: Any, **more: Any) -> InMemoryRunner:
    """Return a runner of an agent, a workflow or an app."""
    if hasattr(root, "root_agent") and hasattr(root, "plugins"):
        return InMemoryRunner(app=root, **more)
    return InMemoryRunner(root, app_name=APP, **more)


async def new_session(runner: Any, user: str = "u", **more: Any) -> str:
    """Return the id of a new session."""
    session = await runner.session_service.create_session(
        app_name=runner.app_name, user_id=user, **more
    )
    return str(session.id)


async def ask(
    runner: Any, message: Any = "hi", session: str | None = None, **more: Any
) -> list[Any]:
    """Send one message and return all events."""
    user = more.pop("user", "u")
    session = session or await new_session(runner, user)
    text = said(message) if isinstance(message, str) else message
    return [
        event
        async for event in runner.run_async(
            user_id=user, session_id=session, new_message=text, **more
        )
    ]


async def collect(generator: Any) -> list[Any]:
    """Return all that a generator yields."""
    async with aclosing(generator) as items:
        return [item async for item in items]


@contextmanager
def recorded(**settings: Any) -> Iterator[Callable[[], list[Event]]]:
    """Record ADK for a block."""
    options: dict[str, Any] = {
        "clock": FakeClock(),
        "ids": SequentialIds(),
        "integrations": ["google_adk", "tenacity", "mcp_client"],
    }
    with capture_events(**options | settings) as events:
        yield events


def play(program: Coroutine[Any, Any, Any], **settings: Any) -> list[Event]:
    """Run *program* and return the events; its error is left to nobody."""
    with recorded(**settings) as events:
        try:
            asyncio.run(program)
        except Exception as error:
            play.error = error  # type: ignore[attr-defined]
    return events()


def tree_of(events: list[Event]) -> str:
    """Return the tree, with the services that were read but not the ids."""
    return _IDS.sub(r"\2", whole_tree_of(events))


def shape(program: Coroutine[Any, Any, Any], **settings: Any) -> str:
    """Run *program* and return its tree."""
    return tree_of(play(program, **settings))
