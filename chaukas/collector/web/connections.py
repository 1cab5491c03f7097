"""
HTTP connections that cannot be held open by clients that send nothing, or little.

uvicorn bounds neither how long a header may take nor how many connections wait.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from chaukas.collector.limits import Limits

__all__ = ("connection_class",)

_ACCESS: Final = logging.getLogger("chaukas.collector.access")


def connection_class(limits: Limits) -> type[asyncio.Protocol]:
    """Return the class of connections that keep to limits."""

    class Connection(_Connection):
        pass

    Connection.limits = limits
    return Connection


class _Connection(H11Protocol):
    """One connection; the oldest that waits makes room for a new one."""

    limits: Limits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._made_s = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_header()
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self._is_idle:
            self._wait_for_header()
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_waiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        # Whoever does not read what was asked for holds it in our memory.
        self._unread_timer = self.loop.call_later(
            self.limits.body_s, self.transport.abort
        )

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        peer = self.client[0] if self.client else ""
        facts = {"method": "", "path": "", "status": 400, "peer": peer}
        _ACCESS.info("request", extra={"facts": facts})
        super().send_400_response(msg)

    @property
    def _is_idle(self) -> bool:
        # Not yet made before the first request, whatever its type says.
        cycle = cast("Any", self.cycle)
        return cycle is None or cycle.response_complete

    @property
    def _is_sending(self) -> bool:
        """Whether the body of its request is not all here."""
        cycle = cast("Any", self.cycle)
        return not self._is_idle and bool(cycle.more_body)

    def _wait_for_header(self) -> None:
        self._timer = self.loop.call_later(self.limits.header_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._is_idle:
            self.transport.abort()

    def _make_room(self) -> None:
        # One that was ended a moment ago may still be listed, and makes room but once.
        found = (one for one in self.connections if isinstance(one, _Connection))
        open_ = [one for one in found if not one.transport.is_closing()]
        others = [one for one in open_ if one is not self]
        if len(others) < self.limits.connections:
            return
        # Those that are answered stay: all else is of clients that are slow, or idle.
        waiting = [one for one in others if one._is_idle]  # noqa: SLF001
        waiting = waiting or [one for one in others if one._is_sending]  # noqa: SLF001
        oldest = min(waiting, key=lambda one: one._made_s, default=self)  # noqa: SLF001
        oldest.transport.abort()
