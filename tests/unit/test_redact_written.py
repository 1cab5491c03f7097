"""
Texts as programs and people write them, with secrets in them and without.

`tests/support/redaction` holds them, parted by lines of ``%%``. They
were written before the rules were changed to suit them, so they are of many kinds. What
stands between the brackets is the secret; the broken bar keeps scanners from taking a
sample for a leak.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from chaukas.sdk.capture.redaction.redactor import REDACTED
from chaukas.sdk.capture.snapshot import Capture, Rules
from tests.support.groups import for_each

RULES = Rules()
FOLDER = Path(__file__).parent.parent / "support" / "redaction"
MARKED = re.compile("⟦(.*?)(?:⟧|$)", re.DOTALL)
TREE = "json\n"
PIECE_CHARS = 8


def _samples(name: str) -> list[str]:
    """Return the samples of a file."""
    text = (FOLDER / name).read_text(encoding="utf-8").replace("¦", "")
    return [part.rstrip("\n") for part in text.split("\n%%\n")]


def _value_of(sample: str) -> Any:
    """Return what is recorded: a text, or a tree that is written as JSON."""
    text = sample.replace("⟦", "").replace("⟧", "")
    return json.loads(text.removeprefix(TREE)) if text.startswith(TREE) else text


def _shown(value: Any) -> str:
    shown = Capture(RULES).tree(value, "x")
    return shown if type(shown) is str else json.dumps(shown, ensure_ascii=False)


def _pieces(secret: str) -> set[str]:
    """Return all parts of a secret by which it would be known."""
    lines = [line.strip() for line in secret.split("\n") if line.strip()]
    return {
        line[at : at + PIECE_CHARS]
        for line in lines
        for at in range(max(1, len(line) - PIECE_CHARS + 1))
    }


@for_each(_samples("secrets.txt"))
def test_no_part_of_a_marked_secret_is_shown(sample: str) -> None:
    secrets = MARKED.findall(sample)
    shown = _shown(_value_of(sample))

    assert secrets
    for secret in secrets:
        others = [other for other in secrets if other != secret]
        torn = {
            piece
            for piece in _pieces(secret)
            if piece in shown and not any(piece in other for other in others)
        }
        assert not torn
        assert secret not in shown


@for_each(_samples("benign.txt"))
def test_a_text_without_a_secret_is_shown_as_it_is(sample: str) -> None:
    value = _value_of(sample)
    shown = Capture(RULES).tree(value, "x")

    assert REDACTED not in json.dumps(shown)
    assert shown == value or "data:image/" in sample
