"""
Record each item of a conversation once in a session, and refer to it afterwards.

A model is sent its whole conversation at every call. Recording it whole again each time
would make the record grow with the square of the conversation; leaving out what came
before would lose it where nobody else recorded it. So what the session's record does
not hold yet is written in full, and the rest is named by its digest, in order.
`prompts.rebuild_prompts` puts them together again.

An item counts as held once an event was captured in which it is whole: `note` decides
what to write, `keep` learns what was written. What the limits of one event left out is
written again by the next call.

Digests are keyed by a secret of the process: nobody can find out by trying what an item
said that was hidden or redacted.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from chaukas.sdk.capture.snapshot import BUDGET
from chaukas.sdk.system.bounded import BoundedMap

if TYPE_CHECKING:
    from .context import Session

__all__ = ["History", "Input"]

_DIGEST_BYTES = 8
_ITEMS = 65_536
_INPUTS = 8_192
_INPUTS_COMPARED = 4
_LARGE_BYTES = 65_536
"""An item of this size may not fit into an event, even by itself."""
_CUT = (BUDGET.encode(), b' more>"')
"""How an encoded item shows that a part of it did not fit."""


class _Known(NamedTuple):
    """An input that the record of a session holds."""

    items: int
    digest: str


class Input(NamedTuple):
    """What to record of one model call's input."""

    fresh: list[Any]
    """Items that the session's record does not hold yet, uncaptured."""
    facts: dict[str, Any]
    """`input_count`, and what tells how to put the whole together: `input_digest` of
    the whole, `input_digests` of the fresh items, `input_base` (digest and count) of
    an earlier input with which it begins, `input_refs` (index and digest) of further
    items that are held already, `input_omitted`, how many are not written here."""
    place: int
    """Whose record it is, for `keep`."""


class History:
    """
    The items that the record of each open session holds, by their digests.

    Bounded: what is forgotten is written in full once more.

    Args:
        secret: Key of the digests, at most 64 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._items: BoundedMap[tuple[int, str], bool] = BoundedMap(_ITEMS)
        self._inputs: BoundedMap[int, tuple[_Known, ...]] = BoundedMap(_INPUTS)

    def note(
        self, session: Session, given: Any, *, hidden: bool, repeat: bool = False
    ) -> Input:
        """
        Return what to record of the input *given*; `keep` remembers it.

        Args:
            session: Session in whose record it stands.
            given: Input of a model call, a text or a list of items.
            hidden: Its content is hidden, so it does not stand in for content that
                is not.
            repeat: Write every item, recorded before or not.
        """
        if type(given) is not list:
            given = [given]
        place = 2 * session.serial + hidden
        mark = b"hidden" if hidden else b""
        whole = self._digest_of(given, mark)
        base = None if repeat else self._base_of(place, given, whole, mark)
        start = base.items if base is not None else 0
        fresh: list[Any] = []
        digests: list[str] = []
        refs: list[list[Any]] = []
        for index in range(start, len(given)):
            digest = self._digest_of(given[index], mark)
            if digest and not repeat and (place, digest) in self._items:
                refs.append([index, digest])
            else:
                fresh.append(given[index])
                digests.append(digest)
        facts: dict[str, Any] = {
            "input_count": len(given),
            "input_omitted": len(given) - len(fresh),
            "input_digest": whole,
            "input_digests": digests,
            "input_base": base and {"count": base.items, "digest": base.digest},
            "input_refs": refs,
        }
        told = {name: value for name, value in facts.items() if value}
        return Input(fresh, told, place)

    def keep(self, noted: Input, shown: Any, *, is_cut: bool) -> None:
        """
        Remember what an event holds now of the input *noted*.

        Args:
            noted: What `note` returned.
            shown: The fresh items as they were captured for the event.
            is_cut: The event was too large, and cut once more.
        """
        facts = noted.facts
        digests = facts.get("input_digests", ())
        is_whole = _are_whole(noted.fresh, shown, is_cut=is_cut)
        for digest, is_held in zip(digests, is_whole, strict=False):
            if digest and is_held:
                self._items.put((noted.place, digest), True)
        whole = facts.get("input_digest", "")
        base = facts.get("input_base") or {}
        if whole and all(is_whole) and whole != base.get("digest"):
            self._remember(noted.place, _Known(facts.get("input_count", 0), whole))

    def _digest_of(self, value: Any, mark: bytes) -> str:
        """Return the digest of plain JSON data; nothing for anything else."""
        try:
            data = orjson.dumps(value)
        except TypeError:
            return ""
        keyed = blake2b(data, digest_size=_DIGEST_BYTES, key=self._secret, person=mark)
        return keyed.hexdigest()

    def _base_of(
        self, place: int, given: list[Any], whole: str, mark: bytes
    ) -> _Known | None:
        """Return the longest known input with which *given* begins."""
        for known in self._inputs.get(place) or ():
            if known.items == len(given):
                if known.digest == whole:
                    return known
            elif (
                known.items < len(given)
                and self._digest_of(given[: known.items], mark) == known.digest
            ):
                return known
        return None

    def _remember(self, place: int, known: _Known) -> None:
        others = self._inputs.get(place) or ()
        kept = sorted((known, *others[: _INPUTS_COMPARED - 1]), reverse=True)
        self._inputs.put(place, tuple(kept))


def _are_whole(fresh: list[Any], shown: Any, *, is_cut: bool) -> list[bool]:
    """Tell of each fresh item whether *shown* holds it as well as any event can."""
    if type(shown) is not list or len(shown) != len(fresh):
        return [False] * len(fresh)
    if not is_cut and _is_whole(shown):
        return [True] * len(fresh)
    whole = [not is_cut and _is_whole(item) for item in shown]
    if whole and not whole[0]:
        # It had the whole event: what is cut of it, is cut in every other too.
        whole[0] = len(_encoded(fresh[0])) > _LARGE_BYTES
    return whole


def _is_whole(item: Any) -> bool:
    encoded = _encoded(item)
    return not any(mark in encoded for mark in _CUT)


def _encoded(item: Any) -> bytes:
    try:
        return orjson.dumps(item)
    except TypeError:
        return b""
