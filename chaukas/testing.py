"""
The test kit under its short name.

The same as `chaukas.sdk.testing`, so that either way of importing chaukas finds it.
"""

from chaukas.sdk.testing import (
    FakeClock,
    FakeCollector,
    Fault,
    MemorySink,
    Reply,
    Request,
    SequentialIds,
    capture_events,
)

__all__ = [
    "FakeClock",
    "FakeCollector",
    "Fault",
    "MemorySink",
    "Reply",
    "Request",
    "SequentialIds",
    "capture_events",
]
