"""
What a scripted model may answer: one small frozen class per kind of answer.

Replies are data without behaviour, so that a script reads like the conversation
it stands for and one script serves both APIs, streamed or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = (
    "Call",
    "Drop",
    "Fail",
    "Failed",
    "Hosted",
    "Incomplete",
    "Raw",
    "Reasoning",
    "Refusal",
    "Reply",
    "Slow",
    "Spoken",
    "StreamBreak",
    "Text",
    "ToolCalls",
    "Usage",
    "Vectors",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Token counts of one answer, as the provider would bill them.

    Cached and cache-write tokens are part of the input, reasoning tokens part of
    the output, as in the OpenAI APIs.
    """

    input_tokens: int = 10
    output_tokens: int = 5
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """
    One function call that the model asks for.

    Args:
        name: The tool.
        arguments: A mapping, or a string to be sent as it stands (a model may
            well write JSON that does not parse).
        call_id: By default `call_<request number>_<index>`.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """
    An assistant message.

    Args:
        text: The whole text.
        deltas: How many pieces a stream cuts it into; by default one per word.
        pause_s: Seconds between two frames of a stream, for cancelling midway.
        usage: Token counts; by default derived from the request and the answer.

    Raises:
        ValueError: More deltas asked for than the text has characters.
    """

    text: str
    deltas: int | None = None
    pause_s: float = 0.0
    usage: Usage | None = None

    def __post_init__(self) -> None:
        """Refuse a number of pieces that the text cannot be cut into."""
        if self.deltas is not None and not 1 <= self.deltas <= len(self.text):
            msg = (
                f"loopback: Text with deltas={self.deltas!r}: a text of "
                f"{len(self.text)} characters is cut into 1 to {len(self.text)} "
                "deltas. Lengthen the text or ask for fewer."
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, init=False)
class ToolCalls:
    """
    One or more function calls in one answer, optionally after some text.

    Args:
        calls: The calls, in the order in which the model makes them.
        text: What the model says before it calls.
        usage: Token counts; by default derived from the request and the answer.
    """

    calls: tuple[Call, ...]
    text: str
    usage: Usage | None

    def __init__(
        self, *calls: Call, text: str = "", usage: Usage | None = None
    ) -> None:
        """Take the calls one by one, so that a script needs no inner list."""
        object.__setattr__(self, "calls", calls)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "usage", usage)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declines, in the API's own refusal field."""

    text: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Incomplete:
    """
    The answer is cut off by the provider.

    In Chat Completions this is a finish reason (`content_filter` or `length`),
    in Responses a status.
    """

    reason: Literal["content_filter", "max_output_tokens"] = "content_filter"
    text: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A Responses answer with status `failed` (Chat Completions have no such form)."""

    code: str = "server_error"
    message: str = "The model failed."


@dataclass(frozen=True, slots=True)
class Hosted:
    """
    Output items of tools that the provider runs itself, then a text.

    Args:
        items: Raw output items, such as a `web_search_call`, sent as they stand.
            Responses only: Chat Completions have no such items.
        text: The assistant's message after them; none when empty.
        annotations: Citations of that message, sent as they stand.
        usage: Token counts; by default derived from the request and the answer.
    """

    items: Sequence[Mapping[str, Any]] = ()
    text: str = ""
    annotations: Sequence[Mapping[str, Any]] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A reasoning summary, then another answer."""

    summary: str
    then: Text | ToolCalls | Refusal | Incomplete | Hosted


@dataclass(frozen=True, slots=True)
class Fail:
    """
    An HTTP error instead of an answer.

    Args:
        status: The HTTP status, 400 to 599.
        code: The error object's code, such as `rate_limit_exceeded`.
        message: The error object's message; by default it names the status.
        retry_after: Seconds for the `retry-after` header; none by default.
        headers: Further response headers.
    """

    status: int
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is closed without a byte of answer."""


@dataclass(frozen=True, slots=True)
class StreamBreak:
    """
    The connection dies in the middle of an answer.

    Args:
        after_deltas: How many text deltas arrive before. When the request is not
            streamed, half of the body arrives.
        text: What the model was saying; by default one word more than arrives.
    """

    after_deltas: int = 1
    text: str = ""


@dataclass(frozen=True, slots=True)
class Vectors:
    """
    Embeddings, one vector for each text that the request holds.

    Args:
        dimensions: Numbers in each vector, if the request asks for no other count.
    """

    dimensions: int = 8


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is sent as it stands, for what no other reply says."""

    body: Mapping[str, Any]


Spoken: TypeAlias = (
    Text | ToolCalls | Refusal | Incomplete | Failed | Hosted | Reasoning
)
"""Answers in which a model speaks, as opposed to a transport that misbehaves."""


@dataclass(frozen=True, slots=True)
class Slow:
    """The server waits `seconds` and then gives the answer `then`."""

    seconds: float
    then: Spoken | Raw | Vectors | Fail | Drop | StreamBreak


Reply: TypeAlias = Spoken | Raw | Vectors | Fail | Drop | StreamBreak | Slow
"""Anything that a script may hold."""
