"""
API keys in a file: made, listed, revoked, looked up.

Only the hash of a key is kept. A key is random, 256 bits, so a plain SHA-256 is
enough: there is nothing to guess from. The file is replaced as a whole, so that a
reader never sees half of it, and a running collector finds a change within a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ("EVERY", "SCOPES", "Key", "KeyFile", "KeyFileError")

SCOPES: Final = ("ingest", "read", "admin")
"""What a key may allow: sending events, reading them, what is of all tenants."""

EVERY: Final = "*"
"""Tenant of a key for an application, or a reader, that serves all of them."""
_KEY: Final = re.compile(r"ck_([A-Za-z0-9]{12})_([A-Za-z0-9_-]{43})")
_ID_CHARS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_EVERY_S: Final = 0.5
_NONE: Final = hashlib.sha256(b"no key").hexdigest()


class KeyFileError(Exception):
    """The file of the keys cannot be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; never the key itself."""

    id: str
    hash: str
    """SHA-256 of the whole key, hex."""
    tenant: str
    project: str
    """The only one that may be sent to; empty for every one of the tenant's."""
    scopes: tuple[str, ...]
    created_s: float
    """Seconds since 1970, as all moments here."""
    expires_s: float | None = None
    revoked_s: float | None = None
    events_per_s: float | None = None
    """Most events a second, on average; None for no limit."""
    bytes_per_s: float | None = None

    def is_valid(self, now_s: float) -> bool:
        """Return whether it may be used now."""
        if self.revoked_s is not None:
            return False
        return self.expires_s is None or now_s < self.expires_s


class KeyFile:
    """
    The keys of one collector; may be used by several threads and processes.

    Args:
        path: Of the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, int, int] | None = None
        self._looked_s = float("-inf")
        self._trouble = ""

    def create(
        self,
        tenant: str,
        project: str,
        scopes: Sequence[str],
        *,
        expires_s: float | None = None,
        events_per_s: float | None = None,
        bytes_per_s: float | None = None,
    ) -> tuple[str, Key]:
        """Make a key, and return it with what is kept of it: it is shown only now."""
        key_id = "".join(secrets.choice(_ID_CHARS) for _ in range(12))
        text = f"ck_{key_id}_{secrets.token_urlsafe(32)}"
        key = Key(
            key_id, _hash(text), tenant, project, tuple(scopes), time.time(),
            expires_s, None, events_per_s, bytes_per_s,
        )  # fmt: skip
        with self._changing() as keys:
            keys[key_id] = key
        return text, key

    def revoke(self, key_id: str) -> Key | None:
        """Make a key invalid from now on; None if there is none with that id."""
        with self._changing() as keys:
            key = keys.get(key_id)
            if key is not None and key.revoked_s is None:
                key = keys[key_id] = replace(key, revoked_s=time.time())
        return key

    def all(self) -> list[Key]:
        """
        Return all keys, the oldest first.

        Raises:
            KeyFileError: The file is damaged.
        """
        self._refresh(is_forced=True)
        return sorted(self._keys.values(), key=lambda key: key.created_s)

    def find(self, text: str, now_s: float) -> Key | None:
        """Return the valid key that a text is; None for any other text."""
        self._refresh()
        match = _KEY.fullmatch(text)
        key = self._keys.get(match[1]) if match else None
        # An id that there is not takes as long as one that there is.
        is_equal = hmac.compare_digest(_hash(text), _NONE if key is None else key.hash)
        return key if key and is_equal and key.is_valid(now_s) else None

    def get(self, key_id: str, now_s: float) -> Key | None:
        """Return a key by its id; None if there is none, or it is not valid."""
        self._refresh()
        key = self._keys.get(key_id)
        return key if key and key.is_valid(now_s) else None

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made: nobody has to show one."""
        self._refresh()
        return not self._keys

    def _refresh(self, *, is_forced: bool = False) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s >= _EVERY_S or is_forced:
            self._looked_s = now_s
            self._look()
        if self._trouble:
            # Until it is mended: what was known before may let in whoever should not.
            raise KeyFileError(self._trouble)

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            # Of a file that goes away while the server runs, the keys stay: without
            # any, everybody would be let in.
            return
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen and not self._trouble:
            return
        try:
            self._keys = _read(self._path)
        except KeyFileError as error:
            self._trouble = str(error)
        else:
            self._seen, self._trouble = seen, ""

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Key]]:
        lock = os.open(
            self._path.with_suffix(".lock"),
            os.O_CREAT | os.O_RDWR | os.O_CLOEXEC,
            0o600,
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = _read(self._path) if self._path.exists() else {}
            yield keys
            _write(self._path, keys)
            self._refresh(is_forced=True)
        finally:
            os.close(lock)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[str, Key]:
    try:
        data: list[dict[str, Any]] = orjson.loads(path.read_bytes())
        keys = [Key(**{**one, "scopes": tuple(one["scopes"])}) for one in data]
    except (OSError, ValueError, TypeError, KeyError):
        text = f"{path} cannot be read: restore it from a copy; no key is valid now."
        raise KeyFileError(text) from None
    return {key.id: key for key in keys}


def _write(path: Path, keys: dict[str, Key]) -> None:
    data = orjson.dumps(
        [asdict(key) for key in keys.values()], option=orjson.OPT_INDENT_2
    )
    fresh = path.with_suffix(".new")
    number = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
