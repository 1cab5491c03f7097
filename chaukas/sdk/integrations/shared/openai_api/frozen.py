"""
Hold the answer of a model as it is, in one call into C, to be read by the writer.

Only objects of the openai package are encoded by their fields; for anything else the
caller reads the answer at once.
"""

from __future__ import annotations

from typing import Any

import orjson

from chaukas.sdk.capture.held import Frozen

__all__ = ["frozen_answer"]

_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_ITEMS = frozenset(
    {"ResponseOutputMessage", "ResponseFunctionToolCall", "ResponseReasoningItem"}
)
"""Items without pictures, files, or anything that has events of its own."""
_USAGES = frozenset({"agents.usage", "openai.types.responses.response_usage"})
_MODULES = "openai.types."
_REFUSAL = b'"refusal"'


def frozen_answer(output: Any, usage: Any) -> Frozen | None:
    """
    Return `{"output": […], "usage": {…}}`, encoded; None if it must be read at once.

    Args:
        output: Items of a `ModelResponse` or `Response`.
        usage: Its tokens.

    A refusal is left to the caller: it has an event of its own.
    """
    module = type(usage).__module__
    if type(output) is not list or type(module) is not str or module not in _USAGES:
        return None
    for item in output:
        cls = type(item)
        module, name = cls.__module__, cls.__name__
        if type(module) is not str or not module.startswith(_MODULES):
            return None
        if name not in _ITEMS:
            return None
    counts = dict(vars(usage))
    # Of the calls that were added up, if it is a sum.
    counts.pop("request_usage_entries", None)
    answer = {"output": output, "usage": counts}
    try:
        data = orjson.dumps(answer, default=_fields_of, option=_OPTIONS)
    except TypeError as error:
        # A signal that comes within the function below is made the cause of another.
        interrupt = error.__cause__
    else:
        return None if _REFUSAL in data else Frozen(data)
    if interrupt is not None and not isinstance(interrupt, Exception):
        raise interrupt
    return None


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of an object of the openai package, which encodes no other."""
    module = type(value).__module__
    if type(module) is not str or not module.startswith(_MODULES):
        raise TypeError
    fields: dict[str, Any] = vars(value)
    return fields
