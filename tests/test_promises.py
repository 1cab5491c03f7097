"""Every sentence that promises something is held by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from chaukas.sdk.pipeline import REASONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DELIVERY = (ROOT / "docs" / "DELIVERY.md").read_text(encoding="utf-8")
SECTIONS = ((README, "The promise"), (DELIVERY, "Deliver to a collector"))
ROW = re.compile(r"^\| (.+?) \| (`tests/.+) \|$", re.MULTILINE)
ITEM = re.compile(r"^- (.+?)(?=^- |^$)", re.MULTILINE | re.DOTALL)
HELD = {
    sentence: re.findall(r"`([^`]+)`", tests)
    for sentence, tests in ROW.findall(DELIVERY)
}
NODES = sorted({node for nodes in HELD.values() for node in nodes})


def promises() -> list[str]:
    """The sentences in the lists of the sections that promise something."""
    found = []
    for document, title in SECTIONS:
        section = document.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        for item in ITEM.findall(section):
            text = " ".join(item.split())
            # What is only a title promises nothing.
            text = re.sub(r"^\*\*[^*]+\.\*\* ", "", text).replace("**", "")
            found += re.split(r"(?<=\.) (?=[A-Z`c])", text)
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    """The names that a file of tests defines at its top or in its classes."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if type(target) is ast.Name}
    return frozenset(found)


def test_every_promise_is_held_by_a_test() -> None:
    assert len(promises()) > 10
    assert set(promises()) == set(HELD)


@pytest.mark.parametrize("node", NODES)
def test_the_test_that_holds_a_promise_exists(node: str) -> None:
    path, _, name = node.partition("::")
    assert name.startswith("test_")
    assert name in names_in(path)


def test_every_reason_of_a_loss_is_explained() -> None:
    table = DELIVERY.partition("| reason |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) == REASONS
