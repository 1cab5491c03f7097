"""
Record Google's Agent Development Kit by patching the functions that know most.

| ADK moment | events |
|---|---|
| `Runner.run_async`, `run_live` | SESSION, INPUT_RECEIVED, OUTPUT_EMITTED |
| `run_async` of an agent, a workflow | AGENT |
| `BaseLlm.generate_content_async` | MODEL_INVOCATION, hosted TOOL_CALL, DATA_ACCESS |
| a tool's call with its callbacks | TOOL_CALL, ERROR, AGENT_HANDOFF |
| callbacks and plugins that answer, confirmations, credentials | POLICY_DECISION |
| nodes of workflows, tasks that are delegated | TOOL_CALL, RETRY |
| live connections | INPUT_RECEIVED, MODEL_INVOCATION |
| sessions, memory, artifacts | DATA_ACCESS, STATE_UPDATE |

For google-adk 1.10 to 2.13. ADK loads most of its modules when it needs them, and
they are patched then: nothing of it is imported by chaukas.

Not seen: why a callback answered (a guardrail and a cache look the same); the value
that a key of the state had before; the id that Gemini gave its answer; what remote
agents and hosted tools do inside; models that are called past `BaseLlm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chaukas.sdk.integrations.base import BaseIntegrationWrapper, Host
from chaukas.sdk.integrations.shared.runs import Runs
from chaukas.sdk.record import pricing

from .agents import Agents
from .callbacks import Callbacks
from .live import LiveCalls
from .mcp import MCPServers
from .models import Models
from .retries import Retries
from .runs import RunnerCalls
from .state import FRAMEWORK
from .stores import Stores
from .tools import ToolHooks
from .workflow import Workflows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.patching import Patch

__all__ = ["GoogleADKWrapper"]


class GoogleADKWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for google-adk."""

    name: ClassVar[str] = FRAMEWORK
    packages: ClassVar[tuple[str, ...]] = ("google-adk", "google-genai")
    landmarks: ClassVar[tuple[str, ...]] = (
        "google.adk.runners:Runner",
        "google.adk.agents.base_agent:BaseAgent",
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        models = Models(host)
        runs = Runs(host, FRAMEWORK, models.settle)
        callbacks = Callbacks(host, runs)
        agents = Agents(host, runs, models, callbacks)
        calls = RunnerCalls(host, runs, agents, callbacks)
        tools = ToolHooks(host, runs)
        self._parts = (
            calls,
            agents,
            models,
            tools,
            Workflows(host, agents, tools),
            Stores(host, calls),
            Retries(host),
            MCPServers(host),
            LiveCalls(host, runs, models),
        )

    def install(self) -> None:
        """Load the price list, and install every patch."""
        pricing.load()
        super().install()

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return [patch for part in self._parts for patch in part.patches()]
