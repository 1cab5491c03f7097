"""
Record saved states: made, saved, restored, given more input.

A state is how a run outlives its pause, and often its process: what is remembered of
the run goes with it here.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import members_of
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents.facts import agent_ref
from chaukas.sdk.integrations.openai_agents.runs.facts import (
    pending_input_of,
    pending_of_state,
)
from chaukas.sdk.integrations.openai_agents.state import attempt
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import reset
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import report

from .suspended import RunOrigin, SuspendedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .suspended import SuspendedRuns

__all__ = ["Resumes"]

_UPDATE = ("STATE_UPDATE",)
_KEY = "chaukas"
_ID_CHARS = 256
_INSIDE: ContextVar[bool] = ContextVar("chaukas_inside_run_state", default=False)
"""A state is being saved: the states of agents inside of it are parts of it."""


class Resumes:
    """
    Wrappers around `RunState`.

    Args:
        host: Where to record.
        pauses: Remembers where each state belongs.
    """

    def __init__(self, host: Host, pauses: SuspendedRuns) -> None:
        self._host = host
        self._pauses = pauses

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        state = "agents.run_state:RunState"
        return (
            *(
                Patch(
                    f"agents.result:{name}.to_state",
                    self.made,
                    min_version="0.8",
                )
                for name in ("RunResult", "RunResultStreaming")
            ),
            Patch(f"{state}.to_json", self.saved, _UPDATE, min_version="0.8"),
            Patch(f"{state}.from_json", self.restored, _UPDATE, min_version="0.8"),
            Patch(
                f"{state}.add_input",
                self.input_added,
                _UPDATE,
                optional=True,
                min_version="0.20",
            ),
        )

    def made(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `to_state`: the state belongs where its result does."""
        state = wrapped(*args, **kwargs)
        try:
            pause = self._pauses.of(instance)
            if pause is not None:
                self._adopt(state, pause)
        except Exception as error:
            report("RunResult.to_state", error)
        return state

    def _adopt(self, state: Any, pause: SuspendedRun) -> None:
        self._pauses.remember(state, pause)
        context = getattr(state, "_context", None)
        if context is not None:
            self._pauses.remember(context, pause)

    def saved(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `to_json`, which `to_string` calls too."""
        if _INSIDE.get():
            return wrapped(*args, **kwargs)
        token = _INSIDE.set(True)
        try:
            result = wrapped(*args, **kwargs)
        finally:
            reset(token)
        attempt("RunState.to_json", self._note_saved, instance, result)
        return result

    def _note_saved(self, state: Any, result: Any) -> None:
        pauses = self._pauses
        pause = pauses.of(state)
        if pause is None:
            self._adopt(state, pause := pauses.learn_from(state))
        pauses.save_state(state, pause)
        if self._host.config.link_run_states and type(result) is dict:
            result[_KEY] = _written(pause)
        self._note(state, "saved")

    async def restored(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `from_json`, which `from_string` calls too."""
        carried = self._carried(args, kwargs)
        restoring = wrapped(*args, **kwargs)
        # An error of the SDK hides the state that it is about; so must this frame.
        del args, kwargs, wrapped
        state = await restoring
        attempt("RunState.from_json", self._note_restored, state, carried)
        return state

    def _carried(self, args: Any, kwargs: dict[str, Any]) -> SuspendedRun | None:
        if not self._host.config.link_run_states:
            return None
        try:
            given = kwargs.get("state_json", args[1] if len(args) > 1 else None)
            return _read(given.get(_KEY)) if type(given) is dict else None
        except Exception as error:
            report("RunState.from_json", error)
            return None

    def _note_restored(self, state: Any, carried: SuspendedRun | None) -> None:
        pauses = self._pauses
        pause = pauses.recognise_state(state)
        if pause is None:
            pause = carried or pauses.learn_from(state)
            for call in pending_of_state(state):
                # Whoever saved it has said that these wait.
                pause.decided.add(call.call_id, lambda: ("review", False))
        self._adopt(state, pause)
        self._note(state, "restored")

    def input_added(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `add_input`; what was added is told when a run takes it."""
        result = wrapped(*args, **kwargs)
        attempt("RunState.add_input", self._note, instance, "input_added")
        return result

    def _note(self, state: Any, operation: str) -> None:
        run, parent_span_id, _ = self._pauses.place(state)
        if not run.sampled:
            return
        agent = agent_ref(getattr(state, "_current_agent", None))
        recorder = self._host.recorder
        capture = recorder.capture_facts()
        waiting = [
            {"tool_name": call.tool_name, "tool_call_id": call.call_id}
            for call in pending_of_state(state)
        ]
        turn = getattr(state, "_current_turn", None)
        held = capture.tree(without_defaults(_held_by(state)), "state_update.run_state")
        told = {
            "operation": operation,
            "agent": agent.name,
            "turn": turn if type(turn) is int else 0,
            "waiting_for": capture.tree(waiting, "state_update.run_state.waiting_for"),
            "pending_input": len(pending_input_of(state)),
            **members_of(held),
        }
        recorder.emit(
            EventType.STATE_UPDATE,
            run,
            content.state_update(run_state=without_defaults(told)),
            parent_span_id=parent_span_id,
            agent=agent if run.agent is None else None,
            capture=capture,
        )


_COUNTED = {
    "input_items": "_original_input",
    "model_responses": "_model_responses",
    "input_guardrails": "_input_guardrail_results",
    "output_guardrails": "_output_guardrail_results",
    "tool_input_guardrails": "_tool_input_guardrail_results",
    "tool_output_guardrails": "_tool_output_guardrail_results",
}
"""Lists of a state whose length is told, by the name under which it is."""
_NAMED = {
    "max_turns": "_max_turns",
    "conversation_id": "_conversation_id",
    "previous_response_id": "_previous_response_id",
}
_TOKENS = ("requests", "input_tokens", "output_tokens", "total_tokens")
_KIND_LIMIT = 64


def _held_by(state: Any) -> dict[str, Any]:
    """Return how much of everything *state* holds, and the ids that go with it."""
    found = {name: getattr(state, key, None) for name, key in _NAMED.items()}
    held = {name: value for name, value in found.items() if type(value) in (int, str)}
    for name, key in _COUNTED.items():
        items = getattr(state, key, None)
        # An input that was a text is one item.
        held[name] = len(items) if type(items) is list else int(type(items) is str)
    held["items"] = _kinds_of(getattr(state, "_generated_items", None))
    usage = getattr(getattr(state, "_context", None), "usage", None)
    counts = {name: getattr(usage, name, None) for name in _TOKENS}
    held["usage"] = {
        name: count for name, count in counts.items() if type(count) is int and count
    }
    return held


def _kinds_of(items: Any) -> dict[str, int]:
    """Return how many items of each type there are."""
    kinds: dict[str, int] = {}
    for item in items if type(items) is list else ():
        kind = getattr(item, "type", None)
        if type(kind) is str and (kind in kinds or len(kinds) < _KIND_LIMIT):
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def _written(pause: SuspendedRun) -> dict[str, Any]:
    """Return what a saved state says of where it belongs."""
    return {**pause.where._asdict(), "hide_content": pause.hide_content}


def _read(given: Any) -> SuspendedRun | None:
    """Return what a restored state says of where it belongs, if that can be right."""
    if type(given) is not dict:
        return None
    ids = [
        text
        for name in RunOrigin._fields
        if type(text := given.get(name)) is str and 0 < len(text) <= _ID_CHARS
    ]
    if len(ids) < len(RunOrigin._fields):
        return None
    return SuspendedRun(RunOrigin(*ids), hide_content=given.get("hide_content") is True)
