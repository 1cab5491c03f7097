"""Other frameworks that crews work with, in one process and in one trace."""

from __future__ import annotations

import asyncio
from typing import Any

from crewai.tools import tool

from loopback import ModelServer, Text
from tests.frameworks.crewai.scripted import agent, call, crew, recorded, task
from tests.support.trees import named, tree, tree_of


def test_a_tool_that_runs_an_agent_of_another_framework_has_it_inside() -> None:
    from agents import Agent, Runner
    from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel

    with ModelServer([Text("seven")]) as server, recorded() as events:

        @tool("count")
        def count(what: str) -> Any:
            """Count."""
            model = OpenAIChatCompletionsModel("gpt-x", server.client())
            counter = Agent(name="Counter", model=model)
            return asyncio.run(Runner.run(counter, what)).final_output

        worker = agent([call("count", {"what": "days"})], "seven days", tools=[count])
        assert crew(task(worker)).kickoff().raw == "seven days"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              TOOL count
                AGENT Counter
                  MODEL
              MODEL
            OUTPUT
        """
    )
    starts = named(events(), "AGENT_START")
    assert len({each["trace_id"] for each in starts}) == 1
    assert [each["metadata"]["framework"] for each in starts] == [
        "crewai",
        "crewai",
        "openai_agents",
    ]
