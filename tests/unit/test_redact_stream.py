"""Where a text that still grows may be cut; the laws say the rest."""

from __future__ import annotations

import re

from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.capture.redaction.stream import cut_of

_PROSE = "one two three four five six seven eight nine ten " * 4


def test_a_word_that_has_not_ended_waits() -> None:
    assert cut_of(Redactor(), "Hello").end == 0
    assert cut_of(Redactor(), "Hello there").end == len("Hello ")


def test_the_head_of_a_table_waits_for_its_rows() -> None:
    redactor = Redactor()
    text = "Here you are:\nuser,password\nme,qZk9Xw2Lm4Np8RtYv3\n"
    assert "qZk9" not in redactor.redact(text)
    told = ""
    for size in range(1, len(text) + 1):
        end = cut_of(redactor, text[len(told) : size]).end
        told += text[len(told) : len(told) + end]
        assert "user,password" not in told


def test_patterns_of_the_user_are_kept_whole_too() -> None:
    redactor = Redactor(patterns=[re.compile(r"case \d+ of \w+")])
    text = f"{_PROSE[:100]}case 17 of Alice {'x' * 60}"
    for size in range(1, len(text) + 1):
        end = cut_of(redactor, text[:size]).end
        assert "case" not in redactor.redact(text[:end])
