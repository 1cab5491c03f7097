"""
Decide where something stands: the run, the parent span, the session.

One rule for all integrations, in this order: the span in force; the innermost run
around it that still goes on; the session that `chaukas.session` names; the one that
the caller names; the process's. Sampling and the trace that is joined are decided here
as well, once for each trace.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .context import SCOPE, Run, node_in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from .context import AgentRef, Node, Session
    from .recorder import Recorder
    from .sessions import SessionBook

__all__ = [
    "Opening",
    "Place",
    "enter_alone",
    "node_in_force",
    "open_session",
    "otel_span",
    "outside_of",
    "place",
    "place_inside",
]

R = TypeVar("R", bound=Run)


class Place(NamedTuple):
    """Where an event belongs."""

    run: Run
    parent_span_id: str
    is_alone: bool
    """No run is there: the event stands right under its session."""


class Opening(NamedTuple):
    """A session that was entered, and the trace of what begins in it."""

    session: Session
    trace_id: str
    sampled: bool

    @property
    def span_id(self) -> str:
        """Span of the SESSION pair; empty if nobody records it."""
        return self.session.pair.span_id if self.session.pair else ""


def otel_span() -> tuple[str, str] | None:
    """Return trace and span id of OpenTelemetry's active span, if there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def outside_of(trace_id: str) -> dict[str, Any]:
    """Return the spans outside of chaukas under which a top-level run stands."""
    facts: dict[str, Any] = {}
    if active := otel_span():
        facts["otel_parent_span_id"] = active[1]
        if active[0] != trace_id:
            # Of a resumed run, that goes on in the trace in which it began.
            facts["otel_trace_id"] = active[0]
    scope = SCOPE.get()
    if scope is not None and scope.remote_parent_span_id:
        facts["remote_parent_span_id"] = scope.remote_parent_span_id
    return facts


def _trace_id_in_force(recorder: Recorder) -> str:
    scope = SCOPE.get()
    if scope is not None and scope.trace_id:
        return scope.trace_id
    active = otel_span()
    return active[0] if active else recorder.ids.trace_id()


def open_session(
    sessions: SessionBook,
    recorder: Recorder,
    session_id: str | None,
    *,
    framework: str,
    trace_id: str = "",
    first_agent: AgentRef | None = None,
    is_run: bool = True,
) -> Opening:
    """
    Enter the session of something that no run is around; to be left afterwards.

    Args:
        sessions: The sessions of this process.
        recorder: The recorder of this process.
        session_id: Session that the caller names; `chaukas.session` in force wins.
        framework: Name of the integration.
        trace_id: Trace that the caller names, if it does; else the one of the
            `traceparent` in force, of OpenTelemetry's active span, or a new one.
        first_agent: Agent of the run, noted when it opens the session.
        is_run: False for what is not counted as a run.
    """
    trace_id = trace_id or _trace_id_in_force(recorder)
    scope = SCOPE.get()
    # A caller that does not record a trace has asked for none of it.
    is_wanted = scope is None or scope.is_sampled or scope.trace_id != trace_id
    sampled = is_wanted and recorder.is_sampled(trace_id)
    session = sessions.enter(
        session_id,
        trace_id=trace_id,
        framework=framework,
        first_agent=first_agent,
        sampled=sampled,
        is_run=is_run,
    )
    return Opening(session, trace_id, sampled)


def place_inside(make: Callable[..., R], node: Node, *, hide_content: bool) -> R:
    """
    Return a run inside of the one at *node*.

    Args:
        make: `Run` or a class of it.
        node: The span in force.
        hide_content: The new run asks for it; that of the outer one is kept.
    """
    outer = node.run
    run = make(
        outer.session,
        outer.trace_id,
        parent=node,
        sampled=outer.sampled,
        hide_content=hide_content or outer.hide_content,
    )
    run.agent = node.agent or outer.agent
    run.agent_span_id = node.parent_span_id
    return run


def place(
    sessions: SessionBook,
    recorder: Recorder,
    session_id: str | None = None,
    *,
    framework: str,
    trace_id: str = "",
    hide_content: bool = False,
) -> Place:
    """
    Return where one event stands that is no run of its own.

    Outside of any run it stands right under its session, which opens if need be: in
    the trace that the caller names, or in that of the session.
    """
    node = node_in_force()
    if node is not None:
        return Place(node.run, node.parent_span_id, is_alone=False)
    found = enter_alone(
        sessions,
        recorder,
        session_id,
        framework=framework,
        trace_id=trace_id,
        hide_content=hide_content,
    )
    sessions.leave(found.run.session)
    return found


def enter_alone(
    sessions: SessionBook,
    recorder: Recorder,
    session_id: str | None = None,
    *,
    framework: str,
    trace_id: str = "",
    hide_content: bool = False,
) -> Place:
    """
    Return where something stands that no run is around, as `place` does.

    Its session is entered, and to be left when it is over: it ends no sooner.
    """
    found = sessions.find(session_id)
    if not trace_id and found is not None and found.scope is not None:
        trace_id = found.scope.trace_id
    opening = open_session(
        sessions,
        recorder,
        session_id,
        framework=framework,
        trace_id=trace_id,
        is_run=False,
    )
    run = Run(
        opening.session,
        opening.trace_id,
        sampled=opening.sampled,
        hide_content=hide_content,
        framework=framework,
    )
    return Place(run, opening.span_id, is_alone=True)
