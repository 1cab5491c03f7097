"""
Open sessions when their first run begins, end each opening exactly once.

One owner of all session state and one lock; runs take it twice, events never.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.capture.held import captured_now, members_of
from chaukas.sdk.events import EventType
from chaukas.sdk.system.bounded import bounded
from chaukas.sdk.system.clock import timestamp_of
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.threads import original

from .context import CURRENT, SCOPE, AgentRef, Run, Session, reset
from .recorder import without_defaults

if TYPE_CHECKING:
    from chaukas.sdk.capture.deferred import DeferredCapture

    from .context import SessionScope
    from .recorder import Recorder
    from .totals import Usage

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
        name = bounded(session_id) if session_id else self._default_id
        return (config.tenant_id, config.project_id, name)

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
        given = None
        if sampled and not self._is_open(key):
            # Before the lock: an object that cannot be held as it is takes its time.
            given = self._given_by(SCOPE.get())
        problems: list[Exception] = []
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
            is_new = sampled and session.pair is None
            if is_new:
                given = given or _Given("", {}, None)
                made = (session, trace_id, framework, first_agent, given, problems)
                try:
                    self._start(*made)
                except Exception as error:
                    # The run is recorded all the same.
                    problems.append(error)
        if session.scope is not None and not session.scope.framework:
            # Opened by an event of the application, before its first run.
            session.scope.framework = framework
        for problem in problems:
            report("SessionBook.enter", problem)
        for old in evicted:
            self._end(old, "evicted")
        return session

    def _is_open(self, key: tuple[str, str, str]) -> bool:
        session = self._open.get(key)
        return session is not None and session.pair is not None

    def add(self, run: Run, usage: Usage, cost: dict[str, Any] | None) -> None:
        """
        Add one model call to *run*, the runs around it, and their session.

        On the writer's thread, which alone adds and reads: in the order of events.

        Args:
            run: The run that called the model.
            usage: Tokens of the call.
            cost: Its `cost` member, if its price is known.
        """
        around: Run | None = run
        while around is not None:
            around.totals.add(usage, cost)
            around = None if around.parent is None else around.parent.run
        run.session.totals.add(usage, cost)

    def leave(self, session: Session, *, failed: bool = False) -> None:
        """
        End a run of *session*; it stays open, unless its end was asked for.

        Args:
            session: What `enter` returned.
            failed: The run failed.
        """
        with self._lock:
            session.running -= 1
            session.failed_count += failed
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
        """
        Leave such a block; the last one to leave ends the session.

        Unless the block keeps it open. One that no run has opened is opened for what
        the block says of it, and ended.
        """
        key = key_of(scope)
        if scope.metadata and not self._is_open(key):
            self._open_for(scope)
        with self._lock:
            left = self._holders.pop(key, 1) - 1
            if left > 0:
                self._holders[key] = left
                return
            ready = None if scope.keep_open else self._retire(key, "closed")
        if ready is not None:
            self._end(ready, "closed")

    def _open_for(self, scope: SessionScope) -> None:
        recorder = self._recorder
        trace_id = scope.trace_id or recorder.ids.trace_id()
        sampled = scope.is_sampled and recorder.is_sampled(trace_id)
        # The block has been left, and its scope with it.
        token = SCOPE.set(scope)
        try:
            session = self.enter(
                None,
                trace_id=trace_id,
                framework="",
                first_agent=None,
                sampled=sampled,
                is_run=False,
            )
        finally:
            reset(token)
        self.leave(session)

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

    def _given_by(self, scope: SessionScope | None) -> _Given:
        """Return what a block says of its session, captured."""
        if scope is None:
            return _Given("", {}, None)
        recorder = self._recorder
        name = scope.name and recorder.capture_facts().text(
            scope.name, "session_start.session_name"
        )
        if not scope.metadata:
            return _Given(name, {}, None)
        capture = recorder.capture(Run(_NOWHERE, ""))
        details = capture.tree(scope.metadata, "session_start.metadata")
        return _Given(name, members_of(details), capture)

    def _start(
        self,
        session: Session,
        trace_id: str,
        framework: str,
        first_agent: AgentRef | None,
        given: _Given,
        problems: list[Exception],
    ) -> None:
        """Open *session*, under the lock: no code of the application runs in here."""
        recorder = self._recorder
        run = Run(session, trace_id, framework=framework)
        session.scope = run
        session.name = given.name or (f"{framework}_session" if framework else "")
        details: dict[str, Any] = {
            "framework": framework,
            "started_at": timestamp_of(recorder.clock.time_ns()),
            "first_agent_id": first_agent.agent_id if first_agent else "",
        }
        content = {
            "session_name": session.name,
            "metadata": {**given.details, **without_defaults(details)},
        }
        session.pair = recorder.pairs.start(
            EventType.SESSION_START,
            run,
            {"session_start": without_defaults(content)},
            closing={"session_end": without_defaults({"session_name": session.name})},
            capture=given.capture,
            problems=problems,
        )

    def _end(self, session: Session, reason: str) -> None:
        pair = session.pair
        if pair is None or session.scope is None:
            return
        details: dict[str, Any] = {"reason": reason, "runs": session.run_count}
        if session.scope.framework:
            details["framework"] = session.scope.framework
        if session.failed_count:
            details["failed_runs"] = session.failed_count
        self._recorder.pairs.end(pair, partial(_end_of, session, details))


def _end_of(
    session: Session, details: dict[str, Any], _capture: object
) -> dict[str, Any]:
    """Return the content of a SESSION_END, with what all its model calls took."""
    metadata = {**details, **session.totals.facts()}
    content = {"session_name": captured_now(session.name), "metadata": metadata}
    return {"session_end": without_defaults(content)}


class _Given(NamedTuple):
    """What an application says of a session that opens."""

    name: str
    details: dict[str, Any]
    capture: DeferredCapture | None


_NOWHERE = Session("", "", "")
"""For capturing what belongs to a session that is not open yet."""
