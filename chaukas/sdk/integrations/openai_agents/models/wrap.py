"""
Record model calls: one MODEL pair for each logical call, all retries inside it.

Two layers work together. The runner's retry functions know what one logical call is;
only the `Model` classes see the final input, settings and stream. Whoever comes first
opens the pair.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.facts import (
    Usage,
    bound,
    finish_reason_of,
    hash_of,
    prompt_of,
    response_facts,
    tool_names,
    usage_of,
)
from chaukas.sdk.integrations.openai_agents.runs.facts import hides_content
from chaukas.sdk.integrations.openai_agents.runs.runners import tell_unseen
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    Invocation,
    attempt,
    current_run,
    lone_run,
)
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.record.recorder import (
    error_code_of,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.record.retries import fields_of
from chaukas.sdk.system.internal_errors import report

from .decisions import CONTENT_FILTER, note_filter, note_withheld
from .facts import asked_of, chunks_by_kind, outcome_of, price_facts, schema_of
from .hidden import hidden_request, hidden_response
from .hosted import note_hosted
from .settings_sent import settings_of
from .streams import WatchedStream, is_streaming, node_of, tokens_per_second, watched

if TYPE_CHECKING:
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.record.history import Input

__all__ = ["ModelCalls", "WatchedStream", "bound"]

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_FILTER_CODES = frozenset({CONTENT_FILTER, "content_policy_violation"})


class ModelCalls(Part):
    """
    Wrappers around the runner's retry functions and the models.

    Args:
        host: Where to record.
    """

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

    # -- layer 2: the model's own methods -----------------------------------------

    async def get_response(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `Model.get_response` of every class of models."""
        invocation = self._enter(instance, args, kwargs, streamed=False)
        if invocation is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(node_of(invocation))
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
        token = CURRENT.set(node_of(invocation))
        try:
            stream = wrapped(*args, **kwargs)
        except BaseException as error:
            if invocation.is_alone:
                self._end_failed(invocation, error)
            raise
        finally:
            reset(token)
        return watched(stream, self, invocation)

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
            if node is not None and (node.kind == "model" or is_streaming(node)):
                return None
            if node is not None and node.kind == "call":
                invocation: Invocation = node.detail
            else:
                invocation = Invocation(self._run_of(node))
                invocation.is_alone = True
            invocation.attempts += 1
            # Of an attempt that was given up, nothing belongs to the next one.
            invocation.answer = None
            if invocation.pair is None:
                self._start(invocation, model, bound(args, kwargs), streamed=streamed)
        except Exception as error:
            report("Model.get_response", error)
            return None
        return invocation

    def _run_of(self, node: Node | None) -> AgentsRun:
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

    # -- START --------------------------------------------------------------------

    def _start(
        self,
        invocation: Invocation,
        model: Any,
        arguments: dict[str, Any],
        *,
        streamed: bool,
    ) -> None:
        run = invocation.run
        recorder = self._recorder
        capture = recorder.capture(run)
        settings = settings_of(arguments.get("model_settings"))
        run.turns += 1
        invocation.content = asked_of(model, settings, run)
        run.last_model = invocation.content.get("model", "")
        noted = self._noted(run, arguments)
        request = {"input": noted.fresh, **noted.facts}
        self._add_request(run, arguments, settings.further, request)
        if streamed:
            request["stream"] = True
        invocation.started_ns = recorder.clock.monotonic_ns()
        told = self._told_request(run, capture, request)
        invocation.pair = recorder.pairs.start(
            EventType.MODEL_INVOCATION_START,
            run,
            {"llm_invocation": {**invocation.content, "request": told}},
            parent_span_id=run.agent_span_id,
            closing={"llm_invocation": invocation.content},
            capture=capture,
        )
        if run.sampled and type(told) is dict:
            is_cut = recorder.is_too_large(told)
            recorder.history.keep(noted, told.get("input"), is_cut=is_cut)

    def _told_request(
        self, run: AgentsRun, capture: Capture, request: dict[str, Any]
    ) -> Any:
        if self._tells_content(run):
            return capture.tree(request, "llm_invocation.request")
        facts_capture = self._recorder.capture_facts()
        return hidden_request(request, capture, facts_capture)

    def _tells_content(self, run: AgentsRun) -> bool:
        return self._recorder.config.capture_content and not run.hide_content

    def _noted(self, run: AgentsRun, arguments: dict[str, Any]) -> Input:
        recorder = self._recorder
        return recorder.history.note(
            run.session,
            arguments.get("input"),
            hidden=not self._tells_content(run),
            repeat=recorder.config.capture_full_input,
        )

    def _add_request(
        self,
        run: AgentsRun,
        arguments: dict[str, Any],
        further: dict[str, Any],
        request: dict[str, Any],
    ) -> None:
        """Add to *request* what is asked for besides the input."""
        self._add_system(run, arguments.get("system_instructions"), request)
        names = tool_names(arguments.get("tools"))
        if names:
            request["tools"] = names
        handoffs = arguments.get("handoffs")
        if type(handoffs) is list and handoffs:
            request["handoffs"] = [getattr(h, "tool_name", None) for h in handoffs]
        schema = arguments.get("output_schema")
        if schema is not None:
            request |= schema_of(run, schema)
        for name in ("previous_response_id", "conversation_id"):
            if arguments.get(name) is not None:
                request[name] = arguments[name]
        prompt = arguments.get("prompt")
        if prompt is not None:
            request["prompt"] = prompt_of(prompt)
        if further:
            request["settings"] = further

    @staticmethod
    def _add_system(run: AgentsRun, system: Any, request: dict[str, Any]) -> None:
        """Add the system text's hash, and the text itself when it is new."""
        if type(system) is not str or not system:
            return
        request["system_hash"] = digest = hash_of(system)
        if digest != run.known_system:
            run.known_system = digest
            request["system"] = system

    # -- END ----------------------------------------------------------------------

    def _end_answered(self, invocation: Invocation, response: Any) -> None:
        """End with a `ModelResponse`."""
        if invocation.run.invocation is invocation:
            invocation.run.invocation = None
        try:
            if invocation.pair is None:
                # The model was reached past its class, by a mock say.
                self._start(invocation, None, {}, streamed=False)
            self._end_with(
                invocation,
                getattr(response, "output", None),
                usage_of(response),
                getattr(response, "response_id", None),
            )
        except Exception as error:
            self._end_bare(invocation)
            report("Model.get_response", error)

    # Each is one thing that only some endings know.
    def _end_with(
        self,
        invocation: Invocation,
        output: Any,
        usage: Usage,
        response_id: Any,
        *,
        status: str = _COMPLETED,
        response: Any = None,
        error: dict[str, str] | None = None,
    ) -> None:
        pair = invocation.pair
        if pair is None:
            return
        run = invocation.run
        recorder = self._recorder
        facts = response_facts(output)
        outcome = outcome_of(invocation, facts, response, response_id)
        if status == _FAILED and not outcome.finish_reason:
            outcome.finish_reason = "error"
        capture = recorder.capture(run)
        told: Any = {}
        if facts and self._tells_content(run):
            told = capture.tree(facts, "llm_invocation.response")
        elif facts:
            told = hidden_response(facts, capture, recorder.capture_facts())
        if error and isinstance(told, dict):
            told |= error
        content = self._end_content(invocation, usage, told, outcome.finish_reason)
        body: dict[str, Any] = {"llm_invocation": content}
        if outcome.response_id:
            body["response_id"] = outcome.response_id
        self._add_answered(body, usage, outcome.model)
        cost = body.get("cost")
        run.agent_totals.add(usage, cost)
        self._host.sessions.add(run, usage, cost)
        self._tell_inside(invocation, output, facts)
        recorder.pairs.end(pair, body, status=status, capture=capture)
        if status == _COMPLETED:
            note_withheld(recorder, invocation, facts, outcome.finish_reason)

    @staticmethod
    def _add_answered(body: dict[str, Any], usage: Usage, answered_by: str) -> None:
        """Add the model that answered, and the price of the call."""
        content = body["llm_invocation"]
        metadata = content.setdefault("metadata", {})
        if answered_by:
            metadata["response_model"] = answered_by
        cost, is_known = price_facts(content, usage, answered_by)
        if cost:
            body["cost"] = cost
        if not is_known:
            metadata["price"] = "unknown"

    def _tell_inside(
        self, invocation: Invocation, output: Any, facts: dict[str, Any]
    ) -> None:
        """Record what stands below the pair and is known only now, at its end."""
        if invocation.pieces is not None:
            attempt("stream_events", invocation.pieces.finish)
        # What is neither text nor a call of a function may be a hosted tool.
        if "items" in facts or invocation.hosted:
            note_hosted(self._recorder, invocation, output)
            # A stream is ended once more when it is closed.
            invocation.hosted = None

    def _end_content(
        self, invocation: Invocation, usage: Usage, told: Any, reason: str
    ) -> dict[str, Any]:
        recorder = self._recorder
        started_ns = invocation.started_ns
        content: dict[str, Any] = {
            **invocation.content,
            "metadata": dict(invocation.content.get("metadata", ())),
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "finish_reason": reason,
            "duration_ms": recorder.monotonic_ms_since(started_ns),
            "chunk_count": invocation.chunk_count,
        }
        if told:
            content["response"] = told
        if invocation.first_chunk_ns:
            content["time_to_first_token_ms"] = ms_between(
                started_ns, invocation.first_chunk_ns
            )
            generated = usage.output_tokens - usage.reasoning_tokens
            spent_ns = recorder.clock.monotonic_ns() - invocation.first_chunk_ns
            speed = tokens_per_second(generated, spent_ns)
            if speed:
                content["metadata"]["tokens_per_second"] = speed
        if invocation.delta_counts:
            content["metadata"]["chunks"] = chunks_by_kind(invocation.delta_counts)
        if invocation.attempts > 1:
            content["metadata"]["attempts"] = invocation.attempts
        return without_defaults(content)

    def _end_failed(self, invocation: Invocation, error: BaseException) -> None:
        """End with an error, or as cancelled."""
        if invocation.run.invocation is invocation:
            invocation.run.invocation = None
        pair = invocation.pair
        if pair is None:
            return
        recorder = self._recorder
        self._tell_inside(invocation, None, {})
        try:
            if not isinstance(error, Exception):
                recorder.pairs.end(
                    pair,
                    {"llm_invocation": self._partial(invocation)},
                    status=_CANCELLED,
                )
                return
            capture = recorder.capture(invocation.run)
            text = capture.text(error_text(error), "llm_invocation.response.error")
            code = fields_of(error).get("code")
            if code in _FILTER_CODES or CONTENT_FILTER in error_text(error):
                note_filter(recorder, invocation)
            recorder.error(invocation.run, error, pair.span_id)
            answer = invocation.answer
            self._end_with(
                invocation,
                answer and answer.output,
                answer.usage if answer else Usage(),
                answer and answer.response_id,
                status=_FAILED,
                error={"error": text, "error_code": error_code_of(error)},
            )
        except Exception as problem:
            self._end_bare(invocation, status=_FAILED)
            report("Model.get_response", problem)

    def _end_bare(self, invocation: Invocation, **options: Any) -> None:
        """End the pair with what is known, after something of ours failed."""
        if invocation.pair is not None:
            end = self._recorder.pairs.end
            attempt("Model.get_response", end, invocation.pair, **options)

    def _partial(self, invocation: Invocation) -> dict[str, Any]:
        return self._end_content(invocation, Usage(), None, "")

    # -- streams ------------------------------------------------------------------

    def stream_ended(self, invocation: Invocation, event: Any) -> None:
        """End with the terminal event of a stream."""
        if invocation.run.invocation is invocation:
            invocation.run.invocation = None
        try:
            response = getattr(event, "response", None)
            if event.type == "response.completed":
                self._end_with(
                    invocation,
                    getattr(response, "output", None),
                    usage_of(response)._replace(requests=invocation.attempts),
                    getattr(response, "id", None),
                    response=response,
                )
                return
            self._end_terminal_failure(invocation, event, response)
        except Exception as error:
            self._end_bare(invocation)
            report("Model.stream_response", error)

    def _end_terminal_failure(
        self, invocation: Invocation, event: Any, response: Any
    ) -> None:
        pair = invocation.pair
        if pair is None:
            return
        run = invocation.run
        recorder = self._recorder
        reason = finish_reason_of({}, response)
        detail = getattr(response, "error", None) or event
        message = getattr(detail, "message", None)
        code = getattr(detail, "code", None)
        capture = recorder.capture(run)
        text = capture.text(
            message if type(message) is str else f"response ended: {reason}",
            "error.error_message",
        )
        if reason == CONTENT_FILTER:
            note_filter(recorder, invocation)
        body = {
            "error_message": text,
            "error_code": code if type(code) is str else f"ModelBehaviorError:{reason}",
        }
        recorder.emit(
            EventType.ERROR,
            run,
            {"error": body},
            parent_span_id=pair.span_id,
            capture=capture,
        )
        run.has_terminal_error = True
        self._end_with(
            invocation,
            getattr(response, "output", None),
            usage_of(response),
            getattr(response, "id", None),
            status=_FAILED,
            response=response,
            error={"error": text},
        )

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
