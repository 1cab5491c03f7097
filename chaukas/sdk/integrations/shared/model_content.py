"""
Make the content of MODEL events, on the writer's thread and in the order of events.

What was asked and answered is held as it was on the host's thread. Here it is compared
with what the session's record holds already, captured, priced and added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.capture.held import captured_now, held_bytes_of, thawed
from chaukas.sdk.record import content
from chaukas.sdk.record.pricing import cost_of, is_priced
from chaukas.sdk.record.recorder import ms_between

from .model_facts import Answer, hash_of, json_hash_of
from .runs import AgentRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.history import Input
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.record.sessions import SessionBook
    from chaukas.sdk.record.totals import Totals
    from chaukas.sdk.typing import Json

    from .model_facts import Request, Schema

__all__ = [
    "Answered",
    "Asked",
    "cancelled",
    "ended",
    "started",
    "tokens_per_second",
]

_REQUEST = "llm_invocation.request"
_RESPONSE = "llm_invocation.response"
_CONTENT = frozenset({"input", "system", "output_schema_definition"})
_PROMPT_FACTS = ("id", "version")
_UNPRICED = frozenset({"total_tokens", "reasoning_tokens", "requests"})


class Asked:
    """
    What a model call asks for, held as it was.

    Args:
        request: Read on the host's thread.
        metadata: Further facts of the call; names and numbers.
        capture: Takes what is no plain data.
    """

    __slots__ = ("_common", "_others", "metadata", "request", "weight_bytes")

    def __init__(
        self, request: Request, metadata: dict[str, Any], capture: DeferredCapture
    ) -> None:
        hold = capture.hold
        settings = dict(request.settings)
        if request.tool_choice is not None:
            settings["tool_choice"] = request.tool_choice
        schema = request.output_schema
        if schema is not None and schema.definition is not None:
            path = f"{_REQUEST}.output_schema_definition"
            schema = schema._replace(definition=hold(schema.definition, path))
        messages = hold(request.messages, f"{_REQUEST}.input")
        more = dict(request.more) and hold(dict(request.more), _REQUEST)
        self.metadata = metadata
        self.request = request._replace(
            messages=messages,
            settings=settings and hold(settings, f"{_REQUEST}.settings"),
            handoffs=list(request.handoffs),
            output_schema=schema,
            more=more,
        )
        self.weight_bytes = held_bytes_of(messages)
        if type(request.system) is str:
            self.weight_bytes += len(request.system)
        self._common: dict[str, Any] | None = None
        self._others: dict[str, Any] = {}

    def common(self) -> dict[str, Any]:
        """Return `provider`, `model` and settings, which are in START and END."""
        if self._common is None:
            request = self.request
            self._common, self._others = content.model_asked(
                request.provider, request.model, thawed(request.settings), self.metadata
            )
        return self._common

    def others(self) -> dict[str, Any]:
        """Return the settings that have no field of their own."""
        self.common()
        return self._others

    def closing(self, _capture: object) -> dict[str, Any]:
        """Return the content of an END of which nothing is known."""
        return {"llm_invocation": self.common()}


def started(
    recorder: Recorder, run: Run, asked: Asked, capture: Capture
) -> dict[str, Any]:
    """Return the content of a START: what the session's record does not hold yet."""
    messages = _new_messages(recorder, run, asked.request)
    parts = _request_parts(run, asked, messages)
    shown = _captured_request(recorder, run, capture, parts)
    if messages is not None and type(shown) is dict:
        is_cut = recorder.is_too_large(shown)
        recorder.history.keep(messages, shown.get("input"), is_cut=is_cut)
    return content.model_started(asked.common(), shown)


class Answered(NamedTuple):
    """How a model call ended, held as it was."""

    asked: Asked
    answer: Answer | Callable[[], Answer]
    """Without its contents; or what reads all of it now."""
    response: Any
    """What it holds, see `Answer.response`; None if *answer* reads it."""
    error: dict[str, Any]
    is_failed: bool
    started_ns: int
    ended_ns: int
    first_chunk_ns: int
    chunk_count: int
    chunk_kinds: dict[str, int]
    attempts: int
    agent_totals: Totals | None


def ended(
    recorder: Recorder,
    sessions: SessionBook,
    run: Run,
    answered: Answered,
    capture: Capture,
) -> dict[str, Any]:
    """Return the content of an END, its cost added to agent, run and session."""
    asked, given = answered.asked, answered.answer
    answer = given() if callable(given) else given
    shown: Any = {}
    response = answer.response() if callable(given) else thawed(answered.response)
    if response:
        shown = _captured_response(recorder, run, capture, response)
    if answered.error and type(shown) is dict:
        shown |= {name: captured_now(fact) for name, fact in answered.error.items()}
    if answered.is_failed and not answer.finish_reason:
        answer = answer._replace(finish_reason="error")
    metadata = _end_metadata(answered, answer)
    cost, is_known = _price(asked.common(), answer)
    if not is_known:
        metadata["price"] = "unknown"
    if answered.agent_totals is not None:
        answered.agent_totals.add(answer.usage, cost)
    sessions.add(run, answer.usage, cost)
    return _end_body(answered, answer, shown, metadata, cost)


def cancelled(answered: Answered, known: Answer, _capture: object) -> dict[str, Any]:
    """Return the content of an END of which no more than *known* is known."""
    metadata = _end_metadata(answered, known)
    return _end_body(answered, Answer(), None, metadata, None)


def _end_metadata(answered: Answered, answer: Answer) -> dict[str, Any]:
    first_ns = answered.first_chunk_ns
    metadata = dict(answer.metadata)
    if answer.model:
        metadata["response_model"] = answer.model
    if first_ns:
        generated = answer.usage.output_tokens - answer.usage.reasoning_tokens
        speed = tokens_per_second(generated, answered.ended_ns - first_ns)
        if speed:
            metadata["tokens_per_second"] = speed
    if answered.chunk_kinds:
        metadata["chunks"] = answered.chunk_kinds
    if answered.attempts > 1:
        metadata["attempts"] = answered.attempts
    return metadata


def _end_body(
    answered: Answered,
    answer: Answer,
    response: Any,
    metadata: dict[str, Any],
    cost: dict[str, Any] | None,
) -> dict[str, Any]:
    begun_ns, first_ns = answered.started_ns, answered.first_chunk_ns
    return content.model_ended(
        answered.asked.common(),
        answer.usage,
        response=response,
        finish_reason=answer.finish_reason,
        duration_ms=ms_between(begun_ns, answered.ended_ns),
        chunk_count=answered.chunk_count,
        time_to_first_token_ms=ms_between(begun_ns, first_ns) if first_ns else 0,
        metadata=metadata,
        response_id=answer.response_id,
        cost=cost,
    )


def tokens_per_second(tokens: int, spent_ns: int) -> float:
    """Return tokens in each second of *spent_ns*, to two digits; 0 if unknown."""
    if tokens <= 0 or spent_ns <= 0:
        return 0
    speed = round(tokens * 1e9 / spent_ns, 2)
    # Integral numbers go without a fraction into the canonical form.
    return int(speed) if speed == int(speed) else speed


def _price(asked: dict[str, Any], answer: Answer) -> tuple[dict[str, Any] | None, bool]:
    """
    Return the cost of a call, and whether its model has a known price.

    The price of the model that answered counts where the name that was asked for has
    none, as that of a deployment or a router.
    """
    provider = asked.get("provider", "")
    tokens = answer.usage._asdict()
    priced = {name: tokens[name] for name in tokens if name not in _UNPRICED}
    for name in (asked.get("model", ""), answer.model):
        if name and is_priced(provider, name):
            return cost_of(provider, name, **priced), True
    return None, False


def _new_messages(recorder: Recorder, run: Run, request: Request) -> Input | None:
    """Return what to record of the messages; None if the request has none."""
    if request.messages is None:
        return None
    return recorder.history.note(
        run.session,
        thawed(request.messages),
        hidden=not _shows_content(recorder, run),
        repeat=recorder.config.capture_full_input,
    )


def _request_parts(run: Run, asked: Asked, messages: Input | None) -> dict[str, Any]:
    """
    Return the members of `request`, uncaptured.

    Instructions and schema are named by their hash, and are there themselves when
    they are not those that the run's last call had.
    """
    request, settings = asked.request, asked.others()
    parts: dict[str, Any] = {}
    if messages is not None:
        parts |= {"input": messages.fresh, **messages.facts}
    known = run if isinstance(run, AgentRun) else None
    if type(request.system) is str and request.system:
        parts["system_hash"] = digest = hash_of(request.system)
        if known is None or known.is_new_system(digest):
            parts["system"] = request.system
    if request.tools:
        parts["tools"] = list(request.tools)
    if request.handoffs:
        parts["handoffs"] = list(request.handoffs)
    if request.output_schema is not None:
        parts |= _schema_parts(known, request.output_schema)
    parts |= thawed(request.more)
    if settings:
        parts["settings"] = settings
    if request.stream:
        parts["stream"] = True
    return parts


def _schema_parts(run: AgentRun | None, schema: Schema) -> dict[str, Any]:
    if not schema.name:
        return {}
    parts: dict[str, Any] = {"output_schema": schema.name}
    if schema.is_strict is None:
        return parts
    parts["output_schema_strict"] = schema.is_strict
    definition = thawed(schema.definition)
    parts["output_schema_hash"] = digest = json_hash_of(definition)
    if run is None or run.is_new_schema(digest):
        parts["output_schema_definition"] = definition
    return parts


def _captured_request(
    recorder: Recorder, run: Run, capture: Capture, parts: dict[str, Any]
) -> Json:
    """Return *parts* as a tree; texts hidden if the run or the settings say so."""
    if _shows_content(recorder, run):
        return capture.tree(parts, _REQUEST)
    facts = {name: value for name, value in parts.items() if name not in _CONTENT}
    prompt = facts.get("prompt")
    if type(prompt) is dict:
        # The rest of a prompt are its variables, which the user fills in.
        facts["prompt"] = {name: prompt.get(name) for name in _PROMPT_FACTS}
    content = {name: parts[name] for name in _CONTENT & parts.keys()}
    hidden = capture.tree(content, _REQUEST)
    shown = recorder.capture_facts().made.tree(facts, _REQUEST)
    return {**_dict_of(shown), **_dict_of(hidden)}


def _captured_response(
    recorder: Recorder, run: Run, capture: Capture, response: dict[str, Any]
) -> Json:
    """Return *response* as a tree; where texts are hidden, tools are still named."""
    tree = capture.tree(response, _RESPONSE)
    if _shows_content(recorder, run):
        return tree
    hidden = _dict_of(tree)
    facts = recorder.capture_facts().made
    calls = response.get("tool_calls", ())
    for number, (call, shown) in enumerate(
        zip(calls, hidden.get("tool_calls") or (), strict=False)
    ):
        if type(shown) is dict:
            for name in {"id", "name"} & call.keys():
                path = f"{_RESPONSE}.tool_calls[{number}].{name}"
                shown[name] = facts.text(call[name], path)
    return hidden


def _shows_content(recorder: Recorder, run: Run) -> bool:
    return recorder.config.capture_content and not run.hide_content


def _dict_of(tree: Any) -> dict[str, Any]:
    return tree if type(tree) is dict else {}
