"""Laws of streamed texts: however they are cut, no part of a secret is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.capture.snapshot import Capture, Rules
from chaukas.sdk.integrations.shared.openai_api.response_deltas import ResponseDeltas
from chaukas.sdk.testing import FakeClock
from tests.support.makers import SAMPLES

RULES = Rules()
FRAGMENT_CHARS = 6
_P = "q" + "Zk9Xw2Lm4Np8RtYv3"
_LONG = "".join(f"{_P}{number:03}" for number in range(20))
_PEM = f"-----BEGIN PRIVATE KEY-----\n{_LONG}\n{_LONG}\n-----END PRIVATE KEY-----"


class Listener:
    """Stands for recorder, pipeline and writer, and keeps what is told."""

    def __init__(self, step_ns: int) -> None:
        self.clock = FakeClock(step_ns=step_ns)
        self.pipeline = self
        self.told: list[str] = []
        self.hidden: list[str] = []
        self.is_full = False
        self.lost: list[int] = []
        """Which notes never come to the writer, counted from 0."""
        self.notes = 0

    def has_room(self, _size_bytes: int) -> bool:
        return not self.is_full

    def emit(self, _kind: Any, _run: Any, content: Any, **_options: Any) -> None:
        self.notes += 1
        if self.notes - 1 in self.lost:
            return
        capture = Capture(RULES)
        made = content(capture)
        if made is not None:
            self.told.append(made["message"]["text"])
            self.hidden += capture.redacted


def told(
    chunks: list[str], step_ns: int = 60_000_000, lost: list[int] | None = None
) -> Listener:
    """Stream the chunks and return who listened."""
    listener = Listener(step_ns)
    listener.lost = lost or []
    pieces = ResponseDeltas(listener, None, "s")  # type: ignore[arg-type]
    for chunk in chunks:
        pieces.take({"type": "response.output_text.delta", "delta": chunk})
    pieces.finish()
    return listener


def fragments(secret: str) -> set[str]:
    """Return all short parts of a secret."""
    last = max(1, len(secret) - FRAGMENT_CHARS + 1)
    return {secret[at : at + FRAGMENT_CHARS] for at in range(last)}


PLANTED = [
    *((sample.key, sample.key[8:]) for sample in SAMPLES[::7]),
    (f"https://me:{_P}@x.test/a", _P),
    (f"postgresql://me:{_LONG}@db:5432/x", _LONG),
    (f"the password : {_P} ", _P),
    (f'{{"password": "a b {_P} c", "n": 1}}', _P),
    (f'{{"password":"{_P}","n":1}}', _P),
    (f'{{"name": "DB_PASSWORD", "value": "{_P}"}}', _P),
    (f"Authorization: Custom a {_P}\nA: b", _P),
    (f"sent Bearer {_P} to it", _P),
    (f"my api key: {_P} ", _P),
    (f"tool --password {_P} -v", _P),
    (f"curl -u me:{_P} https://x.test", _P),
    (_PEM, _LONG),
]
WORDS = st.lists(
    st.sampled_from(
        "the quick brown fox, and key of pass the word: 12 times\n"
        '{"a": 1} \u4f60\u597d token-free https://x.test/a?b=1 "said" he.'.split(" ")
    ),
    max_size=30,
).map(" ".join)
CUTS = st.lists(st.integers(1, 90), min_size=1, max_size=12)


def chunks_of(text: str, sizes: list[int]) -> list[str]:
    """Cut a text into chunks of these sizes, in turn."""
    chunks, at, turn = [], 0, 0
    while at < len(text):
        chunks.append(text[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return chunks


@given(WORDS, st.sampled_from(PLANTED), WORDS, CUTS)
@settings(max_examples=400, deadline=None)
def test_any_cut_of_a_stream_tells_what_the_whole_tells(
    before: str, planted: tuple[str, str], after: str, sizes: list[int]
) -> None:
    text, secret = planted
    whole = f"{before}\n{text}\n{after}"

    listener = told(chunks_of(whole, sizes))

    joined = "".join(listener.told)
    assert not [part for part in fragments(secret) if part in joined]
    assert joined == Redactor().redact(whole)


@pytest.mark.parametrize("size", [1, 3, 7, 40, 300])
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted[0][:16])
def test_a_planted_secret_is_not_torn(planted: tuple[str, str], size: int) -> None:
    text, secret = planted
    whole = f"Here it is: {text} and more of it, you see."

    joined = "".join(told(chunks_of(whole, [size])).told)

    assert not [part for part in fragments(secret) if part in joined]
    assert joined == Redactor().redact(whole)


@pytest.mark.parametrize("lost", range(8))
def test_behind_a_piece_that_was_lost_nothing_is_told(lost: int) -> None:
    chunks = ["It is ", "s", "k-proj-", _P, _P, _P, f"{_P} and ", "more."]
    listener = told(chunks, lost=[lost])
    joined = "".join(listener.told)
    assert not [part for part in fragments(_P) if part in joined]
    assert Redactor().redact("".join(chunks)).startswith(joined)


def test_what_finds_no_room_comes_with_what_follows() -> None:
    listener = Listener(60_000_000)
    pieces = ResponseDeltas(listener, None, "s")  # type: ignore[arg-type]
    for number, word in enumerate(("one ", "two ", "three ", "four ")):
        listener.is_full = number < 2
        pieces.take({"type": "response.output_text.delta", "delta": word})
    pieces.finish()
    assert listener.told == ["one two three ", "four "]


HUGE = "".join(f"{_P}{number:05}" for number in range(2000))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (f"https://me:{HUGE}@x.test/a", "/a"),
        (f"sk-proj-{HUGE}", ""),
        (f'{{"password": "{HUGE}", "n": 1}}', '", "n": 1}'),
        (f"-----BEGIN PRIVATE KEY-----\n{HUGE}\n-----END PRIVATE KEY-----", ""),
        (f"Cookie: sid={HUGE}; a={HUGE}\nA: b", "\nA: b"),
    ],
    ids=["url", "key", "json", "pem", "header"],
)
@pytest.mark.parametrize("size", [97, 1000, 20_000])
def test_a_secret_longer_than_what_is_held_back_stays_hidden(
    text: str, end: str, size: int
) -> None:
    listener = told(chunks_of(f"before {text} after it", [size]))

    joined = "".join(listener.told)
    assert not [part for part in fragments(HUGE[:400]) if part in joined]
    assert not [part for part in fragments(HUGE[-400:]) if part in joined]
    assert joined.startswith("before ")
    assert "[REDACTED]" in joined
    assert joined.endswith(f"{end} after it") or "after it" in joined
    assert listener.hidden


def test_a_slow_stream_is_told_word_by_word_after_its_first_50_ms() -> None:
    words = [f"w{number:02} " for number in range(20)]

    # Each chunk comes 25 ms after the last, as the clock is looked at once for it.
    listener = told(words, step_ns=25_000_000)

    assert "".join(listener.told) == "".join(words)
    assert len(listener.told) >= 6
    assert len(listener.told[0]) <= 16


def test_an_innocent_word_longer_than_what_is_held_back_is_told_whole() -> None:
    text = "x" * 20_000 + " and more"

    assert "".join(told(chunks_of(text, [500])).told) == text


def test_a_text_without_spaces_is_told_as_it_comes() -> None:
    for text in ("\u4f60\u597d" * 400, '{"a":"b","c":"d"},' * 60):
        listener = told(chunks_of(text, [9]))
        assert "".join(listener.told) == text
        assert len(listener.told) > 10
