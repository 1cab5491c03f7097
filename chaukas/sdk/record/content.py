"""
The content of each kind of event: one pure function for each member of the spec.

Facts come in as they were captured; what proto3 does not write is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .recorder import without_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .totals import Usage

__all__ = ["model_asked", "model_ended", "model_started", "retry"]

_MODEL_SETTINGS = (
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
)
"""Settings of a model call with fields of their own."""


def model_asked(
    provider: str,
    model: str,
    settings: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Return what START and END of a model call have in common, and other settings.

    Args:
        provider: Who serves the model.
        model: Its name, as it is asked for.
        settings: All settings of the call.
        metadata: Further facts.

    Returns:
        Members of `llm_invocation`; and the settings for `request.settings`, which
        have no field of their own there, or are 0, which proto3 does not write.
    """
    own = {
        name: settings[name]
        for name in _MODEL_SETTINGS
        if type(settings.get(name)) in (int, float)
    }
    zeros = {name: value for name, value in own.items() if value == 0}
    others = {name: value for name, value in settings.items() if name not in own}
    content: dict[str, Any] = {"provider": provider, "model": model, **own}
    if metadata:
        content["metadata"] = dict(metadata)
    if zeros:
        content["request"] = {"settings": zeros}
    return without_defaults(content), {**others, **zeros}


def model_started(asked: dict[str, Any], request: Any) -> dict[str, Any]:
    """Return the content of a START: what `model_asked` returned, and the request."""
    return {"llm_invocation": {**asked, "request": request}}


# Named at the call, each is a member of the event.
def model_ended(
    asked: dict[str, Any],
    usage: Usage,
    *,
    response: Any = None,
    finish_reason: str = "",
    duration_ms: float = 0,
    chunk_count: int = 0,
    time_to_first_token_ms: float = 0,
    metadata: dict[str, Any] | None = None,
    response_id: str = "",
    cost: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of an END: what `model_asked` returned, and the answer."""
    told: dict[str, Any] = {
        **asked,
        "metadata": {**asked.get("metadata", {}), **(metadata or {})},
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "finish_reason": finish_reason,
        "duration_ms": duration_ms,
        "chunk_count": chunk_count,
        "time_to_first_token_ms": time_to_first_token_ms,
        "response": response,
    }
    body = {
        "llm_invocation": without_defaults(told),
        "response_id": response_id,
        "cost": cost,
    }
    return without_defaults(body)


def retry(
    *,
    attempt: int,
    max_attempts: int = 0,
    strategy: str = "",
    backoff_ms: int = 0,
    error_message: str = "",
    is_retryable: bool = True,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of a RETRY; *attempt* is the one that failed, from 1."""
    told = {
        "attempt": attempt,
        "max_attempts": max_attempts,
        "strategy": strategy,
        "backoff_ms": backoff_ms,
        "error_message": error_message,
        "retryable": is_retryable,
        "metadata": without_defaults(dict(metadata or {})),
    }
    return {"retry": without_defaults(told)}
