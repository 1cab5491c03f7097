"""
Open sessions when their first run begins, end each opening exactly once.

One owner of all session state and one lock; runs take it twice, events never.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._clock import timestamp_of
from ._native import original
from .context import SCOPE, AgentRef, Run, Session
from .events import EventType

if TYPE_CHECKING:
    from .context import SessionScope
    from .record import Recorder

__all__ = ["SessionBook"]

_NS_PER_S = 1_000_000_000


class SessionBook:
    """
    All sessions of a process, by tenant, project and id.

    Args:
        recorder: Records the SESSION pairs.
        default_id: Session of runs that name none.
    """

    def __init__(self, recorder: Recorder, *, default_id: str) -> None:
        self._recorder = recorder
        self._config = recorder.config
        self._default_id = default_id
        self._open: OrderedDict[tuple[str, str, str], Session] = OrderedDict()
        self._holders: dict[tuple[str, str, str], int] = {}
        # Re-entrant: a signal handler may begin a run while one begins.
        self._lock = original("_thread", "RLock")()

    def key_of(self, session_id: str | None) -> tuple[str, str, str]:
        """Return the key of *session_id* for the tenant and project in force."""
        scope = SCOPE.get()
        if scope is not None:
            return (scope.tenant_id, scope.project_id, scope.session_id)
        config = self._config
        return (config.tenant_id, config.project_id, session_id or self._default_id)

    def enter(
        self,
        session_id: str | None,
        *,
        trace_id: str,
        framework: str,
        first_agent: AgentRef | None,
        sampled: bool,
    ) -> Session:
        """
        Begin a run in a session, opening it if need be.

        Args:
            session_id: Id that the run names; `chaukas.session()` in force wins.
            trace_id: Trace of the run; the SESSION pair carries that of the first.
            framework: Noted in the SESSION pair and used for its name.
            first_agent: Agent of the run, noted when it opens the session.
            sampled: Whether the run is recorded; one that is not opens nothing.
        """
        key = self.key_of(session_id)
        evicted: list[Session] = []
        with self._lock:
            session = self._open.get(key)
            if session is None:
                session = self._open[key] = Session(key[2], key[0], key[1])
                evicted = self._evict()
            else:
                self._open.move_to_end(key)
            session.running += 1
            session.run_count += 1
            session.used_monotonic_ns = self._recorder.clock.monotonic_ns()
            if sampled and session.pair is None:
                self._start(session, trace_id, framework, first_agent)
        for old in evicted:
            self._end(old, "evicted")
        return session

    def leave(self, session: Session) -> None:
        """End a run of *session*; the session stays open."""
        with self._lock:
            session.running -= 1
            session.used_monotonic_ns = self._recorder.clock.monotonic_ns()

    def find(self, session_id: str | None) -> Session | None:
        """Return the open session *session_id*, or the one in force."""
        return self._open.get(self.key_of(session_id))

    def hold(self, scope: SessionScope) -> None:
        """Note a `with chaukas.session()` block for the session of *scope*."""
        key = (scope.tenant_id, scope.project_id, scope.session_id)
        with self._lock:
            self._holders[key] = self._holders.get(key, 0) + 1

    def release(self, scope: SessionScope) -> None:
        """Leave such a block; the last one to leave ends the session."""
        key = (scope.tenant_id, scope.project_id, scope.session_id)
        with self._lock:
            left = self._holders.pop(key, 1) - 1
            if left > 0:
                self._holders[key] = left
                return
            session = self._open.pop(key, None)
        if session is not None:
            self._end(session, "closed")

    def end(self, session_id: str | None) -> bool:
        """End the session *session_id*, or the one in force; tell if it was open."""
        scope = SCOPE.get()
        with self._lock:
            if session_id is None or (scope and scope.session_id == session_id):
                keys = [self.key_of(session_id)]
            else:
                keys = [key for key in self._open if key[2] == session_id]
            found = [self._open.pop(key) for key in keys if key in self._open]
        for session in found:
            self._end(session, "ended")
        return bool(found)

    def end_idle(self) -> int:
        """End the sessions that had no run for `session_idle_timeout`."""
        now_ns = self._recorder.clock.monotonic_ns()
        limit_ns = int(self._config.session_idle_timeout_s * _NS_PER_S)
        with self._lock:
            idle = [
                key
                for key, session in self._open.items()
                if not session.running
                and key not in self._holders
                and now_ns - session.used_monotonic_ns > limit_ns
            ]
            sessions = [self._open.pop(key) for key in idle]
        for session in sessions:
            self._end(session, "idle")
        return len(sessions)

    def end_all(self, reason: str) -> int:
        """End every open session, because of *reason*."""
        with self._lock:
            sessions = list(self._open.values())
            self._open.clear()
        for session in sessions:
            self._end(session, reason)
        return len(sessions)

    @property
    def open_count(self) -> int:
        """Sessions that are open now."""
        return len(self._open)

    def _evict(self) -> list[Session]:
        excess = len(self._open) - self._config.max_open_sessions
        if excess <= 0:
            return []
        idle = [key for key, session in self._open.items() if not session.running]
        return [self._open.pop(key) for key in idle[:excess]]

    def _start(
        self,
        session: Session,
        trace_id: str,
        framework: str,
        first_agent: AgentRef | None,
    ) -> None:
        recorder = self._recorder
        scope = SCOPE.get()
        run = Run(session, trace_id, framework=framework)
        session.scope = run
        session.opened_monotonic_ns = recorder.clock.monotonic_ns()
        session.name = (scope.name if scope else "") or f"{framework}_session"
        details: dict[str, Any] = {
            "framework": framework,
            "started_at": timestamp_of(recorder.clock.time_ns()),
        }
        if first_agent is not None:
            details["first_agent_id"] = first_agent.agent_id
        capture = None
        if scope is not None and scope.metadata:
            capture = recorder.capture(run)
            path = "session_start.metadata"
            given = capture.tree(scope.metadata, path)
            if isinstance(given, dict):
                details = {**given, **details}
        session.pair = recorder.pairs.start(
            EventType.SESSION_START,
            run,
            {
                "session_start": {
                    "session_name": session.name,
                    "metadata": details,
                }
            },
            closing={"session_end": {"session_name": session.name}},
            capture=capture,
        )

    def _end(self, session: Session, reason: str) -> None:
        pair = session.pair
        if pair is None or session.scope is None:
            return
        details = {
            "framework": session.scope.framework,
            "reason": reason,
            "runs": session.run_count,
        }
        self._recorder.pairs.end(
            pair,
            {"session_end": {"session_name": session.name, "metadata": details}},
        )
