"""
Read what a provider answered the openai client: whole answers, and chunks of streams.

Pure: no I/O, no context. An answer is an object of the openai package, or the JSON of
one that the application takes raw. What a compatible provider leaves out, or fills in
otherwise, is passed over.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, NamedTuple

from chaukas.sdk.integrations.shared.deltas import DeltaBuffer
from chaukas.sdk.integrations.shared.model_facts import Answer, Failure
from chaukas.sdk.integrations.shared.openai_api.responses import (
    finish_reason_of,
    response_facts,
)
from chaukas.sdk.integrations.shared.read import parsed, text_of
from chaukas.sdk.integrations.shared.usage import usage_of

from .requests import CHAT, EMBEDDINGS, RESPONSES

__all__ = ["Chunks", "CompletionDeltas", "Told", "chunks_of", "told_by"]

_TEXT_CHARS = 262_144
"""Of one part of a stream that is kept until its end; an event holds no more."""
_PARTS = 128
_BYTES_A_NUMBER = 4
_FINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
_ERRORS = frozenset({"error", "response.error"})


class Told(NamedTuple):
    """What a provider said to one request."""

    answer: Answer = Answer()
    failure: Failure | None = None
    """What it said instead, where nothing is raised."""


def told_by(api: str, value: Any) -> Told:
    """
    Return what an answer says.

    Args:
        api: The API that was asked.
        value: An object of the openai package, or the body of an HTTP answer; nothing
            is known of anything else.
    """
    if type(value) is bytes:
        try:
            value = json.loads(value, object_hook=_namespace)
        except ValueError:
            return Told()
    module = type(value).__module__
    if type(module) is not str or module.partition(".")[0] not in _PACKAGES:
        return Told()
    return Told(_READERS[api](value), _failure_of(value))


_PACKAGES = frozenset({"openai", SimpleNamespace.__module__})


def _namespace(found: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**found)


# -- whole answers ------------------------------------------------------------------


def _completion(completion: Any) -> Answer:
    """Return the first choice of a completion, which as a rule is the only one."""
    choices = _list_of(completion, "choices")
    first = choices[0] if choices else None
    message = getattr(first, "message", None)
    return Answer(
        text_of(getattr(message, "content", None)),
        [_call_of(each) for each in _list_of(message, "tool_calls")],
        text_of(getattr(message, "refusal", None)),
        text_of(_texts_in(message)["reasoning"]),
        finish_reason=text_of(getattr(first, "finish_reason", None)),
        response_id=text_of(getattr(completion, "id", None)),
        model=text_of(getattr(completion, "model", None)),
        usage=usage_of(completion),
        metadata={"choices": len(choices)} if len(choices) > 1 else {},
    )


def _call_of(call: Any) -> dict[str, Any]:
    kind = text_of(getattr(call, "type", None)) or "function"
    inner = getattr(call, kind, None)
    given = getattr(inner, "arguments", None)
    if given is None:
        given = getattr(inner, "input", None)
    return {
        "id": text_of(getattr(call, "id", None)),
        "name": text_of(getattr(inner, "name", None)),
        "arguments": parsed(given),
    }


def _response(response: Any) -> Answer:
    facts = response_facts(getattr(response, "output", None))
    return Answer(
        **facts,
        finish_reason=finish_reason_of(facts, response),
        response_id=text_of(getattr(response, "id", None)),
        model=text_of(getattr(response, "model", None)),
        usage=usage_of(response),
    )


def _failure_of(value: Any) -> Failure | None:
    """Return why a response of the Responses API says that it failed, if it does."""
    if text_of(getattr(value, "status", None)) != "failed":
        return None
    return _failure(getattr(value, "error", None))


def _failure(detail: Any) -> Failure:
    message = text_of(getattr(detail, "message", None))
    code = text_of(getattr(detail, "code", None))
    return Failure(message or "response ended: failed", code or "failed")


def _embeddings(answer: Any) -> Answer:
    data = getattr(answer, "data", None)
    data = data if type(data) is list else []
    size = _dimensions_of(getattr(data[0], "embedding", None)) if data else 0
    counts = {"embeddings": len(data), "dimensions": size}
    return Answer(
        model=text_of(getattr(answer, "model", None)),
        usage=usage_of(answer),
        metadata={name: count for name, count in counts.items() if count},
    )


def _dimensions_of(vector: Any) -> int:
    """Return the length of a vector, which may be numbers or base64 of them."""
    if type(vector) is list:
        return len(vector)
    if type(vector) is not str:
        return 0
    data_bytes = len(vector) * 3 // 4 - vector[-2:].count("=")
    return data_bytes // _BYTES_A_NUMBER


def _list_of(value: Any, name: str) -> list[Any]:
    found = getattr(value, name, None)
    return found[:_PARTS] if type(found) is list else []


_READERS = {CHAT: _completion, EMBEDDINGS: _embeddings, RESPONSES: _response}


# -- streams ------------------------------------------------------------------------


class _Text:
    """Pieces of a text, as many as an event holds."""

    __slots__ = ("_chars", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._chars = 0

    def add(self, piece: Any) -> bool:
        """Add a piece; tell whether it was one."""
        if type(piece) is not str or not piece:
            return False
        if self._chars < _TEXT_CHARS:
            self._pieces.append(piece[: _TEXT_CHARS - self._chars])
            self._chars += len(piece)
        return True

    def __str__(self) -> str:
        return "".join(self._pieces)


class Chunks:
    """What came of a stream so far."""

    is_final = False
    """Nothing that matters follows."""
    is_finished = False
    """The answer is whole, though its usage may still come."""
    failure: Failure | None = None
    """What the stream says instead of an answer."""

    def take(self, chunk: Any) -> bool:
        """Note the next chunk; tell whether it holds output of the model."""
        raise NotImplementedError

    def answer(self) -> Answer:
        """Return what the chunks say together."""
        raise NotImplementedError

    def told(self) -> Told:
        """Return what the chunks say together, and whether it is a failure."""
        return Told(self.answer(), self.failure)


class _Choice:
    """One of the answers that a stream of completions gives."""

    __slots__ = ("calls", "finish_reason", "texts")

    def __init__(self) -> None:
        self.texts = {kind: _Text() for kind in _TEXTS}
        self.calls: dict[int, SimpleNamespace] = {}
        self.finish_reason = ""

    def take(self, delta: Any) -> bool:
        is_output = False
        for kind, piece in _texts_in(delta).items():
            is_output |= self.texts[kind].add(piece)
        calls = getattr(delta, "tool_calls", None)
        for part in calls if type(calls) is list else ():
            is_output |= self._take_call(part)
        return is_output

    def _take_call(self, part: Any) -> bool:
        index, inner = getattr(part, "index", None), getattr(part, "function", None)
        if type(index) is not int or not 0 <= index < _PARTS:
            return False
        call = self.calls.get(index)
        if call is None:
            call = self.calls[index] = SimpleNamespace(id="", name="", text=_Text())
        call.id = text_of(getattr(part, "id", None)) or call.id
        call.name = text_of(getattr(inner, "name", None)) or call.name
        call.text.add(getattr(inner, "arguments", None))
        return True

    def whole(self) -> SimpleNamespace:
        """Return the choice as a completion that is no stream has it."""
        calls = [
            SimpleNamespace(
                id=call.id,
                function=SimpleNamespace(name=call.name, arguments=str(call.text)),
            )
            for _, call in sorted(self.calls.items())
        ]
        message = SimpleNamespace(
            content=str(self.texts["text"]),
            refusal=str(self.texts["refusal"]),
            reasoning_content=str(self.texts["reasoning"]),
            tool_calls=calls,
        )
        return SimpleNamespace(message=message, finish_reason=self.finish_reason)


_TEXTS = ("text", "refusal", "reasoning")


def _texts_in(message: Any) -> dict[str, Any]:
    """Return the texts of a message or of a delta of one, whatever they are."""
    # Of compatible providers; OpenAI's own API shows no reasoning here. Asking a
    # pydantic model itself for a field that it lacks is slow.
    extra = getattr(message, "__pydantic_extra__", None)
    if type(message) is SimpleNamespace:
        extra = vars(message)
    reasoning = extra.get("reasoning_content") if type(extra) is dict else None
    return {
        "text": getattr(message, "content", None),
        "refusal": getattr(message, "refusal", None),
        "reasoning": reasoning,
    }


class _CompletionChunks(Chunks):
    """The chunks of a chat completion, whose usage may come after the finish."""

    def __init__(self) -> None:
        self._model = self._id = ""
        self._usage: Any = None
        self._choices: dict[int, _Choice] = {}

    def take(self, chunk: Any) -> bool:
        """Note the next chunk; tell whether it holds output of the model."""
        self._model = text_of(getattr(chunk, "model", None)) or self._model
        self._id = text_of(getattr(chunk, "id", None)) or self._id
        usage = getattr(chunk, "usage", None)
        self._usage = self._usage if usage is None else usage
        is_output = False
        for part in _list_of(chunk, "choices"):
            index = getattr(part, "index", None)
            if type(index) is not int or not 0 <= index < _PARTS:
                continue
            choice = self._choices.setdefault(index, _Choice())
            is_output |= choice.take(getattr(part, "delta", None))
            reason = text_of(getattr(part, "finish_reason", None))
            choice.finish_reason = reason or choice.finish_reason
            self.is_finished = self.is_finished or bool(reason)
        return is_output

    def answer(self) -> Answer:
        """Return what the chunks say together."""
        choices = [choice.whole() for _, choice in sorted(self._choices.items())]
        usage, model = self._usage, self._model
        return _completion(
            SimpleNamespace(id=self._id, model=model, choices=choices, usage=usage)
        )


class _ResponseEvents(Chunks):
    """The events of a response; the last holds the whole."""

    def __init__(self) -> None:
        self._response: Any = None
        self._output: list[Any] = []
        self._text = _Text()

    def take(self, event: Any) -> bool:
        """Note the next event; tell whether it holds output of the model."""
        kind = text_of(getattr(event, "type", None))
        if kind == "response.output_text.delta":
            self._text.add(getattr(event, "delta", None))
        elif kind == "response.output_item.done" and len(self._output) < _PARTS:
            self._output.append(getattr(event, "item", None))
            self._text = _Text()
        elif kind in _ERRORS:
            self.failure = _failure(event)
            self.is_final = self.is_finished = True
        elif kind in _FINAL or kind == "response.created":
            self._response = getattr(event, "response", None)
            self.is_final = self.is_finished = kind in _FINAL
            self.failure = _failure_of(self._response)
        return kind.endswith(".delta")

    def answer(self) -> Answer:
        """Return what the events say together."""
        if self.is_final and self._response is not None:
            return _response(self._response)
        rest = SimpleNamespace(type="message", content=str(self._text))
        begun = self._response
        partial = SimpleNamespace(
            id=getattr(begun, "id", None),
            model=getattr(begun, "model", None),
            output=[*self._output, rest],
        )
        return _response(partial)


def chunks_of(api: str) -> Chunks:
    """Return what takes the chunks of a stream of this *api*."""
    return _CompletionChunks() if api == CHAT else _ResponseEvents()


class CompletionDeltas(DeltaBuffer):
    """Records what a stream of a chat completion says while it says it."""

    __slots__ = ()

    def take(self, chunk: Any) -> None:
        """Take the next chunk; only the first choice is recorded."""
        for choice in _list_of(chunk, "choices")[:1]:
            delta = getattr(choice, "delta", None)
            for kind, piece in _texts_in(delta).items():
                self.add(kind, 0, piece)
            for call in _list_of(delta, "tool_calls"):
                self._take_call(call)

    def _take_call(self, call: Any) -> None:
        index, inner = getattr(call, "index", None), getattr(call, "function", None)
        if type(index) is not int:
            return
        # Behind the text, as in a response.
        index += 1
        if getattr(call, "id", None) is not None:
            self.name(index, call.id, getattr(inner, "name", None))
        self.add("tool_arguments", index, getattr(inner, "arguments", None))
