"""
Remember where a run belonged while it waits, for its decisions and for its resumption.

Nothing is written into the application's objects: they are known by identity, weakly,
and a state that came back from its JSON by what it waits for.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.record.context import CURRENT, SCOPE, Run, SessionScope, reset
from chaukas.sdk.record.placement import node_in_force, open_session
from chaukas.sdk.system.bounded import BoundedMap, WeakMap

from .runs import AgentRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.integrations.base import Host

__all__ = [
    "Place",
    "RunOrigin",
    "SuspendedRun",
    "SuspendedRuns",
    "in_session_of",
    "suspended_run_of",
]

_REMEMBERED_OBJECTS = 16_384
_REMEMBERED_STATES = 4096
_REMEMBERED_DECISIONS = 1024


class RunOrigin(NamedTuple):
    """The trace and the session of a run."""

    trace_id: str
    tenant_id: str
    project_id: str
    session_id: str


class SuspendedRun:
    """
    What a run leaves for those that go on with it.

    Shared by all states that were made of its result.
    """

    __slots__ = (
        "decided",
        "hide_content",
        "is_resumed",
        "recorded_input_count",
        "where",
    )

    def __init__(self, where: RunOrigin, *, hide_content: bool) -> None:
        self.where = where
        self.hide_content = hide_content
        self.decided: BoundedMap[str, tuple[str, bool]] = BoundedMap(
            _REMEMBERED_DECISIONS
        )
        """By call: the last outcome on record, and whether it holds for all calls."""
        self.is_resumed = False
        self.recorded_input_count = 0
        """Items of the pending input that have their INPUT event."""

    def take_over(self, earlier: SuspendedRun) -> None:
        """Go on with what is on record of the pause before."""
        self.decided = earlier.decided
        self.recorded_input_count = earlier.recorded_input_count

    def is_news(self, call_id: str, outcome: str, *, always: bool = False) -> bool:
        """Note a decision; tell whether it is another than the one on record."""
        if not call_id:
            return True
        known = self.decided.get(call_id)
        if known is not None and known[0] == outcome and (known[1] or not always):
            return False
        self.decided.put(call_id, (outcome, always))
        return True


class Place(NamedTuple):
    """Where an event about a paused run stands."""

    run: Run
    parent_span_id: str
    pause: SuspendedRun


def _root_of(run: Run) -> Run:
    while run.parent is not None:
        run = run.parent.run
    return run


def suspended_run_of(run: Run) -> SuspendedRun:
    """Return what the top-level run around *run* leaves, made when first asked for."""
    root = _root_of(run)
    known: SuspendedRun | None = root.pause if isinstance(root, AgentRun) else None
    if known is not None:
        return known
    session = root.session
    where = RunOrigin(
        root.trace_id, session.tenant_id, session.project_id, session.session_id
    )
    pause = SuspendedRun(where, hide_content=root.hide_content)
    if isinstance(root, AgentRun):
        root.pause = pause
    return pause


@contextmanager
def in_session_of(
    pause: SuspendedRun | None, session_id: str | None = None
) -> Iterator[None]:
    """
    Put the session of a run that waits in force, unless `chaukas.session()` is.

    Args:
        pause: What is remembered; gives tenant and project, and the session where
            none is named. None changes nothing.
        session_id: Id that the run names.
    """
    if pause is None or SCOPE.get() is not None:
        yield
        return
    where = pause.where
    scope = SessionScope(
        session_id or where.session_id, where.tenant_id, where.project_id
    )
    token = SCOPE.set(scope)
    try:
        yield
    finally:
        reset(token)


class SuspendedRuns(Part):
    """
    The memory of all runs that may go on later.

    Args:
        host: Where to record.
        framework: Name of the integration.
        hides_content: Tells whether a run of unknown origin hides its content.
    """

    def __init__(
        self, host: Host, framework: str, hides_content: Callable[[], bool]
    ) -> None:
        super().__init__(host)
        self._framework = framework
        self._hides_content = hides_content
        self._objects: WeakMap[SuspendedRun] = WeakMap(_REMEMBERED_OBJECTS)
        self._saved: BoundedMap[str, tuple[SuspendedRun | None]] = BoundedMap(
            _REMEMBERED_STATES
        )

    # -- memory -------------------------------------------------------------------

    def remember(self, owner: Any, pause: SuspendedRun) -> None:
        """Remember *pause* as long as *owner*, a result or a state, live_sessions."""
        self._objects.put(owner, pause)

    def of(self, owner: Any) -> SuspendedRun | None:
        """Return what is remembered of a result, a state or a context."""
        return self._objects.get(owner)

    def save(self, key: str, pause: SuspendedRun) -> None:
        """
        Remember *pause* for states that are restored from what was saved.

        Args:
            key: By which a restored state is known again; empty if it cannot be.
            pause: What is remembered of its run.
        """
        if not key:
            return
        (known,) = self._saved.get(key) or (pause,)
        is_other = known is not None and known.where != pause.where
        if known is None or (is_other and not known.is_resumed):
            # Two that wait look alike: better no memory than another's trace.
            self._saved.put(key, (None,))
            return
        self._saved.put(key, (pause,))

    def recognise(self, key: str) -> SuspendedRun | None:
        """Return what is remembered of the state that was saved under *key*."""
        (known,) = self._saved.get(key) or (None,)
        return known

    def learn(self, trace_id: str, session_id: str) -> SuspendedRun:
        """Return what a state of unknown origin itself says, where it says it."""
        node = node_in_force()
        if node is not None:
            return suspended_run_of(node.run)
        scope = SCOPE.get()
        named = scope.trace_id if scope is not None else None
        key = self._host.sessions.key_of(session_id or None)
        return self._made(named or trace_id, key)

    def _made(self, trace_id: str, key: tuple[str, str, str]) -> SuspendedRun:
        where = RunOrigin(trace_id or self._recorder.ids.trace_id(), *key)
        return SuspendedRun(where, hide_content=self._hides_content())

    # -- places -------------------------------------------------------------------

    def usable(self, pause: SuspendedRun | None) -> SuspendedRun | None:
        """Return *pause*, unless it belongs to another tenant than the one in force."""
        scope = SCOPE.get()
        if pause is None or scope is None:
            return pause
        where = pause.where
        is_same = (scope.tenant_id, scope.project_id) == where[1:3]
        return pause if is_same else None

    def place(self, owner: Any) -> Place:
        """
        Return where an event about *owner* stands.

        In the run that goes on, if that is the one (or *owner* is not known);
        otherwise right under the session, in the trace of the run that paused.
        """
        pause = self.of(owner)
        node = CURRENT.get()
        if node is not None and type(node.detail) is SuspendedRun:
            # `RunState.approve` is under way, and says whose decision it is.
            return Place(node.run, node.span_id, node.detail)
        node = node_in_force()
        if node is not None and (
            pause is None or pause.where.trace_id == node.run.trace_id
        ):
            return Place(node.run, node.parent_span_id, suspended_run_of(node.run))
        return self._outside(self.usable(pause))

    def _outside(self, pause: SuspendedRun | None) -> Place:
        """Return a place of its own under the session, which opens if need be."""
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        if pause is None:
            pause = self._unknown()
        with in_session_of(pause):
            opening = open_session(
                sessions,
                self._host.recorder,
                None,
                framework=self._framework,
                trace_id=pause.where.trace_id,
                is_run=False,
            )
        sessions.leave(opening.session)
        run = Run(
            opening.session,
            opening.trace_id,
            sampled=opening.sampled,
            hide_content=pause.hide_content,
            framework=self._framework,
        )
        return Place(run, opening.span_id, pause)

    def _unknown(self) -> SuspendedRun:
        """Return a pause for a decision about nobody knows what."""
        sessions = self._host.sessions
        key = sessions.key_of(None)
        found = sessions.get(key)
        opened_by = None if found is None else found.scope
        return self._made("" if opened_by is None else opened_by.trace_id, key)
