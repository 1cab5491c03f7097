"""Record errors that the application's `error_handlers` made a result of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.state import current_run
from chaukas.sdk.patching import Patch
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ErrorHandlers"]


class ErrorHandlers(Part):
    """Wraps the resolution of `error_handlers`."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(
                "agents.run_internal.error_handlers:resolve_run_error_handler_result",
                self.resolved,
                ("ERROR",),
                everywhere=True,
                min_version="0.8",
            ),
        )

    async def resolved(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Record the error that was asked about: a result means handled."""
        result = await wrapped(*args, **kwargs)
        run = current_run()
        error = kwargs.get("error")
        if run is not None and result is not None and isinstance(error, Exception):
            attempt(
                "error_handlers",
                self._recorder.error,
                run,
                error,
                run.agent_span_id,
                recoverable=True,
                recovery_action="handled by the application's error handler",
            )
        return result
