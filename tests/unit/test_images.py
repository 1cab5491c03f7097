"""Images in what is recorded: described one by one, at no cost for the host."""

from __future__ import annotations

import base64
import hashlib
import threading
from typing import Any

import pydantic
import pytest

from chaukas import sdk as chaukas
from chaukas.sdk.capture import binary
from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.capture.held import captured_now
from chaukas.sdk.capture.snapshot import Rules
from chaukas.sdk.testing import capture_events


def _image(letter: str, size_bytes: int) -> bytes:
    return b"GIF89a" + letter.encode() * (size_bytes - 6)


def _without_hash(shown: str) -> str:
    return shown.partition(" sha256:")[0]


@pytest.mark.parametrize("size_bytes", [600_000, 786_000, 1_020_000, 1_047_000])
@pytest.mark.parametrize("head", ["", "data:image/gif;base64,"])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_images_as_base64_are_described_and_what_is_beside_them_is_whole(
    size_bytes: int, head: str, count: int
) -> None:
    images = [_image(letter, size_bytes) for letter in "abcdefghij"[:count]]
    messages = [
        {
            "role": "user",
            "content": [{"image": head + base64.b64encode(image).decode()}],
        }
        for image in images
    ]
    tree = {"messages": messages, "said": "Which of them is red?"}

    shown = captured_now(DeferredCapture(Rules()).tree(tree, "x"))

    marks = [message["content"][0]["image"] for message in shown["messages"]]
    mark = f"<image/gif {size_bytes} bytes"
    digest = hashlib.sha256(images[0]).hexdigest()
    assert marks[0] == f"{mark} sha256:{digest}>"
    assert {_without_hash(mark).rstrip(">") for mark in marks} == {mark}
    for message in shown["messages"]:
        message["content"][0]["image"] = ""
    assert shown == {
        "messages": [{"role": "user", "content": [{"image": ""}]}] * count,
        "said": "Which of them is red?",
    }


@pytest.mark.parametrize("head", ["", "data:image/gif;base64,"])
def test_of_an_image_beyond_the_limit_kind_and_size_are_described(head: str) -> None:
    text = head + base64.b64encode(_image("a", 6_000_000)).decode()

    shown = captured_now(DeferredCapture(Rules()).tree({"image": text}, "x"))

    assert shown == {"image": "<image/gif 6000000 bytes>"}


def test_images_in_objects_are_described_however_many_there_are() -> None:
    class Part(pydantic.BaseModel):
        data: bytes

    parts = [Part(data=_image("a", 900_000)) for _ in range(40)]

    shown = captured_now(DeferredCapture(Rules()).tree(parts, "x"))

    digest = hashlib.sha256(parts[0].data).hexdigest()
    assert shown[0] == {"data": f"<image/gif 900000 bytes sha256:{digest}>"}
    assert {_without_hash(part["data"]).rstrip(">") for part in shown} == {
        "<image/gif 900000 bytes"
    }


def test_what_says_base64_and_is_none_has_no_hash() -> None:
    text = "data:image/gif;base64," + "R0lG" * 400 + "%2B" + "R0lG" * 400

    assert captured_now(DeferredCapture(Rules()).tree(text, "x")) == (
        "<image/gif 2402 bytes>"
    )


def test_base64_is_decoded_on_the_writers_thread_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = set()
    decoded = binary._decoded

    def noted(body: str) -> Any:
        threads.add(threading.current_thread())
        return decoded(body)

    monkeypatch.setattr(binary, "_decoded", noted)
    image = base64.b64encode(_image("a", 1_000_000)).decode()
    with capture_events() as events:
        chaukas.event("seen", {"images": [image] * 3, "last": image})
        chaukas.flush()

    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert str(events()).count("<image/gif 1000000 bytes") == 4
