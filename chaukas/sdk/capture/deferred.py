"""
Take values on the host's thread as they are, to be captured on the writer's.

Bounding and redacting a value costs far more than keeping it, and is cheaper in a
batch. Only what can be held neither by reference nor as JSON is captured at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .held import (
    LEAF_BYTES,
    Deferred,
    Frozen,
    HeldItems,
    HeldMembers,
    freeze,
    held_bytes_of,
)
from .snapshot import BUDGET, Capture

if TYPE_CHECKING:
    from .redaction.stream import Cut
    from .snapshot import Rules

__all__ = ("DeferredCapture",)

_HELD: Final = 10_000
"""Members that are held one by one, at most."""
_HELD_BYTES: Final = 4 << 20
"""What these may weigh; what comes then is captured at once, which is bounded."""
_EARLY: Final = 256
"""Members that are captured at once, at most; of the rest only the mark is recorded."""


class DeferredCapture:
    """
    As `Capture`, but what it returns is captured later: look at the value, not at that.

    Args:
        rules: What to capture and what to hide.
    """

    __slots__ = ("_made", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._made: Capture | None = None

    @property
    def made(self) -> Capture:
        """What captures the values, with the budgets of one event."""
        if self._made is None:
            self._made = Capture(self._rules)
        return self._made

    @property
    def is_noted(self) -> bool:
        """Whether anything was hidden or altered so far."""
        return self._made is not None and self._made.is_noted

    def tree(self, value: object, path: str) -> Any:
        """Return what becomes `Capture.tree` of *value* as it is now."""
        return self._taken(value, path, is_text=False)

    def text(self, value: object, path: str) -> Any:
        """Return what becomes `Capture.text` of *value* as it is now."""
        return self._taken(value, path, is_text=True)

    def hold(self, value: Any, path: str) -> Any:
        """
        Return *value* as it is now, for `thawed` on the writer's thread.

        Args:
            value: Any object; what in it is no plain data is captured at once.
            path: Where it will stand in the event.
        """
        held = freeze(value)
        if held is not NotImplemented:
            return held
        if type(value) is dict and len(value) <= _HELD:
            members = dict(value)
            if all(type(name) is str for name in members):
                places = [f"{path}.{name}" for name in members]
                held = self._held_each(list(members.values()), places)
                return HeldMembers(zip(members, held, strict=True))
        if type(value) is list and len(value) <= _HELD:
            items = value[:]
            places = [f"{path}[{number}]" for number in range(len(items))]
            return HeldItems(self._held_each(items, places))
        return self._captured_early(value, path, is_text=False)

    def _held_each(self, items: list[Any], places: list[str]) -> list[Any]:
        """Return *items*, held one by one as far as their size and number allow."""
        kept: list[Any] = []
        left_bytes, left_early = _HELD_BYTES, _EARLY
        for item, place in zip(items, places, strict=True):
            held = freeze(item) if left_bytes > 0 else NotImplemented
            if held is NotImplemented:
                left_early -= 1
                held = BUDGET
                if left_early >= 0:
                    held = self._captured_early(item, place, is_text=False)
            left_bytes -= held_bytes_of(held)
            kept.append(held)
        return kept

    def note_hidden(self, path: str) -> None:
        """Note that something was hidden at *path* before it was captured."""
        self.made.note_hidden(path)

    def cut(self, text: str, context: str = "") -> Cut:
        """Return how far a text that still grows may be recorded, see `Capture.cut`."""
        return self.made.cut(text, context)

    def rest(self, text: str, context: str = "") -> str:
        """Return what may be recorded of the end of a text, see `Capture.rest`."""
        return self.made.rest(text, context)

    def _taken(self, value: Any, path: str, *, is_text: bool) -> Any:
        held = freeze(value)
        if held is NotImplemented:
            held = self._captured_early(value, path, is_text=is_text)
            if self._rules.early is self._rules:
                return held
            # The application's own function is asked on the writer's thread.
            frozen = freeze(held)
            held = held if frozen is NotImplemented else frozen
        elif not value and (not is_text or type(value) is str):
            # What is empty has nothing to bound or to hide, and says so at once.
            return value if self._rules.content else self.made.tree(value, path)
        if type(held) is Frozen:
            weight_bytes = len(held.data)
        else:
            weight_bytes = len(held) if type(held) is str else LEAF_BYTES
        return Deferred(self, held, path, weight_bytes, is_text=is_text)

    def _captured_early(self, value: Any, path: str, *, is_text: bool) -> Any:
        """Return what is shown of an object that cannot be kept as it is."""
        rules = self._rules
        capture = self.made if rules.early is rules else Capture(rules.early)
        held = capture.text(value, path) if is_text else capture.tree(value, path)
        if capture is not self.made:
            for hidden in capture.redacted:
                self.made.note_hidden(hidden)
        return held
