"""
Threads, locks and sleep of the operating system, whatever was patched.

gevent replaces these names by cooperative ones. A writer that is a greenlet
would write only when the host yields, so it must be a real thread.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _queue import SimpleQueue
    from _thread import LockType, allocate_lock, get_ident
    from _thread import start_new_thread as start_thread
    from time import sleep

__all__ = [
    "LockType",
    "SimpleQueue",
    "allocate_lock",
    "get_ident",
    "original",
    "sleep",
    "start_thread",
]


def original(module: str, name: str) -> Any:
    """
    Return `name` of `module` as it was before gevent patched it.

    gevent is asked only when its `monkey` module is loaded already; it is
    never imported from here. A patch made after this module was imported
    does not reach the names taken below.

    Args:
        module: Name of a module of the standard library.
        name: Attribute of that module.

    Raises:
        AttributeError: The module has no such attribute.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    __import__(module)
    return getattr(sys.modules[module], name)


if not TYPE_CHECKING:
    LockType = original("_thread", "LockType")
    SimpleQueue = original("_queue", "SimpleQueue")
    allocate_lock = original("_thread", "allocate_lock")
    get_ident = original("_thread", "get_ident")
    sleep = original("time", "sleep")
    start_thread = original("_thread", "start_new_thread")
