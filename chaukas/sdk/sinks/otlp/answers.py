"""
What the answer of an OTLP receiver means for the events that were sent as spans.

The protocol has one verdict: a count of spans that were rejected, without saying which.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from chaukas.sdk.sinks.collector.responses import (
    Action,
    Answer,
    answer_of_failure,
    no_verdict,
)
from chaukas.sdk.sinks.collector.verdicts import (
    JSON,
    PROTOBUF,
    kind_of,
    media_type_of,
    message_in,
)

from .encode import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.sinks.collector.verdicts import Reply

__all__ = [
    "ADVICE",
    "answer_of_partial",
    "answer_of_reply",
    "missing_package",
    "rejected_in",
]

_ACKS: Final = frozenset({200, 201, 202, 204})
_REASON: Final = "rejected_spans"
_HEADERS: Final = "Correct CHAUKAS_OTLP_HEADERS or OTEL_EXPORTER_OTLP_HEADERS."
ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    "key": ("refused the headers that say who sends ({status})", _HEADERS),
    "no key": (
        "wants to know who sends ({status}), and no header is set for that",
        "Set CHAUKAS_OTLP_HEADERS, such as authorization=Bearer ….",
    ),
    "password": (
        "refused the user and password of its address ({status})",
        "Correct them in CHAUKAS_OTLP_ENDPOINT, or set CHAUKAS_OTLP_HEADERS.",
    ),
    "address": (
        "takes no spans there ({status})",
        "Correct CHAUKAS_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
    "redirect": (
        "points elsewhere ({status}), and keys are never sent to another place",
        "Set CHAUKAS_OTLP_ENDPOINT to the final address.",
    ),
    "proxy address": (
        "cannot be reached: the proxy of the environment is no http(s)://host:port",
        "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.",
    ),
    "proxy": (
        "cannot be reached: the proxy wants other credentials ({status})",
        "Correct HTTP_PROXY or HTTPS_PROXY.",
    ),
}
"""What is wrong and what to do about it, by what a person has to correct."""


def answer_of_reply(
    reply: Reply,
    lines: Sequence[int],
    *,
    place: str,
    now_s: float,
    credential: str,
) -> Answer:
    """
    Return what an HTTP answer means.

    Args:
        reply: The answer.
        lines: For each span that was sent the index of its event in the batch.
        place: The endpoint for people, without secrets.
        now_s: Wall time in seconds.
        credential: What was sent to say who we are: `key`, `password` or `no key`.
    """
    if not 200 <= reply.status < 300:
        return answer_of_failure(
            reply, place=place, now_s=now_s, credential=credential, advice=ADVICE
        )
    rejected = _rejected_of(reply)
    if rejected is None:
        return no_verdict(place, f"HTTP {reply.status}", kind_of(reply))
    return answer_of_partial(rejected, lines)


def answer_of_partial(rejected: int, lines: Sequence[int]) -> Answer:
    """
    Return what a number of rejected spans means.

    Sending again is forbidden then, and which they are is not said. As many events are
    counted, and all that may be meant are kept in quarantine.

    Args:
        rejected: How many spans were rejected.
        lines: For each span that was sent the index of its event in the batch.
    """
    sent = [line for line in dict.fromkeys(lines) if line >= 0]
    count = min(max(rejected, 0), len(sent))
    if not count:
        return Answer(Action.ACKED)
    counted = tuple((line, _REASON) for line in sent[:count])
    return Answer(Action.ACKED, counted, suspects=tuple(sent[count:]))


def rejected_in(body: bytes) -> int | None:
    """Return how many spans a response in protobuf rejects; None if it is none."""
    message = message_in(load().ExportTraceServiceResponse, body)
    return None if message is None else int(message.partial_success.rejected_spans)


def missing_package(place: str) -> Answer:
    """Return the answer while the package that encodes OTLP is not installed."""
    error = (
        f"chaukas: cannot send spans to {place}: the package opentelemetry-proto is not"
        " installed: events are kept and will be sent once it is. Install it with:"
        " pip install 'chaukas-sdk[otlp]'"
    )
    return Answer(Action.PARK, cause="missing package", error=error)


def _rejected_of(reply: Reply) -> int | None:
    """Return how many spans a success rejects; None if nobody but a page said it."""
    if reply.status not in _ACKS or not reply.is_whole:
        return None
    body, media_type = reply.body.strip(), media_type_of(reply.headers)
    if not body:
        return 0
    if media_type == PROTOBUF:
        return rejected_in(reply.body)
    return _rejected_in_json(body) if media_type == JSON else None


def _rejected_in_json(body: bytes) -> int | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if data is None:
        return 0
    if type(data) is not dict or not data.keys() <= {"partialSuccess", *_PLAIN}:
        return None
    partial = data.get("partialSuccess") or {}
    if type(partial) is not dict:
        return None
    try:
        # 64 bits are a text in the JSON of protobuf.
        return int(partial.get("rejectedSpans") or 0)
    except (TypeError, ValueError):
        return None


_PLAIN: Final = frozenset({"partial_success"})
