"""
Takes a request's events: the one way in, over HTTP and gRPC alike.

A verdict is given after the commit, and never before.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from chaukas.sdk.ingest.verdict import Verdict
from chaukas.store.admission import prepared

from .access.callers import need
from .bodies.decode import PROTOBUF, Decoded, decoded
from .bodies.expand import expanded
from .memory_limit import MemoryLimit
from .refusal import Refusal
from .writer import weight_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.store.protocol import Batch

    from .access.callers import Access, Caller
    from .limits import Limits
    from .metrics import Metrics
    from .writer import Writer

__all__ = ("Ingest",)

_SMALL_BYTES: Final = 64 << 10
"""Bodies up to this size are decoded at once: a thread would take longer."""

_DECODERS: Final = 2

_FULL_S: Final = 60
"""After that a client whose tenant's quota is used up may try again."""


class Ingest:
    """Takes events; of the event loop's thread."""

    def __init__(
        self, writer: Writer, access: Access, limits: Limits, metrics: Metrics
    ) -> None:
        self._writer = writer
        self._access = access
        self._limits = limits
        self._metrics = metrics
        # So many bodies are decompressed and decoded at a time, and no more; in
        # threads of their own, which no long question can hold up.
        self._decoded = MemoryLimit(sys.maxsize, limits.decoded_bytes, _DECODERS)
        self._threads = ThreadPoolExecutor(_DECODERS, "chaukas-decoder")

    async def take(
        self,
        caller: Caller,
        body: bytes,
        kind: str = PROTOBUF,
        coding: str = "",
        *,
        is_batch: bool = True,
    ) -> Verdict:
        """
        Take the events of a body, and return the verdict once they are committed.

        Raises:
            Refusal: Nothing was taken.
        """

        def read(plain: bytes) -> Decoded:
            return decoded(plain, kind, self._limits, is_batch=is_batch)

        is_quick = len(body) <= _SMALL_BYTES and not coding
        return await self.take_as(caller, body, read, coding, is_quick=is_quick)

    async def take_as(
        self,
        caller: Caller,
        body: bytes,
        read: Callable[[bytes], Decoded],
        coding: str = "",
        *,
        is_quick: bool = False,
    ) -> Verdict:
        """
        Take the events that a body of any kind is read as.

        Args:
            caller: Who sends it.
            body: As it came.
            read: Returns the events of the body without its encoding; it is called
                in another thread, unless it is quick.
            coding: The encoding.
            is_quick: Whether a thread would take longer.

        Raises:
            Refusal: The request is refused; what was committed before is a duplicate
                when it comes again.
        """
        need(caller, "ingest")
        self._access.check_rate(caller, 0, len(body))
        found, batches = await self._read(caller, body, read, coding, is_quick=is_quick)
        weight = sum(map(weight_of, batches))
        try:
            self._access.check_rate(caller, len(found), 0)
            return await self._written(found, batches)
        finally:
            self._decoded.release(weight)

    async def _written(self, found: Decoded, batches: list[Batch]) -> Verdict:
        accepted = duplicate = 0
        rejected = list(found.rejected)
        self._metrics.rejected.update(reason for _, reason in rejected)
        for batch in batches:
            verdicts = await asyncio.wrap_future(self._writer.put(batch))
            accepted += verdicts.accepted
            duplicate += verdicts.duplicate
            rejected += [(one.event_id, one.reason) for one in verdicts.rejected]
        verdict = Verdict(accepted, duplicate, tuple(rejected))
        _check_quota(verdict)
        return verdict

    async def _read(
        self,
        caller: Caller,
        body: bytes,
        read: Callable[[bytes], Decoded],
        coding: str,
        *,
        is_quick: bool,
    ) -> tuple[Decoded, list[Batch]]:
        def found(plain: bytes) -> tuple[Decoded, list[Batch]]:
            events = read(plain)
            batches = _batches(events, caller, self._limits.batch_events)
            # They have several times the size of their lines, and would wait as long.
            events.events.clear()
            return events, batches

        def noted(result: tuple[Decoded, list[Batch]]) -> tuple[Decoded, list[Batch]]:
            # Before another is let in.
            self._decoded.add(sum(map(weight_of, result[1])))
            return result

        if is_quick and not self._decoded.is_full:
            return noted(found(body))
        loop = asyncio.get_running_loop()
        async with self._decoded.slot():
            if is_quick:
                return noted(found(body))
            return noted(
                await loop.run_in_executor(
                    self._threads, lambda: found(_expanded(body, coding, self._limits))
                )
            )


def _expanded(body: bytes, coding: str, limits: Limits) -> bytes:
    plain = expanded(body, coding, limits)
    if len(plain) > limits.expanded_bytes:
        raise Refusal(413, "The body is too large once it is decompressed.")
    return plain


def _batches(found: Decoded, caller: Caller, most: int) -> list[Batch]:
    """
    Return the batches to be written, worked out here rather than by the writer.

    Here it is done while the writer waits for the disk, and sorts words.
    """
    return [
        prepared(
            found.lines[start : start + most],
            found.events[start : start + most],
            caller.tenant,
            caller.project,
        )
        for start in range(0, len(found.lines), most)
    ]


def _check_quota(verdict: Verdict) -> None:
    """Refuse the request if nothing of it could be kept: it may be tried again."""
    is_taken = verdict.accepted or verdict.duplicate
    reasons = {reason for _, reason in verdict.rejected}
    if reasons == {"quota"} and not is_taken:
        raise Refusal(429, "The quota of the tenant is used up.", _FULL_S)
