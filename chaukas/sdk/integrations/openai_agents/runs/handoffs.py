"""Record handoffs from one agent to another: from whom, to whom, why, with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.facts import agent_ref, arguments_of
from chaukas.sdk.integrations.openai_agents.state import AgentsRun, current_run
from chaukas.sdk.integrations.shared.read import read, read_text
from chaukas.sdk.patching import Patch
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .wrap import Runs

__all__ = ["Handoffs"]


class Handoffs:
    """
    Wraps the execution of handoffs.

    Args:
        runs: Ends one agent and starts the other.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(
                "agents.run_internal.turn_resolution:execute_handoffs",
                self.executed,
                ("AGENT_HANDOFF",),
                everywhere=True,
                min_version="0.8",
            ),
        )

    async def executed(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the execution of the handoffs of one turn, of which one counts."""
        run = current_run()
        result = await wrapped(*args, **kwargs)
        if run is not None:
            attempt("execute_handoffs", self._hand_off, run, kwargs, result)
        return result

    def _hand_off(self, run: AgentsRun, kwargs: dict[str, Any], result: Any) -> None:
        new_agent = result.next_step.new_agent
        self.note(run, new_agent, kwargs, result)
        self._runs.hand_off(run, new_agent)

    def handed_off_by_hook(self, run: AgentsRun, new_agent: Any) -> None:
        """Record a handoff with what `on_handoff` tells."""
        self.note(run, new_agent, {})
        self._runs.hand_off(run, new_agent)

    def note(
        self,
        run: AgentsRun,
        new_agent: Any,
        kwargs: dict[str, Any],
        result: Any = None,
    ) -> None:
        """
        Record the AGENT_HANDOFF, while the old agent goes on.

        Args:
            run: The run.
            new_agent: Who takes over.
            kwargs: Of `execute_handoffs`: `run_handoffs`, `run_config`.
            result: What that returned.
        """
        planned = kwargs.get("run_handoffs") or []
        first = planned[0] if planned else None
        tool_call = getattr(first, "tool_call", None)
        handoff = getattr(first, "handoff", None)
        data: dict[str, Any] = {
            "arguments": arguments_of(getattr(tool_call, "arguments", None)),
            "tool_call_id": read_text(tool_call, "call_id"),
        }
        if getattr(result, "handoff_input_filtered", False) or (
            getattr(handoff, "input_filter", None) is not None
        ):
            data["input_filtered"] = True
        elif _nests_history(handoff, kwargs.get("run_config")):
            data["history_nested"] = True
        data["ignored_handoffs"] = [
            getattr(item.handoff, "agent_name", "") for item in planned[1:]
        ]
        self._runs.shared.note_handoff(
            run,
            agent_ref(new_agent),
            reason=read_text(handoff, "tool_name"),
            data={name: value for name, value in data.items() if value},
        )


def _nests_history(handoff: Any, run_config: Any) -> bool:
    """Tell whether the history becomes one message for the next agent."""
    own = getattr(handoff, "nest_handoff_history", None)
    if own is None:
        own = read(run_config, "nest_handoff_history")
    return own is True
