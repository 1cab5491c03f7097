"""What is remembered of the run of any framework while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.record.context import Run
from chaukas.sdk.record.totals import Totals

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Pair

__all__ = ["AgentRun"]


class AgentRun(Run):
    """One run of agents, top-level or nested."""

    __slots__ = (
        "agent_count",
        "agent_pair",
        "agent_totals",
        "invocation",
        "known_schema",
        "known_system",
        "last_model",
        "retry_key",
        "turns",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **kwargs)
        self.agent_pair: Pair | None = None
        self.agent_totals = Totals()
        """Of the agent in force."""
        self.agent_count = 0
        self.turns = 0
        """Model calls of the agent in force."""
        # A `ModelCall` of any integration, which knows its own kind of them.
        self.invocation: Any = None
        """The model call that is open, or failed and not yet settled."""
        self.known_system = ""
        """Hash of the system text that was recorded last."""
        self.known_schema = ""
        """Hash of the output schema that was recorded last."""
        self.last_model = ""
        self.retry_key: Any = None

    def is_new_system(self, digest: str) -> bool:
        """Note a system text by its hash; tell whether it is to be recorded."""
        known, self.known_system = self.known_system, digest
        return known != digest

    def is_new_schema(self, digest: str) -> bool:
        """Note an output schema by its hash; tell whether it is to be recorded."""
        known, self.known_schema = self.known_schema, digest
        return known != digest
