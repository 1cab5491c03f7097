"""
A loopback model provider: a real HTTP server that answers from a script.

It speaks the OpenAI Responses, Chat Completions and Embeddings APIs and that of
Gemini, so that examples, tests and benchmarks drive the real clients with no key and
no network. It needs the standard library only.

    from loopback import Call, ModelServer, Text, ToolCalls

    with ModelServer([ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")]) as server:
        model = OpenAIResponsesModel("gpt-5", server.client())
        ...
        server.requests[0].body["input"]
"""

from __future__ import annotations

from .example import model_for_example
from .replies import (
    Call,
    Drop,
    Fail,
    Failed,
    Hosted,
    Incomplete,
    Raw,
    Reasoning,
    Refusal,
    Reply,
    Slow,
    StreamBreak,
    Text,
    ToolCalls,
    Usage,
    Vectors,
)
from .request import Request
from .server import ModelServer, Script

__all__ = (
    "Call",
    "Drop",
    "Fail",
    "Failed",
    "Hosted",
    "Incomplete",
    "ModelServer",
    "Raw",
    "Reasoning",
    "Refusal",
    "Reply",
    "Request",
    "Script",
    "Slow",
    "StreamBreak",
    "Text",
    "ToolCalls",
    "Usage",
    "Vectors",
    "model_for_example",
)
