"""
Looks facts up among a span's attributes, under every name that they have had.

The names of the conventions are those of the outbound mapping's one table; here stand
only the names that other instrumentations use in their place.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.collector.bodies.decode import is_flat
from chaukas.sdk.sinks.otlp.mapping.names import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Attributes", "parsed", "spellings")

_LARGEST: Final = 1 << 31
"""Of a count: the spec has 32 bits for it."""
_JSON_CHARS: Final = 4 << 20
_JSON_DEPTH: Final = 24
_JSON_NAMES: Final = "traceloop.entity."
_MESSAGES: Final = 1024
_DEPTH: Final = 12

_MORE: Final[Mapping[str, tuple[str, ...]]] = {
    "session.id": (
        "gen_ai.conversation.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "langsmith.trace.session_id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "gcp.vertex.agent.session_id",
        "lmnr.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "thread.id",
    ),
    "user.id": (
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "lmnr.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "enduser.id",
    ),
    "tags": ("langfuse.trace.tags",),
    "provider": ("llm.provider", "llm.system", "llm.vendor", "ai.model.provider"),
    "agent.name": ("agent_name", "ai.telemetry.functionId", "graph.node.id"),
    "workflow.name": ("traceloop.workflow.name",),
    "request.model": (
        "llm.model_name",
        "llm.request.model",
        "ai.model.id",
        "langfuse.observation.model.name",
        "embedding.model_name",
        "model_name",
    ),
    "response.model": ("llm.response.model", "ai.response.model"),
    "response.id": ("ai.response.id", "llm.response.id"),
    "response.finish_reasons": (
        "llm.finish_reason",
        "ai.response.finishReason",
        "gen_ai.completion.0.finish_reason",
    ),
    "request.max_tokens": ("llm.request.max_tokens", "ai.settings.maxOutputTokens"),
    "request.temperature": ("llm.temperature", "ai.settings.temperature"),
    "request.top_p": ("llm.top_p", "ai.settings.topP"),
    "request.stream": ("llm.is_streaming", "gen_ai.is_streaming"),
    "usage.input_tokens": (
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
        "ai.usage.tokens",
    ),
    "usage.output_tokens": (
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    "llm.token_count.total": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "ai.usage.totalTokens",
    ),
    "usage.cache_read": (
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "ai.usage.cachedInputTokens",
    ),
    "usage.cache_write": (
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "usage.reasoning": (
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "ai.usage.reasoningTokens",
    ),
    "usage.cost": ("operation.cost", "gen_ai.usage.total_cost"),
    "tool.name": (
        "ai.toolCall.name",
        "traceloop.entity.name",
        "langfuse.observation.name",
    ),
    "tool.call.id": ("ai.toolCall.id",),
    "tool.call.arguments": (
        "tool_arguments",
        "ai.toolCall.args",
        "ai.toolCall.input",
        "gcp.vertex.agent.tool_call_args",
        "input.value",
        "traceloop.entity.input",
        "langfuse.observation.input",
        "gen_ai.prompt",
    ),
    "tool.call.result": (
        "tool_response",
        "ai.toolCall.result",
        "ai.toolCall.output",
        "gcp.vertex.agent.tool_response",
        "output.value",
        "traceloop.entity.output",
        "langfuse.observation.output",
        "gen_ai.completion",
    ),
    "input.value": (
        "traceloop.entity.input",
        "langfuse.observation.input",
        "gen_ai.prompt",
        "ai.prompt",
    ),
    "output.value": (
        "final_result",
        "traceloop.entity.output",
        "langfuse.observation.output",
        "gen_ai.completion",
        "ai.response.text",
        "ai.response.object",
    ),
    "input.messages": ("ai.prompt.messages", "pydantic_ai.all_messages"),
}
"""Further names, the more exact ones first."""


def _spellings() -> dict[str, tuple[str, ...]]:
    made = {}
    for name in NAMES:
        known = (name.v1_41, name.head, name.v1_36, name.openinference)
        every = dict.fromkeys((*known, *_MORE.get(name.fact, ())))
        made[name.fact] = tuple(each for each in every if each)
    return made


_SPELLINGS: Final = _spellings()


def spellings() -> set[str]:
    """Return every name under which a fact is looked for."""
    return {name for names in _SPELLINGS.values() for name in names}


class Attributes:
    """
    A span's attributes; facts are named as in the table of the outbound mapping.

    Args:
        given: As they came: values of any type.
    """

    __slots__ = ("_trees", "given")

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self._trees: dict[str, list[Any]] = {}

    def any(self, fact: str) -> Any:
        """Return a fact as it came; None if there is none."""
        for name in _SPELLINGS[fact]:
            value = self.given.get(name)
            if value is not None and value != "":
                return value
        return None

    def text(self, fact: str) -> str:
        """Return a fact that is a text; of several the first; empty for none."""
        for name in _SPELLINGS[fact]:
            value = self.given.get(name)
            if type(value) is list and value:
                value = value[0]
            if type(value) is str and value:
                return value
        return ""

    def count(self, fact: str) -> int | None:
        """Return a fact that counts something."""
        for name in _SPELLINGS[fact]:
            value = self.given.get(name)
            if type(value) is float and value.is_integer():
                value = int(value)
            if type(value) is int and 0 <= value < _LARGEST:
                return value
        return None

    def number(self, fact: str) -> float | int | None:
        """Return a fact that is a finite number."""
        for name in _SPELLINGS[fact]:
            value: Any = self.given.get(name)
            if type(value) in (int, float) and math.isfinite(value):
                found: float | int = value
                return found
        return None

    def tree(self, fact: str) -> Any:
        """Return a fact that may be JSON in a text; None for none."""
        for name in _SPELLINGS[fact]:
            value = self.given.get(name)
            if value is not None and value != "":
                # There a text is JSON, too.
                is_quoted = name.startswith(_JSON_NAMES)
                return parsed(value, is_quoted=is_quoted)
        return None

    def named(self, name: str) -> str:
        """Return the text of an attribute; empty for none."""
        value = self.given.get(name)
        return value if type(value) is str else ""

    def numbered(self, prefix: str) -> list[Any]:
        """
        Return what is spread over attributes such as `prefix.0.role`, as a list.

        Numbers in the names are places of lists, of which none is longer than 1024.
        """
        if prefix not in self._trees:
            self._trees[prefix] = _gathered(self.given, prefix)
        return self._trees[prefix]


def parsed(value: Any, *, is_quoted: bool = False) -> Any:
    """Return what stands in a text as JSON object or list; all else as it is."""
    if type(value) is not str or len(value) > _JSON_CHARS:
        return value
    if not is_quoted and not _LIKE_JSON.match(value):
        return value
    try:
        tree = orjson.loads(value)
    except ValueError:
        return value
    # What is deeper stays a text: nothing that walks through it can fail then.
    return tree if is_flat(tree, _JSON_DEPTH) else value


_LIKE_JSON: Final = re.compile(r"\s*[\[{]")


def _gathered(given: Mapping[str, Any], prefix: str) -> list[Any]:
    start = f"{prefix}."
    tree: dict[str, Any] = {}
    for name, value in given.items():
        if not name.startswith(start):
            continue
        path = name[len(start) :].split(".")
        if not path[0].isdecimal() or len(path) > _DEPTH:
            continue
        at = tree
        for part in path[:-1]:
            below = at.setdefault(part, {})
            if type(below) is not dict:
                break
            at = below
        else:
            at.setdefault(path[-1], value)
    whole = _listed(tree)
    return whole if type(whole) is list else []


def _listed(tree: Any) -> Any:
    """Return a tree in which objects whose keys are numbers are lists."""
    if type(tree) is not dict:
        return tree
    if tree and all(key.isdecimal() for key in tree):
        order = sorted(tree, key=lambda key: (len(key), key))[:_MESSAGES]
        return [_listed(tree[key]) for key in order]
    return {key: _listed(value) for key, value in tree.items()}
