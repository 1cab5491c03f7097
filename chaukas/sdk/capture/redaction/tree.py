"""
Hide the secrets in a tree that a quick test found suspect.

Kept apart from copying, since most events have no secret: they never come here.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from chaukas.sdk.capture.binary import encoded_mark, has_data_url, without_data_urls
from chaukas.sdk.capture.budget import TEXT_WORK, Budget, Work
from chaukas.sdk.capture.paths import Node, Notes

from .containers import placed_secrets, table_cells
from .redactor import OVERLAP_CHARS, REDACTED, Redactor, middle_out, visible

__all__ = ("BUDGET", "Scrubber")

BUDGET: Final = "<budget>"
"""Stands for what was left when the time was over."""

_WORD_CHARS: Final = 16
_HIDE_WORK: Final = 8
_OWN_WORK: Final = 2
_ITEMS_PER_WORK: Final = 10
_LEAST_CHARS: Final = 2048


class Scrubber:
    """
    Hide the secrets in the texts of trees, in place.

    Args:
        redactor: What to hide.
        limit_chars: The longest text.
        binary: Whether encoded binary content stays.
        redact: The user's own last word on each leaf.

    """

    __slots__ = ("_binary", "_limit_chars", "_redact", "_redactor", "_trusts_words")

    def __init__(
        self,
        redactor: Redactor,
        limit_chars: int,
        *,
        binary: bool,
        redact: Callable[[str, object], object] | None,
    ) -> None:
        """Keep what all events share."""
        self._redactor = redactor
        self._limit_chars = limit_chars
        self._binary = binary
        self._redact = redact
        # Every usual secret is longer than a short word, or has a sign in it.
        self._trusts_words = redact is None and not redactor.has_patterns

    def is_suspect(self, texts: list[str]) -> bool:
        """
        Tell quickly whether any text needs a closer look; never misses one.

        Args:
            texts: The texts of a tree.

        """
        joined = texts[0] if len(texts) == 1 else "\n".join(texts)
        if not joined.isascii() and visible(joined) is not joined:
            return True
        if not self._binary and has_data_url(joined):
            return True
        return self._redactor.is_suspect(joined)

    def scrub(self, root: Node, budget: Budget, notes: Notes) -> None:
        """
        Hide the secrets below a node.

        Args:
            root: The list that holds the tree.
            budget: What is left; once the time is over, texts are left out
                rather than shown unsearched.
            notes: Where the paths of hidden values go.

        """
        work = [root]
        for node in work:
            target = node.target
            budget.search(len(target) // _ITEMS_PER_WORK)
            for row, at, rows_key, column in table_cells(target, self._redactor):
                rows = (
                    node if rows_key is None else Node(target[rows_key], node, rows_key)
                )
                row[column] = REDACTED
                notes.hide(Node(row, rows, at), column)
            secrets = placed_secrets(target, self._redactor)
            for key, item in list(_items_of(target)):
                kind = type(item)
                if budget.search(0):
                    self._leave_out(node, key)
                    break
                if key in secrets:
                    target[key] = REDACTED
                    notes.hide(node, key)
                elif kind is dict or kind is list:
                    work.append(Node(item, node, key))
                else:
                    target[key] = self._leaf(item, node, key, budget, notes)

    def _leave_out(self, node: Node, first: str | int) -> None:
        """Leave out what was not searched of a container, from an item on."""
        target, is_due = node.target, False
        # A number is a leaf that nobody has to look at, but for the user.
        is_own = self._redact is not None
        for key, item in list(_items_of(target)):
            is_due = is_due or key == first
            if is_due and item is not REDACTED:
                kind = type(item)
                if is_own or kind is str or kind is dict or kind is list:
                    target[key] = BUDGET

    def _leaf(
        self, item: Any, node: Node, key: str | int, budget: Budget, notes: Notes
    ) -> Any:
        """Return what may be shown of a leaf."""
        if item is REDACTED:
            return item
        shown = item
        try:
            if type(item) is str:
                if self._trusts_words and len(item) < _WORD_CHARS and item.isalnum():
                    return item
                before = budget.search_work
                affordable = self._affordable(item, budget)
                if affordable < 0:
                    return BUDGET
                counted = before - budget.search_work
                work = Work(TEXT_WORK)
                shown = self._text(item, affordable, work, node, key, notes)
                # What it has cost beyond what it was thought to cost.
                budget.search(max(0, TEXT_WORK - work.left - counted))
                if shown is not item:
                    budget.search(_HIDE_WORK)
            if shown is not REDACTED and self._redact is not None:
                budget.search(_OWN_WORK)
                shown = self._own_word(shown, node, key, notes)
        # Whatever goes wrong, also in the user's function: hide the value.
        except Exception:
            notes.hide(node, key)
            return REDACTED
        return shown

    def _affordable(self, text: str, budget: Budget) -> int:
        """
        Return how much of a text may be searched; below zero: nothing.

        A text that costs more than is left loses its middle; a small rest is not
        worth its cut.
        """
        left = budget.search_work
        if left < 0:
            return -1
        units = self._redactor.cost_of(text)
        if not budget.search(units):
            return len(text)
        chars = len(text) * max(0, left) // (2 * units) - 2 * OVERLAP_CHARS
        return chars if chars >= _LEAST_CHARS else -1

    def _text(
        self,
        text: str,
        chars: int,
        work: Work,
        node: Node,
        key: str | int,
        notes: Notes,
    ) -> str:
        """Return a text without secrets and without encoded content."""
        if chars < len(text):
            shown, is_hidden = self._redactor.cut(text, chars, work)
            if is_hidden:
                notes.hide(node, key)
            return visible(shown)
        if not self._binary and has_data_url(text):
            mark = encoded_mark(text)
            if mark is not None:
                return mark.text
            text = without_data_urls(text)
        shown = self._redactor.redact(text, work)
        if shown is not text:
            notes.hide(node, key)
        return middle_out(visible(shown), self._limit_chars)

    def _own_word(self, shown: Any, node: Node, key: str | int, notes: Notes) -> Any:
        """Ask the user's function what to show of a leaf."""
        if self._redact is None:
            return shown
        answer = self._redact(notes.path_of(node, key), shown)
        kind = type(answer)
        if kind is type(shown) and answer == shown:
            return shown
        notes.hide(node, key)
        if kind is str:
            return middle_out(visible(str(answer)), self._limit_chars)
        return answer if kind is bool or answer is None else _number(answer)


def _items_of(target: Any) -> "Iterable[tuple[str | int, Any]]":
    """Return the items of a container with their keys or positions."""
    return target.items() if type(target) is dict else enumerate(target)


def _number(answer: Any) -> Any:
    """Return a plain number of the user's; hide anything else."""
    kind = type(answer)
    if kind is int and -(2**53) <= answer <= 2**53:
        return answer
    if kind is float and -(2.0**53) <= answer <= 2.0**53:
        return int(answer) if answer.is_integer() else answer
    return REDACTED
