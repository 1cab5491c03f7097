"""
Record the openai client's own calls of models: one MODEL pair for each.

Only calls that no framework makes: inside of a framework's model call nothing is
recorded here, since the framework's integration knows more of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventStatus
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.deltas import wants_deltas
from chaukas.sdk.integrations.shared.models import ModelCall, ModelCalls
from chaukas.sdk.integrations.shared.openai_api.response_deltas import ResponseDeltas
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.record.context import SUPPRESSED, Run
from chaukas.sdk.record.errors import fields_of, status_of
from chaukas.sdk.record.placement import node_in_force, place, place_inside
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import attempt, guarded

from .answers import CompletionDeltas, Told, chunks_of, told_by
from .requests import CHAT, api_of, body_of, client_provider_of, request_of

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.model_facts import Request
    from chaukas.sdk.record.context import Node

    from .answers import Chunks

__all__ = ["NAME", "ClientCall", "ClientCalls"]

NAME = "openai_client"
_COMPLETED = EventStatus.COMPLETED.value
_CANCELLED = EventStatus.CANCELLED.value


class ClientCall(ModelCall):
    """One request of the client for an answer of a model."""

    __slots__ = ("api", "chunks", "is_left_open", "is_stream")

    def __init__(self, run: Run, request: Request) -> None:
        super().__init__(run)
        self.api = request.api
        self.is_stream = request.stream
        self.chunks: Chunks | None = None
        """What came of its stream."""
        self.is_left_open = False
        """Its answer is still to be read when the request has returned."""


class ClientCalls(Part):
    """
    What begins and ends the pairs; nothing here raises.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._models = ModelCalls(host)

    @guarded(None, where="openai request")
    def begin(self, client: Any, options: Any) -> ClientCall | None:
        """
        Open the pair of a request.

        Args:
            client: The client that makes it.
            options: Its `FinalRequestOptions`.

        Returns:
            The call to end; None for a request that is not to be recorded.
        """
        api = api_of(options)
        if not api or SUPPRESSED.get():
            return None
        node = node_in_force()
        if node is not None and _is_model_call(node):
            return None
        run = self._run_at(node)
        if not run.sampled:
            return None
        request = request_of(api, client_provider_of(client), body_of(options))
        call = ClientCall(run, request)
        try:
            self._models.open(call, request)
            if call.is_stream and wants_deltas(self._recorder, run):
                kind = CompletionDeltas if api == CHAT else ResponseDeltas
                call.deltas = kind(self._recorder, run, call.span_id)
        except BaseException:
            # Nothing of it stays open.
            attempt("openai request", self._recorder.pairs.close_run, run)
            raise
        return call

    def _run_at(self, node: Node | None) -> Run:
        """Return a run for the call alone: inside of the one in force, if any."""
        make = partial(Run, framework=NAME)
        if node is not None:
            return place_inside(make, node, hide_content=False)
        # First, as it notices a fork that Python was not told of.
        sessions = self._host.sessions
        found = place(sessions, self._recorder, framework=NAME)
        found.run.agent_span_id = found.parent_span_id
        return found.run

    def answered(self, call: ClientCall, value: Any) -> None:
        """
        End with an answer.

        Args:
            call: What `begin` returned.
            value: What the client returned, or the body of an HTTP answer.
        """
        self._end(call, _guarded_told(call.api, value))

    @guarded(None, where="openai stream")
    def chunk(self, call: ClientCall, chunk: Any) -> None:
        """Count a chunk of a stream, and end with the last that matters."""
        if not call.is_open:
            return
        chunks = call.chunks
        if chunks is None:
            chunks = call.chunks = chunks_of(call.api)
        is_output = chunks.take(chunk)
        deltas = call.deltas
        if isinstance(deltas, (CompletionDeltas, ResponseDeltas)):
            attempt("stream_events", deltas.take, chunk)
        self._models.chunk(call, is_token=is_output)
        if chunks.is_final:
            self.exhausted(call)

    def exhausted(self, call: ClientCall) -> None:
        """End a stream that was read to its end."""
        self._end(call, _told_so_far(call))

    def left(self, call: ClientCall) -> None:
        """End a stream that nobody reads any further."""
        is_whole = call.chunks is not None and call.chunks.is_finished
        self._end(call, _told_so_far(call), _COMPLETED if is_whole else _CANCELLED)

    def failed(self, call: ClientCall, error: BaseException) -> None:
        """End with an error, or as cancelled."""
        if not isinstance(error, Exception):
            self._end(call, _told_so_far(call), _CANCELLED)
            return
        if call.is_open:
            self._models.fail(call, error, _told_with(call, error).answer)
        self._close(call)

    def _end(self, call: ClientCall, told: Told, status: str = _COMPLETED) -> None:
        if call.is_open:
            answer, failure = told
            self._models.end(call, answer, status=status, failure=failure)
        self._close(call)

    def _close(self, call: ClientCall) -> None:
        """Leave nothing of the call open; what comes later stands further out."""
        if call.is_open:
            pairs = self._recorder.pairs
            attempt("openai request", pairs.close_run, call.run)
            attempt("openai request", pairs.drop, call.run)
        call.run.is_ended = True
        # A connection keeps the context in which it was made, and with it the call.
        call.chunks = call.deltas = None


_NOTHING = Told()


@guarded(_NOTHING, where="openai answer")
def _guarded_told(api: str, value: Any) -> Told:
    return told_by(api, value)


@guarded(_NOTHING, where="openai stream")
def _told_so_far(call: ClientCall) -> Told:
    return _NOTHING if call.chunks is None else call.chunks.told()


@guarded(_NOTHING, where="openai error")
def _told_with(call: ClientCall, error: Exception) -> Told:
    """Return what came before *error*, or with it: an answer that was cut off, say."""
    fields = fields_of(error)
    whole = fields.get("completion")
    told = _told_so_far(call) if whole is None else told_by(call.api, whole)
    facts = {"status": status_of(error), "request_id": fields.get("request_id")}
    metadata = {**told.answer.metadata, **without_defaults(facts)}
    return told._replace(answer=told.answer._replace(metadata=metadata))


def _is_model_call(node: Node) -> bool:
    """Tell whether what happens now is the work of a framework's model call."""
    if node.kind in {"call", "model"}:
        return True
    # Of a framework whose models are seen by its hooks alone, or that streams.
    run = node.run
    if node.kind != "agent" or not isinstance(run, AgentRun):
        return False
    call = run.invocation
    return call is not None and call.error is None
