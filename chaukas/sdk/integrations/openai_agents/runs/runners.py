"""
Record runs that do not come by way of `AgentRunner.run`.

Another package may have put its own function on the default runner, around a method
that it took before chaukas came; so may an application that keeps one. What such a
function calls in the end is the body of the run, and that is seen here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.state import AgentsRun, attempt
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, reset

from .wrap import RUN_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .wrap import Runs

__all__ = ["BODIES", "Runners", "tell_unseen"]

_LOGGER = logging.getLogger("chaukas.sdk")
_is_told = False

_SDK_MODULE = "agents.run"
_BODY = "agents.run:AgentRunner._run_impl"
_STREAMING = "agents.run_internal.run_loop:start_streaming"
_OLD_STREAMING = "agents.run:AgentRunner._start_streaming"
BODIES = (_BODY, _STREAMING, _OLD_STREAMING)
"""Hook points that see a run although `AgentRunner.run` was not."""
_OPTIONS = (
    "run_config",
    "hooks",
    "session",
    "conversation_id",
    "previous_response_id",
    "max_turns",
)


def tell_unseen() -> None:
    """Say once that a runner works whose run was not seen to begin."""
    global _is_told
    if _is_told or CURRENT.get() is not None or SUPPRESSED.get():
        return
    _is_told = True
    _LOGGER.warning(
        "chaukas: an agent run began before chaukas was enabled, or by a function that"
        " was taken from its runner before: only its model calls are recorded. Call"
        " enable_chaukas() earlier, before other modules are imported."
    )


class Runners:
    """
    Wrappers around what stands on the default runner, and around bodies of runs.

    Args:
        runs: Records runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        runs = self._runs
        default = "agents.run:DEFAULT_AGENT_RUNNER"
        return (
            Patch(
                f"{default}.run",
                runs.run,
                RUN_EVENTS,
                on_object=True,
                optional=True,
            ),
            Patch(
                f"{default}.run_streamed",
                runs.run_streamed,
                RUN_EVENTS,
                on_object=True,
                optional=True,
            ),
            Patch(
                _BODY,
                self.body,
                RUN_EVENTS,
                optional=True,
                min_version="0.21",
            ),
            Patch(
                _STREAMING,
                self.streaming,
                RUN_EVENTS,
                everywhere=True,
                optional=True,
                min_version="0.8",
            ),
            Patch(
                _OLD_STREAMING,
                self.streaming,
                RUN_EVENTS,
                instead_of=_STREAMING,
            ),
        )

    def body(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what `AgentRunner.run` calls to do its work."""
        if _is_announced():
            # The coroutine itself, without one of ours around it.
            return wrapped(*args, **kwargs)

        async def go_on(*given: Any, **options: Any) -> Any:
            _is_announced()
            return await wrapped(*given, **options)

        # It is the SDK's own that follows, and no runner of the application.
        go_on.__module__ = _SDK_MODULE
        return self._runs.run(go_on, instance, args, kwargs)

    async def streaming(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what `AgentRunner.run_streamed` leaves to a task."""
        if _is_announced():
            return await wrapped(*args, **kwargs)
        before = CURRENT.get()
        token = CURRENT.set(before)
        attempt("start_streaming", self._begin_stream, kwargs)
        try:
            return await wrapped(*args, **kwargs)
        finally:
            reset(token)

    def _begin_stream(self, kwargs: dict[str, Any]) -> None:
        """Begin the run of this task, which its result already knows."""
        result = kwargs.get("streamed_result")
        task = getattr(result, "run_loop_task", None)
        if task is None and getattr(result, "_run_impl_task", None) is None:
            # Begun at once, before its result has a task to watch.
            return
        is_resumed = kwargs.get("is_resumed_state") is True
        given = kwargs.get("run_state" if is_resumed else "starting_input")
        options = {name: kwargs[name] for name in _OPTIONS if name in kwargs}
        begun: list[Any] = []

        def started(*_args: Any, **told: Any) -> Any:
            _is_announced()
            begun.append(CURRENT.get())
            if "hooks" in told:
                kwargs["hooks"] = told["hooks"]
            return result

        started.__module__ = _SDK_MODULE
        arguments = (kwargs.get("starting_agent"), given)
        self._runs.run_streamed(started, None, arguments, options)
        CURRENT.set(begun[0])


def _is_announced() -> bool:
    """Tell whether the run that begins here was seen to begin; only its body is."""
    node = CURRENT.get()
    run = None if node is None or node.kind != "agent" else node.run
    if not isinstance(run, AgentsRun) or not run.is_body_pending:
        return False
    run.is_body_pending = False
    return not run.is_ended
