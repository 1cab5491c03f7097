"""Record models: one MODEL pair for each call, whoever makes it and however often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.deltas import DeltaBuffer, wants_deltas
from chaukas.sdk.integrations.shared.models import ModelCall, ModelCalls
from chaukas.sdk.integrations.shared.nested.loops import Loop
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.usage import Usage
from chaukas.sdk.integrations.shared.usage import usage_of as usage_in
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.internal_errors import attempt

from .facts import (
    argument,
    held,
    private,
    request_of,
    response_of,
    schema_of,
    usage_of,
)
from .state import in_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.model_facts import Answer, Request
    from chaukas.sdk.integrations.shared.nested.runs import Here

    from .runs import CrewRuns

__all__ = ["CrewModelCall", "Models"]

_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END", "ERROR", "POLICY_DECISION")
_LLM = "crewai.llms.base_llm:BaseLLM"
_LOOP = "crewai.llms.retry"
_RETRIES = 2
"""Of CrewAI's own loop, which has the number in a constant."""


class CrewModelCall(ModelCall):
    """One call of a model, with what is told of it while it goes on."""

    __slots__ = ("facts", "is_instructed", "key", "usage")

    def __init__(self, run: Any, key: int) -> None:
        super().__init__(run)
        self.key = key
        """Identity of the model's object."""
        self.is_instructed = False
        """Instructor asks, and its answer has the usage."""
        self.usage = Usage()
        """Of all responses that it took."""
        self.facts: dict[str, str] = {}
        """`finish_reason` and `response_id`."""


def _model_in_force() -> CrewModelCall | None:
    node = node_in_force()
    if node is None or node.kind != "model":
        return None
    return node.detail if isinstance(node.detail, CrewModelCall) else None


class _Asking(Observation):
    """A call from its begin to its end."""

    def __init__(self, models: ModelCalls, call: CrewModelCall, place: Here) -> None:
        self._models, self._call, self._place = models, call, place
        self.node = call.node

    def ended(self, result: Any) -> None:
        self._models.end(self._call, self._answer(result))
        self._place.close()

    def failed(self, error: BaseException) -> None:
        self._models.fail(self._call, error, pending=self._place.errors)
        self._place.close()

    def _answer(self, result: Any) -> Answer:
        usage, facts = self._call.usage, self._call.facts
        if self._call.is_instructed:
            raw = held(result, "_raw_response")
            usage = usage_in(private(result, "_raw_response") if raw is None else raw)
        metadata = {"requests": usage.requests} if usage.requests > 1 else {}
        return response_of(result, usage, metadata=metadata, **facts)


class Models(Part):
    """
    Wrappers around models.

    Args:
        host: Where to record.
        runs: Says where a call stands.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs
        self._models = ModelCalls(host)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(f"{_LLM}.call", observe(self._begin), _MODEL, subclasses=True),
            Patch(f"{_LLM}.acall", observe_async(self._begin), _MODEL, subclasses=True),
            Patch(
                f"{_LLM}._track_token_usage_internal",
                self._used,
                subclasses=True,
                optional=True,
            ),
            *(
                Patch(
                    f"{_LOOP}:{name}",
                    wrap,
                    ("RETRY",),
                    everywhere=True,
                    optional=True,
                    min_version="1.15.11",
                )
                for name, wrap in (
                    ("run_with_rate_limit_retry", self._loop),
                    ("arun_with_rate_limit_retry", self._loop_async),
                )
            ),
            Patch(
                "crewai.utilities.internal_instructor:InternalInstructor.to_pydantic",
                observe(self._instruct),
                _MODEL,
            ),
        )

    def _begin(self, llm: Any, args: Any, kwargs: Any) -> _Asking | None:
        outer = _model_in_force()
        if outer is not None and outer.key == id(llm):
            # `super().call()`, or a call that CrewAI makes once more.
            return None
        request = request_of(llm, args, kwargs)
        method = in_method(node_in_force())
        if method:
            request = request._replace(metadata=method)
        return self._asked(request, id(llm))

    def _asked(
        self, request: Request, key: int, *, is_instructed: bool = False
    ) -> _Asking:
        place = self._runs.shared.here()
        call = CrewModelCall(place.run, key)
        call.is_instructed = is_instructed
        try:
            self._models.open(call, request, parent_span_id=place.span_id)
        except BaseException:
            place.close()
            raise
        return _Asking(self._models, call, place)

    def _instruct(self, instructor: Any, _args: Any, _kwargs: Any) -> _Asking:
        """Record what CrewAI leaves to instructor, past its own models."""
        llm = held(instructor, "llm")
        messages = [{"role": "user", "content": held(instructor, "content")}]
        request = request_of(llm, (messages,), {})
        return self._asked(
            request._replace(
                model=llm if type(llm) is str else request.model,
                output_schema=schema_of(held(instructor, "model")),
                metadata={"via": "instructor"},
            ),
            id(instructor),
            is_instructed=True,
        )

    # -- tokens, and what the bus tells -------------------------------------------

    def _used(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what CrewAI counts the tokens of each response with."""
        attempt(
            "crewai usage", self._add_usage, argument(args, kwargs, 0, "usage_data")
        )
        return wrapped(*args, **kwargs)

    @staticmethod
    def _add_usage(data: Any) -> None:
        call = _model_in_force()
        if call is not None:
            call.usage = call.usage.plus(usage_of(data))

    def completed(self, event: dict[str, Any]) -> None:
        """Note what an event says that a call was completed with."""
        call = _model_in_force()
        if call is None:
            return
        for name in ("finish_reason", "response_id"):
            value = event.get(name)
            if type(value) is str:
                call.facts[name] = value
        if not call.usage.requests:
            # Of a release, or a model, that does not count each response.
            call.usage = usage_of(event.get("usage"))

    def chunk(self, event: dict[str, Any]) -> None:
        """Count a piece of a streamed answer."""
        call = _model_in_force()
        if call is None:
            return
        is_call = event.get("tool_call") is not None
        self._models.chunk(call, "arguments" if is_call else "text")
        if is_call or not call.is_open or not wants_deltas(self._recorder, call.run):
            return
        if call.deltas is None:
            call.deltas = DeltaBuffer(self._recorder, call.run, call.span_id)
        call.deltas.add("text", 0, event.get("chunk"))

    # -- retries ------------------------------------------------------------------

    def _loop(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the loop that calls a model again which was asked too often."""
        loop = attempt("crewai retry", self._loop_here)
        if loop is None or not args:
            return wrapped(*args, **kwargs)
        operation, *rest = args
        return wrapped(loop.observed(operation), *rest, **kwargs)

    async def _loop_async(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap its twin for coroutines."""
        loop = attempt("crewai retry", self._loop_here)
        if loop is None or not args:
            return await wrapped(*args, **kwargs)
        operation, *rest = args
        return await wrapped(loop.observed_async(operation), *rest, **kwargs)

    def _loop_here(self) -> Loop | None:
        call = _model_in_force()
        if call is None:
            return None
        return Loop(
            self._recorder,
            call.run,
            call.span_id,
            layer="crewai",
            limit=_RETRIES,
            strategy="exponential",
        )
