"""
What the fake collector can be made to answer, and what it has received.

Plain data, so that a test reads as a list of answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fault", "Reply", "Request"]


class Fault(Enum):
    """How an exchange goes wrong below the level of an answer."""

    NONE = "none"
    SILENCE = "silence"
    """The body is never read and nothing is answered, until the client gives up."""
    CLOSED = "closed"
    """The connection is closed without an answer; nothing is stored."""
    RESET = "reset"
    """The connection is reset in the middle of the request's body."""
    HALF = "half"
    """Half of the answer is sent, then the connection is closed."""
    TRICKLE = "trickle"
    """The answer is sent a byte at a time, `delay_s` before each."""
    LOST_ACK = "lost ack"
    """The events are stored, but the connection is closed without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    One answer to one batch.

    Without a status or a code it is the honest verdict, so that
    `Reply(delay_s=2)` is a slow collector and `Reply(fault=Fault.LOST_ACK)` one
    that forgets to answer.
    """

    status: int = 0
    """HTTP status; nothing is stored then. 0 for the verdict. In gRPC the status
    code that means the same, unless `code` names one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers; in gRPC trailing metadata, bytes for names in `-bin`."""
    body: bytes = b""
    """Body that goes with a `status`."""
    raw: bytes | None = None
    """What is answered instead of all that, as it stands: in HTTP the bytes of the
    whole answer, after which the connection is closed; in gRPC the message of a call
    that ends with OK. Nothing is stored then."""
    code: str = ""
    """Name of a gRPC status code, such as `UNAVAILABLE`; nothing is stored then."""
    details: str = ""
    """Message that goes with a `code`."""
    delay_s: float = 0.0
    """Wait before the answer, in seconds; ended early when the collector stops."""
    fault: Fault = Fault.NONE
    """What goes wrong besides."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    protocol: str
    """`http` or `grpc`."""
    method: str
    """`POST` or `GET`; in gRPC always `POST`."""
    path: str
    """With its query; in gRPC the full name of the call."""
    headers: Mapping[str, str]
    """By lower-case name; in gRPC the metadata."""
    body: bytes
    """As it arrived, perhaps compressed; empty if it was not read."""
    status: int
    """HTTP status of the answer, 0 if there was none; in gRPC 200 for OK, else 500."""
