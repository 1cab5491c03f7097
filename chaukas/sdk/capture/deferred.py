"""
Take values on the host's thread as they are, to be captured on the writer's.

Bounding and redacting a value costs far more than keeping it, and is cheaper in a
batch. Of what can be held neither by reference nor as JSON the members are read at
once, as they are now; its texts are searched later, as all are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .held import (
    PIECE_ITEMS,
    Deferred,
    Frozen,
    FrozenItems,
    HeldItems,
    HeldMembers,
    freeze,
    held_bytes_of,
    is_long,
    nodes_of,
)
from .snapshot import BUDGET, Capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .redaction.stream import Cut
    from .rules import Rules

__all__ = ("DeferredCapture",)

_HELD: Final = 10_000
"""Members that are held one by one, at most."""
_HELD_BYTES: Final = 4 << 20
"""What these may weigh; of what comes then little is read."""
_HELD_NODES: Final = 12_000
"""Values in them; an event shows fewer."""
_EARLY: Final = 256
"""Objects whose members are read at once, at most; of the rest a mark is recorded."""
_LEVELS: Final = 6
"""Containers in each other in which long texts are held by themselves."""
_EARLY_SHARE: Final = 1 / 16
"""How much of the limit in time there is on the host's thread."""


class _HoldBudget:
    """What may still be held of one container."""

    __slots__ = ("bytes", "early", "nodes")

    def __init__(self) -> None:
        self.bytes, self.nodes, self.early = _HELD_BYTES, _HELD_NODES, _EARLY

    @property
    def is_full(self) -> bool:
        """Whether nothing more is held as it is."""
        return self.bytes <= 0 or self.nodes <= 0

    def may_capture(self) -> bool:
        """Count an object whose members are read at once; tell whether they may be."""
        # What comes when all values are taken is never shown.
        self.early -= 1
        return self.early >= 0 and self.nodes > 0

    def take(self, held: Any) -> None:
        """Count what is held."""
        self.bytes -= held_bytes_of(held)
        self.nodes -= nodes_of(held)


class DeferredCapture:
    """
    As `Capture`, but what it returns is captured later: look at the value, not at that.

    Args:
        rules: What to capture and what to hide.
    """

    __slots__ = ("_early", "_made", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._made: Capture | None = None
        self._early: Capture | None = None

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
            value: Any object; of what in it is no plain data the members are read.
            path: Where it will stand in the event.
        """
        held = freeze(value)
        if held is NotImplemented and type(value) is str:
            held = self._in_parts(value, path, _LEVELS)
        if held is NotImplemented:
            held = self._by_members(value, path, _LEVELS)
        return held

    def _by_members(self, value: Any, path: str, levels: int) -> Any:
        """Return *value*, its members held by themselves if there are not too many."""
        budget = _HoldBudget()
        if type(value) is dict and len(value) <= _HELD:
            members = dict(value)
            if all(type(name) is str for name in members):
                held = self._held_each(list(members.items()), path, levels, budget)
                return HeldMembers(zip(members, held, strict=True))
        if type(value) is list and len(value) <= _HELD:
            return self._held_items(value[:], path, levels, budget)
        return self._captured_early(value, path)

    def _in_parts(self, value: Any, path: str, levels: int) -> Any:
        """Return what is held of a long text, or of a container with long ones."""
        if not self._rules.content:
            # Nothing of it is searched.
            return NotImplemented
        if type(value) is str:
            return self._rules.held_text(value)
        if levels and is_long(value):
            return self._by_members(value, path, levels)
        return NotImplemented

    def _held_items(
        self, items: list[Any], path: str, levels: int, budget: _HoldBudget
    ) -> HeldItems:
        """Return *items*, held some by some, or else one by one."""
        kept = HeldItems()
        for start in range(0, len(items), PIECE_ITEMS):
            if start and budget.is_full:
                # More than an event shows.
                kept += [BUDGET] * (len(items) - start)
                break
            piece = items[start : start + PIECE_ITEMS]
            held = NotImplemented if budget.is_full else freeze(piece)
            if held is NotImplemented:
                members = list(enumerate(piece, start))
                kept += self._held_each(members, path, levels, budget)
            else:
                budget.take(held)
                kept.append(FrozenItems(held.data, held.nodes))
        return kept

    def _held_each(
        self,
        members: Sequence[tuple[str | int, Any]],
        path: str,
        levels: int,
        budget: _HoldBudget,
    ) -> list[Any]:
        """Return members, held one by one as far as their size and number allow."""
        kept: list[Any] = []
        for key, item in members:
            held = NotImplemented if budget.is_full else freeze(item)
            kind = type(item)
            is_parted = kind is str or kind is dict or kind is list
            if held is NotImplemented and is_parted and not budget.is_full:
                held = self._in_parts(item, self._place(path, key), levels - 1)
            if held is NotImplemented:
                held = BUDGET
                if budget.may_capture():
                    held = self._member_early(item, key, path)
            budget.take(held)
            kept.append(held)
        return kept

    def _place(self, path: str, key: str | int) -> str:
        """Return where a member stands, by its name only if that is harmless."""
        if type(key) is int:
            return f"{path}[{key}]"
        return f"{path}.{key if key in self._rules.safe_names else '…'}"

    def _member_early(self, item: Any, key: str | int, path: str) -> Any:
        """Return what an object among others holds now, see `_captured_early`."""
        if type(key) is int:
            return self._captured_early(item, self._place(path, key))
        # With its name, which may say that it is hidden.
        shown = self._captured_early({key: item}, path)
        return next(iter(shown.values()), BUDGET) if type(shown) is dict else BUDGET

    def note(self, redacted: Iterable[str]) -> None:
        """Note the paths of what was hidden before it came here."""
        self.made.note(redacted)

    def cut(self, text: str, context: str = "") -> Cut:
        """Return how far a text that still grows may be recorded, see `Capture.cut`."""
        return self.made.cut(text, context)

    def rest(self, text: str, context: str = "") -> str:
        """Return what may be recorded of the end of a text, see `Capture.rest`."""
        return self.made.rest(text, context)

    def _taken(self, value: Any, path: str, *, is_text: bool) -> Any:
        held = freeze(value)
        kind = type(value)
        is_parted = kind is dict or kind is list or kind is str
        if held is NotImplemented and is_parted:
            held = self._in_parts(value, path, _LEVELS)
        if held is NotImplemented:
            held = self._captured_early(value, path, is_text=is_text)
            if not self._rules.content:
                return held
            frozen = freeze(held)
            held = held if frozen is NotImplemented else frozen
        elif not value and (not is_text or type(value) is str):
            # What is empty has nothing to bound or to hide, and says so at once.
            return value if self._rules.content else self.made.tree(value, path)
        # Without a call for what is held nearly always.
        if type(held) is str:
            weight_bytes = len(held)
        elif type(held) is Frozen:
            weight_bytes = len(held.data)
        else:
            weight_bytes = held_bytes_of(held)
        return Deferred(self, held, path, weight_bytes, is_text=is_text)

    def _captured_early(self, value: Any, path: str, *, is_text: bool = False) -> Any:
        """
        Return what an object holds now, as plain data whose texts are not searched yet.

        Without content this is what is shown.
        """
        if self._early is None:
            # Budgets of its own: what it takes is not missing on the writer's thread.
            self._early = Capture(self._rules.early, _EARLY_SHARE)
        early = self._early
        noted = len(early.redacted), len(early.altered)
        is_shown = is_text and not self._rules.content
        held = early.text(value, path) if is_shown else early.tree(value, path)
        if early.is_noted:
            self.made.note(early.redacted[noted[0] :], early.altered[noted[1] :])
        return held
