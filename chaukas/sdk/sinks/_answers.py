"""
What the answer of a collector means for the batch that was sent.

Pure functions, so that the whole table of answers is read and tested in one place;
no socket comes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from chaukas.sdk.sinks._delays import pushback_s, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Action",
    "Answer",
    "Remote",
    "Tally",
    "answer_of_grpc",
    "answer_of_http",
    "answer_of_tally",
    "key_missing",
    "misconfigured",
    "reason_of",
    "tls_unusable",
    "too_large",
    "unreachable",
    "untrusted",
]

_REASON_CHARS: Final = 64
_SMALL_REQUEST_BYTES: Final = 64 * 1024
_KEPT: Final = "events are kept and sent again"
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
_ADVICE: Final = {
    "key": (
        "refused the API key ({status})",
        "Correct CHAUKAS_API_KEY or the file that holds it.",
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
_HTTP_PARK: Final = {401: "key", 403: "key", 407: "proxy"}
_TLS_WORDS: Final = ("certificate", "ssl_", "hostname verification")
_DNS_WORDS: Final = ("dns", "resolving", "lookup")
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


class Remote(Protocol):
    """
    A collector, as the sender sees it.

    All methods are called by one thread at a time: the sender's, or that of a
    forked child for `abandon`.
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

    def close(self) -> None:
        """Release what is held; a later `send` connects anew."""
        ...

    def abandon(self) -> None:
        """Close what a forked child inherited, and send nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """A collector's verdict, in whichever form it came."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Event id and reason."""
    rejected_count: int
    """How many were refused, named or not."""


def answer_of_http(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    lines: Sequence[bytes],
    place: str,
    now_s: float,
) -> Answer:
    """
    Return what an HTTP answer means.

    Args:
        status: Status code.
        headers: Headers of the answer, found by lower-case name.
        body: Its body, whole and decoded.
        lines: The batch that was sent.
        place: The endpoint for people, without secrets.
        now_s: Wall time in seconds, for a `Retry-After` that is a date.
    """
    told = f"HTTP {status}"
    cause = f"http {status}"
    if 200 <= status < 300:
        return _answer_of_success(headers, body, lines, place, told)
    wait_s = retry_after_s(headers.get("retry-after"), now_s)
    if status in _HTTP_POISON:
        return _poison(cause, place, told)
    if status == 413:
        return too_large(cause, place, f"({told})")
    if 300 <= status < 400:
        return misconfigured("redirect", cause, place, told)
    if 400 <= status < 500 and status not in _HTTP_RETRY:
        what = _HTTP_PARK.get(status, "address")
        return misconfigured(what, cause, place, told, wait_s)
    return unreachable(cause, place, f"cannot take events now ({told})", wait_s)


def answer_of_grpc(
    code: str,
    details: str,
    trailers: Mapping[str, str | bytes],
    *,
    size_bytes: int,
    place: str,
) -> Answer:
    """
    Return what a failed gRPC call means; for a good one see `answer_of_tally`.

    RESOURCE_EXHAUSTED names a batch that is too large as well as a quota that is
    used up. Halving would end in the loss of a good event, so a small request
    is taken for too large only if the server says so.

    Args:
        code: Name of the status code, such as `UNAVAILABLE`.
        details: Its message: looked at, never shown, as it may quote an event.
        trailers: Trailing metadata by lower-case name.
        size_bytes: Size of the request.
        place: The endpoint for people, without secrets.
    """
    told = f"gRPC {code}"
    cause = f"grpc {code.lower()}"
    words = details.lower()
    wait_s = pushback_s(trailers)
    if code in _GRPC_POISON or (code == "INTERNAL" and "deserializ" in words):
        return _poison(cause, place, told)
    if code == "RESOURCE_EXHAUSTED" and wait_s is None:
        is_named = any(word in words for word in _SIZE_WORDS)
        if is_named or size_bytes > _SMALL_REQUEST_BYTES:
            return too_large(cause, place, f"({told})")
    if code == "UNAVAILABLE" and any(word in words for word in _TLS_WORDS):
        return untrusted(place, words)
    if code in _GRPC_PARK:
        return misconfigured(_GRPC_PARK[code], cause, place, told, wait_s)
    what = f"cannot take events now ({told})"
    if code == "UNAVAILABLE" and any(word in words for word in _DNS_WORDS):
        cause, what = "dns", "has a name that cannot be resolved now"
    return unreachable(cause, place, what, wait_s)


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
    what = _tls_trouble(words.lower())
    error = (
        f"chaukas: the collector at {place} cannot be trusted ({what}): events are"
        " kept, and never sent in plain text. Correct CHAUKAS_CA_FILE,"
        " CHAUKAS_CLIENT_CERT or the collector's certificate."
    )
    return Answer(Action.PARK, cause="tls", error=error)


def misconfigured(
    what: str, cause: str, place: str, told: str, wait_s: float | None = None
) -> Answer:
    """
    Return the answer for what a person has to correct.

    Args:
        what: `key`, `address`, `redirect`, `proxy` or `proxy address`.
        cause: Short stable name of the trouble.
        place: The endpoint for people.
        told: The status, for people.
        wait_s: Least wait that the collector asked for, in seconds.
    """
    event, remedy = _ADVICE[what]
    error = (
        f"chaukas: the collector at {place} {event.format(status=told)}: events are"
        f" kept and will be sent once that is corrected. {remedy}"
    )
    return Answer(Action.PARK, retry_after_s=wait_s, cause=cause, error=error)


def key_missing(place: str, why: str, remedy: str) -> Answer:
    """
    Return the answer while the API key cannot be had.

    Args:
        place: The endpoint for people.
        why: What is wrong with its source; nothing of the key.
        remedy: What to do about that source, as a sentence.
    """
    error = (
        f"chaukas: cannot read the API key for {place} ({why}): events are kept and"
        f" will be sent once it can be read. {remedy}"
    )
    return Answer(Action.PARK, cause="key", error=error)


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


def _poison(cause: str, place: str, told: str) -> Answer:
    error = (
        f"chaukas: the collector at {place} cannot read a batch ({told}): the event at"
        " fault is looked for and set aside, the others are delivered. See it with:"
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


def _tls_trouble(words: str) -> str:
    """Name the trouble in words of our own: the original can be a page long."""
    for sign, meaning in (
        ("hostname", "its certificate is for another host"),
        ("ip address mismatch", "its certificate is for another host"),
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
    headers: Mapping[str, str],
    body: bytes,
    lines: Sequence[bytes],
    place: str,
    told: str,
) -> Answer:
    """
    Take a 2xx for an ack only if the collector can have said it.

    The published backend answers nothing, or an empty message, for the whole
    batch. A page of text comes from something else that sits in between.
    """
    if not body.strip():
        return Answer(Action.ACKED)
    data = None if _is_page(headers, body) else _json_of(body)
    if not isinstance(data, dict) or data.get("error") or data.get("errors"):
        what = f"answered {told} with something that is no verdict, as a login page is"
        return unreachable("no verdict", place, what)
    fields = {_squeezed(key): value for key, value in data.items()}
    if _VERDICT_FIELDS.isdisjoint(fields):
        # The published answer to a single event.
        is_refused = str(fields.get("status", "")).lower().startswith("reject")
        if not is_refused:
            return Answer(Action.ACKED)
        fields = {"rejectedeventids": [fields.get("eventid", "")]}
    tally = _tally_of(fields)
    if tally is None:
        return unreachable("bad verdict", place, "gave a verdict that makes no sense")
    return answer_of_tally(tally, lines, place)


_VERDICT_FIELDS: Final = frozenset(
    "accepted acceptedcount duplicate duplicatecount rejected rejectedcount "
    "rejectedeventids rejections".split()
)


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    kind = headers.get("content-type") or ""
    return "html" in kind.lower() or body.lstrip()[:1] == b"<"


def _json_of(body: bytes) -> Any:
    # Loaded by the recorder anyway, but not by who only reads this module.
    import orjson

    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _squeezed(key: str) -> str:
    """Make one of the spellings that gateways give a field's name."""
    return key.replace("_", "").lower()


def _tally_of(fields: Mapping[str, Any]) -> Tally | None:
    """Read our verdict or the published server's; None if it is neither."""
    accepted = fields.get("accepted", fields.get("acceptedcount", 0))
    duplicate = fields.get("duplicate", fields.get("duplicatecount", 0))
    rejected = fields.get("rejected", fields.get("rejections"))
    if rejected is None:
        ids = fields.get("rejectedeventids", [])
        rejected = ids if isinstance(ids, list) else None
    if type(accepted) is not int or type(duplicate) is not int:
        return None
    if not isinstance(rejected, list):
        return None
    pairs = tuple(_pair_of(item) for item in rejected)
    count = fields.get("rejectedcount", len(pairs))
    if type(count) is not int:
        return None
    return Tally(accepted, duplicate, pairs, count)


def _pair_of(item: object) -> tuple[str, str]:
    """Return id and reason of a refused event; an empty id fits no event."""
    if isinstance(item, str):
        return item, "rejected"
    if not isinstance(item, dict):
        return "", ""
    event_id = item.get("event_id", item.get("eventId", ""))
    return event_id if isinstance(event_id, str) else "", reason_of(item.get("reason"))


def reason_of(value: object) -> str:
    """Return a collector's reason as a short printable word."""
    text = value if isinstance(value, str) else ""
    if not text or len(text) > _REASON_CHARS or not text.isprintable():
        return "rejected"
    return text


def _placed(
    rejected: Sequence[tuple[str, str]], lines: Sequence[bytes]
) -> tuple[tuple[int, str], ...]:
    """Find refused events in the batch; an id that is not there finds none."""
    places: dict[object, list[int]] = {}
    for index, line in reversed(list(enumerate(lines))):
        event = _json_of(line)
        event_id = event.get("event_id") if isinstance(event, dict) else None
        places.setdefault(event_id, []).append(index)
    found = []
    for event_id, reason in rejected:
        if places.get(event_id):
            found.append((places[event_id].pop(), reason))
    return tuple(sorted(found))
