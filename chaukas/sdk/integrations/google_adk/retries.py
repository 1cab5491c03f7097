"""
Record what ADK and google-genai repeat by themselves, beside their tenacity loops.

Plugins that ask the model to try again, the second request that google-genai makes when
a connection of aiohttp breaks, and what the client of Anthropic repeats.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import observe
from chaukas.sdk.integrations.shared.openai_api.client_retries import ClientRetries
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import ms_between
from chaukas.sdk.system.introspect import attributes_of

from .state import LlmCall, agent_at
from .tools import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Retries"]

_PLUGINS = "google.adk.plugins"
_TOOL = f"{_PLUGINS}.reflect_retry_tool_plugin:ReflectAndRetryToolPlugin"
_MODEL = f"{_PLUGINS}._reflect_retry_model_plugin:ReflectAndRetryModelPlugin"
_CLIENT = "google.genai._api_client:BaseApiClient._ensure_aiohttp_ssl_ctx"


class Retries(Part):
    """The hooks of what repeats."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        plain = tuple(
            Patch(
                target,
                observe(begin),
                ("RETRY",),
                optional=not first,
                min_version=first,
                package="google-adk" if first else "",
                post_import=True,
            )
            for target, begin, first in (
                (f"{_TOOL}._create_tool_reflection_response", self._tool, "1.16"),
                (f"{_MODEL}._generate_model_retry_part", self._model, "2.6"),
                (_CLIENT, self._request, ""),
            )
        )
        clients = ClientRetries(self._host)
        return (
            *plain,
            *clients.patches("anthropic", optional=True, post_import=True),
        )

    def _tool(self, plugin: Any, args: Any, kwargs: dict[str, Any]) -> None:
        names = ("tool", "tool_args", "error", "retry_count")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        node = node_in_force()
        call = None if node is None else node.detail
        if node is None or not isinstance(call, Call):
            return
        error = given.get("error")
        record_retry(
            self._recorder,
            node.run,
            call.pair.span_id if call.pair is not None else node.parent_span_id,
            error if isinstance(error, BaseException) else None,
            number=given.get("retry_count", 1),
            max_attempts=_limit_of(plugin),
            strategy="reflect",
            metadata={"layer": "middleware"},
        )

    def _model(self, plugin: Any, args: Any, kwargs: dict[str, Any]) -> None:
        names = ("retry_count", "error_type", "error_details", "finish_reason")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        turn = agent_at()
        if turn is None:
            return
        capture = self._recorder.capture(turn)
        words = text_of(given.get("error_details"))
        record_retry(
            self._recorder,
            turn,
            turn.agent_span_id,
            None,
            number=given.get("retry_count", 1),
            max_attempts=_limit_of(plugin),
            message=capture.text(words, "retry.error_message"),
            strategy="reflect",
            metadata={
                "layer": "middleware",
                "error_code": text_of(given.get("error_type")),
            },
        )

    def _request(self, client: Any, args: Any, kwargs: Any) -> None:
        """Record a request that is repeated: its error is being handled now."""
        del client, args, kwargs
        error = sys.exc_info()[1]
        node = node_in_force()
        call = None if node is None else node.detail
        if node is None or not isinstance(call, LlmCall) or id(error) == call.handled:
            # None is handled around most calls, and now.
            return
        now_ns = self._recorder.clock.monotonic_ns()
        record_retry(
            self._recorder,
            node.run,
            call.span_id,
            error,
            number=1,
            max_attempts=1,
            strategy="random",
            # With the time of the request: it is not told when that failed.
            slept_ms=ms_between(call.started_ns, now_ns),
            metadata={"layer": "http", "approximate": True},
        )


def _limit_of(plugin: Any) -> int:
    limit = attributes_of(plugin).get("max_retries")
    return limit if type(limit) is int else 0
