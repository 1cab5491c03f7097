"""
A small agent framework, as others write them: what an integration has to record.

It knows nothing of chaukas. Agents have a model, tools and agents to hand over to;
a runner works synchronously, asynchronously or as a stream; a model retries what a
provider refuses for the moment.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

RETRIES = 2
TURNS = 8


class RefusedError(Exception):
    """The provider asks to be left alone for a while."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.status_code = 429


class TooManyTurnsError(Exception):
    """The agents did not come to an end."""


@dataclass
class Call:
    """A tool that a model asks for."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    call_id: str = ""


@dataclass
class Usage:
    """Tokens of one answer."""

    tokens_in: int = 0
    tokens_out: int = 0


@dataclass
class Answer:
    """What a model answers."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    id: str = ""


@dataclass
class Tool:
    """A function that a model may ask for."""

    name: str
    function: Callable[..., Any]

    def invoke(self, call: Call) -> str:
        """Run the function."""
        return str(self.function(**call.arguments))


@dataclass
class Model:
    """A scripted model: answers, errors to raise, or lists of pieces to stream."""

    name: str
    script: list[Any]
    temperature: float = 0.0

    def complete(self, messages: list[dict[str, Any]], system: str) -> Answer:
        """Answer, with retries."""
        for attempt in range(RETRIES + 1):
            try:
                return self._request(messages, system)
            except RefusedError as error:
                if attempt == RETRIES:
                    raise
                self._sleep(attempt + 1, error)
        raise AssertionError

    async def acomplete(self, messages: list[dict[str, Any]], system: str) -> Answer:
        """Answer, with retries."""
        await asyncio.sleep(0)
        return self._request(messages, system)

    def stream(self, messages: list[dict[str, Any]], system: str) -> Iterator[Any]:
        """Yield pieces of text, and at last the answer."""
        answer = self._request(messages, system)
        yield from answer.text.split()
        yield answer

    def _request(self, _messages: list[dict[str, Any]], _system: str) -> Answer:
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    def _sleep(self, attempt: int, _error: RefusedError) -> None:
        time.sleep(0 * attempt)


@dataclass
class Agent:
    """Somebody with a task."""

    name: str
    model: Model
    instructions: str = ""
    tools: list[Tool] = field(default_factory=list)
    others: list[Agent] = field(default_factory=list)


class Runner:
    """Goes on until an agent answers without asking for anything."""

    def __init__(self, thread_id: str | None = None) -> None:
        self.thread_id = thread_id
        self.messages: list[dict[str, Any]] = []

    def run(self, agent: Agent, text: str) -> str:
        """Return the last answer."""
        self.messages.append({"role": "user", "content": text})
        for _ in range(TURNS):
            answer = agent.model.complete(self.messages, agent.instructions)
            if not answer.calls:
                return self._answered(answer)
            agent = self._work(agent, answer)
        raise TooManyTurnsError(f"no answer after {TURNS} turns")

    async def arun(self, agent: Agent, text: str) -> str:
        """Return the last answer."""
        self.messages.append({"role": "user", "content": text})
        for _ in range(TURNS):
            answer = await agent.model.acomplete(self.messages, agent.instructions)
            if not answer.calls:
                return self._answered(answer)
            agent = await asyncio.to_thread(self._work, agent, answer)
        raise TooManyTurnsError(f"no answer after {TURNS} turns")

    def stream(self, agent: Agent, text: str) -> Iterator[str]:
        """Yield the pieces of all answers."""
        self.messages.append({"role": "user", "content": text})
        for _ in range(TURNS):
            answer = Answer()
            for piece in agent.model.stream(self.messages, agent.instructions):
                if isinstance(piece, Answer):
                    answer = piece
                else:
                    yield piece
            if not answer.calls:
                self._answered(answer)
                return
            agent = self._work(agent, answer)

    async def astream(self, agent: Agent, text: str) -> AsyncIterator[str]:
        """Yield the pieces of the answer of one agent."""
        self.messages.append({"role": "user", "content": text})
        answer = await agent.model.acomplete(self.messages, agent.instructions)
        for word in answer.text.split():
            yield word
        self._answered(answer)

    def _answered(self, answer: Answer) -> str:
        self.messages.append({"role": "assistant", "content": answer.text})
        return answer.text

    def _work(self, agent: Agent, answer: Answer) -> Agent:
        """Run the tools that *answer* asks for, side by side; maybe hand over."""
        asked = [{"name": c.name, "arguments": c.arguments} for c in answer.calls]
        self.messages.append({"role": "assistant", "calls": asked})
        tools = {tool.name: tool for tool in agent.tools}
        others = {other.name: other for other in agent.others}
        for call in answer.calls:
            if call.name in others:
                return self._hand_over(agent, others[call.name])
        with ThreadPoolExecutor(max_workers=4) as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, tools[c.name].invoke, c)
                for c in answer.calls
            ]
        for call, future in zip(answer.calls, futures, strict=True):
            text = future.result()
            self.messages.append({"role": "tool", "name": call.name, "content": text})
        return agent

    def _hand_over(self, _agent: Agent, other: Agent) -> Agent:
        return other
