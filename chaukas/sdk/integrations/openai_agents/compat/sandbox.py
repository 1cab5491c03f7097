"""
Keep the runs by which a sandbox makes its memory apart from the run that it serves.

They happen while that run is being cleaned up, or later, and are no part of what it
did: trees of their own in its session, marked as background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.state import BACKGROUND, Background
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SCOPE, SessionScope, reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.record.context import Session

__all__ = ["SandboxMemory"]

_EMITS = ("AGENT_START", "AGENT_END", "INPUT_RECEIVED", "OUTPUT_EMITTED")


class SandboxMemory:
    """Wraps the making of memories when a sandbox session closes."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        manager = "agents.sandbox.memory.manager:SandboxMemoryGenerationManager"
        return (
            Patch(
                f"{manager}.flush",
                self.flush,
                _EMITS,
                min_version="0.14",
                post_import=True,
                optional=True,
            ),
        )

    async def flush(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `SandboxMemoryGenerationManager.flush`, which runs two agents."""
        node = CURRENT.get()
        hides = node is not None and node.run.hide_content
        mark = BACKGROUND.set(Background("sandbox_memory", hides_content=hides))
        scope = SCOPE.get()
        if scope is None and node is not None:
            scope = _scope_of(node.run.session)
        scoped = SCOPE.set(scope)
        token = CURRENT.set(None)
        try:
            return await wrapped(*args, **kwargs)
        finally:
            reset(token)
            reset(scoped)
            reset(mark)


def _scope_of(session: Session) -> SessionScope:
    return SessionScope(session.session_id, session.tenant_id, session.project_id)
