"""Requests to one place over HTTP, whatever is sent: connection, key, trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from chaukas.sdk._version import VERSION
from chaukas.sdk.system.fork_guard import holding_forks

from .base import CollectorSink
from .responses import (
    ADVICE,
    TROUBLES,
    Action,
    Answer,
    misconfigured,
    unreachable,
    untrusted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from urllib.parse import SplitResult

    from .connection import Connection, Deadline, TroubleError
    from .verdicts import Reply

__all__ = ["HttpClient"]

_REFUSES_KEY: Final = frozenset({401, 403})


class HttpClient(CollectorSink):
    """
    Sends requests over one connection that is kept alive.

    Its endpoint is `http(s)://host[:port][/path]`. A user and password in it are
    sent as Basic authorization when there is no key.
    """

    advice = ADVICE
    """What is wrong and what to do, by what a person has to correct."""
    answer_limit_bytes = 4 << 20
    """Size of an answer beyond which it is given up."""
    _connection: Connection | None = None
    _deadline: Deadline | None = None

    def answered(self, act: Callable[[], Answer]) -> Answer:
        """Return the answer that *act* gets within the time, or what prevents one."""
        with holding_forks():
            # Loading urllib3 takes longer than loading all of the SDK.
            from .connection import TroubleError

        try:
            self._open().start(self.timeout_s)
            answer = super().answered(act)
        except TroubleError as trouble:
            answer = self._answer_of_trouble(trouble)
        if answer.action in (Action.PARK, Action.RETRY):
            # The next try reads certificates and asks for everything anew, also
            # since what was not understood may be out of step with its request.
            self.close()
            self.forget()
        return answer

    def close(self) -> None:
        """Close the connection; a later `send` opens another."""
        if self._connection is not None:
            self._connection.close()

    def abandon(self) -> None:
        """Close the inherited connection, without a word to the other end."""
        self.close()
        self._connection = None
        self.forget()

    def forget(self) -> None:
        """Forget what was learnt of the other end."""

    def identity(self) -> dict[str, str]:
        """Return the headers that say who sends."""
        key = self.key.text()
        authorization = f"Bearer {key}" if key else _basic_of(self.parts)
        return {"authorization": authorization} if authorization else {}

    @property
    def path(self) -> str:
        """Path of the endpoint, without a slash at its end."""
        return self.parts.path.rstrip("/")

    def _open(self) -> Deadline:
        from .connection import Connection, Deadline

        if self._connection is None or self._deadline is None:
            self._deadline = Deadline(self.monotonic)
            self._connection = Connection(
                self.endpoint,
                trust=self.trust,
                deadline=self._deadline,
                limit_bytes=self.answer_limit_bytes,
            )
        return self._deadline

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """Send a request; once more if the key was refused and is another now."""
        reply = self._exchange_once(method, path, headers, body)
        if reply.status in _REFUSES_KEY and self.key.renew():
            reply = self._exchange_once(method, path, headers, body)
        return reply

    def stream(self, path: str, *, silent_s: float) -> Reply | Iterator[bytes]:
        """
        Ask for an answer that does not end, and return its pieces as they come.

        Args:
            path: Of the request, behind that of the endpoint.
            silent_s: Longest wait for the next piece.

        Returns:
            The whole answer, if it is no success.
        """
        self._open().start(silent_s)
        connection, target, headers = self._request(path, {})
        return connection.stream(target, headers, silent_s)

    def _exchange_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        connection, target, sent = self._request(path, headers)
        return connection.exchange(method, target, sent, body)

    def _request(
        self, path: str, headers: Mapping[str, str]
    ) -> tuple[Connection, str, Mapping[str, str]]:
        """Return where to send a request, its target, and all of its headers."""
        if self._connection is None:
            raise RuntimeError
        sent = {**self.identity(), **headers, "user-agent": f"chaukas-sdk/{VERSION}"}
        query = f"?{self.parts.query}" if self.parts.query else ""
        return self._connection, f"{self.path}{path}{query}", sent

    def _answer_of_trouble(self, trouble: TroubleError) -> Answer:
        if trouble.kind == "tls":
            return untrusted(self.place, trouble.words)
        if trouble.status == 407 or trouble.kind == "proxy address":
            status = f"HTTP {trouble.status}"
            return misconfigured(
                trouble.kind, "proxy", self.place, status, advice=self.advice
            )
        what = TROUBLES[trouble.kind]
        # With TLS 1.3 the handshake is over before a client's certificate is missed.
        if trouble.kind == "reset" and self._may_lack_certificate():
            what += ", perhaps as it wants a client certificate (CHAUKAS_CLIENT_CERT)"
        return unreachable(trouble.kind, self.place, what)

    def _may_lack_certificate(self) -> bool:
        return self.parts.scheme == "https" and self.trust.client_cert is None


def _basic_of(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    from base64 import b64encode

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return f"Basic {b64encode(pair).decode()}"
