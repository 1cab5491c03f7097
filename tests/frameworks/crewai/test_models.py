"""Models of CrewAI itself and of litellm: asked, answered, counted, repeated."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from crewai import LLM
from pydantic import BaseModel

from loopback import Call, Fail, ModelServer, Text, ToolCalls
from tests.frameworks.crewai.scripted import agent, crew, recorded, served, task
from tests.frameworks.crewai.test_tools import add
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = tree(
    """
    SESSION
      AGENT crew
        INPUT
        AGENT writer
          MODEL
        OUTPUT
    """
)


class Colour(BaseModel):
    name: str


def test_an_answer_that_the_provider_cannot_read_is_asked_for_again() -> None:
    replies = [Text("blue, I think"), Text('{"name": "blue"}')]
    with recorded() as events, served(replies) as (server, llm):
        done = crew(task(agent(llm=llm), output_pydantic=Colour)).kickoff()
    assert done.pydantic == Colour(name="blue")
    assert len(server.requests) == 2
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL FAILED
                ERROR ValidationError recoverable
              RETRY agent 1/2
              MODEL
            OUTPUT
        """
    )


@contextmanager
def litellm(*replies: Any, stream: bool = False) -> Iterator[tuple[ModelServer, LLM]]:
    """Serve *replies*; give the server, and a model that litellm asks."""
    with ModelServer(replies) as server:
        llm = LLM(
            model="openai/gpt-4o-mini",
            base_url=server.base_url,
            api_key="x",
            is_litellm=True,
            stream=stream,
        )
        assert type(llm).__module__ == "crewai.llm"
        yield server, llm


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_of_litellm_is_the_same_tree(stream: bool) -> None:
    with (
        recorded() as events,
        litellm(Text("It is blue"), stream=stream) as (server, llm),
    ):
        assert crew(task(agent(llm=llm))).kickoff().raw == "It is blue"
    assert len(server.requests) == 1
    assert tree_of(events()) == ONE
    model = only(events(), "MODEL_INVOCATION_END")["llm_invocation"]
    assert model["response"] == {"text": "It is blue"}
    assert model["total_tokens"] > 0
    assert ("chunk_count" in model) is stream


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_a_model_of_litellm_asks_for_is_one_tool(stream: bool) -> None:
    replies = ToolCalls(Call("add", {"a": 1, "b": 2})), Text("three")
    with recorded() as events, litellm(*replies, stream=stream) as (_, llm):
        assert crew(task(agent(llm=llm, tools=[add]))).kickoff().raw == "three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              TOOL add
              MODEL
            OUTPUT
        """
    )
    first, last = (
        each["llm_invocation"] for each in named(events(), "MODEL_INVOCATION_END")
    )
    (asked,) = first["response"]["tool_calls"]
    assert (asked["name"], asked["arguments"]) == ("add", {"a": 1, "b": 2})
    assert last["response"] == {"text": "three"}
    assert first["total_tokens"] > 0
    # CrewAI itself does not read the id of a streamed call.
    assert (asked["id"] != "") is not stream


def test_retries_of_litellm_are_those_of_the_client_below() -> None:
    replies = Fail(429, headers={"retry-after-ms": "50"}), Fail(500), Text("It is blue")
    with recorded() as events, litellm(*replies) as (server, llm):
        assert crew(task(agent(llm=llm))).kickoff().raw == "It is blue"
    assert len(server.requests) == 3
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
                RETRY http 1/2
                RETRY http 2/2
            OUTPUT
        """
    )
    first, second = (each["retry"] for each in named(events(), "RETRY"))
    assert first["backoff_ms"] >= 50
    assert second["backoff_ms"] >= 400
