"""
Record the OpenAI Agents SDK by patching the functions that know most.

| SDK moment | events |
|---|---|
| `AgentRunner.run`, `run_streamed` | SESSION, AGENT, INPUT_RECEIVED, OUTPUT_EMITTED |
| `Model.get_response`, `stream_response` | MODEL_INVOCATION |
| sleeps before a retry (client, runner) | RETRY |
| executors of tools | TOOL_CALL, ERROR |
| `execute_handoffs` | AGENT_HANDOFF |
| guardrails, approvals | POLICY_DECISION |
| `RunState` saved, restored, given input | STATE_UPDATE |
| methods of MCP servers, and their retries | MCP_CALL, DATA_ACCESS, RETRY |
| sessions, server-managed conversations | DATA_ACCESS, STATE_UPDATE |
| `trace()`, `custom_span()` | AGENT_START names the workflow; SYSTEM |

Every event is described in docs/EVENTS.md. Written for openai-agents 0.24; what an
earlier or later release lacks falls back, hook by hook, to the public interfaces of
`chaukas.sdk.integrations.openai_agents.compat.hooks`, and SYSTEM says so.

Not seen, because no code of the SDK runs then: the inside of hosted tools beyond
what the response tells, and models called past the `Model` interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from chaukas.sdk.integrations.base import BaseIntegrationWrapper, Host
from chaukas.sdk.integrations.openai_agents.compat.before_0_10 import OldHooks
from chaukas.sdk.integrations.openai_agents.compat.fallback import (
    Fallback,
    groups_missing,
)
from chaukas.sdk.integrations.openai_agents.compat.hooks import SpanRecorder
from chaukas.sdk.integrations.openai_agents.compat.sandbox import SandboxMemory
from chaukas.sdk.integrations.openai_agents.mcp.wrap import MCPCalls
from chaukas.sdk.integrations.openai_agents.models.answers import Answers
from chaukas.sdk.integrations.openai_agents.models.patches import ModelPatches
from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
from chaukas.sdk.integrations.openai_agents.realtime.wrap import Realtime
from chaukas.sdk.integrations.openai_agents.resume.suspended import SuspendedRuns
from chaukas.sdk.integrations.openai_agents.resume.wrap import Resumes
from chaukas.sdk.integrations.openai_agents.runs.error_handlers import ErrorHandlers
from chaukas.sdk.integrations.openai_agents.runs.handoffs import Handoffs
from chaukas.sdk.integrations.openai_agents.runs.runners import BODIES, Runners
from chaukas.sdk.integrations.openai_agents.runs.tracing import Tracing
from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs
from chaukas.sdk.integrations.openai_agents.stores.wrap import Stores
from chaukas.sdk.integrations.openai_agents.tools.approvals import Approvals
from chaukas.sdk.integrations.openai_agents.tools.guardrails import Guardrails
from chaukas.sdk.integrations.openai_agents.tools.safety_checks import SafetyChecks
from chaukas.sdk.integrations.openai_agents.tools.wrap import Tools
from chaukas.sdk.integrations.openai_agents.voice.wrap import Voice
from chaukas.sdk.record import pricing

from .state import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.patching import Patch

__all__ = ["Group", "OpenAIAgentsEnhancedWrapper"]


class Group(Protocol):
    """Wrappers around one part of the SDK, and the list of their patches."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        ...


class OpenAIAgentsEnhancedWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for openai-agents."""

    name: ClassVar[str] = FRAMEWORK
    packages: ClassVar[tuple[str, ...]] = ("openai-agents", "openai", "mcp")
    landmarks: ClassVar[tuple[str, ...]] = (
        "agents.run:AgentRunner",
        "agents.models.interface:Model",
    )

    _installed: ClassVar[OpenAIAgentsEnhancedWrapper | None] = None

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._models = ModelCalls(host)
        pauses = SuspendedRuns(host)
        approvals = Approvals(host, pauses)
        self._runs = runs = Runs(host, self._models.settle, pauses, approvals)
        self._tools = tools = Tools(host, approvals)
        self._handoffs = Handoffs(runs)
        self._groups: tuple[Group, ...] = (
            runs,
            ModelPatches(self._models),
            tools,
            Guardrails(host),
            SafetyChecks(host),
            ErrorHandlers(host),
            self._handoffs,
            Runners(runs),
            Answers(),
            approvals,
            Resumes(host, pauses),
            OldHooks(tools, self._handoffs),
            Stores(host),
            MCPCalls(host),
            Realtime(host, runs, self._models, tools, self._handoffs, approvals),
            Voice(host, runs, self._models),
            SandboxMemory(),
            Tracing(host, self.patcher.install_rest),
        )
        self._fallbacks: dict[str, str] = {}
        self._spans: SpanRecorder | None = None

    @classmethod
    def installed(cls) -> OpenAIAgentsEnhancedWrapper | None:
        """Return the one that records in this process; None while none does."""
        return cls._installed

    def install(self) -> None:
        """Load the price list, install every patch, and see what fell back."""
        pricing.load()
        super().install()
        OpenAIAgentsEnhancedWrapper._installed = self
        self._fallbacks = groups_missing(self.missing())
        groups = set(self._fallbacks.values())
        if "run" in groups and not set(BODIES) & self._active():
            # Without a run to patch there is none to give hooks to either.
            self._spans = SpanRecorder(self.host)
            self._add_processor(self._spans)
        elif groups:
            fallback = Fallback(groups, self._models, self._tools, self._handoffs)
            self._runs.fallback = fallback

    def _active(self) -> set[str]:
        outcomes = self.patcher.outcomes
        return {target for target, outcome in outcomes.items() if outcome == "active"}

    def _add_processor(self, processor: SpanRecorder) -> None:
        from agents.tracing import add_trace_processor

        add_trace_processor(cast("Any", processor))

    def uninstall(self) -> None:
        """Put every original back."""
        super().uninstall()
        OpenAIAgentsEnhancedWrapper._installed = None
        self._runs.fallback = None
        if self._spans is not None:
            self._spans.is_enabled = False

    def state(self) -> Mapping[str, Any]:
        """Return versions and hook points: active, fallen back, missing."""
        state = dict(super().state())
        hooks: dict[str, list[str]] = dict(state["hooks"])
        fallen = sorted(self._fallbacks)
        if fallen:
            hooks["fallback"] = fallen
            lost = [name for name in hooks.get("missing", ()) if name not in fallen]
            hooks["missing"] = lost
        state["hooks"] = {name: found for name, found in hooks.items() if found}
        return state

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return [patch for group in self._groups for patch in group.patches()]

    def _end_session(self) -> bool:
        """
        End the session in force, as `chaukas.end_session()` does.

        Early documents use this name; `installed()` returns the wrapper.
        """
        return self.host.sessions.end(None)
