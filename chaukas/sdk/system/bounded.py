"""
Bound what comes from outside: maps that forget, and ids of a fixed length.

One place, because a limit that is checked by each user is once checked wrongly: two
threads that both look for the oldest entry of a plain dict break each other.
"""

from __future__ import annotations

import hashlib
import sys
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .threads import original

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["ID_CHARS", "BoundedMap", "WeakMap", "bounded", "id_text"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

ID_CHARS = 256
_DIGEST_CHARS = 16


class BoundedMap(Generic[K, V]):
    """
    A map that holds a fixed number of entries and forgets the oldest.

    For any thread, task, signal handler or finalizer. Keys are texts, numbers or
    tuples of these, whose hash runs no code of the application; values are let go
    outside of the lock, as their finalizers may do anything.

    Args:
        limit: Entries to hold at most.
    """

    __slots__ = ("_entries", "_limit", "_lock")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[K, V] = {}
        # Re-entrant: a finalizer may run in the middle of any of these.
        self._lock = original("_thread", "RLock")()

    def get(self, key: K) -> V | None:
        """Return the value of *key*, or None."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> V | None:
        """Hold *value* as the newest; return the value that was forgotten for it."""
        with self._lock:
            old = self._entries.pop(key, None)
            self._entries[key] = value
            if len(self._entries) > self._limit:
                old = self._entries.pop(next(iter(self._entries)), None)
        return old

    def add(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of *key*; if there is none, that of *make*, now held."""
        found = self._entries.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self.put(key, made)
        return made if found is None else found

    def pop(self, key: K) -> V | None:
        """Forget *key* and return its value, or None."""
        with self._lock:
            return self._entries.pop(key, None)

    def pop_if(self, key: K, is_meant: Callable[[V], bool]) -> None:
        """Forget *key* if its value is the one that is meant."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None and is_meant(found):
                del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries


class WeakMap(Generic[V]):
    """
    What is remembered of objects as long as they live, by their identity.

    Neither the hash nor the equality of an object is asked, and nothing is written
    into it.

    Args:
        limit: Objects to remember at most; the oldest are forgotten.
    """

    __slots__ = ("_known",)

    def __init__(self, limit: int) -> None:
        self._known: BoundedMap[int, tuple[weakref.ref[Any], V]] = BoundedMap(limit)

    def put(self, owner: object, value: V) -> None:
        """Remember *value* of *owner*, unless that cannot be held weakly."""
        known, key = self._known, id(owner)

        def forget(reference: weakref.ref[Any]) -> None:
            # By now the address may belong to another object.
            known.pop_if(key, lambda entry: entry[0] is reference)

        try:
            reference = weakref.ref(owner, forget)
        except TypeError:
            return
        known.put(key, (reference, value))

    def get(self, owner: object) -> V | None:
        """Return what is remembered of *owner*, or None."""
        entry = self._known.get(id(owner))
        return entry[1] if entry is not None and entry[0]() is owner else None

    def pop(self, owner: object) -> V | None:
        """Forget *owner* and return what was remembered, or None."""
        value = self.get(owner)
        self._known.pop_if(id(owner), lambda entry: entry[0]() is owner)
        return value

    def __len__(self) -> int:
        return len(self._known)


def bounded(text: str, limit_chars: int = ID_CHARS) -> str:
    """
    Return *text* with at most *limit_chars* characters, all of them encodable.

    What is cut ends in a digest of the whole, so that two ids stay apart.
    """
    if len(text) <= limit_chars and text.isascii():
        return text
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit_chars:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{text[: limit_chars - _DIGEST_CHARS - 1]}~{digest}"


def id_text(value: object) -> str | None:
    """
    Return an id or a name that the application gives, as bounded text.

    Accepted are texts, subclasses of `str`, whole numbers and UUIDs; no code of
    the value's class is run.

    Returns:
        The text; an empty one for None or a bool; None for any other type.
    """
    if value is None or type(value) is bool:
        return ""
    if issubclass(type(value), str):
        return bounded(str.__str__(cast("str", value)))
    if type(value) is int:
        is_long = value.bit_length() > _INT_BITS
        return bounded(hex(value) if is_long else str(value))
    return str(value) if _is_uuid(value) else None


_INT_BITS = 4096
"""Longer numbers are written in hex: `str` refuses them, or takes long."""


def _is_uuid(value: object) -> bool:
    # Who has one has the module, which is not worth loading for this.
    uuid = sys.modules.get("uuid")
    return uuid is not None and type(value) is uuid.UUID
