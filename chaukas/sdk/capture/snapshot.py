"""
Turn any object into a bounded, redacted JSON tree.

It runs on the writer's thread, for values that were held at the moment of the event,
and on the host's for objects that could not be: what is recorded is what was there.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from chaukas.sdk.capture.readers.containers import (
    INT_BITS,
    digits_of,
    name_of_key,
    read,
)
from chaukas.sdk.capture.readers.raw import (
    Blob,
    Items,
    Mark,
    NumberText,
    Pairs,
    is_plain,
)
from chaukas.sdk.capture.redaction.redactor import (
    OVERLAP_CHARS,
    REDACTED,
    middle_out,
    visible,
)
from chaukas.sdk.capture.redaction.stream import Cut, cut_of, rest_of
from chaukas.sdk.capture.redaction.tree import BUDGET
from chaukas.sdk.typing import Json

from .binary import blob_mark, blob_text, encoded_mark
from .budget import WORK_LIMIT, Budget, Work
from .fast import NOT_PLAIN, plain_copy
from .identifiers import KNOWN_WORDS, is_identifier, is_plain_name, joining_keys
from .long_text import LongText, missing_chars_of
from .paths import Node, Notes, note_missing, replace
from .rules import SHORT_CHARS, Rules
from .size import shrink

__all__ = ("BUDGET", "Capture", "Rules", "shrink")

_CYCLE: Final = "<cycle>"
_DEPTH: Final = "<depth>"
_UNREADABLE: Final = "<unreadable>"
_NUMBER: Final = "<number>"

_EXACT_INT: Final = 2**53
_KEY_CHARS: Final = 256
_NAME_CHARS: Final = 1024
_CUT_KEY_CHARS: Final = 224
_NAMES_KNOWN: Final = 4096

# What one unit of work pays for, see `Budget`.
_ITEMS_PER_WORK: Final = 10
_KEY_WORK: Final = 6
_KEY_STEPS: Final = 16
_KEY_CHARS_PER_WORK: Final = 16
_READ_WORK: Final = 2
_BLOB_WORK: Final = 2
_MARK_WORK: Final = 40
_BITS_PER_WORK: Final = 100
_BYTES_PER_WORK: Final = 1024


class Capture:
    """
    Take the values of one event; they share its budgets.

    Values are copied breadth first: when a budget ends, what is lost lies deep.

    Args:
        rules: What to capture and what to hide.
        share: How much of the limit in time there is, 1.0 for all of it.

    """

    __slots__ = (
        "_budget",
        "_exact_int",
        "_kept",
        "_notes",
        "_open_until",
        "_placed",
        "_rules",
        "_share",
        "_short_chars",
        "_texts",
        "_work",
    )

    _budget: Budget
    _notes: Notes

    def __init__(self, rules: Rules, share: float = 1.0) -> None:
        """Begin with full budgets, which most events never touch."""
        self._rules, self._share = rules, share
        self._short_chars = -1

    def _prepare(self) -> None:
        """Make what the thorough way needs, once."""
        rules = self._rules
        self._budget = Budget(rules.limits, rules.monotonic_ns, self._share)
        if rules.is_copying:
            # A letter costs nothing then; memory is what it takes.
            self._budget.chars = 2 * rules.limits.event_bytes
        self._kept: frozenset[str] = frozenset()
        self._open_until = self._budget.work // 2
        self._notes = Notes()
        # Below zero, every text and number takes the slower way, which hides it.
        self._exact_int = -1
        self._short_chars = -2
        if rules.content:
            self._short_chars = min(SHORT_CHARS, rules.limits.string_chars)
            self._exact_int = _EXACT_INT

    @property
    def redacted(self) -> list[str]:
        """Paths of values that were hidden, wholly or in part; at most 256."""
        return [] if self._short_chars == -1 else self._notes.redacted

    @property
    def altered(self) -> list[str]:
        """Paths of numbers that became texts, as JSON readers would round them."""
        return [] if self._short_chars == -1 else self._notes.altered

    @property
    def is_noted(self) -> bool:
        """Whether anything was hidden or altered."""
        return self._short_chars != -1 and bool(
            self._notes.redacted or self._notes.altered
        )

    def tree(self, value: object, path: str) -> Json:
        """
        Return any object as a tree of exact built-in types.

        It never raises because of the value and runs none of its code; only the
        user's own `redact` function is called.

        Args:
            value: Any object; it may be changed freely afterwards.
            path: Where the value stands in the event, for `redacted`.

        """
        rules = self._rules
        if rules.is_quick:
            texts: list[str] = []
            copied = plain_copy(value, texts, rules.safe_names, rules.quick_chars)
            if copied is not NOT_PLAIN and (
                not texts or not rules.scrubber.is_suspect(texts)
            ):
                plain: Json = copied
                return plain
        if self._short_chars == -1:
            self._prepare()
        self._budget.resume()
        self._notes.base = path
        self._texts: list[str] = []
        self._work: list[Node] = []
        self._placed = False
        top: list[Any] = []
        root = Node(top, None, 0)
        self._budget.nodes -= 1
        self._fill_list(root, (value,))
        # Containers that are found on the way are appended meanwhile.
        for node in self._work:
            self._fill(node)
        if not rules.is_copying and (
            rules.thorough
            or self._placed
            or (self._texts and rules.scrubber.is_suspect(self._texts))
        ):
            rules.scrubber.scrub(root, self._budget, self._notes)
        tree: Json = top[0]
        return tree

    def text(self, value: object, path: str) -> str:
        """
        Return a text, or any other object as compact JSON text.

        Args:
            value: A text, or any object.
            path: Where the text stands in the event, for `redacted`.

        """
        rules = self._rules
        if (
            rules.is_quick
            and type(value) is str
            and len(value) <= rules.quick_chars
            and not rules.scrubber.is_suspect([value])
        ):
            return value
        if self._short_chars == -1:
            self._prepare()
        notes = self._notes
        hidden, altered = len(notes.redacted), len(notes.altered)
        tree = self.tree(value, path)
        if type(tree) is str:
            return tree
        # The parts of a text have no path of their own in the event.
        for paths, before in ((notes.redacted, hidden), (notes.altered, altered)):
            if len(paths) > before:
                paths[before:] = [path]
        return middle_out(orjson.dumps(tree).decode(), rules.limits.string_chars)

    def cut(self, text: str, context: str = "") -> Cut:
        """
        Return how far a text that still grows may be told, see `cut_of`.

        Args:
            text: What came so far and is not captured yet.
            context: How the secret began that goes on at its beginning.

        """
        if not self._rules.content:
            return Cut(0, len(text))
        return cut_of(self._rules.redactor, text, context)

    def rest(self, text: str, context: str = "") -> str:
        """Return what may be told of the end of a text, see `rest_of`."""
        return rest_of(self._rules.redactor, text, context)

    def note(self, redacted: Iterable[str], altered: Iterable[str] = ()) -> None:
        """Note the paths of what was hidden or altered before it came here."""
        if self._short_chars == -1:
            self._prepare()
        self._notes.add(redacted, altered)

    # Containers.

    def _open(self, source: object, reading: object, node: Node, key: Any) -> Any:
        """Return an empty copy of a container, to be filled in its turn."""
        depth = node.depth + 1
        if depth > self._rules.limits.depth:
            return _DEPTH
        # The other half is for what they hold.
        if self._budget.work < self._open_until or self._budget.spend(1):
            return BUDGET
        above: Node | None = node
        while above is not None:
            if above.source is source:
                return _CYCLE
            above = above.parent
        kind = type(reading)
        target: Any = {} if kind is dict or kind is Pairs else []
        self._work.append(Node(target, node, key, depth, source, reading))
        return target

    def _fill(self, node: Node) -> None:
        """Copy the items of a container, as many as the budget allows."""
        budget, reading = self._budget, node.reading
        if type(reading) is dict:
            pairs = _pairs_of(reading, max(0, budget.nodes))
            if pairs is None:
                replace(node, _UNREADABLE)
                return
            budget.nodes -= len(pairs)
            note_missing(node.target, len(reading) - self._fill_dict(node, pairs))
        elif type(reading) is Pairs:
            filled = self._fill_dict(node, reading.items)
            note_missing(node.target, reading.total - filled)
        elif type(reading) is Items:
            self._fill_list(node, reading.items)
            note_missing(node.target, reading.total - len(reading.items))
        elif type(reading) is list or type(reading) is tuple:
            total = len(reading)
            items = (
                reading if total <= budget.nodes else reading[: max(0, budget.nodes)]
            )
            budget.nodes -= len(items)
            self._fill_list(node, items)
            note_missing(node.target, total - len(items))

    def _fill_list(self, node: Node, items: Sequence[Any]) -> None:
        """Copy items, the plain ones right here, for speed."""
        target, note = node.target, self._texts.append
        budget, short, exact = self._budget, self._short_chars, self._exact_int
        left = budget.chars
        budget.spend(len(items) // _ITEMS_PER_WORK)
        for item in items:
            kind = type(item)
            if kind is str and len(item) <= short and left >= 0:
                left -= len(item)
                note(item)
                target.append(item)
            elif (
                kind is bool
                or item is None
                or (kind is int and -exact <= item <= exact)
            ):
                target.append(item)
            elif self._is_over(kind, left):
                # At once: so many may follow that asking for each costs too much.
                target.append(BUDGET)
            else:
                budget.chars = left
                target.append(self._other(item, node, len(target)))
                left = budget.chars
        budget.chars = left

    def _is_over(self, kind: type, chars: int) -> bool:
        """Tell whether there is nothing left for a value of a kind."""
        if kind is str:
            return chars < 0 and self._rules.content
        return self._budget.work < 0 and kind is not float and kind is not int

    def _fill_dict(self, node: Node, pairs: Sequence[tuple[Any, Any]]) -> int:
        """Copy pairs, the plain values right here, for speed; return how many."""
        target, note, safe = node.target, self._texts.append, self._rules.safe_names
        budget, short, exact = self._budget, self._short_chars, self._exact_int
        left = budget.chars
        budget.spend(len(pairs) // _ITEMS_PER_WORK)
        if not self._rules.content:
            self._kept = joining_keys(pairs)
        for filled, (name, item) in enumerate(pairs):
            key = name
            # A name may also be there already, from a key of another type.
            if type(name) is not str or name not in safe or name in target:
                if type(name) is not int and budget.spend(_KEY_WORK):
                    budget.chars = left
                    return filled
                key, is_hidden = self._key(name, node, item, pairs)
                if is_hidden:
                    target[key] = REDACTED
                    continue
            kind = type(item)
            if kind is str and len(item) <= short and left >= 0:
                left -= len(item)
                note(item)
                target[key] = item
            elif (
                kind is bool
                or item is None
                or (kind is int and -exact <= item <= exact)
            ):
                target[key] = item
            elif self._is_over(kind, left):
                target[key] = BUDGET
            else:
                budget.chars = left
                target[key] = self._other(item, node, key)
                left = budget.chars
        budget.chars = left
        return len(pairs)

    # Keys.

    def _key(self, key: Any, node: Node, item: Any, of: Any) -> tuple[str, bool]:
        """Return how a key is shown, and whether its value must be hidden."""
        name = name_of_key(key)
        if type(key) is int and name not in node.target:
            return name, False
        rules = self._rules
        try:
            is_secret = rules.redactor.is_sensitive(name[:_NAME_CHARS], node.key)
            is_hidden = is_secret and rules.redactor.hides(name[:_NAME_CHARS], item, of)
            left = max(0, self._budget.work)
            work = Work(left)
            if len(name) > _KEY_CHARS:
                self._budget.spend(min(len(name), OVERLAP_CHARS) // _KEY_CHARS_PER_WORK)
                shown = visible(rules.redactor.cut(name, _CUT_KEY_CHARS, work)[0])
            else:
                shown = visible(rules.redactor.redact(name, work))
            self._budget.spend(max(0, left - work.left - _KEY_STEPS))
        # Whatever goes wrong: hide the name and the value.
        except Exception:
            shown, is_hidden, is_secret = _UNREADABLE, True, True
        if not rules.content and not is_plain_name(shown):
            # A name that is data, such as an address.
            shown = f"<{len(name)} chars>"
        if shown in ("kty", "key"):
            # The parts of a key stand beside it, under names of one letter.
            self._placed = self._placed or shown == "kty"
        # A subclass of str may have an equality of its own.
        elif type(key) is str and shown == key and not is_secret:
            if len(rules.safe_names) >= _NAMES_KNOWN:
                rules.safe_names.clear()
            rules.safe_names.add(shown)
        if shown in node.target:
            shown = f"{shown}~{len(node.target)}"
        if is_hidden or (REDACTED in shown and REDACTED not in name):
            self._notes.hide(node, shown)
        return shown, is_hidden

    # Values that are not plain.

    def _other(self, item: Any, node: Node, key: Any) -> Any:
        """Return what stands for a value that is not plain and short."""
        kind = type(item)
        if kind is dict or kind is list or kind is tuple:
            return self._open(item, item, node, key)
        if kind is str or kind is LongText:
            return self._string(item, node, key)
        if kind is int or kind is float:
            return self._number(item, node, key)
        if item is None or kind is bool:
            return item
        if self._budget.spend(1):
            return BUDGET
        return self._read(item, node, key)

    def _read(self, item: Any, node: Node, key: Any) -> Any:
        """Return what stands for an object."""
        if type(item) is Mark:
            return item.text
        budget = self._budget
        reading = read(item, max(0, budget.nodes))
        if type(reading) is Pairs or type(reading) is Items:
            budget.nodes -= len(reading.items)
            budget.spend(_READ_WORK)
            return self._open(item, reading, node, key)
        if type(reading) is Blob:
            return self._blob(reading)
        if type(reading) is NumberText:
            return self._digits(reading, node, key)
        # A reader gives exact texts, numbers, bools and None besides; anything
        # else is a mistake of ours that must not go round in circles.
        if is_plain(reading):
            return self._other(reading, node, key)
        return reading.text if type(reading) is Mark else _UNREADABLE

    def _digits(self, number: NumberText, node: Node, key: Any) -> str:
        """Return a number that was read as its digits."""
        if not self._rules.content:
            return _NUMBER
        self._notes.alter(node, key)
        return middle_out(number.text, self._rules.limits.string_chars)

    def _hidden_string(self, text: str, node: Node, key: Any) -> str:
        """Return the size of a text, or the text if it only joins or names."""
        if key in ("type", "role") and text in KNOWN_WORDS:
            return text
        if node.depth and key in self._kept and is_identifier(text):
            # An id may be a secret, too.
            self._texts.append(text)
            return text
        return f"<{len(text) + missing_chars_of(text)} chars>"

    def _string(self, text: str, node: Node, key: Any) -> str:
        """Return what stands for a text that is long, or may not be shown."""
        rules, budget = self._rules, self._budget
        if not rules.content:
            return self._hidden_string(text, node, key)
        if budget.chars < 0 or budget.spend(1):
            return BUDGET
        if rules.is_copying:
            held = rules.held_text(text, budget.chars)
            budget.chars -= len(held)
            return held
        limit = rules.limits.string_chars
        if len(text) > self._short_chars and not rules.binary:
            mark = encoded_mark(text, budget.may_hash)
            if mark is not None:
                budget.spend(_MARK_WORK)
                return mark.text
        budget.chars -= min(len(text), limit)
        if len(text) <= limit:
            self._texts.append(text)
            return text
        return self._ends_of(text, limit, node, key)

    def _ends_of(self, text: str, limit: int, node: Node, key: Any) -> str:
        """Return the beginning and the end of a text longer than *limit*."""
        rules, budget = self._rules, self._budget
        sizes, before = (limit, limit // 4), budget.search_work
        limit = next((size for size in sizes if self._may_search(text, size)), 0)
        if not limit:
            return BUDGET
        counted, work = before - budget.search_work, Work()
        # A text that cannot be searched must not be shown.
        try:
            shown, is_hidden = rules.redactor.cut(text, limit, work)
        # Closed, whatever the failure.
        except Exception:
            shown, is_hidden = REDACTED, True
        budget.search(max(0, WORK_LIMIT - work.left - counted))
        if is_hidden:
            self._notes.hide(node, key)
        return visible(shown)

    def _may_search(self, text: str, chars: int) -> bool:
        """Tell whether so much of a text can be searched, and count it."""
        left, part = self._budget.search_work, text[: chars + 2 * OVERLAP_CHARS]
        units = self._rules.redactor.cost_of(part, left)
        return units <= left and not self._budget.search(units)

    def _number(self, number: Any, node: Node, key: Any) -> Any:
        """Return a number, exactly: as a text where JSON would round it."""
        if not self._rules.content or self._rules.is_copying:
            return number if self._rules.content else _NUMBER
        if type(number) is float:
            if -_EXACT_INT <= number <= _EXACT_INT and number.is_integer():
                return int(number)
            if math.isfinite(number):
                return number
        elif -_EXACT_INT <= number <= _EXACT_INT:
            return number
        if type(number) is int and self._budget.spend(
            1 + min(number.bit_length(), INT_BITS) // _BITS_PER_WORK
        ):
            return BUDGET
        self._notes.alter(node, key)
        return digits_of(number)

    def _blob(self, blob: Blob) -> str:
        """Return what stands for binary content."""
        rules = self._rules
        if not rules.content:
            return f"<bytes {blob.size_bytes}>"
        if self._budget.spend(_BLOB_WORK):
            return BUDGET
        if not rules.binary:
            return blob_mark(blob, self._budget.may_hash).text
        self._budget.spend(len(blob.content) // _BYTES_PER_WORK)
        text = blob_text(blob, rules.limits.string_chars)
        self._budget.chars -= len(text)
        return text if self._budget.chars >= 0 else BUDGET


def _pairs_of(source: dict[Any, Any], limit: int) -> list[tuple[Any, Any]] | None:
    """
    Return the pairs of a dict; none if it cannot be read.

    Another thread may change it: the copy is made at once, and once more.
    """
    for _ in range(2):
        try:
            return list(islice(source.items(), limit))
        # Only the second try is worth the loop.
        except RuntimeError:  # noqa: PERF203
            continue
    return None
