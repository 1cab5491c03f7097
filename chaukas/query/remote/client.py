"""
Asks a collector over HTTP, with the key and the TLS settings of the SDK's sinks.

One connection, kept from question to question; redirects are not followed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from chaukas.sdk.config import load
from chaukas.sdk.sinks.collector.connection import TroubleError
from chaukas.sdk.sinks.collector.credentials import KeyUnreadableError
from chaukas.sdk.sinks.collector.exchange import HttpClient
from chaukas.sdk.sinks.collector.tls import TlsFilesError
from chaukas.sdk.sinks.collector.verdicts import Backend, Reply, tally_of_json

from .decode import MismatchError, decoded
from .failures import Asked, CollectorError, failure_of, trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chaukas.sdk.config import Config

__all__ = ("Client", "client_of", "client_with")

_PATIENCE_S: Final = 30.0
"""A question may add up many events; what is sent is taken sooner."""
_LINES: Final = {"content-type": "application/x-ndjson"}


class Client(HttpClient):
    """
    A collector that is asked; of one thread.

    Raises of all calls:
        CollectorError: It does not answer, or not as a collector does.
    """

    name = "questions"
    answer_limit_bytes = 64 << 20

    def ask(self, path: str, arguments: Mapping[str, object], kind: Any) -> Any:
        """
        Return an answer of a type; see `decoded`.

        Raises:
            FilterError, NotFoundError, CursorError, QuestionError: As a query's.
        """
        target = f"{path}?{_query(arguments)}" if arguments else path
        reply = self._guarded(lambda: self.exchange("GET", target, {}, None))
        told = _json_of(reply)
        if reply.status != 200 or told is None:
            raise self._failure(reply, told)
        try:
            return decoded(kind, told)
        except MismatchError as error:
            raise CollectorError(
                f"the answer of the collector at {self.place} is of another version of"
                f" chaukas ({error}). Update the older one."
            ) from None

    def listen(
        self, path: str, arguments: Mapping[str, object], silent_s: float
    ) -> Iterator[bytes]:
        """
        Yield the pieces of an answer that does not end, as they come.

        Args:
            path: Where to ask.
            arguments: What.
            silent_s: Longest wait for the next piece.
        """
        target = f"{path}?{_query(arguments)}"
        found = self._guarded(lambda: self.stream(target, silent_s=silent_s))
        if isinstance(found, Reply):
            raise self._failure(found, _json_of(found))
        try:
            yield from found
        except TroubleError as trouble:
            raise trouble_of(trouble, self.place) from None

    def send(self, line: bytes) -> str:
        """
        Send one event.

        Returns:
            Why it was not taken; empty if it was.
        """
        path = "/v1/events/batch"
        reply = self._guarded(lambda: self.exchange("POST", path, _LINES, line))
        found = reply.body if reply.status == 202 else b""
        tally = tally_of_json(found, [line], Backend.OURS, is_single=False)
        if tally is None:
            raise self._failure(reply, _json_of(reply), "ingest")
        return tally.rejected[0][1] if tally.rejected else ""

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            self._open().start(self.timeout_s)
            return act()
        except TroubleError as trouble:
            raise trouble_of(trouble, self.place) from None
        except TlsFilesError as error:
            text = f"{error}. Name a PEM file that this user can read."
            raise CollectorError(text) from None
        except KeyUnreadableError as error:
            text = f"cannot read the API key ({error}). {error.remedy}"
            raise CollectorError(text) from None

    def _failure(self, reply: Reply, told: object, scope: str = "read") -> Exception:
        key = self.key.text()
        known = told if type(told) is dict else {}
        if key:
            # Whoever answers was sent it, and may say it again.
            known = {
                name: value.replace(key, "…") if type(value) is str else value
                for name, value in known.items()
            }
        has_key = self.key.kind != "no key"
        about = Asked(self.place, scope, has_key=has_key)
        return failure_of(reply, known, about, self.wall())


def client_of(address: str) -> Client:
    """Return what asks a collector, with the settings of the environment."""
    loaded = load({}, None, os.environ)
    config = loaded.config
    timeout_s = config.timeout_s if "timeout" in loaded.origins else _PATIENCE_S
    return client_with(address, config, timeout_s)


def client_with(address: str, config: Config, timeout_s: float) -> Client:
    """
    Return what asks a collector.

    Args:
        address: Of its root.
        config: Settings in force: of key and TLS.
        timeout_s: Longest time of one question, in seconds.
    """
    names = ("api_key", "api_key_file", "ca_file", "client_cert", "client_key")
    known: dict[str, Any] = {name: getattr(config, name) for name in names}
    return Client(address, **known, timeout_s=timeout_s)


def _query(arguments: Mapping[str, object]) -> str:
    return urlencode({name: _written(one) for name, one in arguments.items()})


def _written(value: object) -> str:
    if type(value) is bool:
        return "1" if value else "0"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)


def _json_of(reply: Reply) -> Any:
    try:
        return orjson.loads(reply.body)
    except ValueError:
        return None
