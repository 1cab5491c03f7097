"""List where the models of the SDK are hooked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.sdk.patching import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .wrap import ModelCalls

__all__ = ["ModelPatches"]

_MODEL = ("MODEL_INVOCATION_START", "MODEL_INVOCATION_END")
_INSIDE_MODEL = (
    *_MODEL,
    "TOOL_CALL_START",
    "TOOL_CALL_END",
    "MCP_CALL_START",
    "MCP_CALL_END",
    "DATA_ACCESS",
    "ERROR",
    "OUTPUT_EMITTED",
    "POLICY_DECISION",
)
"""Of a model call: its own, those of hosted tools, and its pieces."""


class ModelPatches:
    """
    The patches around `Model` and the runner's retries of it.

    Args:
        models: Records model calls.
    """

    def __init__(self, models: ModelCalls) -> None:
        self._models = models

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        models = self._models
        model = "agents.models.interface:Model"
        return (
            *(
                Patch(f"{model}.{name}", wrap, _INSIDE_MODEL, subclasses=True)
                for name, wrap in (
                    ("get_response", models.get_response),
                    ("stream_response", models.stream_response),
                )
            ),
            *(
                Patch(
                    f"agents.run_internal.model_retry:{name}",
                    wrap,
                    emits,
                    everywhere=True,
                    min_version="0.12",
                )
                for name, wrap, emits in (
                    ("get_response_with_retry", models.get_response_with_retry, _MODEL),
                    (
                        "stream_response_with_retry",
                        models.stream_response_with_retry,
                        _MODEL,
                    ),
                    ("_sleep_for_retry", models.runner_sleep, ("RETRY",)),
                )
            ),
        )
