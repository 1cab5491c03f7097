"""What is between a command and a collector: addresses, streams, pieces of answers."""

from __future__ import annotations

import inspect
import socket
import threading
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaukas.query import CollectorError, Questions, open_source
from chaukas.query.remote.address import address_of
from chaukas.query.remote.client import Client
from chaukas.query.remote.messages import Message, messages_in
from chaukas.store.files.place import is_address
from chaukas.viewer.api import _CALLS, _KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM = (
    b'id: 4\nevent: event\ndata: {"a": "\xc3\xa4"}\n\n'
    b"event: status\ndata: {}\n\n"
    b"data: plain\n\nevent: cut"
)
MESSAGES = [
    Message("event", b'{"a": "\xc3\xa4"}'),
    Message("status", b"{}"),
    Message("message", b"plain"),
]
HEAD = b"HTTP/1.%d 200 OK\r\ncontent-type: text/event-stream\r\n"


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_a_stream_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]
    assert list(messages_in(pieces)) == MESSAGES


def test_a_message_without_an_end_is_given_up() -> None:
    with pytest.raises(ValueError):
        list(messages_in(b"x" * (1 << 20) for _ in range(17)))


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("http://127.0.0.1:4180", "http://127.0.0.1:4180"),
        ("HTTPS://Host.example/", "https://Host.example"),
        ("http://[::1]:4180/#/runs?q=a", "http://[::1]:4180"),
        ("http://h:1/open/a-token", "http://h:1"),
        ("https://h/chaukas/", "https://h/chaukas"),
        ("http://h:1/?filter=x", "http://h:1"),
    ],
)
def test_an_address_is_that_of_the_root(text: str, root: str) -> None:
    assert address_of(text) == root


@pytest.mark.parametrize(
    "text", ["http:", "events.jsonl", "/tmp/http://x", "c:/x", "-"]
)
def test_a_path_is_no_address(text: str) -> None:
    assert not is_address(text)


def test_an_address_beside_a_file_is_refused() -> None:
    with pytest.raises(CollectorError, match="one collector is asked at a time"):
        open_source(["http://127.0.0.1:1", "events.jsonl"])


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Run a server that answers one request with these bytes, and hangs up."""

    def serve() -> None:
        taken, _ = listening.accept()
        with taken:
            while b"\r\n\r\n" not in taken.recv(65536):
                pass
            taken.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def chunked(*parts: bytes) -> bytes:
    head = HEAD % 1 + b"transfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD % 0 + b"\r\n" + STREAM,
        HEAD % 1 + b"connection: close\r\n\r\n" + STREAM,
        chunked(STREAM[:10], STREAM[10:11], STREAM[11:]) + b"0\r\n\r\n",
    ],
)
def test_a_stream_is_read_in_each_form_of_http(answer: bytes) -> None:
    with answering(answer) as address:
        client = Client(address)
        assert list(messages_in(client.listen("/api/follow", {}, 30))) == MESSAGES
        client.close()


def test_a_stream_that_breaks_off_says_so_behind_what_came() -> None:
    with answering(chunked(STREAM)) as address:
        client = Client(address)
        stream = messages_in(client.listen("/api/follow", {}, 30))
        assert [next(stream) for _ in MESSAGES] == MESSAGES
        with pytest.raises(CollectorError, match="broke off the connection") as error:
            next(stream)
        assert error.value.passes
        client.close()


def test_a_stream_that_falls_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(CollectorError, match="did not answer in time") as error:
            next(client.listen("/api/follow", {}, 0.05))
        assert error.value.passes
        client.close()


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "answer_limit_bytes", 1000)
    length = b"content-length: 200000\r\n\r\n"
    with answering(HEAD % 1 + length + b" " * 200_000) as address:
        client = Client(address)
        with pytest.raises(CollectorError, match="more than can be read at once"):
            client.ask("/api/status", {}, dict[str, str])
        client.close()


def test_every_question_can_be_asked_over_http_with_all_its_arguments() -> None:
    asked = {
        name: set(inspect.signature(method).parameters) - {"self"}
        for name, method in vars(Questions).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    # What closes, and what is asked in pages, one by one or by a route of its own.
    for name in ("close", "status", "lines", "chains", "prompts"):
        del asked[name]
    known = {
        method: {_KEYWORDS.get(one, one) for one in parameters}
        for method, parameters in _CALLS.values()
    }
    assert known == asked
