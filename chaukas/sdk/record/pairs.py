"""Keep each START until its END, and end what nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chaukas.sdk.events import END_OF, EventStatus, EventType
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.threads import get_ident, sleep

from .context import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.system.clock import Clock
    from chaukas.sdk.system.ids import Ids
    from chaukas.sdk.typing import Content

    from .context import AgentRef, Run

__all__ = ["EventPairManager"]

_CANCELLED = EventStatus.CANCELLED.value
_LOOK_AGAIN_S = 0.001
_MOST_LOOKS = 1000


class _Emitter(Protocol):
    """What pairs need of the recorder."""

    clock: Clock
    ids: Ids

    def emit(
        self,
        kind: EventType,
        run: Run,
        content: Content,
        *,
        parent_span_id: str = "",
        span_id: str = "",
        agent: AgentRef | None = None,
        capture: DeferredCapture | None = None,
        metadata: Content | None = None,
        status: str = "",
        at_ns: int = 0,
        duration_ns: int = 0,
        weight_bytes: int = 0,
        problems: list[Exception] | None = None,
    ) -> None: ...

    def count_failed(self) -> None: ...

    def refuse(self) -> None: ...


class EventPairManager:
    """
    Keeps every START until its END, and closes those that nobody ended.

    A pair ends once: who takes it out of its run's table, in one step, emits.
    """

    def __init__(self, recorder: _Emitter) -> None:
        self._recorder = recorder
        self._runs: dict[int, Run] = {}
        self._busy: set[tuple[str, int]] = set()
        """Spans of which a thread is recording START or END, and the thread."""
        self._is_shut = False

    def start(
        self,
        kind: EventType,
        run: Run,
        content: Content,
        *,
        parent_span_id: str = "",
        closing: Content | None = None,
        on_close: Callable[[], object] | None = None,
        agent: AgentRef | None = None,
        capture: DeferredCapture | None = None,
        metadata: Content | None = None,
        at_ns: int = 0,
        weight_bytes: int = 0,
        problems: list[Exception] | None = None,
    ) -> Pair:
        """
        Record a START and return the pair to end later.

        Args:
            kind: A `*_START` type.
            run: Run that it belongs to.
            content: As for `Recorder.emit`.
            parent_span_id: Span under which it stands.
            closing: Content of the END, should nobody end the pair.
            on_close: Ends it by the rules of its kind, see `close_under`.
            agent: Agent that START and END name instead of the one in force.
            capture: As for `Recorder.emit`; so are those that follow.
            metadata: The same.
            at_ns: The same.
            weight_bytes: The same.
            problems: The same.
        """
        recorder = self._recorder
        span_id, now_ns = recorder.ids.span_id(), recorder.clock.monotonic_ns()
        pair = Pair(kind, run, span_id, parent_span_id, now_ns, closing or {})
        pair.agent, pair.on_close = agent or pair.agent, on_close
        self._busy.add(busy := (span_id, get_ident()))
        try:
            if not self._keep(pair):
                return pair
            recorder.emit(
                kind,
                run,
                content,
                span_id=span_id,
                parent_span_id=parent_span_id,
                agent=pair.agent,
                capture=capture,
                metadata=metadata,
                at_ns=at_ns,
                weight_bytes=weight_bytes,
                problems=problems,
            )
            return self._end_if_shut(pair)
        except BaseException:
            self._take_out(pair)
            raise
        finally:
            self._busy.discard(busy)

    def _keep(self, pair: Pair) -> bool:
        """Put *pair* into its run's table, unless its END could not be written."""
        if self._is_shut:
            pair.is_open = False
            self._recorder.refuse()
            return False
        run = pair.run
        run.pairs[pair.span_id] = pair
        self._runs[id(run)] = run
        if not run.run_id and pair.kind is not EventType.SESSION_START:
            run.run_id = pair.span_id
            run.started_monotonic_ns = pair.started_monotonic_ns
        return True

    def _take_out(self, pair: Pair) -> bool:
        """Take *pair* out of its run's table; tell whether it was in there."""
        run = pair.run
        if run.pairs.pop(pair.span_id, None) is None:
            return False
        pair.is_open = False
        # Once shut, nothing leaves the table for a moment: whoever closes looks there.
        if not run.pairs and not self._is_shut:
            self._runs.pop(id(run), None)
            if run.pairs:
                # Another thread of the run began one in between.
                self._runs[id(run)] = run
        return True

    def drop(self, run: Run) -> None:
        """Take out the pairs of *run* that could not be ended, and count each."""
        for pair in list(run.pairs.values()):
            if self._take_out(pair):
                self._recorder.count_failed()

    def end(
        self,
        pair: Pair,
        content: Content | None = None,
        *,
        status: str = "",
        capture: DeferredCapture | None = None,
        metadata: Content | None = None,
        at_ns: int = 0,
        weight_bytes: int = 0,
    ) -> bool:
        """
        Record the END of *pair*, once.

        Args:
            pair: What `start` returned.
            content: As for `Recorder.emit`; without it the closing content.
            status: As for `Recorder.emit`.
            capture: The same.
            metadata: The same.
            at_ns: The same.
            weight_bytes: The same.

        Returns:
            Whether this call ended it; later calls change nothing.
        """
        busy = (pair.span_id, get_ident())
        self._busy.add(busy)
        try:
            if not self._take_out(pair):
                return False
            now_ns = self._recorder.clock.monotonic_ns()
            self._recorder.emit(
                END_OF[pair.kind],
                pair.run,
                pair.closing if content is None else content,
                span_id=pair.span_id,
                parent_span_id=pair.parent_span_id,
                agent=pair.agent,
                status=status,
                capture=capture,
                metadata=metadata,
                at_ns=at_ns,
                duration_ns=now_ns - pair.started_monotonic_ns,
                weight_bytes=weight_bytes,
            )
        finally:
            self._busy.discard(busy)
        return True

    def close_under(self, pair: Pair) -> int:
        """
        End what is still open below *pair*, innermost first, before it ends itself.

        Each as its `on_close` says; what has none, or is open after it, becomes a
        CANCELLED orphan.

        Returns:
            How many pairs were ended.
        """
        depths = (
            (_steps_up(each, pair), each)
            for run in list(self._runs.values())
            for each in list(run.pairs.values())
        )
        below = [found for found in depths if found[0]]
        # Stable, so that of two on one level the later comes first.
        below.reverse()
        below.sort(key=lambda found: found[0], reverse=True)
        for _, each in below:
            self._close(each)
        return len(below)

    def _close(self, pair: Pair) -> None:
        try:
            if pair.on_close is not None and pair.is_open:
                pair.on_close()
        except Exception as error:
            report("end of a pair", error)
        finally:
            self._end_orphan(pair)

    def close_run(self, run: Run) -> int:
        """End what is still open in *run* as CANCELLED orphans, innermost first."""
        closed = 0
        for pair in reversed(list(run.pairs.values())):
            closed += self._end_orphan(pair)
        return closed

    def _end_if_shut(self, pair: Pair) -> Pair:
        # Shut while it began: the closing did not see it, so it ends here.
        if self._is_shut:
            self._end_orphan(pair)
        return pair

    def _end_orphan(self, pair: Pair) -> bool:
        return self.end(pair, status=_CANCELLED, metadata={"orphan": True})

    def shut(self) -> int:
        """Begin nothing any more, and end what is still open."""
        self.refuse()
        closed = self.close_all()
        self._await_others()
        self._runs.clear()
        return closed

    def refuse(self) -> None:
        """
        Begin nothing any more.

        What other threads are just beginning or ending is recorded when this returns.
        """
        self._is_shut = True
        self._await_others()

    def _await_others(self) -> None:
        own = get_ident()
        # They wait for nobody in there; none but a stopped machine takes so long.
        for _ in range(_MOST_LOOKS):
            if all(ident == own for _, ident in self._busy.copy()):
                return
            sleep(_LOOK_AGAIN_S)

    def close_all(self) -> int:
        """End what is still open in any run, innermost runs first."""
        return sum(self.close_run(run) for run in reversed(list(self._runs.values())))

    def close_runs(self) -> int:
        """End what is still open in runs, and leave the SESSION pairs open."""
        runs = list(self._runs.values())
        inner = [run for run in runs if run is not run.session.scope]
        return sum(self.close_run(run) for run in reversed(inner))

    def forget(self) -> None:
        """Drop all pairs without ending them: they belong to the parent process."""
        for run in list(self._runs.values()):
            run.pairs.clear()
        self._runs.clear()
        self._busy.clear()

    @property
    def open_count(self) -> int:
        """Pairs that wait for their END."""
        return sum(len(run.pairs) for run in list(self._runs.values()))


def _steps_up(pair: Pair, top: Pair) -> int:
    """Return how far *pair* stands below *top*; 0 if it does not."""
    steps, above = 1, pair.above
    while above is not None and above is not top:
        steps, above = steps + 1, above.above
    return 0 if above is None else steps
