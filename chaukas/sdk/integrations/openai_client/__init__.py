"""
Record the openai package: the calls of models that an application makes itself.

| moment | events |
|---|---|
| a response, a chat completion or embeddings are asked for | MODEL_INVOCATION_START |
| the answer came, its stream ended, was left or failed | MODEL_INVOCATION_END, ERROR |
| the answer is a refusal, or a content filter took it | POLICY_DECISION |
| the client sleeps before it repeats a request | RETRY |

A call stands below what is in force, such as the tool that makes it, or else right
under its session. Inside of a framework's model call only the RETRY is recorded here,
since the framework's integration has the call.

For openai 2.7 to 3. All ways to ask (`create`, `parse`, `stream`, raw answers, plain
and asynchronous, Azure, other base URLs) meet in `request` of the client, which is
patched; a stream is read through the iterator that `__stream__` makes.

Not seen: requests of other kinds (images, audio, files, batches), realtime sessions,
and the body of a raw answer that is read piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from chaukas.sdk.integrations.base import BaseIntegrationWrapper, Host
from chaukas.sdk.integrations.shared.openai_api.client_retries import ClientRetries
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import pricing
from chaukas.sdk.record.context import CURRENT, reset

from .calls import NAME, ClientCalls
from .streams import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OpenAIClientWrapper"]

_BASE = "openai._base_client"
_MODEL = (
    "MODEL_INVOCATION_START",
    "MODEL_INVOCATION_END",
    "ERROR",
    "POLICY_DECISION",
)
_END = ("MODEL_INVOCATION_END",)
_STREAMS = "openai.lib.streaming"
_PLAIN_CLOSES = (
    "openai._streaming:Stream",
    "openai._response:APIResponse",
    f"{_STREAMS}.chat._completions:ChatCompletionStream",
    f"{_STREAMS}.responses._responses:ResponseStream",
)
_ASYNC_CLOSES = (
    "openai._streaming:AsyncStream",
    "openai._response:AsyncAPIResponse",
    f"{_STREAMS}.chat._completions:AsyncChatCompletionStream",
    f"{_STREAMS}.responses._responses:AsyncResponseStream",
)


class OpenAIClientWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for the openai package."""

    name: ClassVar[str] = NAME
    packages: ClassVar[tuple[str, ...]] = ("openai",)
    landmarks: ClassVar[tuple[str, ...]] = (
        "openai._base_client:SyncAPIClient",
        "openai._streaming:Stream",
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._calls = ClientCalls(host)
        self._streams = Streams(self._calls)
        self._retries = ClientRetries(host)

    def install(self) -> None:
        """Load the price list, and install every patch."""
        pricing.load()
        super().install()

    def patches(self) -> Sequence[Patch]:
        """Return the patches; those of calls only if the calls are wanted."""
        found = self._retries.patches()
        return (*found, *self._call_patches()) if self._wants_calls() else found

    def _wants_calls(self) -> bool:
        """Tell whether more is wanted than what other integrations need."""
        # The documents ask without a host, for all that there is.
        wanted = None if self.host is None else self.host.config.integrations
        return wanted is None or NAME in wanted

    def _call_patches(self) -> Sequence[Patch]:
        streams = self._streams
        streaming = "openai._streaming"
        return (
            Patch(f"{_BASE}:SyncAPIClient.request", self.request_sync, _MODEL),
            Patch(f"{_BASE}:AsyncAPIClient.request", self.request, _MODEL),
            Patch(f"{streaming}:Stream.__stream__", streams.chunks, _MODEL),
            Patch(f"{streaming}:AsyncStream.__stream__", streams.chunks_async, _MODEL),
            *(
                Patch(f"{name}.close", streams.closed, _END, post_import=True)
                for name in _PLAIN_CLOSES
            ),
            *(
                Patch(f"{name}.close", streams.closed_async, _END, post_import=True)
                for name in _ASYNC_CLOSES
            ),
        )

    async def request(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the asynchronous client's `request`, which makes all its retries."""
        call = self._calls.begin(instance, _options_in(args, kwargs))
        if call is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(call.node)
        try:
            answer = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._calls.failed(call, error)
            raise
        finally:
            reset(token)
        self._streams.returned(call, answer)
        return answer

    def request_sync(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the synchronous client's `request`."""
        call = self._calls.begin(instance, _options_in(args, kwargs))
        if call is None:
            return wrapped(*args, **kwargs)
        token = CURRENT.set(call.node)
        try:
            answer = wrapped(*args, **kwargs)
        except BaseException as error:
            self._calls.failed(call, error)
            raise
        finally:
            reset(token)
        self._streams.returned(call, answer)
        return answer


def _options_in(args: Any, kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs.get("options")
