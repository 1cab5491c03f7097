"""
Keeps what models were asked, so that each span can hold its whole prompt.

An event holds what is new to its session and names the rest. Here the rest is looked
up, within bounds: what was forgotten is left out, and the span says how much that is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from chaukas.sdk.prompts import Call, call_of, items_of
from chaukas.sdk.system.bounded import BoundedMap

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event

__all__ = ["MISSING", "Asked", "Conversation"]

_KEPT_BYTES: Final = 8 << 20
_INPUTS: Final = 8_192
_TEXTS: Final = 1_024
_PROMPT_BYTES: Final = 128 << 10
_HEAD_ITEMS: Final = 2
MISSING: Final = "chaukas_left_out"
"""Type of the item that stands for `count` items that are left out."""


class Asked(NamedTuple):
    """What one model call was asked."""

    system: str
    items: list[Any]
    size: int = 0
    """Bytes of the items as JSON, about."""


class _Items:
    """Items by digest, the oldest forgotten beyond a size in bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Any:
        found = self._entries.get(key)
        return None if found is None else found[0]

    def put(self, key: tuple[str, str], item: Any) -> None:
        if key in self._entries:
            self._entries.move_to_end(key)
            return
        size = len(orjson.dumps(item))
        self._entries[key] = (item, size)
        self._bytes += size
        while self._bytes > self._limit_bytes:
            _, (_, gone) = self._entries.popitem(last=False)
            self._bytes -= gone


class Conversation:
    """
    The items and system texts of one stream of events, in bounded memory.

    To take in an event twice changes nothing.

    Args:
        kept_bytes: Size of all items, as JSON, that are kept for later calls.
        prompt_bytes: Size of one prompt, as JSON, beyond which its middle is left out.
    """

    def __init__(
        self, kept_bytes: int = _KEPT_BYTES, prompt_bytes: int = _PROMPT_BYTES
    ) -> None:
        self._prompt_bytes = prompt_bytes
        self._items = _Items(kept_bytes)
        self._inputs: BoundedMap[tuple[str, str], Call] = BoundedMap(_INPUTS)
        self._texts: BoundedMap[tuple[str, str], str] = BoundedMap(_TEXTS)

    def asked(self, event: Event) -> Asked:
        """Return what a MODEL_INVOCATION_START asks, and keep what is new in it."""
        call = call_of(event)
        request = call.request
        text_key = call.stream, request.get("system_hash", "")
        system = request.get("system")
        if type(system) is str:
            self._texts.put(text_key, system)
        slim = self._kept(call)
        items = items_of(slim, self._items, self._inputs)
        shown = self._bounded(items)
        size = len(orjson.dumps(shown))
        return Asked(self._texts.get(text_key) or "", shown, size)

    def _kept(self, call: Call) -> Call:
        """Keep the fresh items of a call; return it with references to all of them."""
        request = call.request
        total = int(request.get("input_count", 0))
        base = request.get("input_base") or {}
        digests = list(request.get("input_digests", ()))
        named = {int(index): digest for index, digest in request.get("input_refs", ())}
        given = request.get("input", ())
        fresh = iter(given if type(given) is list else [given])
        refs: list[list[Any]] = []
        for index in range(int(base.get("count", 0)), total):
            digest = named.get(index)
            if digest is None:
                item = next(fresh, None)
                digest = digests.pop(0) if digests else ""
                # What is no plain JSON has none: nobody refers to it but this call.
                digest = digest or f"{call.span_id}/{index}"
                if item is not None:
                    self._items.put((call.stream, digest), item)
            refs.append([index, digest])
        told = {"input_count": total, "input_base": base, "input_refs": refs}
        slim = call._replace(request=told)
        whole = request.get("input_digest")
        if whole and self._inputs.get((call.stream, whole)) is None:
            self._inputs.put((call.stream, whole), slim)
        return slim

    def _bounded(self, items: list[Any]) -> list[Any]:
        """Leave out the middle of a prompt that is too large, and what is not kept."""
        sizes = [len(orjson.dumps(item)) for item in items]
        kept: list[Any] = list(items)
        left_bytes = self._prompt_bytes - sum(sizes[:_HEAD_ITEMS])
        for index in range(len(items) - 1, _HEAD_ITEMS - 1, -1):
            left_bytes -= sizes[index]
            # The last one stands in any case: it is what the call is about.
            if left_bytes < 0 and index < len(items) - 1:
                kept[index] = None
        return _with_marks(kept)


def _with_marks(items: list[Any]) -> list[Any]:
    made: list[Any] = []
    for item in items:
        if item is not None:
            made.append(item)
        elif made and type(made[-1]) is dict and made[-1].get("type") == MISSING:
            made[-1]["count"] += 1
        else:
            made.append({"type": MISSING, "count": 1})
    return made
