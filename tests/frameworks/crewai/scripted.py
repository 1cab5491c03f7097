"""Models and crews whose every answer is written down, for tests of CrewAI."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crewai import LLM, Agent, BaseLLM, Crew, Task
from pydantic import PrivateAttr

from chaukas.sdk.testing import capture_events
from loopback import ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.typing import Event

__all__ = (
    "ScriptedLLM",
    "agent",
    "call",
    "crew",
    "recorded",
    "served",
    "task",
    "words",
)


class ScriptedLLM(BaseLLM):
    """Answers with texts, calls of tools, or errors, one after the other."""

    model: str = "scripted"
    _script: list[Any] = PrivateAttr(default_factory=list)
    _is_native: bool = PrivateAttr(default=True)
    _asked: list[Any] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, *script: Any, is_native: bool = True, **fields: Any) -> None:
        super().__init__(**{"model": "scripted", **fields})
        self._script = list(script)
        self._is_native = is_native
        self._asked = []
        # Here too: in older releases the base is a plain class.
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: Any = None) -> ScriptedLLM:
        # Copies of a crew go on with the same script.
        return self

    __copy__ = __deepcopy__

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self._asked.append(messages)
            answer = self._script.pop(0) if self._script else "done"
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer

    async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return self.call(messages, *args, **kwargs)

    def supports_function_calling(self) -> bool:
        return self._is_native

    def supports_stop_words(self) -> bool:
        return False

    def get_context_window_size(self) -> int:
        return 100_000


def call(name: str, arguments: dict[str, Any], call_id: str = "c1") -> dict[str, Any]:
    """Return a call of a tool as a provider asks for it."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def words(name: str, arguments: dict[str, Any]) -> str:
    """Return a call of a tool as a model without such calls asks for it."""
    return f"Thought: I need it\nAction: {name}\nAction Input: {json.dumps(arguments)}"


def agent(*script: Any, role: str = "writer", **fields: Any) -> Agent:
    """Return an agent whose model answers with *script*."""
    is_native = fields.pop("is_native", True)
    llm = fields.pop("llm", None) or ScriptedLLM(*script, is_native=is_native)
    return Agent(role=role, goal="write", backstory="old hand", llm=llm, **fields)


def task(worker: Any = None, text: str = "Write a line", **fields: Any) -> Task:
    """Return a task of *worker*."""
    expected = fields.pop("expected_output", "a line")
    return Task(description=text, expected_output=expected, agent=worker, **fields)


def crew(*tasks: Task, **fields: Any) -> Crew:
    """Return a crew of the agents that *tasks* name."""
    agents = fields.pop("agents", None)
    if agents is None:
        agents = list({id(t.agent): t.agent for t in tasks if t.agent}.values())
    return Crew(agents=agents, tasks=list(tasks), **fields)


@contextmanager
def recorded(**settings: Any) -> Iterator[Callable[[], list[Event]]]:
    """Record a block; give a function that returns its events."""
    with capture_events(**settings) as events:
        yield events


@contextmanager
def served(replies: Any) -> Iterator[tuple[ModelServer, LLM]]:
    """Serve *replies*, one a request; give the server and a model that asks it."""
    with ModelServer(replies) as server:
        yield (
            server,
            LLM(model="openai/gpt-4o-mini", base_url=server.base_url, api_key="x"),
        )
