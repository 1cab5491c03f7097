"""Where a text that still grows may be cut: both parts show what the whole shows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaukas.sdk._redact import Redactor
from chaukas.sdk._snapshot import Capture, Rules

_KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
_PROSE = "one two three four five six seven eight nine ten " * 4


def test_a_short_text_waits() -> None:
    assert Redactor().seam("Hello there", 64) == 0


def test_plain_text_is_cut_behind_its_last_gap() -> None:
    end = Redactor().seam(_PROSE, 64)
    assert _PROSE[end - 1] == " "
    assert 0 <= len(_PROSE) - 64 - end < 10


def test_plain_text_without_gaps_is_cut_all_the_same() -> None:
    assert Redactor().seam("x" * 300, 64) == 236


@pytest.mark.parametrize(
    "secret",
    [
        _KEY,
        f"Authorization: Bearer {_KEY}",
        "password: hunter2-hunter2-hunter2",
        "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQ\n" * 6,
    ],
)
def test_a_cut_leaves_a_secret_whole(secret: str) -> None:
    redactor = Redactor()
    text = _PROSE + secret
    for size in range(1, len(text) + 1):
        begun = text[:size]
        end = redactor.seam(begun, 64)
        assert end <= len(_PROSE) or redactor.redact(text[end:]) == text[end:]
        parts = redactor.redact(begun[:end]) + redactor.redact(begun[end:])
        assert parts == redactor.redact(begun)


def test_patterns_of_the_user_are_kept_whole_too() -> None:
    redactor = Redactor(patterns=[re.compile(r"case \d+ of \w+")])
    text = f"{_PROSE[:100]}case 17 of Alice {'x' * 60}"
    for size in range(1, len(text) + 1):
        end = redactor.seam(text[:size], 64)
        assert "case" not in redactor.redact(text[:end])


@given(
    st.lists(
        st.sampled_from(["word ", "password: ", "hunter2-x ", _KEY, "\n", "x", "="]),
        max_size=60,
    )
)
def test_parts_show_the_same_as_the_whole(words: list[str]) -> None:
    redactor = Redactor()
    text = "".join(words)
    end = redactor.seam(text, 64)
    assert 0 <= end <= max(0, len(text) - 64)
    parts = redactor.redact(text[:end]) + redactor.redact(text[end:])
    assert parts == redactor.redact(text)


def test_hidden_text_may_be_cut_anywhere() -> None:
    assert Capture(Rules(content=False)).seam("abc", 64) == 3
