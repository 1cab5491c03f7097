"""MCP servers of crews, through CrewAI's client and through its adapter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.frameworks.crewai.scripted import agent, call, crew, recorded, task
from tests.support.trees import tree, tree_of

STATION = Path(__file__).with_name("mcp_station.py")


def test_tools_of_a_server_have_their_calls_inside() -> None:
    from crewai.mcp import MCPServerStdio

    server = MCPServerStdio(command=sys.executable, args=[str(STATION)])
    with recorded() as events:
        worker: Any = agent(role="w", mcps=[server])
        names = [each.name for each in worker.get_mcp_tools([server])]
    weather = next(name for name in names if name.endswith("weather"))
    radar = next(name for name in names if name.endswith("radar"))
    assert events()
    with recorded() as events:
        worker = agent(
            [call(weather, {"city": "Lisbon"})],
            [call(radar, {"city": "Lisbon"}, "c2")],
            "sunny",
            mcps=[server],
        )
        crew(task(worker)).kickoff()
    # mcp 1 lists the tools again at the first call, to check the answer's form.
    assert tree_of(events()) == tree(
        f"""
        SESSION
          AGENT crew
            INPUT
            MCP initialize
            MCP tools/list
            AGENT writer
              MODEL
              TOOL {weather}
                MCP initialize
                MCP tools/call
                  MCP tools/list
              MODEL
              TOOL {radar} FAILED
                MCP initialize
                MCP tools/call FAILED
                  ERROR MCPToolError recoverable
              MODEL
            OUTPUT
        """
    )


def test_tools_of_an_adapter_have_their_calls_inside() -> None:
    from mcp import StdioServerParameters
    from mcpadapt.core import MCPAdapt
    from mcpadapt.crewai_adapter import CrewAIAdapter

    station = StdioServerParameters(command=sys.executable, args=[str(STATION)])
    with recorded() as events, MCPAdapt(station, CrewAIAdapter()) as tools:
        worker = agent(
            [call("weather", {"city": "Lisbon"})],
            [call("radar", {"city": "Lisbon"}, "c2")],
            "sunny",
            tools=tools,
        )
        crew(task(worker)).kickoff()
    # The adapter hands the text of a failure on as any other.
    assert tree_of(events()) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/list x2
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              TOOL weather
                MCP tools/call
              MODEL
              TOOL radar
                MCP tools/call FAILED
                  ERROR MCPToolError recoverable
              MODEL
            OUTPUT
        """
    )
