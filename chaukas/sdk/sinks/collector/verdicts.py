"""
Reads a collector's verdict from the body of an answer, or finds that there is none.

Whatever stands between here and the collector may answer 2xx: a login page, a gateway
that wraps failures, a cache. Taking one of those for a verdict loses events without a
trace, so nothing is taken for one but what only a collector says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.system.fork_guard import holding_forks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.wire.proto import ingest_pb2

__all__ = [
    "JSON",
    "PROTOBUF",
    "Backend",
    "Reply",
    "Tally",
    "backend_of",
    "event_id_of",
    "is_documented_ack",
    "kind_of",
    "media_type_of",
    "message_in",
    "tally_of_json",
    "tally_of_message",
    "tally_of_single_message",
]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_REASON_CHARS: Final = 64
_REJECTED: Final = "rejected"
_OURS: Final = frozenset({"accepted", "duplicate", "rejected"})
_ENVELOPE: Final = frozenset(
    "code data detail error errors exception fault message msg ok reason result status "
    "statuscode success title".split()
)
"""Names, in lower case, by which gateways and frameworks report a failure; the
collector's verdict has none of them."""
_PUBLISHED: Final = frozenset(
    "batchid acceptedcount rejectedcount rejectedeventids".split()
)
_COUNTS: Final = frozenset({"acceptedcount", "rejectedcount"})
_PUBLISHED_SINGLE: Final = frozenset({"eventid", "status"})
_CAPABILITIES: Final = frozenset(
    "worm_retention audit_proofs distributed_query rbac sso policy_decisions "
    "data_access_events".split()
)
_STORED_WORDS: Final = frozenset({"accepted", "duplicate"})


class Backend(Enum):
    """What is known of the other end of an HTTP connection."""

    UNKNOWN = "unknown"
    """Nothing: it must give a verdict, or the published answer in protobuf."""
    OURS = "ours"
    """It has shown the collector's capabilities, so it always gives our verdict."""
    PUBLISHED = "published"
    """It has shown the published capabilities: a bare 202 is its documented ack."""
    DECLARED = "declared"
    """The user says that it is the published backend: it may answer nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one HTTP request."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """As it came; of a failure perhaps only the beginning."""
    is_whole: bool = True
    """Whether the answer itself said how long its body is, and it was that long."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A collector's verdict, in whichever form it came."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Event id and reason."""
    rejected_count: int
    """How many were refused, named or not."""


def backend_of(capabilities: object) -> Backend:
    """
    Return whose such capabilities are.

    Args:
        capabilities: The decoded answer to `GET /v1/capabilities`.
    """
    if type(capabilities) is not dict:
        return Backend.UNKNOWN
    ingest = capabilities.get("ingest")
    if type(ingest) is list and "ndjson" in ingest:
        return Backend.OURS
    is_published = capabilities and capabilities.keys() <= _CAPABILITIES
    if is_published and all(type(flag) is bool for flag in capabilities.values()):
        return Backend.PUBLISHED
    return Backend.UNKNOWN


def is_documented_ack(reply: Reply, backend: Backend) -> bool:
    """
    Return whether an answer without a verdict is the published backend's ack.

    Its documents promise a 202 and say nothing of a body. So could a cache or a
    proxy answer: it counts only from a backend that is known to be the published one.

    Args:
        reply: An answer of 2xx.
        backend: What is known of who gave it.
    """
    if not reply.is_whole:
        return False
    if backend is Backend.PUBLISHED:
        return reply.status == 202 and not reply.body
    if backend is Backend.DECLARED:
        return reply.status in (200, 201, 202, 204) and reply.body in (b"", b"{}")
    return False


def media_type_of(headers: Mapping[str, str]) -> str:
    """Return the type of a body, in lower case; empty if it is not given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def kind_of(reply: Reply) -> str:
    """Say in words of our own what an answer is, as nothing of it may be shown."""
    media_type, body = media_type_of(reply.headers), reply.body.lstrip()
    coding = reply.headers.get("content-encoding", "identity").lower()
    for is_it, words in (
        (not reply.is_whole, "a body that does not say where it ends"),
        (not body, "nothing"),
        ("html" in media_type, _PAGE),
        (body[:9].lower() == b"<!doctype" or body[:5].lower() == b"<html", _PAGE),
        (coding != "identity", "a compressed body"),
        (media_type == PROTOBUF, "another protobuf message"),
        (body[:1] == b"<", "XML"),
        (media_type == JSON, "other JSON"),
        (body[:1] in (b"{", b"["), "JSON of another content type"),
    ):
        if is_it:
            return words
    return "a body of another content type"


_PAGE: Final = "a page of HTML, as a login page is,"


def tally_of_json(
    body: bytes, lines: Sequence[bytes], backend: Backend, *, is_single: bool
) -> Tally | None:
    """
    Read a verdict; None if the body is none.

    Args:
        body: The body of an answer.
        lines: The batch that was sent.
        backend: What is known of who answered.
        is_single: Whether the call for a single event was made.
    """
    data = _object_of(body)
    if data is None or not _ENVELOPE.isdisjoint(map(str.lower, data)):
        return _single_of(data, lines) if is_single and data else None
    if data.keys() >= _OURS:
        return _tally_of_ours(data)
    return None if backend is Backend.OURS else _tally_of_published(data)


def tally_of_message(body: bytes) -> Tally | None:
    """Read an IngestEventBatchResponse; None if the bytes are another message."""
    with holding_forks():
        # Loading protobuf takes longer than loading all of the SDK.
        from chaukas.sdk.wire.proto import ingest_pb2

    response: ingest_pb2.IngestEventBatchResponse | None
    response = message_in(ingest_pb2.IngestEventBatchResponse, body)
    if response is None:
        return None
    reasons = {each.event_id: _reason_of(each.reason) for each in response.rejections}
    named = [each.event_id for each in response.rejections]
    ids = list(response.rejected_event_ids) or named
    if named and sorted(named) != sorted(ids):
        return None
    return Tally(
        response.accepted_count,
        response.duplicate_count,
        # The published server names refused events without a reason.
        tuple((each, reasons.get(each, _REJECTED)) for each in ids),
        response.rejected_count,
    )


def tally_of_single_message(body: bytes, lines: Sequence[bytes]) -> Tally | None:
    """Read an IngestEventResponse to one event; None if it is another message."""
    with holding_forks():
        # As above.
        from chaukas.sdk.wire.proto import ingest_pb2

    response = message_in(ingest_pb2.IngestEventResponse, body)
    if response is None:
        return None
    event_id = event_id_of(lines[0])
    return _tally_of_word(response.status, response.event_id or event_id, event_id)


def message_in(kind: Any, body: bytes) -> Any:
    """
    Decode a message; None if it is none, or holds more than its kind has fields for.

    Args:
        kind: The class of the message.
        body: The body of an answer.
    """
    # As above; whoever has the class has loaded it.
    from google.protobuf.message import DecodeError

    try:
        message = kind.FromString(body)
    except DecodeError:
        return None
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message if message.ByteSize() == size else None


def event_id_of(line: bytes) -> str:
    """Return the id of an event; empty if the line has none."""
    try:
        event = json.loads(line)
    except ValueError:
        return ""
    event_id = event.get("event_id") if isinstance(event, dict) else None
    return event_id if isinstance(event_id, str) else ""


def _object_of(body: bytes) -> dict[str, Any] | None:
    """Decode a JSON object in which no name stands twice."""
    try:
        data = json.loads(
            body.decode(), object_pairs_hook=_once, parse_constant=_refused
        )
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping; which of two equal names holds is for nobody to guess."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _refused(constant: str) -> float:
    """Refuse NaN and infinities, which are no JSON."""
    raise ValueError(constant)


def _tally_of_ours(data: Mapping[str, Any]) -> Tally | None:
    accepted, duplicate = data["accepted"], data["duplicate"]
    rejected = data["rejected"]
    if type(accepted) is not int or type(duplicate) is not int:
        return None
    if type(rejected) is not list or type(data.get("batch_id", "")) is not str:
        return None
    pairs = tuple(map(_pair_of, rejected))
    return Tally(accepted, duplicate, pairs, len(pairs))


def _pair_of(item: object) -> tuple[str, str]:
    """Return id and reason of a refused event; an empty id fits no event."""
    if not isinstance(item, dict):
        return "", ""
    event_id = item.get("event_id")
    return event_id if isinstance(event_id, str) else "", _reason_of(item.get("reason"))


def _reason_of(value: object) -> str:
    """Return a collector's reason as a short printable word."""
    text = value if isinstance(value, str) else ""
    if not text or len(text) > _REASON_CHARS or not text.isprintable():
        return _REJECTED
    return text


def _squeezed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Make one of the two spellings that JSON of protobuf has for a field's name."""
    made = {name.replace("_", "").lower(): value for name, value in data.items()}
    return made if len(made) == len(data) else {}


def _tally_of_published(data: Mapping[str, Any]) -> Tally | None:
    """Read the published server's answer to a batch: these fields and no other."""
    fields = _squeezed(data)
    if not fields.keys() <= _PUBLISHED or fields.keys().isdisjoint(_COUNTS):
        return None
    # JSON of protobuf leaves zeros out.
    accepted, count = fields.get("acceptedcount", 0), fields.get("rejectedcount", 0)
    ids = fields.get("rejectedeventids", [])
    if type(accepted) is not int or type(count) is not int or type(ids) is not list:
        return None
    if not all(type(each) is str for each in ids):
        return None
    return Tally(accepted, 0, tuple((each, _REJECTED) for each in ids), count)


def _single_of(data: Mapping[str, Any], lines: Sequence[bytes]) -> Tally | None:
    """Read the published server's answer to one event."""
    fields = _squeezed(data)
    if fields.keys() - {"processedat"} != _PUBLISHED_SINGLE:
        return None
    return _tally_of_word(fields["status"], fields["eventid"], event_id_of(lines[0]))


def _tally_of_word(status: object, event_id: object, wanted: str) -> Tally | None:
    """Return what the status of a single event means; None if it is not known."""
    word = status.lower() if isinstance(status, str) else ""
    if event_id != wanted:
        return None
    if word in _STORED_WORDS:
        return Tally(1, 0, (), 0)
    return Tally(0, 0, ((wanted, _REJECTED),), 1) if word == _REJECTED else None
