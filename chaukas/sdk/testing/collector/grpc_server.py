"""
The fake collector's gRPC server, on a real socket.

Calls are taken as bytes under any service name, since the published packages name
the same calls differently.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc

from chaukas.sdk.ingest.bodies import items_of_protobuf
from chaukas.sdk.ingest.calls import GRPC_CODES, SERVICES

from .replies import Fault, Reply, Request

if TYPE_CHECKING:
    from .rules import Rules

__all__ = ["GrpcServer"]

_GRACE_S = 0.2
_WORKERS = 16


class GrpcServer:
    """
    Listens until it is closed.

    Args:
        rules: Decides on the answers.
        port: Port on the loopback interface; 0 for a free one.
        credentials: Makes it TLS.
        services: Service names that it answers to.
    """

    def __init__(
        self,
        rules: Rules,
        port: int,
        credentials: Any,
        services: tuple[str, ...] = SERVICES,
    ) -> None:
        # Another server on this port would else take half of the calls.
        options = [("grpc.so_reuseport", 0)]
        self._server = grpc.server(
            ThreadPoolExecutor(_WORKERS), [_Calls(rules, services)], options=options
        )
        address = f"127.0.0.1:{port}"
        self.port: int = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self._server.start()

    def close(self) -> None:
        """Say GOAWAY, let calls end for a moment, and stop listening."""
        self._server.stop(_GRACE_S).wait()


class _Calls(grpc.GenericRpcHandler):
    """Finds the method of a call."""

    def __init__(self, rules: Rules, services: tuple[str, ...]) -> None:
        self._rules = rules
        self._services = services

    def service(self, details: Any) -> Any:
        """Return the method's handler; None if there is no such call."""
        _, service, method = details.method.split("/")
        is_batch = method == "IngestEventBatch"
        if service not in self._services or not (is_batch or method == "IngestEvent"):
            return None
        if is_batch and self._rules.is_single:
            return None

        def call(body: bytes, context: Any) -> bytes:
            return _Call(self._rules, details, context).answer(body, is_batch=is_batch)

        return grpc.unary_unary_rpc_method_handler(call)


class _Call:
    """One call under way."""

    def __init__(self, rules: Rules, details: Any, context: Any) -> None:
        self._rules = rules
        self._path: str = details.method
        self._headers: dict[str, str] = dict(details.invocation_metadata)
        self._context = context

    def answer(self, body: bytes, *, is_batch: bool) -> bytes:
        """Answer, or end the call with a status other than OK."""
        reply = self._rules.next_reply()
        if reply.fault in (Fault.SILENCE, Fault.TRICKLE):
            self._rules.stopped.wait()
        self._rules.stopped.wait(reply.delay_s)
        if reply.fault not in (Fault.NONE, Fault.LOST_ACK):
            self._fail(body, Reply(code="UNAVAILABLE", details="Socket closed"))
        if reply.code or reply.status:
            self._fail(body, reply)
        if reply.raw is not None:
            self._note(body, 200)
            return reply.raw
        if not self._rules.is_authorized(self._headers.get("authorization")):
            self._fail(body, Reply(status=401))
        answer = self._stored(body, is_batch=is_batch)
        if reply.fault is Fault.LOST_ACK:
            self._fail(body, Reply(code="UNAVAILABLE", details="Socket closed"))
        self._note(body, 200)
        return answer

    def _stored(self, body: bytes, *, is_batch: bool) -> bytes:
        try:
            items = items_of_protobuf(body, is_batch=is_batch)
        except ValueError:
            self._fail(body, Reply(status=400))
            raise
        verdict = self._rules.put(items)
        if verdict is None:
            self._fail(body, Reply(status=400))
        if verdict is None or self._rules.is_published:
            return b""
        return verdict.as_message() if is_batch else verdict.as_single_message()

    def _fail(self, body: bytes, reply: Reply) -> None:
        """End the call; what is raised for that is gRPC's own."""
        self._note(body, 500)
        if reply.headers:
            self._context.set_trailing_metadata(tuple(reply.headers.items()))
        name = reply.code or GRPC_CODES.get(reply.status, "UNAVAILABLE")
        details = reply.details
        if reply.status == 413 and not details:
            # As gRPC servers say it, who have one code for size and for quota.
            details = "Received message larger than max"
        self._context.abort(grpc.StatusCode[name], details)

    def _note(self, body: bytes, status: int) -> None:
        self._rules.note(
            Request("grpc", "POST", self._path, self._headers, body, status)
        )
