"""
Record each item of a conversation once in a session, and refer to it afterwards.

A model is sent its whole conversation at every call. Recording it whole again each time
would make the record grow with the square of the conversation; leaving out what came
before would lose it where nobody else recorded it. So what the session's record does
not hold yet is written in full, and the rest is named by its digest, in order.
`prompts.rebuild_prompts` puts them together again.

Digests are keyed by a secret of the process: nobody can find out by trying what an item
said that was hidden or redacted.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ._bounded import BoundedMap

if TYPE_CHECKING:
    from .context import Session

__all__ = ["History", "Input"]

_DIGEST_BYTES = 8
_ITEMS = 65_536
_INPUTS = 8_192
_INPUTS_COMPARED = 4


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
        Return what to record of the input *given*, and remember it as recorded.

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
            if digest and not repeat and self._holds(place, digest):
                refs.append([index, digest])
            else:
                fresh.append(given[index])
                digests.append(digest)
        if whole and whole != (base and base.digest):
            self._remember(place, _Known(len(given), whole))
        facts: dict[str, Any] = {
            "input_count": len(given),
            "input_omitted": len(given) - len(fresh),
            "input_digest": whole,
            "input_digests": digests,
            "input_base": base
            and {"count": base.items, "digest": base.digest},
            "input_refs": refs,
        }
        return Input(fresh, {name: value for name, value in facts.items() if value})

    def _digest_of(self, value: Any, mark: bytes) -> str:
        """Return the digest of plain JSON data; nothing for anything else."""
        try:
            data = orjson.dumps(value)
        except TypeError:
            return ""
        keyed = blake2b(
            data, digest_size=_DIGEST_BYTES, key=self._secret, person=mark
        )
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

    def _holds(self, place: int, digest: str) -> bool:
        """Tell whether an item is held already, and hold it from now on."""
        key = (place, digest)
        if key in self._items:
            return True
        self._items.put(key, True)
        return False

    def _remember(self, place: int, known: _Known) -> None:
        others = self._inputs.get(place) or ()
        kept = sorted((known, *others[: _INPUTS_COMPARED - 1]), reverse=True)
        self._inputs.put(place, tuple(kept))
