"""Know the saved states of the SDK again: by what they wait for, or what they say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.runs.facts import (
    hides_content,
    key_of_state,
    session_id_of_state,
    trace_id_of_state,
)
from chaukas.sdk.integrations.openai_agents.state import FRAMEWORK
from chaukas.sdk.integrations.shared import suspended
from chaukas.sdk.integrations.shared.suspended import (
    RunOrigin,
    SuspendedRun,
    in_session_of,
    suspended_run_of,
)

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host

__all__ = [
    "RunOrigin",
    "SuspendedRun",
    "SuspendedRuns",
    "in_session_of",
    "suspended_run_of",
]


class SuspendedRuns(suspended.SuspendedRuns):
    """
    The memory of all runs of the SDK that may go on later.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host, FRAMEWORK, partial(hides_content, None))

    def save_state(self, state: Any, pause: SuspendedRun) -> None:
        """Remember *pause* for states that are restored from the JSON of *state*."""
        self.save(key_of_state(state), pause)

    def recognise_state(self, state: Any) -> SuspendedRun | None:
        """Return what is remembered of the state that *state* was restored from."""
        return self.recognise(key_of_state(state))

    def learn_from(self, state: Any) -> SuspendedRun:
        """Return what *state* itself says, a state of unknown origin."""
        return self.learn(trace_id_of_state(state), session_id_of_state(state))
