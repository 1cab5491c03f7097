"""
Take values on the host's thread as they are, to be captured on the writer's.

Bounding and redacting a value costs far more than keeping it, and is cheaper in a
batch. Only what can be held neither by reference nor as JSON is captured at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .held import LEAF_BYTES, Deferred, Frozen, HeldItems, HeldMembers, freeze
from .snapshot import Capture

if TYPE_CHECKING:
    from .redaction.stream import Cut
    from .snapshot import Rules

__all__ = ("DeferredCapture",)

_HELD: Final = 10_000
"""Members that are held one by one, at most."""


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
                held_members = {
                    name: self._held(item, f"{path}.{name}")
                    for name, item in members.items()
                }
                return HeldMembers(held_members)
        if type(value) is list and len(value) <= _HELD:
            return HeldItems(
                [self._held(item, f"{path}[{n}]") for n, item in enumerate(value)]
            )
        return self._captured_early(value, path, is_text=False)

    def _held(self, item: Any, path: str) -> Any:
        held = freeze(item)
        if held is NotImplemented:
            return self._captured_early(item, path, is_text=False)
        return held

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
