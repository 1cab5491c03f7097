"""
One connection to a collector, kept alive from request to request.

urllib3's connection class is used without its pools: one thread needs one
connection, and the locks of a pool could be held for ever in a forked child.
"""

from __future__ import annotations

# The resolver would load it with the first name, when a fork may come.
import encodings.idna  # noqa: F401
import re
import socket
import ssl
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from urllib3 import make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from .address import host_and_port
from .verdicts import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from urllib3.response import HTTPResponse

    from .tls import Trust

__all__ = ["Connection", "Deadline", "TroubleError", "proxy_to"]

_SLICE_BYTES: Final = 64 * 1024
_TUNNEL_STATUS: Final = re.compile(r"Tunnel connection failed: (\d{3})")


class TroubleError(Exception):
    """
    A request had no answer.

    Attributes:
        kind: `refused`, `timeout`, `dns`, `reset`, `tls`, `proxy`, `proxy address`,
            `oversize` or `network`.
        words: What the library said, for `tls`; not to be shown as it stands.
        status: Status that a proxy answered with, 0 if there was none.
    """

    def __init__(self, kind: str, words: str = "", status: int = 0) -> None:
        """Name the trouble."""
        super().__init__(kind)
        self.kind = kind
        self.words = words
        self.status = status


class Deadline:
    """
    The moment at which an exchange is given up, however its bytes trickle in.

    Shared by all sockets of one connection, since one thread uses them.

    Args:
        monotonic: Clock in seconds.
    """

    __slots__ = ("_at_s", "_monotonic")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at_s = 0.0

    def start(self, timeout_s: float) -> None:
        """Set the moment, *timeout_s* seconds from now."""
        self._at_s = self._monotonic() + timeout_s

    def left_s(self) -> float:
        """
        Return the seconds that are left.

        Raises:
            TimeoutError: There are none.
        """
        left_s = self._at_s - self._monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _PlainSocket(socket.socket):
    """A socket that waits no longer than until the deadline, in all."""

    deadline: Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left_s())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        # One deadline for all parts of the data, by the system's own counting.
        self.settimeout(self.deadline.left_s())
        super().sendall(*args, **kwargs)


def _tls_socket_class(deadline: Deadline) -> type[ssl.SSLSocket]:
    """
    Return the same for TLS.

    Made when it is needed: once gevent has patched the `ssl` module, classes that
    were derived before work no more.
    """

    class TlsSocket(ssl.SSLSocket):
        def recv_into(self, *args: Any, **kwargs: Any) -> int:
            self.settimeout(deadline.left_s())
            return super().recv_into(*args, **kwargs)

        def send(self, *args: Any, **kwargs: Any) -> int:
            # sendall() of a TLS socket is made of these.
            self.settimeout(deadline.left_s())
            return super().send(*args, **kwargs)

    return TlsSocket


class _Timed(HTTPConnection):
    """Opens sockets that know the deadline."""

    deadline: Deadline

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, each with its share of time."""
        addresses = socket.getaddrinfo(
            self._dns_host, self.port, type=socket.SOCK_STREAM
        )
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            made = _PlainSocket(family, kind, protocol)
            made.deadline = self.deadline
            try:
                made.settimeout(self.deadline.left_s() / (len(addresses) - index))
                made.connect(address)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
            except OSError:
                made.close()
                if index == len(addresses) - 1:
                    raise
        raise TroubleError("dns")


class _TimedTls(_Timed, HTTPSConnection):
    """The same under TLS."""


class Connection:
    """
    The way to one origin: direct, or through the proxy of the environment.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read at each request.

    Args:
        url: Its address; path, query and user are not looked at.
        trust: What TLS needs to know.
        deadline: When an exchange is given up.
        limit_bytes: Size of a body beyond which it cannot be a verdict.
    """

    def __init__(
        self,
        url: str,
        *,
        trust: Trust,
        deadline: Deadline,
        limit_bytes: int,
    ) -> None:
        self._origin = urlsplit(url)
        self._trust = trust
        self._deadline = deadline
        self._limit_bytes = limit_bytes
        self._open: _Timed | None = None
        self._is_used = False

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """
        Send a request and return its answer; a redirect is an answer too.

        A connection that was kept may have been closed by the other end in the
        very moment: then the request is sent once more, on a fresh one.

        Raises:
            TroubleError: There was no whole answer in time.
            TlsFilesError: A file for TLS cannot be used.
        """
        if self._open is not None and not self._open.is_connected:
            self.close()
        is_kept = self._open is not None and self._is_used
        try:
            return self._exchange(method, path, headers, body)
        except TroubleError as trouble:
            if not is_kept or trouble.kind != "reset":
                raise
        return self._exchange(method, path, headers, body)

    def stream(
        self, path: str, headers: Mapping[str, str], silent_s: float
    ) -> Reply | Iterator[bytes]:
        """
        Ask for an answer that does not end; return its pieces as they come.

        Args:
            path: Target of the GET.
            headers: Of the request.
            silent_s: Longest wait for the next piece.

        Returns:
            The whole answer instead, if it is no success.

        Raises:
            TroubleError: There was no answer in time; of the pieces: no further one.
            TlsFilesError: A file for TLS cannot be used.
        """
        self.close()
        with self._guarded():
            opened, response, _ = self._answered("GET", path, headers, None)
            if not 200 <= response.status < 300:
                return self._read(opened, response, is_whole=True)
        return self._pieces(response, silent_s)

    def _pieces(self, response: HTTPResponse, silent_s: float) -> Iterator[bytes]:
        # Without chunks, as from a simple proxy, a read waits until it is full.
        amount = _SLICE_BYTES if response.chunked else 1
        with self._guarded():
            parts = response.stream(amount, decode_content=False)
            while True:
                self._deadline.start(silent_s)
                part = next(parts, None)
                if part is None:
                    break
                yield part
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        opened, self._open = self._open, None
        self._is_used = False
        if opened is not None:
            opened.close()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        with self._guarded():
            opened, response, is_whole = self._answered(method, path, headers, body)
            reply = self._read(opened, response, is_whole=is_whole)
        self._is_used = True
        return reply

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Close the connection whatever goes wrong, and name the trouble."""
        try:
            yield
        # What the two libraries raise has no common base but these.
        except (OSError, HTTPException, HTTPError, ValueError) as error:
            self.close()
            is_proxied = proxy_to(self._origin) is not None
            raise _trouble_of(error, is_proxied=is_proxied) from None
        except BaseException:
            self.close()
            raise

    def _answered(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[_Timed, HTTPResponse, bool]:
        """Send a request; return its answer unread, and if the request was whole."""
        opened = self._open or self._made()
        self._open = opened
        opened.timeout = self._deadline.left_s()
        if opened.sock is None:
            opened.connect()
        sent, target = headers, path
        proxy = proxy_to(self._origin) if self._origin.scheme == "http" else None
        if proxy is not None:
            # It is asked for the whole address.
            sent = {**headers, **_proxy_authorization(proxy)}
            target = f"http://{self._origin.netloc.rpartition('@')[2]}{path}"
        early: OSError | None = None
        try:
            opened.request(
                method,
                target,
                body=body,
                headers=sent,
                preload_content=False,
                decode_content=False,
            )
        except (BrokenPipeError, ConnectionResetError) as error:
            # It may have answered, such as 413, before it had read all.
            early = error
        try:
            response = opened.getresponse()
        except (OSError, HTTPException) as error:
            raise early or error from None
        if early is not None and 200 <= response.status < 300:
            # A success in front of the end of the request is none of its events'.
            raise early
        return opened, response, early is None

    def _read(self, opened: _Timed, response: HTTPResponse, *, is_whole: bool) -> Reply:
        parts: list[bytes] = []
        size = 0
        while size <= self._limit_bytes and (part := response.read(_SLICE_BYTES)):
            parts.append(part)
            size += len(part)
        if size > self._limit_bytes and 200 <= response.status < 300:
            raise TroubleError("oversize")
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_last = "close" in headers.get("connection", "").lower()
        # Behind one of 1xx another answer may come, which would seem the next one's.
        is_last = is_last or response.version < 11 or response.status < 200
        if size > self._limit_bytes or is_last or not is_whole:
            opened.close()
        is_known = _is_length_given(response.status, headers, size)
        return Reply(response.status, headers, b"".join(parts), is_known)

    def _made(self) -> _Timed:
        """Return a connection that is not open yet."""
        origin, proxy = self._origin, proxy_to(self._origin)
        is_tls = origin.scheme == "https"
        host, port = host_and_port(origin)
        at = host, port
        options: dict[str, Any] = {}
        if proxy is not None:
            at = host_and_port(proxy)
            options["proxy"] = parse_url(f"{proxy.scheme}://{at[0]}:{at[1]}")
            options["proxy_config"] = ProxyConfig(self._context(), False, None, None)
        kind: type[_Timed] = _Timed
        if is_tls or (proxy is not None and proxy.scheme == "https"):
            kind = _TimedTls
            options["ssl_context"] = self._context()
        made = kind(at[0], at[1], **options)
        made.deadline = self._deadline
        # A host that debugs its own HTTP must not print our key.
        made.set_debuglevel(0)
        if proxy is not None and is_tls:
            headers = _proxy_authorization(proxy)
            made.set_tunnel(host, port, headers, scheme=proxy.scheme)
        return made

    def _context(self) -> ssl.SSLContext:
        context = self._trust.context()
        # The type of this attribute is that of the class, not of an instance.
        context.sslsocket_class = _tls_socket_class(self._deadline)
        return context


def proxy_to(origin: SplitResult) -> SplitResult | None:
    """
    Return the proxy that the environment names for an origin.

    Raises:
        TroubleError: It is of a kind that cannot be used.
    """
    proxies = urllib.request.getproxies_environment()
    place = "{}:{}".format(*host_and_port(origin))
    # The stubs do not know of it.
    if urllib.request.proxy_bypass_environment(place, proxies):  # type: ignore[attr-defined]
        return None
    url = (proxies.get(origin.scheme) or proxies.get("all") or "").strip()
    if not url:
        return None
    try:
        proxy = urlsplit(url if "://" in url else f"http://{url}")
        host_and_port(proxy)
    except ValueError:
        raise TroubleError("proxy address") from None
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise TroubleError("proxy address")
    return proxy


def _is_length_given(status: int, headers: Mapping[str, str], size: int) -> bool:
    """
    Return whether an answer says how long its body is, and does so in one way.

    Without that, a body which was cut off looks like a shorter one; a body that is
    shorter than announced has raised an error before.
    """
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        return coding.strip().lower() == "chunked" and length is None
    if status == 204:
        return True
    return length is not None and length.isascii() and length == str(size)


def _proxy_authorization(proxy: SplitResult) -> Mapping[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return make_headers(proxy_basic_auth=pair)


def _trouble_of(error: Exception, *, is_proxied: bool) -> TroubleError:
    """Sort what was raised; the order matters, since some kinds are of two."""
    tunnel = _TUNNEL_STATUS.search(str(error))
    if tunnel:
        return TroubleError("proxy", status=int(tunnel[1]))
    cause = error.__context__ if isinstance(error, HTTPError) else error
    for kind, classes in _KINDS:
        if isinstance(error, classes) or isinstance(cause, classes):
            words = f"{error}" if kind == "tls" else ""
            is_of_proxy = is_proxied and kind in {"refused", "dns"}
            return TroubleError("proxy" if is_of_proxy else kind, words)
    return TroubleError("network")


_KINDS: Final[tuple[tuple[str, type[Exception] | tuple[type[Exception], ...]], ...]] = (
    ("timeout", TimeoutError),
    ("dns", (socket.gaierror, UnicodeError)),
    ("reset", (ssl.SSLEOFError, ssl.SSLZeroReturnError)),
    ("tls", ssl.SSLError),
    ("refused", ConnectionRefusedError),
    ("reset", (ConnectionError, HTTPException, HTTPError)),
)
