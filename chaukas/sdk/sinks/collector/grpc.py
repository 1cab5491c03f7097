"""
Sends events to a collector over gRPC.

The published client and server packages name the same calls differently, so both
names are tried; what is sent and answered is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk._version import VERSION
from chaukas.sdk.system.clock import timestamp_of
from chaukas.sdk.system.fork_guard import holding_forks

from .address import host_and_port
from .base import CollectorSink
from .envelope import one_event, protobuf
from .probe import Probe
from .responses import (
    ADVICE,
    Action,
    Answer,
    answer_of_grpc,
    answer_of_message,
    too_large,
    unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["GrpcSink", "load"]

_CLIENT: Final = "/chaukas.spec.client.v1.ChaukasClientService/"
_SERVER: Final = "/chaukas.spec.server.v1.ChaukasServerService/"
_BATCH: Final = "IngestEventBatch"
_SINGLE: Final = "IngestEvent"
_METHODS: Final = (_CLIENT + _BATCH, _SERVER + _BATCH)
_SINGLE_METHODS: Final = (_CLIENT + _SINGLE, _SERVER + _SINGLE)
_MESSAGE_LIMIT_BYTES: Final = 4 << 20
"""What a gRPC server takes unless it is configured otherwise."""
_REFUSES_KEY: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_LOSES_CHANNEL: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_SINGLE_S: Final = 300.0
_SECURE: Final = frozenset({"https", "grpcs"})
_SPLIT: Final = Answer(Action.SPLIT, cause="single events")


def load() -> None:
    """
    Load what the first `send` would load: a fork of the host waits for that.

    Raises:
        ImportError: The library is not there, or is broken.
    """
    with holding_forks():
        _stay_initialised()
        # F401: as above; it reads the answer.
        from chaukas.sdk.wire.proto import ingest_pb2  # noqa: F401

        protobuf((), batch_id="", timestamp=timestamp_of(0))


class GrpcSink(CollectorSink):
    """
    Send batches by `IngestEventBatch`, under whichever name the backend has it.

    A channel that failed is made anew: its own waits between attempts would come on
    top of the sender's.

    Its endpoint is `grpc(s)://host[:port]`; `http(s)` means the same. Without a port
    4181 for `grpc`, as the collector has it, 443 under TLS, 80 for `http`.
    """

    name = "grpc"
    advice = ADVICE
    """What is wrong and what to do, by what a person has to correct."""
    _channel: Any = None
    _is_proven = False
    _has_verdicts = False
    _method = 0
    _single_method = 0
    _single_until_s = 0.0
    _give_up_at_s = 0.0

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send a batch and say what became of it; see `Remote`."""
        return self.answered(lambda: self._send(lines))

    def probe(self) -> Probe:
        """Send a batch without events: it shows as much, and nothing is stored."""
        answer = self.answered(self._send_nothing)
        return Probe(answer, f"{_METHODS[self._method]}, no events")

    def answered(self, act: Callable[[], Answer]) -> Answer:
        """Return the answer that *act* gets within the time, or what prevents one."""
        self._give_up_at_s = self.monotonic() + self.timeout_s
        try:
            answer = super().answered(act)
        except _RefusedError as refusal:
            answer = refusal.answer
        if answer.action is Action.PARK:
            # The next try reads certificates anew.
            self.close()
        return answer

    def close(self) -> None:
        """Close the channel; a later `send` opens another."""
        # A lock that the library holds meanwhile would be held in a child for ever.
        with holding_forks():
            channel, self._channel = self._channel, None
            self._is_proven = False
            if channel is not None:
                channel.close()
            # The last reference to it, whose end is work for the library too.
            del channel

    def abandon(self) -> None:
        """
        Forget the inherited channel, without running any code of it.

        Its threads and locks stayed in the parent, so closing it may wait for
        ever; the child's is a new one.
        """
        channel, self._channel = self._channel, None
        self._is_proven = False
        if channel is not None:
            _keep_for_ever(channel)

    @property
    def credential(self) -> str:
        """What is sent to say who we are, as messages call it."""
        return self.key.kind

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of each call, which say who sends."""
        key = self.key.text()
        return (("authorization", f"Bearer {key}"),) if key else ()

    def options(self) -> dict[str, Any]:
        """Return further options of each call; called once the library is loaded."""
        return {}

    def _send(self, lines: Sequence[bytes]) -> Answer:
        if self.monotonic() < self._single_until_s:
            return self._send_single(lines)
        envelope = self.envelope(lines)
        if not envelope.kept:
            return Answer(Action.ACKED, envelope.refused)
        if len(envelope.body) > _MESSAGE_LIMIT_BYTES:
            return too_large("message limit", self.place, "for one message")
        try:
            body = self._call_any(envelope.body)
        except _RefusedError as refusal:
            if refusal.code != "UNIMPLEMENTED":
                return envelope.answer(refusal.answer)
            return self._find_single(lines, refusal.answer)
        return envelope.answer(self._answer_of(body, envelope.lines(lines)))

    def _send_nothing(self) -> Answer:
        return self._answer_of(self._call_any(self.envelope(()).body), ())

    def _call_any(self, body: bytes) -> bytes:
        """Call the batch method by the name that worked last, then the other."""
        try:
            return self.call(_METHODS[self._method], body)
        except _RefusedError as refusal:
            if refusal.code != "UNIMPLEMENTED":
                raise
        other = 1 - self._method
        answer = self.call(_METHODS[other], body)
        self._method = other
        return answer

    def _find_single(self, lines: Sequence[bytes], otherwise: Answer) -> Answer:
        """
        Try the call for one event, the only one that some backends have.

        After a while the call for a batch is tried again: its absence may have
        been a mistake of the moment.
        """
        for index in range(len(_SINGLE_METHODS)):
            self._single_method = index
            try:
                answer = self._send_single(lines[:1])
            except _RefusedError as refusal:
                answer = refusal.answer
            if answer.action in (Action.ACKED, Action.BISECT):
                self._single_until_s = self.monotonic() + _SINGLE_S
                return answer if len(lines) == 1 else _SPLIT
        return otherwise

    def _send_single(self, lines: Sequence[bytes]) -> Answer:
        """Send one event; a larger batch is split until each has its answer."""
        if len(lines) > 1:
            return _SPLIT
        body = one_event(lines[0])
        if body is None:
            return Answer(Action.ACKED, ((0, "invalid"),))
        try:
            answer = self.call(_SINGLE_METHODS[self._single_method], body)
        except _RefusedError as refusal:
            if refusal.code == "UNIMPLEMENTED":
                self._single_until_s = 0.0
            raise
        return self._answer_of(answer, lines, is_single=True)

    def _answer_of(
        self, body: bytes, lines: Sequence[bytes], *, is_single: bool = False
    ) -> Answer:
        """Read the answer to a batch; an empty one is the published client's ack."""
        answer = answer_of_message(
            body,
            lines=lines,
            place=self.place,
            status="gRPC OK",
            is_single=is_single,
            may_be_empty=not self._has_verdicts,
        )
        if body and answer.action is Action.ACKED:
            # For good: a server that gives verdicts always does.
            self._has_verdicts = True
        return answer

    def call(self, method: str, body: bytes) -> bytes:
        """
        Make one call; again if only the channel or the key was stale.

        Raises:
            _RefusedError: The call failed.
        """
        was_proven = self._is_proven
        try:
            return self._call_through(method, body)
        except _RefusedError as refusal:
            is_stale = was_proven and refusal.code == "UNAVAILABLE"
            if not is_stale and not self._has_other_key(refusal.code):
                raise
        return self._call_through(method, body)

    def _call_through(self, method: str, body: bytes) -> bytes:
        """Make one call; as often as the host forks in the middle of it."""
        while True:
            fork = _Interrupt()
            try:
                return self._call_once(method, body, fork)
            except _RefusedError:
                if not fork.has_come or self.monotonic() >= self._give_up_at_s:
                    raise

    def _has_other_key(self, code: str) -> bool:
        return code in _REFUSES_KEY and self.key.renew()

    def _call_once(self, method: str, body: bytes, fork: _Interrupt) -> bytes:
        # It may be a function of the application, for which no fork should wait.
        metadata = self.metadata()
        # Whatever the library does, from its import to the end of the last object of a
        # call, could crash either process if the host forked, or block the child.
        with holding_forks(interrupt=fork.come):
            try:
                answer = self._outcome_of(method, body, metadata, fork)
            finally:
                fork.end()
                # Also when the answer came just before.
                if fork.has_come:
                    self.close()
            if isinstance(answer, _RefusedError) and answer.code in _LOSES_CHANNEL:
                self.close()
        if isinstance(answer, _RefusedError):
            raise answer
        self._is_proven = True
        return answer

    def _outcome_of(
        self,
        method: str,
        body: bytes,
        metadata: tuple[tuple[str, str], ...],
        fork: _Interrupt,
    ) -> bytes | _RefusedError:
        """Return the answer, or why there is none; no object of the library is left."""
        # Loading grpc takes longer than loading all of the SDK.
        import grpc

        # Making a channel loads the rest of it.
        channel, options = self._open(), self.options()
        left_s = max(self._give_up_at_s - self.monotonic(), 0.001)
        try:
            fork.begin(channel)
            call = channel.unary_unary(method)
            # Bytes in and out: an answer that cannot be read is no failed call.
            answer: bytes = call(body, timeout=left_s, metadata=metadata, **options)
        except grpc.RpcError as error:
            return self._refusal(error, len(body))
        except ValueError:
            # The library's word for a channel that was closed before the call.
            if not fork.has_come:
                raise
            what = "was cut off by a fork of this process"
            return _RefusedError("CANCELLED", unreachable("fork", self.place, what))
        return answer

    def _refusal(self, error: Any, size_bytes: int) -> _RefusedError:
        code: str = error.code().name
        trailers = dict(error.trailing_metadata() or ())
        answer = answer_of_grpc(
            code,
            error.details() or "",
            trailers,
            size_bytes=size_bytes,
            place=self.place,
            credential=self.credential,
            advice=self.advice,
        )
        return _RefusedError(code, answer)

    def _open(self) -> Any:
        if self._channel is None:
            self._channel = self._made()
        return self._channel

    @property
    def _target(self) -> str:
        host, port = host_and_port(self.parts)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _made(self) -> Any:
        # As above.
        import grpc

        _stay_initialised()
        options = (
            # The sender decides when to try again, and a new channel connects anew.
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
            ("grpc.primary_user_agent", f"chaukas-sdk/{VERSION}"),
        )
        if self.parts.scheme not in _SECURE:
            return grpc.insecure_channel(self._target, options)
        files = self.trust.files()
        credentials = grpc.ssl_channel_credentials(
            files.root_certificates, files.private_key, files.certificate_chain
        )
        return grpc.secure_channel(self._target, credentials, options)


def _stay_initialised() -> None:
    """
    Keep the library from ending with its last channel, which a fork may have closed.

    It ends on a thread of its own that holds a lock meanwhile. A child that is forked
    then waits for that lock at its first channel, for ever, and with it every thread of
    the host's: the library waits without letting others run.
    """
    if not _kept:
        # Late, as it takes longer than loading all of the SDK.
        import grpc

        # It is never used, and so never connected.
        _kept.append(grpc.insecure_channel("127.0.0.1:9"))
        _keep_for_ever(_kept[0])


_kept: list[Any] = []


class _Interrupt:
    """Ends a call because the host forks."""

    def __init__(self) -> None:
        self._channel: Any = None
        self.has_come = False

    def begin(self, channel: Any) -> None:
        """Let a fork end the calls on *channel*, also one that came already."""
        self._channel = channel
        if self.has_come:
            channel.close()

    def end(self) -> None:
        """Let go of the channel."""
        self._channel = None

    def come(self) -> None:
        """End them; called on the thread that forks."""
        self.has_come = True
        channel = self._channel
        if channel is not None:
            channel.close()


class _RefusedError(Exception):
    """A call failed; what that means for the batch."""

    def __init__(self, code: str, answer: Answer) -> None:
        """Keep the name of the status code and the answer."""
        super().__init__(code)
        self.code = code
        self.answer = answer


def _keep_for_ever(thing: object) -> None:
    """Take a reference that is never given back, so that no destructor runs."""
    from ctypes import py_object, pythonapi

    pythonapi.Py_IncRef(py_object(thing))
