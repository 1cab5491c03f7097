"""
Why a collector does not answer, in one line for people: pure functions over answers.

No text of the other end is shown but what a collector says of the question itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.sinks.collector.responses import TROUBLES, tls_trouble
from chaukas.sdk.sinks.collector.retry_after import retry_after_s
from chaukas.store.files.lines import UnreadableError
from chaukas.store.filter import FilterError
from chaukas.store.protocol import CursorError, NotFoundError, QuestionError

if TYPE_CHECKING:
    from chaukas.sdk.sinks.collector.connection import TroubleError
    from chaukas.sdk.sinks.collector.verdicts import Reply

__all__ = ("Asked", "CollectorError", "failure_of", "trouble_of")

_TEXT_CHARS: Final = 500
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REMEDIES: Final = {
    "refused": "Start it, or correct the port.",
    "timeout": "Ask for less, or look at the way to it.",
    "dns": "Correct the host, or the resolver of this machine.",
    "reset": "Look at it and its log.",
    "proxy": "Correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY.",
    "proxy address": "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.",
    "oversize": "Ask for less: a smaller --limit, or a --filter.",
    "network": "Look at the network of this machine.",
}


_IF_PLAIN: Final = "A port with TLS wants https://."
_IF_TLS: Final = (
    "If it wants a certificate of its clients, set CHAUKAS_CLIENT_CERT and"
    " CHAUKAS_CLIENT_KEY."
)


class CollectorError(UnreadableError):
    """
    A collector cannot be asked; the text is one line for people.

    Args:
        text: Who, what happened, and what to do.
        passes: Whether it may be over in a moment.
        wait_s: When to ask again, in seconds, if it said so.
    """

    def __init__(
        self, text: str, *, passes: bool = False, wait_s: float | None = None
    ) -> None:
        # That of the base is about a file.
        Exception.__init__(self, text)
        self.passes = passes
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request."""

    place: str
    """The collector's address, for people."""
    scope: str
    """Which one a key needs for it."""
    has_key: bool
    """Whether a key was sent."""


def trouble_of(trouble: TroubleError, place: str) -> CollectorError:
    """
    Return what a request without an answer means.

    Args:
        trouble: What happened.
        place: The collector's address, for people.
    """
    who = f"the collector at {place}"
    if trouble.kind == "tls":
        why = tls_trouble(trouble.words.lower())
        remedy = "Correct CHAUKAS_CA_FILE, CHAUKAS_CLIENT_CERT or its certificate."
        if "speak TLS" in why:
            remedy = "Write http://, or start it with --certificate."
        text = f"{who} cannot be trusted ({why}): nothing was asked. {remedy}"
        return CollectorError(text)
    if trouble.kind == "oversize":
        what = "answered more than can be read at once"
    elif trouble.kind == "proxy address":
        what = "cannot be reached: the proxy of the environment is no http(s)://…"
    else:
        what = TROUBLES[trouble.kind].removesuffix(" now")
    passes = trouble.kind not in {"oversize", "proxy address"}
    remedy = _REMEDIES[trouble.kind]
    if trouble.kind == "reset":
        is_tls = place.startswith("https:")
        remedy = f"{remedy} {_IF_TLS if is_tls else _IF_PLAIN}"
    return CollectorError(f"{who} {what}. {remedy}", passes=passes)


def failure_of(
    reply: Reply, told: dict[str, Any], asked: Asked, now_s: float
) -> Exception:
    """
    Return what an answer means that is no success.

    Args:
        reply: The answer.
        told: The JSON object in it; empty if there is none.
        asked: What was asked.
        now_s: Wall time in seconds.
    """
    status = reply.status
    if 400 <= status < 500 and told.get("kind") in {"filter", *_KINDS}:
        return _of_question(told)
    who, shown = f"the collector at {asked.place}", f"(HTTP {status})"
    if status == HTTPStatus.UNAUTHORIZED:
        text = (
            f"{who} refused the API key {shown}: it is wrong, revoked or expired."
            " Correct CHAUKAS_API_KEY, or the file that CHAUKAS_API_KEY_FILE names."
            if asked.has_key
            else f"{who} wants an API key {shown}. Set CHAUKAS_API_KEY, or"
            " CHAUKAS_API_KEY_FILE."
        )
        return CollectorError(text)
    if status in _LATER:
        wait_s = retry_after_s(reply.headers.get("retry-after"), now_s)
        when = f"in {wait_s:.0f} s" if wait_s else "in a moment"
        text = f"{who} cannot answer now {shown}. Try again {when}."
        return CollectorError(text, passes=True, wait_s=wait_s)
    if 300 <= status < 400:
        what = "points elsewhere, and keys are never sent to another place"
        return CollectorError(f"{who} {what} {shown}. Give the final address.")
    what, remedy = _ADVICE.get(status, _STRANGER)
    remedy = remedy.format(scope=asked.scope)
    return CollectorError(f"{asked.place} {what} {shown}. {remedy}")


_STRANGER: Final = (
    "does not answer as a chaukas collector",
    "Correct the address, or update the collector: an older one knows fewer questions.",
)
_ADVICE: Final[dict[int, tuple[str, str]]] = {
    HTTPStatus.FORBIDDEN: (
        "does not allow this with this API key",
        "Take one with the scope: chaukas collector key create --scope {scope}.",
    ),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        "is behind a proxy that wants other credentials",
        "Correct HTTP_PROXY or HTTPS_PROXY.",
    ),
    HTTPStatus.MISDIRECTED_REQUEST: (
        "is a collector that does not know itself by this name",
        "Use the name it was started with, or start it with --name HOST.",
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "does not take a question of this length",
        "Make the filter shorter.",
    ),
}


def _of_question(told: dict[str, Any]) -> Exception:
    text = _text(told.get("error"))
    kind = told["kind"]
    if kind in _KINDS:
        return _KINDS[kind](text)
    position, length = told.get("position"), told.get("length")
    expected = told.get("expected")
    return FilterError(
        text,
        position if type(position) is int else 0,
        length if type(length) is int else 0,
        tuple(map(_text, expected)) if type(expected) is list else (),
    )


def _text(value: object) -> str:
    return value[:_TEXT_CHARS] if type(value) is str else ""


_KINDS: Final[dict[object, type[Exception]]] = {
    "not found": NotFoundError,
    "cursor": CursorError,
    "question": QuestionError,
}
