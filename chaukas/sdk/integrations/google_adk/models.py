"""Record model calls: the call itself, its callbacks, and what the provider ran."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.deltas import DeltaBuffer, wants_deltas
from chaukas.sdk.integrations.shared.models import ModelCalls
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe_async_generator,
)
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import is_set
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.integrations.shared.tools import Tools
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.placement import node_in_force, place
from chaukas.sdk.system.internal_errors import attempt

from .callbacks import when_answered
from .exchange import answer_of, failure_of, hosted_in, request_of
from .facts import field, model_name_of, text_in, value_of
from .state import FRAMEWORK, AgentTurn, Delegated, Flow, LlmCall, agent_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Node, Run

    from .exchange import Hosted

__all__ = ["Models"]

_LLM = "google.adk.models.base_llm:BaseLlm"
_FLOW = "google.adk.flows.llm_flows.base_llm_flow:BaseLlmFlow"
_MODEL = (
    "MODEL_INVOCATION_START",
    "MODEL_INVOCATION_END",
    "TOOL_CALL_START",
    "TOOL_CALL_END",
    "DATA_ACCESS",
    "POLICY_DECISION",
    "RETRY",
    "ERROR",
)
_HANDLED = "on_model_error_callback"
_REPLACED = "after_model_callback"


class _Asking(Observation):
    """A model's answer, from the first step to the last response."""

    def __init__(self, models: Models, call: LlmCall, *, stream: bool) -> None:
        self._models, self._call, self._stream = models, call, stream
        self._last: Any = None
        self.node = call.node

    def item(self, value: Any) -> None:
        """Count a piece, or end with the last response."""
        if field(value, "partial") is True:
            self._models.record.chunk(self._call)
            if self._call.deltas is not None:
                self._call.deltas.add("text", 0, text_in(value))
            return
        self._last = value
        if not self._stream or field(value, "finish_reason") is not None:
            self._models.answered(self._call, value)

    def ended(self, result: Any) -> None:
        """End with what came last."""
        del result
        self._models.answered(self._call, self._last)
        self._models.over(self._call)

    def failed(self, error: BaseException) -> None:
        """Record how it failed, or that it was left."""
        self._models.failed(self._call, error)
        self._models.over(self._call)


class _Flowing(Observation):
    """A logical model call with its callbacks."""

    def __init__(self, models: Models, turn: AgentTurn) -> None:
        self._models, self._turn = models, turn
        turn.flow = self._flow = Flow()

    def item(self, value: Any) -> None:
        """A response after a failure: something has mended it."""
        flow = self._flow
        if flow.call is not None:
            flow.is_mended = flow.is_mended or not value_of(field(value, "error_code"))
            self._models.settle_flow(self._turn, flow)

    def ended(self, result: Any) -> None:
        """Nothing has mended what failed."""
        del result
        self._over()

    def failed(self, error: BaseException) -> None:
        """Nothing has mended what failed."""
        del error
        self._over()

    def _over(self) -> None:
        self._models.settle_flow(self._turn, self._flow)
        if self._turn.flow is self._flow:
            self._turn.flow = None


class Models(Part):
    """
    The hooks of models.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.record = ModelCalls(host)
        self._tools = Tools(host)

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            Patch(
                f"{_FLOW}._call_llm_async",
                observe_async_generator(self._flow),
                ("ERROR",),
                post_import=True,
            ),
            Patch(
                f"{_FLOW}._handle_before_model_callback",
                when_answered(partial(self.decided, "before_model_callback")),
                ("POLICY_DECISION",),
                post_import=True,
            ),
            Patch(
                f"{_FLOW}._handle_after_model_callback",
                self.after_model,
                ("POLICY_DECISION",),
                post_import=True,
            ),
            Patch(
                f"{_LLM}.generate_content_async",
                observe_async_generator(self._ask),
                _MODEL,
                subclasses=True,
            ),
        )

    # -- begin ----------------------------------------------------------------------

    def _flow(self, flow: Any, args: Any, kwargs: Any) -> Observation | None:
        del flow, args, kwargs
        turn = agent_at()
        return _Flowing(self, turn) if turn is not None and turn.sampled else None

    def after_model(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the callbacks after a response; those of a chunk are let through."""
        response = args[1] if len(args) > 1 else kwargs.get("llm_response")
        if field(response, "partial") is True:
            return wrapped(*args, **kwargs)
        # Read now, as callbacks may change it.
        has_failed = bool(value_of(field(response, "error_code")))
        note = partial(self._replaced, text_in(response), has_failed)
        return when_answered(note)(wrapped, instance, args, kwargs)

    # The arguments are positional because a partial gives them.
    def _replaced(self, said: str, had_failed: bool, result: Any) -> None:  # noqa: FBT001
        """Record a response in place of the model's that says something else."""
        turn = agent_at()
        flow = None if turn is None else turn.flow
        if had_failed and not value_of(field(result, "error_code")):
            if flow is not None:
                flow.is_mended = True
        elif text_in(result) != said:
            self.decided(_REPLACED, result)

    def _ask(self, llm: Any, args: Any, kwargs: dict[str, Any]) -> Observation | None:
        node = node_in_force()
        asked = args[0] if args else kwargs.get("llm_request")
        stream = is_set(args[1] if len(args) > 1 else kwargs.get("stream"))
        if node is not None and node.kind == "model":
            outer = node.detail
            return self._delegate(outer, llm) if isinstance(outer, LlmCall) else None
        run, parent_span_id = self._place(node)
        if not run.sampled:
            return None
        if isinstance(run, AgentTurn):
            run.is_waiting = False
        call = LlmCall(run, llm)
        request = request_of(llm, asked, stream=stream)
        self.record.open(call, request, parent_span_id=parent_span_id)
        if stream and wants_deltas(self._recorder, run):
            call.deltas = DeltaBuffer(self._recorder, run, call.span_id)
        return _Asking(self, call, stream=stream)

    def _place(self, node: Node | None) -> tuple[Run, str]:
        """Return the run of a call, and the span under which it stands."""
        if node is not None:
            return node.run, node.parent_span_id
        # First, as it notices a fork that Python was not told of.
        sessions = self._host.sessions
        found = place(sessions, self._recorder, framework=FRAMEWORK)
        found.run.agent_span_id = found.parent_span_id
        return found.run, found.parent_span_id

    def _delegate(self, outer: LlmCall, llm: Any) -> Observation | None:
        """Return what is seen of a model that is called by another one."""
        if outer.llm is llm:
            return None
        name, before = model_name_of(llm), outer.delegate
        if before is not None and before.error is not None:
            self.record.retry(
                outer,
                before.error,
                number=outer.delegates,
                strategy="fallback",
                metadata={
                    "layer": "framework",
                    "model": before.name,
                    "next_model": name,
                },
            )
            before.error = None
        outer.delegates += 1
        outer.delegate = Delegated(name)
        return outer.delegate

    # -- end ------------------------------------------------------------------------

    def answered(self, call: LlmCall, response: Any) -> None:
        """End a call with its last response, which may tell a failure."""
        if not call.is_open:
            return
        answer, failure = answer_of(response), failure_of(response)
        if call.delegate is not None and not answer.model:
            answer = answer._replace(model=call.delegate.name)
        for hosted in hosted_in(response):
            attempt("hosted tool", self._note_hosted, call, hosted)
        run = call.run
        if failure is not None and isinstance(run, AgentTurn):
            run.model_failures.add(failure.code)
            flow = run.flow
            if flow is not None and flow.call is None:
                flow.call, flow.answer, flow.failure = call, answer, failure
                return
        self.record.end(call, answer, failure=failure)

    @staticmethod
    def over(call: LlmCall) -> None:
        """Leave a run that was made for a call alone."""
        if not isinstance(call.run, AgentRun) and call.run.framework == FRAMEWORK:
            call.run.is_ended = True

    def failed(self, call: LlmCall, error: BaseException) -> None:
        """End a call that raised; callbacks around it may go on with another answer."""
        run = call.run
        flow = run.flow if isinstance(run, AgentTurn) else None
        if not call.is_open or (flow is not None and flow.call is call):
            return
        if flow is None or not isinstance(error, Exception):
            self.record.fail(call, error)
            return
        flow.call, flow.error = call, error

    def settle(self, turn: AgentRun, error: BaseException | None) -> None:
        """End what is open of the model call of an agent that ends."""
        if not isinstance(turn, AgentTurn):
            return
        if turn.flow is not None:
            self.settle_flow(turn, turn.flow)
        live = turn.live
        if live is not None and live.call is not None:
            # What is said when a conversation ends is not said to its end.
            end = error if error is not None else GeneratorExit()
            self.record.fail(live.call, end)

    def settle_flow(self, turn: AgentTurn, flow: Flow) -> None:
        """End a call that has failed, now that it is known what was done about it."""
        call, error, failure = flow.call, flow.error, flow.failure
        answer, is_mended = flow.answer, flow.is_mended
        flow.call = flow.error = flow.failure = flow.answer = None
        flow.is_mended = False
        if call is None:
            return
        del turn
        if error is not None and is_mended:
            self.record.fail(call, error, mended_by=_HANDLED)
        elif error is not None:
            self.record.fail(call, error)
        elif answer is not None and failure is not None:
            if is_mended:
                failure = failure._replace(
                    is_recoverable=True, recovery_action=_REPLACED
                )
            self.record.end(call, answer, failure=failure)

    # -- what stands beside and below -----------------------------------------------

    def decided(self, policy_id: str, response: Any) -> None:
        """Record that callbacks answered in place of a model."""
        turn = agent_at()
        if turn is None:
            return
        capture = self._recorder.capture(turn)
        record_policy(
            self._recorder,
            turn,
            turn.agent_span_id,
            policy_id,
            "override",
            rationale=capture.text(text_in(response), "policy.rationale"),
            capture=capture,
        )

    def _note_hosted(self, call: LlmCall, hosted: Hosted) -> None:
        """Record a tool that the provider ran, and what it read."""
        run = call.run
        if not isinstance(run, AgentRun):
            return
        tool = self._tools.begin(
            run,
            hosted.name,
            arguments=hosted.arguments,
            metadata={"type": "hosted"},
            parent_span_id=call.span_id,
        )
        if hosted.sources and tool.pair is not None:
            capture = self._recorder.capture(run)
            self._recorder.emit(
                EventType.DATA_ACCESS,
                run,
                content.data_access(
                    hosted.name,
                    document_ids=[
                        capture.text(each, "data_access.document_ids")
                        for each in hosted.sources
                    ],
                    metadata={
                        name: capture.tree(value, f"data_access.metadata.{name}")
                        for name, value in hosted.arguments.items()
                    },
                ),
                parent_span_id=tool.pair.span_id,
                capture=capture,
            )
        self._tools.end(tool, hosted.output)
