"""
Errors whose ERROR waits until it is known whether something handled them.

A framework may try again, tell the model, or let the error end its agents one after the
other. Only then is it known whether it was recoverable. What is kept are captured
texts, never the error itself.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.events import EventType
from chaukas.sdk.record import content
from chaukas.sdk.record.context import agent_in_force
from chaukas.sdk.record.errors import error_chain, recogniser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import AgentRef, Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["PendingErrors"]

_LIMIT = 64


class _Pending(NamedTuple):
    run: Run
    span_id: str
    agent: AgentRef | None
    facts: dict[str, Any]
    """What `content.error` wants to know."""
    capture: DeferredCapture
    is_same: Callable[[BaseException], bool]
    at_ns: int


class PendingErrors:
    """The errors of a run, of a tool or of whatever else may handle them."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: deque[_Pending] = deque()

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(
        self, recorder: Recorder, run: Run, error: BaseException, span_id: str
    ) -> None:
        """Keep what *error* says, unless it or a cause of it is known already."""
        if not run.sampled or self.knows(error) or recorder.is_reported(run, error):
            return
        if len(self._held) >= _LIMIT:
            self._tell(recorder, self._held.popleft(), is_recoverable=True)
        capture = recorder.capture(run)
        facts = recorder.error_content(capture, error)
        self._held.append(
            _Pending(
                run,
                span_id,
                agent_in_force(run),
                facts,
                capture,
                recogniser_of(error),
                recorder.clock.time_ns(),
            )
        )

    def knows(self, error: BaseException) -> bool:
        """Tell whether *error*, or an error behind it, is held."""
        if not self._held:
            return False
        chain = list(error_chain(error))
        return any(_is_in(pending, chain) for pending in list(self._held))

    def settle(
        self,
        recorder: Recorder,
        error: BaseException | None = None,
        *,
        action: str = "",
        outer: PendingErrors | None = None,
    ) -> None:
        """
        Record what is held: it was handled, but for what ends now with *error*.

        Args:
            recorder: Where to record.
            error: What nothing here handled, if there is one.
            action: What handled the others.
            outer: What may handle *error* further out: its ERROR goes on waiting.
        """
        held, self._held = self._held, deque()
        chain = [] if error is None or not held else list(error_chain(error))
        for pending in held:
            if not _is_in(pending, chain):
                self._tell(recorder, pending, is_recoverable=True, action=action)
            elif outer is not None:
                outer.take(pending)
            else:
                self._tell(recorder, pending, is_recoverable=False)
                if error is not None:
                    recorder.note_reported(pending.run, error)

    def take(self, pending: _Pending) -> None:
        """Hold what something further in did not handle."""
        self._held.append(pending)

    def drop(self) -> None:
        """Forget what is held: another ERROR tells of it."""
        self._held.clear()

    @staticmethod
    def _tell(
        recorder: Recorder,
        pending: _Pending,
        *,
        is_recoverable: bool,
        action: str = "",
    ) -> None:
        recorder.emit(
            EventType.ERROR,
            pending.run,
            content.error(
                **pending.facts,
                recoverable=is_recoverable,
                recovery_action=action,
            ),
            parent_span_id=pending.span_id,
            agent=pending.agent,
            capture=pending.capture,
            at_ns=pending.at_ns,
        )


def _is_in(pending: _Pending, chain: list[BaseException]) -> bool:
    return any(map(pending.is_same, chain))
