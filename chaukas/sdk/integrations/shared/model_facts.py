"""What a model was asked and what it answered, as integrations read it: plain data."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from chaukas.sdk.record.totals import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Answer", "Failure", "Request", "Schema", "hash_of", "json_hash_of"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_HASH_CHARS = 16


class Schema(NamedTuple):
    """The form that an answer must have."""

    name: str
    is_strict: bool | None = None
    """None: its definition is not known either."""
    definition: Any = None


class Request(NamedTuple):
    """What a model is asked; contents uncaptured."""

    provider: str = ""
    model: str = ""
    """Its name, as it is asked for."""
    messages: Any = None
    """A text or a list of items, of which the new ones are recorded; None: it has
    none that could come again."""
    system: Any = None
    """Instructions; a text, or else nothing."""
    settings: Mapping[str, Any] = _NOTHING
    tools: Sequence[str] = ()
    """Names."""
    tool_choice: Any = None
    handoffs: Sequence[Any] = ()
    """Names."""
    output_schema: Schema | None = None
    api: str = ""
    """The API that is spoken, such as `chat_completions`."""
    stream: bool = False
    more: Mapping[str, Any] = _NOTHING
    """Further members of `request`: names, ids and numbers, which are shown even where
    content is hidden; of a `prompt` only its id and version, and `input` is content."""
    metadata: Mapping[str, Any] = _NOTHING
    """Further members of `llm_invocation.metadata`; names and numbers."""
    is_turn: bool = True
    """It is counted and numbered as a turn of its agent."""


class Answer(NamedTuple):
    """What a model answered; contents uncaptured."""

    text: Any = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    """Of each `id` and `name`, as far as it has them, and `arguments`."""
    refusal: str = ""
    reasoning: str = ""
    items: Sequence[str] = ()
    """Types of what else the answer holds."""
    finish_reason: str = ""
    response_id: str = ""
    model: str = ""
    """The model that answered."""
    usage: Usage = Usage()
    metadata: Mapping[str, Any] = _NOTHING
    """Further members of `llm_invocation.metadata`; names and numbers."""

    def response(self) -> dict[str, Any]:
        """Return the members of `response`, each only if there is one."""
        found = {
            "text": self.text,
            "tool_calls": list(self.tool_calls),
            "refusal": self.refusal,
            "reasoning": self.reasoning,
            "items": list(self.items),
        }
        return {name: value for name, value in found.items() if value}

    def without_contents(self) -> Answer:
        """Return the same without what `response` returns, its metadata copied."""
        return self._replace(
            text=None,
            tool_calls=(),
            refusal="",
            reasoning="",
            items=(),
            metadata=dict(self.metadata),
        )


class Failure(NamedTuple):
    """What a provider says instead of an answer, where nothing is raised."""

    message: str
    code: str
    is_recoverable: bool = False
    recovery_action: str = ""


def hash_of(text: str) -> str:
    """
    Return a short hash of *text*.

    Not remembered: that would keep the instructions themselves, and hashing them
    again costs some microseconds.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_HASH_CHARS]


def json_hash_of(value: Any) -> str:
    """Return a short hash of *value*, made of what JSON has; empty if it is not."""
    try:
        return hash_of(orjson.dumps(value).decode())
    except TypeError:
        return ""
