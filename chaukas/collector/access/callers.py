"""Who sends a request: by its key, or the machine's owner where no key is needed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaukas.collector.refusal import Refusal

from .keys import EVERY, KeyFileError
from .rates import Rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .keys import Key, KeyFile

__all__ = ("LOCAL", "Access", "Caller", "need", "only")

_GUESSES_PER_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Caller:
    """One who may do something."""

    name: str
    """Id of the key; `local` without one."""
    tenant: str | None
    """Whose events; None for all: the machine's owner, or a key for every tenant."""
    project: str
    """The only one to send to; empty for all."""
    scopes: frozenset[str]
    key: Key | None = None
    """The one that was shown; None of the owner, who has the page's token, or of
    anybody while there is none."""


LOCAL: Final = Caller("local", None, "", frozenset({"ingest", "read", "admin"}))
"""The owner of the machine."""


class Access:
    """
    Decides who may do what; of one thread.

    Args:
        keys: The keys there are.
        is_open: Whether a collector without any key serves everybody: only where
            nobody but the owner of the machine can reach it.
    """

    def __init__(self, keys: KeyFile, *, is_open: bool) -> None:
        self._keys = keys
        self._may_be_open = is_open
        self._guesses = Rates()
        self._used = Rates()

    def caller(self, authorization: str | None, peer: str) -> Caller:
        """
        Return who sends a request.

        Args:
            authorization: The header, or the metadata, of that name.
            peer: Address from which the request comes.

        Raises:
            Refusal: 401 without a valid key, 429 after too many wrong ones, 503 if
                the keys cannot be read.
        """
        now_s = time.monotonic()
        try:
            if self.is_open:
                return LOCAL
            scheme, _, text = (authorization or "").partition(" ")
            key = self._keys.find(text.strip(), time.time())
        except KeyFileError:
            raise Refusal(503, _UNREADABLE, 10) from None
        if key is None or scheme.lower() != "bearer":
            # A right key is let in from there all the same.
            if text and self._guesses.take(peer, 1, _GUESSES_PER_S, now_s):
                raise Refusal(429, "Too many wrong keys from this address.", 1)
            raise Refusal(401, "A valid key is needed: Authorization: Bearer ck_….")
        return _caller_of(key)

    @property
    def is_open(self) -> bool:
        """
        Whether everybody is served: until the first key is made.

        Raises:
            KeyFileError: The keys cannot be read.
        """
        return self._may_be_open and self._keys.is_empty

    def caller_of(self, key_id: str) -> Caller | None:
        """
        Return who a key was given to, once it was shown; None if it is valid no more.

        Raises:
            Refusal: 503, if the keys cannot be read.
        """
        try:
            key = self._keys.get(key_id, time.time())
        except KeyFileError:
            raise Refusal(503, _UNREADABLE, 10) from None
        return None if key is None else _caller_of(key)

    def check_rate(self, caller: Caller, events: int, size: int) -> None:
        """
        Count what a caller sends.

        Raises:
            Refusal: 429, if its key allows less.
        """
        key = caller.key
        if key is None:
            return
        now_s = time.monotonic()
        for what, amount, per_s in (
            ("events", events, key.events_per_s),
            ("bytes", size, key.bytes_per_s),
        ):
            if per_s and amount:
                wait_s = self._used.take(f"{key.id} {what}", amount, per_s, now_s)
                if wait_s:
                    text = f"This key may send {per_s:g} {what} a second."
                    raise Refusal(429, text, wait_s)


_UNREADABLE: Final = "The keys cannot be read now."


def _caller_of(key: Key) -> Caller:
    tenant = None if key.tenant == EVERY else key.tenant
    return Caller(key.id, tenant, key.project, frozenset(key.scopes), key)


def only(authorizations: Sequence[str]) -> str | None:
    """
    Return the one authorization of a request, if there is one.

    Raises:
        Refusal: 400, if there are several: something in front of us might have taken
            the sender for the other one.
    """
    if len(authorizations) > 1:
        raise Refusal(400, "One Authorization at most.")
    return authorizations[0] if authorizations else None


def need(caller: Caller, scope: str) -> None:
    """
    Let a caller go on who may.

    Raises:
        Refusal: 403, if its key does not allow it.
    """
    if scope not in caller.scopes:
        raise Refusal(403, f"This key does not allow it: it lacks the scope {scope}.")
