"""
Read what a provider answered, below the SDK, which hands on only a part of it.

The SDK drops the finish reason, the model and the id of a chat completion, and of a
response that failed it makes an error without its tokens. The client sees them all.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.facts import text_of
from chaukas.sdk.integrations.openai_agents.state import Invocation, current_run
from chaukas.sdk.integrations.shared.streams import ObservedStream, StreamObserver
from chaukas.sdk.integrations.shared.usage import Usage, usage_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CHAT", "RESPONSES", "Answer", "Answers", "api_of"]

CHAT = "chat_completions"
RESPONSES = "responses"
_APIS = {
    ("agents.models.openai_chatcompletions", "OpenAIChatCompletionsModel"): CHAT,
    ("agents.models.openai_responses", "OpenAIResponsesModel"): RESPONSES,
    ("agents.extensions.models.litellm_model", "LitellmModel"): CHAT,
}
_MODEL = ("MODEL_INVOCATION_END",)
_CHOICE = "agents.run_internal.turn_preparation:get_model"
_BROKEN = frozenset({"failed", "incomplete", "cancelled"})


def api_of(model: Any) -> str:
    """Return the API that *model* speaks, by its class; empty if that is unknown."""
    for cls in type.mro(type(model)):
        api = _APIS.get((cls.__module__, cls.__name__))
        if api:
            return api
    return ""


class Answer:
    """What the provider said in answer to one request, as it came over the wire."""

    __slots__ = (
        "_usage",
        "api",
        "finish_reason",
        "model",
        "output",
        "response",
        "response_id",
    )

    def __init__(self, api: str) -> None:
        self.api = api
        self.model = ""
        """The model that answered."""
        self.response_id = ""
        self.finish_reason = ""
        """The provider's word, of a chat completion."""
        self._usage = Usage()
        self.output: Any = None
        self.response: Any = None
        """Of the Responses API: the whole, which knows its status."""

    @property
    def is_broken(self) -> bool:
        """Whether the provider says that the answer is not whole."""
        return text_of(getattr(self.response, "status", None)) in _BROKEN

    def take_completion(self, completion: Any) -> None:
        """Read a chat completion, or one chunk of it."""
        # A provider's library, or a test of the application, may leave out any.
        self.model = text_of(getattr(completion, "model", None)) or self.model
        response_id = text_of(getattr(completion, "id", None))
        self.response_id = response_id or self.response_id
        choices = getattr(completion, "choices", None)
        if type(choices) is list and choices:
            reason = text_of(getattr(choices[0], "finish_reason", None))
            self.finish_reason = reason or self.finish_reason
        if getattr(completion, "usage", None) is not None:
            self._usage = usage_of(completion)

    def take_response(self, response: Any) -> None:
        """Read an answer of the Responses API."""
        self.model = text_of(getattr(response, "model", None))
        self.response_id = text_of(getattr(response, "id", None))
        self.output = getattr(response, "output", None)
        self.response = response

    @property
    def usage(self) -> Usage:
        """Tokens of the answer; read late, as only a call that failed needs them."""
        return self._usage if self.response is None else usage_of(self.response)


class _Chunks(StreamObserver):
    """Reads the chunks of a streamed completion; their end is the model's stream's."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def item(self, value: Any) -> None:
        # A compatible provider may leave out anything.
        with suppress(Exception):
            self._answer.take_completion(value)


class Answers:
    """Wrappers around the requests that models make; they change no answer."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        resources = "openai.resources"
        extensions = "agents.extensions.models"
        return (
            Patch(
                _CHOICE,
                self.model_chosen,
                ("MODEL_INVOCATION_START",),
                everywhere=True,
                optional=True,
                min_version="0.8",
            ),
            Patch(
                "agents.run:AgentRunner._get_model",
                self.model_chosen,
                ("MODEL_INVOCATION_START",),
                instead_of=_CHOICE,
            ),
            Patch(
                f"{resources}.chat.completions.completions:AsyncCompletions.create",
                self.completion,
                _MODEL,
                post_import=True,
            ),
            Patch(
                f"{resources}.responses.responses:AsyncResponses.create",
                self.response,
                _MODEL,
                post_import=True,
            ),
            Patch(
                "agents.models.openai_responses:OpenAIResponsesWSModel._fetch_response",
                self.response,
                _MODEL,
                optional=True,
                min_version="0.12",
            ),
            Patch(
                f"{extensions}.litellm_model:LitellmModel._fetch_response",
                self.litellm,
                _MODEL,
                optional=True,
                post_import=True,
            ),
        )

    def model_chosen(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the choice of the model of a turn, to learn its name."""
        attempt("get_model", _note_asked, args, kwargs)
        return wrapped(*args, **kwargs)

    async def completion(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `chat.completions.create`."""
        invocation = _invocation()
        answer = await wrapped(*args, **kwargs)
        if invocation is not None:
            attempt("chat.completions", _note_completion, invocation, answer)
        return answer

    async def response(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `responses.create`; the events of a stream tell of themselves."""
        invocation = _invocation()
        answer = await wrapped(*args, **kwargs)
        if invocation is not None:
            attempt("responses", _note_response, invocation, answer)
        return answer

    async def litellm(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the request of the SDK's model for LiteLLM."""
        invocation = _invocation()
        answer = await wrapped(*args, **kwargs)
        if invocation is None:
            return answer
        # LiteLLM may have asked the openai client, whose answer is this one.
        invocation.answer = None
        if type(answer) is tuple and len(answer) == _PARTS_OF_STREAM:
            response, stream = answer
            return response, ObservedStream(stream, _Chunks(_begun(invocation, CHAT)))
        attempt("litellm", _take_completion, invocation, answer)
        return answer


_PARTS_OF_STREAM = 2


def _note_asked(args: Any, kwargs: dict[str, Any]) -> None:
    """Remember the name by which the run or its agent asks for a model."""
    run = current_run()
    if run is None:
        return
    given = {**dict(zip(("agent", "run_config"), args, strict=False)), **kwargs}
    model = getattr(given.get("run_config"), "model", None)
    if model is None:
        model = getattr(given.get("agent"), "model", None)
    run.asked_model = text_of(model)


def _invocation() -> Invocation | None:
    """Return the model call in force, if what happens now is its work."""
    node = CURRENT.get()
    if node is None or node.kind != "model":
        return None
    return node.detail if type(node.detail) is Invocation else None


def _begun(invocation: Invocation, api: str) -> Answer:
    answer = Answer(api)
    # Of a model that asks several times for one answer, none is known to be it.
    invocation.answer = answer if invocation.answer is None else Answer("")
    return answer


def _note_completion(invocation: Invocation, answer: Any) -> None:
    name = type(answer).__name__
    if name == "ChatCompletion":
        _take_completion(invocation, answer)
    elif name == "AsyncStream":
        fields = vars(answer)
        if "_iterator" in fields:
            chunks = _Chunks(_begun(invocation, CHAT))
            fields["_iterator"] = ObservedStream(fields["_iterator"], chunks)


def _take_completion(invocation: Invocation, completion: Any) -> None:
    _begun(invocation, CHAT).take_completion(completion)


def _note_response(invocation: Invocation, answer: Any) -> None:
    if type(answer).__name__ == "Response":
        _begun(invocation, RESPONSES).take_response(answer)
