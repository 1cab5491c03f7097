"""
Open sessions when their first run begins, end each opening exactly once.

One owner of all session state and one lock; runs take it twice, events never.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._clock import timestamp_of
from ._native import original
from .context import CURRENT, SCOPE, AgentRef, Run, Session
from .events import EventType

if TYPE_CHECKING:
    from .context import SessionScope
    from .record import Recorder

__all__ = ["SessionBook", "key_of"]

_NS_PER_S = 1_000_000_000


def key_of(scope: SessionScope) -> tuple[str, str, str]:
    """Return tenant, project and id of the session that *scope* names."""
    return (scope.tenant_id, scope.project_id, scope.session_id)


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
        self._retired: dict[int, tuple[Session, str]] = {}
        # Re-entrant: a signal handler may begin a run while one begins.
        self._lock = original("_thread", "RLock")()

    def key_of(self, session_id: str | None) -> tuple[str, str, str]:
        """Return the key of *session_id* for the tenant and project in force."""
        scope = SCOPE.get()
        if scope is not None:
            return key_of(scope)
        config = self._config
        return (config.tenant_id, config.project_id, session_id or self._default_id)

    def _key_in_force(self) -> tuple[str, str, str]:
        """Return the key of the session that whoever calls is in."""
        node = CURRENT.get()
        if node is None or SCOPE.get() is not None:
            return self.key_of(None)
        session = node.run.session
        return (session.tenant_id, session.project_id, session.session_id)

    def get(self, key: tuple[str, str, str]) -> Session | None:
        """Return the open session of a tenant, a project and an id."""
        return self._open.get(key)

    def enter(
        self,
        session_id: str | None,
        *,
        trace_id: str,
        framework: str,
        first_agent: AgentRef | None,
        sampled: bool,
        is_run: bool = True,
    ) -> Session:
        """
        Begin a run in a session, opening it if need be.

        Args:
            session_id: Id that the run names; `chaukas.session()` in force wins.
            trace_id: Trace of the run; the SESSION pair carries that of the first.
            framework: Noted in the SESSION pair and used for its name.
            first_agent: Agent of the run, noted when it opens the session.
            sampled: Whether the run is recorded; one that is not opens nothing.
            is_run: False for a single call outside of any run, which is not counted
                as one.
        """
        key = self.key_of(session_id)
        with self._lock:
            session = self._open.get(key)
            if session is None:
                session = self._open[key] = Session(key[2], key[0], key[1])
            else:
                self._open.move_to_end(key)
            session.running += 1
            # Now that it is busy itself.
            evicted = self._evict()
            session.run_count += is_run
            session.used_monotonic_ns = self._recorder.clock.monotonic_ns()
            if sampled and session.pair is None:
                self._start(session, trace_id, framework, first_agent)
        for old in evicted:
            self._end(old, "evicted")
        return session

    def leave(self, session: Session) -> None:
        """End a run of *session*; it stays open, unless its end was asked for."""
        with self._lock:
            session.running -= 1
            session.used_monotonic_ns = self._recorder.clock.monotonic_ns()
            retired = None
            if not session.running:
                retired = self._retired.pop(id(session), None)
        if retired is not None:
            self._end(*retired)

    def find(self, session_id: str | None) -> Session | None:
        """Return the open session *session_id*, or the one in force."""
        return self._open.get(self.key_of(session_id))

    def hold(self, scope: SessionScope) -> None:
        """Note a `with chaukas.session()` block for the session of *scope*."""
        key = key_of(scope)
        with self._lock:
            self._holders[key] = self._holders.get(key, 0) + 1

    def release(self, scope: SessionScope) -> None:
        """Leave such a block; the last one to leave ends the session."""
        key = key_of(scope)
        with self._lock:
            left = self._holders.pop(key, 1) - 1
            if left > 0:
                self._holders[key] = left
                return
            ready = self._retire(key, "closed")
        if ready is not None:
            self._end(ready, "closed")

    def end(
        self,
        session_id: str | None,
        *,
        tenant_id: str | None = None,
        project_id: str | None = None,
    ) -> bool:
        """
        End one session, and tell if it was open.

        A run of it that goes on keeps it until that run ends: no event stands
        under a session that is over.

        Args:
            session_id: Its id; without it the session in force.
            tenant_id: Its tenant; without it the tenant in force. The same id
                under another tenant is another session.
            project_id: Its project; without it the project in force.
        """
        in_force = self._key_in_force()
        key = (
            tenant_id or in_force[0],
            project_id or in_force[1],
            session_id or in_force[2],
        )
        with self._lock:
            is_open = key in self._open
            ready = self._retire(key, "ended")
        if ready is not None:
            self._end(ready, "ended")
        return is_open

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
            ending = [(session, reason) for session in self._open.values()]
            ending += self._retired.values()
            self._open.clear()
            self._retired.clear()
        for session, why in ending:
            self._end(session, why)
        return len(ending)

    @property
    def open_count(self) -> int:
        """Sessions that are open now."""
        return len(self._open)

    def _evict(self) -> list[Session]:
        excess = len(self._open) - self._config.max_open_sessions
        if excess <= 0:
            return []
        # The idlest come first, so only as many are looked at as are busy.
        idle = (key for key, session in self._open.items() if not session.running)
        return [self._open.pop(key) for key in list(islice(idle, excess))]

    def _retire(self, key: tuple[str, str, str], reason: str) -> Session | None:
        """Close a session to new runs; return it if no run is left in it."""
        session = self._open.pop(key, None)
        if session is None or not session.running:
            return session
        self._retired[id(session)] = (session, reason)
        return None

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
        session.name = f"{framework}_session"
        if scope is not None and scope.name:
            path = "session_start.session_name"
            session.name = recorder.capture_facts().text(scope.name, path)
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
