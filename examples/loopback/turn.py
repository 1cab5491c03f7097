"""
What a reply says, in one shape that both APIs can be written from.

Responses and Chat Completions differ only in spelling. Settling here what is
said leaves each of their modules a matter of form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .replies import (
    Call,
    Failed,
    Hosted,
    Incomplete,
    Reasoning,
    Refusal,
    Spoken,
    Text,
    ToolCalls,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .request import Request

__all__ = ("Json", "Turn", "arguments_of", "cut", "turn_of", "usage_of", "words")

Json: TypeAlias = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    Everything that one answer says.

    Args:
        pieces: The text, cut as a stream delivers it.
        refusal: The refusal's text, if the model declines.
        calls: Function calls.
        reasoning: The summary of the reasoning, if any.
        hosted: Raw output items of hosted tools.
        annotations: Citations of the text.
        cut_off: Why the answer ends early, if it does.
        failure: What made the response fail, if it did.
        usage: Token counts, if the script fixes them.
    """

    pieces: tuple[str, ...] = ()
    refusal: str | None = None
    calls: tuple[Call, ...] = ()
    reasoning: str | None = None
    hosted: tuple[Mapping[str, Any], ...] = ()
    annotations: tuple[Mapping[str, Any], ...] = ()
    cut_off: Literal["content_filter", "max_output_tokens"] | None = None
    failure: Failed | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


def turn_of(reply: Spoken) -> Turn:
    """
    Say what a reply says.

    Raises:
        TypeError: The reply is none of the spoken kinds.
    """
    match reply:
        case Reasoning():
            turn = replace(turn_of(reply.then), reasoning=reply.summary)
        case Failed():
            turn = Turn(failure=reply)
        case Refusal():
            turn = Turn(refusal=reply.text, usage=reply.usage)
        case Text() | ToolCalls() | Incomplete() | Hosted():
            turn = Turn(
                pieces=_pieces_of(reply),
                calls=reply.calls if isinstance(reply, ToolCalls) else (),
                hosted=tuple(reply.items) if isinstance(reply, Hosted) else (),
                annotations=(
                    tuple(reply.annotations) if isinstance(reply, Hosted) else ()
                ),
                cut_off=reply.reason if isinstance(reply, Incomplete) else None,
                usage=reply.usage,
            )
        case _:
            msg = (
                f"loopback: a script holds {reply!r}: that is no reply. "
                "Use the classes of the loopback package."
            )
            raise TypeError(msg)
    return turn


def _pieces_of(reply: Text | ToolCalls | Incomplete | Hosted) -> tuple[str, ...]:
    if isinstance(reply, Text) and reply.deltas is not None:
        return cut(reply.text, reply.deltas)
    return words(reply.text)


def usage_of(turn: Turn, request: Request) -> Usage:
    """
    Count tokens in a way that a test can predict.

    Unless the script fixes them: 10 plus one per input item go in, 5 plus one
    per function call come out.
    """
    if turn.usage is not None:
        return turn.usage
    return Usage(
        input_tokens=10 + len(request.items), output_tokens=5 + len(turn.calls)
    )


def arguments_of(call: Call) -> str:
    """Write the arguments as the JSON text in which a model sends them."""
    if isinstance(call.arguments, str):
        return call.arguments
    return json.dumps(call.arguments, separators=(",", ":"))


def words(text: str) -> tuple[str, ...]:
    """Cut a text into words that keep their white space, so that they rejoin."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def cut(text: str, count: int) -> tuple[str, ...]:
    """Cut a text into `count` pieces of nearly equal length."""
    edges = [len(text) * index // count for index in range(count + 1)]
    return tuple(text[a:b] for a, b in pairwise(edges))
