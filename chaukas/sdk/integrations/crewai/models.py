"""Record models: one MODEL pair for each call, whoever makes it and however often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.deltas import DeltaBuffer, wants_deltas
from chaukas.sdk.integrations.shared.model_facts import Request, Schema
from chaukas.sdk.integrations.shared.models import ModelCall, ModelCalls
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.usage import Usage
from chaukas.sdk.integrations.shared.usage import usage_of as usage_in
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.errors import error_code_of, error_text, status_of
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import bare_name_of, is_class

from .facts import argument, held, request_of, response_of, usage_of
from .state import Here, here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .runs import CrewRuns

__all__ = ["CrewModelCall", "Models", "model_in_force"]

_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END", "ERROR", "POLICY_DECISION")
_LLM = "crewai.llms.base_llm:BaseLLM"
_RETRY = "crewai.llms.retry"
_ATTEMPTS = 3
"""Of CrewAI's own loop, which has the number in a constant."""


class CrewModelCall(ModelCall):
    """One call of a model, with what is told of it while it goes on."""

    __slots__ = ("facts", "key", "usage", "wants_deltas")

    def __init__(self, run: Any, key: int) -> None:
        super().__init__(run)
        self.key = key
        """Identity of the model's object."""
        self.usage = Usage()
        """Of all responses that it took."""
        self.facts: dict[str, str] = {}
        """`finish_reason` and `response_id`."""
        self.wants_deltas = False


def model_in_force() -> CrewModelCall | None:
    """Return the call of a model that goes on here, if there is one."""
    node = node_in_force()
    if node is None or node.kind != "model":
        return None
    return node.detail if isinstance(node.detail, CrewModelCall) else None


class _Asking(Observation):
    """A call from its begin to its end."""

    def __init__(self, models: ModelCalls, call: CrewModelCall, place: Here) -> None:
        self._models, self._call, self._place = models, call, place
        self.node = call.node

    def answer(self, result: Any) -> Any:
        """Return what is recorded of a result."""
        call = self._call
        requests = call.usage.requests
        metadata = {"requests": requests} if requests > 1 else {}
        return response_of(result, call.usage, metadata=metadata, **call.facts)

    def ended(self, result: Any) -> None:
        self._models.end(self._call, self.answer(result))
        self._place.close()

    def failed(self, error: BaseException) -> None:
        self._models.fail(self._call, error, pending=self._place.errors)
        self._place.close()


class _Instructing(_Asking):
    """A call that CrewAI leaves to instructor."""

    def answer(self, result: Any) -> Any:
        raw = getattr(result, "_raw_response", None)
        return response_of(result, usage_in(raw))


class Models(Part):
    """
    Wrappers around models.

    Args:
        host: Where to record.
        runs: Opens what a call outside of any run needs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs
        self._models = ModelCalls(host)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        retry = {"everywhere": True, "optional": True, "min_version": "1.15.11"}
        return (
            Patch(f"{_LLM}.call", observe(self._begin), _MODEL, subclasses=True),
            Patch(f"{_LLM}.acall", observe_async(self._begin), _MODEL, subclasses=True),
            Patch(
                f"{_LLM}._track_token_usage_internal",
                self._used,
                subclasses=True,
                optional=True,
            ),
            Patch(
                f"{_RETRY}:run_with_rate_limit_retry", self._loop, ("RETRY",), **retry
            ),
            Patch(
                f"{_RETRY}:arun_with_rate_limit_retry",
                self._loop_async,
                ("RETRY",),
                **retry,
            ),
            Patch(
                "crewai.utilities.internal_instructor:InternalInstructor.to_pydantic",
                observe(self._instruct),
                _MODEL,
            ),
        )

    def _begin(self, llm: Any, args: Any, kwargs: Any) -> _Asking | None:
        outer = model_in_force()
        if outer is not None and outer.key == id(llm):
            # `super().call()`, or a call that CrewAI makes once more.
            return None
        call, place = self._open(request_of(llm, args, kwargs), id(llm))
        return _Asking(self._models, call, place)

    def _open(self, request: Request, key: int) -> tuple[CrewModelCall, Here]:
        place = here(self._host, self._runs.shared)
        call = CrewModelCall(place.run, key)
        try:
            self._models.open(call, request, parent_span_id=place.span_id)
        except BaseException:
            place.close()
            raise
        if request.stream and call.is_open:
            call.wants_deltas = wants_deltas(self._recorder, place.run)
        return call, place

    def _instruct(self, instructor: Any, _args: Any, _kwargs: Any) -> _Asking:
        llm, model = held(instructor, "llm"), held(instructor, "model")
        content = held(instructor, "content")
        messages = [{"role": "user", "content": content}]
        name = llm if type(llm) is str else None
        request = request_of(llm, (messages,), {})
        call, place = self._open(
            request._replace(
                model=name or request.model,
                output_schema=Schema(bare_name_of(model)) if is_class(model) else None,
                metadata={"via": "instructor"},
            ),
            id(instructor),
        )
        return _Instructing(self._models, call, place)

    def _used(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what CrewAI counts the tokens of each response with."""
        attempt(
            "crewai usage", self._add_usage, argument(args, kwargs, 0, "usage_data")
        )
        return wrapped(*args, **kwargs)

    @staticmethod
    def _add_usage(data: Any) -> None:
        call = model_in_force()
        if call is not None:
            call.usage = call.usage.plus(usage_of(data))

    # -- what the bus tells -------------------------------------------------------

    def completed(self, held_by_event: dict[str, Any]) -> None:
        """Note what an event says that a call was completed with."""
        call = model_in_force()
        if call is None:
            return
        for name in ("finish_reason", "response_id"):
            value = held_by_event.get(name)
            if type(value) is str:
                call.facts[name] = value
        if not call.usage.requests:
            # Of a release, or a model, that does not count each response.
            call.usage = usage_of(held_by_event.get("usage"))

    def chunk(self, held_by_event: dict[str, Any]) -> None:
        """Count a piece of a streamed answer."""
        call = model_in_force()
        if call is None:
            return
        is_call = held_by_event.get("tool_call") is not None
        self._models.chunk(call, "arguments" if is_call else "text")
        if call.wants_deltas and not is_call:
            if call.deltas is None:
                call.deltas = DeltaBuffer(self._recorder, call.run, call.span_id)
            call.deltas.add("text", 0, held_by_event.get("chunk"))

    # -- retries ------------------------------------------------------------------

    def _loop(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the loop that calls a model again which was asked too often."""
        call = model_in_force()
        if call is None or not args:
            return wrapped(*args, **kwargs)
        operation, *rest = args
        attempts = _Attempts(self, call)

        def observed() -> Any:
            attempts.started()
            try:
                return operation()
            except Exception as error:
                attempts.failed(error)
                raise

        return wrapped(observed, *rest, **kwargs)

    async def _loop_async(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap its twin for coroutines."""
        call = model_in_force()
        if call is None or not args:
            return await wrapped(*args, **kwargs)
        operation, *rest = args
        attempts = _Attempts(self, call)

        async def observed() -> Any:
            attempts.started()
            try:
                return await operation()
            except Exception as error:
                attempts.failed(error)
                raise

        return await wrapped(observed, *rest, **kwargs)

    def note_loop(self, call: CrewModelCall, failure: _Failure, number: int) -> None:
        """Record that the loop begins once more."""
        recorder = self._recorder
        now_ns = recorder.clock.monotonic_ns()
        self._models.retry(
            call,
            None,
            number=number,
            max_attempts=_ATTEMPTS - 1,
            slept_ms=ms_between(failure.at_ns, now_ns),
            strategy="exponential",
            metadata={"layer": "crewai", **failure.facts},
            message=failure.message,
        )

    def failure_of(self, call: CrewModelCall, error: Exception) -> _Failure:
        """Return what the RETRY will say of an error, which is not kept."""
        recorder = self._recorder
        capture = recorder.capture(call.run)
        facts = {"error_code": error_code_of(error), "status": status_of(error)}
        return _Failure(
            capture.text(error_text(error), "retry.error_message"),
            without_defaults(facts),
            recorder.clock.monotonic_ns(),
        )


class _Failure:
    """Why an attempt failed, and when."""

    def __init__(self, message: str, facts: dict[str, Any], at_ns: int) -> None:
        self.message, self.facts, self.at_ns = message, facts, at_ns


class _Attempts:
    """The attempts of one loop."""

    def __init__(self, models: Models, call: CrewModelCall) -> None:
        self._models, self._call = models, call
        self._failure: _Failure | None = None
        self._count = 0

    def started(self) -> None:
        """Note that an attempt begins; never raises."""
        failure, self._failure = self._failure, None
        if failure is not None:
            attempt(
                "crewai retry", self._models.note_loop, self._call, failure, self._count
            )
        self._count += 1

    def failed(self, error: Exception) -> None:
        """Note that an attempt failed; never raises."""
        self._failure = attempt(
            "crewai retry", self._models.failure_of, self._call, error
        )
