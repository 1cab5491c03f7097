"""
Record model calls: one MODEL pair for each logical call, all retries inside it.

Two layers work together. The runner's retry functions know what one logical call is;
only the `Model` classes see the final input, settings and stream. Whoever comes first
opens the pair.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Host, Part
from chaukas.sdk.integrations.openai_agents.facts import bound, finish_reason_of
from chaukas.sdk.integrations.openai_agents.runs.facts import hides_content
from chaukas.sdk.integrations.openai_agents.runs.runners import tell_unseen
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    Invocation,
    current_run,
    lone_run,
)
from chaukas.sdk.integrations.shared import models as shared
from chaukas.sdk.integrations.shared.models import CONTENT_FILTER, Failure
from chaukas.sdk.integrations.shared.openai_api.frozen import frozen_answer
from chaukas.sdk.integrations.shared.usage import usage_of
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.retries import fields_of
from chaukas.sdk.system.internal_errors import attempt, report

from .facts import answer_of, held_answer, on_wire, request_of
from .hosted import note_hosted
from .streams import is_streaming, watched

if TYPE_CHECKING:
    from chaukas.sdk.integrations.shared.models import Answer

    from .facts import OnWire

__all__ = ["ModelCalls", "bound"]

_NS_PER_MS = 1_000_000
_CONVERSATION_LOCKED_RETRIES = 3


class ModelCalls(Part):
    """
    Wrappers around the runner's retry functions and the models.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.calls = shared.ModelCalls(host)
        """Begins and ends MODEL pairs, also those of speech and realtime models."""

    # -- layer 1: the logical call ------------------------------------------------

    async def get_response_with_retry(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the runner's loop around one call that is not streamed."""
        run = current_run()
        if run is None:
            tell_unseen()
            return await wrapped(*args, **kwargs)
        invocation = self._expect(run, kwargs)
        token = CURRENT.set(Node(run, run.agent_span_id, "call", invocation))
        try:
            response = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._end_failed(invocation, error)
            raise
        finally:
            reset(token)
        self._end_answered(invocation, response)
        return response

    def stream_response_with_retry(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the runner's loop around one streamed call, by its stream factory."""
        run = current_run()
        get_stream = kwargs.get("get_stream")
        if run is None:
            tell_unseen()
        if run is None or get_stream is None:
            return wrapped(*args, **kwargs)
        invocation = self._expect(run, kwargs)

        def get_watched_stream() -> Any:
            token = CURRENT.set(Node(run, run.agent_span_id, "call", invocation))
            try:
                return get_stream()
            finally:
                reset(token)

        kwargs["get_stream"] = get_watched_stream
        return wrapped(*args, **kwargs)

    def _expect(self, run: AgentsRun, kwargs: dict[str, Any]) -> Invocation:
        self.settle(run, None)
        limit = getattr(kwargs.get("retry_settings"), "max_retries", None)
        run.invocation = invocation = Invocation(
            run, limit if type(limit) is int else 0
        )
        return invocation

    async def runner_sleep(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the runner's sleep before it repeats a model call."""
        run = current_run()
        if run is None or run.invocation is None:
            return await wrapped(*args, **kwargs)
        invocation: Invocation = run.invocation
        # The error in flight is why it is repeated.
        error = sys.exc_info()[1]
        invocation.error = None
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            return await wrapped(*args, **kwargs)
        finally:
            note = self._note_runner_retry
            attempt("runner retry", note, invocation, started_ns, error)

    def _note_runner_retry(
        self, invocation: Invocation, started_ns: int, error: BaseException | None
    ) -> None:
        code = None if error is None else fields_of(error).get("code")
        locked = type(code) is str and code == "conversation_locked"
        limit = _CONVERSATION_LOCKED_RETRIES if locked else invocation.max_retries
        self.calls.retry(
            invocation,
            error,
            slept_ms=(self._recorder.clock.monotonic_ns() - started_ns) / _NS_PER_MS,
            max_attempts=limit,
            strategy="exponential" if locked else "",
            metadata={"layer": "runner", "model": invocation.run.last_model},
        )

    # -- layer 2: the model's own methods -----------------------------------------

    async def get_response(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `Model.get_response` of every class of models."""
        invocation = self._enter(instance, args, kwargs, streamed=False)
        if invocation is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(invocation.node)
        try:
            response = await wrapped(*args, **kwargs)
        except BaseException as error:
            if invocation.is_alone:
                self._end_failed(invocation, error)
            raise
        finally:
            reset(token)
        if invocation.is_alone:
            self._end_answered(invocation, response)
        return response

    def stream_response(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `Model.stream_response` of every class of models."""
        invocation = self._enter(instance, args, kwargs, streamed=True)
        if invocation is None:
            return wrapped(*args, **kwargs)
        # A router's plain method asks another model for the stream right here.
        token = CURRENT.set(invocation.node)
        try:
            stream = wrapped(*args, **kwargs)
        except BaseException as error:
            if invocation.is_alone:
                self._end_failed(invocation, error)
            raise
        finally:
            reset(token)
        return watched(stream, self._recorder, self, invocation)

    def _enter(
        self, model: Any, args: Any, kwargs: dict[str, Any], *, streamed: bool
    ) -> Invocation | None:
        """
        Open the pair of the call in force, at its first attempt.

        Returns:
            The invocation to watch; None when the call is part of one that is
            watched already (a router model, `super()`).
        """
        if SUPPRESSED.get():
            return None
        try:
            node = CURRENT.get()
            if node is not None and (
                not node.run.sampled or node.kind == "model" or is_streaming(node)
            ):
                return None
            if node is not None and node.kind == "call":
                invocation: Invocation = node.detail
            else:
                invocation = Invocation(self.run_of(node))
                invocation.is_alone = True
            invocation.attempts += 1
            # Of an attempt that was given up, nothing belongs to the next one.
            invocation.answer = None
            if invocation.pair is None and invocation.run.sampled:
                self._start(invocation, model, bound(args, kwargs), streamed=streamed)
        except Exception as error:
            report("Model.get_response", error)
            return None
        return invocation

    def run_of(self, node: Node | None) -> AgentsRun:
        """
        Return the run of a call that no runner announced.

        A release without retries calls the model for the agent in force; otherwise
        the application does, in a tool, say, and gets a run of its own.
        """
        run = current_run() if node is None or node.kind == "agent" else None
        return run or lone_run(self._host, hide_content=hides_content(None))

    # -- public hooks ---------------------------------------------------------------

    def started_by_hook(
        self, run: AgentsRun, agent: Any, system: Any, items: Any
    ) -> None:
        """Open a pair with what `on_llm_start` tells."""
        self.settle(run, None)
        run.invocation = invocation = Invocation(run)
        invocation.attempts = 1
        arguments = {
            "system_instructions": system,
            "input": items,
            "tools": getattr(agent, "tools", None),
            "model_settings": getattr(agent, "model_settings", None),
        }
        model = getattr(agent, "model", None)
        self._start(invocation, model, arguments, streamed=False)

    def ended_by_hook(self, run: AgentsRun, response: Any) -> None:
        """Close it with what `on_llm_end` tells."""
        if run.invocation is not None:
            self._end_answered(run.invocation, response)

    # -- START and END ------------------------------------------------------------

    def _start(
        self,
        invocation: Invocation,
        model: Any,
        arguments: dict[str, Any],
        *,
        streamed: bool,
    ) -> None:
        request = request_of(invocation.run, model, arguments, streamed=streamed)
        self.calls.open(invocation, request)

    def _end_answered(self, invocation: Invocation, response: Any) -> None:
        """End with a `ModelResponse`."""
        try:
            if not invocation.run.sampled:
                self.calls.end_bare(invocation)
                return
            if invocation.pair is None:
                # The model was reached past its class, by a mock say.
                self._start(invocation, None, {}, streamed=False)
            output = getattr(response, "output", None)
            wire = on_wire(invocation, getattr(response, "response_id", None))
            usage = getattr(response, "usage", None)
            if self._end_held(invocation, output, usage, wire):
                return
            answer = answer_of(output, usage_of(response), wire)
            self._end(invocation, response, answer)
        except Exception as error:
            self.calls.end_bare(invocation)
            report("Model.get_response", error)

    def _end_held(
        self,
        invocation: Invocation,
        output: Any,
        usage: Any,
        wire: OnWire,
        requests: int = 0,
    ) -> bool:
        """End with an answer that the writer reads; False if it must be read now."""
        is_filtered = CONTENT_FILTER in (wire.finish_reason, wire.status)
        if invocation.hosted or is_filtered:
            # What has events of its own is known before the END.
            return False
        held = frozen_answer(output, usage)
        if held is None:
            return False
        read = partial(held_answer, held, wire, requests)
        self.calls.end(invocation, read, weight_bytes=len(held.data))
        return True

    def _end(
        self,
        invocation: Invocation,
        response: Any,
        answer: Answer,
        failure: Failure | None = None,
    ) -> None:
        self._note_inside(invocation, getattr(response, "output", None), answer)
        self.calls.end(invocation, answer, failure=failure)

    def _note_inside(
        self, invocation: Invocation, output: Any, answer: Answer | None
    ) -> None:
        """Record what stands below the pair and is known only now, at its end."""
        if not invocation.run.sampled:
            return
        if invocation.deltas is not None:
            attempt("stream_events", invocation.deltas.finish)
        # What is neither text nor a call of a function may be a hosted tool.
        if invocation.hosted or (answer is not None and answer.items):
            note_hosted(self._recorder, invocation, output)
            # A stream is ended once more when it is closed.
            invocation.hosted = None

    def _end_failed(self, invocation: Invocation, error: BaseException) -> None:
        """End with an error, or as cancelled."""
        known = None
        try:
            self._note_inside(invocation, None, None)
            seen = invocation.answer
            if seen is not None and isinstance(error, Exception):
                wire = on_wire(invocation, seen.response_id)
                known = answer_of(seen.output, seen.usage, wire)
        except Exception as problem:
            report("Model.get_response", problem)
        self.calls.fail(invocation, error, known)

    # -- streams ------------------------------------------------------------------

    def stream_ended(self, invocation: Invocation, event: Any) -> None:
        """End with the terminal event of a stream."""
        try:
            response = getattr(event, "response", None)
            output = getattr(response, "output", None)
            wire = on_wire(invocation, getattr(response, "id", None), response)
            failure = None
            if event.type == "response.completed":
                requests = invocation.attempts
                tokens = getattr(response, "usage", None)
                if self._end_held(invocation, output, tokens, wire, requests):
                    return
                usage = usage_of(response)._replace(requests=requests)
            else:
                usage = usage_of(response)
                failure = _failure_of(event, response)
                invocation.run.has_terminal_error = True
            answer = answer_of(output, usage, wire)
            self._end(invocation, response, answer, failure)
        except Exception as error:
            self.calls.end_bare(invocation)
            report("Model.stream_response", error)

    def settle(self, run: AgentsRun, error: BaseException | None) -> None:
        """
        End a stream that broke and was not retried.

        Args:
            run: Run whose call may be open.
            error: How the run ended; None if it goes on.
        """
        invocation = run.invocation
        if invocation is None:
            return
        broke = invocation.error
        invocation.error = None
        if type(error).__name__ == "ModelTimeoutError" and error is not None:
            # The stream saw a cancellation; this is why.
            broke = error
        elif broke is None and invocation.is_exhausted:
            # The stream ended without a final event, which the runner refuses.
            broke = error
        self._end_failed(invocation, broke or asyncio.CancelledError())

    def end_alone(self, invocation: Invocation, error: BaseException | None) -> None:
        """End a stream that no runner looks after."""
        self._end_failed(invocation, error or asyncio.CancelledError())


def _failure_of(event: Any, response: Any) -> Failure:
    """Return what a stream that ended without an answer says of it."""
    reason = finish_reason_of({}, response)
    detail = getattr(response, "error", None) or event
    message, code = getattr(detail, "message", None), getattr(detail, "code", None)
    return Failure(
        message if type(message) is str else f"response ended: {reason}",
        code if type(code) is str else f"ModelBehaviorError:{reason}",
    )
