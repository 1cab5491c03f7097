"""
A request as the server saw it, with the few readings that a script needs.

The APIs name the same things differently; a script keyed by content should not have
to care which of them it serves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ("CHAT_PATH", "EMBEDDINGS_PATH", "RESPONSES_PATH", "Request", "is_gemini")

RESPONSES_PATH = "/v1/responses"
CHAT_PATH = "/v1/chat/completions"
EMBEDDINGS_PATH = "/v1/embeddings"
_GEMINI = re.compile(
    r"/v1\w*/models/(?P<model>[^/:]+):(?P<method>generateContent|streamGenerateContent)"
)


def is_gemini(path: str) -> bool:
    """Tell whether a path is one of the Gemini API."""
    return _GEMINI.match(path) is not None


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request for an answer.

    Args:
        path: `/v1/responses`, `/v1/chat/completions` or `/v1/embeddings`; of Gemini
            `/v1beta/models/MODEL:generateContent` or `:streamGenerateContent`.
        body: The decoded JSON body.
        headers: Names in lower case.
        number: 1 for the first request that the server accepted.
    """

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    number: int = 1

    @property
    def streamed(self) -> bool:
        """Whether the client asked for server-sent events."""
        found = _GEMINI.match(self.path)
        if found is not None:
            return found["method"] == "streamGenerateContent"
        return self.body.get("stream") is True

    @property
    def model(self) -> str:
        """The model asked for; `loopback` when the request names none."""
        found = _GEMINI.match(self.path)
        return found["model"] if found else str(self.body.get("model") or "loopback")

    @property
    def items(self) -> list[Mapping[str, Any]]:
        """The input items or messages, a bare string counting as one."""
        name = "input" if self.path == RESPONSES_PATH else "messages"
        given = self.body.get("contents" if is_gemini(self.path) else name)
        if isinstance(given, str):
            return [{"role": "user", "content": given}]
        return [item for item in given or () if isinstance(item, Mapping)]

    @property
    def user_text(self) -> str:
        """The text of the last user message, empty when there is none."""
        for item in reversed(self.items):
            if item.get("role") == "user":
                return "".join(_texts_of(item.get("content", item.get("parts"))))
        return ""

    @property
    def tool_outputs(self) -> list[str]:
        """The results of tool calls in the input, oldest first."""
        if is_gemini(self.path):
            parts = (part for item in self.items for part in item.get("parts", ()))
            answers = (part.get("functionResponse") for part in parts)
            return [json.dumps(each["response"]) for each in answers if each]
        return [
            "".join(_texts_of(item.get("output", item.get("content"))))
            for item in self.items
            if item.get("type") == "function_call_output" or item.get("role") == "tool"
        ]


def _texts_of(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]
