"""
Record CrewAI by wrapping the functions that do the work; its event bus fills in.

| CrewAI moment | events |
|---|---|
| `Crew.kickoff`, `akickoff`, `replay`, `train`, `test` | AGENT, INPUT, OUTPUT |
| `Task._execute_core`, `BaseAgent.execute_task`, `Agent.kickoff` | AGENT, RETRY |
| the next task is another agent's; a coworker is asked | AGENT_HANDOFF |
| `Flow.kickoff_async`, `resume_async`, each of their methods | AGENT, STATE_UPDATE |
| `BaseLLM.call`, `acall`, `InternalInstructor.to_pydantic` | MODEL_INVOCATION |
| CrewAI's loop after a rate limit | RETRY |
| a tool runs: for a native call, for one in words, alone | TOOL_CALL, ERROR, RETRY |
| a guardrail, a hook that aborts, a limit of a tool | POLICY_DECISION |
| a person is asked, and answers | POLICY_DECISION, INPUT_RECEIVED |
| memory, knowledge, a tool's cached answer | DATA_ACCESS, STATE_UPDATE |
| a plan, a checkpoint, a persisted state, a summary | STATE_UPDATE |
| a remote agent is asked (A2A) | AGENT_HANDOFF, AGENT |
| a wait for `max_rpm` | SYSTEM |

A crew and a flow are AGENT pairs around those of their agents. HTTP retries, MCP and
tenacity have integrations of their own. For crewai 1.11 to 1.15.

Not seen: retries inside the clients of other providers than OpenAI, raw answers of
models, tools that start threads without their context, why a task was skipped, and
what runs in other processes, as `crewai run` does or a remote agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chaukas.sdk.integrations.base import BaseIntegrationWrapper, Host
from chaukas.sdk.record import pricing

from .bus import Bus
from .flows import Flows
from .models import Models
from .remote import Remotes
from .runs import CrewRuns
from .state import FRAMEWORK
from .stores import Stores
from .tools import CrewTools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.patching import Patch

__all__ = ["CrewAIWrapper"]


class CrewAIWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for CrewAI."""

    name: ClassVar[str] = FRAMEWORK
    packages: ClassVar[tuple[str, ...]] = ("crewai", "openai", "litellm", "mcp")
    landmarks: ClassVar[tuple[str, ...]] = (
        "crewai.crew:Crew",
        "crewai.llms.base_llm:BaseLLM",
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        runs = CrewRuns(host)
        models, stores = Models(host, runs), Stores(host, runs)
        bus = Bus(host, runs, models, stores)
        groups = (
            runs,
            Flows(host, runs),
            models,
            CrewTools(host, runs),
            Remotes(host, runs),
            stores,
            bus,
        )
        # Made once, so that a second install recognises what is already in place.
        self._patches = [patch for group in groups for patch in group.patches()]

    def install(self) -> None:
        """Load the price list, and install every patch."""
        pricing.load()
        super().install()

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return self._patches
