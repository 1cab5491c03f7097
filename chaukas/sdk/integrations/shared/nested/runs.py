"""
Record runs inside of one another, each with one AGENT pair: crews, graphs, workflows.

Several may go on at once in one run, in tasks and in threads. An error goes outward
until something handles it; what goes on when the run around it ends, ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import Observation
from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.retries import fingerprint_of
from chaukas.sdk.system.internal_errors import attempt

from .pending_errors import PendingErrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import AgentRef

__all__ = ["Here", "NestedRun", "NestedRuns", "Running"]


class NestedRun(AgentRun):
    """A run with one AGENT pair, inside of another one or not."""

    __slots__ = ("above", "below", "errors", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **kwargs)
        self.errors = PendingErrors()
        """Of which it is not known yet whether something handles them."""
        self.notes: dict[str, Any] = {}
        """Further facts for its END."""
        self.below: dict[int, NestedRun] = {}
        """Runs inside of it that go on."""
        outer = None if self.parent is None else self.parent.run
        self.above = outer if isinstance(outer, NestedRun) else None
        if self.above is not None:
            self.above.below[id(self)] = self


R = TypeVar("R", bound=NestedRun)


class Here(NamedTuple):
    """Where something stands that is no run: under what is in force, or alone."""

    run: Any
    """The run; an `AgentRun`, or that of a call which no agent makes."""
    span_id: str
    is_alone: bool = False

    @property
    def errors(self) -> PendingErrors | None:
        """What keeps errors that may be handled; None where nothing handles them."""
        run = self.run
        return run.errors if isinstance(run, NestedRun) and not self.is_alone else None

    def close(self) -> None:
        """End what was made for this alone."""
        if self.is_alone:
            self.run.is_ended = True


class Running(Observation):
    """
    A run from its begin to its end.

    Args:
        runs: Ends it.
        run: The run, whose agent has started.
        output_of: Reads the answer in what is returned; None if that is none.
    """

    def __init__(
        self,
        runs: NestedRuns,
        run: NestedRun,
        output_of: Callable[[Any], Any] | None = None,
    ) -> None:
        self.runs, self.run, self.output_of = runs, run, output_of
        self.node = Node(run, run.agent_span_id, "own_agent")

    def ended(self, result: Any) -> None:
        """Record the answer, if there is one, and the end."""
        if self.output_of is None:
            self.runs.end(self.run)
        else:
            self.runs.answer(self.run, self.output_of(result))

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self.runs.fail(self.run, error)


class NestedRuns(Runs):
    """
    Begins and ends runs inside of one another.

    Args:
        host: Where to record.
        framework: Name of the integration.
    """

    def __init__(self, host: Host, framework: str) -> None:
        super().__init__(host, framework, self._settle_errors)

    def begin(
        self,
        run: R,
        agent: AgentRef,
        facts: dict[str, Any],
        texts: list[Any],
        *,
        known_as: Any = None,
        source: str = "",
        output_of: Callable[[Any], Any] | None = None,
    ) -> Running:
        """
        Start the pair of a run, and note its input if it is the outermost.

        Args:
            run: What `open` returned.
            agent: How events name it.
            facts: What is known of it, as for `start_agent`.
            texts: What it is given, uncaptured.
            known_as: The framework's own object.
            source: Where *texts* come from, if that needs to be said.
            output_of: As for `Running`.
        """
        if not run.sampled:
            return Running(self, run, output_of)
        try:
            self.start_agent(run, agent, facts, known_as=known_as)
            if run.parent is None:
                self.note_retry(run, fingerprint_of(texts))
            self.note_input(run, texts, {"source": source} if source else None)
        except BaseException:
            self.abandon(run)
            raise
        return Running(self, run, output_of)

    def here(self) -> Here:
        """Return where something stands that happens now, and is no run."""
        node = node_in_force()
        if node is not None and isinstance(node.run, AgentRun):
            return Here(node.run, node.parent_span_id)
        run = self.open(NestedRun, is_run=False)
        if run.parent is None:
            self._host.sessions.leave(run.session)
        return Here(run, run.agent_span_id, is_alone=True)

    def note_again(
        self,
        run: NestedRun,
        layer: str,
        number: int,
        limit: Any,
        error: BaseException | None = None,
        message: Any = None,
    ) -> None:
        """
        Record that an agent works once more, at once.

        Args:
            run: Its run.
            layer: Who has it work again.
            number: Of the repetition, from 1.
            limit: How often it may; anything but a number if nobody says it.
            error: What it failed of.
            message: Text instead of the error's own, captured.
        """
        record_retry(
            self._recorder,
            run,
            run.agent_span_id,
            error,
            number=number,
            max_attempts=limit if type(limit) is int else 0,
            strategy="immediate",
            metadata={"layer": layer, "model": run.last_model},
            message=message,
        )
        run.notes["attempts"] = run.notes.get("attempts", 1) + 1

    # -- ends ---------------------------------------------------------------------

    def answer(self, run: NestedRun, output: Any) -> None:
        """Record the answer of a run, uncaptured, and its end."""
        if self._goes_on(run):
            text = self.note_output(run, output)
            self._finish(run, None, {"output": text, **run.notes})

    def end(self, run: NestedRun, *, failure: str = "", **facts: Any) -> None:
        """Record the end of a run without an answer; *failure* as for `finish`."""
        if self._goes_on(run):
            self._finish(run, None, {**run.notes, **facts}, failure)

    def fail(self, run: NestedRun, error: BaseException) -> None:
        """Record that a run failed, or was cancelled."""
        if not run.sampled:
            self.abandon(run, failed=isinstance(error, Exception))
        elif self._goes_on(run):
            self._finish(run, error, run.notes)

    def abandon(self, run: AgentRun, *, failed: bool = False) -> None:
        """End a run without events; the arguments are those of `Runs.abandon`."""
        super().abandon(run, failed=failed)
        _leave_above(run)

    def _goes_on(self, run: NestedRun) -> bool:
        """Tell whether no run around it has ended, and this one with it."""
        pair = run.agent_pair
        if pair is not None and pair.is_open:
            return True
        self.abandon(run)
        return False

    def _finish(
        self,
        run: NestedRun,
        error: BaseException | None,
        facts: dict[str, Any],
        failure: str = "",
    ) -> None:
        attempt("end of a run", self._close_below, run)
        is_held = run.above is not None and isinstance(error, Exception)
        self.finish(run, error, facts, is_reported=is_held, failure=failure)
        if run.above is not None:
            run.above.agent_count += run.agent_count
        _leave_above(run)

    def _close_below(self, run: NestedRun) -> None:
        """End what goes on in threads that nobody waits for."""
        for each in list(run.below.values()):
            self._close_below(each)
            self._recorder.pairs.close_run(each)
        run.below.clear()

    def _settle_errors(self, run: NestedRun, error: BaseException | None) -> None:
        """Say of the errors of a run whether something handled them."""
        outer = None if run.above is None else run.above.errors
        failed = error if isinstance(error, Exception) else None
        if failed is not None:
            run.errors.hold(self._recorder, run, failed, run.agent_span_id)
        run.errors.settle(self._recorder, failed, outer=outer)


def _leave_above(run: AgentRun) -> None:
    if isinstance(run, NestedRun) and run.above is not None:
        run.above.below.pop(id(run), None)
