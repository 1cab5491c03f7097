"""
The loopback server: real HTTP/1.1 on 127.0.0.1, answering from a script.

A real socket is the point: retries, dropped connections and torn streams then
run through the client's own code and not through a stand-in for it.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

from .answer import Answer, Nothing, Stream, Whole, answer_to, mistake
from .conversations import (
    COMPACT_PATH,
    CONVERSATIONS_PATH,
    Conversations,
    compaction_of,
)
from .replies import Reply, Slow
from .request import CHAT_PATH, EMBEDDINGS_PATH, RESPONSES_PATH, Request, is_gemini

if TYPE_CHECKING:
    from types import TracebackType

    from openai import AsyncOpenAI, OpenAI
    from typing_extensions import Self

__all__ = ("ModelServer", "Script")

Script: TypeAlias = Sequence[Reply] | Callable[[Request], Reply]
"""Replies in the order of the requests, or a function of each request."""

_PLACEHOLDER_KEY = "loopback-needs-no-key"
_POLL_S = 0.02
_JOIN_DEADLINE_S = 5.0


def _no_tls() -> ssl.SSLContext:
    """Trust nobody: this is plain HTTP, and the system's list is long to load."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ModelServer:
    """
    A model provider in this process, for as long as a `with` block lasts.

    Args:
        replies: A sequence gives one reply per request, in order. A function is
            called with each request, from several threads at once when requests
            are: with concurrent runs the order of requests is a matter of chance.

    Whatever the script does not provide for is answered with HTTP 500 and a
    message that names it, marked as not to be retried.
    """

    def __init__(self, replies: Script) -> None:
        """Listen on a free port and serve from daemon threads."""
        self._script = replies
        self._requests: list[Request] = []
        self.conversations = Conversations()
        self._lock = threading.Lock()
        self._http = _HttpServer(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            kwargs={"poll_interval": _POLL_S},
            name="loopback-accept",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the server, which already listens."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the server."""
        self.close()

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """What a client of Gemini takes as its base URL."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def requests(self) -> list[Request]:
        """The requests accepted so far, in order of arrival."""
        with self._lock:
            return list(self._requests)

    @property
    def remaining(self) -> int:
        """How many scripted replies nobody asked for; 0 for a function."""
        if callable(self._script):
            return 0
        return max(0, len(self._script) - len(self.requests))

    def client(self, known_as: str = "", **options: Any) -> AsyncOpenAI:
        """
        Make an asynchronous client of this server.

        Args:
            known_as: Host name that the client has for it, such as that of a
                provider whose prices are to hold; by default its address.
            options: Handed to `openai.AsyncOpenAI`, such as `max_retries=2`.

        The proxy settings of the environment are ignored: the connection never
        leaves the machine. Close the client, or use it with `async with`.
        """
        # Late, because a script and its server are of use without the client.
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        async def reroute(request: Any) -> None:
            self._reroute(request)

        http = DefaultAsyncHttpxClient(
            trust_env=False, verify=_no_tls(), event_hooks={"request": [reroute]}
        )
        options.setdefault("http_client", http)
        options.setdefault("api_key", _PLACEHOLDER_KEY)
        url = f"http://{known_as}/v1" if known_as else self.base_url
        return AsyncOpenAI(base_url=url, **options)

    def sync_client(self, known_as: str = "", **options: Any) -> OpenAI:
        """Make a blocking client of this server; else as `client`."""
        # Late, because a script and its server are of use without the client.
        from openai import DefaultHttpxClient, OpenAI

        http = DefaultHttpxClient(
            trust_env=False,
            verify=_no_tls(),
            event_hooks={"request": [self._reroute]},
        )
        options.setdefault("http_client", http)
        options.setdefault("api_key", _PLACEHOLDER_KEY)
        url = f"http://{known_as}/v1" if known_as else self.base_url
        return OpenAI(base_url=url, **options)

    def _reroute(self, request: Any) -> None:
        """Have a request come here, whatever host it names."""
        request.url = request.url.copy_with(
            host="127.0.0.1", port=self._http.server_port
        )

    def close(self) -> None:
        """Stop at once, cutting off what is being sent; harmless when repeated."""
        self._http.stop()
        self._thread.join(_JOIN_DEADLINE_S)

    def accept(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Request:
        """Record a request and give it its number."""
        with self._lock:
            request = Request(path, body, headers, len(self._requests) + 1)
            self._requests.append(request)
        return request

    def reply_to(self, request: Request) -> Reply:
        """
        Look up, or ask the script for, the reply to a request.

        Raises:
            LookupError: The script is at its end.
        """
        if callable(self._script):
            return self._script(request)
        if request.number > len(self._script):
            msg = (
                f"loopback: request {request.number} to {request.path} is not in "
                f"the script, which has {len(self._script)} replies. "
                "Add a reply, or find out why the client asked again."
            )
            raise LookupError(msg)
        return self._script[request.number - 1]


class _HttpServer(ThreadingHTTPServer):
    """Keeps its open connections in hand, so that closing leaves no thread behind."""

    # The default of 5 would reset connections when many runs start at once.
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, model: ModelServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model
        self.closing = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        thread = threading.current_thread()
        with self._open_lock:
            self._open[thread] = request
        try:
            if self.closing.is_set():
                self.shutdown_request(request)
            else:
                super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                del self._open[thread]

    def stop(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        self.shutdown()
        self.server_close()
        deadline_s = time.monotonic() + _JOIN_DEADLINE_S
        with self._open_lock:
            threads = list(self._open)
            for connection in self._open.values():
                _cut_off(connection)
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))


def _cut_off(connection: socket.socket) -> None:
    try:
        # Unlike a close, this wakes the thread that waits to read or write.
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The client was faster.
        return


class _Handler(BaseHTTPRequestHandler):
    """One connection: read a request, write its answer, until it closes."""

    server: _HttpServer
    protocol_version = "HTTP/1.1"
    # Small frames must leave at once, or a stream would arrive in lumps.
    disable_nagle_algorithm = True
    _number = 0

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            # The client left, or the server is closing: both are ordinary here.
            self.close_connection = True

    def do_POST(self) -> None:
        if self.path == COMPACT_PATH or self.path.startswith(CONVERSATIONS_PATH):
            self._write(self._remembered())
        else:
            self._write(self._answer())

    def _refuse(self) -> None:
        # A body may follow that nobody reads.
        self.close_connection = True
        self._write(
            mistake(
                f"loopback: {self.command} {self.path} is not served here: only "
                f"POST {RESPONSES_PATH} and POST {CHAT_PATH} are."
            )
        )

    # The base class finds these by the name of the HTTP method.
    do_PUT = do_PATCH = _refuse  # noqa: N815

    def do_GET(self) -> None:
        if self.path.startswith(CONVERSATIONS_PATH):
            self._write(self._remembered())
        else:
            self._refuse()

    do_DELETE = do_GET  # noqa: N815

    def _remembered(self) -> Answer:
        """Answer without the script: from memory, or with a compaction."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(raw) if raw else {}
        if self.path == COMPACT_PATH:
            return Whole(200, json.dumps(compaction_of(body)).encode())
        memory = self.server.model.conversations
        status, answer = memory.answer(self.command, self.path, body)
        return Whole(status, json.dumps(answer).encode())

    # The name of the first argument is the base class's choice.
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the requests are recorded."""

    def _answer(self) -> Answer:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        served = self.path in {RESPONSES_PATH, CHAT_PATH, EMBEDDINGS_PATH}
        if not served and not is_gemini(self.path):
            return mistake(
                f"loopback: POST {self.path} is not served here: only "
                f"{RESPONSES_PATH}, {CHAT_PATH}, {EMBEDDINGS_PATH} and the methods of "
                "Gemini are. Check the base URL."
            )
        try:
            body = json.loads(raw)
        except ValueError as error:
            return mistake(f"loopback: the request's body is not JSON: {error}.")
        if not isinstance(body, dict):
            return mistake("loopback: the request's body is not a JSON object.")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.model.accept(self.path, body, headers)
        self._number = request.number
        return self._scripted(request)

    def _scripted(self, request: Request) -> Answer:
        try:
            reply = self.server.model.reply_to(request)
            answer = answer_to(request, reply)
        except LookupError as error:
            return mistake(str(error.args[0]))
        # Any error of a script is an answer too: a hanging client says nothing.
        except Exception as error:
            return mistake(
                f"loopback: the script failed on request {request.number}: {error!r}."
            )
        if isinstance(reply, Slow) and self.server.closing.wait(reply.seconds):
            return Nothing()
        return answer

    def _write(self, answer: Answer) -> None:
        match answer:
            case Nothing():
                self.close_connection = True
            case Whole():
                self._write_whole(answer)
            case Stream():
                self._write_stream(answer)

    def _write_whole(self, answer: Whole) -> None:
        self._begin(answer.status, "application/json", answer.headers)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if answer.torn:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    def _write_stream(self, answer: Stream) -> None:
        self._begin(200, "text/event-stream; charset=utf-8", {})
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for index, frame in enumerate(answer.frames):
            if index and answer.pause_s and self.server.closing.wait(answer.pause_s):
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if answer.torn:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-request-id", f"req_{self._number}")
        for name, value in headers.items():
            self.send_header(name, value)
