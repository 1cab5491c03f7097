"""
What an application says itself: which session this is, and events of its own.

Kept out of the front door so that that stays a list of what users can call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import _runtime
from ._guard import report
from .context import CURRENT, SCOPE, Run, Session, SessionScope
from .record import without_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from .events import EventType
    from .record import Recorder

__all__ = ["current_traceparent", "point", "session"]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class session:  # noqa: N801
    """
    Put the runs inside a `with` block into one session.

        with chaukas.session("chat-42", tenant_id="acme"):
            await Runner.run(agent, "Hello")

    Works as a synchronous and as an asynchronous context manager, for concurrent
    tasks each in its own. The session opens at its first run and ends with the
    block (with the last one, if several name the same session at once).

    Args:
        session_id: Its id; a new one if left out.
        tenant_id: Tenant of the runs inside; the configured one if left out.
        project_id: Project of the runs inside; the configured one if left out.
        name: Name for people.
        metadata: Facts for SESSION_START.
        traceparent: W3C trace context of the caller; the runs join that trace. A
            text that is none is ignored.
    """

    # The name is the one that users write: it reads as a function, not a class.

    def __init__(
        self,
        session_id: str | None = None,
        *,
        tenant_id: str | None = None,
        project_id: str | None = None,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
    ) -> None:
        self._given = (session_id, tenant_id, project_id)
        self._name = name
        self._metadata = metadata
        self._traceparent = traceparent
        self._entered: list[tuple[Token[SessionScope | None], SessionScope]] = []

    def __enter__(self) -> session:
        """Begin the block; without chaukas enabled, do nothing."""
        runtime = _runtime.active()
        if runtime is None:
            return self
        scope = self._scope_of(runtime)
        runtime.sessions.hold(scope)
        self._entered.append((SCOPE.set(scope), scope))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the block; the error of the block, if any, passes."""
        if not self._entered:
            return
        token, scope = self._entered.pop()
        try:
            SCOPE.reset(token)
        except ValueError:
            # Left in another context than entered: that context keeps its own.
            pass
        runtime = _runtime.active()
        if runtime is not None:
            runtime.sessions.release(scope)

    async def __aenter__(self) -> session:
        """Begin the block."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the block."""
        self.__exit__(kind, error, trace)

    @property
    def session_id(self) -> str:
        """Id of the session in force, once entered; empty before."""
        return self._entered[-1][1].session_id if self._entered else ""

    def _scope_of(self, runtime: _runtime.Runtime) -> SessionScope:
        outer = SCOPE.get()
        config = runtime.config
        session_id, tenant_id, project_id = self._given
        found = _TRACEPARENT.fullmatch(self._traceparent or "")
        return SessionScope(
            session_id=session_id or runtime.recorder.new_id(),
            tenant_id=tenant_id or (outer.tenant_id if outer else config.tenant_id),
            project_id=project_id or (outer.project_id if outer else config.project_id),
            name=self._name,
            metadata=self._metadata,
            trace_id=found.group(1) if found else None,
            remote_parent_span_id=found.group(2) if found else None,
        )


def current_traceparent() -> str | None:
    """
    Return the W3C `traceparent` of the span in force, to hand to another service.

    None outside of a recorded run, or in a run whose trace id is not W3C's.
    """
    node = CURRENT.get()
    if node is None:
        return None
    text = f"00-{node.run.trace_id}-{node.parent_span_id}-{int(node.run.sampled):02x}"
    return text if _TRACEPARENT.fullmatch(text) else None


def point(kind: EventType, field: str, content: object) -> None:
    """
    Record one event of the application, under whatever is in force.

    Args:
        kind: Its type.
        field: Top-level member that holds *content*; `metadata` is merged.
        content: Bounded and redacted here.
    """
    runtime = _runtime.active()
    if runtime is None:
        return
    try:
        run, parent_span_id = _place(runtime)
        _emit_point(runtime.recorder, run, parent_span_id, kind, field, content)
    except Exception as error:
        report(f"chaukas.{kind.name.lower()}", error)


def _emit_point(
    recorder: Recorder,
    run: Run,
    parent_span_id: str,
    kind: EventType,
    field: str,
    content: object,
) -> None:
    capture = recorder.capture(run)
    tree = capture.tree(content, field)
    facts = without_defaults(tree) if isinstance(tree, dict) else {"value": tree}
    if run.hide_content is False and field == "metadata":
        recorder.emit(
            kind, run, {}, parent_span_id=parent_span_id, capture=capture, metadata=facts
        )
        return
    severity = "SEVERITY_WARN" if facts.get("outcome") == "deny" else ""
    recorder.emit(
        kind,
        run,
        {field: facts},
        parent_span_id=parent_span_id,
        capture=capture,
        severity=severity,
    )


def _place(runtime: _runtime.Runtime) -> tuple[Run, str]:
    node = CURRENT.get()
    if node is not None:
        return node.run, node.parent_span_id
    found = runtime.sessions.find(None)
    if found is not None and found.scope is not None and found.pair is not None:
        return found.scope, found.pair.span_id
    tenant_id, project_id, session_id = runtime.sessions.key_of(None)
    alone = Session(session_id, tenant_id, project_id)
    return Run(alone, runtime.recorder.ids.trace_id()), ""
