"""
Record the connection of a realtime session: made, refused, closed and by whom.

| SDK moment | events |
|---|---|
| `RealtimeModel.connect` of every transport | SYSTEM `realtime.connected` |
| `connection_status`, an `exception` that closes, `close` | SYSTEM `realtime.closed` |
| closed by the other side with another code than 1000 | ERROR; AGENT_END is FAILED |

The SDK tells no code when a server closes; the connection object of `websockets`, which
its own transport uses, does. Other transports tell that they are closed, and not why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.state import attempt
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.record.retries import class_name_of, fields_of
from chaukas.sdk.system.internal_errors import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaukas.sdk.integrations.base import Host

    from .state import LiveSession

__all__ = ["Closing", "Connections", "connection_of"]

_NORMAL = 1000
_NO_FRAME = 1006
"""RFC 6455: the connection was lost, and no close frame came."""
_OPENAI_MODELS = "agents.realtime.openai_realtime"
_OPENAI_HOST = "api.openai.com"
_CLOSED_ERRORS = frozenset(
    {"ConnectionClosed", "ConnectionClosedError", "ConnectionClosedOK"}
)
_REASONS = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1006: "no close frame",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1015: "TLS failure",
}
"""What RFC 6455 and the registry of IANA call a code."""


class Closing(NamedTuple):
    """How a connection ended."""

    code: int = 0
    """WebSocket close code; 0 if the transport does not tell it."""
    reason: str = ""
    by: str = ""
    """`application`, `server` or `network`."""

    @property
    def is_failure(self) -> bool:
        """Whether it ended a conversation that the application had not ended."""
        return self.by != "application" and self.code not in (0, _NORMAL)


class Connections(Part):
    """
    Wrappers around the transports of realtime sessions.

    Args:
        host: Where to record.
        live_sessions: The open sessions.
    """

    def __init__(self, host: Host, live_sessions: dict[int, LiveSession]) -> None:
        super().__init__(host)
        self._live_sessions = live_sessions

    def patches(self) -> Sequence[Patch]:
        """Return the patches; the module is loaded only by who uses it."""
        return (
            Patch(
                "agents.realtime.model:RealtimeModel.connect",
                self.connect,
                ("SYSTEM",),
                subclasses=True,
                min_version="0.3",
                post_import=True,
            ),
        )

    async def connect(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `connect` of every class of transports."""
        live = self._live_of(instance)
        if live is None or live.is_connecting:
            # Of no session, or the `super()` of one that is under way.
            return await wrapped(*args, **kwargs)
        live.is_connecting = True
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            result = await wrapped(*args, **kwargs)
        finally:
            live.is_connecting = False
        options = args[0] if args else kwargs.get("options")
        attempt(
            "RealtimeModel.connect",
            self._note_connected,
            live,
            instance,
            options,
            started_ns,
        )
        return result

    def _live_of(self, model: Any) -> LiveSession | None:
        try:
            live_sessions: Iterable[LiveSession] = list(self._live_sessions.values())
            for live in live_sessions:
                session = live.ref()
                # The SDK's own name: a session has no public one for it.
                if session is not None and session._model is model:  # noqa: SLF001
                    return live
        except Exception as error:
            report("RealtimeModel.connect", error)
        return None

    def _note_connected(
        self, live: LiveSession, model: Any, options: Any, started_ns: int
    ) -> None:
        now_ns = self._recorder.clock.monotonic_ns()
        live.connected_ns = now_ns
        live.connection_count += 1
        data = {
            "host": _host_of(model, options),
            "transport": class_name_of(model),
            "model": live.model,
            "duration_ms": ms_between(started_ns, now_ns),
            # A transport that is connected again, in the same session.
            "reconnects": live.connection_count - 1,
        }
        self._emit(live, "realtime.connected", without_defaults(data))

    def note_disconnected(self, live: LiveSession, event: Any) -> None:
        """Record that the transport says that the other side is gone."""
        if event.status != "disconnected":
            return
        session = live.ref()
        found = _ended(connection_of(session), "server")
        self.note_closed(live, found)
        if found.is_failure and not live.failure:
            self._note_failure(live, found)

    def note_exception(self, live: LiveSession, error: Any) -> None:
        """Record that the connection is lost, if that is what *error* says."""
        if class_name_of(error) not in _CLOSED_ERRORS:
            return
        frame = fields_of(error).get("rcvd")
        code = getattr(frame, "code", None)
        if type(code) is not int:
            self.note_closed(live, Closing(_NO_FRAME, "", "network"))
            return
        reason = getattr(frame, "reason", None)
        text = reason if type(reason) is str else ""
        self.note_closed(live, Closing(code, text, "server"))

    def note_left(self, live: LiveSession, connection: Any) -> None:
        """Record that the application closed its session."""
        self.note_closed(live, _ended(connection, "application"))

    def note_closed(self, live: LiveSession, closing: Closing) -> None:
        """Record the end of a connection, once."""
        connected_ns, live.connected_ns = live.connected_ns, 0
        if not connected_ns:
            return
        now_ns = self._recorder.clock.monotonic_ns()
        facts = self._recorder.capture_facts()
        data = {
            "code": closing.code,
            "meaning": _REASONS.get(closing.code, ""),
            "reason": facts.text(closing.reason, "metadata.data.reason"),
            "by": closing.by,
            "duration_ms": ms_between(connected_ns, now_ns),
        }
        self._emit(live, "realtime.closed", without_defaults(data))

    def _note_failure(self, live: LiveSession, closing: Closing) -> None:
        """Record an ERROR for a closing that no exception stands for."""
        run = live.tenure.run
        facts = self._recorder.capture_facts()
        words = _REASONS.get(closing.code, "")
        message = f"the server closed the connection: {closing.code} {words}".strip()
        if closing.reason:
            message += f" ({closing.reason})"
        live.failure = f"ConnectionClosed:{closing.code}"
        self._recorder.emit(
            EventType.ERROR,
            run,
            content.error(facts.text(message, "error.error_message"), live.failure),
            parent_span_id=run.agent_span_id,
            capture=facts,
        )

    def _emit(self, live: LiveSession, name: str, data: dict[str, Any]) -> None:
        run = live.tenure.run
        self._recorder.emit(
            EventType.SYSTEM,
            run,
            {},
            parent_span_id=run.agent_span_id,
            metadata={"name": name, "data": data},
        )


def connection_of(session: Any) -> Any:
    """Return the connection of the SDK's own transport, or None."""
    model = getattr(session, "_model", None)
    connection = getattr(model, "_websocket", None) if _is_openai(model) else None
    module = type(connection).__module__
    is_known = type(module) is str and module.partition(".")[0] == "websockets"
    return connection if is_known else None


def _is_openai(model: Any) -> bool:
    return any(base.__module__ == _OPENAI_MODELS for base in type(model).__mro__)


def _ended(connection: Any, by: str) -> Closing:
    """Return how *connection*, of the package websockets, ended."""
    code = getattr(connection, "close_code", None)
    reason = getattr(connection, "close_reason", None)
    return Closing(
        code if type(code) is int else 0, reason if type(reason) is str else "", by
    )


def _host_of(model: Any, options: Any) -> str:
    """Return host and port of the server, without credentials."""
    url = options.get("url") if type(options) is dict else None
    if type(url) is str:
        return urlsplit(url).netloc.rpartition("@")[2]
    return _OPENAI_HOST if _is_openai(model) else ""
