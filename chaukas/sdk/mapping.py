"""Events as protobuf messages and as JSON objects: the public name of `sdk.wire`."""

from .wire import (
    batch_to_message,
    from_message,
    normal,
    to_message,
)

__all__ = (
    "batch_to_message",
    "from_message",
    "normal",
    "to_message",
)
