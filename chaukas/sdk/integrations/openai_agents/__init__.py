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
from chaukas.sdk.integrations.openai_agents.compat.before_0_10 import Older
from chaukas.sdk.integrations.openai_agents.compat.fallback import (
    Fallback,
    groups_missing,
)
from chaukas.sdk.integrations.openai_agents.compat.hooks import SpanRecorder
from chaukas.sdk.integrations.openai_agents.compat.sandbox import SandboxMemory
from chaukas.sdk.integrations.openai_agents.mcp.wrap import MCPCalls
from chaukas.sdk.integrations.openai_agents.models.answers import Answers
from chaukas.sdk.integrations.openai_agents.models.retries import Retries
from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
from chaukas.sdk.integrations.openai_agents.realtime.wrap import Realtime
from chaukas.sdk.integrations.openai_agents.resume.suspended import Pauses
from chaukas.sdk.integrations.openai_agents.resume.wrap import Resumes
from chaukas.sdk.integrations.openai_agents.runs.runners import (
    BODIES,
    RUN_EVENTS,
    Runners,
)
from chaukas.sdk.integrations.openai_agents.runs.tracing import Tracing
from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs
from chaukas.sdk.integrations.openai_agents.stores.wrap import Stores
from chaukas.sdk.integrations.openai_agents.tools.approvals import Approvals
from chaukas.sdk.integrations.openai_agents.tools.policies import Policies
from chaukas.sdk.integrations.openai_agents.tools.wrap import Tools
from chaukas.sdk.integrations.openai_agents.voice.wrap import Voice
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import pricing

from .state import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OpenAIAgentsEnhancedWrapper", "Room"]

_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END")
_TOOL = ("TOOL_CALL_START", "TOOL_CALL_END")
_INSIDE_MODEL = (
    *_MODEL,
    *_TOOL,
    "MCP_CALL_START",
    "MCP_CALL_END",
    "DATA_ACCESS",
    "ERROR",
    "OUTPUT_EMITTED",
    "POLICY_DECISION",
)
"""Of a model call: its own, those of hosted tools, and its pieces."""


class Room(Protocol):
    """A part of the SDK with wrappers of its own, and the list of its patches."""

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
        self._retries = Retries(host)
        pauses = Pauses(host)
        approvals = Approvals(host, pauses)
        self._runs = Runs(host, self._models, pauses, approvals)
        self._tools = Tools(host, approvals)
        self._policies = Policies(host, self._runs)
        self._rooms: tuple[Room, ...] = (
            Runners(self._runs),
            Answers(),
            approvals,
            Resumes(host, pauses),
            Older(self._tools, self._policies),
            Stores(host),
            MCPCalls(host),
            Realtime(
                host,
                self._runs,
                self._models,
                self._tools,
                self._policies,
                approvals,
            ),
            Voice(host, self._runs, self._models),
            SandboxMemory(),
            Tracing(host),
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
            fallback = Fallback(groups, self._models, self._tools, self._policies)
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
        return (
            *self._run_patches(),
            *self._model_patches(),
            *self._tool_patches(),
            *self._policy_patches(),
            *(patch for room in self._rooms for patch in room.patches()),
        )

    def _run_patches(self) -> Sequence[Patch]:
        runs = self._runs
        return (
            Patch("agents.run:AgentRunner.run", runs.run, RUN_EVENTS, subclasses=True),
            Patch(
                "agents.run:AgentRunner.run_streamed",
                runs.run_streamed,
                RUN_EVENTS,
                subclasses=True,
            ),
        )

    def _model_patches(self) -> Sequence[Patch]:
        models, retries = self._models, self._retries
        interface = "agents.models.interface:Model"
        retry = "agents.run_internal.model_retry"
        client = "openai._base_client"
        return (
            Patch(
                f"{interface}.get_response",
                models.get_response,
                _INSIDE_MODEL,
                subclasses=True,
            ),
            Patch(
                f"{interface}.stream_response",
                models.stream_response,
                _INSIDE_MODEL,
                subclasses=True,
            ),
            Patch(
                f"{retry}:get_response_with_retry",
                models.get_response_with_retry,
                _MODEL,
                everywhere=True,
                min_version="0.12",
            ),
            Patch(
                f"{retry}:stream_response_with_retry",
                models.stream_response_with_retry,
                _MODEL,
                everywhere=True,
                min_version="0.12",
            ),
            Patch(
                f"{retry}:_sleep_for_retry",
                models.runner_sleep,
                ("RETRY",),
                everywhere=True,
                min_version="0.12",
            ),
            Patch(
                f"{client}:AsyncAPIClient._sleep_for_retry",
                retries.http_sleep,
                ("RETRY",),
            ),
            Patch(
                f"{client}:SyncAPIClient._sleep_for_retry",
                retries.http_sleep_sync,
                ("RETRY",),
            ),
        )

    def _tool_patches(self) -> Sequence[Patch]:
        tools = self._tools
        execution = "agents.run_internal.tool_execution"
        actions = "agents.run_internal.tool_actions"
        return (
            Patch(
                f"{execution}:_FunctionToolBatchExecutor._invoke_tool_and_run_post_invoke",
                tools.invoke_function,
                (*_TOOL, "ERROR", "DATA_ACCESS"),
                min_version="0.10.4",
            ),
            Patch(
                "agents.tool:maybe_invoke_function_tool_failure_error_function",
                tools.format_failure,
                ("ERROR",),
                everywhere=True,
                min_version="0.10.4",
            ),
            Patch(
                "agents.exceptions:ToolTimeoutError.__init__",
                tools.timeout_made,
                ("ERROR",),
                min_version="0.9",
            ),
            *(
                Patch(
                    f"{actions}:{name}.execute",
                    tools.execute_action,
                    (*_TOOL, "ERROR"),
                    min_version=version,
                )
                for name, version in (
                    ("ComputerAction", "0.8"),
                    ("ShellAction", "0.8"),
                    ("LocalShellAction", "0.8"),
                    ("ApplyPatchAction", "0.8"),
                    ("CustomToolAction", "0.14"),
                )
            ),
            Patch(
                f"{execution}:format_shell_error",
                tools.failure_formatted,
                ("ERROR",),
                everywhere=True,
                min_version="0.8",
            ),
            Patch(
                "agents.run_context:RunContextWrapper._mark_tool_invocation_executed",
                tools.action_started,
                _TOOL,
            ),
        )

    def _policy_patches(self) -> Sequence[Patch]:
        policies = self._policies
        decision = ("POLICY_DECISION",)
        return (
            *(
                Patch(f"agents.guardrail:{name}.run", policies.guardrail, decision)
                for name in ("InputGuardrail", "OutputGuardrail")
            ),
            *(
                Patch(
                    f"agents.tool_guardrails:{name}.run",
                    policies.tool_guardrail,
                    decision,
                )
                for name in ("ToolInputGuardrail", "ToolOutputGuardrail")
            ),
            Patch(
                "agents.run_internal.tool_execution:execute_computer_actions",
                policies.computer_actions,
                decision,
                everywhere=True,
                min_version="0.8",
            ),
            Patch(
                "agents.tool:ComputerToolSafetyCheckData.__init__",
                policies.safety_check_asked,
                decision,
            ),
            Patch(
                "agents.run_internal.error_handlers:resolve_run_error_handler_result",
                policies.error_handler,
                ("ERROR",),
                everywhere=True,
                min_version="0.8",
            ),
            Patch(
                "agents.run_internal.turn_resolution:execute_handoffs",
                policies.handoff,
                ("AGENT_HANDOFF",),
                everywhere=True,
                min_version="0.8",
            ),
        )

    def _end_session(self) -> bool:
        """
        End the session in force, as `chaukas.end_session()` does.

        Early documents use this name; `installed()` returns the wrapper.
        """
        return self.host.sessions.end(None)
