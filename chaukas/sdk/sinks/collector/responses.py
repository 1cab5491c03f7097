"""
What the response of a collector means for the batch that was sent.

Pure functions, so that the whole table of answers is read and tested in one place;
no socket comes here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from .retry_after import pushback_s, retry_after_s
from .verdicts import (
    JSON,
    PROTOBUF,
    Backend,
    Reply,
    Tally,
    event_id_of,
    is_documented_ack,
    kind_of,
    media_type_of,
    tally_of_json,
    tally_of_message,
    tally_of_single_message,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ADVICE",
    "LATE_S",
    "TROUBLES",
    "Action",
    "Answer",
    "Remote",
    "answer_of_failure",
    "answer_of_grpc",
    "answer_of_http",
    "answer_of_message",
    "answer_of_tally",
    "key_late",
    "key_missing",
    "misconfigured",
    "no_verdict",
    "tls_trouble",
    "tls_unusable",
    "too_large",
    "unreachable",
    "untrusted",
]

TROUBLES: Final = {
    "refused": "refuses connections",
    "timeout": "did not answer in time",
    "dns": "has a name that cannot be resolved now",
    "reset": "broke off the connection",
    "proxy": "cannot be reached through the proxy",
    "oversize": "answered more than any verdict holds",
    "network": "cannot be reached",
}
"""What the collector did, by the kind of trouble with the connection."""
LATE_S: Final = 10.0
"""Seconds after which it is logged that the source of the API key holds up sending."""
_SMALL_REQUEST_BYTES: Final = 64 * 1024
_KEPT: Final = "events are kept and sent again"
_VERDICT_STATUS: Final = frozenset({200, 201, 202})
"""What of 2xx can carry a verdict; 206 is a part of one, and 204 has no body."""
_HTTP_RETRY: Final = frozenset({408, 421, 425, 429})
_HTTP_POISON: Final = frozenset({400, 422})
_GRPC_POISON: Final = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE"})
_GRPC_PARK: Final = {
    "UNAUTHENTICATED": "key",
    "PERMISSION_DENIED": "key",
    "UNIMPLEMENTED": "address",
    "NOT_FOUND": "address",
    "FAILED_PRECONDITION": "address",
    "ALREADY_EXISTS": "address",
}
ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    "key": (
        "refused the API key ({status})",
        "Correct CHAUKAS_API_KEY or the file that holds it.",
    ),
    "key function": (
        "refused the API key ({status})",
        "Correct what the function given as api_key returns.",
    ),
    "no key": (
        "wants an API key ({status}), and none was sent, as none is set",
        "Set CHAUKAS_API_KEY or CHAUKAS_API_KEY_FILE.",
    ),
    "password": (
        "refused the user and password of its address ({status})",
        "Correct them in CHAUKAS_ENDPOINT, or set CHAUKAS_API_KEY.",
    ),
    "address": (
        "takes no events there ({status})",
        "Correct CHAUKAS_ENDPOINT, without /events/batch.",
    ),
    "redirect": (
        "points elsewhere ({status}), and keys are never sent to another place",
        "Set CHAUKAS_ENDPOINT to the final address.",
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
_HTTP_PARK: Final = {401: "key", 403: "key", 407: "proxy"}
_TLS_WORDS: Final = ("certificate", "ssl_", "hostname verification")
_DNS_WORDS: Final = ("dns", "resolving", "lookup")
_RECEIVED: Final = re.compile(r"message larger than max \((\d{1,18}) vs")
_SIZE_WORDS: Final = ("larger than max", "too large", "message size", "exceeds")


class Action(Enum):
    """What to do with a batch after its answer."""

    ACKED = "acked"
    """The collector has it, but for the events in `rejected`."""
    RETRY = "retry"
    """Nothing is wrong with it: send it again, later each time."""
    PARK = "park"
    """A person must correct something: keep it, and look once in a while."""
    SPLIT = "split"
    """It is too large: send it in halves."""
    BISECT = "bisect"
    """One of its events makes the whole unreadable: find that one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch, and what to do next."""

    action: Action
    rejected: tuple[tuple[int, str], ...] = ()
    """With ACKED: index in the batch and reason of events refused for good."""
    duplicate: int = 0
    """How many of the batch the collector had already."""
    retry_after_s: float | None = None
    """Least wait before the next try, at most 300 s; None leaves it to us."""
    cause: str = ""
    """Short stable name of the trouble, such as `http 503` or `refused`."""
    error: str = ""
    """The trouble in one line for people; no secret, nothing of the body."""
    suspects: tuple[int, ...] = ()
    """With ACKED: further events of which some in `rejected` may stand for; they are
    kept in quarantine as well, and not counted."""


class Remote(Protocol):
    """
    A collector, as the sender sees it.

    All methods but `overdue` are called by one thread at a time: the sender's, or
    that of a forked child for `abandon`.
    """

    name: str
    """Which sink it is, as in `output_mode`: `http` or `grpc`."""

    def send(self, lines: Sequence[bytes]) -> Answer:
        r"""
        Send a batch and say what became of it; network trouble is an answer.

        Args:
            lines: Events in order, each one JSON object and a `\n`; never empty.
        """
        ...

    def overdue(self, now_s: float) -> str:
        """
        Say what code of the user's `send` has waited for too long, if it does.

        Called by any thread, also while another one is in `send`.

        Args:
            now_s: Monotonic time in seconds.

        Returns:
            One line for people, or an empty text.
        """
        ...

    def close(self) -> None:
        """Release what is held; a later `send` connects anew."""
        ...

    def abandon(self) -> None:
        """Close what a forked child inherited, and send nothing."""
        ...


def answer_of_http(
    reply: Reply,
    *,
    lines: Sequence[bytes],
    place: str,
    now_s: float,
    backend: Backend = Backend.UNKNOWN,
    is_single: bool = False,
    credential: str = "key",
) -> Answer:
    """
    Return what an HTTP answer means.

    Args:
        reply: The answer, its body whole and as it was sent.
        lines: The batch that was sent.
        place: The endpoint for people, without secrets.
        now_s: Wall time in seconds, for a `Retry-After` that is a date.
        backend: What is known of who answered.
        is_single: Whether the call for a single event was made.
        credential: What was sent to say who we are: `key`, `key function`, `password`
            or `no key`.
    """
    if 200 <= reply.status < 300:
        return _answer_of_success(reply, lines, place, backend, is_single=is_single)
    return answer_of_failure(reply, place=place, now_s=now_s, credential=credential)


def answer_of_failure(
    reply: Reply,
    *,
    place: str,
    now_s: float,
    credential: str = "key",
    advice: Mapping[str, tuple[str, str]] = ADVICE,
) -> Answer:
    """
    Return what an HTTP answer means that is no 2xx.

    Args:
        reply: The answer.
        place: The endpoint for people, without secrets.
        now_s: Wall time in seconds, for a `Retry-After` that is a date.
        credential: As for `answer_of_http`.
        advice: What is wrong and what to do, by what a person has to correct.
    """
    code = reply.status
    status, cause = f"HTTP {code}", f"http {code}"
    wait_s = retry_after_s(reply.headers.get("retry-after"), now_s)
    if code in _HTTP_POISON:
        return _poison(cause, place, status)
    if code == 413:
        return too_large(cause, place, f"({status})")
    if 300 <= code < 400:
        return misconfigured("redirect", cause, place, status, advice=advice)
    if 400 <= code < 500 and code not in _HTTP_RETRY:
        what = _HTTP_PARK.get(code, "address")
        what = credential if what == "key" else what
        return misconfigured(what, cause, place, status, wait_s, advice=advice)
    return unreachable(cause, place, f"cannot take events now ({status})", wait_s)


def answer_of_grpc(
    code: str,
    details: str,
    trailers: Mapping[str, str | bytes],
    *,
    size_bytes: int,
    place: str,
    credential: str = "key",
    advice: Mapping[str, tuple[str, str]] = ADVICE,
) -> Answer:
    """
    Return what a failed gRPC call means; for a good one see `answer_of_message`.

    RESOURCE_EXHAUSTED names a batch that is too large as well as a quota that is
    used up. Halving would end in the loss of a good event, so a small request
    is taken for too large only if the server says so.

    Args:
        code: Name of the status code, such as `UNAVAILABLE`.
        details: Its message: looked at, never shown, as it may quote an event.
        trailers: Trailing metadata by lower-case name.
        size_bytes: Size of the request.
        place: The endpoint for people, without secrets.
        credential: As for `answer_of_http`.
        advice: As for `answer_of_failure`.
    """
    status = f"gRPC {code}"
    cause = f"grpc {code.lower()}"
    words = details.lower()
    wait_s = pushback_s(trailers)
    if code in _GRPC_POISON or (code == "INTERNAL" and "deserializ" in words):
        return _poison(cause, place, status)
    if code == "RESOURCE_EXHAUSTED" and wait_s is None:
        size = _RECEIVED.search(words)
        # The library says the same of an answer; and requests are not compressed.
        if (size and int(size[1]) != size_bytes) or "decompressed" in words:
            return no_verdict(place, status, "a message too large for one")
        is_named = any(word in words for word in _SIZE_WORDS)
        if is_named or size_bytes > _SMALL_REQUEST_BYTES:
            return too_large(cause, place, f"({status})")
    if code == "UNAVAILABLE" and any(word in words for word in _TLS_WORDS):
        return untrusted(place, words)
    if code in _GRPC_PARK:
        what = _GRPC_PARK[code]
        what = credential if what == "key" else what
        return misconfigured(what, cause, place, status, wait_s, advice=advice)
    what = f"cannot take events now ({status})"
    if code == "UNAVAILABLE" and any(word in words for word in _DNS_WORDS):
        cause, what = "dns", "has a name that cannot be resolved now"
    return unreachable(cause, place, what, wait_s)


def answer_of_message(
    body: bytes,
    *,
    lines: Sequence[bytes],
    place: str,
    status: str,
    is_single: bool = False,
    may_be_empty: bool = True,
) -> Answer:
    """
    Return what a response in protobuf means.

    The published client's responses have no fields, so that an empty message is an
    ack; from a server that has given verdicts before it is none.

    Args:
        body: The message.
        lines: The batch that was sent.
        place: The endpoint for people, without secrets.
        status: The status, for people.
        is_single: Whether the call for a single event was made.
        may_be_empty: Whether an empty message is an ack.
    """
    if not body:
        if may_be_empty or not lines:
            return Answer(Action.ACKED)
        return no_verdict(place, status, "an empty message")
    if is_single:
        tally = tally_of_single_message(body, lines)
    else:
        tally = tally_of_message(body)
    if tally is None:
        return no_verdict(place, status, "another message")
    return answer_of_tally(tally, lines, place)


def answer_of_tally(tally: Tally, lines: Sequence[bytes], place: str) -> Answer:
    """
    Return what a verdict means.

    The numbers must add up to the batch, and each refused event be named: else
    nothing is known, and sending again is safe since the collector keeps one
    copy of each event.

    Args:
        tally: The verdict.
        lines: The batch that was sent.
        place: The endpoint for people, without secrets.
    """
    total = tally.accepted + tally.duplicate + tally.rejected_count
    rejected = _placed(tally.rejected, lines) if tally.rejected else ()
    if (
        min(tally.accepted, tally.duplicate, tally.rejected_count) < 0
        or total != len(lines)
        or len(rejected) != tally.rejected_count
    ):
        what = "gave a verdict that does not fit the batch"
        return unreachable("bad verdict", place, what)
    return Answer(Action.ACKED, rejected, tally.duplicate)


def unreachable(
    cause: str, place: str, what: str, wait_s: float | None = None
) -> Answer:
    """
    Return the answer for trouble that passes by itself.

    Args:
        cause: Its short stable name.
        place: The endpoint for people.
        what: What the collector did, to follow its name.
        wait_s: Least wait that it asked for, in seconds.
    """
    error = (
        f"chaukas: the collector at {place} {what}: {_KEPT}. "
        "If it lasts, look at the collector and at the way to it."
    )
    return Answer(Action.RETRY, retry_after_s=wait_s, cause=cause, error=error)


def untrusted(place: str, words: str) -> Answer:
    """
    Return the answer for a TLS connection that cannot be trusted.

    Args:
        place: The endpoint for people.
        words: What the TLS library says of it, which is not shown as it stands.
    """
    what = tls_trouble(words.lower())
    error = (
        f"chaukas: the collector at {place} cannot be trusted ({what}): events are"
        " kept, and never sent in plain text. Correct CHAUKAS_CA_FILE,"
        " CHAUKAS_CLIENT_CERT or the collector's certificate."
    )
    return Answer(Action.PARK, cause="tls", error=error)


def misconfigured(
    what: str,
    cause: str,
    place: str,
    status: str,
    wait_s: float | None = None,
    *,
    advice: Mapping[str, tuple[str, str]] = ADVICE,
) -> Answer:
    """
    Return the answer for what a person has to correct.

    Args:
        what: `key`, `key function`, `no key`, `password`, `address`, `redirect`,
            `proxy` or `proxy address`.
        cause: Short stable name of the trouble.
        place: The endpoint for people.
        status: The status, for people.
        wait_s: Least wait that the collector asked for, in seconds.
        advice: What is wrong and what to do about it, by *what*.
    """
    event, remedy = advice[what]
    error = (
        f"chaukas: the collector at {place} {event.format(status=status)}: events are"
        f" kept and will be sent once that is corrected. {remedy}"
    )
    return Answer(Action.PARK, retry_after_s=wait_s, cause=cause, error=error)


def key_missing(place: str, why: str, remedy: str) -> Answer:
    """
    Return the answer while the API key cannot be had.

    Args:
        place: The endpoint for people.
        why: What is wrong with its source; nothing of the key.
        remedy: What to do about it, as a sentence.
    """
    error = (
        f"chaukas: cannot read the API key for {place} ({why}): events are kept and"
        f" will be sent once it can be read. {remedy}"
    )
    return Answer(Action.PARK, cause="key", error=error)


def key_late(place: str, source: str) -> str:
    """
    Return the line about an API key that is waited for.

    Args:
        place: The endpoint for people.
        source: Where it comes from, such as `the function given as api_key`.
    """
    return (
        f"chaukas: {source} has not returned for {LATE_S:g} s, and is waited for:"
        f" events for {place} are kept and will be sent once it has."
        " Give it a timeout of its own."
    )


def tls_unusable(place: str, why: str) -> Answer:
    """
    Return the answer while a file for TLS cannot be used.

    Args:
        place: The endpoint for people.
        why: Which file, and what is wrong with it.
    """
    error = (
        f"chaukas: {why}: events for {place} are kept and will be sent once that is"
        " corrected. Name a PEM file that this user can read."
    )
    return Answer(Action.PARK, cause="tls", error=error)


def _poison(cause: str, place: str, status: str) -> Answer:
    error = (
        f"chaukas: the collector at {place} cannot read a batch ({status}): the event"
        " at fault is looked for and set aside, the others are delivered. See it with:"
        " chaukas spool quarantine show"
    )
    return Answer(Action.BISECT, cause=cause, error=error)


def too_large(cause: str, place: str, why: str) -> Answer:
    """
    Return the answer for a batch that must be sent in halves.

    Args:
        cause: Short stable name of the reason.
        place: The endpoint for people.
        why: The reason, to follow `too large`.
    """
    error = (
        f"chaukas: the collector at {place} finds a batch too large {why}: it is"
        " sent in halves. A lower CHAUKAS_MAX_BATCH_BYTES spares the detour."
    )
    return Answer(Action.SPLIT, cause=cause, error=error)


def tls_trouble(words: str) -> str:
    """Name the trouble in words of our own: the original can be a page long."""
    for sign, meaning in (
        ("hostname", "its certificate is for another host"),
        ("ip address mismatch", "its certificate is for another host"),
        # The words of older releases of grpcio.
        ("peer name", "its certificate is for another host"),
        ("has expired", "its certificate has expired"),
        ("wrong_version_number", "it does not speak TLS"),
        ("certificate_required", "it wants a client certificate"),
        ("certificate required", "it wants a client certificate"),
        ("unknown_ca", "it does not accept the client certificate"),
        ("unknown ca", "it does not accept the client certificate"),
        ("verify", "its certificate does not verify"),
    ):
        if sign in words:
            return meaning
    return "the TLS handshake failed"


def _answer_of_success(
    reply: Reply,
    lines: Sequence[bytes],
    place: str,
    backend: Backend,
    *,
    is_single: bool,
) -> Answer:
    """Take a 2xx for an ack only if nobody but a collector can have said it."""
    status = f"HTTP {reply.status}"
    if is_documented_ack(reply, backend):
        return Answer(Action.ACKED)
    media_type = media_type_of(reply.headers)
    is_plain = reply.headers.get("content-encoding", "identity").lower() == "identity"
    if reply.is_whole and is_plain and reply.status in _VERDICT_STATUS:
        if media_type == PROTOBUF and backend is not Backend.OURS:
            return answer_of_message(
                reply.body, lines=lines, place=place, status=status, is_single=is_single
            )
        if media_type == JSON:
            tally = tally_of_json(reply.body, lines, backend, is_single=is_single)
            if tally is not None:
                return answer_of_tally(tally, lines, place)
    return no_verdict(place, status, kind_of(reply), backend)


def no_verdict(
    place: str, status: str, kind: str, backend: Backend = Backend.OURS
) -> Answer:
    """
    Return the answer for a success that says nothing of the batch.

    Args:
        place: The endpoint for people.
        status: The status, for people.
        kind: What came instead of a verdict, in words of our own.
        backend: What is known of who answered.
    """
    remedy = "If it lasts, look at the collector and at the way to it."
    if backend is Backend.UNKNOWN and kind == "nothing":
        remedy = (
            "If your backend acknowledges events in that way, set"
            " CHAUKAS_COLLECTOR_COMPAT=published."
        )
    error = (
        f"chaukas: the collector at {place} answered {status} with {kind} instead of a"
        f" verdict: {_KEPT}. {remedy}"
    )
    return Answer(Action.RETRY, cause="no verdict", error=error)


def _placed(
    rejected: Sequence[tuple[str, str]], lines: Sequence[bytes]
) -> tuple[tuple[int, str], ...]:
    """Find refused events in the batch; an id that is not there finds none."""
    places: dict[str, list[int]] = {}
    for index, line in reversed(list(enumerate(lines))):
        places.setdefault(event_id_of(line), []).append(index)
    places.pop("", None)
    found = []
    for event_id, reason in rejected:
        if places.get(event_id):
            found.append((places[event_id].pop(), reason))
    return tuple(sorted(found))
