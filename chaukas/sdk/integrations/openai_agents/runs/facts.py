"""
Read runs, their configuration and their saved states: what decides, as plain data.

Pure, so that the wrappers around a run are short; nothing here emits or remembers.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.openai_agents.facts import agent_ref
from chaukas.sdk.integrations.openai_agents.state import BACKGROUND, AgentsRun
from chaukas.sdk.integrations.shared.read import list_of, read, read_text
from chaukas.sdk.record.context import SCOPE
from chaukas.sdk.record.recorder import error_text
from chaukas.sdk.record.retries import fields_of
from chaukas.sdk.system.bounded import ID_CHARS, bounded

from .workflow import active_workflow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from chaukas.sdk.record.context import Node

__all__ = [
    "PendingCall",
    "error_of",
    "hidden_text_of",
    "hides_content",
    "is_continued",
    "is_redacted",
    "key_of_state",
    "max_turns_error",
    "outcome_of",
    "pending_calls",
    "pending_input_of",
    "pending_of_state",
    "plain_text",
    "session_id_of",
    "session_id_of_state",
    "trace_id_given",
    "trace_id_of_state",
]

_SENSITIVE = "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA"
_TRUE = frozenset({"1", "true", "yes", "on"})
_KEY_BYTES = 16


# -- how a run ended ------------------------------------------------------------------


def outcome_of(task: asyncio.Task[Any], result: Any) -> BaseException | str | None:
    """
    Return how a streamed run ended, once its task is done.

    The truth is not always in the task: a parallel guardrail that raises makes it
    look cancelled, and some errors are made by the consumer only.

    Returns:
        An error, `"max_turns"` for that error when no consumer made it,
        `"cancelled"`, or None for a good end.
    """
    cancelled = task.cancelled()
    if cancelled:
        guardrails = getattr(result, "_input_guardrails_task", None)
        if guardrails is not None and guardrails.done() and not guardrails.cancelled():
            error = error_of(guardrails)
            if error is not None:
                return error
    else:
        error = error_of(task)
        if error is not None:
            return error
    stored = getattr(result, "_stored_exception", None)
    if isinstance(stored, BaseException):
        return stored
    tripped = getattr(result, "_triggered_input_guardrail_result", None)
    if tripped is not None:
        return _tripwire_error(tripped)
    if _is_out_of_turns(result):
        return "max_turns"
    mode = getattr(result, "_cancel_mode", "none")
    return "cancelled" if cancelled or mode != "none" else None


def error_of(task: Any) -> BaseException | None:
    """
    Return the error of a task that is done, without marking it as seen.

    `exception()` would: asyncio then no longer reports an error that nobody looks
    at, which is the host's own report.
    """
    if task.cancelled():
        return None
    try:
        # asyncio's own name: the public one marks the error as seen.
        error = task._exception  # noqa: SLF001
    except AttributeError:
        # A task of another event loop, which has only the public way.
        error = task.exception()
    return error if isinstance(error, BaseException) else None


def _tripwire_error(tripped: Any) -> BaseException:
    from agents.exceptions import InputGuardrailTripwireTriggered

    error: BaseException = InputGuardrailTripwireTriggered(tripped)
    return error


def _is_out_of_turns(result: Any) -> bool:
    limit = getattr(result, "max_turns", None)
    return (
        type(limit) is int
        and result.current_turn > limit
        and not getattr(result, "_max_turns_handled", False)
    )


def max_turns_error(result: Any) -> BaseException:
    """Make the error that no consumer of the stream was there to make."""
    from agents.exceptions import MaxTurnsExceeded

    error: BaseException = MaxTurnsExceeded(f"Max turns ({result.max_turns}) exceeded")
    return error


def is_redacted(error: BaseException) -> bool:
    """Tell whether the SDK took everything out of *error* but its type."""
    return fields_of(error).get("_agents_data_redacted") is True


_HIDDEN = "Error details are hidden by the SDK."
_SDK_TEXTS = frozenset({"Invalid JSON when parsing model output"})
"""Messages that the SDK writes in place of an error's own: they hold nothing of it."""


def hidden_text_of(error: BaseException) -> str | None:
    """Return what to record instead of an error's message; None if it is not hidden."""
    if not is_redacted(error):
        return None
    text = error_text(error)
    return f"{text}. {_HIDDEN}" if text in _SDK_TEXTS else _HIDDEN


# -- how a run was asked for ----------------------------------------------------------


def hides_content(run_config: Any) -> bool:
    """Tell whether the SDK was asked to keep content out of traces."""
    tells = read(run_config, "trace_include_sensitive_data")
    if tells is None:
        # As the SDK decides for a run without a configuration.
        tells = os.environ.get(_SENSITIVE, "true").strip().lower() in _TRUE
    background = BACKGROUND.get()
    return tells is False or (background is not None and background.hides_content)


def session_id_of(kwargs: dict[str, Any]) -> str | None:
    """Return the id that the run's own arguments name, best first."""
    session = kwargs.get("session")
    if session is not None:
        try:
            # Public contract of a session; one class raises until its first use.
            session_id = session.session_id
        except Exception:
            session_id = None
        if type(session_id) is str and session_id:
            return session_id
    found = read_text(kwargs, "conversation_id") or read_text(
        kwargs.get("run_config"), "group_id"
    )
    if found:
        return found
    workflow = active_workflow()
    return (workflow.group_id or None) if workflow is not None else None


def trace_id_given(run_config: Any) -> str:
    """Return the trace that the application named, or an empty text."""
    own = read_text(run_config, "trace_id")
    if own:
        return bounded(own)
    scope = SCOPE.get()
    return (scope.trace_id or "") if scope is not None else ""


def is_continued(node: Node, agent: Any, *, is_own: bool) -> bool:
    """
    Tell whether a runner of the application hands the run at *node* on.

    It calls `super()` or another runner, in its own `run` and for the same agent,
    until the SDK's own function takes over (*is_own*).
    """
    run = node.run
    if not isinstance(run, AgentsRun) or not run.is_super_pending:
        return False
    if node.kind != "agent" or run.is_ended or agent_ref(agent) != run.agent:
        return False
    run.is_super_pending = not is_own
    return True


# -- agents and messages --------------------------------------------------------------


def plain_text(content: Any) -> Any:
    """Return the text of a message whose parts are only text, else the content."""
    if type(content) is not list:
        return content
    texts = [
        text
        for part in content
        if type(part) is dict
        and part.get("type") in {"input_text", "text"}
        and type(text := part.get("text")) is str
    ]
    return "\n".join(texts) if len(texts) == len(content) else content


# -- saved states ---------------------------------------------------------------------


class PendingCall(NamedTuple):
    """A tool call that waits for an approval."""

    tool_name: str
    call_id: str
    arguments: str


def pending_calls(items: Any) -> list[PendingCall]:
    """Return what the approval items *items* of a result or a state wait for."""
    calls = []
    for item in list_of(items):
        raw, name = getattr(item, "raw_item", None), read_text(item, "tool_name")
        call_id = read_text(raw, "call_id", "id")
        calls.append(PendingCall(name, call_id, read_text(raw, "arguments")))
    return calls


def pending_of_state(state: Any) -> list[PendingCall]:
    """Return the calls that *state* waits for."""
    # Its own method copies each of them, and may raise over it.
    step = getattr(state, "_current_step", None)
    return pending_calls(getattr(step, "interruptions", None))


def pending_input_of(state: Any) -> Sequence[Any]:
    """Return the input that was added to *state* and no model has seen yet."""
    return list_of(getattr(state, "_pending_input", None))


def trace_id_of_state(state: Any) -> str:
    """
    Return the id of the SDK's own trace, which a saved state carries.

    Empty if the SDK's tracing is off.
    """
    trace = getattr(state, "_trace_state", None)
    return read_text(trace, "trace_id")[:ID_CHARS]


def session_id_of_state(state: Any) -> str:
    """Return the conversation or the group that a saved state names, or nothing."""
    trace = getattr(state, "_trace_state", None)
    found = read_text(state, "_conversation_id") or read_text(trace, "group_id")
    return found[:ID_CHARS]


def key_of_state(state: Any) -> str:
    """
    Return a hash by which a restored state is told to be the one that was saved.

    Of the SDK's trace, the turn, and the calls that wait. Empty if there is
    nothing in it that would tell two states apart.
    """
    trace_id, calls = trace_id_of_state(state), pending_of_state(state)
    if not trace_id and not calls:
        return ""
    turn = getattr(state, "_current_turn", None)
    parts = [trace_id, str(turn) if type(turn) is int else ""]
    for call in calls:
        parts += call
    text = "\0".join(parts)
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES
    ).hexdigest()
